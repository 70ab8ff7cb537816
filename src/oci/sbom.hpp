// What is in a container image, for machines that look for vulnerabilities and licences. Format: SPDX 2.3, JSON
// (ISO/IEC 5962).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace k8simg {

struct SoftwarePackage {
  enum class Kind {
    Component,  ///< programs of the image's own
    Module,     ///< linked into them
    System,     ///< files beside them, of a Debian package
  };
  Kind kind = Kind::Component;
  std::string name, version;
  std::string license;  ///< SPDX expression; "" where nobody has said it in that language
  std::string purl;     ///< package URL (purl-spec): see below
  std::string
      changes;  ///< what makes it another than was published under that name and version; "" for what is as it was
  auto operator<=>(const SoftwarePackage&) const = default;
};

/// "pkg:generic/pause@3.10.2", "pkg:golang/github.com/coredns/coredns@v1.14.6",
/// "pkg:deb/debian/nftables@1.1.3-1?arch=armel". Bytes that a URL cannot have as they are become %XX.
std::string generic_purl(const std::string& name, const std::string& version);
std::string golang_purl(const std::string& module, const std::string& version);
std::string debian_purl(const std::string& name, const std::string& version, const std::string& architecture);

/// The document for the image `reference`, whose manifest's SHA-256 is `manifest` (hexadecimal). The same packages in
/// any order give the same text.
std::string spdx_document(const std::string& reference, const std::string& manifest,
                          std::vector<SoftwarePackage> packages, std::int64_t source_date_epoch);

}  // namespace k8simg
