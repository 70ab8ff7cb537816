#!/bin/bash
# The checks that `k8simg test` runs inside a booted machine. check_script() of guest/checks.hpp puts the values of an
# Expectations before this file as variables of the same names, and `main` behind it. Reports go to the console, one
# line each: "@k8simg@ ok NAME DETAIL", "@k8simg@ FAIL NAME DETAIL", "@k8simg@ skip NAME REASON", "@k8simg@ figure NAME
# NUMBER", "@k8simg@ process NAME COUNT RSS PSS TICKS", "@k8simg@ join SERVER HASH TOKEN", "@k8simg@ end COUNT".
# SC2154: the variables of Expectations. SC2015: what stands after && cannot fail.
# shellcheck disable=SC2154,SC2015
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
work=/var/tmp/k8simg-checks

# Reporting.

say() { printf '\n@k8simg@ %s\n' "$1" >/dev/console; }
figure() { say "figure $1 $2"; }
count=0
# check NAME COMMAND...: the command's output is the detail: its first line if it succeeds, all of it if it fails.
check() {
  local name=$1 output status
  shift
  count=$((count + 1))
  output=$("$@" 2>&1) && status=ok || status=FAIL
  [ $status = ok ] && output=${output%%$'\n'*}
  # ${#output} counts characters, so no character is cut.
  [ ${#output} -le 3000 ] || output=${output: -3000}
  say "$status $name $(printf '%s' "$output" | tr '\n\t' '; ')"
}
# skip NAME REASON: a check that this machine cannot make.
skip() {
  count=$((count + 1))
  say "skip $1 $2"
}
since_boot() { local up; read -r up _ </proc/uptime; echo "$up"; }
# wait_until SECONDS PAUSE COMMAND...: repeats the command until it succeeds and prints its last output.
wait_until() {
  local deadline=$((SECONDS + $1)) pause=$2 words
  shift 2
  until words=$("$@"); do
    [ $SECONDS -lt $deadline ] || { printf '%s\n' "$words"; return 1; }
    sleep "$pause"
  done
  printf '%s\n' "$words"
}
# retried COMMAND...: for commands that use the network, which may fail once on a busy machine. Up to five attempts;
# none starts after two minutes.
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
equal() { if [ "$1" = "$2" ]; then echo "$1"; else echo "is \"$1\", wanted \"$2\""; return 1; fi; }
# has TEXT COMMAND...: the command's output contains TEXT; its exit status is ignored.
has() {
  local text
  text=$("${@:2}" 2>&1) || [ -n "$text" ] || return 1
  case $text in
    *"$1"*) printf '%s\n' "$text" | grep -F -- "$1" | head -n 1 ;;
    *) echo "does not say $1: $text"; return 1 ;;
  esac
}
# journal UNIT LINES: the last lines of a unit's log in this boot.
journal() { journalctl -b -u "$1" -n "$2" --no-pager -o cat; }

# Any machine.

