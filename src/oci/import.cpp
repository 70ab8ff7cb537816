// Reads OCI layouts (image-spec: image-layout.md) and Docker's archives (moby: image/spec/v1.2.md).
#include "oci/import.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "oci/reference.hpp"
#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

const std::string oci_manifest = "application/vnd.oci.image.manifest.v1+json";
const std::string oci_config = "application/vnd.oci.image.config.v1+json";
const std::string docker_config = "application/vnd.docker.container.image.v1+json";
const std::string oci_layer = "application/vnd.oci.image.layer.v1.tar";
/// containerd's name of an image, and the specification's. The first wins, as in containerd.
constexpr const char* name_annotations[] = {"io.containerd.image.name", "org.opencontainers.image.ref.name"};
constexpr const char* artifact_annotation = "io.containerd.manifest.subject";
constexpr std::uint64_t largest_document = 16ull << 20, largest_layer = 16ull << 30;

std::string blob_path(const std::string& digest) { return "blobs/sha256/" + digest.substr(7); }

/// Reads images of one source, and builds a layout of them.
class Importer {
 public:
  Importer(Store& store, const Tree& source, const ImportRequest& request, std::int64_t epoch)
      : store_(store), source_(source), request_(request), epoch_(epoch) {}

  /// Runs `read`, which takes images. JSON of a wrong form becomes an Error.
  template <class Read>
  Tree run(Read&& read) {
    try {
      read();
    } catch (const json::exception& failure) {
      fail(fmt::format("{}: {}", document_, failure.what()));
    } catch (Error& error) {
      error.about_setting("image.extra", request_.from);
      throw;
    }
    json entries = json::array();
    for (const auto& [name, entry] : entries_) {
      json named = entry;
      named["annotations"] = {{name_annotations[0], name}, {name_annotations[1], name}};
      entries.push_back(std::move(named));
    }
    place("oci-layout", store_.put(R"({"imageLayoutVersion":"1.0.0"})"));
    place("index.json",
          store_.put(json{
              {"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", entries}}
                         .dump()));
    made_.add_missing_parents(Origin::archive("oci"), epoch_);
    return std::move(made_);
  }

  void read_layout() {
    if (!source_.find("index.json"))
      fail("is no OCI layout, since it has no index.json",
           source_.find("manifest.json") ? "write docker-archive:FILE for an archive of `docker save`" : damaged);
    std::map<std::string, Named> images;
    const json index = document("index.json");
    for (const json& entry : index.at("manifests")) {
      const json annotations = entry.value("annotations", json::object());
      if (entry.contains("artifactType") || annotations.contains(artifact_annotation)) continue;
      std::string name;
      for (const char* annotation : name_annotations)
        if (name.empty()) name = annotations.value(annotation, "");
      Named& image = images[name];
      image.listed.insert(entry.at("digest").get<std::string>());
      for (auto& manifest : manifests_of(entry)) image.manifests.push_back(std::move(manifest));
    }
    if (images.empty()) fail("contains no container image", damaged);
    std::map<std::string, std::string> chosen;  // name → digest of the manifest
    std::set<std::string> digests;
    for (const auto& [name, image] : images) {
      const PlatformManifest* best = most_suitable(image.manifests, request_.machine);
      if (!best) throw_wrong_platform(request_.from, name, image.manifests, request_.machine);
      digests.insert(chosen[name] = best->digest);
    }
    need_one_image(digests.size(), chosen);
    for (const auto& [name, digest] : chosen) {
      const json entry = take_manifest(digest);
      const auto& listed = images[name].listed;
      for (const auto& reference : references({name}))
        add(entry, reference, listed.size() == 1 ? *listed.begin() : digest);
    }
  }

  void read_docker_archive() {
    if (!source_.find("manifest.json"))
      fail("is no archive of `docker save`, since it has no manifest.json",
           source_.find("index.json") ? "write oci:FILE for an OCI layout" : damaged);
    const json images = document("manifest.json");
    if (images.empty()) fail("contains no container image", damaged);
    std::map<std::string, std::string> configs;
    for (const json& image : images) configs[image.at("Config")] = image.at("Config");
    need_one_image(images.size(), configs);
    for (const json& image : images) {
      std::vector<std::string> tags;
      if (const auto listed = image.find("RepoTags"); listed != image.end() && !listed->is_null()) listed->get_to(tags);
      if (tags.empty()) tags.emplace_back();
      const json entry = take_docker_image(image, tags.front());
      for (const auto& reference : references(tags)) add(entry, reference, "");
    }
  }

 private:
  static constexpr const char* damaged = "the archive is damaged or not what it should be: make it again";

  /// An image of index.json: its manifests by platform, and the digests under which it is listed.
  struct Named {
    std::vector<PlatformManifest> manifests;
    std::set<std::string> listed;
  };

