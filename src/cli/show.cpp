// `k8simg show NAME`: prints every effective value, with the file and line that set it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/text.hpp"

namespace k8simg {

void add_show(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("show", "show the effective values of a defconfig, with the file and line that set each");
  auto name = std::make_shared<std::string>();
  verb->add_option("defconfig", *name, "name")->required();
  verb->add_flag("--json", options.json, "print JSON");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      const auto position = [](const SourcePosition& p) {
        return p.line > 0 ? fmt::format("{}:{}", p.file, p.line) : p.file;
      };
      nlohmann::json list = nlohmann::json::array();
      // The suites that the lock leaves out are not part of the configuration, but affect the build.
      const auto lock_file = session.lock_file(*name);
      std::vector<std::string> without;
      if (std::filesystem::exists(lock_file)) without = session.lock(*name).without_suites;
      for (const Setting& setting : config.settings) {
        std::vector<std::string> where;
        for (const auto& p : setting.set_by) where.push_back(position(p));
        if (session.options().json)
          list.push_back({{"key", setting.key},
                          {"value", nlohmann::json::parse(setting.value, nullptr, false)},
                          {"set_by", where}});
        else
          print_out(fmt::format("{} = {}  # {}\n", setting.key, setting.value, join(where, ", ")));
      }
      if (!without.empty()) {
        const std::string file = lock_file.filename().string();
        if (session.options().json)
          list.push_back({{"key", "lock.without-suites"}, {"value", without}, {"set_by", {file}}});
        else
          print_out(fmt::format("lock.without-suites = {}  # {}\n", nlohmann::json(without).dump(), file));
      }
      if (session.options().json)
        print_out(fmt::format("{}\n", list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)));
      return 0;
    };
  });
}

}  // namespace k8simg
