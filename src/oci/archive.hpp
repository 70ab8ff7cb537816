// OCI images from trees, written as one archive that containerd, docker, podman and skopeo read.
// Formats: OCI Image Format Specification 1.1 (image-spec: manifest.md, config.md, image-layout.md), and Docker's
// archives (moby: image/spec/v1.2.md), which list the same files in manifest.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "oci/sbom.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct OciImage {
  std::string reference;              ///< "registry.k8s.io/pause:3.10.2"
  std::string architecture, variant;  ///< GOARCH; "v6", "v7", "v8" or ""
  std::vector<Tree> layers;
  std::vector<std::string> entrypoint, command, environment;
  std::string user;                           ///< "65535:65535" or "" for root
  std::map<std::string, std::string> labels;  ///< org.opencontainers.image.* (annotations.md)
  std::vector<SoftwarePackage> contents;      ///< for the SBOM (manifest.md, "subject"); empty: no SBOM
};

/// OCI's variant of an architecture: "v6" for arm with GOARM 6, "v8" for arm64, otherwise "". Without it, containerd
/// assumes v7 for arm.
std::string oci_variant(const std::string& goarch, const std::string& goarm);

/// Makes a layout (oci-layout, index.json, blobs/sha256/..., and Docker's manifest.json). Shared layers are stored
/// once, and equal images give equal trees. Layers are uncompressed tars with times clamped to `source_date_epoch`.
/// Images are named by their full reference, since a tag alone is not unique. Error{Usage} for a reference without a
/// tag.
Tree make_oci_layout(Store& store, const std::vector<OciImage>& images, std::int64_t source_date_epoch);

/// A layout as an uncompressed tar.
Value make_oci_archive(Store& store, const Tree& layout, std::int64_t source_date_epoch);

/// Merges the layouts of several architectures: for each reference an image index over the manifests, sorted by
/// platform; shared blobs are stored once. Has no manifest.json, since Docker's archives support one architecture only.
/// Error{Usage} when two layouts have an image for the same platform.
Tree merge_oci_layouts(Store& store, const std::vector<Tree>& layouts);

/// Joins layouts of one platform; images are sorted by name, and SBOMs are left out. Error{Usage} when different images
/// have the same name.
Tree join_oci_layouts(Store& store, const std::vector<Tree>& layouts, std::int64_t source_date_epoch);

/// The references of the images of a layout, sorted.
std::vector<std::string> layout_references(const Store& store, const Tree& layout);

}  // namespace k8simg
