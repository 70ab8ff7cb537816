// Trees in and out of archives and folders: tar (through libarchive), nested members, and checkouts on disk.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "tree/tree.hpp"

namespace k8simg {

struct ReadOptions {
  std::string origin;                 ///< given to every node
  int strip_components = 0;           ///< as tar's
  std::uint64_t max_bytes = 16ull << 30;  ///< refuse more (decompression bombs)
  /// Content of these paths is also handed over while reading (path after stripping), e.g. control files.
  std::function<bool(const std::string& path)> want;
};

/// Reads a tar (any compression that libarchive knows) from a file. "./a" becomes "a"; absolute paths, ".." and duplicates of a
/// different type are refused: Error{Fetch} naming archive and member. File content goes into the store.
Tree read_tar(Store& store, const std::filesystem::path& archive, const ReadOptions& options);
Tree read_tar_bytes(Store& store, std::string_view bytes, const ReadOptions& options, const std::string& name_for_errors);

struct WriteOptions {
  std::optional<std::int64_t> clamp_mtime;  ///< times above this are lowered to it
};
/// Writes a pax tar, sorted, numeric owners, no names, hard links after their first name with the same metadata, xattrs as
/// SCHILY.xattr: the same tree gives the same bytes.
void write_tar(const Store& store, const Tree& tree, int fd, const WriteOptions& options = {});

/// A folder or file on disk as a tree: owners 0:0, mtime 0, mode 0755/0644 by the executable bit unless `keep_modes`.
Tree read_folder(Store& store, const std::filesystem::path& folder, const std::string& origin, bool keep_modes = false);

/// The tree as a folder of the store ("checkouts/DIGEST"), files as hard links to blobs; made once, atomically. For sandbox mounts.
/// Owners, setuid bits, devices and xattrs are not kept.
std::filesystem::path checkout(Store& store, const Value& tree);

}  // namespace k8simg
