// What every verb starts from: the global options, and project, store, mirrors and reporter made from them on demand.
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
  std::string project;  ///< --project, K8SIMG_PROJECT; else the nearest folder upwards with boards/ and defconfigs/
  std::string store;    ///< --store, K8SIMG_STORE; else PROJECT/output/store
  std::string output;   ///< --output; else PROJECT/output
  std::vector<std::string> mirrors;  ///< --mirror
  std::vector<std::string> set;      ///< --set key=value
  std::string lock_file;             ///< --lock; else defconfigs/NAME.lock
  std::string tools_lock_file;       ///< --tools-lock; else defconfigs/tools.lock
  std::string progress = "auto";
  int jobs = 0;
  bool json = false;  ///< --json of the verb
};

class Session {
 public:
  Session(Options options, std::stop_token stop);

  const Options& options() const { return options_; }
  std::stop_token stop() const { return stop_; }
  std::filesystem::path project() const;                             ///< Error{Usage} when there is none
  std::filesystem::path output(const std::string& defconfig) const;  ///< .../output/NAME; NAME may be a verb's folder
  /// Error{Usage} for an architecture, which has no disk: says what it has. `verb`: "run".
  void need_machine(const Config& config, const std::string& verb) const;
  std::filesystem::path lock_file(const std::string& defconfig) const;
  std::filesystem::path tools_lock_file() const;
  Lock lock(const std::string& defconfig) const;  ///< both files; Error{Usage} when there is none
  DiskStore& store();
  Reporter& reporter();
  const Mirrors& mirrors();
  Downloader& downloader();
  Config config(const std::string& defconfig) const;
  Pipeline pipeline(const Config& config, const Lock& lock);

  /// Builds what `targets` name and returns their values; reports the plan and its end. `taken`: see RunOptions.
  std::map<OutputRef, Value> build(Pipeline& pipeline, const std::string& defconfig,
                                   const std::vector<OutputRef>& targets,
                                   const std::function<bool(const OutputRef&, const Value&)>& taken = {});
  /// The tools trees of sets, built if need be, as folders in the order of `sets`. Error{Usage} when the defconfig
  /// names no packages for one.
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
