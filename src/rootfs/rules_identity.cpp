// Rules for a machine's identity: names, keys, time zone, mounts, and the stamps that keep the first boot from
// repeating the work of rules.
#include <algorithm>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

void identity(Assembly& assembly) {
  const std::string rule = "identity";
  const auto& options = assembly.options;
  const auto hostname = options.hostname.empty() ? std::string("localhost") : options.hostname;
  assembly.file(rule, "etc/hostname", hostname + "\n");
  // containerd's CRI does not start a pod without /etc/hosts. With 127.0.1.1 the name resolves without a network.
  assembly.file_if_absent(rule, "etc/hosts",
                          fmt::format("127.0.0.1\tlocalhost\n{}::1\t\tlocalhost ip6-localhost "
                                      "ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n",
                                      hostname == "localhost" ? "" : fmt::format("127.0.1.1\t{}\n", hostname)));
  // machine-id(5): with "uninitialized", the first boot writes a new id and ConditionFirstBoot= is true.
  assembly.file(rule, "etc/machine-id", "uninitialized\n", 0444);
  // systemd(1) sets a clock that is behind the time of this file to that time.
  if (assembly.package("systemd") != nullptr) assembly.file(rule, "usr/lib/clock-epoch", "");
  if (assembly.package("systemd-resolved") != nullptr)
    assembly.link_if_absent(rule, "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
  assembly.own("root", 0700, 0, 0);
  assembly.folder_if_absent(rule, "root/.ssh", 0700);
  if (!options.authorized_keys.empty())
    assembly.file(rule, "root/.ssh/authorized_keys", join(options.authorized_keys, "\n") + "\n", 0600);
}

void time_zone(Assembly& assembly) {
  auto zone = assembly.options.timezone;
  const bool utc = zone.empty() || zone == "UTC" || zone == "Etc/UTC";
  if (zone.empty()) zone = "Etc/UTC";
  if (zone == "UTC") zone = "Etc/UTC";
  const auto path = "usr/share/zoneinfo/" + zone;
  if (!assembly.exists(path)) {
    if (utc) return;  // the default of glibc and Go without /etc/localtime
    throw Error(ErrorKind::Usage, fmt::format("the time zone {} is not in the tree", zone),
                assembly.package("tzdata") == nullptr ? "Add tzdata to the defconfig's packages."
                                                      : "Use a name from /usr/share/zoneinfo, such as Europe/Berlin.");
  }
  assembly.link("time-zone", "etc/localtime", "/" + path);
}

void disk_mounts(Assembly& assembly) {
  std::string table = "# <source>\t<mount point>\t<type>\t<options>\t<dump>\t<pass>\n";
  for (const auto& mount : assembly.options.mounts) {
    const bool root = mount.path == "/";
    std::vector<std::string> options;
    if (!mount.options.empty()) options.push_back(mount.options);
    if (!root) options.emplace_back("nofail");
    if (mount.grow) options.emplace_back("x-systemd.growfs");
    if (options.empty()) options.emplace_back("defaults");
    table += fmt::format("{}\t{}\t{}\t{}\t0\t{}\n", mount.source, mount.path, mount.filesystem, join(options, ","),
                         root ? 1 : mount.fsck_pass);
    if (!root && assembly.tree.find(relative(mount.path)) == nullptr)
      assembly.folder("disk-mounts", relative(mount.path));
  }
  assembly.file_if_absent("disk-mounts", "etc/fstab", table);
}

void update_stamps(Assembly& assembly) {
  // ConditionNeedsUpdate= (systemd.unit(5)) compares these with /usr. Without them, the first boot would run sysusers
  // and ldconfig, and compile the hardware and message databases again.
  const auto epoch = assembly.options.source_date_epoch;
  if (auto* usr = assembly.tree.find("usr")) usr->mtime = epoch;
  for (const auto* path : {"etc/.updated", "var/.updated"}) {
    assembly.file("update-stamps", path,
                  "# This file was created by the image build. Its only purpose is to hold a timestamp of the\n# time "
                  "this directory was updated. See man:systemd-update-done.service(8).\n" +
                      fmt::format("TIMESTAMP_NSEC={}\n", epoch * 1'000'000'000));
  }
}

}  // namespace k8simg::rootfs
