// Filesystem ext4: runs mke2fs -d with a tree as a tar, with a size computed from the tree and fixed identifiers.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "disk/formats.hpp"
#include "disk/tool.hpp"
#include "tree/archive.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t block_size = 4096;
constexpr std::uint64_t inode_bytes = 256;

/// The space for a tree: data in whole blocks, an extent block for each large file, folders by the size of their
/// entries, and inodes.
struct Need {
  std::uint64_t data = 0, inodes = 0;
};

Need need_of(const Tree& tree) {
  Need need{.data = 0, .inodes = 16};
  std::map<std::string, std::uint64_t, std::less<>> folders;
  std::set<std::string> groups;
  for (const auto& [path, node] : tree.nodes()) {
    const auto slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    folders[parent] += 12 + round_up(path.size() - (slash == std::string::npos ? 0 : slash + 1), 4);
    if (!node.link_group.empty() && !groups.insert(node.link_group).second) continue;
    ++need.inodes;
    if (node.type == NodeType::File)
      need.data += round_up(node.size, block_size) + (node.size > 256 * block_size ? block_size : 0);
    if (node.type == NodeType::Directory) need.data += block_size;
    if (node.type == NodeType::Symlink && node.target.size() >= 60) need.data += block_size;
  }
  for (const auto& [folder, bytes] : folders) need.data += round_up(bytes * 4 / 3, block_size);
  return need;
}

/// Free bytes without reserved blocks, from the superblock's s_free_blocks_count and s_r_blocks_count (ext4 on-disk
/// layout, "The Super Block").
std::uint64_t user_free(const std::filesystem::path& image) {
  const Fd fd = Fd::open(image, O_RDONLY);
  std::string super(1024, '\0');
  if (pread(fd.get(), super.data(), super.size(), 1024) != 1024 || read_number(super, 0x38, 2) != 0xef53) {
    throw Error(ErrorKind::Internal, "mke2fs did not write an ext4 superblock");
  }
  const std::uint64_t free_blocks = *read_number(super, 0x0c, 4) | *read_number(super, 0x158, 4) << 32;
  const std::uint64_t reserved = *read_number(super, 0x08, 4) | *read_number(super, 0x154, 4) << 32;
  return free_blocks > reserved ? (free_blocks - reserved) * block_size : 0;
}

/// mke2fs silently drops all extended attributes of a tar except file capabilities.
void check_attributes(const Tree& tree) {
  for (const auto& [path, node] : tree.nodes()) {
    for (const auto& [name, value] : node.xattrs) {
      if (name == "security.capability") continue;
      throw Error(
          ErrorKind::Usage,
          fmt::format("/{}: extended attribute {} cannot be written to ext4 (from {})", path, name, node.origin.text()),
          "only file capabilities are kept; remove the attribute");
    }
  }
}

/// Versions of mke2fs before 1.47.2 drop capabilities too, so those of the tree are compared with those of the image.
void check_capabilities(const ImageTools& tools, const Tree& tree, const std::filesystem::path& image,
                        std::int64_t epoch) {
  for (const auto& [path, node] : tree.nodes()) {
    for (const auto& [name, value] : node.xattrs) {
      const auto result =
          run_tool(tools, {"/usr/sbin/debugfs", "-R", "ea_get -x \"/" + path + "\" " + name, "/in/image"},
                   {{image, "/in/image"}}, epoch, true);
      std::string found = result.output.substr(std::min(result.output.size(), result.output.find('=') + 1));
      std::erase_if(found, [](unsigned char c) { return !std::isxdigit(c); });
      if (found.find(to_hex(value)) == std::string::npos) {
        throw Error(ErrorKind::Step,
                    fmt::format("/{}: the file capability is missing in the image: debugfs prints \"{}\"", path,
                                trim(result.output)),
                    "e2fsprogs 1.47.2 or newer is needed in the tools tree");
      }
    }
  }
}

