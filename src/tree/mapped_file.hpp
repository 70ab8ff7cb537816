// A whole file as bytes in memory, paged in by the kernel as it is read.
#pragma once

#include <filesystem>
#include <string_view>

namespace k8simg {

/// For files that nobody shortens meanwhile: blobs of the store and the user's own archives.
class MappedFile {
 public:
  /// Throws Error{Internal} naming the file when it cannot be opened.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace k8simg