firmware_of() {
  if [ -d /sys/firmware/efi ]; then echo uefi; return; fi
  if [ -e /proc/device-tree/compatible ]; then echo kernel; else echo bios; fi
}
system_state() {
  local state unit
  state=$(timeout 600 systemctl is-system-running --wait)
  [ "$state" = running ] && { echo running; return; }
  echo "$state"
  systemctl --failed --no-legend --plain
  systemctl list-jobs --no-legend
  for unit in $(systemctl --failed --no-legend --plain | cut -d' ' -f1); do journal "$unit" 40 | grep -v 'done$'; done
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
    echo above >"$work/merged/file" &&
    equal "$(cat "$work/lower/file" "$work/upper/file" | tr '\n' ' ')" "below above " && umount "$work/merged"
}
vxlan() {
  ip link add k8simg-vx type vxlan id 42 dstport 8472 local 127.0.0.1 dev lo &&
    ip -d link show k8simg-vx | grep -o 'vxlan id 42' && ip link del k8simg-vx
}
nft_rule() {
  nft add table inet k8simg && nft add chain inet k8simg c '{ type filter hook input priority 0; }' &&
    nft add rule inet k8simg c tcp dport 6443 counter accept &&
    nft list table inet k8simg | grep -o 'tcp dport 6443 counter.*accept' && nft delete table inet k8simg
}
iptables_rule() {
  iptables -t nat -N K8SIMG &&
    iptables -t nat -A K8SIMG -p tcp -m comment --comment "a service" -m multiport --dports 80,443 \
      -m statistic --mode random --probability 0.5 -j MASQUERADE &&
    iptables -t nat -S K8SIMG | grep -o 'multiport.*MASQUERADE' && iptables -t nat -F K8SIMG &&
    iptables -t nat -X K8SIMG && iptables --version | grep -q nf_tables
}
clock() {
  if [ "$(date +%s)" -ge "$earliest_time" ]; then date -u; return; fi
  echo "$(date -u) is before the image was made"
  return 1
}
network() {
  timeout 60 bash -c 'until networkctl --no-pager list | grep -E "ether.*routable"; do sleep 1; done' ||
    { networkctl --no-pager list; return 1; }
}
# A device is routable with an IPv6 address, before DHCP has given the IPv4 address and the route.
default_route() {
  timeout 60 bash -c 'until ip -4 route show default | grep -o "default via .*"; do sleep 1; done' ||
    { ip address; return 1; }
}
root_partition() { findmnt -n -o SOURCE,FSTYPE / | grep ext4; }
# The disk with the root filesystem: "vda".
root_disk() { basename "$(dirname "$(readlink -f "/sys/class/block/$(basename "$(findmnt -n -o SOURCE /)")")")"; }
sectors() { equal "$(cat "/sys/block/$(root_disk)/queue/logical_block_size")" "$sector_size"; }
# systemd-repart writes the protective MBR anew when it grows a partition.
active_flag() { equal "$(od -A n -t x1 -j 446 -N 1 "/dev/$(root_disk)")" " 80"; }
grown() {
  local size
  size=$(df --block-size=1 --output=size / | tail -n 1)
  [ "$size" -ge "$root_bytes" ] && { echo "$size bytes"; return; }
  echo "the root filesystem has $size bytes, wanted $root_bytes"
  journalctl -b -u systemd-repart -u systemd-growfs-root -u grow-root -n 20 --no-pager -o cat
  return 1
}
mounts() {
  local line place all=
  while read -r place; do
    line=$(findmnt --noheadings --output TARGET,FSTYPE --mountpoint "$place" | tr -s ' ') || {
      echo "$place is not mounted"
      journalctl -b -u systemd-repart -u "$(systemd-escape --path --suffix=mount "$place")" -n 20 --no-pager -o cat
      return 1
    }
    all="$all$line, "
  done < <(awk '$1 !~ /^#/ && NF { print $2 }' /etc/fstab)
  echo "${all%, }"
}
no_passwords() {
  awk -F: '$2 !~ /^[!*]/ { print "has a password field: " $1; bad = 1 } END { exit bad }' /etc/shadow && echo locked
}
# The node's program can read the hardware database.
hardware_database() {
  has ID_USB_CLASS_FROM_DATABASE=Hub systemd-hwdb query usb:v1D6Bp0002d0612dc09dsc00dp01ic09isc00ip00in00
}
container() {
  timeout 180 ctr image import "/dev/$container_drive" >/dev/null &&
    has "$container_says" timeout 180 ctr run --rm --runc-binary /usr/bin/crun "$container_image" k8simg-check
}
# Memory and processor time of processes by name. It starts no process per process, which would change what it measures.
processes_by_name() {
  local dir name key value r p stat
  declare -A number rss pss ticks
  for dir in /proc/[0-9]*; do
    r=0 p=0 name='' stat=''
    {
      read -r name <"$dir/comm"
      read -r stat <"$dir/stat"
      while read -r key value _; do
        case $key in Rss:) r=$value ;; Pss:) p=$value ;; esac
      done <"$dir/smaps_rollup"
    } 2>/dev/null
    [ "$r" -gt 0 ] || continue
    name=${name// /_}
    # proc_pid_stat(5): utime and stime, in hundredths of a second, are the 12th and 13th fields after the name.
    # The name may contain anything, so the last parenthesis ends it.
    read -r -a stat <<<"${stat##*) }"
    number[$name]=$((${number[$name]:-0} + 1)) rss[$name]=$((${rss[$name]:-0} + r)) pss[$name]=$((${pss[$name]:-0} + p))
    ticks[$name]=$((${ticks[$name]:-0} + ${stat[11]:-0} + ${stat[12]:-0}))
  done
  for name in "${!rss[@]}"; do echo "$name ${number[$name]} ${rss[$name]} ${pss[$name]} ${ticks[$name]}"; done |
    sort -k4,4nr -k1,1 | while read -r line; do say "process $line"; done
}
# memory PREFIX: figures in MiB.
memory() {
  local total used available
  while read -r _ total used _ _ _ available; do
    figure "$1memory_used_mib" "$used"
    figure "$1memory_available_mib" "$available"
    figure "$1memory_total_mib" "$total"
  done < <(free -m | grep ^Mem:)
}

