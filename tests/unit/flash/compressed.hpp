// Compresses bytes with the libraries of this machine.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace k8simg::test {

enum class Packing { None, Xz, Zstd };

inline std::string packed(std::string_view bytes, Packing packing) {
  if (packing == Packing::None) return std::string(bytes);
  archive* writer = archive_write_new();
  REQUIRE((packing == Packing::Xz ? archive_write_add_filter_xz(writer) : archive_write_add_filter_zstd(writer)) ==
          ARCHIVE_OK);
  REQUIRE(archive_write_set_filter_option(writer, nullptr, "compression-level", "1") == ARCHIVE_OK);
  REQUIRE(archive_write_set_format_raw(writer) == ARCHIVE_OK);
  REQUIRE(archive_write_set_bytes_in_last_block(writer, 1) == ARCHIVE_OK);  // no padding
  std::string out;
  const auto write = [](archive*, void* target, const void* data, std::size_t size) {
    static_cast<std::string*>(target)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  };
  REQUIRE(archive_write_open(writer, &out, nullptr, write, nullptr) == ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_pathname(entry, "image");
  REQUIRE(archive_write_header(writer, entry) == ARCHIVE_OK);
  REQUIRE(archive_write_data(writer, bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size()));
  archive_entry_free(entry);
  REQUIRE(archive_write_close(writer) == ARCHIVE_OK);
  archive_write_free(writer);
  return out;
}

}  // namespace k8simg::test
