// `k8simg release --arch A`: builds archives of programs in upstream's layout into output/release/.
#include <fmt/format.h>

#include "cli/architectures.hpp"
#include "cli/verbs.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

int make_releases(Session& session, const ArchitectureChoice& choice) {
  std::map<std::string, Value> files;
  for (const auto& defconfig : chosen_architectures(session, choice.architectures)) {
    Architecture made = open_architecture(session, defconfig, choice.components);
    if (made.pipeline.releases.empty())
      throw Error(ErrorKind::Usage, fmt::format("the selected components of {} have no release", defconfig),
                  "choose components with a [[release]] in component.toml");
    std::vector<OutputRef> targets;
    for (const auto& [file, archive] : made.pipeline.releases) targets.push_back(archive);
    const auto values = session.build(made.pipeline, defconfig, targets);
    for (const auto& [file, archive] : made.pipeline.releases) files[file] = values.at(archive);
  }
  publish_with_sums(session, std::move(files), session.output("release"));
  return 0;
}

}  // namespace

void add_release(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand(
      "release", "build archives of programs in upstream's layout for architectures into output/release/");
  const auto choice = add_architecture_options(*verb, options);
  verb->callback([=, &run] { run = [=](Session& session) { return make_releases(session, *choice); }; });
}

}  // namespace k8simg