  [[noreturn]] void fail(const std::string& what, const std::string& hint = damaged) const {
    throw Error(ErrorKind::Usage, fmt::format("{}: {}", request_.from, what), hint)
        .about_setting("image.extra", request_.from);
  }

  /// A file by its path; symlinks within the archive are followed.
  const Node& file(const std::string& path) const {
    const auto resolved = source_.resolve(path);
    const Node* node = resolved ? source_.find(*resolved) : nullptr;
    if (!node || node->type != NodeType::File) fail(fmt::format("{} is missing", path));
    return *node;
  }
  std::string text_of(const Node& node, const std::string& path) {
    document_ = path;
    if (node.size > largest_document) fail(fmt::format("{} is larger than {} bytes", path, largest_document));
    return store_.read(node.content);
  }
  json document(const std::string& path) { return json::parse(text_of(file(path), path)); }

  /// A blob by its digest, which is verified.
  const Node& blob(const std::string& digest) const {
    const auto wanted = digest.starts_with("sha256:") ? Digest::parse(digest.substr(7)) : std::nullopt;
    if (!wanted) fail(fmt::format("the digest \"{}\" is not one of SHA-256", digest));
    const Node& node = file("blobs/sha256/" + wanted->hex());
    if (node.content != *wanted)
      fail(fmt::format("{} has the digest sha256:{}", blob_path(digest), node.content.hex()));
    return node;
  }
  const Node& blob(const json& descriptor) const {
    const std::string digest = descriptor.at("digest");
    const Node& node = blob(digest);
    if (const auto size = descriptor.at("size").get<std::uint64_t>(); size != node.size)
      fail(fmt::format("{} has {} bytes, but {} are stated", digest, node.size, size));
    return node;
  }

  void place(const std::string& path, const Value& value) {
    made_.set(path, Node{.type = NodeType::File,
                         .mode = 0644,
                         .mtime = epoch_,
                         .size = value.size,
                         .content = value.digest,
                         .origin = Origin::archive("oci")});
  }
  json place_blob(const std::string& media_type, const Value& value) {
    place("blobs/sha256/" + value.digest.hex(), value);
    return {{"mediaType", media_type}, {"digest", "sha256:" + value.digest.hex()}, {"size", value.size}};
  }

  static Platform platform_of(const json& object) {
    return {.os = object.value("os", ""),
            .architecture = object.value("architecture", ""),
            .variant = object.value("variant", "")};
  }

  /// The manifests of an entry of index.json, which may be an index itself.
  std::vector<PlatformManifest> manifests_of(const json& entry) {
    const std::string digest = entry.at("digest"), text = text_of(blob(entry), blob_path(digest));
    if (is_image_index(text)) return manifests_of_index(text);
    if (entry.contains("platform")) return {{digest, platform_of(entry.at("platform"))}};
    const json config = config_of(json::parse(text), digest);
    return {{digest, platform_of(json::parse(text_of(blob(config), blob_path(config.at("digest")))))}};
  }

  /// The descriptor of an image's configuration.
  json config_of(const json& manifest, const std::string& digest) const {
    const json config = manifest.at("config");
    if (const std::string type = config.at("mediaType"); type != oci_config && type != docker_config)
      fail(fmt::format("{} is not a container image, but {}", digest, type),
           "a disk image can have container images only");
    return config;
  }

  /// `name` of the configuration is for one image.
  void need_one_image(std::size_t count, const std::map<std::string, std::string>& images) const {
    if (request_.names.empty() || count == 1) return;
    std::vector<std::string> names;
    for (const auto& [name, digest] : images) names.push_back(name);
    fail(fmt::format("`name` is set, but there are {} images: {}", count, join(names, ", ")),
         "remove `name`, or make an archive of the one image");
  }

  /// The references of an image: those of the request, else those of the archive.
  std::vector<ImageReference> references(const std::vector<std::string>& archive) const {
    std::vector<ImageReference> found;
    for (const std::string& text : request_.names.empty() ? archive : request_.names) {
      // skopeo and buildah write a tag alone into layouts.
      const bool is_tag = text.find_first_of(":/@") == std::string::npos;
      const auto reference = is_tag ? std::nullopt : parse_image_reference(text);
      if (!reference)
        fail(text.empty() ? "the image has no name" : fmt::format("\"{}\" is not the whole name of an image", text),
             "set `name` in this [[image.extra]], such as \"registry.example/app:1.0\"");
      found.push_back(*reference);
    }
    return found;
  }

  /// Adds an image under a reference. `digest`: the one by which pods may ask for it; "": none.
  void add(const json& entry, const ImageReference& reference, const std::string& digest) {
    const auto set = [&](const std::string& name) {
      const auto [found, fresh] = entries_.try_emplace(name, entry);
      if (!fresh && found->second != entry) fail(fmt::format("contains two images with the name {}", name));
    };
    if (!reference.tag.empty() || reference.digest.empty())
      set(ImageReference{.name = reference.name, .tag = reference.tag, .digest = ""}.text());
    if (const std::string& by = reference.digest.empty() ? digest : reference.digest; !by.empty())
      set(ImageReference{.name = reference.name, .tag = "", .digest = by}.text());
  }

