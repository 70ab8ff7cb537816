// Tests ELF files: synthetic ones of both classes and byte orders, real programs, and damage at every offset.
#include "elf/elf.hpp"

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "support/catch.hpp"
#include "support/failure.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

/// Writes an ELF file field by field (System V gABI, figures 4-3, 4-8 and 5-1).
struct Maker {
  bool wide = true, little = true;
  std::uint16_t machine = 62;
  std::string interpreter;
  std::vector<std::uint64_t> tags;  ///< of the dynamic section, with any value; empty: none
  /// The same with values instead of `tags`; 0 for DT_STRTAB (5) is the address of the section names.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> entries = {};
  std::vector<std::string> sections;  ///< besides the null section and .shstrtab

  std::string bytes;
  void put(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * (little ? i : width - 1 - i));
  }
  int word() const { return wide ? 8 : 4; }
  void program(std::uint32_t type, std::uint64_t offset, std::uint64_t size) {
    put(type, 4);
    if (wide) put(5, 4);
    put(offset, word()), put(0, word()), put(0, word()), put(size, word()), put(size, word());
    if (!wide) put(5, 4);
    put(1, word());
  }
  void section(std::uint64_t name, std::uint32_t type, std::uint64_t offset, std::uint64_t size) {
    put(name, 4), put(type, 4), put(0, word()), put(0, word()), put(offset, word()), put(size, word());
    put(0, 4), put(0, 4), put(1, word()), put(0, word());
  }

  std::string make() {
    bytes.clear();
    auto table = entries;
    for (const auto tag : tags) table.emplace_back(tag, 0x42);
    const std::uint64_t header = wide ? 64 : 52, entry = wide ? 56 : 32;
    const unsigned programs = 1 + (interpreter.empty() ? 0 : 1) + (table.empty() ? 0 : 1);
    std::string names = std::string(1, '\0') + ".shstrtab" + '\0';
    std::vector<std::uint64_t> name_offsets;
    for (const auto& name : sections) name_offsets.push_back(names.size()), names += name + '\0';
    const std::uint64_t interpreter_at = header + programs * entry,
                        interpreter_size = interpreter.empty() ? 0 : interpreter.size() + 1;
    const std::uint64_t dynamic_at = interpreter_at + interpreter_size,
                        dynamic_size = table.size() * 2 * static_cast<unsigned>(word());
    const std::uint64_t names_at = dynamic_at + dynamic_size, sections_at = names_at + names.size();

    bytes = std::string(
                "\x7f"
                "ELF") +
            static_cast<char>(wide ? 2 : 1) + static_cast<char>(little ? 1 : 2) + '\1' + std::string(9, '\0');
    put(2, 2), put(machine, 2), put(1, 4), put(0x1000, word()), put(header, word()), put(sections_at, word());
    put(0x5000200, 4), put(header, 2), put(entry, 2), put(programs, 2), put(wide ? 64 : 40, 2),
        put(2 + sections.size(), 2), put(1, 2);
    program(1, 0, names_at + names.size());
    if (!interpreter.empty()) program(3, interpreter_at, interpreter_size);
    if (!table.empty()) program(2, dynamic_at, dynamic_size);
    if (!interpreter.empty()) bytes += interpreter + '\0';
    for (const auto& [tag, value] : table) put(tag, word()), put(tag == 5 && value == 0 ? names_at : value, word());
    bytes += names;
    section(0, 0, 0, 0);
    section(1, 3, names_at, names.size());
    for (const auto offset : name_offsets) section(offset, 1, 0, 0);
    return bytes;
  }
};

