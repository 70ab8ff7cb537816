// Rule hardware-database: compiles udev's hardware database from the files of the image, like systemd-hwdb(8) when udev
// is configured.
#include "rootfs/hardware_database.hpp"
#include "rootfs/rules.hpp"

namespace k8simg::rootfs {

void hardware_database(Assembly& assembly) {
  const std::string shipped = "usr/lib/udev/hwdb.d/", local = "etc/udev/hwdb.d/";
  std::map<std::string, std::string>
      sources;  // name → path, sorted by name; a file in /etc replaces the file of the same name
  for (const auto& [path, node] : assembly.tree.nodes()) {
    for (const auto& folder : {shipped, local}) {
      if (!path.starts_with(folder) || !path.ends_with(".hwdb")) continue;
      auto& chosen = sources[path.substr(folder.size())];
      if (chosen.empty() || folder == local) chosen = path;
    }
  }
  if (sources.empty()) return;
  std::vector<HardwareFile> files;
  for (const auto& [name, path] : sources) files.push_back({"/" + path, assembly.text(path)});
  assembly.file("hardware-database", "usr/lib/udev/hwdb.bin", compile_hardware_database(files, assembly.log), 0444);
}

}  // namespace k8simg::rootfs
