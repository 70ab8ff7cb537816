// `k8simg flash IMAGE DEVICE`: writes a disk image to a card or disk, after checks that protect other disks.
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "cli/verbs.hpp"
#include "flash/disks.hpp"
#include "flash/flash.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

struct Chosen {
  std::string image, device;
  bool no_bmap = false, yes = false, force_fixed = false, no_verify = false, file = false;
};

const fs::path machine_root = "/";

std::string candidates() {
  std::string text;
  for (const Disk& disk : list_disks(machine_root)) {
    if (!is_candidate(disk)) continue;
    text += fmt::format("/dev/{}  {}\n  {}\n", disk.name, describe(disk), describe_content(disk));
    for (const std::string& reason : objections(disk, {}, true))
      text += fmt::format("  cannot be written: {}\n", reason);
  }
  return text.empty() ? "no removable disk found\n" : text;
}

[[noreturn]] void list_candidates(const std::string& missing) {
  print_out(candidates());
  throw Error(ErrorKind::Usage, fmt::format("no {} given: nothing was written", missing),
              "run `k8simg flash IMAGE DEVICE` with one of the disks above");
}

/// A description of the disk or regular file that is written, and the disk.
struct Target {
  std::string about;
  std::optional<Disk> disk;
};

Target choose_file(const Chosen& chosen, const struct stat& status, std::uint64_t image_size) {
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < image_size) {
    throw Error(ErrorKind::Flash,
                fmt::format("{} is too small: it has {} bytes, the image {} bytes", chosen.device, size, image_size),
                fmt::format("enlarge it, for example with `truncate -s {} {}`", image_size, chosen.device));
  }
  struct stat image {};
  if (::stat(chosen.image.c_str(), &image) == 0 && image.st_dev == status.st_dev && image.st_ino == status.st_ino) {
    throw Error(ErrorKind::Flash, fmt::format("{} is the image itself", chosen.device), "choose another file");
  }
  return {fmt::format("{}: a regular file, {}\n", chosen.device, format_size(size)), std::nullopt};
}

Target choose_disk(const Chosen& chosen, const struct stat& status, const ImageShape& image) {
  const Disk disk = find_disk(machine_root, fmt::format("{}:{}", major(status.st_rdev), minor(status.st_rdev)));
  const auto reasons = objections(disk, image, chosen.force_fixed);
  if (!reasons.empty()) {
    Error error(ErrorKind::Flash, fmt::format("{} ({}) is not written: {}", chosen.device, describe(disk), reasons[0]),
                reasons == std::vector<std::string>{"it is not removable"}
                    ? "to overwrite this disk, add --force-fixed"
                    : "`k8simg flash` lists the disks that can be written");
    for (std::size_t i = 1; i < reasons.size(); ++i) error.add_context("and " + reasons[i]);
    throw error;
  }
  // For a link such as /dev/disk/by-id/..., the kernel's name helps to find the disk in lsblk.
  const std::string kernel_name =
      fs::path(chosen.device).filename() == disk.name ? "" : fmt::format(" ({})", disk.name);
  return {fmt::format("{}{}: {}\n  {}\n", chosen.device, kernel_name, describe(disk), describe_content(disk)), disk};
}

Target choose_target(const Chosen& chosen, const ImageShape& image) {
  struct stat status {};
  if (::stat(chosen.device.c_str(), &status) != 0) {
    const bool short_name = fs::exists("/dev/" + chosen.device);
    throw Error(ErrorKind::Flash,
                fmt::format("there is no {}: {}", chosen.device, std::system_category().message(errno)),
                short_name ? fmt::format("do you mean /dev/{}?", chosen.device)
                           : "`k8simg flash` lists the disks that can be written");
  }
  if (chosen.file) {
    if (S_ISREG(status.st_mode)) return choose_file(chosen, status, image.size);
    throw Error(ErrorKind::Flash, fmt::format("{} is not a regular file", chosen.device),
                "remove --file to write a disk");
  }
  if (S_ISBLK(status.st_mode)) return choose_disk(chosen, status, image);
  const char* what = S_ISREG(status.st_mode)   ? "a regular file"
                     : S_ISDIR(status.st_mode) ? "a folder"
                     : S_ISCHR(status.st_mode) ? "a character device"
                                               : "something else";
  throw Error(ErrorKind::Flash, fmt::format("{} is {}, not a disk", chosen.device, what),
              S_ISREG(status.st_mode) ? "to write into a file, add --file"
                                      : "`k8simg flash` lists the disks that can be written");
}

