// Compares resolve() with `apt-get -s install` on an empty system: same names and versions for every set of sets.txt.
//
// resolver_oracle SETS DIFFERENCES WORK [--only SET] [--arch ARCH] [--keyring FILE] [--rotate]
// --rotate: each set for one of its architectures instead of all.
// The indexes are fetched once from the mirrors of find_mirrors() into WORK/mirror, verified by IndexLoader, and passed
// to a private apt as a file: mirror, so that both read the same bytes. DIFFERENCES lists accepted differences; an
// obsolete one is an error too.
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <future>
#include <iostream>
#include <map>
#include <set>

#include "debian/resolve.hpp"
#include "fetch/fetch.hpp"
#include "process/command.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace fs = std::filesystem;
using namespace k8simg;

namespace {

using Versions = std::map<std::string, std::string>;

struct PackageSet {
  std::string name;
  std::vector<std::string> architectures, packages;
};

/// "NAME ARCH,ARCH: package package ..." per line, '#' begins a comment.
std::vector<PackageSet> read_sets(const fs::path& file) {
  std::vector<PackageSet> sets;
  for (const std::string& line : split(read_file(file), '\n')) {
    if (trim(line).empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos)
      throw Error(ErrorKind::Usage, "no colon in line \"" + line + "\" of " + file.string());
    const std::vector<std::string> head = split_words(line.substr(0, colon));
    if (head.size() != 2) throw Error(ErrorKind::Usage, "not \"NAME ARCHITECTURES:\": " + line);
    sets.push_back({head[0], split(head[1], ','), split_words(line.substr(colon + 1))});
  }
  return sets;
}

/// "SET ARCH +name|-name: reason" per line: a package that resolve() takes and apt does not, or the other way round.
std::map<std::string, std::string> read_differences(const fs::path& file) {
  std::map<std::string, std::string> known;
  for (const std::string& line : split(read_file(file), '\n')) {
    if (trim(line).empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos || trim(line.substr(colon + 1)).empty())
      throw Error(ErrorKind::Usage, "a difference without a reason: " + line);
    known[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return known;
}

// The first suite is required. trixie-backports must not change any result.
const std::vector<std::pair<std::string, std::string>> suites = {{"debian", "trixie"},
                                                                 {"debian", "trixie-updates"},
                                                                 {"debian-security", "trixie-security"},
                                                                 {"debian", "trixie-backports"}};
const std::vector<std::string> sections = {"main", "non-free-firmware"};

class PrivateApt {
 public:
  PrivateApt(const fs::path& work, const fs::path& mirror, const std::string& architecture,
             const std::vector<LockedSuite>& used, const fs::path& keyring)
      : root_(work / ("apt-" + architecture)) {
    for (const char* folder :
         {"state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/trusted.gpg.d"})
      fs::create_directories(root_ / folder);
    write_file_atomically(root_ / "state/status", "");
    std::string sources;
    for (const LockedSuite& suite : used)
      sources += fmt::format("deb [signed-by={} arch={}] file:{} {} {}\n", keyring.string(), architecture,
                             (mirror / suite.repository).string(), suite.suite, join(sections, " "));
    write_file_atomically(root_ / "sources.list", sources);
    write_file_atomically(root_ / "apt.conf",
                          fmt::format("Dir::State \"{0}/state\";\nDir::State::status \"{0}/state/status\";\nDir::Cache "
                                      "\"{0}/cache\";\nDir::Etc \"{0}/etc\";\n"
                                      "Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts "
                                      "\"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n"
                                      "APT::Architecture \"{1}\";\nAPT::Architectures {{ \"{1}\"; "
                                      "}};\nAcquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\n",
                                      root_.string(), architecture));
    run_checked(system_runner(), command({"apt-get", "update"}), "apt-get update for " + architecture);
  }

  /// nullopt when apt finds no solution.
  std::optional<Versions> install(const std::vector<std::string>& packages) {
    std::vector<std::string> argv = {"apt-get", "-s", "--no-install-recommends", "install"};
    argv.insert(argv.end(), packages.begin(), packages.end());
    const CommandResult result = system_runner().run(command(argv));
    if (result.exit_code != 0) return std::nullopt;
    Versions versions;
    for (const std::string& line : split(result.output, '\n')) {
      // Inst NAME (VERSION SUITE [ARCH])
      const std::vector<std::string> words = split_words(line);
      if (words.size() > 2 && words[0] == "Inst") versions[split(words[1], ':')[0]] = words[2].substr(1);
    }
    return versions;
  }

 private:
  Command command(std::vector<std::string> argv) const {
    Command command;
    command.argv = std::move(argv);
    command.environment = {
        {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}, {"APT_CONFIG", (root_ / "apt.conf").string()}};
    command.log = root_ / "log";
    command.capture_stdout = true;
    return command;
  }

  fs::path root_;
};

class Comparison {
 public:
  Comparison(fs::path work, fs::path keyring, std::map<std::string, std::string> known)
      : work_(std::move(work)), keyring_(std::move(keyring)), known_(std::move(known)) {}

  void run(const std::string& architecture, const std::vector<PackageSet>& sets) {
    fs::create_directories(work_);
    const fs::path mirror = fs::absolute(work_) / "mirror";
    const Mirrors mirrors = find_mirrors({.environment = environment("K8SIMG_MIRROR")});
    const auto downloader = make_curl_downloader();
    // apt needs an index at its own path, so a file that IndexLoader found elsewhere by its digest is written there
    // too.
    std::map<std::string, std::vector<fs::path>> missed;
    const IndexFetcher fetch = [&](const std::string& repository, const std::string& path,
                                   std::uint64_t limit) -> std::optional<std::string> {
      const fs::path file = mirror / repository / path;
      const std::size_t by_hash = path.find("/by-hash/SHA256/");
      auto bytes = by_hash != std::string::npos && fs::exists(file)
                       ? read_file(file)
                       : fetch_text(*downloader, mirrors, repository, path, limit, work_);
      if (!bytes) {
        if (by_hash != std::string::npos) missed[file.filename().string()].push_back(file);
        return std::nullopt;
      }
      std::vector<fs::path> places = {file};
      if (const auto wanted = missed.find(sha256(*bytes).hex()); wanted != missed.end())
        places.insert(places.end(), wanted->second.begin(), wanted->second.end());
      for (const fs::path& place : places) {
        fs::create_directories(place.parent_path());
        write_file_atomically(place, *bytes);
      }
      return bytes;
    };
    IndexSet indexes;
    // A mirror may have outdated files of a suite for one architecture. Such a suite is left out on both sides, with a
    // message.
    for (const auto& [repository, suite] : suites) {
      try {
        IndexSet more = IndexLoader(fetch, system_runner(), keyring_, Clock::system(), work_)
                            .load({{repository, {suite}, sections}}, {architecture});
        indexes.suites.insert(indexes.suites.end(), more.suites.begin(), more.suites.end());
        for (IndexSet::Packages& packages : more.packages) indexes.packages.push_back(std::move(packages));
      } catch (const Error& error) {
        if (indexes.suites.empty()) throw;
        std::cout << "*** " << suite << " is left out for " << architecture << ": " << error.message() << std::endl;
      }
    }
    PrivateApt apt(fs::absolute(work_), mirror, architecture, indexes.suites, keyring_);
    const std::vector<std::string> essential_names = find_essential(indexes, architecture);

    for (const PackageSet& set : sets) {
      std::vector<std::string> asked = essential_names;
      asked.insert(asked.end(), set.packages.begin(), set.packages.end());
      auto waiting = std::async(std::launch::async, [&] { return apt.install(asked); });
      const std::clock_t start = std::clock();  // processor time, since the machine may be busy
      std::optional<Versions> ours;
      std::string said;
      try {
        ours.emplace();
        for (const LockedPackage& package :
             resolve(indexes, {.architecture = architecture, .install = set.packages, .essential = true}).packages)
          (*ours)[package.name] = package.version;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Resolve) throw;
        ours.reset();
        said = error.message();
      }
      slowest_ = std::max(slowest_, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
      compare(set.name + " " + architecture, ours, waiting.get(), said);
    }
  }

  int report() {
    for (const auto& [difference, reason] : known_)
      if (!met_.contains(difference) && compared_names_.contains(difference.substr(0, difference.rfind(' '))))
        fail("the table lists a difference that is not there: " + difference);
    std::cout << fmt::format("{} sets compared, {} failures, slowest resolve {:.2f} s of processor time\n", compared_,
                             failures_, slowest_);
    return failures_ == 0 && compared_ > 0 ? 0 : 1;
  }

 private:
  static std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
  }

  /// Parses the text without the code under test.
  static std::vector<std::string> find_essential(const IndexSet& indexes, const std::string& architecture) {
    std::set<std::string> names;
    for (const IndexSet::Packages& packages : indexes.packages) {
      if (packages.architecture != architecture || packages.not_automatic) continue;
      std::size_t at = 0;
      while ((at = packages.text.find("\nEssential: yes\n", at)) != std::string::npos) {
        const std::size_t paragraph = packages.text.rfind("\n\n", at);
        const std::size_t start = packages.text.find("Package: ", paragraph == std::string::npos ? 0 : paragraph) + 9;
        names.insert(packages.text.substr(start, packages.text.find('\n', start) - start));
        ++at;
      }
    }
    return {names.begin(), names.end()};
  }

  void fail(const std::string& line) {
    std::cout << "FAIL " << line << "\n";
    ++failures_;
  }

  void compare(const std::string& name, const std::optional<Versions>& ours, const std::optional<Versions>& theirs,
               const std::string& said) {
    ++compared_;
    compared_names_.insert(name);
    if (!ours || !theirs) {
      if (ours.has_value() != theirs.has_value())
        return fail(fmt::format("{}: {}", name, ours ? "apt finds no solution" : "resolve: " + said));
      std::cout << "same " << name << ": neither has a solution (" << said << ")\n";
      return;
    }
    std::size_t different = 0;
    const auto note = [&](const std::string& difference, const std::string& detail) {
      const std::string key = name + " " + difference;
      met_.insert(key);
      if (known_.contains(key)) return;
      ++different;
      fail(key + " " + detail);
    };
    for (const auto& [package, version] : *ours) {
      const auto other = theirs->find(package);
      if (other == theirs->end())
        note("+" + package, version);
      else if (other->second != version)
        note("~" + package, fmt::format("{} here, {} by apt", version, other->second));
    }
    for (const auto& [package, version] : *theirs)
      if (!ours->contains(package)) note("-" + package, version);
    if (different == 0) std::cout << "same " << name << ": " << ours->size() << " packages" << std::endl;
  }

  fs::path work_, keyring_;
  std::map<std::string, std::string> known_;
  std::set<std::string> met_, compared_names_;
  int compared_ = 0, failures_ = 0;
  double slowest_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc), files;
  std::string only, architecture, keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  bool rotate = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--rotate") {
      rotate = true;
      continue;
    }
    std::string* option = arguments[i] == "--only"      ? &only
                          : arguments[i] == "--arch"    ? &architecture
                          : arguments[i] == "--keyring" ? &keyring
                                                        : nullptr;
    if (option && i + 1 < arguments.size())
      *option = arguments[++i];
    else
      files.push_back(arguments[i]);
  }
  if (files.size() != 3) {
    std::cerr << "resolver_oracle SETS DIFFERENCES WORK [--only SET] [--arch ARCH] [--keyring FILE] [--rotate]\n";
    return 2;
  }
  try {
    std::map<std::string, std::vector<PackageSet>> by_architecture;
    std::size_t number = 0;
    for (PackageSet set : read_sets(files[0])) {
      if (rotate) set.architectures = {set.architectures[number++ % set.architectures.size()]};
      for (const std::string& each : set.architectures)
        if ((only.empty() || set.name == only) && (architecture.empty() || each == architecture))
          by_architecture[each].push_back(set);
    }
    Comparison comparison(files[2], keyring, read_differences(files[1]));
    for (const auto& [each, sets] : by_architecture) comparison.run(each, sets);
    return comparison.report();
  } catch (const Error& error) {
    std::cerr << error.describe() << "\n";
    return 1;
  }
}
