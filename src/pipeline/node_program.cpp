// Completes node.json of an overlay.
#include "pipeline/node_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "util/error.hpp"

namespace k8simg {

Tree complete_node_program(Store& store, Tree overlay, const Config& config) {
  const std::string path = "usr/share/k8simg/node.json";
  const Node* node = overlay.find(path);
  if (!node || node->type != NodeType::File) return overlay;
  auto json = nlohmann::ordered_json::parse(store.read(node->content), nullptr, false);
  if (!json.is_object()) {
    throw Error(ErrorKind::Usage, fmt::format("{} of the {} is not a JSON object", path, node->origin.text()),
                "correct the file in the overlay");
  }
  std::vector<std::pair<std::string, std::string>> known{
      {"name", config.name}, {"board", config.board}, {"architecture", config.arch.go}};
  const auto kubernetes = std::find_if(config.components.begin(), config.components.end(),
                                       [](const ComponentConfig& each) { return each.name == "kubernetes"; });
  if (kubernetes != config.components.end()) known.emplace_back("kubernetesVersion", kubernetes->version);
  for (const auto& [key, value] : known)
    if (!json.contains(key)) json[key] = value;
  Node completed = *node;
  const std::string text = json.dump(2) + "\n";
  completed.content = store.put(text).digest, completed.size = text.size();
  overlay.set(path, completed);
  return overlay;
}

}  // namespace k8simg
