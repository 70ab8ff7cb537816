// The finished root filesystem held against the board's processor: every program and library must be able to run there.
#pragma once

#include <string>
#include <vector>

#include "component/isa.hpp"
#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct AuditFinding {
  std::string path;  ///< absolute, on the target
  Origin origin;     ///< Node::origin: the package, component or overlay that brought it
  std::string what;  ///< "is for ARMv7, NEON"
};

/// Every ELF file of the tree that the target cannot run, in order of paths; firmware of devices (/usr/lib/firmware)
/// runs elsewhere and is left out. Also for the layers of container images.
std::vector<AuditFinding> audit_tree(const Store& store, const Tree& tree, const IsaTarget& target);

/// Every program whose "#!" names an interpreter that the tree lacks, in order of paths.
std::vector<AuditFinding> missing_interpreters(const Store& store, const Tree& tree);

/// rootfs/audit: its output `tree` is the very tree of `rootfs`, so whoever takes it from here gets nothing that was
/// not audited. Error{Step} names every finding that [[audit.allow]] does not cover, and every entry of audit.allow
/// that covers nothing. So it does for missing interpreters, which [[audit.no-interpreter]] covers; its entries may
/// cover nothing, since it depends on packages whether an interpreter is there.
TreeHandle add_audit_step(StepGraph& graph, const Config& config, const TreeHandle& rootfs);

}  // namespace k8simg
