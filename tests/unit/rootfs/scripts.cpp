// Tests the analysis of maintainer scripts: recognised blocks, the remainder, and its hash.
#include "rootfs/rootfs.hpp"

#include "rootfs/shell_words.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

const std::string enable_block = R"sh(# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] ; then
	# The following line should be removed in trixie or trixie+1
	deb-systemd-helper unmask 'ssh.service' >/dev/null || true

	# was-enabled defaults to true, so new installations run enable.
	if deb-systemd-helper --quiet was-enabled 'ssh.service'; then
		deb-systemd-helper enable 'ssh.service' >/dev/null || true
	else
		deb-systemd-helper update-state 'ssh.service' >/dev/null || true
	fi
fi
# End automatically added section
)sh";

const ScriptBlock* find(const ScriptAnalysis& analysis, const std::string& kind) {
  for (const auto& block : analysis.blocks) {
    if (block.kind == kind) return &block;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a script of debhelper's blocks alone leaves nothing") {
  const auto analysis =
      analyse_script("#!/bin/sh\nset -e\n" + enable_block + "\nexit 0\n", "openssh-server", "postinst");
  CHECK(analysis.remainder.empty());
  CHECK(analysis.remainder_sha256.empty());
  REQUIRE(find(analysis, "enable") != nullptr);
  CHECK(find(analysis, "enable")->units == std::vector<std::string>{"ssh.service"});
  CHECK(find(analysis, "enable")->tool == "dh_installsystemd/13.24.2");
}

TEST_CASE("a unit that a new installation leaves off is not one to enable") {
  const auto analysis = analyse_script(R"sh(#!/bin/sh
# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ] ; then
	if deb-systemd-helper debian-installed 'nftables.service'; then
		deb-systemd-helper unmask 'nftables.service' >/dev/null || true
		if deb-systemd-helper --quiet was-enabled 'nftables.service'; then
			deb-systemd-helper enable 'nftables.service' >/dev/null || true
		fi
	fi
	deb-systemd-helper update-state 'nftables.service' >/dev/null || true
fi
# End automatically added section
)sh",
                                       "nftables", "postinst");
  CHECK(analysis.remainder.empty());
  CHECK(find(analysis, "enable") == nullptr);
  REQUIRE(find(analysis, "unit-state") != nullptr);
  CHECK(find(analysis, "unit-state")->units == std::vector<std::string>{"nftables.service"});
}

TEST_CASE("alternatives, sysusers, tmpfiles and conffile moves are recognised by kind") {
  const auto analysis = analyse_script(R"sh(#!/bin/sh
# Automatically added by dh_installalternatives/13.24.1
if [ "$1" = "configure" ]; then
        update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \
            --slave /usr/bin/nawk nawk /usr/bin/mawk
fi
# End automatically added section
# Automatically added by dh_installsysusers/13.24.2
if [ "$1" = "configure" ] ; then
   systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} basic.conf systemd-journal.conf
fi
# End automatically added section
# Automatically added by dh_installtmpfiles/13.24.2
if [ "$1" = "configure" ] ; then
	if [ -x "$(command -v systemd-tmpfiles)" ]; then
		systemd-tmpfiles ${DPKG_ROOT:+--root="$DPKG_ROOT"} --create passwd.conf || true
	fi
fi
# End automatically added section
# Automatically added by dh_installdeb/13.24.2
dpkg-maintscript-helper rm_conffile /etc/sysctl.conf 2:4.0.4-7\~ -- "$@"
# End automatically added section
)sh",
                                       "x", "postinst");
  CHECK(analysis.remainder.empty());
  CHECK(find(analysis, "alternatives") != nullptr);
  REQUIRE(find(analysis, "sysusers") != nullptr);
  CHECK(find(analysis, "sysusers")->units == std::vector<std::string>{"basic.conf", "systemd-journal.conf"});
  REQUIRE(find(analysis, "tmpfiles") != nullptr);
  CHECK(find(analysis, "tmpfiles")->units == std::vector<std::string>{"passwd.conf"});
  CHECK(find(analysis, "conffile") != nullptr);
}

TEST_CASE("a block with a line that is not debhelper's own must be judged") {
  const auto analysis = analyse_script(
      "#!/bin/sh\n# Automatically added by dh_new/14\nif [ -e /x ]; then\n  rm -rf /etc/x\nfi\n# End automatically "
      "added section\n",
      "x", "postinst");
  CHECK(analysis.blocks.empty());
  CHECK(analysis.remainder == "if [ -e /x ]; then\n  rm -rf /etc/x\nfi\n");
}

