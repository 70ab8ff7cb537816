// Compiles hwdb(7) files: reads them into a trie of match patterns and writes the trie.
#include "rootfs/hardware_database.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>

#include "util/bytes.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

constexpr std::size_t hwdb_header_size = 80, node_size = 24, child_size = 16, value_size = 32;

struct Property {
  std::string value;
  std::size_t file = 0;  ///< index into the list of files
  std::size_t line = 0;  ///< from 1
};

/// All patterns below a node begin with the characters on the path to it, followed by its prefix.
struct TrieNode {
  std::string prefix;
  std::map<unsigned char, std::unique_ptr<TrieNode>> children;  ///< by the character after the prefix
  std::map<std::string, Property> values;  ///< of the pattern that ends here, by key with its leading space
};

TrieNode& insert(TrieNode& root, std::string_view pattern) {
  TrieNode* node = &root;
  for (;;) {
    const auto [ours, theirs] = std::mismatch(node->prefix.begin(), node->prefix.end(), pattern.begin(), pattern.end());
    const auto same = static_cast<std::size_t>(ours - node->prefix.begin());
    if (same < node->prefix.size()) {  // split the node at the first difference
      auto tail = std::make_unique<TrieNode>();
      tail->prefix = node->prefix.substr(same + 1);
      tail->children.swap(node->children);
      tail->values.swap(node->values);
      const auto character = static_cast<unsigned char>(node->prefix[same]);
      node->prefix.resize(same);
      node->children[character] = std::move(tail);
    }
    pattern.remove_prefix(same);
    if (pattern.empty()) return *node;
    auto& child = node->children[static_cast<unsigned char>(pattern.front())];
    pattern.remove_prefix(1);
    if (!child) {
      child = std::make_unique<TrieNode>();
      child->prefix = pattern;
    }
    node = child.get();
  }
}

/// Writes the header, the nodes with their children and values, and the strings. Children come before their parents;
/// the root is last.
class Writer {
 public:
  explicit Writer(const std::vector<HardwareFile>& files) : files_(files) {}

  std::string write(const TrieNode& root) {
    count(root);
    const std::uint64_t root_offset = put(root);
    std::string file = "KSLPHHRH";
    for (const std::uint64_t number :
         {std::uint64_t{257}, strings_at_ + strings_.size(), std::uint64_t{hwdb_header_size}, std::uint64_t{node_size},
          std::uint64_t{child_size}, std::uint64_t{value_size}, root_offset, std::uint64_t{nodes_.size()},
          std::uint64_t{strings_.size()}}) {
      append_number(file, number, 8);
    }
    return file + nodes_ + strings_;
  }

 private:
  /// Strings follow the nodes and are referred to by their offset in the file, so the size of the nodes is computed
  /// first.
  void count(const TrieNode& node) {
    strings_at_ += node_size + node.children.size() * child_size + node.values.size() * value_size;
    for (const auto& [character, child] : node.children) count(*child);
  }

  std::uint64_t string(const std::string& text) {
    const auto [known, is_new] = string_offsets_.try_emplace(text, strings_.size());
    if (is_new) strings_ += text, strings_ += '\0';
    return strings_at_ + known->second;
  }

  std::uint64_t put(const TrieNode& node) {
    std::vector<std::pair<unsigned char, std::uint64_t>> children;
    for (const auto& [character, child] : node.children) children.emplace_back(character, put(*child));
    const std::uint64_t offset = hwdb_header_size + nodes_.size();
    append_number(nodes_, string(node.prefix), 8);
    append_number(nodes_, children.size(), 8);  // one byte and seven of padding
    append_number(nodes_, node.values.size(), 8);
    for (const auto& [character, child] : children) {
      append_number(nodes_, character, 8);
      append_number(nodes_, child, 8);
    }
    for (const auto& [key, property] : node.values) {
      append_number(nodes_, string(key), 8);
      append_number(nodes_, string(property.value), 8);
      append_number(nodes_, string(files_[property.file].path), 8);
      append_number(nodes_, property.line, 4);
      append_number(nodes_, property.file + 1,
                    2);  // among properties of several patterns, that of the later file is used
      append_number(nodes_, 0, 2);
    }
    return offset;
  }

  const std::vector<HardwareFile>& files_;
  std::string nodes_, strings_;
  std::uint64_t strings_at_ = hwdb_header_size;
  std::map<std::string, std::uint64_t> string_offsets_;
};

/// A record consists of one or more lines with patterns, lines " KEY=VALUE", and an empty line.
void read_file(TrieNode& root, const HardwareFile& file, std::size_t index,
               const std::function<void(const std::string&)>& warn) {
  std::vector<std::string> patterns;
  bool in_properties = false;
  std::size_t number = 0;
  for (const std::string& raw : split(file.text, '\n')) {
    ++number;
    if (raw.starts_with('#')) continue;
    std::string line = raw.substr(0, raw.find('#'));
    line.resize(line.find_last_not_of(" \t\r\n\v\f") + 1);
    const auto skip = [&](const char* why) { warn(fmt::format("{}:{}: {}", file.path, number, why)); };
    if (line.empty()) {
      if (!patterns.empty() && !in_properties) skip("a pattern without properties");
      patterns.clear(), in_properties = false;
    } else if (line.front() != ' ') {
      if (in_properties) {
        skip("neither a property nor an empty line, which ends the record");
        patterns.clear(), in_properties = false;
      } else {
        patterns.push_back(line);
      }
    } else if (patterns.empty()) {
      skip("a property without a pattern");
    } else {
      in_properties = true;
      const auto equals = line.find('=');
      const auto name = line.find_first_not_of(" \t");
      if (equals == std::string::npos || name >= equals) {
        skip("neither a pattern nor \" KEY=VALUE\"");
        continue;
      }
      for (const std::string& pattern : patterns) {
        insert(root, pattern).values[" " + line.substr(name, equals - name)] = {line.substr(equals + 1), index, number};
      }
    }
  }
}

}  // namespace

std::string compile_hardware_database(const std::vector<HardwareFile>& files,
                                      const std::function<void(const std::string&)>& warn) {
  TrieNode root;
  for (std::size_t index = 0; index < files.size(); ++index) read_file(root, files[index], index, warn);
  return Writer(files).write(root);
}

}  // namespace k8simg::rootfs
