// Config: the checked, immutable configuration of a defconfig, with the file and line that set each value.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lock/tool_set.hpp"
#include "model/component.hpp"
#include "model/disk.hpp"
#include "model/kernel.hpp"
#include "model/machine.hpp"
#include "model/rootfs.hpp"
#include "toml/setting.hpp"

namespace k8simg {

/// The tool sets, each a table [tools.NAME]. A step sees only the programs of its own set, so a change of one set does
/// not run the steps of another set again.
inline constexpr std::array tool_set_names{
    "appliance",    ///< the appliance's kernel for `verify`, and depmod
    "c",            ///< compilers and the other programs that build a kernel
    "compression",  ///< gzip, xz, zstd
    "files",        ///< packages of which only files are used: kernel sources, firmware, boot loaders
    "filesystems",  ///< mke2fs, mkfs.fat, mtools, installers of boot loaders
    "go",           ///< the Go compiler
    "keymap",       ///< ckbcomp and the layouts of XKB, for system.keymap
    "locales",      ///< localedef and its sources, for system.locale
    "programs",     ///< env, and an emulator if the target's programs need one
    "qemu",         ///< emulated machines for `test` and `run`
    "registry",     ///< skopeo, for container images of registries
};

/// The position, such as "defconfigs/pc.toml:12", of the item `entry` of the list `table` ("packages.install"); or that
/// which last set a value of `entry` in the list of tables `table` ("rootfs.mode"), or the key `table` if `entry` is
/// empty. "" if no file sets one; "--set" for the command line.
std::string where_set(const std::vector<Setting>& settings, const std::string& table, const std::string& entry);

struct RepositoryConfig {
  std::string name;
  std::vector<std::string> suites;        ///< for the target; without a keyring of its own also for the tools
  std::vector<std::string> tools_suites;  ///< for the tools only
  std::vector<std::string> sections;      ///< main, contrib, non-free-firmware; none for flat suites
  std::string keyring;                    ///< project-relative; "": Debian's archive keyring
};

struct ArchConfig {
  std::string debian, go, goarm, kernel;  ///< "amd64", "amd64", "", "x86"; kernel: machines only
  std::string cross;                      ///< toolchain prefix, "" or "arm-linux-gnueabi-"
  std::string triplet;                    ///< "x86_64-linux-gnu"
};

/// A file of the boot partition.
struct BootFile {
  std::string path;  ///< in the partition
  /// "kernel" (the image), "dtb:NAME", "package:NAME" (of the target's architecture, installed or not), "tool:NAME" (of
  /// the tool set "files"), "board" or "file".
  std::string from;
  std::string source;   ///< path in the package (a glob if `path` ends in "/"), or in the project
  bool expand = false;  ///< "file" only: replace ${cmdline}, ${root_partuuid}, ${kernel}, ${hostname}, ...
};

/// The name in a choice of a package: "NAME", "NAME=VERSION" or "NAME/SUITE".
std::string package_name_of(const std::string& choice);

/// The package that a boot file comes from; "" if it comes from none.
std::string package_of(const BootFile& file);
/// Whether that package is a tool, and not one of the target's architecture.
bool is_tool_file(const BootFile& file);

/// How Raspberry Pi Imager lists the image. Without `devices` no list is made.
struct ImagerConfig {
  std::vector<std::string> devices;  ///< Imager's tags of the models: "pi1-32bit", "pi3-64bit"
  std::string base_url;              ///< URL of the image's folder, ending in "/"; "": the list has the file name only
};

/// The smallest machine of the board. 0 stands for the value of [qemu].
struct HardwareConfig {
  int memory_mib = 0, cpus = 0;
};

/// A container image of a component's programs: [[image]] of component.toml.
struct ImageConfig {
  std::string name;         ///< "registry.k8s.io/kube-proxy"
  std::string tag;          ///< "": the component's version
  std::string description;  ///< "": the component's
  std::vector<std::string>
      programs;                   ///< binaries of the component, or names of its multi-call binary; in /usr/local/bin
  std::vector<std::string> root;  ///< globs of the root filesystem; targets of links and libraries are added
  std::string user;               ///< "65532:65532", or "" for root
};

/// A container image that is not of a component: [[image.extra]].
struct ExtraImage {
  std::string from;  ///< "oci:FILE", "docker-archive:FILE" (paths in the project), "docker://NAME[:TAG]@sha256:DIGEST"
  std::string name;  ///< "NAME:TAG" under which pods ask for it; "": the name in the archive or the reference
};

/// An archive NAME-linux-ARCH.tar.gz of a component's programs in upstream's layout: [[release]] of component.toml.
struct ReleaseConfig {
  std::string name;                   ///< "kubernetes-node"
  std::string folder;                 ///< in the archive: "kubernetes/node/bin"
  std::vector<std::string> programs;  ///< binaries of the component, or names of its multi-call binary
};

/// A patch of upstream's sources, components/NAME/patches/PATCH.patch, with the fields of its header.
struct PatchConfig {
  std::string name;                ///< "0001-self-signed-certificates-use-ecdsa"
  std::filesystem::path file;      ///< project-relative
  std::string reason;              ///< what it changes, and why
  std::string gain;                ///< the measured effect
  std::string obsolete;            ///< the upstream issue, change or version that makes it unnecessary
  std::vector<std::string> files;  ///< the changed files, with module and path: "k8s.io/client-go/util/cert/cert.go"
};

struct ComponentConfig {
  std::string name, version, description, license;
  std::filesystem::path folder;       ///< project-relative
  std::vector<std::string> provides;  ///< Debian packages that it stands for: they are not installed beside it
  std::vector<std::string> tags, ldflags;
  std::vector<PatchConfig> patches;       ///< in the order in which they are applied
  std::vector<ComponentBinary> binaries;  ///< only those of the chosen link mode
  std::vector<ImageConfig> images;
  std::vector<ReleaseConfig> releases;
  /// Whether it is built from Go modules, whose digests the lock has. Otherwise it is built from C files in its folder.
  bool has_modules() const {
    return std::any_of(binaries.begin(), binaries.end(), [](const ComponentBinary& binary) { return !is_c(binary); });
  }
};

/// The latest time that every format of a disk image can store, in seconds since 1970: 32 bits unsigned (2106-02-07).
inline constexpr std::int64_t latest_epoch = 4294967295;
/// Parses the value of SOURCE_DATE_EPOCH. Error{Usage} unless it is a decimal number from 0 to latest_epoch.
std::int64_t parse_source_date_epoch(const std::string& text);

struct Config {
  std::string name;  ///< defconfig
  std::string board, description;
  std::filesystem::path project;     ///< absolute path of the project root
  std::vector<std::string> parents;  ///< the extends chain, nearest first
  ArchConfig arch;
  std::vector<RepositoryConfig> repositories;
  std::vector<std::string> packages;                 ///< to install on the target
  std::vector<std::filesystem::path> package_files;  ///< .debs to install too, project-relative, sorted
  bool essential_packages = true;                    ///< every Essential package is installed too
  std::vector<std::string> exclude_packages;  ///< never installed, even if another package depends on them: "perl-base"
  /// What is left out unless a package is installed. `exclude`: packages or globs of paths.
  struct Unless {
    std::string package;
    std::vector<std::string> exclude;
    std::string interpreter;  ///< of packages: not left out either if commands of others need this: "/usr/bin/perl"
  };
  std::vector<Unless> exclude_packages_unless, exclude_paths_unless;
  std::vector<ToolSet> tools;  ///< one for each of tool_set_names, in that order; may have no packages
  std::vector<ComponentConfig> components;
  std::vector<std::string> overlays;  ///< overlays/NAME; a later one replaces files of an earlier one if declared
  KernelConfig kernel;
  std::vector<BootFile> boot_files;
  DiskConfig disk;
  ImagerConfig imager;
  Machine qemu;
  HardwareConfig hardware;
  std::string node_role;        ///< the role at the first start: "single", "control-plane", "worker",
                                ///< "standalone"; "": none
  bool images_preload = false;  ///< the root filesystem contains the images of its components, and `extra_images`
  std::vector<ExtraImage> extra_images;

