// Tests explanations of kernel symbols: requests, selections, defaults, and modules of Makefiles.
#include "kernel/symbols.hpp"

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

using Config = std::map<std::string, std::string>;

std::vector<std::string> reasons(const KernelSymbol& symbol) {
  std::vector<std::string> texts;
  for (const auto& reason : symbol.reasons)
    texts.push_back(reason.kind + " " + reason.by + " " + reason.file + ":" + std::to_string(reason.line));
  return texts;
}

}  // namespace

TEST_CASE("expressions of Kconfig are evaluated with three values") {
  const Config config{{"CONFIG_Y", "y"}, {"CONFIG_M", "m"}, {"CONFIG_NAME", "\"tcp\""}, {"CONFIG_BITS", "64"}};
  CHECK(evaluate_kconfig("", config) == 2);
  CHECK(evaluate_kconfig("Y && M", config) == 1);
  CHECK(evaluate_kconfig("Y || M", config) == 2);
  CHECK(evaluate_kconfig("!M", config) == 1);
  CHECK(evaluate_kconfig("!Y || !N && M", config) == 1);
  CHECK(evaluate_kconfig("(Y || N) && !(M && N)", config) == 2);
  CHECK(evaluate_kconfig("M=m && Y!=n", config) == 2);
  CHECK(evaluate_kconfig("NAME = \"tcp\"", config) == 2);
  CHECK(evaluate_kconfig("BITS >= 32 && BITS < 64", config) == 0);
  CHECK(evaluate_kconfig("$(cc-option,-m$(bits)) && M", config) == 1);
  CHECK(evaluate_kconfig("&& ) (", config) == 0);
  CHECK(evaluate_kconfig("Y &&", config) == 0);
}

TEST_CASE("a symbol is requested, selected, implied, or has a default") {
  const std::string text = R"(config VXLAN
	tristate "VXLAN"
	select UDP_TUNNEL
	select CRYPTO if NEVER
	imply EXTRA if NET

config UDP_TUNNEL
	tristate
	default y if NEVER
	default m

config EXTRA
	def_bool y
	depends on NEVER

config OFF
	bool "off"
	depends on NET && NEVER
	select UDP_TUNNEL
)";
  const KconfigIndex index("Kconfig", "x86", [&](const std::string&) { return std::optional(text); });
  const auto symbols =
      explain_symbols(index, {{"CONFIG_VXLAN", "y", "a.config", 1}, {"CONFIG_VXLAN", "m", "b.config", 9}},
                      {{"CONFIG_VXLAN", "m"}, {"CONFIG_UDP_TUNNEL", "m"}, {"CONFIG_EXTRA", "y"}, {"CONFIG_NET", "y"}});
  CHECK(reasons(symbols.at("CONFIG_VXLAN")) ==
        std::vector<std::string>{"requested y a.config:1", "requested m b.config:9"});
  CHECK(reasons(symbols.at("CONFIG_UDP_TUNNEL")) ==
        std::vector<std::string>{"selected CONFIG_VXLAN Kconfig:3", "default m Kconfig:10"});
  CHECK(reasons(symbols.at("CONFIG_EXTRA")) == std::vector<std::string>{"implied CONFIG_VXLAN Kconfig:5"});
  CHECK(symbols.at("CONFIG_OFF").value == "n");
  CHECK(symbols.at("CONFIG_OFF").depends == std::vector<std::string>{"NET && NEVER"});
  CHECK(symbols.at("CONFIG_NET").value == "y");  // of .config alone
  const KernelSymbols all{.symbols = symbols, .modules = {{"drivers/net/vxlan/vxlan", "CONFIG_VXLAN"}}};
  const KernelSymbols read = parse_kernel_symbols(serialise(all));
  CHECK(serialise(read) == serialise(all));
  CHECK_THROWS_AS(parse_kernel_symbols("{}"), Error);
}

TEST_CASE("Makefiles name the symbol of an object") {
  const auto objects = parse_kernel_makefile(R"(# SPDX
obj-$(CONFIG_VXLAN) += vxlan.o
obj-$(CONFIG_NET) := first.o second/ \
	third.o
obj-y += always.o
vxlan-$(CONFIG_IPV6) += part.o
obj-$(CONFIG_BROKEN
)");
  CHECK(objects == std::map<std::string, std::string>{
                       {"vxlan", "CONFIG_VXLAN"}, {"first", "CONFIG_NET"}, {"third", "CONFIG_NET"}});
}
