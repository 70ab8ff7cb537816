// Tests the checks of a Raspberry Pi's boot partition: a correct one, and every mistake with its file and line.
#include "disk/raspberrypi.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/bytes.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

std::string number(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}
/// `size` bytes that begin like a zImage whose header states the size `said`.
std::string zimage(std::size_t size, std::size_t said) {
  std::string bytes(size, '\0');
  return bytes.replace(0x24, 12, number(0x016f2818, 4) + number(0, 4) + number(said, 4));
}
/// An Image that needs `memory` bytes when it runs.
std::string image64(std::uint64_t memory) {
  std::string bytes(4096, '\0');
  return bytes.replace(16, 8, number(memory, 8)).replace(56, 4, "ARM\x64");
}

struct Partition {
  MemoryStore store;
  Tree tree;
  BootTarget target{"arm", "1234abcd-02", 512 * mebibyte};

  Partition() {
    for (const char* name : {"bootcode.bin", "start_cd.elf", "fixup_cd.dat", "bcm2835-rpi-zero.dtb"}) file(name, "x");
    file("kernel.img", zimage(4096, 4096));
    file("config.txt", "# A comment may be as long as it likes: the firmware skips it. " + std::string(100, '-') +
                           "\n\ngpu_mem=16\r\n[pi0]\n  kernel=kernel.img\n[all]\nupstream_kernel=1\n");
    file("cmdline.txt", "console=ttyAMA0 root=PARTUUID=1234abcd-02 rootwait\n");
  }
  void file(const std::string& path, const std::string& content) {
    tree.add_file(store, path, content, 0755, "board:toy");
  }
  void config(const std::string& lines) { file("config.txt", "gpu_mem=16\n" + lines); }
  std::string check() const {
    return failure([&] { check_firmware_files(tree, store, target); });
  }
  /// The message for these lines after gpu_mem=16; their numbers begin at 2.
  std::string of(const std::string& lines) {
    config(lines);
    return check();
  }
};

}  // namespace

TEST_CASE("a boot partition that starts") {
  Partition p;
  CHECK(p.check() == "");
  // All mistakes at once, as Error{Step}.
  p.config("kernel=a\narmstub=b\n");
  try {
    check_firmware_files(p.tree, p.store, p.target);
    FAIL("nothing was found");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Step);
    CHECK(contains(error.message(), "config.txt:2: kernel: the boot partition has no a"));
    CHECK(contains(error.message(), "config.txt:3: armstub: the boot partition has no b"));
  }
}

TEST_CASE("lines that the firmware would not understand") {
  Partition p;
  CHECK(contains(p.of("\nenable_uart\n"), "config.txt:3: \"enable_uart\" is not KEY=VALUE"));
  CHECK(contains(p.of("=1\n"), "config.txt:2: \"=1\" is not KEY=VALUE"));
  CHECK(contains(p.of("enable uart=1\n"), "config.txt:2: \"enable uart\" is not a valid name of a setting"));
  CHECK(p.of("dtparam=" + std::string(90, 'x') + "\n") == "");
  CHECK(contains(p.of("dtparam=" + std::string(91, 'x') + "\n"),
                 "config.txt:2: has 99 characters; the firmware reads 98"));
  CHECK(p.of("dtparam=" + std::string(90, 'x') + "\r\n") == "");
  CHECK(p.of("hdmi_group:0=2\ngpio=4=op,dh\nenable_uart = 1") == "");
}

TEST_CASE("filters") {
  Partition p;
  for (const char* filter : {"all", "pi0", "PI0W", "pi3+", " pi1 ", "tryboot", "EDID=VSC-TD2220", "0x12345678",
                             "gpio4=1", "HDMI:0", "board-type=0x14"}) {
    INFO(filter);
    CHECK(p.of(fmt::format("[{}]\nenable_uart=1\n", filter)) == "");
  }
  CHECK(contains(p.of("[pi0\n"), "config.txt:2: \"[pi0\" is not a [filter]"));
  CHECK(contains(p.of("[pi0v]\n"), "config.txt:2: unknown filter [pi0v] (did you mean [pi0"));
  CHECK(contains(p.of("[gpio4=2]\n"), "unknown filter [gpio4=2]"));
  // Settings for no board are not checked until [all].
  CHECK(p.of("[none]\nkernel=nothing\n[pi0]\nkernel=nothing\n[all]\n") == "");
  CHECK(contains(p.of("[none]\n[all]\nkernel=nothing\n"), "config.txt:4: kernel"));
  CHECK(contains(p.of("[pi1]\nkernel=nothing\n"), "config.txt:3: kernel: the boot partition has no nothing"));
}

