// The guest's script and the reading of its report.
#include "run/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "util/text.hpp"

namespace k8simg {

namespace {

// Each line of the report begins with this; the console carries other lines too.
constexpr std::string_view mark = "@k8simg@";

// Short, for the command line of a small board has 1023 characters for all. Filled with the drive, and the script's
// size.
constexpr const char* unit = R"unit([Unit]
Wants=dev-{0}.device
After=multi-user.target dev-{0}.device
[Service]
Type=exec
ExecStart=/bin/bash -c 'exec bash -c "$$(head -c {1} /dev/{0})"'
)unit";

constexpr const char* dropin = "[Unit]\nWants=k8simg-checks.service\n";

// $1 of check: name; the rest runs, its output is the detail (first line when it succeeds, all when it fails).
// wait_until SECONDS PAUSE COMMAND...: until it succeeds, with its last words; false when it never did.
constexpr const char* functions =
    R"sh(export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
say() { printf '\n@k8simg@ %s\n' "$1" >/dev/console; }
count=0
check() {
  local name=$1 output status
  shift
  count=$((count + 1))
  output=$("$@" 2>&1) && status=ok || status=FAIL
  [ $status = ok ] && output=${output%%$'\n'*}
  # Characters, not bytes: none is cut.
  [ ${#output} -le 3000 ] || output=${output: -3000}
  say "$status $name $(printf '%s' "$output" | tr '\n\t' '; ')"
}
since_boot() { local up; read -r up _ </proc/uptime; echo "$up"; }
wait_until() {
  local deadline=$((SECONDS + $1)) pause=$2 words
  shift 2
  until words=$("$@"); do
    [ $SECONDS -lt $deadline ] || { printf '%s\n' "$words"; return 1; }
    sleep "$pause"
  done
  printf '%s\n' "$words"
}
# retried COMMAND...: for what goes over the network, which may fail once on a busy machine: up to five times, none of them begun after two minutes.
retried() {
  local attempt deadline=$((SECONDS + 120)) words
  for attempt in 1 2 3 4 5; do
    words=$("$@" 2>&1) && { printf '%s\n' "$words"; return; }
    [ $SECONDS -lt $deadline ] && [ "$attempt" -lt 5 ] || break
    sleep "${retry_pause:-5}"
  done
  printf 'tried %s times: %s\n' "$attempt" "$words"
  return 1
}
equal() { [ "$1" = "$2" ] && echo "$1" || { echo "is \"$1\", wanted \"$2\""; return 1; }; }
has() { local text; text=$("${@:2}" 2>&1) || [ -n "$text" ] || return 1; case $text in *"$1"*) printf '%s\n' "$text" | grep -F -- "$1" | head -n 1 ;; *) echo "does not say $1: $text"; return 1 ;; esac; }

firmware_of() { if [ -d /sys/firmware/efi ]; then echo uefi; elif [ -e /proc/device-tree/compatible ]; then echo kernel; else echo bios; fi; }
system_state() {
  local state
  state=$(timeout 600 systemctl is-system-running --wait)
  [ "$state" = running ] && { echo running; return; }
  echo "$state"; systemctl --failed --no-legend --plain; systemctl list-jobs --no-legend
  for unit in $(systemctl --failed --no-legend --plain | cut -d' ' -f1); do journalctl -b -u "$unit" -n 40 --no-pager -o cat | grep -v "done$"; done
  return 1
}
controllers() {
  local all c
  all=" $(cat /sys/fs/cgroup/cgroup.controllers) "
  for c in cpuset cpu io memory pids; do case $all in *" $c "*) ;; *) echo "no $c among$all"; return 1 ;; esac; done
  echo "$all"
}
overlay() {
  mkdir -p "$work"/{lower,upper,work,merged} && echo below >"$work/lower/file" &&
  mount -t overlay overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/work" "$work/merged" &&
  echo above >"$work/merged/file" && equal "$(cat "$work/lower/file" "$work/upper/file" | tr '\n' ' ')" "below above " && umount "$work/merged"
}
vxlan() { ip link add k8simg-vx type vxlan id 42 dstport 8472 local 127.0.0.1 dev lo && ip -d link show k8simg-vx | grep -o 'vxlan id 42' && ip link del k8simg-vx; }
nft_rule() { nft add table inet k8simg && nft add chain inet k8simg c '{ type filter hook input priority 0; }' && nft add rule inet k8simg c tcp dport 6443 counter accept && nft list table inet k8simg | grep -o 'tcp dport 6443 counter.*accept' && nft delete table inet k8simg; }
iptables_rule() {
  iptables -t nat -N K8SIMG && iptables -t nat -A K8SIMG -p tcp -m comment --comment "a service" -m multiport --dports 80,443 -m statistic --mode random --probability 0.5 -j MASQUERADE &&
  iptables -t nat -S K8SIMG | grep -o 'multiport.*MASQUERADE' && iptables -t nat -F K8SIMG && iptables -t nat -X K8SIMG && iptables --version | grep -q nf_tables
}
clock() { local now; now=$(date +%s); [ "$now" -ge "$earliest" ] && date -u || { echo "$(date -u) is before the image was made"; return 1; }; }
network() { timeout 60 bash -c 'until networkctl --no-pager list | grep -E "ether.*routable"; do sleep 1; done' || { networkctl --no-pager list; return 1; }; }
address() { ip -4 route show default | grep -o 'default via .*' || { ip address; return 1; }; }
grown() { local size; size=$(df --block-size=1 --output=size / | tail -n 1); [ "$size" -ge "$root_bytes" ] && echo "$size bytes" || { echo "the root filesystem has $size bytes, wanted $root_bytes"; journalctl -b -u systemd-repart -u systemd-growfs-root -u grow-root -n 20 --no-pager -o cat; return 1; }; }
root_partition() { findmnt -n -o SOURCE,FSTYPE / | grep ext4; }
mounts() {
  local line all=
  while read -r place; do
    line=$(findmnt --noheadings --output TARGET,FSTYPE --mountpoint "$place" | tr -s ' ') || { echo "$place is not mounted"; journalctl -b -u systemd-repart -u "$(systemd-escape --path --suffix=mount "$place")" -n 20 --no-pager -o cat; return 1; }
    all="$all$line, "
  done < <(awk '$1 !~ /^#/ && NF { print $2 }' /etc/fstab)
  echo "${all%, }"
}
no_passwords() { awk -F: '$2 !~ /^[!*]/ { print "has a password field: " $1; bad = 1 } END { exit bad }' /etc/shadow && echo locked; }
# A real look-up by the reader on the node.
hardware_database() { has ID_USB_CLASS_FROM_DATABASE=Hub systemd-hwdb query usb:v1D6Bp0002d0612dc09dsc00dp01ic09isc00ip00in00; }
# Every image that this very kubeadm will ask for is in the archive.
images() {
  local list reference
  list=$(kubeadm config images list --kubernetes-version "$(kubeadm version -o short)") || return 1
  for reference in $list; do grep -qxF "$reference" /usr/share/k8simg/images.list || { echo "$reference is not among: $(tr '\n' ' ' </usr/share/k8simg/images.list)"; return 1; }; done
  echo "$list" | wc -l
}
# What kubeadm finds wrong with this machine, against what was said of its image. That it came to the end of its checks shows in what it does next: it ends
# well, counts its errors, or looks for a control plane where there is none.
preflight() {
  local said found
  case $1 in
    init) said="kind: InitConfiguration
