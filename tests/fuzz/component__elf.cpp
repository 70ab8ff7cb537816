// Any bytes are either read as an ELF header or refused with an Error.
#include <cstdint>
#include <cstdlib>

#include "component/elf.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const k8simg::ElfInfo info = k8simg::read_elf({reinterpret_cast<const char*>(data), size}, "input");
    if (info.bits != 32 && info.bits != 64) std::abort();
    if (info.interpreter.size() > size) std::abort();
  } catch (const k8simg::Error& error) {
    if (error.kind() != k8simg::ErrorKind::Step) std::abort();
  }
  return 0;
}
