// apt's mirror lists (apt-transport-mirror(1)). Private to find_mirrors() and its fuzzer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// One URI per line, followed by blank-separated properties ("priority:1", "type:src"); "#" begins a comment. Returns
/// the URIs for binary packages by ascending priority; URIs without priority keep their order.
std::vector<std::string> read_mirror_list(std::string_view text);

}  // namespace k8simg
