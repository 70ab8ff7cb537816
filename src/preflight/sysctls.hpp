// Kernel settings that systemd-sysctl would apply from a tree's files. Format and order: sysctl.d(5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

struct SysctlLine {
  std::string key;  ///< path below /proc/sys: "net/ipv4/ip_forward"; may be a glob
  std::string value;
  std::string file;  ///< "/etc/sysctl.d/30-kubernetes.conf"
  int line = 0;
  bool exclusion = false;  ///< "-key" without a value: globs do not apply to it
};

/// All lines in the order in which they are applied: files sorted by name, independent of their folder. Of files with
/// the same name, /etc has priority, then /usr/local/lib, then /usr/lib. A symlink to /dev/null masks a file.
std::vector<SysctlLine> read_sysctls(const Store& store, const Tree& root);

/// The effective line for `key` ("net.ipv4.ip_forward"): the last line with this key; otherwise, unless it is excluded,
/// the last matching glob.
std::optional<SysctlLine> find_sysctl(const std::vector<SysctlLine>& lines, const std::string& key);

}  // namespace k8simg
