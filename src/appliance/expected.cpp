// Parses manifest.json. Every field is validated, since the file may have been edited.
#include "appliance/expected.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "appliance/filesystems.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

/// A field of the document with its path, for messages.
class Field {
 public:
  Field(const json& value, std::string place, const std::string& file)
      : value_(value), place_(std::move(place)), file_(file) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::Usage, fmt::format("{}: {} {}", file_, place_.empty() ? "the document" : place_, what),
                "it is not a manifest.json that `k8simg build` wrote: build the image again");
  }
  bool has(const char* key) const { return object().contains(key); }
  Field at(const std::string& key) const {
    const auto found = object().find(key);
    if (found == object().end()) fail(fmt::format("has no \"{}\"", key));
    return {*found, place_.empty() ? key : place_ + "." + key, file_};
  }
  const json& object() const {
    if (!value_.is_object()) fail("is not an object");
    return value_;
  }
  const json& array() const {
    if (!value_.is_array()) fail("is not an array");
    return value_;
  }
  std::string text() const {
    if (!value_.is_string()) fail("is not a string");
    return value_.get<std::string>();
  }
  std::uint64_t number() const {
    if (!value_.is_number_unsigned()) fail("is not a number of zero or more");
    return value_.get<std::uint64_t>();
  }
  std::int64_t time() const {
    if (!value_.is_number_integer()) fail("is not a whole number");
    return value_.get<std::int64_t>();
  }
  std::uint32_t id() const {
    const std::uint64_t value = number();
    if (value > 0xffffffff) fail("is larger than 32 bits");
    return static_cast<std::uint32_t>(value);
  }
  std::uint32_t octal() const {
    const std::string digits = text();
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    if (error != std::errc() || end != digits.data() + digits.size() || value > 07777)
      fail(fmt::format("\"{}\" is not a mode such as \"0644\"", digits));
    return value;
  }
  Digest digest() const {
    const auto digest = Digest::parse(text());
    if (!digest) fail("is not a SHA-256 of 64 digits");
    return *digest;
  }
  std::string hex() const {
    std::string digits = text();
    if (digits.size() % 2 || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
      fail("is not hexadecimal");
    return digits;
  }
  std::string bytes() const { return from_hex(hex()).value(); }
  Field item(const std::string& key, const json& value) const { return {value, place_ + "[" + key + "]", file_}; }

 private:
  const json& value_;
  std::string place_;
  const std::string& file_;
};

