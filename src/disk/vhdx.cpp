// The random identifiers of a VHDX. Format: Microsoft's [MS-VHDX], chapter 2.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "disk/identify.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t kibibyte = 1024;
constexpr std::array<std::uint64_t, 2> header_places{64 * kibibyte, 128 * kibibyte};
constexpr std::uint64_t header_bytes = 4 * kibibyte;
constexpr std::uint64_t regions_place = 192 * kibibyte, table_bytes = 64 * kibibyte;
constexpr std::uint64_t largest_log = 64 * mebibyte;

// GUIDs as they are stored: the first three numbers are little-endian.
constexpr std::string_view metadata_region{"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e", 16};
constexpr std::string_view disk_id_item{"\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46", 16};

std::string stored_guid(const Uuid& uuid) {
  std::string bytes(uuid.bytes.begin(), uuid.bytes.end());
  std::reverse(bytes.begin(), bytes.begin() + 4);
  std::reverse(bytes.begin() + 4, bytes.begin() + 6);
  std::reverse(bytes.begin() + 6, bytes.begin() + 8);
  return bytes;
}

void set_number(std::string& bytes, std::size_t offset, std::uint64_t value, unsigned width) {
  std::string number;
  append_number(number, value, width);
  bytes.replace(offset, width, number);
}

/// The checksum covers the structure with zeros in its own place.
std::string with_checksum(std::string structure) {
  set_number(structure, 4, 0, 4);
  set_number(structure, 4, crc32c(structure), 4);
  return structure;
}

class Vhdx {
 public:
  explicit Vhdx(const std::filesystem::path& file) : file_(file), fd_(Fd::open(file, O_RDWR)) {}

  void identify(const DiskIdentity& identity) {
    std::string header = current_header();
    if (header.substr(48, 16) != std::string(16, '\0')) throw fail("was not closed: its log is in use");
    const Uuid content = uuid5(identity.content.hex() + "/vhdx");
    header.replace(16, 16, stored_guid(uuid5(content, "file")));
    header.replace(32, 16, stored_guid(uuid5(content, "data")));
    // The current header is the one with the larger number.
    for (std::size_t copy = 0; copy < header_places.size(); ++copy) {
      set_number(header, 8, copy + 1, 8);
      write(header_places[copy], with_checksum(header));
    }
    empty_log(*read_number(header, 72, 8), *read_number(header, 68, 4));
    write(disk_id_place(), stored_guid(uuid5(identity.disk, "vhdx")));
  }

 private:
  Error fail(const std::string& what) const {
    return {ErrorKind::Step, fmt::format("{} {}", file_.filename().string(), what),
            "another version of qemu-utils may write another kind of VHDX"};
  }
  std::string read(std::uint64_t place, std::uint64_t size) const {
    return read_all_at(fd_.get(), static_cast<off_t>(place), size, file_);
  }
  void write(std::uint64_t place, std::string_view bytes) const {
    write_all_at(fd_.get(), bytes, static_cast<off_t>(place), file_);
  }

  std::string current_header() const {
    std::string current;
    for (const std::uint64_t place : header_places) {
      std::string header = read(place, header_bytes);
      if (!header.starts_with("head") || header != with_checksum(header)) continue;
      if (current.empty() || *read_number(header, 8, 8) > *read_number(current, 8, 8)) current = std::move(header);
    }
    if (current.empty()) throw fail("has no valid header of a VHDX");
    return current;
  }

  /// Entries of the log stay in the file after they were carried out. They contain identifiers.
  void empty_log(std::uint64_t place, std::uint64_t size) const {
    if (place < mebibyte || size > largest_log) throw fail("has a header with a wrong place of the log");
    write(place, std::string(size, '\0'));
  }

  /// The place of an entry's GUID in a table whose entries have 32 bytes.
  std::size_t find_entry(const std::string& table, std::size_t count, std::size_t first, std::string_view guid,
                         const char* what) const {
    for (std::size_t at = first; count > 0 && at + 32 <= table.size(); at += 32, --count)
      if (table.compare(at, guid.size(), guid) == 0) return at;
    throw fail(fmt::format("has no {}", what));
  }

  std::uint64_t disk_id_place() const {
    const std::string regions = read(regions_place, table_bytes);
    const std::size_t region =
        find_entry(regions, *read_number(regions, 8, 4), 16, metadata_region, "region for metadata");
    const std::uint64_t place = *read_number(regions, region + 16, 8);
    const std::string items = read(place, table_bytes);
    const std::size_t item = find_entry(items, *read_number(items, 10, 2), 32, disk_id_item, "identifier of the disk");
    return place + *read_number(items, item + 16, 4);
  }

  const std::filesystem::path& file_;
  Fd fd_;
};

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
  }
  return ~crc;
}

void identify_vhdx(const std::filesystem::path& file, const DiskIdentity& identity) { Vhdx(file).identify(identity); }

}  // namespace k8simg
