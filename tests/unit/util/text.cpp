// Tests text functions: splitting, nearest words, globs, sizes, durations, ${name}, base64, versions.
#include "util/text.hpp"

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;
using Strings = std::vector<std::string>;

TEST_CASE("split keeps empty parts, split_words does not") {
  CHECK(split("a:b::c:", ':') == Strings{"a", "b", "", "c", ""});
  CHECK(split("", ':') == Strings{""});
  CHECK(split_words("  a\t bc\n d ") == Strings{"a", "bc", "d"});
  CHECK(split_words(" \t").empty());
}

TEST_CASE("trim, join, replace_all") {
  CHECK(trim(" \ta b\n") == "a b");
  CHECK(trim(" \n").empty());
  CHECK(join({"a", "b", "c"}, ", ") == "a, b, c");
  CHECK(join({}, ", ").empty());
  CHECK(replace_all("aXbXX", "X", "XY") == "aXYbXYXY");
  CHECK(replace_all("abc", "", "x") == "abc");
}

TEST_CASE("nearest finds typing errors and nothing else") {
  const Strings names{"packages", "components", "overlays", "kernel", "disk"};
  CHECK(nearest("pakcages", names) == "packages");
  CHECK(nearest("component", names) == "components");
  CHECK(nearest("Kernel", names) == "kernel");
  CHECK(nearest("dis", names) == "disk");
  CHECK_FALSE(nearest("firmware", names));
  CHECK_FALSE(nearest("x", names));
  CHECK_FALSE(nearest("", names));
  CHECK_FALSE(nearest("x", {"y"}));
  CHECK_FALSE(nearest("kernel", {}));
  CHECK(nearest("kernels", {"kernel", "kernels2"}) == "kernel");  // the first of equally near ones
}

TEST_CASE("glob: stars and folders") {
  CHECK(glob_match("usr/share/doc/*", "usr/share/doc/bash"));
  CHECK_FALSE(glob_match("usr/share/doc/*", "usr/share/doc/bash/copyright"));
  CHECK(glob_match("usr/share/doc/**", "usr/share/doc/bash/copyright"));
  CHECK_FALSE(glob_match("usr/share/doc/**", "usr/share/doc"));
  CHECK(glob_match("**", ""));
  CHECK(glob_match("**", "a/b/c"));
  CHECK(glob_match("*", ""));
  CHECK_FALSE(glob_match("", "a"));
  CHECK(glob_match("", ""));
  CHECK(glob_match("**/*.pyc", "a.pyc"));
  CHECK(glob_match("**/*.pyc", "usr/lib/a.pyc"));
  CHECK_FALSE(glob_match("**/*.pyc", "usr/lib/a.py"));
  CHECK(glob_match("a/**/b", "a/b"));
  CHECK(glob_match("a/**/b", "a/x/y/b"));
  CHECK_FALSE(glob_match("a/**/b", "a/xb"));
  CHECK_FALSE(glob_match("a/**/b", "ab"));
  CHECK(glob_match("usr/share/locale/**/LC_*/*.mo", "usr/share/locale/de/LC_MESSAGES/x.mo"));
  CHECK(glob_match("**x*y", "a/xb/xcy"));
  CHECK_FALSE(glob_match("**x*y", "a/xb/y"));
  CHECK(glob_match("*a*b*c", "xaxbxaxbc"));
  CHECK(glob_match("*ab", "aab"));
}

TEST_CASE("glob: single characters, classes and escapes") {
  CHECK(glob_match("file?", "file1"));
  CHECK_FALSE(glob_match("a?b", "a/b"));
  CHECK(glob_match("[a-cx]1", "b1"));
  CHECK(glob_match("[a-cx]1", "x1"));
  CHECK_FALSE(glob_match("[a-cx]1", "d1"));
  CHECK(glob_match("[!a-c]", "d"));
  CHECK_FALSE(glob_match("[!a-c]", "a"));
  CHECK_FALSE(glob_match("a[!x]b", "a/b"));
  CHECK(glob_match("[]a]", "]"));
  CHECK(glob_match("[a-]", "-"));
  CHECK(glob_match("[abc", "[abc"));
  CHECK(glob_match("\\*", "*"));
  CHECK_FALSE(glob_match("\\*", "a"));
  CHECK(glob_match("a\\", "a\\"));
}

