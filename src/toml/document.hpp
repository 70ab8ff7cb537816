// A TOML file as plain data whose every key and value knows its line and column, and the list of mistakes found so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "toml/setting.hpp"

namespace k8simg::toml {

/// Collects mistakes, so that one run shows all of them.
class Diagnostics {
 public:
  void add(const SourcePosition& position, const std::string& message);
  bool empty() const { return lines_.empty(); }
  std::size_t size() const { return lines_.size(); }
  const std::vector<std::string>& lines() const { return lines_; }
  void throw_if_any() const;  ///< Error{Usage} with one line per mistake

 private:
  std::vector<std::string> lines_;
};

/// "boards/pc/board.toml:3:1", or "--set" for the command line.
std::string describe(const SourcePosition& position);
/// " (did you mean \"NAME\"?)", or what there is when nothing is near; "" without candidates.
std::string suggest(const std::string& word, const std::vector<std::string>& candidates);
/// A JSON string, which is a TOML basic string as well.
std::string quote(std::string_view text);

enum class Kind { String, Integer, Boolean, Array, Table, Other };

struct Value;
struct Member;

struct Value {
  Kind kind = Kind::Other;
  SourcePosition position;
  std::string text;  ///< String; for --set, every scalar as it was typed
  std::int64_t integer = 0;
  bool boolean = false;
  bool typed = false;           ///< came from --set: a scalar may stand for a string or for a list of one
  const char* other = "";       ///< Other: what it is ("a date")
  std::vector<Value> items;     ///< Array
  std::vector<Member> members;  ///< Table, in file order
};
struct Member {
  std::string key;
  SourcePosition position;
  Value value;
};

const char* describe(const Value& value);  ///< "a string", "a table", ...
const Member* find(const Value& table, std::string_view key);

/// Parses `text` (TOML 1.0); `file` is what positions name. A syntax error goes to `diagnostics`, and nothing is
/// returned.
std::optional<Value> parse_document(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// One --set argument. "key=value" replaces, "key+=value" adds to a list; the key may be dotted and quoted as in TOML.
struct Override {
  Value document;
  bool append = false;
};
std::optional<Override> parse_override(const std::string& argument, Diagnostics& diagnostics);

}  // namespace k8simg::toml
