// `k8simg build NAME`: builds the disk image and the other artifacts into output/NAME/.
#include <fmt/format.h>

#include <algorithm>

#include "cli/outputs.hpp"
#include "cli/verbs.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

void add_build(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("build", "build a defconfig's images into output/NAME/");
  auto name = std::make_shared<std::string>();
  auto only = std::make_shared<std::vector<std::string>>();
  verb->add_option("defconfig", *name, "name, as in `k8simg list`")->required();
  verb->add_option("--only", *only, "build only these artifacts (file names in output/NAME/)");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "use this lock instead of defconfigs/NAME.lock");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      const Lock lock = session.lock(*name);
      Pipeline pipeline = session.pipeline(config, lock);
      std::map<std::string, BlobHandle> wanted = pipeline.artifacts;
      if (!only->empty()) {
        wanted.clear();
        std::vector<std::string> names;
        for (const auto& [file, output] : pipeline.artifacts) names.push_back(file);
        for (const auto& file : *only) {
          const auto found = pipeline.artifacts.find(file);
          if (found == pipeline.artifacts.end())
            throw Error(ErrorKind::Usage, fmt::format("{} has no artifact {}", *name, file),
                        "it has " + join(names, ", "));
          wanted.insert(*found);
        }
      }
      std::vector<OutputRef> targets;
      for (const auto& [file, output] : wanted) targets.push_back(output);
      const auto folder = session.output(*name);
      // Published files that have not changed are not read from the store.
      const auto is_published = published(folder);
      const auto values = session.build(pipeline, *name, targets, [&](const OutputRef& output, const Value& value) {
        return std::any_of(wanted.begin(), wanted.end(), [&](const auto& artifact) {
          return artifact.second == output && (!only->empty() || !is_published(artifact.first, value));
        });
      });
      std::map<std::string, Value> artifacts;
      for (const auto& [file, output] : wanted) artifacts[file] = values.at(output);
      if (!only->empty()) {
        // Other artifacts of an earlier build are kept.
        std::filesystem::create_directories(folder);
        for (const auto& [file, value] : artifacts) copy_sparse(session.store().path(value.digest), folder / file);
        return 0;
      }
      publish_and_tell(session, artifacts, folder);
      return 0;
    };
  });
}

}  // namespace k8simg
