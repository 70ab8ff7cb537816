// Tests accounts of [[user]], registry mirrors, the proxy and certificates of authorities.
#include "small_system.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/failure.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string hash = "$6$salt$0123456789abcdef0123456789abcdef";

struct UsersFixture {
  MemoryStore store;
  std::vector<PackageTree> packages{package(store, "bash", {{"usr/bin/bash", "shell"}, {"usr/bin/sh", "-> bash"}}),
                                    package(store, "base-files", {{"etc/skel/.profile", "umask 077\n"}})};
  std::vector<Layer> layers;
  RootfsOptions chosen = options();

  Tree tree() { return assemble(store, packages, layers, chosen); }
  std::string line(const Tree& tree, const std::string& file, const std::string& name) {
    for (const auto& each : split(text(store, tree, file), '\n'))
      if (each.starts_with(name + ":")) return each;
    return "";
  }
  std::string refused() {
    return failure([&] { tree(); });
  }
};

}  // namespace

TEST_CASE("users: an account with its group, home, keys, password and groups") {
  UsersFixture f;
  f.chosen.users = {{.name = "anna",
                     .comment = "Anna B.",
                     .groups = {"utmp", "shadow"},
                     .authorized_keys = {"ssh-ed25519 AAAA anna@laptop"},
                     .password_hash = hash},
                    {.name = "berta", .uid = 1000},
                    {.name = "carla", .shell = "/usr/bin/sh"}};
  const Tree tree = f.tree();
  // A given number is taken before others are chosen.
  CHECK(f.line(tree, "etc/passwd", "anna") == "anna:x:1001:1001:Anna B.:/home/anna:/bin/bash");
  CHECK(f.line(tree, "etc/passwd", "berta") == "berta:x:1000:1000::/home/berta:/bin/bash");
  CHECK(f.line(tree, "etc/passwd", "carla") == "carla:x:1002:1002::/home/carla:/usr/bin/sh");
  CHECK(f.line(tree, "etc/shadow", "anna") == "anna:" + hash + ":19675:0:99999:7:::");
  CHECK(f.line(tree, "etc/shadow", "berta") == "berta:*:19675:0:99999:7:::");
  CHECK(f.line(tree, "etc/group", "anna") == "anna:x:1001:");
  CHECK(f.line(tree, "etc/group", "utmp") == "utmp:x:43:anna");
  CHECK(f.line(tree, "etc/gshadow", "shadow") == "shadow:*::anna");
  CHECK(f.line(tree, "etc/subuid", "berta") == "berta:165536:65536");
  const Node* home = tree.find("home/anna");
  REQUIRE(home);
  CHECK((home->mode == 0700 && home->uid == 1001 && home->gid == 1001));
  CHECK(text(f.store, tree, "home/anna/.profile") == "umask 077\n");
  CHECK(tree.find("home/anna/.profile")->uid == 1001);
  CHECK(text(f.store, tree, "home/anna/.ssh/authorized_keys") == "ssh-ed25519 AAAA anna@laptop\n");
  CHECK(tree.find("home/anna/.ssh/authorized_keys")->mode == 0600);
  CHECK(tree.find("home/anna/.ssh")->uid == 1001);
  CHECK(tree.find("home/carla/.ssh") == nullptr);
  CHECK((tree.find("etc/shadow")->mode == 0640 && tree.find("etc/shadow")->gid == 42));
}

TEST_CASE("users: an account of a package is changed, and root keeps its keys") {
  UsersFixture f;
  f.chosen.authorized_keys = {"ssh-ed25519 AAAA root@laptop"};
  f.chosen.users = {{.name = "root", .authorized_keys = {"ssh-ed25519 BBBB admin"}, .password_hash = hash}};
  const Tree tree = f.tree();
  CHECK(f.line(tree, "etc/passwd", "root") == "root:x:0:0:root:/root:/bin/bash");
  CHECK(f.line(tree, "etc/shadow", "root") == "root:" + hash + ":19675:0:99999:7:::");
  CHECK(text(f.store, tree, "root/.ssh/authorized_keys") == "ssh-ed25519 AAAA root@laptop\nssh-ed25519 BBBB admin\n");
  CHECK(tree.find("home/root") == nullptr);
  CHECK(f.line(tree, "etc/subuid", "root").empty());
}

