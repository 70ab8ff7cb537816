// A fragment is either refused or, merged and rendered, asks for the same again; any text at all is a .config.
#include <cstdint>
#include <cstdlib>

#include "kernel/fragment.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = k8simg::parse_kernel_config(text);
  try {
    const auto merged = k8simg::merge_requests({k8simg::parse_fragment(text, "fuzz")});
    const std::string rendered = k8simg::render_requests(merged);
    if (k8simg::render_requests(k8simg::merge_requests({k8simg::parse_fragment(rendered, "again")})) != rendered)
      std::abort();
    // The fragment read as a .config has what it asks for, unless it asks twice for different things.
    if (!k8simg::check_config(merged, k8simg::parse_kernel_config(rendered)).empty()) std::abort();
  } catch (const k8simg::Error& error) {
    if (error.kind() != k8simg::ErrorKind::Usage) std::abort();
  }
  return config.size() > size ? (std::abort(), 0) : 0;
}
