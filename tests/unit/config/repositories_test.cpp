// Tests repositories of one's own and packages that are files of the project.
#include "project.hpp"
#include "support/keys.hpp"

using namespace k8simg;
using namespace test_project;

namespace {

using Paths = std::vector<std::filesystem::path>;

Project with_repository(const std::string& lines) {
  Project project;
  project.write("keys/own.asc", test::armored_key);
  project.append("defconfigs/node.toml", "\n[[repository]]\nname = \"own\"\n" + lines);
  return project;
}

}  // namespace

TEST_CASE("a flat repository and a keyring") {
  const Config config = with_repository("suites = [\"./\", \"stable/x/\"]\nkeyring = \"keys/own.asc\"\n").load();
  REQUIRE(config.repositories.size() == 2);
  CHECK(config.repositories[0].keyring.empty());
  CHECK(config.repositories[1].name == "own");
  CHECK(config.repositories[1].suites == std::vector<std::string>{"./", "stable/x/"});
  CHECK(config.repositories[1].sections.empty());
  CHECK(config.repositories[1].keyring == "keys/own.asc");
  CHECK(with_repository("suites = [\"/\"]\n").mistakes().empty());
  CHECK(with_repository("suites = [\"any\", \"./\"]\nsections = [\"main\"]\n").mistakes().empty());
}

TEST_CASE("suites that are none, and sections that are missing or not used") {
  for (const char* bad : {"../", "a//", "/etc/", "a/b", "..", "", ".", "a/../b/", "./a/"}) {
    INFO(bad);
    const std::string text = with_repository("suites = [\"" + std::string(bad) + "\"]\n").mistakes();
    CHECK(text.starts_with("defconfigs/node.toml:16:11: repository.own.suites must be a suite such as \"trixie\""));
  }
  CHECK(with_repository("suites = [\"any\"]\n").mistakes() ==
        "defconfigs/node.toml:14:1: repository.own needs sections, such as [\"main\"]; a flat repository has suites = "
        "[\"./\"]");
  CHECK(with_repository("suites = [\"./\"]\nsections = [\"main\"]\n").mistakes() ==
        "defconfigs/node.toml:17:12: repository.own.sections is not used: all suites are flat repositories, which have "
        "no sections");
  CHECK(with_repository("keyring = \"keys/own.asc\"\n").mistakes().find("repository.own.suites is missing") !=
        std::string::npos);
}

TEST_CASE("a keyring that is missing, that is none, or that is outside of the project") {
  Project project = with_repository("suites = [\"./\"]\nkeyring = \"keys/own.asc\"\n");
  CHECK(project.mistakes().empty());
  project.remove("keys/own.asc");
  CHECK(project.mistakes() == "defconfigs/node.toml:17:11: repository.own.keyring: keys/own.asc is missing");
  project.write("keys/own.asc", "ssh-ed25519 AAAA me\n");
  CHECK(project.mistakes().starts_with(
      "defconfigs/node.toml:17:11: repository.own.keyring: keys/own.asc is no keyring: it does not begin with a public "
      "key. Write the repository's public key into the file"));
  project.remove("keys/own.asc");
  std::filesystem::create_symlink("/etc/passwd", project.path() / "keys/own.asc");
  CHECK(project.mistakes().find("is a symbolic link that points outside of") != std::string::npos);
  project.edit("defconfigs/node.toml", "keys/own.asc", "../own.asc");
  CHECK(project.mistakes().find("repository.own.keyring must be a relative path") != std::string::npos);
}

TEST_CASE("globs of packages.files, in the order of the paths, each file once") {
  Project project;
  for (const char* file : {"debs/b_1_amd64.deb", "debs/a_1_all.deb", "debs/.hidden.deb", "debs/a.txt", "more/x/c.deb",
                           "more/y/d.deb", "more/.z/e.deb"})
    project.write(file, "");
  std::filesystem::create_directory(project.path() / "debs/folder.deb");
  const auto found = [&](const std::string& globs) { return project.load({"packages.files=" + globs}).package_files; };
  CHECK(project.load().package_files.empty());
  CHECK(found(R"(["debs/*.deb"])") == Paths{"debs/a_1_all.deb", "debs/b_1_amd64.deb"});
  CHECK(found(R"(["debs/b*.deb", "debs/?_1_*.deb", "debs/a_1_all.deb"])") ==
        Paths{"debs/a_1_all.deb", "debs/b_1_amd64.deb"});
  CHECK(found(R"(["more/*/[cd].deb"])") == Paths{"more/x/c.deb", "more/y/d.deb"});
  CHECK(found(R"(["debs/.hidden.deb"])") == Paths{"debs/.hidden.deb"});
}

TEST_CASE("a glob that matches nothing, leaves the project, or names no .deb") {
  Project project;
  project.write("debs/a.deb", "");
  project.edit("defconfigs/node.toml", "install = [\"crun\"]",
               "install = [\"crun\"]\nfiles = [\"debs/*.deb\", \"deb/*.deb\"]");
  CHECK(
      project.mistakes() ==
      "defconfigs/node.toml:7:24: packages.files: no file of the project matches \"deb/*.deb\"; put the .deb there, or "
      "take the item out");
  for (const char* bad : {"/srv/a.deb", "../a.deb", "debs/../../a.deb", "debs/*", "**/a.deb", "debs//a.deb", ""}) {
    INFO(bad);
    CHECK(project.mistakes({"packages.files=[\"" + std::string(bad) + "\"]"})
              .find("packages.files must be a relative "
                    "path or glob that ends in \".deb\"") != std::string::npos);
  }
  project.write("debs/b\x01.deb", "");
  CHECK(project.mistakes({"packages.files=[\"debs/*.deb\"]"}).find("has control characters or is not UTF-8") !=
        std::string::npos);
}
