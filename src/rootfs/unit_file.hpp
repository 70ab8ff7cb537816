// [Install] sections of systemd unit files, and presets. Formats: systemd.unit(5), systemd.preset(5).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

struct InstallSection {
  std::vector<std::string> wanted_by, required_by, upheld_by, alias, also;
  std::string default_instance;
  bool empty() const {
    return wanted_by.empty() && required_by.empty() && upheld_by.empty() && alias.empty() && also.empty();
  }
};
InstallSection read_install_section(std::string_view unit_file);

/// "getty@tty1.service" → "getty@.service"; other names are returned unchanged.
std::string template_of(const std::string& unit);
/// "getty@tty1.service" → "tty1"; "" for other names.
std::string instance_of(const std::string& unit);
/// "getty@.service", "tty1" → "getty@tty1.service".
std::string with_instance(const std::string& unit_template, const std::string& instance);

/// A line of a preset file.
struct Preset {
  bool enable = false;
  std::string glob;
  std::vector<std::string> instances;
};
std::vector<Preset> read_presets(std::string_view text);

}  // namespace k8simg::rootfs
