// Tests SBOMs of container images: package URLs, and the exact document.
#include "oci/sbom.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "support/catch.hpp"

using namespace k8simg;

namespace {

using Kind = SoftwarePackage::Kind;

/// Written by another program.
const char* const golden = R"({
 "SPDXID": "SPDXRef-DOCUMENT",
 "creationInfo": {
  "created": "2025-11-15T08:33:11Z",
  "creators": [
   "Tool: k8simg"
  ]
 },
 "dataLicense": "CC0-1.0",
 "documentNamespace": "urn:uuid:f36a7760-bd8d-5cdd-afd0-4be3c1c0d910",
 "name": "ghcr.io/flannel-io/flannel:v0.26.7",
 "packages": [
  {
   "SPDXID": "SPDXRef-image",
   "checksums": [
    {
     "algorithm": "SHA256",
     "checksumValue": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    }
   ],
   "copyrightText": "NOASSERTION",
   "downloadLocation": "NOASSERTION",
   "filesAnalyzed": false,
   "licenseConcluded": "NOASSERTION",
   "licenseDeclared": "NOASSERTION",
   "name": "ghcr.io/flannel-io/flannel",
   "primaryPackagePurpose": "CONTAINER",
   "versionInfo": "v0.26.7"
  },
  {
   "SPDXID": "SPDXRef-flannel-5dc01017",
   "copyrightText": "NOASSERTION",
   "downloadLocation": "NOASSERTION",
   "externalRefs": [
    {
     "referenceCategory": "PACKAGE-MANAGER",
     "referenceLocator": "pkg:generic/flannel@v0.26.7",
     "referenceType": "purl"
    }
   ],
   "filesAnalyzed": false,
   "licenseConcluded": "NOASSERTION",
   "licenseDeclared": "Apache-2.0",
   "name": "flannel",
   "versionInfo": "v0.26.7"
  },
  {
   "SPDXID": "SPDXRef-example.org-a-b-d51026a2",
   "copyrightText": "NOASSERTION",
   "downloadLocation": "NOASSERTION",
   "externalRefs": [
    {
     "referenceCategory": "PACKAGE-MANAGER",
     "referenceLocator": "pkg:golang/example.org/a/b@v1.0.0",
     "referenceType": "purl"
    }
   ],
   "filesAnalyzed": false,
   "licenseConcluded": "NOASSERTION",
   "licenseDeclared": "NOASSERTION",
   "name": "example.org/a/b",
   "versionInfo": "v1.0.0"
  },
  {
   "SPDXID": "SPDXRef-libstdc--6-1b92f87e",
   "copyrightText": "NOASSERTION",
   "downloadLocation": "NOASSERTION",
   "externalRefs": [
    {
     "referenceCategory": "PACKAGE-MANAGER",
     "referenceLocator": "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=armel",
     "referenceType": "purl"
    }
   ],
   "filesAnalyzed": false,
   "licenseConcluded": "NOASSERTION",
   "licenseDeclared": "NOASSERTION",
   "name": "libstdc++6",
   "versionInfo": "14.2.0-19"
  }
 ],
 "relationships": [
  {
   "relatedSpdxElement": "SPDXRef-image",
   "relationshipType": "DESCRIBES",
   "spdxElementId": "SPDXRef-DOCUMENT"
  },
  {
   "relatedSpdxElement": "SPDXRef-flannel-5dc01017",
   "relationshipType": "CONTAINS",
   "spdxElementId": "SPDXRef-image"
  },
  {
   "relatedSpdxElement": "SPDXRef-example.org-a-b-d51026a2",
   "relationshipType": "STATIC_LINK",
   "spdxElementId": "SPDXRef-flannel-5dc01017"
  },
  {
   "relatedSpdxElement": "SPDXRef-libstdc--6-1b92f87e",
   "relationshipType": "CONTAINS",
   "spdxElementId": "SPDXRef-image"
  }
 ],
 "spdxVersion": "SPDX-2.3"
})";

std::vector<SoftwarePackage> packages() {
  return {{.kind = Kind::System,
           .name = "libstdc++6",
           .version = "14.2.0-19",
           .license = {},
           .purl = debian_purl("libstdc++6", "14.2.0-19", "armel"),
           .changes = {}},
          {.kind = Kind::Module,
           .name = "example.org/a/b",
           .version = "v1.0.0",
           .license = {},
           .purl = golang_purl("example.org/a/b", "v1.0.0"),
           .changes = {}},
          {.kind = Kind::Component,
           .name = "flannel",
           .version = "v0.26.7",
           .license = "Apache-2.0",
           .purl = generic_purl("flannel", "v0.26.7"),
           .changes = {}}};
}

}  // namespace

TEST_CASE("package URLs") {
  CHECK(generic_purl("pause", "3.10.2") == "pkg:generic/pause@3.10.2");
  CHECK(golang_purl("github.com/docker/distribution/v3", "v3.0.0+incompatible") ==
        "pkg:golang/github.com/docker/distribution/v3@v3.0.0%2Bincompatible");
  CHECK(debian_purl("libstdc++6", "1:2.41.5-0+deb13u1~x", "armel") ==
        "pkg:deb/debian/libstdc%2B%2B6@1%3A2.41.5-0%2Bdeb13u1~x?arch=armel");
}

TEST_CASE("what is not as it was published says why") {
  auto some = packages();
  some[1].changes = "y/z.go: it is slow";
  const auto document = nlohmann::json::parse(spdx_document("a:1", std::string(64, 'a'), some, 0));
  int told = 0;
  for (const auto& package : document["packages"]) {
    if (!package.contains("sourceInfo")) continue;
    told++;
    CHECK(package["name"] == "example.org/a/b");
    CHECK(package["sourceInfo"] == "changed: y/z.go: it is slow");
  }
  CHECK(told == 1);
}

TEST_CASE("golden: a document with a component, its module and a Debian package") {
  CHECK(nlohmann::json::parse(
            spdx_document("ghcr.io/flannel-io/flannel:v0.26.7", std::string(64, 'a'), packages(), 1763195591))
            .dump(1) == golden);
}

TEST_CASE("the order in which packages are named and how often does not matter") {
  auto shuffled = packages();
  std::reverse(shuffled.begin(), shuffled.end());
  shuffled.push_back(shuffled.front());
  CHECK(spdx_document("a/b:1", "00", packages(), 0) == spdx_document("a/b:1", "00", shuffled, 0));
}

TEST_CASE("identifiers are those that SPDX allows, and names that differ in other characters have others") {
  const auto document = nlohmann::json::parse(spdx_document("a/b:1", "00",
                                                            {{.kind = Kind::Module,
                                                              .name = "x/y_z",
                                                              .version = "1",
                                                              .license = {},
                                                              .purl = golang_purl("x/y_z", "1"),
                                                              .changes = {}},
                                                             {.kind = Kind::Module,
                                                              .name = "x-y/z",
                                                              .version = "1",
                                                              .license = {},
                                                              .purl = golang_purl("x-y/z", "1"),
                                                              .changes = {}}},
                                                            0));
  std::set<std::string> identifiers;
  for (const auto& package : document.at("packages")) {
    const std::string id = package.at("SPDXID");
    CHECK(id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") ==
          std::string::npos);
    CHECK(identifiers.insert(id).second);
  }
}
