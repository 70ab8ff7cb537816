// Whole numbers in bytes, in either byte order: for file formats of others, whatever the machine's own order is.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

constexpr std::uint64_t mebibyte = 1 << 20;

/// The number without sign that takes `width` bytes (1 to 8) from `offset` on; nullopt when they do not all lie within
/// `bytes`.
std::optional<std::uint64_t> read_number(std::string_view bytes, std::uint64_t offset, unsigned width,
                                         std::endian order = std::endian::little);
/// Appends the lowest `width` bytes (1 to 8) of `value`.
void append_number(std::string& bytes, std::uint64_t value, unsigned width, std::endian order = std::endian::little);

}  // namespace k8simg
