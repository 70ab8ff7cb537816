// Verifies an image: compares contents with the manifest, and the digest of the whole image.
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "appliance/appliance.hpp"
#include "appliance/areas.hpp"
#include "appliance/compare.hpp"
#include "appliance/expected.hpp"
#include "appliance/read_back.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

/// The manifest's artifact for this image: by name, otherwise the only one with the disk's size (a renamed copy).
const Manifest::Artifact* find_artifact(const Manifest& manifest, const std::string& name) {
  if (const auto found = manifest.artifacts.find(name); found != manifest.artifacts.end()) return &found->second;
  const Manifest::Artifact* match = nullptr;
  for (const auto& [file, artifact] : manifest.artifacts) {
    if (artifact.size != manifest.image.size) continue;
    if (match) return nullptr;
    match = &artifact;
  }
  return match;
}

void check_readable(const fs::path& file, const char* what) {
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    throw Error(ErrorKind::Usage, fmt::format("there is no {} {}", what, file.string()),
                "build it with `k8simg build NAME`, or give its path");
}

}  // namespace

VerifyReport verify_image(const fs::path& image, const fs::path& manifest_file, const Appliance& appliance,
                          const std::function<void(const std::string&)>& progress, std::stop_token stop) {
  check_readable(image, "image");
  check_readable(manifest_file, "manifest");
  const Manifest manifest = parse_manifest(read_file(manifest_file), manifest_file.string());

  // Hashes the image while the appliance starts.
  auto digest = std::async(std::launch::async, [&] { return sha256_file(image); });
  const ImageState found = read_back(image, manifest.sector_size, appliance, progress, stop);

  VerifyReport report;
  report.differences = compare(manifest.image, found);
  report.partitions = found.partitions.size();
  for (const auto& partition : found.partitions) {
    report.paths += partition.paths.size();
    for (const auto& [path, state] : partition.paths) report.bytes += state.size;
  }
  const Digest whole = digest.get();
  const auto* const artifact = find_artifact(manifest, image.filename().string());
  if (artifact && artifact->sha256 == whole) return report;
  // The digest differs: compare the bytes outside of paths and partitions.
  const std::vector<std::string> by_path = report.differences;
  for (const AreaDifference& difference : compare_areas(image, manifest, stop)) {
    const bool known = std::any_of(by_path.begin(), by_path.end(),
                                   [&](const std::string& line) { return line.starts_with(difference.place + ": "); });
    if (!difference.filesystem || !known) report.differences.push_back(difference.place + ": " + difference.text);
  }
  if (artifact)
    report.differences.push_back(fmt::format("{}: SHA-256 {}, manifest says {}", image.filename().string(), whole.hex(),
                                             artifact->sha256.hex()));
  return report;
}

}  // namespace k8simg
