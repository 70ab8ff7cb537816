// The steps that build a kernel: source tree, merged request, .config, its check, the build.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "kernel/fragment.hpp"

namespace k8simg {

struct KernelSpec {
  KernelConfig kernel;
  std::string arch, cross;  ///< ARCH= and CROSS_COMPILE=
  NamedBlobs fragments;     ///< the files that `kernel` names, in order; names are shown in errors
  std::int64_t source_date_epoch = 0;
};

struct KernelOutputs {
  /// `image`, `dtbs/NAME.dtb`, `config`, `release` (one line), and `modules/` (the contents of
  /// /usr/lib/modules/RELEASE: modules.builtin, modules.builtin.modinfo, modules.order, and modules if any are built).
  TreeHandle kernel;
  BlobHandle config;   ///< the checked .config
  BlobHandle symbols;  ///< KernelSymbols
};

/// Adds kernel/source, kernel/request, kernel/config, kernel/check, kernel/symbols, kernel/build. `tools`: the tools
/// tree; `package`: the unpacked linux-source package.
KernelOutputs add_kernel_steps(StepGraph& graph, Store& store, const KernelSpec& spec, const TreeHandle& tools,
                               const TreeHandle& package);

}  // namespace k8simg
