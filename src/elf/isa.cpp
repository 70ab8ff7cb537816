// Reads ARM build attributes, and compares them and Go's build settings with a board's processor.
#include "elf/isa.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "elf/byte_run.hpp"
#include "elf/elf.hpp"
#include "elf/go_build_info.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

const std::string subject = "this";  // the beginning of errors of elf.hpp; the caller has the path

// --- ARM build attributes ---

struct ArmAttributes {
  std::uint64_t architecture = 0, profile = 0, floating_point = 0, simd = 0;
};

constexpr const char* attributes_name = "its section of ARM build attributes";

/// Reads the attributes of the whole file. Those of single sections and symbols may be ignored; tools no longer write
/// them.
void read_file_attributes(ByteRun in, ArmAttributes& attributes) {
  while (!in.empty()) {
    const std::uint64_t tag = in.number(attributes_name);
    // Tag_CPU_raw_name and Tag_CPU_name are strings, Tag_compatibility is a number and a string. Above 32, even tags
    // are numbers and odd ones strings.
    if (tag == 4 || tag == 5 || (tag > 32 && tag % 2 == 1)) {
      in.text(attributes_name);
      continue;
    }
    const std::uint64_t value = in.number(attributes_name);
    if (tag == 32) in.text(attributes_name);
    if (tag == 6) attributes.architecture = value;
    if (tag == 7) attributes.profile = value;
    if (tag == 10) attributes.floating_point = value;
    if (tag == 12) attributes.simd = value;
  }
}

/// Format: 'A', then for each vendor the length, the name, and sub-subsections with scope, length and attributes. A
/// length includes its own field and the scope before it.
ArmAttributes read_arm_attributes(std::string_view section, std::endian order) {
  ArmAttributes attributes;
  ByteRun in(section, order);
  if (in.empty()) return attributes;
  if (in.take(1, attributes_name)[0] != 'A') damaged("its section of ARM build attributes has an unknown version");
  while (!in.empty()) {
    const std::uint32_t length = in.word(attributes_name);
    if (length < 4) damaged("a length in its section of ARM build attributes is too small");
    ByteRun vendor(in.take(length - 4, attributes_name), order);
    if (vendor.text(attributes_name) != "aeabi") continue;  // private to a toolchain
    while (!vendor.empty()) {
      const std::size_t before = vendor.size();
      const std::uint64_t scope = vendor.number(attributes_name);
      const std::uint32_t size = vendor.word(attributes_name);
      const std::size_t header = before - vendor.size();
      if (size < header) damaged("a length in its section of ARM build attributes is too small");
      const ByteRun scoped(vendor.take(size - header, attributes_name), order);
      if (scope == 1) read_file_attributes(scoped, attributes);
    }
  }
  return attributes;
}

struct Named {
  const char* name;
  bool v5, v6, v7;
};  ///< whether targets with GOARM 5, 6 and 7 can run it

// By value of Tag_CPU_arch. A higher number is not always a superset: v6T2 has Thumb-2, which ARM1176 (v6KZ) lacks, and
// M is a separate profile.
constexpr Named architectures[] = {{"ARM before v4", true, true, true},
                                   {"ARMv4", true, true, true},
                                   {"ARMv4T", true, true, true},
                                   {"ARMv5T", true, true, true},
                                   {"ARMv5TE", true, true, true},
                                   {"ARMv5TEJ", true, true, true},
                                   {"ARMv6", false, true, true},
                                   {"ARMv6KZ", false, true, true},
                                   {"ARMv6T2", false, false, true},
                                   {"ARMv6K", false, true, true},
                                   {"ARMv7", false, false, true},
                                   {"ARMv6-M", false, false, false},
                                   {"ARMv6S-M", false, false, false},
                                   {"ARMv7E-M", false, false, false},
                                   {"ARMv8-A", false, false, false},
                                   {"ARMv8-R", false, false, false},
                                   {"ARMv8-M.baseline", false, false, false},
                                   {"ARMv8-M.mainline", false, false, false},
                                   {"ARMv8.1-A", false, false, false},
                                   {"ARMv8.2-A", false, false, false},
                                   {"ARMv8.3-A", false, false, false},
                                   {"ARMv8.1-M.mainline", false, false, false},
                                   {"ARMv9-A", false, false, false}};
// By value of Tag_FP_arch. "-D16" uses only the first 16 registers.
constexpr Named floating_points[] = {{"", true, true, true},
                                     {"VFPv1", false, true, true},
                                     {"VFPv2", false, true, true},
                                     {"VFPv3", false, false, false},
                                     {"VFPv3-D16", false, false, true},
                                     {"VFPv4", false, false, false},
                                     {"VFPv4-D16", false, false, false},
                                     {"floating point of ARMv8", false, false, false},
                                     {"floating point of ARMv8 (D16)", false, false, false}};
// By value of Tag_Advanced_SIMD_arch. Not every ARMv7-A has it.
constexpr Named simds[] = {{"", true, true, true},
                           {"NEON", false, false, false},
                           {"NEONv2", false, false, false},
                           {"NEON of ARMv8", false, false, false},
                           {"NEON of ARMv8.1", false, false, false}};

