// Tests which line of the sysctl.d files is effective.
#include "preflight/sysctls.hpp"

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct Settings {
  TestContext context;
  Tree root;
  void file(const std::string& path, const std::string& text) {
    root.add_file(context.store(), path, text, 0644, "test");
  }
  /// "VALUE FILE:LINE", "" for none.
  std::string find(const std::string& key) {
    const auto line = find_sysctl(read_sysctls(context.store(), root), key);
    return line ? line->value + " " + line->file + ":" + std::to_string(line->line) : "";
  }
};

}  // namespace

TEST_CASE("files are read by name, whatever their folder, and the last line wins") {
  Settings s;
  s.file("usr/lib/sysctl.d/50-default.conf", "net.ipv4.ip_forward=0\nkernel.panic = 5\n");
  s.file("etc/sysctl.d/30-kubernetes.conf", "# comment\n; comment\n\n  net.ipv4.ip_forward =  1 \n");
  CHECK(s.find("net.ipv4.ip_forward") == "0 /usr/lib/sysctl.d/50-default.conf:1");
  s.file("usr/local/lib/sysctl.d/99-local.conf", "net.ipv4.ip_forward = 1\n");
  CHECK(s.find("net.ipv4.ip_forward") == "1 /usr/local/lib/sysctl.d/99-local.conf:1");
  CHECK(s.find("kernel.panic") == "5 /usr/lib/sysctl.d/50-default.conf:2");
  CHECK(s.find("kernel.panic_on_oops").empty());
}

TEST_CASE("a file of /etc takes the place of its namesake, and a link to /dev/null takes it away") {
  Settings s;
  s.file("usr/lib/sysctl.d/50-default.conf", "net.ipv4.ip_forward = 0\n");
  s.file("etc/sysctl.d/50-default.conf", "kernel.panic = 1\n");
  CHECK(s.find("net.ipv4.ip_forward").empty());
  s.file("usr/lib/sysctl.d/60-more.conf", "net.ipv4.ip_forward = 1\n");
  CHECK(s.find("net.ipv4.ip_forward") == "1 /usr/lib/sysctl.d/60-more.conf:1");
  s.root.add_symlink("etc/sysctl.d/60-more.conf", "/dev/null", "test");
  CHECK(s.find("net.ipv4.ip_forward").empty());
  s.file("etc/sysctl.d/README", "net.ipv4.ip_forward = 1\n");  // no .conf
  CHECK(s.find("net.ipv4.ip_forward").empty());
}

TEST_CASE("slashes and dots, leading dashes, and lines that are none") {
  Settings s;
  s.file("etc/sysctl.d/a.conf",
         "net/ipv4/ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.conf.eth0/5.rp_filter = "
         "2\nnonsense\n");
  CHECK(s.find("net.ipv4.ip_forward") == "1 /etc/sysctl.d/a.conf:1");
  CHECK(s.find("net/ipv4/ip_forward") == "1 /etc/sysctl.d/a.conf:1");
  CHECK(s.find("net.bridge.bridge-nf-call-iptables") == "1 /etc/sysctl.d/a.conf:2");
  CHECK(s.find("net/ipv4/conf/eth0.5/rp_filter") == "2 /etc/sysctl.d/a.conf:3");
  CHECK(s.find("nonsense").empty());
}

TEST_CASE("a glob sets what no line names and none excludes") {
  Settings s;
  s.file("etc/sysctl.d/a.conf", "net.ipv4.conf.default.forwarding = 0\n-net.ipv4.conf.lo.forwarding\n");
  s.file("etc/sysctl.d/b.conf", "net.ipv4.conf.*.forwarding = 1\n");
  CHECK(s.find("net.ipv4.conf.eth0.forwarding") == "1 /etc/sysctl.d/b.conf:1");
  CHECK(s.find("net.ipv4.conf.default.forwarding") == "0 /etc/sysctl.d/a.conf:1");
  CHECK(s.find("net.ipv4.conf.lo.forwarding").empty());
  CHECK(s.find("net.ipv4.ip_forward").empty());
}
