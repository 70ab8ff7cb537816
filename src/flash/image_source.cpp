// Detects the format of images by their first bytes, and decodes them.
#include "flash/image_source.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

using namespace std::string_view_literals;

class PlainSource final : public ImageSource {
 public:
  PlainSource(fs::path file, Fd fd, std::uint64_t size) : file_(std::move(file)), fd_(std::move(fd)), size_(size) {
    (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  std::string name() const override { return file_.string(); }
  std::optional<std::uint64_t> size() const override { return size_; }
  std::uint64_t position() const override { return position_; }

  std::size_t read(std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(position_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        throw Error(
            ErrorKind::Fetch,
            fmt::format("cannot read {} at byte {}: {}", name(), position_, std::system_category().message(errno)),
            "the disk with the image may be failing: get the image again");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
      position_ += static_cast<std::uint64_t>(got);
    }
    return done;
  }
  void skip(std::uint64_t bytes) override { position_ = std::max(position_, std::min(size_, position_ + bytes)); }

 private:
  fs::path file_;
  Fd fd_;
  std::uint64_t size_, position_ = 0;
};

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

class DecodedSource final : public ImageSource {
 public:
  DecodedSource(fs::path file, Fd fd) : file_(std::move(file)), fd_(std::move(fd)), reader_(archive_read_new()) {
    if (!reader_) throw std::bad_alloc();
    archive_read_support_filter_xz(reader_.get());
    archive_read_support_filter_zstd(reader_.get());
    archive_read_support_format_raw(reader_.get());
    archive_entry* entry = nullptr;
    if (archive_read_open_fd(reader_.get(), fd_.get(), std::size_t{1} << 20) < ARCHIVE_WARN ||
        archive_read_next_header(reader_.get(), &entry) < ARCHIVE_WARN)
      throw damage();
  }
  std::string name() const override { return file_.string(); }
  std::optional<std::uint64_t> size() const override { return std::nullopt; }
  std::uint64_t position() const override { return position_; }

  std::size_t read(std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const la_ssize_t got = archive_read_data(reader_.get(), into.data() + done, into.size() - done);
      if (got == ARCHIVE_RETRY) continue;
      if (got < 0) throw damage();
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
      position_ += static_cast<std::uint64_t>(got);
    }
    return done;
  }
  void skip(std::uint64_t bytes) override {
    std::vector<char> scratch(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, 1 << 20)));
    while (bytes > 0) {
      const std::size_t got =
          read({scratch.data(), static_cast<std::size_t>(std::min<std::uint64_t>(bytes, scratch.size()))});
      if (got == 0) return;
      bytes -= got;
    }
  }

 private:
  Error damage() const {
    const char* why = archive_error_string(reader_.get());
    return Error(ErrorKind::Fetch,
                 fmt::format("{} is damaged or incomplete: after {} decompressed bytes: {}", name(), position_,
                             why ? why : "it ends"),
                 "get the image again and compare it with its SHA256SUMS");
  }

  fs::path file_;
  Fd fd_;
  std::unique_ptr<archive, FreeArchive> reader_;
  std::uint64_t position_ = 0;
};

}  // namespace

std::unique_ptr<ImageSource> open_image_source(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::Usage, fmt::format("there is no image {}", file.string()),
                "give a file such as output/NAME/sdcard.img, .img.xz or .img.zst");
  }
  Fd fd = Fd::open(file, O_RDONLY);
  char first[6] = {};
  const ssize_t got = ::pread(fd.get(), first, sizeof first, 0);
  if (got < 0) throw_errno("cannot read", file.string(), errno);
  const std::string_view head(first, static_cast<std::size_t>(got));
  if (head.empty()) throw Error(ErrorKind::Fetch, fmt::format("{} is empty", file.string()), "get the image again");
  const bool xz = head ==
                  "\xfd"
                  "7zXZ\0"sv,
             zstd = head.substr(0, 4) == "\x28\xb5\x2f\xfd"sv;
  for (const auto& [magic, what, with] :
       {std::tuple{"\x1f\x8b"sv, "gzip", "gunzip"}, std::tuple{"BZh"sv, "bzip2", "bunzip2"},
        std::tuple{"PK\x03\x04"sv, "a zip archive", "unzip"}}) {
    if (head.substr(0, magic.size()) == magic)
      throw Error(ErrorKind::Usage, fmt::format("{} is {}, not an image", file.string(), what),
                  fmt::format("unpack it with `{}` first; xz and zstd are unpacked on the way", with));
  }
  const auto extension = file.extension();
  if ((extension == ".xz" && !xz) || (extension == ".zst" && !zstd))
    throw Error(ErrorKind::Fetch, fmt::format("{} is not a {} file", file.string(), extension.string().substr(1)),
                "get the image again");
  if (xz || zstd) return std::make_unique<DecodedSource>(file, std::move(fd));
  return std::make_unique<PlainSource>(file, std::move(fd), static_cast<std::uint64_t>(status.st_size));
}

std::uint64_t read_sector_size(ImageSource& image) {
  constexpr std::string_view signature =
      "EFI PART";  // of the GPT header in the second sector: UEFI specification, 5.3.2
  constexpr std::size_t large = 4096;
  std::vector<char> start(large + signature.size());
  const std::string_view bytes(start.data(), image.read(start));
  const bool is_small = bytes.size() >= 512 && bytes.substr(512).starts_with(signature);
  return !is_small && bytes.size() >= large && bytes.substr(large).starts_with(signature) ? large : 512;
}

std::uint64_t measure(const fs::path& file, std::stop_token stop) {
  const auto source = open_image_source(file);
  if (const auto size = source->size()) return *size;
  constexpr std::uint64_t stride = std::uint64_t{16} << 20;
  for (std::uint64_t before = 0;; before = source->position()) {
    if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted: nothing was written");
    source->skip(stride);
    if (source->position() - before < stride) return source->position();
  }
}

fs::path block_map_beside(const fs::path& image) {
  fs::path plain = image;
  if (plain.extension() == ".xz" || plain.extension() == ".zst") plain.replace_extension();
  return plain += ".bmap";
}

}  // namespace k8simg
