// Reads partition table, filesystems and paths with few libguestfs calls: each call takes milliseconds under emulation.
#include "appliance/read_back.hpp"

#include <fmt/format.h>
#include <guestfs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "appliance/expected.hpp"
#include "appliance/filesystems.hpp"
#include "appliance/session.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using Names = std::map<std::string, std::vector<std::string>>;  // folder → names in it

/// A list of strings for libguestfs.
class NameList {
 public:
  explicit NameList(const std::vector<std::string>& names) : names_(names) {
    for (auto& name : names_) pointers_.push_back(name.data());
    pointers_.push_back(nullptr);
  }
  char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> names_;
  std::vector<char*> pointers_;
};

struct FreeStrings {
  void operator()(char** strings) const {
    for (char** at = strings; *at; ++at) std::free(*at);
    std::free(strings);
  }
};
using Strings = std::unique_ptr<char*, FreeStrings>;

std::string type_of(std::int64_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string join_path(const std::string& folder, const std::string& name) {
  return (folder == "/" ? "" : folder) + "/" + name;
}

class Reader {
 public:
  Reader(ApplianceSession& session, const fs::path& scratch, const std::function<void(const std::string&)>& progress)
      : session_(session), g_(session.handle()), scratch_(scratch), progress_(progress) {}

  ImageState read() {
    ImageState image;
    const auto disk = blkid("/dev/sda");
    if (const auto table = disk.find("PTTYPE"); table != disk.end()) image.table = table->second;
    const std::int64_t size = guestfs_blockdev_getsize64(g_, "/dev/sda");
    if (size < 0) session_.fail("size of the disk");
    image.size = static_cast<std::uint64_t>(size);
    const Strings devices(guestfs_list_partitions(g_));
    if (!devices) session_.fail("list of partitions");
    for (char** device = devices.get(); *device; ++device) image.partitions.push_back(read_partition(*device));
    std::sort(image.partitions.begin(), image.partitions.end(),
              [](const auto& a, const auto& b) { return a.start < b.start; });
    return image;
  }

 private:
  std::map<std::string, std::string> blkid(const std::string& device) {
    const Strings words(guestfs_blkid(g_, device.c_str()));
    if (!words) {
      session_.check_alive();
      return {};
    }
    std::map<std::string, std::string> values;
    for (char** at = words.get(); at[0] && at[1]; at += 2) values[at[0]] = at[1];
    return values;
  }

  PartitionState read_partition(const std::string& device) {
    auto values = blkid(device);
    PartitionState partition;
    const auto sectors = [&](const char* key) {
      return std::strtoull(values[key].c_str(), nullptr, 10) * 512;
    };  // blkid's unit, for all disks
    partition.start = sectors("PART_ENTRY_OFFSET"), partition.size = sectors("PART_ENTRY_SIZE");
    partition.name = values["PART_ENTRY_NAME"];
    partition.type = lower(values["PART_ENTRY_TYPE"]), partition.partuuid = lower(values["PART_ENTRY_UUID"]);
    partition.filesystem = values["TYPE"], partition.label = values["LABEL"], partition.uuid = values["UUID"];
    const std::string shown = partition.name.empty() ? device : partition.name;
    const int number = guestfs_part_to_partnum(g_, device.c_str());
    if (number < 0) session_.fail(device);
    if (const std::string command = readable_filesystem(partition.filesystem).check; !command.empty())
      check(partition, command + ApplianceSession::device(number));
    try {
      read_paths(partition, device);
      progress_(fmt::format("{}: {} paths", shown, partition.paths.size()));
    } catch (const Error& error) {
      // A damaged filesystem is a finding; the end of the appliance is an error.
      session_.check_alive();
      partition.faults.push_back("cannot be read: " + error.message());
      partition.readable = false;
      partition.paths.clear();
    }
    guestfs_umount_all(g_);
    return partition;
  }

  void check(PartitionState& partition, const std::string& command) {
    const auto result = session_.run(command);
    if (result.exit_code == 0) return;
    auto lines = split(result.output, '\n');
    if (lines.size() > 12) lines.resize(12), lines.emplace_back("...");
    partition.faults.push_back(fmt::format("{} finds faults (exit code {}): {}", command.substr(0, command.find(' ')),
                                           result.exit_code, join(lines, "; ")));
  }

  void read_paths(PartitionState& partition, const std::string& device) {
    const ReadableFilesystem& filesystem = readable_filesystem(partition.filesystem);
    if (guestfs_mount_options(g_, filesystem.mount_options, device.c_str(), "/") != 0) session_.fail("mount");
    const bool owners = filesystem.has_owners;
    const Names folders = list_names();
    std::map<std::string, PathState> paths;
    paths["/"] = read_top(owners);
    for (const auto& [folder, names] : folders) read_folder(paths, folder, names, owners);
    read_digests(paths);
    // Converts names to the manifest's form.
    for (auto& [path, state] : paths) {
      state.target = manifest_text(state.target);
      partition.paths[manifest_text(path)] = std::move(state);
    }
  }

  Names list_names() {
    const fs::path file = scratch_ / "names";
    if (guestfs_find0(g_, "/", file.c_str()) != 0) session_.fail("list of files");
    Names folders;
    for (const std::string& path : split(read_file(file), '\0')) {
      if (path.empty()) continue;
      const auto slash = path.rfind('/');
      if (slash == std::string::npos)
        folders["/"].push_back(path);
      else
        folders["/" + path.substr(0, slash)].push_back(path.substr(slash + 1));
    }
    return folders;
  }

  static PathState state_of(const struct guestfs_statns& stat, bool owners) {
    PathState state;
    state.type = type_of(stat.st_mode);
    if (owners) {
      state.mode = static_cast<std::uint32_t>(stat.st_mode & 07777);
      state.uid = static_cast<std::uint32_t>(stat.st_uid), state.gid = static_cast<std::uint32_t>(stat.st_gid);
      state.mtime = stat.st_mtime_sec;
    }
    if (state.type == "file") state.size = static_cast<std::uint64_t>(stat.st_size);
    const auto device = static_cast<dev_t>(stat.st_rdev);
    if (state.type == "char" || state.type == "block")
      state.device = fmt::format("{}:{}", major(device), minor(device));
    return state;
  }

  PathState read_top(bool owners) {
    const std::unique_ptr<struct guestfs_statns, decltype(&guestfs_free_statns)> stat(guestfs_lstatns(g_, "/"),
                                                                                      &guestfs_free_statns);
    if (!stat) session_.fail("state of /");
    return state_of(*stat, owners);
  }

  void read_folder(std::map<std::string, PathState>& paths, const std::string& folder,
                   const std::vector<std::string>& names, bool owners) {
    const NameList list(names);
    const std::unique_ptr<guestfs_statns_list, decltype(&guestfs_free_statns_list)> stats(
        guestfs_lstatnslist(g_, folder.c_str(), list.get()), &guestfs_free_statns_list);
    if (!stats || stats->len != names.size()) session_.fail("state of the files in " + folder);
    std::vector<std::string> links;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string path = join_path(folder, names[i]);
      if (stats->val[i].st_ino == -1) throw Error(ErrorKind::Step, "no state of " + path);
      PathState& state = paths[path] = state_of(stats->val[i], owners);
      if (state.type == "symlink") links.push_back(names[i]);
    }
    if (!links.empty()) read_links(paths, folder, links);
    if (owners) read_attributes(paths, folder, names);
  }

  void read_links(std::map<std::string, PathState>& paths, const std::string& folder,
                  const std::vector<std::string>& names) {
    const NameList list(names);
    const Strings targets(guestfs_readlinklist(g_, folder.c_str(), list.get()));
    if (!targets) session_.fail("links in " + folder);
    for (std::size_t i = 0; i < names.size() && targets.get()[i]; ++i)
      paths[join_path(folder, names[i])].target = targets.get()[i];
  }

  void read_attributes(std::map<std::string, PathState>& paths, const std::string& folder,
                       const std::vector<std::string>& names) {
    const NameList list(names);
    const std::unique_ptr<guestfs_xattr_list, decltype(&guestfs_free_xattr_list)> attributes(
        guestfs_lxattrlist(g_, folder.c_str(), list.get()), &guestfs_free_xattr_list);
    if (!attributes) session_.fail("attributes of the files in " + folder);
    // For each name, libguestfs returns an entry without a name whose value is the number of attributes, followed by
    // the attributes: guestfs(3).
    std::uint32_t at = 0;
    for (const auto& name : names) {
      if (at >= attributes->len) throw Error(ErrorKind::Step, "attributes end too early in " + folder);
      const guestfs_xattr& head = attributes->val[at++];
      const auto count = std::strtoul(std::string(head.attrval, head.attrval_len).c_str(), nullptr, 10);
      for (unsigned long i = 0; i < count && at < attributes->len; ++i, ++at) {
        const guestfs_xattr& attribute = attributes->val[at];
        paths[join_path(folder, name)].xattrs[attribute.attrname] =
            to_hex(std::string_view(attribute.attrval, attribute.attrval_len));
      }
    }
  }

  void read_digests(std::map<std::string, PathState>& paths) {
    const fs::path file = scratch_ / "sums";
    if (guestfs_checksums_out(g_, "sha256", "/", file.c_str()) != 0) session_.fail("SHA-256 of the files");
    for (const std::string& line : split(read_file(file), '\n')) {
      if (line.empty()) continue;
      const auto [path, digest] = parse_sum(line);
      const auto found = paths.find(path);
      if (found == paths.end() || !digest)
        throw Error(ErrorKind::Step, "unexpected line among the SHA-256 sums: " + line);
      found->second.sha256 = digest;
    }
  }

  /// "DIGEST  ./PATH". A leading backslash means that backslash and newline in the path are escaped as \\ and \n:
  /// sha256sum(1).
  static std::pair<std::string, std::optional<Digest>> parse_sum(std::string_view line) {
    const bool escaped = line.starts_with('\\');
    if (escaped) line.remove_prefix(1);
    if (line.size() < 67) return {};
    const auto digest = Digest::parse(line.substr(0, 64));
    std::string path;
    for (std::size_t i = 66; i < line.size(); ++i) {
      if (escaped && line[i] == '\\' && i + 1 < line.size())
        path += line[++i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : line[i];
      else
        path += line[i];
    }
    return {path.starts_with('.') ? path.substr(1) : "/" + path, digest};
  }

  ApplianceSession& session_;
  guestfs_h* g_;
  fs::path scratch_;
  const std::function<void(const std::string&)>& progress_;
};

}  // namespace

ImageState read_back(const fs::path& image, std::uint64_t sector_size, const Appliance& appliance,
                     const std::function<void(const std::string&)>& progress, const std::stop_token& stop) {
  const TempDir scratch(appliance.scratch, "read");
  progress("starting the appliance");
  ApplianceSession session(image, sector_size, appliance, scratch.path(), stop);
  return Reader(session, scratch.path(), progress).read();
}

}  // namespace k8simg