nodeRegistration: {criSocket: 'unix:///run/containerd/containerd.sock', imagePullPolicy: IfNotPresent}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(kubeadm version -o short)" ;;
    join) said="kind: JoinConfiguration
discovery: {bootstrapToken: {apiServerEndpoint: '127.0.0.1:1', token: abcdef.0123456789abcdef, unsafeSkipCAVerification: true}}
nodeRegistration: {criSocket: 'unix:///run/containerd/containerd.sock'}
timeouts: {discovery: 1s}" ;;
  esac
  printf 'apiVersion: kubeadm.k8s.io/v1beta4\n%s\n' "$said" >"$work/kubeadm.yaml"
  said=$(timeout 900 kubeadm "$1" phase preflight --config "$work/kubeadm.yaml" 2>&1) || case $said in
    *'Some fatal errors occurred'* | *'validate the identity of the API Server'*) ;;
    *) echo "kubeadm did not come to its end: $said"; return 1 ;;
  esac
  found=$(printf '%s\n' "$said" | sed -n 's/^[[:space:]]*\[\(WARNING\|ERROR\) \([^]]*\)\].*/\1 \2/p' | LC_ALL=C sort -u | paste -s -d ,)
  [ "$found" = "$preflight_verdicts" ] && { echo "${found:-no warning, no error}"; return; }
  echo "kubeadm says \"$found\", k8simg check says \"$preflight_verdicts\": $said"
  return 1
}
container() {
  timeout 180 ctr image import "/dev/$container_drive" >/dev/null && has "$container_says" timeout 180 ctr run --rm --runc-binary /usr/bin/crun "$container_image" k8simg-check
}
# answers HOST PORT PATH WORD SECONDS: until an HTTP server says WORD.
answers() { timeout "$5" bash -c 'until { exec 3<>"/dev/tcp/$0/$1" && printf "GET %s HTTP/1.0\r\n\r\n" "$2" >&3 && grep -q "^$3" <&3; } 2>/dev/null; do sleep 1; done' "${@:1:4}" && echo "$4 from $1:$2"; }
kubelet_health() { answers 127.0.0.1 10248 /healthz ok 300 || { journalctl -b -u kubelet -n 20 --no-pager -o cat; return 1; }; }
# Processes by name, in bash alone: what is measured should not be changed by many more of them.
processes_by_name() {
  local dir name key value r p stat
  declare -A count rss pss ticks
  for dir in /proc/[0-9]*; do
    r=0 p=0 name= stat=
    { read -r name <"$dir/comm"; read -r stat <"$dir/stat"; while read -r key value _; do case $key in Rss:) r=$value ;; Pss:) p=$value ;; esac; done <"$dir/smaps_rollup"; } 2>/dev/null
    [ "$r" -gt 0 ] || continue
    name=${name// /_}
    # proc_pid_stat(5): utime and stime, in hundredths of a second, are the 12th and 13th behind the name, which may hold anything.
    read -r -a stat <<<"${stat##*) }"
    count[$name]=$((${count[$name]:-0} + 1)) rss[$name]=$((${rss[$name]:-0} + r)) pss[$name]=$((${pss[$name]:-0} + p)) ticks[$name]=$((${ticks[$name]:-0} + ${stat[11]:-0} + ${stat[12]:-0}))
  done
  for name in "${!rss[@]}"; do echo "$name ${count[$name]} ${rss[$name]} ${pss[$name]} ${ticks[$name]}"; done | sort -k4,4nr -k1,1 | while read -r line; do say "process $line"; done
}
memory() {
  while read -r _ total used _ _ _ available; do say "figure $1memory_used_mib $used"; say "figure $1memory_available_mib $available"; say "figure $1memory_total_mib $total"; done < <(free -m | grep ^Mem:)
}
work=/var/tmp/k8simg-checks
mkdir -p $work
read -r up _ </proc/uptime
say "figure boot_seconds $up"
)sh";

