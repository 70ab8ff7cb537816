// Rules between keys. Each mistake is reported with the position that set the value.
#include "config/rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "config/chain.hpp"
#include "lock/lock.hpp"
#include "toml/value_checks.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/keyring.hpp"
#include "util/text.hpp"

namespace k8simg::config {

using namespace toml;
namespace {

class Rules {
 public:
  Rules(const Config& config, const std::vector<std::string>& boards, const DiskFormats& formats, Reader& reader)
      : config_(config), boards_(boards), formats_(formats), reader_(reader) {}

  void check() {
    check_arch();
    check_kernel();
    check_partitions();
    check_formats();
    check_disk();
    check_boot_files();
    check_qemu();
    check_repositories();
    check_packages();
    check_units();
    check_certificates();
    check_extra_images();
  }

 private:
  /// Reports nothing for a key that is not set: a missing key is already reported.
  void wrong(const std::string& key, const std::string& message) {
    if (const auto* at = reader_.position(key)) reader_.diagnostics().add(*at, key + " " + message);
  }
  void wrong_entry(const std::string& key, const std::string& message) {
    if (const auto* at = reader_.opened(key)) reader_.diagnostics().add(*at, key + " " + message);
  }
  void check_file(const std::string& key, const Reader::Item& item, const std::string& file) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(config_.project / file, ignored))
      reader_.diagnostics().add(item.position, fmt::format("{}: {} is missing", key, file));
  }
  void check_board_file(const std::string& key, const Reader::Item& item) {
    if (!board_files(config_.project, boards_, item.text).empty()) return;
    const std::vector<std::string> bases(boards_.begin() + 1, boards_.end());
    const std::string also =
        bases.empty() ? "" : fmt::format(", also in the boards that {} extends: {}", boards_[0], join(bases, ", "));
    reader_.diagnostics().add(item.position,
                              fmt::format("{}: boards/{}/{} is missing{}", key, boards_[0], item.text, also));
  }

  void check_arch() {
    if (config_.arch.go == "arm" && config_.arch.goarm.empty())
      wrong("arch.go", "is \"arm\", which needs arch.goarm = \"5\", \"6\" or \"7\"");
    if (config_.arch.go != "arm" && !config_.arch.goarm.empty())
      wrong("arch.goarm", fmt::format("is valid with arch.go = \"arm\" only, not with {}", quote(config_.arch.go)));
  }

  /// `key` names `package`, whose files are taken from the tool set "files".
  void check_tool_file(const std::string& key, const std::string& package) {
    const auto& files = config_.tool_set("files").packages;
    const auto is_it = [&](const std::string& choice) { return package_name_of(choice) == package; };
    if (!package.empty() && std::none_of(files.begin(), files.end(), is_it))
      wrong(key,
            fmt::format("is {}, which tools.files.packages does not name{}", quote(package), suggest(package, files)));
  }

  void check_kernel() {
    for (const auto& item : reader_.items("kernel.config")) check_board_file("kernel.config", item);
    if (config_.kernel.base != "allnoconfig" && !config_.kernel.base.empty() &&
        !(config_.kernel.base.size() > 10 && config_.kernel.base.ends_with("_defconfig")))
      wrong("kernel.base", "must be \"allnoconfig\" or a make target that ends in \"_defconfig\"");
    check_tool_file("kernel.package", config_.kernel.package);
    for (const auto& item : reader_.items("kernel.cmdline"))
      for (const auto& word : split_words(item.text))
        if (word.rfind("root=", 0) == 0)
          reader_.diagnostics().add(item.position,
                                    "kernel.cmdline must not have root=: set it in boot files with ${root_partuuid}");
  }

