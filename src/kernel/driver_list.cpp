// Reads driver lists.
#include "kernel/driver_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "toml/value_checks.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

struct Driver {
  std::string symbol, module, build, hardware, firmware, qemu;
  std::vector<std::string> needs, ids;
};

std::string setting_line(const std::string& text) {
  const auto equals = text.find('=');
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  if (toml::kernel_symbol()(text.substr(0, equals)).empty() && (value == "y" || value == "m" || value == "n"))
    return "";
  return "must be CONFIG_NAME=y, CONFIG_NAME=m or CONFIG_NAME=n";
}

bool is_id(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c); });
}

/// "pci 8086: 105e 10d3", "usb class: 020600", "virtio: 1".
std::string device_ids(const std::string& text) {
  static const std::vector<std::string> buses{"pci", "usb", "acpi", "virtio", "vmbus", "xen"};
  const auto colon = text.find(':');
  if (colon != std::string::npos) {
    const auto head = split_words(text.substr(0, colon)), ids = split_words(text.substr(colon + 1));
    if (!head.empty() && std::find(buses.begin(), buses.end(), head[0]) != buses.end() && !ids.empty() &&
        std::all_of(head.begin(), head.end(), is_id) && std::all_of(ids.begin(), ids.end(), is_id))
      return "";
  }
  return fmt::format("must be \"BUS VENDOR: DEVICES\" or \"BUS: IDS\", with a bus of {}", join(buses, ", "));
}

toml::Table driver_table(std::vector<Driver>& drivers) {
  using namespace toml;
  return {{records<Driver>("driver", drivers, [](Driver& driver) {
    return Table{{
        text("symbol", driver.symbol, kernel_symbol()).require(),
        text("module", driver.module, file_name()).require(),
        text("build", driver.build, one_of({"built-in", "module"})).require(),
        text("hardware", driver.hardware, single_line()).require(),
        text("firmware", driver.firmware, package_name()),
        text("qemu", driver.qemu, file_name()),
        list("needs", driver.needs, Growth::Replace, setting_line),
        list("ids", driver.ids, Growth::Replace, device_ids),
    }};
  })}};
}

}  // namespace

std::vector<KernelRequest> parse_driver_list(std::string_view text, const std::string& name) {
  toml::Diagnostics diagnostics;
  const auto document = toml::parse_document(text, name, diagnostics);
  diagnostics.throw_if_any();
  std::vector<Driver> drivers;
  toml::Reader reader(diagnostics);
  const toml::Table table = driver_table(drivers);
  reader.read(table, *document);
  reader.complete(table, document->position);
  diagnostics.throw_if_any();

  std::vector<KernelRequest> requests;
  std::map<std::string, KernelRequest> first;
  const toml::Member* list = toml::find(*document, "driver");
  for (std::size_t i = 0; i < drivers.size(); ++i) {
    const Driver& driver = drivers[i];
    const SourcePosition& where = list->value.items[i].position;
    const auto request = [&](const std::string& symbol, const std::string& value) {
      const KernelRequest wanted{symbol, value, name, where.line};
      const auto [earlier, is_new] = first.emplace(symbol, wanted);
      if (is_new)
        requests.push_back(wanted);
      else if (earlier->second.value != value)
        diagnostics.add(where, fmt::format("{}={} contradicts line {}, which has {}", symbol, value,
                                           earlier->second.line, earlier->second.value));
    };
    for (const auto& need : driver.needs) {
      const auto equals = need.find('=');
      request(need.substr(0, equals), need.substr(equals + 1));
    }
    request(driver.symbol, driver.build == "module" ? "m" : "y");
  }
  diagnostics.throw_if_any();
  return requests;
}

}  // namespace k8simg
