// Tests reading images as streams: plain, xz and zstd, several streams in one file, damage and wrong names.
#include "flash/image_source.hpp"

#include "compressed.hpp"
#include "flash/flash.hpp"
#include "flashing.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::string read_all(const fs::path& file, std::size_t step = 100'000) {
  const auto source = open_image_source(file);
  std::string all, part(step, '\0');
  while (const std::size_t got = source->read(part)) all.append(part, 0, got);
  CHECK(source->position() == all.size());
  return all;
}

/// One half is compressible, the other is not.
std::string image_bytes() {
  return random_bytes(2 * mib, 11) + std::string(3 * mib, '\0') + random_bytes(mib + 77, 12);
}

}  // namespace

TEST_CASE("the size of an image's sectors is read from the place of its GPT, however it is packed") {
  const TempDir folder(fs::temp_directory_path());
  const auto sectors = [&](const std::string& image, Packing packing) {
    const fs::path file = folder.path() / "image";
    write_file_atomically(file, packed(image, packing));
    return read_sector_size(*open_image_source(file));
  };
  const auto with_gpt = [](std::initializer_list<std::size_t> places) {
    std::string image(20'000, '\0');
    for (const std::size_t at : places) image.replace(at, 8, "EFI PART");
    return image;
  };
  for (const Packing packing : {Packing::None, Packing::Xz, Packing::Zstd}) {
    CHECK(sectors(with_gpt({512}), packing) == 512);
    CHECK(sectors(with_gpt({4096}), packing) == 4096);
    CHECK(sectors(with_gpt({512, 4096}), packing) == 512);
    CHECK(sectors(with_gpt({}), packing) == 512);  // an MBR
    CHECK(sectors("short", packing) == 512);
    CHECK(sectors(with_gpt({4096}).substr(0, 4100), packing) == 512);
  }
}

TEST_CASE("what is read is the image, however it is packed") {
  const TempDir folder(fs::temp_directory_path());
  const std::string image = image_bytes();
  for (const Packing packing : {Packing::None, Packing::Xz, Packing::Zstd}) {
    const fs::path file = folder.path() / (packing == Packing::None ? "a.img"
                                           : packing == Packing::Xz ? "a.img.xz"
                                                                    : "a.img.zst");
    INFO(file.string());
    write_file_atomically(file, packed(image, packing));
    CHECK((read_all(file) == image));
    CHECK((read_all(file, 4 * mib) == image));
    CHECK(measure(file, {}) == image.size());
    CHECK(open_image_source(file)->size().has_value() == (packing == Packing::None));
    CHECK(block_map_beside(file) == folder.path() / "a.img.bmap");
    const auto source = open_image_source(file);
    source->skip(2 * mib - 5);
    std::string part(10, 'x');
    CHECK(source->read(part) == 10);
    CHECK(part == image.substr(2 * mib - 5, 10));
    source->skip(100 * mib);
    CHECK(source->position() == image.size());
    CHECK(source->read(part) == 0);
    // The format does not depend on the name.
    const fs::path other = folder.path() / "other";
    write_file_atomically(other, packed(image, packing));
    CHECK((read_all(other) == image));
    // Parallel compressors write several consecutive streams.
    if (packing != Packing::None) {
      write_file_atomically(file, packed(image.substr(0, mib), packing) + packed(image.substr(mib), packing));
      CHECK((read_all(file) == image));
    }
  }
}

TEST_CASE("damage of a packed image is noticed wherever it is") {
  const TempDir folder(fs::temp_directory_path());
  const std::string image = image_bytes();
  for (const Packing packing : {Packing::Xz, Packing::Zstd}) {
    const fs::path file = folder.path() / (packing == Packing::Xz ? "a.img.xz" : "a.img.zst");
    const std::string whole = packed(image, packing);
    for (const std::size_t size : {std::size_t{7}, whole.size() / 3, whole.size() - 1}) {
      INFO(file.string() << " cut to " << size << " of " << whole.size());
      write_file_atomically(file, whole.substr(0, size));
      const Failure failure = failure_of([&] { read_all(file); });
      CHECK(failure.kind == ErrorKind::Fetch);
      CHECK(contains(failure.text, "is damaged or incomplete"));
      CHECK(failure_of([&] { measure(file, {}); }).kind == ErrorKind::Fetch);
    }
  }
}

TEST_CASE("packed images are written through the map") {
  const TempDir folder(fs::temp_directory_path());
  const std::string image = image_bytes();
  const std::uint64_t blocks = (image.size() + 4095) / 4096;
  const BlockMap map = parse_block_map(map_text(image, {{0, 511}, {1280, blocks - 1}}), "map");
  for (const Packing packing : {Packing::Xz, Packing::Zstd}) {
    const fs::path file = folder.path() / (packing == Packing::Xz ? "a.img.xz" : "a.img.zst");
    const std::string whole = packed(image, packing);
    write_file_atomically(file, whole);
    MemoryDevice device(image.size());
    Listener listener;
    CHECK(flash_image(*open_image_source(file), map, device, true, listener, {}).written == map.mapped_bytes());
    CHECK((device.bytes == image.substr(0, 2 * mib) + std::string(3 * mib, '\xee') + image.substr(5 * mib)));
    write_file_atomically(file, whole.substr(0, whole.size() - whole.size() / 4));
    MemoryDevice second(image.size());
    const Failure failure = failure_of([&] { flash_image(*open_image_source(file), map, second, true, listener, {}); });
    CHECK(failure.kind == ErrorKind::Fetch);
    CHECK(contains(failure.text, "is damaged or incomplete"));
    CHECK(contains(failure.text, "was left empty"));
    CHECK((second.bytes.substr(0, mib) == std::string(mib, '\0')));
  }
}

TEST_CASE("files that are no images") {
  const TempDir folder(fs::temp_directory_path());
  const auto refusal = [&](const std::string& name, const std::string& bytes) {
    write_file_atomically(folder.path() / name, bytes);
    return failure_of([&] { open_image_source(folder.path() / name); });
  };
  CHECK(refusal("a.img.gz", "\x1f\x8b\x08...").kind == ErrorKind::Usage);
  CHECK(contains(refusal("a.zip", "PK\x03\x04...").text, "is a zip archive, not an image"));
  CHECK(contains(refusal("a.img", "").text, "is empty"));
  CHECK(contains(refusal("a.img.xz", "no such thing").text, "is not a xz file"));
  CHECK(contains(refusal("a.img.zst", packed("x", Packing::Xz)).text, "is not a zst file"));
  CHECK(failure_of([&] { open_image_source(folder.path()); }).kind == ErrorKind::Usage);
  CHECK(contains(failure_of([&] { open_image_source(folder.path() / "none.img"); }).text, "there is no image"));
}
