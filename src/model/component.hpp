// A program of a component, as component.toml describes it.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct BinaryCheck {
  std::string argv0;
  std::vector<std::string> argv;
  std::string expect;  ///< what the output must contain
};

struct ComponentBinary {
  std::string name;     ///< of the file
  std::string package;  ///< Go package path, "." for the component's own main; or a C file of the component, "x.c"
  std::string install;  ///< absolute path in the root filesystem; "" if not installed
  std::vector<std::string> links;   ///< further names, as symlinks
  std::vector<std::string> tags;    ///< Go build tags besides the component's
  std::string link;                 ///< "", "multicall", "separate"
  std::vector<BinaryCheck> checks;  ///< the program is run, emulated where needed
};
/// A C file instead of a Go package.
inline bool is_c(const ComponentBinary& binary) { return binary.package.ends_with(".c"); }

}  // namespace k8simg
