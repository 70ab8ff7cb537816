// Relation fields of arbitrary bytes: what is read prints as a field that reads back the same.
#include <cstdint>
#include <cstdlib>

#include "control/relation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const auto relations = parse_relations({reinterpret_cast<const char*>(data), size});
  if (!relations) {
    if (relations.error().message.empty()) std::abort();
    return 0;
  }
  std::string text;
  for (const Alternatives& alternatives : *relations) {
    text += (text.empty() ? "" : ", ") + to_string(alternatives);
    for (const Relation& relation : alternatives) {
      if (!is_package_name(relation.name)) std::abort();
      (void)satisfies(relation.version, relation);
    }
  }
  const auto again = parse_relations(text);
  if (!again || again->size() != relations->size()) std::abort();
  for (std::size_t i = 0; i < again->size(); ++i)
    if (to_string((*again)[i]) != to_string((*relations)[i])) std::abort();
  return 0;
}
