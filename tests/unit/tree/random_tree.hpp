// Random trees made from a seed, for properties of all trees.
#pragma once

#include <random>

#include "tree/tree.hpp"

namespace k8simg {

class RandomTree {
 public:
  RandomTree(Store& store, unsigned seed) : store_(store), random_(seed) {}

  /// A well-formed tree: all parents exist, and hard link groups have the name of their first member and at least two.
  Tree make() {
    Tree tree;
    std::vector<std::string> folders = {""};
    std::vector<std::string> files;
    const auto count = pick(40);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto& folder = folders[pick(static_cast<std::uint32_t>(folders.size()))];
      const auto path = folder.empty() ? name() : folder + '/' + name();
      if (tree.find(path) != nullptr) continue;
      auto node = make_node();
      if (node.type == NodeType::Directory) folders.push_back(path);
      if (node.type == NodeType::File) files.push_back(path);
      tree.set(path, node);
    }
    if (files.size() >= 2 && pick(2) == 0) link(tree, files);
    return tree;
  }

 private:
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  std::string bytes(std::uint32_t limit) {
    std::string result(pick(limit), '\0');
    for (auto& byte : result) byte = static_cast<char>(random_());
    return result;
  }

  std::string name() {
    static const std::vector<std::string> names = {"a",
                                                   "b-c",
                                                   "usr",
                                                   "lib",
                                                   "Főtanúsítvány.crt",
                                                   "back\\slash",
                                                   "tab\there",
                                                   "new\nline",
                                                   "\xff\xfe raw",
                                                   "x=y",
                                                   std::string(101, 'n'),
                                                   std::string(60, 'm'),
                                                   std::string(250, 'o'),
                                                   " blank ",
                                                   "=",
                                                   "e\xcc\x81"};
    return names[pick(static_cast<std::uint32_t>(names.size()))] + (pick(3) == 0 ? std::to_string(pick(5)) : "");
  }

  Node make_node() {
    Node node;
    node.mode = pick(010000);
    node.uid = pick(4) == 0 ? static_cast<std::uint32_t>(random_()) : pick(2000);
    node.gid = pick(2000);
    node.mtime = pick(4) == 0 ? -static_cast<std::int64_t>(pick(100000)) : pick(8) == 0 ? 1ll << 35 : pick(2000000000);
    node.origin = "component:test";
    switch (pick(8)) {
      case 0:
      case 1:
        node.type = NodeType::Directory;
        break;
      case 2:
        node.type = NodeType::Symlink;
        node.target = pick(2) == 0 ? "../" + name() : "/" + std::string(pick(200) + 1, 't');
        break;
      case 3:
        node.type = pick(2) == 0 ? NodeType::CharDevice : NodeType::BlockDevice;
        node.major = pick(4096);
        node.minor = pick(1 << 20);
        break;
      case 4:
        node.type = NodeType::Fifo;
        break;
      default: {
        const auto content = bytes(pick(10) == 0 ? 70000 : 1000);
        node.content = store_.put(content).digest;
        node.size = content.size();
        if (pick(4) == 0) node.xattrs["security.capability"] = bytes(40);
        if (pick(8) == 0) node.xattrs["user.any thing"] = bytes(40);
      }
    }
    return node;
  }

  void link(Tree& tree, const std::vector<std::string>& files) {
    auto first = files[0], second = files[1];
    if (second < first) std::swap(first, second);
    auto node = *tree.find(first);
    node.link_group = first;
    tree.set(first, node);
    tree.set(second, node);
  }

  Store& store_;
  std::mt19937 random_;
};

}  // namespace k8simg
