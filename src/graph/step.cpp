// Keys of steps: digests over an unambiguous serialisation of everything that can influence a step.
#include "graph/step.hpp"

#include <concepts>

#include "graph/code_digest.hpp"
#include "tree/archive.hpp"
#include "util/digest.hpp"

namespace k8simg {
namespace {

// Incremented when the serialisation or the reading of captures changes (a test has examples of both); all steps then
// run again.
constexpr std::string_view format = "k8simg-step 2";

// A field is written as LENGTH ":" BYTES, a list as its length and items, so that different steps never give the same
// bytes.
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

// Serialises the sandbox command with names of inputs instead of paths of this machine, so that everything the sandbox
// adds (PATH, user, sizes of filesystems) is part of the key. Not part of it: caches, since they must not change the
// result; the number of cores; the host's network settings.
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
