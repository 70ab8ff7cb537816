// Values of a configuration for display, each with the positions that set it.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct SourcePosition {
  std::string file;
  int line = 0, column = 0;
};  ///< file relative to the project; "--set" for the command line

/// An item of a list with its position.
struct SettingItem {
  std::string text;
  SourcePosition position;
};

/// One effective value for `k8simg show`.
/// `key`: with dots, as in TOML and --set. `value`: JSON text that is also TOML: "text", 12, true, ["a", "b"]. Sizes
/// are as written.
struct Setting {
  std::string key, value;
  std::vector<SourcePosition> set_by;  ///< lists: one position per contributing file
  std::vector<SettingItem> items;      ///< of a list of strings
};

}  // namespace k8simg