  RootfsConfig rootfs;
  std::vector<std::string> ca_certificates;  ///< files of the project with certificates of authorities to trust
  struct AuditAllow {
    std::string path, reason;
  };
  std::vector<AuditAllow> audit_no_interpreter;  ///< programs (globs) whose interpreter may be missing
  /// Globs of files that may contain instructions that the board's processor lacks, because they check the processor at
  /// run time.
  std::vector<AuditAllow> audit_allow;
  std::optional<std::int64_t> source_date_epoch;  ///< if not set: that of the environment, otherwise the lock's date
  std::vector<Setting> settings;                  ///< all values above as key and value with positions, sorted by key

  /// Whether the board has a kernel, a disk and a QEMU machine. Otherwise it is an architecture, for which only
  /// programs and container images are made.
  bool is_machine() const { return !kernel.package.empty(); }
  /// Memory of the smallest machine of the board.
  int smallest_memory_mib() const { return hardware.memory_mib ? hardware.memory_mib : qemu.memory_mib; }
  int smallest_cpus() const { return hardware.cpus ? hardware.cpus : qemu.cpus; }
  /// The boot files that come from packages of the target's architecture.
  std::vector<BootFile> target_boot_files() const;
  /// `name`: one of tool_set_names.
  const ToolSet& tool_set(std::string_view name) const;
};

struct ConfigOptions {
  std::filesystem::path project;  ///< folder with boards/ and defconfigs/
  std::vector<std::string>
      set;  ///< "key=value" (replaces) or "key+=value" (adds to a list). TOML values; a bare word is a string
  DiskFormats formats;  ///< the formats that a disk may name
};

/// Reads defconfigs/NAME.toml, its parents, its board and components. Error{Usage} lists all mistakes, one per line:
/// FILE:LINE:COLUMN: KEY and the problem (did you mean NAME?).
Config load_config(const std::string& defconfig, const ConfigOptions& options);

struct DefconfigSummary {
  std::string name, board, description;
  bool locked = false, machine = false;
};  ///< machine: see Config::is_machine
std::vector<DefconfigSummary> list_defconfigs(const std::filesystem::path& project);

}  // namespace k8simg
