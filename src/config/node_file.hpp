// node.toml, the file on the boot partition that describes a node. The user edits it before the first boot.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// The values of node.toml; "" for a key that is not set. Keys have the same names, with dashes. The device reads the
/// file with components/kubernetes/node/nodefile. Both have one schema and report the same messages for each file of
/// tests/data/node.
struct NodeFile {
  std::string role;             ///< "single", "control-plane", "worker" or "standalone"
  std::string hostname;         ///< RFC 1123 label
  std::string server;           ///< worker: "ADDRESS:PORT" of the control plane's API
  std::string token;            ///< bootstrap token: six characters of a-z and 0-9, a dot, and sixteen of them
  std::string ca_cert_hash;     ///< worker: "sha256:" and 64 hexadecimal digits, of the cluster's certificate authority
  std::string pod_network;      ///< IPv4 CIDR; "" is 10.244.0.0/16
  std::string service_network;  ///< IPv4 CIDR; "" is 10.96.0.0/12
  std::string address;          ///< IPv4 address of the node for other nodes; "": that of the default route
  std::string ntp;              ///< time server; "": systemd-timesyncd's default
  std::string ssh_key;          ///< a line for root's authorized_keys
  bool token_removed = false;   ///< a comment of the device replaces the token: it has joined and needs no token
};

/// Parses node.toml: TOML 1.0 with string values. Accepts a byte order mark and CRLF. `file` is the name in messages.
/// Error{Usage} has one line for each mistake: FILE:LINE: KEY: the problem.
NodeFile read_node_file(std::string_view text, const std::string& file);

}  // namespace k8simg
