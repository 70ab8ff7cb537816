// Writes SPDX documents.
#include "oci/sbom.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <nlohmann/json.hpp>

#include "util/digest.hpp"
#include "util/uuid5.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

/// purl-spec: percent-encodes all characters except unreserved ones (RFC 3986); `/` separates namespaces.
std::string encoded(const std::string& text, bool keep_slashes) {
  std::string result;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/'))
      result += static_cast<char>(c);
    else
      result += fmt::format("%{:02X}", c);
  }
  return result;
}

/// SPDX 7.2 allows letters, digits, "." and "-". The digest makes identifiers unique if names differ only in other
/// characters.
std::string identifier(const SoftwarePackage& package) {
  std::string name;
  for (const unsigned char c : package.name) name += std::isalnum(c) || c == '.' ? static_cast<char>(c) : '-';
  return fmt::format("SPDXRef-{}-{}", name, sha256(package.purl).hex().substr(0, 8));
}

json described(const std::string& id, const std::string& name, const std::string& version, const std::string& license,
               const std::string& purl) {
  json package{{"SPDXID", id},
               {"name", name},
               {"versionInfo", version},
               {"downloadLocation", "NOASSERTION"},
               {"filesAnalyzed", false},
               {"licenseConcluded", "NOASSERTION"},
               {"licenseDeclared", license.empty() ? "NOASSERTION" : license},
               {"copyrightText", "NOASSERTION"}};
  if (!purl.empty())
    package["externalRefs"] = {
        {{"referenceCategory", "PACKAGE-MANAGER"}, {"referenceType", "purl"}, {"referenceLocator", purl}}};
  return package;
}

}  // namespace

std::string generic_purl(const std::string& name, const std::string& version) {
  return fmt::format("pkg:generic/{}@{}", encoded(name, false), encoded(version, false));
}
std::string golang_purl(const std::string& module, const std::string& version) {
  return fmt::format("pkg:golang/{}@{}", encoded(module, true), encoded(version, false));
}
std::string debian_purl(const std::string& name, const std::string& version, const std::string& architecture) {
  return fmt::format("pkg:deb/debian/{}@{}?arch={}", encoded(name, false), encoded(version, false),
                     encoded(architecture, false));
}

std::string spdx_document(const std::string& reference, const std::string& manifest,
                          std::vector<SoftwarePackage> packages, std::int64_t source_date_epoch) {
  std::sort(packages.begin(), packages.end());
  packages.erase(std::unique(packages.begin(), packages.end()), packages.end());
  const std::string image = "SPDXRef-image";
  const auto colon = reference.rfind(':');
  json top = described(image, reference.substr(0, colon), reference.substr(colon + 1), "", "");
  top["primaryPackagePurpose"] = "CONTAINER";
  top["checksums"] = {{{"algorithm", "SHA256"}, {"checksumValue", manifest}}};
  json list = json::array({top}),
       relations = json::array(
           {{{"spdxElementId", "SPDXRef-DOCUMENT"}, {"relationshipType", "DESCRIBES"}, {"relatedSpdxElement", image}}});
  const auto relate = [&](const std::string& from, const char* how, const std::string& to) {
    relations.push_back({{"spdxElementId", from}, {"relationshipType", how}, {"relatedSpdxElement", to}});
  };
  std::string component = image;  // components come first in the order
  for (const auto& package : packages) {
    const std::string id = identifier(package);
    list.push_back(described(id, package.name, package.version, package.license, package.purl));
    if (!package.changes.empty()) list.back()["sourceInfo"] = "changed: " + package.changes;
    relate(package.kind == SoftwarePackage::Kind::Module ? component : image,
           package.kind == SoftwarePackage::Kind::Module ? "STATIC_LINK" : "CONTAINS", id);
    if (package.kind == SoftwarePackage::Kind::Component) component = id;
  }
  return json{
      {"spdxVersion", "SPDX-2.3"},
      {"dataLicense", "CC0-1.0"},
      {"SPDXID", "SPDXRef-DOCUMENT"},
      {"name", reference},
      {"documentNamespace", "urn:uuid:" + uuid5("sbom/" + reference + "@" + manifest).text()},
      {"creationInfo",
       {{"created", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(source_date_epoch)))},
        {"creators", {"Tool: k8simg"}}}},
      {"packages", list},
      {"relationships", relations}}
      .dump();
}

}  // namespace k8simg
