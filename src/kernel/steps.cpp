// Adds the steps that build a kernel.
#include "kernel/steps.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "graph/builtin.hpp"
#include "kernel/driver_list.hpp"
#include "kernel/kconfig.hpp"
#include "kernel/symbols.hpp"
#include "tree/archive.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelRequirement, any_of, by, required, note, program)

namespace {

const TreePort tools_in{"tools"}, package_in{"package"}, source_out{"source"}, source_in{"source"}, linux_in{"linux"},
    kernel_out{"kernel"};
const BlobPort request_out{"request"}, request_in{"request.config"}, config_out{"config"}, config_in{"config"},
    report_out{"report"}, symbols_out{"symbols"}, configure_in{"configure.sh"}, build_in{"build.sh"};
const BlobFamily fragment_in{"fragment/"};

// The source is mounted read-only at /in/linux; generated files go to /build.
constexpr const char* configure_script = R"(set -eux
kmake() { make -C /in/linux O=/build "ARCH=$KERNEL_ARCH" "CROSS_COMPILE=$KERNEL_CROSS" "$@"; }
case "$KERNEL_BASE" in
allnoconfig) kmake KCONFIG_ALLCONFIG=/in/request.config allnoconfig ;;
*) kmake "$KERNEL_BASE"; cat /in/request.config >> /build/.config; kmake olddefconfig ;;
esac
cp /build/.config /out/config
)";

constexpr const char* build_script = R"(set -eux
kmake() { make -C /in/linux O=/build "ARCH=$KERNEL_ARCH" "CROSS_COMPILE=$KERNEL_CROSS" "-j$JOBS" "$@"; }
cp /in/config /build/.config
kmake olddefconfig
cmp /in/config /build/.config
modules=
if grep -q '^CONFIG_MODULES=y' /build/.config; then modules=modules; fi
# shellcheck disable=SC2086
kmake $KERNEL_TARGETS $modules
mkdir -p /out/kernel/modules
cp "/build/$KERNEL_IMAGE" /out/kernel/image
cp /build/.config /out/kernel/config
cp /build/include/config/kernel.release /out/kernel/release
# depmod writes modprobe's indexes, including those of built-in modules. /lib is a link to /usr/lib, as on the target.
release=$(cat /out/kernel/release)
mkdir -p "/build/root/usr/lib/modules/$release"
ln -s usr/lib /build/root/lib
if [ -n "$modules" ]; then
  # The level has no influence on the time that kmod needs.
  kmake INSTALL_MOD_PATH=/build/root DEPMOD=true "ZSTD=zstd -19" modules_install
  rm -f "/build/root/lib/modules/$release/build" "/build/root/lib/modules/$release/source"
fi
for file in modules.builtin modules.builtin.modinfo modules.order; do
  if [ -e "/build/$file" ]; then cp "/build/$file" "/build/root/lib/modules/$release/"; fi
done
# A kernel without modules has no modules.order, which depmod requires.
touch "/build/root/lib/modules/$release/modules.order"
depmod -b /build/root "$release"
# depmod ends with 0 even if it cannot decompress modules.
cd "/build/root/lib/modules/$release"
known=$(wc -l <modules.dep)
installed=$(find . -name '*.ko*' | wc -l)
[ "$known" -eq "$installed" ]
cd /
cp -a "/build/root/lib/modules/$release/." /out/kernel/modules/
if [ -n "$KERNEL_DTBS" ]; then
  mkdir /out/kernel/dtbs
  for dtb in $KERNEL_DTBS; do cp "/build/$dtb" /out/kernel/dtbs/; done
fi
)";

struct KernelSource {
  std::string package;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelSource, package)

Outputs make_source(StepContext& context, const KernelSource& parameters) {
  Store& store = context.store();
  const Tree tree = read_tree(context, package_in);
  const std::string path = "usr/src/" + parameters.package + ".tar.xz";
  const Node* archive = tree.find(path);
  if (!archive)
    throw Error(ErrorKind::Step, fmt::format("package {} has no {}", parameters.package, path),
                "check kernel.package of the board");
  context.log("unpacking " + path);
  const Tree source = read_tar(store, store.path(archive->content),
                               {.origin = Origin("package:" + parameters.package), .strip_components = 1});
  return {source_out.give(put_tree(store, source))};
}

std::vector<std::vector<KernelRequest>> read_fragments(StepContext& context) {
  std::vector<std::vector<KernelRequest>> fragments;
  for (const auto& [name, value] : fragment_in.all(context))
    fragments.push_back(
        (name.ends_with(".toml") ? parse_driver_list : parse_fragment)(context.store().read(value.digest), name));
  return fragments;
}

std::vector<KernelRequest> read_requests(StepContext& context) { return merge_requests(read_fragments(context)); }

