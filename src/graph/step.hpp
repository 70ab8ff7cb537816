// A step: one unit of work with declared inputs and outputs. Its action is a command or a built-in function of this
// program.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "process/sandbox.hpp"
#include "report/reporter.hpp"
#include "store/store.hpp"

namespace k8simg {

struct OutputRef {
  std::string step, output;
  auto operator<=>(const OutputRef&) const = default;
};

/// `name` is used by the step and shown to users: "kernel-fragments/vxlan.config", "tools", "package/systemd".
struct Input {
  std::string name;
  std::variant<Value, OutputRef>
      source;  ///< Value: known when the graph is made (local files, whose bytes are already in the store)
};

/// The machine's resources that a step uses. Heavy steps use all cores (make -j, go build), so only one runs at a time.
enum class Resource { Cpu, Heavy, Network };

struct Mount {
  std::string input, path;
};  ///< tree inputs as folders, blob inputs as files; read-only
struct CacheMount {
  std::string name, path;
};  ///< writable, kept between runs, content-keyed by the command (Go's build cache); not part of the key
struct Capture {
  std::string output, path;
  ValueKind kind = ValueKind::Blob;
};  ///< a Tree keeps the modes on disk

/// Runs in the sandbox; can be expressed as a Remote Execution API action. The executor sets JOBS=N (cores).
/// `environment` must have SOURCE_DATE_EPOCH if the command needs it.
struct CommandAction {
  std::string tools;  ///< name of the input that is the tools tree
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string working_folder = "/build";
  std::vector<Mount> mounts;
  std::vector<CacheMount> caches;
  std::vector<Capture> captures;  ///< below /out
  bool network = false;           ///< fetch steps only
};

class StepContext {
 public:
  virtual ~StepContext() = default;
  virtual Store& store() = 0;
  virtual Value input(const std::string& name) const = 0;        ///< Error{Internal} when the step does not declare it
  virtual const std::vector<RecordedInput>& inputs() const = 0;  ///< in declared order
  virtual std::filesystem::path scratch() = 0;  ///< temporary folder on the store's filesystem, removed after the step
  virtual void log(const std::string& line) = 0;  ///< to the step's log file
  virtual std::filesystem::path log_file() const = 0;
  virtual void progress(std::uint64_t done, std::uint64_t total) = 0;
  virtual std::stop_token stop() const = 0;
  virtual CommandRunner& runner() = 0;
};

/// The outputs of a step by name.
using Outputs = std::map<std::string, Value>;

/// A function of this program. Made by builtin() of graph/builtin.hpp, which makes sure that it depends only on these
/// fields.
struct BuiltinAction {
  std::string function;    ///< "debian.unpack"
  std::string parameters;  ///< JSON with sorted keys; part of the key
  std::function<Outputs(StepContext&)> run;
};

struct Step {
  std::string id;  ///< "kernel/build"; unique in the graph
  std::vector<Input> inputs;
  std::variant<CommandAction, BuiltinAction> action;
  Resource resource = Resource::Cpu;
  /// Outputs whose digests are known in advance (fetches: from the lock). Such a step runs only if its blobs are
  /// missing and a running step needs them; its outputs must match.
  std::map<std::string, Value> known_outputs;
};

/// Digest of the action (argv, environment, function, version, parameters...).
Digest action_digest(const Step& step);
/// Digest of everything that can influence the step: action, input names and digests, in order.
Digest step_key(const Step& step, const std::vector<RecordedInput>& inputs);

}  // namespace k8simg
