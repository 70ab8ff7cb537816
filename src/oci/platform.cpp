// Compares platforms like containerd (containerd/platforms: Only), and reads the manifests of an index.
#include "oci/platform.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

/// The number of an ARM variant; 0 for an unknown one.
int arm_version(const std::string& variant) {
  if (variant.empty()) return 7;
  return variant.size() == 2 && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' ? variant[1] - '0' : 0;
}

}  // namespace

std::string Platform::text() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }

int suitability(const Platform& image, const Platform& machine) {
  if (image.os != machine.os || image.architecture != machine.architecture) return 0;
  if (image.architecture == "arm") {
    const int version = arm_version(image.variant);
    return version >= 5 && version <= arm_version(machine.variant) ? version : 0;
  }
  const auto is_basic = [](const Platform& platform) {
    const char* basic = platform.architecture == "amd64" ? "v1" : platform.architecture == "arm64" ? "v8" : "";
    return platform.variant.empty() || platform.variant == basic;
  };
  return image.variant == machine.variant || (is_basic(image) && is_basic(machine)) ? 1 : 0;
}

const PlatformManifest* most_suitable(const std::vector<PlatformManifest>& manifests, const Platform& machine) {
  const PlatformManifest* best = nullptr;
  for (const auto& manifest : manifests) {
    const int suits = suitability(manifest.platform, machine);
    if (suits > (best ? suitability(best->platform, machine) : 0)) best = &manifest;
  }
  return best;
}

void throw_wrong_platform(const std::string& from, const std::string& name,
                          const std::vector<PlatformManifest>& manifests, const Platform& machine) {
  std::set<std::string> has;
  for (const auto& manifest : manifests) has.insert(manifest.platform.text());
  throw Error(ErrorKind::Usage,
              fmt::format("{}: {} is for {}, but the board needs {}", from, name.empty() ? "the image" : name,
                          join({has.begin(), has.end()}, ", "), machine.text()),
              "use an image for " + machine.text());
}

bool is_image_index(std::string_view text) {
  const json document = json::parse(text);
  const std::string type = document.value("mediaType", "");
  return type == "application/vnd.oci.image.index.v1+json" ||
         type == "application/vnd.docker.distribution.manifest.list.v2+json" ||
         (type.empty() && document.contains("manifests"));
}

std::vector<PlatformManifest> manifests_of_index(std::string_view text) {
  std::vector<PlatformManifest> found;
  const json document = json::parse(text);
  for (const json& entry : document.at("manifests")) {
    if (!entry.contains("platform")) continue;
    const json& platform = entry.at("platform");
    PlatformManifest manifest{.digest = entry.at("digest"),
                              .platform = {.os = platform.value("os", ""),
                                           .architecture = platform.value("architecture", ""),
                                           .variant = platform.value("variant", "")}};
    if (manifest.platform.os != "unknown") found.push_back(std::move(manifest));
  }
  return found;
}

}  // namespace k8simg