# Kubernetes before there is a cluster.

# Every image that this kubeadm asks for is among the preloaded ones.
images() {
  local list reference
  list=$(kubeadm config images list --kubernetes-version "$(kubeadm version -o short)") || return 1
  for reference in $list; do
    grep -qxF "$reference" /usr/share/k8simg/images.list ||
      { echo "$reference is not among: $(tr '\n' ' ' </usr/share/k8simg/images.list)"; return 1; }
  done
  echo "$list" | wc -l
}
# preflight init|join: kubeadm's warnings and errors are exactly the predicted ones. kubeadm finished its checks if it
# succeeds, counts its errors, or looks for a control plane that does not exist.
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
discovery:
  bootstrapToken:
    apiServerEndpoint: '127.0.0.1:1'
    token: abcdef.0123456789abcdef
    unsafeSkipCAVerification: true
nodeRegistration: {criSocket: 'unix:///run/containerd/containerd.sock'}
timeouts: {discovery: 1s}" ;;
  esac
  printf 'apiVersion: kubeadm.k8s.io/v1beta4\n%s\n' "$said" >"$work/kubeadm.yaml"
  said=$(timeout 900 kubeadm "$1" phase preflight --config "$work/kubeadm.yaml" 2>&1) || case $said in
    *'Some fatal errors occurred'* | *'validate the identity of the API Server'*) ;;
    *) echo "kubeadm did not finish its checks: $said"; return 1 ;;
  esac
  found=$(printf '%s\n' "$said" | sed -n 's/^[[:space:]]*\[\(WARNING\|ERROR\) \([^]]*\)\].*/\1 \2/p' |
    LC_ALL=C sort -u | paste -s -d ,)
  [ "$found" = "$preflight_verdicts" ] && { echo "${found:-no warning, no error}"; return; }
  echo "kubeadm says \"$found\", k8simg check says \"$preflight_verdicts\": $said"
  return 1
}
# answers HOST PORT PATH WORD SECONDS: waits until an HTTP server's answer has a line that starts with WORD.
# shellcheck disable=SC2016  # the inner shell expands them
answers() {
  timeout "$5" bash -c 'until { exec 3<>"/dev/tcp/$0/$1" && printf "GET %s HTTP/1.0\r\n\r\n" "$2" >&3 &&
    grep -q "^$3" <&3; } 2>/dev/null; do sleep 1; done' "${@:1:4}" && echo "$4 from $1:$2"
}
kubelet_health() { answers 127.0.0.1 10248 /healthz ok 300 || { journal kubelet 20; return 1; }; }

# A node that creates itself at its first start, without a network connection.

