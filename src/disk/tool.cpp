// Runs programs of the tools tree.
#include "disk/tool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

Command tool_command(const ImageTools& tools, const std::vector<std::string>& argv,
                     const std::vector<SandboxBind>& binds, std::int64_t epoch, bool capture) {
  Command command = sandbox({.root = tools.root,
                             .argv = argv,
                             .environment = {{"SOURCE_DATE_EPOCH", std::to_string(epoch)},
                                             {"MTOOLS_SKIP_CHECK", "1"},
                                             {"MTOOLSRC", "/dev/null"}},
                             .working_folder = "/tmp",
                             .binds = binds});
  command.log = tools.context.log_file();
  command.capture_stdout = capture;
  return command;
}

}  // namespace

CommandResult run_tool(const ImageTools& tools, const std::vector<std::string>& argv,
                       const std::vector<SandboxBind>& binds, std::int64_t epoch, bool capture) {
  tools.context.log(quote_argv(argv));
  return run_checked(tools.context.runner(), tool_command(tools, argv, binds, epoch, capture), argv.front(),
                     tools.context.stop());
}

CommandResult try_tool(const ImageTools& tools, const std::vector<std::string>& argv,
                       const std::vector<SandboxBind>& binds, std::int64_t epoch, bool capture) {
  tools.context.log(quote_argv(argv));
  return tools.context.runner().run(tool_command(tools, argv, binds, epoch, capture), tools.context.stop());
}

void make_empty_file(const std::filesystem::path& file, std::uint64_t size) {
  const Fd fd = Fd::open(file, O_RDWR | O_CREAT | O_TRUNC);
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) throw_errno("cannot size", file.string(), errno);
}

}  // namespace k8simg
