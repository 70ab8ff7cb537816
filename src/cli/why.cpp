// `k8simg why NAME WHAT`: explains why a path, package, kernel symbol or container image is part of an image.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/verbs.hpp"
#include "provenance/why.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The parts of a build that explanations are taken from, built when one is asked for.
class Parts {
 public:
  Parts(Session& session, const std::string& defconfig)
      : session_(session),
        config_(session.config(defconfig)),
        lock_(session.lock(defconfig)),
        pipeline_(session.pipeline(config_, lock_)) {
    session.need_machine(config_, "why");
  }
  const Config& config() const { return config_; }

  WhyInputs inputs() {
    return {.config = config_,
            .lock = lock_,
            .packages = [this]() -> const PackageGraph& { return packages(); },
            .root = [this]() -> const Tree& { return tree(root_, pipeline_.rootfs); },
            .boot = [this]() -> const Tree& { return tree(boot_, pipeline_.boot); },
            .symbols = [this]() -> const KernelSymbols& { return symbols(); },
            .unpacked = [this](const std::string& package) { return unpacked(package); }};
  }
  const PackageGraph& packages() {
    if (!packages_) {
      std::map<std::string, std::string> controls;
      for (const auto& package : lock_.target) {
        const Tree tree = unpacked(package.name);
        if (const Node* control = tree.find("DEBIAN/control"))
          controls[package.name] = session_.store().read(control->content);
      }
      packages_.emplace(config_, lock_, controls);
    }
    return *packages_;
  }
  const Tree& root() { return tree(root_, pipeline_.rootfs); }

 private:
  Value built(const OutputRef& output) { return session_.build(pipeline_, config_.name, {output}).at(output); }
  const Tree& tree(std::optional<Tree>& tree, const TreeHandle& handle) {
    if (!tree) tree = get_tree(session_.store(), built(handle).digest);
    return *tree;
  }
  const KernelSymbols& symbols() {
    if (!symbols_) symbols_ = parse_kernel_symbols(session_.store().read(built(pipeline_.kernel_symbols).digest));
    return *symbols_;
  }
  Tree unpacked(const std::string& package) {
    if (unpacked_.empty()) {
      std::vector<OutputRef> targets;
      for (const auto& [identity, handle] : pipeline_.packages) targets.push_back(handle);
      const auto values = session_.build(pipeline_, config_.name, targets);
      for (const auto& [identity, handle] : pipeline_.packages)
        unpacked_[identity.substr(0, identity.find('='))] = values.at(handle).digest;
    }
    return get_tree(session_.store(), unpacked_.at(package));
  }

  Session& session_;
  const Config config_;
  const Lock lock_;
  Pipeline pipeline_;
  std::optional<Tree> root_, boot_;
  std::optional<KernelSymbols> symbols_;
  std::optional<PackageGraph> packages_;
  std::map<std::string, Digest> unpacked_;  // by package
};

/// The cost of what an explanation is about; nullopt if it has none in the root filesystem.
std::optional<Cost> cost_of(Parts& parts, const Explanation& explanation) {
  if (explanation.kind == "package") return cost_of_package(parts.root(), parts.packages(), explanation.package);
  if (explanation.kind == "path") return cost_of_path(parts.root(), explanation.subject.substr(1));
  return std::nullopt;
}

nlohmann::json to_json(const Cost& cost) {
  nlohmann::json leaving = nlohmann::json::array();
  for (const auto& part : cost.leaving)
    leaving.push_back({{"package", part.name}, {"reason", part.reason}, {"bytes", part.bytes}});
  return {{"bytes", cost.bytes}, {"files", cost.files}, {"leaving", leaving}};
}

std::string describe(const Cost& cost, const std::string& of) {
  std::string text =
      fmt::format("  {}: {} in {} file{}\n", of, format_size(cost.bytes), cost.files, cost.files == 1 ? "" : "s");
  std::uint64_t all = cost.bytes;
  for (const auto& part : cost.leaving) {
    text += fmt::format("    without it, {} goes too ({}): {}\n", part.name, part.reason, format_size(part.bytes));
    all += part.bytes;
  }
  if (!cost.leaving.empty()) text += fmt::format("    together {}\n", format_size(all));
  return text;
}

}  // namespace

void add_why(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("why", "explain why a path, package, kernel symbol or container image is in an image");
  auto name = std::make_shared<std::string>();
  auto asked = std::make_shared<std::string>();
  auto size = std::make_shared<bool>();
  verb->add_option("defconfig", *name, "name")->required();
  verb->add_option("what", *asked,
                   "/a/path, a package, a tool package, a component, an overlay, CONFIG_A_SYMBOL or a container image")
      ->required();
  verb->add_flag("--size", *size, "also print what a path or package costs, and what would leave the image with it");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "use this lock instead of defconfigs/NAME.lock");
  verb->add_flag("--json", options.json, "print JSON");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      Parts parts(session, *name);
      nlohmann::json list = nlohmann::json::array();
      std::string text;
      for (const Explanation& explanation : why(parts.inputs(), *asked)) {
        nlohmann::json json{{"kind", explanation.kind},
                            {"subject", explanation.subject},
                            {"what", explanation.what},
                            {"chain", nlohmann::json::array()}};
        text += printable_line(explanation.subject);
        if (!explanation.what.empty()) text += fmt::format(": {}", printable_line(explanation.what));
        text += '\n';
        for (const Evidence& line : explanation.chain) {
          json["chain"].push_back({{"text", line.text}, {"where", line.where}});
          text += fmt::format("  {}{}\n", printable_line(line.text),
                              line.where.empty() ? "" : fmt::format(" ({})", printable_line(line.where)));
        }
        if (*size) {
          if (const auto cost = cost_of(parts, explanation)) {
            json["size"] = to_json(*cost);
            text += describe(*cost, "its size");
          }
          if (explanation.kind == "path" && !explanation.package.empty()) {
            const Cost cost = cost_of_package(parts.root(), parts.packages(), explanation.package);
            json["package"] = {{"name", explanation.package}, {"size", to_json(cost)}};
            text += describe(cost, "package " + explanation.package);
          }
        }
        list.push_back(std::move(json));
      }
      print_out(session.options().json ? list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                                       : text);
      return 0;
    };
  });
}

}  // namespace k8simg
