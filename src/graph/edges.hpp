// The edges of the graph in both directions, by step number. Private to the graph.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.hpp"

namespace k8simg {

struct Edges {
  /// The source of an input: a step's number, or nothing when it is a Value.
  struct Source {
    std::optional<std::size_t> step;
    std::string output;
  };
  struct Node {
    std::vector<Source> sources;          ///< same order as the step's inputs
    std::vector<std::size_t> dependents;  ///< each once
    std::set<std::string> asked;          ///< outputs that a step or target uses
  };
  std::vector<Node> nodes;  ///< same order as the graph's steps
  std::vector<Source> targets;

  explicit Edges(const StepGraph& graph) : nodes(graph.steps().size()) {
    std::unordered_map<std::string, std::size_t> number;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Step& step = graph.steps()[i];
      number.emplace(step.id, i);
      for (const auto& input : step.inputs) {
        const auto* ref = std::get_if<OutputRef>(&input.source);
        if (!ref) {
          nodes[i].sources.push_back({});
          continue;
        }
        const std::size_t from = number.at(ref->step);
        nodes[i].sources.push_back({from, ref->output});
        nodes[from].asked.insert(ref->output);
        if (nodes[from].dependents.empty() || nodes[from].dependents.back() != i) nodes[from].dependents.push_back(i);
      }
    }
    for (const auto& target : graph.targets()) {
      targets.push_back({number.at(target.step), target.output});
      nodes[number.at(target.step)].asked.insert(target.output);
    }
  }
};

}  // namespace k8simg
