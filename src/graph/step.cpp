// Keys of steps: hashes over one unambiguous serialisation of all that can influence what a step gives.
#include "graph/step.hpp"

#include <concepts>

#include "graph/code_digest.hpp"
#include "util/digest.hpp"

namespace k8simg {
namespace {

// Raised when the serialisation, or what the executor does with a step, changes: every step then runs again.
constexpr std::string_view format = "k8simg-step 1";

// Each field is written as LENGTH ":" BYTES, each list as its count and then its items, so that no two different
// steps can give the same bytes.
class Canonical {
 public:
  Canonical& text(std::string_view field) {
    hash_.update(std::to_string(field.size())).update(":").update(field);
    return *this;
  }
  template <std::integral Number>
  Canonical& number(Number value) { return text(std::to_string(value)); }
  Canonical& digest(const Digest& digest) { return text(digest.hex()); }
  Digest finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

std::string_view name_of(ValueKind kind) { return kind == ValueKind::Tree ? "tree" : "blob"; }

// Not in it: caches (content-keyed by their user), since they must not change the result.
void add(Canonical& out, const CommandAction& action) {
  out.text("command").text(action.tools);
  out.number(action.argv.size());
  for (const auto& argument : action.argv) out.text(argument);
  out.number(action.environment.size());
  for (const auto& [name, value] : action.environment) out.text(name).text(value);
  out.text(action.working_folder);
  out.number(action.mounts.size());
  for (const auto& mount : action.mounts) out.text(mount.input).text(mount.path);
  out.number(action.captures.size());
  for (const auto& capture : action.captures) out.text(capture.output).text(capture.path).text(name_of(capture.kind));
  out.text(action.network ? "network" : "no network");
}

void add(Canonical& out, const BuiltinAction& action) {
  out.text("builtin").text(code_digest()).text(action.function).text(action.parameters);
}

}  // namespace

Digest action_digest(const Step& step) {
  Canonical out;
  out.text(format);
  std::visit([&](const auto& action) { add(out, action); }, step.action);
  return out.finish();
}

Digest step_key(const Step& step, const std::vector<RecordedInput>& inputs) {
  Canonical out;
  out.text(format).text("key").digest(action_digest(step)).number(inputs.size());
  for (const auto& input : inputs) out.text(input.name).text(name_of(input.value.kind)).digest(input.value.digest);
  return out.finish();
}

}  // namespace k8simg