/// Names of partition types: the Discoverable Partitions Specification for GPT, one-byte types for dos. This table is
/// independent of the writer's on purpose.
std::string partition_type(const Field& field, const std::string& table) {
  static const std::map<std::string, std::string> gpt = {{"esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
                                                         {"linux", "0fc63daf-8483-4772-8e79-3d69d8477de4"},
                                                         {"root-x86-64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"},
                                                         {"root-arm64", "b921b045-1df0-41c3-af44-4c6f280d3fae"},
                                                         {"root-arm", "69dad710-2ce4-4e3c-b16c-21a1d49abed3"},
                                                         {"root-ppc64-le", "c31c45e6-3f39-412e-80fb-4809c4980599"},
                                                         {"root-riscv64", "72ec70a6-cf74-40e6-bd49-4bda08e8f224"},
                                                         {"root-s390x", "5eead9a9-fe09-4a1e-a1d7-520d00531306"}};
  static const std::map<std::string, std::string> dos = {
      {"esp", "0xef"}, {"linux", "0x83"}, {"root", "0x83"}, {"fat32-lba", "0xc"}};
  std::string type = field.text();
  const auto& known = table == "gpt" ? gpt : dos;
  if (const auto found = known.find(type); found != known.end()) return found->second;
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (table == "gpt" && type.size() == 36) return type;
  unsigned value = 0;
  if (table == "dos" && type.starts_with("0x")) {
    const auto [end, error] = std::from_chars(type.data() + 2, type.data() + type.size(), value, 16);
    if (error == std::errc() && end == type.data() + type.size() && value <= 0xff) return fmt::format("0x{:x}", value);
  }
  field.fail(fmt::format("\"{}\" is not a known type of a {} partition", type, table));
}

PathState parse_path(const Field& field, bool owners, std::int64_t epoch) {
  static const std::vector<std::string> types{"file", "directory", "symlink", "char", "block", "fifo"};
  PathState path;
  path.type = field.at("type").text();
  if (std::find(types.begin(), types.end(), path.type) == types.end())
    field.at("type").fail(fmt::format("\"{}\" is not a type of file", path.type));
  if (field.has("origin")) path.origin = field.at("origin").text();
  if (path.type == "file") path.size = field.at("size").number(), path.sha256 = field.at("sha256").digest();
  if (path.type == "symlink") path.target = field.at("target").text();
  if (path.type == "char" || path.type == "block") path.device = field.at("device").text();
  if (!owners) return path;
  path.mode = field.at("mode").octal();
  path.uid = field.at("uid").id(), path.gid = field.at("gid").id();
  // The image writer clamps times to source_date_epoch.
  path.mtime = std::min(field.at("mtime").time(), epoch);
  if (field.has("xattrs")) {
    const Field xattrs = field.at("xattrs");
    for (const auto& [name, value] : xattrs.object().items()) path.xattrs[name] = xattrs.item(name, value).hex();
  }
  return path;
}

PartitionState parse_partition(const Field& field, const std::string& table, std::int64_t epoch) {
  PartitionState partition;
  partition.name = field.at("name").text();
  partition.start = field.at("start").number(), partition.size = field.at("size").number();
  partition.type = partition_type(field.at("type"), table);
  partition.partuuid = field.at("partuuid").text();
  partition.filesystem = field.at("filesystem").text();
  partition.label = field.at("label").text(), partition.uuid = field.at("uuid").text();
  const Field paths = field.at("paths");
  for (const auto& [path, value] : paths.object().items()) {
    const Field entry = paths.item(path, value);
    if (!path.starts_with('/') || path.size() < 2) entry.fail("is not an absolute path");
    partition.paths[path] = parse_path(entry, readable_filesystem(partition.filesystem).has_owners, epoch);
  }
  return partition;
}

std::vector<Manifest::Area> parse_areas(const Field& areas, std::uint64_t disk_size) {
  std::vector<Manifest::Area> list;
  std::uint64_t end = 0;
  for (const auto& value : areas.array()) {
    const Field entry = areas.item(std::to_string(list.size()), value);
    Manifest::Area area{.name = entry.at("name").text(),
                        .start = entry.at("start").number(),
                        .size = entry.at("size").number(),
                        .sha256 = {},
                        .bytes = {}};
    if (area.start != end)
      entry.at("start").fail(fmt::format("is {}, where the area before ends at {}", area.start, end));
    if (area.size == 0 || area.size > disk_size - end) entry.at("size").fail("is 0, or more than is left of the disk");
    if (entry.has("sha256"))
      area.sha256 = entry.at("sha256").digest();
    else
      area.bytes = entry.at("hex").bytes();
    if (area.bytes.size() > area.size) entry.at("hex").fail("has more bytes than the area");
    end += area.size;
    list.push_back(std::move(area));
  }
  if (end != disk_size) areas.fail(fmt::format("ends at byte {} of {}", end, disk_size));
  return list;
}

}  // namespace

Manifest parse_manifest(std::string_view text, const std::string& name) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::exception& error) {
    throw Error(ErrorKind::Usage, fmt::format("{} is not JSON: {}", name, error.what()),
                "give the manifest.json that was built with the image");
  }
  const Field root(document, "", name);
  if (const std::uint64_t format = root.at("format").number(); format != 1) {
    throw Error(ErrorKind::Usage, fmt::format("{} has format {}, this k8simg reads format 1", name, format),
                "verify with the k8simg that built the image");
  }
  Manifest manifest;
  manifest.defconfig = root.at("name").text();
  const std::int64_t epoch = root.at("source_date_epoch").time();
  const Field artifacts = root.at("artifacts");
  for (const auto& [file, value] : artifacts.object().items()) {
    const Field entry = artifacts.item(file, value);
    manifest.artifacts[file] = {entry.at("size").number(), entry.at("sha256").digest()};
  }
  const Field disk = root.at("disk");
  manifest.image.table = disk.at("table").text();
  if (manifest.image.table != "gpt" && manifest.image.table != "dos")
    disk.at("table").fail("is neither \"gpt\" nor \"dos\"");
  manifest.image.size = disk.at("size").number();
  if (disk.has("sector_size")) manifest.sector_size = disk.at("sector_size").number();
  if (manifest.sector_size != 512 && manifest.sector_size != 4096)
    disk.at("sector_size").fail("is neither 512 nor 4096");
  const Field partitions = disk.at("partitions");
  std::size_t index = 0;
  for (const auto& value : partitions.array()) {
    manifest.image.partitions.push_back(
        parse_partition(partitions.item(std::to_string(index++), value), manifest.image.table, epoch));
  }
  if (disk.has("areas")) manifest.areas = parse_areas(disk.at("areas"), manifest.image.size);
  std::sort(manifest.image.partitions.begin(), manifest.image.partitions.end(),
            [](const auto& a, const auto& b) { return a.start < b.start; });
  return manifest;
}

std::string manifest_text(const std::string& bytes) {
  if (std::all_of(bytes.begin(), bytes.end(), [](unsigned char c) { return c < 0x80; })) return bytes;
  return json::parse(json(bytes).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

}  // namespace k8simg
