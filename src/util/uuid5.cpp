// Version 5 UUIDs: SHA-1 over a namespace and a name (RFC 9562, section 5.5).
#include "util/uuid5.hpp"

#include <openssl/evp.h>

#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

// A random namespace. Changing it changes every filesystem and partition UUID of every image.
constexpr Uuid k8simg_space{
    {0x6b, 0x38, 0x1d, 0x0e, 0x52, 0xc7, 0x4f, 0x93, 0xa4, 0x6d, 0x0f, 0x8e, 0x31, 0x7b, 0xd2, 0x59}};

}  // namespace

std::string Uuid::text() const {
  std::string text = to_hex(bytes);
  for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
  return text;
}

Uuid uuid5(const Uuid& space, std::string_view name) {
  std::string message(space.bytes.begin(), space.bytes.end());
  message += name;
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  if (EVP_Digest(message.data(), message.size(), hash.data(), nullptr, EVP_sha1(), nullptr) != 1)
    throw Error(ErrorKind::Internal, "OpenSSL cannot compute SHA-1 here",
                "UUIDs of version 5 are made with SHA-1: allow it in OpenSSL's configuration.");
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) uuid.bytes[i] = hash[i];
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x50);  // version 5
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);  // the RFC's variant
  return uuid;
}

Uuid uuid5(std::string_view name) { return uuid5(k8simg_space, name); }

}  // namespace k8simg
