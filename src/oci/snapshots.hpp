// Image layers as folders of containerd's overlayfs snapshotter.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

/// Converts layers to the folders that overlayfs merges (image-spec layer.md, "Whiteouts"). A removed file becomes the
/// device 0:0. A folder that replaces a lower one gets such a device for each lower path, and not overlayfs's extended
/// attribute, because mke2fs does not write it.
class SnapshotFolders {
 public:
  explicit SnapshotFolders(std::int64_t source_date_epoch) : epoch_(source_date_epoch) {}

  /// The folder of snapshot `id`, which consists of `layer` above the snapshot `parent` ("": none). Folders that the
  /// layer does not list are those of the parent, else 0755. Extended attributes other than file capabilities are left
  /// out; `dropped` gets each one.
  const Tree& add(const std::string& id, const std::string& parent, const Tree& layer,
                  const std::function<void(const std::string& path, const std::string& attribute)>& dropped);

 private:
  struct Snapshot {
    Tree folder;
    const Snapshot* parent = nullptr;
  };

  static const Node* visible(const Snapshot* snapshot, const std::string& path);
  static std::vector<std::string> visible_children(const Snapshot* snapshot, const std::string& folder);
  void hide(Snapshot& snapshot, const std::string& path) const;
  void add_folder(Snapshot& snapshot, const std::string& path) const;
  void complete(Snapshot& snapshot) const;

  std::int64_t epoch_;
  std::map<std::string, Snapshot> snapshots_;
};

}  // namespace k8simg
