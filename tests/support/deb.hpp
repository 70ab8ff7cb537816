// Makes .debs in memory, also such as no packaging tool would make. Format: deb(5), uncompressed.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace k8simg::test {

struct TarMember {
  std::string name, content;
  char type = '0';  ///< '0' file, '1' hard link, '2' symlink, '3' and '4' devices, '5' folder, 'S' sparse file
  unsigned mode = 0644;
  std::string link;
  std::map<std::string, std::string> xattrs;
  std::uint64_t size = UINT64_MAX;  ///< that the header says; default: that of the content
  std::uint64_t hole = 0;           ///< 'S': length of the file, all of which is a hole
};

/// One header of 512 bytes and the content. Names of up to 100 bytes.
inline std::string tar_block(const TarMember& member) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  const std::uint64_t size = member.size == UINT64_MAX ? member.content.size() : member.size;
  put(0, member.name.substr(0, 100));
  put(100, fmt::format("{:07o}", member.mode));
  put(108, "0000000"), put(116, "0000000");
  if (size < (std::uint64_t{1} << 33)) {
    put(124, fmt::format("{:011o}", size));
  } else {  // GNU's form of large numbers
    block[124] = '\x80';
    for (int i = 0; i < 8; ++i) block[static_cast<std::size_t>(135 - i)] = static_cast<char>(size >> (8 * i) & 0xff);
  }
  put(136, fmt::format("{:011o}", 1700000000));
  block[156] = member.type;
  put(157, member.link.substr(0, 100));
  put(257, "ustar  ");
  if (member.type == '3' || member.type == '4') put(329, "0000010"), put(337, "0000001");
  if (member.type == 'S') {
    put(386, fmt::format("{:011o}", member.hole)), put(398, fmt::format("{:011o}", 0));
    put(483, fmt::format("{:011o}", member.hole));
  }
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  block += member.content;
  block.resize((block.size() + 511) / 512 * 512);
  return block;
}

inline std::string tar_of(const std::vector<TarMember>& members) {
  std::string bytes;
  for (const auto& member : members) {
    if (!member.xattrs.empty()) {
      std::string records;
      for (const auto& [name, value] : member.xattrs) {
        const std::string rest = " SCHILY.xattr." + name + "=" + value + "\n";
        std::size_t length = rest.size() + 1;
        while (std::to_string(length).size() + rest.size() != length) ++length;  // counts its own digits
        records += std::to_string(length) + rest;
      }
      bytes += tar_block({.name = "./PaxHeaders/x", .content = records, .type = 'x'});
    }
    if (member.link.size() > 100)
      bytes += tar_block({.name = "././@LongLink", .content = member.link + '\0', .type = 'K'});
    if (member.name.size() > 100)
      bytes += tar_block({.name = "././@LongLink", .content = member.name + '\0', .type = 'L'});
    bytes += tar_block(member);
  }
  return bytes + std::string(1024, '\0');
}

inline std::string ar_member(const std::string& name, const std::string& bytes) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, 1700000000, 0, 0, "100644", bytes.size()) + bytes +
         (bytes.size() % 2 != 0 ? "\n" : "");
}

/// `more`: further control files by name.
inline std::string deb_of(const std::string& control, const std::vector<TarMember>& data,
                          const std::map<std::string, std::string>& more = {}) {
  std::vector<TarMember> members{{.name = "./control", .content = control}};
  for (const auto& [name, text] : more)
    members.push_back({.name = "./" + name, .content = text, .mode = name == "conffiles" ? 0644u : 0755u});
  return "!<arch>\n" + ar_member("debian-binary", "2.0\n") + ar_member("control.tar", tar_of(members)) +
         ar_member("data.tar", tar_of(data));
}

/// A package with one file. `more`: further lines of the control file.
inline std::string small_deb(const std::string& name, const std::string& version, const std::string& more = "",
                             const std::string& architecture = "amd64") {
  return deb_of(fmt::format("Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: x <x@host.example>\n{}"
                            "Description: a test\n",
                            name, version, architecture, more),
                {{.name = "./usr/", .type = '5', .mode = 0755},
                 {.name = "./usr/share/", .type = '5', .mode = 0755},
                 {.name = "./usr/share/" + name, .content = version}});
}

}  // namespace k8simg::test
