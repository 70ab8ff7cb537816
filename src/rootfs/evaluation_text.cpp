// Bytes as characters, and names of types.
#include "rootfs/evaluation_text.hpp"

#include <fmt/format.h>

#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg::rootfs {

namespace {

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

std::string bytes_of(std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (!bytes || to_hex(*bytes) != hex) malformed(hex);
  return *bytes;
}

NodeType type_of(std::string_view name) {
  for (const auto type : {NodeType::File, NodeType::Directory, NodeType::Symlink, NodeType::CharDevice,
                          NodeType::BlockDevice, NodeType::Fifo})
    if (name == type_name(type)) return type;
  malformed(name);
}

}  // namespace k8simg::rootfs
