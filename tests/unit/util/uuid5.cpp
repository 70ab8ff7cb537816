// Tests UUIDs with the example of RFC 9562, and that names keep their UUIDs.
#include "util/uuid5.hpp"

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("uuid5 gives the RFC's example") {
  // RFC 9562, appendix A.4: www.example.com in the DNS namespace 6ba7b810-9dad-11d1-80b4-00c04fd430c8.
  const Uuid dns{{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}};
  CHECK(dns.text() == "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK(uuid5(dns, "www.example.com").text() == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST_CASE("names in our own namespace keep their UUIDs: images on disks carry them") {
  CHECK(uuid5("pc/root").text() == "92d23071-5b74-5342-91bb-6ba2a46081c6");
  CHECK(uuid5("pc/root").text() != uuid5("pc/boot").text());
  CHECK((uuid5("").bytes[6] >> 4) == 5);
  CHECK((uuid5("").bytes[8] >> 6) == 2);
}
