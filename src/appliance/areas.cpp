// Compares the bytes outside of files. Formats: UEFI specification 2.10, 5.2 (MBR) and 5.3 (GPT). Positions and sizes
// come from the manifest, never from the image, so a damaged table can be compared too.
#include "appliance/areas.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

enum class Form { Number, Hex, Guid, Text, Bytes };

struct TableField {
  std::size_t offset = 0, size = 0;  ///< bytes
  std::string name;
  Form form = Form::Number;
  std::size_t entry = 0;  ///< partition number, from 1; 0: the table itself
};

std::vector<TableField> mbr_fields() {
  std::vector<TableField> fields{{0, 4, "disk identifier", Form::Hex}, {4, 2, "reserved bytes", Form::Hex}};
  for (std::size_t entry = 1; entry <= 4; ++entry) {
    const std::size_t at = 6 + 16 * (entry - 1);
    fields.insert(fields.end(), {{at, 1, "boot flag", Form::Hex, entry},
                                 {at + 1, 3, "first sector as CHS", Form::Hex, entry},
                                 {at + 4, 1, "partition type", Form::Hex, entry},
                                 {at + 5, 3, "last sector as CHS", Form::Hex, entry},
                                 {at + 8, 4, "first sector", Form::Number, entry},
                                 {at + 12, 4, "number of sectors", Form::Number, entry}});
  }
  fields.push_back({70, 2, "signature", Form::Hex});
  return fields;
}

std::vector<TableField> header_fields(std::size_t size) {
  return {{0, 8, "signature", Form::Hex},
          {8, 4, "revision", Form::Hex},
          {12, 4, "size of the header"},
          {16, 4, "checksum", Form::Hex},
          {20, 4, "reserved bytes", Form::Hex},
          {24, 8, "sector of this header"},
          {32, 8, "sector of the other header"},
          {40, 8, "first usable sector"},
          {48, 8, "last usable sector"},
          {56, 16, "disk GUID", Form::Guid},
          {72, 8, "sector of the entries"},
          {80, 4, "number of entries"},
          {84, 4, "size of an entry"},
          {88, 4, "checksum of the entries", Form::Hex},
          {92, size - 92, "reserved bytes", Form::Bytes}};
}

std::vector<TableField> entry_fields(std::size_t size) {
  std::vector<TableField> fields;
  for (std::size_t at = 0, entry = 1; at + 128 <= size; at += 128, ++entry) {
    fields.insert(fields.end(), {{at, 16, "partition type", Form::Guid, entry},
                                 {at + 16, 16, "partition GUID", Form::Guid, entry},
                                 {at + 32, 8, "first sector", Form::Number, entry},
                                 {at + 40, 8, "last sector", Form::Number, entry},
                                 {at + 48, 8, "attributes", Form::Hex, entry},
                                 {at + 56, 72, "partition name", Form::Text, entry}});
  }
  return fields;
}

constexpr std::size_t largest_table = 1 << 16;  // bytes; a GPT has 16 KiB of entries

/// The fields of an area; empty for one without structure.
std::vector<TableField> fields_of(const Manifest::Area& area) {
  const bool table = area.size <= largest_table;
  if (area.name == "MBR" && area.size == 72) return mbr_fields();
  if (table && area.name.ends_with("GPT header") && area.size > 92)
    return header_fields(static_cast<std::size_t>(area.size));
  if (table && area.name.ends_with("GPT entries")) return entry_fields(static_cast<std::size_t>(area.size));
  return {};
}

/// A GUID's first three numbers are little-endian: UEFI specification, appendix A.
std::string guid_text(std::string_view bytes) {
  std::string text = fmt::format("{:08x}-{:04x}-{:04x}-", *read_number(bytes, 0, 4), *read_number(bytes, 4, 2),
                                 *read_number(bytes, 6, 2));
  for (std::size_t i = 8; i < 16; ++i)
    text += fmt::format("{}{:02x}", i == 10 ? "-" : "", static_cast<unsigned char>(bytes[i]));
  return text;
}

/// UTF-16; non-ASCII characters become "?".
std::string name_text(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const auto unit = *read_number(bytes, i, 2);
    text += unit == 0 ? '\0' : unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '?';
  }
  text.resize(text.find_last_not_of('\0') + 1);
  std::replace(text.begin(), text.end(), '\0', '?');
  return "\"" + text + "\"";
}

std::string value_text(const TableField& field, std::string_view bytes) {
  switch (field.form) {
    case Form::Number:
      return std::to_string(*read_number(bytes, 0, static_cast<unsigned>(field.size)));
    case Form::Hex:
      return fmt::format("0x{:0{}x}", *read_number(bytes, 0, static_cast<unsigned>(field.size)), 2 * field.size);
    case Form::Guid:
      return guid_text(bytes);
    case Form::Text:
      return name_text(bytes);
    case Form::Bytes:
      break;
  }
  return {};
}

bool is_checksum(const TableField& field) { return field.name.starts_with("checksum"); }

