// Splits packages into control members and data, merges them, and has the functions with which rules write.
#include "rootfs/assembly.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "control/relation.hpp"
#include "tree/usr_merge.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

constexpr std::string_view control_folder = "DEBIAN";
constexpr std::string_view control_prefix = "DEBIAN/";

bool matches(const std::vector<std::string>& globs, std::string_view path) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob_match(relative(glob), path); });
}

/// Whether the control file of a package has a Replaces for the other package.
bool replaces(const Package& package, const Package& other) {
  const std::string_view field = package.control.get("Replaces");
  const auto relations = parse_relations(field);
  if (!relations)
    throw control_file_error(package.name, package.version, line_of(*package.control_text, field),
                             "Replaces: " + relations.error().message);
  return std::any_of(relations->begin(), relations->end(), [&](const Alternatives& alternatives) {
    return std::any_of(alternatives.begin(), alternatives.end(), [&](const Relation& relation) {
      return relation.name == other.name && satisfies(other.version, relation);
    });
  });
}

/// The package that owns a path of two packages: a package replaces files of those in its Replaces (Policy 7.6.1).
const Package* winner(const Package& first, const Package& second) {
  const bool first_replaces = replaces(first, second), second_replaces = replaces(second, first);
  if (first_replaces == second_replaces) return nullptr;
  return first_replaces ? &first : &second;
}

}  // namespace

std::string relative(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return std::string(path);
}

std::string Package::file_name() const {
  return control.get("Multi-Arch") == "same" ? name + ":" + architecture : name;
}

const Package* Assembly::package(std::string_view name) const {
  const auto found =
      std::find_if(packages.begin(), packages.end(), [&](const Package& each) { return each.name == name; });
  return found == packages.end() ? nullptr : &*found;
}

bool Assembly::evaluates(std::string_view name) const {
  return std::find(options.evaluate.begin(), options.evaluate.end(), name) != options.evaluate.end();
}

const User& Assembly::user(const std::string& name) const {
  const auto found = std::find_if(users.begin(), users.end(), [&](const User& each) { return each.name == name; });
  if (found == users.end()) throw Error(ErrorKind::Internal, fmt::format("no rule created the account {}", name));
  return *found;
}

const Group& Assembly::group(const std::string& name) const {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& each) { return each.name == name; });
  if (found == groups.end()) throw Error(ErrorKind::Internal, fmt::format("no rule created the group {}", name));
  return *found;
}

std::string Assembly::text(std::string_view path) const {
  const auto place = tree.resolve(path);
  const auto* node = place ? tree.find(*place) : nullptr;
  return node != nullptr && node->type == NodeType::File ? store.read(node->content) : std::string();
}

bool Assembly::exists(std::string_view path) const { return tree.resolve(path).has_value(); }

bool Assembly::from_layer(std::string_view path) const {
  const auto* node = tree.find(path);
  if (node == nullptr) return false;
  const auto kind = node->origin.kind();
  return kind != Origin::Kind::Package && kind != Origin::Kind::Rule && kind != Origin::Kind::Script;
}

bool Assembly::excluded(std::string_view path) const {
  return matches(options.exclude, path) && !matches(options.keep, path) && !from_layer(path);
}

void Assembly::set(const std::string& rule, const std::string& path, Node node) {
  if (from_layer(path)) {
    log(fmt::format("rule {}: /{} is kept as in {}", rule, path, tree.find(path)->origin.text()));
    return;
  }
  node.origin = Origin::rule(rule);
  node.mtime = options.source_date_epoch;
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    const auto parent = path.substr(0, slash);
    if (tree.find(parent) != nullptr) continue;
    Node directory;
    directory.type = NodeType::Directory;
    directory.mode = 0755;
    directory.origin = node.origin;
    directory.mtime = node.mtime;
    tree.set(parent, directory);
  }
  tree.set(path, std::move(node));
}

void Assembly::file(const std::string& rule, const std::string& path, std::string_view content, std::uint32_t mode,
                    std::uint32_t uid, std::uint32_t gid) {
  const auto blob = store.put(content);
  Node node;
  node.mode = mode;
  node.uid = uid;
  node.gid = gid;
  node.content = blob.digest;
  node.size = blob.size;
  set(rule, path, std::move(node));
}

void Assembly::link(const std::string& rule, const std::string& path, const std::string& target) {
  Node node;
  node.type = NodeType::Symlink;
  node.mode = 0777;
  node.target = target;
  set(rule, path, std::move(node));
}

