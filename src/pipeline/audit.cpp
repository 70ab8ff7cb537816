// Walks a tree, judges each ELF file once, and sorts what was found into allowed and not.
#include "pipeline/audit.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "tree/mapped_file.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

std::vector<AuditFinding> audit_tree(const Store& store, const Tree& tree, const IsaTarget& target) {
  std::vector<AuditFinding> findings;
  std::map<Digest, std::optional<std::string>> judged;  // one program often has many names
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != NodeType::File || node.size < 4 || path.starts_with("usr/lib/firmware/")) continue;
    auto known = judged.find(node.content);
    if (known == judged.end())
      known = judged.emplace(node.content, isa_violation(MappedFile(store.path(node.content)).bytes(), target)).first;
    if (known->second) findings.push_back({"/" + path, node.origin, *known->second});
  }
  return findings;
}

namespace {

std::map<std::string, Value> audit(StepContext& context, const IsaTarget& target, const std::string& board,
                                   const std::vector<Config::AuditAllow>& allowed) {
  const Value root = context.input("tree");
  std::vector<bool> used(allowed.size());
  std::vector<std::string> mistakes;
  for (const AuditFinding& finding : audit_tree(context.store(), get_tree(context.store(), root.digest), target)) {
    bool allow = false;
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (!glob_match(allowed[i].path, finding.path)) continue;
      used[i] = allow = true;
      context.log(
          fmt::format("allowed: {} ({}) {}: {}", finding.path, finding.origin, finding.what, allowed[i].reason));
    }
    if (!allow) mistakes.push_back(fmt::format("{} ({}) {}", finding.path, finding.origin, finding.what));
  }
  const std::size_t found = mistakes.size();
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (!used[i]) mistakes.push_back(fmt::format("audit.allow {}: nothing there needs to be allowed", allowed[i].path));
  }
  if (mistakes.empty()) return {{"tree", root}};
  const std::string head =
      found ? fmt::format("the root filesystem does not fit board {} ({})", board, isa_description(target))
            : fmt::format("audit.allow of board {} or its defconfig is out of date", board);
  throw Error(ErrorKind::Step, head + ":\n  " + join(mistakes, "\n  "),
              found ? "build or choose it for this processor; a library that asks the processor before it uses more: "
                      "[[audit.allow]] with its path and the reason"
                    : "take the entry out");
}

}  // namespace

OutputRef add_audit_step(StepGraph& graph, const Config& config, const OutputRef& rootfs) {
  const IsaTarget target{config.arch.go, config.arch.goarm};
  nlohmann::json allowed = nlohmann::json::array();
  for (const auto& entry : config.audit_allow) allowed.push_back({entry.path, entry.reason});
  graph.add({.id = "rootfs/audit",
             .inputs = {{"tree", rootfs}},
             .action = BuiltinAction{
                 "rootfs.audit",
                 nlohmann::json{
                     {"goarch", target.goarch}, {"goarm", target.goarm}, {"board", config.board}, {"allow", allowed}}
                     .dump(),
                 [target, board = config.board, list = config.audit_allow](StepContext& context) {
                   return audit(context, target, board, list);
                 }}});
  return {"rootfs/audit", "tree"};
}

}  // namespace k8simg
