// Compares partition table, partitions and paths, and describes the differences.
#include "appliance/compare.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "appliance/filesystems.hpp"

namespace k8simg {

namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

class Differences {
 public:
  explicit Differences(std::vector<std::string>& lines) : lines_(lines) {}

  void add(const std::string& place, const std::string& what) { lines_.push_back(place + ": " + what); }
  /// `found` and `expected` are texts for the message.
  void compare(const std::string& place, const std::string& what, const std::string& found,
               const std::string& expected) {
    if (found != expected) add(place, fmt::format("{} {}, manifest says {}", what, found, expected));
  }

 private:
  std::vector<std::string>& lines_;
};

std::string from(const PathState& path) { return path.origin.empty() ? "" : fmt::format(" (from {})", path.origin); }

template <class Number>
void compare_number(Differences& differences, const std::string& place, const char* what, const char* format,
                    const std::optional<Number>& found, const std::optional<Number>& expected) {
  if (!found || !expected) return;
  differences.compare(place, what, fmt::format(fmt::runtime(format), *found),
                      fmt::format(fmt::runtime(format), *expected));
}

void compare_path(Differences& differences, const std::string& place, const PathState& expected,
                  const PathState& found) {
  if (found.type != expected.type) {
    differences.add(place, fmt::format("is a {}, manifest says {}{}", found.type, expected.type, from(expected)));
    return;
  }
  compare_number(differences, place, "mode", "{:04o}", found.mode, expected.mode);
  if ((found.uid && found.uid != expected.uid) || (found.gid && found.gid != expected.gid)) {
    differences.compare(place, "owner", fmt::format("{}:{}", *found.uid, *found.gid),
                        fmt::format("{}:{}", expected.uid.value_or(0), expected.gid.value_or(0)));
  }
  compare_number(differences, place, "modification time", "{}", found.mtime, expected.mtime);
  if (expected.type == "file") {
    if (found.size != expected.size) {
      differences.add(place, fmt::format("{} bytes, manifest says {}{}", found.size, expected.size, from(expected)));
    } else if (found.sha256 != expected.sha256) {
      const auto digits = [](const std::optional<Digest>& digest) {
        return digest ? digest->hex().substr(0, 16) + "..." : std::string("unreadable");
      };
      differences.add(place, fmt::format("SHA-256 {}, manifest says {}{}", digits(found.sha256),
                                         digits(expected.sha256), from(expected)));
    }
  }
  if (expected.type == "symlink") differences.compare(place, "link to", quoted(found.target), quoted(expected.target));
  if (!expected.device.empty()) differences.compare(place, "device", found.device, expected.device);
  for (const auto& [name, value] : expected.xattrs) {
    const auto there = found.xattrs.find(name);
    if (there == found.xattrs.end())
      differences.add(place, fmt::format("no attribute {}, manifest says {}{}", name, value, from(expected)));
    else
      differences.compare(place, "attribute " + name, there->second, value);
  }
  for (const auto& [name, value] : found.xattrs) {
    if (!expected.xattrs.contains(name))
      differences.add(place, fmt::format("attribute {} = {}, which the manifest does not name", name, value));
  }
}

/// The manifest does not list the root folder, since it is the same in every image.
void compare_top(Differences& differences, const std::string& name, const PathState& found) {
  PathState expected{.type = "directory", .mode = 0755, .uid = 0, .gid = 0};
  compare_path(differences, name + ": /", expected, found);
}

void compare_partition(Differences& differences, const std::string& name, const std::string& table,
                       const PartitionState& expected, const PartitionState& found) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  differences.compare(name, "starts at byte", number(found.start), number(expected.start));
  differences.compare(name, "size in bytes", number(found.size), number(expected.size));
  differences.compare(name, "partition type", found.type, expected.type);
  differences.compare(name, "PARTUUID", found.partuuid, expected.partuuid);
  if (table == "gpt") differences.compare(name, "partition name", quoted(found.name), quoted(expected.name));
  differences.compare(name, "filesystem", quoted(found.filesystem), quoted(expected.filesystem));
  differences.compare(name, "filesystem label", quoted(found.label), quoted(expected.label));
  differences.compare(name, "filesystem UUID", quoted(found.uuid), quoted(expected.uuid));
  for (const auto& fault : found.faults) differences.add(name, fault);
  if (!found.readable) {
    differences.add(name, fmt::format("{} paths could not be checked", expected.paths.size()));
    return;
  }

  // Both maps are sorted by path, and so are the differences.
  auto there = found.paths.begin();
  auto wanted = expected.paths.begin();
  while (there != found.paths.end() || wanted != expected.paths.end()) {
    if (wanted == expected.paths.end() || (there != found.paths.end() && there->first < wanted->first)) {
      if (there->first == "/")
        compare_top(differences, name, there->second);
      else if (!readable_filesystem(expected.filesystem).made_by_tools(there->first, there->second)) {
        differences.add(name + ": " + there->first,
                        fmt::format("a {} that the manifest does not name", there->second.type));
      }
      ++there;
    } else if (there == found.paths.end() || wanted->first < there->first) {
      differences.add(name + ": " + wanted->first,
                      fmt::format("missing, manifest says {}{}", wanted->second.type, from(wanted->second)));
      ++wanted;
    } else {
      compare_path(differences, name + ": " + there->first, wanted->second, there->second);
      ++there, ++wanted;
    }
  }
}

}  // namespace

std::vector<std::string> compare(const ImageState& expected, const ImageState& found) {
  std::vector<std::string> lines;
  Differences differences(lines);
  const auto table_name = [](const std::string& table) { return table.empty() ? std::string("none") : table; };
  differences.compare("disk", "partition table", table_name(found.table), table_name(expected.table));
  differences.compare("disk", "size in bytes", std::to_string(found.size), std::to_string(expected.size));
  const std::size_t both = std::min(expected.partitions.size(), found.partitions.size());
  for (std::size_t i = 0; i < both; ++i)
    compare_partition(differences, expected.partitions[i].name, expected.table, expected.partitions[i],
                      found.partitions[i]);
  for (std::size_t i = both; i < expected.partitions.size(); ++i)
    differences.add(expected.partitions[i].name, "the partition is missing");
  for (std::size_t i = both; i < found.partitions.size(); ++i) {
    differences.add("disk", fmt::format("partition {} \"{}\" at byte {}, which the manifest does not name", i + 1,
                                        found.partitions[i].name, found.partitions[i].start));
  }
  return lines;
}

}  // namespace k8simg
