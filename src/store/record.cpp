// Step records as JSON: written in one form, and validated when read.
#include "store/record.hpp"

#include <nlohmann/json.hpp>

namespace k8simg {
namespace {

using Json = nlohmann::json;
constexpr int record_format = 1;

Json value_to_json(const Value& value) {
  return Json::array({value.kind == ValueKind::Tree ? "tree" : "blob", value.digest.hex(), value.size});
}

std::optional<Digest> digest_from(const Json& json) {
  if (!json.is_string()) return std::nullopt;
  return Digest::parse(json.get_ref<const std::string&>());
}

// `first`: index of the first of the value's three fields.
std::optional<Value> value_from(const Json& json, std::size_t first) {
  if (!json.is_array() || json.size() != first + 3) return std::nullopt;
  const Json& kind = json[first];
  const auto digest = digest_from(json[first + 1]);
  const Json& size = json[first + 2];
  if ((kind != "tree" && kind != "blob") || !digest || !size.is_number_unsigned()) return std::nullopt;
  return Value{kind == "tree" ? ValueKind::Tree : ValueKind::Blob, *digest, size.get<std::uint64_t>()};
}

}  // namespace

std::string record_to_json(const StepRecord& record) {
  Json inputs = Json::array();
  for (const auto& input : record.inputs) {
    Json line = value_to_json(input.value);
    line.insert(line.begin(), input.name);
    inputs.push_back(std::move(line));
  }
  Json outputs = Json::object();
  for (const auto& [name, value] : record.outputs) outputs[name] = value_to_json(value);
  const Json json = {{"format", record_format},       {"key", record.key.hex()},   {"step", record.step},
                     {"action", record.action.hex()}, {"seconds", record.seconds}, {"inputs", std::move(inputs)},
                     {"outputs", std::move(outputs)}};
  // Invalid UTF-8 in names is replaced: names are only used in explanations.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<StepRecord> record_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != record_format) return std::nullopt;
  for (const char* field : {"key", "step", "action", "seconds", "inputs", "outputs"})
    if (!json.contains(field)) return std::nullopt;

  StepRecord record;
  const auto key = digest_from(json["key"]), action = digest_from(json["action"]);
  if (!key || !action || !json["step"].is_string() || !json["seconds"].is_number()) return std::nullopt;
  if (!json["inputs"].is_array() || !json["outputs"].is_object()) return std::nullopt;
  record.key = *key;
  record.action = *action;
  record.step = json["step"].get<std::string>();
  record.seconds = json["seconds"].get<double>();
  for (const auto& line : json["inputs"]) {
    const auto value = value_from(line, 1);
    if (!value || !line[0].is_string()) return std::nullopt;
    record.inputs.push_back({line[0].get<std::string>(), *value});
  }
  for (const auto& [name, line] : json["outputs"].items()) {
    const auto value = value_from(line, 0);
    if (!value) return std::nullopt;
    record.outputs.emplace(name, *value);
  }
  return record;
}

}  // namespace k8simg
