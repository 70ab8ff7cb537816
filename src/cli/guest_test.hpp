// Common parts of the tests of one machine and of a cluster: a built image with its machine, a boot of it, and the
// report as text or JSON.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/machine.hpp"
#include "guest/checks.hpp"

namespace k8simg {

struct Guest {
  std::string name;  ///< of the defconfig
  BuiltImage image;
  Machine machine;
  bool kvm = false;
  std::filesystem::path conversion;  ///< the disk in another published format, which is booted; empty: the plain image
  std::string conversion_format;     ///< the name of that format
  std::filesystem::path
      container;  ///< archive of a container image that the guest runs; empty if the disk image has no
  ///< program for one
};
/// `accel`: as for choose_kvm(). Error{Usage} if the image is not built.
Guest open_guest(Session& session, const std::string& name, const std::string& accel, const Devices& devices = {});

/// Lets `guest` boot the disk in a published format. Error{Usage} if it was not built.
void use_format(Guest& guest, const std::string& format);

/// The expectations of every boot.
Expectations expectations_of(const Guest& guest, const std::string& firmware);
/// Reference of the container image that --ready runs as a pod: in a cluster CoreDNS, the only program that answers
/// requests, otherwise pause. Error{Usage} names the missing component.
std::string ready_image(const Config& config, bool in_cluster);
/// Whether the disk image contains the container images of a control plane.
bool carries_control_plane(const Config& config);

struct GuestBoot {
  std::string name, firmware;
  bool kvm = false;
  GuestReport report;
  MachineResult result;
  std::filesystem::path console;  ///< log of the console
};
/// Boots the guest with the checks as a drive, and waits for its end. `boot`: scratch, timeout and other properties of
/// this boot (image, network, credentials); the rest is set from the guest. `console`: file for the console's log.
/// Error{Step} if QEMU did not start.
GuestBoot boot_guest(const Guest& guest, const Expectations& expectations, const std::string& firmware, Boot boot,
                     const std::filesystem::path& console, std::stop_token stop);

/// The reason why the checks did not finish, with QEMU's messages and the console's last lines; "" if they finished.
std::string why_unfinished(const GuestBoot& boot);
/// `title`: prefix of each line.
void print_boot(const std::string& title, const GuestBoot& boot);
/// {"boots": [...]}, with the name, firmware, accelerator, checks, figures and processes of each.
std::string boots_as_json(const std::vector<GuestBoot>& boots);

/// A message about parts that QEMU does not test, for a board whose firmware it cannot run; "" for all others.
std::string not_shown(const Guest& guest, const std::string& firmware);

/// Options of `test --cluster`. `names`: the defconfigs; the first guest makes a cluster, the others join it on a
/// private network.
struct ClusterTest {
  std::vector<std::string> names;
  std::string accel;
  double timeout_seconds = 0;
};
/// Prints the report and returns whether all checks passed.
bool test_cluster(Session& session, const ClusterTest& test);

}  // namespace k8simg
