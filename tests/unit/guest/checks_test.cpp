// Tests the checks in the guest: functions of the script, and reading the report from the console's output.
#include "guest/checks.hpp"

#include "guest/qemu.hpp"
#include "guest_script.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

TEST_CASE("the report is found among everything else on the console") {
  const GuestReport report = read_report(
      "SeaBIOS (version 1.16)\r\n"
      "[    0.000000] Linux version 6.12\r\n"
      "\r\n@k8simg@ ok kernel 6.12.1\r\n"
      "[   12.3] some driver: @ noise\r\n"
      "login: \x1b[0m\r\n@k8simg@ figure boot_seconds 41.27\r\n"
      "[   13.1] half a line@k8simg@ FAIL network eth0 is   down; no route\r\n"
      "@k8simg@ ok no-detail\r\n"
      "@k8simg@ figure memory_used_mib 57\r\n"
      "@k8simg@ process kubelet 1 70000 61000 1234\r\n"
      "@k8simg@ end 3\r\n"
      "reboot: Power down");
  REQUIRE(report.checks.size() == 3);
  CHECK(report.checks[0].name == "kernel");
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "6.12.1");
  CHECK(report.checks[1].name == "network");
  CHECK_FALSE(report.checks[1].ok);
  CHECK(report.checks[1].detail == "eth0 is   down; no route");
  CHECK(report.checks[2].name == "no-detail");
  CHECK(report.checks[2].detail.empty());
  CHECK(report.figures == std::map<std::string, double>{{"boot_seconds", 41.27}, {"memory_used_mib", 57}});
  REQUIRE(report.processes.size() == 1);
  CHECK(report.processes[0].name == "kubelet");
  CHECK(report.processes[0].count == 1);
  CHECK(report.processes[0].rss_kib == 70000);
  CHECK(report.processes[0].pss_kib == 61000);
  CHECK(report.processes[0].cpu_seconds == 12.34);
  CHECK(report.finished);
  CHECK_FALSE(report.ok());
}

TEST_CASE("only a whole report with checks, all of them good, is good") {
  CHECK(read_report("@k8simg@ ok a\n@k8simg@ ok b x\n@k8simg@ end 2\n").ok());
  CHECK_FALSE(read_report("").ok());
  CHECK_FALSE(read_report("@k8simg@ end 0\n").ok());
  CHECK_FALSE(read_report("@k8simg@ ok a\n").ok());
  CHECK_FALSE(read_report("@k8simg@ ok a\n@k8simg@ FAIL b\n@k8simg@ end 2\n").ok());
  // The kernel's output interrupts a line: the count shows that a result is missing.
  CHECK_FALSE(read_report("@k8simg@ ok a\n@k8s[  3.1] usb 1-1\nimg@ FAIL b\n@k8simg@ end 2\n").ok());
  CHECK_FALSE(read_report("@k8simg@ ok a\n@k8simg@ end\n").ok());
}

TEST_CASE("lines that are none of the report are passed over") {
  const GuestReport report = read_report(
      "@k8simg@\n@k8simg@ okay a\n@k8simg@ ok\n@k8simg@ figure x\n@k8simg@ figure x y\n@k8simg@ figure x 1 2\n@k8simg@ "
      "FAIL \n@k8simgx ok a\n");
  CHECK(report.checks.empty());
  CHECK(report.figures.empty());
  CHECK_FALSE(report.finished);
}

TEST_CASE("a check's name may occur in its detail and in its verdict") {
  const GuestReport report = read_report("@k8simg@ ok ok ok then\n@k8simg@ FAIL A A\n");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].name == "ok");
  CHECK(report.checks[0].detail == "ok then");
  CHECK(report.checks[1].name == "A");
  CHECK(report.checks[1].detail == "A");
}

