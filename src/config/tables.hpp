// The keys of each kind of file: board.toml and defconfigs, component.toml, scripts.toml, requirements.toml.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "toml/schema.hpp"

namespace k8simg::config {

/// The kinds of documents that may set a key; bits.
enum Place : unsigned { Board = 1, Defconfig = 2, CommandLine = 4 };
/// For messages: "a defconfig", "the board's board.toml or a defconfig".
std::string place_names(unsigned places);

/// The names of the project's boards, defconfigs and so on.
struct ProjectNames {
  std::vector<std::string> boards, defconfigs, components, overlays, fragments;
};
ProjectNames scan_project(const std::filesystem::path& project);

/// Values as files state them that have another form in Config.
struct Draft {
  std::string board_name, extends;                      ///< not used: each file of a chain has its own
  bool abstract = false;                                ///< not used
  std::vector<std::string> boards;                      ///< the board and the boards that it extends, nearest first
  std::vector<std::string> fragments, board_fragments;  ///< names in kernel-fragments/; paths relative to the board
  std::vector<std::string> cmdline;                     ///< words
  std::vector<std::string> components;
  std::vector<std::string> package_files;                   ///< globs
  std::map<std::string, std::string> links;                 ///< component → "multicall" or "separate"
  std::map<std::string, std::vector<std::string>> patches;  ///< component → names; only components with a choice
};

/// A machine has a kernel, a disk and a system, all of which are required. An architecture has none of them.
enum class BoardKind { Machine, Architecture };
/// The sections that only a machine has. A board with one of the first four is a machine.
inline constexpr const char* machine_sections[] = {"kernel", "boot",   "disk", "qemu",     "imager",
                                                   "image",  "images", "node", "overlays", "system"};
BoardKind board_kind(const toml::Value& board);

/// The table of board.toml, defconfigs and --set. They share one table because a defconfig may change values of its
/// board. `config` and `draft` must outlive it. `formats`: the formats that a disk may name. `kind` decides which keys
/// are required.
toml::Table config_table(Config& config, Draft& draft, const ProjectNames& names, const DiskFormats& formats,
                         BoardKind kind);
/// components/NAME/component.toml, with the binaries of all link modes.
toml::Table component_table(ComponentConfig& component);
/// defconfigs/scripts.toml
toml::Table judgements_table(std::vector<Judgement>& judgements);
/// One [[requirement]] of kernel-fragments/requirements.toml. It has either `symbol` or `any_of`.
struct RequirementEntry {
  std::string symbol, level, note, program;
  std::vector<std::string> any_of, by;
};
toml::Table requirements_table(std::vector<RequirementEntry>& requirements);

}  // namespace k8simg::config
