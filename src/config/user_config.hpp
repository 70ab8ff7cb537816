// The user's configuration file with the mirrors of the site. It belongs to no project.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace k8simg {

struct UserConfig {
  std::map<std::string, std::vector<std::string>> mirrors;  ///< [mirrors] debian = "URL" or ["URL", ...]
  std::optional<std::string> archive_mirror;  ///< [mirrors] archive-mirror = "URL with ${repository} and ${timestamp}"
};

/// A missing file is an empty configuration. Error{Usage} with FILE:LINE for every other problem.
UserConfig read_user_config(const std::filesystem::path& file);

}  // namespace k8simg
