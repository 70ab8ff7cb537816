// Partition table "dos": the MBR with four partitions, whose types are one byte.
#include <fmt/format.h>

#include <map>

#include "disk/formats.hpp"
#include "util/bytes.hpp"

namespace k8simg {

namespace {

constexpr std::size_t most_dos_partitions = 4;
// Sector numbers have 32 bits, sectors 512 bytes.
constexpr std::uint64_t largest_dos_disk = std::uint64_t{1} << 41;

std::optional<std::string> dos_type_code(const std::string& type) {
  static const std::map<std::string, std::string> known{
      {"esp", "ef"}, {"linux", "83"}, {"root", "83"}, {"fat32-lba", "c"}};
  if (const auto found = known.find(type); found != known.end()) return found->second;
  return type.starts_with("0x") ? std::optional(type.substr(2)) : std::nullopt;
}

std::string dos_identifier(const Uuid& disk) { return to_hex(std::span(disk.bytes).first<4>()); }

/// The kernel names MBR partitions DISKID-NN (block/partitions/msdos.c).
std::string dos_partuuid(const Uuid& disk, const std::optional<Uuid>&, int index) {
  return fmt::format("{}-{:02x}", dos_identifier(disk), index + 1);
}

DiskMistakes check_dos(const DiskConfig& disk) {
  DiskMistakes mistakes;
  for (const PartitionConfig& partition : disk.partitions) {
    if (partition.type.size() == 36 && !partition.type.starts_with("0x") &&
        partition.type.find('-') != std::string::npos)
      mistakes.push_back({partition.name, "type", "is a GUID, but disk.table is \"dos\""});
    for (const auto& [key, bytes] : {std::pair{"size", partition.size}, std::pair{"free", partition.free}})
      if (bytes >= largest_dos_disk)
        mistakes.push_back({partition.name, key, "is larger than 2 TiB, the limit of disk.table = \"dos\""});
  }
  if (disk.partitions.size() > most_dos_partitions)
    mistakes.push_back({"", "table",
                        fmt::format("is \"dos\", which has room for {} partitions, not {}", most_dos_partitions,
                                    disk.partitions.size())});
  if (disk.sector_size != 512)
    mistakes.push_back({"", "sector-size", fmt::format("is {}, which needs disk.table = \"gpt\"", disk.sector_size)});
  if (disk.protective_mbr_active)
    mistakes.push_back({"", "protective-mbr-active",
                        "needs disk.table = \"gpt\"; in a dos table, `bootable` of a partition sets its active flag"});
  return mistakes;
}

}  // namespace

extern const PartitionTable dos;
const PartitionTable dos{
    .rules = {"dos", check_dos},
    .types = "esp, root, linux, fat32-lba or a number such as 0x0c",
    .most_partitions = most_dos_partitions,
    .front = [](std::uint64_t) { return AreaSizes{{"MBR", 512 - boot_code_size}}; },
    .back = [](std::uint64_t) { return AreaSizes{}; },
    .identifier = [](const Uuid& disk) { return "0x" + dos_identifier(disk); },
    .type_code = dos_type_code,
    .root_type = [](const std::string&) { return std::optional<std::string>("root"); },
    .partuuid = dos_partuuid,
    .script = [](const PartitionSpec& partition) -> std::string { return partition.bootable ? ", bootable" : ""; }};

}  // namespace k8simg
