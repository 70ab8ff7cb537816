// The reporters that make_reporter() chooses from, and their shared functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "report/output.hpp"
#include "report/reporter.hpp"

namespace k8simg {

std::unique_ptr<Reporter> make_terminal_reporter(int fd);
std::unique_ptr<Reporter> make_plain_reporter(int fd);
std::unique_ptr<Reporter> make_json_reporter(int fd);

/// printable() with all lines after the first indented by two more blanks.
std::string indented(std::string_view text);

/// "1.0 MiB of 4.9 MiB"; only the first part without a total; empty when both are 0.
std::string bytes_text(std::uint64_t done, std::uint64_t total);

/// The number of finished steps, shown as "[3/10]".
struct Progress {
  std::uint64_t to_run = 0, cached = 0, ended = 0;

  void take(const Event& event);
  std::string counter() const;  ///< "[ 3/10]"; empty before PlanReady
};

}  // namespace k8simg
