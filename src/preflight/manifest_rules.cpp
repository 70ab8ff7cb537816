// Rules for manifests that the node applies: they are YAML, and the disk image has the container images that they name.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "oci/reference.hpp"
#include "preflight/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rules {

namespace {

constexpr const char* manifests_check = "manifests";
constexpr const char* manifests_folder = "etc/k8simg/manifests";
constexpr std::size_t most_nodes = 1'000'000;  // aliases of YAML can multiply a small text

/// An image of a container, or of an image volume.
struct NamedImage {
  std::string reference, policy;
  int line = 0;
};

/// The objects and the images of a manifest.
class Manifest {
 public:
  /// Throws YAML::Exception with the position of the mistake.
  explicit Manifest(const std::string& text) {
    for (const YAML::Node& document : YAML::LoadAll(text))
      if (!document.IsNull()) object(document);
  }

  std::size_t objects = 0;
  std::vector<NamedImage> images;

 private:
  [[noreturn]] static void wrong(const YAML::Node& node, const std::string& message) {
    throw YAML::Exception(node.Mark(), message);
  }
  static std::string text_of(const YAML::Node& node) {
    return node.IsDefined() && node.IsScalar() ? node.Scalar() : "";
  }

  void object(const YAML::Node& node) {
    if (!node.IsMap()) wrong(node, "is no object of Kubernetes");
    const std::string kind = text_of(node["kind"]);
    if (text_of(node["apiVersion"]).empty() || kind.empty()) wrong(node, "an object has no apiVersion or no kind");
    if (kind == "List") {
      for (const YAML::Node& item : node["items"]) object(item);
      return;
    }
    const YAML::Node metadata = node["metadata"];
    if (!metadata.IsDefined() || !metadata.IsMap() || text_of(metadata["name"]).empty())
      wrong(node, fmt::format("a {} has no metadata.name", kind));
    ++objects;
    walk(node);
  }

  void walk(const YAML::Node& node) {
    if (++seen_ > most_nodes) wrong(node, "is too large");
    if (node.IsSequence()) {
      for (const YAML::Node& item : node) walk(item);
    } else if (node.IsMap()) {
      for (const auto& member : node) {
        const std::string key = text_of(member.first);
        const bool has_containers = key == "containers" || key == "initContainers" || key == "ephemeralContainers";
        if (member.second.IsSequence() && (has_containers || key == "volumes")) {
          for (const YAML::Node& item : member.second) {
            if (!item.IsMap()) continue;
            const YAML::Node image = item["image"];
            if (has_containers)
              take(image, item["imagePullPolicy"]);
            else if (image.IsDefined() && image.IsMap())
              take(image["reference"], image["pullPolicy"]);
          }
        }
        walk(member.second);
      }
    }
  }
  void take(const YAML::Node& image, const YAML::Node& policy) {
    if (const std::string reference = text_of(image); !reference.empty())
      images.push_back({reference, text_of(policy), image.Mark().line + 1});
  }

  std::size_t seen_ = 0;
};

class ManifestRules {
 public:
  ManifestRules(const Image& image, Findings& findings) : image_(image), findings_(findings) {
    for (const auto& reference : carried(image)) {
      const auto parsed = parse_image_reference(reference);
      carried_.insert(parsed ? parsed->text() : reference);
    }
  }

  void check(const std::string& path) {
    const Node& node = *image_.root.find(path);
    // The file that its author can change.
    file_ = node.origin.kind() == Origin::Kind::Overlay ? fmt::format("overlays/{}/{}", node.origin.name(), path)
                                                        : "/" + path;
    if (!path.ends_with(".yaml")) {
      findings_.warning(manifests_check, file_, "is not applied, since its name does not end in .yaml",
                        "rename or remove the file", not_kubeadm);
      return;
    }
    const auto text = image_.text("/" + path);
    if (!text) return;
    try {
      report(Manifest(*text));
    } catch (const YAML::Exception& mistake) {
      const int line = mistake.mark.is_null() ? 1 : mistake.mark.line + 1;
      findings_.error(manifests_check, at(line), mistake.msg, "correct the manifest: the node cannot apply it",
                      not_kubeadm);
    }
  }

 private:
  std::string at(int line) const { return fmt::format("{}:{}", file_, line); }

  void report(const Manifest& manifest) {
    bool well = true;
    for (const NamedImage& named : manifest.images) {
      const auto reference = parse_image_reference(named.reference);
      if (!reference) {
        findings_.error(manifests_check, at(named.line), fmt::format("\"{}\" is no name of an image", named.reference),
                        "correct the manifest", not_kubeadm);
        well = false;
      } else if (carried_.empty()) {
        findings_.warning(manifests_check, at(named.line),
                          fmt::format("the node pulls {} from a registry", reference->text()),
                          "set images.preload to true, and add the image with [[image.extra]]", not_kubeadm);
        well = false;
      } else if (!carried_.contains(reference->text())) {
        findings_.error(manifests_check, at(named.line), fmt::format("the disk image has no {}", reference->text()),
                        "add it with [[image.extra]], or correct the name", not_kubeadm);
        well = false;
      } else if (pulls_always(named, *reference)) {
        findings_.warning(
            manifests_check, at(named.line),
            fmt::format("the node asks a registry for {} at each start, although it has the image", reference->text()),
            "set imagePullPolicy to IfNotPresent", not_kubeadm);
        well = false;
      }
    }
    if (well)
      findings_.ok(
          manifests_check, file_,
          fmt::format("{} objects; their {} images are in the disk image", manifest.objects, manifest.images.size()),
          not_kubeadm);
  }

  /// Kubernetes' default is Always for the tag "latest" alone.
  static bool pulls_always(const NamedImage& image, const ImageReference& reference) {
    if (!image.policy.empty()) return image.policy == "Always";
    return reference.digest.empty() && (reference.tag.empty() || reference.tag == "latest");
  }

  const Image& image_;
  Findings& findings_;
  std::set<std::string> carried_;
  std::string file_;
};

}  // namespace

void manifests(const Image& image, Findings& findings) {
  const auto paths = image.root.children(manifests_folder);
  if (paths.empty()) return;
  const std::string& role = image.config.node_role;
  if (role == "worker" || role == "standalone")
    findings.warning(manifests_check, fmt::format("/{}", manifests_folder),
                     fmt::format("a node with the role {} applies no manifests", role),
                     "put them on the control plane of the cluster", not_kubeadm);
  ManifestRules rules(image, findings);
  for (const auto& path : paths) rules.check(path);
}

}  // namespace k8simg::rules
