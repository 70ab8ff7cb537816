// Bytes as characters, and names of types.
#include "rootfs/evaluation_text.hpp"

#include <array>

#include <fmt/format.h>

#include "util/error.hpp"

namespace k8simg::rootfs {

namespace {

constexpr std::array<const char*, 6> type_names = {"file", "directory", "symlink", "char", "block", "fifo"};

[[noreturn]] void malformed(std::string_view what) {
  throw Error(ErrorKind::Internal, fmt::format("the result of an evaluation has \"{}\"", what));
}

}  // namespace

std::string as_text(std::string_view bytes) {
  std::string text;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte < 0x80) {
      text += each;
    } else {
      text += static_cast<char>(0xc0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

std::string as_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      bytes += text[i];
      continue;
    }
    if ((first & 0xfc) != 0xc0 || i + 1 == text.size()) malformed(text);
    const auto second = static_cast<unsigned char>(text[++i]);
    bytes += static_cast<char>(((first & 0x03) << 6) | (second & 0x3f));
  }
  return bytes;
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char each : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(each));
  return hex;
}

std::string bytes_of(std::string_view hex) {
  if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdef") != hex.npos) malformed(hex);
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

const char* type_name(NodeType type) { return type_names.at(static_cast<std::size_t>(type)); }

NodeType type_of(std::string_view name) {
  for (std::size_t i = 0; i < type_names.size(); ++i)
    if (name == type_names[i]) return static_cast<NodeType>(i);
  malformed(name);
}

}  // namespace k8simg::rootfs
