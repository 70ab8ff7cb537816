// The keys of every kind of file, each with its type and its destination.
#include "config/tables.hpp"

#include <algorithm>
#include <iterator>

#include "toml/value_checks.hpp"

namespace k8simg::config {

using namespace toml;
namespace {

template <class List>
std::vector<std::string> format_names(const List& list) {
  std::vector<std::string> names;
  for (const auto& rules : list) names.emplace_back(rules.name);
  return names;
}

std::vector<std::string> output_names(const DiskFormats& formats, OutputKind kind) {
  std::vector<std::string> names;
  for (const OutputRules& rules : formats.outputs)
    if (rules.kind == kind) names.emplace_back(rules.name);
  return names;
}

Table partition_table(PartitionConfig& partition, const DiskFormats& formats) {
  return {{
      text("type", partition.type, single_line()).require(),
      text("filesystem", partition.filesystem, one_of(format_names(formats.filesystems))).require(),
      text("mount", partition.mount),
      size("size", partition.size),
      size("free", partition.free),
      flag("grow", partition.grow),
      flag("create-on-device", partition.create_on_device),
      flag("bootable", partition.bootable),
      text("label", partition.label, single_line()),
  }};
}

Table kernel_table(KernelConfig& kernel, Draft& draft) {
  return {{
      text("package", kernel.package, package_name()).require(),
      text("base", kernel.base, single_line()).require(),
      list("fragments", draft.fragments, Growth::Accumulate, file_name()),
      list("config", draft.board_fragments, Growth::Accumulate, relative_path()),
      list("targets", kernel.targets, Growth::Replace, single_line()).require(),
      text("image", kernel.image, relative_path()).require(),
      list("dtbs", kernel.dtbs, Growth::Accumulate, relative_path()),
      list("cmdline", draft.cmdline, Growth::Accumulate, single_line()),
  }};
}

Table disk_table(DiskConfig& disk, const DiskFormats& formats) {
  std::vector<std::string> compressions = output_names(formats, OutputKind::Compression);
  compressions.emplace_back("none");
  Table table{{
      text("file", disk.file, file_name()).require(),
      text("table", disk.table, one_of(format_names(formats.tables))).require(),
      entries<PartitionConfig>("partition", "name", disk.partitions, &PartitionConfig::name,
                               [&formats](PartitionConfig& partition) { return partition_table(partition, formats); })
          .require(),
      number("sector-size", disk.sector_size, 1, 1 << 20),
      flag("protective-mbr-active", disk.protective_mbr_active),
      text("boot-code-package", disk.boot_code_package, package_name()),
      text("boot-code", disk.boot_code, relative_path()),
      text("compress", disk.compress, one_of(compressions)).require(),
      number("compress-level", disk.compress_level, 0, 19),
      list("formats", disk.formats, Growth::Accumulate, one_of(output_names(formats, OutputKind::Conversion))),
  }};
  for (const auto& loader : formats.boot_loaders)
    table.fields.push_back(text(loader, disk.boot_loaders[loader], relative_path()));
  return table;
}

Table qemu_table(Machine& qemu) {
  return {{
      text("binary", qemu.binary, file_name()).require(),
      text("machine", qemu.model, single_line()).require(),
      text("cpu", qemu.cpu),
      number("memory", qemu.memory_mib, 32, 1 << 20).require(),
      number("cpus", qemu.cpus, 1, 256).require(),
      text("disk", qemu.disk, one_of({"virtio", "sd", "usb"})).require(),
      list("arguments", qemu.arguments, Growth::Replace),
      list("firmware", qemu.firmware, Growth::Replace, one_of({"bios", "uefi", "kernel"})).require(),
      text("uefi-code", qemu.uefi_code, relative_path()),
      text("uefi-vars", qemu.uefi_vars, relative_path()),
      text("dtb", qemu.dtb, relative_path()),
      text("extra-cmdline", qemu.extra_cmdline),
      flag("power-of-two", qemu.power_of_two),
      text("no-network", qemu.no_network, single_line()),
  }};
}

Table components_table(Draft& draft, const ProjectNames& names) {
  Table components{{list("enable", draft.components, Growth::Accumulate)}};
  for (const auto& name : names.components)
    components.fields.push_back(table(name, {{text("link", draft.links[name], one_of({"multicall", "separate"})),
                                              list("patches", draft.patches[name], Growth::Replace, file_name())}}));
  return components;
}

Table tools_table(Config& config) {
  if (config.tools.empty())
    for (const char* name : tool_set_names) config.tools.push_back({.name = name, .packages = {}});
  Table tools;
  for (ToolSet& set : config.tools)
    tools.fields.push_back(table(set.name, {{list("packages", set.packages, Growth::Accumulate, package_choice()),
                                             flag("essential", set.essential)}}));
  return tools;
}

}  // namespace

std::string place_names(unsigned places) {
  const std::string board = "the board's board.toml", defconfig = "a defconfig";
  if (places == Board) return board;
  return places == Defconfig ? defconfig : board + " or " + defconfig;
}

BoardKind board_kind(const Value& board) {
  const bool machine = std::any_of(std::begin(machine_sections), std::begin(machine_sections) + 4,
                                   [&](const char* section) { return find(board, section) != nullptr; });
  return machine ? BoardKind::Machine : BoardKind::Architecture;
}

Table config_table(Config& config, Draft& draft, const ProjectNames& names, const DiskFormats& formats,
                   BoardKind kind) {
  const auto of_machines = [kind](Field field) {
    if (kind == BoardKind::Machine) return std::move(field).require();
    field.complete = {};  // rules.cpp refuses the section, so its missing keys are not reported
    return field;
  };
  return {{
      // the file itself
      text("name", draft.board_name).from(Board),
      text("description", config.description, single_line()).from(Board | Defconfig).require(),
      text("board", config.board).from(Defconfig),
      text("extends", draft.extends).from(Board | Defconfig),
      flag("abstract", draft.abstract).from(Board | Defconfig),

      // hardware
      table("arch",
            {{
                text("debian", config.arch.debian,
                     one_of({"amd64", "arm64", "armel", "armhf", "ppc64el", "riscv64", "s390x"}))
                    .require(),
                text("go", config.arch.go, one_of({"amd64", "arm64", "arm", "ppc64le", "riscv64", "s390x"})).require(),
                text("goarm", config.arch.goarm, one_of({"5", "6", "7"})),
                of_machines(text("kernel", config.arch.kernel, file_name())),
                text("cross", config.arch.cross, single_line()),
                text("triplet", config.arch.triplet, file_name()).require(),
            }})
          .from(Board)
          .require(),
      of_machines(table("kernel", kernel_table(config.kernel, draft))),
      table("boot", {{entries<BootFile>("files", "path", config.boot_files, &BootFile::path,
                                        [](BootFile& file) {
                                          return Table{{
                                              text("from", file.from, single_line()).require(),
                                              text("source", file.source, relative_path()),
                                              flag("expand", file.expand),
                                          }};
                                        })}}),
      of_machines(table("disk", disk_table(config.disk, formats))),
      table("imager", {{list("devices", config.imager.devices, Growth::Accumulate, file_name()),
                        text("base-url", config.imager.base_url, single_line())}}),
      of_machines(table("qemu", qemu_table(config.qemu))),
      table("hardware", {{number("memory", config.hardware.memory_mib, 32, 1 << 20),
                          number("cpus", config.hardware.cpus, 1, 256)}}),
      table("image",
            {{entries<ExtraImage>("extra", "from", config.extra_images, &ExtraImage::from,
                                  [](ExtraImage& image) { return Table{{text("name", image.name, image_name())}}; })}}),
      table("images", {{flag("preload", config.images_preload)}}),
      table("node", {{text("role", config.node_role, one_of({"single", "control-plane", "worker", "standalone"}))}}),

      // software
      entries<RepositoryConfig>("repository", "name", config.repositories, &RepositoryConfig::name,
                                [](RepositoryConfig& repository) {
                                  return Table{{
                                      list("suites", repository.suites, Growth::Accumulate, suite_name()).require(),
                                      list("tools-suites", repository.tools_suites, Growth::Accumulate, suite_name()),
                                      list("sections", repository.sections, Growth::Accumulate, file_name()),
                                      text("keyring", repository.keyring, relative_path()),
                                  }};
                                })
          .require(),
      table("packages", {{
                            list("install", config.packages, Growth::Accumulate, package_choice()).require(),
                            list("files", draft.package_files, Growth::Accumulate, deb_glob()),
                            flag("essential", config.essential_packages),
                            list("exclude", config.exclude_packages, Growth::Accumulate, package_name()),
                            entries<Config::Unless>(
                                "unless", "package", config.exclude_packages_unless, &Config::Unless::package,
                                [](Config::Unless& unless) {
                                  return Table{
                                      {list("exclude", unless.exclude, Growth::Accumulate, package_name()).require(),
                                       text("interpreter", unless.interpreter, absolute_path())}};
                                }),
                            text_map("answers", config.rootfs.answers, single_line()),
                        }})
          .require(),
      table("tools", tools_table(config)).require(),
      table("components", components_table(draft, names)),

      // the root filesystem
      table("overlays", {{list("use", config.overlays, Growth::Accumulate)}}),
      table("rootfs",
            {{
                list("exclude", config.rootfs.exclude, Growth::Accumulate, target_glob()),
                list("keep", config.rootfs.keep, Growth::Accumulate, target_glob()),
                entries<Config::Unless>(
                    "unless", "package", config.exclude_paths_unless, &Config::Unless::package,
                    [](Config::Unless& unless) {
                      return Table{{list("exclude", unless.exclude, Growth::Accumulate, target_glob()).require()}};
                    }),
                entries<PathReplacement>(
                    "replace", "path", config.rootfs.replace, &PathReplacement::path,
                    [](PathReplacement& replace) {
                      return Table{{text("reason", replace.reason, single_line()).require()}};
                    },
                    target_glob()),
                entries<PathMode>(
                    "mode", "path", config.rootfs.modes, &PathMode::path,
                    [](PathMode& mode) {
                      return Table{{octal("mode", mode.mode).require(), text("owner", mode.owner, owner_names())}};
                    },
                    target_glob()),
                text_map("alternatives", config.rootfs.alternatives, absolute_path()),
            }}),
      table("audit", {{entries<Config::AuditAllow>(
                           "no-interpreter", "path", config.audit_no_interpreter, &Config::AuditAllow::path,
                           [](Config::AuditAllow& allow) {
                             return Table{{text("reason", allow.reason, single_line()).require()}};
                           },
                           target_glob()),
                       entries<Config::AuditAllow>(
                           "allow", "path", config.audit_allow, &Config::AuditAllow::path,
                           [](Config::AuditAllow& allow) {
                             return Table{{text("reason", allow.reason, single_line()).require()}};
                           },
                           target_glob())}}),
      of_machines(
          table("system",
                {{
                    text("hostname", config.rootfs.hostname, host_name()).require(),
                    text("timezone", config.rootfs.timezone, relative_path()).require(),
                    text("keymap", config.rootfs.keymap, keymap_name()),
                    text("locale", config.rootfs.locale, locale_name()),
                    list("authorized-keys", config.rootfs.authorized_keys, Growth::Accumulate, single_line()),
                    list("ca-certificates", config.ca_certificates, Growth::Accumulate, relative_path()),
                    table("proxy",
                          {{
                              text("http", config.rootfs.proxy.http, proxy_url()),
                              text("https", config.rootfs.proxy.https, proxy_url()),
                              list("no-proxy", config.rootfs.proxy.no_proxy, Growth::Accumulate, no_proxy_entry()),
                          }}),
                    table("services", {{
                                          list("enable", config.rootfs.enable_units, Growth::Accumulate, unit_name()),
                                          list("disable", config.rootfs.disable_units, Growth::Accumulate, unit_name()),
                                          list("mask", config.rootfs.mask_units, Growth::Accumulate, unit_name()),
                                      }}),
                }})),
      entries<AccountConfig>(
          "user", "name", config.rootfs.users, &AccountConfig::name,
          [](AccountConfig& user) {
            return Table{{
                text("comment", user.comment, comment_field()),
                number("uid", user.uid, 1000, 59999),
                text("shell", user.shell, absolute_path()),
                list("groups", user.groups, Growth::Accumulate, account_name()),
                list("authorized-keys", user.authorized_keys, Growth::Accumulate, single_line()),
                secret("password-hash", user.password_hash, password_hash()),
            }};
          },
          account_name()),
      table("containerd", {{list_map("mirrors", config.rootfs.registry_mirrors, registry_name(), http_url())}}),
      table("build", {{number("source-date-epoch", config.source_date_epoch, 0, latest_epoch)}}),
  }};
}

Table component_table(ComponentConfig& component) {
  return {{
      text("name", component.name, file_name()).require(),
      text("version", component.version, single_line()).require(),
      text("description", component.description, single_line()).require(),
      text("license", component.license, single_line()).require(),
      list("provides", component.provides, Growth::Replace, package_name()),
      table("build", {{
                         list("tags", component.tags, Growth::Replace, single_line()),
                         list("ldflags", component.ldflags, Growth::Replace, single_line()),
                     }}),
      entries<ComponentBinary>("binary", "name", component.binaries, &ComponentBinary::name,
                               [](ComponentBinary& binary) {
                                 return Table{{
                                     text("package", binary.package, single_line()).require(),
                                     text("install", binary.install, absolute_path()),
                                     list("links", binary.links, Growth::Replace, absolute_path()),
                                     list("tags", binary.tags, Growth::Replace, single_line()),
                                     text("link", binary.link, one_of({"multicall", "separate"})),
                                     records<BinaryCheck>("check", binary.checks,
                                                          [](BinaryCheck& check) {
                                                            return Table{{
                                                                text("argv0", check.argv0, file_name()),
                                                                list("argv", check.argv, Growth::Replace).require(),
                                                                text("expect", check.expect, single_line()).require(),
                                                            }};
                                                          }),
                                 }};
                               })
          .require(),
      entries<ImageConfig>("image", "name", component.images, &ImageConfig::name,
                           [](ImageConfig& image) {
                             return Table{{
                                 text("tag", image.tag, single_line()),
                                 text("description", image.description, single_line()),
                                 list("programs", image.programs, Growth::Replace, file_name()).require(),
                                 list("root", image.root, Growth::Replace, target_glob()),
                                 text("user", image.user, single_line()),
                             }};
                           }),
      entries<ReleaseConfig>("release", "name", component.releases, &ReleaseConfig::name,
                             [](ReleaseConfig& release) {
                               return Table{{
                                   text("folder", release.folder, relative_path()).require(),
                                   list("programs", release.programs, Growth::Replace, file_name()).require(),
                               }};
                             }),
  }};
}

Table judgements_table(std::vector<Judgement>& judgements) {
  return {{records<Judgement>("judgement", judgements, [](Judgement& judgement) {
    return Table{{
        text("package", judgement.package, package_name()).require(),
        text("script", judgement.script, one_of({"preinst", "postinst"})).require(),
        text("remainder", judgement.remainder, hex_digest()).require(),
        text("rule", judgement.rule),
        text("reason", judgement.reason, single_line()).require(),
    }};
  })}};
}

Table requirements_table(std::vector<RequirementEntry>& requirements) {
  return {{records<RequirementEntry>("requirement", requirements, [](RequirementEntry& requirement) {
    return Table{{
        text("symbol", requirement.symbol, kernel_symbol()),
        list("any_of", requirement.any_of, Growth::Replace, kernel_symbol()),
        list("by", requirement.by, Growth::Replace, single_line()).require(),
        text("level", requirement.level, one_of({"required", "recommended"})).require(),
        text("note", requirement.note, single_line()),
        text("program", requirement.program, absolute_path()),
    }};
  })}};
}

}  // namespace k8simg::config
