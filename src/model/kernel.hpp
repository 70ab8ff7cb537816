// A kernel as the configuration describes it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace k8simg {

/// An entry of kernel-fragments/requirements.toml: one of the symbols must be set.
struct KernelRequirement {
  std::vector<std::string> any_of, by;
  bool required = true;
  std::string note;
  std::string program;  ///< a path of the image: needed only if the image has it, and then by `k8simg check`
};

struct KernelConfig {
  std::string package;  ///< "linux-source-6.12": ships usr/src/PACKAGE.tar.xz
  std::string base;     ///< "allnoconfig" or a defconfig target
  /// Project-relative, in order: kernel-fragments/X.config, then the boards' own files, the base's first.
  std::vector<std::filesystem::path> fragments;
  std::vector<std::string> targets;    ///< make targets: "bzImage", "dtbs"; modules are added
  std::string image;                   ///< path in the build tree: "arch/x86/boot/bzImage"
  std::vector<std::string> dtbs;       ///< paths in the build tree
  std::string cmdline;                 ///< without root=; templates add it
  std::filesystem::path requirements;  ///< kernel-fragments/requirements.toml, read into `required`
  std::vector<KernelRequirement> required;
};

}  // namespace k8simg
