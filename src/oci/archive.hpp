// OCI images from trees, written as one archive that containerd, docker, podman and skopeo read.
// Formats: OCI Image Format Specification 1.1 (image-spec: manifest.md, config.md, image-layout.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

struct OciImage {
  std::string reference;                    ///< "registry.k8s.io/pause:3.10.2"
  std::string architecture, variant;        ///< GOARCH; "v6", "v7", "v8" or ""
  std::vector<Tree> layers;
  std::vector<std::string> entrypoint, command, environment;
  std::string user;                         ///< "65535:65535" or "" for root
  std::map<std::string, std::string> labels;  ///< org.opencontainers.image.*, as the specification's annotations.md has them
};

/// What OCI calls the version of an architecture: "v6" for arm with GOARM 6, "v8" for arm64, "" elsewhere. Without it containerd takes arm for v7.
std::string oci_variant(const std::string& goarch, const std::string& goarm);

/// A layout (oci-layout, index.json, blobs/sha256/...) as an uncompressed tar, layers that images share made and stored once, sorted: the same images give the
/// same bytes. Layers are uncompressed tars with times clamped to `source_date_epoch`. Error{Usage} for a reference without a tag.
Value make_oci_archive(Store& store, const std::vector<OciImage>& images, std::int64_t source_date_epoch);

}  // namespace k8simg
