// Tests relation fields: alternatives, versions, architecture qualifiers, and errors.
#include "control/relation.hpp"

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("a Depends field is a list of alternatives") {
  const std::string field =
      "libc6 (>= 2.38), default-mta | mail-transport-agent,\n python3:any (>=3.11~) | foo:amd64(<<2),bar ( = 1:2-3 ) ,";
  const auto relations = parse_relations(field).value();
  REQUIRE(relations.size() == 4);
  CHECK(relations[0].size() == 1);
  CHECK(relations[0][0].name == "libc6");
  CHECK(relations[0][0].op == VersionOperator::LaterOrEqual);
  CHECK(relations[0][0].version == "2.38");
  CHECK(relations[1][1].name == "mail-transport-agent");
  CHECK(relations[1][1].op == VersionOperator::None);
  CHECK(relations[2][0].qualifier == "any");
  CHECK(relations[2][1].qualifier == "amd64");
  CHECK(relations[2][1].op == VersionOperator::Earlier);
  CHECK(relations[3][0].version == "1:2-3");
  CHECK(to_string(relations[2]) == "python3:any (>= 3.11~) | foo:amd64 (<< 2)");
  CHECK(relations[0][0].name.data() == field.data());
}

TEST_CASE("empty fields and stray commas are no relations") {
  CHECK(parse_relations("").value().empty());
  CHECK(parse_relations(" \n ").value().empty());
  CHECK(parse_relations(", ,").value().empty());
  CHECK(parse_relations("a,,b").value().size() == 2);
}

TEST_CASE("the old operators mean or-equal") {
  CHECK(parse_relations("a (< 1)").value()[0][0].op == VersionOperator::EarlierOrEqual);
  CHECK(parse_relations("a (> 1)").value()[0][0].op == VersionOperator::LaterOrEqual);
}

TEST_CASE("malformed relations are refused with the place") {
  for (const char* field : {"a |", "| a", "a b", "a (", "a (>= )", "a (>= 1", "a (1)", "a (=> 1)", "a () ", "-a", "+a",
                            "a:", "a [amd64]", "a <!nocheck>", "a; b", "a (>= 1) (<= 2)", "(>= 1)", "a\x01"}) {
    INFO(field);
    const auto relations = parse_relations(field);
    REQUIRE_FALSE(relations.has_value());
    CHECK(relations.error().message.find(" at ") != std::string::npos);
  }
}

TEST_CASE("versions satisfy relations") {
  const auto relation = [](const char* text) {
    return parse_relations(text).value()[0][0];  // views into the literal
  };
  CHECK(satisfies("1.0", relation("a")));
  CHECK(satisfies("", relation("a")));
  CHECK_FALSE(satisfies("", relation("a (>= 0)")));
  CHECK(satisfies("1.0", relation("a (= 1.0-0)")));
  CHECK(satisfies("1.0", relation("a (<= 1.0)")));
  CHECK_FALSE(satisfies("1.0", relation("a (<< 1.0)")));
  CHECK(satisfies("1.0~rc1", relation("a (<< 1.0)")));
  CHECK(satisfies("1:0.1", relation("a (>> 9)")));
  CHECK_FALSE(satisfies("9", relation("a (>> 9)")));
}

TEST_CASE("package names") {
  CHECK(is_package_name("libstdc++6"));
  CHECK(is_package_name("0ad"));
  CHECK_FALSE(is_package_name(""));
  CHECK_FALSE(is_package_name("a_b"));
  CHECK_FALSE(is_package_name(".a"));
  CHECK_FALSE(is_package_name("../a"));
}
