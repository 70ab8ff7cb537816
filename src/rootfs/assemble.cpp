// Assembles the root filesystem: merges packages and layers, then applies the rules in order.
#include <fmt/format.h>

#include "process/sandbox.hpp"
#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace rootfs {

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {"usr-merge", usr_merge, "/bin, /sbin and /lib are links into /usr"},
      {"base-files", base_files, "the folders of every Debian system, mount points and empty log files"},
      {"default-files", default_files, "files that packages copy from /usr/share to /etc once"},
      {"accounts", accounts, "users and groups with fixed numbers"},
      {"owners", owners, "owners and modes that scripts set"},
      {"alternatives", alternatives, "update-alternatives"},
      {"pam", pam, "pam-auth-update"},
      {"nsswitch", nsswitch, "/etc/nsswitch.conf with the installed NSS modules"},
      {"keymap", keymap, "the unit that sets the keymap of consoles"},
      {"scripts", scripts, "maintainer scripts that are evaluated"},
      {"units", units, "systemd units that are enabled or masked"},
      {"certificates", certificates, "update-ca-certificates"},
      {"file-capabilities", file_capabilities, "setcap"},
      {"identity", identity, "host name, machine id, root's keys"},
      {"users", users, "accounts of [[user]]"},
      {"registries", registries, "registry mirrors and the proxy of containerd"},
      {"time-zone", time_zone, "/etc/localtime"},
      {"locale", locale, "/etc/locale.conf"},
      {"disk-mounts", disk_mounts, "/etc/fstab"},
      {"exclusions", exclusions, "paths that the defconfig excludes"},
      {"hardware-database", hardware_database, "systemd-hwdb update"},
      {"library-cache", library_cache, "ldconfig"},
      {"package-database", package_database, "dpkg's database of installed packages"},
      {"modes", modes, "modes and owners of [[rootfs.mode]]"},
      {"update-stamps", update_stamps, "/etc/.updated and /var/.updated"},
  };
  return all;
}

bool is_rule(std::string_view name) {
  for (const auto& rule : rules()) {
    if (name == rule.name) return true;
  }
  return false;
}

namespace {

void lay_over(Assembly& assembly, const std::vector<Layer>& layers) {
  MergeRules declared;
  for (const auto& [glob, reason] : assembly.options.replace) declared.replace.emplace_back(relative(glob), reason);
  std::vector<Conflict> conflicts;
  for (const auto& layer : layers) {
    const auto found = merge(assembly.tree, layer.tree, declared);
    conflicts.insert(conflicts.end(), found.begin(), found.end());
  }
  if (!conflicts.empty()) throw_conflicts(conflicts);
}

Assembly merged(Store& store, std::vector<PackageTree> packages, const RootfsOptions& options,
                const std::function<void(const std::string&)>& log, const ScriptEvaluator& evaluator) {
  check_scripts(store, packages, options.judgements, options.evaluate);
  Assembly assembly{store, options, log ? log : [](const std::string&) {}, take_apart(store, std::move(packages)), {},
                    {},    {}};
  assembly.evaluator = evaluator;
  auto packages_merged =
      merge_packages(assembly.packages, [&](const std::string& package) { return assembly.evaluates(package); });
  assembly.tree = std::move(packages_merged.tree);
  assembly.contested = std::move(packages_merged.contested);
  assembly.log(fmt::format("{} packages merged: {} paths", assembly.packages.size(), assembly.tree.nodes().size()));
  return assembly;
}

void apply(const Rule& rule, Assembly& assembly) {
  with_context(fmt::format("while applying the rule {} ({})", rule.name, rule.what), [&] { rule.apply(assembly); });
}

}  // namespace

}  // namespace rootfs

void evaluate_scripts(Store& store, std::vector<PackageTree> packages, const RootfsOptions& options,
                      const std::function<void(const std::string&)>& log, const ScriptEvaluator& evaluator) {
  rootfs::Assembly assembly = rootfs::merged(store, std::move(packages), options, log, evaluator);
  for (const auto& rule : rootfs::rules()) {
    rootfs::apply(rule, assembly);
    if (rule.apply == rootfs::scripts) return;
  }
}

Tree assemble_rootfs(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers,
                     const RootfsOptions& options, const std::function<void(const std::string&)>& log,
                     const ScriptEvaluator& evaluator) {
  rootfs::Assembly assembly = rootfs::merged(store, std::move(packages), options, log, evaluator);
  rootfs::lay_over(assembly, layers);
  for (const auto& rule : rootfs::rules()) rootfs::apply(rule, assembly);
  assembly.tree.add_missing_parents(Origin::rule("base-files"), options.source_date_epoch);
  assembly.log(fmt::format("root filesystem: {} paths", assembly.tree.nodes().size()));
  return std::move(assembly.tree);
}

Tree assemble_tools(Store& store, std::vector<PackageTree> packages, const std::string& triplet) {
  RootfsOptions options;
  options.triplet = triplet;
  // The time of all added files. It does not depend on the image, so that all images share a tools tree. It is not 0,
  // because make treats such a file as missing.
  options.source_date_epoch = 86400;
  rootfs::Assembly assembly{
      store, options, [](const std::string&) {}, rootfs::take_apart(store, std::move(packages)), {}, {}, {}};
  assembly.tree = rootfs::merge_packages(assembly.packages, [](const std::string&) { return false; }).tree;
  rootfs::usr_merge(assembly);
  rootfs::alternatives(assembly);
  // The sandbox mounts the tree read-only, so every mount point must exist.
  for (const auto& point : sandbox_mount_points()) {
    if (point.ends_with('/')) {
      const auto path = point.substr(0, point.size() - 1);
      assembly.folder_if_absent("base-files", path, path == "tmp" ? 01777 : 0755);
    } else {
      assembly.file_if_absent("base-files", point, "");
    }
  }
  assembly.folder_if_absent("base-files", "var/tmp", 01777);
  assembly.file_if_absent("accounts", "etc/passwd",
                          "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000:build:/tmp:/bin/"
                          "sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  assembly.file_if_absent("accounts", "etc/group", "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n");
  assembly.file_if_absent("nsswitch", "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  assembly.tree.add_missing_parents(Origin::rule("base-files"), options.source_date_epoch);
  return std::move(assembly.tree);
}

}  // namespace k8simg
