// The steps that make a component from Go modules: fetch once, compile offline, validate each binary.
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
  NamedBlobs patches;  ///< of Go modules' sources, in this order, by name; see config/patch_file.hpp
  std::vector<ComponentBinary> binaries;
  std::string goarch, goarm;  ///< goarm: "5", "6", "7" or ""
  std::string cross;          ///< prefix of the C compiler, "arm-linux-gnueabi-", or "" for the build machine's own
  std::int64_t source_date_epoch = 0;
};

struct ComponentOutputs {
  TreeHandle patched;  ///< the files that patches change, by module and path; refers to nothing without patches
  TreeHandle files;  ///< a tree: the binaries and links at their installed places, every node's origin "component:NAME"
  TreeHandle programs;  ///< a tree: every binary by its name, checked
};

/// How a program for a Go architecture is run in a sandbox with the tools tree: by itself, or under qemu-user. `argv0`:
/// the name that it is to see. Error{Usage} for an architecture that has no emulator.
std::vector<std::string> run_program(const std::string& goarch, const std::string& argv0, const std::string& path);

/// Tools trees: the compiler (of Go or of C, as the component needs), and what programs of its architecture are run
/// with.
struct ComponentTools {
  TreeHandle compiler, programs;
};

/// Adds component/NAME/{modules,patched,build,check}; modules only where there is a go.mod, patched where there are
/// patches. `source`: tree of components/NAME
/// (go.mod, go.sum, *.go, *.c). Error{Usage} when some of its programs are of Go and some of C.
ComponentOutputs add_component_steps(StepGraph& graph, Store& store, const ComponentSpec& spec, const Value& source,
                                     const ComponentTools& tools);

}  // namespace k8simg
