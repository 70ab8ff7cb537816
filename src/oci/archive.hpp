// OCI images from trees, written as one archive that containerd, docker, podman and skopeo read.
// Formats: OCI Image Format Specification 1.1 (image-spec: manifest.md, config.md, image-layout.md), and Docker's
// archives (moby: image/spec/v1.2.md), which have the same files listed once more in manifest.json.
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
  std::string user;  ///< "65535:65535" or "" for root
  std::map<std::string, std::string>
      labels;  ///< org.opencontainers.image.*, as the specification's annotations.md has them
  std::vector<SoftwarePackage> contents;  ///< for the image's SBOM: an artifact that refers to the image (manifest.md,
                                          ///< "subject"); none without them
};

/// What OCI calls the version of an architecture: "v6" for arm with GOARM 6, "v8" for arm64, "" elsewhere. Without it
/// containerd takes arm for v7.
std::string oci_variant(const std::string& goarch, const std::string& goarm);

/// A layout (oci-layout, index.json, blobs/sha256/..., and Docker's manifest.json), layers that images share made and
/// stored once: the same images give the same tree. Layers are uncompressed tars with times clamped to
/// `source_date_epoch`. An image is found by its whole reference, for its tag alone is that of others too. Error{Usage}
/// for a reference without a tag.
Tree make_oci_layout(Store& store, const std::vector<OciImage>& images, std::int64_t source_date_epoch);

/// A layout as an uncompressed tar.
Value make_oci_archive(Store& store, const Tree& layout, std::int64_t source_date_epoch);

/// The layouts of several architectures as one: for each reference an image index over the manifests, by platform;
/// blobs that they share are there once. Without manifest.json: Docker's archives know one architecture. Error{Usage}
/// when two layouts have an image for the same platform.
Tree merge_oci_layouts(Store& store, const std::vector<Tree>& layouts);

}  // namespace k8simg
