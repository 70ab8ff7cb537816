// Rule package-database: dpkg's database, which dpkg-query and vulnerability scanners read. Formats: dpkg's
// lib/dpkg/parse.c (status), deb-conffiles(5), deb-md5sums(5).
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "rootfs/debian.hpp"
#include "rootfs/openssl.hpp"
#include "rootfs/rules.hpp"
#include "tree/usr_merge.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

const std::string rule = "package-database";
const std::string database = "var/lib/dpkg/";

struct Conffile {
  std::string path, state;
};  // state: MD5, or dpkg's words for a missing file

/// Configuration files with the MD5 of the package's version, even if an overlay or a rule replaced it, because dpkg
/// compares with that version.
std::vector<Conffile> conffiles(const Assembly& assembly, const Package& package) {
  std::vector<Conffile> result;
  const auto list = package.members.find("conffiles");
  if (list == package.members.end()) return result;
  for (const auto& line : split(list->second, '\n')) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[0] == "remove-on-upgrade")
      result.push_back({words[1], "newconffile remove-on-upgrade"});
    if (words.size() != 1) continue;
    const auto* node = package.data.find(usr_merged_path(relative(words[0])));
    if (node == nullptr || node->type != NodeType::File) continue;
    result.push_back({words[0], md5_hex(assembly.store.read(node->content))});
  }
  return result;
}

std::string status_paragraph(const Assembly& assembly, const Package& package) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format("{}:{}{}\n", name, value.front() == '\n' ? "" : " ", value);
  };
  const auto& fields = debian().status_fields;
  for (const auto& name : fields) {
    if (name == "Status") {
      add(name, "install ok installed");
    } else if (name == "Conffiles") {
      std::string lines;
      for (const auto& [path, state] : conffiles(assembly, package)) lines += fmt::format("\n {} {}", path, state);
      add(name, lines);
    } else {
      add(name, package.control.get(name));
    }
  }
  add("Description", package.control.get("Description"));
  for (const auto& field : package.control.fields()) {
    if (field.name != "Description" && std::find(fields.begin(), fields.end(), field.name) == fields.end())
      add(field.name, field.value);
  }
  return text;
}

/// The paths of the package that are in the image. Excluded paths are not listed.
std::string file_list(const Assembly& assembly, const Package& package) {
  std::set<std::string> paths;
  for (const auto& [path, node] : package.data.nodes()) {
    if (assembly.tree.find(path) == nullptr) continue;
    for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
      paths.insert(path.substr(0, slash));
    paths.insert(path);
  }
  std::string text = "/.\n";
  for (const auto& path : paths) text += "/" + path + "\n";
  return text;
}

std::string md5sums(const Assembly& assembly, const Package& package) {
  const auto list = package.members.find("md5sums");
  if (list == package.members.end()) return {};
  std::string text;
  for (const auto& line : split(list->second, '\n')) {
    const auto blank = line.find("  ");
    if (blank != line.npos && assembly.tree.find(usr_merged_path(relative(line.substr(blank + 2)))) != nullptr)
      text += line + "\n";
  }
  return text;
}

}  // namespace

void package_database(Assembly& assembly) {
  std::string status;
  for (const auto& package : assembly.packages) {
    status += status_paragraph(assembly, package) + "\n";
    const auto info = database + "info/" + package.file_name();
    assembly.file(rule, info + ".list", file_list(assembly, package));
    if (const auto sums = md5sums(assembly, package); !sums.empty()) assembly.file(rule, info + ".md5sums", sums);
    if (const auto list = package.members.find("conffiles"); list != package.members.end())
      assembly.file(rule, info + ".conffiles", list->second);
  }
  assembly.file(rule, database + "status", status);
  assembly.file(rule, database + "info/format", "1\n");
  assembly.file(rule, database + "arch-native", assembly.options.architecture + "\n");
  assembly.file_if_absent(rule, database + "diversions", "");
  // The rule owners sets these. dpkg applies them to packages that are installed later on the node. Evaluated scripts
  // may have written some.
  const auto registered = assembly.text(database + "statoverride");
  std::string overrides;
  for (const auto& owner : debian().owners) {
    if (owner.statoverride.empty() || assembly.package(owner.statoverride) == nullptr) continue;
    const auto line = fmt::format("{} {} {:o} /{}\n", owner.user, owner.group, owner.mode, owner.path);
    if (registered.find(line) == std::string::npos) overrides += line;
  }
  if (!overrides.empty()) assembly.file(rule, database + "statoverride", overrides + registered);
  for (const auto& folder : debian().dpkg_folders) assembly.folder_if_absent(rule, database + folder);
}

}  // namespace k8simg::rootfs
