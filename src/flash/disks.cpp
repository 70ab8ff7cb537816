// Reads disks from /sys and their uses from /proc.
#include "flash/disks.hpp"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t sector = 512;  ///< the unit of sizes in /sys

/// The file's text, trimmed; empty when it cannot be read, since attributes depend on drivers and disks.
std::string attribute(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::string(trim(text.str()));
}

std::uint64_t number_in(const fs::path& file) {
  const std::string text = attribute(file);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Keeps printable ASCII only: the text comes from a device and is shown on a terminal.
std::string plain(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c > 0x7e; });
  return std::string(trim(text));
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

/// Does not throw: a disk may be removed meanwhile.
bool is_there(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none);
}

bool numbered(const std::string& part, std::string_view word) {
  return part.size() > word.size() && part.compare(0, word.size(), word) == 0 &&
         part.find_first_not_of("0123456789", word.size()) == std::string::npos;
}

/// The bus, from the device's path in /sys. The innermost known bus counts: a card reader on USB is "usb".
std::string bus_of(const fs::path& device) {
  std::string bus;
  for (const auto& step : device) {
    const std::string part = step.string();
    if (part == "virtual") return "virtual";
    if (numbered(part, "usb")) bus = "usb";
    if (part == "mmc_host") bus = "mmc";
    if (part == "nvme") bus = "nvme";
    if (numbered(part, "ata")) bus = "ata";
    if (numbered(part, "virtio")) bus = "virtio";
  }
  return bus;
}

std::string model_of(const fs::path& folder) {
  std::string vendor = attribute(folder / "device/vendor");
  const std::string model = attribute(folder / "device/model");
  if (vendor == "ATA" || vendor.rfind("0x", 0) == 0) vendor.clear();  // "ATA" and numbers name no vendor
  if (!model.empty()) return vendor.empty() ? model : vendor + " " + model;
  if (const std::string card = attribute(folder / "device/name"); !card.empty()) return card;
  if (const std::string file = attribute(folder / "loop/backing_file"); !file.empty()) return "loop device of " + file;
  return {};
}

std::string serial_of(const fs::path& folder, const fs::path& device, const std::string& bus) {
  for (const char* name : {"device/serial", "serial"}) {
    if (const std::string text = attribute(folder / name); !text.empty()) return text;
  }
  if (bus == "usb") {
    for (fs::path above = device; above.has_relative_path(); above = above.parent_path()) {
      if (is_there(above / "idVendor")) return attribute(above / "serial");
    }
  }
  // SCSI's Unit Serial Number page: a header of four bytes, then text (SPC-4, 7.8.15).
  const std::string page = attribute(folder / "device/vpd_pg80");
  if (page.size() <= 4) return {};
  return page.substr(4);
}

/// mountinfo and swaps escape blanks in names as \040 etc.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() &&
        text.substr(i + 1, 3).find_first_not_of("01234567") == std::string_view::npos) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct Mount {
  std::string number;                ///< of the filesystem; an anonymous device for btrfs and others
  std::vector<std::string> devices;  ///< names in /sys of the mounted devices
  std::string point;
};

/// "/dev/mapper/root" → "dm-0": the name that /sys knows.
std::string kernel_name(const fs::path& root, const std::string& device) {
  std::error_code none;
  const fs::path real = fs::canonical(root / fs::path(device).relative_path(), none);
  return (none ? fs::path(device) : real).filename().string();
}

