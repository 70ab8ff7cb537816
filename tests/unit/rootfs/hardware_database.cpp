// Tests the compiled hardware database with the algorithm of sd-hwdb(3).
#include "rootfs/hardware_database.hpp"

#include <map>

#include <fnmatch.h>

#include "support/catch.hpp"

using namespace k8simg::rootfs;

namespace {

using Properties = std::map<std::string, std::string>;

class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {
    REQUIRE(bytes_.substr(0, 8) == "KSLPHHRH");
    REQUIRE(number(16) == bytes_.size());
    REQUIRE(number(24) + number(64) + number(72) == bytes_.size());
  }
  /// All properties whose pattern matches; that of the later file and line takes precedence.
  Properties query(const std::string& name) {
    found_.clear();
    walk(number(56), "", name);
    Properties result;
    for (const auto& [key, property] : found_) result[key.substr(1)] = property.second;
    return result;
  }

 private:
  std::uint64_t number(std::uint64_t at, int bytes = 8) const {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_.at(at + static_cast<std::uint64_t>(i))))
               << (8 * i);
    return value;
  }
  std::string text(std::uint64_t at) const { return bytes_.c_str() + at; }
  void walk(std::uint64_t node, const std::string& above, const std::string& name) {
    const std::string here = above + text(number(node));
    const auto children = number(node + 8, 1), values = number(node + 16);
    std::uint64_t at = node + 24;
    int before = -1;
    for (std::uint64_t i = 0; i < children; ++i, at += 16) {
      const auto character = static_cast<int>(number(at, 1));
      CHECK(character > before);  // readers use a binary search
      before = character;
      walk(number(at + 8), here + static_cast<char>(character), name);
    }
    for (std::uint64_t i = 0; i < values; ++i, at += 32) {
      if (fnmatch(here.c_str(), name.c_str(), 0) != 0) continue;
      const std::pair rank{number(at + 28, 2), number(at + 24, 4)};
      auto& best = found_[text(number(at))];
      if (best.second.empty() || best.first <= rank) best = {rank, text(number(at + 8))};
    }
  }
  std::string bytes_;
  std::map<std::string, std::pair<std::pair<std::uint64_t, std::uint64_t>, std::string>> found_;
};

std::vector<std::string> warnings;
Reader compile(const std::vector<HardwareFile>& files) {
  warnings.clear();
  return Reader(compile_hardware_database(files, [](const std::string& line) { warnings.push_back(line); }));
}

}  // namespace

TEST_CASE("properties are found by every pattern that matches") {
  auto reader = compile({{"/a",
                          "# comment\n\nusb:v1234*\nusb:v12FF*\n ID_VENDOR=One # not this\n   ID_MODEL=Two "
                          "words\n\nusb:v1234p0001*\n ID_MODEL=Three\n\nacpi:?X[0-9]*\n KEY=\n"}});
  CHECK(reader.query("usb:v1234p9") == Properties{{"ID_VENDOR", "One"}, {"ID_MODEL", "Two words"}});
  CHECK(reader.query("usb:v12FFp9") == Properties{{"ID_VENDOR", "One"}, {"ID_MODEL", "Two words"}});
  CHECK(reader.query("usb:v1234p0001x") == Properties{{"ID_VENDOR", "One"}, {"ID_MODEL", "Three"}});
  CHECK(reader.query("acpi:AX1") == Properties{{"KEY", ""}});
  CHECK(reader.query("acpi:AXB").empty());
  CHECK(reader.query("usb:v12").empty());
  CHECK(warnings.empty());
}

TEST_CASE("later files win, whatever the pattern") {
  auto reader = compile({{"/10", "evdev:atkbd:*\n K=old\n L=kept\n"}, {"/20", "evdev:*\n K=new\n"}});
  CHECK(reader.query("evdev:atkbd:x") == Properties{{"K", "new"}, {"L", "kept"}});
  // The same pattern twice: only the last property.
  CHECK(compile({{"/10", "a*\n K=1\n\na*\n K=2\n"}}).query("ab") == Properties{{"K", "2"}});
}

TEST_CASE("what is no record is skipped and told") {
  auto reader = compile({{"/x", " EARLY=1\n\nalone*\n\na*\n GOOD=1\nb*\n LOST=1\n\nc*\n no value\n =2\n"}});
  CHECK(reader.query("ax") == Properties{{"GOOD", "1"}});
  CHECK(reader.query("bx").empty());
  CHECK(warnings == std::vector<std::string>{"/x:1: a property without a pattern", "/x:4: a pattern without properties",
                                             "/x:7: neither a property nor an empty line, which ends the record",
                                             "/x:8: a property without a pattern",
                                             "/x:11: neither a pattern nor \" KEY=VALUE\"",
                                             "/x:12: neither a pattern nor \" KEY=VALUE\""});
}

TEST_CASE("an empty database is one node") { CHECK(compile({}).query("x").empty()); }
