// Tests Go build information of programs made by the host's or the tools' compiler, and of synthetic sections.
#include "elf/go_build_info.hpp"

#include "support/catch.hpp"
#include "support/failure.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

std::string length(std::size_t value) {
  std::string bytes;
  do bytes += static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
  while (value >>= 7);
  return bytes;
}

const std::string magic("\xff Go buildinf:", 14);

/// The linker's format: lines between two markers of 16 bytes.
std::string section(const std::string& lines) {
  const std::string text = std::string(16, '\x30') + lines + std::string(16, '\xf9'), version = "go1.26.1";
  return magic + std::string("\x08\x02", 2) + std::string(16, '\0') + length(version.size()) + version +
         length(text.size()) + text;
}

std::optional<GoBuildInfo> read(const std::string& bytes) {
  ElfInfo info;
  info.sections = {{".go.buildinfo", 1, 0, bytes.size()}};
  return read_go_build_info(bytes, info, "prog");
}

}  // namespace

TEST_CASE("modules, replacements and settings") {
  const auto info =
      read(section("path\texample.org/x\nmod\texample.org/x\t(devel)\t\ndep\tz.org/last\tv2.0.0\th1:a=\ndep\tk8s.io/"
                   "api\tv0.0.0\n=>\tk8s.io/api\tv0.37.1\th1:b=\nbuild\tGOARCH=arm\nbuild\t-ldflags=\"-X a=b\"\n"));
  REQUIRE(info);
  CHECK(info->go == "go1.26.1");
  REQUIRE(info->modules.size() == 2);
  CHECK(info->modules[0].path == "k8s.io/api");
  CHECK(info->modules[0].version == "v0.37.1");
  CHECK(info->modules[1].path == "z.org/last");
  CHECK(info->setting("GOARCH") == "arm");
  CHECK(info->setting("-ldflags") == "\"-X a=b\"");
  CHECK(!info->setting("GOARM"));
}

TEST_CASE("a module that a folder stands in for keeps its name and version, and is known to be changed") {
  const auto info = read(
      section("path\tx\ndep\ta.org/x\tv1.0.0\th1:a=\n=>\t./.edited/a.org/x\t(devel)\t\ndep\tb.org/y\tv2.0.0\th1:b=\n"));
  REQUIRE(info);
  REQUIRE(info->modules.size() == 2);
  CHECK(info->modules[0].path == "a.org/x");
  CHECK(info->modules[0].version == "v1.0.0");
  CHECK(info->modules[0].changed);
  CHECK_FALSE(info->modules[1].changed);
}

TEST_CASE("without section headers it is found on a 16-byte boundary") {
  const std::string bytes = std::string(64, 'x') + section("path\tx\ndep\ta\tv1\t\n");
  const auto info = read_go_build_info(bytes, ElfInfo{}, "prog");
  REQUIRE(info);
  CHECK(info->modules.size() == 1);
  CHECK(!read_go_build_info("y" + bytes, ElfInfo{}, "prog"));
}

TEST_CASE("other programs have none, old ones say nothing, and damage is an error") {
  CHECK(!read("something else"));
  CHECK(!read(""));
  const auto old = read(magic + std::string("\x08\x00", 2) + std::string(16, '\0'));
  REQUIRE(old);
  CHECK(old->modules.empty());
  const std::string whole = section("dep\ta\tv1\t\n");
  for (std::size_t size = magic.size(); size < whole.size(); ++size)
    CHECK(contains(failure([&] { read(whole.substr(0, size)); }), "its Go build information is truncated"));
}