// What every machine is asked, whatever it becomes.
constexpr const char* machine_checks = R"sh(
check system-state system_state
say "figure settled_seconds $(since_boot)"
memory
check kernel equal "$(uname -r)" "$kernel"
check firmware equal "$(firmware_of)" "$firmware"
check cgroup-controllers controllers
check overlay-mount overlay
check vxlan-link vxlan
check nftables-rule nft_rule
check iptables-rule iptables_rule
check clock clock
check network network
check root-filesystem root_partition
check root-grown grown
check mounts mounts
check no-passwords no_passwords
check hardware-database hardware_database
)sh";

// A node that makes itself: what the role says, from the first start on, without a network that reaches anything.
constexpr const char* ready_script = R"sh(
export KUBECONFIG=/etc/kubernetes/admin.conf
# Whoever asks a machine that has stopped may wait for ever: each question ends, a minute after its own limit if it has one.
kubectl() {
  local word limit=120
  for word in "$@"; do case $word in --timeout=*s) word=${word#--timeout=}; limit=$((${word%s} + 60)) ;; esac; done
  timeout -k 5 "$limit" kubectl "$@"
}
started() { systemctl show -p ActiveEnterTimestampMonotonic --value "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }
why_not() { journalctl -b -u k8simg-node -u k8simg-images -n 25 --no-pager -o cat; kubectl get pods -A -o wide; journalctl -b -u kubelet -p warning -n 10 --no-pager -o cat; return 1; }
# Until it says so itself, or gives up.
node_made() {
  local deadline=$((SECONDS + 1800))
  until [ -e /var/lib/k8simg/node.state ] && grep -q 'phase=done' /var/lib/k8simg/node.state; do
    systemctl -q is-failed k8simg-node.service k8simg-images.service || [ $SECONDS -ge $deadline ] && { why_not; return 1; }
    sleep 2
  done
  tr '\n' ' ' </var/lib/k8simg/node.state
}
api_listens() { (exec 3<>/dev/tcp/127.0.0.1/6443) 2>/dev/null; }
# What the API server remembers of an earlier start is no answer: it has to have heard of the kubelet since this one. One kubectl watches, for many would be what
# the node does most; and since when the node is Ready stands in the node.
node_ready() {
  local begun heard ready since watcher deadline=$((SECONDS + 1800))
  begun=$(($(date +%s) - $(cut -d . -f 1 /proc/uptime)))
  while [ $SECONDS -lt $deadline ] && wait_until 900 1 api_listens >/dev/null; do
    while watcher=$! && read -r heard ready since; do
      [ "$ready" = True ] && [ "$(date -d "$heard" +%s)" -ge "$begun" ] || continue
      kill "$watcher"
      since=$(date -d "$since" +%s)
      [ "$since" -ge "$begun" ] || since=$(date +%s)
      say "figure ready_seconds $((since - begun))"
      echo "Ready after $((since - begun)) s"
      return
    done < <(exec timeout 900 kubectl get nodes --watch -o 'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.lastHeartbeatTime} {.status} {.lastTransitionTime}{"\n"}{end}' 2>/dev/null)
    sleep 1
  done
  why_not
}
pods_ready() {
  kubectl -n kube-system rollout status deployment/coredns --timeout=600s && kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=600s &&
    kubectl -n kube-flannel rollout status daemonset --timeout=600s && kubectl wait -A --for=condition=Ready pod --all --timeout=600s >/dev/null || { why_not; return 1; }
  kubectl get pods -A --no-headers | wc -l
}
# A pod whose server says OK, behind a service. Nothing is validated: for that the API server would describe itself, and hold more memory from then on than a node needs.
hello() {
  kubectl apply --validate=false -f - <<YAML || return 1
apiVersion: v1
kind: ConfigMap
metadata: {name: hello}
data: {Corefile: ".:5353 {\n hosts {\n  192.0.2.1 hello.k8simg.test\n }\n health :8080\n}\n"}
---
apiVersion: v1
kind: Pod
metadata: {name: hello, labels: {app: hello}}
spec:
  containers:
  - {name: hello, image: "$ready_image", imagePullPolicy: Never, args: [-conf, /etc/hello/Corefile], volumeMounts: [{name: config, mountPath: /etc/hello}], readinessProbe: {httpGet: {path: /health, port: 8080}}}
  volumes: [{name: config, configMap: {name: hello}}]
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {selector: {app: hello}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP, targetPort: 5353}]}
YAML
  kubectl wait --for=condition=Ready pod/hello --timeout=600s || { kubectl describe pod hello | tail -n 15; return 1; }
}
# Through the API server each would say who made it.
first_objects() { equal "$(kubectl get clusterrole system:node -o 'jsonpath={.metadata.name} made by {.metadata.managedFields[*].manager}')" "system:node made by "; }
by_name() {
  resolvectl dns cni0 "$(kubectl -n kube-system get service kube-dns -o 'jsonpath={.spec.clusterIP}')" && resolvectl domain cni0 '~cluster.local' &&
    resolvectl query -4 hello.default.svc.cluster.local && answers hello.default.svc.cluster.local 80 /health OK 120 || { resolvectl status cni0; kubectl -n kube-system logs deployment/coredns --tail=10; return 1; }
}
two_run() { [ "$(ctr -n k8s.io tasks list | grep -c RUNNING)" -ge 2 ]; }
pod_here() { ctr -n k8s.io containers list | grep -F "$ready_image"; }
pod_gone() { local list; list=$(ctr -n k8s.io containers list) && ! grep -F "$ready_image" <<<"$list"; }
# The kubelet's own pod: its sandbox and a container of the same image.
static_pod() {
  mkdir -p /etc/kubernetes/manifests
  cat >/etc/kubernetes/manifests/hello.yaml <<YAML
apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  containers:
  - {name: hello, image: "$ready_image", imagePullPolicy: Never}
YAML
  wait_until 900 2 two_run && pod_here || { journalctl -b -u kubelet -n 25 --no-pager -o cat; return 1; }
}
# What another machine needs to know to become a worker.
tell_workers() {
  local file
  file=$(/usr/libexec/k8simg-node token) || return
  say "join $(sed -n 's/^server = "\(.*\)"$/\1/p' <<<"$file") $(sed -n 's/^ca-cert-hash = "\(.*\)"$/\1/p' <<<"$file") $(sed -n 's/^token = "\(.*\)"$/\1/p' <<<"$file")"
}
workers_ready() {
  local name seen=' ' nodes=0
  while [ "$nodes" -le "$workers" ] && read -r name; do
    case $seen in *" $name "*) ;; *) seen="$seen$name " nodes=$((nodes + 1)) ;; esac
  done < <(timeout 1800 kubectl get nodes --watch -o name)
  kubectl wait --for=condition=Ready node --all --timeout=1800s >/dev/null || { kubectl describe node | tail -n 40; return 1; }
  kubectl get nodes --no-headers -o wide | awk '{ printf "%s %s %s, ", $1, $2, $6 }'
}
# A pod on each worker: a name server that knows nothing itself and asks the pod here, by its address on one port, by its service's on another.
far() {
  kubectl apply --validate=false -f - <<YAML || return 1
apiVersion: v1
kind: ConfigMap
metadata: {name: far}
data: {Corefile: ".:5353 {\n errors\n forward . $(kubectl get pod hello -o 'jsonpath={.status.podIP}'):5353\n health :8080\n}\n.:5354 {\n errors\n forward . $(kubectl get service hello -o 'jsonpath={.spec.clusterIP}'):53\n}\n"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: far}
spec:
  selector: {matchLabels: {app: far}}
  template:
    metadata: {labels: {app: far}}
    spec:
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: DoesNotExist}]}]}}}
      containers:
      - {name: far, image: "$ready_image", imagePullPolicy: Never, args: [-conf, /etc/far/Corefile], volumeMounts: [{name: config, mountPath: /etc/far}], readinessProbe: {httpGet: {path: /health, port: 8080}, timeoutSeconds: 30}}
      volumes: [{name: config, configMap: {name: far}}]
