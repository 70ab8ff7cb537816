// Names of keymaps and locales, held against the lists of Debian's packages.
#pragma once

#include <string>
#include <string_view>

namespace k8simg {

/// Where the keymap is in the root filesystem.
inline constexpr const char* keymap_path = "usr/share/keymaps/console.kmap";

/// The arguments of ckbcomp(1).
struct Keymap {
  std::string layouts, variants;  ///< each with commas between: "us,ru" and ","
  bool several = false;
};
/// `name`: "de", "de(nodeadkeys)", or several with commas between. `list`: rules/base.lst of XKB, with the known
/// layouts and variants. Error{Usage} for an unknown one.
Keymap find_keymap(std::string_view list, const std::string& name);

/// Whether the C library has the locale without any file: "C", "POSIX", or with Debian's libc-bin: "C.UTF-8".
bool is_builtin_locale(const std::string& name);
/// The source of a locale, for localedef(1). `name`: "de_DE.UTF-8", or "sr_RS@latin" where the list gives UTF-8 for it.
/// `list`: i18n/SUPPORTED of the package locales, lines of a name and a character set. Error{Usage} for an unknown
/// locale and for one with another character set.
std::string find_locale(std::string_view list, const std::string& name);

}  // namespace k8simg
