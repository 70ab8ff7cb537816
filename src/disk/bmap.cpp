// Writes block maps: the blocks of a disk image that must be written, as XML. Format: version 2.0 of bmap-tools' files
// (the comment in its files, and BmapCreate).
#include <fcntl.h>
#include <fmt/format.h>
#include <libxml/xmlwriter.h>
#include <unistd.h>

#include <memory>
#include <new>

#include "disk/disk_image.hpp"
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

/// Writes an XML document into memory with libxml2, indented, with a space before and after each text.
class MapWriter {
 public:
  MapWriter() : buffer_(xmlBufferCreate(), xmlBufferFree), writer_(nullptr, xmlFreeTextWriter) {
    if (buffer_) writer_.reset(xmlNewTextWriterMemory(buffer_.get(), 0));
    if (!writer_) throw std::bad_alloc();
    check(xmlTextWriterSetIndent(writer_.get(), 1));
    check(xmlTextWriterSetIndentString(writer_.get(), chars("  ")));
    check(xmlTextWriterStartDocument(writer_.get(), nullptr, nullptr, nullptr));
  }

  void comment(const std::string& text) { check(xmlTextWriterWriteComment(writer_.get(), chars(text))); }
  void start(const char* name) { check(xmlTextWriterStartElement(writer_.get(), chars(name))); }
  void end() { check(xmlTextWriterEndElement(writer_.get())); }
  void attribute(const char* name, const std::string& value) {
    check(xmlTextWriterWriteAttribute(writer_.get(), chars(name), chars(value)));
  }
  void text(const std::string& text) { check(xmlTextWriterWriteString(writer_.get(), chars(" " + text + " "))); }
  void element(const char* name, const std::string& content) {
    start(name);
    text(content);
    end();
  }
  void element(const char* name, std::uint64_t number) { element(name, std::to_string(number)); }

  /// Ends all elements and returns the document. Nothing can be written after it.
  std::string finish() {
    check(xmlTextWriterEndDocument(writer_.get()));
    writer_.reset();  // flushes
    return {reinterpret_cast<const char*>(xmlBufferContent(buffer_.get())),
            static_cast<std::size_t>(xmlBufferLength(buffer_.get()))};
  }

 private:
  static const xmlChar* chars(const std::string& text) { return reinterpret_cast<const xmlChar*>(text.c_str()); }
  static void check(int written) {
    if (written < 0) throw Error(ErrorKind::Internal, "libxml2 cannot write a block map");
  }

  std::unique_ptr<xmlBuffer, decltype(&xmlBufferFree)> buffer_;
  std::unique_ptr<xmlTextWriter, decltype(&xmlFreeTextWriter)> writer_;
};

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
  for (const auto& [first, last] : mapped) count += last - first + 1;
  // The checksum of the file itself is computed with zeros in its place.
  const std::string zeros(64, '0');
  MapWriter map;
  // Two consecutive hyphens would end an XML comment. The second pass separates hyphens that the first left adjacent.
  map.comment(fmt::format(" Block map of {}: only these blocks need to be written. ",
                          replace_all(replace_all(file_name, "--", "- -"), "--", "- -")));
  map.start("bmap");
  map.attribute("version", "2.0");
  map.element("ImageSize", blob.size);
  map.element("BlockSize", block);
  map.element("BlocksCount", blocks);
  map.element("MappedBlocksCount", count);
  map.element("ChecksumType", "sha256");
  map.element("BmapFileChecksum", zeros);
  map.start("BlockMap");
  const auto path = store.path(blob.digest);
  const Fd fd = Fd::open(path, O_RDONLY);
  for (const auto& [first, last] : mapped) {
    map.start("Range");
    map.attribute("chksum",
                  hash_range(fd.get(), first * block, std::min(blob.size, (last + 1) * block), path.string()));
    map.text(first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
    map.end();
  }
  const std::string text = map.finish();
  return replace_all(text, "<BmapFileChecksum> " + zeros, "<BmapFileChecksum> " + sha256(text).hex());
}

}  // namespace k8simg
