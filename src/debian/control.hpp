// Control data: reads deb822 paragraphs (Packages, Release, .deb control files) as views into the caller's text,
// copying nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace k8simg {

/// What is wrong with a text and where; turned into an Error by whoever knows the file's name.
struct ParseError {
  std::size_t line = 0;  ///< from 1; 0 when the text is a single line
  std::string message;
};

struct ControlField {
  std::string_view name;  ///< as written; compared without regard to case
  /// Without the blanks around it. A value of several lines keeps its line breaks and the blank that begins each
  /// further line.
  std::string_view value;
};

/// One paragraph. Valid as long as the text that it was read from.
class ControlParagraph {
 public:
  const std::vector<ControlField>& fields() const { return fields_; }
  std::size_t line() const { return line_; }       ///< of its first field, from 1
  std::string_view text() const { return text_; }  ///< the whole paragraph without the blank line after it
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const {
    return find(name).value_or(std::string_view{});
  }  ///< "" when missing

 private:
  friend class ControlReader;
  std::vector<ControlField> fields_;
  std::string_view text_;
  std::size_t line_ = 0;
};

/// Format: deb822(5). Comment lines (`#`) are accepted between fields. Refused: a line that is neither a field nor a
/// continuation, a continuation before any field, an empty or non-ASCII field name, the same field twice in a
/// paragraph, a NUL byte.
class ControlReader {
 public:
  explicit ControlReader(std::string_view text) : text_(text) {}
  /// Fills `paragraph` (its memory is used again); false at the end of the text. After an error the reader is at its
  /// end.
  tl::expected<bool, ParseError> next(ControlParagraph& paragraph);

 private:
  std::string_view text_;
  std::size_t position_ = 0, line_ = 1;
};

/// A text of exactly one paragraph (Release, a .deb's control).
tl::expected<ControlParagraph, ParseError> parse_control(std::string_view text);

/// ASCII letters only, as field names are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace k8simg
