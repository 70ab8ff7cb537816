// Tests the sources of mirrors: command line, environment, the user's configuration, the machine's apt sources.
#include "fetch/fetch.hpp"
#include "support/catch.hpp"
#include "support/keys.hpp"
#include "support/step_context.hpp"
#include "util/keyring.hpp"
#include "util/text.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

using List = std::vector<std::string>;

/// A temporary /etc/apt.
struct AptFolder {
  TempDir folder{fs::temp_directory_path(), "apt"};
  AptFolder() { fs::create_directory(folder.path() / "sources.list.d"); }
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder.path() / name, text);
  }
  Mirrors mirrors(MirrorOptions options = {}) const {
    options.apt_folder = folder.path();
    return find_mirrors(options);
  }
};

const char* const both = R"(Types: deb
URIs: http://apt.example/debian
Suites: trixie trixie-updates trixie-backports
Components: main

Types: deb
URIs: http://apt.example/debian-security
Suites: trixie-security
Components: main
)";

}  // namespace

TEST_CASE("the nearest source that knows a repository wins") {
  AptFolder apt;
  apt.write("sources.list.d/debian.sources", both);
  MirrorOptions options;
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://apt.example/debian"});
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"http://apt.example/debian-security"});

  options.user["debian"] = {"http://user.example/debian", "http://second.example/debian"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://user.example/debian", "http://second.example/debian"});
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"http://apt.example/debian-security"});

  options.environment = " http://env.example/debian  debian=http://env2.example/d ";
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://env.example/debian", "http://env2.example/d"});
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"http://env.example/debian-security"});

  options.arguments = {"debian-security=https://arg.example/s"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://env.example/debian", "http://env2.example/d"});
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"https://arg.example/s"});
}

TEST_CASE("a mirror named alone brings its security twin only where the name says so") {
  AptFolder apt;
  MirrorOptions options;
  options.arguments = {"http://a.example/debian//"};
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"http://a.example/debian-security"});
  options.arguments = {"http://a.example/d"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://a.example/d"});
  CHECK_FALSE(apt.mirrors(options).bases.contains("debian-security"));
  // An equals sign in the URL does not name a repository.
  options.arguments = {"http://a.example/get?from=debian"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"http://a.example/get?from=debian"});
}

TEST_CASE("file mirrors get the form that libcurl reads") {
  AptFolder apt;
  MirrorOptions options;
  options.arguments = {"file:/srv/debian"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"file:///srv/debian"});
  CHECK(apt.mirrors(options).bases.at("debian-security") == List{"file:///srv/debian-security"});
  options.arguments = {"debian=file:///srv/x"};
  CHECK(apt.mirrors(options).bases.at("debian") == List{"file:///srv/x"});
  apt.write("sources.list", "deb file:/media/usb trixie main\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"file:///media/usb"});
}

TEST_CASE("one-line sources") {
  AptFolder apt;
  apt.write("sources.list", R"(# a comment
deb http://one.example/debian bookworm main  # the first
deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://two.example/debian bookworm-updates main
deb-src http://sources.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main contrib
deb http://old.example/security buster/updates main
deb cdrom:[Debian] bookworm main
#deb http://off.example/debian bookworm main
deb
)");
  const auto bases = apt.mirrors().bases;
  CHECK(bases.at("debian") == List{"http://one.example/debian", "http://two.example/debian"});
  CHECK(bases.at("debian-security") == List{"http://security.example/debian-security", "http://old.example/security"});
  CHECK(bases.size() == 2);
}

