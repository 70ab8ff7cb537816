// The audit: checks that every program and library of the root filesystem can run on the board's processor.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "elf/isa.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct AuditFinding {
  std::string path;  ///< absolute, on the target
  Origin origin;     ///< Node::origin: the package, component or overlay of the file
  std::string what;  ///< "is for ARMv7, NEON"
};

/// The ELF files of the tree that the target cannot run, sorted by path. Firmware of devices (/usr/lib/firmware) and
/// data for all machines (/usr/share) are ignored. Also used for the layers of container images.
std::vector<AuditFinding> audit_tree(const Store& store, const Tree& tree, const IsaTarget& target);

/// rootfs/audit: its output `tree` is the unchanged tree of `rootfs`. Later steps take it from here, so they only use
/// an audited tree. Error{Step} lists every finding that [[audit.allow]] does not cover, and every entry of audit.allow
/// without a finding; and commands whose interpreter is missing, if [[audit.no-interpreter]] does not cover them. Its
/// entries may be without a finding, since packages decide which interpreters there are.
TreeHandle add_audit_step(StepGraph& graph, const Config& config, const TreeHandle& rootfs);

}  // namespace k8simg
