// Adds the steps that make a component.
#include "component/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "elf/elf.hpp"
#include "elf/isa.hpp"
#include "graph/builtin.hpp"
#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BinaryCheck, argv0, argv, expect)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ComponentBinary, name, package, install, links, tags, checks)

namespace {

const TreePort tools_in{"tools"}, source_in{"source"}, modules_port{"modules"}, bin_port{"bin"}, tests_port{"tests"},
    patched_port{"patched"}, files_out{"files"}, programs_out{"programs"};
const BlobFamily patch_in{"patch/"};
const BlobPort modules_script_in{"modules.sh"}, patched_script_in{"patched.sh"}, test_script_in{"test.sh"},
    tested_port{"tested"};

/// The requirements that built programs are checked against.
struct Validation {
  std::string component, goarch, goarm;
  std::vector<ComponentBinary> binaries;
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Validation, component, goarch, goarm, binaries, epoch)

// Fetches modules. The download folder of the module cache has the layout of a module proxy
// (go.dev/ref/mod#goproxy-protocol), so the compile step uses it as one: file:///in/modules. Files that differ between
// runs (locks, lists of versions) are removed.
constexpr const char* modules_script = R"(set -eux
cp -r /in/source/. /build/
mkdir -p /build/.cache/cache/download
export GOMODCACHE=/build/.cache GOFLAGS=-modcacherw GOTOOLCHAIN=local
go mod download
mkdir -p /out/modules
find .cache/cache/download -type f \( -name '*.lock' -o -name list -o -name '*.tmp' \) -delete
rm -rf .cache/cache/download/sumdb
cp -r .cache/cache/download/. /out/modules/
)";

// Writes the files that patches change. `patch` accepts no fuzz: a patch must be updated for changed sources.
constexpr const char* patched_script = R"sh(set -eu
cp -r /in/source/. /build/
mkdir /out/patched
say() { printf '%s\n' "$*" >&2; }
module_of() {
  path=$1
  while [ "$path" != . ]; do
    path=$(dirname "$path")
    if grep -qE "^(require)?[[:space:]]*$path v" go.mod; then
      printf '%s\n' "$path"
      return
    fi
  done
  say "go.mod requires no module that contains $1"
  return 1
}
for patch in /in/patches/*; do
  name=${patch##*/}
  say "$name"
  for file in $(sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$patch"); do
    module=$(module_of "$file") || { say "patch $name: see above"; exit 1; }
    printf '%s\n' "$module" >>modules
    [ ! -e "/out/patched/$file" ] || continue
    go mod download "$module"
    folder=$(go list -m -f '{{.Dir}}' "$module")
    mkdir -p "/out/patched/$(dirname "$file")"
    [ ! -e "$folder/${file#"$module"/}" ] || cp --no-preserve=mode "$folder/${file#"$module"/}" "/out/patched/$file"
  done
  run() { patch --batch --fuzz=0 --no-backup-if-mismatch --strip=1 --directory=/out/patched --input="$patch" "$@" >&2; }
  if ! run --forward --dry-run; then
    sed '/^--- /,$d' "$patch" >&2
    if run --reverse --dry-run; then
      say "patch $name is already in these sources: remove it, or choose other patches with components.NAME.patches"
    else
      say "patch $name does not apply to these sources: update it, or choose others with components.NAME.patches"
    fi
    exit 1
  fi
  run --forward
done
sort -u modules >/out/patched/modules
)sh";

// Replaces a module by a patched copy. Published modules stay unchanged, and a program's build information lists the
// replaced ones.
constexpr const char* use_patched = R"sh(while read -r module; do
  go mod download "$module"
  mkdir -p ".patched/$module"
  cp -r --no-preserve=mode "$(go list -m -f '{{.Dir}}' "$module")/." ".patched/$module"
  cp -r --no-preserve=mode "/in/patched/$module/." ".patched/$module"
  chmod u+w go.mod
  go mod edit -replace "$module=./.patched/$module"
