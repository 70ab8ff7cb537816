// node.toml, the file on the boot partition that says what a node is; a person edits it before the first boot.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// What node.toml says; "" where it says nothing. The keys are the names with dashes. The device reads the same file
/// with components/kubernetes/node/nodefile: both have one schema, and the same words for each file of tests/data/node.
struct NodeFile {
  std::string role;             ///< "single", "control-plane", "worker" or "standalone"
  std::string hostname;         ///< RFC 1123 label
  std::string server;           ///< worker: "ADDRESS:PORT" of the control plane's API
  std::string token;            ///< a bootstrap token: six and sixteen of a-z and 0-9 with a dot between
  std::string ca_cert_hash;     ///< worker: "sha256:" and 64 hexadecimal digits, of the cluster's certificate authority
  std::string pod_network;      ///< IPv4 CIDR; "" is 10.244.0.0/16
  std::string service_network;  ///< IPv4 CIDR; "" is 10.96.0.0/12
  std::string address;          ///< IPv4 address that other nodes reach this one by; "" is the one of the default route
  std::string ntp;              ///< time server; "" is systemd-timesyncd's choice
  std::string ssh_key;          ///< a line for root's authorized_keys
  bool token_removed = false;   ///< the device has left a comment in the token's place: it has joined, and needs none
};

/// Parses node.toml, which is TOML 1.0 whose keys are text. A byte order mark and CRLF are taken. `file` is the name
/// that mistakes are told with. Throws Error{Usage} with one line for each mistake: FILE:LINE: KEY: what is wrong.
NodeFile read_node_file(std::string_view text, const std::string& file);

}  // namespace k8simg
