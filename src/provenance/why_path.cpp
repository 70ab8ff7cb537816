// Explains a path by the origin that its tree has recorded.
#include <fmt/format.h>

#include <algorithm>

#include "provenance/why.hpp"
#include "rootfs/rules.hpp"
#include "toml/schema.hpp"
#include "tree/usr_merge.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The mount point of the boot partition without its leading slash.
std::string boot_mount(const Config& config) {
  for (const auto& partition : config.disk.partitions)
    if (partition.filesystem == "vfat" && !partition.create_on_device) return partition.mount.substr(1);
  return {};
}

std::string describe_node(const Node& node) {
  const std::string access = fmt::format("{:04o} {}:{}", node.mode, node.uid, node.gid);
  switch (node.type) {
    case NodeType::File:
      return fmt::format("file, {}, {}{}", access, format_size(node.size),
                         node.link_group.empty() ? "" : ", one of several hard links");
    case NodeType::Symlink:
      return fmt::format("link to {}", printable_line(node.target));
    default:
      return fmt::format("{}, {}", type_name(node.type), access);
  }
}

/// "usr/lib/modules/6.12.1/kernel/drivers/net/x.ko.zst" gives "drivers/net/x"; "" for other paths.
std::string module_of(const std::string& path) {
  constexpr std::string_view folder = "usr/lib/modules/";
  const auto kernel = path.find("/kernel/", folder.size()), suffix = path.rfind(".ko");
  if (!path.starts_with(folder) || kernel == std::string::npos || suffix == std::string::npos) return {};
  return path.substr(kernel + 8, suffix - kernel - 8);
}

std::vector<Evidence> kernel_lines(const WhyInputs& in, const std::string& path) {
  const Config& config = in.config;
  std::vector<Evidence> lines;
  if (const std::string module = module_of(path); !module.empty()) {
    const KernelSymbols& symbols = in.symbols();
    if (const auto symbol = symbols.modules.find(module); symbol != symbols.modules.end()) {
      const Explanation reason = why_symbol(config, symbols, symbol->second);
      lines.push_back({fmt::format("module of {}", reason.subject), ""});
      lines.insert(lines.end(), reason.chain.begin(), reason.chain.end());
      return lines;
    }
  }
  return {{fmt::format("the kernel, built from {}", config.kernel.package),
           where_set(config.settings, "kernel.package", "")}};
}

/// The key of the binary that has a path, or nothing.
std::vector<Evidence> binary_line(const Config& config, const std::string& component, const std::string& path) {
  for (const auto& each : config.components) {
    if (each.name != component) continue;
    for (const auto& binary : each.binaries) {
      const bool is_link = std::find(binary.links.begin(), binary.links.end(), "/" + path) != binary.links.end();
      if (!is_link && binary.install != "/" + path) continue;
      const std::string key = toml::join_key(fmt::format("components.{}.binary", component), binary.name) +
                              (is_link ? ".links" : ".install");
      return {{fmt::format("program {}", binary.name), where_set(config.settings, key, is_link ? "/" + path : "")}};
    }
  }
  return {};
}

std::vector<Evidence> rule_lines(const Config& config, const std::string& name) {
  if (name == "images")
    return {
        {"images.preload: container images in containerd's folder", where_set(config.settings, "images.preload", "")}};
  for (const auto& rule : rootfs::rules())
    if (name == rule.name) return {{fmt::format("the rule {}: {}", name, rule.what), ""}};
  return {{"the rule " + name, ""}};
}

std::vector<Evidence> origin_lines(const WhyInputs& in, const std::string& path, const Origin& origin) {
  const Config& config = in.config;
  const std::string name(origin.name());
  switch (origin.kind()) {
    case Origin::Kind::Package:
      return package_lines(in, name);
    case Origin::Kind::Component: {
      auto lines = binary_line(config, name, path);
      const auto component = component_lines(config, name);
      lines.insert(lines.end(), component.begin(), component.end());
      return lines;
    }
    case Origin::Kind::Kernel:
      return kernel_lines(in, path);
    case Origin::Kind::Overlay: {
      std::vector<Evidence> lines{
          {fmt::format("a file of the overlay {}", name), fmt::format("overlays/{}/{}", name, path)}};
      const auto overlay = overlay_lines(config, name);
      lines.insert(lines.end(), overlay.begin(), overlay.end());
      return lines;
    }
    case Origin::Kind::Board:
      return {{fmt::format("the board {}", name), where_set(config.settings, "board", "")}};
    case Origin::Kind::Rule:
      return rule_lines(config, name);
    case Origin::Kind::Script: {
      std::vector<Evidence> lines{{fmt::format("made by the {}, which the build evaluated", name), ""}};
      const auto of = name.rfind(" of ");
      if (of == std::string::npos) return lines;
      const auto package = package_lines(in, name.substr(of + 4));
      lines.insert(lines.end(), package.begin(), package.end());
      return lines;
    }
    default:
      return {{origin.text(), ""}};
  }
}

