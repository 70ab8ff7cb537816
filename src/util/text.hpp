// Small text functions that the standard library lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace k8simg {

std::vector<std::string> split(std::string_view text, char separator);  ///< keeps empty parts
std::vector<std::string> split_words(std::string_view text);            ///< on blanks, no empty parts
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string replace_all(std::string text, std::string_view from, std::string_view to);
/// The candidate at the smallest edit distance, if near enough to be a typing error.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);
/// fnmatch-like on paths: `*` and `?` do not match `/`, `**` matches anything, `[a-z]` and `[!a-z]` classes, `\` takes
/// the next character as it is. `**/` also matches no folder at all: `a/**/b` matches `a/b`. Full match.
bool glob_match(std::string_view pattern, std::string_view path);
/// "256M", "1.5G", "4096", "64MiB": binary units (K, M, G, T, P, any case; `MB` is refused, it means two things),
/// at most three decimals. nullopt when malformed or beyond 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  ///< "4.9 MiB"
std::string format_duration(double seconds);   ///< "0.42 s", "3 min 12 s"
/// Expands ${name}; an unknown name or a missing brace throws Error{Usage} naming it and `where`. A `$` alone stays.
std::string expand(std::string_view text, const std::vector<std::pair<std::string, std::string>>& values,
                   const std::string& where);
/// The text without what URLs in it keep secret: a user and password (`scheme://***@host`) and a query (`?***`).
std::string without_secrets(std::string_view text);
/// For people: control characters (C0 but newline and tab, DEL, C1) and bytes that are no UTF-8 become \xNN or \u00NN;
/// "\r\n" becomes "\n". JSON stays the same JSON, provided that it is UTF-8.
std::string printable(std::string_view text);
/// The same for a name that stands within a line: newline and tab are escaped too.
std::string printable_line(std::string_view text);
/// The end of the text, `most` bytes or a few less: a UTF-8 character is not cut.
std::string_view last_bytes(std::string_view text, std::size_t most);
std::string base64_encode(std::string_view bytes);
/// The text as one word of a script for sh, in single quotes: 'it'\''s'.
std::string shell_word(std::string_view text);

}  // namespace k8simg
