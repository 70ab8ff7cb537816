// Writes /etc/ld.so.cache with the same bytes as ldconfig.
#include "rootfs/library_cache.hpp"

#include <algorithm>
#include <map>

#include "util/bytes.hpp"

namespace k8simg::rootfs {

namespace {

constexpr std::size_t header_size = 48, entry_size = 24;
constexpr std::uint32_t extension_magic = 0xeaa42174;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The order of the string table: strings are compared from their end, in descending order; a string comes before its
/// suffixes.
bool before_in_table(const std::string& a, const std::string& b) {
  const auto [left, right] = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  if (left != a.rend() && right != b.rend())
    return static_cast<unsigned char>(*left) > static_cast<unsigned char>(*right);
  return a.size() > b.size();
}

}  // namespace

int compare_library_names(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size()) {
    if (is_digit(a[i])) {
      if (j >= b.size() || !is_digit(b[j])) return 1;
      std::uint64_t first = 0, second = 0;
      while (i < a.size() && is_digit(a[i])) first = first * 10 + static_cast<unsigned>(a[i++] - '0');
      while (j < b.size() && is_digit(b[j])) second = second * 10 + static_cast<unsigned>(b[j++] - '0');
      if (first != second) return first < second ? -1 : 1;
    } else if (j < b.size() && is_digit(b[j])) {
      return -1;
    } else if (j >= b.size() || a[i] != b[j]) {
      const int other = j < b.size() ? static_cast<unsigned char>(b[j]) : 0;
      return static_cast<unsigned char>(a[i]) - other;
    } else {
      ++i, ++j;
    }
  }
  return j < b.size() ? -1 : 0;
}

std::string library_cache_bytes(std::vector<CachedLibrary> libraries, const std::string& generator) {
  std::stable_sort(libraries.begin(), libraries.end(), [](const CachedLibrary& a, const CachedLibrary& b) {
    const int names = compare_library_names(b.soname, a.soname);
    return names != 0 ? names < 0 : a.flags > b.flags;
  });
  std::vector<std::string> strings;
  for (const auto& each : libraries) strings.push_back(each.soname), strings.push_back(each.path);
  std::sort(strings.begin(), strings.end(), before_in_table);
  strings.erase(std::unique(strings.begin(), strings.end()), strings.end());
  std::map<std::string, std::uint32_t, std::less<>> offsets;
  std::string table;
  const std::string* previous = nullptr;
  for (const auto& each : strings) {  // a string that is a suffix of the previous one shares its bytes
    if (previous != nullptr && previous->ends_with(each)) {
      offsets[each] = offsets[*previous] + static_cast<std::uint32_t>(previous->size() - each.size());
    } else {
      offsets[each] = static_cast<std::uint32_t>(table.size());
      table.append(each).push_back('\0');
    }
    previous = &each;
  }
  const auto base = static_cast<std::uint32_t>(header_size + libraries.size() * entry_size);
  const auto end = base + static_cast<std::uint32_t>(table.size());
  const auto extension = generator.empty() ? 0 : (end + 3) / 4 * 4;

  std::string bytes = "glibc-ld.so.cache1.1";
  append_number(bytes, libraries.size(), 4);
  append_number(bytes, table.size(), 4);
  append_number(bytes, 2, 4);  // little-endian, and three bytes of padding
  append_number(bytes, extension, 4);
  bytes.append(header_size - bytes.size(), '\0');
  for (const auto& each : libraries) {
    append_number(bytes, each.flags, 4);
    append_number(bytes, base + offsets[each.soname], 4);
    append_number(bytes, base + offsets[each.path], 4);
    bytes.append(12, '\0');  // osversion and hwcap
  }
  bytes += table;
  if (generator.empty()) return bytes;
  bytes.resize(extension, '\0');
  append_number(bytes, extension_magic, 4);
  append_number(bytes, 1, 4);  // one section: tag 0 is the generator
  append_number(bytes, 0, 4);
  append_number(bytes, 0, 4);
  append_number(bytes, extension + 24, 4);
  append_number(bytes, generator.size(), 4);
  return bytes + generator;
}

}  // namespace k8simg::rootfs
