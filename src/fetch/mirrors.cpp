// Finds mirrors in the command line, the environment, the user's configuration and the machine's apt sources.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <limits>
#include <set>

#include "fetch/fetch.hpp"
#include "fetch/mirror_list.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

const std::set<std::string, std::less<>> codenames{"buster", "bullseye", "bookworm",  "trixie",  "forky",   "duke",
                                                   "sid",    "stable",   "oldstable", "testing", "unstable"};

/// The repository of a suite in the machine's apt sources; nullopt for a suite that is not Debian's.
std::optional<std::string> repository_of(std::string_view suite) {
  const auto end = suite.find_first_of("-/");
  if (!codenames.contains(suite.substr(0, end))) return std::nullopt;
  const std::string_view rest = end == std::string_view::npos ? "" : suite.substr(end + 1);
  // CODENAME/updates: the name of security suites before bullseye.
  if (rest == "security" || (rest == "updates" && suite[end] == '/')) return "debian-security";
  if (rest.empty() || rest == "updates" || rest == "backports" || rest == "proposed-updates") return "debian";
  return std::nullopt;
}

using Bases = std::map<std::string, std::vector<std::string>>;

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// One entry of the apt sources. Third parties use Debian's suite names too ("bookworm main"), but set signed-by to
/// their own keys.
struct Source {
  std::vector<std::string> uris, suites, components;
  std::string signed_by;
};

}  // namespace

std::vector<std::string> read_mirror_list(std::string_view text) {
  std::vector<std::pair<std::uint64_t, std::string>> mirrors;
  for (const std::string& line : split(text, '\n')) {
    const auto fields = split_words(line.substr(0, line.find('#')));
    if (fields.empty()) continue;
    std::uint64_t priority = std::numeric_limits<std::uint64_t>::max();
    bool binary = true;
    for (std::size_t i = 1; i < fields.size(); ++i) {
      const std::string_view field = fields[i];
      if (field.starts_with("priority:")) std::from_chars(field.data() + 9, field.data() + field.size(), priority);
      if (field == "type:deb-src" || field == "type:src") binary = false;
    }
    if (binary) mirrors.emplace_back(priority, fields[0]);
  }
  std::stable_sort(mirrors.begin(), mirrors.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> uris;
  for (auto& [priority, uri] : mirrors) uris.push_back(std::move(uri));
  return uris;
}

namespace {

/// The URIs that libcurl supports. Mirror lists are read; "tor+http" and similar are skipped.
std::vector<std::string> usable(const std::vector<std::string>& uris) {
  std::vector<std::string> all;
  for (const auto& uri : uris) {
    if (uri.starts_with("http://") || uri.starts_with("https://") || uri.starts_with("file:")) {
      all.push_back(uri);
    } else if (uri.starts_with("copy:")) {
      all.push_back("file:" + uri.substr(5));
    } else if (uri.starts_with("mirror+file:") || uri.starts_with("mirror+copy:")) {
      fs::path list = uri.substr(12);
      if (list.native().starts_with("//")) list = list.native().substr(2);
      std::error_code ignored;
      if (!fs::is_regular_file(list, ignored)) continue;
      const auto listed = read_mirror_list(read_file(list));
      // apt does not support nested lists.
      std::copy_if(listed.begin(), listed.end(), std::back_inserter(all), [](const std::string& one) {
        return one.starts_with("http://") || one.starts_with("https://") || one.starts_with("file:");
      });
    }
  }
  return all;
}

void offer(Bases& bases, const Source& source) {
  if (!has(source.components, "main")) return;
  if (!source.signed_by.empty() && source.signed_by.find("debian-archive") == std::string::npos) return;
  const auto& [uris, suites, components, signed_by] = source;
  for (const auto& suite : suites) {
    const auto repository = repository_of(suite);
    if (!repository) continue;
    for (const auto& uri : usable(uris)) {
      auto& list = bases[*repository];
      if (std::find(list.begin(), list.end(), uri) == list.end()) list.push_back(uri);
    }
  }
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// deb822 style (sources.list(5)): paragraphs with Types, URIs, Suites, Components. A line that starts with a blank
/// continues the field; field names are case-insensitive.
void read_sources(Bases& bases, const std::string& text) {
  std::map<std::string, std::string> fields;
  std::string last;
  const auto flush = [&] {
    const std::set<std::string, std::less<>> no{"no", "false", "without", "off", "disable", "0"};  // as in apt
    if (has(split_words(fields["types"]), "deb") && !no.contains(lower(fields["enabled"]))) {
      offer(bases, {split_words(fields["uris"]), split_words(fields["suites"]), split_words(fields["components"]),
                    fields["signed-by"]});
    }
    fields.clear();
  };
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with('#')) continue;
    if (trim(line).empty()) {
      flush();
    } else if (line.front() == ' ' || line.front() == '\t') {
      fields[last] += " " + std::string(trim(line));
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      last = lower(line.substr(0, colon));
      fields[last] = std::string(trim(std::string_view(line).substr(colon + 1)));
    }
  }
  flush();
}

/// One-line style: deb [options] URI SUITE SECTIONS...
void read_list(Bases& bases, const std::string& text) {
  for (const std::string& raw : split(text, '\n')) {
    std::string line(raw.substr(0, raw.find('#')));
    std::string signed_by;
    if (const auto open = line.find('['), close = line.find(']');
        open != std::string::npos && close != std::string::npos && open < close) {
      for (const auto& option : split_words(line.substr(open + 1, close - open - 1))) {
        if (lower(option).starts_with("signed-by=")) signed_by = option.substr(10);
      }
      line.erase(open, close - open + 1);
    }
    const auto words = split_words(line);
    if (words.size() >= 4 && words[0] == "deb")
      offer(bases, {{words[1]}, {words[2]}, {words.begin() + 3, words.end()}, signed_by});
  }
}

Bases machine_bases(const fs::path& folder) {
  Bases bases;
  std::vector<fs::path> files{folder / "sources.list"};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / "sources.list.d", ignored)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    if (!fs::is_regular_file(file, ignored)) continue;
    if (file.extension() == ".sources")
      read_sources(bases, read_file(file));
    else if (file.extension() == ".list")
      read_list(bases, read_file(file));
  }
  return bases;
}

