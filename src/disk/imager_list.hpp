// The list by which Raspberry Pi Imager offers an image ("rpi-imager --repo FILE").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

struct ImagerEntry {
  std::string name, description;
  std::string url;                   ///< of the compressed image
  Value image, download;             ///< the image, and the compressed file that `url` gives
  std::vector<std::string> devices;  ///< Imager's tags: "pi1-32bit", "pi3-64bit"
  std::int64_t source_date_epoch = 0;
};

/// JSON of the form that rpi-imager's doc/json-schema/os-list-schema.json describes: sizes in bytes, SHA-256 in hex,
/// the date of the release as YYYY-MM-DD. "init_format" is "none": Imager is not to write settings of its own into the
/// boot partition.
std::string make_imager_list(const ImagerEntry& entry);

}  // namespace k8simg
