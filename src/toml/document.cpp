// Converts toml++'s trees to plain data, so that schemas and rules do not depend on toml++.
#include "toml/document.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::toml {
namespace {

SourcePosition position_of(const ::toml::source_region& region, const std::string& file) {
  return {file, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

Value convert(const ::toml::node& node, const std::string& file) {
  Value value;
  value.position = position_of(node.source(), file);
  if (const auto* text = node.as_string()) {
    value.kind = Kind::String;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::Integer;
    value.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = Kind::Boolean;
    value.boolean = boolean->get();
  } else if (const auto* array = node.as_array()) {
    value.kind = Kind::Array;
    for (const auto& item : *array) value.items.push_back(convert(item, file));
  } else if (const auto* table = node.as_table()) {
    value.kind = Kind::Table;
    for (const auto& [key, member] : *table) {
      SourcePosition position = position_of(key.source(), file);
      value.members.push_back({std::string(key.str()), position, convert(member, file)});
    }
    // toml++ sorts members by key. Messages are in the order of the file.
    std::stable_sort(value.members.begin(), value.members.end(), [](const Member& a, const Member& b) {
      return std::pair(a.position.line, a.position.column) < std::pair(b.position.line, b.position.column);
    });
  } else {
    value.other = node.is_floating_point() ? "a number with a fraction" : "a date or time";
  }
  return value;
}

/// Whether a name follows the brackets of a table header. `header`: the text from its "[" on.
bool names_table(std::string_view header) {
  header.remove_prefix(1);
  if (header.starts_with('[')) header.remove_prefix(1);
  const auto start = header.find_first_not_of(" \t");
  if (start == std::string_view::npos) return false;
  const char c = header[start];
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '"' || c == '\'';
}

struct Mistake {
  SourcePosition position;
  std::string text;
};

/// Finds input on which toml++ 3.3 has undefined behaviour; nullopt if there is none:
/// - non-ASCII characters outside of comments and quotes: it reaches code that is marked unreachable;
/// - a table header without a name: it asserts that there is one, and assumes it when assertions are off.
std::optional<Mistake> find_unreadable(std::string_view text, const std::string& file) {
  SourcePosition position{file, 1, 1};
  std::string_view end;  // the end of the current comment or quote; "" outside of one
  int depth = 0;         // nesting of brackets and braces in a value
  bool beginning = true, header = false;
  for (std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < text.size();) {
    const auto rest = text.substr(i);
    std::size_t length = 1;
    if (end.empty()) {
      const char c = rest[0];
      if ((static_cast<unsigned char>(c) & 0x80) != 0)
        return Mistake{position, "only comments and quoted text may contain non-ASCII characters"};
      if (c == '[' && beginning && depth == 0) {
        if (!names_table(rest)) return Mistake{position, "the name of a table is missing"};
        header = true;
      }
      if (!header && (c == '[' || c == '{')) ++depth;
      if (!header && depth > 0 && (c == ']' || c == '}')) --depth;
      if (c != ' ' && c != '\t') beginning = false;
      for (const std::string_view quote : {R"(""")", "'''", "\"", "'"}) {
        if (!rest.starts_with(quote)) continue;
        end = quote, length = quote.size();
        break;
      }
      if (c == '#') end = "\n";
    } else if (end[0] == '"' && rest[0] == '\\') {
      length = std::min<std::size_t>(2, rest.size());
    } else if (rest.starts_with(end)) {
      length = end.size();
      // Up to two quotes may precede the three that end a multi-line string.
      while (end.size() == 3 && length < 5 && length < rest.size() && rest[length] == end[0]) ++length;
      end = {};
    } else if (rest[0] == '\n' && end.size() == 1) {
      end = {};  // toml++ reports the unterminated quote
    }
    for (const char c : rest.substr(0, length)) {
      if (c == '\n') {
        ++position.line, position.column = 1;
        if (end.empty()) beginning = true, header = false;
      } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
        ++position.column;
      }
    }
    i += length;
  }
  return std::nullopt;
}

/// Returns nullopt on a syntax error, and adds it to `diagnostics` unless that is null.
std::optional<Value> parse(std::string_view text, const std::string& file, Diagnostics* diagnostics) {
  if (const auto mistake = find_unreadable(text, file)) {
    if (diagnostics) diagnostics->add(mistake->position, mistake->text);
    return std::nullopt;
  }
  try {
    ::toml::table table = ::toml::parse(text, file);
    return convert(table, file);
  } catch (const ::toml::parse_error& failure) {
    if (diagnostics) diagnostics->add(position_of(failure.source(), file), std::string(failure.description()));
    return std::nullopt;
  }
}

/// Marks `value` and all values in it as set by --set. Scalars keep the text as typed.
void mark_typed(Value& value, const std::string& typed) {
  value.typed = true;
  value.position = {"--set", 0, 0};
  for (auto& member : value.members) {
    member.position = value.position;
    mark_typed(member.value, typed);
  }
  for (auto& item : value.items) mark_typed(item, item.text);
  if (value.kind != Kind::String && value.kind != Kind::Array && value.kind != Kind::Table) value.text = typed;
}

}  // namespace

std::string describe(const SourcePosition& position) {
  return position.line == 0 ? position.file : fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

void Diagnostics::add(const SourcePosition& position, const std::string& message) {
  std::string line = describe(position) + ": " + message;
  // A file that is read for several defconfigs or names has the same mistakes each time.
  if (std::find(lines_.begin(), lines_.end(), line) == lines_.end()) lines_.push_back(std::move(line));
}

void Diagnostics::throw_if_any() const {
  if (!lines_.empty()) throw Error(ErrorKind::Usage, join(lines_, "\n"));
}

std::string suggest(const std::string& word, const std::vector<std::string>& candidates) {
  if (auto near = nearest(word, candidates)) return fmt::format(" (did you mean \"{}\"?)", *near);
  if (candidates.empty()) return "";
  auto sorted = candidates;
  std::sort(sorted.begin(), sorted.end());
  return fmt::format(" (available: {})", join(sorted, ", "));
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      quoted += {'\\', static_cast<char>(c)};
    else if (c < 0x20 || c == 0x7f)
      quoted += fmt::format("\\u{:04x}", c);
    else
      quoted += static_cast<char>(c);
  }
  return quoted + '"';
}

const char* describe(const Value& value) {
  switch (value.kind) {
    case Kind::String:
      return "a string";
    case Kind::Integer:
      return "a whole number";
    case Kind::Boolean:
      return "true or false";
    case Kind::Array:
      return "a list";
    case Kind::Table:
      return "a table";
    case Kind::Other:
      break;
  }
  return value.other;
}

const Member* find(const Value& table, std::string_view key) {
  for (const auto& member : table.members)
    if (member.key == key) return &member;
  return nullptr;
}

std::optional<Value> parse_document(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  return parse(text, file, &diagnostics);
}

std::optional<Override> parse_override(const std::string& argument, Diagnostics& diagnostics) {
  const SourcePosition position{"--set", 0, 0};
  auto equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    diagnostics.add(position, fmt::format("{} is not KEY=VALUE or KEY+=VALUE", quote(argument)));
    return std::nullopt;
  }
  Override result;
  std::string key = argument.substr(0, equals), typed(trim(std::string_view(argument).substr(equals + 1)));
  if (key.back() == '+') {
    result.append = true;
    key.pop_back();
  }
  // A value that is not TOML is a bare word, which is a string. Several lines are refused: they could set other keys.
  bool one_line = argument.find_first_of("\r\n") == std::string::npos;
  std::optional<Value> document;
  if (one_line) document = parse(key + " = " + typed, "--set", nullptr);
  if (!document && one_line) document = parse(key + " = " + quote(typed), "--set", nullptr);
  if (!document) {
    diagnostics.add(position, fmt::format("{} is not KEY=VALUE: the key must be names with dots, the value one line",
                                          quote(argument)));
    return std::nullopt;
  }
  mark_typed(*document, typed);
  result.document = std::move(*document);
  return result;
}

}  // namespace k8simg::toml
