// Finds mirrors in the command line, the environment, the user's configuration and the machine's apt sources.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <limits>
#include <optional>
#include <set>

#include "fetch/fetch.hpp"
#include "fetch/mirror_list.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/keyring.hpp"
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
  std::string signed_by;  ///< paths and fingerprints, or an armored key
  bool trusted = false;   ///< apt does not check its signature
  std::string file;       ///< of sources.list.d, without its suffix: "docker"
};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}
std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// The keys of Debian's archive, read when a source names keys of its own.
class ArchiveKeys {
 public:
  explicit ArchiveKeys(fs::path keyring) : keyring_(std::move(keyring)) {}

  /// Whether Signed-By allows a key of Debian's archive.
  bool accept(const std::string& signed_by) {
    if (trim(signed_by).empty()) return true;
    if (signed_by.find("-----BEGIN PGP") != std::string::npos) return has_one_of(read_embedded(signed_by));
    for (const std::string& word : split_words(replace_all(signed_by, ",", " "))) {
      if (word.front() == '/') {
        if (fs::path(word).filename().string().find("debian-archive") != std::string::npos) return true;
        if (has_one_of(read(word))) return true;
      } else if (fingerprints().contains(upper(word.substr(0, word.find('!'))))) {  // "!": no subkeys of it
        return true;
      }
    }
    return false;
  }

 private:
  using Fingerprints = std::set<std::string, std::less<>>;

  /// No key of a file that is missing, cannot be read, or is no keyring.
  static Fingerprints read(const fs::path& file) {
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) return {};
    try {
      return key_fingerprints(binary_keyring(read_file(file), file.string()));
    } catch (const Error&) {
      return {};
    }
  }
  static Fingerprints read_embedded(const std::string& text) {
    try {
      return key_fingerprints(binary_keyring(text, "Signed-By"));
    } catch (const Error&) {
      return {};
    }
  }
  const Fingerprints& fingerprints() {
    if (!fingerprints_) fingerprints_ = read(keyring_);
    return *fingerprints_;
  }
  bool has_one_of(const Fingerprints& keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) { return fingerprints().contains(key); });
  }

  fs::path keyring_;
  std::optional<Fingerprints> fingerprints_;
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

void add_bases(Bases& bases, const std::string& repository, const std::vector<std::string>& uris) {
  auto& list = bases[repository];
  for (const auto& uri : usable(uris))
    if (!has(list, uri)) list.push_back(uri);
  if (list.empty()) bases.erase(repository);
}

void offer(Bases& bases, const Source& source, ArchiveKeys& keys) {
  if (!has(source.components, "main") || !keys.accept(source.signed_by)) return;
  for (const auto& suite : source.suites)
    if (const auto repository = repository_of(suite)) add_bases(bases, *repository, source.uris);
}

bool says_no(const std::string& value) {
  static const std::set<std::string, std::less<>> no{"no", "false", "without", "off", "disable", "0"};  // as in apt
  return no.contains(lower(value));
}
bool says_yes(const std::string& value) {
  static const std::set<std::string, std::less<>> yes{"yes", "true", "with", "on", "enable", "1"};
  return yes.contains(lower(value));
}

/// deb822 style (sources.list(5)): paragraphs with Types, URIs, Suites, Components. A line that starts with a blank
/// continues the field; field names are case-insensitive. An embedded key has "." for an empty line.
void read_sources(std::vector<Source>& sources, const std::string& text, const std::string& file) {
  std::map<std::string, std::string> fields;
  std::string last;
  const auto flush = [&] {
    if (has(split_words(fields["types"]), "deb") && !says_no(fields["enabled"]))
      sources.push_back({split_words(fields["uris"]), split_words(fields["suites"]), split_words(fields["components"]),
                         fields["signed-by"], says_yes(fields["trusted"]), file});
    fields.clear();
  };
  for (const std::string& line : split(text, '\n')) {
    const std::string_view words = trim(line);
    if (line.starts_with('#')) continue;
    if (words.empty()) {
      flush();
    } else if (line.front() == ' ' || line.front() == '\t') {
      fields[last] += "\n" + (words == "." ? "" : std::string(words));
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      last = lower(line.substr(0, colon));
      fields[last] = std::string(trim(std::string_view(line).substr(colon + 1)));
    }
  }
  flush();
}

