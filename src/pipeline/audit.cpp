// Checks each ELF file of a tree once, and applies [[audit.allow]] to the findings.
#include "pipeline/audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "graph/builtin.hpp"
#include "pipeline/interpreters.hpp"
#include "tree/mapped_file.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

using AuditAllow = Config::AuditAllow;
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AuditAllow, path, reason)

namespace {

/// Firmware of devices, and data that is the same on all machines: also boot code of machines that QEMU emulates.
bool has_no_programs(const std::string& path) {
  return path.starts_with("usr/lib/firmware/") || path.starts_with("usr/share/");
}

}  // namespace

std::vector<AuditFinding> audit_tree(const Store& store, const Tree& tree, const IsaTarget& target) {
  std::vector<AuditFinding> findings;
  std::map<Digest, std::optional<std::string>> judged;  // one program often has several names
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != NodeType::File || node.size < 4 || has_no_programs(path)) continue;
    auto known = judged.find(node.content);
    if (known == judged.end())
      known = judged.emplace(node.content, isa_violation(MappedFile(store.path(node.content)).bytes(), target)).first;
    if (known->second) findings.push_back({"/" + path, node.origin, *known->second});
  }
  return findings;
}

namespace {

const TreePort tree_port{"tree"};

struct Audit {
  std::string goarch, goarm, board;
  std::vector<AuditAllow> allow, no_interpreter;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Audit, goarch, goarm, board, allow, no_interpreter)

void check_interpreters(StepContext& context, const Audit& parameters, const Tree& root) {
  std::vector<std::string> mistakes;
  for (const ScriptCommand& command : commands_with_interpreter(context.store(), root)) {
    if (finds_program(root, command.interpreter)) continue;
    const auto entry = std::find_if(parameters.no_interpreter.begin(), parameters.no_interpreter.end(),
                                    [&](const AuditAllow& each) { return glob_match(each.path, command.path); });
    const std::string what = fmt::format("{} ({}) needs {}, which the image does not have", command.path,
                                         command.origin.text(), command.interpreter);
    if (entry == parameters.no_interpreter.end())
      mistakes.push_back(what);
    else
      context.log(fmt::format("allowed: {}: {}", what, entry->reason));
  }
  if (mistakes.empty()) return;
  throw Error(ErrorKind::Step, "programs of the root filesystem lack their interpreter:\n  " + join(mistakes, "\n  "),
              "add the package that has it to packages.install (perl-base has /usr/bin/perl, python3-minimal "
              "/usr/bin/python3), or exclude the programs with rootfs.exclude, or give the reason why the image does "
              "not need them in [[audit.no-interpreter]]");
}

Outputs audit(StepContext& context, const Audit& parameters) {
  const IsaTarget target{parameters.goarch, parameters.goarm};
  const auto& allowed = parameters.allow;
  const Value root = tree_port.in(context);
  std::vector<bool> used(allowed.size());
  std::vector<std::string> mistakes;
  const Tree tree = get_tree(context.store(), root.digest);
  check_interpreters(context, parameters, tree);
  for (const AuditFinding& finding : audit_tree(context.store(), tree, target)) {
    bool allow = false;
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (!glob_match(allowed[i].path, finding.path)) continue;
      used[i] = allow = true;
      context.log(
          fmt::format("allowed: {} ({}) {}: {}", finding.path, finding.origin.text(), finding.what, allowed[i].reason));
    }
    if (!allow) mistakes.push_back(fmt::format("{} ({}) {}", finding.path, finding.origin.text(), finding.what));
  }
  const std::size_t found = mistakes.size();
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (!used[i]) mistakes.push_back(fmt::format("audit.allow {}: no file there needs it", allowed[i].path));
  }
  if (mistakes.empty()) return {tree_port.give(root)};
  const std::string head =
      found ? fmt::format("the root filesystem does not fit board {} ({})", parameters.board, isa_description(target))
            : fmt::format("audit.allow of board {} or its defconfig is out of date", parameters.board);
  throw Error(ErrorKind::Step, head + ":\n  " + join(mistakes, "\n  "),
              found ? "build or choose it for this processor; for a library that checks the processor at run time, add "
                      "[[audit.allow]] with its path and a reason"
                    : "remove the entry");
}

}  // namespace

TreeHandle add_audit_step(StepGraph& graph, const Config& config, const TreeHandle& rootfs) {
  const std::string id = "rootfs/audit";
  graph.add({.id = id,
             .inputs = {tree_port(rootfs)},
             .action = builtin<audit>("rootfs.audit", {.goarch = config.arch.go,
                                                       .goarm = config.arch.goarm,
                                                       .board = config.board,
                                                       .allow = config.audit_allow,
                                                       .no_interpreter = config.audit_no_interpreter})});
  return tree_port.of(id);
}

}  // namespace k8simg
