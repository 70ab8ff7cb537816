// Tests each rule on a system with a few files.
#include "small_system.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;
using namespace k8simg::test;

TEST_CASE("accounts have fixed numbers, locked passwords and the right modes, whatever the order of packages") {
  MemoryStore store;
  const auto network = package(store, "systemd",
                               {{"usr/lib/sysusers.d/network.conf",
                                 "u! systemd-network - \"Network Management\"\ng systemd-journal - -\nu sshd -:nogroup "
                                 "\"sshd user\" /run/sshd\nm sshd systemd-journal\n"}});
  auto rpc = package(store, "rpcbind",
                     {{"DEBIAN/postinst",
                       "#!/bin/sh\nid -u _rpc >/dev/null || adduser --allow-bad-names --system --home /run/rpcbind "
                       "--no-create-home _rpc\n"}});
  auto chosen = options();
  chosen.judgements = {judged(rpc, store, "postinst", "accounts")};
  const auto tree = assemble(store, {network, rpc}, {}, chosen);
  CHECK(text(store, tree, "etc/passwd") ==
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/"
        "nologin\n_rpc:x:100:65534::/run/rpcbind:/usr/sbin/nologin\n"
        "sshd:x:102:65534:sshd user:/run/sshd:/usr/sbin/nologin\nsystemd-network:x:104:104:Network "
        "Management:/:/usr/sbin/nologin\n");
  CHECK(text(store, tree, "etc/group") ==
        "root:x:0:\nshadow:x:42:\nutmp:x:43:\nnogroup:x:65534:\nsystemd-network:x:104:\nsystemd-journal:x:130:sshd\n");
  CHECK(text(store, tree, "etc/shadow") ==
        "root:*:19675:0:99999:7:::\nnobody:*:19675:0:99999:7:::\n_rpc:!:19675::::::\nsshd:!*:19675::::::\nsystemd-"
        "network:!*:19675:::::1:\n");
  CHECK(tree.find("etc/shadow")->mode == 0640);
  CHECK(tree.find("etc/shadow")->gid == 42);
  CHECK(tree.find("etc/passwd")->mode == 0644);
  CHECK(tree.find("etc/passwd")->origin == "rule:accounts");
}

TEST_CASE("an account for which no number is set aside gets one from its name; an overlay can give it another") {
  MemoryStore store;
  const auto unknown = package(store, "thing", {{"usr/lib/sysusers.d/thing.conf", "u thing - \"Thing\"\n"}});
  const auto other = package(store, "other", {{"usr/lib/sysusers.d/other.conf", "u other - \"Other\"\n"}});
  // components/maintscript computes the same: SHA-256 of "thing" begins with 5de94d69.
  const auto line = fmt::format("thing:x:{0}:{0}:Thing:", 200 + 0x5de94d69u % 700);
  CHECK(text(store, assemble(store, {unknown}), "etc/passwd").find(line) != std::string::npos);
  CHECK(text(store, assemble(store, {other, unknown}), "etc/passwd").find(line) != std::string::npos);
  const auto tree = assemble(store, {unknown},
                             {layer(store, "overlay:site", {{"usr/lib/sysusers.d/zz-thing.conf", "u thing 300\n"}})});
  CHECK(text(store, tree, "etc/passwd").find("thing:x:300:300:Thing:") != std::string::npos);
  const auto clash = package(store, "clash", {{"usr/lib/sysusers.d/clash.conf", "u one 300\nu two 300\n"}});
  CHECK_THROWS_AS(assemble(store, {clash}), Error);
}

