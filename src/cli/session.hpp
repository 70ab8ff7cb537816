// The global options, and the project, store, mirrors and reporter of a verb, which are created on demand.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "fetch/fetch.hpp"
#include "lock/lock.hpp"
#include "pipeline/pipeline.hpp"
#include "report/reporter.hpp"
#include "store/store.hpp"

namespace k8simg {

struct Options {
  std::string project;  ///< --project, K8SIMG_PROJECT; otherwise the nearest parent folder with boards/ and defconfigs/
  std::string store;    ///< --store, K8SIMG_STORE; otherwise PROJECT/output/store
  std::string output;   ///< --output; otherwise PROJECT/output
  std::vector<std::string> mirrors;  ///< --mirror
  std::vector<std::string> set;      ///< --set key=value
  std::string lock_file;             ///< --lock; otherwise defconfigs/NAME.lock
  std::string tools_lock_file;       ///< --tools-lock; otherwise defconfigs/tools.lock
  std::string progress = "auto";
  int jobs = 0;
  bool json = false;  ///< --json of the verb
};

class Session {
 public:
  Session(Options options, std::stop_token stop);

  const Options& options() const { return options_; }
  std::stop_token stop() const { return stop_; }
  std::filesystem::path project() const;  ///< Error{Usage} if there is none
  std::filesystem::path output(
      const std::string& defconfig) const;  ///< the folder output/NAME; NAME may be the folder of a verb
  /// Error{Usage} for an architecture, which has no disk image. `verb`: "run", for the message.
  void need_machine(const Config& config, const std::string& verb) const;
  std::filesystem::path lock_file(const std::string& defconfig) const;
  std::filesystem::path tools_lock_file() const;
  Lock lock(const std::string& defconfig) const;  ///< reads both files; Error{Usage} if one is missing
  DiskStore& store();
  Reporter& reporter();
  const Mirrors& mirrors();
  Downloader& downloader();
  Config config(const std::string& defconfig) const;
  Pipeline pipeline(const Config& config, const Lock& lock);

  /// Builds `targets` and returns their values. Reports the plan and its end. `taken`: see RunOptions.
  std::map<OutputRef, Value> build(Pipeline& pipeline, const std::string& defconfig,
                                   const std::vector<OutputRef>& targets,
                                   const std::function<bool(const OutputRef&, const Value&)>& taken = {});
  /// Builds the tools trees of `sets` if needed, and returns their folders in the same order. Error{Usage} if a set has
  /// no packages.
  std::vector<std::filesystem::path> tools(const std::string& defconfig, const std::vector<std::string>& sets);

 private:
  Options options_;
  std::stop_token stop_;
  std::unique_ptr<DiskStore> store_;
  std::unique_ptr<Reporter> reporter_;
  std::optional<Mirrors> mirrors_;
  std::unique_ptr<Downloader> downloader_;
};

/// The program's version, as in CMakeLists.txt.
std::string program_version();

}  // namespace k8simg
