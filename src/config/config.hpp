// Config: what a defconfig with its board and parents says, checked, immutable, every value knowing the file and line
// that set it.
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
#include "model/disk.hpp"

namespace k8simg {

/// The tool sets, each a table [tools.NAME]: a step sees the programs of its set alone, so that a change of one set
/// runs the steps of no other again.
inline constexpr std::array tool_set_names{
    "appliance",    ///< the kernel that `verify` reads images with, and depmod
    "c",            ///< compilers and what else a kernel is built with
    "compression",  ///< gzip, xz, zstd
    "files",        ///< packages that files are taken of and nothing is run of: kernel sources, firmware, boot loaders
    "filesystems",  ///< mke2fs, mkfs.fat, mtools, boot loaders' installers
    "go",           ///< the Go compiler
    "programs",     ///< env, and an emulator where the target's programs need one
    "qemu",         ///< emulated machines for `test` and `run`
};

struct SourcePosition {
  std::string file;
  int line = 0, column = 0;
};  ///< file relative to the project; "--set" for the command line

/// One effective value for `k8simg show`.
/// `key`: dotted, as in TOML and --set. `value`: JSON text, which is TOML too: "text", 12, true, ["a", "b"]. Sizes as
/// they were written.
struct Setting {
  std::string key, value;
  std::vector<SourcePosition> set_by;
};  ///< lists: one position per contributing file

/// "defconfigs/pc.toml:12", where a value of `entry` of the list of tables `table` ("rootfs.mode") was set last; "" if
/// nowhere.
std::string where_set(const std::vector<Setting>& settings, const std::string& table, const std::string& entry);

struct RepositoryConfig {
  std::string name;
  std::vector<std::string> suites;        ///< for the target and for the tools
  std::vector<std::string> tools_suites;  ///< for the tools alone
  std::vector<std::string> sections;      ///< main, contrib, non-free-firmware
};

struct KernelConfig {
  std::string package;  ///< "linux-source-6.12": ships usr/src/PACKAGE.tar.xz
  std::string base;     ///< "allnoconfig" or a defconfig target
  std::vector<std::filesystem::path>
      fragments;  ///< project-relative, in order: kernel-fragments/X.config, then the board's own files
  std::vector<std::string> targets;    ///< make targets: "bzImage", "dtbs"
  std::string image;                   ///< path in the build tree: "arch/x86/boot/bzImage"
  std::vector<std::string> dtbs;       ///< paths in the build tree
  std::string cmdline;                 ///< without root=; templates add it
  std::filesystem::path requirements;  ///< kernel-fragments/requirements.toml, read into `required`
  struct Requirement {
    std::vector<std::string> any_of;
    std::vector<std::string> by;
    bool required = true;
    std::string note;
  };
  std::vector<Requirement> required;
};

struct ArchConfig {
  std::string debian, go, goarm, kernel;  ///< "amd64", "amd64", "", "x86"; kernel: of machines only
  std::string cross;                      ///< toolchain prefix, "" or "arm-linux-gnueabi-"
  std::string triplet;                    ///< "x86_64-linux-gnu"
};

/// A file of the boot partition.
struct BootFile {
  std::string path;  ///< in the partition
  std::string from;  ///< "kernel" (the image), "dtb:NAME", "package:NAME" (target or tools tree's package), "file"
                     ///< (project-relative)
  std::string
      source;  ///< path in the package (may be a glob for a folder target ending in "/"), or project-relative file
  bool expand = false;  ///< "file" only: replace ${cmdline}, ${root_partuuid}, ${kernel}, ${hostname}, ...
};

/// How Raspberry Pi Imager lists the image; nothing is made when `devices` is empty.
struct ImagerConfig {
  std::vector<std::string> devices;  ///< Imager's tags of the models: "pi1-32bit", "pi3-64bit"
  std::string base_url;  ///< where the image is published, ending in "/"; "": the file's name alone is the address
};

struct QemuConfig {
  std::string binary;        ///< "qemu-system-x86_64"
  std::string machine, cpu;  ///< "q35", "max"
  int memory_mib = 0, cpus = 0;
  std::string disk;  ///< "virtio" or "sd"
  std::vector<std::string>
      arguments;  ///< further arguments; network devices name the netdev "net0", which run and test define
  std::vector<std::string> firmware;  ///< "bios", "uefi", "kernel" (take kernel and DTB from the boot partition): how
                                      ///< `test` boots, first is `run`'s default
  std::string uefi_code, uefi_vars;   ///< paths in the tools tree
  std::string dtb;                    ///< boot-partition path, for "kernel"
  std::string extra_cmdline;          ///< for "kernel"
  bool power_of_two = false;          ///< pad the overlay (SD cards)
};

/// What the smallest machine of the board has; 0: what [qemu] says.
struct HardwareConfig {
  int memory_mib = 0, cpus = 0;
};

struct BinaryCheck {
  std::string argv0;
  std::vector<std::string> argv;
  std::string expect;
};
struct ComponentBinary {
  std::string name, package, install;
  std::vector<std::string> links, tags;  ///< further names; Go build tags besides the component's
  std::string link;                      ///< "", "multicall", "separate"
  std::vector<BinaryCheck> checks;
};
/// An OCI image made of a component's programs, as component.toml says.
struct ImageConfig {
  std::string name;         ///< "registry.k8s.io/kube-proxy"
  std::string tag;          ///< "": the component's version
  std::string description;  ///< "": the component's
  std::vector<std::string>
      programs;  ///< binaries of the component, or names that its multi-call binary answers to; in /usr/local/bin
  std::vector<std::string>
      root;  ///< globs of the root filesystem: taken with the files that they link to and the libraries that they need
  std::string user;  ///< "65532:65532", or "" for root
};

/// An archive of a component's programs in upstream's layout, as component.toml says: NAME-linux-ARCH.tar.gz.
struct ReleaseConfig {
  std::string name;                   ///< "kubernetes-node"
  std::string folder;                 ///< in the archive: "kubernetes/node/bin"
  std::vector<std::string> programs;  ///< binaries of the component, or names that its multi-call binary answers to
};

/// A patch of upstream's sources, components/NAME/patches/PATCH.patch, as its header describes it.
struct PatchConfig {
  std::string name;                ///< "0001-self-signed-certificates-use-ecdsa"
  std::filesystem::path file;      ///< project-relative
  std::string reason;              ///< what it changes, and why
  std::string gain;                ///< what was measured
  std::string obsolete;            ///< the upstream issue, change or version that makes it unnecessary
  std::vector<std::string> files;  ///< that it changes: "k8s.io/client-go/util/cert/cert.go", a module and a path in it
};

struct ComponentConfig {
  std::string name, version, description, license;
  std::filesystem::path folder;  ///< project-relative
  std::vector<std::string> tags, ldflags;
  std::vector<PatchConfig> patches;       ///< in the order in which they are applied
  std::vector<ComponentBinary> binaries;  ///< those of the chosen link mode only
  std::vector<ImageConfig> images;
  std::vector<ReleaseConfig> releases;
  /// Made of Go modules, which the lock names; otherwise of C files, which are all in its folder.
  bool has_modules() const {
    return std::any_of(binaries.begin(), binaries.end(),
                       [](const ComponentBinary& binary) { return !binary.package.ends_with(".c"); });
  }
};

struct ScriptJudgement {
  std::string package, script;  ///< "openssh-server", "postinst"
  std::string remainder;        ///< hex SHA-256 of what is left once the recognised blocks are out
  std::string rule;             ///< name of the rule that models it, or "" when harmless
  std::string reason;
};

/// The latest time that every format of an image can say: 32 bits without a sign (2106-02-07).
inline constexpr std::int64_t latest_epoch = 4294967295;
/// The value of SOURCE_DATE_EPOCH. Error{Usage} for anything but digits that say 0 to latest_epoch.
std::int64_t parse_source_date_epoch(const std::string& text);

struct Config {
  std::string name;  ///< defconfig
  std::string board, description;
  std::filesystem::path project;     ///< absolute path of the project root
  std::vector<std::string> parents;  ///< extends chain, nearest first
  ArchConfig arch;
  std::vector<RepositoryConfig> repositories;
  std::vector<std::string> packages;          ///< target, to install
  bool essential_packages = true;             ///< every Essential package is installed too
  std::vector<std::string> exclude_packages;  ///< never installed although something depends on them, e.g. "perl-base"
  /// What is left out unless a package is installed. `exclude`: packages or globs of paths.
  struct Unless {
    std::string package;
    std::vector<std::string> exclude;
  };
  std::vector<Unless> exclude_packages_unless, exclude_paths_unless;
  std::map<std::string, std::string> answers;  ///< to debconf's questions, for scripts that are evaluated
  std::vector<ToolSet>
      tools;  ///< one for each of tool_set_names, in that order; without packages where nothing needs it
  std::vector<ComponentConfig> components;
  std::vector<std::string> overlays;  ///< overlays/NAME, later ones win over earlier ones where declared
  KernelConfig kernel;
  std::vector<BootFile> boot_files;
  DiskConfig disk;
  ImagerConfig imager;
  QemuConfig qemu;
  HardwareConfig hardware;
  std::string node_role;        ///< what a machine becomes at its first start: "single", "control-plane", "worker",
                                ///< "standalone"; "": nothing
  bool images_preload = false;  ///< the root filesystem carries the images of its components

