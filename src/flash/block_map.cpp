// Reads block maps with libxml2, which handles encodings, comments and entities, is fuzzed upstream, and is already
// required by libguestfs. Documents with a DTD are refused, so no entity is expanded or loaded.
#include "flash/block_map.hpp"

#include <fmt/format.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#include <bit>
#include <charconv>
#include <memory>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::size_t largest_map = std::size_t{64} << 20;  ///< enough for a terabyte in scattered blocks
constexpr const char* remake = "make the map again with the image, or write all of the image with --no-bmap";

struct FreeXml {
  void operator()(xmlParserCtxt* context) const { xmlFreeParserCtxt(context); }
  void operator()(xmlDoc* document) const { xmlFreeDoc(document); }
  void operator()(xmlChar* text) const { xmlFree(text); }
};

/// An XML document; errors name file and line.
class MapReader {
 public:
  MapReader(std::string_view text, std::string name) : name_(std::move(name)) {
    if (text.size() > largest_map)
      throw at_line(0, fmt::format("is {} long, which is too large for a block map", format_size(text.size())));
    context_.reset(xmlNewParserCtxt());
    if (!context_) throw std::bad_alloc();
    document_.reset(xmlCtxtReadMemory(context_.get(), text.data(), static_cast<int>(text.size()), "map", nullptr,
                                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES));
    if (!document_) {
      const xmlError* why = xmlCtxtGetLastError(context_.get());
      throw at_line(why ? why->line : 0,
                    "is not XML: " + std::string(why && why->message ? trim(why->message) : "it is empty"));
    }
    if (document_->intSubset || document_->extSubset)
      throw at_line(0, "has a document type, which block maps do not have");
  }

  xmlNode* root() const { return xmlDocGetRootElement(document_.get()); }

  static std::string tag(const xmlNode* node) { return reinterpret_cast<const char*>(node->name); }

  static std::string content(xmlNode* node) {
    const std::unique_ptr<xmlChar, FreeXml> text(xmlNodeGetContent(node));
    return text ? std::string(trim(reinterpret_cast<const char*>(text.get()))) : std::string();
  }

  static std::optional<std::string> attribute(xmlNode* node, const char* name) {
    const std::unique_ptr<xmlChar, FreeXml> text(xmlGetProp(node, reinterpret_cast<const xmlChar*>(name)));
    if (!text) return std::nullopt;
    return std::string(trim(reinterpret_cast<const char*>(text.get())));
  }

  /// The only child element with this name.
  xmlNode* child(xmlNode* parent, const char* name) const {
    xmlNode* found = nullptr;
    for (xmlNode* node = parent->children; node; node = node->next) {
      if (node->type != XML_ELEMENT_NODE || tag(node) != name) continue;
      if (found) throw error(node, fmt::format("there is a second <{}>", name));
      found = node;
    }
    if (!found) throw error(parent, fmt::format("there is no <{}>", name));
    return found;
  }

  std::uint64_t number(const xmlNode* node, std::string_view text) const {
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size())
      throw error(node, fmt::format("<{}> holds \"{}\", which is not a number", tag(node), text));
    return value;
  }

  std::uint64_t number_in(xmlNode* parent, const char* name) const {
    xmlNode* node = child(parent, name);
    return number(node, content(node));
  }

  Error at_line(long line, const std::string& what) const {
    return Error(ErrorKind::Fetch, (line > 0 ? fmt::format("{}:{}: ", name_, line) : name_ + ": ") + what, remake);
  }
  Error error(const xmlNode* node, const std::string& what) const { return at_line(xmlGetLineNo(node), what); }

 private:
  std::string name_;
  std::unique_ptr<xmlParserCtxt, FreeXml> context_;
  std::unique_ptr<xmlDoc, FreeXml> document_;
};

MappedRange read_range(const MapReader& reader, xmlNode* node, const BlockMap& map, std::uint64_t blocks,
                       std::uint64_t next) {
  const std::string text = MapReader::content(node);
  const auto dash = text.find('-');
  const std::uint64_t first = reader.number(node, trim(std::string_view(text).substr(0, dash)));
  const std::uint64_t last =
      dash == std::string::npos ? first : reader.number(node, trim(std::string_view(text).substr(dash + 1)));
  if (last < first) throw reader.error(node, fmt::format("the range {} ends before it begins", text));
  if (last >= blocks)
    throw reader.error(node, fmt::format("the range {} exceeds the image, whose last block is {}", text, blocks - 1));
  if (first < next)
    throw reader.error(node, fmt::format("the range {} overlaps or precedes the one before it, which ends at block {}",
                                         text, next - 1));
  const auto checksum = MapReader::attribute(node, "chksum");
  if (!checksum) throw reader.error(node, fmt::format("the range {} has no chksum", text));
  const auto digest = Digest::parse(*checksum);
  if (!digest)
    throw reader.error(node, fmt::format("the chksum \"{}\" of the range {} is not a SHA-256", *checksum, text));
  const std::uint64_t start = first * map.block_size;
  const std::uint64_t room = map.image_size - start;  // the last block may be incomplete
  const std::uint64_t count = last - first + 1;
  return {start, count > room / map.block_size ? room : count * map.block_size, digest};
}

}  // namespace

