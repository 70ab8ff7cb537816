// Built-in steps as data: a struct of parameters with a field list, and a function that gets only these parameters.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "graph/step.hpp"
#include "util/error.hpp"
#include "util/uuid5.hpp"

namespace k8simg {

/// Parameters consist of these types, those of the standard library, and structs with a field list
/// (NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE next to the struct).
inline void to_json(nlohmann::json& json, const Digest& digest) { json = digest.hex(); }
inline void from_json(const nlohmann::json& json, Digest& digest) {
  const auto parsed = Digest::parse(json.get<std::string>());
  if (!parsed) throw Error(ErrorKind::Internal, "a step's parameters have no digest where one belongs");
  digest = *parsed;
}
inline void to_json(nlohmann::json& json, const Uuid& uuid) { json = uuid.bytes; }
inline void from_json(const nlohmann::json& json, Uuid& uuid) { json.get_to(uuid.bytes); }

namespace builtin_detail {
template <class>
struct Signature;
template <class P>
struct Signature<Outputs (*)(StepContext&, const P&)> {
  using Parameters = P;
};
template <class P, class Service>
struct Signature<Outputs (*)(StepContext&, const P&, const Service&)> {
  using Parameters = P;
  using Machine = Service;
};
}  // namespace builtin_detail

/// The action of a built-in step: `Function` is `Outputs f(StepContext&, const Parameters&)`. The parameters' JSON text
/// is part of the step's key, and the function gets the parameters parsed from it, so it cannot depend on anything
/// outside of the key. `name` is shown to users and part of the key: "image.filesystem".
template <auto Function>
BuiltinAction builtin(std::string name,
                      const typename builtin_detail::Signature<decltype(Function)>::Parameters& parameters) {
  using Parameters = typename builtin_detail::Signature<decltype(Function)>::Parameters;
  std::string text = nlohmann::json(parameters).dump();
  return {.function = std::move(name), .parameters = text, .run = [text](StepContext& context) {
            return Function(context, nlohmann::json::parse(text).get<Parameters>());
          }};
}

/// The same for a function without parameters.
template <Outputs (*Function)(StepContext&)>
BuiltinAction builtin(std::string name) {
  return {.function = std::move(name), .parameters = "{}", .run = Function};
}

/// The same for a function `Outputs f(StepContext&, const Parameters&, const Service&)` that also needs a service of
/// the machine, such as its mirrors. The service is not part of the key and must not change the outputs. Only for steps
/// with known outputs, which are compared with the result.
template <auto Function>
BuiltinAction builtin_with(std::string name,
                           const typename builtin_detail::Signature<decltype(Function)>::Parameters& parameters,
                           typename builtin_detail::Signature<decltype(Function)>::Machine service) {
  using Parameters = typename builtin_detail::Signature<decltype(Function)>::Parameters;
  std::string text = nlohmann::json(parameters).dump();
  return {.function = std::move(name),
          .parameters = text,
          .run = [text, service = std::move(service)](StepContext& context) {
            return Function(context, nlohmann::json::parse(text).get<Parameters>(), service);
          }};
}

}  // namespace k8simg
