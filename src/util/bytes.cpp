// Unsigned integers in byte strings, read and written one byte at a time: independent of alignment and byte order.
#include "util/bytes.hpp"

namespace k8simg {

namespace {

/// The shift of the byte at `index`, in bits.
unsigned shift_of(unsigned index, unsigned width, std::endian order) {
  return 8 * (order == std::endian::little ? index : width - 1 - index);
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

}  // namespace k8simg
