// Tests block maps: the exact text, and that bmaptool writes all mapped blocks.
#include <fmt/format.h>

#include <random>

#include "disk/disk_image.hpp"
#include "host_program.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes)
    byte = static_cast<char>(random() % 255 + 1);  // no zero bytes, so that unwritten blocks are detected
  return bytes;
}

/// Writes the image with bmaptool and compares each block: it must equal the image, or be zero if it is in `unused`.
void write_with_bmaptool(TestContext& context, const std::string& image, const std::vector<ByteRange>& unused) {
  const Value blob = context.store().put(image);
  const std::string map = make_bmap(context.store(), blob, "disk.img", unused);
  const fs::path folder = context.folder(), source = folder / "disk.img", target = folder / "written";
  write_file_atomically(source, image);
  write_file_atomically(folder / "disk.img.bmap", map);
  fs::remove(target);
  INFO(map);
  output_of({"bmaptool", "-q", "copy", "--no-verify", source.string(), target.string(), "--bmap",
             (folder / "disk.img.bmap").string()});
  fs::remove(target);
  output_of(
      {"bmaptool", "-q", "copy", "--bmap", (folder / "disk.img.bmap").string(), source.string(), target.string()});
  std::string written = read_file(target);
  REQUIRE(written.size() >= image.size());
  written.resize(image.size());
  std::string expected = image;
  for (const auto& range : unused) {
    const std::uint64_t first = (range.start + 4095) / 4096 * 4096, end = (range.start + range.size) / 4096 * 4096;
    for (std::uint64_t at = first; at < end && at < expected.size(); ++at) expected[at] = '\0';
  }
  CHECK((written == expected));
}

}  // namespace

TEST_CASE("the text of a block map") {
  TestContext context;
  const std::string image = random_bytes(5 * 4096 + 100, 1);
  const auto part = [&](std::size_t first, std::size_t end) {
    return sha256(std::string_view(image).substr(first * 4096, (end - first) * 4096)).hex();
  };
  // The second range covers only a part of block 3, so only block 2 is not mapped.
  const std::string map =
      make_bmap(context.store(), context.store().put(image), "disk.img", {{4096 - 10, 20}, {2 * 4096, 4096 + 50}});
  const std::string expected = fmt::format(R"(<?xml version="1.0"?>
<!-- Block map of disk.img: only these blocks need to be written. -->
<bmap version="2.0">
  <ImageSize> 20580 </ImageSize>
  <BlockSize> 4096 </BlockSize>
  <BlocksCount> 6 </BlocksCount>
  <MappedBlocksCount> 5 </MappedBlocksCount>
  <ChecksumType> sha256 </ChecksumType>
  <BmapFileChecksum> CHECKSUM </BmapFileChecksum>
  <BlockMap>
    <Range chksum="{}"> 0-1 </Range>
    <Range chksum="{}"> 3-5 </Range>
  </BlockMap>
</bmap>
)",
                                           part(0, 2), part(3, 6));
  CHECK(map ==
        replace_all(expected, "CHECKSUM", sha256(replace_all(expected, "CHECKSUM", std::string(64, '0'))).hex()));
}

TEST_CASE("bmaptool takes the map and writes what it must") {
  TestContext context;
  const std::string image = random_bytes(40 * 4096, 2);
  write_with_bmaptool(context, image, {});
  write_with_bmaptool(context, image, {{0, 4096}, {10 * 4096, 5 * 4096}, {39 * 4096, 4096}});
  write_with_bmaptool(context, image, {{4096, 4096}, {3 * 4096, 4096}, {5 * 4096 + 1, 4095}});
  write_with_bmaptool(context, random_bytes(3 * 4096 + 17, 3), {{4096, 4096}});
  write_with_bmaptool(context, random_bytes(3 * 4096 + 17, 3), {{3 * 4096, 17}});
  std::mt19937 random(4);
  for (int round = 0; round < 5; ++round) {
    std::vector<ByteRange> unused;
    for (std::uint64_t at = random() % 9000; at < 200000; at += random() % 30000 + 1) {
      const std::uint64_t size = random() % 40000;
      unused.push_back({at, size});
      at += size;
    }
    write_with_bmaptool(context, random_bytes(200000, static_cast<unsigned>(round) + 5), unused);
  }
}

TEST_CASE("an altered map or image is refused by bmaptool") {
  TestContext context;
  const std::string image = random_bytes(8 * 4096, 9);
  std::string map = make_bmap(context.store(), context.store().put(image), "disk.img", {{4096, 4096}});
  const auto accepted = [&](const std::string& bytes, const std::string& text) {
    write_file_atomically(context.folder() / "disk.img", bytes);
    write_file_atomically(context.folder() / "disk.img.bmap", text);
    fs::remove(context.folder() / "out");
    const Command command{.argv = {"bmaptool", "-q", "copy", "--bmap", (context.folder() / "disk.img.bmap").string(),
                                   (context.folder() / "disk.img").string(), (context.folder() / "out").string()},
                          .environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}}};
    return system_runner().run(command).exit_code == 0;
  };
  CHECK(accepted(image, map));
  std::string other = image;
  other[3 * 4096] = '\0';
  CHECK_FALSE(accepted(other, map));
  CHECK_FALSE(accepted(image, replace_all(map, " 2-7 ", " 2-6 ")));
  // A block that is not mapped may have any contents.
  other = image;
  other[4096] = '\0';
  CHECK(accepted(other, map));
}

TEST_CASE("a file name cannot break the map") {
  TestContext context;
  const Value blob = context.store().put(random_bytes(4096, 1));
  const std::string map = make_bmap(context.store(), blob, "a--b---c---->.img-", {});
  const auto comment = map.find("<!--") + 4;
  const std::string inside = map.substr(comment, map.find("-->", comment) - comment);
  CHECK_FALSE(contains(inside, "--"));
  CHECK(contains(inside, "only these blocks"));
}
