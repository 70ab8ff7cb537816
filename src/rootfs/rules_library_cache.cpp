// Rule library-cache: like ldconfig, writes the shared objects in the folders of ld.so.conf to /etc/ld.so.cache.
// Libraries in glibc-hwcaps/ folders are not included; the dynamic linker finds them by itself.
#include <algorithm>
#include <set>

#include "rootfs/library_cache.hpp"
#include "rootfs/rules.hpp"
#include "rootfs/shared_object.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

void read_configuration(const Assembly& assembly, const std::string& path, std::vector<std::string>& folders,
                        int depth) {
  for (const auto& raw : split(assembly.text(path), '\n')) {
    const auto line = trim(std::string_view(raw).substr(0, raw.find('#')));
    if (line.empty()) continue;
    const auto words = split_words(line);
    if (words[0] != "include") {
      folders.emplace_back(line);
      continue;
    }
    for (std::size_t i = 1; i < words.size() && depth < 4; ++i) {
      const auto glob = relative(words[i]);
      for (const auto& child : assembly.tree.children(glob.substr(0, glob.rfind('/')))) {
        if (glob_match(glob, child)) read_configuration(assembly, child, folders, depth + 1);
      }
    }
  }
}

/// ldconfig's _dl_is_dso and its list of ignored names.
bool looks_like_library(std::string_view name) {
  return (name.starts_with("lib") || name.starts_with("ld-") || name.starts_with("ld.so.") ||
          name.starts_with("ld64.so.")) &&
         name.find(".so") != name.npos && !name.ends_with("-gdb.py") && !name.ends_with(".dpkg-new") &&
         !name.ends_with(".dpkg-tmp");
}

struct Found {
  std::string name, soname;
  std::uint32_t flags = 0;
  bool link = false;
};

/// Searches a folder like ldconfig's search_dir: for each soname, a file takes precedence over a link, and a newer name
/// over an older one.
std::vector<Found> search(const Assembly& assembly, const std::string& folder) {
  std::vector<Found> libraries;
  for (const auto& path : assembly.tree.children(folder)) {
    const auto name = path.substr(path.rfind('/') + 1);
    if (!looks_like_library(name)) continue;
    const auto real = assembly.tree.resolve(path);
    const auto* node = real ? assembly.tree.find(*real) : nullptr;
    if (node == nullptr || node->type != NodeType::File) continue;
    const auto object = read_shared_object(assembly.store.read(node->content));
    if (!object) continue;
    const auto base = real->substr(real->rfind('/') + 1);
    auto soname = object->soname.empty() ? base : object->soname;
    bool link = assembly.tree.find(path)->type == NodeType::Symlink;
    if (link) {
      // A link whose name is not the soname counts as a file.
      const bool development = base.ends_with(".so") && soname.starts_with(base);
      if (base != soname && !development) link = false;
    }
    if (link) soname = name;
    const auto known =
        std::find_if(libraries.begin(), libraries.end(), [&](const Found& each) { return each.soname == soname; });
    if (known == libraries.end()) {
      libraries.push_back({name, soname, object->flags, link});
    } else if ((!link && known->link) || (link == known->link && compare_library_names(known->name, name) < 0)) {
      *known = {name, soname, object->flags, link};
    }
  }
  return libraries;
}

}  // namespace

void library_cache(Assembly& assembly) {
  const auto* libc = assembly.package("libc-bin");
  if (libc == nullptr) return;
  std::vector<std::string> folders;
  read_configuration(assembly, "etc/ld.so.conf", folders, 0);
  const auto& triplet = assembly.options.triplet;
  folders.insert(folders.end(), {"/lib/" + triplet, "/usr/lib/" + triplet, "/lib", "/usr/lib"});
  std::set<std::string> seen;  // resolved, because /lib and /usr/lib are one folder
  std::vector<CachedLibrary> libraries;
  for (const auto& folder : folders) {
    const auto place = assembly.tree.resolve(relative(folder));
    if (!place || !seen.insert(*place).second) continue;
    for (const auto& each : search(assembly, *place))
      libraries.push_back({each.soname, folder + "/" + each.soname, each.flags});
  }
  // The name that this glibc's ldconfig writes: package version and upstream version.
  const auto& version = libc->version;
  const auto upstream = version.substr(0, version.find('-'));
  assembly.file("library-cache", "etc/ld.so.cache",
                library_cache_bytes(std::move(libraries),
                                    "ldconfig (Debian GLIBC " + version + ") stable release version " + upstream));
}

}  // namespace k8simg::rootfs
