// Publishes artifacts, and records what was published.
#include "cli/outputs.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

nlohmann::json read_memory(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return nlohmann::json::object();
  nlohmann::json memory = nlohmann::json::parse(read_file(file), nullptr, false);
  return memory.is_object() ? memory : nlohmann::json::object();
}

/// Size and time of a file as one comparable value; null if it does not exist.
nlohmann::json fingerprint(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return nullptr;
  return {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino};
}

bool is_same(const nlohmann::json& memory, const std::string& name, const Value& value, const fs::path& target) {
  const auto known = memory.find(name);
  return known != memory.end() && known->is_object() && known->value("sha256", "") == value.digest.hex() &&
         known->value("file", nlohmann::json()) == fingerprint(target);
}

}  // namespace

std::function<bool(const std::string&, const Value&)> published(const fs::path& folder) {
  return [folder, memory = read_memory(folder / ".outputs.json")](const std::string& name, const Value& value) {
    return is_same(memory, name, value, folder / name);
  };
}

std::vector<std::string> publish(const Store& store, const std::map<std::string, Value>& artifacts,
                                 const fs::path& folder, const std::set<std::string>& executables) {
  // The folder is private, because files of overlays may contain passphrases and keys. An existing folder keeps its
  // mode.
  fs::create_directories(folder.parent_path());
  if (::mkdir(folder.c_str(), 0700) != 0 && !fs::is_directory(folder))
    throw_errno("cannot create", folder.string(), errno);
  remove_stale_temporaries(folder);
  const auto memory_file = folder / ".outputs.json";
  nlohmann::json before = read_memory(memory_file), now = nlohmann::json::object();
  std::vector<std::string> written;
  for (const auto& [name, value] : artifacts) {
    const auto target = inside(folder, name);
    if (!is_same(before, name, value, target)) {
      fs::create_directories(target.parent_path());
      remove_stale_temporaries(target.parent_path());
      copy_sparse(store.path(value.digest), target, executables.contains(name) ? 0755 : 0644);
      written.push_back(name);
    }
    now[name] = {{"sha256", value.digest.hex()}, {"file", fingerprint(target)}};
  }
  for (const auto& [name, entry] : before.items()) {
    if (artifacts.contains(name)) continue;
    // The file with the names is in the project, which is not trusted. Names outside of the folder are ignored.
    if (!is_inside(name)) continue;
    const fs::path gone = folder / name, inner = fs::path(name).parent_path();
    std::error_code missing;
    const bool by_links = !inner.empty() && fs::weakly_canonical(folder / inner, missing) !=
                                                fs::weakly_canonical(folder, missing) / inner;
    if (by_links || missing || fs::is_directory(fs::symlink_status(gone, missing))) continue;
    fs::remove(gone);
    // Empty folders are removed too.
    std::error_code not_empty;
    for (fs::path parent = gone.parent_path(); parent != folder && fs::remove(parent, not_empty);
         parent = parent.parent_path()) {
    }
  }
  if (now != before) write_file_atomically(memory_file, now.dump(1));
  return written;
}

void publish_and_tell(Session& session, const std::map<std::string, Value>& artifacts,
                      const std::filesystem::path& folder, const std::set<std::string>& executables) {
  for (const auto& file : publish(session.store(), artifacts, folder, executables)) {
    session.reporter().message(
        fmt::format("{}  {}", (folder / file).lexically_proximate(std::filesystem::current_path()).string(),
                    format_size(artifacts.at(file).size)));
  }
}

}  // namespace k8simg
