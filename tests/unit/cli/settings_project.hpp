// A project that sets every key of a configuration, with an alternative value for each.
#pragma once

namespace settings_project {

// `KEY = VALUE  #> OTHER`: with OTHER instead, a step's key or the lock must change. `#= REASON`: an exemption, because
// no build depends on the value.

inline constexpr const char* qemu_is_no_input = R"(
[qemu]                                   #= only `run` and `test` use it, on an image that is built
binary = "qemu-system-arm"               #= as above
machine = "virt"                         #= as above
cpu = "max"                              #= as above
memory = 512                             #> 1024
cpus = 1                                 #= as above
disk = "virtio"                          #= as above
arguments = []                           #= as above
firmware = ["kernel"]                    #= as above
dtb = "a.dtb"                            #= as above
extra-cmdline = "x"                      #= as above
power-of-two = false                     #= as above
uefi-code = "a"                          #= as above
uefi-vars = "b"                          #= as above
no-network = "the machine has none"      #= as above
)";

inline constexpr const char* board = R"(name = "toy"
description = "A toy board"              #= the defconfig has its own, which is tried

[arch]
debian = "armel"                         #> "armhf"
go = "arm"
goarm = "6"                              #> "7"
kernel = "arm"                           #> "arm64"
cross = "arm-linux-gnueabi-"             #> "arm-linux-gnueabihf-"
triplet = "arm-linux-gnueabi"            #> "arm-linux-gnueabihf"

[kernel]
package = "linux-source"                 #> "linux-source-7"
base = "allnoconfig"                     #> "multi_defconfig"
fragments = ["base"]                     #> ["base", "more"]
config = ["kernel.config"]               #> []
targets = ["zImage"]                     #> ["zImage", "dtbs"]
image = "arch/arm/boot/zImage"           #> "arch/arm/boot/Image"
dtbs = ["arch/arm/a.dtb"]                #> ["arch/arm/a.dtb", "arch/arm/b.dtb"]
cmdline = ["quiet"]                      #> ["debug"]

[[boot.files]]
path = "zImage"
from = "kernel"                          #> "dtb:a.dtb"

[[boot.files]]
path = "a.dtb"
from = "dtb:a.dtb"

[[boot.files]]
path = "entry.conf"
from = "board"
source = "entry.conf"                    #> "other.conf"
expand = true                            #> false

[[boot.files]]
path = "notes.txt"
from = "file"
source = "boards/toy/entry.conf"         #> "boards/toy/other.conf"

[[boot.files]]
path = "BOOT.EFI"
from = "package:loader"                  #> "tool:loader"
source = "usr/lib/boot.efi"              #> "usr/lib/other.efi"

[disk]
file = "sdcard.img"                      #> "disk.img"
table = "gpt"                            #> "dos"
sector-size = 512                        #> 4096
protective-mbr-active = false            #> true
boot-code-package = "loader"             #> "loader-2"
boot-code = "usr/lib/boot.bin"           #> "usr/lib/other.bin"
syslinux = "syslinux"                    #> "other"
compress = "zstd"                        #> "none"
compress-level = 3                       #> 4
formats = []                             #> ["qcow2"]

[[disk.partition]]
name = "boot"
type = "esp"                             #> "linux"
filesystem = "vfat"
mount = "/boot"                          #> "/efi"
size = "64M"                             #> "65M"
bootable = true                          #> false
label = "BOOT"                           #> "EFI"

[[disk.partition]]
name = "root"
type = "root"                            #> "linux"
filesystem = "ext4"
mount = "/"
free = "64M"                             #> "65M"
grow = true                              #> false

[imager]
devices = ["pi1-32bit"]                  #> ["pi3-64bit"]
base-url = "https://a.example/"          #> "https://b.example/"

