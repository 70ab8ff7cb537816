// Executes one step: runs a command in the sandbox or a built-in function, writes the log, and checks the outputs.
#include <fcntl.h>

#include <algorithm>

#include "graph/execute.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

const Value& input_of(const StepRun& run, const std::string& name) {
  for (const auto& input : run.inputs)
    if (input.name == name) return input.value;
  std::vector<std::string> names;
  for (const auto& input : run.inputs) names.push_back(input.name);
  throw Error(ErrorKind::Internal,
              "step \"" + run.step.id + "\" has no input \"" + name + "\" (it has: " + join(names, ", ") + ")");
}

void append_log(const fs::path& log, std::string_view text) {
  if (log.empty()) return;
  // One write per call, so that lines of different threads do not mix.
  write_all(Fd::open(log, O_WRONLY | O_CREAT | O_APPEND).get(), without_secrets(text), log);
}

std::string describe(const CommandAction& action) {
  std::string text = "argv: " + quote_argv(action.argv) + "\n";
  for (const auto& [name, value] : action.environment) text += "environment: " + name + "=" + value + "\n";
  return text;
}
std::string describe(const BuiltinAction& action) {
  return "built-in: " + action.function + " " + action.parameters + "\n";
}

void start_log(const StepRun& run) {
  if (run.log.empty()) return;
  std::string head = "step: " + run.step.id + "\nreason: " + run.reason + "\nkey: " + run.key.hex() + "\n";
  head += std::visit([](const auto& action) { return describe(action); }, run.step.action);
  for (const auto& input : run.inputs)
    head +=
        "input: " + input.name + " " + std::string(name_of(input.value.kind)) + " " + input.value.digest.hex() + "\n";
  write_file_atomically(run.log, without_secrets(head) + "\n");
}

// Many steps share a tools tree: the first one makes the checkout, and the others wait for it.
fs::path checkout_once(Store& store, const Value& tree) {
  static std::mutex mutex;
  std::lock_guard guard(mutex);
  return checkout(store, tree);
}

std::string path_below_out(const StepRun& run, const Capture& capture) {
  const fs::path normal = fs::path(capture.path).lexically_normal();
  const fs::path relative = normal.lexically_relative("/out");
  if (relative.empty() || *relative.begin() == "..")
    throw Error(ErrorKind::Internal,
                "step \"" + run.step.id + "\" captures " + capture.path + ", which is not below /out");
  return relative.string();
}

// The captured path on the host. Symlinks are refused: one made by the command could point to files of the host.
fs::path find_capture(const StepRun& run, const fs::path& out, const Capture& capture) {
  const std::string relative = path_below_out(run, capture);
  fs::path path = out;
  std::error_code ignored;
  fs::file_status status = fs::symlink_status(path, ignored);
  if (relative != ".")
    for (const auto& part : fs::path(relative)) {
      if (part.empty()) continue;
      path /= part;
      status = fs::symlink_status(path, ignored);
      if (fs::is_symlink(status)) break;
    }
  const std::string what =
      "step \"" + run.step.id + "\" was to give \"" + capture.output + "\" as " + capture.path + ", but ";
  const std::string hint = run.log.empty() ? "" : "the log is " + run.log.string();
  if (!fs::exists(status)) throw Error(ErrorKind::Step, what + "it is not there", hint);
  const bool as_wanted = capture.kind == ValueKind::Tree ? fs::is_directory(status) : fs::is_regular_file(status);
  if (!as_wanted)
    throw Error(
        ErrorKind::Step,
        what + path.filename().string() + " is not a " + (capture.kind == ValueKind::Tree ? "folder" : "regular file"),
        hint);
  return path;
}

