// A StepContext for tests: a real store in a temporary folder, explicit inputs, and the log in memory.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/step.hpp"
#include "support/failure.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg::test {

/// Records commands and refuses to run them.
class NoPrograms : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    asked.push_back(command.argv);
    throw Error(ErrorKind::Internal, "no program may be run in this test: " + quote_argv(command.argv));
  }
  std::vector<std::vector<std::string>> asked;
};

class TestContext : public StepContext {
 public:
  TestContext() : folder_(fs::temp_directory_path(), "step"), store_(folder_.path() / "store") {
    fs::create_directory(folder_.path() / "scratch");
  }

  Store& store() override { return store_; }
  Value input(const std::string& name) const override {
    for (const auto& input : inputs_) {
      if (input.name == name) return input.value;
    }
    throw Error(ErrorKind::Internal, "the step does not declare input " + name);
  }
  const std::vector<RecordedInput>& inputs() const override { return inputs_; }
  fs::path scratch() override { return folder_.path() / "scratch"; }
  void log(const std::string& line) override { lines.push_back(line); }
  fs::path log_file() const override { return folder_.path() / "step.log"; }
  void progress(std::uint64_t done, std::uint64_t total) override { steps.emplace_back(done, total); }
  std::stop_token stop() const override { return stopper.get_token(); }
  CommandRunner& runner() override { return programs; }

  /// Runs a built-in step like the scheduler: with a new scratch folder and the given inputs.
  std::map<std::string, Value> run(const Step& step, std::vector<RecordedInput> inputs) {
    inputs_ = std::move(inputs);
    remove_all_forced(scratch());
    fs::create_directory(scratch());
    return std::get<BuiltinAction>(step.action).run(*this);
  }

  const fs::path& folder() const { return folder_.path(); }

  std::stop_source stopper;
  NoPrograms programs;
  std::vector<std::string> lines;                              ///< logged lines
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;  ///< progress: done, total

 private:
  TempDir folder_;
  DiskStore store_;
  std::vector<RecordedInput> inputs_;
};

}  // namespace k8simg::test
