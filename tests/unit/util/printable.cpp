// Tests untrusted text for terminals: control characters are escaped, all others are unchanged.
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "util/text.hpp"

using namespace k8simg;

TEST_CASE("control characters become visible, whatever their form") {
  CHECK(printable("\x1b[31mred\x1b]0;title\x07") == "\\x1b[31mred\\x1b]0;title\\x07");
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\x7f") == "\\u007f");
  // C1: one character in UTF-8, one byte in a terminal of eight bits.
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");
  CHECK(printable("\x9b"
                  "31m") == "\\x9b31m");
  CHECK(printable("over\rwritten\b") == "over\\x0dwritten\\x08");
}

TEST_CASE("what is no UTF-8 becomes visible byte by byte, and what is stays") {
  CHECK(printable("caf\xc3\xa9 \xe2\x97\x8f \xf0\x9f\x90\xb3") == "caf\xc3\xa9 \xe2\x97\x8f \xf0\x9f\x90\xb3");
  CHECK(printable("\xe9") == "\\xe9");
  CHECK(printable("\xe2\x97") == "\\xe2\\x97");
  CHECK(printable("\xe2\x97x") == "\\xe2\\x97x");
  CHECK(printable("\xc0\x9b") == "\\xc0\\x9b");  // overlong
  CHECK(printable("\xe0\x80\x9b") == "\\xe0\\x80\\x9b");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  CHECK(printable("\xff") == "\\xff");
}

TEST_CASE("an escape sequence that comes in two parts is none") {
  CHECK(printable("\x1b") + printable("[2J") == "\\x1b[2J");
  CHECK(printable("\xc2") + printable("\x9b") == "\\xc2\\x9b");
}

TEST_CASE("lines stay lines, but a name has none") {
  CHECK(printable("a\n\tb\r\nc\n") == "a\n\tb\nc\n");
  CHECK(printable_line("a\n\tb\r\n") == "a\\n\\tb\\x0d\\n");
  CHECK(printable_line("system-getty\\x2d.slice") == "system-getty\\x2d.slice");
}

TEST_CASE("JSON stays the same JSON") {
  const nlohmann::json json{{"name", "a\x1b\x7f\xc2\x9b\n\xe2\x97\x8f"}};
  const std::string text = printable(json.dump(2));
  CHECK(text.find('\x7f') == std::string::npos);
  CHECK(nlohmann::json::parse(text) == json);
}

TEST_CASE("the end of a text begins with a character") {
  CHECK(last_bytes("abc", 3) == "abc");
  CHECK(last_bytes("abc", 2) == "bc");
  CHECK(last_bytes("\xe2\x97\x8f\xe2\x97\x8f", 5) == "\xe2\x97\x8f");
  CHECK(last_bytes("\xe2\x97\x8f\xe2\x97\x8f", 2).empty());
  CHECK(last_bytes("", 2).empty());
  // Many bytes that belong to no character are not treated as parts of one character.
  CHECK(last_bytes(std::string(10, '\x80'), 5).size() == 2);
}