Outputs execute_action(const StepRun& run, const CommandAction& action) {
  const TempDir scratch(run.store.folder("scratch"), "step");
  const fs::path out = scratch.path() / "out", build = scratch.path() / "build", cache = scratch.path() / "cache";
  fs::create_directories(out);
  fs::create_directories(build);

  SandboxCommand inside;
  inside.root = checkout_once(run.store, input_of(run, action.tools));
  inside.argv = action.argv;
  inside.environment = action.environment;
  inside.environment["JOBS"] = std::to_string(run.jobs);
  inside.working_folder = action.working_folder;
  inside.network = action.network;
  inside.binds = {{out, "/out", true}, {build, "/build", true}};
  if (!action.caches.empty()) {
    // The root is read-only, so the mount points of caches are created in this folder.
    fs::create_directories(cache);
    inside.binds.push_back({cache, "/cache", true});
  }
  for (const auto& mount : action.mounts) {
    const Value& value = input_of(run, mount.input);
    inside.binds.push_back(
        {value.kind == ValueKind::Tree ? checkout_once(run.store, value) : run.store.path(value.digest), mount.path});
  }
  for (const auto& mount : action.caches)
    inside.binds.push_back({run.store.folder("cache/" + mount.name), mount.path, true});

  Command command = sandbox(inside);
  command.log = run.log;
  run_checked(run.runner, command, run.step.id, run.stop);

  std::map<std::string, Value> outputs;
  for (const auto& capture : action.captures) {
    const fs::path path = find_capture(run, out, capture);
    outputs[capture.output] = capture.kind == ValueKind::Tree
                                  ? put_tree(run.store, read_folder(run.store, path, "", FolderModes::Keep))
                                  : run.store.put_file(path, true);
  }
  return outputs;
}

class Context : public StepContext {
 public:
  explicit Context(const StepRun& run) : run_(run) {}

  Store& store() override { return run_.store; }
  Value input(const std::string& name) const override { return input_of(run_, name); }
  const std::vector<RecordedInput>& inputs() const override { return run_.inputs; }
  fs::path scratch() override {
    std::lock_guard guard(mutex_);
    if (!scratch_) scratch_.emplace(run_.store.folder("scratch"), "step");
    return scratch_->path();
  }
  void log(const std::string& line) override { append_log(run_.log, line + "\n"); }
  fs::path log_file() const override { return run_.log; }
  void progress(std::uint64_t done, std::uint64_t total) override {
    run_.reporter.report({.kind = Event::Kind::StepProgress, .step = run_.step.id, .done = done, .total = total});
  }
  std::stop_token stop() const override { return run_.stop; }
  CommandRunner& runner() override { return run_.runner; }

 private:
  const StepRun& run_;
  std::mutex mutex_;
  std::optional<TempDir> scratch_;
};

Outputs execute_action(const StepRun& run, const BuiltinAction& action) {
  if (!action.run) throw Error(ErrorKind::Internal, "step \"" + run.step.id + "\" has no function");
  Context context(run);
  return action.run(context);
}

void check_outputs(const StepRun& run, const std::map<std::string, Value>& outputs) {
  const std::string step = "step \"" + run.step.id + "\" ";
  for (const auto& [name, expected] : run.step.known_outputs) {
    const auto given = outputs.find(name);
    if (given == outputs.end()) throw Error(ErrorKind::Step, step + "did not give its output \"" + name + "\"");
    if (given->second.digest != expected.digest || given->second.kind != expected.kind)
      throw Error(ErrorKind::Step, step + "gave another \"" + name + "\" than the lock says: " +
                                       given->second.digest.hex() + " instead of " + expected.digest.hex());
  }
  for (const auto& name : run.asked)
    if (!outputs.contains(name))
      throw Error(ErrorKind::Internal, step + "did not give its output \"" + name + "\", which another step takes");
  for (const auto& [name, value] : outputs)
    if (!run.store.has(value.digest))
      throw Error(ErrorKind::Internal,
                  step + "gave \"" + name + "\" as " + value.digest.hex() + ", which is not in the store");
}

}  // namespace

std::map<std::string, Value> execute(const StepRun& run) {
  start_log(run);
  auto outputs = std::visit([&](const auto& action) { return execute_action(run, action); }, run.step.action);
  check_outputs(run, outputs);
  return outputs;
}

}  // namespace k8simg
