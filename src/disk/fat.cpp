// Filesystem vfat: runs mkfs.fat and mtools on a file, in an order that depends only on the tree. Format: Microsoft's
// FAT specification (fatgen103).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "disk/formats.hpp"
#include "disk/tool.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

// FAT32 has at least 65,525 clusters. Drivers read a volume with fewer as FAT16.
constexpr std::uint64_t smallest_fat32_sectors = 34 * mebibyte / 512;

void check_names(const Tree& tree) {
  std::map<std::string, std::string> folded;
  for (const auto& [path, node] : tree.nodes()) {
    const auto fail = [&, &path = path, &node = node](const std::string& what, const std::string& hint) {
      throw Error(ErrorKind::Usage, fmt::format("boot file {} ({}): {}", path, node.origin.text(), what), hint);
    };
    if (node.type != NodeType::File && node.type != NodeType::Directory)
      fail("FAT can store only files and folders", "copy the link's target instead");
    if (node.uid != 0 || node.gid != 0)
      fail(fmt::format("FAT cannot store owner {}:{}", node.uid, node.gid), "leave it to root");
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.size() > 255 || name.ends_with('.') || name.ends_with(' ') ||
        name.find_first_of("\"*:<>?\\|") != std::string::npos ||
        std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; })) {
      fail("the name cannot be stored on FAT", "use letters, digits and . - _ only, at most 255");
    }
    std::string lower = path;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto [other, fresh] = folded.emplace(lower, path);
    if (!fresh) fail("differs from " + other->second + " only in case, which FAT ignores", "rename one");
  }
}

/// Bytes for the content with clusters of `cluster` bytes.
std::uint64_t content_size(const Tree& tree, std::uint64_t cluster) {
  std::uint64_t total = cluster;  // the root folder
  for (const auto& [path, node] : tree.nodes()) {
    // A directory entry and each of its long-name entries have 32 bytes.
    total += 32 * (2 + path.size() / 13);
    total += node.type == NodeType::Directory ? cluster : round_up(node.size, cluster);
  }
  return round_up(total, cluster);
}

/// The 32-bit serial number, derived from the UUID like all identifiers.
std::uint32_t fat_volume_id(const Uuid& uuid) {
  return static_cast<std::uint32_t>(uuid.bytes[0]) << 24 | static_cast<std::uint32_t>(uuid.bytes[1]) << 16 |
         static_cast<std::uint32_t>(uuid.bytes[2]) << 8 | uuid.bytes[3];
}

/// blkid prints the serial number as XXXX-XXXX in upper case.
std::string fat_identifier(const Uuid& uuid) {
  const std::uint32_t serial = fat_volume_id(uuid);
  return fmt::format("{:04X}-{:04X}", serial >> 16, serial & 0xffff);
}

/// Runs mkfs.fat --invariant and mtools. Error{Usage} for owners, symlinks or names that FAT cannot store, and for a
/// size that is too small.
Value make_fat(const ImageTools& tools, const Tree& tree, const FilesystemSpec& options) {
  StepContext& context = tools.context;
  if (options.label.size() > 11)
    throw Error(ErrorKind::Usage, fmt::format("FAT label \"{}\" is longer than 11 characters", options.label),
                "shorten the partition's label");
  check_names(tree);

  const std::uint64_t sector_size = options.sector_size, smallest_fat32 = smallest_fat32_sectors * sector_size;
  const std::uint64_t used = content_size(tree, sector_size);
  // Two FATs with 4 bytes per cluster each, and the reserved sectors.
  const auto total_for = [&](std::uint64_t bytes) {
    return round_up(bytes + bytes / sector_size * 8 + 64 * sector_size, mebibyte);
  };
  const std::uint64_t needed = total_for(used + options.free);
  if (options.size && options.size < needed) {
    throw Error(ErrorKind::Usage,
                fmt::format("a FAT partition of {} is too small: its files need {}, and {} must stay free",
                            format_size(options.size), format_size(used), format_size(options.free)),
                fmt::format("make it {} or larger, or remove its size", format_size(needed)));
  }
  const std::uint64_t size = options.size ? options.size : std::max(needed, smallest_fat32);
  const bool fat32 = size >= smallest_fat32;
  // A volume has enough clusters for FAT32 with one sector per cluster. mkfs.fat chooses for larger volumes; it chooses
  // a number of sectors that is too large if these are larger than 512 bytes.
  const bool small_clusters = fat32 && (size <= 256 * mebibyte || sector_size > 512);

  const auto image = context.scratch() / "image.vfat";
  make_empty_file(image, size);
  const SandboxBind image_bind{image, "/in/image.vfat", true};
  const std::string target = "/in/image.vfat";
  std::vector<std::string> mkfs{
      "/usr/sbin/mkfs.fat", "--invariant", "-F",
      fat32 ? "32" : "16",  "-i",          fmt::format("{:08x}", fat_volume_id(options.uuid))};
  if (sector_size != 512) mkfs.insert(mkfs.end(), {"-S", std::to_string(sector_size)});
  if (small_clusters) mkfs.insert(mkfs.end(), {"-s", "1"});
  if (!options.label.empty()) mkfs.insert(mkfs.end(), {"-n", options.label});
  mkfs.push_back(target);
  run_tool(tools, mkfs, {image_bind}, options.source_date_epoch);

  const auto folder = checkout(context.store(), put_tree(context.store(), tree));
  const SandboxBind content_bind{folder, "/in/tree"};
  std::map<std::string, std::vector<std::string>>
      files;  // folder → its files; sorted, so that the order of entries is always the same
  std::vector<std::string> folders;
  for (const auto& [path, node] : tree.nodes()) {
    const auto slash = path.rfind('/');
    if (node.type == NodeType::Directory)
      folders.push_back("::/" + path);
    else
      files[slash == std::string::npos ? "" : path.substr(0, slash)].push_back("/in/tree/" + path);
  }
  if (!folders.empty()) {
    std::vector<std::string> mmd{"/usr/bin/mmd", "-i", target};
    mmd.insert(mmd.end(), folders.begin(), folders.end());
    run_tool(tools, mmd, {image_bind}, options.source_date_epoch);
  }
  for (const auto& [parent, names] : files) {
    std::vector<std::string> mcopy{"/usr/bin/mcopy", "-b", "-Q", "-i", target};
    mcopy.insert(mcopy.end(), names.begin(), names.end());
    mcopy.push_back("::/" + parent);
    run_tool(tools, mcopy, {image_bind, content_bind}, options.source_date_epoch);
  }
  for (const auto& [loader, folder] : options.boot_loaders)
    boot_method(loader).install(tools, image_bind, folder, options.source_date_epoch);
  return context.store().put_file(image, true);
}

DiskMistakes check_fat(const PartitionConfig& partition) {
  DiskMistakes mistakes;
  if (partition.mount == "/")
    mistakes.push_back(
        {partition.name, "filesystem", "cannot be \"vfat\": the root filesystem needs owners and modes"});
  if (partition.label.size() > 11)  // the name in a directory entry
    mistakes.push_back({partition.name, "label", "is longer than 11 characters, the limit of vfat"});
  return mistakes;
}

}  // namespace

extern const Filesystem vfat;
const Filesystem vfat{.rules = {"vfat", check_fat},
                      .firmware_reads = true,
                      .has_owners = false,
                      .mount_options = "umask=0077",
                      .fsck_pass = 2,
                      .make = make_fat,
                      .identifier = fat_identifier};

}  // namespace k8simg
