// Any bytes are either read as an ELF file or refused with an Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "elf/elf.hpp"
#include "elf/go_build_info.hpp"
#include "util/error.hpp"

namespace {

template <class Read>
void try_to(Read&& read) {
  try {
    read();
  } catch (const k8simg::Error& error) {
    if (error.kind() != k8simg::ErrorKind::Step) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_to([&] {
    const auto info = k8simg::read_elf(bytes, "input");
    if (info.bits != 32 && info.bits != 64) std::abort();
    if (info.interpreter.size() > size) std::abort();
    for (const auto& section : info.sections) {
      if (section.name.size() > size) std::abort();
      try_to([&] { k8simg::section_bytes(bytes, section, "input"); });
    }
    k8simg::read_go_build_info(bytes, info, "input");
  });
  try_to([&] {
    const auto linkage = k8simg::read_linkage(bytes, "input");
    if (linkage && linkage->soname.size() > size) std::abort();
  });
  return 0;
}