  std::vector<std::string> exclude_paths, keep_paths;  ///< globs on the target; keep wins
  struct AuditAllow {
    std::string path, reason;
  };
  std::vector<AuditAllow> audit_no_interpreter;  ///< programs (globs) whose interpreter may be missing
  std::vector<AuditAllow> audit_allow;  ///< files (globs) that may say they need more than the board's processor: they
                                        ///< ask it before they use it
  struct Replace {
    std::string path, reason;
  };
  std::vector<Replace> replace;  ///< declared collisions: the later layer wins
  struct Mode {
    std::string path, mode, owner;
  };  ///< a glob; "0600"; "user:group", names of the image or numbers, "" for unchanged
  std::vector<Mode> modes;  ///< what git cannot keep of overlays' files, and what packages ship otherwise
  std::string hostname, timezone;
  std::vector<std::string> authorized_keys;  ///< lines for root
  std::vector<std::string> enable_units, disable_units, mask_units;
  std::map<std::string, std::string> alternatives;  ///< name → path chosen, "iptables" = "/usr/sbin/iptables-nft"
  std::vector<ScriptJudgement> judgements;          ///< defconfigs/scripts.toml
  std::optional<std::int64_t> source_date_epoch;    ///< set explicitly; else the environment's, else the lock's date
  std::vector<Setting> settings;                    ///< everything above as key = value with positions, sorted by key