TEST_CASE("units: what scripts enable unless a preset says no, then presets of overlays, then the defconfig") {
  MemoryStore store;
  const auto wanted = [](const std::string& more = {}) { return "[Install]\nWantedBy=multi-user.target\n" + more; };
  const std::vector<File> units = {
      {"usr/lib/systemd/system/a.service", wanted("Alias=other.service\nAlso=a.socket\n")},
      {"usr/lib/systemd/system/a.socket", "[Install]\nWantedBy=sockets.target\n"},
      {"usr/lib/systemd/system/b.service", wanted()},
      {"usr/lib/systemd/system/c.service", wanted()},
      {"usr/lib/systemd/system/static.service", "[Service]\n"},
      {"usr/lib/systemd/system/getty@.service", "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n"},
      {"usr/lib/systemd/system-preset/90.preset", "disable b.service\n"}};
  auto systemd = package(store, "systemd", units);
  systemd.tree.add_file(store, "DEBIAN/postinst",
                        enabling("a.service") + enabling("b.service") +
                            "systemctl ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} enable getty@tty1.service || true\n",
                        0755, "");
  auto chosen = options();
  chosen.judgements = {judged(systemd, store, "postinst", "units")};

  auto tree = assemble(store, {systemd}, {}, chosen);
  CHECK(target(tree, "etc/systemd/system/multi-user.target.wants/a.service") == "/usr/lib/systemd/system/a.service");
  CHECK(target(tree, "etc/systemd/system/other.service") == "/usr/lib/systemd/system/a.service");
  CHECK(target(tree, "etc/systemd/system/sockets.target.wants/a.socket") == "/usr/lib/systemd/system/a.socket");
  CHECK(target(tree, "etc/systemd/system/getty.target.wants/getty@tty1.service") ==
        "/usr/lib/systemd/system/getty@.service");
  CHECK(tree.find("etc/systemd/system/multi-user.target.wants/b.service") == nullptr);
  CHECK(text(store, tree, "etc/systemd/system-preset/00-image.preset")
            .ends_with("enable a.service\nenable a.socket\nenable getty@.service tty1\ndisable *\n"));

  tree = assemble(store, {systemd},
                  {layer(store, "overlay:x",
                         {{"usr/lib/systemd/system-preset/20.preset",
                           "enable c.service\nenable static.service\nenable absent.service\ndisable a.socket\n"}})},
                  chosen);
  CHECK(target(tree, "etc/systemd/system/multi-user.target.wants/c.service") == "/usr/lib/systemd/system/c.service");
  CHECK(tree.find("etc/systemd/system/sockets.target.wants/a.socket") == nullptr);

  chosen.enable_units = {"b.service", "getty@.service"};
  chosen.disable_units = {"a.service"};
  chosen.mask_units = {"static.service"};
  tree = assemble(store, {systemd}, {}, chosen);
  CHECK(tree.find("etc/systemd/system/multi-user.target.wants/b.service") != nullptr);
  CHECK(tree.find("etc/systemd/system/multi-user.target.wants/a.service") == nullptr);
  CHECK(target(tree, "etc/systemd/system/static.service") == "/dev/null");

  chosen.enable_units = {"bb.service"};
  try {
    assemble(store, {systemd}, {}, chosen);
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.hint().find("b.service") != std::string::npos);
  }
}

TEST_CASE("alternatives: the highest priority or the defconfig's choice, with the slaves that exist") {
  MemoryStore store;
  auto iptables = package(store, "iptables",
                          {{"usr/sbin/iptables-nft", "n", 0755},
                           {"usr/sbin/iptables-legacy", "l", 0755},
                           {"usr/sbin/iptables-nft-save", "s", 0755}});
  iptables.tree.add_file(store, "DEBIAN/postinst",
                         "update-alternatives \\\n  --install /usr/sbin/iptables iptables /usr/sbin/iptables-legacy "
                         "10\nupdate-alternatives --install /usr/sbin/iptables iptables /usr/sbin/iptables-nft 20 \\\n"
                         "  --slave /usr/sbin/iptables-save iptables-save /usr/sbin/iptables-nft-save --slave "
                         "/usr/share/man/x x /usr/share/man/y\n",
                         0755, "");
  auto chosen = options();
  chosen.judgements = {judged(iptables, store, "postinst", "alternatives")};
  auto tree = assemble(store, {iptables}, {}, chosen);
  CHECK(target(tree, "usr/sbin/iptables") == "/etc/alternatives/iptables");
  CHECK(target(tree, "etc/alternatives/iptables") == "/usr/sbin/iptables-nft");
  CHECK(target(tree, "etc/alternatives/iptables-save") == "/usr/sbin/iptables-nft-save");
  CHECK(tree.find("etc/alternatives/x") == nullptr);
  CHECK(text(store, tree, "var/lib/dpkg/alternatives/iptables") ==
        "auto\n/usr/sbin/iptables\niptables-save\n/usr/sbin/iptables-save\n\n/usr/sbin/iptables-legacy\n10\n\n/usr/"
        "sbin/iptables-nft\n20\n/usr/sbin/iptables-nft-save\n\n");

  chosen.alternatives = {{"iptables", "/usr/sbin/iptables-legacy"}};
  tree = assemble(store, {iptables}, {}, chosen);
  CHECK(target(tree, "etc/alternatives/iptables") == "/usr/sbin/iptables-legacy");
  CHECK(tree.find("usr/sbin/iptables-save") == nullptr);
  CHECK(text(store, tree, "var/lib/dpkg/alternatives/iptables").starts_with("manual\n"));

  chosen.alternatives = {{"iptables", "/usr/sbin/iptables-other"}};
  CHECK_THROWS_AS(assemble(store, {iptables}, {}, chosen), Error);
  chosen.alternatives = {{"iptable", "/usr/sbin/iptables-nft"}};
  CHECK_THROWS_AS(assemble(store, {iptables}, {}, chosen), Error);
}

