// Tests numbers in bytes: both orders, every width, and bounds; hexadecimal digits.
#include "util/bytes.hpp"

#include <limits>

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("bytes as hexadecimal digits and back") {
  const std::string bytes("\x00\x7f\x80\xff", 4);
  CHECK(to_hex(bytes) == "007f80ff");
  CHECK(to_hex("").empty());
  CHECK(from_hex("007f80ff") == bytes);
  CHECK(from_hex("007F80fF") == bytes);
  CHECK(from_hex("") == "");
  for (const char* malformed : {"0", "0g", "g0", "0x", " 0", "00 00"}) {
    INFO(malformed);
    CHECK_FALSE(from_hex(malformed));
  }
}

TEST_CASE("numbers are read in both byte orders, from any place") {
  const std::string_view bytes("\x01\x02\x03\x04\x05\x06\x07\xf8\xff", 9);
  CHECK(read_number(bytes, 0, 1) == 0x01);
  CHECK(read_number(bytes, 1, 2) == 0x0302);
  CHECK(read_number(bytes, 1, 2, std::endian::big) == 0x0203);
  CHECK(read_number(bytes, 3, 4) == 0x07060504);
  CHECK(read_number(bytes, 4, 3, std::endian::big) == 0x050607);
  CHECK(read_number(bytes, 0, 8) == 0xf807060504030201);
  CHECK(read_number(bytes, 1, 8, std::endian::big) == 0x0203040506'07f8ff);
  CHECK(read_number(bytes, 8, 1) == 0xff);  // unsigned
}

TEST_CASE("a number that does not lie within the bytes is none") {
  const std::string_view bytes("\x01\x02\x03\x04", 4);
  CHECK(read_number(bytes, 0, 4));
  CHECK_FALSE(read_number(bytes, 1, 4));
  CHECK_FALSE(read_number(bytes, 4, 1));
  CHECK_FALSE(read_number(bytes, 5, 1));
  CHECK_FALSE(read_number({}, 0, 1));
  // Offsets from a damaged file whose sum with the width overflows.
  CHECK_FALSE(read_number(bytes, std::numeric_limits<std::uint64_t>::max(), 1));
  CHECK_FALSE(read_number(bytes, std::numeric_limits<std::uint64_t>::max() - 1, 4));
}

TEST_CASE("numbers are appended in both byte orders, and read as the same ones") {
  std::string bytes = "x";
  append_number(bytes, 0x1234, 4);
  append_number(bytes, 0x1234, 4, std::endian::big);
  append_number(bytes, 0xabcdef, 2);  // the lowest bytes
  CHECK(bytes == std::string("x\x34\x12\0\0\0\0\x12\x34\xef\xcd", 11));
  for (const auto order : {std::endian::little, std::endian::big}) {
    for (unsigned width = 1; width <= 8; ++width) {
      const std::uint64_t value = 0x8796a5b4c3d2e1f0 >> (64 - 8 * width);
      std::string written;
      append_number(written, value, width, order);
      CHECK(written.size() == width);
      CHECK(read_number(written, 0, width, order) == value);
    }
  }
}
