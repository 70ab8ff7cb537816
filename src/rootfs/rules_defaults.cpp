// Rules for folders, files, owners and links that maintainer scripts create once on a new system.
#include <algorithm>

#include <fmt/format.h>

#include "rootfs/debian.hpp"
#include "rootfs/rules.hpp"
#include "tree/usr_merge.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

std::string read_template(const Assembly& assembly, const std::string& path) {
  const auto* node = assembly.tree.find(path);
  return node == nullptr ? std::string() : assembly.store.read(node->content);
}

/// The shells of the template and of shells.d, each also with its path in the merged /usr, in the order of debianutils'
/// update-shells.
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

/// Creates paths that do not exist. A link may replace a folder.
void make_default_paths(Assembly& assembly, const std::string& rule, const DefaultPaths& paths) {
  const auto wanted = [&](const DefaultPath& each) {
    return (each.package.empty() || assembly.package(each.package) != nullptr) &&
           (each.beside.empty() || assembly.tree.find(each.beside) != nullptr);
  };
  for (const auto& folder : paths.folders)
    if (wanted(folder)) assembly.folder_if_absent(rule, folder.path, folder.mode, 0, folder.gid);
  for (const auto& link : paths.links) {
    if (!wanted(link)) continue;
    if (link.replaces_folder && assembly.tree.find(link.path) != nullptr && !assembly.from_layer(link.path))
      assembly.tree.erase_below(link.path);
    assembly.link_if_absent(rule, link.path, link.target);
  }
  for (const auto& file : paths.files)
    if (wanted(file)) assembly.file_if_absent(rule, file.path, file.content, file.mode, 0, file.gid);
}

}  // namespace

void usr_merge(Assembly& assembly) {
  const auto& facts = debian().usr_merge;
  for (const auto& folder : facts.folders) assembly.link_if_absent("usr-merge", folder, "usr/" + folder);
  for (const auto& folder : facts.folders_in_usr) {
    if (assembly.tree.find("usr/" + folder) != nullptr) assembly.link_if_absent("usr-merge", folder, "usr/" + folder);
  }
  if (assembly.tree.find("usr/bin/sh") != nullptr) return;
  for (const auto& shell : facts.shells) {
    if (assembly.tree.find("usr/bin/" + shell) == nullptr) continue;
    assembly.link("usr-merge", "usr/bin/sh", shell);
    break;
  }
}

void base_files(Assembly& assembly) { make_default_paths(assembly, "base-files", debian().base_files); }

void default_files(Assembly& assembly) {
  const std::string rule = "default-files";
  for (const auto& copy : debian().copies) {
    const auto* from = assembly.tree.find(copy.from);
    if (from == nullptr || from->type != NodeType::File) continue;
    const auto text = assembly.store.read(from->content);
    const auto mode = from->mode;
    assembly.file_if_absent(rule, copy.to, text, mode);
  }
  // Blocks of dh_ucf: "ucf SOURCE DESTINATION".
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
  make_default_paths(assembly, rule, debian().default_files);
}

void owners(Assembly& assembly) {
  for (const auto& owner : debian().owners) {
    const auto user = std::find_if(assembly.users.begin(), assembly.users.end(),
                                   [&](const User& each) { return each.name == owner.user; });
    const auto group = std::find_if(assembly.groups.begin(), assembly.groups.end(),
                                    [&](const Group& each) { return each.name == owner.group; });
    if (user == assembly.users.end() || (!owner.group.empty() && group == assembly.groups.end())) continue;
    assembly.own(owner.path, owner.mode, user->uid, owner.group.empty() ? user->gid : group->gid);
  }
}

}  // namespace k8simg::rootfs