done </in/patched/modules
)sh";

/// The common beginning of the build and test scripts.
std::string source_script(const ComponentSpec& spec) {
  return std::string("set -eux\ncp -r /in/source/. /build/\n") + (spec.patches.empty() ? "" : use_patched);
}

/// The value of ${patches}: "none", or the names of the patches with commas.
std::string variant(const ComponentSpec& spec) {
  std::vector<std::string> names;
  for (const auto& [name, patch] : spec.patches) names.push_back(name);
  return names.empty() ? "none" : join(names, ",");
}

std::string build_script(const ComponentSpec& spec) {
  std::string script = source_script(spec) + "mkdir -p /out/bin\n";
  const std::string version_no_v(without_v(spec.version));
  const std::vector<std::pair<std::string, std::string>> values = {{"goarch", spec.goarch}, {"patches", variant(spec)}};
  std::string ldflags = "-s -w -buildid=";
  for (const auto& flag : spec.ldflags)
    ldflags += " " + expand(flag, values, "build.ldflags of component " + spec.name);
  for (const auto& binary : spec.binaries) {
    if (is_c(binary)) {
      // Without a C library. Such programs are so small that Go's runtime would be most of them.
      script += fmt::format(
          "{}gcc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic "
          "-no-pie -Wall -Werror -Wl,--build-id=none -s -DVERSION={} -o {} {}\n",
          spec.cross, shell_word('"' + version_no_v + '"'), shell_word("/out/bin/" + binary.name),
          shell_word(binary.package));
      continue;
    }
    script += "go build -o " + shell_word("/out/bin/" + binary.name);
    auto tags = spec.tags;
    tags.insert(tags.end(), binary.tags.begin(), binary.tags.end());
    if (!tags.empty()) script += " -tags " + shell_word(join(tags, ","));
    script += " -ldflags " + shell_word(ldflags) + " " + shell_word(binary.package) + "\n";
  }
  return script;
}

/// A component's source without files that only its tests read.
Tree without_tests(Tree source) {
  std::vector<std::string> paths;
  for (const auto& [path, node] : source.nodes())
    if (path.ends_with("_test.go") || path.find("/testdata/") != std::string::npos) paths.push_back(path);
  for (const auto& path : paths) source.erase(path);
  return source;
}

/// Folders of a component's source with tests, as Go's package paths ("./startup").
std::vector<std::string> tested_packages(const Tree& source) {
  std::set<std::string> packages;
  for (const auto& [path, node] : source.nodes()) {
    if (!path.ends_with("_test.go")) continue;
    const auto slash = path.rfind('/');
    packages.insert(slash == std::string::npos ? "." : "./" + path.substr(0, slash));
  }
  return {packages.begin(), packages.end()};
}

std::string test_program(const std::string& package) {
  return package == "." ? "top.test" : replace_all(package.substr(2), "/", "__") + ".test";
}

std::string test_build_script(const ComponentSpec& spec, const std::vector<std::string>& packages) {
  std::string script = source_script(spec) + "mkdir -p /out/tests\n";
  for (const auto& package : packages) {
    script += "go test -c -o " + shell_word("/out/tests/" + test_program(package));
    if (!spec.tags.empty()) script += " -tags " + shell_word(join(spec.tags, ","));
    script += " -trimpath -ldflags=-buildid= " + shell_word(package) + "\n";
  }
  return script;
}

// Runs each test program in the folder of its package, like `go test`. The output is not kept because it contains
// times.
std::string test_script(const std::vector<std::string>& packages) {
  std::string script = "set -eux\ncp -r /in/source/. /build/\n";
  for (const auto& package : packages)
    script +=
        "(cd " + shell_word("/build/" + package) + " && " + shell_word("/in/tests/" + test_program(package)) + ")\n";
  return script + "echo passed >/out/tested\n";
}