TEST_CASE(
    "PAM: primary modules jump to the end of their block, additional ones follow by priority, sessions without a "
    "terminal leave some out") {
  MemoryStore store;
  const std::string auth = "# c\n$auth_primary\nauth\trequisite\tpam_deny.so\n$auth_additional\n# end\n",
                    session = "$session_primary\n$session_additional\n",
                    nonint = "$session_nonint_primary\n$session_nonint_additional\n";
  const auto pam =
      package(store, "libpam-runtime",
              {{"usr/share/pam/common-auth", auth},
               {"usr/share/pam/common-session", session},
               {"usr/share/pam/common-session-noninteractive", nonint},
               {"usr/share/pam-configs/unix",
                "Name: Unix\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\t[success=end "
                "default=ignore]\tpam_unix.so try_first_pass\nAuth-Initial:\n\t[success=end "
                "default=ignore]\tpam_unix.so nullok\nSession-Type: Additional\nSession:\n\trequired\tpam_unix.so\n"},
               {"usr/share/pam-configs/other",
                "Name: Other\nDefault: yes\nPriority: 128\nAuth-Type: Primary\nAuth:\n\t[success=end "
                "default=ignore]\tpam_other.so x\n"},
               {"usr/share/pam-configs/systemd",
                "Name: S\nDefault: yes\nPriority: 0\nSession-Interactive-Only: yes\nSession-Type: "
                "Additional\nSession:\n\toptional\tpam_systemd.so\n"},
               {"usr/share/pam-configs/off",
                "Name: Off\nDefault: no\nPriority: 900\nAuth-Type: Primary\nAuth:\n\trequired\tpam_off.so\n"}});
  const auto tree = assemble(store, {pam});
  CHECK(text(store, tree, "etc/pam.d/common-auth") ==
        "# c\nauth\t[success=2 default=ignore]\tpam_unix.so nullok\nauth\t[success=1 default=ignore]\tpam_other.so "
        "x\nauth\trequisite\tpam_deny.so\n# end\n");
  CHECK(
      text(store, tree, "etc/pam.d/common-session") ==
      "session\t[default=1]\t\t\tpam_permit.so\nsession\trequired\tpam_unix.so \nsession\toptional\tpam_systemd.so \n");
  CHECK(text(store, tree, "etc/pam.d/common-session-noninteractive") ==
        "session\t[default=1]\t\t\tpam_permit.so\nsession\trequired\tpam_unix.so \n");
}

TEST_CASE("nsswitch gains the modules that are installed") {
  MemoryStore store;
  const auto libc = package(
      store, "libc-bin", {{"usr/share/libc-bin/nsswitch.conf", "passwd:         files\nhosts:          files dns\n"}});
  CHECK(text(store, assemble(store, {libc}), "etc/nsswitch.conf") ==
        "passwd:         files\nhosts:          files dns\n");
  const auto tree = assemble(store, {libc, package(store, "libnss-systemd", {}), package(store, "libnss-resolve", {})});
  CHECK(text(store, tree, "etc/nsswitch.conf") ==
        "passwd:         files systemd\nhosts:          files resolve [!UNAVAIL=return] dns\n");
}