TEST_CASE("users: what cannot be is refused, with the user's name") {
  UsersFixture f;
  f.chosen.users = {{.name = "anna", .groups = {"docker"}}};
  CHECK(contains(f.refused(), "user anna: the root filesystem has no group docker"));
  f.chosen.users = {{.name = "anna", .shell = "/usr/bin/zsh"}};
  CHECK(contains(f.refused(), "user anna: the shell /usr/bin/zsh is not in the root filesystem"));
  f.chosen.users = {{.name = "anna", .uid = 1000}, {.name = "berta", .uid = 1000}};
  CHECK(contains(f.refused(), "user berta: the number 1000 is taken"));
  f.chosen.users = {{.name = "nobody", .uid = 1000}};
  CHECK(contains(f.refused(), "user nobody: the account is there already, with the number 65534"));
  f.chosen.users = {{.name = "utmp"}};
  CHECK(contains(f.refused(), "user utmp: there is a group of this name already"));
  f.chosen.users = {{.name = "anna"}};
  f.layers = {layer(f.store, "overlay:site", {{"etc/passwd", "root:x:0:0::/root:/bin/sh\n"}})};
  CHECK(contains(f.refused(), "/etc/passwd is from the overlay:site"));
}

TEST_CASE("registries: mirrors in their order, and the proxy of containerd") {
  UsersFixture f;
  CHECK(f.tree().find("etc/containerd/certs.d") == nullptr);
  CHECK(f.tree().find("etc/systemd/system/containerd.service.d") == nullptr);
  f.chosen.registry_mirrors = {{"docker.io", {"https://a.example", "https://b.example/v2/proxy"}},
                               {"*", {"http://all.example:5000"}},
                               {"none.example", {}}};
  f.chosen.proxy = {.http =
                        "http://"
                        "u:p%40@proxy.example:3128",
                    .https = "",
                    .no_proxy = {"localhost", ".svc"}};
  const Tree tree = f.tree();
  CHECK(text(f.store, tree, "etc/containerd/certs.d/docker.io/hosts.toml") ==
        "# From containerd.mirrors. The mirrors are asked in this order, then the registry itself.\n"
        "[host.\"https://a.example\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        "[host.\"https://b.example/v2/proxy\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n");
  CHECK(contains(text(f.store, tree, "etc/containerd/certs.d/_default/hosts.toml"), "http://all.example:5000"));
  CHECK(tree.find("etc/containerd/certs.d/none.example") == nullptr);
  CHECK(text(f.store, tree, "etc/systemd/system/containerd.service.d/20-proxy.conf") ==
        "# From system.proxy. Pods do not inherit it.\n[Service]\n"
        "Environment=\"HTTP_PROXY=http://"
        "u:p%%40@proxy.example:3128\"\nEnvironment=\"NO_PROXY=localhost,.svc\"\n");
}

TEST_CASE("certificates: authorities of the project are trusted like those of ca-certificates") {
  UsersFixture f;
  const std::string both = read_file(fs::path(K8SIMG_SOURCE_DIR) / "tests/data/certificates/two-authorities.pem");
  const auto end = both.find("-----BEGIN", 1);
  f.chosen.trusted = {{"site", both.substr(0, end)}, {"more", "# a comment\n" + both}};
  const Tree tree = f.tree();
  CHECK(text(f.store, tree, "usr/local/share/ca-certificates/site.crt") == both.substr(0, end));
  CHECK(text(f.store, tree, "usr/local/share/ca-certificates/more-2.crt") == both.substr(end));
  CHECK(target(tree, "etc/ssl/certs/site.pem") == "/usr/local/share/ca-certificates/site.crt");
  CHECK(target(tree, "etc/ssl/certs/667634ea.0") == "more-2.pem");
  CHECK(contains(text(f.store, tree, "etc/ssl/certs/ca-certificates.crt"), both.substr(end)));
  f.chosen.trusted = {{"site", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}};
  CHECK(contains(f.refused(), "system.ca-certificates: site has no certificate that can be read"));
  f.chosen.trusted = {{"site", "nothing"}};
  CHECK(contains(f.refused(), "has no certificate"));
  f.chosen.trusted = {{"site", both + "-----BEGIN PRIVATE KEY-----\n"}};
  CHECK(contains(f.refused(), "system.ca-certificates: site has a private key"));
}