TEST_CASE("a unit that reads the script from its drive, the unit's place, and a script that bash takes") {
  const auto credentials = check_credentials(sample());
  REQUIRE(credentials.size() == 2);
  const std::string& unit = credentials.at("systemd.extra-unit.k8simg-checks.service");
  CHECK(contains(unit, "After=multi-user.target dev-vdb.device\n"));
  CHECK(contains(unit, "$$(head -c " + std::to_string(script_of(sample()).size()) + " /dev/vdb)"));
  // With an SD card they are on the kernel's command line, which has 1024 bytes on 32-bit ARM, 400 of them for the
  // board.
  std::size_t size = 0;
  for (const auto& [name, bytes] : credentials)
    size += std::string(" systemd.set_credential_binary=:").size() + name.size() + base64_encode(bytes).size();
  CHECK(size < 600);
  CHECK(contains(credentials.at("systemd.unit-dropin.multi-user.target"), "Wants=k8simg-checks.service"));
  CHECK(bash({"-n"}, script_of(sample())).exit_code == 0);
  CHECK(runs(plan_of(sample()), "check container container"));
  Expectations none = sample();
  none.container_image.clear();
  CHECK_FALSE(runs(plan_of(none), "check container container"));
}

TEST_CASE("odd values stay values") {
  Expectations odd = sample();
  const std::string nasty = "it's \"$(touch /tmp/never)\" `id` \\ * \nnew;line #";
  odd.kernel = odd.container_says = odd.container_image = nasty;
  odd.versions = {{"/opt/a b's/tool", "--ver sion", nasty}};
  CHECK(bash({"-n"}, script_of(odd)).exit_code == 0);
  const GuestReport report =
      run_functions(odd, "check kernel equal \"$kernel\" \"$container_says\"\ncheck differs equal \"$kernel\" x");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "it's \"$(touch /tmp/never)\" `id` \\ *");  // the first line
  CHECK_FALSE(report.checks[1].ok);
  CHECK(contains(report.checks[1].detail, "wanted \"x\""));
}

TEST_CASE("what programs say is looked for in all they print, and shown when it is not there") {
  Expectations expectations = sample();
  const GuestReport report = run_functions(expectations, R"(
both() { echo first; echo "version v1.37.1" >&2; return 3; }
silent() { return 1; }
check on-stderr has v1.37.1 both
check absent has v1.38 both
check silent has x silent
check no-such-program has x k8simg-no-such-program
check star has '*' both
)");
  REQUIRE(report.checks.size() == 5);
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "version v1.37.1");
  CHECK_FALSE(report.checks[1].ok);
  CHECK(contains(report.checks[1].detail, "does not say v1.38: first;version v1.37.1"));
  CHECK_FALSE(report.checks[2].ok);
  CHECK_FALSE(report.checks[3].ok);
  CHECK(contains(report.checks[3].detail, "k8simg-no-such-program"));
  CHECK_FALSE(report.checks[4].ok);
}

TEST_CASE("memory and processor time are told for each name of process, and memory in all") {
  const GuestReport report =
      run_functions(sample(), "for ((i = 0; i < 30000; i++)); do :; done\nmemory\nmemory kubelet_\nprocesses_by_name");
  const auto bash_process = std::find_if(report.processes.begin(), report.processes.end(),
                                         [](const ProcessUse& process) { return process.name == "bash"; });
  REQUIRE(bash_process != report.processes.end());
  CHECK(bash_process->count >= 1);
  CHECK(bash_process->pss_kib > 100);
  CHECK(bash_process->cpu_seconds > 0);
  CHECK(bash_process->rss_kib >= bash_process->pss_kib);
  CHECK(std::is_sorted(report.processes.begin(), report.processes.end(),
                       [](const ProcessUse& a, const ProcessUse& b) { return a.pss_kib > b.pss_kib; }));
  CHECK(report.figures.at("memory_available_mib") > 10);
  CHECK(report.figures.at("memory_total_mib") >= report.figures.at("kubelet_memory_available_mib"));
}

TEST_CASE("units that a test has no time for are not started") {
  Expectations expectations = sample();
  expectations.skip_units = {"k8simg-node.service"};
  const auto credentials = check_credentials(expectations);
  REQUIRE(credentials.size() == 3);
  CHECK(credentials.at("systemd.unit-dropin.k8simg-node.service") == "[Unit]\nConditionPathExists=/k8simg-test\n");
}

