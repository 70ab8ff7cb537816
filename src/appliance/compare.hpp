// Compares the expected with the actual contents of an image.
#pragma once

#include <string>
#include <vector>

#include "appliance/contents.hpp"

namespace k8simg {

/// One line for each difference, sorted by path, such as "root: /etc/passwd: mode 0644, manifest says 0600"; empty when
/// there is none. The manifest does not list ext4's lost+found, made by mke2fs, and ldlinux.sys, written by the
/// syslinux installer into a FAT boot partition; they are not differences.
std::vector<std::string> compare(const ImageState& expected, const ImageState& found);

}  // namespace k8simg