TEST_CASE("capabilities are set only where the judgement says that the script does so") {
  MemoryStore store;
  auto ping = package(
      store, "iputils-ping",
      {{"usr/bin/ping", "p", 0755}, {"DEBIAN/postinst", "if true; then setcap cap_net_raw+ep /bin/ping; fi\n"}});
  auto chosen = options();
  chosen.judgements = {judged(ping, store, "postinst", "file-capabilities")};
  CHECK(assemble(store, {ping}, {}, chosen).find("usr/bin/ping")->xattrs.at("security.capability").size() == 20);
  chosen.judgements[0].rule = "";
  CHECK(assemble(store, {ping}, {}, chosen).find("usr/bin/ping")->xattrs.empty());
}

TEST_CASE("names, keys and mounts of one machine") {
  MemoryStore store;
  auto chosen = options();
  chosen.authorized_keys = {"ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"};
  chosen.mounts = {
      {.source = "UUID=1", .path = "/", .filesystem = "ext4", .options = "errors=remount-ro", .grow = true},
      {.source = "UUID=2", .path = "/boot", .filesystem = "vfat", .options = "umask=0077", .fsck_pass = 2},
      {.source = "UUID=3", .path = "/data", .filesystem = "erofs", .options = "", .grow = true}};
  const auto tree = assemble(store, {package(store, "tzdata", {{"usr/share/zoneinfo/Etc/UTC", "z"}})}, {}, chosen);
  CHECK(text(store, tree, "etc/hostname") == "node\n");
  CHECK(text(store, tree, "etc/hosts").find("127.0.1.1\tnode") != std::string::npos);
  CHECK(text(store, tree, "etc/machine-id") == "uninitialized\n");
  CHECK(text(store, tree, "root/.ssh/authorized_keys") == "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n");
  CHECK(tree.find("root/.ssh/authorized_keys")->mode == 0600);
  CHECK(tree.find("root")->mode == 0700);
  CHECK(tree.find("tmp")->mode == 01777);
  CHECK(target(tree, "etc/localtime") == "/usr/share/zoneinfo/Etc/UTC");
  const auto fstab = text(store, tree, "etc/fstab");
  CHECK(fstab.find("UUID=1\t/\text4\terrors=remount-ro,x-systemd.growfs\t0\t1\n") != std::string::npos);
  CHECK(fstab.find("UUID=2\t/boot\tvfat\tumask=0077,nofail\t0\t2\n") != std::string::npos);
  CHECK(fstab.find("UUID=3\t/data\terofs\tnofail,x-systemd.growfs\t0\t0\n") != std::string::npos);
  CHECK(tree.find("data") != nullptr);
  CHECK(tree.find("usr")->mtime == tree.find("etc/.updated")->mtime);
  chosen.timezone = "Mars/Olympus";
  CHECK_THROWS_AS(assemble(store, {}, {}, chosen), Error);
}

TEST_CASE("exclusions take files of packages and empty folders; keep, layers and the image's own zone stay") {
  MemoryStore store;
  auto chosen = options();
  chosen.timezone = "Europe/Berlin";
  chosen.exclude = {"/usr/share/doc/**", "/usr/share/zoneinfo/**"};
  chosen.keep = {"/usr/share/doc/*/copyright"};
  const auto doc = package(store, "x",
                           {{"usr/share/doc/x/changelog", "c"},
                            {"usr/share/doc/x/copyright", "l"},
                            {"usr/share/doc/y/readme", "r"},
                            {"usr/share/zoneinfo/Europe/Berlin", "z"},
                            {"usr/share/zoneinfo/Europe/Paris", "z"}});
  const auto tree = assemble(store, {doc}, {layer(store, "overlay:o", {{"usr/share/doc/mine/readme", "m"}})}, chosen);
  CHECK(tree.find("usr/share/doc/x/changelog") == nullptr);
  CHECK(tree.find("usr/share/doc/x/copyright") != nullptr);
  CHECK(tree.find("usr/share/doc/y") == nullptr);
  CHECK(tree.find("usr/share/doc/mine/readme") != nullptr);
  CHECK(tree.find("usr/share/zoneinfo/Europe/Berlin") != nullptr);
  CHECK(tree.find("usr/share/zoneinfo/Europe/Paris") == nullptr);
  CHECK(text(store, tree, "var/lib/dpkg/info/x.list") ==
        "/.\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/x\n/usr/share/doc/x/copyright\n/usr/share/zoneinfo\n/usr/"
        "share/zoneinfo/Europe\n/usr/share/zoneinfo/Europe/Berlin\n");
}