std::vector<Mount> read_mounts(const fs::path& root) {
  std::vector<Mount> mounts;
  std::istringstream in(attribute(root / "proc/self/mountinfo"));
  for (std::string line; std::getline(in, line);) {
    const auto words = split_words(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 3) continue;
    Mount mount{words[2], {}, unescape(words[4])};
    const std::string source = unescape(dash[2]);
    if (source.rfind("/dev/", 0) == 0) {
      for (const std::string& part : split(source, ':'))
        mount.devices.push_back(kernel_name(root, part));  // bcachefs has several
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::set<std::string> read_swaps(const fs::path& root) {
  std::set<std::string> names;
  std::istringstream in(attribute(root / "proc/swaps"));
  for (std::string line; std::getline(in, line);) {
    const auto words = split_words(line);
    if (words.size() >= 2 && words[1] == "partition") names.insert(kernel_name(root, unescape(words[0])));
  }
  return names;
}

/// Finds the uses of a disk, its partitions, and of volumes built on them.
class UseFinder {
 public:
  explicit UseFinder(const fs::path& root) : root_(root), mounts_(read_mounts(root)), swaps_(read_swaps(root)) {}

  std::vector<DiskUse> uses(const Disk& disk) {
    found_.clear();
    seen_.clear();
    visit(disk.name, disk.number, disk.name, root_ / "sys/block" / disk.name);
    for (const Partition& partition : disk.partitions)
      visit(partition.name, partition.number, partition.name, root_ / "sys/block" / disk.name / partition.name);
    // Uses by the running system come first.
    std::stable_sort(found_.begin(), found_.end(),
                     [](const DiskUse& a, const DiskUse& b) { return a.running_system > b.running_system; });
    return found_;
  }

 private:
  /// `told` is the name for messages: "dm-0 (root) on sda2".
  void visit(const std::string& name, const std::string& number, const std::string& told, const fs::path& folder) {
    if (!seen_.insert(name).second) return;
    for (const Mount& mount : mounts_) {
      if (mount.number != number && std::find(mount.devices.begin(), mount.devices.end(), name) == mount.devices.end())
        continue;
      if (mount.point == "/")
        found_.push_back({fmt::format("it holds the running system: {} is mounted on /", told), true});
      else
        found_.push_back({fmt::format("{} is mounted on {}", told, mount.point), false});
    }
    if (swaps_.count(name)) found_.push_back({fmt::format("{} is used as swap", told), false});
    for (const fs::path& holder : entries(folder / "holders")) {
      const std::string upper = holder.filename().string();
      const fs::path upper_folder = root_ / "sys/block" / upper;
      const std::string label = attribute(upper_folder / "dm/name");
      const std::size_t before = found_.size();
      visit(upper, attribute(upper_folder / "dev"),
            fmt::format("{}{} on {}", upper, label.empty() ? "" : " (" + label + ")", told), upper_folder);
      for (const fs::path& part : entries(upper_folder)) {  // RAID volumes may have partitions
        if (is_there(part / "partition"))
          visit(part.filename().string(), attribute(part / "dev"),
                fmt::format("{} on {}", part.filename().string(), told), part);
      }
      if (found_.size() == before)
        found_.push_back(
            {fmt::format("{} is in use by {}{}", told, upper, label.empty() ? "" : " (" + label + ")"), false});
    }
  }

  fs::path root_;
  std::vector<Mount> mounts_;
  std::set<std::string> swaps_, seen_;
  std::vector<DiskUse> found_;
};

Disk read_disk(const fs::path& folder) {
  Disk disk;
  disk.name = folder.filename().string();
  disk.number = attribute(folder / "dev");
  std::error_code none;
  const fs::path device = fs::canonical(folder, none);
  disk.bus = bus_of(device);
  disk.model = plain(model_of(folder));
  disk.serial = plain(serial_of(folder, device, disk.bus));
  disk.sequence = number_in(folder / "diskseq");
  disk.size = number_in(folder / "size") * sector;
  disk.sector_size = number_in(folder / "queue/logical_block_size");
  disk.read_only = number_in(folder / "ro") != 0;
  disk.assembled = is_there(folder / "dm") || is_there(folder / "md");
  // The mmc driver does not set the removable flag. Type "MMC" is usually soldered to the board; "SD" is a card.
  disk.removable = disk.bus != "virtual" && (number_in(folder / "removable") != 0 || disk.bus == "usb" ||
                                             (disk.bus == "mmc" && attribute(folder / "device/type") == "SD"));
  for (const fs::path& part : entries(folder)) {
    if (is_there(part / "partition"))
      disk.partitions.push_back({part.filename().string(), attribute(part / "dev"), number_in(part / "start") * sector,
                                 number_in(part / "size") * sector});
  }
  return disk;
}

std::string describe_all(const Disk& disk) { return fmt::format("{}, {}", describe(disk), describe_content(disk)); }

}  // namespace

std::vector<Disk> list_disks(const fs::path& root) {
  std::vector<Disk> disks;
  UseFinder finder(root);
  for (const fs::path& folder : entries(root / "sys/block")) {
    disks.push_back(read_disk(folder));
    disks.back().uses = finder.uses(disks.back());
  }
  return disks;
}

Disk find_disk(const fs::path& root, const std::string& number) {
  for (Disk& disk : list_disks(root)) {
    if (disk.number == number) {
      if (disk.assembled)
        throw Error(ErrorKind::Flash, fmt::format("{} is a device-mapper or RAID volume, not a disk", disk.name),
                    "give a disk: `k8simg flash` lists them");
      return std::move(disk);
    }
    for (const Partition& partition : disk.partitions) {
      if (partition.number == number)
        throw Error(ErrorKind::Flash, fmt::format("{} is a partition; the image is of a whole disk", partition.name),
                    fmt::format("if all of {} may be lost, give /dev/{}", disk.name, disk.name));
    }
  }
  throw Error(ErrorKind::Flash, fmt::format("the kernel knows no disk with the number {}", number),
              "give a disk: `k8simg flash` lists them");
}

std::vector<std::string> objections(const Disk& disk, const ImageShape& image, bool allow_fixed) {
  std::vector<std::string> list;
  for (const DiskUse& use : disk.uses) list.push_back(use.text);
  if (disk.size == 0)
    list.emplace_back("there is no medium in it");
  else if (disk.size < image.size)
    list.push_back(fmt::format("it is too small: it has {} ({} bytes), the image {} ({} bytes)", format_size(disk.size),
                               disk.size, format_size(image.size), image.size));
  if (disk.sector_size != 0 && image.sector_size != 0 && disk.sector_size != image.sector_size) {
    const bool supported = disk.sector_size == 512 || disk.sector_size == 4096;
    list.push_back(fmt::format(
        "its sectors have {} bytes; the image's partition table counts in sectors of {}{}", disk.sector_size,
        image.sector_size, supported ? fmt::format(": build it with disk.sector-size = {}", disk.sector_size) : ""));
  }
  if (disk.read_only) list.emplace_back("it is read-only");
  if (!disk.removable && !allow_fixed) list.emplace_back("it is not removable");
  return list;
}

void confirm_disk(const fs::path& root, const Disk& shown, const BlockDevice& device) {
  const std::string hint =
      "a card was changed, or the disk was plugged in again: run `k8simg flash` again and look at what is shown";
  const auto disks = list_disks(root);
  const auto now =
      std::find_if(disks.begin(), disks.end(), [&](const Disk& disk) { return disk.number == shown.number; });
  if (now == disks.end())
    throw Error(ErrorKind::Flash, fmt::format("{} was removed since it was shown: nothing was written", device.name()),
                hint);
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::Flash,
                fmt::format("{} is not the disk that was shown ({}): nothing was written", device.name(), why), hint);
  };
  const auto identity = [](const Disk& disk) {
    return std::tie(disk.name, disk.size, disk.sector_size, disk.bus, disk.model, disk.serial, disk.partitions);
  };
  if (identity(*now) != identity(shown)) {
    const std::string before = describe_all(shown), after = describe_all(*now);
    refuse(before == after ? "its sector size or its partitions changed"
                           : fmt::format("it was {}; it is {}", before, after));
  }
  if (now->sequence != shown.sequence) refuse("it was removed, or replaced by one that looks the same");
  if (device.size() != shown.size) refuse(fmt::format("it had {} bytes and has {}", shown.size, device.size()));
}

