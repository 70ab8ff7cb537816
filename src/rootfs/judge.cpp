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

void check_scripts(const Store& store, const std::vector<PackageTree>& packages,
                   const std::vector<Judgement>& judgements) {
  check_table(judgements);
  std::string unjudged;
  int count = 0;
  for (const auto& package : packages) {
    for (const std::string script : {"preinst", "postinst"}) {
      const auto* node = package.tree.find("DEBIAN/" + script);
      if (node == nullptr) continue;
      const auto analysis = analyse_script(store.read(node->content), package.name, script);
      if (analysis.remainder.empty()) continue;
      const bool judged = std::any_of(judgements.begin(), judgements.end(), [&](const Judgement& each) {
        return each.package == package.name && each.script == script && each.remainder == analysis.remainder_sha256;
      });
      if (judged) continue;
      ++count;
      const bool known = std::any_of(judgements.begin(), judgements.end(), [&](const Judgement& each) {
        return each.package == package.name && each.script == script;
      });
      unjudged += fmt::format("\n{} of {} {} ({}){}\n  remainder = \"{}\"\n{}", script, package.name, package.version,
                              package.architecture, known ? ", which has changed since it was judged" : "",
                              analysis.remainder_sha256, indented(analysis.remainder));
    }
  }
  if (count == 0) return;
  throw Error(ErrorKind::Resolve,
              fmt::format("{} maintainer script{} no judgement:{}", count, count == 1 ? " has" : "s have", unjudged),
              "Read the remainder of each script. Add a [[judgement]] to defconfigs/scripts.toml with package, script, "
              "remainder and reason, and with the rule that models it if it affects a new image.");
}

}  // namespace k8simg
