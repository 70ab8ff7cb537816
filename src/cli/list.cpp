// `k8simg list`: lists the defconfigs of the project.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "report/output.hpp"

namespace k8simg {

void add_list(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("list", "list the defconfigs");
  verb->add_flag("--json", options.json, "print JSON");
  verb->callback([&run] {
    run = [](Session& session) {
      const auto all = list_defconfigs(session.project());
      if (session.options().json) {
        nlohmann::json list = nlohmann::json::array();
        for (const auto& d : all)
          list.push_back({{"name", d.name}, {"board", d.board}, {"description", d.description}, {"locked", d.locked}});
        print_out(fmt::format("{}\n", list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)));
        return 0;
      }
      for (const auto& d : all)
        print_out(fmt::format("{:<20} {:<20} {}{}\n", d.name, d.board, d.description,
                              d.locked ? "" : " (not locked: run `k8simg lock " + d.name + "`)"));
      return 0;
    };
  });
}

}  // namespace k8simg