KconfigIndex read_kconfig(const Store& store, const Tree& source, const std::string& arch) {
  return {"Kconfig", arch, [&](const std::string& path) -> std::optional<std::string> {
            const Node* node = source.find(path);
            return node ? std::optional(store.read(node->content)) : std::nullopt;
          }};
}

Outputs make_request(StepContext& context) {
  return {request_out.give(context.store().put(render_requests(read_requests(context))))};
}

/// Names the request, the result, and the unmet dependencies.
std::string explain_mismatch(const KernelMismatch& mismatch, const KconfigIndex& index,
                             const std::map<std::string, std::string>& config) {
  const auto& request = mismatch.request;
  std::string text = fmt::format("{}:{}: {}={} was requested, but the result is {}", request.fragment, request.line,
                                 request.symbol, request.value, mismatch.actual);
  const auto definitions = index.find(request.symbol.substr(7));
  if (definitions.empty()) return text + "\n    this kernel has no such symbol: remove it, or look for its new name";
  for (const auto& definition : definitions) {
    text += fmt::format("\n    {}:{}", definition.file, definition.line);
    if (!definition.has_prompt) text += " (no prompt: only other symbols can select it)";
    for (const auto& depends : definition.depends) text += "\n      depends on " + annotate_dependency(depends, config);
  }
  return text;
}

/// A device tree is built only if the Makefile in its folder lists it. This check fails before the compilation, which
/// may take hours.
void check_dtbs(const Store& store, const Tree& source, const std::vector<std::string>& dtbs) {
  std::string unknown;
  for (const auto& dtb : dtbs) {
    const auto slash = dtb.rfind('/') + 1;  // 0 without one
    const std::string name = dtb.substr(slash), makefile = dtb.substr(0, slash) + "Makefile";
    std::vector<std::string> listed;
    if (const Node* node = source.find(makefile)) listed = split_words(store.read(node->content));
    if (std::find(listed.begin(), listed.end(), name) != listed.end()) continue;
    std::erase_if(listed, [](const std::string& word) { return !word.ends_with(".dtb"); });
    const auto near = nearest(name, listed);
    unknown += fmt::format("\n  {}: {}{}", dtb,
                           listed.empty() ? "no device tree is built in this folder" : makefile + " has no " + name,
                           near ? fmt::format(" (did you mean {}?)", *near) : "");
  }
  if (!unknown.empty())
    throw Error(ErrorKind::Step, "kernel.dtbs names device trees that this kernel does not have:" + unknown,
                "check kernel.dtbs in the board's board.toml");
}

struct KernelCheck {
  std::string arch;
  std::vector<std::string> dtbs;
  std::vector<KernelRequirement> requirements;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelCheck, arch, dtbs, requirements)

Outputs check_kernel(StepContext& context, const KernelCheck& parameters) {
  Store& store = context.store();
  if (!parameters.dtbs.empty()) check_dtbs(store, read_tree(context, source_in), parameters.dtbs);
  const auto config = parse_kernel_config(store.read(config_in.in(context).digest));
  const auto mismatches = check_config(read_requests(context), config);
  if (!mismatches.empty()) {
    const Tree source = read_tree(context, source_in);
    const KconfigIndex index = read_kconfig(store, source, parameters.arch);
    std::string list;
    for (const auto& mismatch : mismatches) list += "\n  " + explain_mismatch(mismatch, index, config);
    throw Error(ErrorKind::Step,
                fmt::format("{} requested kernel symbol{} not set as requested:{}", mismatches.size(),
                            mismatches.size() == 1 ? "" : "s", list),
                "request the dependency in a fragment too, or remove the request");
  }
  std::string report, missing;
  for (const auto& unmet : unmet_requirements(parameters.requirements, config)) {
    if (!unmet.program.empty()) continue;  // only `check` knows the image
    const std::string line = fmt::format("{} (needed by {}){}", join(unmet.any_of, " or "), join(unmet.by, ", "),
                                         unmet.note.empty() ? "" : ": " + unmet.note);
    if (unmet.required)
      missing += "\n  " + line;
    else
      report += "recommended, not set: " + line + "\n";
  }
  if (!missing.empty())
    throw Error(ErrorKind::Step, "the kernel lacks what the node needs:" + missing,
                "add the symbols to a fragment in kernel-fragments/");
  context.log(report);
  return {config_out.give(config_in.in(context)), report_out.give(store.put(report))};
}

struct SymbolSources {
  std::string arch;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SymbolSources, arch)

