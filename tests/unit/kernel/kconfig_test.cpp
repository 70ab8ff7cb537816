// Tests Kconfig files: definitions of symbols and their dependencies.
#include "kernel/kconfig.hpp"
#include "support/catch.hpp"

using namespace k8simg;

namespace {

using Strings = std::vector<std::string>;

KconfigIndex index_of(const std::map<std::string, std::string>& files) {
  return KconfigIndex("Kconfig", "arm", [&](const std::string& name) {
    const auto found = files.find(name);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

/// The one definition of a symbol in one file.
KconfigDefinition only(const std::string& text, const std::string& symbol) {
  const auto found = index_of({{"Kconfig", text}}).find(symbol);
  REQUIRE(found.size() == 1);
  return found[0];
}

}  // namespace

TEST_CASE("a definition has its place, its dependencies and whether a person may set it") {
  const std::string text = R"(# SPDX
mainmenu "x"

config NET
	bool "Networking"
	default y

config VXLAN
	tristate "VXLAN" if EXPERT
	depends on INET
	depends on NET && \
		(IPV6 || !IPV6)
	select NET_UDP_TUNNEL

config HIDDEN
	bool
	depends on NET

config LATE
	int
	prompt "A number"

config DEFAULTED
	def_bool y
)";
  const auto vxlan = only(text, "VXLAN");
  CHECK(vxlan.file == "Kconfig");
  CHECK(vxlan.line == 8);
  CHECK(vxlan.has_prompt);
  REQUIRE(vxlan.depends.size() == 2);
  CHECK(vxlan.depends[0] == "INET");
  CHECK(annotate_dependency(vxlan.depends[1], {}) == "NET (=n) && \t\t(IPV6 (=n) || !IPV6 (=n))");
  CHECK_FALSE(only(text, "HIDDEN").has_prompt);
  CHECK(only(text, "HIDDEN").depends == Strings{"NET"});
  CHECK(only(text, "LATE").has_prompt);
  CHECK_FALSE(only(text, "DEFAULTED").has_prompt);
  CHECK(only(text, "NET").depends.empty());
  CHECK(index_of({{"Kconfig", text}}).find("NOTHING").empty());
  CHECK(index_of({{"Kconfig", text}}).find("CONFIG_NET").empty());
}

TEST_CASE("menus, choices and if blocks pass their conditions on, and only to what is inside") {
  const std::string text = R"(
if NET

menu "Drivers"
	depends on PCI
	visible if EXPERT

menuconfig WIFI
	bool "Wireless"
	depends on CFG80211

if WIFI
config ATH
	tristate "Atheros"
comment "nothing below"
	depends on FALSE_TRAIL
config RTL
	tristate "Realtek"
endif # WIFI

config AFTER
	bool "after the if"
endmenu

choice
	prompt "One of"
	depends on ONE
config FIRST
	bool "first"
endchoice

config LAST
	bool "last"
endif
config OUTSIDE
	bool "outside"
)";
  CHECK(only(text, "WIFI").depends == Strings{"NET", "PCI", "CFG80211"});
  CHECK(only(text, "ATH").depends == Strings{"NET", "PCI", "WIFI"});
  CHECK(only(text, "RTL").depends == Strings{"NET", "PCI", "WIFI"});
  CHECK(only(text, "AFTER").depends == Strings{"NET", "PCI"});
  CHECK(only(text, "FIRST").depends == Strings{"NET", "ONE"});
  CHECK(only(text, "LAST").depends == Strings{"NET"});
  CHECK(only(text, "OUTSIDE").depends.empty());
}

TEST_CASE("help text may look like anything") {
  const std::string text = R"(config A
	bool "a"
	help
	  Say Y here if

	  config FAKE
	    bool "fake"
	  endif
	  depends on FAKE
	  a backslash at the end \

	depends on B
config C
	bool "c"
	---help---
config D
	bool "d"
	help

	  Indented by a tab and two blanks.
        Eight blanks are a tab's width: less than the first line, so this ends it.
if E
config F
	bool "f"
	help
	  The last line has no end)";
  CHECK(only(text, "A").depends == Strings{"B"});
  CHECK(index_of({{"Kconfig", text}}).find("FAKE").empty());
  CHECK(only(text, "C").line == 13);
  CHECK(only(text, "D").has_prompt);
  CHECK(only(text, "F").depends == Strings{"E"});
}

