// Tests which disks can be written, with machines as folders that have the files of /sys and /proc.
#include "flash/disks.hpp"

#include "flashing.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// A machine: an SSD that holds the system on LUKS, a card in a USB reader, a card in an MMC slot, an eMMC, an empty
/// reader.
class MachineFolder {
 public:
  MachineFolder() : folder_(fs::temp_directory_path(), "machine") {
    add("sda", "pci0000:00/ata1/host0",
        {{"dev", "8:0"}, {"size", "1000215216"}, {"device/vendor", "ATA     "}, {"device/model", "Fast SSD 512  "}});
    write("sys/block/sda/device/vpd_pg80", std::string("\0\x80\0\x08", 4) + "SSD-0001");
    add_partition("sda", "sda1", "8:1", 1048576);
    add_partition("sda", "sda2", "8:2", 900000000);
    add_usb("sdb", "8:16", 62333952);
    add_partition("sdb", "sdb1", "8:17", 524288);
    add_partition("sdb", "sdb2", "8:18", 7340032);
    add("mmcblk0", "platform/soc/mmc_host/mmc0/mmc0:aaaa",
        {{"dev", "179:0"},
         {"size", "31116288"},
         {"device/type", "SD"},
         {"device/name", "SC16G"},
         {"device/serial", "0x1234abcd"}});
    add("mmcblk1", "platform/soc/mmc_host/mmc1/mmc1:0001",
        {{"dev", "179:96"}, {"size", "15269888"}, {"device/type", "MMC"}, {"device/name", "DG4008"}});
    add("dm-0", "virtual", {{"dev", "254:0"}, {"size", "899000000"}, {"dm/name", "cryptroot"}});
    write("sys/block/sda/sda2/holders/dm-0/dev", "254:0");
    add("loop0", "virtual", {{"dev", "7:0"}, {"size", "204800"}, {"loop/backing_file", "/tmp/disk.img"}});
    write("proc/self/mountinfo",
          "22 1 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/cryptroot "
          "rw\n28 27 8:1 / /boot rw - vfat /dev/sda1 rw\n");
    write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 1 0 -2\n");
  }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_.path() / name).parent_path());
    write_file_atomically(folder_.path() / name, text);
  }
  void append(const std::string& name, const std::string& text) {
    write(name, read_file(folder_.path() / name) + text);
  }

  void add(const std::string& name, const std::string& place,
           const std::vector<std::pair<std::string, std::string>>& attributes) {
    const fs::path device = "sys/devices/" + place + "/block/" + name;
    write(device / "removable", "0\n");
    write(device / "ro", "0\n");
    for (const auto& [key, value] : attributes) write(device / key, value + "\n");
    fs::create_directories(folder_.path() / "sys/block");
    fs::create_directory_symlink("../../" + device.string(), folder_.path() / "sys/block" / name);
  }
  void add_usb(const std::string& name, const std::string& number, std::uint64_t sectors) {
    const std::string usb = "pci0000:00/usb2/2-1/" + name;
    write("sys/devices/" + usb + "/idVendor", "0781\n");
    write("sys/devices/" + usb + "/serial", "4C530001\n");
    add(name, usb + "/2-1:1.0/host6/target6:0:0",
        {{"dev", number},
         {"size", std::to_string(sectors)},
         {"device/vendor", "SanDisk "},
         {"device/model", "Ultra \x1b[31m"},
         {"removable", "1"}});
  }
  void add_partition(const std::string& disk, const std::string& name, const std::string& number,
                     std::uint64_t sectors) {
    const std::string part = "sys/block/" + disk + "/" + name;
    write(part + "/partition", "1\n");
    write(part + "/dev", number + "\n");
    write(part + "/size", std::to_string(sectors) + "\n");
  }

  Disk disk(const std::string& number) const { return find_disk(folder_.path(), number); }
  std::vector<std::string> against(const std::string& number, std::uint64_t size = mib, bool allow_fixed = false,
                                   std::uint64_t sector_size = 512) const {
    return objections(disk(number), {size, sector_size}, allow_fixed);
  }
  const fs::path& path() const { return folder_.path(); }

 private:
  TempDir folder_;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("disks are known by bus, model, size and serial number") {
  const MachineFolder machine;
  CHECK(describe(machine.disk("8:0")) == "Fast SSD 512, 476.9 GiB, ata, serial SSD-0001");
  CHECK(describe(machine.disk("8:16")) ==
        "SanDisk Ultra [31m, 29.7 GiB, usb, serial 4C530001");  // escape sequences are removed
  CHECK(describe(machine.disk("179:0")) == "SC16G, 14.8 GiB, mmc, serial 0x1234abcd");
  CHECK(describe(machine.disk("7:0")) == "loop device of /tmp/disk.img, 100.0 MiB, virtual");
  CHECK(describe_content(machine.disk("8:16")) == "2 partitions: sdb1 (256.0 MiB), sdb2 (3.5 GiB)");
  CHECK(describe_content(machine.disk("179:0")) == "no partitions");
}

