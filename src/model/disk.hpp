// A disk as the configuration describes it, and what the configuration has to know of the formats that it may name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace k8simg {

struct PartitionConfig {
  std::string name;               ///< "esp", "root", "data"
  std::string type;               ///< "esp", "root", "linux", "fat32-lba" or a GUID / MBR type number "0x0c"
  std::string filesystem;         ///< the name of one of DiskFormats::filesystems
  std::string mount;              ///< "/", "/boot", ""
  std::uint64_t size = 0;         ///< bytes; 0: computed from the content plus `free`
  std::uint64_t free = 0;         ///< bytes left over for the user
  bool grow = false;              ///< grown on the device by systemd-repart and growfs
  bool create_on_device = false;  ///< not in the image: made by systemd-repart at first boot (data partitions)
  bool bootable = false;          ///< MBR active flag / GPT legacy BIOS bootable
  std::string label;              ///< filesystem label
};

struct DiskConfig {
  std::string file;   ///< "disk.img" or "sdcard.img"
  std::string table;  ///< the name of one of DiskFormats::tables
  std::vector<PartitionConfig> partitions;
  int sector_size = 512;                     ///< bytes of a logical sector: 512 or 4096
  bool protective_mbr_active = false;        ///< the active flag in the protective MBR of a GPT
  std::string boot_code_package, boot_code;  ///< tool package and path of the first 440 bytes (gptmbr.bin), or empty
  std::map<std::string, std::string> boot_loaders;  ///< of DiskFormats::boot_loaders → folder on the boot partition
  std::string compress;                             ///< the name of a compression, or "none"
  int compress_level = 0;
  std::vector<std::string> formats;  ///< names of conversions: further formats in which the image is published

  /// A BIOS reads sectors of 512 bytes. A disk with others starts by UEFI alone, and has neither boot code nor the boot
  /// loaders that are installed.
  bool starts_by_bios() const { return sector_size == 512; }
};

/// What is wrong with a key of the disk, or of one of its partitions.
struct DiskMistake {
  std::string partition;  ///< its name; "" for the disk
  std::string key;        ///< "label"; "" for the partition itself
  std::string message;    ///< "is longer than ...": goes on after the key
};
using DiskMistakes = std::vector<DiskMistake>;

struct FilesystemRules {
  const char* name;  ///< "ext4", as mount(8) calls it
  DiskMistakes (*check)(const PartitionConfig&);
};

struct PartitionTableRules {
  const char* name;  ///< "gpt", as libfdisk calls it
  DiskMistakes (*check)(const DiskConfig&);
};

/// A compression can be disk.compress, a conversion one of disk.formats; the last are for archives of files alone.
enum class OutputKind { Compression, Conversion, Archive };
struct OutputRules {
  const char* name;  ///< "zstd"
  OutputKind kind = OutputKind::Compression;
  const char* tool_set = "";  ///< the tools that make it
  const char* package = "";   ///< that the tool set must name; "": one of it always does
  DiskMistakes (*check)(const DiskConfig&) = nullptr;
};

/// What a configuration may name. The formats themselves are in image/: each declares its rules beside its code.
struct DiskFormats {
  std::vector<FilesystemRules> filesystems;
  std::vector<PartitionTableRules> tables;
  std::vector<OutputRules> outputs;
  std::vector<std::string> boot_loaders;  ///< that are installed into a folder of the boot partition: disk.NAME
};

}  // namespace k8simg
