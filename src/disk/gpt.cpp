// Partition table "gpt": the GUID partition table. Format: UEFI specification, chapter 5. Types are from libfdisk's
// table, which contains those of the Discoverable Partitions Specification.
#include <fmt/format.h>
#include <libfdisk/libfdisk.h>

#include <map>
#include <memory>

#include "disk/formats.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t mbr_size = 512;           // of the MBR, which does not fill a larger sector
constexpr std::uint64_t gpt_entries = 128 * 128;  // libfdisk's number of entries times their size

/// Names of types in boards → in libfdisk.
const std::map<std::string, std::string>& gpt_type_names() {
  static const std::map<std::string, std::string> names{{"esp", "EFI System"},
                                                        {"linux", "Linux filesystem"},
                                                        {"root-x86-64", "Linux root (x86-64)"},
                                                        {"root-arm64", "Linux root (ARM-64)"},
                                                        {"root-arm", "Linux root (ARM)"},
                                                        {"root-ppc64-le", "Linux root (PPC64LE)"},
                                                        {"root-riscv64", "Linux root (RISC-V-64)"},
                                                        {"root-s390x", "Linux root (S390X)"}};
  return names;
}

std::string gpt_guid(const std::string& name) {
  const std::unique_ptr<fdisk_context, decltype(&fdisk_unref_context)> context(fdisk_new_context(),
                                                                               &fdisk_unref_context);
  const fdisk_label* label = context ? fdisk_get_label(context.get(), "gpt") : nullptr;
  for (std::size_t i = 0; label && i < fdisk_label_get_nparttypes(label); ++i) {
    const fdisk_parttype* type = fdisk_label_get_parttype(label, i);
    if (name == fdisk_parttype_get_name(type)) return fdisk_parttype_get_string(type);
  }
  throw Error(ErrorKind::Internal, fmt::format("libfdisk has no partition type \"{}\"", name));
}

std::optional<std::string> gpt_type_code(const std::string& type) {
  const auto known = gpt_type_names().find(type);
  if (known != gpt_type_names().end()) return gpt_guid(known->second);
  return type.size() == 36 ? std::optional(type) : std::nullopt;
}

std::optional<std::string> gpt_root_type(const std::string& architecture) {
  static const std::map<std::string, std::string> types{
      {"amd64", "root-x86-64"},     {"arm64", "root-arm64"},     {"armel", "root-arm"},  {"armhf", "root-arm"},
      {"ppc64el", "root-ppc64-le"}, {"riscv64", "root-riscv64"}, {"s390x", "root-s390x"}};
  const auto type = types.find(architecture);
  return type == types.end() ? std::nullopt : std::optional(type->second);
}

std::string gpt_partuuid(const Uuid&, const std::optional<Uuid>& partition, int) {
  if (!partition) throw Error(ErrorKind::Internal, "a GPT partition needs a UUID");
  return partition->text();
}

std::string gpt_script(const PartitionSpec& partition) {
  return fmt::format("{}, name=\"{}\"{}", partition.uuid ? ", uuid=" + partition.uuid->text() : "", partition.name,
                     partition.bootable ? ", attrs=\"LegacyBIOSBootable\"" : "");
}

AreaSizes gpt_front(std::uint64_t sector) {
  return {{"MBR", mbr_size - boot_code_size},
          {"rest of the first sector", sector - mbr_size},
          {"GPT header", sector},
          {"GPT entries", gpt_entries}};
}

AreaSizes gpt_back(std::uint64_t sector) {
  return {{"backup GPT entries", gpt_entries}, {"backup GPT header", sector}};
}

DiskMistakes check_gpt(const DiskConfig& disk) {
  DiskMistakes mistakes;
  for (const PartitionConfig& partition : disk.partitions)
    if (partition.name.size() > 36)
      mistakes.push_back({partition.name, "", "is longer than 36 characters, the limit of GPT"});
  return mistakes;
}

}  // namespace

extern const PartitionTable gpt;
const PartitionTable gpt{.rules = {"gpt", check_gpt},
                         .types = "esp, root, linux or a GUID",
                         .most_partitions = 128,
                         .made_on_device = true,
                         .reserve_at_end = mebibyte,  // for the backup header and table
                         .front = gpt_front,
                         .back = gpt_back,
                         .identifier = [](const Uuid& disk) { return disk.text(); },
                         .type_code = gpt_type_code,
                         .root_type = gpt_root_type,
                         .partuuid = gpt_partuuid,
                         .script = gpt_script};

}  // namespace k8simg
