// The steps that make a component: fetch Go modules, patch them, compile offline, test, and check each binary.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "model/component.hpp"

namespace k8simg {

struct ComponentSpec {
  std::string name, version;
  std::vector<std::string> tags, ldflags;
  NamedBlobs patches;  ///< of Go modules' sources, by name, in this order; see config/patch_file.hpp
  std::vector<ComponentBinary> binaries;
  std::string goarch, goarm;  ///< goarm: "5", "6", "7" or ""
  std::string cross;          ///< prefix of the C compiler, "arm-linux-gnueabi-", or "" for that of the build machine
  std::int64_t source_date_epoch = 0;
};

struct ComponentOutputs {
  TreeHandle patched;   ///< the files that patches change, by module and path; empty without patches
  TreeHandle files;     ///< a tree: binaries and links at their installed paths, with the origin "component:NAME"
  TreeHandle programs;  ///< a tree: the checked binaries by name
};

/// The command that runs a program of a Go architecture in a sandbox with the tools tree, directly or with qemu-user.
/// `argv0`: the name of the program in its argument vector. Error{Usage} for an architecture without an emulator.
std::vector<std::string> run_program(const std::string& goarch, const std::string& argv0, const std::string& path);

/// Tools trees: the compiler of Go or C, and the tree with which programs of the architecture are run.
struct ComponentTools {
  TreeHandle compiler, programs;
};

/// Adds component/NAME/{modules,patched,build,test-build,test,check}: modules and tests for Go, patched if there are
/// patches. `source`: tree of components/NAME (go.mod, go.sum, *.go, *.c). Error{Usage} if some programs are in Go and
/// some in C.
ComponentOutputs add_component_steps(StepGraph& graph, Store& store, const ComponentSpec& spec, const Value& source,
                                     const ComponentTools& tools);

}  // namespace k8simg