export KUBECONFIG=/etc/kubernetes/admin.conf
# Each request ends one minute after its own limit, or after two minutes: an API server that has stopped never answers.
kubectl() {
  local word limit=120
  for word in "$@"; do
    case $word in --timeout=*s) word=${word#--timeout=}; limit=$((${word%s} + 60)) ;; esac
  done
  timeout -k 5 "$limit" kubectl "$@"
}
started() { systemctl show -p ActiveEnterTimestampMonotonic --value "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }
why_not() {
  journalctl -b -u k8simg-node -u k8simg-images -n 25 --no-pager -o cat
  kubectl get pods -A -o wide
  journalctl -b -u kubelet -p warning -n 10 --no-pager -o cat
  return 1
}
node_made() {
  local deadline=$((SECONDS + 1800))
  until [ -e /var/lib/k8simg/node.state ] && grep -q 'phase=done' /var/lib/k8simg/node.state; do
    if systemctl -q is-failed k8simg-node.service k8simg-images.service || [ $SECONDS -ge $deadline ]; then
      why_not
      return 1
    fi
    sleep 2
  done
  tr '\n' ' ' </var/lib/k8simg/node.state
}
api_listens() { (exec 3<>/dev/tcp/127.0.0.1/6443) 2>/dev/null; }
# After a restart the API server still has the old status, so the kubelet's heartbeat must be newer than this boot. A
# single kubectl watches, since starting many would take most of the processor time. The node object has the time since
# which it is Ready.
node_ready() {
  local begun heard ready since watcher deadline=$((SECONDS + 1800)) path='jsonpath={range .status.conditions'
  path+='[?(@.type=="Ready")]}{.lastHeartbeatTime} {.status} {.lastTransitionTime}{"\n"}{end}'
  begun=$(($(date +%s) - $(cut -d . -f 1 /proc/uptime)))
  while [ $SECONDS -lt $deadline ] && wait_until 900 1 api_listens >/dev/null; do
    while watcher=$! && read -r heard ready since; do
      [ "$ready" = True ] && [ "$(date -d "$heard" +%s)" -ge "$begun" ] || continue
      kill "$watcher"
      since=$(date -d "$since" +%s)
      [ "$since" -ge "$begun" ] || since=$(date +%s)
      figure ready_seconds $((since - begun))
      echo "Ready after $((since - begun)) s"
      return
    done < <(exec timeout 900 kubectl get nodes --watch -o "$path" 2>/dev/null)
    sleep 1
  done
  why_not
}
rolled_out() { kubectl -n "$1" rollout status "$2" --timeout=600s; }
pods_ready() {
  if rolled_out kube-system deployment/coredns && rolled_out kube-system daemonset/kube-proxy &&
    rolled_out kube-flannel daemonset && kubectl wait -A --for=condition=Ready pod --all --timeout=600s >/dev/null; then
    kubectl get pods -A --no-headers | wc -l
  else
    why_not
  fi
}
# A pod with an HTTP server, behind a Service. --validate=false: for validation the API server would build its OpenAPI
# documents and permanently use more memory.
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
  - name: hello
    image: "$ready_image"
    imagePullPolicy: Never
    args: [-conf, /etc/hello/Corefile]
    volumeMounts: [{name: config, mountPath: /etc/hello}]
    readinessProbe: {httpGet: {path: /health, port: 8080}}
  volumes: [{name: config, configMap: {name: hello}}]
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  selector: {app: hello}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP, targetPort: 5353}]
YAML
  kubectl wait --for=condition=Ready pod/hello --timeout=600s || { kubectl describe pod hello | tail -n 15; return 1; }
}
# An object made through the API has a field manager; preloaded ones have none.
first_objects() {
  equal "$(kubectl get clusterrole system:node \
    -o 'jsonpath={.metadata.name} made by {.metadata.managedFields[*].manager}')" "system:node made by "
}
by_name() {
  if resolvectl dns cni0 "$(kubectl -n kube-system get service kube-dns -o 'jsonpath={.spec.clusterIP}')" &&
    resolvectl domain cni0 '~cluster.local' && resolvectl query -4 hello.default.svc.cluster.local &&
    answers hello.default.svc.cluster.local 80 /health OK 120; then
    return
  fi
  resolvectl status cni0
  kubectl -n kube-system logs deployment/coredns --tail=10
  return 1
}
has_manifests() { compgen -G '/etc/k8simg/manifests/*.yaml' >/dev/null; }
manifests_done() {
  local unit=k8simg-manifests.service
  [ "$(systemctl show -p ActiveState --value $unit)" = inactive ] &&
    [ "$(systemctl show -p Result --value $unit)" = success ] && has 'objects applied' "$node_program" status
}
node_program=/usr/libexec/k8simg-node
# All objects of the user's manifests are applied. Each attempt starts a large program.
manifests_applied() {
  wait_until 900 15 manifests_done || { "$node_program" status; journal k8simg-manifests 25; return 1; }
}
# A connection to each of their Services, which refuses it unless a pod behind it is ready.
manifest_services() {
  local address port reached='' services path='jsonpath={range .items[*]}'
  path+='{.spec.clusterIP} {.spec.ports[0].port}{"\n"}{end}'
  services=$(kubectl get services -A -l k8simg/origin=manifests -o "$path") || { echo "$services"; return 1; }
  while read -r address port; do
    [ -n "$address" ] && [ "$address" != None ] || continue
    # shellcheck disable=SC2016  # the inner shell expands them
    timeout 120 bash -c 'until (exec 3<>"/dev/tcp/$0/$1") 2>/dev/null; do sleep 1; done' "$address" "$port" ||
      { echo "$address:$port does not answer"; kubectl get pods,services -A -o wide; return 1; }
    reached+="$address:$port "
  done <<<"$services"
  echo "reached: $reached"
}
two_run() { [ "$(ctr -n k8s.io tasks list | grep -c RUNNING)" -ge 2 ]; }
pod_here() { ctr -n k8s.io containers list | grep -F "$ready_image"; }
pod_gone() { local list; list=$(ctr -n k8s.io containers list) && ! grep -F "$ready_image" <<<"$list"; }
# A static pod: its sandbox and a container of the same image.
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
  wait_until 900 2 two_run && pod_here || { journal kubelet 25; return 1; }
}
no_pulls() { local pulls; pulls=$(journalctl -u containerd --no-pager -o cat | grep -c 'PullImage'); equal "$pulls" 0; }

