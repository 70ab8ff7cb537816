// Platforms of container images, and the choice of an image for a machine (image-index.md, "platform").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

struct Platform {
  std::string os = "linux", architecture, variant;  ///< GOOS, GOARCH; "v6", "v7", "v8" or ""
  std::string text() const;                         ///< "linux/arm/v6"
};

/// How well a machine of platform `machine` runs an image: 0 not at all, else the higher the better. As in containerd,
/// an ARM machine also runs images for older variants, and an ARM image without a variant is one for v7.
int suitability(const Platform& image, const Platform& machine);

/// What an index lists: the digest of a manifest ("sha256:...") and its platform.
struct PlatformManifest {
  std::string digest;
  Platform platform;
};
/// The most suitable entry; nullptr if there is none.
const PlatformManifest* most_suitable(const std::vector<PlatformManifest>& manifests, const Platform& machine);
/// Error{Usage}: image `name` of `from` is for other platforms, which it names.
[[noreturn]] void throw_wrong_platform(const std::string& from, const std::string& name,
                                       const std::vector<PlatformManifest>& manifests, const Platform& machine);

/// Whether the text is an index of manifests (OCI's or Docker's), according to its media type or its content.
/// Throws nlohmann::json::exception if it is not JSON.
bool is_image_index(std::string_view text);
/// The manifests of an index whose platform is known; others are attestations.
std::vector<PlatformManifest> manifests_of_index(std::string_view text);

}  // namespace k8simg
