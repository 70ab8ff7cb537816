// The chains of `extends`, of defconfigs and of boards: which files a Config is made of.
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

/// `name` and what it extends, nearest first. Stops at what cannot be read or found, which goes to `diagnostics`, as
/// does a chain that goes in a circle.
std::vector<Link> read_chain(const std::filesystem::path& project, ChainOf what, const std::string& name,
                             const ProjectNames& names, toml::Diagnostics& diagnostics);
std::string defconfig_file(const std::string& name);
/// A top-level string of a document that may still be wrong in every other way.
const toml::Member* find_text(const toml::Value& document, std::string_view key);
/// The key `abstract`, if it is true: the file exists to be extended.
const toml::Member* find_abstract(const toml::Value& document);
/// The board that a chain of defconfigs settles on: the nearest defconfig that names one.
const toml::Member* find_board(const std::vector<Link>& defconfigs);

/// The board that a defconfig uses, and what it extends.
struct BoardChain {
  std::vector<Link> links;  ///< nearest first
  bool whole = false;       ///< can be read up to its root and is not abstract: what nobody sets is missing

  /// What the boards describe together.
  BoardKind kind() const;
  std::vector<std::string> names() const;
};
/// `board`: where a defconfig names it. Reports a board that is unknown or abstract, and `name`s that are not the
/// folder's.
BoardChain read_boards(const std::filesystem::path& project, const toml::Member& board, const ProjectNames& names,
                       toml::Diagnostics& diagnostics);
/// boards/BOARD/FILE of each of `boards` that has the file, in their order.
std::vector<std::string> board_files(const std::filesystem::path& project, const std::vector<std::string>& boards,
                                     const std::string& file);

}  // namespace k8simg::config
