// Folders, files and owners that maintainer scripts make once on a new system, each taken from the script that says so.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "tree/usr_merge.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

/// libwrap0's postinst writes these; only comments.
constexpr std::string_view hosts_allow = R"(# /etc/hosts.allow: list of hosts that are allowed to access the system.
#                   See the manual pages hosts_access(5) and hosts_options(5).
)";
constexpr std::string_view hosts_deny = R"(# /etc/hosts.deny: list of hosts that are _not_ allowed to access the system.
#                  See the manual pages hosts_access(5) and hosts_options(5).
)";

std::string read_template(const Assembly& assembly, const std::string& path) {
  const auto* node = assembly.tree.find(path);
  return node == nullptr ? std::string() : assembly.store.read(node->content);
}

/// debianutils' update-shells: the shells of the template and of shells.d, each also under its name in the merged /usr,
/// in this order.
std::vector<std::string> declared_shells(const Assembly& assembly) {
  std::vector<std::string> files = assembly.tree.children("usr/share/debianutils/shells.d");
  files.insert(files.begin(), "usr/share/debianutils/shells");
  std::vector<std::string> shells;
  const auto add = [&](const std::string& shell) {
    if (std::find(shells.begin(), shells.end(), shell) == shells.end()) shells.push_back(shell);
  };
  for (const auto& path : files) {
    for (const auto& line : split(assembly.text(path), '\n')) {
      const auto shell = std::string(trim(std::string_view(line).substr(0, line.find('#'))));
      if (shell.empty()) continue;
      add(shell);
      add("/" + usr_merged_path(relative(shell)));
    }
  }
  return shells;
}

}  // namespace

void usr_merge(Assembly& assembly) {
  for (const std::string folder : {"bin", "sbin", "lib"}) assembly.link_if_absent("usr-merge", folder, "usr/" + folder);
  for (const std::string folder : {"lib64", "lib32", "libx32", "libo32"}) {
    if (assembly.tree.find("usr/" + folder) != nullptr) assembly.link_if_absent("usr-merge", folder, "usr/" + folder);
  }
  // dash ships the link; a tree without dash takes bash.
  if (assembly.tree.find("usr/bin/sh") == nullptr) {
    for (const std::string shell : {"dash", "bash"}) {
      if (assembly.tree.find("usr/bin/" + shell) != nullptr) {
        assembly.link("usr-merge", "usr/bin/sh", shell);
        break;
      }
    }
  }
}

void base_files(Assembly& assembly) {
  const std::string rule = "base-files";
  for (const auto* path : {"boot",
                           "dev",
                           "proc",
                           "sys",
                           "run",
                           "home",
                           "mnt",
                           "srv",
                           "opt",
                           "media",
                           "etc/opt",
                           "var/opt",
                           "var/cache",
                           "var/lib",
                           "var/log",
                           "var/spool",
                           "usr/local",
                           "usr/local/bin",
                           "usr/local/etc",
                           "usr/local/games",
                           "usr/local/include",
                           "usr/local/lib",
                           "usr/local/libexec",
                           "usr/local/sbin",
                           "usr/local/share",
                           "usr/local/share/man",
                           "usr/local/src"}) {
    assembly.folder_if_absent(rule, path);
  }
  assembly.link_if_absent(rule, "usr/local/man", "share/man");
  assembly.folder_if_absent(rule, "tmp", 01777);
  assembly.folder_if_absent(rule, "var/tmp", 01777);
  assembly.folder_if_absent(rule, "root", 0700);
  assembly.folder_if_absent(rule, "var/mail", 02775, 0, 8);
  assembly.link_if_absent(rule, "var/spool/mail", "../mail");
  // base-files ships both as folders and makes them links; what a package put into them would be hidden by the tmpfs on
  // /run anyway.
  for (const auto* path : {"var/run", "var/lock"}) {
    if (assembly.tree.find(path) != nullptr && !assembly.from_layer(path)) assembly.tree.erase_below(path);
  }
  assembly.link_if_absent(rule, "var/run", "/run");
  assembly.link_if_absent(rule, "var/lock", "/run/lock");
  assembly.link_if_absent(rule, "etc/os-release", "../usr/lib/os-release");
  assembly.link_if_absent(rule, "etc/mtab", "../proc/self/mounts");
  if (assembly.tree.find("etc/dpkg/origins/debian") != nullptr)
    assembly.link_if_absent(rule, "etc/dpkg/origins/default", "debian");
  // Group utmp is 43 in base-passwd's master file.
  assembly.file_if_absent(rule, "var/log/wtmp", "", 0664, 0, 43);
  assembly.file_if_absent(rule, "var/log/btmp", "", 0660, 0, 43);
  assembly.file_if_absent(rule, "var/log/lastlog", "", 0664, 0, 43);
  if (assembly.package("systemd") != nullptr) {
    // systemd's postinst: a persistent journal. Its group and mode are set by the rule owners.
    assembly.folder_if_absent(rule, "var/log/journal");
    assembly.link_if_absent(rule, "usr/sbin/init", "../lib/systemd/systemd");
  }
  if (assembly.package("libpam-modules") != nullptr) assembly.file_if_absent(rule, "etc/security/opasswd", "", 0600);
  if (assembly.package("ca-certificates") != nullptr)
    assembly.folder_if_absent(rule, "usr/local/share/ca-certificates");
  if (assembly.package("libwtmpdb0") != nullptr)
    assembly.link_if_absent(rule, "var/lib/wtmpdb/wtmp.db", "../../log/wtmp.db");
  if (assembly.package("nfs-common") != nullptr) assembly.file_if_absent(rule, "var/lib/nfs/state", "");
  if (assembly.package("ucf") != nullptr) {
    assembly.file_if_absent(rule, "var/lib/ucf/hashfile", "");
    assembly.file_if_absent(rule, "var/lib/ucf/registry", "");
  }
}

