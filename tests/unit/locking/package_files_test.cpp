// Tests packages that are files of the project: what is read of them, what is refused, and how they get into a lock.
#include <fmt/format.h>

#include "locking/locking.hpp"
#include "support/catch.hpp"
#include "support/deb.hpp"
#include "support/failure.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using test::contains;
using test::deb_of;
using test::failure;
using test::small_deb;

namespace {

struct Debs {
  TempDir folder{fs::temp_directory_path(), "debs"};
  MemoryStore store;
  Config config;

  Debs() {
    config.name = "pc", config.project = folder.path(), config.arch.debian = "amd64";
    fs::create_directory(folder.path() / "debs");
  }
  void write(const std::string& name, const std::string& bytes) {
    write_file_atomically(folder.path() / "debs" / name, bytes);
    config.package_files.push_back(fs::path("debs") / name);
  }
  std::vector<PackageFile> read() { return read_package_files(config, store); }
  /// The message for one file with these bytes.
  std::string refused(const std::string& bytes) {
    config.package_files.clear();
    write("x.deb", bytes);
    return failure([&] { read(); });
  }
  std::string refused_control(const std::string& control) { return refused(deb_of(control, {})); }
};

}  // namespace

TEST_CASE("a file's control fields, size and digest") {
  Debs debs;
  const std::string bytes = small_deb("own-tool", "2:1.0~rc1-1", "Source: own (1.0)\nDepends: libc6\n");
  debs.write("own.deb", bytes);
  debs.write("data.deb", small_deb("own-data", "1", "", "all"));
  const auto files = debs.read();
  REQUIRE(files.size() == 2);
  const LockedPackage& own = files[0].package;
  CHECK(own.name == "own-tool");
  CHECK(own.version == "2:1.0~rc1-1");
  CHECK(own.architecture == "amd64");
  CHECK(own.source == "own");
  CHECK(own.path == "debs/own.deb");
  CHECK(own.size == bytes.size());
  CHECK(own.sha256 == sha256(bytes));
  CHECK(own.is_file());
  CHECK(contains(files[0].control, "Depends: libc6\n"));
  CHECK(files[1].package.architecture == "all");
}

TEST_CASE("a file that is no package, or has a hostile control file, is refused by its name") {
  Debs debs;
  CHECK(contains(debs.refused(""), "debs/x.deb: not a Debian package"));
  CHECK(contains(debs.refused("<html>404</html>"), "debs/x.deb: not a Debian package"));
  CHECK(contains(debs.refused(small_deb("own", "1").substr(0, 700)), "debs/x.deb: "));
  CHECK(contains(debs.refused_control("Package: ../../etc\nVersion: 1\nArchitecture: amd64\n"),
                 "debs/x.deb: its control file has the Package \"../../etc\", which is no name of a package"));
  CHECK(contains(debs.refused_control("Package: own\nVersion: 1/../2\nArchitecture: amd64\n"),
                 "debs/x.deb: its control file has the Version \"1/../2\""));
  CHECK(contains(debs.refused_control("Package: own\nArchitecture: amd64\n"), "has the Version \"\""));
  CHECK(contains(debs.refused_control("Package: own\nVersion: 1\nArchitecture: amd64\nSource: a/b\n"),
                 "has the Source \"a/b\""));
  CHECK(contains(debs.refused_control("Package: own\nVersion: 1\nArchitecture: amd64\n\nPackage: two\n"),
                 "debs/x.deb: its control file is malformed, line 5: a second paragraph"));
  CHECK(contains(debs.refused_control("Package: own\nVersion: 1\nArchitecture: amd64\nSHA256: 1\n"),
                 "has the field SHA256, which belongs into an index"));
  CHECK(contains(debs.refused_control("\0\0\0"), "debs/x.deb: "));
}

TEST_CASE("hostile contents are refused when the lock is made") {
  Debs debs;
  const auto with = [&](test::TarMember member) {
    const std::string control = "Package: own\nVersion: 1\nArchitecture: amd64\n";
    return debs.refused(deb_of(control, {std::move(member)}));
  };
  CHECK(with({.name = "./usr"}).empty());
  for (const char* outside : {"../x", "/etc/passwd", "./a/../../x"})
    CHECK(contains(with({.name = outside}), "is outside of the archive's folder"));
  CHECK(contains(with({.name = "./a", .type = '1', .link = "../../etc/shadow"}), "is a hard link to"));
  CHECK(contains(with({.name = "./dev/sda", .type = '4'}), "debs/x.deb: ships the device file /dev/sda"));
  CHECK(contains(with({.name = "./dev/mem", .type = '3'}), "ships the device file /dev/mem"));
  CHECK(contains(with({.name = "./DEBIAN", .type = '5'}), "a name reserved for the package's control files"));
  CHECK(contains(with({.name = "./" + std::string(256, 'a')}), "too long for a filesystem"));
  CHECK(with({.name = "./" + std::string(255, 'a')}).empty());
  std::string deep = ".";
  for (int i = 0; i < 100; ++i) deep += "/" + std::string(50, 'a');
  CHECK(contains(with({.name = deep}), "too long for a filesystem"));
  // Sizes: of a file that is not there, more than 64 bits can count, and a hole of 15 GiB.
  CHECK(contains(with({.name = "./a", .size = 100000}), "debs/x.deb: data.tar: "));
  CHECK(contains(with({.name = "./a", .size = std::uint64_t{1} << 62}), "debs/x.deb: data.tar: "));
  CHECK(contains(with({.name = "./a", .type = 'S', .hole = std::uint64_t{1} << 32}), "it unpacks to more than 2"));
}

TEST_CASE("a package of another architecture, and two of one name") {
  Debs debs;
  debs.write("arm.deb", small_deb("own", "1", "", "arm64"));
  const std::string text = failure([&] { debs.read(); });
  CHECK(
      contains(text, "debs/arm.deb, named by packages.files, is for the architecture \"arm64\", not for amd64 or all"));
  CHECK(contains(text, "debs/*_amd64.deb"));
  debs.config.package_files.clear();
  debs.write("one.deb", small_deb("own", "1"));
  debs.write("two.deb", small_deb("own", "2"));
  CHECK(contains(failure([&] { debs.read(); }), "packages.files has own twice: debs/one.deb (1) and debs/two.deb (2)"));
}

TEST_CASE("a file is a link to a file outside of the project") {
  Debs debs;
  const TempDir outside(fs::temp_directory_path(), "outside");
  write_file_atomically(outside.path() / "own.deb", small_deb("own", "1"));
  fs::create_symlink(outside.path() / "own.deb", debs.folder.path() / "debs/own.deb");
  debs.config.package_files = {"debs/own.deb"};
  CHECK(contains(failure([&] { debs.read(); }), "is a symbolic link that points outside"));
}
