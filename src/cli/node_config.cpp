// `k8simg node-config check FILE`: checks a node.toml by the same rules as the device.
#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "config/node_file.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

void add_node_config(CLI::App& app, Options&, Verb& run) {
  auto* verb =
      app.add_subcommand("node-config", "work with node.toml, the file on the boot partition that describes a node");
  verb->require_subcommand(1);
  auto* check = verb->add_subcommand("check", "report the mistakes in a node.toml");
  auto file = std::make_shared<std::string>();
  check->add_option("file", *file, "node.toml on the boot partition")->required();
  check->callback([=, &run] {
    run = [=](Session&) {
      std::error_code error;
      if (!fs::is_regular_file(*file, error))
        throw Error(ErrorKind::Usage, fmt::format("{} is not a file", *file),
                    "node.toml is in the root folder of the boot partition");
      const NodeFile node = read_node_file(read_file(*file), *file);
      print_out(fmt::format("{}: role {}{}\n", *file, node.role, node.role == "worker" ? " of " + node.server : ""));
      if (node.role == "worker" && node.token.empty())
        print_out(fmt::format("{}: its token is used: only the machine that has joined with it starts with this file\n",
                              *file));
      return 0;
    };
  });
}

}  // namespace k8simg