# A clock that moves two years: certificates are renewed in time.

uptime_microseconds() { awk '{ printf "%d", $1 * 1e6 }' /proc/uptime; }
# renewal_ran MICROSECONDS: the timer has started the renewal since this moment of the machine's uptime, and it ended.
renewal_ran() {
  local started state result
  started=$(systemctl show -p ExecMainStartTimestampMonotonic --value k8simg-renew.service)
  state=$(systemctl show -p ActiveState --value k8simg-renew.service)
  result=$(systemctl show -p Result --value k8simg-renew.service)
  [ "${started:-0}" -gt "$1" ] && [ "$state" = inactive ] && [ "$result" = success ] ||
    { echo "started at $started us, $state, $result"; journal k8simg-renew 15; return 1; }
}
# ready_after SECONDS: the node is Ready by a heartbeat after this date. kubectl itself finds out whether the
# certificates of the API server and of the administrator are valid.
ready_after() {
  local heard ready path='jsonpath={range .items[0].status.conditions'
  path+='[?(@.type=="Ready")]}{.lastHeartbeatTime} {.status}{end}'
  read -r heard ready < <(kubectl get nodes -o "$path" 2>&1) || true
  [ "$ready" = True ] && heard=$(date -d "$heard" +%s) && [ "$heard" -ge "$1" ] ||
    { echo "$heard $ready"; return 1; }
}
# days_left: of the certificate that ends first.
days_left() { /usr/libexec/k8simg-node status | sed -n 's/^certificates .* in \([0-9]*\) days: .*/\1/p'; }
# certificates_left DAYS: each certificate is valid for so long.
certificates_left() {
  local days
  days=$(days_left)
  [ "${days:-0}" -ge "$1" ] || { echo "wanted $1 days"; /usr/libexec/k8simg-node status; return 1; }
  echo "$days days"
}
# move_clock DAYS LEFT: what follows from a clock that is so many days later. Certificates are valid for LEFT days then.
move_clock() {
  local begun now
  systemctl stop systemd-timesyncd.service 2>/dev/null
  begun=$(uptime_microseconds)
  date -s "@$(($(date +%s) + $1 * 86400))" >/dev/null && now=$(date +%s) || return 1
  wait_until 900 2 renewal_ran "$begun" || return 1
  wait_until 1800 10 ready_after "$now" || { why_not; journal k8simg-renew 15; return 1; }
  # The kubelet makes a certificate for its port when it has started again.
  wait_until 300 5 certificates_left "$2"
}
client_certificate() { readlink /var/lib/kubelet/pki/kubelet-client-current.pem; }
client_certificate_is_new() { [ "$(client_certificate)" != "$1" ]; }
# A kubelet looks at the time when it starts; then it asks the controller manager for a certificate.
kubelet_rotates() {
  local old
  old=$(client_certificate) && systemctl restart kubelet.service &&
    wait_until 600 5 client_certificate_is_new "$old" && certificates_left 270 ||
    { kubectl get csr; journal kubelet 25; return 1; }
}
# A pod is made anew: by the API server, the scheduler and the kubelet; and a new namespace gets an account from the
# controller manager.
all_work() {
  kubectl delete pod hello --ignore-not-found --timeout=300s && hello &&
    { kubectl get namespace later 2>/dev/null || kubectl create namespace later; } &&
    wait_until 300 5 kubectl -n later get serviceaccount default -o name
}
# The certificates of the control plane are renewed when half of their year is left, so after 240, 530 and 730 days. The
# kubelet renews its own after nine tenths of the year at the latest, here after 330 days. After 730 days it has ended,
# because no kubelet has started in time, and is replaced.
clock_checks() {
  check certificates-made certificates_left 364
  check clock-after-240-days move_clock 240 124
  check clock-after-330-days move_clock 90 34
  check kubelet-rotates kubelet_rotates
  check clock-after-530-days move_clock 200 160
  check clock-after-730-days move_clock 200 363
  check pods-after-two-years retried pods_ready
  check all-work-after-two-years retried all_work
  check logs-after-two-years retried has CoreDNS kubectl logs pod/hello
  check service-after-two-years retried by_name
}