void Assembly::folder(const std::string& rule, const std::string& path, std::uint32_t mode, std::uint32_t uid,
                      std::uint32_t gid) {
  Node node;
  node.type = NodeType::Directory;
  node.mode = mode;
  node.uid = uid;
  node.gid = gid;
  set(rule, path, std::move(node));
}

void Assembly::file_if_absent(const std::string& rule, const std::string& path, std::string_view content,
                              std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
  if (tree.find(path) == nullptr) file(rule, path, content, mode, uid, gid);
}

void Assembly::link_if_absent(const std::string& rule, const std::string& path, const std::string& target) {
  if (tree.find(path) == nullptr) link(rule, path, target);
}

void Assembly::folder_if_absent(const std::string& rule, const std::string& path, std::uint32_t mode, std::uint32_t uid,
                                std::uint32_t gid) {
  if (tree.find(path) == nullptr) folder(rule, path, mode, uid, gid);
}

void Assembly::own(std::string_view path, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
  auto* node = tree.find(path);
  if (node == nullptr || from_layer(path)) return;
  node->mode = mode;
  node->uid = uid;
  node->gid = gid;
}

std::vector<Package> take_apart(const Store& store, std::vector<PackageTree> trees) {
  std::vector<Package> packages;
  packages.reserve(trees.size());
  for (auto& each : trees) {
    Package package;
    package.name = each.name;
    package.version = each.version;
    package.architecture = each.architecture;
    package.origin = Origin::package(each.name, each.version, each.architecture);
    for (const auto& [path, node] : each.tree.nodes()) {
      if (path.starts_with(control_prefix) && node.type == NodeType::File)
        package.members.emplace(path.substr(control_prefix.size()), store.read(node.content));
    }
    each.tree.erase_below(control_folder);
    auto control = package.members.extract("control");
    if (!control)
      throw Error(ErrorKind::Fetch, fmt::format("{} has no control file", package.origin.text()),
                  "The package is malformed: use another version of it.");
    package.control_text = std::make_shared<const std::string>(std::move(control.mapped()));
    package.control = parse_control_file(*package.control_text, each.name, each.version);
    if (const auto found = package.members.find("preinst"); found != package.members.end())
      package.preinst = analyse_script(found->second, each.name, "preinst");
    if (const auto found = package.members.find("postinst"); found != package.members.end())
      package.postinst = analyse_script(found->second, each.name, "postinst");
    package.data = with_context("while merging /usr of " + each.name, [&] { return usr_merged(each.tree); });
    packages.push_back(std::move(package));
  }
  std::sort(packages.begin(), packages.end(), [](const Package& a, const Package& b) { return a.name < b.name; });
  return packages;
}

MergedPackages merge_packages(const std::vector<Package>& packages,
                              const std::function<bool(const std::string& package)>& may_divert) {
  MergedPackages merged;
  std::map<Origin, const Package*> by_origin;
  std::vector<Conflict> unsettled;
  for (const auto& package : packages) {
    by_origin[package.origin] = &package;
    const auto conflicts = merge(merged.tree, package.data);
    for (const auto& conflict : conflicts) {
      const auto holder = by_origin.find(conflict.first);
      const auto* ours = package.data.find(conflict.path);
      const auto* theirs = merged.tree.find(conflict.path);
      if (holder == by_origin.end() || ours == nullptr || theirs == nullptr || ours->type == NodeType::Directory ||
          theirs->type == NodeType::Directory) {
        unsettled.push_back(conflict);
        continue;
      }
      const Package& other = *holder->second;
      const auto* kept = winner(other, package);
      if (kept == &package)
        merged.tree.set(conflict.path, *ours);
      else if (kept == nullptr && (may_divert(other.name) || may_divert(package.name)))
        merged.contested.push_back({conflict.path, other.name, package.name, *ours});
      else if (kept == nullptr)
        unsettled.push_back(conflict);
    }
  }
  if (!unsettled.empty()) throw_conflicts(unsettled);
  return merged;
}

void throw_contested(const Assembly& assembly, const std::vector<Contested>& contested) {
  std::vector<Conflict> conflicts;
  for (const auto& each : contested)
    conflicts.push_back({each.path, assembly.package(each.first)->origin, assembly.package(each.second)->origin});
  throw_conflicts(conflicts);
}

}  // namespace k8simg::rootfs
