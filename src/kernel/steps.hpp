// The steps that build a kernel: source tree, merged request, .config, its check, the build.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "kernel/fragment.hpp"

namespace k8simg {

struct KernelSpec {
  std::string package;      ///< the package that contains usr/src/PACKAGE.tar.xz
  std::string arch, cross;  ///< ARCH= and CROSS_COMPILE=
  std::string base;         ///< "allnoconfig" or "NAME_defconfig"
  NamedBlobs fragments;     ///< in order; names are shown in errors
  std::vector<KernelRequirement> requirements;
  std::vector<std::string> targets, dtbs;  ///< make targets; DTB paths in the build tree
  std::string image;                       ///< path in the build tree
  std::int64_t source_date_epoch = 0;
};

/// Adds kernel/source, kernel/request, kernel/config, kernel/check, kernel/build. `tools`: the tools tree; `package`:
/// the unpacked linux-source package. The result is a tree: `image`, `dtbs/NAME.dtb`, `config`, `release` (one line),
/// and `modules/` (the contents of /usr/lib/modules/RELEASE: modules.builtin, modules.builtin.modinfo, modules.order,
/// and modules if any are built).
TreeHandle add_kernel_steps(StepGraph& graph, Store& store, const KernelSpec& spec, const TreeHandle& tools,
                            const TreeHandle& package);

}  // namespace k8simg