# A cluster of several machines.

# Reports what another machine needs to become a worker.
tell_workers() {
  local file
  file=$(/usr/libexec/k8simg-node token) || return
  value_of() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" <<<"$file"; }
  say "join $(value_of server) $(value_of ca-cert-hash) $(value_of token)"
}
workers_ready() {
  local name seen=' ' nodes=0
  while [ "$nodes" -le "$workers" ] && read -r name; do
    case $seen in *" $name "*) ;; *) seen="$seen$name " nodes=$((nodes + 1)) ;; esac
  done < <(timeout 1800 kubectl get nodes --watch -o name)
  kubectl wait --for=condition=Ready node --all --timeout=1800s >/dev/null ||
    { kubectl describe node | tail -n 40; return 1; }
  kubectl get nodes --no-headers -o wide | awk '{ printf "%s %s %s, ", $1, $2, $6 }'
}
# A pod on each worker: a name server that forwards every query to the pod on this machine, on one port by the pod's
# address and on another by its Service's address.
far() {
  local pod service
  pod=$(kubectl get pod hello -o 'jsonpath={.status.podIP}') || return 1
  service=$(kubectl get service hello -o 'jsonpath={.spec.clusterIP}') || return 1
  kubectl apply --validate=false -f - <<YAML || return 1
apiVersion: v1
kind: ConfigMap
metadata: {name: far}
data:
  Corefile: |
    .:5353 {
      errors
      forward . $pod:5353
      health :8080
    }
    .:5354 {
      errors
      forward . $service:53
    }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: far}
spec:
  selector: {matchLabels: {app: far}}
  template:
    metadata: {labels: {app: far}}
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: DoesNotExist}]
      containers:
      - name: far
        image: "$ready_image"
        imagePullPolicy: Never
        args: [-conf, /etc/far/Corefile]
        volumeMounts: [{name: config, mountPath: /etc/far}]
        readinessProbe: {httpGet: {path: /health, port: 8080}, timeoutSeconds: 30}
      volumes: [{name: config, configMap: {name: far}}]
YAML
  kubectl rollout status daemonset/far --timeout=1800s >/dev/null ||
    { kubectl describe pod -l app=far | tail -n 15; return 1; }
  kubectl get pods -l app=far -o wide --no-headers | awk '{ printf "%s on %s, ", $6, $7 }'
}
# asked ADDRESS PORT: a DNS query for hello.k8simg.test over UDP has 192.0.2.1 in its answer (RFC 1035, section 4.1).
asked() {
  local query='\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05hello\x06k8simg\x04test\x00\x00\x01\x00\x01'
  # shellcheck disable=SC2059  # the format is the packet
  exec 3<>"/dev/udp/$1/$2" && printf "$query" >&3 &&
    timeout 10 dd bs=512 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n' | grep -q c0000201
}
# far_answers PORT: each worker's pod forwards a query to the pod on this machine, so the packets cross VXLAN.
far_answers() {
  local address addresses
  addresses=$(kubectl get pods -l app=far -o 'jsonpath={.items[*].status.podIP}') || return 1
  [ "$(wc -w <<<"$addresses")" -eq "$workers" ] ||
    { echo "wanted $workers pods, their addresses are \"$addresses\""; return 1; }
  for address in $addresses; do
    ip route get "$address" | grep -q 'dev flannel\.1' || { ip route get "$address"; return 1; }
    wait_until 600 3 asked "$address" "$1" >/dev/null || {
      ip neighbour show
      kubectl logs daemonset/far --tail=10
      kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=15 --prefix
      return 1
    }
    echo "$address:$1"
  done
}
vxlan_packets() {
  local way
  for way in rx tx; do
    [ "$(cat "/sys/class/net/flannel.1/statistics/${way}_packets")" -gt 0 ] ||
      { ip -s link show flannel.1; return 1; }
  done
  bridge fdb show dev flannel.1
}
# The workers end when their pod is deleted.
no_far_pods() {
  local list
  list=$(kubectl get pods -l app=far -o name) && [ -z "$list" ] || { echo "$list"; return 1; }
}
far_gone() { kubectl delete daemonset far --timeout=600s && wait_until 600 10 no_far_pods; }
# Each check takes a slow processor seconds, so the pause is long.
worker_pod() { wait_until 1800 15 pod_here || { journal kubelet 25; return 1; }; }
no_worker_pod() { wait_until 1800 15 pod_gone; }

