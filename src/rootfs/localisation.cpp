// Names of keymaps and locales, held against the lists of Debian's packages.
#include "rootfs/localisation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using Variants = std::map<std::string, std::vector<std::string>>;  // layout → variants

Variants layouts_of(std::string_view list) {
  Variants layouts;
  std::string section;
  for (const auto& line : split(list, '\n')) {
    const auto words = split_words(line);
    if (words.size() < 2) continue;
    if (words[0] == "!") {
      section = words[1];
    } else if (section == "layout") {
      layouts[words[0]];
    } else if (section == "variant" && words[1].ends_with(':')) {
      layouts[words[1].substr(0, words[1].size() - 1)].push_back(words[0]);
    }
  }
  return layouts;
}

[[noreturn]] void throw_unknown_layout(const Variants& layouts, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [layout, variants] : layouts) {
    known.push_back(layout);
    for (const auto& variant : variants) known.push_back(fmt::format("{}({})", layout, variant));
  }
  std::string hint = "layouts are those of X11, such as \"us\", \"de\" and \"de(nodeadkeys)\"";
  const auto layout = layouts.find(name.substr(0, name.find_first_of("(-_")));
  if (const auto near = nearest(name, known))
    hint = fmt::format("did you mean \"{}\"?", *near);
  else if (layout != layouts.end() && !layout->second.empty())
    hint = fmt::format("\"{}\" has the variants {}", layout->first, join(layout->second, ", "));
  throw Error(ErrorKind::Usage, fmt::format("system.keymap: there is no keyboard layout \"{}\"", name), hint)
      .about_setting("system.keymap");
}

[[noreturn]] void throw_unknown_locale(const std::vector<std::string>& known, const std::string& name) {
  std::string hint = "add the character set, as in \"de_DE.UTF-8\"";
  const std::string language = name.substr(0, name.find_first_of("_.@")) + "_";
  std::vector<std::string> related;
  std::copy_if(known.begin(), known.end(), std::back_inserter(related),
               [&](const std::string& each) { return each.starts_with(language); });
  const std::string with_charset = name.substr(0, name.find('.')) + ".UTF-8";
  if (std::find(known.begin(), known.end(), with_charset) != known.end())
    hint = fmt::format("did you mean \"{}\"?", with_charset);
  else if (const auto near = nearest(name, known))
    hint = fmt::format("did you mean \"{}\"?", *near);
  else if (!related.empty())
    hint = fmt::format("of this language there are {}", join(related, ", "));
  throw Error(ErrorKind::Usage, fmt::format("system.locale: there is no locale \"{}\" with UTF-8", name), hint)
      .about_setting("system.locale");
}

}  // namespace

Keymap find_keymap(std::string_view list, const std::string& name) {
  const Variants known = layouts_of(list);
  std::vector<std::string> layouts, variants;
  for (const auto& each : split(name, ',')) {
    const auto open = each.find('(');
    const auto layout = known.find(each.substr(0, open));
    const std::string variant = open == std::string::npos ? "" : each.substr(open + 1, each.size() - open - 2);
    if (layout == known.end() ||
        (!variant.empty() && std::find(layout->second.begin(), layout->second.end(), variant) == layout->second.end()))
      throw_unknown_layout(known, each);
    layouts.push_back(layout->first);
    variants.push_back(variant);
  }
  return {.layouts = join(layouts, ","), .variants = join(variants, ","), .several = layouts.size() > 1};
}

bool is_builtin_locale(const std::string& name) { return name == "C" || name == "POSIX" || name == "C.UTF-8"; }

std::string find_locale(std::string_view list, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& line : split(list, '\n')) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[1] == "UTF-8") known.push_back(words[0]);
  }
  if (std::find(known.begin(), known.end(), name) == known.end()) throw_unknown_locale(known, name);
  // As locale-gen(8): "de_DE.UTF-8" is made of de_DE.
  return replace_all(name, ".UTF-8", "");
}

}  // namespace k8simg
