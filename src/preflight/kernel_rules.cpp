// Kernel rules: version, symbols, cgroup controllers, and the command line.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "kernel/fragment.hpp"
#include "preflight/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rules {

namespace {

constexpr const char* system_check = "SystemVerification";

/// The versions that system-validators accepts: 5.4, 5.10, 5.15, and 6.0 or later.
bool known_kernel(const std::string& release) {
  const auto parts = split(release, '.');
  int major = 0, minor = 0;
  if (parts.size() < 2) return false;
  std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), major);
  std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), minor);
  if (major == 5) return minor == 4 || minor == 10 || minor == 15;
  return major >= 6 && parts.size() >= 3;
}

void version(const Image& image, Findings& findings) {
  const auto folders = image.root.children("usr/lib/modules");
  if (folders.empty()) {
    findings.warning("kernel-version", "/usr/lib/modules", "the root filesystem has no kernel",
                     "build the image with a kernel", not_kubeadm);
    return;
  }
  for (const auto& folder : folders) {
    const std::string release = folder.substr(folder.rfind('/') + 1);
    if (known_kernel(release))
      findings.ok(system_check, "/" + folder, "kernel " + release);
    else
      findings.error(system_check, "/" + folder, fmt::format("kubeadm does not support kernel {}", release),
                     "use 5.4, 5.10, 5.15, or 6.0 and later: kernel.package of the board");
  }
}

/// kubeadm's check reads the kernel configuration from one of these, and fails without it.
void configuration(const Image& image, Findings& findings) {
  if (image.has_symbol("CONFIG_IKCONFIG_PROC")) {
    findings.ok(system_check, "CONFIG_IKCONFIG_PROC", "the kernel shows its configuration in /proc/config.gz");
    return;
  }
  for (const auto& folder : image.root.children("usr/lib/modules")) {
    const std::string release = folder.substr(folder.rfind('/') + 1);
    for (const std::string& path :
         {"/boot/config-" + release, "/" + folder + "/config", "/usr/lib/kernel/config-" + release}) {
      if (!image.exists(path)) continue;
      findings.ok(system_check, path, "the kernel's configuration is a file");
      return;
    }
  }
  findings.error(system_check, "CONFIG_IKCONFIG_PROC", "kubeadm cannot read the kernel's configuration",
                 "set CONFIG_IKCONFIG_PROC=y in a fragment of kernel.fragments");
}

/// Checks the requirements of one group: one finding for each unmet requirement, or one for all.
template <class Belongs>
void symbols(const Image& image, Findings& findings, const std::string& check, const std::string& who,
             std::optional<Severity> verdict, const Belongs& belongs) {
  std::size_t met = 0;
  std::vector<std::string> absent;
  bool well = true;
  for (const auto& requirement : image.config.kernel.required) {
    if (!belongs(requirement)) continue;
    if (!requirement.program.empty() && !image.exists(requirement.program)) continue;
    if (unmet_requirements({requirement}, image.kernel).empty()) {
      ++met;
      continue;
    }
    const std::string names = join(requirement.any_of, " or ");
    if (!requirement.required) {
      absent.push_back(names);
      continue;
    }
    well = false;
    findings.error(check, names,
                   fmt::format("the kernel does not have it; needed by {}{}",
                               requirement.program.empty() ? join(requirement.by, ", ") : requirement.program,
                               requirement.note.empty() ? "" : ": " + requirement.note),
                   requirement.program.empty() ? "set it in a fragment of kernel.fragments"
                                               : "set it in a fragment of kernel.fragments, or leave the program out",
                   verdict ? std::optional(Severity::Error) : not_kubeadm);
  }
  if (!well || met == 0) return;
  findings.ok(check, image.config.kernel.requirements.string(),
              fmt::format("{} symbols required by {} are set{}", met, who,
                          absent.empty() ? "" : "; recommended, not set: " + join(absent, ", ")),
              verdict);
}

bool by(const KernelRequirement& requirement, const char* who) {
  return std::find(requirement.by.begin(), requirement.by.end(), who) != requirement.by.end();
}

struct Controller {
  const char* name;
  const char* symbol;
  bool required;  ///< required by system-validators; otherwise a warning
};
/// devices and freezer are built into cgroup v2. kubelet 1.37 requires the same controllers.
constexpr Controller controllers[] = {{"cpu", "CONFIG_CGROUP_SCHED", true},
                                      {"cpuset", "CONFIG_CPUSETS", true},
                                      {"memory", "CONFIG_MEMCG", true},
                                      {"pids", "CONFIG_CGROUP_PIDS", true},
                                      {"hugetlb", "CONFIG_CGROUP_HUGETLB", false},
                                      {"io", "CONFIG_BLK_CGROUP", false}};

