// Registers the handlers of filesystems, partition tables, output formats and boot methods.
#include "disk/formats.hpp"

#include <fmt/format.h>

#include <array>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

extern const Filesystem ext4, vfat;
extern const PartitionTable gpt, dos;
extern const OutputFormat zstd, xz, gzip, qcow2, vmdk, vhdx;
extern const BootMethod raspberrypi, syslinux;

namespace {

constexpr std::array registered_filesystems{&ext4, &vfat};
constexpr std::array registered_tables{&gpt, &dos};
constexpr std::array registered_outputs{&zstd, &xz, &gzip, &qcow2, &vmdk, &vhdx};
constexpr std::array registered_boot_methods{&raspberrypi, &syslinux};

std::string name_of(const BootMethod& method) { return method.name; }
template <class Handler>
std::string name_of(const Handler& handler) {
  return handler.rules.name;
}

template <class List>
const auto& registered(const List& list, const std::string& name, const char* what) {
  std::vector<std::string> names;
  for (const auto* handler : list) {
    if (name_of(*handler) == name) return *handler;
    names.push_back(name_of(*handler));
  }
  throw Error(ErrorKind::Usage, fmt::format("unknown {} \"{}\"", what, name), "available: " + join(names, ", "));
}

}  // namespace

const Filesystem& filesystem(const std::string& name) { return registered(registered_filesystems, name, "filesystem"); }
const PartitionTable& partition_table(const std::string& name) {
  return registered(registered_tables, name, "partition table");
}
const OutputFormat& output_format(const std::string& name) {
  return registered(registered_outputs, name, "output format");
}
const BootMethod& boot_method(const std::string& name) {
  return registered(registered_boot_methods, name, "boot method");
}

void check_boot_partition(const Tree& boot, const Store& store, const BootTarget& target) {
  for (const BootMethod* method : registered_boot_methods)
    if (method->check) method->check(boot, store, target);
}

DiskFormats disk_formats() {
  DiskFormats formats;
  for (const Filesystem* each : registered_filesystems) formats.filesystems.push_back(each->rules);
  for (const PartitionTable* each : registered_tables) formats.tables.push_back(each->rules);
  for (const OutputFormat* each : registered_outputs) formats.outputs.push_back(each->rules);
  for (const BootMethod* each : registered_boot_methods)
    if (each->install) formats.boot_loaders.emplace_back(each->name);
  return formats;
}

}  // namespace k8simg