TEST_CASE("included files are read in place, and told by their own lines") {
  Partition p;
  p.file("more.txt", "# more\nkernel=nothing\n");
  CHECK(contains(p.of("include more.txt\n"), "more.txt:2: kernel: the boot partition has no nothing"));
  CHECK(contains(p.of("include none.txt\n"), "config.txt:2: include: the boot partition has no none.txt"));
  CHECK(contains(p.of("include\n"), "config.txt:2: write include FILE"));
  p.file("more.txt", "include config.txt\n");
  CHECK(contains(p.of("include more.txt\n"), "more.txt:1: config.txt includes itself"));
  p.file("more.txt", "gpu_mem=16\n");
  CHECK(contains(p.of("include more.txt\n"), "more.txt:1: gpu_mem must be in config.txt itself"));
}

TEST_CASE("the GPU's firmware: which files are looked for, and that they are there") {
  Partition p;
  p.tree.erase("bootcode.bin");
  CHECK(contains(p.check(), "no bootcode.bin"));
  p.file("bootcode.bin", "x");
  p.tree.erase("fixup_cd.dat");
  CHECK(contains(p.of(""), "config.txt:1: gpu_mem=16: the firmware looks for fixup_cd.dat"));
  p.file("FIXUP_CD.DAT", "x");  // FAT
  CHECK(p.of("") == "");

  p.file("config.txt", "");
  CHECK(contains(p.check(), "without gpu_mem=16 or start_file: the firmware looks for start.elf"));
  CHECK(contains(p.check(), "looks for fixup.dat"));
  p.file("config.txt", "gpu_mem=64\nstart_x=1\n");
  CHECK(contains(p.check(), "start_x=1: the firmware looks for start_x.elf"));
  p.file("config.txt", "start_debug=1\n");
  CHECK(contains(p.check(), "looks for start_db.elf"));
  p.file("config.txt", "gpu_mem=lots\n");
  CHECK(contains(p.check(), "config.txt:1: gpu_mem must be a number of megabytes"));

  p.file("start.elf", "x"), p.file("fixup.dat", "x"), p.file("start_x.elf", "x"), p.file("fixup_x.dat", "x");
  p.file("config.txt", "");
  CHECK(p.check() == "");
  p.file("config.txt", "start_file=start_x.elf\nfixup_file=fixup_x.dat\n");
  CHECK(p.check() == "");
  p.file("config.txt", "start_file=start_x.elf\n");
  CHECK(contains(p.check(), "config.txt:1: start_file and fixup_file must be set together"));
  p.file("config.txt", "start_file=start_x.elf\nfixup_file=fixup.dat\n");
  CHECK(contains(p.check(), "config.txt:2: start_x.elf and fixup.dat do not match"));
  p.file("config.txt", "start_file=start_y.elf\nfixup_file=fixup_y.dat\n");
  CHECK(contains(p.check(), "config.txt:1: start_file: the boot partition has no start_y.elf"));
  CHECK(contains(p.check(), "config.txt:2: fixup_file: the boot partition has no fixup_y.dat"));
  p.file("config.txt", "start_file=start_cd.elf\nfixup_file=fixup_cd.dat\ngpu_mem=16\n");
  CHECK(contains(p.check(), "config.txt:1: the cut-down firmware cannot be chosen by name"));
}

