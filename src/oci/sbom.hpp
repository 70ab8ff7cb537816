// The contents of a container image, for vulnerability and licence scanners. Format: SPDX 2.3, JSON (ISO/IEC 5962).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace k8simg {

struct SoftwarePackage {
  enum class Kind {
    Component,  ///< the image's programs
    Module,     ///< Go modules linked into them
    System,     ///< files of a Debian package
  };
  Kind kind = Kind::Component;
  std::string name, version;
  std::string license;  ///< SPDX expression; "" if unknown
  std::string purl;     ///< package URL (purl-spec), made by the functions below
  std::string changes;  ///< the differences from the published version; "" if unchanged
  auto operator<=>(const SoftwarePackage&) const = default;
};

/// "pkg:generic/pause@3.10.2", "pkg:golang/github.com/coredns/coredns@v1.14.6",
/// "pkg:deb/debian/nftables@1.1.3-1?arch=armel". Other bytes are percent-encoded.
std::string generic_purl(const std::string& name, const std::string& version);
std::string golang_purl(const std::string& module, const std::string& version);
std::string debian_purl(const std::string& name, const std::string& version, const std::string& architecture);

/// The document for the image `reference`, whose manifest has the SHA-256 `manifest` (hexadecimal). The result does not
/// depend on the order of the packages.
std::string spdx_document(const std::string& reference, const std::string& manifest,
                          std::vector<SoftwarePackage> packages, std::int64_t source_date_epoch);

}  // namespace k8simg