[tools.c]
packages = ["gcc"]                       #> ["gcc", "make"]
essential = true                         #> false
[tools.go]
packages = ["go"]                        #> ["go", "make"]
essential = true                         #> false
[tools.programs]
packages = ["coreutils"]                 #> ["coreutils", "make"]
essential = true                         #> false
[tools.filesystems]
packages = ["e2fsprogs"]                 #> ["e2fsprogs", "make"]
essential = true                         #> false
[tools.compression]
packages = ["zstd"]                      #> ["zstd", "make"]
essential = true                         #> false
[tools.qemu]
packages = ["qemu", "qemu-utils"]        #> ["qemu", "qemu-utils", "make"]
essential = true                         #> false
[tools.appliance]
packages = ["linux-image"]               #> ["linux-image", "make"]
essential = true                         #> false
[tools.registry]
packages = ["skopeo"]                    #> ["skopeo", "make"]
essential = true                         #> false
[tools.keymap]
packages = ["tool"]                      #> ["tool", "make"]
essential = true                         #> false
[tools.locales]
packages = ["tool"]                      #> ["tool", "make"]
essential = true                         #> false
[tools.files]
packages = ["linux-source", "linux-source-7", "loader", "loader-2"]  #> ["linux-source", "linux-source-7", "loader", "loader-2", "make"]
essential = true                         #> false
)";

inline constexpr const char* defconfig =
    R"toml(board = "toy"  #= it is what board.toml says, and that is changed line by line
description = "A node"                   #> "Another node"

[[repository]]
name = "debian"
suites = ["trixie"]                      #> ["forky"]
tools-suites = ["trixie-backports"]      #> []
sections = ["main"]                      #> ["main", "contrib"]

[[repository]]
name = "own"
suites = ["./"]                          #> ["folder/"]
keyring = "keys/own.asc"                 #> "keys/other.asc"

[packages]
install = ["bash"]                       #> ["bash", "vim"]
files = ["debs/own.deb"]                 #> ["debs/*.deb"]
essential = true                         #> false
exclude = ["perl-base"]                  #> []

[[packages.unless]]
package = "vim"                          #> "bash"
exclude = ["tool"]                       #> ["make"]
interpreter = "/usr/bin/vim"             #> "/usr/bin/perl"

[packages.answers]
question = "yes"                         #> "no"

[components]
enable = ["engine"]                      #> ["engine", "empty"]

[components.engine]
patches = ["0001-faster"]                #> []
link = "multicall"                       #> "separate"

[images]
preload = true                           #> false

[node]
role = "single"                          #> "worker"

[overlays]
use = ["base"]                           #> ["base", "more"]

[rootfs]
exclude = ["/usr/share/man/**"]          #> []
keep = ["/usr/share/doc/*/copyright"]    #> []

[[rootfs.unless]]
package = "vim"                          #> "bash"
exclude = ["/usr/share/vim/**"]          #> ["/usr/share/emacs/**"]

[rootfs.alternatives]
awk = "/usr/bin/mawk"                    #> "/usr/bin/gawk"

[[rootfs.replace]]
path = "/etc/a"                          #> "/etc/b"
reason = "ours"                          #> "theirs"

[[rootfs.mode]]
path = "/etc/a"                          #> "/etc/b"
mode = "0600"                            #> "0640"
owner = "root:adm"                       #> "root:root"

[[audit.no-interpreter]]
path = "/usr/bin/a"                      #> "/usr/bin/b"
reason = "nobody runs it"                #> "nobody needs it"

[[audit.allow]]
path = "/usr/lib/a"                      #> "/usr/lib/b"
reason = "asks first"                    #= said to whoever reads the defconfig; the audit does not repeat it

[system]
hostname = "node"                        #> "other"
timezone = "Etc/UTC"                     #> "Europe/Berlin"
keymap = "de"                            #> "de(neo)"
locale = "de_DE.UTF-8"                   #> "de_AT.UTF-8"
authorized-keys = []                     #> ["ssh-ed25519 AAAA me"]

ca-certificates = []                     #> ["ca/site.pem"]

[system.proxy]
http = "http://proxy.example:3128"       #> "http://other.example:3128"
https = "http://proxy.example:3128"      #> "http://other.example:3128"
no-proxy = ["registry.example"]          #> []

