// Text functions: split, join, spelling suggestions, sizes, durations, ${name}, base64, shell quoting.
#include "util/text.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::string_view blanks = " \t\r\n\f\v";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The number of edits (insert, delete, replace, swap of neighbours) from `a` to `b`, ignoring case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    const std::size_t start = text.find_first_not_of(blanks);
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(blanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string_view trim(std::string_view text) {
  const std::size_t start = text.find_first_not_of(blanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  if (from.empty()) return text;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // Allows one edit per three letters, and at least one.
  const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  std::optional<std::string> best;
  std::size_t best_distance = limit + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::size_t at = 0;
  std::uint64_t whole = 0, thousandths = 0;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    if (whole > (most - digit) / 10) return std::nullopt;
    whole = whole * 10 + digit;
  }
  if (at == 0) return std::nullopt;
  bool fraction = false;
  if (at < text.size() && text[at] == '.') {
    fraction = true;
    ++at;
    const std::size_t start = at;
    for (std::uint64_t value = 100; at < text.size() && is_digit(text[at]); ++at, value /= 10)
      thousandths += value * static_cast<std::uint64_t>(text[at] - '0');
    if (at == start || at - start > 3) return std::nullopt;
  }
  std::string_view unit = text.substr(at);
  int shift = 0;
  if (!unit.empty() && unit != "B") {
    const std::size_t index =
        std::string_view("KMGTP").find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit.front()))));
    if (index == std::string_view::npos) return std::nullopt;
    unit.remove_prefix(1);
    if (!unit.empty() && unit != "i" && unit != "iB") return std::nullopt;
    shift = 10 * static_cast<int>(index + 1);
  }
  if (fraction && shift == 0) return std::nullopt;
  if (whole > most >> shift) return std::nullopt;
  const std::uint64_t rest = (thousandths << shift) / 1000;  // < 2^60: thousandths < 2^10, shift <= 50
  if ((whole << shift) > most - rest) return std::nullopt;
  return (whole << shift) + rest;
}

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(units)) {  // 1023.95 would print as "1024.0"
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string format_duration(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string expand(std::string_view text, const std::vector<std::pair<std::string, std::string>>& values,
                   const std::string& where) {
  std::string result;
  for (;;) {
    const std::size_t start = text.find("${");
    result += text.substr(0, start);
    if (start == std::string_view::npos) return result;
    text.remove_prefix(start + 2);
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos)
      throw Error(ErrorKind::Usage, fmt::format("{}: `${{{}` has no closing brace", where, text));
    const std::string_view name = text.substr(0, end);
    const auto found =
        std::find_if(values.begin(), values.end(), [&](const auto& value) { return value.first == name; });
    if (found == values.end()) {
      std::vector<std::string> names;
      for (const auto& value : values) names.push_back(value.first);
      const auto near = nearest(name, names);
      throw Error(ErrorKind::Usage, fmt::format("{}: `${{{}}}` is not a known name", where, name),
                  near            ? fmt::format("Did you mean `${{{}}}`?", *near)
                  : names.empty() ? std::string("No names can be used here.")
                                  : fmt::format("Known names: {}.", join(names, ", ")));
    }
    result += found->second;
    text.remove_prefix(end + 1);
  }
}

std::string_view without_v(std::string_view version) { return version.starts_with('v') ? version.substr(1) : version; }

std::string base64_encode(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL adds a zero byte
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string shell_word(std::string_view text) { return "'" + replace_all(std::string(text), "'", "'\\''") + "'"; }

}  // namespace k8simg
