// Tests the selection of architectures and components with the defconfigs of this project.
#include "cli/architectures.hpp"

#include "cli/outputs.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/file.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

using Names = std::vector<std::string>;

Session session() {
  Options options;
  options.project = K8SIMG_SOURCE_DIR;
  return Session(options, {});
}

}  // namespace

TEST_CASE("all is every architecture, once; the order is that of the command line") {
  const Session here = session();
  const Names all = chosen_architectures(here, {"all"});
  CHECK(all == Names{"linux-amd64", "linux-arm64", "linux-armv6", "linux-armv7", "linux-ppc64le", "linux-riscv64",
                     "linux-s390x"});
  CHECK(chosen_architectures(here, {"s390x", "armv6", "s390x"}) == Names{"linux-s390x", "linux-armv6"});
  CHECK(chosen_architectures(here, {"s390x", "all"}).size() == all.size());
}

TEST_CASE("an unknown architecture is told the nearest, and what there is") {
  const Session here = session();
  const std::string text = failure([&] { chosen_architectures(here, {"armv6", "risv64"}); });
  CHECK(contains(text, "unknown architecture \"risv64\" (did you mean \"riscv64\"?)"));
  CHECK(contains(text, "available: amd64, arm64, armv6, armv7, ppc64le, riscv64, s390x, and all"));
  // A machine is not an architecture.
  CHECK(contains(failure([&] { chosen_architectures(here, {"pc"}); }), "unknown architecture \"pc\""));
}

TEST_CASE("components: those that were asked for, or all") {
  Config config;
  config.name = "linux-armv6";
  for (const char* name : {"kubernetes", "etcd", "pause"}) config.components.emplace_back().name = name;
  keep_components(config, {});
  CHECK(config.components.size() == 3);
  const std::string text = failure([&] { keep_components(config, {"paus"}); });
  CHECK(contains(text, "unknown component \"paus\" (did you mean \"pause\"?)"));
  CHECK(contains(text, "linux-armv6 has kubernetes, etcd, pause"));
  keep_components(config, {"pause", "etcd"});
  REQUIRE(config.components.size() == 2);
  CHECK(config.components[0].name == "etcd");
}

TEST_CASE("an architecture has no disk to run, test or verify") {
  const Session here = session();
  const std::string text = failure([&] { here.need_machine(here.config("linux-armv7"), "run"); });
  CHECK(contains(text, "linux-armv7 is an architecture, not a machine: it has no disk image to run"));
  CHECK(contains(text, "k8simg build linux-armv7"));
  here.need_machine(here.config("pc"), "run");
}

TEST_CASE("published files may lie in folders, programs can be run, and what is no longer made goes with its folder") {
  test::TestContext context;
  const fs::path folder = context.folder() / "out";
  const Value program = context.store().put("#!/bin/sh\n"), text = context.store().put("text\n");
  CHECK(publish(context.store(), {{"pause/pause", program}, {"SHA256SUMS", text}}, folder, {"pause/pause"}) ==
        Names{"SHA256SUMS", "pause/pause"});
  CHECK((fs::status(folder / "pause/pause").permissions() & fs::perms::others_exec) != fs::perms::none);
  CHECK((fs::status(folder / "SHA256SUMS").permissions() & fs::perms::others_exec) == fs::perms::none);
  CHECK(publish(context.store(), {{"pause/pause", program}, {"SHA256SUMS", text}}, folder, {"pause/pause"}).empty());
  write_file_atomically(folder / "mine", "not published");
  publish(context.store(), {{"SHA256SUMS", text}}, folder);
  CHECK_FALSE(fs::exists(folder / "pause"));
  CHECK(fs::exists(folder / "mine"));
}
