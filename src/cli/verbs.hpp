// The verbs of the command line, one file each. A function adds its subcommand, which sets `run` if the user selects
// it.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

#include "cli/session.hpp"

namespace k8simg {

/// Returns the exit code.
using Verb = std::function<int(Session&)>;

void add_list(CLI::App& app, Options& options, Verb& run);
void add_show(CLI::App& app, Options& options, Verb& run);
void add_lock(CLI::App& app, Options& options, Verb& run);
void add_plan(CLI::App& app, Options& options, Verb& run);
void add_build(CLI::App& app, Options& options, Verb& run);
void add_binaries(CLI::App& app, Options& options, Verb& run);
void add_images(CLI::App& app, Options& options, Verb& run);
void add_release(CLI::App& app, Options& options, Verb& run);
void add_check(CLI::App& app, Options& options, Verb& run);
void add_tree(CLI::App& app, Options& options, Verb& run);
void add_why(CLI::App& app, Options& options, Verb& run);
void add_run(CLI::App& app, Options& options, Verb& run);
void add_test(CLI::App& app, Options& options, Verb& run);
void add_verify(CLI::App& app, Options& options, Verb& run);
void add_flash(CLI::App& app, Options& options, Verb& run);
void add_node_config(CLI::App& app, Options& options, Verb& run);
void add_gc(CLI::App& app, Options& options, Verb& run);
void add_store(CLI::App& app, Options& options, Verb& run);

}  // namespace k8simg
