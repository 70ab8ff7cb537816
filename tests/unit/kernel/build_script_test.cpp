// Tests the script of the step kernel/build with a make and a depmod that only write files.
#include "kernel/steps.hpp"
#include "process/command.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr const char* fake_make = R"(#!/bin/sh
case "$*" in
*zImage*)
  mkdir -p "$BUILD/arch/arm/boot/dts/toys" "$BUILD/include/config"
  echo image >"$BUILD/arch/arm/boot/zImage"
  echo 6.12.1-toy >"$BUILD/include/config/kernel.release"
  for model in a b; do echo "tree of $model" >"$BUILD/arch/arm/boot/dts/toys/$model.dtb"; done
  ;;
esac
)";

void program(const fs::path& path, const std::string& text) {
  write_file_atomically(path, text);
  fs::permissions(path, fs::perms::owner_all);
}

}  // namespace

TEST_CASE("the build gives the kernel, its release and the device trees") {
  TestContext context;
  StepGraph graph;
  graph.add({.id = "tools", .action = BuiltinAction{}});
  graph.add({.id = "package", .action = BuiltinAction{}});
  KernelSpec spec{};
  spec.kernel.targets = {"zImage", "dtbs"};
  spec.kernel.image = "arch/arm/boot/zImage";
  spec.kernel.dtbs = {"arch/arm/boot/dts/toys/a.dtb", "arch/arm/boot/dts/toys/b.dtb"};
  spec.arch = "arm";
  add_kernel_steps(graph, context.store(), spec, TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("package"));
  const Step* build = graph.find("kernel/build");
  REQUIRE(build);
  std::string script;
  for (const Input& input : build->inputs)
    if (input.name == "build.sh") script = context.store().read(std::get<Value>(input.source).digest);
  REQUIRE(!script.empty());

  const TempDir folder(fs::temp_directory_path(), "kernel");
  const fs::path root = folder.path();
  for (const char* name : {"in", "in/linux", "out", "bin"}) fs::create_directory(root / name);
  fs::create_directory(root / "work");
  write_file_atomically(root / "in/config", "CONFIG_ARM=y\n");
  program(root / "bin/make", fake_make);
  program(root / "bin/depmod", "#!/bin/sh\ntouch \"$2/usr/lib/modules/$3/modules.dep\"\n");
  for (const auto& [inside, outside] : {std::pair{"/in/", "in/"}, {"/out/", "out/"}, {"/build", "work"}})
    script = replace_all(script, inside, (root / outside).string());
  std::map<std::string, std::string> environment = std::get<CommandAction>(build->action).environment;
  environment["PATH"] = (root / "bin").string() + ":/usr/bin:/bin";
  environment["BUILD"] = (root / "work").string();
  environment["JOBS"] = "1";
  const CommandResult result =
      system_runner().run({.argv = {"/bin/sh", "-c", script}, .environment = environment, .log = root / "log"});
  INFO(tail_of(root / "log"));
  REQUIRE(result.exit_code == 0);
  CHECK(read_file(root / "out/kernel/image") == "image\n");
  CHECK(read_file(root / "out/kernel/release") == "6.12.1-toy\n");
  CHECK(read_file(root / "out/kernel/dtbs/a.dtb") == "tree of a\n");
  CHECK(read_file(root / "out/kernel/dtbs/b.dtb") == "tree of b\n");
  CHECK(fs::exists(root / "out/kernel/modules/modules.dep"));
}
