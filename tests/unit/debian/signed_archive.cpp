// Creates a temporary key with gpg and writes Release files.
#include "signed_archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <stdexcept>

#include "process/command.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"

namespace k8simg::test {

namespace {

std::map<std::string, std::string> environment_of(const std::filesystem::path& home) {
  return {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
          {"LC_ALL", "C"},
          {"HOME", home.string()},
          {"GNUPGHOME", home.string()}};
}

}  // namespace

// The agent's socket needs a short path, so the home is in the system's temporary folder.
SigningKey::SigningKey() : home_(std::filesystem::temp_directory_path(), "key"), keyring_(home_.path() / "public.gpg") {
  std::filesystem::permissions(home_.path(), std::filesystem::perms::owner_all);
  gpg({"--passphrase", "", "--quick-generate-key", "test archive", "ed25519", "sign", "never"}, "");
  gpg({"--output", keyring_.string(), "--export"}, "");
}

SigningKey::~SigningKey() {
  Command command;
  command.argv = {"gpgconf", "--kill", "all"};
  command.environment = environment_of(home_.path());
  try {
    system_runner().run(command);
  } catch (...) {
    // The agent ends by itself when its folder is removed.
  }
}

void SigningKey::gpg(const std::vector<std::string>& arguments, const std::string& input) const {
  Command command;
  command.argv = {"gpg", "--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = environment_of(home_.path());
  command.log = home_.path() / "log";
  command.input = input;
  run_checked(system_runner(), command, "gpg");
}

std::string SigningKey::clear_sign(const std::string& text) const {
  const std::filesystem::path output = home_.path() / "signed";
  gpg({"--passphrase", "", "--output", output.string(), "--clear-sign"}, text);
  return read_file(output);
}

std::string SigningKey::armored() const {
  const std::filesystem::path output = home_.path() / "public.asc";
  gpg({"--output", output.string(), "--armor", "--export"}, "");
  return read_file(output);
}

std::string SigningKey::detached_signature(const std::string& text) const {
  const std::filesystem::path output = home_.path() / "signature";
  gpg({"--passphrase", "", "--output", output.string(), "--armor", "--detach-sign"}, text);
  return read_file(output);
}

const SigningKey& shared_key() {
  static const SigningKey key;
  return key;
}

std::string compress_xz(const std::string& text) {
  std::string bytes(text.size() + 4096, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_add_filter_xz(writer);
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_pathname(entry, "Packages");
  const bool fine = archive_write_open_memory(writer, bytes.data(), bytes.size(), &used) == ARCHIVE_OK &&
                    archive_write_header(writer, entry) == ARCHIVE_OK &&
                    archive_write_data(writer, text.data(), text.size()) == static_cast<la_ssize_t>(text.size()) &&
                    archive_write_close(writer) == ARCHIVE_OK;
  archive_entry_free(entry);
  archive_write_free(writer);
  if (!fine) throw std::runtime_error("libarchive cannot write xz");
  bytes.resize(used);
  return bytes;
}

IndexFetcher Archive::fetcher() {
  return [this](const std::string& repository, const std::string& path,
                std::uint64_t limit) -> std::optional<std::string> {
    asked.push_back(repository + "/" + path);
    const auto file = files.find(asked.back());
    if (file == files.end()) return std::nullopt;
    if (file->second.size() > limit) throw Error(ErrorKind::Fetch, path + " is too long");
    return file->second;
  };
}

std::string publish_indexes(Archive& archive, const SuiteText& suite) {
  std::string release =
      fmt::format("Origin: Test\nSuite: {}\nCodename: {}\nDate: {}\n", suite.suite, suite.codename, suite.date);
  if (!suite.valid_until.empty()) release += fmt::format("Valid-Until: {}\n", suite.valid_until);
  release += "Architectures: all amd64 armel\nNo-Support-for-Architecture-all: Packages\nComponents: main contrib\n" +
             suite.more + "SHA256:\n";
  for (const auto& [folder, text] : suite.indexes) {
    const std::string packed = compress_xz(text);
    archive.files[fmt::format("{}/dists/{}/{}/Packages.xz", suite.repository, suite.suite, folder)] = packed;
    release += fmt::format(" {} {} {}/Packages\n {} {} {}/Packages.xz\n", sha256(text).hex(), text.size(), folder,
                           sha256(packed).hex(), packed.size(), folder);
  }
  return release;
}

std::string publish_flat_index(Archive& archive, const FlatText& flat) {
  const std::string bytes = flat.suffix.empty() ? flat.packages : compress_xz(flat.packages);
  archive.files[fmt::format("{}/{}Packages{}", flat.repository, flat.folder, flat.suffix)] = bytes;
  return fmt::format("Date: {}\n{}SHA256:\n {} {:>8} Packages{}\n", flat.date, flat.more, sha256(bytes).hex(),
                     bytes.size(), flat.suffix);
}

void publish(Archive& archive, const SuiteText& suite, const SigningKey& key) {
  archive.files[fmt::format("{}/dists/{}/InRelease", suite.repository, suite.suite)] =
      key.clear_sign(publish_indexes(archive, suite));
}

}  // namespace k8simg::test
