// What the tests of one machine and of a cluster share: a built image with its machine, one boot of it, and the report
// of that for people or as JSON.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/machine.hpp"
#include "guest/checks.hpp"

namespace k8simg {

struct Guest {
  std::string name;  ///< the defconfig's
  BuiltImage image;
  Machine machine;
  bool kvm = false;
  std::filesystem::path container;  ///< archive of a container image for the guest to run; empty when the image has no
                                    ///< program to make one of
};
/// `accel`: as choose_kvm() takes it. Error{Usage} when the image is not built.
Guest open_guest(Session& session, const std::string& name, const std::string& accel);

/// What holds for every boot of it.
Expectations expectations_of(const Guest& guest, const std::string& firmware);
/// Reference of the container image that --ready starts as a pod: CoreDNS, the one program that answers whoever asks,
/// in a cluster; else pause. Error{Usage} naming the component that is missing.
std::string ready_image(const Config& config, bool in_cluster);
/// Whether the image itself carries what a control plane is made of.
bool carries_control_plane(const Config& config);

struct GuestBoot {
  std::string name, firmware;
  bool kvm = false;
  GuestReport report;
  MachineResult result;
  std::filesystem::path console;  ///< all that it printed
};
/// Boots the guest, with the checks as a drive, until it ends. `boot`: scratch, timeout and what else is special
/// (image, network, credentials); the rest comes from the guest. `console`: where the console's log is kept.
/// Error{Step} when QEMU did not start.
GuestBoot boot_guest(const Guest& guest, const Expectations& expectations, const std::string& firmware, Boot boot,
                     const std::filesystem::path& console, std::stop_token stop);

/// Why the checks did not come to their end, with what QEMU said and the console's last lines; "" when they did.
std::string why_unfinished(const GuestBoot& boot);
/// `title`: at the head of each line.
void print_boot(const std::string& title, const GuestBoot& boot);
/// {"boots": [...]}, with the name, firmware, accelerator, checks, figures and processes of each.
std::string boots_as_json(const std::vector<GuestBoot>& boots);

/// What QEMU does not show of a board whose firmware it cannot run, for a message; "" for all others.
std::string not_shown(const Guest& guest, const std::string& firmware);

/// `test --cluster`: the first makes a cluster, the others join it on a network of their own. Returns whether all
/// checks passed.
struct ClusterTest {
  std::vector<std::string> names;
  std::string accel;
  double timeout_seconds = 0;
};
bool test_cluster(Session& session, const ClusterTest& test);

}  // namespace k8simg
