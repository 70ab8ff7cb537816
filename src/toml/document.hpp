// A TOML file as plain data with the line and column of each key and value, and the list of mistakes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "toml/setting.hpp"

namespace k8simg::toml {

/// Collects mistakes, so that one run reports all of them.
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
/// " (did you mean \"NAME\"?)", or " (available: A, B)" if no candidate is similar; "" without candidates.
std::string suggest(const std::string& word, const std::vector<std::string>& candidates);
/// A JSON string, which is also a TOML basic string.
std::string quote(std::string_view text);

enum class Kind { String, Integer, Boolean, Array, Table, Other };

struct Value;
struct Member;

struct Value {
  Kind kind = Kind::Other;
  SourcePosition position;
  std::string text;  ///< String; for --set, every scalar as typed
  std::int64_t integer = 0;
  bool boolean = false;
  bool typed = false;           ///< set by --set: a scalar may also be a string or a list of one item
  const char* other = "";       ///< Other: a description ("a date or time")
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

/// Parses `text` (TOML 1.0). `file` is the name in positions. On a syntax error, adds it to `diagnostics` and returns
/// nullopt.
std::optional<Value> parse_document(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// One --set argument. "key=value" replaces, "key+=value" adds to a list. The key may have dots and quotes as in TOML.
struct Override {
  Value document;
  bool append = false;
};
std::optional<Override> parse_override(const std::string& argument, Diagnostics& diagnostics);

}  // namespace k8simg::toml
