// Tests reading control paragraphs, and errors with their line numbers.
#include "control/paragraph.hpp"

#include "support/catch.hpp"
#include "support/failure.hpp"

using namespace k8simg;

namespace {

std::string error_of(std::string_view text) {
  ControlReader reader(text);
  ControlParagraph paragraph;
  for (;;) {
    const auto found = reader.next(paragraph);
    if (!found) return std::to_string(found.error().line) + ": " + found.error().message;
    if (!*found) return "no error";
  }
}

}  // namespace

TEST_CASE("paragraphs are views into the text") {
  const std::string text =
      "\n\nPackage: a\nVersion:  1.0 \nDescription: short\n long\n .\n more\n\n  \n# note\nPackage: b\nEmpty:\nLast: x";
  ControlReader reader(text);
  ControlParagraph paragraph;
  REQUIRE(reader.next(paragraph).value());
  CHECK(paragraph.line() == 3);
  CHECK(paragraph.fields().size() == 3);
  CHECK(paragraph.get("package") == "a");
  CHECK(paragraph.get("VERSION") == "1.0");
  CHECK(paragraph.get("Description") == "short\n long\n .\n more");
  CHECK(paragraph.text().starts_with("Package: a"));
  CHECK(paragraph.text().ends_with(" more"));
  CHECK(paragraph.get("Version").data() > text.data());
  CHECK(paragraph.get("Version").data() < text.data() + text.size());
  REQUIRE(reader.next(paragraph).value());
  CHECK(paragraph.line() == 12);
  CHECK(paragraph.get("Package") == "b");
  CHECK(paragraph.find("Empty") == std::string_view{});
  CHECK_FALSE(paragraph.find("Missing").has_value());
  CHECK(paragraph.get("Last") == "x");
  CHECK_FALSE(reader.next(paragraph).value());
  CHECK_FALSE(reader.next(paragraph).value());
}

TEST_CASE("a value may begin on its second line, and lines may end with CR LF") {
  const auto sums = parse_control("SHA256:\n aa 1 x\n bb 2 y\nDate: now\n").value();
  CHECK(sums.get("SHA256") == "\n aa 1 x\n bb 2 y");
  const auto dos = parse_control("A: 1\r\nB: 2\r\n").value();
  CHECK(dos.get("A") == "1");
  CHECK(dos.get("B") == "2");
}

TEST_CASE("malformed control data names the line") {
  CHECK(error_of("Package: a\nno colon here\n").starts_with("2: neither a field nor a continuation line"));
  CHECK(error_of("Package: a\n\n continued\n").starts_with("3: a continuation line before any field"));
  CHECK(error_of(": value\n").starts_with("1: a field name that deb822 does not allow"));
  CHECK(error_of("Pack age: a\n").starts_with("1: a field name"));
  CHECK(error_of("-Package: a\n").starts_with("1: a field name"));
  CHECK(error_of("P\xc3\xa4"
                 "ckchen: a\n")
            .starts_with("1: a field name"));
  CHECK(error_of("A: 1\nB: 2\na: 3\n").starts_with("3: field a twice"));
  CHECK(error_of(std::string_view("A: 1\nB: x\0y\n", 12)).starts_with("2: a NUL byte"));
  CHECK(error_of("") == "no error");
  CHECK(error_of("\n \n\t\n") == "no error");
}

TEST_CASE("a single paragraph is exactly one") {
  CHECK(parse_control("").error().message == "no field");
  CHECK(parse_control("A: 1\n\nB: 2\n").error().line == 3);
  CHECK(parse_control("A: 1\n\nbroken\n").error().line == 3);
  CHECK(parse_control("A: 1\n\n\n").value().fields().size() == 1);
}

TEST_CASE("a package's control file: mistakes name the package and the line") {
  const std::string text = "Package: a\nVersion: 1\nDescription: short\n long\n";
  const auto file = parse_control_file(text, "a", "1");
  CHECK(file.get("Description") == "short\n long");
  CHECK(line_of(text, file.get("Package")) == 1);
  CHECK(line_of(text, file.get("Description")) == 3);
  CHECK(test::contains(test::failure([] { parse_control_file("A: 1\nbroken\n", "bash", "5.2-1"); }),
                       "the control file of bash 5.2-1, line 2: neither a field nor a continuation line"));
  CHECK(test::contains(test::failure([] { parse_control_file("", "bash", "5.2-1"); }), "no field"));
}

TEST_CASE("field names are compared without regard to case") {
  CHECK(equal_ignoring_case("Multi-Arch", "multi-arch"));
  CHECK_FALSE(equal_ignoring_case("Multi-Arch", "Multi_Arch"));
  CHECK_FALSE(equal_ignoring_case("a", "ab"));
  CHECK_FALSE(equal_ignoring_case("[", "{"));
}
