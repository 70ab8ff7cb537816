// The origin of a path of a tree. Only this class formats and parses its text.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace k8simg {

/// Its text is "package:NAME=VERSION:ARCH", "component:NAME", "kernel", "overlay:NAME", "board:NAME", "rule:NAME" (a
/// rule of rootfs/), "script:postinst of PACKAGE" (an evaluated maintainer script), or "archive:NAME" for paths that
/// exist only in an archive that k8simg writes. Trees, manifests and SBOMs contain the text.
class Origin {
 public:
  enum class Kind { Unknown, Package, Component, Kernel, Overlay, Board, Rule, Script, Archive };

  Origin() = default;
  /// Keeps the text unchanged.
  Origin(std::string text) : text_(std::move(text)) {}
  Origin(const char* text) : text_(text) {}

  static Origin package(std::string_view name, std::string_view version, std::string_view architecture);
  static Origin component(std::string_view name);
  static Origin kernel();
  static Origin overlay(std::string_view name);
  static Origin board(std::string_view name);
  static Origin rule(std::string_view name);
  static Origin archive(std::string_view name);

  Kind kind() const;  ///< Unknown: the text begins with no known kind
  /// The text after the kind; for a package "NAME=VERSION:ARCH", for the kernel "".
  std::string_view identity() const;
  /// For a package its name, otherwise identity().
  std::string_view name() const;
  std::string_view version() const;       ///< of a package, else ""
  std::string_view architecture() const;  ///< of a package, else ""

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Origin&, const Origin&) = default;
  friend std::strong_ordering operator<=>(const Origin&, const Origin&) = default;

 private:
  std::string text_;
};

}  // namespace k8simg
