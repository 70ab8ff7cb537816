// Publishes artifacts from the store into output/NAME/.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/session.hpp"
#include "store/store.hpp"

namespace k8simg {

/// Copies each file that changed, with holes, as a clone if the filesystem supports it. Removes artifacts of an earlier
/// build that this one does not have. Names may have folders. FOLDER/.outputs.json records size, time and digest of
/// published files; a file whose size or time changed is copied again. `executables`: names of programs. Returns the
/// written files.
std::vector<std::string> publish(const Store& store, const std::map<std::string, Value>& artifacts,
                                 const std::filesystem::path& folder, const std::set<std::string>& executables = {});

/// Returns a function that tells whether publish() would not copy a file, because the folder has it.
std::function<bool(const std::string& name, const Value& value)> published(const std::filesystem::path& folder);

/// publish() from the session's store, which also prints a line for each written file: the path relative to the working
/// directory, and the size.
void publish_and_tell(Session& session, const std::map<std::string, Value>& artifacts,
                      const std::filesystem::path& folder, const std::set<std::string>& executables = {});

}  // namespace k8simg