std::vector<Evidence> boot_lines(const WhyInputs& in, const std::string& path, const Node& node) {
  std::vector<Evidence> lines = origin_lines(in, path, node.origin);
  for (const auto& file : in.config.boot_files) {
    const bool is_meant = file.path.ends_with('/') ? path.starts_with(file.path) : file.path == path;
    if (is_meant)
      lines.push_back({fmt::format("boot.files has {}, from {}", toml::quote(file.path), toml::quote(file.from)),
                       where_set(in.config.settings, "boot.files", file.path)});
  }
  return lines;
}

/// For a path that the image does not have: the package that ships it, and what left it out.
std::string left_out(const WhyInputs& in, const std::string& path) {
  const std::string merged = usr_merged_path(path);
  const auto excluding = [&](const std::vector<std::string>& globs, const std::string& key) {
    for (const auto& glob : globs)
      if (glob_match(glob, "/" + merged))
        return fmt::format("{} {} ({}) leaves it out", key, toml::quote(glob),
                           where_set(in.config.settings, key, glob));
    return std::string();
  };
  for (const auto& package : in.lock.target) {
    const Tree tree = in.unpacked(package.name);
    const bool ships = std::any_of(tree.nodes().begin(), tree.nodes().end(),
                                   [&](const auto& entry) { return usr_merged_path(entry.first) == merged; });
    if (!ships) continue;
    std::string why = excluding(in.config.rootfs.exclude, "rootfs.exclude");
    for (const auto& unless : in.config.exclude_paths_unless)
      if (why.empty()) why = excluding(unless.exclude, toml::join_key("rootfs.unless", unless.package) + ".exclude");
    return fmt::format("; package {} ships it{}", package.name,
                       why.empty() ? ", and a rule or script removes it" : ", and " + why);
  }
  return {};
}

/// The node at a path, in the boot partition or the root filesystem; `path` becomes the real one.
const Node* find_node(const WhyInputs& in, std::string& path, bool& on_boot) {
  const std::string mount = boot_mount(in.config);
  on_boot = !mount.empty() && path.starts_with(mount + "/");
  if (on_boot) return in.boot().find(path.substr(mount.size() + 1));
  if (const Node* node = in.root().find(path)) return node;
  // A folder on the way may be a link: /bin/ls.
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return nullptr;
  const auto folder = in.root().resolve(path.substr(0, slash));
  if (!folder) return nullptr;
  const std::string real = *folder + path.substr(slash);
  const Node* node = in.root().find(real);
  if (node) path = real;
  return node;
}

}  // namespace

std::vector<Explanation> why_path(const WhyInputs& in, const std::string& asked) {
  std::string path(asked);
  while (path.ends_with('/')) path.pop_back();
  std::vector<Explanation> result;
  for (int links = 0; links < 40; ++links) {
    bool on_boot = false;
    const Node* node = find_node(in, path, on_boot);
    if (!node && !result.empty()) return result;  // a link to what exists on the machine only
    if (!node)
      throw Error(ErrorKind::Usage,
                  fmt::format("{} has no path /{}{}", in.config.name, printable_line(path), left_out(in, path)),
                  fmt::format("`k8simg tree {}` lists the paths", in.config.name));
    Explanation line{.kind = "path", .subject = "/" + path, .what = describe_node(*node)};
    const std::string name = on_boot ? path.substr(boot_mount(in.config).size() + 1) : path;
    line.chain = on_boot ? boot_lines(in, name, *node) : origin_lines(in, path, node->origin);
    line.origin = node->origin.text();
    if (!on_boot && node->origin.kind() == Origin::Kind::Package) line.package = node->origin.name();
    const bool follow = node->type == NodeType::Symlink && !on_boot;
    const std::string target = node->target;
    result.push_back(std::move(line));
    if (!follow) return result;
    const auto slash = path.rfind('/');
    std::string next = target.starts_with('/')      ? target.substr(1)
                       : slash == std::string::npos ? target
                                                    : path.substr(0, slash + 1) + target;
    const auto resolved = in.root().resolve(path);
    if (next.find("..") != std::string::npos || !in.root().find(next)) {
      if (!resolved) return result;
      next = *resolved;
    }
    path = next;
  }
  return result;
}

}  // namespace k8simg