std::uint64_t BlockMap::mapped_bytes() const {
  std::uint64_t sum = 0;
  for (const MappedRange& range : ranges) sum += range.size;
  return sum;
}

BlockMap parse_block_map(std::string_view text, const std::string& name) {
  const MapReader reader(text, name);
  xmlNode* root = reader.root();
  if (!root || MapReader::tag(root) != "bmap")
    throw reader.at_line(0, "is not a block map: its root element is not <bmap>");
  const std::string version = MapReader::attribute(root, "version").value_or("");
  if (version.rfind("2.", 0) != 0)
    throw reader.error(root, fmt::format("is a block map of version \"{}\"; only 2.x is supported", version));
  xmlNode* type = reader.child(root, "ChecksumType");
  if (MapReader::content(type) != "sha256")
    throw reader.error(type,
                       fmt::format("its checksums are \"{}\"; only sha256 is supported", MapReader::content(type)));

  BlockMap map;
  map.image_size = reader.number_in(root, "ImageSize");
  map.block_size = reader.number_in(root, "BlockSize");
  // Offsets must fit into off_t.
  if (map.image_size == 0 || map.image_size > std::uint64_t{1} << 62)
    throw reader.error(root, fmt::format("the size of the image, {}, is invalid", map.image_size));
  if (map.block_size < 512 || map.block_size > std::uint64_t{1} << 30 || !std::has_single_bit(map.block_size))
    throw reader.error(root, fmt::format("the block size {} is not a power of two of at least 512", map.block_size));
  const std::uint64_t blocks = (map.image_size + map.block_size - 1) / map.block_size;
  const std::uint64_t stated = reader.number_in(root, "BlocksCount"),
                      stated_mapped = reader.number_in(root, "MappedBlocksCount");
  if (stated != blocks)
    throw reader.error(root, fmt::format("it states {} blocks, but {} bytes are {} blocks of {}", stated,
                                         map.image_size, blocks, map.block_size));
  map.file_checksum = MapReader::content(reader.child(root, "BmapFileChecksum"));
  if (!Digest::parse(map.file_checksum))
    throw reader.error(root, fmt::format("its BmapFileChecksum \"{}\" is not a SHA-256", map.file_checksum));

  std::uint64_t next = 0, mapped = 0;
  xmlNode* list = reader.child(root, "BlockMap");
  for (xmlNode* node = list->children; node; node = node->next) {
    if (node->type != XML_ELEMENT_NODE) continue;
    if (MapReader::tag(node) != "Range")
      throw reader.error(node, fmt::format("<{}> instead of <Range>", MapReader::tag(node)));
    const MappedRange range = read_range(reader, node, map, blocks, next);
    const std::uint64_t count = (range.size + map.block_size - 1) / map.block_size;
    next = range.start / map.block_size + count;
    mapped += count;
    map.ranges.push_back(range);
  }
  if (map.ranges.empty()) throw reader.error(list, "it maps no block at all");
  if (mapped != stated_mapped)
    throw reader.error(list, fmt::format("it states {} mapped blocks, but its ranges have {}", stated_mapped, mapped));
  return map;
}

void check_own_checksum(std::string_view text, const BlockMap& map, const std::string& name) {
  std::string blank(text);
  const auto element = blank.find("<BmapFileChecksum");
  const auto at = element == std::string::npos ? element : blank.find(map.file_checksum, element);
  if (at != std::string::npos) {
    blank.replace(at, map.file_checksum.size(), map.file_checksum.size(), '0');
    if (sha256(blank) == Digest::parse(map.file_checksum)) return;
  }
  throw Error(ErrorKind::Fetch, fmt::format("{} is damaged: its SHA-256 is not its BmapFileChecksum", name), remake);
}

BlockMap read_block_map(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  const BlockMap map = parse_block_map(text, file.string());
  check_own_checksum(text, map, file.string());
  return map;
}

BlockMap whole_image(std::uint64_t size) {
  return {
      .image_size = size, .block_size = 512, .ranges = {{.start = 0, .size = size, .digest = {}}}, .file_checksum = {}};
}

}  // namespace k8simg
