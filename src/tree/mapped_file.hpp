// A read-only memory mapping of a whole file.
#pragma once

#include <filesystem>
#include <string_view>

namespace k8simg {

/// Only for files that do not become shorter meanwhile: blobs of the store and the user's own archives.
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
