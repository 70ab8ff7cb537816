// Tests the order of Debian versions with examples, and with random versions against dpkg.
#include "control/version.hpp"

#include <algorithm>
#include <random>

#include "process/command.hpp"
#include "support/catch.hpp"

using namespace k8simg;

namespace {

int sign(int number) { return (number > 0) - (number < 0); }

bool dpkg_says(const std::string& a, const std::string& op, const std::string& b) {
  Command command;
  command.argv = {"dpkg", "--compare-versions", a, op, b};
  command.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}};
  return system_runner().run(command).exit_code == 0;
}

int dpkg_order(const std::string& a, const std::string& b) {
  return dpkg_says(a, "lt", b) ? -1 : dpkg_says(a, "gt", b) ? 1 : 0;
}

}  // namespace

TEST_CASE("versions are ordered as deb-version says") {
  // Ascending.
  const std::vector<std::string> versions = {"~~",
                                             "~~a",
                                             "~",
                                             "0",
                                             "0.1~rc1",
                                             "0.1",
                                             "0.1a",
                                             "0.1+b1",
                                             "0.1.1",
                                             "1.0~~",
                                             "1.0~",
                                             "1.0~rc1-1",
                                             "1.0",
                                             "1.0-0.1",
                                             "1.0-1",
                                             "1.0-1+b1",
                                             "1.0-1+deb13u1",
                                             "1.0-10",
                                             "1.0a-1",
                                             "1.0+dfsg-1",
                                             "1.0.1-1",
                                             "1.2",
                                             "1.10",
                                             "99999999999999999999999999",
                                             "100000000000000000000000000",
                                             "1:0.1",
                                             "2:0",
                                             "10:0"};
  for (std::size_t i = 0; i < versions.size(); ++i)
    for (std::size_t j = 0; j < versions.size(); ++j) {
      INFO(versions[i] << " and " << versions[j]);
      CHECK(sign(compare_versions(versions[i], versions[j])) == sign(static_cast<int>(i) - static_cast<int>(j)));
    }
  CHECK(compare_versions("1.0", "0:1.0-0") == 0);
  CHECK(compare_versions("1.00", "1.0") == 0);
  CHECK(compare_versions("1.0-1-1", "1.0-1-1") == 0);
  CHECK(compare_versions("", "0") == 0);
}

TEST_CASE("random versions are ordered as dpkg orders them") {
  const std::uint32_t seed = 20261121;
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  const auto part = [&](const std::string& alphabet) {
    std::string text(1, "0129"[below(4)]);
    for (std::size_t i = below(6); i > 0; --i) text += alphabet[below(alphabet.size())];
    return text;
  };
  const auto version = [&] {
    std::string text;
    if (below(4) == 0) text += std::string(1, "012"[below(3)]) + ":";
    text += part("0019.+~aZz");
    if (below(2) == 0) text += "-" + part("019.+~ab");
    return text;
  };
  for (int i = 0; i < 250; ++i) {
    const std::string a = version();
    std::string b = version();
    // Half of the pairs differ only slightly, because such pairs are more likely to fail.
    if (below(2) == 0) {
      b = a;
      b.insert(below(b.size()) + 1, 1, "0~+.1a"[below(6)]);
    }
    if (!parse_version(a) || !parse_version(b)) continue;
    INFO("seed " << seed << ": " << a << " and " << b);
    CHECK(sign(compare_versions(a, b)) == dpkg_order(a, b));
    CHECK(sign(compare_versions(b, a)) == -sign(compare_versions(a, b)));
  }
}

TEST_CASE("a version has an epoch, an upstream part and a revision") {
  const auto version = parse_version("2:1.0-rc:1-3~deb13u1").value();
  CHECK(version.epoch == "2");
  CHECK(version.upstream == "1.0-rc:1");
  CHECK(version.revision == "3~deb13u1");
  CHECK(parse_version("1.0").value().revision.empty());
  CHECK(parse_version("1.0").value().epoch.empty());
}

TEST_CASE("malformed versions are refused") {
  for (const char* text : {"", ":1", "a:1", "-1:1", "1:", "1-", "1:-1", "x1", "1.0 ", "1.0_1", "1.0-1:2", "1.0-1_",
                           "99999999999:1", "1/2", "1.\n0"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_version(text).has_value());
  }
}