  void check_partitions() {
    std::set<std::string> mounts, names;
    int roots = 0;
    for (const auto& partition : config_.disk.partitions) {
      const std::string key = join_key("disk.partition", partition.name);
      if (!partition.mount.empty()) {
        if (partition.mount.front() != '/' || partition.mount.find("..") != std::string::npos)
          wrong(key + ".mount", "must be an absolute path");
        if (!mounts.insert(partition.mount).second)
          wrong(key + ".mount", fmt::format("is {}, which another partition has too", quote(partition.mount)));
      }
      if (partition.mount == "/") {
        ++roots;
        if (partition.create_on_device) wrong(key + ".create-on-device", "cannot be true for the root filesystem");
      }
    }
    if (!config_.disk.partitions.empty() && roots == 0)
      if (const auto* at = reader_.opened("disk.partition"))
        reader_.diagnostics().add(*at, "disk.partition: no partition has mount = \"/\"");
  }

  /// Checks the disk by the rules of the formats that it names.
  void check_formats() {
    const DiskConfig& disk = config_.disk;
    for (const FilesystemRules& rules : formats_.filesystems)
      for (const auto& partition : disk.partitions)
        if (partition.filesystem == rules.name) report(rules.check(partition));
    for (const PartitionTableRules& rules : formats_.tables)
      if (disk.table == rules.name) report(rules.check(disk));
    for (const OutputRules& rules : formats_.outputs) {
      const bool asked = std::find(disk.formats.begin(), disk.formats.end(), rules.name) != disk.formats.end();
      if (!asked && disk.compress != rules.name) continue;
      if (rules.check) report(rules.check(disk));
      const std::string package = rules.package;
      if (package.empty()) continue;
      const auto& packages = config_.tool_set(rules.tool_set).packages;
      if (std::find(packages.begin(), packages.end(), package) == packages.end())
        wrong("disk.formats", fmt::format("has {}, which needs {} in tools.{}.packages", quote(rules.name),
                                          quote(package), rules.tool_set));
    }
  }
  void report(const DiskMistakes& mistakes) {
    for (const DiskMistake& mistake : mistakes) {
      const std::string place = mistake.partition.empty() ? "disk" : join_key("disk.partition", mistake.partition);
      if (mistake.key.empty())
        wrong_entry(place, mistake.message);
      else
        wrong(place + "." + mistake.key, mistake.message);
    }
  }

  void check_disk() {
    const auto& disk = config_.disk;
    if (disk.boot_code.empty() && !disk.boot_code_package.empty())
      wrong("disk.boot-code-package", "needs disk.boot-code, the path in the package");
    if (!disk.boot_code.empty() && disk.boot_code_package.empty())
      wrong("disk.boot-code", "needs disk.boot-code-package, the package that contains the file");
    check_tool_file("disk.boot-code-package", disk.boot_code_package);
    if (disk.sector_size != 512 && disk.sector_size != 4096)
      wrong("disk.sector-size", fmt::format("must be 512 or 4096, not {}", disk.sector_size));
    if (disk.sector_size != 512 && config_.qemu.sd_card())
      wrong("disk.sector-size",
            fmt::format("is {}, but SD cards (qemu.disk = \"sd\") have sectors of 512 bytes", disk.sector_size));
    if (!disk.starts_by_bios() && config_.qemu.firmware == std::vector<std::string>{"bios"})
      wrong("disk.sector-size",
            fmt::format("is {}, from which a BIOS cannot start, and qemu.firmware has nothing else", disk.sector_size));
  }

