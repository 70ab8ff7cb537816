// Step records as text: private to the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace k8simg {

/// One line of JSON: {"format":1,"key":HEX,"step":ID,"action":HEX,"seconds":S,
/// "inputs":[[NAME,"blob"|"tree",HEX,BYTES],...],"outputs":{NAME:["blob"|"tree",HEX,BYTES],...}}
std::string record_to_json(const StepRecord& record);

/// nullopt if record_to_json() did not write the text (damaged, truncated, another format).
std::optional<StepRecord> record_from_json(std::string_view text);

}  // namespace k8simg
