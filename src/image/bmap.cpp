// Block maps: which blocks of an image must be written. Format: bmap-tools' bmap file 2.0 (its own comment header and
// BmapCreate).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "image/image.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t block = 4096;

std::string hash_range(int fd, std::uint64_t start, std::uint64_t end, const std::string& name) {
  Sha256 hash;
  std::string buffer(1 << 20, '\0');
  read_range(fd, {static_cast<off_t>(start), static_cast<off_t>(end)}, name, buffer,
             [&](std::string_view bytes, off_t) { hash.update(bytes); });
  return hash.finish().hex();
}

}  // namespace

std::string make_bmap(const Store& store, const Value& blob, const std::string& file_name,
                      const std::vector<ByteRange>& unused) {
  const std::uint64_t blocks = (blob.size + block - 1) / block;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> mapped;  // first and last block
  std::uint64_t next = 0;
  for (const ByteRange& hole : unused) {
    const std::uint64_t first = (hole.start + block - 1) / block, end = (hole.start + hole.size) / block;
    if (end <= first) continue;
    if (first > next) mapped.emplace_back(next, first - 1);
    next = end;
  }
  if (next < blocks) mapped.emplace_back(next, blocks - 1);

  std::uint64_t count = 0;
  std::string ranges;
  const auto path = store.path(blob.digest);
  const Fd fd = Fd::open(path, O_RDONLY);
  for (const auto& [first, last] : mapped) {
    count += last - first + 1;
    const std::string range = first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
    ranges +=
        fmt::format("    <Range chksum=\"{}\"> {} </Range>\n",
                    hash_range(fd.get(), first * block, std::min(blob.size, (last + 1) * block), path.string()), range);
  }
  // The file's own checksum is taken with zeros in its place.
  const std::string zeros(64, '0');
  const std::string text = fmt::format(
      "<?xml version=\"1.0\" ?>\n"
      "<!-- Block map of {}: only these blocks need to be written. -->\n"
      "<bmap version=\"2.0\">\n"
      "  <ImageSize> {} </ImageSize>\n"
      "  <BlockSize> {} </BlockSize>\n"
      "  <BlocksCount> {} </BlocksCount>\n"
      "  <MappedBlocksCount> {} </MappedBlocksCount>\n"
      "  <ChecksumType> sha256 </ChecksumType>\n"
      "  <BmapFileChecksum> {} </BmapFileChecksum>\n"
      "  <BlockMap>\n{}  </BlockMap>\n"
      "</bmap>\n",
      // Two hyphens in a row would end an XML comment; the second pass parts those that the first put side by side.
      replace_all(replace_all(file_name, "--", "- -"), "--", "- -"), blob.size, block, blocks, count, zeros, ranges);
  return replace_all(text, "<BmapFileChecksum> " + zeros, "<BmapFileChecksum> " + sha256(text).hex());
}

}  // namespace k8simg
