// Any text is a hwdb file, if a poor one; the database names its own size.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rootfs/hardware_database.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string file =
      k8simg::rootfs::compile_hardware_database({{"/one", text}, {"/two", text}}, [](const std::string&) {});
  std::uint64_t named = 0;
  for (int i = 7; i >= 0; --i) named = named << 8 | static_cast<unsigned char>(file[16 + static_cast<std::size_t>(i)]);
  if (named != file.size()) std::abort();
  return 0;
}
