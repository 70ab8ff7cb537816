// Finished artifacts from the store into output/NAME/, copying only what changed.
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

/// Copies (holes kept, cloned where the filesystem can) each file whose content is not there already; removes artifacts
/// of an earlier build that this one does not have. Names may have folders. What is there is remembered in
/// FOLDER/.outputs.json by size, time and digest; a file that was touched is copied anew. `executables`: which are
/// programs. Returns the files written.
std::vector<std::string> publish(const Store& store, const std::map<std::string, Value>& artifacts,
                                 const std::filesystem::path& folder, const std::set<std::string>& executables = {});

/// Whether publish() would leave a file as it is: answers for the artifacts of a folder.
std::function<bool(const std::string& name, const Value& value)> published(const std::filesystem::path& folder);

/// The same from the session's store, with a line for each file written: its path from here, and its size.
void publish_and_tell(Session& session, const std::map<std::string, Value>& artifacts,
                      const std::filesystem::path& folder, const std::set<std::string>& executables = {});

}  // namespace k8simg
