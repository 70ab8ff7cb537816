// A step: one unit of work with declared inputs and outputs, as data (command) or as a named function of this program
// (built-in).
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

/// `name` says what it is to the step and to a person: "kernel-fragments/vxlan.config", "tools", "package/systemd".
struct Input {
  std::string name;
  std::variant<Value, OutputRef>
      source;  ///< Value: known when the graph is made (local files, whose bytes are already in the store)
};

/// What a step takes of the machine. Heavy steps use all cores (make -j, go build): one at a time.
enum class Resource { Cpu, Heavy, Network };

struct Mount {
  std::string input, path;
};  ///< tree inputs as folders, blob inputs as files; read-only
struct CacheMount {
  std::string name, path;
};  ///< writable, kept between runs, content-keyed by its user (Go's build cache); not part of the key
struct Capture {
  std::string output, path;
  ValueKind kind = ValueKind::Blob;
};  ///< a Tree is read with its modes

/// Runs in the sandbox; expressible as a Remote Execution API action. The executor adds JOBS=N (cores) to the
/// environment, and SOURCE_DATE_EPOCH must be in `environment` where it matters.
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
  virtual std::filesystem::path scratch() = 0;    ///< private folder, removed afterwards; on the store's filesystem
  virtual void log(const std::string& line) = 0;  ///< to the step's log file
  virtual std::filesystem::path log_file() const = 0;
  virtual void progress(std::uint64_t done, std::uint64_t total) = 0;
  virtual std::stop_token stop() const = 0;
  virtual CommandRunner& runner() = 0;
};

/// What a step gives, by the names of its outputs.
using Outputs = std::map<std::string, Value>;

/// A function of this program. Made by builtin() of graph/builtin.hpp, so that it depends on nothing but what is here.
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
  /// Outputs whose digests are known before running (fetches: the lock says). Such a step runs only if a step that runs
  /// needs its bytes and they are not in the store; what it then gives must match.
  std::map<std::string, Value> known_outputs;
};

/// Hash of the action alone (argv, environment, function, version, parameters...).
Digest action_digest(const Step& step);
/// Hash of everything that can influence the step: action + input names and digests, in order.
Digest step_key(const Step& step, const std::vector<RecordedInput>& inputs);

}  // namespace k8simg