TEST_CASE("dpkg's database says what is installed, with conffiles, and claims nothing that was left out") {
  MemoryStore store;
  auto chosen = options();
  chosen.exclude = {"usr/share/man/**"};
  const auto bash = package(
      store, "bash",
      {{"etc/bash.bashrc", "abc"},
       {"usr/share/man/man1/bash.1", "m"},
       {"bin/bash", "b", 0755},
       {"DEBIAN/conffiles", "/etc/bash.bashrc\nremove-on-upgrade /etc/old\n"},
       {"DEBIAN/md5sums",
        "11111111111111111111111111111111  bin/bash\n22222222222222222222222222222222  usr/share/man/man1/bash.1\n"}},
      "Essential: yes\nMulti-Arch: same\nX-Custom: kept\n");
  const auto tree = assemble(store, {bash}, {layer(store, "overlay:o", {{"etc/motd", "hi"}})}, chosen);
  const auto status = text(store, tree, "var/lib/dpkg/status");
  CHECK(status.find("Package: bash\nEssential: yes\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: "
                    "same\nVersion: 1.0-1\nConffiles:\n"
                    " /etc/bash.bashrc 900150983cd24fb0d6963f7d28e17f72\n /etc/old newconffile "
                    "remove-on-upgrade\nDescription: a test\nX-Custom: kept\n\n") != std::string::npos);
  CHECK(text(store, tree, "var/lib/dpkg/info/bash:amd64.md5sums") == "11111111111111111111111111111111  bin/bash\n");
  CHECK(text(store, tree, "var/lib/dpkg/info/bash:amd64.list").find("man1") == std::string::npos);
  CHECK(text(store, tree, "var/lib/dpkg/arch-native") == "amd64\n");
}

TEST_CASE("two packages with one file: Replaces decides, otherwise both are named; layers need a declaration") {
  MemoryStore store;
  const auto a = package(store, "a", {{"usr/bin/tool", "a"}}), b = package(store, "b", {{"usr/bin/tool", "b"}}),
             c = package(store, "c", {{"usr/bin/tool", "c"}}, "Replaces: a (<< 2), b (<< 1)\n");
  CHECK(text(store, assemble(store, {a, c}), "usr/bin/tool") == "c");
  CHECK(text(store, assemble(store, {c, a}), "usr/bin/tool") == "c");
  for (const auto& pair : {std::vector<PackageTree>{a, b}, std::vector<PackageTree>{b, c}}) {
    try {
      assemble(store, pair);
      FAIL("passed");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Usage);
      CHECK(error.message().find("package:" + pair[0].name + "=1.0-1") != std::string::npos);
      CHECK(error.message().find("package:" + pair[1].name + "=1.0-1") != std::string::npos);
    }
  }
  const auto d = package(store, "d", {{"usr/bin/tool", "d"}}, "Section: test\nReplaces: a [amd64]\n");
  try {
    assemble(store, {a, d});
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.message().find("the control file of d 1.0-1, line 5: Replaces: ") != std::string::npos);
  }
  const auto site = layer(store, "overlay:site", {{"usr/bin/tool", "mine"}});
  CHECK_THROWS_AS(assemble(store, {a}, {site}), Error);
  auto chosen = options();
  chosen.replace = {{"/usr/bin/tool", "a better one"}};
  const auto tree = assemble(store, {a}, {site}, chosen);
  CHECK(text(store, tree, "usr/bin/tool") == "mine");
  CHECK(tree.find("usr/bin/tool")->origin == "overlay:site");
}