/// qemu-user's name for a Go architecture; "" if the build machine can run its programs.
std::string emulator(const std::string& goarch) {
  static const std::vector<std::pair<std::string, std::string>> names = {{"amd64", ""},
                                                                         {"arm", "qemu-arm"},
                                                                         {"arm64", "qemu-aarch64"},
                                                                         {"ppc64le", "qemu-ppc64le"},
                                                                         {"riscv64", "qemu-riscv64"},
                                                                         {"s390x", "qemu-s390x"}};
  for (const auto& [arch, name] : names) {
    if (arch == goarch) return name;
  }
  throw Error(ErrorKind::Usage, "no emulator is known for Go architecture " + goarch);
}

void validate_elf(const Validation& wanted, const std::string& name, std::string_view bytes) {
  const ElfInfo info = read_elf(bytes, name);
  const ElfTarget target = elf_target(wanted.goarch);
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::Step, fmt::format("component {}: {}: {}", wanted.component, name, what),
                "components must be static, stripped binaries of the board's architecture");
  };
  if (info.machine != target.machine || info.bits != target.bits || info.little_endian != target.little_endian) {
    fail(fmt::format("is {}-bit {}, wanted {}-bit {}", info.bits, elf_machine_name(info.machine), target.bits,
                     elf_machine_name(target.machine)));
  }
  if (!info.interpreter.empty()) fail("is dynamically linked (interpreter " + info.interpreter + ")");
  if (info.dynamic) fail("needs shared libraries");
  if (const auto violation = isa_violation(bytes, {wanted.goarch, wanted.goarm})) fail(*violation);
  if (info.has_section(".symtab") || info.has_section(".debug_info")) fail("is not stripped");
}

void run_check(StepContext& context, const Validation& wanted, const ComponentBinary& binary, const BinaryCheck& check,
               const std::filesystem::path& tools, const std::filesystem::path& folder) {
  const std::string argv0 = check.argv0.empty() ? binary.name : check.argv0;
  std::vector<std::string> argv = run_program(wanted.goarch, argv0, "/in/bin/" + binary.name);
  argv.insert(argv.end(), check.argv.begin(), check.argv.end());
  // Both streams go to one file, because programs print their version to either. The exit code is ignored, because some
  // programs exit with 1 or 2 after they print their version.
  const auto log = context.scratch() / (argv0 + ".out");
  Command command = sandbox({.root = tools, .argv = argv, .working_folder = "/tmp", .binds = {{folder, "/in/bin"}}});
  command.log = log;
  command.timeout_seconds = 120;
  context.log("check: " + join(argv, " "));
  context.runner().run(command, context.stop());
  const std::string output = tail_of(log, 100000);
  context.log(output);
  if (output.find(check.expect) == std::string::npos) {
    throw Error(ErrorKind::Step,
                fmt::format("component {}: {} {} does not print \"{}\" but:\n{}", wanted.component, argv0,
                            join(check.argv, " "), check.expect, tail_of(log, 20)),
                "check the version in component.toml against go.mod, and the version flags in build.ldflags");
  }
}