YAML
  kubectl rollout status daemonset/far --timeout=1800s >/dev/null || { kubectl describe pod -l app=far | tail -n 15; return 1; }
  kubectl get pods -l app=far -o wide --no-headers | awk '{ printf "%s on %s, ", $6, $7 }'
}
# asked ADDRESS PORT: a DNS query for hello.k8simg.test over UDP, and 192.0.2.1 in the answer (RFC 1035, 4.1).
asked() {
  exec 3<>"/dev/udp/$1/$2" && printf '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05hello\x06k8simg\x04test\x00\x00\x01\x00\x01' >&3 &&
    timeout 10 dd bs=512 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n' | grep -q c0000201
}
# far_answers PORT: what the pod here says, told by the pod of each worker, asked from here: VXLAN there and back, twice.
far_answers() {
  local address addresses
  addresses=$(kubectl get pods -l app=far -o 'jsonpath={.items[*].status.podIP}') || return 1
  [ "$(wc -w <<<"$addresses")" -eq "$workers" ] || { echo "wanted $workers pods, their addresses are \"$addresses\""; return 1; }
  for address in $addresses; do
    ip route get "$address" | grep -q 'dev flannel\.1' || { ip route get "$address"; return 1; }
    wait_until 600 3 asked "$address" "$1" >/dev/null || { ip neighbour show; kubectl logs daemonset/far --tail=10; kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=15 --prefix; return 1; }
    echo "$address:$1"
  done
}
vxlan_packets() { local way; for way in rx tx; do [ "$(cat "/sys/class/net/flannel.1/statistics/${way}_packets")" -gt 0 ] || { ip -s link show flannel.1; return 1; }; done; bridge fdb show dev flannel.1; }
# The workers end when their pod is gone.
no_far_pods() { local list; list=$(kubectl get pods -l app=far -o name) && [ -z "$list" ] || { echo "$list"; return 1; }; }
far_gone() { kubectl delete daemonset far --timeout=600s && wait_until 600 10 no_far_pods; }
# A look costs a small processor seconds.
worker_pod() { wait_until 1800 15 pod_here || { journalctl -b -u kubelet -n 25 --no-pager -o cat; return 1; }; }
no_worker_pod() { wait_until 1800 15 pod_gone; }
no_pulls() { local pulls; pulls=$(journalctl -u containerd --no-pager -o cat | grep -c 'PullImage'); equal "$pulls" 0; }
)sh";

}  // namespace

