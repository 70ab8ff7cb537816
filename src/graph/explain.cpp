// Describes the differences between a step and its newest record.
#include "graph/explain.hpp"

#include <map>

#include "util/text.hpp"

namespace k8simg {

std::string explain_change(const Step& step, const std::vector<RecordedInput>& inputs,
                           const std::optional<StepRecord>& last) {
  if (!last) return "never built here";
  std::vector<std::string> changes;
  if (action_digest(step) != last->action) changes.push_back("recipe changed");
  std::map<std::string, Value> before;
  for (const auto& input : last->inputs) before.emplace(input.name, input.value);
  for (const auto& input : inputs) {
    const auto found = before.find(input.name);
    if (found == before.end()) {
      changes.push_back("input " + input.name + " added");
      continue;
    }
    if (found->second.digest != input.value.digest || found->second.kind != input.value.kind)
      changes.push_back("input " + input.name + " changed");
    before.erase(found);
  }
  for (const auto& [name, value] : before) changes.push_back("input " + name + " removed");
  if (changes.empty()) return "the order of its inputs changed";

  constexpr std::size_t shown = 3;
  if (changes.size() > shown) {
    const std::size_t more = changes.size() - shown;
    changes.resize(shown);
    changes.push_back("+" + std::to_string(more) + " more");
  }
  return join(changes, ", ");
}

}  // namespace k8simg
