// udev's hardware database: properties by patterns of device names, compiled from hwdb(7) files into one searchable
// file.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace k8simg::rootfs {

struct HardwareFile {
  std::string path;  ///< absolute path on the target, which the database names as the property's source
  std::string text;
};

/// hwdb.bin as systemd-hwdb(8) of systemd 243 and later writes it (systemd: src/libsystemd/sd-hwdb/hwdb-internal.h;
/// little endian throughout). Later files win. `warn` is told of lines that are skipped, as "PATH:LINE: why". The
/// result depends on the files alone.
std::string compile_hardware_database(const std::vector<HardwareFile>& files,
                                      const std::function<void(const std::string&)>& warn);

}  // namespace k8simg::rootfs
