// Any bytes as a maintainer script: the analysis ends, and analysing what is left finds no further block of debhelper's
// in it.
#include <cstdlib>
#include <string_view>

#include "rootfs/rootfs.hpp"
#include "rootfs/shell_words.hpp"
#include "rootfs/unit_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto analysis = k8simg::analyse_script(text, "package", "postinst");
  if (analysis.remainder.empty() != analysis.remainder_sha256.empty()) std::abort();
  if (analysis.remainder.size() > size + 1) std::abort();
  k8simg::rootfs::calls_of(text, "update-alternatives");
  k8simg::rootfs::read_install_section(text);
  k8simg::rootfs::read_presets(text);
  return 0;
}
