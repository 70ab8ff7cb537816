# The roles: a control plane is made once, a worker joins once, and every start after that only makes sure that the kubelet runs.
#
# The state file is written before kubeadm begins ("initialising", "joining") and after everything that it did is on the disk ("initialised",
# "done"). A power cut in between leaves a half-made node, which is undone and begun again.
# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2174

admin=$root/etc/kubernetes/admin.conf
super_admin=$root/etc/kubernetes/super-admin.conf  # of kubeadm init: is let in before there are any rules
log=$root/run/k8simg/kubeadm.log

# read_settings: node.toml, or an end with every mistake on the console. A node that is done runs on: systemd has started its kubelet.
read_settings() {
  local file folder mistake
  for folder in /boot/firmware /boot; do
    file=$root$folder/node.toml
    [ ! -f "$file" ] || break
  done
  [ -f "$file" ] || give_up "the boot partition has no node.toml, so this machine does not know what to be: write role = \"single\" into one, and restart"
  if ! read_node_file "$file"; then
    for mistake in "${node_mistakes[@]}"; do say "$mistake"; done
    give_up "${node_mistakes[0]}. Edit node.toml on the boot partition on any computer, or $folder/node.toml here, and restart: ${#node_mistakes[@]} mistake(s)"
  fi
}

# prepare_node: before the kubelet starts. The address that the control plane was made for is there, whatever the network says today.
prepare_node() {
  load_state
  case ${state[phase]-} in initialised | done) ;; *) return 0 ;; esac
  ensure_route
  [ -n "${state[address]-}" ] || return 0
  if ! has_address "${state[address]}"; then
    say "no interface has ${state[address]}, the address of this control plane; $spare holds it"
    hold_address "${state[address]}" || give_up "the address ${state[address]} could not be set on the interface $spare"
  fi
}

start_node() {
  mkdir -pm 700 "$root/run/k8simg"  # kubeadm's words hold a token
  read_settings
  load_state
  if [ -z "${state[phase]-}" ] && [ -e "$root/etc/kubernetes/kubelet.conf" ]; then
    apply_settings
    give_up "kubeadm was run here by hand; node.toml is left alone as long as /etc/kubernetes/kubelet.conf is there"
  fi
  if [ -n "${state[role]-}" ] && [ "${state[role]}" != "${node[role]}" ]; then
    case ${state[role]}:${state[phase]} in
      standalone:*) leave_standalone ;;
      *:initialising | *:joining) undo_node ;;
      *) give_up "this machine is a ${state[role]} of a cluster, and node.toml:${node_line[role]} says ${node[role]}. Write role = \"${state[role]}\" back, or give up what it was: \`/usr/libexec/k8simg-node reset\`" ;;
    esac
  fi
  apply_settings
  case ${node[role]} in
    single | control-plane) start_control_plane ;;
    worker) start_worker ;;
    standalone) start_standalone ;;
  esac
}

