// Reads trees from tar archives (with libarchive) and folders, writes them to tar archives, and checks them out.
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
  int strip_components = 0;               ///< like tar's option
  std::uint64_t max_bytes = 16ull << 30;  ///< limit of the unpacked size, against decompression bombs
};

/// Reads a tar (plain, gzip, bzip2, xz, lzma, zstd) from a file. "./a" becomes "a"; the root itself is omitted.
/// Absolute paths, "..", members below something that is not a folder, hard links to missing members, and duplicates of
/// a different type are refused with Error{Fetch} naming archive and member. So is any damage, up to the last byte of
/// the compressed stream. File content goes into the store. Hard links become files of one link_group, named after the
/// first of them in the tree's order. Names are bytes, independent of the locale.
Tree read_tar(Store& store, const std::filesystem::path& archive, const ReadOptions& options);
Tree read_tar_bytes(Store& store, std::string_view bytes, const ReadOptions& options,
                    const std::string& name_for_errors);

/// SHA-256 of a file's content after decompression (plain, gzip, bzip2, xz, lzma, zstd). Error{Fetch} for a damaged or
/// empty file, and for one that unpacks to more than `max_bytes`.
Digest decompressed_digest(const std::filesystem::path& file, std::uint64_t max_bytes,
                           const std::string& name_for_errors);

/// Versions of the host's libarchive and its decompressors, since the result of reading a tar depends on them.
std::string archive_library();

struct WriteOptions {
  std::optional<std::int64_t> clamp_mtime;  ///< later times are lowered to this
};
/// Writes a tar (POSIX.1-2001: ustar headers, pax headers only where a value does not fit into ustar): sorted, numeric
/// owners without names, hard links after their first name with the same metadata, xattrs as SCHILY.xattr. Equal trees
/// give equal bytes. Error{Internal} when a blob is missing or does not have the node's size.
void write_tar(const Store& store, const Tree& tree, int fd, const WriteOptions& options = {});

/// How modes on disk become modes of the tree. The umask of a git clone affects modes on disk.
enum class FolderModes {
  Canonical,  ///< 0755 or 0644 by the executable bit: what git keeps
  Narrow,     ///< the same without bits of group and others that the file lacks: 0600 stays 0600
  Keep        ///< unchanged
};
/// A folder on disk as a tree, without the folder itself (a file: one node with its name). Owners are 0:0, mtime is 0.
/// Hard links become separate files, because they may be an accident of the machine. Devices and sockets are refused
/// (Error{Usage}).
Tree read_folder(Store& store, const std::filesystem::path& folder, const Origin& origin,
                 FolderModes modes = FolderModes::Canonical);

/// The tree as a folder of the store ("checkouts/DIGEST"), with files as hard links to blobs, for sandbox mounts.
/// Created once, atomically. Owners, setuid bits, devices, fifos and xattrs are not kept; files and folders have modes
/// 0555 and 0755. Error{Internal} when something is below a name that is not a folder.
std::filesystem::path checkout(Store& store, const Value& tree);

/// Compares a checkout with its tree: names, types, symlink targets, and that each file is the blob itself (the blob is
/// checked separately) or a copy with the same bytes. Returns the first difference ("usr/bin/gcc is missing"); empty if
/// there is none or no checkout.
std::string checkout_difference(const Store& store, const Digest& digest, const Tree& tree);
/// Moves the checkouts of the trees `lost`, and of trees that contain a blob of `lost`, into the quarantine: they have
/// hard links to replaced files.
void set_checkouts_aside(Store& store, const std::set<Digest>& lost);

}  // namespace k8simg