TEST_CASE("deb822 sources: continuation lines, comments, several URIs, switched off, field names in any case") {
  AptFolder apt;
  apt.write("sources.list.d/a.sources",
            "# top\r\n\nTypes: deb-src\nURIs: http://src.example/debian\nSuites: trixie\nComponents: main\n");
  apt.write("sources.list.d/b.sources", R"(Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
   
types: deb deb-src
uris: http://one.example/debian
# between
 http://two.example/debian
Suites:
 trixie
	trixie-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp)");
  apt.write("sources.list.d/ignored.sources.save",
            "Types: deb\nURIs: http://saved.example/debian\nSuites: trixie\nComponents: main\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"http://one.example/debian", "http://two.example/debian"});
  CHECK(apt.mirrors().bases.at("b") == List{"http://one.example/debian", "http://two.example/debian"});
  CHECK(apt.mirrors().bases.size() == 2);
}

TEST_CASE("third-party sources are not Debian's, though they use its suite names") {
  AptFolder apt;
  // Before Debian's file in the order of names.
  apt.write("sources.list.d/a.sources",
            "Types: deb\nURIs: http://a.example/linux/debian\nSuites: bookworm\nComponents: main\nSigned-By: "
            "/etc/apt/keyrings/a.asc\n");
  apt.write("sources.list.d/b.list",
            "deb [arch=amd64 signed-by=/etc/apt/keyrings/b.gpg] http://b.example/ bookworm main\n");
  apt.write("sources.list.d/c.sources",
            "Types: deb\nURIs: http://c.example/\nSuites: stable\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC "
            "KEY BLOCK-----\n .\n xsFNB\n -----END PGP PUBLIC KEY BLOCK-----\n");
  apt.write("sources.list.d/d.list", "deb http://d.example/debian bookworm stable\n");
  apt.write(
      "sources.list.d/e.list",
      "deb http://e.example/deb nodistro main\ndeb http://f.example/ ./\ndeb http://g.example/ubuntu noble main\n");
  apt.write("sources.list.d/z.list", "deb http://debian.example/debian bookworm main\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"http://debian.example/debian"});
  CHECK_FALSE(apt.mirrors().bases.contains("debian-security"));
}

TEST_CASE("no mirror at all: the message names the four ways") {
  const AptFolder apt;
  const std::string text = failure([&] { apt.mirrors(); });
  for (const char* way : {"--mirror", "K8SIMG_MIRROR", "config.toml", "apt sources"}) {
    INFO(text);
    CHECK(contains(text, way));
  }
}

TEST_CASE("what is no mirror is refused with where it came from") {
  const AptFolder apt;
  MirrorOptions options;
  for (const char* bad : {"mirror.example/debian", "ftp://a.example/debian", "debian=", "debian=/srv", ""}) {
    INFO(bad);
    options.arguments = {bad};
    CHECK(contains(failure([&] { apt.mirrors(options); }), "--mirror: \"" + std::string(bad) + "\" is not a mirror"));
  }
  options.arguments.clear();
  options.environment = "x";
  CHECK(contains(failure([&] { apt.mirrors(options); }), "K8SIMG_MIRROR: \"x\""));
}

TEST_CASE("the archive mirror comes from the user's configuration") {
  const AptFolder apt;
  MirrorOptions options;
  options.arguments = {"http://a.example/debian"};
  options.archive = "http://archive.example/${repository}/${timestamp}";
  CHECK(apt.mirrors(options).archive == options.archive);
}

TEST_CASE("mirror lists of apt are read, as Debian's cloud images have them") {
  AptFolder apt;
  const std::string list = (apt.folder.path() / "debian.list").string();
  apt.write("sources.list.d/debian.sources", "Types: deb deb-src\nURIs: mirror+file:" + list +
                                                 "\nSuites: trixie trixie-updates\nComponents: main\n\n"
                                                 "Types: deb\nURIs: mirror+file://" +
                                                 list + "-security\nSuites: trixie-security\nComponents: main\n");
  apt.write("debian.list",
            "# comment\nhttps://third.example/debian\n\nhttp://second.example/debian\tpriority:2\n"
            "http://first.example/debian\tpriority:1 "
            "arch:amd64\nhttp://src.example/debian\ttype:src\nmirror://other.example/list\n");
  apt.write("debian.list-security", "https://sec.example/debian-security\n");
  CHECK(apt.mirrors().bases.at("debian") ==
        List{"http://first.example/debian", "http://second.example/debian", "https://third.example/debian"});
  CHECK(apt.mirrors().bases.at("debian-security") == List{"https://sec.example/debian-security"});
}

TEST_CASE("sources that only apt can ask are passed over, and the error names the ways") {
  AptFolder apt;
  apt.write("sources.list",
            "deb mirror+http://lists.example/debian trixie main\ndeb tor+https://onion.example/debian trixie main\n"
            "deb mirror+file:/nonexistent/list trixie main\ndeb cdrom:[Debian]/ trixie main\n");
  const std::string text = failure([&] { apt.mirrors(); });
  CHECK(contains(text, "--mirror URL"));
  apt.write("sources.list", "deb copy:/srv/debian trixie main\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"file:///srv/debian"});
}

TEST_CASE("Signed-By with Debian's keys in any form is Debian's; others are third parties") {
  AptFolder apt;
  MirrorOptions options;
  options.archive_keyring = apt.folder.path() / "archive.gpg";
  write_file_atomically(options.archive_keyring, binary_keyring(test::armored_key, "key"));
  // A key of somebody else: the same packets with another byte in the key.
  std::string foreign = binary_keyring(test::armored_key, "key");
  foreign[30] ^= 1;
  apt.write("foreign.gpg", foreign);
  apt.write("copy.asc", test::armored_key);
  const auto mirror_of = [&](const std::string& signed_by) {
    apt.write("sources.list.d/x.sources",
              "Types: deb\nURIs: http://one.example/debian http://two.example/debian\nSuites: trixie trixie-updates\n"
              "Components: main\n" +
                  signed_by);
    apt.write("sources.list.d/z.list", "deb http://z.example/debian trixie main\n");
    return apt.mirrors(options).bases.at("debian").front();
  };
  const std::string one = "http://one.example/debian", z = "http://z.example/debian";
  const std::string folder = apt.folder.path().string(), fingerprint = test::key_fingerprint;
  std::string embedded = "Signed-By:\n";
  for (const auto& line : split(trim(test::armored_key), '\n')) embedded += " " + (line.empty() ? "." : line) + "\n";
  CHECK(mirror_of("") == one);
  CHECK(mirror_of(embedded) == one);
  CHECK(mirror_of(replace_all(embedded, "Signed-By:\n ", "Signed-By: ")) == one);
  CHECK(mirror_of(replace_all(embedded, "mDME", "mDMF")) == z);
  CHECK(mirror_of("Signed-By: " + folder + "/copy.asc\n") == one);
  CHECK(mirror_of("Signed-By: " + folder + "/foreign.gpg\n") == z);
  CHECK(mirror_of("Signed-By: " + folder + "/foreign.gpg, " + folder + "/copy.asc\n") == one);
  CHECK(mirror_of("Signed-By: /nonexistent/keys/debian-archive-keyring.pgp\n") == one);
  CHECK(mirror_of("Signed-By: /nonexistent/other.pgp\n") == z);
  CHECK(mirror_of("Signed-By: " + fingerprint + "!\n") == one);
  CHECK(mirror_of("Signed-By: 0123456789012345678901234567890123456789\n") == z);
  // Without Debian's keyring nothing can be compared.
  fs::remove(options.archive_keyring);
  CHECK(mirror_of(embedded) == z);
  CHECK(mirror_of("") == one);
}

TEST_CASE("one-line options in every form, and sources that apt does not check come last") {
  AptFolder apt;
  apt.write("sources.list",
            "deb [trusted=yes] http://unchecked.example/debian trixie main\n"
            "deb [ arch=amd64,arm64 lang=none ] http://one.example/debian trixie main\n"
            "deb [arch+=armel Signed-By=/usr/share/keyrings/debian-archive-keyring.gpg\t] "
            "http://two.example/debian trixie-updates main\n"
            "deb [signed-by=/etc/apt/keyrings/none.gpg trusted=no] http://third.example/debian trixie main\n"
            "deb [arch=amd64 http://unclosed.example/debian trixie main\n"
            "deb [check-valid-until=no] http://four.example/debian trixie main\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"http://one.example/debian", "http://two.example/debian",
                                                 "http://four.example/debian", "http://unchecked.example/debian"});
  apt.write("sources.list", "");
  apt.write("sources.list.d/a.sources",
            "Types: deb\nURIs: http://unchecked.example/debian\nSuites: trixie\nComponents: main\nTrusted: yes\n\n"
            "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n"
            "Types: deb\nURIs: http://one.example/debian\nSuites: trixie\nComponents: main\nTrusted: no\n");
  CHECK(apt.mirrors().bases.at("debian") == List{"http://one.example/debian", "http://unchecked.example/debian"});
}

TEST_CASE("a repository of one's own has its mirror in each of the four ways") {
  AptFolder apt;
  apt.write("sources.list", "deb http://debian.example/debian trixie main\n");
  apt.write("sources.list.d/own.list",
            "deb [signed-by=/etc/apt/keyrings/own.gpg] http://own.example/apt ./\n"
            "deb [signed-by=/etc/apt/keyrings/own.gpg] file:/srv/own stable main\n");
  apt.write("sources.list.d/vendor.sources",
            "Types: deb\nURIs: https://vendor.example/apt\nSuites: /\nSigned-By: /etc/apt/keyrings/vendor.asc\n\n"
            "Types: deb\nEnabled: no\nURIs: https://off.example/apt\nSuites: /\n");
  apt.write("sources.list.d/debian.sources", "Types: deb\nURIs: https://other.example/apt\nSuites: ./\n");
  MirrorOptions options;
  CHECK(apt.mirrors(options).bases ==
        std::map<std::string, List>{{"debian", {"http://debian.example/debian"}},
                                    {"own", {"http://own.example/apt", "file:///srv/own"}},
                                    {"vendor", {"https://vendor.example/apt"}}});
  options.user["own"] = {"http://user.example/own"};
  CHECK(apt.mirrors(options).bases.at("own") == List{"http://user.example/own"});
  options.environment = "own=http://env.example/own";
  CHECK(apt.mirrors(options).bases.at("own") == List{"http://env.example/own"});
  options.arguments = {"own=file:///srv/argument"};
  CHECK(apt.mirrors(options).bases.at("own") == List{"file:///srv/argument"});
  CHECK(apt.mirrors(options).bases.at("vendor") == List{"https://vendor.example/apt"});
}
