// The `extends` chains of defconfigs and of boards: the files that a Config is read from.
#pragma once

#include <string>
#include <vector>

#include "config/tables.hpp"

namespace k8simg::config {

enum class ChainOf { Defconfigs, Boards };

struct Link {
  std::string name, file;  ///< "pc", "boards/pc/board.toml"
  toml::Value document;
};

/// `name` and the files that it extends, nearest first. The chain ends before a file that is missing or cannot be
/// parsed, and before a cycle; each of these is added to `diagnostics`.
std::vector<Link> read_chain(const std::filesystem::path& project, ChainOf what, const std::string& name,
                             const ProjectNames& names, toml::Diagnostics& diagnostics);
std::string defconfig_file(const std::string& name);
/// A top-level string of an unchecked document; nullptr if the key is missing or is not a string.
const toml::Member* find_text(const toml::Value& document, std::string_view key);
/// The key `abstract` if it is true, otherwise nullptr. An abstract file can only be extended.
const toml::Member* find_abstract(const toml::Value& document);
/// The key `board` of the nearest defconfig that sets it; nullptr if none does.
const toml::Member* find_board(const std::vector<Link>& defconfigs);

/// The board that a defconfig uses, and the boards that it extends.
struct BoardChain {
  std::vector<Link> links;  ///< nearest first
  bool whole = false;       ///< every file was read, and the board is not abstract: required keys can be checked

  /// Machine if one board of the chain describes a machine.
  BoardKind kind() const;
  std::vector<std::string> names() const;
};
/// `board`: the key of the defconfig. Reports a board that is unknown or abstract, and a `name` that differs from the
/// name of the folder.
BoardChain read_boards(const std::filesystem::path& project, const toml::Member& board, const ProjectNames& names,
                       toml::Diagnostics& diagnostics);
/// The existing files boards/BOARD/FILE, in the order of `boards`.
std::vector<std::string> board_files(const std::filesystem::path& project, const std::vector<std::string>& boards,
                                     const std::string& file);

}  // namespace k8simg::config
