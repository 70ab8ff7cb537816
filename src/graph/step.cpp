// Keys of steps: hashes over one unambiguous serialisation of all that can influence what a step gives.
#include "graph/step.hpp"

#include <concepts>

#include "graph/code_digest.hpp"
#include "tree/archive.hpp"
#include "util/digest.hpp"

namespace k8simg {
namespace {

// Raised when the serialisation changes, or how captures are read (a test has an example of both): every step then runs
// again.
constexpr std::string_view format = "k8simg-step 2";

// Each field is written as LENGTH ":" BYTES, each list as its count and then its items, so that no two different
// steps can give the same bytes.
class Canonical {
 public:
  Canonical& text(std::string_view field) {
    hash_.update(std::to_string(field.size())).update(":").update(field);
    return *this;
  }
  template <std::integral Number>
  Canonical& number(Number value) {
    return text(std::to_string(value));
  }
  Canonical& digest(const Digest& digest) { return text(digest.hex()); }
  Digest finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

// The sandbox as the executor asks for it, with the names of inputs instead of paths of this machine: what the sandbox
// adds to a command (its PATH, the user it runs as, sizes of its file systems) changes the key too. Not in it: caches
// (content-keyed by their user), since they must not change the result; the number of cores; what the host says of its
// network.
void add(Canonical& out, const CommandAction& action) {
  SandboxCommand inside{.root = "input " + action.tools,
                        .argv = action.argv,
                        .environment = action.environment,
                        .working_folder = action.working_folder,
                        .binds = {{"out", "/out", true}, {"build", "/build", true}}};
  for (const auto& mount : action.mounts) inside.binds.push_back({"input " + mount.input, mount.path});
  const Command command = sandbox(inside);
  out.text("command").number(command.argv.size());
  for (const auto& argument : command.argv) out.text(argument);
  out.number(command.environment.size());
  for (const auto& [name, value] : command.environment) out.text(name).text(value);
  out.number(action.captures.size());
  for (const auto& capture : action.captures) out.text(capture.output).text(capture.path).text(name_of(capture.kind));
  out.text(action.network ? "network" : "no network");
}

void add(Canonical& out, const BuiltinAction& action) {
  out.text("builtin").text(code_digest()).text(crypto_library()).text(archive_library());
  out.text(action.function).text(action.parameters);
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
