// Packages indexes of arbitrary bytes through the whole resolver: a list of packages or an Error of kind Resolve or
// Fetch, never anything else.
#include <cstdint>
#include <cstdlib>

#include "debian/resolve.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  IndexSet indexes;
  indexes.suites.push_back({"debian", "trixie", 0, {}});
  indexes.packages.push_back(
      {"debian", "trixie", "main", "amd64", std::string(reinterpret_cast<const char*>(data), size)});
  try {
    for (const LockedPackage& package :
         resolve(indexes, {.architecture = "amd64", .install = {"a"}, .essential = true}).packages)
      if (package.name.empty() || package.version.empty() || package.path.empty() || package.path.front() == '/')
        std::abort();
  } catch (const Error& error) {
    if ((error.kind() != ErrorKind::Resolve && error.kind() != ErrorKind::Fetch) || error.message().empty())
      std::abort();
  }
  return 0;
}