TEST_CASE("the size of sectors is always looked at, the protective MBR if it has the flag") {
  CHECK(runs(plan_of(sample()), "check sectors sectors"));
  CHECK_FALSE(runs(plan_of(sample()), "check active-flag"));
  Expectations expectations = sample();
  expectations.sector_size = 4096, expectations.protective_mbr_active = true;
  CHECK(runs(plan_of(expectations), "check active-flag active_flag"));
  const auto report = [&](const std::string& size, const std::string& byte) {
    return run_functions(expectations, "root_disk() { echo d; }\ncat() { echo " + size + "; }\nod() { echo ' " + byte +
                                           "'; }\ncheck sectors sectors\ncheck flag active_flag\n");
  };
  CHECK(report("4096", "80").checks.at(0).ok);
  CHECK(report("4096", "80").checks.at(1).ok);
  CHECK(report("512", "00").checks.at(0).detail == "is \"512\", wanted \"4096\"");
  CHECK_FALSE(report("512", "00").checks.at(1).ok);
}

TEST_CASE("a machine without a network skips the checks of it, which is neither success nor failure") {
  CHECK(runs(plan_of(sample()), "check network network"));
  CHECK(runs(plan_of(sample()), "check default-route default_route"));
  Expectations expectations = sample();
  expectations.no_network = "QEMU's machine has no Ethernet";
  const auto plan = plan_of(expectations);
  CHECK_FALSE(runs(plan, "check network"));
  CHECK_FALSE(runs(plan, "check default-route"));
  CHECK(runs(plan, "say skip network QEMU's machine has no Ethernet"));
  const auto results = std::count_if(plan.begin(), plan.end(), [](const std::string& line) {
    return line.starts_with("check ") || line.starts_with("say skip ");
  });
  CHECK(runs(plan, "say end " + std::to_string(results)));

  const GuestReport report =
      run_functions(expectations, "network_check network false\ncheck other true\nsay \"end $count\"\n");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].name == "network");
  CHECK(report.checks[0].skipped);
  CHECK_FALSE(report.checks[0].ok);
  CHECK(report.checks[0].detail == "QEMU's machine has no Ethernet");
  CHECK_FALSE(report.checks[1].skipped);
  CHECK(report.skipped() == 1);
  CHECK(report.ok());
  CHECK_FALSE(read_report("@k8simg@ skip a x\n@k8simg@ FAIL b\n@k8simg@ end 2\n").ok());
  CHECK_FALSE(read_report("@k8simg@ skip a x\n@k8simg@ end 1\n").ok());  // nothing was looked at
}

TEST_CASE("versions are checked under the program's own name") {
  const auto plan = plan_of(sample());
  CHECK(runs(plan, "check version-kubelet has v1.37.1 /usr/bin/kubelet --version"));
  CHECK(runs(plan, "check version-crun has 1.21 crun"));
}

TEST_CASE("the end says how many results there were") {
  const GuestReport report = run_functions(sample(), "check a equal 1 1\ncheck b equal 1 1\nsay \"end $count\"\n");
  CHECK(report.checks.size() == 2);
  CHECK(report.finished);
  CHECK(report.ok());
  const auto plan = plan_of(sample());
  const auto checks =
      std::count_if(plan.begin(), plan.end(), [](const std::string& line) { return line.starts_with("check "); });
  CHECK(runs(plan, "say end " + std::to_string(checks)));
}

TEST_CASE("waiting ends with the first success, or with the last words") {
  const TempDir work(fs::temp_directory_path(), "wait");
  const std::string file = shell_word((work.path() / "seen").string());
  const GuestReport report =
      run_functions(sample(), "third() { echo x >>" + file + "; [ \"$(wc -l <" + file +
                                  ")\" -ge 3 ] && echo third; }\ncheck comes wait_until 60 0 third\ncheck never "
                                  "wait_until 0 0 sh -c 'echo not yet; false'\n");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "third");
  CHECK_FALSE(report.checks[1].ok);
  CHECK(report.checks[1].detail == "not yet");
}

