// The data ranges of sparse files, and reads and writes at an offset.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace k8simg {

/// Bytes `start` to `end`, the latter excluded; never empty.
struct DataRange {
  off_t start = 0, end = 0;
};

/// The first data range at or after `at` of a file of `size` bytes; nullopt when only a hole follows. If the filesystem
/// cannot report holes (EINVAL, EOPNOTSUPP, ENOSYS) or its answer is inconsistent, the rest of the file counts as data.
/// A loop that continues at `end` therefore always terminates. Changes the file offset of `fd`. Error{Internal} naming
/// `file`: it cannot be read, or became shorter than `size`.
std::optional<DataRange> next_data(int fd, off_t at, off_t size, const std::filesystem::path& file);

/// Reads `range` into `buffer`, piece by piece, and passes each piece with its offset to `take`. Error{Internal} naming
/// `file`: it cannot be read, or became shorter.
void read_range(int fd, DataRange range, const std::filesystem::path& file, std::span<char> buffer,
                const std::function<void(std::string_view, off_t)>& take);

/// `size` bytes at `offset`. Errors as above.
std::string read_all_at(int fd, off_t offset, std::size_t size, const std::filesystem::path& file);

/// Error{Internal}: the file became shorter while it was read.
[[noreturn]] void throw_shorter(const std::filesystem::path& file);

/// Writes all of `bytes` at `offset`. Error{Internal} naming `file`.
void write_all_at(int fd, std::string_view bytes, off_t offset, const std::filesystem::path& file);

}  // namespace k8simg
