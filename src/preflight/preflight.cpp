// Runs all rules, and predicts kubeadm's results.
#include "preflight/preflight.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kernel/fragment.hpp"
#include "preflight/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::optional<std::string> read(const Store& store, const Tree& tree, const std::string& path) {
  const auto resolved = tree.resolve(path.substr(1));
  const Node* node = resolved ? tree.find(*resolved) : nullptr;
  return node && node->type == NodeType::File ? std::optional(store.read(node->content)) : std::nullopt;
}

}  // namespace

const char* severity_name(Severity severity) {
  switch (severity) {
    case Severity::Ok:
      return "ok";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      return "error";
  }
  return "";
}

bool makes_control_plane(const Config& config) {
  return config.node_role == "single" || config.node_role == "control-plane";
}

std::string cluster_version(const Store& store, const Tree& root, const Config& config) {
  const std::string said =
      rules::read_node_program(read(store, root, rules::node_program_file).value_or("{}")).kubernetes_version;
  if (!said.empty()) return said;
  const auto component = std::find_if(config.components.begin(), config.components.end(),
                                      [](const ComponentConfig& each) { return each.name == "kubernetes"; });
  return component == config.components.end() ? "" : component->version;
}

std::optional<std::string> program_path(const Tree& root, const std::string& program) {
  for (const char* folder : {"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"}) {
    const auto resolved = root.resolve(std::string(folder) + "/" + program);
    const Node* node = resolved ? root.find(*resolved) : nullptr;
    if (node && node->type == NodeType::File && (node->mode & 0111)) return "/" + *resolved;
  }
  return std::nullopt;
}

std::vector<Finding> preflight(const PreflightInputs& inputs) {
  const rules::Image image(inputs);
  rules::Findings findings;
  for (const auto rule : {rules::machine, rules::versions, rules::free_paths, rules::services, rules::swap,
                          rules::programs, rules::kernel, rules::host_name, rules::console, rules::settings,
                          rules::container_runtime, rules::images, rules::manifests}) {
    rule(image, findings);
  }
  for (Finding& finding : findings.list) {
    if (image.config.node_role.empty() || finding.severity != Severity::Error || finding.kubeadm != Severity::Error ||
        !image.node.ignored.contains(lower(finding.check)))
      continue;
    finding.severity = Severity::Warning;
    finding.says += fmt::format("; the node tells kubeadm to ignore it ({})", rules::node_program_file);
  }
  return std::move(findings.list);
}

std::vector<std::string> kubeadm_verdicts(const std::vector<Finding>& findings) {
  const bool stops = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.kubeadm == Severity::Error && finding.check != "ImagePull";
  });
  std::set<std::string> names;
  for (const Finding& finding : findings) {
    if (!finding.kubeadm || finding.kubeadm == Severity::Ok || (stops && finding.check == "ImagePull")) continue;
    names.insert((finding.kubeadm == Severity::Error ? "ERROR " : "WARNING ") + finding.check);
  }
  return {names.begin(), names.end()};
}

namespace rules {

Image::Image(const PreflightInputs& inputs)
    : in(inputs),
      config(inputs.config),
      root(inputs.root),
      control_plane(makes_control_plane(inputs.config)),
      kernel(parse_kernel_config(inputs.kernel_config)),
      node(read_node_program(text(node_program_file).value_or("{}"))) {}

NodeProgram read_node_program(const std::string& text) {
  NodeProgram node;
  try {
    const auto json = nlohmann::json::parse(text);
    node.kubernetes_version = json.value("kubernetesVersion", "");
    for (const auto& name : json.value("ignorePreflightErrors", std::vector<std::string>{}))
      node.ignored.insert(lower(name));
    for (const auto& name : json.value("unsupportedEtcdArchitectures", std::vector<std::string>{}))
      node.unsupported_etcd.insert(name);
    node.bears_swap = !json.value("failSwapOn", true);
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ErrorKind::Usage, fmt::format("{}: {}", node_program_file, failure.what()),
                "correct the file in the overlay");
  }
  return node;
}

std::optional<std::string> Image::text(const std::string& path) const { return read(in.store, root, path); }
bool Image::exists(const std::string& path) const { return root.resolve(path.substr(1)).has_value(); }

bool Image::has_symbol(const std::string& symbol) const {
  const auto found = kernel.find(symbol);
  return found != kernel.end() && (found->second == "y" || found->second == "m");
}

const ComponentConfig* Image::component(const std::string& name) const {
  const auto found = std::find_if(config.components.begin(), config.components.end(),
                                  [&](const ComponentConfig& each) { return each.name == name; });
  return found == config.components.end() ? nullptr : &*found;
}

std::string Image::first_that_says(const std::string& words) const {
  std::vector<std::string> paths{"/etc/default/kubelet", "/var/lib/kubelet/config.yaml"};
  for (const auto& path : root.children("etc/kubernetes/kubelet.conf.d")) paths.push_back("/" + path);
  for (const auto& path : paths) {
    const auto content = text(path);
    if (content && content->find(words) != std::string::npos) return path;
  }
  return "";
}

void Findings::ok(const std::string& check, const std::string& looked_at, const std::string& says,
                  std::optional<Severity> kubeadm) {
  list.push_back({Severity::Ok, check, looked_at, says, "", kubeadm});
}
void Findings::warning(const std::string& check, const std::string& looked_at, const std::string& says,
                       const std::string& action, std::optional<Severity> kubeadm) {
  list.push_back({Severity::Warning, check, looked_at, says, action, kubeadm});
}
void Findings::error(const std::string& check, const std::string& looked_at, const std::string& says,
                     const std::string& action, std::optional<Severity> kubeadm) {
  list.push_back({Severity::Error, check, looked_at, says, action, kubeadm});
}

}  // namespace rules

}  // namespace k8simg
