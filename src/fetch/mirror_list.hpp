// Lists of mirrors as apt has them (apt-transport-mirror(1)): private to the search for mirrors and its fuzzer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// A URI a line, then blank-separated what is said of it ("priority:1", "type:src"); "#" begins a comment. Returns the
/// URIs for binary packages, smaller priorities first, others as they stand.
std::vector<std::string> read_mirror_list(std::string_view text);

}  // namespace k8simg