# Which checks run, and in which order.

# The node comes first: other checks would take processor time from it.
node_checks() {
  check node-made node_made
  if [ "$ready" = cluster ]; then check node-ready node_ready; else figure ready_seconds "$(since_boot)"; fi
  figure containerd_seconds "$(started containerd.service)"
  figure login_seconds "$(started getty.target)"
  case $ready in
    cluster)
      if has_manifests; then check manifests-applied manifests_applied; fi
      check pods-ready retried pods_ready
      if has_manifests; then check manifest-services retried manifest_services; fi
      check first-objects retried first_objects
      check hello retried hello
      check service-by-name retried by_name
      [ -z "$move_clock" ] || clock_checks ;;
    standalone) check static-pod static_pod ;;
    worker) check worker-pod worker_pod ;;
  esac
  figure pods_seconds "$(since_boot)"
  # Timestamps for readers of the console's log.
  journalctl -b -o short-monotonic --no-pager -u k8simg-images -u k8simg-node | tail -c 100000 >/dev/console
  if [ "$workers" -gt 0 ]; then
    tell_workers
    check workers-ready retried workers_ready
    figure workers_seconds "$(since_boot)"
    check pod-on-each-worker retried far
    check pod-asks-pod retried far_answers 5353
    check pod-asks-service retried far_answers 5354
    check logs-of-worker retried has CoreDNS kubectl logs daemonset/far
    check vxlan-packets vxlan_packets
  fi
  check no-pulls no_pulls
}
# network_check NAME COMMAND...
network_check() { if [ -n "$no_network" ]; then skip "$1" "$no_network"; else check "$@"; fi; }
machine_checks() {
  check system-state system_state
  figure settled_seconds "$(since_boot)"
  memory ''
  check kernel equal "$(uname -r)" "$kernel"
  check firmware equal "$(firmware_of)" "$firmware"
  check cgroup-controllers controllers
  check overlay-mount overlay
  check vxlan-link vxlan
  check nftables-rule nft_rule
  check iptables-rule iptables_rule
  check clock clock
  network_check network network
  check root-filesystem root_partition
  check root-grown grown
  check sectors sectors
  [ -z "$protective_mbr_active" ] || check active-flag active_flag
  check mounts mounts
  check no-passwords no_passwords
  check hardware-database hardware_database
  [ -z "$router" ] || network_check default-route default_route
}
main() {
  mkdir -p "$work"
  figure boot_seconds "$(since_boot)"
  [ -z "$ready" ] || node_checks
  machine_checks
  version_checks  # defined by k8simg: one check for each program
  [ -z "$container_image" ] || check container container
  [ -z "$preflight" ] || check preflight preflight "$preflight"
  [ -z "$kubeadm_images" ] || check images images
  systemctl -q is-active kubelet && { check kubelet-health kubelet_health; memory kubelet_; }
  processes_by_name
  if [ "$workers" -gt 0 ]; then check pods-removed retried far_gone; fi
  # The kubelet must also report that the pod is gone, which takes it a few seconds.
  if [ "$ready" = worker ]; then check pod-removed no_worker_pod; sleep 45; fi
  say "end $count"
  systemctl poweroff --no-block
}
