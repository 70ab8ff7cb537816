// Values of a configuration as they are shown: each with the places that set it.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct SourcePosition {
  std::string file;
  int line = 0, column = 0;
};  ///< file relative to the project; "--set" for the command line

/// One effective value for `k8simg show`.
/// `key`: dotted, as in TOML and --set. `value`: JSON text, which is TOML too: "text", 12, true, ["a", "b"]. Sizes as
/// they were written.
struct Setting {
  std::string key, value;
  std::vector<SourcePosition> set_by;
};  ///< lists: one position per contributing file

}  // namespace k8simg
