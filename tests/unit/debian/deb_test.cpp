// Tests reading packages, and the errors for damaged ones.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <functional>

#include <fmt/format.h>

#include "debian/deb.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

struct Entry {
  std::string name, content;
  int type = AE_IFREG;
};

std::string tar(const std::vector<Entry>& entries, int (*filter)(archive*) = archive_write_add_filter_xz) {
  std::string bytes(1 << 20, '\0');
  std::size_t used = 0;
  auto* writer = archive_write_new();
  archive_write_set_format_gnutar(writer);
  filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const auto& item : entries) {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.name.c_str());
    archive_entry_set_filetype(entry, static_cast<unsigned>(item.type));
    archive_entry_set_perm(entry, 0755);
    archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, item.content.data(), item.content.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

std::string member(const std::string& name, const std::string& bytes) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, 1700000000, 0, 0, "100644", bytes.size()) + bytes +
         (bytes.size() % 2 != 0 ? "\n" : "");
}

std::string ar(const std::vector<std::string>& members) {
  std::string bytes = "!<arch>\n";
  for (const auto& one : members) bytes += one;
  return bytes;
}

const std::string format = member("debian-binary", "2.0\n");
const std::vector<Entry> control_entries = {
    {"./", "", AE_IFDIR}, {"./control", "Package: x\nVersion: 1\n"}, {"./postinst", "#!/bin/sh\nexit 0\n"}};
const std::vector<Entry> data_entries = {{"./", "", AE_IFDIR}, {"./usr/", "", AE_IFDIR}, {"./usr/tool", "#!tool"}};

std::string good() {
  return ar({format, member("control.tar.xz", tar(control_entries)), member("data.tar.xz", tar(data_entries))});
}

std::string deb_error(std::string_view bytes) {
  MemoryStore store;
  try {
    read_deb_bytes(store, bytes, "package:x=1:all", "x.deb");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    CHECK_FALSE(error.hint().empty());
    return error.message();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a package gives its control members and its files") {
  MemoryStore store;
  for (auto* filter : {archive_write_add_filter_none, archive_write_add_filter_gzip, archive_write_add_filter_xz,
                       archive_write_add_filter_zstd}) {
    const std::string suffix = filter == archive_write_add_filter_none   ? ""
                               : filter == archive_write_add_filter_gzip ? ".gz"
                               : filter == archive_write_add_filter_xz   ? ".xz"
                                                                         : ".zst";
    const auto bytes =
        ar({format, member("_extra", "any"), member("control.tar" + suffix, tar(control_entries, filter)),
            member("data.tar" + suffix, tar(data_entries, filter)), member("later", "any")});
    const auto package = read_deb_bytes(store, bytes, "package:x=1:all", "x.deb");
    CHECK(package.control_files == std::map<std::string, std::string>{{"control", "Package: x\nVersion: 1\n"},
                                                                      {"postinst", "#!/bin/sh\nexit 0\n"}});
    CHECK(package.data.nodes().size() == 2);
    CHECK(store.read(package.data.find("usr/tool")->content) == "#!tool");
    CHECK(package.data.find("usr/tool")->origin == "package:x=1:all");
  }
}

TEST_CASE("the package as one tree, and back") {
  const TempDir folder(fs::temp_directory_path());
  MemoryStore store;
  const auto file = folder.path() / "x_1_all.deb";
  write_file_atomically(file, good());
  const auto tree = deb_tree(store, file, "package:x=1:all");
  REQUIRE(tree.find("DEBIAN/postinst") != nullptr);
  CHECK(tree.find("usr/tool") != nullptr);
  const auto apart = split_deb_tree(store, Tree::parse(tree.serialise()));
  const auto package = read_deb(store, file, "package:x=1:all");
  CHECK(apart.control_files == package.control_files);
  CHECK(apart.data.nodes() == package.data.nodes());

  write_file_atomically(file, ar({format, member("control.tar.xz", tar(control_entries)),
                                  member("data.tar.xz", tar({{"./DEBIAN/control", "x"}}))}));
  try {
    deb_tree(store, file, "package:x=1:all");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message() == "x_1_all.deb: ships /DEBIAN/control, a name reserved for the package's control files");
  }
}

TEST_CASE("damage has a name") {
  const auto control = member("control.tar.xz", tar(control_entries));
  const auto data = member("data.tar.xz", tar(data_entries));
  CHECK(deb_error(good()) == "no error");
  CHECK(deb_error("") == "x.deb: not a Debian package (no ar archive)");
  CHECK(deb_error("<html>404</html>") == "x.deb: not a Debian package (no ar archive)");
  CHECK(deb_error("!<arch>\n") == "x.deb: not a Debian package (its first member is not debian-binary)");
  CHECK(deb_error(ar({control, data})) == "x.deb: not a Debian package (its first member is not debian-binary)");
  CHECK(deb_error(ar({member("debian-binary", "3.0\n"), control, data})) ==
        "x.deb: its format is not version 2 of deb(5)");
  CHECK(deb_error(ar({format})) == "x.deb: control.tar is missing");
  CHECK(deb_error(ar({format, control})) == "x.deb: data.tar is missing");
  CHECK(deb_error(ar({format, data})) == "x.deb: unexpected member data.tar.xz where control.tar should be");
  CHECK(deb_error(ar({format, member("junk", ""), control, data})) ==
        "x.deb: unexpected member junk where control.tar should be");
  CHECK(deb_error(ar({format, member("control.tar.xz", tar({{"./postinst", ""}})), data})) ==
        "x.deb: control.tar.xz: the file 'control' is missing");
  CHECK(deb_error(ar({format, member("control.tar.xz", tar({{"./control", "", AE_IFDIR}})), data})) ==
        "x.deb: control.tar.xz: 'control' is not a plain file at the top");
  CHECK(deb_error(ar({format, control, member("data.tar.xz", tar({{"../x", "1"}}))})) ==
        "x.deb: data.tar.xz: member '../x' is outside of the archive's folder");
  CHECK(deb_error(ar({format, control, member("data.tar.xz", "garbage, not xz")})).starts_with("x.deb: data.tar.xz: "));
  CHECK(deb_error(ar({format, control, member("data.tar.xz", "")})) == "x.deb: data.tar.xz: it is empty");

  auto broken = good();
  broken[broken.find("data.tar.xz") + 58] = 'x';
  CHECK(deb_error(broken) == "x.deb: damaged header of a member after control.tar.xz");
  broken = good();
  broken[broken.find("data.tar.xz") + 48] = '-';
  CHECK(deb_error(broken) == "x.deb: damaged header of a member after control.tar.xz");
  broken = good();
  const auto middle = broken.find("data.tar.xz") + 60 + (broken.size() - broken.find("data.tar.xz") - 60) / 2;
  for (std::size_t i = 0; i < 8; ++i) broken[middle + i] = static_cast<char>(~broken[middle + i]);
  CHECK(deb_error(broken).starts_with("x.deb: data.tar.xz: "));
}

TEST_CASE("a package cut anywhere is refused") {
  const auto bytes = good();
  for (std::size_t part = 0; part < 16; ++part) {
    INFO("part " << part);
    CHECK(deb_error(std::string_view(bytes).substr(0, bytes.size() * part / 16)).starts_with("x.deb: "));
  }
  // One byte less than complete, without padding.
  const bool padded = bytes.back() == '\n';
  CHECK(deb_error(std::string_view(bytes).substr(0, bytes.size() - (padded ? 2 : 1)))
            .find("cut short: member data.tar.xz should have") != std::string::npos);
}
