// Tests small formats: [Install] sections, presets, capabilities, the library cache, ELF sonames.
#include <cstring>
#include <fstream>
#include <sstream>

#include <elf.h>

#include "rootfs/capabilities.hpp"
#include "rootfs/library_cache.hpp"
#include "rootfs/openssl.hpp"
#include "rootfs/shared_object.hpp"
#include "rootfs/unit_file.hpp"
#include "support/catch.hpp"

using namespace k8simg::rootfs;

TEST_CASE("install sections and presets") {
  const auto section = read_install_section(
      "[Unit]\nWantedBy=no\n[Install]\n# c\nWantedBy=a.target \\\n  "
      "b.target\nAlias=x.service\nAlso=y.socket\nDefaultInstance=tty1\n[Service]\nAlso=no\n");
  CHECK(section.wanted_by == std::vector<std::string>{"a.target", "b.target"});
  CHECK(section.alias == std::vector<std::string>{"x.service"});
  CHECK(section.also == std::vector<std::string>{"y.socket"});
  CHECK(section.default_instance == "tty1");
  CHECK(read_install_section("[Install]\nWantedBy=a\nWantedBy=\nWantedBy=b\n").wanted_by ==
        std::vector<std::string>{"b"});
  CHECK(template_of("getty@tty1.service") == "getty@.service");
  CHECK(instance_of("getty@tty1.service") == "tty1");
  CHECK(instance_of("ssh.service").empty());
  CHECK(with_instance("getty@.service", "tty2") == "getty@tty2.service");
  const auto presets = read_presets("# c\nenable getty@.service tty1 tty2\ndisable *\nnonsense x\n");
  REQUIRE(presets.size() == 2);
  CHECK(presets[0].enable);
  CHECK(presets[0].instances == std::vector<std::string>{"tty1", "tty2"});
  CHECK(presets[1].glob == "*");
}

TEST_CASE("file capabilities are the bytes that setcap writes") {
  // getfattr -e hex of /bin/ping after `setcap cap_net_raw+ep`: revision 2 with the effective bit, permitted 1 << 13.
  CHECK(capability_attribute("cap_net_raw+ep") ==
        std::string("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20));
  const auto both = capability_attribute("cap_net_admin,cap_bpf=ep");
  REQUIRE(both);
  CHECK((*both)[5] == 0x10);                      // 1 << 12
  CHECK((*both)[12] == static_cast<char>(0x80));  // 1 << 39 is bit 7 of the second word
  CHECK(capability_attribute("cap_net_raw=p")->at(0) == 0);
  for (const auto* wrong : {"", "net_raw+ep", "cap_unknown+ep", "cap_net_raw", "+ep", "cap_net_raw+x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(capability_attribute(wrong));
  }
}

TEST_CASE("library names compare with numbers as numbers") {
  CHECK(compare_library_names("libc.so.6", "libc.so.10") < 0);
  CHECK(compare_library_names("libc.so.6", "libc.so.6") == 0);
  CHECK(compare_library_names("libz.so.1", "liba.so.2") > 0);
  CHECK(compare_library_names("lib1", "liba") > 0);
  CHECK(compare_library_names("lib", "lib1") < 0);
}

TEST_CASE("the library cache has glibc's layout: header, entries in reverse order, shared string tails, generator") {
  const auto bytes = library_cache_bytes(
      {{"liba.so.1", "/lib/liba.so.1", 0x303}, {"libb.so.2", "/lib/libb.so.2", 0x303}}, "ldconfig test");
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, 4);
    return value;
  };
  CHECK(bytes.substr(0, 20) == "glibc-ld.so.cache1.1");
  CHECK(word(20) == 2);
  CHECK(word(24) == 30);  // two paths of 15 bytes; the sonames are their suffixes
  CHECK(word(28) == 2);
  CHECK(word(32) == 128);
  CHECK(word(48) == 0x303);
  CHECK(std::string(bytes.c_str() + word(52)) == "libb.so.2");
  CHECK(std::string(bytes.c_str() + word(56)) == "/lib/libb.so.2");
  CHECK(std::string(bytes.c_str() + word(76)) == "liba.so.1");
  CHECK(word(128) == 0xeaa42174);
  CHECK(bytes.substr(word(144), word(148)) == "ldconfig test");
  CHECK(bytes.size() == word(144) + word(148));
}

TEST_CASE("the soname of a real shared object, and nothing of anything else") {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::ostringstream self;
  self << file.rdbuf();
  const auto object = read_shared_object(self.str());  // a position independent program: dynamic, without a soname
  if (object) CHECK(object->soname.empty());

  struct Image {
    Elf64_Ehdr header{};
    Elf64_Phdr load{}, dynamic{};
    Elf64_Dyn entries[3]{};
    char strings[32] = "\0libx.so.3";
  } image;
  std::memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_ident[EI_CLASS] = ELFCLASS64;
  image.header.e_ident[EI_DATA] = ELFDATA2LSB;
  image.header.e_ident[EI_VERSION] = EV_CURRENT;
  image.header.e_type = ET_DYN;
  image.header.e_machine = EM_X86_64;
  image.header.e_phoff = offsetof(Image, load);
  image.header.e_phentsize = sizeof(Elf64_Phdr);
  image.header.e_phnum = 2;
  image.load.p_type = PT_LOAD;
  image.load.p_vaddr = 0x1000;
  image.load.p_filesz = sizeof image;
  image.dynamic.p_type = PT_DYNAMIC;
  image.dynamic.p_offset = offsetof(Image, entries);
  image.dynamic.p_filesz = sizeof image.entries;
  image.entries[0].d_tag = DT_SONAME;
  image.entries[0].d_un.d_val = 1;
  image.entries[1].d_tag = DT_STRTAB;
  image.entries[1].d_un.d_ptr = 0x1000 + offsetof(Image, strings);
  const std::string bytes(reinterpret_cast<const char*>(&image), sizeof image);
  const auto found = read_shared_object(bytes);
  REQUIRE(found);
  CHECK(found->soname == "libx.so.3");
  CHECK(found->flags == 0x303);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    read_shared_object(std::string_view(bytes).substr(0, length));  // must not read out of bounds
  CHECK_FALSE(read_shared_object("#!/bin/sh\n"));
  CHECK_FALSE(read_shared_object(""));
}

TEST_CASE("MD5 as dpkg writes it") {
  CHECK(md5_hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK_FALSE(subject_hash("no certificate"));
}