TEST_CASE("later models bring the first stage with them") {
  Partition p;
  p.tree.erase("bootcode.bin"), p.tree.erase("start_cd.elf"), p.tree.erase("fixup_cd.dat");
  p.file("start4.elf", "x"), p.file("fixup4.dat", "x");
  p.file("config.txt", "");
  CHECK(p.check() == "");
  CHECK(contains(p.of(""), "config.txt:1: gpu_mem=16: the firmware looks for start4cd.elf"));
  CHECK(contains(p.of(""), "the firmware looks for fixup4cd.dat"));
  p.file("start4cd.elf", "x"), p.file("fixup4cd.dat", "x");
  CHECK(p.of("") == "");
  p.file("config.txt", "start_x=1\n");
  CHECK(contains(p.check(), "start_x=1: the firmware looks for start4x.elf"));
  CHECK_FALSE(contains(p.check(), "start_x.elf"));
  // A partition for all models needs both.
  p.file("start_cd.elf", "x"), p.file("bootcode.bin", "x");
  CHECK(contains(p.of(""), "gpu_mem=16: the firmware looks for fixup_cd.dat"));
}

TEST_CASE("the kernel is there, whole, of the right width and within its limits") {
  Partition p;
  CHECK(contains(p.of("kernel=vmlinuz\n"), "config.txt:2: kernel: the boot partition has no vmlinuz"));
  CHECK(p.of("kernel=/kernel.img\n") == "");
  p.tree.erase("kernel.img");
  CHECK(contains(p.of(""), "no kernel= and no file with a default name"));

  p.file("kernel.img", zimage(4000, 4096));
  CHECK(contains(p.of(""), "kernel.img is truncated: it has 4000 bytes, its header states 4096"));
  p.file("kernel.img", "short");
  CHECK(contains(p.of(""), "kernel.img is too short"));
  p.file("kernel.img", image64(mebibyte));
  CHECK(contains(p.of(""), "kernel.img is a 64-bit kernel, the board's is a 32-bit one"));
  p.file("kernel.img", zimage(4096, 4096));
  CHECK(contains(p.of("arm_64bit=1\n"), "does not start a 32-bit kernel"));
  p.file("kernel.img", std::string(4096, 'u'));  // a boot loader
  CHECK(p.of("") == "");

  // In the first 128 MiB, and outside of the GPU's memory.
  p.file("kernel.img", zimage(4096, 4096));
  CHECK(contains(p.of("kernel_address=0x8000000\n"),
                 "kernel.img needs 4.0 KiB from address 0x8000000; it must end before 128.0 MiB"));
  CHECK(p.of("kernel_address=0x7fff000\n") == "");
  CHECK(contains(p.of("kernel_address=0x7fff001\n"), "must end before"));
  p.target.memory = 32 * mebibyte;
  CHECK(contains(p.of("kernel_address=0x1000000\n"), "must end before 16.0 MiB"));
  p.file("kernel.img", std::string(17 * mebibyte, 'u'));
  CHECK(contains(p.of(""), "kernel.img needs 17.0 MiB from address 0x8000; it must end before 16.0 MiB"));
}

TEST_CASE("64-bit kernels say how much memory they take") {
  Partition p;
  p.target.kernel_arch = "arm64";
  p.tree.erase("kernel.img");
  p.file("kernel8.img", image64(64 * mebibyte));
  CHECK(p.of("arm_64bit=1\n") == "");
  CHECK(contains(p.of(""), "a 64-bit kernel needs arm_64bit=1"));
  p.file("kernel8.img", image64(600 * mebibyte));
  CHECK(contains(p.of("arm_64bit=1\n"),
                 "kernel8.img needs 600.0 MiB from address 0x200000; it must end before 496.0 MiB"));
  p.file("kernel8.img", zimage(4096, 4096));
  CHECK(contains(p.of("arm_64bit=1\n"), "is a 32-bit kernel"));
  p.file("kernel8.img", image64(~std::uint64_t{0}));
  CHECK(contains(p.of("arm_64bit=1\n"), "must end before"));
  p.file("kernel8.img", "\x1f\x8b" + std::string(100, 'z'));  // compressed: has no header to check
  CHECK(p.of("arm_64bit=1\n") == "");
}