Outputs validate(StepContext& context, const Validation& wanted) {
  Store& store = context.store();
  const Tree built = read_tree(context, bin_port);
  const auto tools = checkout(store, tools_in.in(context));
  const auto folder = checkout(store, bin_port.in(context));
  const Origin origin = Origin::component(wanted.component);
  Tree installed;
  for (const auto& binary : wanted.binaries) {
    const Node* node = built.find(binary.name);
    if (!node)
      throw Error(ErrorKind::Step, fmt::format("component {} has no program {}", wanted.component, binary.name));
    validate_elf(wanted, binary.name, MappedFile(store.path(node->content)).bytes());
    for (const auto& check : binary.checks) run_check(context, wanted, binary, check, tools, folder);
    context.log(fmt::format("{}: {} bytes, static, stripped", binary.name, node->size));
    if (binary.install.empty()) continue;
    Node copy = *node;
    copy.mode = 0755, copy.uid = copy.gid = 0, copy.mtime = wanted.epoch, copy.origin = origin;
    const std::string path = binary.install.substr(1);
    installed.set(path, copy);
    for (const auto& link : binary.links) {
      const std::string from = link.substr(1);
      // A link in the folder of its target is relative, any other is absolute.
      const bool beside = from.substr(0, from.rfind('/')) == path.substr(0, path.rfind('/'));
      installed.add_symlink(from, beside ? path.substr(path.rfind('/') + 1) : binary.install, origin);
    }
  }
  installed.add_missing_parents(origin, wanted.epoch);
  Tree programs;
  for (auto [path, node] : built.nodes()) {
    node.mode = 0755, node.uid = node.gid = 0, node.mtime = wanted.epoch, node.origin = origin;
    programs.set(path, std::move(node));
  }
  return {files_out.give(put_tree(store, installed)), programs_out.give(put_tree(store, programs))};
}

}  // namespace

std::vector<std::string> run_program(const std::string& goarch, const std::string& argv0, const std::string& path) {
  const std::string qemu = emulator(goarch);
  if (qemu.empty()) return {"/usr/bin/env", "-a", argv0, path};
  return {"/usr/bin/" + qemu, "-0", argv0, path};
}

