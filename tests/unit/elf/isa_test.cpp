// Tests the audit of single files: build attributes and Go settings in synthetic ELF files, all kinds of boards, and
// damage at every offset.
#include "elf/isa.hpp"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/failure.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

const IsaTarget zero{"arm", "6"}, armv5{"arm", "5"}, armv7{"arm", "7"}, arm64{"arm64", ""}, pc{"amd64", ""};

using Tags = std::map<unsigned, unsigned>;

std::string number(std::uint64_t value) {
  std::string bytes;
  do bytes += static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
  while (value >>= 7);
  return bytes;
}

struct Elf {
  std::uint16_t machine = 40;
  bool wide = false, little = true;
  bool headers = true;                                        ///< with section headers
  std::vector<std::pair<std::string, std::string>> sections;  ///< name, content

  std::string bytes;
  void put(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * (little ? i : width - 1 - i));
  }
  /// Contents, 16-byte aligned, then names, then the section headers.
  std::string make() {
    const int word = wide ? 8 : 4;
    const std::size_t header = 64;  // enough for both classes
    std::string body, names(1, '\0');
    std::vector<std::size_t> offsets, name_offsets;
    for (const auto& [name, content] : sections) {
      body.resize((body.size() + 15) / 16 * 16);
      offsets.push_back(header + body.size()), name_offsets.push_back(names.size());
      body += content, names += name + '\0';
    }
    const std::size_t names_at = header + body.size(), names_name = names.size();
    names += std::string(".shstrtab") + '\0';
    bytes = std::string(
                "\x7f"
                "ELF") +
            static_cast<char>(wide ? 2 : 1) + static_cast<char>(little ? 1 : 2) + '\1' + std::string(9, '\0');
    put(2, 2), put(machine, 2), put(1, 4), put(0, word), put(0, word), put(headers ? names_at + names.size() : 0, word);
    put(0x5000200, 4), put(wide ? 64 : 52, 2), put(0, 2), put(0, 2), put(wide ? 64 : 40, 2),
        put(headers ? sections.size() + 2 : 0, 2), put(headers ? sections.size() + 1 : 0, 2);
    bytes.resize(header);
    bytes += body;
    if (!headers) return bytes;
    bytes += names;
    const auto section = [&](std::size_t name, std::uint32_t type, std::size_t at, std::size_t size) {
      put(name, 4), put(type, 4), put(0, word), put(0, word), put(at, word), put(size, word), put(0, 4), put(0, 4),
          put(1, word), put(0, word);
    };
    section(0, 0, 0, 0);
    for (std::size_t i = 0; i < sections.size(); ++i)
      section(name_offsets[i], sections[i].first == ".ARM.attributes" ? 0x70000003 : 1, offsets[i],
              sections[i].second.size());
    section(names_name, 3, names_at, names.size());
    return bytes;
  }
};

std::string word(std::size_t value, bool little = true) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> 8 * (little ? i : 3 - i));
  return bytes;
}

std::string vendor(const std::string& name, const std::string& content, bool little = true) {
  return word(4 + name.size() + 1 + content.size(), little) + name + '\0' + content;
}

std::string scope(unsigned tag, const std::string& content, bool little = true) {
  return static_cast<char>(tag) + word(5 + content.size(), little) + content;
}

/// Attributes like those of gcc for a file with these numbers, with a name and other tags around them.
std::string attributes(const Tags& tags, bool little = true) {
  std::string list = std::string(
                         "\x05"
                         "7-A") +
                     '\0';
  for (const auto& [tag, value] : tags) list += number(tag) + number(value);
  list += std::string("\x20\x01gnu", 5) + '\0' + number(34) + number(1) + number(67) + "2.09" + '\0';
  return "A" + vendor("aeabi", scope(1, list, little), little);
}

std::string arm(const Tags& tags) {
  return Elf{.sections = {{".text", "code"}, {".ARM.attributes", attributes(tags)}}, .bytes = {}}.make();
}

std::string go_section(const std::string& settings, const std::string& version = "go1.26") {
  return std::string("\xff Go buildinf:\x04\x02", 16) + std::string(16, '\0') + number(version.size()) + version +
         number(settings.size()) + settings;
}
std::string go_program(const std::string& settings, std::uint16_t machine = 40, bool wide = false) {
  return Elf{.machine = machine,
             .wide = wide,
             .sections = {{".text", "code"}, {".go.buildinfo", go_section(settings)}},
             .bytes = {}}
      .make();
}
std::string goarm(const std::string& value) {
  return "path\texample.org/x\nbuild\t-compiler=gc\nbuild\tGOARCH=arm\nbuild\tGOARM=" + value + "\n";
}

