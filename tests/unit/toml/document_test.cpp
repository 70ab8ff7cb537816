// Tests TOML texts on which toml++ has undefined behaviour, and similar valid texts.
#include "toml/document.hpp"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("characters beyond ASCII are welcome in comments and quotes, and named elsewhere") {
  const std::string bad = "\xEF\xBB\xBB", odd = "\xC3\xA4";
  for (const std::string& text : {"# " + bad + "\nx = 1", "x = \"" + odd + "\"", "x = '" + odd + "' # " + odd,
                                  "x = \"\"\"\n" + odd + "\\\"\"\"" + bad + "\"\"\"\"\"", "x = '''" + odd + "\n''''",
                                  std::string("\xEF\xBB\xBFx = 1")}) {
    INFO(text);
    toml::Diagnostics diagnostics;
    CHECK(toml::parse_document(text, "file", diagnostics));
    CHECK(diagnostics.empty());
  }
  for (const auto& [text, place] :
       std::vector<std::pair<std::string, std::string>>{{"x = 1\n" + odd + " = 2", "file:2:1: "},
                                                        {"x = \"a\" " + bad, "file:1:9: "},
                                                        {"x = '\n" + odd, "file:2:1: "},
                                                        {odd, "file:1:1: "}}) {
    INFO(text);
    toml::Diagnostics diagnostics;
    CHECK_FALSE(toml::parse_document(text, "file", diagnostics));
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics.lines()[0] == place + "only comments and quoted text may contain non-ASCII characters");
  }
}

TEST_CASE("a table header without a name is a mistake, a bracket in a value is none") {
  for (const std::string& text :
       {"[a]", "[[a]]", "[ a . b ]", "[\"a b\"]", "['a']", "x = [\n[1],\n[2, 3]]\n[a]", "x = {y = [[1]]}\n[a]",
        "# [[[\n[a] # [[[", "x = \"\"\"\n[[[\n\"\"\"\n[a]", "x = 'a[' # [\n[a]"}) {
    INFO(text);
    toml::Diagnostics diagnostics;
    CHECK(toml::parse_document(text, "file", diagnostics));
    CHECK(diagnostics.empty());
  }
  for (const auto& [text, place] : std::vector<std::pair<std::string, std::string>>{{"[[[[", "file:1:1: "},
                                                                                    {"[", "file:1:1: "},
                                                                                    {"[=]", "file:1:1: "},
                                                                                    {"x = 1\n  [[ ]]", "file:2:3: "},
                                                                                    {"x = [\n[1]]\n[.a]", "file:3:1: "},
                                                                                    {"[a] # b\n[+]", "file:2:1: "}}) {
    INFO(text);
    toml::Diagnostics diagnostics;
    CHECK_FALSE(toml::parse_document(text, "file", diagnostics));
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics.lines()[0] == place + "the name of a table is missing");
  }
}
