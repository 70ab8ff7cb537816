// Follows `extends` from a defconfig or a board to the root of the chain.
#include "config/chain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "config/files.hpp"

namespace k8simg::config {

using namespace toml;
namespace {

std::string board_file(const std::string& name) { return "boards/" + name + "/board.toml"; }

/// The boards that a defconfig may name: all that are not abstract. Includes boards that cannot be parsed.
std::vector<std::string> usable_boards(const std::filesystem::path& project, const ProjectNames& names) {
  std::vector<std::string> usable;
  for (const auto& name : names.boards) {
    Diagnostics ignored;
    const auto document = read_document(project, board_file(name), ignored);
    if (!document || !find_abstract(*document)) usable.push_back(name);
  }
  return usable;
}

}  // namespace

std::vector<Link> read_chain(const std::filesystem::path& project, ChainOf what, const std::string& name,
                             const ProjectNames& names, Diagnostics& diagnostics) {
  const bool boards = what == ChainOf::Boards;
  const auto& known = boards ? names.boards : names.defconfigs;
  std::vector<Link> chain;
  std::string next = name, path;
  while (true) {
    const std::string file = boards ? board_file(next) : defconfig_file(next);
    auto document = read_document(project, file, diagnostics);
    if (!document) break;
    chain.push_back({next, file, std::move(*document)});
    path += next + " → ";
    const Member* extends = find_text(chain.back().document, "extends");
    if (!extends) break;
    next = extends->value.text;
    const SourcePosition& at = extends->value.position;
    if (std::any_of(chain.begin(), chain.end(), [&](const Link& link) { return link.name == next; })) {
      diagnostics.add(at, fmt::format("extends forms a cycle: {}{}", path, next));
      break;
    }
    if (std::find(known.begin(), known.end(), next) == known.end()) {
      diagnostics.add(at, fmt::format("extends: unknown {} {}{}", boards ? "board" : "defconfig", quote(next),
                                      suggest(next, known)));
      break;
    }
  }
  return chain;
}

std::string defconfig_file(const std::string& name) { return "defconfigs/" + name + ".toml"; }

const Member* find_text(const Value& document, std::string_view key) {
  const Member* member = find(document, key);
  return member && member->value.kind == Kind::String ? member : nullptr;
}

const Member* find_abstract(const Value& document) {
  const Member* abstract = find(document, "abstract");
  return abstract && abstract->value.boolean ? abstract : nullptr;
}

const Member* find_board(const std::vector<Link>& defconfigs) {
  for (const auto& link : defconfigs)
    if (const Member* board = find_text(link.document, "board")) return board;
  return nullptr;
}

BoardKind BoardChain::kind() const {
  const bool machine = std::any_of(links.begin(), links.end(),
                                   [](const Link& link) { return board_kind(link.document) == BoardKind::Machine; });
  return machine ? BoardKind::Machine : BoardKind::Architecture;
}

std::vector<std::string> BoardChain::names() const {
  std::vector<std::string> names;
  for (const auto& link : links) names.push_back(link.name);
  return names;
}

BoardChain read_boards(const std::filesystem::path& project, const Member& board, const ProjectNames& names,
                       Diagnostics& diagnostics) {
  const std::string& name = board.value.text;
  const SourcePosition& at = board.value.position;
  BoardChain chain;
  if (std::find(names.boards.begin(), names.boards.end(), name) == names.boards.end()) {
    diagnostics.add(
        at, fmt::format("board: unknown board {}{}", quote(name), suggest(name, usable_boards(project, names))));
    return chain;
  }
  const std::size_t before = diagnostics.size();
  chain.links = read_chain(project, ChainOf::Boards, name, names, diagnostics);
  if (!chain.links.empty() && find_abstract(chain.links.front().document))
    diagnostics.add(at, fmt::format("board: {} is abstract: name a board that extends it{}", quote(name),
                                    suggest(name, usable_boards(project, names))));
  chain.whole = diagnostics.size() == before;
  for (const auto& link : chain.links) {
    const Member* said = find_text(link.document, "name");
    if (said && said->value.text != link.name)
      diagnostics.add(said->value.position, fmt::format("name must be {}, the name of the folder, not {}",
                                                        quote(link.name), quote(said->value.text)));
    else if (!find(link.document, "name"))
      diagnostics.add({link.file, 1, 1}, "name is missing");
  }
  return chain;
}

std::vector<std::string> board_files(const std::filesystem::path& project, const std::vector<std::string>& boards,
                                     const std::string& file) {
  std::vector<std::string> found;
  for (const auto& board : boards) {
    const std::string path = "boards/" + board + "/" + file;
    if (std::error_code ignored; std::filesystem::is_regular_file(project / path, ignored)) found.push_back(path);
  }
  return found;
}

}  // namespace k8simg::config