ComponentOutputs add_component_steps(StepGraph& graph, Store& store, const ComponentSpec& spec,
                                     const Value& source_tree, const ComponentTools& tools) {
  const std::string id = "component/" + spec.name;
  const TreeHandle source(source_tree);
  // A change of a test must not compile programs again.
  const Tree all = get_tree(store, source_tree.digest);
  const TreeHandle untested(put_tree(store, without_tests(all)));
  std::vector<Input> inputs{tools_in(tools.compiler)};
  std::vector<Mount> mounts{source_in.mount("/in/source")};
  TreeHandle module_source;
  if (!std::all_of(spec.binaries.begin(), spec.binaries.end(), is_c)) {
    if (std::any_of(spec.binaries.begin(), spec.binaries.end(), is_c))
      throw Error(ErrorKind::Usage,
                  fmt::format("component {} has programs in Go and in C, which need different tools", spec.name),
                  "split it into two components");
    // Only go.mod and go.sum are inputs, so that a change of main.go does not fetch modules again.
    Tree module_files;
    for (const char* file : {"go.mod", "go.sum"}) {
      const Node* node = all.find(file);
      if (!node)
        throw Error(ErrorKind::Usage, fmt::format("component {} has no {}", spec.name, file),
                    "run `go mod tidy` in components/" + spec.name);
      module_files.set(file, *node);
    }
    module_source = TreeHandle(put_tree(store, module_files));
    graph.add(
        {.id = id + "/modules",
         .inputs = {tools_in(tools.compiler), source_in(module_source),
                    modules_script_in(BlobHandle(store.put(modules_script)))},
         .action = CommandAction{.tools = tools_in.name,
                                 .argv = {"/bin/sh", "/in/modules.sh"},
                                 .mounts = {source_in.mount("/in/source"), modules_script_in.mount("/in/modules.sh")},
                                 .captures = {modules_port.capture("/out/modules")},
                                 .network = true},
         .resource = Resource::Network});
    inputs.push_back(modules_port(modules_port.of(id + "/modules")));
    mounts.push_back(modules_port.mount("/in/modules"));
  }
  std::map<std::string, std::string> environment{{"CGO_ENABLED", "0"},
                                                 {"GOOS", "linux"},
                                                 {"GOARCH", spec.goarch},
                                                 {"GOFLAGS", "-mod=readonly -trimpath -buildvcs=false"},
                                                 {"GOPROXY", "file:///in/modules"},
                                                 {"GOSUMDB", "off"},
                                                 {"GOTOOLCHAIN", "local"},
                                                 {"GOCACHE", "/cache/go-build"},
                                                 {"GOMODCACHE", "/build/.modules"},
                                                 {"GOTELEMETRY", "off"}};
  if (!spec.goarm.empty()) environment["GOARM"] = spec.goarm;
  TreeHandle patched;
  if (!spec.patches.empty()) {
    auto patch_inputs = inputs;
    auto patch_mounts = mounts;
    patch_inputs.push_back(source_in(module_source));
    patch_inputs.push_back(patched_script_in(BlobHandle(store.put(patched_script))));
    patch_mounts.push_back(patched_script_in.mount("/in/patched.sh"));
    for (const auto& [name, patch] : spec.patches) {
      patch_inputs.push_back(patch_in[name](patch));
      patch_mounts.push_back(patch_in[name].mount("/in/patches/" + name));
    }
    graph.add({.id = id + "/patched",
               .inputs = std::move(patch_inputs),
               .action = CommandAction{.tools = tools_in.name,
                                       .argv = {"/bin/sh", "/in/patched.sh"},
                                       .environment = environment,
                                       .mounts = std::move(patch_mounts),
                                       .captures = {patched_port.capture("/out/patched")}}});
    patched = patched_port.of(id + "/patched");
    inputs.push_back(patched_port(patched));
    mounts.push_back(patched_port.mount("/in/patched"));
  }
  // Builds and tests use the same sources, modules and cache.
  const auto add_go_step = [&](const std::string& name, const TreeHandle& sources, const std::string& script,
                               Capture capture) {
    const BlobPort script_in{name + ".sh"};
    auto step_inputs = inputs;
    step_inputs.push_back(source_in(sources));
    auto step_mounts = mounts;
    step_inputs.push_back(script_in(BlobHandle(store.put(script))));
    step_mounts.push_back(script_in.mount("/in/" + name + ".sh"));
    graph.add({.id = id + "/" + name,
               .inputs = std::move(step_inputs),
               .action = CommandAction{.tools = tools_in.name,
                                       .argv = {"/bin/sh", "/in/" + name + ".sh"},
                                       .environment = environment,
                                       .mounts = std::move(step_mounts),
                                       .caches = {{"go-build", "/cache/go-build"}},
                                       .captures = {std::move(capture)}},
               .resource = Resource::Heavy});
  };
  add_go_step("build", untested, build_script(spec), bin_port.capture("/out/bin"));
  std::vector<Input> checked{tools_in(tools.programs), bin_port(bin_port.of(id + "/build"))};
  // Tests run only if the build machine runs the programs without an emulator.
  const auto packages = tested_packages(all);
  if (!packages.empty() && emulator(spec.goarch).empty()) {
    // Compiling runs no code of the project. Tests do, so they have no access to Go's cache, which is shared with other
    // projects.
    add_go_step("test-build", source, test_build_script(spec, packages), tests_port.capture("/out/tests"));
    graph.add({.id = id + "/test",
               .inputs = {tools_in(tools.compiler), source_in(source), tests_port(tests_port.of(id + "/test-build")),
                          test_script_in(BlobHandle(store.put(test_script(packages))))},
               .action = CommandAction{.tools = tools_in.name,
                                       .argv = {"/bin/sh", "/in/test.sh"},
                                       .mounts = {source_in.mount("/in/source"), tests_port.mount("/in/tests"),
                                                  test_script_in.mount("/in/test.sh")},
                                       .captures = {tested_port.capture("/out/tested")}}});
    checked.push_back(tested_port(tested_port.of(id + "/test")));
  }

  graph.add({.id = id + "/check",
             .inputs = std::move(checked),
             .action = builtin<validate>("component.validate", {.component = spec.name,
                                                                .goarch = spec.goarch,
                                                                .goarm = spec.goarm,
                                                                .binaries = spec.binaries,
                                                                .epoch = spec.source_date_epoch})});
  return {patched, files_out.of(id + "/check"), programs_out.of(id + "/check")};
}

}  // namespace k8simg