std::string judged(const std::string& bytes, const IsaTarget& target) {
  return isa_violation(bytes, target).value_or("runs");
}

}  // namespace

TEST_CASE("ARM1176 runs ARMv6KZ and ARMv6K with VFPv2, and nothing newer") {
  // Tag_CPU_arch; ARMv6T2 has the smaller number than ARMv6K, and Thumb-2.
  for (const unsigned good : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 9u}) {
    INFO(good);
    CHECK(judged(arm({{6, good}, {10, 2}}), zero) == "runs");
  }
  for (const unsigned bad : {8u, 10u, 11u, 12u, 13u, 14u, 15u, 16u, 17u, 18u, 19u, 20u, 21u, 22u, 23u, 1000u}) {
    INFO(bad);
    CHECK(judged(arm({{6, bad}}), zero) != "runs");
  }
  CHECK(judged(arm({{6, 10}, {7, 'A'}, {10, 3}, {12, 1}}), zero) == "is for ARMv7, VFPv3, NEON");
  CHECK(judged(arm({{6, 8}}), zero) == "is for ARMv6T2");
  CHECK(judged(arm({{6, 99}}), zero) == "is for a newer ARM");
  CHECK(judged(arm({{6, 6}, {12, 1}}), zero) == "is for ARMv6, NEON");
  for (const unsigned floating : {3u, 4u, 5u, 6u, 7u, 8u, 9u})
    CHECK(contains(judged(arm({{6, 6}, {10, floating}}), zero), "is for ARMv6, "));
  CHECK(contains(judged(arm({{6, 6}, {7, 'M'}}), zero), "microcontroller profile"));
  CHECK(contains(judged(arm({{6, 6}, {7, 'R'}}), zero), "real-time profile"));
  CHECK(judged(arm({{6, 6}, {7, 'S'}}), zero) == "runs");
}

TEST_CASE("ARMv5 has no floating point unit; ARMv7-A has 16 registers of it and no NEON that one could rely on") {
  CHECK(judged(arm({{6, 5}}), armv5) == "runs");
  CHECK(judged(arm({{6, 6}}), armv5) == "is for ARMv6");
  CHECK(judged(arm({{6, 4}, {10, 2}}), armv5) == "is for ARMv5TE, VFPv2");
  CHECK(judged(arm({{6, 10}, {7, 'A'}, {10, 4}}), armv7) == "runs");
  CHECK(judged(arm({{6, 8}, {10, 2}}), armv7) == "runs");
  CHECK(judged(arm({{6, 10}, {10, 3}}), armv7) == "is for ARMv7, VFPv3");
  CHECK(judged(arm({{6, 10}, {10, 4}, {12, 1}}), armv7) == "is for ARMv7, VFPv3-D16, NEON");
  CHECK(judged(arm({{6, 14}}), armv7) == "is for ARMv8-A");
  CHECK(judged(arm({{6, 11}}), armv7) == "is for ARMv6-M");
}

TEST_CASE("attributes: other vendors, single sections, other tags and byte orders") {
  const auto file = [](const std::string& section, bool little = true) {
    return Elf{.little = little, .sections = {{".ARM.attributes", section}}, .bytes = {}}.make();
  };
  const std::string v7 = number(6) + number(10);
  CHECK(judged(file("A" + vendor("ARM", scope(1, v7))), zero) == "runs");  // private to a toolchain
  CHECK(judged(file("A" + vendor("aeabi", scope(2, number(1) + number(0) + v7))), zero) == "runs");
  CHECK(judged(file("A" + vendor("ARM", "anything") + vendor("aeabi", scope(2, number(1)) + scope(1, v7))), zero) ==
        "is for ARMv7");
  CHECK(judged(file("A"), zero) == "runs");
  CHECK(judged(file(""), zero) == "runs");
  CHECK(judged(file(attributes({{200, 300}, {6, 10}, {198, 1}})), zero) == "is for ARMv7");  // numbers of two bytes
  CHECK(judged(Elf{.sections = {{".text", "code"}}, .bytes = {}}.make(), zero) == "runs");
  // Big-endian ARM does not run on a little-endian board with any attributes.
  CHECK(judged(file(attributes({{6, 4}}, false), false), zero) == "is for ARM, 32 bits, big-endian");
}