/// Reads a line of input. Polls, so that Ctrl-C ends the wait.
std::string read_answer(std::stop_token stop) {
  std::string line;
  for (;;) {
    if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted: nothing was written");
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, 100) <= 0) continue;
    char c = 0;
    if (::read(STDIN_FILENO, &c, 1) != 1 || c == '\n') return std::string(trim(line));
    line += c;
  }
}

void ask(const Chosen& chosen, const Target& target, std::stop_token stop) {
  print_error(target.about);
  if (chosen.yes) return;
  if (!::isatty(STDIN_FILENO))
    throw Error(ErrorKind::Flash, "stdin is not a terminal, so the write cannot be confirmed: nothing was written",
                "add --yes to overwrite the device without confirmation");
  print_error(
      fmt::format("All data on it will be lost. Type yes to write {}: ", fs::path(chosen.image).filename().string()));
  if (read_answer(std::move(stop)) != "yes") throw Error(ErrorKind::Flash, "not confirmed: nothing was written");
}

std::string speed(std::uint64_t bytes, double seconds) {
  return format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / std::max(seconds, 0.001))) + "/s";
}

int flash(Session& session, const Chosen& chosen) {
  if (chosen.image.empty()) list_candidates("image and no device");
  if (chosen.device.empty()) list_candidates("device");
  Reporter& reporter = session.reporter();
  const auto source = open_image_source(chosen.image);
  const fs::path map_file = block_map_beside(chosen.image);
  BlockMap map;
  if (!chosen.no_bmap && fs::exists(map_file)) {
    map = read_block_map(map_file);
  } else {
    if (!source->size()) reporter.message("no block map: unpacking the image once to determine its size");
    map = whole_image(measure(chosen.image, session.stop()));
  }
  const ImageShape shape{.size = map.image_size, .sector_size = read_sector_size(*open_image_source(chosen.image))};
  const Target target = choose_target(chosen, shape);
  ask(chosen, target, session.stop());  // before any step, because the status display would overwrite the question
  // A plain file is verified before anything is written. A compressed file is verified while it is written.
  if (source->size() && map.ranges[0].digest)
    check_image(*open_image_source(chosen.image), map, map_file.string(), reporter, session.stop());
  const auto device =
      target.disk ? open_disk(machine_root, *target.disk, chosen.device) : open_device({chosen.device, std::nullopt});
  const FlashReport report = flash_image(*source, map, *device, !chosen.no_verify, reporter, session.stop());

  if (report.partitions_error) {
    reporter.warning(
        fmt::format("the kernel did not read the new partition table of {} ({}): unplug it and plug it in again",
                    chosen.device, std::system_category().message(report.partitions_error)));
  }
  std::string text = fmt::format("{} is on {}: wrote {} of {} at {}", fs::path(chosen.image).filename().string(),
                                 chosen.device, format_size(report.written), format_size(map.image_size),
                                 speed(report.written, report.write_seconds));
  if (report.read_back)
    text += fmt::format(", read all of it back at {}", speed(report.read_back, report.read_seconds));
  reporter.report({.kind = Event::Kind::Finished, .text = text, .seconds = report.write_seconds + report.read_seconds});
  return 0;
}

}  // namespace

void add_flash(CLI::App& app, Options&, Verb& run) {
  auto* verb = app.add_subcommand(
      "flash", "write an image to a card or disk and read it back; without DEVICE, list the disks that can be written");
  auto chosen = std::make_shared<Chosen>();
  verb->add_option("image", chosen->image,
                   "disk image, plain or compressed with xz or zstd; a .bmap file in the same folder is used");
  verb->add_option("device", chosen->device, "whole disk, such as /dev/sdb");
  verb->add_flag("--yes", chosen->yes, "do not ask");
  verb->add_flag("--no-bmap", chosen->no_bmap, "write the whole image, even if there is a block map");
  verb->add_flag("--no-verify", chosen->no_verify, "do not read the written data back");
  verb->add_flag("--force-fixed", chosen->force_fixed, "allow a disk that is not removable");
  verb->add_flag("--file", chosen->file, "DEVICE is a regular file, at least as large as the image");
  verb->callback([=, &run] { run = [=](Session& session) { return flash(session, *chosen); }; });
}

}  // namespace k8simg