# leave_standalone: the files of its pods are a person's; kubeadm wants their folder empty.
leave_standalone() {
  local manifests=$root/etc/kubernetes/manifests
  systemctl stop kubelet.service
  if [ -n "$(ls -A "$manifests" 2>/dev/null)" ]; then
    mkdir -p "$manifests.standalone"
    mv -f -- "$manifests"/* "$manifests.standalone/"
    say "the pods of /etc/kubernetes/manifests belong to the role standalone; they are in /etc/kubernetes/manifests.standalone now"
  fi
  rm -f "$root/etc/cni/net.d/10-standalone.conflist" "$root/var/lib/k8simg/kubelet.env" "$root/var/lib/kubelet/config.yaml"
  sync
  rm -f "$state_file"
  state=()
}

# reset_node: by a person's hand only. The next start makes the node again, from node.toml.
reset_node() {
  load_state
  mkdir -pm 700 "$root/run/k8simg"
  if [ "${state[role]-}" = standalone ]; then leave_standalone; else undo_node; fi
  say "this machine is no node any more; the next start makes one of it, as node.toml says"
}

undo_node() {
  # Without it kubeadm does not ask an API server that is not there.
  rm -f "$admin"
  systemctl stop kubelet.service
  kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
  rm -rf "$root/etc/cni/net.d/10-flannel.conflist" "$root/etc/cni/net.d/10-standalone.conflist" "$root/var/lib/k8simg/kubelet.env" \
    "$root/var/lib/kubelet/config.yaml" "$root/var/lib/etcd" "$root/etc/kubernetes/kubelet.conf" "$root/etc/kubernetes/k8simg-join" "$root/root/.kube/config"
  sync
  rm -f "$state_file"
  state=()
}

# The images have to be checked before anything is begun; why they could not be, k8simg-images.service has told.
need_images() {
  [ -e "$root/usr/share/k8simg/images.sha256" ] || return 0
  cmp -s "$root/usr/share/k8simg/images.sha256" "$root/var/lib/containerd/k8simg-images.sha256" || {
    say "the container images are not as they were made, and without them there is no node: see above, or \`journalctl -u k8simg-images\`"
    exit 1
  }
}

# run_kubeadm ARGUMENT...: its words go to the journal, and to $log for us.
run_kubeadm() {
  kubeadm "$@" 2>&1 | tee "$log"
  return "${PIPESTATUS[0]}"
}

# What kubeadm says that it died of.
last_error() { grep -aE '^[[:space:]]*(\[ERROR|error)' "$log" | tail -n 3 | tr -s '\n\t' '  ' | cut -c 1-400; }

start_kubelet() { systemctl --no-block start kubelet.service; }

start_control_plane() {
  local tries=0 address network_applied=''
  case ${state[phase]-} in
    done)
      prepare_node
      start_kubelet
      show "${state[role]} node ${state[hostname]}, API at ${state[address]}:6443"
      return ;;
    initialised) prepare_node ;;
    initialising)
      say "the last start was interrupted while the cluster was being made; it is made again"
      undo_node ;;
  esac
  need_images
  if [ "${state[phase]-}" != initialised ]; then
    need_space /var/lib 200 "a new cluster"
    find_address
    wait_for_clock "$address"
    until make_control_plane "$address"; do
      tries=$((tries + 1))
      [ "$tries" -lt 3 ] || give_up "the cluster could not be made: $(last_error) (\`journalctl -u k8simg-node\` has all of it; the next start tries again)"
      say "kubeadm init failed, and is tried again: $(last_error)"
      undo_node
      sleep 10
    done
  fi
  start_kubelet
  [ -n "$network_applied" ] || apply_addons "$admin"
  save_state 'done'
  told=''
  tell "waiting for the node ${state[hostname]} to be Ready"
  if kubectl --kubeconfig "$admin" wait --for=condition=Ready "node/${state[hostname]}" --timeout=30m >/dev/null; then
    tell "${state[role]} node ${state[hostname]} is Ready, API at ${state[address]}:6443"
  else
    tell "the node ${state[hostname]} is not Ready yet: \`kubectl describe node\` tells why"
  fi
}

# make_control_plane ADDRESS
make_control_plane() {
  local hash status
  state=([role]=${node[role]} [hostname]=$(node_name) [address]=$1)
  write_file /etc/kubernetes/kubeadm.yaml "$(init_configuration "$1")" 600
  save_state initialising
  tell "making a cluster on ${state[hostname]}, $1: this takes some minutes"
  # kubelet-finalize takes the certificate, which is valid as long as all others, out of the kubelet's file, and restarts the kubelet for it while it starts pods.
  run_kubeadm init --config "$root/etc/kubernetes/kubeadm.yaml" --skip-phases kubelet-finalize | network_meanwhile
  status=("${PIPESTATUS[@]}")
  [ "${status[0]}" -eq 0 ] || return
  [ "${status[1]}" -ne 0 ] || network_applied=yes
  hash=$(grep -aom 1 'sha256:[0-9a-f]\{64\}' "$log")
  write_file /etc/kubernetes/k8simg-join "# For a worker's node.toml. A token: node.toml here, or \`kubeadm token create\`.
role = \"worker\"
server = \"$1:6443\"
ca-cert-hash = \"$hash\""
  mkdir -p "$root/root/.kube" && ln -sfn /etc/kubernetes/admin.conf "$root/root/.kube/config"
  save_state initialised
  [ "${node[role]}" = single ] || say "for the workers' node.toml: server = \"$1:6443\", ca-cert-hash = \"$hash\""
}

# network_meanwhile: passes on what kubeadm says. A node is Ready once its pods have a network, which takes longest of all: kubectl begins with the kubelet, waits for
# the API server (hyperkube's does), and applies it beside what else kubeadm has to do. False when it was not applied.
network_meanwhile() {
  local line applying='' made=''
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      *'Starting the kubelet'*)
        HYPERKUBE_API_READY="https://${state[address]}:6443/readyz" apply_network "$super_admin" "$(network)" &
        applying=$! ;;
      *'has initialized successfully'*) made=yes ;;
    esac
  done
  [ -n "$applying" ] || return
  [ -n "$made" ] || kill "$applying" 2>/dev/null
  wait "$applying"
}

network() {
  sed "s|@POD_NETWORK@|${node[pod-network]:-10.244.0.0/16}|; s|@PULL_POLICY@|$(pull_policy)|; s|@API_HOST@|${state[address]}|" "$root/usr/share/k8simg/flannel.yaml"
}

# apply_network KUBECONFIG MANIFEST, in place of the shell: what is there already stays as it is. Nothing is gained by asking the API server for the description of all that it
# knows (--validate=false), which takes a slow core many seconds.
apply_network() { exec kubectl --kubeconfig "$1" apply --server-side --force-conflicts --validate=false -f - <<<"$2"; }

# apply_addons KUBECONFIG: the pods' network. The API server may be restarting.
apply_addons() {
  local tries=0 manifest
  manifest=$(network) || give_up "flannel's manifest cannot be read"
  until (apply_network "$1" "$manifest"); do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || give_up "the API server does not take the pods' network (\`journalctl -u k8simg-node\`); the next start tries again"
    [ "$tries" -ne 3 ] || tell "waiting for the API server"
    sleep 5
  done
}

start_worker() {
  local host port pause=5 address
  case ${state[phase]-} in
    done)
      start_kubelet
      show "worker ${state[hostname]} of ${node[server]}"
      return ;;
    joining)
      say "the last start was interrupted while this machine was joining; it joins again"
      undo_node ;;
  esac
  need_images
  need_space /var/lib 100 "a new node"
  find_address
  wait_for_clock "$address"
  host=${node[server]%:*} port=${node[server]##*:}
  host=${host#[} host=${host%]}
  while :; do
    if ! reachable "$host" "$port"; then
      tell "waiting for the control plane: ${node[server]} (node.toml:${node_line[server]}) does not answer"
    elif take_time "${node[server]}"; join; then
      save_state 'done'
      start_kubelet
      tell "worker ${state[hostname]} has joined the cluster of ${node[server]}"
      return
    else
      refusal
      undo_node
    fi
    sleep "$pause"
    pause=$((pause < 30 ? pause * 2 : 60))
  done
}

reachable() { timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2"' reachable "$1" "$2" 2>/dev/null; }

join() {
  state=([role]=worker [hostname]=$(node_name))
  write_file /etc/kubernetes/kubeadm.yaml "$(join_configuration)" 600
  save_state joining
  tell "joining the cluster of ${node[server]} as ${state[hostname]}"
  run_kubeadm join --config "$root/etc/kubernetes/kubeadm.yaml"
}

# refusal: tells why kubeadm did not join, and sets `pause`, the seconds until the next try. Only a person mends a wrong word in a file, but the
# control plane's side can be mended too: a token can be made there.
refusal() {
  local why
  pause=300
  if grep -aqE 'could not find a JWS signature|failed to verify JWS signature|token id .* is invalid|Unauthorized' "$log"; then
    why="node.toml:${node_line[token]}: token: ${node[server]} does not know it, or it has expired. Make one with \`kubeadm token create\` there, write it into node.toml, and restart"
  elif grep -aqE 'none of the public keys|cluster CA found in' "$log"; then
    why="node.toml:${node_line[ca-cert-hash]}: ca-cert-hash: ${node[server]} is not the cluster that it belongs to. \`cat /etc/kubernetes/k8simg-join\` there shows the right one; write it into node.toml, and restart"
  elif grep -aq 'already exists in the cluster' "$log"; then
    why="node.toml: hostname: the cluster has a node named ${state[hostname]} already. Give this one another name, and restart"
  elif grep -aqE 'certificate has expired or is not yet valid' "$log"; then
    why="the clock of this machine says $(date -u '+%F %R') UTC, and ${node[server]} has another time: certificates are not valid. Set ntp in node.toml" pause=60
  else
    why="the cluster of ${node[server]} could not be joined: $(last_error)" pause=30
  fi
  tell "$why"
}

start_standalone() {
  local restart=''
  need_images
  state=([role]=standalone [hostname]=$(node_name))
  write_file /etc/cni/net.d/10-standalone.conflist "$(standalone_network)"
  # The kubelet's unit reads it after its own settings: no kubeconfig, no API server.
  write_file /var/lib/k8simg/kubelet.env 'KUBELET_KUBECONFIG_ARGS=' && restart=yes
  write_file /var/lib/kubelet/config.yaml "$(standalone_configuration)" && restart=yes
  save_state 'done'
  if [ -n "$restart" ]; then systemctl --no-block restart kubelet.service; else start_kubelet; fi
  tell "standalone node ${state[hostname]}: pods are the files in /etc/kubernetes/manifests"
}
