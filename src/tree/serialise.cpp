// The canonical text of a tree. Equal trees give equal bytes, and parse() accepts only canonical text.
//
// A line is: path, type letter, mode (octal), uid, gid, mtime, fields of the type, origin, then NAME=VALUE for each
// extended attribute. The fields of the types are:
//   f  size, SHA-256, link group        l  target        c, b  major, minor        d, p  nothing
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "tree/path.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::string_view header = "k8simg-tree 1\n";
constexpr std::string_view hex_digits = "0123456789abcdef";

bool plain(unsigned char byte) { return byte >= 0x20 && byte < 0x7f && byte != '\\'; }

void append_escaped(std::string& out, std::string_view bytes, char also = '\\') {
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    if (plain(code) && byte != also) {
      out += byte;
    } else {
      out += "\\x";
      out += hex_digits[code >> 4];
      out += hex_digits[code & 15];
    }
  }
}

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), end);
}

char letter(NodeType type) {
  switch (type) {
    case NodeType::File:
      return 'f';
    case NodeType::Directory:
      return 'd';
    case NodeType::Symlink:
      return 'l';
    case NodeType::CharDevice:
      return 'c';
    case NodeType::BlockDevice:
      return 'b';
    case NodeType::Fifo:
      return 'p';
  }
  throw Error(ErrorKind::Internal, "a node has no type");
}

/// Reads the fields of a line from left to right. Errors name the line.
class LineReader {
 public:
  LineReader(std::string_view line, std::size_t number) : rest_(line), number_(number) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::Internal, fmt::format("tree, line {}: {}", number_, what),
                "The tree was not written by this program, or the store is damaged: remove the store and build again.");
  }

  bool at_end() const { return ended_; }

  std::string_view field(const char* what) {
    if (ended_) fail(fmt::format("{} is missing", what));
    const auto tab = rest_.find('\t');
    const auto result = rest_.substr(0, tab);
    if (tab == rest_.npos) {
      ended_ = true;
    } else {
      rest_.remove_prefix(tab + 1);
    }
    return result;
  }

  template <class Number>
  Number number(const char* what, int base = 10, Number limit = std::numeric_limits<Number>::max()) {
    const auto text = field(what);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || value > limit)
      fail(fmt::format("{} '{}' is not a number", what, text));
    const auto digits = text.starts_with('-') ? text.substr(1) : text;
    if ((digits.starts_with('0') && digits.size() > 1) || (text.starts_with('-') && value == 0)) {
      fail(fmt::format("{} '{}' is not in its shortest form", what, text));
    }
    return value;
  }

  std::string text(const char* what) { return unescape(field(what), what, '\\'); }

  std::string unescape(std::string_view escaped, const char* what, char also) const {
    std::string bytes;
    bytes.reserve(escaped.size());
    for (std::size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] != '\\') {
        if (!plain(static_cast<unsigned char>(escaped[i])) || escaped[i] == also)
          fail(fmt::format("{} holds a byte that must be escaped", what));
        bytes += escaped[i];
        continue;
      }
      const auto high =
          i + 3 < escaped.size() && escaped[i + 1] == 'x' ? hex_digits.find(escaped[i + 2]) : std::string_view::npos;
      const auto low = high != std::string_view::npos ? hex_digits.find(escaped[i + 3]) : std::string_view::npos;
      if (low == std::string_view::npos) fail(fmt::format("{} holds a malformed escape", what));
      const auto byte = static_cast<unsigned char>(high << 4 | low);
      if (plain(byte) && static_cast<char>(byte) != also)
        fail(fmt::format("{} escapes a byte that stands for itself", what));
      bytes += static_cast<char>(byte);
      i += 3;
    }
    return bytes;
  }

 private:
  std::string_view rest_;
  std::size_t number_;
  bool ended_ = false;
};

NodeType read_type(LineReader& line) {
  const auto text = line.field("type");
  if (text == "f") return NodeType::File;
  if (text == "d") return NodeType::Directory;
  if (text == "l") return NodeType::Symlink;
  if (text == "c") return NodeType::CharDevice;
  if (text == "b") return NodeType::BlockDevice;
  if (text == "p") return NodeType::Fifo;
  line.fail(fmt::format("unknown type '{}'", text));
}