class Comparison {
 public:
  Comparison(const fs::path& image, const Manifest& manifest, const std::stop_token& stop)
      : image_(image),
        manifest_(manifest),
        stop_(stop),
        fd_(Fd::open(image, O_RDONLY)),
        buffer_(std::size_t{1} << 20, '\0') {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("cannot read", image.string(), errno);
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  std::vector<AreaDifference> run() {
    for (const Manifest::Area& area : manifest_.areas) {
      if (area.start + area.size > size_) {
        add(place_of(area), fmt::format("{}: the image ends before it, or in it, at byte {}", area.name, size_));
      } else if (area.sha256) {
        compare_filesystem(area);
      } else if (const auto fields = fields_of(area); !fields.empty()) {
        compare_table(area, fields);
      } else {
        compare_bytes(area);
      }
    }
    add_checksums();
    return std::move(differences_);
  }

 private:
  void add(const std::string& place, std::string text, bool filesystem = false) {
    differences_.push_back({place, std::move(text), filesystem});
  }

  template <class Take>
  void read(const Manifest::Area& area, Take&& take) {
    read_range(fd_.get(), {static_cast<off_t>(area.start), static_cast<off_t>(area.start + area.size)}, image_, buffer_,
               [&](std::string_view bytes, off_t at) {
                 if (stop_.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
                 take(bytes, static_cast<std::uint64_t>(at));
               });
  }

  std::string place_of(const Manifest::Area& area) const {
    for (const PartitionState& partition : manifest_.image.partitions) {
      if (area.start >= partition.start && area.start - partition.start < partition.size) return partition.name;
    }
    return "disk";
  }

  void compare_filesystem(const Manifest::Area& area) {
    Sha256 hash;
    read(area, [&](std::string_view bytes, std::uint64_t) { hash.update(bytes); });
    if (const Digest found = hash.finish(); found != *area.sha256) {
      add(place_of(area),
          fmt::format(
              "bytes of the filesystem that belong to no path are not the manifest's: SHA-256 {}, manifest says {}",
              found.hex(), area.sha256->hex()),
          true);
    }
  }

  void compare_bytes(const Manifest::Area& area) {
    std::uint64_t count = 0, first = 0;
    unsigned char found = 0, expected = 0;
    read(area, [&](std::string_view bytes, std::uint64_t at) {
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::uint64_t offset = at + i - area.start;
        const char wanted = offset < area.bytes.size() ? area.bytes[offset] : '\0';
        if (bytes[i] == wanted) continue;
        if (count++ == 0)
          first = at + i, found = static_cast<unsigned char>(bytes[i]), expected = static_cast<unsigned char>(wanted);
      }
    });
    if (count == 0) return;
    const std::string more = count == 1 ? "" : fmt::format(", and {} more differ", count - 1);
    add(place_of(area),
        fmt::format("{}: byte {} is 0x{:02x}, manifest says 0x{:02x}{}", area.name, first, found, expected, more));
  }

  void compare_table(const Manifest::Area& area, const std::vector<TableField>& fields) {
    std::string found, expected = area.bytes;
    read(area, [&](std::string_view bytes, std::uint64_t) { found += bytes; });
    expected.resize(found.size(), '\0');
    bool named = found == expected;
    for (const TableField& field : fields) {
      const std::string_view is = std::string_view(found).substr(field.offset, field.size),
                             should = std::string_view(expected).substr(field.offset, field.size);
      if (is == should) continue;
      named = true;
      // The MBR of a GPT disk has only the protective entry.
      const bool known = field.entry > 0 && field.entry <= manifest_.image.partitions.size() &&
                         (area.name != "MBR" || manifest_.image.table == "dos");
      const std::string place = known ? manifest_.image.partitions[field.entry - 1].name : "disk";
      const std::string entry = field.entry > 0 && !known ? fmt::format("entry {}: ", field.entry) : "";
      const std::string now = value_text(field, is), then = value_text(field, should);
      AreaDifference difference{
          place, now == then
                     ? fmt::format("{}: {}{} has other bytes than the manifest says", area.name, entry, field.name)
                     : fmt::format("{}: {}{} {}, manifest says {}", area.name, entry, field.name, now, then)};
      const bool backup = area.name.starts_with("backup");
      if (is_checksum(field))
        checksums_[backup].push_back(std::move(difference));
      else
        changed_[backup] = true, differences_.push_back(std::move(difference));
    }
    if (!named) compare_bytes(area);  // the difference is after the last field
  }

  /// Reports a checksum only if no other field of its table changed.
  void add_checksums() {
    for (const bool backup : {false, true}) {
      if (!changed_[backup])
        differences_.insert(differences_.end(), checksums_[backup].begin(), checksums_[backup].end());
    }
  }

  const fs::path& image_;
  const Manifest& manifest_;
  const std::stop_token& stop_;
  Fd fd_;
  std::string buffer_;
  std::uint64_t size_ = 0;
  std::vector<AreaDifference> differences_, checksums_[2];  ///< checksums: of the primary and the backup GPT
  bool changed_[2] = {false, false};
};

}  // namespace

std::vector<AreaDifference> compare_areas(const fs::path& image, const Manifest& manifest,
                                          const std::stop_token& stop) {
  return Comparison(image, manifest, stop).run();
}

}  // namespace k8simg