TEST_CASE("a block that never ends hides nothing") {
  const auto analysis = analyse_script("# Automatically added by dh_x/1\ntouch /etc/x\n", "x", "postinst");
  CHECK(analysis.remainder == "touch /etc/x\n");
}

TEST_CASE("comments, blank lines, set -e and a new debhelper version do not change the hash; commands do") {
  const auto text = "#!/bin/sh\nset -e\n# why\ntouch /etc/x   \n\n" + enable_block + "exit 0\n";
  const auto first = analyse_script(text, "x", "postinst");
  auto newer = text;
  newer.replace(newer.find("13.24.2"), 7, "14.0.99");
  CHECK(analyse_script(newer, "x", "postinst").remainder_sha256 == first.remainder_sha256);
  CHECK(analyse_script("touch /etc/x\n", "x", "postinst").remainder_sha256 == first.remainder_sha256);
  CHECK(analyse_script("touch /etc/y\n", "x", "postinst").remainder_sha256 != first.remainder_sha256);
}

TEST_CASE("what a here-document writes counts to the last comment") {
  const auto script = [](const std::string& line) {
    return "cat > /etc/modules <<-END\n\t" + line + "\n\tEND\n# after\n";
  };
  CHECK(analyse_script(script("# one"), "x", "postinst").remainder_sha256 !=
        analyse_script(script("# two"), "x", "postinst").remainder_sha256);
  CHECK(analyse_script(script("# one"), "x", "postinst").remainder.find("after") == std::string::npos);
  CHECK(analyse_script("x=$((1 << 2))\n# gone\ny=$(cat <<< z)\n# gone\n", "x", "postinst").remainder ==
        "x=$((1 << 2))\ny=$(cat <<< z)\n");
}

TEST_CASE("calls are found wherever a command may start, across continued lines") {
  const std::string script =
      "if ! getent passwd x; then\n  adduser --system \\\n    --home /var/lib/x x\nfi\nid y || adduser --system y "
      ">/dev/null\necho adduser z\n/usr/sbin/adduser w; true\n";
  const auto calls = rootfs::calls_of(script, "adduser");
  REQUIRE(calls.size() == 3);
  CHECK(calls[0] == std::vector<std::string>{"adduser", "--system", "--home", "/var/lib/x", "x"});
  CHECK(calls[1] == std::vector<std::string>{"adduser", "--system", "y"});
  CHECK(calls[2] == std::vector<std::string>{"/usr/sbin/adduser", "w"});
}

TEST_CASE("a remainder nobody judged stops, with its text, its hash and what to do") {
  MemoryStore store;
  PackageTree package{"thing", "1.0", "amd64", {}};
  package.tree.add_file(store, "DEBIAN/postinst", "#!/bin/sh\ntouch /etc/thing\n", 0755, "package:thing=1.0:amd64");
  const auto hash = analyse_script("touch /etc/thing\n", "thing", "postinst").remainder_sha256;
  try {
    check_scripts(store, {package}, {});
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Resolve);
    CHECK(error.message().find("postinst of thing 1.0") != std::string::npos);
    CHECK(error.message().find(hash) != std::string::npos);
    CHECK(error.message().find("touch /etc/thing") != std::string::npos);
    CHECK(error.hint().find("scripts.toml") != std::string::npos);
  }
  CHECK_NOTHROW(check_scripts(store, {package}, {{"thing", "postinst", hash, "", "only touches"}}));
  CHECK_NOTHROW(check_scripts(store, {package}, {}, {"thing"}));
  CHECK_THROWS_AS(check_scripts(store, {package}, {}, {"other"}), Error);
  const auto unjudged = unjudged_scripts(store, {package}, {{"thing", "postinst", "another text", "", "x"}});
  REQUIRE(unjudged.size() == 1);
  CHECK(unjudged[0].package == "thing");
  CHECK(unjudged[0].script == "postinst");
  CHECK(unjudged[0].changed);
  CHECK(unjudged_scripts(store, {package}, {{"thing", "postinst", hash, "", "only touches"}}).empty());
  CHECK_THROWS_AS(check_scripts(store, {package}, {{"other", "postinst", hash, "", "not this package"}}), Error);
  CHECK_THROWS_AS(check_scripts(store, {package}, {{"thing", "preinst", hash, "", "not this script"}}), Error);
  CHECK_THROWS_AS(check_scripts(store, {package}, {{"thing", "postinst", hash, "", " "}}), Error);
  try {
    check_scripts(store, {package}, {{"thing", "postinst", hash, "alternative", "x"}});
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.hint().find("alternatives") != std::string::npos);
  }
}
