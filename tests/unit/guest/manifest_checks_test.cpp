// Tests the checks of manifests in the guest.
#include "guest_script.hpp"

using namespace k8simg;
using namespace k8simg::test;

TEST_CASE("the user's manifests are applied, and their Services answer") {
  Expectations expectations = sample();
  expectations.ready = Expectations::Ready::Cluster, expectations.ready_image = "coredns:v1";
  CHECK_FALSE(runs(plan_of(expectations), "check manifest"));
  const GuestReport plan = run_functions(expectations,
                                         "has_manifests() { true; }\njournalctl() { :; }\nfigure() { :; }\n"
                                         "check() { say \"ok $1\"; }\nready=cluster\nnode_checks\n");
  std::vector<std::string> names;
  for (const auto& check : plan.checks) names.push_back(check.name);
  check_order(names, {"node-ready", "manifests-applied", "pods-ready", "manifest-services", "no-pulls"});
  const GuestReport report = run_functions(
      expectations,
      "systemctl() { case $3 in ActiveState) echo \"$state\" ;; Result) echo \"$outcome\" ;; esac; }\n"
      "node_program=words\nwords() { echo \"manifests $said\"; }\n"
      "state=inactive outcome=success said='3 objects applied'\ncheck done manifests_done\n"
      "state=activating\ncheck runs manifests_done\nstate=inactive outcome=exit-code\ncheck ended manifests_done\n"
      "outcome=success said='3 objects, 1 failed: a.yaml: x'\ncheck failed manifests_done\n"
      "timeout() { [ \"$5\" != 10.0.0.9 ]; }\nkubectl() { printf '%s\\n' \"$list\"; }\n"
      "list=$'10.0.0.1 80\\nNone 1\\n10.0.0.2 81'\ncheck reached manifest_services\n"
      "list='10.0.0.9 80'\ncheck silent manifest_services\n");
  REQUIRE(report.checks.size() == 6);
  for (const auto& check : report.checks) {
    INFO(check.name << " " << check.detail);
    CHECK(check.ok == (check.name == "done" || check.name == "reached"));
  }
  CHECK(report.checks[4].detail == "reached: 10.0.0.1:80 10.0.0.2:81");
}