TEST_CASE("a backslash that ends a help text does not swallow the next definition") {
  const std::string text = "config A\n\tbool \"a\"\n\thelp\n\t  path\\\nconfig B\n\tbool \"b\"\n";
  CHECK(only(text, "B").line == 5);
}

TEST_CASE("a symbol defined in several files has them all, and an architecture sees its own files only") {
  const auto index = index_of(
      {{"Kconfig",
        "mainmenu \"Linux\"\nsource \"arch/$(SRCARCH)/Kconfig\"\nsource \"absent/Kconfig\"\nsource init/Kconfig\n"},
       {"arch/arm/Kconfig", "config SMP\n\tbool \"SMP\"\n\tdepends on CPU_V7\n"},
       {"arch/x86/Kconfig", "config SMP\n\tbool \"SMP\"\n"},
       {"init/Kconfig", "config SMP\n\tbool\n"}});
  const auto found = index.find("SMP");
  REQUIRE(found.size() == 2);
  CHECK(found[0].file == "arch/arm/Kconfig");
  CHECK(found[0].depends == Strings{"CPU_V7"});
  CHECK(found[1].file == "init/Kconfig");
  CHECK(found[1].depends.empty());
}

TEST_CASE("what stands around a source line holds in the file that it names") {
  const auto index = index_of(
      {{"Kconfig",
        "if NET\nmenu \"Drivers\"\n\tdepends on PCI\nsource \"drivers/Kconfig\"\nendmenu\nendif\nconfig AFTER\n\tbool "
        "\"after\"\n"},
       {"drivers/Kconfig",
        "config WIFI\n\tbool \"Wireless\"\n\tdepends on USB\nendif\nif USB\nsource \"drivers/usb/Kconfig\"\nendif\n"},
       {"drivers/usb/Kconfig",
        "config STICK\n\tbool \"stick\"\nsource \"Kconfig\"\nsource \"drivers/usb/Kconfig\"\n"}});
  REQUIRE(index.find("WIFI").size() == 1);
  CHECK(index.find("WIFI")[0].depends == Strings{"NET", "PCI", "USB"});
  REQUIRE(index.find("STICK").size() == 1);
  CHECK(index.find("STICK")[0].depends == Strings{"NET", "PCI", "USB"});
  REQUIRE(index.find("AFTER").size() == 1);
  CHECK(index.find("AFTER")[0].depends.empty());
}

TEST_CASE("broken Kconfig text gives what can be had") {
  for (const char* text :
       {"", "endif\nendmenu\n", "depends on X\n", "config\n", "config A B\n", "\\", "\\\n\\\n", "help\n",
        "if\nconfig A\n", "config A\n\tdepends on\n", "\t \x01\xff\n", "menu\n\tdepends on X"}) {
    INFO(text);
    index_of({{"Kconfig", text}});
  }
  CHECK(only("endif\nendmenu\nconfig A\n", "A").depends.empty());
}

TEST_CASE("each symbol of a dependency is shown with its value") {
  const std::map<std::string, std::string> config{{"CONFIG_A", "y"}, {"CONFIG_B", "m"}, {"CONFIG_NAME", "\"x\""}};
  CHECK(annotate_dependency("A && (B || !C)", config) == "A (=y) && (B (=m) || !C (=n))");
  CHECK(annotate_dependency("A=y", config) == "A (=y)=y");
  CHECK(annotate_dependency("B!=n && m", config) == "B (=m)!=n && m");
  CHECK(annotate_dependency("NAME = \"x\"", config) == "NAME (=\"x\") = \"x\"");
  CHECK(annotate_dependency("64BIT", {{"CONFIG_64BIT", "y"}}) == "64BIT (=y)");
  CHECK(annotate_dependency("NR_CPUS >= 16", {{"CONFIG_NR_CPUS", "4"}}) == "NR_CPUS (=4) >= 16");
  CHECK(annotate_dependency("", config).empty());
}
