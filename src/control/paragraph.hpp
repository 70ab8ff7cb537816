// Reads Debian control data (Packages, Release, control files of packages) as views into the text, without copying.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "util/error.hpp"

namespace k8simg {

/// A parse error. The caller, which has the file's name, converts it into an Error.
struct ParseError {
  std::size_t line = 0;  ///< from 1; 0 for a text of one line
  std::string message;
};

struct ControlField {
  std::string_view name;  ///< as written; compared case-insensitively
  /// Trimmed. A value of several lines keeps its line breaks and the space at the start of each continuation line.
  std::string_view value;
};

/// One paragraph; valid as long as the text.
class ControlParagraph {
 public:
  const std::vector<ControlField>& fields() const { return fields_; }
  std::size_t line() const { return line_; }       ///< of its first field, from 1
  std::string_view text() const { return text_; }  ///< the whole paragraph without the blank line after it
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const {
    return find(name).value_or(std::string_view{});
  }  ///< "" if missing

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
  /// Reads the next paragraph into `paragraph` (reusing its memory); false at the end of the text. After an error the
  /// reader is at its end.
  tl::expected<bool, ParseError> next(ControlParagraph& paragraph);

 private:
  std::string_view text_;
  std::size_t position_ = 0, line_ = 1;
};

/// Parses a text of exactly one paragraph (Release, a package's control file).
tl::expected<ControlParagraph, ParseError> parse_control(std::string_view text);

/// The same for the control file of a package. Error{Fetch} with the package's name, version and the line.
ControlParagraph parse_control_file(std::string_view text, std::string_view name, std::string_view version);
/// For a mistake in line `line` of a package's control file.
Error control_file_error(std::string_view name, std::string_view version, std::size_t line, const std::string& what);

/// The line, from 1, on which a field's value begins. `value`: a view into `text`.
std::size_t line_of(std::string_view text, std::string_view value);

/// Compares field names; only ASCII letters are case-insensitive.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace k8simg