TEST_CASE("machines, classes and byte orders") {
  const auto file = [](std::uint16_t machine, bool wide, bool little = true) {
    return Elf{.machine = machine, .wide = wide, .little = little, .sections = {}, .bytes = {}}.make();
  };
  CHECK(judged(file(40, false), zero) == "runs");
  CHECK(judged(file(62, true), zero) == "is for x86-64, 64 bits");
  CHECK(judged(file(183, true), zero) == "is for AArch64, 64 bits");
  CHECK(judged(file(40, false), arm64) == "is for ARM, 32 bits");
  CHECK(judged(file(3, false), pc) == "is for x86, 32 bits");
  CHECK(judged(file(62, false), pc) == "is for x86-64, 32 bits");  // x32
  CHECK(judged(file(183, true, false), arm64) == "is for AArch64, 64 bits, big-endian");
  CHECK(judged(file(0x1234, true), pc) == "is for machine 0x1234, 64 bits");
  CHECK(judged(file(247, true), zero) == "runs");  // BPF: the kernel's own machine
  // Only ARM has these attributes: the section type has another meaning on other machines.
  CHECK(judged(Elf{.machine = 62, .wide = true, .sections = {{".ARM.attributes", attributes({{6, 10}})}}, .bytes = {}}
                   .make(),
               pc) == "runs");
  CHECK(contains(failure([&] { isa_violation(file(8, false), {"mips", ""}); }), "mips"));
}

TEST_CASE("Go programs say what they were built for") {
  CHECK(judged(go_program(goarm("6")), zero) == "runs");
  CHECK(judged(go_program(goarm("5")), zero) == "runs");
  CHECK(judged(go_program(goarm("6,softfloat")), zero) == "runs");
  CHECK(judged(go_program(goarm("7")), zero) == "is a Go program for GOARM=7");
  CHECK(judged(go_program(goarm("7,softfloat")), zero) == "is a Go program for GOARM=7,softfloat");
  CHECK(judged(go_program(goarm("7")), armv7) == "runs");
  CHECK(judged(go_program(goarm("6")), armv5) == "is a Go program for GOARM=6");
  CHECK(judged(go_program(goarm("5,hardfloat")), armv5) == "is a Go program for GOARM=5,hardfloat");
  CHECK(judged(go_program(goarm("8")), armv7) == "is a Go program for GOARM=8");
  CHECK(judged(go_program(goarm("")), zero) == "is a Go program for GOARM=");
  // The default of a cross compiler is 7.
  CHECK(judged(go_program("path\tx\n"), zero) == "is a Go program without a GOARM setting");
  CHECK(judged(go_program("xbuild\tGOARM=6\n"), zero) == "is a Go program without a GOARM setting");
  CHECK(judged(go_program("build\tGOARM=6"), zero) == "runs");  // without a newline at the end
  CHECK(judged(go_program("build\tGOARM64=v8.0\nbuild\tGOARM=6\n"), zero) == "runs");
  // Settings of more than 127 bytes have a length of two.
  CHECK(judged(go_program("dep\t" + std::string(300, 'm') + "\n" + goarm("7")), zero) == "is a Go program for GOARM=7");
  // Before Go 1.18: pointers instead of strings.
  CHECK(
      judged(Elf{.sections = {{".go.buildinfo", std::string("\xff Go buildinf:\x04\x00", 16) + std::string(16, '\0')}},
                 .bytes = {}}
                 .make(),
             zero) == "is a Go program without a GOARM setting");
  // A section that only has the name.
  CHECK(judged(Elf{.sections = {{".go.buildinfo", "nothing"}}, .bytes = {}}.make(), zero) == "runs");
}

TEST_CASE("other architectures have levels too") {
  CHECK(judged(go_program("build\tGOARM64=v8.0\n", 183, true), arm64) == "runs");
  CHECK(judged(go_program("", 183, true), arm64) == "runs");
  CHECK(judged(go_program("build\tGOARM64=v8.1\n", 183, true), arm64) == "is a Go program for GOARM64=v8.1");
  CHECK(judged(go_program("build\tGOAMD64=v1\n", 62, true), pc) == "runs");
  CHECK(judged(go_program("build\tGOAMD64=v3\n", 62, true), pc) == "is a Go program for GOAMD64=v3");
}