TEST_CASE("what goes over the network is asked again before it fails, a few times and not for long") {
  const TempDir work(fs::temp_directory_path(), "retried");
  const std::string file = shell_word((work.path() / "seen").string());
  const GuestReport report =
      run_functions(sample(), "retry_pause=0\nfails() { echo x >>" + file +
                                  "; echo 'TLS handshake timeout' >&2; [ \"$(wc -l <" + file +
                                  ")\" -ge $1 ] && echo CoreDNS-1.14; }\n"
                                  "check third retried has CoreDNS fails 3\nrm " +
                                  file + "\ncheck sixth retried fails 6\nseen=$(wc -l <" + file +
                                  ")\ncheck five equal \"$seen\" 5\n"
                                  "late() { SECONDS=1000; echo late; return 1; }\ncheck once retried late\n");
  REQUIRE(report.checks.size() == 4);
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "CoreDNS-1.14");
  CHECK_FALSE(report.checks[1].ok);
  CHECK(contains(report.checks[1].detail, "tried 5 times: TLS handshake timeout"));
  CHECK(report.checks[2].ok);
  CHECK_FALSE(report.checks[3].ok);
}

TEST_CASE("a question to the API server ends, whoever does not answer it") {
  const GuestReport report = run_functions(sample(),
                                           "timeout() { echo \"$@\"; }\ncheck plain kubectl logs daemonset/far\n"
                                           "check waits kubectl wait --for=condition=Ready pod/hello --timeout=600s\n");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].detail == "-k 5 120 kubectl logs daemonset/far");
  CHECK(report.checks[1].detail == "-k 5 660 kubectl wait --for=condition=Ready pod/hello --timeout=600s");
}

TEST_CASE("no worker's pod, or not all of them, is no success") {
  Expectations expectations = sample();
  expectations.ready = Expectations::Ready::Cluster, expectations.ready_image = "coredns:v1", expectations.workers = 2;
  const GuestReport report = run_functions(
      expectations,
      "ip() { echo dev flannel.1; }\nasked() { :; }\nkubectl() { echo \"$pods\"; return \"${status:-0}\"; }\n"
      "status=1\ncheck silent far_answers 53\nstatus=0 pods=10.1.1.2\ncheck one far_answers 53\npods='10.1.1.2 "
      "10.1.2.2'\ncheck both far_answers 53\n");
  REQUIRE(report.checks.size() == 3);
  CHECK_FALSE(report.checks[0].ok);
  CHECK_FALSE(report.checks[1].ok);
  CHECK(contains(report.checks[1].detail, "wanted 2 pods, their addresses are \"10.1.1.2\""));
  CHECK(report.checks[2].ok);
}

TEST_CASE("a long detail is cut between characters") {
  const GuestReport report =
      run_functions(sample(),
                    "long() { printf '%.0s\u25cf' {1..4000}; return 1; }\ncheck dots long\ncheck tail bash -c 'head -c "
                    "500000 /dev/zero | tr \"\\\\0\" x; exit 1'\n");
  REQUIRE(report.checks.size() == 2);
  CHECK(report.checks[0].detail.size() == 9000);
  CHECK(report.checks[0].detail.starts_with("\u25cf"));
  CHECK(report.checks[1].detail == std::string(3000, 'x'));
}

TEST_CASE(
    "a node is Ready when the API server has heard of its kubelet since this start, and since when it is stands in the "
    "node") {
  // The guest was started 100 s ago. Events before its restart come first.
  const std::string machine =
      "date() { if [ $# -eq 1 ]; then echo 1000100; else echo \"$2\"; fi; }\ncut() { echo 100; }\napi_listens() { "
      "return 0; }\ntimeout() { shift; \"$@\"; }\n"
      "exec() { printf '%s\\n' '999990 True 900000' '1000050 False 1000040' '1000090 True 1000080'; }\n";
  const GuestReport report =
      run_functions(sample(), machine + "sleep() { :; }\nkill() { :; }\ncheck node-ready node_ready\n");
  REQUIRE(report.checks.size() == 1);
  CHECK(report.checks[0].ok);
  CHECK(report.checks[0].detail == "Ready after 80 s");
  CHECK(report.figures.at("ready_seconds") == 80);
}