TEST_CASE("device trees, overlays, initramfs and stubs are there") {
  Partition p;
  CHECK(contains(p.of("device_tree=bcm2835-rpi-a.dtb\n"),
                 "config.txt:2: device_tree: the boot partition has no bcm2835-rpi-a.dtb"));
  CHECK(p.of("device_tree=bcm2835-rpi-zero.dtb\n") == "");
  CHECK(contains(p.of("armstub=stub.bin\n"), "config.txt:2: armstub: the boot partition has no stub.bin"));
  CHECK(contains(p.of("dtoverlay=dwc2,dr_mode=peripheral\n"),
                 "config.txt:2: dtoverlay: the boot partition has no overlays/dwc2.dtbo"));
  p.file("overlays/dwc2.dtbo", "x");
  CHECK(p.of("dtoverlay=dwc2,dr_mode=peripheral\ndtoverlay=\n") == "");
  CHECK(contains(p.of("overlay_prefix=mine/\ndtoverlay=dwc2\n"), "no mine/dwc2.dtbo"));
  CHECK(contains(p.of("initramfs initrd.gz followkernel\n"),
                 "config.txt:2: initramfs: the boot partition has no initrd.gz"));
  CHECK(contains(p.of("initramfs initrd.gz\n"), "config.txt:2: write initramfs FILE ADDRESS"));
  p.file("initrd.gz", "x");
  CHECK(p.of("initramfs initrd.gz followkernel\n") == "");
  CHECK(contains(p.of("initramfs initrd.gz,more.gz followkernel\n"), "no more.gz"));
  CHECK(contains(p.of("ramfsfile=more.gz\n"), "no more.gz"));
  p.tree.erase("bcm2835-rpi-zero.dtb");
  CHECK(contains(p.of(""), "no device tree"));
  CHECK(p.of("device_tree=\n") == "");
}

TEST_CASE("a prefix stands before the system's files, where they are") {
  Partition p;
  p.tree.erase("kernel.img");
  p.file("new/vmlinuz", zimage(4096, 4096)), p.file("new/a.dtb", "x");
  CHECK(p.of("os_prefix=new/\nkernel=vmlinuz\n") == "");
  CHECK(contains(p.of("kernel=vmlinuz\n"), "config.txt:2: kernel"));
  CHECK(contains(p.of("os_prefix=new/\nkernel=/vmlinuz\n"), "config.txt:3: kernel"));
}

TEST_CASE("the command line: one line, within the limit, naming the root partition") {
  Partition p;
  const std::string root = "root=PARTUUID=1234abcd-02";
  const auto line = [&](const std::string& text) {
    p.file("cmdline.txt", text);
    return p.check();
  };
  CHECK(line(root) == "");
  CHECK(line("root=PARTUUID=1234ABCD-02\r\n") == "");
  CHECK(contains(line(root + "\nrootwait\n"), "cmdline.txt:2: must be one line"));
  CHECK(contains(line("\n"), "cmdline.txt:1: has no root=PARTUUID=1234abcd-02"));
  CHECK(contains(line("rootwait notroot=x\n"), "cmdline.txt:1: has no root="));
  CHECK(contains(line("root=PARTUUID=1234abcd-01"),
                 "cmdline.txt:1: root=PARTUUID=1234abcd-01 is not the root partition"));
  CHECK(contains(line(root + " root=/dev/mmcblk0p2"), "cmdline.txt:1: root=/dev/mmcblk0p2 is not the root partition"));
  // 1024 with the final zero on arm, 2048 on arm64, less 300 for words that the firmware adds.
  const auto padded = [&](std::size_t size) { return root + " " + std::string(size - root.size() - 1, 'x') + "\n"; };
  CHECK(line(padded(723)) == "");
  CHECK(contains(line(padded(724)), "cmdline.txt:1: has 724 characters; the kernel reads 1023"));
  p.target.kernel_arch = "arm64";
  p.file("config.txt", "gpu_mem=16\narm_64bit=1\n");
  p.file("kernel.img", image64(mebibyte));
  CHECK(line(padded(1747)) == "");
  CHECK(contains(line(padded(1748)), "has 1748 characters; the kernel reads 2047"));
}

TEST_CASE("the command line may have another name") {
  Partition p;
  CHECK(contains(p.of("cmdline=other.txt\n"), "config.txt:2: cmdline: the boot partition has no other.txt"));
  p.file("other.txt", "root=PARTUUID=wrong\n");
  CHECK(contains(p.of("cmdline=other.txt\n"), "other.txt:1: root=PARTUUID=wrong"));
  p.tree.erase("cmdline.txt");
  CHECK(contains(p.of(""), "no cmdline.txt"));
}
