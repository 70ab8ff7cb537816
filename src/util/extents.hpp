// The data of a regular file without its holes: where it lies, and how it is read and written at an offset.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace k8simg {

/// Bytes `start` to `end`, the latter excluded; never empty.
struct DataRange {
  off_t start = 0, end = 0;
};

/// The first run of data at or after `at` of a file that has `size` bytes; nullopt when only a hole is left. A
/// filesystem that cannot tell holes from data (EINVAL, EOPNOTSUPP), or tells nonsense, gives all of the rest as data.
/// Moves the descriptor's position. Error{Internal} naming `file`: the disk fails, or the file became shorter than
/// `size`. A loop that continues at `end` comes to its end whatever the filesystem says.
std::optional<DataRange> next_data(int fd, off_t at, off_t size, const std::filesystem::path& file);

/// Reads `range` into `buffer`, piece by piece, and gives each piece with its offset to `take`. Error{Internal} naming
/// `file`: it cannot be read, or became shorter.
void read_range(int fd, DataRange range, const std::filesystem::path& file, std::span<char> buffer,
                const std::function<void(std::string_view, off_t)>& take);

/// Error{Internal}: the file became shorter while it was read.
[[noreturn]] void throw_shorter(const std::filesystem::path& file);

/// Writes all of `bytes` at `offset`. Error{Internal} naming `file`.
void write_all_at(int fd, std::string_view bytes, off_t offset, const std::filesystem::path& file);

}  // namespace k8simg