struct CommandLine {
  std::string file;
  std::vector<std::string> words;
};

/// Kernel command lines: lines with root= in the boot partition's files of the board.
std::vector<CommandLine> command_lines(const Image& image) {
  constexpr std::uint64_t text_size = 1 << 16;
  std::vector<CommandLine> lines;
  for (const auto& [path, node] : image.in.boot.nodes()) {
    if (node.type != NodeType::File || node.size > text_size || node.origin.kind() != Origin::Kind::Board) continue;
    for (const auto& line : split(image.in.store.read(node.content), '\n')) {
      const auto words = split_words(line);
      if (!line.starts_with('#') &&
          std::any_of(words.begin(), words.end(), [](const std::string& word) { return word.starts_with("root="); }))
        lines.push_back({path, words});
    }
  }
  if (lines.empty()) lines.push_back({"kernel.cmdline", split_words(image.config.kernel.cmdline)});
  return lines;
}

bool says_no(const std::string& value) {
  return value == "0" || value == "no" || value == "n" || value == "false" || value == "f" || value == "off";
}
bool says_yes(const std::string& value) {
  return value.empty() || value == "1" || value == "yes" || value == "y" || value == "true" || value == "t" ||
         value == "on";
}

void cgroups(const Image& image, Findings& findings) {
  std::set<std::string> disabled;
  const auto lines = command_lines(image);
  bool well = true;
  const auto wrong = [&](const CommandLine& line, const std::string& word, const std::string& what) {
    well = false;
    findings.error(system_check, line.file, fmt::format("\"{}\" on the kernel's command line {}", word, what),
                   "remove it from kernel.cmdline of the board or from the file");
  };
  for (const auto& line : lines) {
    for (const auto& word : line.words) {
      const auto equals = word.find('=');
      const std::string key = word.substr(0, equals),
                        value = equals == std::string::npos ? "" : word.substr(equals + 1);
      if ((key == "systemd.unified_cgroup_hierarchy" && says_no(value)) ||
          (key == "systemd.legacy_systemd_cgroup_controller" && says_yes(value))) {
        wrong(line, word, "selects cgroup v1, which the kubelet refuses");
      } else if (key == "cgroup_disable") {
        for (const auto& name : split(value, ',')) {
          disabled.insert(name == "blkio" ? "io" : name);
          const auto needed = std::find_if(std::begin(controllers), std::end(controllers),
                                           [&](const Controller& each) { return each.required && name == each.name; });
          if (needed != std::end(controllers)) wrong(line, word, fmt::format("disables the controller {}", name));
        }
      }
    }
  }
  std::vector<std::string> there, optional;
  for (const auto& controller : controllers) {
    const bool compiled = image.has_symbol(controller.symbol);
    if (compiled && !disabled.contains(controller.name)) {
      there.push_back(controller.name);
    } else if (!controller.required) {
      optional.push_back(controller.name);
    } else if (!compiled) {
      well = false;
      findings.error(system_check, controller.symbol,
                     fmt::format("the cgroup controller {} is not compiled in", controller.name),
                     "set the symbol in a fragment of kernel.fragments");
    }
  }
  if (!optional.empty()) {
    findings.warning(system_check, "cgroup controllers", fmt::format("there is no {}", join(optional, ", ")),
                     "none, unless pods use huge pages (hugetlb) or limits of disk input and output (io)");
  }
  if (well) {
    std::vector<std::string> files;
    for (const auto& line : lines) files.push_back(line.file);
    findings.ok(system_check, join(files, ", "), fmt::format("cgroup v2 with {}", join(there, ", ")));
  }
}

}  // namespace

void kernel(const Image& image, Findings& findings) {
  version(image, findings);
  configuration(image, findings);
  symbols(image, findings, system_check, "kubeadm", Severity::Ok,
          [](const KernelRequirement& each) { return by(each, "kubeadm"); });
  symbols(image, findings, "kernel-runtime", "runc's check-config", not_kubeadm,
          [](const KernelRequirement& each) { return by(each, "runc") && !by(each, "kubeadm"); });
  symbols(image, findings, "kernel-node", "other programs of the node", not_kubeadm,
          [](const KernelRequirement& each) { return !by(each, "runc") && !by(each, "kubeadm"); });
  cgroups(image, findings);
}

}  // namespace k8simg::rules
