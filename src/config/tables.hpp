// Which keys each kind of file has: board.toml and defconfigs, component.toml, scripts.toml, requirements.toml.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "toml/schema.hpp"

namespace k8simg::config {

/// Who may set a key.
enum Place : unsigned { Board = 1, Defconfig = 2, CommandLine = 4 };
/// "a defconfig"
std::string place_names(unsigned places);

/// What the project's folders offer.
struct ProjectNames {
  std::vector<std::string> boards, defconfigs, components, overlays, fragments;
};
ProjectNames scan_project(const std::filesystem::path& project);

/// What files say that Config holds in another shape.
struct Draft {
  std::string board_name, extends;  ///< of any file of a chain; what counts is what each file itself says
  bool abstract = false;            ///< likewise
  std::vector<std::string> boards;  ///< the board and what it extends, nearest first
  std::vector<std::string> fragments, board_fragments;  ///< names in kernel-fragments/; files relative to the board
  std::vector<std::string> cmdline;                     ///< words
  std::vector<std::string> components;
  std::map<std::string, std::string> links;                 ///< component → "multicall" or "separate"
  std::map<std::string, std::vector<std::string>> patches;  ///< component → names, where they are chosen
};

/// What a board describes: a machine with kernel, disk and system, all of which must be there, or an architecture,
/// which has none of them.
enum class BoardKind { Machine, Architecture };
/// The sections that only a machine has; a board with one of the first four is one.
inline constexpr const char* machine_sections[] = {"kernel", "boot", "disk",     "qemu",  "imager",
                                                   "images", "node", "overlays", "system"};
BoardKind board_kind(const toml::Value& board);

/// board.toml, defconfigs and --set: one table, since a defconfig may change what its board says. `config` and `draft`
/// must outlive it. `formats`: what a disk may name. `kind` decides which keys are required.
toml::Table config_table(Config& config, Draft& draft, const ProjectNames& names, const DiskFormats& formats,
                         BoardKind kind);
/// components/NAME/component.toml; all binaries, of every link mode.
toml::Table component_table(ComponentConfig& component);
/// defconfigs/scripts.toml
toml::Table judgements_table(std::vector<Judgement>& judgements);
/// One [[requirement]] of kernel-fragments/requirements.toml as written: either `symbol` or `any_of`.
struct RequirementEntry {
  std::string symbol, level, note;
  std::vector<std::string> any_of, by;
};
toml::Table requirements_table(std::vector<RequirementEntry>& requirements);

}  // namespace k8simg::config
