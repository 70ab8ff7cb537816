// Reads the contents of an image with the appliance's kernel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "appliance/appliance.hpp"
#include "appliance/contents.hpp"

namespace k8simg {

/// Launches the appliance with `image` as a read-only disk with sectors of `sector_size` bytes, and reads partition
/// table, filesystems and every path. Faults of the image are part of the result (faults, readable). Error{Step}: the
/// appliance does not start or ends. Error{Interrupted} after a stop request.
ImageState read_back(const std::filesystem::path& image, std::uint64_t sector_size, const Appliance& appliance,
                     const std::function<void(const std::string&)>& progress, const std::stop_token& stop);

}  // namespace k8simg
