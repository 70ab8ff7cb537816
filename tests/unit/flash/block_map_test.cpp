// Tests reading block maps, and the errors for damaged ones.
#include "flash/block_map.hpp"

#include "flashing.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::string complaint(const std::string& text) {
  const Failure failure = failure_of([&] { parse_block_map(text, "a.bmap"); });
  CHECK(failure.kind == ErrorKind::Fetch);
  return failure.text;
}

std::string changed(const std::string& text, const std::string& from, const std::string& to) {
  REQUIRE(contains(text, from));
  return replace_all(text, from, to);
}

}  // namespace

TEST_CASE("a block map is read") {
  const std::string image = random_bytes(10 * 4096 + 100, 1);
  const std::string text = map_text(image, {{0, 2}, {4, 4}, {9, 10}});
  const BlockMap map = parse_block_map(text, "a.bmap");
  CHECK(map.image_size == image.size());
  CHECK(map.block_size == 4096);
  REQUIRE(map.ranges.size() == 3);
  CHECK(map.ranges[0].start == 0);
  CHECK(map.ranges[0].size == 3 * 4096);
  CHECK(map.ranges[1].start == 4 * 4096);
  CHECK(map.ranges[1].size == 4096);
  CHECK(map.ranges[2].size == 4096 + 100);  // the last block is a part of one
  CHECK(map.mapped_bytes() == 5 * 4096 + 100);
  for (const auto& range : map.ranges)
    CHECK(range.digest == sha256(std::string_view(image).substr(range.start, range.size)));
  check_own_checksum(text, map, "a.bmap");
  // Comments, whitespace and unknown elements of a later version 2.x are ignored.
  CHECK(parse_block_map(changed(text, "<BlockMap>", "<New>1</New><BlockMap><!-- x -->"), "a.bmap").ranges.size() == 3);
}

TEST_CASE("a whole image as a map") {
  const BlockMap map = whole_image(12345);
  REQUIRE(map.ranges.size() == 1);
  CHECK(map.mapped_bytes() == 12345);
  CHECK_FALSE(map.ranges[0].digest);
}

TEST_CASE("what is wrong with a block map is said") {
  const std::string text = map_text(random_bytes(10 * 4096, 2), {{0, 2}, {4, 5}});
  CHECK(contains(complaint(""), "is not XML"));
  CHECK(contains(complaint("hello"), "a.bmap:1: is not XML"));
  CHECK(contains(complaint(text.substr(0, text.size() / 2)), "is not XML"));
  CHECK(contains(complaint("<html/>"), "is not a block map"));
  CHECK(
      contains(complaint("<!DOCTYPE bmap [<!ENTITY a \"4096\">]>" + text.substr(text.find("<bmap"))), "document type"));
  CHECK(contains(complaint(changed(text, "version=\"2.0\"", "version=\"1.4\"")),
                 "a.bmap:3: is a block map of version \"1.4\""));
  CHECK(contains(complaint(changed(text, "<bmap version=\"2.0\">", "<bmap>")), "version \"\""));
  CHECK(contains(complaint(changed(text, " sha256 ", " md5 ")), "\"md5\"; only sha256"));
  CHECK(contains(complaint(changed(text, "<BlockSize> 4096 </BlockSize>", "")), "there is no <BlockSize>"));
  CHECK(contains(complaint(changed(text, "<BlockSize> 4096 </BlockSize>",
                                   "<BlockSize>4096</BlockSize><BlockSize>4096</BlockSize>")),
                 "second <BlockSize>"));
  CHECK(contains(complaint(changed(text, "> 4096 <", "> 4k <")),
                 "a.bmap:5: <BlockSize> holds \"4k\", which is not a number"));
  CHECK(contains(complaint(changed(text, "> 4096 <", "> 0 <")), "block size 0"));
  CHECK(contains(complaint(changed(text, "> 4096 <", "> 1000 <")), "block size 1000"));
  CHECK(contains(complaint(changed(text, "> 40960 <", "> 0 <")), "size of the image"));
  CHECK(contains(complaint(changed(text, "> 40960 <", "> 18446744073709551615 <")), "size of the image"));
  CHECK(contains(complaint(changed(text, "> 40960 <", "> 99999999999999999999 <")), "not a number"));
  CHECK(contains(complaint(changed(text, "> 40960 <", "> -1 <")), "not a number"));
  CHECK(contains(complaint(changed(text, "<BlocksCount> 10 <", "<BlocksCount> 11 <")), "states 11 blocks"));
  CHECK(contains(complaint(changed(text, "<MappedBlocksCount> 5 <", "<MappedBlocksCount> 6 <")),
                 "states 6 mapped blocks, but its ranges have 5"));
  CHECK(contains(complaint(changed(text, "<BmapFileChecksum> ", "<BmapFileChecksum> 0")), "BmapFileChecksum"));
}

TEST_CASE("invalid ranges are refused with their line") {
  const std::string text = map_text(random_bytes(10 * 4096, 3), {{0, 2}, {4, 5}});
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> 5-4 <")), "a.bmap:12: the range 5-4 ends before it begins"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> 2-3 <")), "overlaps or precedes"));
  CHECK(contains(complaint(changed(text, "> 0-2 <", "> 6-8 <")),
                 "the range 4-5 overlaps or precedes the one before it, which ends at block 8"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> 9-10 <")), "exceeds the image, whose last block is 9"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> 4-18446744073709551615 <")), "exceeds the image"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> x <")), "not a number"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> 4-5-6 <")), "not a number"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "> - <")), "not a number"));
  CHECK(contains(complaint(changed(text, "> 4-5 <", "><")), "not a number"));
  CHECK(contains(complaint(changed(text, "chksum", "sum")), "a.bmap:11: the range 0-2 has no chksum"));
  CHECK(contains(complaint(changed(text, "chksum=\"", "chksum=\"z")), "is not a SHA-256"));
  CHECK(contains(complaint(changed(changed(text, "<Range", "<Rang"), "Range>", "Rang>")), "<Rang> instead of <Range>"));
  const auto from = text.find("<BlockMap>"), to = text.find("</BlockMap>");
  CHECK(contains(complaint(std::string(text).replace(from, to - from, "<BlockMap>")), "maps no block"));
}

TEST_CASE("a changed byte is noticed by the file's own checksum") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path file = folder.path() / "a.bmap";
  const std::string text = map_text(random_bytes(10 * 4096, 4), {{0, 2}, {4, 5}});
  write_file_atomically(file, text);
  CHECK(read_block_map(file).ranges.size() == 2);
  write_file_atomically(file, changed(text, "A map.", "A nap."));
  const Failure failure = failure_of([&] { read_block_map(file); });
  CHECK(failure.kind == ErrorKind::Fetch);
  CHECK(contains(failure.text, "is damaged: its SHA-256 is not its BmapFileChecksum"));
}