  /// Checks and takes an image by its manifest; returns its entry in index.json.
  json take_manifest(const std::string& digest) {
    const Node& node = blob(digest);
    const json manifest = json::parse(text_of(node, blob_path(digest)));
    const json config = config_of(manifest, digest);
    const Node& config_node = blob(config);
    const json document = json::parse(text_of(config_node, blob_path(config.at("digest"))));
    const json platform = check_config(document, digest);
    const auto diff_ids = document.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
    const json& layers = manifest.at("layers");
    check_layer_count(layers.size(), diff_ids.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Node& layer = blob(layers[i]);
      check_layer(layer, layers[i].at("digest"), diff_ids[i]);
      place_blob("", value_of(layer));
    }
    place_blob("", value_of(config_node));
    json entry = place_blob(manifest.value("mediaType", oci_manifest), value_of(node));
    entry["platform"] = platform;
    return entry;
  }

  /// The same for an image of manifest.json, for which a manifest is made.
  json take_docker_image(const json& image, const std::string& name) {
    const std::string config_path = image.at("Config");
    const Node& config = file(config_path);
    const std::string stem = config_path.substr(config_path.rfind('/') + 1, 64);
    if (Digest::parse(stem) && stem != config.content.hex())
      fail(fmt::format("{} has the digest {}", config_path, config.content.hex()));
    const json document = json::parse(text_of(config, config_path));
    const json platform = check_config(document, name);
    const auto diff_ids = document.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
    const auto paths = image.at("Layers").get<std::vector<std::string>>();
    check_layer_count(paths.size(), diff_ids.size());
    json layers = json::array();
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const Node& layer = file(paths[i]);
      check_layer(layer, paths[i], diff_ids[i]);
      layers.push_back(place_blob(layer_type(layer, diff_ids[i]), value_of(layer)));
    }
    const json manifest{{"schemaVersion", 2},
                        {"mediaType", oci_manifest},
                        {"config", place_blob(oci_config, value_of(config))},
                        {"layers", layers}};
    json entry = place_blob(oci_manifest, store_.put(manifest.dump()));
    entry["platform"] = platform;
    return entry;
  }

  static Value value_of(const Node& node) { return {ValueKind::Blob, node.content, node.size}; }

  /// containerd decides by the platform in the configuration. Returns it.
  json check_config(const json& config, const std::string& name) const {
    const Platform platform = platform_of(config);
    if (!suitability(platform, request_.machine))
      throw_wrong_platform(request_.from, name, {{"", platform}}, request_.machine);
    json result{{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.variant.empty()) result["variant"] = platform.variant;
    return result;
  }
  void check_layer_count(std::size_t layers, std::size_t diff_ids) const {
    if (layers != diff_ids) fail(fmt::format("an image has {} layers, but {} diff_ids", layers, diff_ids));
    if (layers == 0) fail("an image has no layers", "an image without files cannot run");
  }
  /// A layer's digest after decompression must be the one in the configuration.
  void check_layer(const Node& layer, const std::string& name, const std::string& diff_id) const {
    if (is_uncompressed(layer, diff_id)) return;
    const Digest found =
        decompressed_digest(store_.path(layer.content), largest_layer, fmt::format("{}: {}", request_.from, name));
    if ("sha256:" + found.hex() != diff_id)
      fail(fmt::format("layer {} has the digest sha256:{} after decompression, but the configuration states {}", name,
                       found.hex(), diff_id));
  }
  static bool is_uncompressed(const Node& layer, const std::string& diff_id) {
    return "sha256:" + layer.content.hex() == diff_id;
  }
  std::string layer_type(const Node& layer, const std::string& diff_id) const {
    if (is_uncompressed(layer, diff_id)) return oci_layer;
    return oci_layer + (MappedFile(store_.path(layer.content)).bytes().starts_with("\x1f\x8b") ? "+gzip" : "+zstd");
  }

  Store& store_;
  const Tree& source_;
  const ImportRequest& request_;
  const std::int64_t epoch_;
  Tree made_;
  std::map<std::string, json> entries_;  ///< by name
  std::string document_;                 ///< the file that was read last
};

}  // namespace

Tree import_oci_layout(Store& store, const Tree& layout, const ImportRequest& request, std::int64_t epoch) {
  Importer importer(store, layout, request, epoch);
  return importer.run([&] { importer.read_layout(); });
}

Tree import_docker_archive(Store& store, const Tree& members, const ImportRequest& request, std::int64_t epoch) {
  Importer importer(store, members, request, epoch);
  return importer.run([&] { importer.read_docker_archive(); });
}

}  // namespace k8simg
