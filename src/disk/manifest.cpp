// Writes manifest.json and the layout that steps pass to each other.
#include "disk/manifest.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "util/bytes.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

json describe_area(const DiskArea& area) {
  json entry{{"name", area.name}, {"start", area.start}, {"size", area.size}};
  if (area.digest)
    entry["sha256"] = area.digest->hex();
  else
    entry["hex"] = to_hex(area.bytes);
  return entry;
}

DiskArea parse_area(const json& entry) {
  DiskArea area{
      .name = entry.at("name"), .start = entry.at("start"), .size = entry.at("size"), .digest = {}, .bytes = {}};
  const std::string digits = entry.at(entry.contains("sha256") ? "sha256" : "hex");
  if (entry.contains("sha256")) {
    area.digest = Digest::parse(digits);
    if (!area.digest) throw Error(ErrorKind::Internal, "malformed disk layout: no SHA-256");
    return area;
  }
  const auto bytes = from_hex(digits);
  if (!bytes) throw Error(ErrorKind::Internal, "malformed disk layout: no hexadecimal digits");
  area.bytes = *bytes;
  return area;
}

json describe_node(const Node& node, bool owners) {
  json entry{{"type", type_name(node.type)}, {"origin", node.origin.text()}};
  if (node.type == NodeType::File) entry["size"] = node.size, entry["sha256"] = node.content.hex();
  if (node.type == NodeType::Symlink) entry["target"] = node.target;
  if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice)
    entry["device"] = fmt::format("{}:{}", node.major, node.minor);
  if (!owners) return entry;
  entry["mode"] = fmt::format("{:04o}", node.mode);
  entry["uid"] = node.uid, entry["gid"] = node.gid, entry["mtime"] = node.mtime;
  for (const auto& [name, value] : node.xattrs) entry["xattrs"][name] = to_hex(value);
  return entry;
}

/// dump() that writes U+FFFD for bytes that are not UTF-8 and does not throw.
std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// {"a": ..., "b": ...} with one entry per line.
std::string lines(const std::vector<std::pair<std::string, json>>& entries, const std::string& indent) {
  std::string text = "{";
  for (std::size_t i = 0; i < entries.size(); ++i) {
    text +=
        fmt::format("{}\n{}{}: {}", i ? "," : "", indent, text_of(json(entries[i].first)), text_of(entries[i].second));
  }
  return text + "}";
}

}  // namespace

std::string make_manifest(const ManifestInput& input) {
  std::string text = "{\n";
  text += fmt::format(
      "\"format\": 1,\n\"name\": {},\n\"board\": {},\n\"k8simg\": {},\n\"kernel\": {},\n\"source_date_epoch\": {},\n",
      text_of(input.defconfig), text_of(input.board), text_of(input.version), text_of(input.kernel_release),
      input.source_date_epoch);
  std::vector<std::pair<std::string, json>> artifacts;
  for (const auto& [file, value] : input.artifacts)
    artifacts.emplace_back(file, json{{"size", value.size}, {"sha256", value.digest.hex()}});
  text += "\"artifacts\": " + lines(artifacts, " ") + ",\n";

  text += fmt::format("\"disk\": {{\"table\": {}, \"size\": {}, ", text_of(input.table), input.layout.size);
  if (input.sector_size != 512) text += fmt::format("\"sector_size\": {}, ", input.sector_size);
  text += "\"partitions\": [";
  for (std::size_t i = 0; i < input.partitions.size(); ++i) {
    const auto& place = input.layout.partitions.at(i);
    const auto& partition = input.partitions[i];
    const bool owners = filesystem(partition.filesystem).has_owners;
    text += fmt::format(
        "{}\n {{\"name\": {}, \"start\": {}, \"size\": {}, \"type\": {}, \"partuuid\": {}, \"filesystem\": {}, "
        "\"label\": {}, \"uuid\": {},\n  \"paths\": ",
        i ? "," : "", text_of(partition.name), place.start, place.size, text_of(place.type), text_of(place.partuuid),
        text_of(partition.filesystem), text_of(partition.label), text_of(partition.uuid));
    std::vector<std::pair<std::string, json>> paths;
    for (const auto& [path, node] : partition.tree->nodes())
      paths.emplace_back("/" + path, describe_node(node, owners));
    text += lines(paths, "   ") + "}";
  }
  text += "], \"areas\": [";
  for (std::size_t i = 0; i < input.layout.areas.size(); ++i)
    text += (i ? ",\n " : "\n ") + text_of(describe_area(input.layout.areas[i]));
  text += "]},\n";

  const auto list = [&](const char* key, const std::vector<json>& entries) {
    text += fmt::format("\"{}\": [", key);
    for (std::size_t i = 0; i < entries.size(); ++i) text += (i ? ",\n " : "\n ") + text_of(entries[i]);
    text += "]";
  };
  std::vector<json> packages, components;
  for (const auto& p : input.packages)
    packages.push_back({{"name", p.name},
                        {"version", p.version},
                        {"architecture", p.architecture},
                        {"source", p.source},
                        {"sha256", p.sha256.hex()}});
  for (const auto& [name, version] : input.components) components.push_back({{"name", name}, {"version", version}});
  list("packages", packages);
  text += ",\n";
  list("components", components);
  return text + "\n}\n";
}

std::string serialise_layout(const DiskLayout& layout) {
  json partitions = json::array();
  for (const auto& p : layout.partitions)
    partitions.push_back(
        {{"name", p.name}, {"start", p.start}, {"size", p.size}, {"type", p.type}, {"partuuid", p.partuuid}});
  json areas = json::array();
  for (const auto& area : layout.areas) areas.push_back(describe_area(area));
  return json{{"size", layout.size}, {"partitions", partitions}, {"areas", areas}}.dump();
}

DiskLayout parse_layout(std::string_view text) {
  try {
    const json value = json::parse(text);
    DiskLayout layout{.size = value.at("size"), .partitions = {}, .areas = {}};
    for (const auto& p : value.at("partitions"))
      layout.partitions.push_back({p.at("name"), p.at("start"), p.at("size"), p.at("type"), p.at("partuuid")});
    for (const auto& area : value.at("areas")) layout.areas.push_back(parse_area(area));
    return layout;
  } catch (const json::exception& error) {
    throw Error(ErrorKind::Internal, std::string("malformed disk layout: ") + error.what());
  }
}

}  // namespace k8simg
