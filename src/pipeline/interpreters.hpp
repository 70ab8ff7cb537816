// Commands that are scripts, and the interpreters that they need.
#pragma once

#include <string>
#include <vector>

#include "store/store.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// A command: a program in a folder of PATH. Elsewhere, packages have helpers and examples for programs that they only
/// suggest.
struct ScriptCommand {
  std::string path;         ///< absolute, on the target
  Origin origin;            ///< Node::origin
  std::string interpreter;  ///< of its first line: "/usr/bin/perl"; "python3" for "#!/usr/bin/env python3"
};

/// The commands of a tree whose first line names an interpreter, sorted by path. The tree may be one of a package, with
/// commands in /bin and /sbin.
std::vector<ScriptCommand> commands_with_interpreter(const Store& store, const Tree& tree);

/// Whether the tree has the interpreter, which is searched in PATH if it is no path.
bool finds_program(const Tree& tree, const std::string& interpreter);

/// Whether the first line of a script may call a program of this path: "/usr/bin/perl" is also called by
/// "/bin/perl" and "perl".
bool calls_program(const std::string& interpreter, const std::string& path);

}  // namespace k8simg
