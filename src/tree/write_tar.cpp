// Writes trees as reproducible tar archives, without a library whose output may change between versions. Format:
// POSIX.1-1988 ustar headers, preceded by a POSIX.1-2001 extended ("pax") header only where a value does not fit.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <tuple>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr std::size_t block_size = 512;
constexpr std::size_t record_size = 20 * block_size;      // POSIX: an archive's length is a multiple of this
constexpr std::uint64_t max_small_number = 07777777;      // seven octal digits
constexpr std::uint64_t max_large_number = 077777777777;  // eleven octal digits

/// IEEE Std 1003.1, pax, "ustar Interchange Format".
struct UstarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link_name[100], magic[6], version[2],
      user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
static_assert(sizeof(UstarHeader) == block_size);

template <std::size_t Size>
void put_octal(char (&field)[Size], std::uint64_t value) {
  for (std::size_t i = Size - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
  field[Size - 1] = '\0';
}

template <std::size_t Size>
void put_text(char (&field)[Size], std::string_view text) {
  std::memcpy(field, text.data(), std::min(Size, text.size()));
}

bool is_ascii(std::string_view text) {
  for (const char byte : text) {
    if (static_cast<unsigned char>(byte) >= 0x80) return false;
  }
  return true;
}

/// Strict UTF-8 (RFC 3629). Other bytes need the pax record hdrcharset=BINARY.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    if (more < 0 || i + static_cast<std::size_t>(more) >= text.size()) return false;
    std::uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 0x3fu);
    }
    constexpr std::array<std::uint32_t, 4> smallest = {0, 0x80, 0x800, 0x10000};
    if (code < smallest[static_cast<std::size_t>(more)] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

/// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
void append_record(std::string& records, std::string_view key, std::string_view value) {
  const auto rest = key.size() + value.size() + 3;
  auto length = rest + 1;
  while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
  records += fmt::format("{} ", length);
  records += key;
  records += '=';
  records += value;
  records += '\n';
}

class TarWriter {
 public:
  TarWriter(const Store& store, int fd, const WriteOptions& options)
      : store_(store), fd_(fd), options_(options), buffer_(std::make_unique_for_overwrite<char[]>(buffer_size)) {}

  void write(const Tree& tree) {
    for (const auto& [path, node] : tree.nodes()) write_node(path, node);
    put(std::string(2 * block_size, '\0'));
    if (const auto over = total_ % record_size; over != 0) put(std::string(record_size - over, '\0'));
    flush();
  }

 private:
  static constexpr std::size_t buffer_size = 1 << 20;

  void put(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, room());
      std::memcpy(buffer_.get() + used_, part.data(), part.size());
      used_ += part.size();
      total_ += part.size();
      bytes.remove_prefix(part.size());
    }
  }

  /// Bytes that fit after `used_`, never 0.
  std::size_t room() {
    if (used_ == buffer_size) flush();
    return buffer_size - used_;
  }

  void flush() {
    write_all(fd_, {buffer_.get(), used_}, "tar archive");
    used_ = 0;
  }

  void pad() {
    if (const auto over = total_ % block_size; over != 0) put(std::string(block_size - over, '\0'));
  }

  void put_header(UstarHeader& header) {
    std::memcpy(header.magic, "ustar", 6);
    std::memcpy(header.version, "00", 2);
    std::memset(header.checksum, ' ', sizeof header.checksum);
    const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < block_size; ++i) sum += bytes[i];
    char digits[7];
    put_octal(digits, sum);
    std::memcpy(header.checksum, digits, 7);  // six digits, NUL, and the blank from the memset above
    put({reinterpret_cast<const char*>(&header), block_size});
  }

  void put_records(const std::string& records) {
    UstarHeader header{};
    put_text(header.name, "PaxHeader");
    put_octal(header.mode, 0644);
    put_octal(header.uid, 0);
    put_octal(header.gid, 0);
    put_octal(header.size, records.size());
    put_octal(header.mtime, 0);
    put_octal(header.major, 0);
    put_octal(header.minor, 0);
    header.type = 'x';
    put_header(header);
    put(records);
    pad();
  }

  /// Sets name and prefix of the header; false when the path does not fit.
  static bool put_name(UstarHeader& header, std::string_view name) {
    if (name.size() <= sizeof header.name) {
      put_text(header.name, name);
      return true;
    }
    // The shortest prefix such that the name fits. The path is not split at a folder's trailing slash.
    const auto slash = name.find('/', name.size() - sizeof header.name - 1);
    if (slash == name.npos || slash == 0 || slash + 1 == name.size() || slash > sizeof header.prefix) {
      put_text(header.name, name.substr(0, sizeof header.name));
      return false;
    }
    put_text(header.prefix, name.substr(0, slash));
    put_text(header.name, name.substr(slash + 1));
    return true;
  }

  template <std::size_t Size>
  static void put_number(char (&field)[Size], std::uint64_t value, std::uint64_t limit, std::string& records,
                         const char* key) {
    put_octal(field, value <= limit ? value : 0);
    if (value > limit) append_record(records, key, std::to_string(value));
  }

  void write_node(const std::string& path, const Node& node) {
    UstarHeader header{};
    std::string records;
    const auto link = earlier_name(path, node);
    const bool has_data = node.type == NodeType::File && !link;
    const auto name = node.type == NodeType::Directory ? path + '/' : path;
    const auto& link_name = node.type == NodeType::Symlink ? node.target : link ? *link : std::string();
    if (!is_utf8(path) || !is_utf8(link_name)) append_record(records, "hdrcharset", "BINARY");
    if (!put_name(header, name) || !is_ascii(name)) append_record(records, "path", name);
    put_text(header.link_name, link_name);
    if (link_name.size() > sizeof header.link_name || !is_ascii(link_name))
      append_record(records, "linkpath", link_name);
    put_octal(header.mode, node.mode & 07777);
    put_number(header.uid, node.uid, max_small_number, records, "uid");
    put_number(header.gid, node.gid, max_small_number, records, "gid");
    put_number(header.size, has_data ? node.size : 0, max_large_number, records, "size");
    const auto mtime = std::min(node.mtime, options_.clamp_mtime.value_or(node.mtime));
    const bool fits = mtime >= 0 && static_cast<std::uint64_t>(mtime) <= max_large_number;
    put_octal(header.mtime, fits ? static_cast<std::uint64_t>(mtime) : 0);
    if (!fits) append_record(records, "mtime", std::to_string(mtime));
    put_number(header.major, node.major, max_small_number, records, "SCHILY.devmajor");
    put_number(header.minor, node.minor, max_small_number, records, "SCHILY.devminor");
    for (const auto& [attribute, value] : node.xattrs) {
      if (attribute.empty() || attribute.find('=') != attribute.npos) {
        throw Error(ErrorKind::Internal,
                    fmt::format("/{}: extended attribute '{}' cannot be written to a tar", path, attribute));
      }
      append_record(records, "SCHILY.xattr." + attribute, value);
    }
    header.type = type_flag(node, link.has_value());
    if (!records.empty()) put_records(records);
    put_header(header);
    if (has_data) put_content(path, node);
  }

  static char type_flag(const Node& node, bool linked) {
    switch (node.type) {
      case NodeType::File:
        return linked ? '1' : '0';
      case NodeType::Symlink:
        return '2';
      case NodeType::CharDevice:
        return '3';
      case NodeType::BlockDevice:
        return '4';
      case NodeType::Directory:
        return '5';
      case NodeType::Fifo:
        return '6';
    }
    throw Error(ErrorKind::Internal, "a node has no type");
  }

  /// The path under which this inode was already written. If members of a link group differ because a merge replaced
  /// one, they are written as separate inodes; otherwise a reader would give all of them the first one's content.
  std::optional<std::string> earlier_name(const std::string& path, const Node& node) {
    if (node.type != NodeType::File || node.link_group.empty()) return std::nullopt;
    const auto [known, inserted] = first_names_.try_emplace(
        {node.link_group, node.content, node.mode, node.uid, node.gid, node.mtime, node.xattrs}, path);
    if (inserted) return std::nullopt;
    return known->second;
  }

  void put_content(const std::string& path, const Node& node) {
    with_context(fmt::format("while writing /{} to a tar", path), [&] {
      if (const auto blob = file_of(node.content)) {
        put_file(node, *blob);
      } else {
        const auto bytes = store_.read(node.content);
        if (bytes.size() != node.size) fail_size(node, bytes.size());
        put(bytes);
      }
    });
    pad();
  }

  /// Reads from the file directly into the buffer.
  void put_file(const Node& node, const fs::path& blob) {
    const auto file = Fd::open(blob, O_RDONLY);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_errno("cannot read", blob.string(), errno);
    if (static_cast<std::uint64_t>(status.st_size) != node.size)
      fail_size(node, static_cast<std::uint64_t>(status.st_size));
    for (std::uint64_t left = node.size; left > 0;) {
      const auto most = std::min<std::uint64_t>(left, room());
      const auto count = ::read(file.get(), buffer_.get() + used_, most);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw_errno("cannot read", blob.string(), errno);
      if (count == 0) fail_size(node, node.size - left);
      used_ += static_cast<std::size_t>(count);
      total_ += static_cast<std::uint64_t>(count);
      left -= static_cast<std::uint64_t>(count);
    }
  }

  /// nullopt for a store without files (MemoryStore).
  std::optional<fs::path> file_of(const Digest& content) const {
    try {
      return store_.path(content);
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  [[noreturn]] static void fail_size(const Node& node, std::uint64_t found) {
    throw Error(ErrorKind::Internal,
                fmt::format("blob {} has {} bytes where the tree says {}", node.content.hex(), found, node.size));
  }

  using Inode = std::tuple<std::string, Digest, std::uint32_t, std::uint32_t, std::uint32_t, std::int64_t,
                           std::map<std::string, std::string>>;
  const Store& store_;
  int fd_;
  const WriteOptions& options_;
  std::map<Inode, std::string> first_names_;
  std::unique_ptr<char[]> buffer_;
  std::size_t used_ = 0;  // bytes in the buffer
  std::uint64_t total_ = 0;
};

}  // namespace

void write_tar(const Store& store, const Tree& tree, int fd, const WriteOptions& options) {
  TarWriter(store, fd, options).write(tree);
}

}  // namespace k8simg