template <std::size_t Size>
Named named(const Named (&names)[Size], std::uint64_t value, const char* unknown) {
  return value < Size ? names[value] : Named{unknown, false, false, false};
}

bool runs_on(const Named& feature, const std::string& goarm) {
  return goarm == "5" ? feature.v5 : goarm == "6" ? feature.v6 : feature.v7;
}

/// All processor features that the file needs if the target lacks one of them, otherwise nullopt.
std::optional<std::string> too_much(const ArmAttributes& attributes, const std::string& goarm) {
  std::vector<Named> wants{named(architectures, attributes.architecture, "a newer ARM"),
                           named(floating_points, attributes.floating_point, "a newer floating point unit"),
                           named(simds, attributes.simd, "a newer NEON")};
  if (attributes.profile == 'R') wants.push_back({"the real-time profile", false, false, false});
  if (attributes.profile == 'M') wants.push_back({"the microcontroller profile", false, false, false});
  if (std::all_of(wants.begin(), wants.end(), [&](const Named& want) { return runs_on(want, goarm); }))
    return std::nullopt;
  std::vector<std::string> names;
  for (const auto& want : wants) {
    if (*want.name) names.emplace_back(want.name);
  }
  return join(names, ", ");
}

// --- Go build settings ---

std::optional<std::string> go_violation(const std::optional<GoBuildInfo>& info, const IsaTarget& target) {
  if (!info) return std::nullopt;
  const auto refuse_above = [&](const char* key, std::string_view first) -> std::optional<std::string> {
    const auto level = info->setting(key);
    if (!level || *level == first) return std::nullopt;  // absent: built for the first level
    return fmt::format("is a Go program for {}={}", key, *level);
  };
  if (target.goarch == "amd64") return refuse_above("GOAMD64", "v1");
  if (target.goarch == "arm64") return refuse_above("GOARM64", "v8.0");
  if (target.goarch == "riscv64") return refuse_above("GORISCV64", "rva20u64");
  if (target.goarch == "ppc64le") return refuse_above("GOPPC64", "power8");
  if (target.goarch != "arm") return std::nullopt;
  const auto goarm = info->setting("GOARM");
  // Without a setting, the level is unknown: a cross compiler's default is 7.
  if (!goarm) return "is a Go program without a GOARM setting";
  const std::string version = goarm->substr(0, goarm->find(','));
  const bool hard = goarm->find(",hardfloat") != std::string_view::npos;
  if (version.size() == 1 && version >= "5" && version <= target.goarm && !(hard && target.goarm == "5"))
    return std::nullopt;
  return fmt::format("is a Go program for GOARM={}", *goarm);
}

std::optional<std::string> judge(std::string_view bytes, const IsaTarget& target) {
  const ElfInfo info = read_elf(bytes, subject);
  if (info.machine == EM_BPF) return std::nullopt;
  const ElfTarget wanted = elf_target(target.goarch);
  if (info.machine != wanted.machine || info.bits != wanted.bits || info.little_endian != wanted.little_endian) {
    return fmt::format("is for {}, {} bits{}", elf_machine_name(info.machine), info.bits,
                       info.little_endian == wanted.little_endian ? ""
                       : info.little_endian                       ? ", little-endian"
                                                                  : ", big-endian");
  }
  if (target.goarch == "arm") {
    const auto order = info.little_endian ? std::endian::little : std::endian::big;
    for (const auto& section : info.sections) {
      if (section.type != SHT_ARM_ATTRIBUTES) continue;
      if (auto wants = too_much(read_arm_attributes(section_bytes(bytes, section, subject), order), target.goarm))
        return "is for " + *wants;
    }
  }
  return go_violation(read_go_build_info(bytes, info, subject), target);
}

}  // namespace

std::string isa_description(const IsaTarget& target) {
  if (target.goarch == "arm")
    return target.goarm == "5"   ? "ARMv5TE without floating point"
           : target.goarm == "6" ? "ARMv6KZ, VFPv2"
                                 : "ARMv7-A, VFPv3-D16";
  if (target.goarch == "arm64") return "AArch64, ARMv8.0-A";
  if (target.goarch == "amd64") return "x86-64, first level";
  if (target.goarch == "riscv64") return "RISC-V, RVA20U64";
  if (target.goarch == "ppc64le") return "PowerPC 64 little-endian, POWER8";
  return elf_machine_name(elf_target(target.goarch).machine);
}

std::optional<std::string> isa_violation(std::string_view elf_bytes, const IsaTarget& target) {
  if (!is_elf(elf_bytes)) return std::nullopt;
  elf_target(target.goarch);  // throws for an unknown target, which is not a property of the file
  try {
    return judge(elf_bytes, target);
  } catch (const Error& error) {
    const std::string& message = error.message();
    return "is a damaged ELF file: " +
           (message.starts_with(subject + ": ") ? message.substr(subject.size() + 2) : message);
  }
}

}  // namespace k8simg
