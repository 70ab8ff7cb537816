// Container images of others: reads OCI layouts and Docker's archives, and checks every digest in them.
//
// Manifests, configurations and layers stay as they are, so that an image keeps the digests under which registries and
// pods know it. The result is an OCI layout whose entries have containerd's names, as those of make_oci_layout().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/platform.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct ImportRequest {
  std::string from;                ///< for messages: "oci:images/app.tar"
  std::vector<std::string> names;  ///< references instead of the names in the archive; empty keeps these
  Platform machine;                ///< for which the images must be
};

/// The images of an OCI layout (image-layout.md), by the names in its index.json. Of an image for several platforms, it
/// takes the most suitable. Each image also gets the name NAME@DIGEST, with the digest of its reference, else that in
/// index.json. Error{Usage} for a layout without images, names that are missing or ambiguous, another platform, and
/// blobs that are missing or have another digest or size.
Tree import_oci_layout(Store& store, const Tree& layout, const ImportRequest& request, std::int64_t source_date_epoch);

/// The same for the members of an archive that `docker save` writes, by its manifest.json.
Tree import_docker_archive(Store& store, const Tree& members, const ImportRequest& request,
                           std::int64_t source_date_epoch);

}  // namespace k8simg
