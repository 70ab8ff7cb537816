// What Go's linker wrote into a program about its making: compiler, modules, settings. Format: Go's packages
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
  };  ///< changed: a folder stood in for it
  struct Setting {
    std::string key, value;
  };

  std::string go;  ///< "go1.26.1"; "" before Go 1.18
  std::vector<Module>
      modules;  ///< that the program is linked from besides its own, what replaced one in its stead; sorted by path
  std::vector<Setting> settings;  ///< "GOARM" = "6"; none when built outside a module

  std::optional<std::string> setting(std::string_view key) const;
};

/// Of an ELF file read as `info`; nullopt when it is not Go's. Throws Error{Step}, for a damaged table naming `name`.
std::optional<GoBuildInfo> read_go_build_info(std::string_view bytes, const ElfInfo& info, const std::string& name);

}  // namespace k8simg