[[user]]
name = "anna"                            #> "berta"
comment = "Anna"                         #> "A."
uid = 1001                               #> 1002
shell = "/bin/sh"                        #> "/bin/bash"
groups = ["sudo"]                        #> ["adm"]
authorized-keys = []                     #> ["ssh-ed25519 AAAA me"]
password-hash = "$6$0123456789$0123456789abcdef" #> "$5$0123456789$0123456789abcdef"

[containerd.mirrors]
localhost = ["https://a.example"]        #> ["https://b.example"]

[system.services]
enable = ["a.service"]                   #> []
disable = ["b.service"]                  #> []
mask = ["c.service"]                     #> []

[build]
source-date-epoch = 1763195591           #> 1763195592
)toml";

inline constexpr const char* component = R"(name = "engine"
version = "v1.0.0"                       #> "v1.0.1"
description = "An engine"                #> "Another engine"
license = "Apache-2.0"                   #> "MIT"
provides = ["make"]                      #> []

[build]
tags = ["small"]                         #> ["tiny"]
ldflags = ["-X a=${version}"]            #> ["-X b=${version}"]

[[binary]]
name = "containerd-preload"
package = "./preload"                    #> "./other"
install = "/usr/bin/preload"             #> "/usr/bin/other"
links = ["/usr/bin/link"]                #> []
tags = ["x"]                             #> []
[[binary.check]]
argv0 = "a"                              #> "b"
argv = ["--version"]                     #> ["version"]
expect = "v1.0.0"                        #> "v1"

[[binary]]
name = "one"
package = "./one"
link = "multicall"                       #> "separate"

[[binary]]
name = "all"
package = "./all"
link = "multicall"

[[binary]]
name = "apart"
package = "./apart"
link = "separate"

[[image]]
name = "registry.example/engine"
tag = "v1"                               #> "v2"
description = "Engine image"             #> "Another image"
programs = ["containerd-preload"]        #> ["containerd-preload", "link"]
root = ["/usr/sbin/nft"]                 #> ["/usr/sbin/iptables"]
user = "1:1"                             #> "2:2"

[[image]]
name = "registry.example/plain"
programs = ["containerd-preload"]

[[release]]
name = "engine-node"
folder = "engine/bin"                    #> "engine/sbin"
programs = ["containerd-preload"]        #> ["link"]
)";

/// The machine with a partition that systemd-repart creates, which an MBR does not support, a smaller machine of the
/// board, and images that need images.preload.
inline constexpr const char* data_defconfig = R"(extends = "toy"
description = "With data"

[hardware]
memory = 256                             #> 384
cpus = 4                                 #= only `check` compares it with what kubeadm asks for

[[disk.partition]]
name = "data"
type = "linux"
filesystem = "ext4"                      #> "vfat"
mount = "/srv"
size = "1G"                              #> "2G"
create-on-device = true                  #= with false the image has no content for it, and that is an error

[[image.extra]]
from = "docker://registry.example/app:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"  #> "docker://registry.example/app:1@sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
name = "registry.example/mine:1"         #> "registry.example/mine:2"

[[image.extra]]
from = "oci:images/app.tar"              #> "docker-archive:images/app.tar"
)";

/// An architecture, for keys that a machine does not use: releases, and a Go architecture without goarm.
inline constexpr const char* architecture_board = R"(name = "chip"
description = "An architecture"

[arch]
debian = "riscv64"
go = "riscv64"                           #> "arm64"
cross = "riscv64-linux-gnu-"
triplet = "riscv64-linux-gnu"
)";

inline constexpr const char* architecture_defconfig = R"(board = "chip"
description = "Programs"

[[repository]]
name = "debian"
suites = ["trixie"]
sections = ["main"]

[packages]
install = ["bash"]

[components]
enable = ["engine"]
[components.engine]
link = "multicall"

[tools.c]
packages = ["gcc"]
[tools.go]
packages = ["go"]
[tools.programs]
packages = ["coreutils"]
[tools.compression]
packages = ["zstd"]
)";

}  // namespace settings_project