Outputs explain_kernel(StepContext& context, const SymbolSources& parameters) {
  Store& store = context.store();
  const Tree source = read_tree(context, source_in);
  const auto config = parse_kernel_config(store.read(config_in.in(context).digest));
  std::vector<KernelRequest> requests;
  for (auto& fragment : read_fragments(context)) requests.insert(requests.end(), fragment.begin(), fragment.end());
  KernelSymbols result;
  result.symbols = explain_symbols(read_kconfig(store, source, parameters.arch), requests, config);
  for (const auto& [path, node] : source.nodes()) {
    const auto slash = path.rfind('/');
    const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (slash == std::string::npos || node.type != NodeType::File || (name != "Makefile" && name != "Kbuild")) continue;
    if (path.starts_with("arch/") && !path.starts_with("arch/" + parameters.arch + "/")) continue;
    for (const auto& [object, symbol] : parse_kernel_makefile(store.read(node.content))) {
      const auto found = config.find(symbol);
      if (found != config.end() && found->second == "m") result.modules[path.substr(0, slash + 1) + object] = symbol;
    }
  }
  return {symbols_out.give(store.put(serialise(result)))};
}

}  // namespace

KernelOutputs add_kernel_steps(StepGraph& graph, Store& store, const KernelSpec& spec, const TreeHandle& tools,
                               const TreeHandle& package) {
  const std::string source_id = "kernel/source", request_id = "kernel/request", config_id = "kernel/config",
                    check_id = "kernel/check", symbols_id = "kernel/symbols", build_id = "kernel/build";
  const KernelConfig& kernel = spec.kernel;
  std::vector<Input> fragments;
  for (const auto& [name, blob] : spec.fragments) fragments.push_back(fragment_in[name](blob));
  const TreeHandle source = source_out.of(source_id);

  graph.add({.id = source_id,
             .inputs = {package_in(package)},
             .action = builtin<make_source>("kernel.source", {.package = kernel.package})});
  graph.add({.id = request_id, .inputs = fragments, .action = builtin<make_request>("kernel.request")});
  graph.add(
      {.id = config_id,
       .inputs = {tools_in(tools), linux_in(source), request_in(request_out.of(request_id)),
                  configure_in(BlobHandle(store.put(configure_script)))},
       .action = CommandAction{
           .tools = tools_in.name,
           .argv = {"/bin/sh", "/in/configure.sh"},
           .environment = {{"KERNEL_ARCH", spec.arch}, {"KERNEL_CROSS", spec.cross}, {"KERNEL_BASE", kernel.base}},
           .mounts = {linux_in.mount("/in/linux"), request_in.mount("/in/request.config"),
                      configure_in.mount("/in/configure.sh")},
           .captures = {config_out.capture("/out/config")}}});

  std::vector<Input> check_inputs{config_in(config_out.of(config_id)), source_in(source)};
  check_inputs.insert(check_inputs.end(), fragments.begin(), fragments.end());
  graph.add({.id = check_id,
             .inputs = std::move(check_inputs),
             .action = builtin<check_kernel>(
                 "kernel.check", {.arch = spec.arch, .dtbs = kernel.dtbs, .requirements = kernel.required})});

  std::vector<Input> explained{config_in(config_out.of(check_id)), source_in(source)};
  explained.insert(explained.end(), fragments.begin(), fragments.end());
  graph.add({.id = symbols_id,
             .inputs = std::move(explained),
             .action = builtin<explain_kernel>("kernel.symbols", {.arch = spec.arch})});

  const std::map<std::string, std::string> environment{
      {"KERNEL_ARCH", spec.arch},
      {"KERNEL_CROSS", spec.cross},
      {"KERNEL_BASE", kernel.base},
      {"KERNEL_TARGETS", join(kernel.targets, " ")},
      {"KERNEL_IMAGE", kernel.image},
      {"KERNEL_DTBS", join(kernel.dtbs, " ")},
      {"KBUILD_BUILD_USER", "k8simg"},
      {"KBUILD_BUILD_HOST", "k8simg"},
      {"KBUILD_BUILD_VERSION", "1"},
      {"KBUILD_BUILD_TIMESTAMP",
       fmt::format("{:%a %b %e %H:%M:%S UTC %Y}",
                   fmt::gmtime(static_cast<std::time_t>(spec.source_date_epoch)))},  // shown by `uname -v`
      {"SOURCE_DATE_EPOCH", std::to_string(spec.source_date_epoch)}};

  graph.add({.id = build_id,
             .inputs = {tools_in(tools), linux_in(source), config_in(config_out.of(check_id)),
                        build_in(BlobHandle(store.put(build_script)))},
             .action = CommandAction{.tools = tools_in.name,
                                     .argv = {"/bin/sh", "/in/build.sh"},
                                     .environment = environment,
                                     .mounts = {linux_in.mount("/in/linux"), config_in.mount("/in/config"),
                                                build_in.mount("/in/build.sh")},
                                     .captures = {kernel_out.capture("/out/kernel")}},
             .resource = Resource::Heavy});
  return {.kernel = kernel_out.of(build_id), .config = config_out.of(check_id), .symbols = symbols_out.of(symbols_id)};
}

}  // namespace k8simg
