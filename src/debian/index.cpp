// IndexLoader: fetches a suite's signed InRelease and its Packages indexes, and verifies each before unpacking it.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>

#include "debian/release.hpp"
#include "debian/resolve.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The folder of a suite on the mirror: "dists/trixie/". Of a flat suite: "" or "FOLDER/".
std::string folder_of(const std::string& suite) {
  if (!is_flat_suite(suite)) return "dists/" + suite + "/";
  return suite == "/" || suite == "./" ? "" : suite;
}

/// A Packages index listed in the release.
struct Listed {
  std::string path;  ///< "main/binary-amd64/Packages.xz"; of a flat suite "Packages.xz"
  IndexFile file;
  std::uint64_t unpacked = 0;  ///< bytes, from the entry of the uncompressed file; 0: not listed
  bool compressed = false;
};

/// `plain`: the path of the uncompressed index.
std::optional<Listed> find_index(const Release& release, const std::string& plain) {
  const auto plain_entry = release.files.find(plain);
  for (const char* suffix : {".xz", ".gz", ""}) {
    const auto entry = release.files.find(plain + suffix);
    if (entry == release.files.end()) continue;
    return Listed{plain + suffix, entry->second, plain_entry == release.files.end() ? 0 : plain_entry->second.size,
                  *suffix != '\0'};
  }
  return std::nullopt;
}

constexpr std::uint64_t most_index_bytes = 512 << 20;  // Debian's largest has 60 MB

std::string decompress(const std::string& bytes, const Listed& listed, const std::string& name) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  // Not filter_all: some filters run external programs.
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::Fetch, fmt::format("{} cannot be decompressed: {}", name, what));
  };
  const auto said = [&] {
    const char* text = archive_error_string(reader.get());
    return std::string(text ? text : "no reason given");
  };
  if (listed.unpacked > most_index_bytes) fail(fmt::format("it would have {} bytes", listed.unpacked));
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) fail(said());
  const int opened = archive_read_next_header(reader.get(), &entry);
  std::string text;
  if (opened == ARCHIVE_OK) {
    text.resize(listed.unpacked ? listed.unpacked + 1 : bytes.size() * 8 + 4096);
    std::size_t used = 0;
    for (;;) {
      const la_ssize_t got = archive_read_data(reader.get(), text.data() + used, text.size() - used);
      if (got < 0) fail(said());
      if (got == 0) break;
      used += static_cast<std::size_t>(got);
      // Reads one byte more than announced, to detect a longer text and decompression bombs.
      if (listed.unpacked && used > listed.unpacked) fail("it is longer than the release says");
      if (used > most_index_bytes) fail("it is longer than any index");
      if (used == text.size()) text.resize(text.size() * 2);
    }
    text.resize(used);
  } else if (opened != ARCHIVE_EOF) {
    fail(said());
  }
  if (listed.unpacked && text.size() != listed.unpacked)
    fail(fmt::format("it has {} bytes, the release says {}", text.size(), listed.unpacked));
  return text;
}

/// Paths that may have the index, likely ones first. A path with the same digest is the same file: mirrors that are
/// being updated, or that lack files of an architecture, often still have it.
std::vector<std::string> places_of(const Release& release, const Listed& listed) {
  std::vector<std::string> paths = {listed.path}, places;
  for (const auto& [path, file] : release.files)
    if (file.sha256 == listed.file.sha256 && path != listed.path && path.find('/') != std::string::npos)
      paths.push_back(path);
  if (release.acquire_by_hash)
    for (const std::string& path : paths) {
      const auto slash = path.rfind('/');
      const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
      places.push_back(folder + "by-hash/SHA256/" + listed.file.sha256.hex());
    }
  places.insert(places.end(), paths.begin(), paths.end());
  return places;
}

bool is_listed(const std::string& bytes, const IndexFile& file) {
  return bytes.size() == file.size && sha256(bytes) == file.sha256;
}

std::string fetch_index(const IndexFetcher& fetch, const IndexCache& cache, const std::string& repository,
                        const std::string& suite, const Release& release, const Listed& listed) {
  const std::string base = folder_of(suite);
  const std::string name = fmt::format("{} of {}", base + listed.path, repository);
  const auto plain = [&](std::string& bytes) {
    return listed.compressed ? decompress(bytes, listed, name) : std::move(bytes);
  };
  if (cache.find)
    if (auto known = cache.find(listed.file.sha256); known && is_listed(*known, listed.file)) return plain(*known);
  std::string wrong;
  for (const std::string& place : places_of(release, listed)) {
    std::optional<std::string> bytes = fetch(repository, base + place, listed.file.size);
    if (!bytes) continue;
    if (bytes->size() != listed.file.size) {
      wrong = fmt::format("it has {} bytes, the signed release says {}", bytes->size(), listed.file.size);
    } else if (const Digest found = sha256(*bytes); found != listed.file.sha256) {
      wrong = fmt::format("its SHA-256 is {}, the signed release says {}", found.hex(), listed.file.sha256.hex());
    } else {
      if (cache.keep) cache.keep(*bytes);
      return plain(*bytes);
    }
  }
  if (wrong.empty())
    throw Error(ErrorKind::Fetch, name + " is not on the mirror although its release lists it",
                fmt::format("The mirror is incomplete or just being updated: try again or use another one. Or lock "
                            "without the suite: --without-suite {}",
                            suite));
  throw Error(ErrorKind::Fetch, fmt::format("{} is refused: {}", name, wrong),
              fmt::format("The mirror is broken, tampered with, or just being updated: try again or use another one. "
                          "Or lock without the suite: --without-suite {}",
                          suite));
}

