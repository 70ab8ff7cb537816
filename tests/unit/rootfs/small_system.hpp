// A small Debian system for tests: base-passwd, systemd and packages that a test adds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rootfs/rootfs.hpp"

namespace k8simg::test {

struct File {
  std::string path, content;
  std::uint32_t mode = 0644;
};

inline PackageTree package(Store& store, const std::string& name, const std::vector<File>& files,
                           const std::string& fields = {}) {
  PackageTree result{name, "1.0-1", "amd64", {}};
  const auto origin = "package:" + name + "=1.0-1:amd64";
  result.tree.add_file(
      store, "DEBIAN/control",
      "Package: " + name + "\nVersion: 1.0-1\nArchitecture: amd64\n" + fields + "Description: a test\n", 0644, origin);
  for (const auto& file : files) {
    if (file.content.starts_with("-> ")) {
      result.tree.add_symlink(file.path, file.content.substr(3), origin);
    } else {
      result.tree.add_file(store, file.path, file.content, file.mode, origin);
    }
  }
  result.tree.add_missing_parents(origin);
  return result;
}

inline PackageTree base_passwd(Store& store) {
  return package(store, "base-passwd",
                 {{"usr/share/base-passwd/passwd.master",
                   "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
                  {"usr/share/base-passwd/group.master", "root:*:0:\nshadow:*:42:\nutmp:*:43:\nnogroup:*:65534:\n"}});
}

/// A script with one debhelper block.
inline std::string enabling(const std::string& unit) {
  return "#!/bin/sh\n# Automatically added by dh_installsystemd/13\ndeb-systemd-helper enable '" + unit +
         "' >/dev/null || true\n# End automatically added section\n";
}

inline Layer layer(Store& store, const std::string& name, const std::vector<File>& files) {
  Layer result{name, {}};
  for (const auto& file : files) result.tree.add_file(store, file.path, file.content, file.mode, name);
  result.tree.add_missing_parents(name);
  return result;
}

inline RootfsOptions options() {
  RootfsOptions result;
  result.architecture = "amd64";
  result.triplet = "x86_64-linux-gnu";
  result.source_date_epoch = 1'700'000'000;
  result.hostname = "node";
  return result;
}

inline Tree assemble(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers = {},
                     const RootfsOptions& chosen = options()) {
  packages.push_back(base_passwd(store));
  return assemble_rootfs(store, std::move(packages), layers, chosen, {});
}

inline std::string text(const Store& store, const Tree& tree, const std::string& path) {
  const auto* node = tree.find(path);
  return node == nullptr || node->type != NodeType::File ? "(no file)" : store.read(node->content);
}

inline std::string target(const Tree& tree, const std::string& path) {
  const auto* node = tree.find(path);
  return node == nullptr || node->type != NodeType::Symlink ? "(no link)" : node->target;
}

inline Judgement judged(const PackageTree& package, const Store& store, const std::string& script,
                        const std::string& rule) {
  const auto analysis =
      analyse_script(store.read(package.tree.find("DEBIAN/" + script)->content), package.name, script);
  return {package.name, script, analysis.remainder_sha256, rule, "a test"};
}

}  // namespace k8simg::test