std::unique_ptr<BlockDevice> open_disk(const fs::path& root, const Disk& shown, const fs::path& device) {
  unsigned major = 0, minor = 0;
  const char* const end = shown.number.data() + shown.number.size();
  const auto [colon, no_major] = std::from_chars(shown.number.data(), end, major);
  const bool parsed = no_major == std::errc() && colon != end && *colon == ':' &&
                      std::from_chars(colon + 1, end, minor).ec == std::errc();
  if (!parsed) throw Error(ErrorKind::Internal, fmt::format("{} has the number \"{}\"", shown.name, shown.number));
  auto opened = open_device({device, makedev(major, minor)});
  confirm_disk(root, shown, *opened);
  return opened;
}

bool is_candidate(const Disk& disk) {
  return disk.removable && !disk.assembled && disk.size > 0 &&
         std::none_of(disk.uses.begin(), disk.uses.end(), [](const DiskUse& use) { return use.running_system; });
}

std::string describe(const Disk& disk) {
  std::string text = disk.model.empty() ? "unknown model" : disk.model;
  text += ", " + (disk.size == 0 ? "no medium" : format_size(disk.size));
  if (disk.sector_size > sector) text += fmt::format(", sectors of {} bytes", disk.sector_size);
  if (!disk.bus.empty()) text += ", " + disk.bus;
  if (!disk.serial.empty()) text += ", serial " + disk.serial;
  return text;
}

std::string describe_content(const Disk& disk) {
  if (disk.partitions.empty()) return "no partitions";
  std::vector<std::string> parts;
  for (const Partition& partition : disk.partitions)
    parts.push_back(fmt::format("{} ({})", partition.name, format_size(partition.size)));
  return fmt::format("{} partition{}: {}", parts.size(), parts.size() == 1 ? "" : "s", join(parts, ", "));
}

}  // namespace k8simg