bool has_section(const Release& release, const std::string& section) {
  // trixie-security names its components "updates/main", but the paths below dists/ have "main".
  for (const std::string& component : release.components)
    if (component == section || component.ends_with("/" + section)) return true;
  return release.components.empty();
}

}  // namespace

constexpr std::uint64_t most_release_bytes = 16 << 20;  // read before its signature is verified; Debian's have 0.2 MB

/// The verified text. `place`: of InRelease, for messages. `digest`: that of the signed file.
std::string IndexLoader::signed_release(const Repository& repository, const std::string& suite,
                                        const std::string& place, Digest& digest) {
  const std::filesystem::path& keyring = repository.keyring.empty() ? keyring_ : repository.keyring;
  const std::string folder = folder_of(suite);
  if (const auto inrelease = fetch_(repository.name, folder + "InRelease", most_release_bytes)) {
    digest = sha256(*inrelease);
    return verify_inrelease(*inrelease, place, runner_, keyring, scratch_);
  }
  auto release = fetch_(repository.name, folder + "Release", most_release_bytes);
  if (!release)
    throw Error(
        ErrorKind::Fetch, place + " is not on the mirror",
        fmt::format("Check the suite's name and the mirror; or lock without the suite: --without-suite {}", suite));
  const std::string name = fmt::format("{}Release of {}", folder, repository.name);
  const auto signature = fetch_(repository.name, folder + "Release.gpg", most_release_bytes);
  if (!signature)
    throw Error(ErrorKind::Fetch, name + " is not signed: beside it is neither InRelease nor Release.gpg",
                "Sign it with `gpg --clear-sign --output InRelease Release`: unsigned repositories are not used.");
  verify_release(*release, *signature, name, runner_, keyring, scratch_);
  digest = sha256(*release);
  return std::move(*release);
}

const IndexLoader::Suite& IndexLoader::suite(const Repository& repository, const std::string& name) {
  const auto found = suites_.find({repository.name, name});
  if (found != suites_.end()) return found->second;
  const std::string place = fmt::format("{}InRelease of {}", folder_of(name), repository.name);
  LockedSuite locked{repository.name, name, 0, {}};
  auto release = parse_release(signed_release(repository, name, place, locked.inrelease));
  if (!release)
    throw Error(ErrorKind::Fetch, fmt::format("{}, line {}: {}", place, release.error().line, release.error().message));
  check_release(*release, name, place, clock_);
  locked.date = release->date;
  return suites_.emplace(std::pair(repository.name, name), Suite{std::move(locked), *std::move(release)}).first->second;
}

IndexSet IndexLoader::load(const std::vector<Repository>& repositories, const std::vector<std::string>& architectures) {
  IndexSet set;
  for (const Repository& repository : repositories) {
    for (const std::string& suite_name : repository.suites) {
      const auto& [locked, release] = suite(repository, suite_name);
      set.suites.push_back(locked);
      if (is_flat_suite(suite_name)) {
        const auto listed = find_index(release, "Packages");
        if (!listed)
          throw Error(ErrorKind::Fetch,
                      fmt::format("{}Release of {} lists no index: neither Packages.xz, Packages.gz nor Packages",
                                  folder_of(suite_name), repository.name),
                      "Make Packages first, and then Release with its SHA-256.");
        const std::string text = fetch_index(fetch_, cache_, repository.name, suite_name, release, *listed);
        for (const std::string& architecture : architectures)
          set.packages.push_back({repository.name, suite_name, "flat", architecture, text, release.not_automatic});
        continue;
      }
      for (const std::string& section : repository.sections) {
        if (!has_section(release, section))
          throw Error(ErrorKind::Fetch, fmt::format("suite {} of {} has no section \"{}\"; it has {}", suite_name,
                                                    repository.name, section, join(release.components, ", ")));
        std::vector<std::string> wanted = architectures;
        if (release.separate_all_index) wanted.push_back("all");
        for (const std::string& architecture : wanted)
          if (const auto listed = find_index(release, fmt::format("{}/binary-{}/Packages", section, architecture)))
            set.packages.push_back({repository.name, suite_name, section, architecture,
                                    fetch_index(fetch_, cache_, repository.name, suite_name, release, *listed),
                                    release.not_automatic});
      }
    }
  }
  for (const std::string& architecture : architectures) {
    bool found = false;
    for (const IndexSet::Packages& packages : set.packages) found = found || packages.architecture == architecture;
    if (!found)
      throw Error(ErrorKind::Fetch, fmt::format("no suite has packages for the architecture \"{}\"", architecture),
                  "Use Debian's name of the architecture, such as amd64, arm64 or armel.");
  }
  return set;
}

}  // namespace k8simg