TEST_CASE("glob: many stars end soon") {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
}

TEST_CASE("sizes are read in binary units") {
  CHECK(parse_size("4096") == 4096u);
  CHECK(parse_size("0") == 0u);
  CHECK(parse_size("256M") == 256u << 20);
  CHECK(parse_size("64MiB") == 64u << 20);
  CHECK(parse_size("64Mi") == 64u << 20);
  CHECK(parse_size("1.5G") == 1610612736u);
  CHECK(parse_size("2k") == 2048u);
  CHECK(parse_size("12B") == 12u);
  CHECK(parse_size("18446744073709551615") == ~std::uint64_t{0});
  for (const char* bad : {"", "M", "-1", "1.5", "1.G", ".5G", "1.2345G", "5 M", " 5", "5X", "64MB", "1e3", "0x10",
                          "18446744073709551616", "16384P", "17179869184G", "5Mib", "5MiBx"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("sizes and durations are written for people") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(1023) == "1023 B");
  CHECK(format_size(1024) == "1.0 KiB");
  CHECK(format_size(5138022) == "4.9 MiB");
  CHECK(format_size((1u << 20) - 1) == "1.0 MiB");
  CHECK(format_size(~std::uint64_t{0}) == "16.0 EiB");
  CHECK(format_duration(0.42) == "0.42 s");
  CHECK(format_duration(12.34) == "12.3 s");
  CHECK(format_duration(59.96) == "1 min 0 s");
  CHECK(format_duration(192.2) == "3 min 12 s");
  CHECK(format_duration(3725) == "1 h 2 min");
  CHECK(format_duration(-1) == "0.00 s");
}

TEST_CASE("names in ${} are expanded; unknown ones are named with the place") {
  const std::vector<std::pair<std::string, std::string>> values{{"version", "1.37.1"}, {"arch", "${version}"}};
  CHECK(expand("v${version}-${arch}$", values, "here") == "v1.37.1-${version}$");  // values are not expanded again
  CHECK(expand("$$ {x}", values, "here") == "$$ {x}");
  const auto error_of = [&](const char* text) {
    try {
      expand(text, values, "component.toml:7");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Usage);
      return error.describe();
    }
    return std::string("no error");
  };
  CHECK(error_of("${verison}") == "component.toml:7: `${verison}` is not a known name\nDid you mean `${version}`?");
  CHECK(error_of("${}") == "component.toml:7: `${}` is not a known name\nKnown names: version, arch.");
  CHECK(error_of("a${version") == "component.toml:7: `${version` has no closing brace");
}

TEST_CASE("versions with and without their v") {
  CHECK(without_v("v1.37.2") == "1.37.2");
  CHECK(without_v("1.37.2") == "1.37.2");
  CHECK(without_v("vv1") == "v1");
  CHECK(without_v("").empty());
}

TEST_CASE("base64 gives the RFC's examples") {  // RFC 4648, section 10
  CHECK(base64_encode("").empty());
  CHECK(base64_encode("f") == "Zg==");
  CHECK(base64_encode("fo") == "Zm8=");
  CHECK(base64_encode("foo") == "Zm9v");
  CHECK(base64_encode("foob") == "Zm9vYg==");
  CHECK(base64_encode("fooba") == "Zm9vYmE=");
  CHECK(base64_encode("foobar") == "Zm9vYmFy");
  CHECK(base64_encode("\xff\xfe\xfd") == "//79");
  CHECK(base64_encode(std::string(300, 'a')).find_first_not_of("YWFh") == std::string::npos);  // no line breaks
}

TEST_CASE("a shell reads the word back as it was") {
  CHECK(shell_word("plain") == "'plain'");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("$(x) \"y\" \\") == "'$(x) \"y\" \\'");
  CHECK(shell_word("it's") == "'it'\\''s'");
}
