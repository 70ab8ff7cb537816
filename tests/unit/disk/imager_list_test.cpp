// Tests the list for Raspberry Pi Imager.
#include "disk/imager_list.hpp"

#include "support/catch.hpp"

using namespace k8simg;

TEST_CASE("the list says of the image and of its download what each is") {
  const Value image{ValueKind::Blob, sha256("image"), 1000}, download{ValueKind::Blob, sha256("download"), 10};
  CHECK(make_imager_list({"raspberrypi0",
                          "a \"node\"",
                          "https://example.org/sdcard.img.xz",
                          image,
                          download,
                          {"pi1-32bit"},
                          1763195591}) == R"({
  "os_list": [
    {
      "name": "raspberrypi0",
      "description": "a \"node\"",
      "url": "https://example.org/sdcard.img.xz",
      "extract_size": 1000,
      "extract_sha256": ")" + sha256("image").hex() +
                                              R"(",
      "image_download_size": 10,
      "image_download_sha256": ")" + sha256("download").hex() +
                                              R"(",
      "release_date": "2025-11-15",
      "devices": [
        "pi1-32bit"
      ],
      "init_format": "none"
    }
  ]
}
)");
}
