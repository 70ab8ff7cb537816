// Tests names of keymaps and locales against lists like Debian's, and the rules for what the image does with them.
#include "rootfs/localisation.hpp"

#include "small_system.hpp"
#include "support/catch.hpp"
#include "support/failure.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr const char* layouts =
    "! model\n  pc105           Generic 105-key PC\n\n! layout\n  us              English (US)\n  de              "
    "German\n"
    "  ru              Russian\n\n! variant\n  intl            us: English (US, intl., with dead keys)\n"
    "  nodeadkeys      de: German (no dead keys)\n  neo             de: German (Neo 2)\n\n"
    "! option\n  grp             Switching to another layout\n";

constexpr const char* supported =
    "C.UTF-8 UTF-8\nde_AT.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\nsr_RS UTF-8\nsr_RS@latin UTF-8\n"
    "ja_JP.EUC-JP EUC-JP\n";

std::string refused_keymap(const std::string& name) {
  return failure([&] { find_keymap(layouts, name); });
}
std::string refused_locale(const std::string& name) {
  return failure([&] { find_locale(supported, name); });
}

}  // namespace

TEST_CASE("keymaps: a layout, a variant, and several of them") {
  CHECK((find_keymap(layouts, "de").layouts == "de" && find_keymap(layouts, "de").variants.empty()));
  CHECK_FALSE(find_keymap(layouts, "de").several);
  const Keymap variant = find_keymap(layouts, "de(nodeadkeys)");
  CHECK((variant.layouts == "de" && variant.variants == "nodeadkeys"));
  const Keymap several = find_keymap(layouts, "us(intl),ru");
  CHECK((several.layouts == "us,ru" && several.variants == "intl," && several.several));
}

TEST_CASE("keymaps: an unknown one is named, with a near one or the variants") {
  CHECK(contains(refused_keymap("dee"), "system.keymap: there is no keyboard layout \"dee\""));
  CHECK(contains(refused_keymap("dee"), "did you mean \"de\"?"));
  CHECK(contains(refused_keymap("us-intl"), "did you mean \"us(intl)\"?"));
  CHECK(contains(refused_keymap("de-nodeadkeys"), "did you mean \"de(nodeadkeys)\"?"));
  CHECK(contains(refused_keymap("us,de(nodeadkey)"), "no keyboard layout \"de(nodeadkey)\""));
  CHECK(contains(refused_keymap("de(somethingelse)"), "\"de\" has the variants nodeadkeys, neo"));
  CHECK(contains(refused_keymap("klingon"), "layouts are those of X11"));
  // Names of the other sections are no layouts.
  CHECK_FALSE(refused_keymap("pc105").empty());
  CHECK_FALSE(refused_keymap("grp").empty());
  CHECK_FALSE(refused_keymap("intl").empty());
}

TEST_CASE("locales: the source of one, and what is no locale with UTF-8") {
  CHECK(find_locale(supported, "de_DE.UTF-8") == "de_DE");
  CHECK(find_locale(supported, "sr_RS@latin") == "sr_RS@latin");
  CHECK(contains(refused_locale("de_DE"), "system.locale: there is no locale \"de_DE\" with UTF-8"));
  CHECK(contains(refused_locale("de_DE"), "did you mean \"de_DE.UTF-8\"?"));
  CHECK(contains(refused_locale("de_DD.UTF-8"), "did you mean \"de_DE.UTF-8\"?"));
  CHECK(contains(refused_locale("de_Deutschland"), "of this language there are de_AT.UTF-8, de_DE.UTF-8"));
  CHECK(contains(refused_locale("ja_JP.EUC-JP"), "with UTF-8"));
  CHECK(contains(refused_locale("xx"), "add the character set"));
  CHECK((is_builtin_locale("C.UTF-8") && is_builtin_locale("POSIX") && !is_builtin_locale("de_DE.UTF-8")));
}

TEST_CASE("rules keymap and locale: a unit that loads the keymap, and the language of logins and services") {
  MemoryStore store;
  auto chosen = options();
  const std::string unit = "usr/lib/systemd/system/console-keymap.service";
  const auto systemd = package(store, "systemd", {{"usr/lib/systemd/system/a.service", "[Service]\n"}});
  Tree tree = assemble(store, {systemd}, {}, chosen);
  CHECK(tree.find(unit) == nullptr);
  CHECK(text(store, tree, "etc/locale.conf") == "LANG=C.UTF-8\n");
  chosen.keymap = "de", chosen.locale = "de_DE.UTF-8";
  const Layer made = layer(store, "rule:keymap", {{keymap_path, "keymaps 0-127\n"}});
  tree = assemble(store, {systemd}, {made}, chosen);
  CHECK(contains(text(store, tree, unit),
                 std::string("/usr/bin/loadkeys --quiet --unicode --console=/dev/tty0 /") + keymap_path));
  CHECK(target(tree, "usr/lib/systemd/system/sysinit.target.wants/console-keymap.service") ==
        "../console-keymap.service");
  CHECK(text(store, tree, keymap_path) == "keymaps 0-127\n");
  CHECK(text(store, tree, "etc/locale.conf") == "LANG=de_DE.UTF-8\n");
  CHECK(target(tree, "etc/default/locale") == "../locale.conf");
  // A file of an overlay stays.
  tree = assemble(store, {systemd}, {layer(store, "overlay:o", {{"etc/locale.conf", "LANG=fr_FR.UTF-8\n"}})}, chosen);
  CHECK(text(store, tree, "etc/locale.conf") == "LANG=fr_FR.UTF-8\n");
  // The unit can be masked like others.
  chosen.mask_units = {"console-keymap.service"};
  CHECK(target(assemble(store, {systemd}, {}, chosen), "etc/systemd/system/console-keymap.service") == "/dev/null");
}
