// Runs programs of this machine that read the tested files independently.
#pragma once

#include <string>
#include <vector>

#include "process/command.hpp"
#include "support/catch.hpp"

namespace k8simg::test {

/// Standard output of a program, which must exit with 0.
inline std::string output_of(const std::vector<std::string>& argv) {
  const CommandResult result = system_runner().run(
      {.argv = argv,
       .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"HOME", "/nonexistent"}},
       .capture_stdout = true});
  INFO(quote_argv(argv) << "\n" << result.output);
  REQUIRE(result.exit_code == 0);
  return result.output;
}

}  // namespace k8simg::test
