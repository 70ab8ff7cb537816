// Reads bytes from front to back, for ARM build attributes and Go build information.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg {

[[noreturn]] inline void damaged(const std::string& what) { throw Error(ErrorKind::Step, what); }

/// A range of bytes from which a reader takes values. Its errors are Error{Step}.
class ByteRun {
 public:
  explicit ByteRun(std::string_view bytes, std::endian order = std::endian::little) : rest_(bytes), order_(order) {}
  bool empty() const { return rest_.empty(); }
  std::size_t size() const { return rest_.size(); }

  std::string_view take(std::uint64_t count, const char* what) {
    if (count > rest_.size()) damaged(fmt::format("{} is truncated", what));
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint32_t word(const char* what) { return static_cast<std::uint32_t>(*read_number(take(4, what), 0, 4, order_)); }
  /// Seven bits per byte, lowest first: ULEB128, and Go's varints.
  std::uint64_t number(const char* what) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1, what)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    damaged(fmt::format("{} has a number of more than 64 bits", what));
  }
  std::string_view text(const char* what) {
    const auto end = rest_.find('\0');
    if (end == std::string_view::npos) damaged(fmt::format("{} is truncated", what));
    const auto taken = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return taken;
  }

 private:
  std::string_view rest_;
  std::endian order_;
};

}  // namespace k8simg
