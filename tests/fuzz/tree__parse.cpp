// Any bytes are either refused with an Error or are exactly the canonical text of the tree they give.
#include <cstdint>
#include <cstdlib>

#include "tree/tree.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Most inputs get past the first line this way; whole texts are tried too.
  for (const auto& candidate : {std::string(text), "k8simg-tree 1\n" + std::string(text)}) {
    try {
      if (k8simg::Tree::parse(candidate).serialise() != candidate) std::abort();
    } catch (const k8simg::Error&) {
    }
  }
  return 0;
}
