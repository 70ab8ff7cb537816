// Tests the rule for manifests that the node applies.
#include "image.hpp"
#include "preflight/preflight.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string manifest_path = "etc/k8simg/manifests/10-app.yaml";

/// The findings about manifests: "error overlays/test/etc/k8simg/manifests/10-app.yaml:3 MESSAGE".
std::vector<std::string> about_manifests(PreflightImage& image) {
  std::vector<std::string> list;
  for (const Finding& finding : image.findings()) {
    if (finding.check != "manifests") continue;
    CHECK_FALSE(finding.kubeadm);
    CHECK(finding.action.empty() == (finding.severity == Severity::Ok));
    list.push_back(std::string(severity_name(finding.severity)) + " " + finding.looked_at + " " + finding.says);
  }
  return list;
}

std::vector<std::string> about(const std::string& manifest) {
  PreflightImage image;
  image.file(manifest_path, manifest);
  return about_manifests(image);
}

const std::string place = "overlays/test/etc/k8simg/manifests/10-app.yaml";

std::string pod(const std::string& containers) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec:\n  containers:\n" + containers;
}

}  // namespace

TEST_CASE("an image without manifests has no finding about them") {
  PreflightImage image;
  CHECK(about_manifests(image).empty());
}

TEST_CASE("each image of a manifest is in the disk image, else it is named with file and line") {
  CHECK(about(pod("  - {name: a, image: \"registry.k8s.io/pause:3.10.2\"}\n")) ==
        std::vector<std::string>{"ok " + place + " 1 objects; their 1 images are in the disk image"});
  CHECK(about(pod("  - {name: a, image: \"registry.k8s.io/pause:3.10.2\"}\n  - name: b\n    image: nginx:1\n"
                  "  initContainers:\n  - name: c\n    image: me/app:2\n")) ==
        std::vector<std::string>{"error " + place + ":8 the disk image has no docker.io/library/nginx:1",
                                 "error " + place + ":11 the disk image has no docker.io/me/app:2"});
  // In a template of a template, and in the second document.
  CHECK(
      about(
          "---\n# nothing\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: j}\nspec:\n  jobTemplate:\n"
          "    spec:\n      template:\n        spec:\n          containers: [{name: a, image: \"x.example/y:1\"}]\n") ==
      std::vector<std::string>{"error " + place + ":12 the disk image has no x.example/y:1"});
  CHECK(about("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec:\n"
              "    containers: []\n    volumes:\n    - name: v\n      image: {reference: \"x.example/data:1\"}\n") ==
        std::vector<std::string>{"error " + place + ":11 the disk image has no x.example/data:1"});
  // Fields of the same name that are no containers.
  CHECK(about("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  image: nginx\n  containers: nginx\n") ==
        std::vector<std::string>{"ok " + place + " 1 objects; their 0 images are in the disk image"});
}

TEST_CASE("an image by its digest is another one than by its tag") {
  const std::string digest = "sha256:" + std::string(64, 'a');
  PreflightImage image;
  image.file(manifest_path, pod("  - {name: a, image: \"x.example/y:1@" + digest + "\"}\n"));
  image.file("usr/share/k8simg/images.list",
             "registry.k8s.io/kube-apiserver:v1.37.1\nregistry.k8s.io/"
             "kube-proxy:v1.37.1\nregistry.k8s.io/pause:3.10.2\nx.example/y:1\n");
  CHECK(about_manifests(image) ==
        std::vector<std::string>{"error " + place + ":6 the disk image has no x.example/y@" + digest});
  image.edit("usr/share/k8simg/images.list", "x.example/y:1", "x.example/y@" + digest);
  CHECK(contains(about_manifests(image).at(0), "ok "));
}

TEST_CASE("an image that is there and pulled all the same") {
  const auto with = [](const std::string& reference, const std::string& policy) {
    PreflightImage image;
    image.file(manifest_path, pod("  - {name: a, image: \"" + reference + "\"" + policy + "}\n"));
    image.file("usr/share/k8simg/images.list",
               "registry.k8s.io/kube-apiserver:v1.37.1\nregistry.k8s.io/"
               "kube-proxy:v1.37.1\nregistry.k8s.io/pause:3.10.2\nx.example/y:latest\n");
    return about_manifests(image).at(0);
  };
  const std::string asks = "warning " + place + ":6 the node asks a registry for x.example/y:latest at each start";
  CHECK(contains(with("x.example/y", ""), asks));
  CHECK(contains(with("x.example/y:latest", ""), asks));
  CHECK(contains(with("x.example/y", ", imagePullPolicy: IfNotPresent"), "ok "));
  CHECK(contains(with("registry.k8s.io/pause:3.10.2", ", imagePullPolicy: Always"), "warning "));
}

TEST_CASE("a manifest that is not YAML, or no object, is an error with its line") {
  for (const auto& [text, message] : std::map<std::string, std::string>{
           {"a: [1, 2\nb: }\n", "error " + place + ":2 "},
           {"\tkind: Pod\n", "error " + place + ":1 "},
           {"just words\n", "error " + place + ":1 is no object of Kubernetes"},
           {"apiVersion: v1\nmetadata: {name: a}\n", "error " + place + ":1 an object has no apiVersion or no kind"},
           {"kind: Pod\nmetadata: {name: a}\n", "error " + place + ":1 an object has no apiVersion or no kind"},
           {"---\napiVersion: v1\nkind: Pod\nmetadata: {}\n", "error " + place + ":2 a Pod has no metadata.name"},
           {pod("  - {name: a, image: \"No Name\"}\n"), "error " + place + ":6 \"No Name\" is no name of an image"}}) {
    INFO(text);
    const auto list = about(text);
    REQUIRE(list.size() == 1);
    INFO(list[0]);
    CHECK(list[0].starts_with(message));
  }
  // Nine lines of aliases would be a billion nodes.
  std::string laughs = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\na0: &a0 [x]\n";
  for (int i = 1; i < 10; ++i) {
    std::string line;
    for (int j = 0; j < 9; ++j) line += "*a" + std::to_string(i - 1) + ", ";
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + line + "*a" + std::to_string(i - 1) + "]\n";
  }
  CHECK(contains(about(laughs).at(0), "is too large"));
}

TEST_CASE("other names, nodes without an API server, and images that are not preloaded") {
  PreflightImage image;
  image.file("etc/k8simg/manifests/app.yml", "nonsense: [");
  CHECK(about_manifests(image) ==
        std::vector<std::string>{"warning overlays/test/etc/k8simg/manifests/app.yml is not applied, since its name "
                                 "does not end in .yaml"});
  PreflightImage worker;
  worker.config.node_role = "worker";
  worker.file(manifest_path, pod("  - {name: a, image: \"registry.k8s.io/pause:3.10.2\"}\n"));
  CHECK(about_manifests(worker).at(0) ==
        "warning /etc/k8simg/manifests a node with the role worker applies no manifests");
  PreflightImage pulls;
  pulls.root.erase("usr/share/k8simg/images.list");
  pulls.file(manifest_path, pod("  - {name: a, image: \"x.example/y:1\"}\n"));
  CHECK(about_manifests(pulls) ==
        std::vector<std::string>{"warning " + place + ":6 the node pulls x.example/y:1 from a registry"});
}
