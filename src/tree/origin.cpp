// Formats and parses the text of origins.
#include "tree/origin.hpp"

#include <array>
#include <utility>

namespace k8simg {

namespace {

constexpr std::string_view kernel_text = "kernel";
constexpr std::array<std::pair<std::string_view, Origin::Kind>, 7> prefixes = {{{"package:", Origin::Kind::Package},
                                                                                {"component:", Origin::Kind::Component},
                                                                                {"overlay:", Origin::Kind::Overlay},
                                                                                {"board:", Origin::Kind::Board},
                                                                                {"rule:", Origin::Kind::Rule},
                                                                                {"script:", Origin::Kind::Script},
                                                                                {"archive:", Origin::Kind::Archive}}};

std::string_view prefix_of(std::string_view text) {
  for (const auto& [prefix, kind] : prefixes)
    if (text.starts_with(prefix)) return prefix;
  return {};
}

Origin made(std::string_view prefix, std::string_view name) { return Origin(std::string(prefix).append(name)); }

}  // namespace

Origin Origin::package(std::string_view name, std::string_view version, std::string_view architecture) {
  std::string text = "package:";
  text.append(name).append("=").append(version).append(":").append(architecture);
  return Origin(std::move(text));
}
Origin Origin::component(std::string_view name) { return made("component:", name); }
Origin Origin::kernel() { return Origin(std::string(kernel_text)); }
Origin Origin::overlay(std::string_view name) { return made("overlay:", name); }
Origin Origin::board(std::string_view name) { return made("board:", name); }
Origin Origin::rule(std::string_view name) { return made("rule:", name); }
Origin Origin::archive(std::string_view name) { return made("archive:", name); }

Origin::Kind Origin::kind() const {
  if (text_ == kernel_text) return Kind::Kernel;
  for (const auto& [prefix, kind] : prefixes)
    if (text_.starts_with(prefix)) return kind;
  return Kind::Unknown;
}

std::string_view Origin::identity() const {
  if (text_ == kernel_text) return {};
  return std::string_view(text_).substr(prefix_of(text_).size());
}

// Debian's names have no "=", its architectures no ":" (deb-control(5)); a version may have colons.
std::string_view Origin::name() const {
  const std::string_view identity = this->identity();
  return kind() == Kind::Package ? identity.substr(0, identity.find('=')) : identity;
}

std::string_view Origin::version() const {
  const std::string_view identity = this->identity();
  const auto equals = identity.find('='), colon = identity.rfind(':');
  if (kind() != Kind::Package || equals == std::string_view::npos || colon == std::string_view::npos || colon < equals)
    return {};
  return identity.substr(equals + 1, colon - equals - 1);
}

std::string_view Origin::architecture() const {
  const std::string_view identity = this->identity();
  const auto colon = identity.rfind(':');
  return kind() == Kind::Package && colon != std::string_view::npos ? identity.substr(colon + 1) : std::string_view{};
}

}  // namespace k8simg