bool GuestReport::ok() const {
  return finished && !checks.empty() &&
         std::all_of(checks.begin(), checks.end(), [](const CheckResult& check) { return check.ok; });
}

std::string check_script(const Expectations& expectations) {
  std::string text = fmt::format(
      "kernel={}\nfirmware={}\nearliest={}\nroot_bytes={}\ncontainer_drive={}\ncontainer_image={}\ncontainer_says={}\n",
      shell_word(expectations.kernel), shell_word(expectations.firmware), expectations.earliest_time,
      expectations.root_bytes, shell_word(expectations.container_drive), shell_word(expectations.container_image),
      shell_word(expectations.container_says));
  text += functions;
  // First of all, for whatever else is asked would take its time from the node that makes itself.
  if (expectations.ready != Expectations::Ready::No) {
    const bool cluster = expectations.ready == Expectations::Ready::Cluster;
    text += fmt::format("ready_image={}\nworkers={}\n", shell_word(expectations.ready_image), expectations.workers);
    text += ready_script;
    text += "check node-made node_made\n";
    text += cluster ? "check node-ready node_ready\n" : "say \"figure ready_seconds $(since_boot)\"\n";
    text +=
        "say \"figure containerd_seconds $(started containerd.service)\"\nsay \"figure login_seconds $(started "
        "getty.target)\"\n";
    switch (expectations.ready) {
      case Expectations::Ready::No:
        break;
      case Expectations::Ready::Cluster:
        text +=
            "check pods-ready retried pods_ready\ncheck first-objects retried first_objects\ncheck hello retried "
            "hello\ncheck service-by-name retried by_name\n";
        break;
      case Expectations::Ready::Standalone:
        text += "check static-pod static_pod\n";
        break;
      case Expectations::Ready::Worker:
        text += "check worker-pod worker_pod\n";
        break;
    }
    text += "say \"figure pods_seconds $(since_boot)\"\n";
    // For whoever reads the console's log: what happened when.
    text +=
        "journalctl -b -o short-monotonic --no-pager -u k8simg-images -u k8simg-node | tail -c 100000 >/dev/console\n";
    if (expectations.workers > 0) {
      text +=
          "tell_workers\ncheck workers-ready retried workers_ready\nsay \"figure workers_seconds "
          "$(since_boot)\"\ncheck pod-on-each-worker retried far\ncheck pod-asks-pod retried far_answers 5353\n"
          "check pod-asks-service retried far_answers 5354\ncheck logs-of-worker retried has CoreDNS kubectl logs "
          "daemonset/far\ncheck vxlan-packets vxlan_packets\n";
    }
    text += "check no-pulls no_pulls\n";
  }
  text += machine_checks;
  if (expectations.router) text += "check default-route address\n";
  for (const auto& words : expectations.versions) {
    if (words.size() < 2) continue;
    text += fmt::format("check {} has {}", shell_word("version-" + words.front().substr(words.front().rfind('/') + 1)),
                        shell_word(words.back()));
    for (std::size_t i = 0; i + 1 < words.size(); ++i) text += " " + shell_word(words[i]);
    text += "\n";
  }
  if (!expectations.container_image.empty()) text += "check container container\n";
  if (expectations.preflight_verdicts) {
    text += fmt::format("preflight_verdicts={}\ncheck preflight preflight {}\n",
                        shell_word(join(*expectations.preflight_verdicts, ",")),
                        expectations.preflight == Expectations::Preflight::Init ? "init" : "join");
  }
  if (expectations.kubeadm_images) text += "check images images\n";
  text +=
      "systemctl -q is-active kubelet && { check kubelet-health kubelet_health; memory kubelet_; "
      "}\nprocesses_by_name\n";
  if (expectations.workers > 0) text += "check pods-removed retried far_gone\n";
  // Its kubelet has to say so too.
  if (expectations.ready == Expectations::Ready::Worker) text += "check pod-removed no_worker_pod\nsleep 45\n";
  text += "say \"end $count\"\nsystemctl poweroff --no-block\n";
  return text;
}