TEST_CASE("firmware by name") {
  CHECK(parse_firmware("bios") == Firmware::Bios);
  CHECK(parse_firmware("uefi") == Firmware::Uefi);
  CHECK(parse_firmware("kernel") == Firmware::Kernel);
  for (const char* bad : {"", "BIOS", "efi"})
    CHECK(contains(failure([&] { parse_firmware(bad); }), "bios, uefi and kernel are known"));
}

TEST_CASE("a node that makes itself is waited for, by its role") {
  Expectations expectations = sample();
  expectations.ready = Expectations::Ready::Cluster, expectations.ready_image = "registry.example/coredns:v1";
  // Other checks would slow down the node's start, so they come later.
  check_order(plan_of(expectations),
              {"check node-made ", "check node-ready ", "check pods-ready ", "check first-objects ", "check hello ",
               "check service-by-name ", "check no-pulls ", "check system-state "});
  CHECK(contains(check_values(expectations), "\nready_image='registry.example/coredns:v1'\n"));
  expectations.ready = Expectations::Ready::Standalone;
  const auto standalone = plan_of(expectations);
  check_order(standalone, {"check node-made ", "check static-pod static_pod", "check system-state "});
  CHECK_FALSE(runs(standalone, "check node-ready"));
  CHECK_FALSE(runs(plan_of(sample()), "check node-made"));
}

TEST_CASE("the clock of a cluster moves when somebody wants it to") {
  Expectations expectations = sample();
  expectations.ready = Expectations::Ready::Cluster, expectations.ready_image = "coredns:v1";
  CHECK_FALSE(runs(plan_of(expectations), "check clock-after"));
  expectations.move_clock = true;
  check_order(
      plan_of(expectations),
      {"check service-by-name ", "check certificates-made ", "check clock-after-240-days move_clock 240 124",
       "check kubelet-rotates ", "check clock-after-730-days ", "check all-work-after-two-years ", "check no-pulls "});
  const GuestReport report = run_functions(
      expectations,
      "systemctl() { case $3 in Exec*) echo 500 ;; ActiveState) echo inactive ;; Result) echo \"$outcome\" ;; esac; }\n"
      "journal() { echo why; }\nkubectl() { echo \"$words\"; }\n"
      "outcome=success\ncheck ran renewal_ran 499\ncheck before renewal_ran 500\n"
      "outcome=exit-code\ncheck failed renewal_ran 499\n"
      "words='2028-01-15T08:00:00Z True'\ncheck ready ready_after 1831536000\ncheck old ready_after 1831536001\n"
      "words='2028-01-15T08:00:00Z Unknown'\ncheck unknown ready_after 0\nwords=\ncheck silent ready_after 0\n");
  REQUIRE(report.checks.size() == 7);
  for (const auto& check : report.checks) CHECK(check.ok == (check.name == "ran" || check.name == "ready"));
}

TEST_CASE("a cluster of several machines says how to join it, asks each worker's pod, and lets the workers go") {
  Expectations expectations = sample();
  expectations.ready = Expectations::Ready::Cluster, expectations.ready_image = "coredns:v1";
  CHECK_FALSE(runs(plan_of(expectations), "tell_workers"));
  expectations.workers = 2;
  check_order(
      plan_of(expectations),
      {"check service-by-name ", "tell_workers", "check workers-ready ", "check pod-asks-pod retried far_answers 5353",
       "check logs-of-worker retried has CoreDNS kubectl logs daemonset/far", "check vxlan-packets ",
       "processes_by_name", "check pods-removed retried far_gone"});
  expectations.ready = Expectations::Ready::Worker, expectations.workers = 0;
  const auto worker = plan_of(expectations);
  check_order(worker, {"check worker-pod ", "check default-route ", "processes_by_name", "check pod-removed "});
  CHECK_FALSE(runs(worker, "check node-ready"));
  expectations.router = false;
  CHECK_FALSE(runs(plan_of(expectations), "check default-route"));
}

