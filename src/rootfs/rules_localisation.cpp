// Rules keymap and locale: what uses the files of the steps rootfs/keymap and rootfs/locale.
#include <fmt/format.h>

#include "rootfs/localisation.hpp"
#include "rootfs/rules.hpp"

namespace k8simg::rootfs {

void keymap(Assembly& assembly) {
  if (assembly.options.keymap.empty()) return;
  // Debian's systemd is built without systemd-vconsole-setup, which would do this. The unit has no [Install] section,
  // so that presets do not concern it. On a machine without virtual consoles it does nothing.
  const std::string name = "console-keymap.service", folder = "usr/lib/systemd/system/";
  assembly.file("keymap", folder + name,
                fmt::format("[Unit]\n"
                            "Description=Keymap of consoles\n"
                            "Documentation=man:loadkeys(1)\n"
                            "DefaultDependencies=no\n"
                            "ConditionPathExists=/dev/tty0\n"
                            "Before=sysinit.target shutdown.target\n"
                            "Conflicts=shutdown.target\n"
                            "\n"
                            "[Service]\n"
                            "Type=oneshot\n"
                            "RemainAfterExit=yes\n"
                            "ExecStart=/usr/bin/loadkeys --quiet --unicode --console=/dev/tty0 /{}\n",
                            keymap_path));
  assembly.link("keymap", folder + "sysinit.target.wants/" + name, "../" + name);
}

void locale(Assembly& assembly) {
  if (assembly.options.locale.empty()) return;
  // systemd reads this file for services, and PAM for logins.
  assembly.file("locale", "etc/locale.conf", fmt::format("LANG={}\n", assembly.options.locale));
  assembly.link_if_absent("locale", "etc/default/locale", "../locale.conf");
}

}  // namespace k8simg::rootfs
