// Container images from registries, fetched with skopeo.
#pragma once

#include <filesystem>
#include <string>

#include "graph/step.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// Fetches an image by its digest, of an index only the manifest for `machine`, in the sandbox with network. `tools`:
/// the checked-out tree of the tool set with skopeo. Returns an OCI layout whose index.json lists the manifest without
/// a name; import_oci_layout() verifies what it refers to. Error{Usage} for another platform, Error{Fetch} if the
/// registry gives a manifest with another digest, Error{Step} with skopeo's message. Registries on this machine
/// (localhost, 127.0.0.1) may use HTTP.
Tree fetch_image(StepContext& context, const std::filesystem::path& tools, const ImageReference& reference,
                 const Platform& machine);

}  // namespace k8simg