std::string program_on_this_machine(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("headers of both classes and byte orders") {
  for (const bool wide : {false, true}) {
    for (const bool little : {false, true}) {
      INFO(wide << little);
      Maker maker{.wide = wide,
                  .little = little,
                  .machine = 40,
                  .interpreter = {},
                  .tags = {},
                  .sections = {".text", ".rodata"},
                  .bytes = {}};
      const ElfInfo info = read_elf(maker.make(), "x");
      CHECK(info.bits == (wide ? 64 : 32));
      CHECK(info.little_endian == little);
      CHECK(info.type == 2);
      CHECK(info.machine == 40);
      CHECK(info.flags == 0x5000200);
      CHECK(info.interpreter.empty());
      CHECK_FALSE(info.dynamic);
      std::vector<std::string> names;
      for (const auto& section : info.sections) names.push_back(section.name);
      CHECK(names == std::vector<std::string>{"", ".shstrtab", ".text", ".rodata"});
      CHECK(info.sections[1].type == 3);
      CHECK(info.has_section(".text"));
      CHECK_FALSE(info.has_section(".tex"));

      maker.interpreter = "/lib/ld.so";
      maker.tags = {5, 1, 0, 1};
      maker.sections = {".symtab"};
      const ElfInfo dynamic = read_elf(maker.make(), "x");
      CHECK(dynamic.interpreter == "/lib/ld.so");
      CHECK(dynamic.dynamic);
      CHECK(dynamic.has_section(".symtab"));
    }
  }
}

TEST_CASE("the bytes of a section") {
  for (const bool wide : {false, true}) {
    INFO(wide);
    Maker maker{.wide = wide, .interpreter = {}, .tags = {}, .sections = {".text"}, .bytes = {}};
    const std::string bytes = maker.make();
    ElfSection names = read_elf(bytes, "x").sections.at(1);
    CHECK(section_bytes(bytes, names, "x") == std::string("\0.shstrtab\0.text\0", 17));
    names.size = bytes.size();
    CHECK(contains(failure([&] { section_bytes(bytes, names, "x"); }), "x: section .shstrtab is beyond the end"));
    names.offset = ~std::uint64_t{0};
    CHECK(contains(failure([&] { section_bytes(bytes, names, "x"); }), "beyond the end"));
    names.type = 8;  // SHT_NOBITS only has a size in memory
    CHECK(section_bytes(bytes, names, "x").empty());
  }
}

TEST_CASE("needed libraries and the soname of both classes and byte orders") {
  for (const bool wide : {false, true}) {
    for (const bool little : {false, true}) {
      INFO(wide << little);
      // Names are taken from the table of section names, which has ".shstrtab" at offset 1.
      Maker maker{.wide = wide, .little = little, .interpreter = {}, .tags = {}, .sections = {}, .bytes = {}};
      maker.entries = {{1, 1}, {14, 4}, {1, 10}, {5, 0}, {0, 0}, {1, 2}};
      const std::string whole = maker.make();
      CHECK(read_elf(whole, "x").dynamic);
      const auto linkage = read_linkage(whole, "x");
      REQUIRE(linkage);
      CHECK(linkage->needed == std::vector<std::string>{".shstrtab", ""});
      CHECK(linkage->soname == "strtab");
      for (std::size_t length = 0; length < whole.size(); ++length) {
        std::string text;
        try {
          read_linkage(std::string_view(whole).substr(0, length), "x");
        } catch (const Error& error) {
          text = error.message();
        }
        CHECK((text.empty() || text.starts_with("x: ")));
      }
    }
  }
}

TEST_CASE("damaged names of a dynamic section are refused") {
  const auto said = [](const std::vector<std::pair<std::uint64_t, std::uint64_t>>& entries) {
    Maker maker{.interpreter = {}, .tags = {}, .sections = {}, .bytes = {}};
    maker.entries = entries;
    const std::string bytes = maker.make();
    return failure([&] { read_linkage(bytes, "x"); });
  };
  CHECK(contains(said({{1, 1}}), "x: its dynamic section has names but no string table"));
  CHECK(contains(said({{1, 1}, {5, 0x10000}}), "a string table outside of its segments"));
  CHECK(contains(said({{1, 0x10000}, {5, 0}}), "is outside of the file"));
  CHECK(contains(said({{14, ~std::uint64_t{0}}, {5, 0}}), "is outside of the file"));
  Maker without{.interpreter = {}, .tags = {}, .sections = {}, .bytes = {}};
  CHECK_FALSE(read_linkage(without.make(), "x"));
}

TEST_CASE("many threads may read at once") {
  Maker maker{.interpreter = "/lib/ld.so", .tags = {1, 0}, .sections = {".text"}, .bytes = {}};
  const std::string bytes = maker.make();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) good += read_elf(bytes, "x").has_section(".text");
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == 200);
}

TEST_CASE("a dynamic section without needed libraries is static-pie, and what follows its end does not count") {
  Maker maker{.interpreter = {}, .tags = {5, 0, 1}, .sections = {}, .bytes = {}};
  CHECK_FALSE(read_elf(maker.make(), "x").dynamic);
}