TEST_CASE("only removable disks are offered") {
  MachineFolder machine;
  machine.add_usb("sdc", "8:32", 0);  // a reader without a card
  Texts names;
  for (const Disk& disk : list_disks(machine.path())) {
    if (is_candidate(disk)) names.push_back(disk.name);
  }
  CHECK(names == Texts{"mmcblk0", "sdb"});
  CHECK(list_disks(machine.path() / "nothing").empty());
}

TEST_CASE("a card that nobody uses may be written") {
  const MachineFolder machine;
  CHECK(machine.against("8:16").empty());
  CHECK(machine.against("179:0").empty());
  CHECK(machine.against("8:16", std::uint64_t{62333952} * 512).empty());
}

TEST_CASE("the disk of the running system is refused, through LUKS too, and whatever is forced") {
  const MachineFolder machine;
  const Texts expected{"it holds the running system: dm-0 (cryptroot) on sda2 is mounted on /",
                       "sda1 is mounted on /boot"};
  CHECK(machine.against("8:0", mib, true) == expected);
  CHECK(machine.against("8:0", mib, false) == Texts{expected[0], expected[1], "it is not removable"});
}

TEST_CASE("mounted disks are refused") {
  MachineFolder machine;
  machine.append("proc/self/mountinfo", "40 27 8:18 / /media/my\\040card rw shared:9 master:2 - ext4 /dev/sdb2 rw\n");
  CHECK(machine.against("8:16") == Texts{"sdb2 is mounted on /media/my card"});
  machine.append("proc/self/mountinfo", "41 27 179:0 / /mnt rw - vfat /dev/mmcblk0 rw\n");
  CHECK(machine.against("179:0") == Texts{"mmcblk0 is mounted on /mnt"});
}

TEST_CASE("a filesystem with a device number of its own is found by the name it was mounted from") {
  MachineFolder machine;
  machine.append("proc/self/mountinfo", "40 27 0:44 /@ / rw - btrfs /dev/disk/by-label/usb rw\n");
  fs::create_directories(machine.path() / "dev/disk/by-label");
  machine.write("dev/sdb2", "");
  fs::create_symlink("../../sdb2", machine.path() / "dev/disk/by-label/usb");
  CHECK(machine.against("8:16", mib, true) == Texts{"it holds the running system: sdb2 is mounted on /"});
}

TEST_CASE("swap, RAID and volumes in use are refused") {
  MachineFolder machine;
  machine.append("proc/swaps", "/dev/sdb2 partition 1000 0 -3\n");
  CHECK(machine.against("8:16") == Texts{"sdb2 is used as swap"});
  machine.add("md127", "virtual", {{"dev", "9:127"}, {"size", "1000"}, {"md/level", "raid1"}});
  machine.write("sys/block/mmcblk0/holders/md127/dev", "9:127");
  CHECK(machine.against("179:0") == Texts{"mmcblk0 is in use by md127"});
  machine.add_partition("md127", "md127p1", "259:1", 500);
  machine.append("proc/self/mountinfo", "50 27 259:1 / /srv rw - ext4 /dev/md127p1 rw\n");
  CHECK(machine.against("179:0") == Texts{"md127p1 on mmcblk0 is mounted on /srv"});
  CHECK(contains(failure_of([&] { machine.disk("9:127"); }).text, "md127 is a device-mapper or RAID volume"));
}

TEST_CASE("fixed disks need to be forced, and only that can be") {
  MachineFolder machine;
  CHECK(machine.against("179:96") == Texts{"it is not removable"});  // eMMC
  CHECK(machine.against("179:96", mib, true).empty());
  CHECK(machine.against("7:0") == Texts{"it is not removable"});
  machine.write("sys/block/mmcblk1/ro", "1\n");
  CHECK(machine.against("179:96", mib, true) == Texts{"it is read-only"});
}

TEST_CASE("disks with sectors of another size than the image's are refused") {
  MachineFolder machine;
  machine.write("sys/block/sdb/queue/logical_block_size", "512\n");
  CHECK(machine.against("8:16").empty());
  machine.write("sys/block/sdb/queue/logical_block_size", "4096\n");
  const std::string counts = "; the image's partition table counts in sectors of ";
  const std::string reason = "its sectors have 4096 bytes" + counts + "512: build it with disk.sector-size = 4096";
  CHECK(machine.against("8:16") == Texts{reason});
  CHECK(machine.against("8:16", mib, true) == Texts{reason});  // not even with force
  CHECK(machine.against("8:16", mib, false, 4096).empty());
  // The list knows no image. It says what is special about the disk.
  CHECK(is_candidate(machine.disk("8:16")));
  CHECK(objections(machine.disk("8:16"), {}, true).empty());
  CHECK(describe(machine.disk("8:16")) == "SanDisk Ultra [31m, 29.7 GiB, sectors of 4096 bytes, usb, serial 4C530001");
  machine.write("sys/block/sdb/queue/logical_block_size", "512\n");
  CHECK(machine.against("8:16", mib, true, 4096) ==
        Texts{"its sectors have 512 bytes" + counts + "4096: build it with disk.sector-size = 512"});
  machine.write("sys/block/sdb/queue/logical_block_size", "520\n");
  CHECK(machine.against("8:16") ==
        Texts{"its sectors have 520 bytes; the image's partition table counts in sectors of 512"});
}

