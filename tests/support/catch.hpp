// Includes the system's Catch2 (2.13 in Debian 12, 3 in Debian 13); tests use only features of both.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

#else
#include <catch2/catch.hpp>
#endif

namespace k8simg {
/// The project's root.
const char* source_folder();
}  // namespace k8simg
#define K8SIMG_SOURCE_DIR k8simg::source_folder()
