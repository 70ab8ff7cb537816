// The build information that Go's linker writes into a program: compiler, modules, settings. Format: Go's packages
// debug/buildinfo and runtime/debug.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "elf/elf.hpp"

namespace k8simg {

struct GoBuildInfo {
  struct Module {
    std::string path, version;
    bool changed = false;
  };  ///< changed: it was replaced by a folder
  struct Setting {
    std::string key, value;
  };

  std::string go;                 ///< "go1.26.1"; "" before Go 1.18
  std::vector<Module> modules;    ///< the linked modules after replacements, without the main module; sorted by path
  std::vector<Setting> settings;  ///< "GOARM" = "6"; empty if built outside of a module

  std::optional<std::string> setting(std::string_view key) const;
};

/// `info`: from read_elf() of the same bytes. nullopt if it is not a Go program. Error{Step} with `name` for damaged
/// data.
std::optional<GoBuildInfo> read_go_build_info(std::string_view bytes, const ElfInfo& info, const std::string& name);

}  // namespace k8simg
