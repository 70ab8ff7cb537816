// Unpacks .deb files. The ar container has three headers with decimal sizes and is parsed strictly here, so that errors
// name the damaged member; the two tar archives are read by tree/.
#include "debian/deb.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::string_view ar_magic = "!<arch>\n";
constexpr std::string_view control_folder = "DEBIAN";
constexpr std::size_t ar_header_size = 60;
constexpr std::uint64_t max_control_bytes = 64ull << 20;
// Debian's packages unpack to less than 30 times their size. Small ones may have a large file of zeros.
constexpr std::uint64_t always_allowed_bytes = 256ull << 20, most_growth = 100;
constexpr std::size_t longest_name = 255, longest_path = 4095;  // of Linux' filesystems

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::Fetch, fmt::format("{}: {}", name, what),
              "The package is damaged or not what it should be: remove the file and fetch it again.");
}

struct Member {
  std::string_view name, bytes;
};

/// Reads ar members from the front of a .deb.
class ArReader {
 public:
  ArReader(std::string_view bytes, const std::string& file) : rest_(bytes), file_(file) {
    if (!rest_.starts_with(ar_magic)) fail(file_, "not a Debian package (no ar archive)");
    rest_.remove_prefix(ar_magic.size());
  }

  std::optional<Member> next() {
    if (rest_.empty()) return std::nullopt;
    if (rest_.size() < ar_header_size) fail(file_, "cut short in the header of a member" + after());
    const auto header = rest_.substr(0, ar_header_size);
    rest_.remove_prefix(ar_header_size);
    if (header.substr(58) != "`\n") fail(file_, "damaged header of a member" + after());
    auto name = trimmed(header.substr(0, 16));
    if (name.ends_with('/')) name.remove_suffix(1);  // System V's ar adds a slash
    const auto size_text = trimmed(header.substr(48, 10));
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(size_text.data(), size_text.data() + size_text.size(), size);
    if (name.empty() || error != std::errc{} || end != size_text.data() + size_text.size())
      fail(file_, "damaged header of a member" + after());
    if (size > rest_.size())
      fail(file_, fmt::format("cut short: member {} should have {} bytes, {} are there", name, size, rest_.size()));
    const Member member{name, rest_.substr(0, size)};
    rest_.remove_prefix(size);
    if (size % 2 != 0 && !rest_.empty()) rest_.remove_prefix(1);  // members start at even offsets
    last_ = name;
    return member;
  }

 private:
  static std::string_view trimmed(std::string_view field) {
    const auto last = field.find_last_not_of(' ');
    return last == field.npos ? std::string_view{} : field.substr(0, last + 1);
  }
  std::string after() const { return last_.empty() ? std::string() : " after " + last_; }

  std::string_view rest_;
  const std::string& file_;
  std::string last_;
};

bool is_tar(std::string_view member, std::string_view stem) {
  if (!member.starts_with(stem)) return false;
  const auto suffix = member.substr(stem.size());
  return suffix.empty() || suffix == ".gz" || suffix == ".xz" || suffix == ".zst" || suffix == ".bz2" ||
         suffix == ".lzma";
}

struct Parts {
  Tree control, data;
};

/// What Debian's policy forbids (device files), what no filesystem can hold, and the name of the control files.
void check_files(const Tree& data, const std::string& file) {
  for (const auto& [path, node] : data.nodes()) {
    if (path.substr(0, path.find('/')) == control_folder)
      fail(file, fmt::format("ships /{}, a name reserved for the package's control files", path));
    if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice)
      fail(file, fmt::format("ships the device file /{}, which Debian's policy forbids", path));
    const std::size_t name = path.size() - path.rfind('/') - 1;  // npos + 1 is 0
    if (name > longest_name || path.size() > longest_path)
      fail(file, fmt::format("ships a path that is too long for a filesystem: /{}...", path.substr(0, 80)));
  }
}

Parts read_parts(Store& store, std::string_view bytes, const Origin& origin, const std::string& file) {
  ArReader members(bytes, file);
  const auto format = members.next();
  if (!format || format->name != "debian-binary")
    fail(file, "not a Debian package (its first member is not debian-binary)");
  if (!format->bytes.starts_with("2.") || format->bytes.find('\n') == std::string_view::npos)
    fail(file, "its format is not version 2 of deb(5)");

  std::optional<Member> control, data;
  // deb(5): unknown members may stand between these if their names start with "_", and anything may follow data.tar.
  while (const auto member = members.next()) {
    if (!control && is_tar(member->name, "control.tar")) {
      control = member;
    } else if (control && !data && is_tar(member->name, "data.tar")) {
      data = member;
    } else if (!data && !member->name.starts_with('_')) {
      fail(file,
           fmt::format("unexpected member {} where {} should be", member->name, control ? "data.tar" : "control.tar"));
    }
  }
  if (!control) fail(file, "control.tar is missing");
  if (!data) fail(file, "data.tar is missing");

  Parts parts;
  ReadOptions options;
  options.origin = origin;
  options.max_bytes = always_allowed_bytes + most_growth * data->bytes.size();
  parts.data = read_tar_bytes(store, data->bytes, options, fmt::format("{}: {}", file, data->name));
  check_files(parts.data, file);
  options.max_bytes = max_control_bytes;
  parts.control = read_tar_bytes(store, control->bytes, options, fmt::format("{}: {}", file, control->name));
  for (const auto& [path, node] : parts.control.nodes()) {
    if (node.type != NodeType::File || !parent_of(path).empty())
      fail(file, fmt::format("{}: '{}' is not a plain file at the top", control->name, path));
  }
  if (parts.control.find("control") == nullptr)
    fail(file, fmt::format("{}: the file 'control' is missing", control->name));
  return parts;
}

}  // namespace

DebPackage read_deb_bytes(Store& store, std::string_view bytes, const Origin& origin,
                          const std::string& name_for_errors) {
  auto parts = read_parts(store, bytes, origin, name_for_errors);
  DebPackage package;
  for (const auto& [name, node] : parts.control.nodes()) package.control_files[name] = store.read(node.content);
  package.data = std::move(parts.data);
  return package;
}

DebPackage read_deb(Store& store, const std::filesystem::path& deb, const Origin& origin) {
  const MappedFile file(deb);
  return read_deb_bytes(store, file.bytes(), origin, deb.filename().string());
}

Tree deb_tree(Store& store, const std::filesystem::path& deb, const Origin& origin) {
  const MappedFile file(deb);
  const auto name = deb.filename().string();
  // A blob's file name is a digest, so errors name the origin.
  auto parts =
      with_context("while unpacking " + origin.text(), [&] { return read_parts(store, file.bytes(), origin, name); });
  for (const auto& [path, node] : parts.control.nodes())
    parts.data.set(fmt::format("{}/{}", control_folder, path), node);
  return std::move(parts.data);
}

DebPackage split_deb_tree(const Store& store, const Tree& tree) {
  DebPackage package;
  const auto prefix = std::string(control_folder) + '/';
  for (const auto& [path, node] : tree.nodes()) {
    if (path.starts_with(prefix)) {
      package.control_files[path.substr(prefix.size())] = store.read(node.content);
    } else {
      package.data.set(path, node);
    }
  }
  return package;
}

}  // namespace k8simg