void default_files(Assembly& assembly) {
  const std::string rule = "default-files";
  struct Copy {
    const char *from, *to;
  };
  static constexpr std::array<Copy, 10> copies = {{
      {"usr/share/base-files/dot.profile", "root/.profile"},
      {"usr/share/base-files/dot.bashrc", "root/.bashrc"},
      {"usr/share/base-files/profile", "etc/profile"},
      {"usr/share/base-files/motd", "etc/motd"},
      {"usr/share/base-files/info.dir", "usr/share/info/dir"},
      {"usr/share/readline/inputrc", "etc/inputrc"},
      {"usr/share/openssh/sshd_config", "etc/ssh/sshd_config"},
      {"usr/share/nfs-common/conffiles/idmapd.conf", "etc/idmapd.conf"},
      {"usr/share/nfs-common/conffiles/nfs-common.default", "etc/default/nfs-common"},
      {"usr/share/nfs-common/conffiles/nfs.conf", "etc/nfs.conf"},
  }};
  for (const auto& copy : copies) {
    const auto* from = assembly.tree.find(copy.from);
    if (from == nullptr || from->type != NodeType::File) continue;
    const auto text = assembly.store.read(from->content);
    const auto mode = from->mode;
    assembly.file_if_absent(rule, copy.to, text, mode);
  }
  // dh_ucf's blocks: ucf SOURCE DESTINATION.
  for (const auto& package : assembly.packages) {
    for (const auto& block : package.postinst.blocks) {
      if (block.kind != "ucf" || block.units.size() < 2) continue;
      const auto* from = assembly.tree.find(relative(block.units[0]));
      if (from != nullptr && from->type == NodeType::File)
        assembly.file_if_absent(rule, relative(block.units[1]), assembly.store.read(from->content), from->mode);
    }
  }
  if (assembly.package("debianutils") != nullptr) {
    auto text = read_template(assembly, "usr/share/debianutils/shells");
    const auto lines = split(text, '\n');
    std::string state;
    for (const auto& shell : declared_shells(assembly)) {
      state += shell + "\n";
      if (std::find(lines.begin(), lines.end(), shell) == lines.end()) text += shell + "\n";
    }
    assembly.file_if_absent(rule, "etc/shells", text);
    assembly.file_if_absent(rule, "var/lib/shells.state", state);
  }
  assembly.file_if_absent(rule, "etc/networks", "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n");
  if (assembly.package("libwrap0") != nullptr) {
    assembly.file_if_absent(rule, "etc/hosts.allow", hosts_allow);
    assembly.file_if_absent(rule, "etc/hosts.deny", hosts_deny);
  }
  if (assembly.package("kmod") != nullptr)
    assembly.file_if_absent(rule, "etc/modules",
                            "# Modules are listed in /etc/modules-load.d/: see modules-load.d(5).\n");
  if (assembly.package("systemd") != nullptr) {
    assembly.file_if_absent(rule, "etc/locale.conf", "LANG=C.UTF-8\n");
    assembly.link_if_absent(rule, "etc/default/locale", "../locale.conf");
  }
  assembly.file_if_absent(rule, "etc/environment", "");
}

void owners(Assembly& assembly) {
  const auto has_group = [&](const std::string& name) {
    return std::any_of(assembly.groups.begin(), assembly.groups.end(),
                       [&](const Group& group) { return group.name == name; });
  };
  const auto has_user = [&](const std::string& name) {
    return std::any_of(assembly.users.begin(), assembly.users.end(),
                       [&](const User& user) { return user.name == name; });
  };
  if (has_group("_ssh")) assembly.own("usr/bin/ssh-agent", 02755, 0, assembly.group("_ssh").gid);  // openssh-client
  if (has_group("messagebus"))
    assembly.own("usr/lib/dbus-1.0/dbus-daemon-launch-helper", 04754, 0, assembly.group("messagebus").gid);  // dbus
  if (has_group("systemd-journal"))
    assembly.own("var/log/journal", 02755, 0, assembly.group("systemd-journal").gid);  // systemd's tmpfiles.d
  for (const auto* path : {"etc/credstore", "etc/credstore.encrypted"})
    assembly.own(path, 0700, 0, 0);  // systemd's tmpfiles.d
  if (has_user("statd")) {           // nfs-common
    const auto& statd = assembly.user("statd");
    assembly.own("var/lib/nfs/sm", 0755, statd.uid, statd.gid);
    assembly.own("var/lib/nfs/sm.bak", 0755, statd.uid, statd.gid);
    assembly.own("var/lib/nfs/state", 0644, statd.uid, 0);
  }
}

}  // namespace k8simg::rootfs
