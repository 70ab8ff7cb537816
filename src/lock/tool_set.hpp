// A tool set: the packages of one tools tree, for steps that need the same programs. Configurations ask for sets, and
// the tools' lock answers.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct ToolSet {
  std::string name;                   ///< "kernel", "go": see tool_sets in config/config.hpp
  bool essential = true;              ///< every Essential package is installed too
  std::vector<std::string> packages;  ///< names; "name=version" and "name/suite" also
  bool operator==(const ToolSet&) const = default;
};

}  // namespace k8simg
