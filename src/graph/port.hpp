// Typed inputs and outputs of steps: a port has a name and a kind, and accepts only handles of its kind.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "graph/step.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"

namespace k8simg {

/// A typed value of the graph: a known Value (local files), or the output of a step.
template <ValueKind kind>
struct Handle {
  std::variant<Value, OutputRef> source;

  Handle() : source(OutputRef{}) {}
  explicit Handle(OutputRef output) : source(std::move(output)) {}
  explicit Handle(Value value) : source(std::move(value)) {
    if (std::get<Value>(source).kind != kind)
      throw Error(ErrorKind::Internal, "a value is of another kind than its handle");
  }
  /// For targets of the graph; Error{Internal} for a known value.
  operator const OutputRef&() const {
    if (const auto* ref = std::get_if<OutputRef>(&source)) return *ref;
    throw Error(ErrorKind::Internal, "a known value is the output of no step");
  }
  /// Whether it refers to a value or an output.
  explicit operator bool() const {
    const auto* ref = std::get_if<OutputRef>(&source);
    return !ref || !ref->step.empty();
  }
};
using TreeHandle = Handle<ValueKind::Tree>;
using BlobHandle = Handle<ValueKind::Blob>;

/// An input or output of a step. It is declared once as a constant, and used both where the graph is made and in the
/// step.
template <ValueKind kind>
struct Port {
  std::string name;

  /// Declares an input of a step.
  Input operator()(const Handle<kind>& handle) const { return {name, handle.source}; }
  /// Declares a mount or capture of a command: an input to read, or an output to capture.
  Mount mount(std::string path) const { return {name, std::move(path)}; }
  Capture capture(std::string path) const { return {name, std::move(path), kind}; }
  /// The output of the step with this id.
  Handle<kind> of(const std::string& step) const { return Handle<kind>(OutputRef{step, name}); }
  /// Returns an output from a built-in step.
  std::pair<const std::string, Value> give(const Value& value) const {
    if (value.kind != kind) throw Error(ErrorKind::Internal, "output " + name + " is given a value of another kind");
    return {name, value};
  }
  /// The input's value in a built-in step. Error{Internal} when the step does not declare it.
  Value in(const StepContext& context) const {
    const Value value = context.input(name);
    if (value.kind != kind) throw Error(ErrorKind::Internal, "input " + name + " is of another kind than its port");
    return value;
  }
};
using TreePort = Port<ValueKind::Tree>;
using BlobPort = Port<ValueKind::Blob>;

/// Inputs or outputs of the same kind whose number varies: "package/NAME" for each package.
template <ValueKind kind>
struct PortFamily {
  std::string prefix;

  Port<kind> operator[](std::string_view name) const { return {prefix + std::string(name)}; }
  /// In a built-in step: names without the prefix, and values, in declared order.
  std::vector<std::pair<std::string, Value>> all(const StepContext& context) const {
    std::vector<std::pair<std::string, Value>> found;
    for (const auto& input : context.inputs()) {
      if (input.name.starts_with(prefix)) found.emplace_back(input.name.substr(prefix.size()), input.value);
    }
    return found;
  }
};
using TreeFamily = PortFamily<ValueKind::Tree>;
using BlobFamily = PortFamily<ValueKind::Blob>;

/// Named values; the order is significant.
using NamedTrees = std::vector<std::pair<std::string, TreeHandle>>;
using NamedBlobs = std::vector<std::pair<std::string, BlobHandle>>;

/// The tree of an input.
inline Tree read_tree(StepContext& context, const TreePort& port) {
  return get_tree(context.store(), port.in(context).digest);
}

}  // namespace k8simg
