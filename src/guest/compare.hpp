// What an image should hold against what it holds.
#pragma once

#include <string>
#include <vector>

#include "guest/contents.hpp"

namespace k8simg {

/// One line for each difference, by path, such as "root: /etc/passwd: mode 0644, manifest says 0600"; empty when all
/// agrees. Not differences, although the manifest names neither: ext4's lost+found, as mke2fs makes it, and
/// ldlinux.sys, which the syslinux installer writes into a FAT boot partition.
std::vector<std::string> compare(const ImageState& expected, const ImageState& found);

}  // namespace k8simg