  void check_boot_files() {
    for (const auto& file : config_.boot_files) {
      const std::string key = join_key("boot.files", file.path), from = key + ".from", source = key + ".source";
      if (std::string complaint = relative(file.path); !complaint.empty()) wrong_entry(key, complaint);
      if (file.from == "kernel") {
        if (!file.source.empty()) wrong(source, "is not used with from = \"kernel\"");
      } else if (file.from.rfind("dtb:", 0) == 0) {
        std::vector<std::string> names;
        for (const auto& dtb : config_.kernel.dtbs) names.push_back(std::filesystem::path(dtb).filename().string());
        std::string name = file.from.substr(4);
        if (std::find(names.begin(), names.end(), name) == names.end())
          wrong(from,
                fmt::format("names the DTB {}, which is not in kernel.dtbs{}", quote(name), suggest(name, names)));
      } else if (!package_of(file).empty()) {
        if (file.source.empty()) wrong(from, "needs source, the path in the package");
        if (const std::string complaint = package_name()(package_of(file)); !complaint.empty())
          wrong(from, complaint);
        else if (is_tool_file(file))
          check_tool_file(from, package_of(file));
      } else if (file.from == "file") {
        if (file.source.empty())
          wrong(from, "is \"file\", which needs source, a path in the project");
        else if (const auto* at = reader_.position(source))
          check_file(source, {file.source, *at}, file.source);
      } else if (file.from == "board") {
        if (file.source.empty())
          wrong(from, "is \"board\", which needs source, a path in the board's folder");
        else if (const auto* at = reader_.position(source))
          check_board_file(source, {file.source, *at});
      } else if (!file.from.empty()) {
        wrong(from,
              fmt::format(
                  "must be \"kernel\", \"dtb:NAME\", \"package:NAME\", \"tool:NAME\", \"board\" or \"file\", not {}",
                  quote(file.from)));
      }
      if (file.expand && file.from != "file" && file.from != "board")
        wrong(key + ".expand", "is valid with from = \"board\" and \"file\" only");
    }
  }

  void check_qemu() {
    const auto& qemu = config_.qemu;
    bool uefi = std::find(qemu.firmware.begin(), qemu.firmware.end(), "uefi") != qemu.firmware.end();
    if (uefi && (qemu.uefi_code.empty() || qemu.uefi_vars.empty()))
      wrong("qemu.firmware", "has \"uefi\", which needs qemu.uefi-code and qemu.uefi-vars");
    for (const auto& item : reader_.items("qemu.arguments")) {
      if (!qemu.no_network.empty() && item.text.ends_with("netdev=net0"))
        wrong("qemu.no-network", fmt::format("says that the machine has no network, but qemu.arguments have {} ({})",
                                             quote(item.text), describe(item.position)));
    }
    if (qemu.dtb.empty()) return;
    std::vector<std::string> names;
    for (const auto& file : config_.boot_files) {
      names.push_back(file.path);
      if (file.path.ends_with('/') && qemu.dtb.starts_with(file.path)) return;  // the glob may match it
    }
    if (std::find(names.begin(), names.end(), qemu.dtb) == names.end())
      wrong("qemu.dtb", fmt::format("is {}, which is not in boot.files{}", quote(qemu.dtb), suggest(qemu.dtb, names)));
  }

