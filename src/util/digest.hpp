// SHA-256 digests of strings, streams and files.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  std::string hex() const;                                   ///< 64 lower-case digits
  static std::optional<Digest> parse(std::string_view hex);  ///< exactly 64 hex digits, else nullopt
  auto operator<=>(const Digest&) const = default;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::string_view bytes);
  Digest finish();  ///< the object can then be used for the next message

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::string_view bytes);
/// Name and version of the host's crypto library ("OpenSSL 3.0.17 1 Jul 2025"). It computes digests and the hash names
/// of certificates.
std::string crypto_library();
/// Throws Error{Internal} naming the file when it cannot be read.
Digest sha256_file(const std::filesystem::path& file);

}  // namespace k8simg

template <>
struct std::hash<k8simg::Digest> {
  std::size_t operator()(const k8simg::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | digest.bytes[i];
    return value;
  }
};
