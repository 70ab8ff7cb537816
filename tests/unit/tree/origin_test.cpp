// Tests origins: the text of each kind, and parsing it.
#include "tree/origin.hpp"

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("an origin is read back from its text") {
  const Origin package = Origin::package("systemd", "1:257.9-1~deb13u1", "amd64");
  CHECK(package.text() == "package:systemd=1:257.9-1~deb13u1:amd64");
  CHECK(package.kind() == Origin::Kind::Package);
  CHECK(package.identity() == "systemd=1:257.9-1~deb13u1:amd64");
  CHECK(package.name() == "systemd");
  CHECK(package.version() == "1:257.9-1~deb13u1");
  CHECK(package.architecture() == "amd64");
  CHECK(Origin(package.text()) == package);

  const std::vector<std::pair<Origin, Origin::Kind>> others = {{Origin::component("etcd"), Origin::Kind::Component},
                                                               {Origin::overlay("etcd"), Origin::Kind::Overlay},
                                                               {Origin::board("etcd"), Origin::Kind::Board},
                                                               {Origin::rule("etcd"), Origin::Kind::Rule},
                                                               {"script:etcd", Origin::Kind::Script},
                                                               {Origin::archive("etcd"), Origin::Kind::Archive}};
  for (const auto& [origin, kind] : others) {
    INFO(origin.text());
    CHECK(Origin(origin.text()).kind() == kind);
    CHECK(origin.name() == "etcd");
    CHECK(origin.version().empty());
    CHECK(origin.architecture().empty());
  }
  CHECK(Origin::kernel().kind() == Origin::Kind::Kernel);
  CHECK(Origin::kernel().name().empty());
}

TEST_CASE("texts that are no origin of ours are kept and have no kind") {
  for (const char* text : {"", "kernels", "packages:x", "nothing"}) CHECK(Origin(text).kind() == Origin::Kind::Unknown);
  CHECK(Origin("nothing").text() == "nothing");
  // An incomplete package, as in a damaged tree.
  CHECK(Origin("package:x").name() == "x");
  CHECK(Origin("package:x").version().empty());
  CHECK(Origin("package:a:b=c").version().empty());
}
