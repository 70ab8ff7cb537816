// Makes disk images: writes the partition table with libfdisk and copies the contents of partitions.
#include <fcntl.h>
#include <fmt/format.h>
#include <libfdisk/libfdisk.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "disk/formats.hpp"
#include "disk/tool.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr off_t first_boot_indicator = 446;  // of the MBR's first entry: UEFI specification 2.10, 5.2.1
constexpr char active = '\x80';

/// A script of sfdisk(8), which libfdisk reads. No other interface of libfdisk sets every identifier.
std::string table_script(const DiskSpec& spec, const PartitionTable& table, const DiskLayout& layout) {
  std::string text =
      fmt::format("label: {}\nlabel-id: {}\nunit: sectors\n", spec.table, table.identifier(spec.disk_uuid));
  for (std::size_t i = 0; i < spec.partitions.size(); ++i) {
    const PartitionSpec& partition = spec.partitions[i];
    const auto type = table.type_code(partition.type);
    if (!type)
      throw Error(ErrorKind::Usage,
                  fmt::format("unknown partition type \"{}\" for a {} table", partition.type, spec.table),
                  fmt::format("use {}", table.types));
    text += fmt::format("start={}, size={}, type={}{}\n", layout.partitions[i].start / spec.sector_size,
                        layout.partitions[i].size / spec.sector_size, *type, table.script(partition));
  }
  return text;
}

