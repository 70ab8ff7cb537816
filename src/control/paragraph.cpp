// The deb822 reader: one pass over the text with memchr, without copies.
#include "control/paragraph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace k8simg {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// deb822(5): printable ASCII except space and colon, not beginning with '#' or '-'.
bool is_field_name(std::string_view name) {
  if (name.empty() || name.front() == '#' || name.front() == '-') return false;
  for (char c : name)
    if (c <= ' ' || c > '~') return false;
  return true;
}

std::string excerpt(std::string_view line) {
  std::string text;
  for (char c : line.substr(0, 40)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + (line.size() > 40 ? "..." : "");
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::optional<std::string_view> ControlParagraph::find(std::string_view name) const {
  for (const ControlField& field : fields_)
    if (equal_ignoring_case(field.name, name)) return field.value;
  return std::nullopt;
}

tl::expected<bool, ParseError> ControlReader::next(ControlParagraph& paragraph) {
  paragraph.fields_.clear();
  std::size_t begin = 0, end = 0;
  const auto fail = [&](std::string message) {
    position_ = text_.size();
    return tl::make_unexpected(ParseError{line_, std::move(message)});
  };
  while (position_ < text_.size()) {
    const char* start = text_.data() + position_;
    const void* newline = std::memchr(start, '\n', text_.size() - position_);
    const std::size_t length =
        newline ? static_cast<std::size_t>(static_cast<const char*>(newline) - start) : text_.size() - position_;
    const std::string_view line(start, length);
    const std::string_view content = without_blanks(line);
    if (content.empty()) {
      // As in apt and dpkg, a line of only whitespace ends a paragraph too.
      position_ += length + (newline ? 1 : 0);
      ++line_;
      if (!paragraph.fields_.empty()) break;
      continue;
    }
    if (line.front() == '#') {
      position_ += length + (newline ? 1 : 0);
      ++line_;
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') {
      if (paragraph.fields_.empty()) return fail("a continuation line before any field: \"" + excerpt(line) + "\"");
      std::string_view& value = paragraph.fields_.back().value;
      const std::string_view last = content;
      // The value begins on an earlier line of the same text, so that it can be widened in place.
      value = std::string_view(value.data(), static_cast<std::size_t>(last.data() + last.size() - value.data()));
    } else {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos)
        return fail("neither a field nor a continuation line: \"" + excerpt(line) + "\"");
      const std::string_view name = line.substr(0, colon);
      if (!is_field_name(name)) return fail("a field name that deb822 does not allow: \"" + excerpt(name) + "\"");
      for (const ControlField& field : paragraph.fields_)
        if (equal_ignoring_case(field.name, name))
          return fail("field " + std::string(name) + " twice in one paragraph");
      std::string_view value = line.substr(colon + 1);
      while (!value.empty() && is_blank(value.front())) value.remove_prefix(1);
      while (!value.empty() && is_blank(value.back())) value.remove_suffix(1);
      if (paragraph.fields_.empty()) {
        paragraph.line_ = line_;
        begin = position_;
      }
      paragraph.fields_.push_back({name, value});
    }
    if (std::memchr(start, '\0', length)) return fail("a NUL byte");
    end = position_ + length;
    position_ += length + (newline ? 1 : 0);
    ++line_;
  }
  if (paragraph.fields_.empty()) return false;
  paragraph.text_ = text_.substr(begin, end - begin);
  return true;
}

tl::expected<ControlParagraph, ParseError> parse_control(std::string_view text) {
  ControlReader reader(text);
  ControlParagraph paragraph, second;
  auto found = reader.next(paragraph);
  if (!found) return tl::make_unexpected(found.error());
  if (!*found) return tl::make_unexpected(ParseError{1, "no field"});
  auto more = reader.next(second);
  if (!more) return tl::make_unexpected(more.error());
  if (*more) return tl::make_unexpected(ParseError{second.line(), "a second paragraph where one is expected"});
  return paragraph;
}

ControlParagraph parse_control_file(std::string_view text, std::string_view name, std::string_view version) {
  auto paragraph = parse_control(text);
  if (!paragraph) throw control_file_error(name, version, paragraph.error().line, paragraph.error().message);
  return *std::move(paragraph);
}

Error control_file_error(std::string_view name, std::string_view version, std::size_t line, const std::string& what) {
  return Error(ErrorKind::Fetch, fmt::format("the control file of {} {}, line {}: {}", name, version, line, what),
               "The package is malformed: use another version of it, or report it to its maintainer.");
}

std::size_t line_of(std::string_view text, std::string_view value) {
  return static_cast<std::size_t>(std::count(text.data(), value.data(), '\n')) + 1;
}

}  // namespace k8simg
