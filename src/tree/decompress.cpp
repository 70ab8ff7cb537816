// Hashes the decompressed bytes of a file.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>

#include "tree/archive.hpp"
#include "util/error.hpp"

namespace k8simg {

Digest decompressed_digest(const std::filesystem::path& file, std::uint64_t max_bytes,
                           const std::string& name_for_errors) {
  const std::unique_ptr<archive, int (*)(archive*)> stream(archive_read_new(), archive_read_free);
  if (!stream) throw std::bad_alloc();
  const auto fail = [&](const std::string& what) -> void {
    throw Error(ErrorKind::Fetch, fmt::format("{}: {}", name_for_errors, what),
                "The file is damaged or not what it should be: get it again from its source.");
  };
  const auto cannot = [&] {
    const char* reason = archive_error_string(stream.get());
    fail(fmt::format("cannot be decompressed: {}", reason != nullptr ? reason : "damaged"));
  };
  // The same filters as read_tar().
  archive_read_support_filter_gzip(stream.get());
  archive_read_support_filter_bzip2(stream.get());
  archive_read_support_filter_xz(stream.get());
  archive_read_support_filter_lzma(stream.get());
  archive_read_support_filter_zstd(stream.get());
  archive_read_support_format_raw(stream.get());
  archive_entry* whole = nullptr;
  constexpr std::size_t block_size = 1 << 20;
  if (archive_read_open_filename(stream.get(), file.c_str(), block_size) != ARCHIVE_OK ||
      archive_read_next_header(stream.get(), &whole) != ARCHIVE_OK) {
    cannot();
  }
  Sha256 hash;
  std::uint64_t total = 0;
  while (true) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(stream.get(), &block, &size, &offset);
    if (status == ARCHIVE_EOF) return hash.finish();
    if (status != ARCHIVE_OK) cannot();
    total += size;
    if (total > max_bytes) fail(fmt::format("it unpacks to more than {} bytes", max_bytes));
    hash.update({static_cast<const char*>(block), size});
  }
}

}  // namespace k8simg
