// Container runtime rules: containerd's configuration, and its images compared with those that kubeadm needs.
#include <fmt/format.h>

#include <algorithm>

#include "preflight/rules.hpp"
#include "toml/document.hpp"
#include "util/text.hpp"

namespace k8simg::rules {

namespace {

constexpr const char* config_file = "/etc/containerd/config.toml";
constexpr const char* socket = "/run/containerd/containerd.sock";  // the default of kubeadm and the kubelet
constexpr const char* check = "containerd-config";

using toml::Kind;
using TomlValue = toml::Value;

/// A value by its keys; nullptr if a key is missing.
const TomlValue* at(const TomlValue& document, std::initializer_list<const char*> keys) {
  const TomlValue* value = &document;
  for (const char* key : keys) {
    const auto* member = value->kind == Kind::Table ? toml::find(*value, key) : nullptr;
    if (!member) return nullptr;
    value = &member->value;
  }
  return value;
}

std::string text_at(const TomlValue& document, std::initializer_list<const char*> keys, const std::string& otherwise) {
  const TomlValue* value = at(document, keys);
  return value && value->kind == Kind::String ? value->text : otherwise;
}

bool among(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

class ContainerdConfig {
 public:
  ContainerdConfig(const Image& image, const TomlValue& document, Findings& findings)
      : image_(image), document_(document), findings_(findings) {}

  void check_all() {
    version();
    plugins();
    address();
    runtime();
    network();
    sandbox();
    if (well_)
      findings_.ok(check, config_file, fmt::format("CRI on {}, {}, cgroups through systemd", socket, oci_),
                   not_kubeadm);
  }

 private:
  void wrong(const std::string& says, const std::string& action, bool unreachable = false) {
    well_ = false;
    findings_.error(check, config_file, says, action, not_kubeadm);
    if (!unreachable) return;
    for (const char* name : {"CRI", "ContainerRuntimeVersion"})
      findings_.error(name, config_file, "kubeadm cannot reach a container runtime: " + says, action);
  }

  void version() {
    const TomlValue* version = at(document_, {"version"});
    if (!version || version->kind != Kind::Integer || version->integer != 3)
      wrong("does not have version 3", "use the format of containerd 2: version = 3");
  }

  void plugins() {
    const TomlValue* disabled = at(document_, {"disabled_plugins"});
    if (!disabled) return;
    for (const auto& item : disabled->items) {
      if (item.text == "cri" || item.text == "io.containerd.grpc.v1.cri" ||
          item.text.starts_with("io.containerd.cri.v1.")) {
        wrong(fmt::format("disabled_plugins has {}, which pods need", item.text), "remove it from the list", true);
      }
    }
  }

  void address() {
    const std::string address = text_at(document_, {"grpc", "address"}, socket);
    if (address != socket)
      wrong(fmt::format("listens at {}, but kubeadm expects {}", address, socket),
            fmt::format("set grpc.address to \"{}\"", socket), true);
  }

  void runtime() {
    constexpr const char* plugin = "io.containerd.cri.v1.runtime";
    const std::string name = text_at(document_, {"plugins", plugin, "containerd", "default_runtime_name"}, "runc");
    const TomlValue* runtime = at(document_, {"plugins", plugin, "containerd", "runtimes", name.c_str()});
    if (!runtime && name != "runc") {
      wrong(fmt::format("default_runtime_name is {}, but there is no such runtime", name),
            fmt::format("add [plugins.\"{}\".containerd.runtimes.{}]", plugin, name));
      return;
    }
    const TomlValue none;
    const TomlValue& own = runtime ? *runtime : none;
    if (text_at(own, {"runtime_type"}, "io.containerd.runc.v2") == "io.containerd.runc.v2" &&
        !program_path(image_.root, "containerd-shim-runc-v2")) {
      wrong("there is no containerd-shim-runc-v2", "enable the component containerd");
    }
    oci_ = text_at(own, {"options", "BinaryName"}, "runc");
    const bool there = oci_.starts_with('/') ? image_.exists(oci_) : program_path(image_.root, oci_).has_value();
    if (!there)
      wrong(fmt::format("the OCI runtime {} is not in the image", oci_),
            "add the package that has it to packages.install, or set BinaryName to another one");
    const TomlValue* systemd = at(own, {"options", "SystemdCgroup"});
    if (!systemd || systemd->kind != Kind::Boolean || !systemd->boolean) {
      wrong(fmt::format("runtime {} does not use the systemd cgroup driver, but kubeadm's kubelet does", name),
            "set SystemdCgroup = true in its options");
    }
  }

  void network() {
    std::vector<std::string> folders;
    const TomlValue* list = at(document_, {"plugins", "io.containerd.cri.v1.runtime", "cni", "bin_dirs"});
    for (const auto& item : list ? list->items : std::vector<TomlValue>{}) folders.push_back(item.text);
    if (folders.empty()) folders.push_back("/opt/cni/bin");
    // containerd needs loopback; flannel's network needs the other three.
    for (const char* plugin : {"loopback", "bridge", "host-local", "portmap"}) {
      if (!std::any_of(folders.begin(), folders.end(),
                       [&](const std::string& folder) { return image_.exists(folder + "/" + plugin); })) {
        wrong(fmt::format("there is no network plugin {} in {}", plugin, join(folders, ", ")),
              "enable the component cni-plugins");
      }
    }
  }

  void sandbox() {
    const std::string pause =
        text_at(document_, {"plugins", "io.containerd.cri.v1.images", "pinned_images", "sandbox"}, "");
    const auto& asked = image_.in.kubeadm_images;
    const auto wanted = std::find_if(asked.begin(), asked.end(), [](const std::string& reference) {
      return reference.find("/pause:") != std::string::npos;
    });
    if (wanted != asked.end() && pause != *wanted)
      wrong(fmt::format("the sandbox image is \"{}\", kubeadm's is {}", pause, *wanted),
            "set pinned_images.sandbox to kubeadm's");
    const auto images = carried(image_);
    if (!pause.empty() && !images.empty() && !among(images, pause))
      wrong(fmt::format("the image does not contain {}, which every pod needs", pause),
            "enable the component pause, or set pinned_images.sandbox to the one in the image");
  }

  const Image& image_;
  const TomlValue& document_;
  Findings& findings_;
  std::string oci_ = "runc";
  bool well_ = true;
};

}  // namespace

std::vector<std::string> carried(const Image& image) { return split_words(image.text(image_list).value_or("")); }

void container_runtime(const Image& image, Findings& findings) {
  const auto text = image.text(config_file);
  if (!text) {
    findings.error(check, config_file, "does not exist: containerd would use runc and not the systemd cgroup driver",
                   "add the overlay kubernetes", not_kubeadm);
    return;
  }
  toml::Diagnostics diagnostics;
  const auto document = toml::parse_document(*text, config_file, diagnostics);
  if (!document) {
    const std::string action = "correct the file: containerd does not start";
    findings.error(check, config_file, join(diagnostics.lines(), "; "), action, not_kubeadm);
    findings.error("CRI", config_file, "containerd cannot read it", action);
    findings.error("ContainerRuntimeVersion", config_file, "containerd cannot read it", action);
    return;
  }
  ContainerdConfig(image, *document, findings).check_all();
}

void images(const Image& image, Findings& findings) {
  const auto list = carried(image);
  // kubeadm pulls images only when it creates a control plane.
  const auto verdict = [&](Severity severity) { return image.control_plane ? std::optional(severity) : not_kubeadm; };
  if (image.in.kubeadm_images.empty()) return;  // without kubeadm; another rule reports its absence
  if (list.empty()) {
    findings.warning("ImagePull", image_list,
                     "the image contains no container images: the first start pulls them from registries",
                     "set images.preload to true", not_kubeadm);
    return;
  }
  std::size_t asked = 0;
  std::vector<std::string> missing;
  for (const auto& reference : image.in.kubeadm_images) {
    const auto is = [&](const char* name) { return reference.find(fmt::format("/{}:", name)) != std::string::npos; };
    const bool needed =
        image.control_plane || is("pause") || (is("kube-proxy") && image.config.node_role != "standalone");
    if (!needed) continue;
    ++asked;
    if (!among(list, reference)) missing.push_back(reference);
  }
  if (missing.empty())
    findings.ok("ImagePull", image_list, fmt::format("has all {} images that a node of this role needs", asked),
                verdict(Severity::Ok));
  else
    findings.error("ImagePull", image_list, fmt::format("has no {}, which the node needs", join(missing, ", ")),
                   "enable the component that makes it, with the version that kubeadm requires",
                   verdict(Severity::Error));
}

}  // namespace k8simg::rules
