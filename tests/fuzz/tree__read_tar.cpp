// Any bytes are either refused with an Error or give a tree that survives its own text.
#include <cstdint>
#include <cstdlib>

#include "tree/archive.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  k8simg::MemoryStore store;
  k8simg::ReadOptions options;
  options.origin = "fuzz";
  options.max_bytes = 16 << 20;
  try {
    const auto tree = k8simg::read_tar_bytes(store, {reinterpret_cast<const char*>(data), size}, options, "fuzz");
    if (k8simg::Tree::parse(tree.serialise()).nodes() != tree.nodes()) std::abort();
  } catch (const k8simg::Error&) {
  }
  return 0;
}
