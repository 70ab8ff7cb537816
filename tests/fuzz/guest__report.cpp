// The console of a guest, which may print anything, read for the report of the checks.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "guest/checks.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const k8simg::GuestReport report = k8simg::read_report({reinterpret_cast<const char*>(data), size});
  if (report.ok() && report.checks.empty()) std::abort();
  return 0;
}
