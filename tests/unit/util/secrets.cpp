// Tests which parts of URLs are printed.
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

using namespace k8simg;

TEST_CASE("passwords and queries of URLs are not told") {
  CHECK(without_secrets("") == "");
  CHECK(without_secrets("no URL: a@b?c") == "no URL: a@b?c");
  CHECK(without_secrets("http:/"
                        "/m.example/debian") ==
        "http:/"
        "/m.example/debian");
  CHECK(without_secrets("http:/"
                        "/alice:S3cret@m.example:80/debian: refused") ==
        "http:/"
        "/***@m.example:80/debian: refused");
  CHECK(without_secrets("https:/"
                        "/token@m.example") ==
        "https:/"
        "/***@m.example");
  CHECK(without_secrets("a http:/"
                        "/u:p@h/x b https:/"
                        "/v:q@i/y") ==
        "a http:/"
        "/***@h/x b https:/"
        "/***@i/y");
  CHECK(without_secrets("https:/"
                        "/h/x?token=abc&y=z (again)") ==
        "https:/"
        "/h/x?*** (again)");
  CHECK(without_secrets("see https:/"
                        "/h/x?token=abc.") ==
        "see https:/"
        "/h/x?***.");
  CHECK(without_secrets("http:/"
                        "/u:a/b?c@h/x") ==
        "http:/"
        "/***@h/x");
  CHECK(without_secrets("http:/"
                        "/h:8080/pool/a@b") ==
        "http:/"
        "/h:8080/pool/a@b");
  CHECK(without_secrets("http:/"
                        "/[::1]:80/a@b") ==
        "http:/"
        "/[::1]:80/a@b");
  CHECK(without_secrets("://") == "://");
  CHECK(without_secrets("x://u:p@") == "x://***@");
  CHECK(without_secrets("GOPROXY=https:/"
                        "/a:Pw1@x.example,https:/"
                        "/c:Pw2@y.example|https:/"
                        "/z.example,direct") ==
        "GOPROXY=https:/"
        "/***@x.example,https:/"
        "/***@y.example|https:/"
        "/z.example,direct");
  CHECK(without_secrets("GOPROXY=https:/"
                        "/ci:glpat-TOKEN@g.example,direct") ==
        "GOPROXY=https:/"
        "/***@g.example,direct");
}

TEST_CASE("an error tells no password") {
  Error error(ErrorKind::Fetch,
              "http:/"
              "/u:p4ss@h/x failed",
              "try http:/"
              "/u:p4ss@h/y");
  error.add_context(
      "while asking http:/"
      "/u:p4ss@h/z");
  CHECK(error.describe().find("p4ss") == std::string::npos);
  CHECK(std::string(error.what()).find("p4ss") == std::string::npos);
}