TEST_CASE("a malformed control file, or none, is an error with the package's name") {
  MemoryStore store;
  const auto said = [&](const PackageTree& tree) -> std::string {
    try {
      assemble(store, {tree});
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  };
  auto damaged = package(store, "damaged", {}, "no colon\n");
  CHECK(said(damaged).find("the control file of damaged 1.0-1, line 4: neither a field nor") != std::string::npos);
  damaged.tree.erase("DEBIAN/control");
  CHECK(said(damaged).find("package:damaged=1.0-1:amd64 has no control file") != std::string::npos);
}

TEST_CASE("a layer's file is never changed by a rule") {
  MemoryStore store;
  const auto tree =
      assemble(store, {}, {layer(store, "overlay:o", {{"etc/hostname", "other\n"}, {"etc/fstab", "mine\n"}})});
  CHECK(text(store, tree, "etc/hostname") == "other\n");
  CHECK(text(store, tree, "etc/fstab") == "mine\n");
}

TEST_CASE("every node says where it comes from, and the same input gives the same tree") {
  MemoryStore store;
  const std::vector<PackageTree> packages = {package(store, "x", {{"lib/x", "1"}, {"usr/share/y", "2"}}),
                                             package(store, "w", {{"usr/share/z", "3"}})};
  const auto first = assemble(store, packages), second = assemble(store, {packages[1], packages[0]});
  CHECK(first.serialise() == second.serialise());
  for (const auto& [path, node] : first.nodes()) {
    CAPTURE(path);
    CHECK((node.origin.text().starts_with("package:") || node.origin.text().starts_with("rule:")));
  }
  CHECK(first.find("usr/lib/x") != nullptr);
  CHECK(target(first, "lib") == "usr/lib");
}

TEST_CASE("the tools tree has every mount point of the sandbox, a shell and its alternatives, and nothing excluded") {
  MemoryStore store;
  auto mawk = package(store, "mawk",
                      {{"usr/bin/mawk", "m", 0755},
                       {"DEBIAN/postinst",
                        "# Automatically added by dh_installalternatives/13\nupdate-alternatives --install "
                        "/usr/bin/awk awk /usr/bin/mawk 5\n# End automatically added section\n"}});
  const auto tree =
      assemble_tools(store,
                     {mawk, package(store, "dash", {{"bin/dash", "d", 0755}}),
                      package(store, "x", {{"usr/share/man/x", "m"}, {"DEBIAN/postinst", "nobody judges tools\n"}})},
                     "x86_64-linux-gnu");
  CHECK(target(tree, "usr/bin/awk") == "/etc/alternatives/awk");
  CHECK(target(tree, "usr/bin/sh") == "dash");
  CHECK(target(tree, "bin") == "usr/bin");
  CHECK(tree.find("usr/share/man/x") != nullptr);
  for (const auto* path : {"dev", "proc", "tmp", "in", "out", "build", "cache"}) {
    CAPTURE(path);
    REQUIRE(tree.find(path) != nullptr);
    CHECK(tree.find(path)->type == NodeType::Directory);
  }
  CHECK(tree.find("etc/hosts")->type == NodeType::File);
}

TEST_CASE(
    "[[rootfs.mode]]: what git cannot keep of an overlay's file, names of the image, and no path that is not there") {
  MemoryStore store;
  const auto site = layer(store, "overlay:site",
                          {{"etc/site/key", "secret\n"}, {"etc/site/note", "hello\n"}, {"etc/site/link", "x"}});
  auto chosen = options();
  chosen.modes = {{"/etc/site", 0750, "root:shadow"},
                  {"/etc/site/k*", 0640, "nobody:nogroup"},
                  {"/etc/site/key", 0600, ""},
                  {"/etc/site/note", 0444, "12:34"}};
  const auto tree = assemble(store, {}, {site}, chosen);
  const auto is = [&](const std::string& path, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
    const Node* node = tree.find(path);
    REQUIRE(node != nullptr);
    return node->mode == mode && node->uid == uid && node->gid == gid;
  };
  CHECK(is("etc/site", 0750, 0, 42));
  CHECK(is("etc/site/key", 0600, 65534, 65534));  // each in turn: the later mode, the earlier owner
  CHECK(is("etc/site/note", 0444, 12, 34));
  CHECK(is("etc/site/link", 0644, 0, 0));

  const auto refused = [&](const PathMode& mode) {
    auto wrong = options();
    wrong.modes = {mode};
    try {
      assemble(store, {}, {site}, wrong);
    } catch (const Error& error) {
      REQUIRE(error.setting());
      CHECK(error.setting()->table == "rootfs.mode");
      CHECK(error.setting()->entry == mode.path);
      return error.message();
    }
    return std::string("passed");
  };
  CHECK(refused({"/etc/site/kye", 0600, ""}) ==
        "rootfs.mode.path /etc/site/kye: no file of the root filesystem matches");
  CHECK(refused({"/etc/site/key", 0600, "alice:root"}) ==
        "rootfs.mode.path /etc/site/key: owner \"alice:root\": /etc/passwd has no \"alice\"");
  CHECK(refused({"/etc/site/key", 0600, "4294967295:0"}).find("/etc/passwd has no") != std::string::npos);
}
