// Reads tar archives as trees with two libarchive readers. The first only decompresses, so that the checksums of the
// compressed stream are verified to its end; a tar reader stops at the end-of-archive mark. The second parses the tar.
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <cerrno>
#include <limits>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

/// libarchive converts UTF-8 names of pax headers to the locale's character set, and keeps the raw bytes if it cannot.
/// In the C locale, all non-ASCII names stay raw, so the tree does not depend on the locale. Only this thread is
/// affected.
class PlainLocale {
 public:
  PlainLocale() : plain_(newlocale(LC_ALL_MASK, "C", nullptr)), before_(uselocale(plain_)) {}
  ~PlainLocale() {
    uselocale(before_);
    if (plain_ != nullptr) freelocale(plain_);
  }
  PlainLocale(const PlainLocale&) = delete;
  PlainLocale& operator=(const PlainLocale&) = delete;

 private:
  locale_t plain_, before_;
};

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, FreeArchive>;

std::string reason(archive* reader) {
  const auto* text = archive_error_string(reader);
  return text != nullptr ? text : "damaged";
}

class TarReader {
 public:
  TarReader(Store& store, std::string_view bytes, const ReadOptions& options, const std::string& name)
      : options_(options), name_(name), stream_(archive_read_new()), tar_(archive_read_new()), writer_(store.writer()) {
    if (!stream_ || !tar_) throw std::bad_alloc();
    // Not "all": it runs external programs for filters that libarchive was compiled without.
    archive_read_support_filter_gzip(stream_.get());
    archive_read_support_filter_bzip2(stream_.get());
    archive_read_support_filter_xz(stream_.get());
    archive_read_support_filter_lzma(stream_.get());
    archive_read_support_filter_zstd(stream_.get());
    archive_read_support_format_raw(stream_.get());
    archive_read_support_format_tar(tar_.get());
    if (bytes.empty()) fail("it is empty");
    archive_entry* whole = nullptr;
    if (archive_read_open_memory(stream_.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
        archive_read_next_header(stream_.get(), &whole) != ARCHIVE_OK) {
      fail("cannot be decompressed: " + reason(stream_.get()));
    }
    if (archive_read_open(tar_.get(), this, nullptr, &TarReader::next_block, nullptr) != ARCHIVE_OK) fail_reading("");
  }

  Tree read() {
    archive_entry* entry = nullptr;
    while (true) {
      const int status = archive_read_next_header(tar_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      // A warning about a name that the C locale cannot represent is expected: the raw bytes are used.
      if (status != ARCHIVE_OK &&
          !(status == ARCHIVE_WARN && reason(tar_.get()).find("can't be converted") != std::string::npos)) {
        fail_reading(last_member_.empty() ? "" : " after " + last_member_);
      }
      take(entry);
    }
    drain();
    check_parents();
    name_link_groups();
    return std::move(tree_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::Fetch, fmt::format("{}: {}", name_, what),
                "The archive is damaged or not what it should be: get it again from its source.");
  }

  /// Reports a failure of the tar reader, or of the decompressor if that was the cause.
  [[noreturn]] void fail_reading(const std::string& where) const {
    fail((stream_error_.empty() ? "not a valid tar: " + reason(tar_.get()) : stream_error_) + where);
  }

  static la_ssize_t next_block(archive* tar, void* self, const void** block) {
    auto& reader = *static_cast<TarReader*>(self);
    std::size_t size = 0;
    if (!reader.next_block_of_stream(block, size)) {
      archive_set_error(tar, EIO, "%s", reader.stream_error_.c_str());
      return -1;
    }
    return static_cast<la_ssize_t>(size);
  }

  /// size 0 at the end; false with stream_error_ set. Called from C: must not throw.
  bool next_block_of_stream(const void** block, std::size_t& size) noexcept {
    la_int64_t offset = 0;
    const int status = archive_read_data_block(stream_.get(), block, &size, &offset);
    if (status == ARCHIVE_EOF) {
      size = 0;
      return true;
    }
    if (status != ARCHIVE_OK) {
      stream_error_ = "cannot be decompressed: " + reason(stream_.get());
      return false;
    }
    unpacked_ += size;
    if (unpacked_ > options_.max_bytes) {
      stream_error_ = too_large();
      return false;
    }
    return true;
  }

  std::string too_large() const { return fmt::format("it unpacks to more than {} bytes", options_.max_bytes); }

  void drain() {
    const void* block = nullptr;
    std::size_t size = 0;
    do {
      if (!next_block_of_stream(&block, size)) fail(stream_error_);
    } while (size > 0);
  }

  void take(archive_entry* entry) {
    const char* raw_name = archive_entry_pathname(entry);
    if (raw_name == nullptr) raw_name = archive_entry_pathname_utf8(entry);
    if (raw_name == nullptr) fail("a member without a name" + (last_member_.empty() ? "" : " after " + last_member_));
    last_member_ = raw_name;
    const auto cleaned = clean_path(last_member_);
    if (!cleaned) fail(fmt::format("member '{}' is outside of the archive's folder", last_member_));
    const auto path = strip_parts(*cleaned, options_.strip_components);
    if (!path) return;  // the root or a stripped path; libarchive skips its data

    const char* link = archive_entry_hardlink(entry);
    if (link == nullptr) link = archive_entry_hardlink_utf8(entry);
    if (link != nullptr) {
      take_hard_link(*path, link);
      return;
    }
    Node node;
    node.origin = options_.origin;
    node.mode = archive_entry_perm(entry) & 07777;
    node.uid = checked_id(archive_entry_uid(entry));
    node.gid = checked_id(archive_entry_gid(entry));
    node.mtime = archive_entry_mtime(entry);
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG:
        node.type = NodeType::File;
        break;
      case AE_IFDIR:
        node.type = NodeType::Directory;
        break;
      case AE_IFLNK:
        node.type = NodeType::Symlink;
        break;
      case AE_IFCHR:
        node.type = NodeType::CharDevice;
        break;
      case AE_IFBLK:
        node.type = NodeType::BlockDevice;
        break;
      case AE_IFIFO:
        node.type = NodeType::Fifo;
        break;
      default:
        fail(fmt::format("member '{}' is of an unknown type", last_member_));
    }
    if (const auto* present = tree_.find(*path); present != nullptr) {
      if (present->type != node.type) fail(fmt::format("member '{}' occurs twice, with different types", last_member_));
      if (groups_.contains(*path)) fail(fmt::format("member '{}' occurs twice and is a hard link", last_member_));
    }
    if (node.type == NodeType::Symlink) {
      const char* target = archive_entry_symlink(entry);
      if (target == nullptr) target = archive_entry_symlink_utf8(entry);
      if (target == nullptr || *target == '\0') fail(fmt::format("symlink '{}' has no target", last_member_));
      node.target = target;
    } else if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice) {
      node.major = static_cast<std::uint32_t>(archive_entry_rdevmajor(entry));
      node.minor = static_cast<std::uint32_t>(archive_entry_rdevminor(entry));
    } else if (node.type == NodeType::File) {
      read_content(node);
    }
    archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (name == nullptr || *name == '\0') continue;
      node.xattrs[name] = std::string(static_cast<const char*>(value), size);
    }
    tree_.set(*path, std::move(node));
  }

  std::uint32_t checked_id(la_int64_t id) const {
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max())
      fail(fmt::format("member '{}' has owner {}", last_member_, id));
    return static_cast<std::uint32_t>(id);
  }

  void take_hard_link(const std::string& path, const std::string& raw_target) {
    const auto cleaned = clean_path(raw_target);
    const auto target = cleaned ? strip_parts(*cleaned, options_.strip_components) : std::nullopt;
    const auto* node = target ? tree_.find(*target) : nullptr;
    if (node == nullptr)
      fail(fmt::format("'{}' is a hard link to '{}', which is not before it in the archive", last_member_, raw_target));
    if (node->type == NodeType::Directory)
      fail(fmt::format("'{}' is a hard link to the folder '{}'", last_member_, raw_target));
    if (path == *target) return;  // some writers add a link to itself
    if (tree_.find(path) != nullptr) fail(fmt::format("member '{}' occurs twice and is a hard link", last_member_));
    if (node->type == NodeType::File) {
      const auto group = groups_.try_emplace(*target, *target).first->second;
      groups_[path] = group;
    }
    tree_.set(path, *node);
  }

  void read_content(Node& node) {
    std::uint64_t written = 0;
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (true) {
      const int status = archive_read_data_block(tar_.get(), &block, &size, &offset);
      // At the end of the data, `offset` is the file's length: a sparse file may end with a hole.
      if (status != ARCHIVE_OK && status != ARCHIVE_EOF) fail_reading(fmt::format(", in '{}'", last_member_));
      const auto start = static_cast<std::uint64_t>(offset);
      if (start > written) {
        holes_ += start - written;
        if (holes_ > options_.max_bytes) fail(too_large());
        write_zeros(*writer_, start - written);
        written = start;
      } else if (start < written && status == ARCHIVE_OK) {
        fail(fmt::format("member '{}' has overlapping parts", last_member_));
      }
      if (status == ARCHIVE_EOF) break;
      writer_->write({static_cast<const char*>(block), size});
      written += size;
    }
    node.content = writer_->commit().digest;
    node.size = written;
  }

  static void write_zeros(BlobWriter& writer, std::uint64_t count) {
    static const std::string zeros(1 << 16, '\0');
    while (count > 0) {
      const auto part = std::min<std::uint64_t>(count, zeros.size());
      writer.write(std::string_view(zeros).substr(0, part));
      count -= part;
    }
  }

  /// A path below a symlink would be unpacked elsewhere.
  void check_parents() const {
    std::string_view known_folder;
    for (const auto& [path, node] : tree_.nodes()) {
      const auto parent = parent_of(path);
      if (parent == known_folder) continue;
      for (auto above = parent; !above.empty(); above = parent_of(above)) {
        const auto* node_above = tree_.find(above);
        if (node_above != nullptr && node_above->type != NodeType::Directory)
          fail(fmt::format("member '{}' lies below '{}', which is not a folder", path, above));
      }
      known_folder = parent;
    }
  }

  void name_link_groups() {
    std::map<std::string, std::string> first_names;  // group → its first path in the tree's order
    for (const auto& [path, group] : groups_) first_names.try_emplace(group, path);
    for (const auto& [path, group] : groups_) tree_.find(path)->link_group = first_names[group];
  }

  const ReadOptions& options_;
  const std::string& name_;
  PlainLocale locale_;
  Reader stream_, tar_;
  std::unique_ptr<BlobWriter> writer_;  // one for all members, to reuse its buffer
  std::string stream_error_, last_member_;
  std::uint64_t unpacked_ = 0, holes_ = 0;
  std::map<std::string, std::string> groups_;  // path of each hard-linked file → its group
  Tree tree_;
};

}  // namespace

Tree read_tar(Store& store, const std::filesystem::path& archive, const ReadOptions& options) {
  const MappedFile file(archive);
  return read_tar_bytes(store, file.bytes(), options, archive.string());
}

Tree read_tar_bytes(Store& store, std::string_view bytes, const ReadOptions& options,
                    const std::string& name_for_errors) {
  return TarReader(store, bytes, options, name_for_errors).read();
}

std::string archive_library() {
  // Called once: libarchive writes this text into a static buffer at each call.
  static const std::string details = archive_version_details();
  return details;
}

}  // namespace k8simg