namespace {

/// The machine, and sdb as shown and as opened.
struct Shown {
  explicit Shown(bool sequences) {
    if (sequences) machine.write("sys/block/sdb/diskseq", "12\n");
    disk = machine.disk("8:16");
    device.stated_size = disk.size;
  }
  std::string refusal() {
    const Failure failure = failure_of([&] { confirm_disk(machine.path(), disk, device); });
    if (failure.text == "nothing failed") return "";
    CHECK(failure.kind == ErrorKind::Flash);
    CHECK(contains(failure.text, "nothing was written"));
    CHECK(device.writes.empty());
    return failure.text;
  }
  MachineFolder machine;
  Disk disk;
  MemoryDevice device{mib};
};

}  // namespace

TEST_CASE("the disk that was shown is confirmed once it is open") {
  CHECK(Shown(true).refusal().empty());
  CHECK(Shown(false).refusal().empty());  // Linux before 5.15
}

TEST_CASE("another medium in the same reader is refused by the kernel's sequence number, though it looks the same") {
  Shown shown(true);
  shown.machine.write("sys/block/sdb/diskseq", "13\n");
  CHECK(contains(shown.refusal(),
                 "/dev/sdz is not the disk that was shown (it was removed, or replaced by one that looks the same)"));
  shown.machine.write("sys/block/sdb/diskseq", "18446744073709551615\n");
  CHECK(contains(shown.refusal(), "was removed"));
  fs::remove(shown.machine.path() / "sys/block/sdb/diskseq");
  CHECK(contains(shown.refusal(), "was removed"));
}

TEST_CASE("without sequence numbers, whatever was shown of the disk must be the same") {
  const std::vector<std::pair<std::string, std::string>> changes{
      {"sys/block/sdb/size", "62333951\n"},
      {"sys/block/sdb/device/model", "Ultra\n"},
      {"sys/block/sdb/queue/logical_block_size", "4096\n"},
      {"sys/block/sdb/sdb2/size", "7340031\n"},
      {"sys/block/sdb/sdb1/start", "2049\n"},
      {"sys/devices/pci0000:00/usb2/2-1/sdb/serial", "4C530002\n"},
      {"sys/block/sdb/sdb3/partition", "3\n"}};
  for (const auto& [file, text] : changes) {
    INFO(file);
    Shown shown(false);
    shown.machine.write(file, text);
    CHECK(contains(shown.refusal(), "/dev/sdz is not the disk that was shown ("));
  }
  Shown emptied(false);
  fs::remove_all(emptied.machine.path() / "sys/block/sdb/sdb2");
  CHECK(contains(
      emptied.refusal(),
      "it was SanDisk Ultra [31m, 29.7 GiB, usb, serial 4C530001, 2 partitions: sdb1 (256.0 MiB), sdb2 (3.5 GiB); "
      "it is SanDisk Ultra [31m, 29.7 GiB, usb, serial 4C530001, 1 partition: sdb1 (256.0 MiB))"));
}

TEST_CASE("a disk that is gone, or open with another size than /sys says, is refused") {
  Shown gone(true);
  fs::remove(gone.machine.path() / "sys/block/sdb");
  CHECK(contains(gone.refusal(), "/dev/sdz was removed since it was shown"));
  Shown other(true);
  other.device.stated_size -= 512;
  CHECK(contains(other.refusal(), "it had 31914983424 bytes and has 31914982912"));
  Shown no_medium(false);
  no_medium.machine.write("sys/block/sdb/size", "0\n");
  CHECK(contains(no_medium.refusal(), "no medium"));
}

TEST_CASE("too small, empty, partitions, unknown") {
  MachineFolder machine;
  CHECK(machine.against("179:0", 31116288ull * 512 + 1) ==
        Texts{"it is too small: it has 14.8 GiB (15931539456 bytes), the image 14.8 GiB (15931539457 bytes)"});
  machine.add_usb("sdc", "8:32", 0);
  CHECK(machine.against("8:32") == Texts{"there is no medium in it"});
  const Failure partition = failure_of([&] { machine.disk("8:17"); });
  CHECK(partition.kind == ErrorKind::Flash);
  CHECK(contains(partition.text, "sdb1 is a partition; the image is of a whole disk"));
  CHECK(contains(partition.text, "give /dev/sdb"));
  CHECK(contains(failure_of([&] { machine.disk("254:0"); }).text, "dm-0 is a device-mapper"));
  CHECK(failure_of([&] { machine.disk("1:1"); }).kind == ErrorKind::Flash);
}
