// Checks that defconfigs/scripts.toml has a judgement for the remainder of every maintainer script.
#include <algorithm>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

void check_table(const std::vector<Judgement>& judgements) {
  for (const auto& each : judgements) {
    if (!each.rule.empty() && !rootfs::is_rule(each.rule)) {
      std::vector<std::string> names;
      for (const auto& rule : rootfs::rules()) names.emplace_back(rule.name);
      const auto near = nearest(each.rule, names);
      throw Error(ErrorKind::Usage,
                  fmt::format("the judgement of {} {} names a rule that does not exist: {}", each.package, each.script,
                              each.rule),
                  near ? fmt::format("Did you mean {}?", *near) : fmt::format("Rules are: {}.", join(names, ", ")));
    }
    if (trim(each.reason).empty()) {
      throw Error(ErrorKind::Usage, fmt::format("the judgement of {} {} has no reason", each.package, each.script),
                  "Set `reason` to what the rule models, or to why nothing needs to be done.");
    }
  }
}

std::string indented(const std::string& text) {
  std::string result;
  for (const auto& line : split(trim(text), '\n')) result += "    | " + line + "\n";
  return result;
}

}  // namespace

bool rootfs::is_judged(const std::vector<Judgement>& judgements, std::string_view package, std::string_view script,
                       const ScriptAnalysis& analysis) {
  return std::any_of(judgements.begin(), judgements.end(), [&](const Judgement& each) {
    return each.package == package && each.script == script && each.remainder == analysis.remainder_sha256;
  });
}

std::vector<UnjudgedScript> unjudged_scripts(const Store& store, const std::vector<PackageTree>& packages,
                                             const std::vector<Judgement>& judgements) {
  check_table(judgements);
  std::vector<UnjudgedScript> unjudged;
  for (const auto& package : packages) {
    for (const std::string script : {"preinst", "postinst"}) {
      const auto* node = package.tree.find("DEBIAN/" + script);
      if (node == nullptr) continue;
      const auto analysis = analyse_script(store.read(node->content), package.name, script);
      if (analysis.remainder.empty()) continue;
      if (rootfs::is_judged(judgements, package.name, script, analysis)) continue;
      const bool changed = std::any_of(judgements.begin(), judgements.end(), [&](const Judgement& each) {
        return each.package == package.name && each.script == script;
      });
      unjudged.push_back({package.name, package.version, package.architecture, script, analysis.remainder,
                          analysis.remainder_sha256, changed});
    }
  }
  return unjudged;
}

void check_scripts(const Store& store, const std::vector<PackageTree>& packages,
                   const std::vector<Judgement>& judgements, const std::vector<std::string>& evaluated) {
  std::string list;
  int count = 0;
  for (const auto& each : unjudged_scripts(store, packages, judgements)) {
    if (std::find(evaluated.begin(), evaluated.end(), each.package) != evaluated.end()) continue;
    ++count;
    list += fmt::format("\n{} of {} {} ({}){}\n  remainder = \"{}\"\n{}", each.script, each.package, each.version,
                        each.architecture, each.changed ? ", which has changed since it was judged" : "",
                        each.remainder_sha256, indented(each.remainder));
  }
  if (count == 0) return;
  throw Error(
      ErrorKind::Resolve,
      fmt::format("{} maintainer script{} no judgement:{}", count, count == 1 ? " has" : "s have", list),
      "Run `k8simg lock NAME`, which evaluates these scripts. If that fails, read the remainder of each script. "
      "Add a [[judgement]] to defconfigs/scripts.toml with package, script, remainder and reason, and with the "
      "rule that models it if it affects a new image.");
}

}  // namespace k8simg
