// Boot method of the Raspberry Pi: reads config.txt as the firmware does, and checks the files that it names.
#include "disk/raspberrypi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::size_t longest_line = 98, firmware_words = 300;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

struct Setting {
  std::string key, value, file;
  std::size_t line = 0;
  bool filtered = false;  ///< after a filter other than [all]
  std::string place() const { return fmt::format("{}:{}", file, line); }
};

class FirmwareCheck {
 public:
  FirmwareCheck(const Tree& boot, const Store& store, const BootTarget& target)
      : boot_(boot), store_(store), target_(target) {}

  void run() {
    read("config.txt", {});
    check_firmware();
    check_kernel();
    check_named_files();
    check_command_lines();
    if (mistakes_.empty()) return;
    throw Error(ErrorKind::Step,
                "the board's firmware could not start this boot partition:\n  " + join(mistakes_, "\n  "),
                "see the board's board.toml and its files in boot/");
  }

 private:
  void wrong(const std::string& place, const std::string& what) { mistakes_.push_back(place + ": " + what); }

  // --- files ---

  const Node* find(const std::string& name) const {
    const std::string wanted = lower(name);
    for (const auto& [path, node] : boot_.nodes()) {
      if (node.type == NodeType::File && lower(path) == wanted) return &node;
    }
    return nullptr;
  }
  bool any_of(const std::string& glob) const {
    return std::any_of(boot_.nodes().begin(), boot_.nodes().end(), [&](const auto& entry) {
      return entry.second.type == NodeType::File && glob_match(glob, lower(entry.first));
    });
  }
  /// A file of the operating system, first below os_prefix, then below the root. With a leading slash, only below the
  /// root.
  const Node* find_system(const std::string& name) const {
    if (name.starts_with('/')) return find(name.substr(1));
    const Node* node = prefix_.empty() ? nullptr : find(prefix_ + name);
    return node ? node : find(name);
  }
  /// The firmware uses the prefix only if it finds kernel and device tree below it, so a file may be in either place.
  void need(const Setting& setting, const std::string& name) {
    if (!find_system(name)) wrong(setting.place(), fmt::format("{}: the boot partition has no {}", setting.key, name));
  }

  // --- config.txt ---

  void read(const std::string& name, std::vector<std::string> including) {
    including.push_back(name);
    std::size_t number = 0;
    for (std::string& line : split(store_.read(find(name)->content), '\n')) {
      ++number;
      if (line.ends_with('\r')) line.pop_back();
      const std::string place = fmt::format("{}:{}", name, number);
      const std::string_view text = trim(line);
      if (text.empty() || text.front() == '#') continue;
      if (line.size() > longest_line)
        wrong(place, fmt::format("has {} characters; the firmware reads {}", line.size(), longest_line));
      if (text.front() == '[') {
        read_filter(text, place);
      } else if (const auto words = split_words(text); words[0] == "include") {
        read_include(words, place, including);
      } else if (words[0] == "initramfs") {
        // The only setting without "=".
        if (words.size() != 3)
          wrong(place, "write initramfs FILE ADDRESS, or followkernel for the address");
        else
          add({"initramfs", words[1], name, number});
      } else if (const auto equals = text.find('='); equals == std::string_view::npos || equals == 0) {
        wrong(place, fmt::format("\"{}\" is not KEY=VALUE", text));
      } else {
        const std::string key(trim(text.substr(0, equals)));
        if (including.size() > 1 && read_early(key))
          wrong(place, key + " must be in config.txt itself: bootcode.bin does not read included files");
        if (key.find_first_of(" \t") != std::string::npos)
          wrong(place, fmt::format("\"{}\" is not a valid name of a setting", key));
        else
          add({key, std::string(trim(text.substr(equals + 1))), name, number});
      }
    }
  }
  /// Whether bootcode.bin uses the setting to choose the firmware.
  static bool read_early(const std::string& key) {
    return key == "start_file" || key == "fixup_file" || key == "start_x" || key == "start_debug" ||
           key.starts_with("gpu_mem");
  }

