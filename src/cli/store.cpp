// `k8simg store check`: verifies every byte of the store.
#include <fmt/format.h>

#include <thread>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "tree/check_store.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

void add_store(CLI::App& app, Options&, Verb& run) {
  auto* verb = app.add_subcommand("store", "maintain the store");
  verb->require_subcommand(1);
  auto* check = verb->add_subcommand("check", "hash every blob, and compare records and checkouts with them");
  auto repair = std::make_shared<bool>(false);
  check->add_flag("--repair", *repair,
                  "move damaged files to the store's quarantine/, so that the next build makes them again");
  check->callback([=, &run] {
    run = [=](Session& session) {
      DiskStore& store = session.store();
      Reporter& reporter = session.reporter();
      const std::string step = "store check";
      reporter.report({.kind = Event::Kind::StepStarted, .step = step, .text = store.root().string()});
      const int threads =
          session.options().jobs > 0 ? session.options().jobs : static_cast<int>(std::thread::hardware_concurrency());
      const auto result = check_store(
          store, *repair, threads,
          [&](std::uint64_t done, std::uint64_t total) {
            reporter.report({.kind = Event::Kind::StepProgress, .step = step, .done = done, .total = total});
          },
          session.stop());
      reporter.report({.kind = Event::Kind::StepFinished, .step = step});
      for (const auto& finding : result.findings) print_out(finding.text + "\n");
      const std::string verdict = result.findings.empty()
                                      ? "no damage"
                                      : fmt::format("{} damaged{}", result.findings.size(),
                                                    *repair ? "; moved aside, the next build makes them again" : "");
      print_out(fmt::format("{} blobs ({}), {} step records, {} checkouts: {}\n", result.blobs,
                            format_size(result.bytes), result.records, result.checkouts, verdict));
      if (result.findings.empty() || *repair) return 0;
      throw Error(ErrorKind::Fetch, fmt::format("the store {} is damaged", store.root().string()),
                  "run `k8simg store check --repair`, then build again");
    };
  });
}

}  // namespace k8simg
