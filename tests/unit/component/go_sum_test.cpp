// go.sum: which lines are modules, which are refused.
#include "component/go_sum.hpp"

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

TEST_CASE("modules whose content is used, sorted; lines for go.mod files alone are left out") {
  const auto modules = parse_go_sum(
      "k8s.io/api v0.37.1 h1:bbb=\n"
      "k8s.io/api v0.37.1/go.mod h1:ccc=\n"
      "github.com/x/y v1.2.3-0.20240101000000-abcdefabcdef/go.mod h1:ddd=\n"
      "\n"
      "github.com/a/b/v2 v2.0.0+incompatible h1:aaa=\r\n"
      "k8s.io/api v0.36.0 h1:old=",
      "go.sum");
  REQUIRE(modules.size() == 3);
  CHECK(modules[0].path == "github.com/a/b/v2");
  CHECK(modules[0].version == "v2.0.0+incompatible");
  CHECK(modules[0].h1 == "h1:aaa=");
  CHECK(modules[1].version == "v0.36.0");
  CHECK(modules[2].version == "v0.37.1");
  CHECK(parse_go_sum("", "go.sum").empty());
}

TEST_CASE("a line of another shape is named") {
  for (const char* bad : {"k8s.io/api v1", "k8s.io/api v1 h2:x", "k8s.io/api v1 h1:x more", "h1:x", "<<<<<<< HEAD"}) {
    INFO(bad);
    const std::string text = failure([&] { parse_go_sum("k8s.io/a v1 h1:x\n" + std::string(bad) + "\n", "components/etcd/go.sum"); });
    CHECK(contains(text, "components/etcd/go.sum:2: "));
    CHECK(contains(text, "go mod tidy"));
  }
}

TEST_CASE("the committed files read") {
  const fs::path components = fs::path(K8SIMG_SOURCE_DIR) / "components";
  int read = 0;
  for (const auto& entry : fs::directory_iterator(components)) {
    const fs::path file = entry.path() / "go.sum";
    if (!fs::exists(file)) continue;
    INFO(file);
    CHECK_FALSE(parse_go_sum(read_file(file), file.string()).empty());
    ++read;
  }
  CHECK(read >= 1);
}
