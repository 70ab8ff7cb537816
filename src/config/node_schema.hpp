// The schema of node.toml for host and device: components/kubernetes/node/nodefile/schema.toml.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg::config {

struct NodeCheck {
  std::string is;  ///< "network": see passes()
  std::vector<std::string> values;
  int least = 0, most = 0;
  std::string message;
};

struct NodeKey {
  std::string name;
  std::vector<std::string> roles;     ///< the roles that use the key; empty: all
  std::vector<std::string> required;  ///< roles that need it
  bool secret = false;
  std::string fallback;  ///< the default value
  std::vector<NodeCheck> checks;
};

struct NodeSchema {
  std::size_t bytes = 0, value_lines = 0;
  std::string token_removed, token_removed_line;
  std::map<std::string, std::string> messages, types;
  std::vector<NodeKey> keys;

  const NodeKey* find(std::string_view name) const;
};

const NodeSchema& node_schema();

/// Whether `text` passes the check. An unknown check fails for every text, so that the tests of tests/data/node find
/// it.
bool passes(const NodeCheck& check, const std::string& text);
/// Whether two IPv4 networks have an address in common. An address counts as a network of one address.
bool networks_overlap(const std::string& a, const std::string& b);
/// The N of "10.0.0.0/N".
int network_bits(const std::string& text);
bool bare_key(const std::string& text);
bool holds_control(std::string_view line);
bool valid_utf8(std::string_view text);

}  // namespace k8simg::config
