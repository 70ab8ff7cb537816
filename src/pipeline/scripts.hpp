// The evaluation of maintainer scripts: the program that does it, and how steps run it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "rootfs/rootfs.hpp"

namespace k8simg {

/// What evaluates scripts: components/maintscript, compiled for the build machine, and a tools tree to run it in.
/// Refers to nothing where the lock names no packages with scripts to evaluate.
struct ScriptTools {
  TreeHandle program, tools;
  explicit operator bool() const { return bool(program); }
};

/// Adds component/maintscript/... if scripts of some package are evaluated. `tools`: the tree of a tool set.
ScriptTools add_script_tools(StepGraph& graph, Store& store, const Config& config,
                             const std::vector<std::string>& evaluated,
                             const std::function<TreeHandle(const std::string& set)>& tools);

/// Inputs of a step that evaluates scripts.
std::vector<Input> script_inputs(const ScriptTools& tools);
/// In such a step; empty if it does not have these inputs.
ScriptEvaluator script_evaluator(StepContext& context);

}  // namespace k8simg
