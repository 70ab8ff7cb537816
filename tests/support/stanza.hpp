// A package's stanza for an index in memory.
#pragma once

#include <fmt/format.h>

#include <string>

#include "util/digest.hpp"

namespace k8simg::test {

/// For amd64; the SHA-256 is computed from name and version. `more`: further lines, each with a line break.
inline std::string stanza(const std::string& name, const std::string& version, const std::string& more = "") {
  return fmt::format(
      "Package: {0}\nVersion: {1}\nArchitecture: amd64\nPriority: optional\n{2}Filename: "
      "pool/main/{0}_{1}_amd64.deb\nSize: 100\nSHA256: {3}\n\n",
      name, version, more, sha256(name + version).hex());
}

}  // namespace k8simg::test
