// Reads the first lines of commands.
#include "pipeline/interpreters.hpp"

#include <algorithm>
#include <array>

#include "tree/mapped_file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::array<const char*, 4> command_folders = {"usr/local/sbin/", "usr/local/bin/", "usr/sbin/", "usr/bin/"};

bool is_command(std::string_view path) {
  return path.starts_with("bin/") || path.starts_with("sbin/") ||
         std::any_of(command_folders.begin(), command_folders.end(),
                     [&](const char* folder) { return path.starts_with(folder); });
}

/// The program that a script's first line names, "env PROGRAM" read as PROGRAM; "" for anything else.
std::string interpreter_of(std::string_view bytes) {
  if (!bytes.starts_with("#!")) return {};
  const auto words = split_words(bytes.substr(2, std::min<std::size_t>(bytes.find('\n'), 256) - 2));
  if (words.empty() || !words[0].starts_with('/')) return {};
  const std::string name = words[0].substr(words[0].rfind('/') + 1);
  return name == "env" && words.size() > 1 && !words[1].starts_with('-') ? words[1] : words[0];
}

}  // namespace

std::vector<ScriptCommand> commands_with_interpreter(const Store& store, const Tree& tree) {
  std::vector<ScriptCommand> commands;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != NodeType::File || node.size < 4 || (node.mode & 0111) == 0 || !is_command(path)) continue;
    const std::string interpreter = interpreter_of(MappedFile(store.path(node.content)).bytes());
    if (!interpreter.empty()) commands.push_back({"/" + path, node.origin, interpreter});
  }
  return commands;
}

bool finds_program(const Tree& tree, const std::string& interpreter) {
  if (interpreter.starts_with('/')) return tree.resolve(interpreter.substr(1)).has_value();
  return std::any_of(command_folders.begin(), command_folders.end(),
                     [&](const char* folder) { return tree.resolve(folder + interpreter).has_value(); });
}

bool calls_program(const std::string& interpreter, const std::string& path) {
  return interpreter == path || "/usr" + interpreter == path ||
         (interpreter.find('/') == interpreter.npos && path.ends_with("/" + interpreter));
}

}  // namespace k8simg