Node read_node(LineReader& line) {
  Node node;
  node.type = read_type(line);
  node.mode = line.number<std::uint32_t>("mode", 8, 07777);
  node.uid = line.number<std::uint32_t>("uid");
  node.gid = line.number<std::uint32_t>("gid");
  node.mtime = line.number<std::int64_t>("mtime");
  if (node.type == NodeType::File) {
    node.size = line.number<std::uint64_t>("size");
    const auto hex = line.field("content");
    const auto digest = Digest::parse(hex);
    if (!digest || hex.find_first_not_of(hex_digits) != hex.npos)
      line.fail(fmt::format("content '{}' is not a SHA-256", hex));
    node.content = *digest;
    node.link_group = line.text("link group");
  } else if (node.type == NodeType::Symlink) {
    node.target = line.text("target");
  } else if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice) {
    node.major = line.number<std::uint32_t>("major");
    node.minor = line.number<std::uint32_t>("minor");
  }
  node.origin = Origin(line.text("origin"));
  while (!line.at_end()) {
    const auto field = line.field("extended attribute");
    const auto equals = field.find('=');
    if (equals == field.npos || equals == 0) line.fail(fmt::format("extended attribute '{}' is not NAME=VALUE", field));
    auto name = line.unescape(field.substr(0, equals), "extended attribute", '=');
    auto value = line.unescape(field.substr(equals + 1), "extended attribute", '\\');
    if (!node.xattrs.empty() && !(node.xattrs.rbegin()->first < name))
      line.fail(fmt::format("extended attribute '{}' is out of order", name));
    node.xattrs.emplace_hint(node.xattrs.end(), std::move(name), std::move(value));
  }
  return node;
}

}  // namespace

std::string Tree::serialise() const {
  std::string out;
  out.reserve(header.size() + nodes_.size() * 200);
  out += header;
  for (const auto& [path, node] : nodes_) {
    if (node.mode > 07777)
      throw Error(ErrorKind::Internal, fmt::format("{}: mode {:o} has more than permission bits", path, node.mode));
    append_escaped(out, path);
    out += '\t';
    out += letter(node.type);
    out += '\t';
    append_number(out, node.mode, 8);
    out += '\t';
    append_number(out, node.uid);
    out += '\t';
    append_number(out, node.gid);
    out += '\t';
    append_number(out, node.mtime);
    out += '\t';
    if (node.type == NodeType::File) {
      append_number(out, node.size);
      out += '\t';
      out += node.content.hex();
      out += '\t';
      append_escaped(out, node.link_group);
      out += '\t';
    } else if (node.type == NodeType::Symlink) {
      append_escaped(out, node.target);
      out += '\t';
    } else if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice) {
      append_number(out, node.major);
      out += '\t';
      append_number(out, node.minor);
      out += '\t';
    }
    append_escaped(out, node.origin.text());
    for (const auto& [name, value] : node.xattrs) {
      if (name.empty()) throw Error(ErrorKind::Internal, fmt::format("{}: an extended attribute has no name", path));
      out += '\t';
      append_escaped(out, name, '=');
      out += '=';
      append_escaped(out, value);
    }
    out += '\n';
  }
  return out;
}

Tree Tree::parse(std::string_view text) {
  if (!text.starts_with(header)) {
    throw Error(ErrorKind::Internal, "tree, line 1: not 'k8simg-tree 1'",
                "Another version of the program wrote it: use another store folder.");
  }
  text.remove_prefix(header.size());
  Tree tree;
  for (std::size_t number = 2; !text.empty(); ++number) {
    const auto newline = text.find('\n');
    LineReader line(text.substr(0, newline), number);
    if (newline == text.npos) line.fail("the end of the line is missing");
    text.remove_prefix(newline + 1);
    auto path = line.text("path");
    if (!is_tree_path(path)) line.fail(fmt::format("'{}' is not a path of a tree", path));
    if (!tree.nodes_.empty() && !(tree.nodes_.rbegin()->first < path))
      line.fail(fmt::format("'{}' is out of order", path));
    tree.nodes_.emplace_hint(tree.nodes_.end(), std::move(path), read_node(line));
  }
  return tree;
}

}  // namespace k8simg