/// One-line style: deb [option=value ...] URI SUITE SECTIONS... The brackets may have blanks inside.
void read_list(std::vector<Source>& sources, const std::string& text, const std::string& file) {
  for (const std::string& line : split(text, '\n')) {
    auto words = split_words(line.substr(0, line.find('#')));
    if (words.size() < 3 || words[0] != "deb") continue;
    Source source;
    source.file = file;
    words.erase(words.begin());
    if (words[0].starts_with('[')) {
      const auto last = std::find_if(words.begin(), words.end(), [](const auto& word) { return word.ends_with(']'); });
      if (last == words.end()) continue;
      const std::string options = join({words.begin(), last + 1}, " ");
      for (const auto& option : split_words(std::string_view(options).substr(1, options.size() - 2))) {
        const auto equals = option.find('=');
        if (equals == std::string::npos) continue;
        const std::string name = lower(option.substr(0, equals)), value = option.substr(equals + 1);
        if (name == "signed-by") source.signed_by = value;
        if (name == "trusted") source.trusted = says_yes(value);
      }
      words.erase(words.begin(), last + 1);
    }
    if (words.size() < 2) continue;
    source.uris = {words[0]}, source.suites = {words[1]}, source.components = {words.begin() + 2, words.end()};
    sources.push_back(std::move(source));
  }
}

std::vector<Source> machine_sources(const fs::path& folder) {
  std::vector<fs::path> files{folder / "sources.list"};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / "sources.list.d", ignored)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Source> sources;
  for (const auto& file : files) {
    if (!fs::is_regular_file(file, ignored)) continue;
    const std::string name = file.parent_path() == folder ? "" : file.stem().string();
    if (file.extension() == ".sources")
      read_sources(sources, read_file(file), name);
    else if (file.extension() == ".list")
      read_list(sources, read_file(file), name);
  }
  // A source whose signature apt does not check may be no mirror of Debian at all.
  std::stable_partition(sources.begin(), sources.end(), [](const Source& source) { return !source.trusted; });
  return sources;
}

Bases debian_bases(const std::vector<Source>& sources, const fs::path& keyring) {
  Bases bases;
  ArchiveKeys keys(keyring);
  for (const Source& source : sources) offer(bases, source, keys);
  return bases;
}

/// The mirrors of repositories of one's own: NAME.sources and NAME.list are those of the repository NAME.
Bases own_bases(const std::vector<Source>& sources) {
  Bases bases;
  for (const Source& source : sources)
    if (!source.file.empty() && source.file != "debian" && source.file != "debian-security")
      add_bases(bases, source.file, source.uris);
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
  const std::vector<Source> machine = machine_sources(options.apt_folder);
  const auto add = [&](const Bases& source) {
    for (const auto& [repository, bases] : source) mirrors.bases.try_emplace(repository, bases);
  };
  for (const Bases& source : {arguments, environment, options.user, debian_bases(machine, options.archive_keyring)})
    add(source);
  const bool none = mirrors.bases.empty();
  add(own_bases(machine));
  // libcurl needs file:///path; apt also has file:/path.
  for (auto& [repository, bases] : mirrors.bases) {
    for (auto& base : bases) {
      if (base.starts_with("file:/") && !base.starts_with("file://")) base = "file://" + base.substr(5);
    }
  }
  if (none) {
    throw Error(ErrorKind::Usage, "no Debian mirror is known",
                fmt::format("give --mirror URL, or K8SIMG_MIRROR=URL, or [mirrors] debian = \"URL\" in the user's "
                            "configuration (~/.config/k8simg/config.toml), or apt sources in {}",
                            options.apt_folder.string()));
  }
  return mirrors;
}

}  // namespace k8simg