/// "URL" sets debian (and debian-security: .../debian → .../debian-security), "REPOSITORY=URL" sets one repository.
void read_argument(Bases& bases, const std::string& argument, const std::string& where) {
  const auto equals = argument.find('=');
  const bool named = equals != std::string::npos && argument.find("://") > equals && argument.find("file:") > equals;
  const std::string url = named ? argument.substr(equals + 1) : argument;
  if (!url.starts_with("http://") && !url.starts_with("https://") && !url.starts_with("file:")) {
    throw Error(ErrorKind::Usage, fmt::format("{}: \"{}\" is not a mirror", where, argument),
                "write URL or REPOSITORY=URL, with http://, https:// or file:");
  }
  if (named) {
    bases[argument.substr(0, equals)].push_back(url);
    return;
  }
  bases["debian"].push_back(url);
  std::string stem = url;
  while (stem.ends_with('/')) stem.pop_back();
  if (stem.ends_with("/debian")) bases["debian-security"].push_back(stem + "-security");
}

}  // namespace

Mirrors find_mirrors(const MirrorOptions& options) {
  Bases arguments, environment;
  for (const auto& argument : options.arguments) read_argument(arguments, argument, "--mirror");
  for (const auto& word : split_words(options.environment.value_or("")))
    read_argument(environment, word, "K8SIMG_MIRROR");

  Mirrors mirrors;
  mirrors.archive = options.archive;
  // For each repository the first source wins, so --mirror for one repository keeps the others.
  for (const Bases& source : {arguments, environment, options.user, machine_bases(options.apt_folder)}) {
    for (const auto& [repository, bases] : source) mirrors.bases.try_emplace(repository, bases);
  }
  // libcurl needs file:///path; apt also has file:/path.
  for (auto& [repository, bases] : mirrors.bases) {
    for (auto& base : bases) {
      if (base.starts_with("file:/") && !base.starts_with("file://")) base = "file://" + base.substr(5);
    }
  }
  if (mirrors.bases.empty()) {
    throw Error(ErrorKind::Usage, "no Debian mirror is known",
                fmt::format("give --mirror URL, or K8SIMG_MIRROR=URL, or [mirrors] debian = \"URL\" in the user's "
                            "configuration (~/.config/k8simg/config.toml), or apt sources in {}",
                            options.apt_folder.string()));
  }
  return mirrors;
}

}  // namespace k8simg
