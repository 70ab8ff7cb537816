// Writes OCI layouts of one architecture, and merges layouts of several architectures with image indexes
// (image-index.md).
#include "oci/archive.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

constexpr const char* index_type = "application/vnd.oci.image.index.v1+json";
constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";
/// Both have the full reference as value. containerd prefers the first; the second is the specification's.
constexpr const char* containerd_name = "io.containerd.image.name";
constexpr const char* reference_name = "org.opencontainers.image.ref.name";

/// The digest of an artifact's subject. With this annotation, containerd creates no image for the artifact.
constexpr const char* containerd_subject = "io.containerd.manifest.subject";

/// A layout under construction: blobs by digest, and its index files (image-layout.md).
class Layout {
 public:
  Layout(Store& store, std::int64_t epoch) : store_(store), epoch_(epoch) {
    tree_.add_directory("blobs", 0755, Origin::archive("oci")),
        tree_.add_directory("blobs/sha256", 0755, Origin::archive("oci"));
    file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  }

  /// Adds a blob to the layout and returns its descriptor.
  json add(const std::string& media_type, const Value& value) {
    place("blobs/sha256/" + value.digest.hex(), value);
    return {{"mediaType", media_type}, {"digest", "sha256:" + value.digest.hex()}, {"size", value.size}};
  }
  json add(const std::string& media_type, const json& content) { return add(media_type, store_.put(content.dump())); }
  void file(const std::string& path, const std::string& text) { place(path, store_.put(text)); }
  void blob(const std::string& path, const Node& node) { tree_.set(path, node); }
  Tree tree() && { return std::move(tree_); }

 private:
  void place(const std::string& path, const Value& value) {
    Node node{.type = NodeType::File, .mode = 0644, .mtime = epoch_, .size = value.size, .content = value.digest};
    node.origin = Origin::archive("oci");
    tree_.set(path, std::move(node));
  }

  Store& store_;
  std::int64_t epoch_;
  Tree tree_;
};

/// Stores a tar of a tree as a blob.
Value tar_blob(Store& store, const Tree& tree, std::int64_t epoch) {
  const TempDir folder(store.folder("scratch"), "oci");
  const auto file = folder.path() / "tar";
  {
    const Fd fd = Fd::open(file, O_WRONLY | O_CREAT | O_TRUNC);
    write_tar(store, tree, fd.get(), {.clamp_mtime = epoch});
  }
  return store.put_file(file, true);
}

void check_reference(const std::string& reference) {
  // The tag follows the last colon after the last slash; an earlier colon separates a registry's port.
  const auto slash = reference.rfind('/'), colon = reference.rfind(':');
  if (colon == std::string::npos || (slash != std::string::npos && colon < slash) || colon + 1 == reference.size()) {
    throw Error(ErrorKind::Usage, fmt::format("image reference \"{}\" has no tag", reference), "write NAME:TAG");
  }
}

json image_config(const OciImage& image, const json& platform, const json& diff_ids, const std::string& created) {
  json run{{"Env", image.environment.empty()
                       ? std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
                       : image.environment}};
  if (!image.entrypoint.empty()) run["Entrypoint"] = image.entrypoint;
  if (!image.command.empty()) run["Cmd"] = image.command;
  if (!image.user.empty()) run["User"] = image.user;
  if (!image.labels.empty()) run["Labels"] = image.labels;
  json config = platform;
  config["created"] = created;
  config["config"] = run;
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
  return config;
}

/// manifest.md, "Guidelines for Artifact Usage": the document is the only layer, the config is empty, and `subject`
/// names the image. The artifact has no reference; it is found through the image's referrers.
json sbom_artifact(Layout& layout, Store& store, const OciImage& image, const json& subject, std::int64_t epoch,
                   const std::string& created) {
  const std::string type = "application/spdx+json", digest = subject.at("digest");
  const json manifest{{"schemaVersion", 2},
                      {"mediaType", manifest_type},
                      {"artifactType", type},
                      {"config", layout.add("application/vnd.oci.empty.v1+json", json::object())},
                      {"layers",
                       {layout.add(type, store.put(spdx_document(image.reference, digest.substr(digest.find(':') + 1),
                                                                 image.contents, epoch)))}},
                      {"subject", subject},
                      {"annotations", {{"org.opencontainers.image.created", created}}}};
  json entry = layout.add(manifest_type, manifest);
  entry["artifactType"] = type;
  entry["annotations"] = {{containerd_subject, digest}};
  return entry;
}

/// "linux/arm/v6"; the entries of an index are sorted by it.
std::string platform_name(const json& platform) {
  const std::string variant = platform.value("variant", "");
  return platform.at("os").get<std::string>() + "/" + platform.at("architecture").get<std::string>() +
         (variant.empty() ? "" : "/" + variant);
}

json read_index(const Store& store, const Tree& layout) {
  const Node* index = layout.find("index.json");
  if (!index) throw Error(ErrorKind::Internal, "an image layout without index.json");
  return json::parse(store.read(index->content));
}

/// The entries of images, without artifacts, by reference.
std::map<std::string, json> images_of(const Store& store, const Tree& layout) {
  std::map<std::string, json> images;
  const json index = read_index(store, layout);
  for (const json& entry : index.at("manifests"))
    if (!entry.contains("artifactType")) images[entry.at("annotations").at(reference_name)] = entry;
  return images;
}

}  // namespace