  void add(Setting setting) {
    if (disabled_) return;
    setting.filtered = filtered_;
    settings_.push_back(std::move(setting));
  }
  void read_filter(std::string_view text, const std::string& place) {
    static const std::vector<std::string> names{"all", "none", "tryboot", "pi0",  "pi0w",  "pi02", "pi1",
                                                "pi2", "pi3",  "pi3+",    "pi4",  "pi400", "pi5",  "pi500",
                                                "cm0", "cm1",  "cm3",     "cm3+", "cm4",   "cm4s", "cm5"};
    static const std::vector<std::string> patterns{"edid=**",           "0x**",
                                                   "gpio*=[01]",        "hdmi:[01]",
                                                   "board-type=**",     "partition[=<>]**",
                                                   "boot_partition=**", "boot_count[=<>]**",
                                                   "boot_arg1[=<>]**",  "bootvar[0-9][=<>]**"};
    if (!text.ends_with(']')) return wrong(place, fmt::format("\"{}\" is not a [filter]", text));
    const std::string filter = lower(trim(text.substr(1, text.size() - 2)));
    const bool known = std::find(names.begin(), names.end(), filter) != names.end() ||
                       std::any_of(patterns.begin(), patterns.end(),
                                   [&](const std::string& pattern) { return glob_match(pattern, filter); });
    if (!known) {
      const auto near = nearest(filter, names);
      return wrong(place, fmt::format("unknown filter [{}]{}: no model would use the settings after it", filter,
                                      near ? fmt::format(" (did you mean [{}]?)", *near) : ""));
    }
    // Filters of different kinds combine until [all].
    filtered_ = filter != "all";
    disabled_ = filter == "none" || (disabled_ && filter != "all");
  }
  void read_include(const std::vector<std::string>& words, const std::string& place,
                    const std::vector<std::string>& including) {
    if (words.size() != 2) return wrong(place, "write include FILE");
    if (std::find(including.begin(), including.end(), words[1]) != including.end())
      return wrong(place, fmt::format("{} includes itself", words[1]));
    if (!find(words[1])) return wrong(place, fmt::format("include: the boot partition has no {}", words[1]));
    read(words[1], including);
  }