/// Refuses partitions that the script cannot express: it cannot escape a quote in a name, and a size of 0 means "all
/// remaining space".
void check_partition(const PartitionSpec& partition) {
  const bool printable = std::all_of(partition.name.begin(), partition.name.end(),
                                     [](unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (!printable || partition.name.size() > 36) {
    throw Error(ErrorKind::Usage,
                fmt::format("partition name \"{}\" cannot be written into a partition table", partition.name),
                "use at most 36 letters, digits, spaces and punctuation without quotes");
  }
  if (partition.content.size == 0)
    throw Error(ErrorKind::Internal, fmt::format("partition {} has no content", partition.name));
}

void check(int result, const char* what) {
  if (result < 0) throw_errno(std::string("libfdisk: ") + what, "the partition table", -result);
}

void write_table(const std::filesystem::path& file, const DiskSpec& spec, const std::string& script_text) {
  const std::unique_ptr<fdisk_context, decltype(&fdisk_unref_context)> context(fdisk_new_context(),
                                                                               &fdisk_unref_context);
  if (!context) throw Error(ErrorKind::Internal, "libfdisk cannot create a context");
  fdisk_disable_dialogs(context.get(), 1);
  const auto sector = static_cast<unsigned>(spec.sector_size);
  check(fdisk_save_user_sector_size(context.get(), sector, sector), "cannot set the size of sectors of");
  check(fdisk_assign_device(context.get(), file.c_str(), 0), "cannot open");
  const std::unique_ptr<fdisk_script, decltype(&fdisk_unref_script)> script(fdisk_new_script(context.get()),
                                                                            &fdisk_unref_script);
  std::string copy = script_text;
  const std::unique_ptr<FILE, decltype(&fclose)> stream(fmemopen(copy.data(), copy.size(), "r"), &fclose);
  check(fdisk_script_read_file(script.get(), stream.get()), "cannot read the script");
  // If the script is not set first, a new label gets a random identifier.
  check(fdisk_set_script(context.get(), script.get()), "cannot use the script");
  check(fdisk_create_disklabel(context.get(), spec.table.c_str()), "cannot create the label");
  check(fdisk_apply_script(context.get(), script.get()), "cannot apply the script");
  check(fdisk_write_disklabel(context.get()), "cannot write");
  check(fdisk_deassign_device(context.get(), 0), "cannot close");
  fdisk_set_script(context.get(), nullptr);  // context and script refer to each other
}

/// Copies a blob of `size` bytes to `offset` and keeps its holes.
void copy_content(int target, std::uint64_t offset, const std::filesystem::path& blob, std::uint64_t size,
                  const std::stop_token& stop) {
  const Fd source = Fd::open(blob, O_RDONLY);
  std::string buffer(mebibyte, '\0');
  struct stat info {};
  if (fstat(source.get(), &info) != 0) throw_errno("cannot read", blob.string(), errno);
  if (static_cast<std::uint64_t>(info.st_size) != size) {
    throw Error(ErrorKind::Internal, fmt::format("{} has {} bytes instead of {}", blob.string(), info.st_size, size),
                "the store is damaged");
  }
  off_t at = 0;
  while (const auto data = next_data(source.get(), at, info.st_size, blob)) {
    read_range(source.get(), *data, blob, buffer, [&](std::string_view bytes, off_t from) {
      if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
      write_all_at(target, bytes, static_cast<off_t>(offset) + from, "the disk image");
    });
    at = data->end;
  }
}

/// The disk's areas in order. The bytes of tables are read from `disk`, as libfdisk wrote them; all others come from
/// the spec.
class AreaList {
 public:
  AreaList(const Fd& disk, const std::filesystem::path& file) : disk_(disk), file_(file) {}

  void add(const std::string& name, std::uint64_t size, std::string bytes = {}, std::optional<Digest> digest = {}) {
    if (size == 0) return;
    bytes.resize(bytes.find_last_not_of('\0') + 1);
    areas_.push_back({name, end_, size, digest, std::move(bytes)});
    end_ += size;
  }
  void add_table(const std::string& name, std::uint64_t size) {
    if (size == 0) return;
    add(name, size, read_all_at(disk_.get(), static_cast<off_t>(end_), size, file_));
  }
  void add_unallocated(std::uint64_t end) { add("unallocated", end - end_); }
  std::vector<DiskArea> take() { return std::move(areas_); }

 private:
  const Fd& disk_;
  const std::filesystem::path& file_;
  std::vector<DiskArea> areas_;
  std::uint64_t end_ = 0;
};

std::vector<DiskArea> list_areas(const Fd& disk, const std::filesystem::path& file, const DiskSpec& spec,
                                 const PartitionTable& table, const DiskLayout& layout) {
  AreaList list(disk, file);
  list.add("boot code", boot_code_size, spec.boot_code);
  for (const auto& [name, size] : table.front(spec.sector_size)) list.add_table(name, size);
  for (std::size_t i = 0; i < spec.partitions.size(); ++i) {
    const PartitionSpec& partition = spec.partitions[i];
    list.add_unallocated(layout.partitions[i].start);
    list.add("partition " + partition.name, partition.content.size, {}, partition.content.digest);
    list.add("rest of partition " + partition.name, layout.partitions[i].size - partition.content.size);
  }
  const AreaSizes back = table.back(spec.sector_size);
  std::uint64_t back_size = 0;
  for (const auto& area : back) back_size += area.second;
  list.add_unallocated(layout.size - back_size);
  for (const auto& [name, size] : back) list.add_table(name, size);
  return list.take();
}

}  // namespace

std::string partition_table_library() {
  const char* version = nullptr;
  fdisk_get_library_version(&version);
  return fmt::format("libfdisk {}", version ? version : "");
}

BuiltDisk make_disk(StepContext& context, const DiskSpec& spec) {
  const PartitionTable& table = partition_table(spec.table);
  if (table.most_partitions && spec.partitions.size() > table.most_partitions)
    throw Error(ErrorKind::Usage,
                fmt::format("a {} partition table has room for {} partitions", spec.table, table.most_partitions),
                "use another table, or fewer partitions");
  if (spec.boot_code.size() > boot_code_size)
    throw Error(ErrorKind::Usage,
                fmt::format("the boot code has {} bytes, but only {} fit at the start of the disk",
                            spec.boot_code.size(), boot_code_size),
                "check disk.boot-code of the board");

  for (const PartitionSpec& partition : spec.partitions) check_partition(partition);

  DiskLayout layout;
  std::uint64_t at = mebibyte;
  for (std::size_t i = 0; i < spec.partitions.size(); ++i) {
    const PartitionSpec& partition = spec.partitions[i];
    const std::uint64_t size = round_up(partition.content.size, mebibyte);
    layout.partitions.push_back({partition.name, at, size, partition.type,
                                 table.partuuid(spec.disk_uuid, partition.uuid, static_cast<int>(i))});
    at += size;
  }
  layout.size = at + table.reserve_at_end;

  const auto file = context.scratch() / "disk.img";
  make_empty_file(file, layout.size);
  const std::string script = table_script(spec, table, layout);
  context.log(script);
  write_table(file, spec, script);
  {
    const Fd fd = Fd::open(file, O_RDWR);
    write_all_at(fd.get(), spec.boot_code, 0, file);
    // libfdisk has no setting for the flag.
    if (spec.protective_mbr_active) write_all_at(fd.get(), std::string_view(&active, 1), first_boot_indicator, file);
    for (std::size_t i = 0; i < spec.partitions.size(); ++i) {
      copy_content(fd.get(), layout.partitions[i].start, context.store().path(spec.partitions[i].content.digest),
                   spec.partitions[i].content.size, context.stop());
      context.progress(layout.partitions[i].start + layout.partitions[i].size, layout.size);
    }
    layout.areas = list_areas(fd, file, spec, table, layout);
  }
  return {context.store().put_file(file, true), layout};
}

}  // namespace k8simg
