// Runs a program of the tools tree on files of a step's scratch folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "disk/disk_image.hpp"
#include "util/bytes.hpp"

namespace k8simg {

/// Runs a program in the sandbox with `binds` and SOURCE_DATE_EPOCH. stdout and stderr go to the step's log; with
/// `capture`, stdout is returned. Error{Step} with argv and the log's last lines if it fails.
CommandResult run_tool(const ImageTools& tools, const std::vector<std::string>& argv,
                       const std::vector<SandboxBind>& binds, std::int64_t source_date_epoch, bool capture = false);
/// The same, but returns any exit code.
CommandResult try_tool(const ImageTools& tools, const std::vector<std::string>& argv,
                       const std::vector<SandboxBind>& binds, std::int64_t source_date_epoch, bool capture = false);
/// The same; `write` provides standard input. It gets the descriptor of a pipe, and runs in a thread of its own. Its
/// error is thrown, unless the program closed the pipe.
CommandResult try_tool_with_input(const ImageTools& tools, const std::vector<std::string>& argv,
                                  const std::vector<SandboxBind>& binds, std::int64_t source_date_epoch,
                                  const std::function<void(int fd)>& write);

/// Makes `file` exactly `size` bytes of zeros (a hole).
void make_empty_file(const std::filesystem::path& file, std::uint64_t size);

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace k8simg
