// Trees in and out of archives and folders: tar (through libarchive), nested members, and checkouts on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tree/tree.hpp"

namespace k8simg {

struct ReadOptions {
  Origin origin;                          ///< given to every node
  int strip_components = 0;               ///< as tar's
  std::uint64_t max_bytes = 16ull << 30;  ///< refuse more, unpacked (decompression bombs)
};

/// Reads a tar (plain, gzip, bzip2, xz, lzma, zstd) from a file. "./a" becomes "a", the root itself is left out;
/// absolute paths, "..", members below something that is no folder, hard links to nothing and duplicates of a different
/// type are refused: Error{Fetch} naming archive and member. So is any damage, up to the last byte of the compressed
/// stream. File content goes into the store. Hard links become files of one link_group, named after the first of them
/// in the tree's order. Names are bytes, whatever the locale.
Tree read_tar(Store& store, const std::filesystem::path& archive, const ReadOptions& options);
Tree read_tar_bytes(Store& store, std::string_view bytes, const ReadOptions& options,
                    const std::string& name_for_errors);

/// Versions of the host's libarchive and of the decompressors behind it: what reads tars depends on them.
std::string archive_library();

struct WriteOptions {
  std::optional<std::int64_t> clamp_mtime;  ///< times above this are lowered to it
};
/// Writes a tar (POSIX.1-2001: ustar headers, pax headers only where ustar falls short), sorted, numeric owners, no
/// names, hard links after their first name with the same metadata, xattrs as SCHILY.xattr: the same tree gives the
/// same bytes. Error{Internal} when a blob is missing or does not have the node's size.
void write_tar(const Store& store, const Tree& tree, int fd, const WriteOptions& options = {});

/// What is taken of the modes on disk, where the umask of a clone had a hand in them.
enum class FolderModes {
  Canonical,  ///< 0755 or 0644 by the executable bit: what git keeps
  Narrow,     ///< the same without the bits of group and others that the file lacks: 0600 stays 0600
  Keep        ///< as they are
};
/// A folder or file on disk as a tree (a file: one node with its name): owners 0:0, mtime 0. Hard links become separate
/// files: which files share an inode is an accident of the machine. Devices and sockets are refused (Error{Usage}), the
/// folder itself is left out.
Tree read_folder(Store& store, const std::filesystem::path& folder, const Origin& origin,
                 FolderModes modes = FolderModes::Canonical);

/// The tree as a folder of the store ("checkouts/DIGEST"), files as hard links to blobs; made once, atomically. For
/// sandbox mounts. Owners, setuid bits, devices, fifos and xattrs are not kept; files are 0555, folders 0755.
/// Error{Internal} when something lies below a name that is no folder.
std::filesystem::path checkout(Store& store, const Value& tree);

/// Compares a checkout with its tree: names, types and link targets, and that each file is the blob itself (then the
/// blob's own check says what its bytes are) or a copy with the blob's bytes. Returns what differs first ("usr/bin/gcc
/// is missing"), empty when nothing does or there is no checkout.
std::string checkout_difference(const Store& store, const Digest& digest, const Tree& tree);
/// Moves the checkouts of these trees, and of trees that name one of `lost`, into the store's quarantine: they keep
/// links to replaced files.
void set_checkouts_aside(Store& store, const std::set<Digest>& lost);

}  // namespace k8simg
