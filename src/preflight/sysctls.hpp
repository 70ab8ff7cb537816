// Kernel settings as systemd-sysctl would make them from a tree's files. Format and order: sysctl.d(5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

struct SysctlLine {
  std::string key;  ///< as a path below /proc/sys: "net/ipv4/ip_forward"; may be a glob
  std::string value;
  std::string file;  ///< "/etc/sysctl.d/30-kubernetes.conf"
  int line = 0;
  bool exclusion = false;  ///< "-key" without a value: no glob sets it
};

/// All lines in the order in which they are read: files by name, whatever their folder; of two with one name the one
/// that /etc has, then /usr/local/lib, then /usr/lib; a link to /dev/null takes a file away.
std::vector<SysctlLine> read_sysctls(const Store& store, const Tree& root);

/// The line that decides about `key` ("net.ipv4.ip_forward"): the last that names it; else, unless it is excluded, the
/// last glob that matches.
std::optional<SysctlLine> find_sysctl(const std::vector<SysctlLine>& lines, const std::string& key);

}  // namespace k8simg
