// Name-based UUIDs (RFC 9562, version 5): the same name gives the same UUID on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace k8simg {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  std::string text() const;  ///< 8-4-4-4-12, lower case
};

/// RFC 9562, section 5.5: the first 16 bytes of SHA-1(space + name), with version and variant set.
Uuid uuid5(const Uuid& space, std::string_view name);
/// A UUID in k8simg's namespace; `name` such as "pc/root".
Uuid uuid5(std::string_view name);

}  // namespace k8simg