TEST_CASE("a file cut off anywhere is refused with its name") {
  for (const bool wide : {false, true}) {
    Maker maker{
        .wide = wide, .interpreter = "/lib/ld.so", .tags = {1, 0}, .sections = {".text", ".symtab"}, .bytes = {}};
    const std::string whole = maker.make();
    for (std::size_t length = 0; length < whole.size(); ++length) {
      INFO(length << " of " << whole.size());
      const std::string text = failure([&] { read_elf(whole.substr(0, length), "kubelet"); });
      CHECK(text.starts_with("kubelet: "));
    }
  }
}

TEST_CASE("a segment beyond the end is refused though all headers are there") {
  // Go's linker writes the section headers first, so only the segments show that the end is missing.
  Maker maker{.interpreter = {}, .tags = {}, .sections = {}, .bytes = {}};
  std::string bytes = maker.make();
  bytes[64 + 32 + 2] = 1;  // p_filesz of the PT_LOAD segment: 64 KiB more
  CHECK(contains(failure([&] { read_elf(bytes, "etcd"); }), "etcd: "));
}

TEST_CASE("any byte changed to anything either reads or is refused") {
  Maker maker{.interpreter = "/lib/ld.so", .tags = {1, 0}, .sections = {".text", ".symtab"}, .bytes = {}};
  const std::string whole = maker.make();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(value);
      try {
        read_elf(bytes, "x");
      } catch (const Error& error) {
        ++refused;
        CHECK(error.kind() == ErrorKind::Step);
      }
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("what is no ELF file is refused") {
  Maker maker;
  std::string bytes = maker.make();
  CHECK(contains(failure([&] { read_elf("", "a"); }), "a: not an ELF file"));
  CHECK(contains(failure([&] { read_elf("#!/bin/sh\n" + std::string(100, ' '), "a"); }), "not an ELF file"));
  std::string odd_class = bytes, odd_order = bytes;
  odd_class[4] = 3, odd_order[5] = 0;
  CHECK(contains(failure([&] { read_elf(odd_class, "a"); }), "unknown ELF class"));
  CHECK(contains(failure([&] { read_elf(odd_order, "a"); }), "unknown ELF byte order"));
  // Headers of size 0, and 65,535 of them.
  std::string no_size = bytes;
  no_size[58] = no_size[59] = 0;                                         // e_shentsize
  no_size[60] = no_size[61] = static_cast<char>(0xff), no_size[62] = 0;  // e_shnum, e_shstrndx
  CHECK(contains(failure([&] { read_elf(no_size, "a"); }), "a: "));
  std::string no_program_size = bytes;
  no_program_size[54] = 0;  // e_phentsize
  CHECK(contains(failure([&] { read_elf(no_program_size, "a"); }), "a: "));
}

TEST_CASE("programs of this machine") {
  const std::string bytes = program_on_this_machine("/bin/true");
  REQUIRE(bytes.size() > 1000);
  const ElfInfo info = read_elf(bytes, "true");
  CHECK(info.dynamic);
  CHECK(contains(info.interpreter, "ld-linux"));
  CHECK(info.has_section(".text"));
  CHECK_FALSE(info.has_section(".symtab"));
  // Headers are at both ends, so every truncation is detected.
  for (std::size_t length = 0; length < bytes.size();
       length += length < 2000 || length + 3000 > bytes.size() ? 1 : 61) {
    INFO(length);
    CHECK_FALSE(failure([&] { read_elf(std::string_view(bytes).substr(0, length), "true"); }).empty());
  }
  // This test program is not stripped.
  CHECK(read_elf(program_on_this_machine("/proc/self/exe"), "test").has_section(".symtab"));
  // The dynamic loader needs no library and no loader.
  const ElfInfo loader = read_elf(program_on_this_machine(info.interpreter), "loader");
  CHECK_FALSE(loader.dynamic);
  CHECK(loader.interpreter.empty());
  CHECK(loader.type == 3);
}

TEST_CASE("machines have names and architectures have machines") {
  CHECK(elf_machine_name(62) == "x86-64");
  CHECK(elf_machine_name(183) == "AArch64");
  CHECK(elf_machine_name(0x1234) == "machine 0x1234");
  CHECK(elf_target("arm").machine == 40);
  CHECK(elf_target("arm").bits == 32);
  CHECK(elf_target("s390x").little_endian == false);
  for (const char* name : {"amd64", "arm", "arm64", "386", "ppc64le", "riscv64", "s390x"})
    CHECK_FALSE(elf_machine_name(elf_target(name).machine).starts_with("machine"));
  CHECK(contains(failure([] { elf_target("mips"); }), "mips"));
}
