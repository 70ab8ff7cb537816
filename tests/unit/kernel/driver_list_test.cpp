// Tests driver lists: the lines of the kernel configuration that they give, and their mistakes.
#include "kernel/driver_list.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string e1000e = R"([[driver]]
symbol = "CONFIG_E1000E"
module = "e1000e"
build = "module"
hardware = "Intel 82571 to I219"
needs = ["CONFIG_NET_VENDOR_INTEL=y", "CONFIG_E1000E_HWTS=n"]
qemu = "e1000e"
ids = ["pci 8086: 105e 10d3", "pci class: 020000"]
)";

std::string shown(const std::vector<KernelRequest>& requests) {
  std::string text;
  for (const auto& each : requests)
    text += fmt::format("{}:{} {}={}\n", each.fragment, each.line, each.symbol, each.value);
  return text;
}

std::string mistakes(const std::string& text) {
  return failure([&] { parse_driver_list(text, "drivers.toml"); });
}

}  // namespace

TEST_CASE("a driver list gives lines of the kernel configuration at the position of the entry") {
  const std::string nvme =
      "\n[[driver]]\nsymbol = \"CONFIG_BLK_DEV_NVME\"\nmodule = \"nvme\"\nbuild = \"built-in\"\nhardware = \"NVMe\"\n"
      "needs = [\"CONFIG_NET_VENDOR_INTEL=y\"]\n";
  CHECK(shown(parse_driver_list(e1000e + nvme, "drivers.toml")) ==
        "drivers.toml:1 CONFIG_NET_VENDOR_INTEL=y\n"
        "drivers.toml:1 CONFIG_E1000E_HWTS=n\n"
        "drivers.toml:1 CONFIG_E1000E=m\n"
        "drivers.toml:10 CONFIG_BLK_DEV_NVME=y\n");
  CHECK(parse_driver_list("", "drivers.toml").empty());
}

TEST_CASE("mistakes of a driver list are reported with their lines") {
  const std::string text = mistakes(
      "[[driver]]\nsymbol = \"E1000E\"\nbuild = \"yes\"\nhardware = \"x\"\nneeds = [\"CONFIG_A\", \"CONFIG_B=2\"]\n"
      "ids = [\"pci 8086\", \"isa: 300\", \"pci 8086:\", \"pci 8086: 10-d3\"]\ncolour = \"red\"\n");
  INFO(text);
  CHECK(contains(text, "drivers.toml:2:"));
  CHECK(contains(text, "drivers.toml:3:"));
  CHECK(contains(text, "\"built-in\" or \"module\""));
  CHECK(contains(text, "driver.1.module"));
  CHECK(contains(text, "must be CONFIG_NAME=y"));
  CHECK(contains(text, "with a bus of pci, usb"));
  CHECK(contains(text, "colour"));
  CHECK(contains(mistakes("[[driver]\n"), "drivers.toml:1:"));
}

TEST_CASE("entries of a driver list cannot contradict each other") {
  std::string other = e1000e;
  other.replace(other.find("CONFIG_E1000E_HWTS=n"), 20, "CONFIG_NET_VENDOR_INTEL=n");
  CHECK(contains(mistakes(e1000e + other),
                 "drivers.toml:9:1: CONFIG_NET_VENDOR_INTEL=n contradicts line 1, which has y"));
  CHECK(parse_driver_list(e1000e + e1000e, "drivers.toml").size() == 3);
}
