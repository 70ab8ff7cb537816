// `k8simg images --arch A`: builds container images for architectures: an archive for each in output/images/linux-A/,
// and a layout of all in output/images/index/.
#include <fmt/format.h>

#include "cli/architectures.hpp"
#include "cli/outputs.hpp"
#include "cli/verbs.hpp"
#include "oci/archive.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr const char* index_folder = "index";

int make_images(Session& session, const ArchitectureChoice& choice) {
  std::vector<Tree> layouts;
  const auto output = session.output("images");
  for (const auto& defconfig : chosen_architectures(session, choice.architectures)) {
    Architecture made = open_architecture(session, defconfig, choice.components);
    if (!made.pipeline.images)
      throw Error(ErrorKind::Usage, fmt::format("the selected components of {} have no container image", defconfig),
                  "choose components with an [[image]] in component.toml");
    const ImageSteps steps = *made.pipeline.images;
    const auto values = session.build(made.pipeline, defconfig, {steps.archive, steps.list, steps.layout});
    publish_with_sums(session, {{"images.tar.zst", values.at(steps.archive)}, {"images.list", values.at(steps.list)}},
                      output / defconfig);
    layouts.push_back(get_tree(session.store(), values.at(steps.layout).digest));
  }
  std::map<std::string, Value> index;
  if (layouts.size() > 1) {
    const Tree joined = merge_oci_layouts(session.store(), layouts);
    for (const auto& [path, node] : joined.nodes()) {
      if (node.type == NodeType::File) index[path] = {ValueKind::Blob, node.content, node.size};
    }
  }
  // One architecture needs no index, and the index of an earlier call would not match these images.
  if (!index.empty() || std::filesystem::exists(output / index_folder)) {
    const auto written = publish(session.store(), index, output / index_folder);
    if (!index.empty())
      session.reporter().message(
          fmt::format("{}  {} files, {} of them new",
                      (output / index_folder).lexically_proximate(std::filesystem::current_path()).string(),
                      index.size(), written.size()));
  }
  return 0;
}

}  // namespace

void add_images(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("images", "build the components' container images for architectures into output/images/");
  const auto choice = add_architecture_options(*verb, options);
  verb->callback([=, &run] { run = [=](Session& session) { return make_images(session, *choice); }; });
}

}  // namespace k8simg