  void check_repositories() {
    for (const auto& repository : config_.repositories) {
      const std::string key = join_key("repository", repository.name);
      std::vector<std::string> suites = repository.suites;
      suites.insert(suites.end(), repository.tools_suites.begin(), repository.tools_suites.end());
      if (suites.empty()) continue;  // reported already
      const bool all_flat = std::all_of(suites.begin(), suites.end(), is_flat_suite);
      if (all_flat && !repository.sections.empty())
        wrong(key + ".sections", "is not used: all suites are flat repositories, which have no sections");
      if (!all_flat && !reader_.attempted(key + ".sections"))
        wrong_entry(key, "needs sections, such as [\"main\"]; a flat repository has suites = [\"./\"]");
      if (const auto* at = reader_.position(key + ".keyring"))
        check_keyring(key + ".keyring", {repository.keyring, *at});
    }
  }
  void check_keyring(const std::string& key, const Reader::Item& item) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(config_.project / item.text, ignored))
      return check_file(key, item, item.text);
    try {
      binary_keyring(read_file(inside(config_.project, item.text)), item.text);
    } catch (const Error& error) {
      const std::string hint = error.hint().empty() ? "" : ". " + error.hint();
      reader_.diagnostics().add(item.position, fmt::format("{}: {}{}", key, error.message(), hint));
    }
  }

  void check_packages() {
    for (const auto& item : reader_.items("packages.exclude"))
      for (const auto& wanted : reader_.items("packages.install"))
        if (package_name_of(wanted.text) == item.text)
          reader_.diagnostics().add(item.position, fmt::format("packages.exclude: {} is in packages.install too ({})",
                                                               quote(item.text), describe(wanted.position)));
  }

  void check_certificates() {
    std::set<std::string> names;
    for (const auto& item : reader_.items("system.ca-certificates")) {
      check_file("system.ca-certificates", item, item.text);
      if (!names.insert(std::filesystem::path(item.text).stem()).second)
        reader_.diagnostics().add(item.position, fmt::format("system.ca-certificates: two files are called {}",
                                                             quote(std::filesystem::path(item.text).stem().string())));
    }
  }

  void check_units() {
    for (const char* against : {"system.services.disable", "system.services.mask"})
      for (const auto& item : reader_.items(against))
        for (const auto& wanted : reader_.items("system.services.enable"))
          if (wanted.text == item.text)
            reader_.diagnostics().add(item.position, fmt::format("{}: {} is in system.services.enable too ({})",
                                                                 against, quote(item.text), describe(wanted.position)));
  }

  void check_extra_images() {
    for (const auto& image : config_.extra_images) {
      const std::string key = join_key("image.extra", image.from);
      if (!config_.images_preload) wrong_entry(key, "needs images.preload = true");
      if (image.from.starts_with("docker://")) {
        const auto at = image.from.rfind("@sha256:");
        if (at == std::string::npos || !hex_digest()(image.from.substr(at + 8)).empty())
          wrong_entry(key,
                      "needs the digest of the image: docker://NAME:TAG@sha256:DIGEST; `skopeo inspect --format "
                      "\"{{.Digest}}\" docker://NAME:TAG` prints it");
        continue;
      }
      const bool is_oci = image.from.starts_with("oci:");
      if (!is_oci && !image.from.starts_with("docker-archive:")) {
        wrong_entry(key, "must be \"oci:FILE\", \"docker-archive:FILE\" or \"docker://NAME:TAG@sha256:DIGEST\"");
        continue;
      }
      const std::string file = image.from.substr(image.from.find(':') + 1);
      if (const std::string complaint = relative(file); !complaint.empty()) {
        wrong_entry(key, complaint);
        continue;
      }
      std::error_code ignored;
      const auto path = config_.project / file;
      if (!std::filesystem::is_regular_file(path, ignored) && !(is_oci && std::filesystem::is_directory(path, ignored)))
        wrong_entry(key, fmt::format("{} is missing", file));
    }
  }

  static std::string relative(const std::string& path) {
    std::string_view rest = path;
    if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
    for (const auto& part : split(rest, '/'))
      if (part.empty() || part == "." || part == "..") return "must be a relative path without \"..\"";
    return "";
  }

  const Config& config_;
  const std::vector<std::string>& boards_;  ///< the board and the boards that it extends, nearest first
  const DiskFormats& formats_;
  Reader& reader_;
};

}  // namespace

void check_rules(const Config& config, const std::vector<std::string>& boards, const ProjectNames& names,
                 const DiskFormats& formats, BoardKind kind, Reader& reader) {
  if (kind == BoardKind::Architecture) {
    for (const char* section : machine_sections)
      if (const auto* at = reader.opened(section))
        reader.diagnostics().add(
            *at, fmt::format("{} cannot be set here: the board {} is an architecture, without kernel and disk", section,
                             quote(config.board)));
  }
  reader.check_names("components.enable", "component", names.components);
  reader.check_names("overlays.use", "overlay", names.overlays);
  reader.check_names("kernel.fragments", "fragment", names.fragments);
  Rules(config, boards, formats, reader).check();
}

}  // namespace k8simg::config
