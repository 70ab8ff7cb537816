// Finished artifacts from the store into output/NAME/, copying only what changed.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

/// Copies (holes kept, cloned where the filesystem can) each file whose content is not there already; removes artifacts of an earlier build that this one
/// does not have. What is there is remembered in FOLDER/.outputs.json by size, time and digest; a file that was touched is copied anew. Returns the files written.
std::vector<std::string> publish(const Store& store, const std::map<std::string, Value>& artifacts, const std::filesystem::path& folder);

}  // namespace k8simg
