// `k8simg tree NAME`: lists a tree, or writes it as a tar.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

char type_letter(NodeType type) {
  switch (type) {
    case NodeType::File:
      return '-';
    case NodeType::Directory:
      return 'd';
    case NodeType::Symlink:
      return 'l';
    case NodeType::CharDevice:
      return 'c';
    case NodeType::BlockDevice:
      return 'b';
    case NodeType::Fifo:
      return 'p';
  }
  return '?';
}

}  // namespace

void add_tree(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("tree", "list the paths of the root filesystem with their origins, or write it as a tar");
  auto name = std::make_shared<std::string>();
  auto tar = std::make_shared<std::string>();
  auto which = std::make_shared<std::string>("root");
  verb->add_option("defconfig", *name, "name")->required();
  verb->add_option("--tar", *tar, "write a tar to this file instead of listing");
  verb->add_option(
      "--of", *which,
      "root, boot, or tools/SET for the tools of a set: " + join({tool_set_names.begin(), tool_set_names.end()}, ", "));
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "use this lock instead of defconfigs/NAME.lock");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      const Lock lock = session.lock(*name);
      Pipeline pipeline = session.pipeline(config, lock);
      std::map<std::string, TreeHandle> trees{{"root", pipeline.rootfs}, {"boot", pipeline.boot}};
      for (const auto& [set, tools] : pipeline.tools) trees["tools/" + set] = tools;
      std::vector<std::string> names;
      std::erase_if(trees, [](const auto& tree) { return !tree.second; });
      for (const auto& [known, tree] : trees) names.push_back(known);
      if (!trees.contains(*which))
        throw Error(ErrorKind::Usage, fmt::format("{} has no tree \"{}\"", *name, *which),
                    "it has " + join(names, ", "));
      const OutputRef target = trees.at(*which);
      const Tree tree = get_tree(session.store(), session.build(pipeline, *name, {target}).at(target).digest);
      if (!tar->empty()) {
        AtomicFile file(*tar);
        write_tar(session.store(), tree, file.fd());
        file.commit();
        return 0;
      }
      std::string listing;
      for (const auto& [path, node] : tree.nodes()) {
        const std::string link = node.type == NodeType::Symlink ? " -> " + node.target : "";
        listing += fmt::format("{}{:04o} {:>5}:{:<5} {:>10} /{}{}  [{}]\n", type_letter(node.type), node.mode, node.uid,
                               node.gid, node.size, printable_line(path), printable_line(link),
                               printable_line(node.origin.text()));
      }
      print_out(listing);
      return 0;
    };
  });
}

}  // namespace k8simg
