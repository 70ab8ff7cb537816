// Rule file-capabilities: capabilities that maintainer scripts set with setcap. Format of the attribute:
// linux/capability.h, VFS_CAP_REVISION_2.
#include "rootfs/capabilities.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "rootfs/shell_words.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

/// Names from linux/capability.h, by number.
constexpr std::array<std::string_view, 41> names = {"chown",
                                                    "dac_override",
                                                    "dac_read_search",
                                                    "fowner",
                                                    "fsetid",
                                                    "kill",
                                                    "setgid",
                                                    "setuid",
                                                    "setpcap",
                                                    "linux_immutable",
                                                    "net_bind_service",
                                                    "net_broadcast",
                                                    "net_admin",
                                                    "net_raw",
                                                    "ipc_lock",
                                                    "ipc_owner",
                                                    "sys_module",
                                                    "sys_rawio",
                                                    "sys_chroot",
                                                    "sys_ptrace",
                                                    "sys_pacct",
                                                    "sys_admin",
                                                    "sys_boot",
                                                    "sys_nice",
                                                    "sys_resource",
                                                    "sys_time",
                                                    "sys_tty_config",
                                                    "mknod",
                                                    "lease",
                                                    "audit_write",
                                                    "audit_control",
                                                    "setfcap",
                                                    "mac_override",
                                                    "mac_admin",
                                                    "syslog",
                                                    "wake_alarm",
                                                    "block_suspend",
                                                    "audit_read",
                                                    "perfmon",
                                                    "bpf",
                                                    "checkpoint_restore"};

}  // namespace

std::optional<std::string> capability_attribute(std::string_view text) {
  std::uint64_t permitted = 0, inheritable = 0;
  bool effective = false;
  for (const auto& clause : split_words(text)) {
    const auto sign = clause.find_first_of("=+");
    if (sign == std::string::npos || sign == 0) return std::nullopt;
    std::uint64_t set = 0;
    for (const auto& word : split(clause.substr(0, sign), ',')) {
      if (!word.starts_with("cap_")) return std::nullopt;
      const auto found = std::find(names.begin(), names.end(), std::string_view(word).substr(4));
      if (found == names.end()) return std::nullopt;
      set |= std::uint64_t{1} << (found - names.begin());
    }
    for (const char flag : clause.substr(sign + 1)) {
      if (flag == 'p')
        permitted |= set;
      else if (flag == 'i')
        inheritable |= set;
      else if (flag == 'e')
        effective = true;
      else
        return std::nullopt;
    }
  }
  if (permitted == 0 && inheritable == 0) return std::nullopt;
  std::string bytes;
  for (const std::uint64_t field :
       {std::uint64_t{0x02000000} | (effective ? 1 : 0), permitted, inheritable, permitted >> 32, inheritable >> 32})
    append_number(bytes, field, 4);
  return bytes;
}

void file_capabilities(Assembly& assembly) {
  for (const auto& package : assembly.packages) {
    // Only if the judgement says that a new installation makes the call. That of iproute2 depends on a debconf question
    // whose default answer is no.
    const auto judged =
        std::any_of(assembly.options.judgements.begin(), assembly.options.judgements.end(), [&](const Judgement& each) {
          return each.rule == "file-capabilities" && each.package == package.name && each.script == "postinst" &&
                 each.remainder == package.postinst.remainder_sha256;
        });
    if (!judged) continue;
    for (const auto& call : calls_of(package.postinst.remainder, "setcap")) {
      if (call.size() < 3 || call[1].starts_with('-')) continue;
      const auto attribute = capability_attribute(call[1]);
      if (!attribute)
        throw Error(ErrorKind::Resolve, fmt::format("the postinst of {} sets capabilities that are not understood: {}",
                                                    package.name, call[1]));
      const auto path = assembly.tree.resolve(relative(call[2]));
      if (!path) continue;
      auto* node = assembly.tree.find(*path);
      if (node->type == NodeType::File && !assembly.from_layer(*path)) node->xattrs["security.capability"] = *attribute;
    }
  }
}

}  // namespace k8simg::rootfs