  /// Its board has kernel, disk and QEMU machine; otherwise it is an architecture alone, for which programs and
  /// container images are made.
  bool is_machine() const { return !kernel.package.empty(); }
  /// Of the smallest machine of the board.
  int smallest_memory_mib() const { return hardware.memory_mib ? hardware.memory_mib : qemu.memory_mib; }
  int smallest_cpus() const { return hardware.cpus ? hardware.cpus : qemu.cpus; }
  /// `name`: one of tool_set_names.
  const ToolSet& tool_set(std::string_view name) const;
};

struct ConfigOptions {
  std::filesystem::path project;  ///< folder with boards/ and defconfigs/
  std::vector<std::string>
      set;  ///< "key=value" (replaces) or "key+=value" (adds to a list); TOML value syntax, a bare word is a string
  DiskFormats formats;  ///< that a disk may name
};

/// Reads defconfigs/NAME.toml, its parents, its board and components. Throws Error{Usage} that lists *all* mistakes
/// found, one a line: FILE:LINE:COLUMN: what is wrong with KEY (did you mean NAME?).
Config load_config(const std::string& defconfig, const ConfigOptions& options);

struct DefconfigSummary {
  std::string name, board, description;
  bool locked = false, machine = false;
};  ///< machine: as Config::is_machine
std::vector<DefconfigSummary> list_defconfigs(const std::filesystem::path& project);

}  // namespace k8simg
