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
/// The candidate with the smallest edit distance, if it is close enough to be a typing error.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);
/// Matches a whole path like fnmatch: `*` and `?` do not match `/`, `**` matches anything, `[a-z]` and `[!a-z]` are
/// classes, `\` makes the next character literal. `**/` also matches no folder: `a/**/b` matches `a/b`.
bool glob_match(std::string_view pattern, std::string_view path);
/// "256M", "1.5G", "4096", "64MiB": binary units (K, M, G, T, P, any case) and at most three decimals. `MB` is rejected
/// because it is ambiguous. nullopt when malformed or more than 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  ///< "4.9 MiB"
std::string format_duration(double seconds);   ///< "0.42 s", "3 min 12 s"
/// Expands ${name}. An unknown name or a missing brace throws Error{Usage} naming it and `where`. A `$` without `{` is
/// kept.
std::string expand(std::string_view text, const std::vector<std::pair<std::string, std::string>>& values,
                   const std::string& where);
/// Replaces the secrets of URLs in the text: user and password (`scheme://***@host`) and query (`?***`).
std::string without_secrets(std::string_view text);
/// Escapes control characters (C0 except newline and tab, DEL, C1) and invalid UTF-8 as \xNN or \u00NN, and changes
/// "\r\n" to "\n". Valid UTF-8 JSON keeps its meaning.
std::string printable(std::string_view text);
/// The same, with newline and tab escaped too, for text within a line.
std::string printable_line(std::string_view text);
/// The last `most` bytes of the text, or up to 3 less, so that no UTF-8 character is cut.
std::string_view last_bytes(std::string_view text, std::size_t most);
std::string base64_encode(std::string_view bytes);  ///< of less than 1 GiB
/// A version as Go modules write it, without its "v": "1.37.2" for "v1.37.2" and for "1.37.2".
std::string_view without_v(std::string_view version);
/// Quotes the text as one word for sh, in single quotes: 'it'\''s'.
std::string shell_word(std::string_view text);

}  // namespace k8simg
