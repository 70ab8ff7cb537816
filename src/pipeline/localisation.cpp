// Compiles the keymap with ckbcomp, and the locale with localedef, in the sandbox.
#include "pipeline/localisation.hpp"

#include <fmt/format.h>

#include "graph/builtin.hpp"
#include "process/sandbox.hpp"
#include "rootfs/localisation.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

const TreePort localisation_tools{"tools"}, localised{"tree"};

struct Localisation {
  std::string name;  ///< of the keymap or the locale
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Localisation, name, epoch)

std::string text_of_tools(StepContext& context, const std::string& path) {
  const Tree tools = read_tree(context, localisation_tools);
  const Node* node = tools.find(path);
  if (!node)
    throw Error(ErrorKind::Usage, fmt::format("the tools have no /{}", path), "add its package to the tool set");
  return context.store().read(node->content);
}

Command localising(StepContext& context, std::vector<std::string> argv, std::vector<SandboxBind> binds) {
  Command command = sandbox({.root = checkout(context.store(), localisation_tools.in(context)),
                             .argv = std::move(argv),
                             .working_folder = "/tmp",
                             .binds = std::move(binds)});
  command.log = context.log_file();
  return command;
}

Outputs give_layer(StepContext& context, Tree tree, const Origin& origin, std::int64_t epoch) {
  tree.add_missing_parents(origin, epoch);
  for (const auto& [path, node] : tree.nodes()) tree.find(path)->mtime = epoch;
  return {localised.give(put_tree(context.store(), tree))};
}

Outputs make_keymap(StepContext& context, const Localisation& parameters) {
  const Keymap keymap = find_keymap(text_of_tools(context, "usr/share/X11/xkb/rules/base.lst"), parameters.name);
  // As setupcon(1) of Debian's console-setup: with Unicode, for a keyboard with 105 keys whose Backspace sends DEL.
  std::vector<std::string> argv{"/usr/bin/ckbcomp", "-model",       "pc105",    "-backspace",   "del",
                                "-layout",          keymap.layouts, "-variant", keymap.variants};
  if (keymap.several) argv.insert(argv.end(), {"-option", "grp:alt_shift_toggle"});
  Command command = localising(context, std::move(argv), {});
  command.capture_stdout = true;
  const std::string text =
      run_checked(context.runner(), command, "the keymap was not made: ckbcomp", context.stop()).output;
  const Origin origin = Origin::rule("keymap");
  Tree tree;
  tree.add_file(context.store(), keymap_path, text, 0644, origin);
  return give_layer(context, std::move(tree), origin, parameters.epoch);
}

Outputs make_locale(StepContext& context, const Localisation& parameters) {
  const std::string source = find_locale(text_of_tools(context, "usr/share/i18n/SUPPORTED"), parameters.name);
  const auto out = context.scratch() / "out";
  std::filesystem::create_directories(out / "usr/lib/locale");
  // The files are the same for all architectures of one byte order. Every machine of this project is little-endian.
  const Command command = localising(context,
                                     {"/usr/bin/localedef", "--no-archive", "--no-hard-links", "--little-endian",
                                      "--prefix=/out", "-i", source, "-f", "UTF-8", parameters.name},
                                     {{out, "/out", true}});
  run_checked(context.runner(), command, "the locale was not made: localedef", context.stop());
  const Origin origin = Origin::rule("locale");
  return give_layer(context, read_folder(context.store(), out, origin), origin, parameters.epoch);
}

}  // namespace

NamedTrees add_localisation_steps(StepGraph& graph, const Config& config,
                                  const std::function<TreeHandle(const std::string& set)>& tools, std::int64_t epoch) {
  NamedTrees layers;
  const auto add = [&](const std::string& rule, const std::string& set, BuiltinAction action) {
    const std::string id = "rootfs/" + rule;
    graph.add({.id = id, .inputs = {localisation_tools(tools(set))}, .action = std::move(action)});
    layers.emplace_back(Origin::rule(rule).text(), localised.of(id));
  };
  const std::string &keymap = config.rootfs.keymap, &locale = config.rootfs.locale;
  if (!keymap.empty())
    add("keymap", "keymap", builtin<make_keymap>("localisation.keymap", {.name = keymap, .epoch = epoch}));
  if (!locale.empty() && !is_builtin_locale(locale))
    add("locale", "locales", builtin<make_locale>("localisation.locale", {.name = locale, .epoch = epoch}));
  return layers;
}

}  // namespace k8simg