std::string oci_variant(const std::string& goarch, const std::string& goarm) {
  return goarch == "arm" ? "v" + goarm : goarch == "arm64" ? "v8" : "";
}

Tree make_oci_layout(Store& store, const std::vector<OciImage>& images, std::int64_t epoch) {
  Layout layout(store, epoch);
  const std::string created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(epoch)));
  json entries = json::array(), artifacts = json::array(), docker = json::array();
  std::map<Digest, Value> tars;  // by the tree's digest
  const auto path = [](const json& descriptor) {
    return "blobs/sha256/" + descriptor.at("digest").get<std::string>().substr(7);
  };
  for (const OciImage& image : images) {
    check_reference(image.reference);
    json layers = json::array(), diff_ids = json::array(), layer_paths = json::array();
    for (const Tree& tree : image.layers) {
      const auto [found, fresh] = tars.try_emplace(sha256(tree.serialise()));
      if (fresh) found->second = tar_blob(store, tree, epoch);
      layers.push_back(layout.add("application/vnd.oci.image.layer.v1.tar", found->second));
      diff_ids.push_back("sha256:" + found->second.digest.hex());
      layer_paths.push_back(path(layers.back()));
    }
    json platform{{"architecture", image.architecture}, {"os", "linux"}};
    if (!image.variant.empty()) platform["variant"] = image.variant;
    const json config =
        layout.add("application/vnd.oci.image.config.v1+json", image_config(image, platform, diff_ids, created));
    const json subject =
        layout.add(manifest_type,
                   json{{"schemaVersion", 2}, {"mediaType", manifest_type}, {"config", config}, {"layers", layers}});
    json entry = subject;
    entry["platform"] = platform;
    entry["annotations"] = {{containerd_name, image.reference}, {reference_name, image.reference}};
    entries.push_back(entry);
    if (!image.contents.empty()) artifacts.push_back(sbom_artifact(layout, store, image, subject, epoch, created));
    docker.push_back({{"Config", path(config)}, {"RepoTags", {image.reference}}, {"Layers", layer_paths}});
  }
  entries.insert(entries.end(), artifacts.begin(), artifacts.end());
  layout.file("index.json", json{{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", entries}}.dump());
  layout.file("manifest.json", docker.dump());
  return std::move(layout).tree();
}

Value make_oci_archive(Store& store, const Tree& layout, std::int64_t epoch) { return tar_blob(store, layout, epoch); }

Tree merge_oci_layouts(Store& store, const std::vector<Tree>& layouts) {
  std::int64_t epoch = 0;
  for (const Tree& each : layouts) {
    if (const Node* index = each.find("index.json")) epoch = std::max(epoch, index->mtime);
  }
  Layout joined(store, epoch);
  std::map<std::string, std::map<std::string, json>> images;  // by reference, then platform
  std::map<std::string, json> artifacts;                      // by digest
  for (const Tree& each : layouts) {
    const json listed = read_index(store, each);
    for (const auto& [path, node] : each.nodes()) {
      if (path.starts_with("blobs/sha256/")) joined.blob(path, node);
    }
    for (json entry : listed.at("manifests")) {
      if (!entry.contains("platform")) {
        artifacts[entry.at("digest")] = entry;
        continue;
      }
      const std::string reference = entry.at("annotations").at(reference_name),
                        platform = platform_name(entry.at("platform"));
      entry.erase("annotations");  // the index has the name
      if (!images[reference].emplace(platform, std::move(entry)).second) {
        throw Error(ErrorKind::Usage, fmt::format("{} exists twice for {}", reference, platform),
                    "name one defconfig of each architecture");
      }
    }
  }
  json entries = json::array();
  for (const auto& [reference, platforms] : images) {
    json manifests = json::array();
    for (const auto& [platform, entry] : platforms) manifests.push_back(entry);
    json index =
        joined.add(index_type, json{{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", manifests}});
    index["annotations"] = {{containerd_name, reference}, {reference_name, reference}};
    entries.push_back(index);
  }
  for (const auto& [digest, entry] : artifacts) entries.push_back(entry);
  joined.file("index.json", json{{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", entries}}.dump());
  return std::move(joined).tree();
}

Tree join_oci_layouts(Store& store, const std::vector<Tree>& layouts, std::int64_t epoch) {
  Layout joined(store, epoch);
  std::map<std::string, json> images;
  for (const Tree& layout : layouts) {
    for (const auto& [path, node] : layout.nodes()) {
      if (path.starts_with("blobs/sha256/")) joined.blob(path, node);
    }
    for (const auto& [reference, entry] : images_of(store, layout)) {
      const auto [found, fresh] = images.try_emplace(reference, entry);
      if (!fresh && found->second.at("digest") != entry.at("digest")) {
        throw Error(ErrorKind::Usage, fmt::format("two container images have the name {}", reference),
                    "remove one [[image.extra]], or set `name` in it");
      }
    }
  }
  json entries = json::array();
  for (const auto& [reference, entry] : images) entries.push_back(entry);
  joined.file("index.json", json{{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", entries}}.dump());
  return std::move(joined).tree();
}

std::vector<std::string> layout_references(const Store& store, const Tree& layout) {
  std::vector<std::string> references;
  for (const auto& [reference, entry] : images_of(store, layout)) references.push_back(reference);
  return references;
}

}  // namespace k8simg