std::map<std::string, std::string> check_credentials(const Expectations& expectations) {
  std::map<std::string, std::string> credentials{
      {"systemd.extra-unit.k8simg-checks.service",
       fmt::format(unit, expectations.script_drive, check_script(expectations).size())},
      {"systemd.unit-dropin.multi-user.target", dropin}};
  for (const auto& skipped : expectations.skip_units)
    credentials["systemd.unit-dropin." + skipped] = "[Unit]\nConditionPathExists=/k8simg-test\n";
  return credentials;
}

GuestReport read_report(std::string_view console) {
  GuestReport report;
  for (const std::string& line : split(console, '\n')) {
    const auto at = line.find(mark);
    if (at == std::string::npos) continue;
    const std::string_view rest = trim(std::string_view(line).substr(at + mark.size()));
    const auto words = split_words(rest);
    if (words.empty()) continue;
    if (words[0] == "end") {
      // Kernel messages may tear a line apart on the console: the count tells that a result was lost.
      report.finished = words.size() == 2 && words[1] == std::to_string(report.checks.size());
    } else if (words[0] == "figure" && words.size() == 3) {
      double value = 0;
      const auto parsed = std::from_chars(words[2].data(), words[2].data() + words[2].size(), value);
      if (parsed.ec == std::errc()) report.figures[words[1]] = value;
    } else if (words[0] == "join" && words.size() == 4) {
      report.join = {.server = words[1], .ca_cert_hash = words[2], .token = words[3]};
    } else if (words[0] == "process" && words.size() == 6) {
      const auto number = [&](std::size_t index) {
        std::uint64_t value = 0;
        std::from_chars(words[index].data(), words[index].data() + words[index].size(), value);
        return value;
      };
      report.processes.push_back(
          {words[1], static_cast<int>(number(2)), number(3), number(4), static_cast<double>(number(5)) / 100});
    } else if ((words[0] == "ok" || words[0] == "FAIL") && words.size() >= 2) {
      const auto detail = rest.find(words[1], words[0].size());
      report.checks.push_back({words[1], words[0] == "ok", std::string(trim(rest.substr(detail + words[1].size())))});
    }
  }
  return report;
}

}  // namespace k8simg