  std::vector<Setting> all(std::string_view key) const {
    std::vector<Setting> found;
    for (const auto& setting : settings_) {
      if (setting.key == key) found.push_back(setting);
    }
    return found;
  }
  /// The last value that holds for every model.
  std::optional<std::string> general(std::string_view key) const {
    std::optional<std::string> value;
    for (const auto& setting : settings_) {
      if (setting.key == key && !setting.filtered) value = setting.value;
    }
    return value;
  }
  /// A decimal or hexadecimal integer; nullopt for any other text.
  static std::optional<std::uint64_t> number(const std::string& text) {
    if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0]))) return std::nullopt;
    try {
      std::size_t used = 0;
      const std::uint64_t value = std::stoull(text, &used, 0);
      return used == text.size() ? std::optional(value) : std::nullopt;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }
  bool on(std::string_view key) const { return number(general(key).value_or("0")).value_or(0) != 0; }

  // --- the GPU's own firmware ---

  void check_firmware() {
    // The Raspberry Pi 4 has bootcode.bin in an EEPROM, and firmware files with other names. A partition may be for
    // both.
    const bool pi4 = any_of("start4*.elf"), early_models = !pi4 || any_of("start.elf") || any_of("start_*.elf");
    if (early_models) families_.push_back("");
    if (pi4) families_.push_back("4");
    if (early_models && !find("bootcode.bin"))
      wrong("config.txt", "the boot partition has no bootcode.bin, which the boot ROM looks for");
    const auto starts = all("start_file"), fixups = all("fixup_file");
    for (const auto& setting : starts) {
      need(setting, setting.value);
      // Documentation of start_file: with the cut-down firmware selected this way, the system fails to boot.
      if (lower(setting.value).ends_with("cd.elf"))
        wrong(setting.place(),
              "the cut-down firmware cannot be chosen by name: remove start_file and fixup_file, gpu_mem=16 chooses "
              "it");
    }
    for (const auto& setting : fixups) need(setting, setting.value);
    if (starts.size() != fixups.size()) {
      wrong((starts.empty() ? fixups : starts).front().place(), "start_file and fixup_file must be set together");
    } else {
      for (std::size_t i = 0; i < starts.size(); ++i) {
        if (stem(starts[i].value, "start") != stem(fixups[i].value, "fixup"))
          wrong(fixups[i].place(), fmt::format("{} and {} do not match", starts[i].value, fixups[i].value));
      }
    }
    for (const auto& setting : settings_) {
      if (!setting.key.starts_with("gpu_mem")) continue;
      if (!number(setting.value))
        wrong(setting.place(), fmt::format("{} must be a number of megabytes", setting.key));
      else if (starts.empty() && cut_down(setting.value))
        need_pair(setting.place(), setting.key + "=" + setting.value, "cd");
    }
    if (!starts.empty() || cut_down(general("gpu_mem").value_or(""))) return;
    if (on("start_x"))
      need_pair("config.txt", "start_x=1", "x");
    else if (on("start_debug"))
      need_pair("config.txt", "start_debug=1", "db");
    else
      need_pair("config.txt", "without gpu_mem=16 or start_file", "");
  }
  static bool cut_down(const std::string& megabytes) { return number(megabytes).value_or(64) <= 16; }
  static std::string stem(const std::string& name, const std::string& prefix) {
    const std::string low = lower(name);
    return low.starts_with(prefix) ? low.substr(prefix.size(), low.rfind('.') - prefix.size()) : low;
  }
  /// `variant`: "cd" for start_cd.elf and start4cd.elf.
  void need_pair(const std::string& place, const std::string& why, const std::string& variant) {
    for (const std::string& family : families_) {
      const std::string ending = family + (family.empty() && !variant.empty() ? "_" : "") + variant;
      for (const std::string& name : {"start" + ending + ".elf", "fixup" + ending + ".dat"}) {
        if (!find(name))
          wrong(place, fmt::format("{}: the firmware looks for {}, which is not on the boot partition", why, name));
      }
    }
  }

  // --- the kernel ---

  void check_kernel() {
    prefix_ = general("os_prefix").value_or(on("upstream_kernel") ? "upstream/" : "");
    bool general_kernel = false;
    for (const auto& setting : all("kernel")) {
      general_kernel |= !setting.filtered;
      if (const Node* node = find_system(setting.value))
        check_image(setting.place(), setting.value, *node);
      else
        need(setting, setting.value);
    }
    if (!general_kernel) {
      bool any = false;
      for (const char* name : {"kernel.img", "kernel7.img", "kernel8.img"}) {
        if (const Node* node = find_system(name)) any = true, check_image("config.txt", name, *node);
      }
      if (!any && all("kernel").empty())
        wrong("config.txt",
              "there is no kernel= and no file with a default name (kernel.img, "
              "kernel7.img, kernel8.img)");
    }
  }
  std::uint64_t gpu_memory() const { return number(general("gpu_mem").value_or("64")).value_or(64) * mebibyte; }

  void check_image(const std::string& place, const std::string& name, const Node& node) {
    const std::string bytes = store_.read(node.content);
    const bool wide = target_.kernel_arch == "arm64";
    if (const bool asked = on("arm_64bit"); asked != wide) {
      wrong(place, wide ? "a 64-bit kernel needs arm_64bit=1"
                        : "with arm_64bit=1 the firmware does not start a 32-bit kernel");
    }
    if (bytes.size() < 64) return wrong(place, name + " is too short to be a kernel");
    // Documentation/arch/arm64/booting.rst: magic number at 56, needed memory at 16. arch/arm/boot/compressed/head.S:
    // magic number at 0x24, then start and end of the image. Other files, such as a boot loader in place of the kernel,
    // cannot be checked.
    const bool image64 = bytes.substr(56, 4) == "ARM\x64", image32 = read_number(bytes, 0x24, 4) == 0x016f2818;
    if (wide ? image32 : image64)
      return wrong(place, fmt::format("{} is a {}-bit kernel, the board's is a {}-bit one", name, wide ? 32 : 64,
                                      wide ? 64 : 32));
    std::uint64_t needed = bytes.size();
    if (image64) needed = std::max(needed, *read_number(bytes, 16, 8));
    if (const std::uint64_t size = *read_number(bytes, 0x2c, 4) - *read_number(bytes, 0x28, 4);
        image32 && needed < size) {
      wrong(place, fmt::format("{} is truncated: it has {} bytes, its header states {}", name, needed, size));
    }
    const std::uint64_t address = number(general("kernel_address").value_or(""))
                                      .value_or(on("kernel_old") ? 0
                                                : wide           ? 0x200000
                                                                 : 0x8000);
    const std::uint64_t end = target_.memory > gpu_memory() ? target_.memory - gpu_memory() : 0;
    const std::uint64_t limit = wide ? end : std::min(end, 128 * mebibyte);
    if (needed > limit || address > limit - needed)
      wrong(place, fmt::format("{} needs {} from address {:#x}; it must end before {}", name, format_size(needed),
                               address, format_size(limit)));
  }

  // --- other files ---

  void check_named_files() {
    const std::string overlays = general("overlay_prefix").value_or("overlays/");
    bool device_tree_named = false;
    for (const auto& setting : settings_) {
      const std::string& key = setting.key;
      const std::string& value = setting.value;
      if (key == "initramfs" || key == "ramfsfile") {
        for (const auto& name : split(value, ',')) need(setting, name);
      } else if (key == "device_tree") {
        device_tree_named = true;
        if (!value.empty()) need(setting, value);  // empty: no file
      } else if (key == "armstub") {
        need(setting, value);
      } else if (key == "dtoverlay") {
        // NAME[,PARAMETER=VALUE...]. Empty: later parameters are for the base tree. The older form has a colon.
        const std::string name = value.substr(0, value.find_first_of(",:"));
        if (!name.empty()) need(setting, overlays + name + (name.ends_with(".dtbo") ? "" : ".dtbo"));
      }
    }
    if (!device_tree_named && !any_of(lower(prefix_) + "*.dtb") && !any_of("*.dtb"))
      wrong("config.txt", "the boot partition has no device tree (*.dtb)");
  }

  // --- the command line ---

  void check_command_lines() {
    const auto named = all("cmdline");
    for (const auto& setting : named) {
      if (find_system(setting.value))
        check_command_line(setting.value);
      else
        need(setting, setting.value);
    }
    if (general("cmdline")) return;
    if (find_system("cmdline.txt"))
      check_command_line("cmdline.txt");
    else
      wrong("config.txt", "the boot partition has no cmdline.txt, which names the root filesystem");
  }
  void check_command_line(const std::string& name) {
    std::string text = store_.read(find_system(name)->content);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (const auto newline = text.find_first_of("\r\n"); newline != std::string::npos) {
      wrong(fmt::format("{}:{}", name, 2), "must be one line: the firmware does not read more");
      text.resize(newline);
    }
    const std::string place = name + ":1";
    const std::size_t limit = kernel_command_line_size(target_.kernel_arch) - 1 - firmware_words;
    if (text.size() > limit)
      wrong(place, fmt::format("has {} characters; the kernel reads {}, and the firmware may add {}", text.size(),
                               limit + firmware_words, firmware_words));
    bool any = false;
    for (const auto& word : split_words(text)) {
      if (!word.starts_with("root=")) continue;
      any = true;
      if (lower(word) != lower("root=PARTUUID=" + target_.root_partuuid))
        wrong(place,
              fmt::format("{} is not the root partition, which is root=PARTUUID={}", word, target_.root_partuuid));
    }
    if (!any) wrong(place, fmt::format("has no root=PARTUUID={}", target_.root_partuuid));
  }

  const Tree& boot_;
  const Store& store_;
  const BootTarget& target_;
  std::vector<Setting> settings_;
  bool filtered_ = false, disabled_ = false;
  std::string prefix_;
  std::vector<std::string> families_;  ///< of firmware files on the partition: "" for start.elf, "4" for start4.elf
  std::vector<std::string> mistakes_;
};

}  // namespace

std::size_t kernel_command_line_size(const std::string& kernel_arch) { return kernel_arch == "arm" ? 1024 : 2048; }

void check_firmware_files(const Tree& boot, const Store& store, const BootTarget& target) {
  if (boot.find("config.txt")) FirmwareCheck(boot, store, target).run();
}

extern const BootMethod raspberrypi;
const BootMethod raspberrypi{.name = "raspberrypi", .check = check_firmware_files};

}  // namespace k8simg
