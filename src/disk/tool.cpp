// Runs programs of the tools tree.
#include "disk/tool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <future>

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

/// A write to a pipe without a reader gives EPIPE instead of ending the process.
void block_sigpipe_in_this_thread() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool has_no_reader(int fd) {
  pollfd state{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLERR) != 0;
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

CommandResult try_tool_with_input(const ImageTools& tools, const std::vector<std::string>& argv,
                                  const std::vector<SandboxBind>& binds, std::int64_t epoch,
                                  const std::function<void(int fd)>& write) {
  tools.context.log(quote_argv(argv));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make", "a pipe", errno);
  Fd reader(ends[0]), writer(ends[1]);
  ::fcntl(writer.get(), F_SETPIPE_SZ, static_cast<int>(mebibyte));  // fewer switches between the processes, if allowed
  auto writing = std::async(std::launch::async, [&write, end = writer.release()] {
    const Fd pipe(end);  // closed at the end of the thread, which is the end of the program's input
    block_sigpipe_in_this_thread();
    try {
      write(pipe.get());
    } catch (const Error&) {
      if (!has_no_reader(pipe.get())) throw;
    }
  });
  Command command = tool_command(tools, argv, binds, epoch, false);
  command.input_fd = reader.get();
  // The future's destructor waits for the thread, which ends once the pipe has no reader. So the reader is closed
  // first.
  struct Closer {
    Fd& fd;
    ~Closer() { fd.reset(); }
  } closer{reader};
  const CommandResult result = tools.context.runner().run(command, tools.context.stop());
  reader.reset();
  writing.get();
  return result;
}

void make_empty_file(const std::filesystem::path& file, std::uint64_t size) {
  const Fd fd = Fd::open(file, O_RDWR | O_CREAT | O_TRUNC);
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) throw_errno("cannot size", file.string(), errno);
}

}  // namespace k8simg
