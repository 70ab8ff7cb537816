// Reads the packets of OpenPGP keyrings. Signatures are not checked here: gpgv does that.
#include "util/keyring.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <optional>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr int secret_key = 5, public_key = 6, secret_subkey = 7, public_subkey = 14;  // types of packets
constexpr std::string_view armor_begin = "-----BEGIN PGP ", armor_end = "-----END PGP ";

[[noreturn]] void refuse_keyring(const std::string& name, const std::string& problem) {
  throw Error(ErrorKind::Usage, fmt::format("{} is no keyring: {}", name, problem),
              "Write the repository's public key into the file with `gpg --export KEY`, or with --armor.");
}

struct Packet {
  int type = 0;
  std::string_view body;
};

/// Takes the first packet from `rest`. nullopt if there is none: cut short, no packet, or of unknown length.
std::optional<Packet> take_packet(std::string_view& rest) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(rest[at]); };
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + size; ++i) value = value << 8 | byte(i);
    return value;
  };
  if (rest.size() < 2 || (byte(0) & 0x80) == 0) return std::nullopt;
  Packet packet;
  std::uint64_t header = 2, length = 0;
  if ((byte(0) & 0x40) == 0) {
    packet.type = byte(0) >> 2 & 0x0f;
    if ((byte(0) & 3) == 3) return std::nullopt;
    const std::size_t size = std::size_t{1} << (byte(0) & 3);
    header = 1 + size;
    if (rest.size() < header) return std::nullopt;
    length = number(1, size);
  } else {
    packet.type = byte(0) & 0x3f;
    length = byte(1);
    if (length >= 224 && length < 255) return std::nullopt;  // a part of a packet
    if (length >= 192) {
      header = length == 255 ? 6 : 3;
      if (rest.size() < header) return std::nullopt;
      length = header == 6 ? number(2, 4) : ((length - 192) << 8) + byte(2) + 192;
    }
  }
  if (length > rest.size() - header) return std::nullopt;
  packet.body = rest.substr(header, length);
  rest.remove_prefix(header + length);
  return packet;
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const auto value = digits.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

/// The bytes of all armored blocks of the text, one after another.
std::string remove_armor(std::string_view text, const std::string& name) {
  std::string bytes, block;
  enum class Place { Outside, Headers, Body } place = Place::Outside;
  for (const std::string& line : split(text, '\n')) {
    const std::string_view words = trim(line);
    if (place == Place::Outside) {
      if (!words.starts_with(armor_begin)) continue;
      if (words.find("PRIVATE KEY") != std::string_view::npos) refuse_keyring(name, "it has a secret key");
      if (words.find("PUBLIC KEY") == std::string_view::npos) refuse_keyring(name, "it has something else than keys");
      place = Place::Headers;
    } else if (words.starts_with(armor_end)) {
      const auto decoded = decode_base64(block);
      if (!decoded) refuse_keyring(name, "its text is not base64");
      bytes += *decoded;
      block.clear();
      place = Place::Outside;
    } else if (place == Place::Headers && (words.empty() || words.find(": ") == std::string_view::npos)) {
      // An empty line ends the headers. Some programs leave it out if there are none.
      block += words;
      place = Place::Body;
    } else if (place == Place::Body && !words.starts_with('=')) {  // "=" begins the checksum
      block += words;
    }
  }
  if (place != Place::Outside) refuse_keyring(name, "it is cut short");
  return bytes;
}

}  // namespace

std::string binary_keyring(std::string_view bytes, const std::string& name) {
  if (bytes.size() > 12 && bytes.substr(8, 4) == "KBXf") return std::string(bytes);
  if (trim(bytes).empty()) refuse_keyring(name, "it is empty");
  std::string keyring =
      bytes.find(armor_begin) == std::string_view::npos ? std::string(bytes) : remove_armor(bytes, name);
  if (keyring.empty()) refuse_keyring(name, "it has no key");
  std::string_view rest = keyring;
  bool first = true;
  while (!rest.empty()) {
    const auto packet = take_packet(rest);
    if (packet && (packet->type == secret_key || packet->type == secret_subkey))
      refuse_keyring(name, "it has a secret key");
    if (first && (!packet || packet->type != public_key)) refuse_keyring(name, "it does not begin with a public key");
    if (!packet) refuse_keyring(name, "it is cut short or damaged");
    first = false;
  }
  return keyring;
}

std::set<std::string, std::less<>> key_fingerprints(std::string_view keyring) {
  std::set<std::string, std::less<>> fingerprints;
  while (const auto packet = take_packet(keyring)) {
    if ((packet->type != public_key && packet->type != public_subkey) || !packet->body.starts_with('\4') ||
        packet->body.size() > 0xffff)
      continue;
    std::string message = "\x99";
    message += static_cast<char>(packet->body.size() >> 8);
    message += static_cast<char>(packet->body.size() & 0xff);
    message += packet->body;
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    if (EVP_Digest(message.data(), message.size(), hash.data(), nullptr, EVP_sha1(), nullptr) != 1)
      throw Error(ErrorKind::Internal, "OpenSSL cannot compute SHA-1 here",
                  "Fingerprints of OpenPGP keys are made with SHA-1: allow it in OpenSSL's configuration.");
    std::string text;
    for (int i = 0; i < 20; ++i) text += fmt::format("{:02X}", hash[static_cast<std::size_t>(i)]);
    fingerprints.insert(std::move(text));
  }
  return fingerprints;
}

}  // namespace k8simg