TEST_CASE("what a worker needs is read from the console") {
  const GuestReport report =
      read_report("@k8simg@ ok node-made\n@k8simg@ join 10.0.2.15:6443 sha256:0123 k8sim9.4b7qz02xw8n5tj1c\n");
  REQUIRE(report.join);
  CHECK(report.join->server == "10.0.2.15:6443");
  CHECK(report.join->ca_cert_hash == "sha256:0123");
  CHECK(report.join->token == "k8sim9.4b7qz02xw8n5tj1c");
  CHECK_FALSE(read_report("@k8simg@ join 10.0.2.15:6443 sha256:0123\n").join);
}

namespace {

/// Runs the check of kubeadm's preflight with a kubeadm that prints `said` and exits with `status`.
CheckResult preflight_check(const std::string& kind, const std::string& verdicts, const std::string& said, int status) {
  const TempDir work(fs::temp_directory_path(), "preflight");
  const GuestReport report = run_functions(
      sample(),
      "work=" + shell_word(work.path().string()) + "\npreflight_verdicts=" + shell_word(verdicts) +
          "\ntimeout() { shift; \"$@\"; }\nkubeadm() { case $1 in version) echo v1.37.1; return ;; esac; printf %b " +
          shell_word(said) + "; return " + std::to_string(status) + "; }\ncheck preflight preflight " + kind);
  REQUIRE(report.checks.size() == 1);
  CHECK(contains(
      read_file(work.path() / "kubeadm.yaml"),
      kind == "init" ? "kind: ClusterConfiguration\nkubernetesVersion: v1.37.1\n" : "kind: JoinConfiguration\n"));
  return report.checks[0];
}

}  // namespace

TEST_CASE("kubeadm's warnings and errors are those that were predicted, no more and no less") {
  const std::string words =
      "[preflight] Running pre-flight checks\\n\\t[WARNING Swap]: swap is\\n\\t[WARNING Swap]: twice\\n[preflight] "
      "Some fatal errors occurred:\\n\\t[ERROR NumCPU]: 1 [of] 2\\n";
  CHECK(preflight_check("init", "ERROR NumCPU,WARNING Swap", words, 1).ok);
  for (const char* other :
       {"", "ERROR NumCPU", "WARNING Swap", "ERROR Mem,ERROR NumCPU,WARNING Swap", "WARNING NumCPU,WARNING Swap"}) {
    const CheckResult result = preflight_check("init", other, words, 1);
    CHECK_FALSE(result.ok);
    CHECK(contains(result.detail,
                   "kubeadm says \"ERROR NumCPU,WARNING Swap\", k8simg check says \"" + std::string(other) + "\""));
  }
  CHECK(preflight_check("init", "", "[preflight] Running pre-flight checks\\n", 0).ok);
}

TEST_CASE("a preflight that did not come to its end agrees with nothing") {
  CHECK_FALSE(preflight_check("init", "", "unknown flag: --config\\n", 3).ok);
  CHECK_FALSE(preflight_check("join", "", "error: no default routes found\\n", 1).ok);
  CHECK(preflight_check("join", "", "error: couldn't validate the identity of the API Server: refused\\n", 1).ok);
}

TEST_CASE("kubeadm's preflight is asked when somebody has predicted it") {
  Expectations expectations = sample();
  CHECK_FALSE(runs(plan_of(expectations), "check preflight "));
  expectations.preflight_verdicts = {"ERROR Mem", "WARNING Swap"};
  CHECK(runs(plan_of(expectations), "check preflight preflight init"));
  CHECK(contains(check_values(expectations), "\npreflight_verdicts='ERROR Mem,WARNING Swap'\n"));
  expectations.preflight = Expectations::Preflight::Join, expectations.preflight_verdicts->clear();
  CHECK(runs(plan_of(expectations), "check preflight preflight join"));
  CHECK(contains(check_values(expectations), "\npreflight_verdicts=''\n"));
}