TEST_CASE("without section headers the build information is found all the same") {
  Elf elf{.headers = false, .sections = {{"text", "0123456789"}, {"info", go_section(goarm("7"))}}, .bytes = {}};
  CHECK(judged(elf.make(), zero) == "is a Go program for GOARM=7");
  elf.sections = {{"text", " \xff Go buildinf: is what Go programs look for"}};  // not aligned: a string in a program
  CHECK(judged(elf.make(), zero) == "runs");
}

TEST_CASE("what is no ELF file is nobody's business; a damaged one cannot run") {
  for (const char* bytes : {"", "\x7f",
                            "\x7f"
                            "EL",
                            "#!/bin/sh\nexit 0\n", "!<arch>\n", "MZ"})
    CHECK(judged(bytes, zero) == "runs");
  CHECK(judged("\x7f"
               "ELF",
               zero) == "is a damaged ELF file: not an ELF file");
  for (const std::string& whole : {arm({{6, 10}}), go_program(goarm("7"))}) {
    REQUIRE(judged(whole, zero) != "runs");
    for (std::size_t length = 4; length < whole.size(); ++length) {
      INFO(length << " of " << whole.size());
      CHECK(contains(judged(whole.substr(0, length), zero), "is a damaged ELF file: "));
    }
  }
  // Valid headers with damaged contents.
  const auto file = [](const std::string& name, const std::string& content) {
    return Elf{.sections = {{name, content}}, .bytes = {}}.make();
  };
  const std::string section = attributes({{6, 4}});
  for (std::size_t length = 2; length < section.size(); ++length)
    CHECK(contains(judged(file(".ARM.attributes", section.substr(0, length)), zero), "ARM build attributes"));
  CHECK(contains(judged(file(".ARM.attributes", "B"), zero), "an unknown version"));
  CHECK(contains(judged(file(".ARM.attributes", "A" + word(3)), zero), "too small"));
  CHECK(contains(judged(file(".ARM.attributes", "A" + vendor("aeabi", "\1" + word(4))), zero), "too small"));
  CHECK(contains(judged(file(".ARM.attributes", "A" + vendor("aeabi", scope(1, std::string(11, '\x80')))), zero),
                 "more than 64 bits"));
  const std::string settings = go_section(goarm("6"));
  for (std::size_t length = 14; length < settings.size(); ++length)
    CHECK(contains(judged(file(".go.buildinfo", settings.substr(0, length)), zero),
                   "its Go build information is truncated"));
}

TEST_CASE("a program of this machine is for no other") {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  CHECK(contains(judged(bytes, {"s390x", ""}), "is for "));
}

TEST_CASE("a board's processor in words") {
  CHECK(isa_description(zero) == "ARMv6KZ, VFPv2");
  CHECK(isa_description(armv7) == "ARMv7-A, VFPv3-D16");
  CHECK(contains(isa_description(armv5), "without floating point"));
  CHECK(contains(isa_description(arm64), "AArch64"));
  CHECK(contains(isa_description(pc), "x86-64"));
  CHECK(isa_description({"riscv64", ""}) == "RISC-V, RVA20U64");
  CHECK(contains(isa_description({"ppc64le", ""}), "POWER8"));
  CHECK(isa_description({"s390x", ""}) == "S/390");
}

TEST_CASE("levels of RISC-V and POWER: the first, which Go takes when nobody says anything, and no higher") {
  const auto program = [](std::uint16_t machine, const std::string& setting) {
    return go_program("build\t" + setting + "\n", machine, true);
  };
  const IsaTarget riscv{"riscv64", ""}, power{"ppc64le", ""};
  CHECK(judged(program(243, "GORISCV64=rva20u64"), riscv) == "runs");
  CHECK(judged(program(243, "GOARCH=riscv64"), riscv) == "runs");
  CHECK(judged(program(243, "GORISCV64=rva22u64"), riscv) == "is a Go program for GORISCV64=rva22u64");
  CHECK(judged(program(21, "GOPPC64=power8"), power) == "runs");
  CHECK(judged(program(21, "GOPPC64=power10"), power) == "is a Go program for GOPPC64=power10");
}
