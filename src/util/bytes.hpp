// Unsigned integers in byte strings, in either byte order, for binary file formats; bytes as hexadecimal digits.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace k8simg {

constexpr std::uint64_t mebibyte = 1 << 20;

/// The unsigned number of `width` bytes (1 to 8) at `offset`; nullopt when it does not fit into `bytes`.
std::optional<std::uint64_t> read_number(std::string_view bytes, std::uint64_t offset, unsigned width,
                                         std::endian order = std::endian::little);
/// Appends the lowest `width` bytes (1 to 8) of `value`.
void append_number(std::string& bytes, std::uint64_t value, unsigned width, std::endian order = std::endian::little);

/// Two lower-case digits for each byte.
std::string to_hex(std::string_view bytes);
std::string to_hex(std::span<const std::uint8_t> bytes);
/// The bytes of pairs of digits, in either case; nullopt for anything else.
std::optional<std::string> from_hex(std::string_view digits);

}  // namespace k8simg
