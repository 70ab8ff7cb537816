// Writes OCI archives.
#include "oci/archive.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

/// A tar of a tree as a blob.
Value tar_blob(Store& store, const Tree& tree, std::int64_t epoch) {
  const TempDir folder(store.folder("scratch"), "oci");
  const auto file = folder.path() / "tar";
  {
    const Fd fd = Fd::open(file, O_WRONLY | O_CREAT | O_TRUNC);
    write_tar(store, tree, fd.get(), {.clamp_mtime = epoch});
  }
  return store.put_file(file, true);
}

class Layout {
 public:
  Layout(Store& store, std::int64_t epoch) : store_(store), epoch_(epoch) { tree_.add_directory("blobs", 0755, "oci"), tree_.add_directory("blobs/sha256", 0755, "oci"); }

  json descriptor(const std::string& media_type, const Value& value) {
    Node node{.type = NodeType::File, .mode = 0644, .mtime = epoch_, .size = value.size, .content = value.digest};
    node.origin = "oci";
    tree_.set("blobs/sha256/" + value.digest.hex(), node);
    return {{"mediaType", media_type}, {"digest", "sha256:" + value.digest.hex()}, {"size", value.size}};
  }
  void file(const std::string& path, const std::string& text) { tree_.add_file(store_, path, text, 0644, "oci"); }
  const Tree& tree() const { return tree_; }

 private:
  Store& store_;
  std::int64_t epoch_;
  Tree tree_;
};

}  // namespace

std::string oci_variant(const std::string& goarch, const std::string& goarm) { return goarch == "arm" ? "v" + goarm : goarch == "arm64" ? "v8" : ""; }

Value make_oci_archive(Store& store, const std::vector<OciImage>& images, std::int64_t epoch) {
  Layout layout(store, epoch);
  const std::string created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(epoch)));
  json index{{"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", json::array()}};
  std::map<Digest, Value> tars;  // by the tree's digest
  for (const OciImage& image : images) {
    json layers = json::array(), diff_ids = json::array();
    for (const Tree& tree : image.layers) {
      const auto [found, fresh] = tars.try_emplace(sha256(tree.serialise()));
      if (fresh) found->second = tar_blob(store, tree, epoch);
      const Value& layer = found->second;
      layers.push_back(layout.descriptor("application/vnd.oci.image.layer.v1.tar", layer));
      diff_ids.push_back("sha256:" + layer.digest.hex());
    }
    json platform{{"architecture", image.architecture}, {"os", "linux"}};
    if (!image.variant.empty()) platform["variant"] = image.variant;
    json run{{"Env", image.environment.empty() ? std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} : image.environment}};
    if (!image.entrypoint.empty()) run["Entrypoint"] = image.entrypoint;
    if (!image.command.empty()) run["Cmd"] = image.command;
    if (!image.user.empty()) run["User"] = image.user;
    if (!image.labels.empty()) run["Labels"] = image.labels;
    json config = platform;
    config["created"] = created;
    config["config"] = run;
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
    const json manifest{{"schemaVersion", 2},
                        {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                        {"config", layout.descriptor("application/vnd.oci.image.config.v1+json", store.put(config.dump()))},
                        {"layers", layers}};
    json entry = layout.descriptor("application/vnd.oci.image.manifest.v1+json", store.put(manifest.dump()));
    entry["platform"] = platform;
    // The last colon after the last slash: a registry may have a port.
    const auto slash = image.reference.rfind('/'), colon = image.reference.rfind(':');
    if (colon == std::string::npos || (slash != std::string::npos && colon < slash) || colon + 1 == image.reference.size()) {
      throw Error(ErrorKind::Usage, fmt::format("image reference \"{}\" has no tag", image.reference), "write NAME:TAG");
    }
    const std::string tag = image.reference.substr(colon + 1);
    entry["annotations"] = {{"io.containerd.image.name", image.reference}, {"org.opencontainers.image.ref.name", tag}};
    index["manifests"].push_back(entry);
  }
  layout.file("oci-layout", json{{"imageLayoutVersion", "1.0.0"}}.dump());
  layout.file("index.json", index.dump());
  return tar_blob(store, layout.tree(), epoch);
}

}  // namespace k8simg
