// Unsigned integers in byte strings, read and written one byte at a time: independent of alignment and byte order.
// OpenSSL's functions for hexadecimal digits write capital letters and report malformed digits as errors of OpenSSL.
#include "util/bytes.hpp"

namespace k8simg {

namespace {

/// The shift of the byte at `index`, in bits.
unsigned shift_of(unsigned index, unsigned width, std::endian order) {
  return 8 * (order == std::endian::little ? index : width - 1 - index);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::uint64_t> read_number(std::string_view bytes, std::uint64_t offset, unsigned width,
                                         std::endian order) {
  if (offset > bytes.size() || bytes.size() - offset < width) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[offset + i])} << shift_of(i, width, order);
  return value;
}

void append_number(std::string& bytes, std::uint64_t value, unsigned width, std::endian order) {
  for (unsigned i = 0; i < width; ++i) bytes += static_cast<char>(value >> shift_of(i, width, order) & 0xff);
}

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string bytes(digits.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes[i] = static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace k8simg
