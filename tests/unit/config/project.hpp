// A small complete project in a temporary folder, which tests change.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "disk/formats.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace test_project {

inline const char* const board_toml = R"(name = "toy"
description = "A toy board"

[arch]
debian = "amd64"
go = "amd64"
kernel = "x86"
triplet = "x86_64-linux-gnu"

[kernel]
package = "linux-source-6.12"
base = "allnoconfig"
fragments = ["base"]
config = ["kernel.config"]
targets = ["bzImage"]
image = "arch/x86/boot/bzImage"
cmdline = ["console=ttyS0", "rw"]

[[boot.files]]
path = "bzImage"
from = "kernel"

[[boot.files]]
path = "loader/entry.conf"
from = "file"
source = "boards/toy/entry.conf"
expand = true

[disk]
file = "disk.img"
table = "gpt"
compress = "none"

[[disk.partition]]
name = "root"
type = "root"
filesystem = "ext4"
mount = "/"
free = "256M"
grow = true

[qemu]
binary = "qemu-system-x86_64"
machine = "q35"
memory = 512
cpus = 1
disk = "virtio"
firmware = ["bios"]
)";

inline const char* const base_toml = R"(abstract = true
description = "What all share"

[[repository]]
name = "debian"
suites = ["trixie"]
sections = ["main"]

[packages]
install = ["systemd", "udev"]

[tools.c]
packages = ["gcc"]

[tools.files]
essential = false
packages = ["linux-source-6.12"]

[system]
hostname = "node"
timezone = "Etc/UTC"
)";

inline const char* const node_toml = R"(board = "toy"
extends = "base"
description = "A node"

[packages]
install = ["crun"]

[components]
enable = ["engine"]

[overlays]
use = ["base"]
)";

inline const char* const component_toml = R"(name = "engine"
version = "v1.0.0"
description = "An engine"
license = "Apache-2.0"

[build]
tags = ["small"]

[[binary]]
name = "all"
package = "."
install = "/usr/local/bin/all"
links = ["/usr/local/bin/one"]
link = "multicall"
check = { argv0 = "one", argv = ["--version"], expect = "v1.0.0" }

[[binary]]
name = "one"
package = "example.org/one"
install = "/usr/local/bin/one"
link = "separate"

[[binary]]
name = "tool"
package = "example.org/tool"

[[binary.check]]
argv = []
expect = "usage"
)";

inline const char* const requirements_toml = R"([[requirement]]
symbol = "CONFIG_CGROUPS"
by = ["kubernetes"]
level = "required"

[[requirement]]
any_of = ["CONFIG_A", "CONFIG_B"]
by = ["runc"]
level = "recommended"
note = "one is enough"
)";

class Project {
 public:
  Project() : folder_(std::filesystem::temp_directory_path(), "project") {
    write("boards/toy/board.toml", board_toml);
    write("boards/toy/kernel.config", "CONFIG_X86=y\n");
    write("boards/toy/entry.conf", "options ${cmdline}\n");
    write("defconfigs/base.toml", base_toml);
    write("defconfigs/node.toml", node_toml);
    write("components/engine/component.toml", component_toml);
    write("components/engine/go.mod", "module engine\n");
    write("components/engine/go.sum", "");
    write("kernel-fragments/base.config", "CONFIG_NET=y\n");
    write("kernel-fragments/vxlan.config", "CONFIG_VXLAN=y\n");
    write("kernel-fragments/requirements.toml", requirements_toml);
    write("overlays/base/etc/issue", "hello\n");
    write("overlays/extra/etc/motd", "hello\n");
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((path() / file).parent_path());
    k8simg::write_file_atomically(path() / file, text);
  }
  void remove(const std::string& file) { std::filesystem::remove_all(path() / file); }
  /// Replaces text, which must exist.
  void edit(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = k8simg::read_file(path() / file), changed = k8simg::replace_all(text, from, to);
    REQUIRE(changed != text);
    write(file, changed);
  }
  void append(const std::string& file, const std::string& text) {
    write(file, k8simg::read_file(path() / file) + text);
  }

  k8simg::Config load(const std::vector<std::string>& set = {}, const std::string& name = "node") const {
    return k8simg::load_config(name, {path(), set, k8simg::disk_formats()});
  }
  /// The mistakes, one per line; "" if there are none.
  std::string mistakes(const std::vector<std::string>& set = {}, const std::string& name = "node") const {
    try {
      load(set, name);
    } catch (const k8simg::Error& error) {
      REQUIRE(error.kind() == k8simg::ErrorKind::Usage);
      return error.message();
    }
    return "";
  }

 private:
  k8simg::TempDir folder_;
};

inline const k8simg::Setting* find_setting(const k8simg::Config& config, const std::string& key) {
  for (const auto& setting : config.settings)
    if (setting.key == key) return &setting;
  return nullptr;
}

}  // namespace test_project
