// An image as the appliance's kernel reads it.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "guest/contents.hpp"
#include "guest/guest.hpp"

namespace k8simg {

/// Launches the appliance with `image` as its disk, read-only, and reads table, filesystems and every path. What is
/// wrong with the image is in the result (faults, readable); Error{Step}: the appliance does not start or dies.
/// Error{Interrupted} after a stop request.
ImageState read_back(const std::filesystem::path& image, const Appliance& appliance,
                     const std::function<void(const std::string&)>& progress, const std::stop_token& stop);

}  // namespace k8simg