/// Runs mke2fs with the tree as a tar on standard input, and checks the file capabilities of the result. Error{Usage}
/// with the needed size if the given size is too small.
Value make_ext4(const ImageTools& tools, const Tree& tree, const FilesystemSpec& options) {
  StepContext& context = tools.context;
  check_attributes(tree);
  const auto image = context.scratch() / "image.ext4";
  const Need need = need_of(tree);
  // Metadata: inode tables, bitmaps and group descriptors (2 %), the journal, reserved descriptors for growth.
  const std::uint64_t overhead = 40 * mebibyte;
  const std::uint64_t minimum = need.data + need.inodes * inode_bytes;
  std::uint64_t size =
      options.size ? options.size : round_up((minimum + options.free) * 103 / 100 + overhead, mebibyte);
  const auto too_small = [&] {
    return Error(ErrorKind::Usage,
                 fmt::format("an image of {} is too small for its tree, which needs {} and {} free space",
                             format_size(size), format_size(minimum), format_size(options.free)),
                 "increase the partition's size, or remove it and set only its free space");
  };
  if (size < minimum) throw too_small();

  for (int round = 0;; ++round) {
    // One and a half times the tree's inodes. The ratio stays the same when the filesystem grows on the device.
    const std::uint64_t ratio =
        std::clamp<std::uint64_t>(size / (need.inodes * 3 / 2) / block_size * block_size, block_size, 16384);
    make_empty_file(image, size);
    const auto result = try_tool_with_input(
        tools,
        {"/usr/sbin/mke2fs",
         "-q",
         "-F",
         "-t",
         "ext4",
         "-b",
         std::to_string(block_size),
         "-I",
         std::to_string(inode_bytes),
         "-i",
         std::to_string(ratio),
         "-m",
         "1",
         "-e",
         "remount-ro",
         "-L",
         options.label,
         "-U",
         options.uuid.text(),
         "-E",
         "hash_seed=" + uuid5(options.uuid.text() + "/hash").text() + ",lazy_itable_init=0,assume_storage_prezeroed=1",
         "-d",
         "-",
         "/in/image.ext4"},
        {{image, "/in/image.ext4", true}}, options.source_date_epoch,
        [&](int fd) { write_tar(context.store(), tree, fd, {.clamp_mtime = options.source_date_epoch}); });
    const std::uint64_t left = result.exit_code == 0 ? user_free(image) : 0;
    if (result.exit_code == 0 && left >= options.free) {
      context.log(fmt::format("{} bytes, {} of them free without reserved blocks", size, left));
      break;
    }
    const std::string log = tail_of(context.log_file(), 20);
    const bool full = result.exit_code == 0 || log.find("Could not allocate") != std::string::npos ||
                      log.find("No free space") != std::string::npos || log.find("No space left") != std::string::npos;
    if (!full || round >= 4) {
      throw Error(ErrorKind::Step, fmt::format("mke2fs failed with exit code {}; see {}\n{}", result.exit_code,
                                               context.log_file().string(), log));
    }
    if (options.size) throw too_small();
    size += round_up(std::max(options.free - std::min(left, options.free), size / 20), mebibyte);
  }
  check_capabilities(tools, tree, image, options.source_date_epoch);
  return context.store().put_file(image, true);
}

/// The free blocks according to the image's bitmaps, read with dumpe2fs.
std::vector<ByteRange> ext4_unused(const ImageTools& tools, const Value& image) {
  const auto result = run_tool(tools, {"/usr/sbin/dumpe2fs", "/in/image"},
                               {{tools.context.store().path(image.digest), "/in/image"}}, 0, true);
  std::vector<ByteRange> ranges;
  for (const std::string& line : split(result.output, '\n')) {
    const std::string_view body = trim(line);
    constexpr std::string_view prefix = "Free blocks: ";
    // The header has "Free blocks: N" too. Only lines of groups are indented.
    if (!line.starts_with("  ") || !body.starts_with(prefix)) continue;
    for (const std::string& part : split(body.substr(prefix.size()), ',')) {
      const std::string_view run = trim(part);
      if (run.empty()) continue;
      const auto dash = run.find('-');
      const std::uint64_t first = std::stoull(std::string(run.substr(0, dash)));
      const std::uint64_t last =
          dash == std::string_view::npos ? first : std::stoull(std::string(run.substr(dash + 1)));
      if (!ranges.empty() && ranges.back().start + ranges.back().size == first * block_size)
        ranges.back().size += (last - first + 1) * block_size;
      else
        ranges.push_back({first * block_size, (last - first + 1) * block_size});
    }
  }
  return ranges;
}

DiskMistakes check_ext4(const PartitionConfig& partition) {
  if (partition.label.size() <= 16) return {};  // s_volume_name of the superblock
  return {{partition.name, "label", "is longer than 16 characters, the limit of ext4"}};
}

}  // namespace

extern const Filesystem ext4;
const Filesystem ext4{
    .rules = {"ext4", check_ext4},
    // A damaged filesystem becomes read-only. mke2fs sets this in the superblock, but systemd-repart does not.
    .mount_options = "errors=remount-ro",
    .fsck_pass = 2,
    .make = make_ext4,
    .identifier = [](const Uuid& uuid) { return uuid.text(); },
    .unused = ext4_unused};

}  // namespace k8simg
