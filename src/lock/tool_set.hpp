// A tool set: the packages of one tools tree. Configurations request sets, and tools.lock has their packages.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct ToolSet {
  std::string name;                   ///< "kernel", "go": see tool_sets in config/config.hpp
  bool essential = true;              ///< Essential packages are installed too
  std::vector<std::string> packages;  ///< names; also "name=version" and "name/suite"
  bool operator==(const ToolSet&) const = default;
};

}  // namespace k8simg
