// ToolsLock::parse on arbitrary bytes: either Error{Usage}, or a lock whose text reads back as the same text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lock/lock.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  try {
    const std::string text = ToolsLock::parse({reinterpret_cast<const char*>(data), size}, "fuzz.lock").serialise();
    if (ToolsLock::parse(text, "fuzz.lock").serialise() != text) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Usage) std::abort();
  }
  return 0;
}
