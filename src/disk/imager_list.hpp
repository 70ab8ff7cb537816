// The list with which Raspberry Pi Imager offers a disk image ("rpi-imager --repo FILE").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

struct ImagerEntry {
  std::string name, description;
  std::string url;                   ///< of the compressed image
  Value image, download;             ///< the image, and the compressed file at `url`
  std::vector<std::string> devices;  ///< Imager's tags: "pi1-32bit", "pi3-64bit"
  std::int64_t source_date_epoch = 0;
};

/// JSON as described by rpi-imager's doc/json-schema/os-list-schema.json: sizes in bytes, SHA-256 in hexadecimal, the
/// date of the release as YYYY-MM-DD. "init_format" is "none", so that Imager does not write settings into the boot
/// partition.
std::string make_imager_list(const ImagerEntry& entry);

}  // namespace k8simg
