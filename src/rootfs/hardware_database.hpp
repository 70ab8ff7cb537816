// udev's hardware database: properties by patterns of device names, compiled from hwdb(7) files into one file.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace k8simg::rootfs {

struct HardwareFile {
  std::string path;  ///< absolute path on the target; the database has it as the source of properties
  std::string text;
};

/// hwdb.bin as systemd-hwdb(8) of systemd 243 and later writes it (systemd: src/libsystemd/sd-hwdb/hwdb-internal.h;
/// little-endian). Later files take precedence. `warn` is called for each skipped line with "PATH:LINE: REASON". The
/// result depends only on the files.
std::string compile_hardware_database(const std::vector<HardwareFile>& files,
                                      const std::function<void(const std::string&)>& warn);

}  // namespace k8simg::rootfs
