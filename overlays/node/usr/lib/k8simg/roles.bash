# The roles: a control plane is made once, a worker joins once, and every start after that only makes sure that the kubelet runs.
#
# The state file is written before kubeadm begins ("initialising", "joining"), when kubeadm init has succeeded ("initialised"), and when everything
# else that belongs to the node is on the disk ("done"). An interruption in between leaves a half-made node. The next start undoes it only if it
# certainly never worked, and finishes it otherwise: what etcd has stored is deleted by `k8simg-node reset` alone ("resetting").
# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2174

admin=$root/etc/kubernetes/admin.conf
super_admin=$root/etc/kubernetes/super-admin.conf  # of kubeadm init: is let in before there are any rules
log=$root/run/k8simg/kubeadm.log
kubelet_config=$root/var/lib/kubelet/config.yaml  # without it systemd does not start the kubelet
anew='`/usr/libexec/k8simg-node reset` deletes what this machine was, and a restart makes it anew'

# --- what a start finds ---

# cluster_data: whether etcd has stored anything here. Its write-ahead log is there before its first answer (etcd renames a finished wal.tmp to wal):
# without one, no API server has ever stored an object. What cannot be read counts as data.
cluster_data() {
  local folder=$root/var/lib/etcd found
  [ -e "$folder" ] || [ -L "$folder" ] || return 1
  found=$(find -L "$folder" -type f ! -path '*/member/wal.tmp/*' ! -name .touch \( ! -path '*/member/snap/db' -o -size +64k \) -print -quit 2>&1) || return 0
  [ -n "$found" ]
}

# never_worked: whether a node that kubeadm has begun certainly never was part of a cluster, and cannot become one while it is undone: nothing is stored,
# and neither a kubelet nor a container runs that could store something.
never_worked() {
  if [ -e "$kubelet_config" ]; then
    case $(systemctl show --property=ActiveState --value kubelet.service) in inactive | failed) ;; *) return 1 ;; esac
    [ -z "$(ctr --namespace k8s.io tasks list --quiet 2>&1)" ] || return 1
  fi
  ! cluster_data
}

# joined: whether this worker has the certificate that the cluster gives to a node. The kubelet writes it, and then its kubeconfig.
joined() {
  local certificate=$root/var/lib/kubelet/pki/kubelet-client-current.pem
  grep -qs 'END CERTIFICATE' "$certificate" && grep -qs 'END .*PRIVATE KEY' "$certificate" && grep -qs 'kubelet-client-current.pem' "$root/etc/kubernetes/kubelet.conf" &&
    [ -s "$kubelet_config" ] && [ -s "$root/etc/kubernetes/pki/ca.crt" ]
}

# read_settings: node.toml, or an end with every mistake on the console. A node that is done runs on: systemd has started its kubelet.
read_settings() {
  local folder mistake
  for folder in /boot/firmware /boot; do
    node_file=$root$folder/node.toml
    [ ! -f "$node_file" ] || break
  done
  [ -f "$node_file" ] || give_up "the boot partition has no node.toml, so this machine does not know what to be: write role = \"single\" into one, and restart"
  # A worker that has joined needs no token.
  if [ "${state[role]-}" = worker ] && { [ "${state[phase]}" = 'done' ] || joined; }; then node_joined=yes; fi
  if ! read_node_file "$node_file"; then
    for mistake in "${node_mistakes[@]}"; do say "$mistake"; done
    give_up "${node_mistakes[0]}. Edit node.toml on the boot partition on any computer, or $folder/node.toml here, and restart: ${#node_mistakes[@]} mistake(s)"
  fi
}

# prepare_node: before the kubelet starts. The address that the control plane was made for is there, whatever the network says today.
prepare_node() {
  load_state
  case ${state[phase]-} in
    initialised | done) ;;
    initialising)
      if never_worked; then
        # Half-written files are not for the kubelet, which would begin a cluster while k8simg-node undoes it.
        rm -f "$kubelet_config"
        return 0
      fi ;;
    *) return 0 ;;
  esac
  ensure_route
  [ -n "${state[address]-}" ] || return 0
  if ! has_address "${state[address]}"; then
    say "no interface has ${state[address]}, the address of this control plane; $spare holds it"
    hold_address "${state[address]}" || give_up "the address ${state[address]} could not be set on the interface $spare"
  fi
}

start_node() {
  mkdir -pm 700 "$root/run/k8simg"
  load_state
  if [ "${state[phase]-}" = resetting ]; then
    say "the reset of this machine was interrupted; it is finished"
    undo_node
  fi
  read_settings
  if [ -z "${state[phase]-}" ]; then
    if [ -e "$root/etc/kubernetes/kubelet.conf" ]; then
      apply_settings
      give_up "kubeadm was run here by hand; node.toml is left alone as long as /etc/kubernetes/kubelet.conf is there"
    elif cluster_data; then
      apply_settings
      give_up "/var/lib/etcd holds the data of a cluster, and nothing says that it is this machine's own; it is left alone. $anew"
    fi
  fi
  if [ -n "${state[role]-}" ] && [ "${state[role]}" != "${node[role]}" ]; then
    if [ "${state[role]}" = standalone ]; then leave_standalone
    elif [ "${state[phase]}" = initialising ] && never_worked; then undo_node
    elif [ "${state[phase]}" = joining ] && ! joined && ! cluster_data; then undo_node
    else
      give_up "this machine is a ${state[role]} of a cluster, and node.toml:${node_line[role]} says ${node[role]}. Write role = \"${state[role]}\" back, or give up what it was: $anew"
    fi
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

# reset_node: by a person's hand only. The next start makes the node again, from node.toml; it also finishes a reset that was interrupted.
reset_node() {
  load_state
  mkdir -pm 700 "$root/run/k8simg"
  if [ "${state[role]-}" = standalone ]; then
    leave_standalone
  else
    # A full disk is no reason to keep what is to be deleted.
    [ -z "${state[role]-}" ] || (save_state resetting)
    undo_node
  fi
  say "this machine is no node any more; the next start makes one of it, as node.toml says"
}

# undo_node: deletes everything that kubeadm has made, etcd's data included. Except for a reset, the caller has made sure that there is none.
undo_node() {
  # Without it kubeadm does not ask an API server that is not there.
  rm -f "$admin"
  systemctl stop kubelet.service
  kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
  rm -rf "$root/etc/cni/net.d/10-flannel.conflist" "$root/etc/cni/net.d/10-standalone.conflist" "$root/var/lib/k8simg/kubelet.env" \
    "$kubelet_config" "$root/var/lib/etcd" "$root/etc/kubernetes/kubelet.conf" "$root/etc/kubernetes/k8simg-join" "$root/etc/kubernetes/kubeadm.yaml" "$root/root/.kube/config"
  sync
  rm -f "$state_file"
  state=()
}

# forget_token: the token has done what it was for. It is taken out of kubeadm's file, and out of node.toml, which any computer reads; all other lines
# stay as they are, byte for byte. A node that works does not fail for it.
forget_token() {
  local text new=$node_file.new
  if [ -f "$root/etc/kubernetes/kubeadm.yaml" ]; then
    text=$(sed -E 's/^([- ]*token: ).*/\1"" # removed after use/' "$root/etc/kubernetes/kubeadm.yaml") && (write_file /etc/kubernetes/kubeadm.yaml "$text" 600)
  fi
  [ -n "${node[token]-}" ] || return 0
  if (umask 077 && LC_ALL=C sed -E $'s/^(\xef\xbb\xbf)?[ \t]*token[ \t]*=[^\r]*(\r?)$/\\1# token: removed after use. `\/usr\/libexec\/k8simg-node token` on the control plane makes a new one\\2/' "$node_file" >"$new") &&
    sync "$new" && mv -f -- "$new" "$node_file" && sync "${node_file%/*}"; then
    say "the token is used, and is removed from node.toml"
  else
    rm -f -- "$new"
    say "node.toml:${node_line[token]}: token: it is used, and could not be removed from the boot partition: $(df_line "${node_file%/*}"). Remove the line there"
  fi
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
  local tries=0 address network_applied='' begun=''
  case ${state[phase]-} in
    done)
      prepare_node
      start_kubelet
      forget_token
      show "${state[role]} node ${state[hostname]}, API at ${state[address]}:6443"
      return ;;
    initialised) prepare_node ;;
    initialising)
      if never_worked; then
        say "the last start was interrupted while the cluster was being made; it is made again"
        undo_node
      else
        say "the last start was interrupted while the cluster was being made; it is finished, and what it holds stays"
        prepare_node
        begun=yes address=${state[address]}
      fi ;;
  esac
  need_images
  if [ "${state[phase]-}" != initialised ]; then
    if [ -z "$begun" ]; then
      need_space /var/lib 200 "a new cluster"
      find_address
    fi
    wait_for_clock "$address"
    until make_control_plane "$address" "$begun"; do
      tries=$((tries + 1)) begun=yes
      if never_worked; then
        [ "$tries" -ge 3 ] || undo_node
        begun=''
      fi
      [ "$tries" -lt 3 ] || give_up "the cluster could not be made: $(last_error) (\`journalctl -u k8simg-node\` has all of it; the next start tries again)${begun:+. What it holds is kept; $anew}"
      say "kubeadm init failed, and is tried again: $(last_error)"
      sleep 10
    done
  fi
  start_kubelet
  [ -n "$network_applied" ] || apply_addons "$admin"
  finish_control_plane
  save_state 'done'
  forget_token
  told=''
  tell "waiting for the node ${state[hostname]} to be Ready"
  if kubectl --kubeconfig "$admin" wait --for=condition=Ready "node/${state[hostname]}" --timeout=30m >/dev/null; then
    tell "${state[role]} node ${state[hostname]} is Ready, API at ${state[address]}:6443"
  else
    tell "the node ${state[hostname]} is not Ready yet: \`kubectl describe node\` tells why"
  fi
}

# make_control_plane ADDRESS BEGUN: runs kubeadm init, on a machine that holds nothing, or once more on one where it has begun ("yes"): with the same
# configuration, each of its phases but the preflight makes what is missing and leaves what is there. That it has succeeded is written down at once.
make_control_plane() {
  local skip=kubelet-finalize status
  if [ -z "$2" ]; then
    state=([role]=${node[role]} [hostname]=$(node_name) [address]=$1)
    write_file /etc/kubernetes/kubeadm.yaml "$(init_configuration "$1")" 600
    save_state initialising
    tell "making a cluster on ${state[hostname]}, $1: this takes some minutes"
  else
    skip+=,preflight
    tell "finishing the cluster on ${state[hostname]}, $1: this takes some minutes"
  fi
  # kubelet-finalize takes the certificate, which is valid as long as all others, out of the kubelet's file, and restarts the kubelet for it while it starts pods.
  run_kubeadm init --config "$root/etc/kubernetes/kubeadm.yaml" --skip-token-print --skip-phases "$skip" | network_meanwhile
  status=("${PIPESTATUS[@]}")
  [ "${status[0]}" -eq 0 ] || return
  [ "${status[1]}" -ne 0 ] || network_applied=yes
  save_state initialised
}

# ca_hash: how workers know the cluster by its certificate authority: of the public key, not of the certificate.
ca_hash() {
  local hash
  hash=$(openssl x509 -in "$root/etc/kubernetes/pki/ca.crt" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum) && printf 'sha256:%s' "${hash%% *}"
}

# finish_control_plane: all that kubeadm init leaves to do. Each part may be done already, by a start that was interrupted.
finish_control_plane() {
  local hash token
  hash=$(ca_hash) || give_up "/etc/kubernetes/pki/ca.crt cannot be read, so workers cannot be told what they need; the next start tries again"
  write_file /etc/kubernetes/k8simg-join "# For a worker's node.toml. \`/usr/libexec/k8simg-node token\` prints this with a new token, which is valid for 24 hours.
role = \"worker\"
server = \"${state[address]}:6443\"
ca-cert-hash = \"$hash\""
  mkdir -p "$root/root/.kube" && ln -sfn /etc/kubernetes/admin.conf "$root/root/.kube/config"
  rm -f "$super_admin"
  [ "${node[role]}" != single ] || return 0
  say "for the workers' node.toml: server = \"${state[address]}:6443\", ca-cert-hash = \"$hash\""
  [ -z "${node[token]-}" ] || return 0
  # A secret goes to those who stand before the machine, and not into the journal.
  token=$(sed -nE 's/^[- ]*token: "([a-z0-9]{6}\.[a-z0-9]{16})"$/\1/p' "$root/etc/kubernetes/kubeadm.yaml")
  [ -z "$token" ] || console "and token = \"$token\", for 24 hours; after that, \`/usr/libexec/k8simg-node token\` makes a new one"
}

# token_node: prints a worker's node.toml with a token of its own.
token_node() {
  local token hash
  load_state
  case ${state[role]-}:${state[phase]-} in
    single:done | control-plane:done | single:initialised | control-plane:initialised) ;;
    *)
      echo "this machine is no control plane that has been made; workers join one" >&2
      exit 1 ;;
  esac
  hash=$(ca_hash) && token=$(kubeadm token create --kubeconfig "$admin" --ttl 24h --description 'from k8simg-node token') || {
    echo "the API server at ${state[address]}:6443 made no token: see above" >&2
    exit 1
  }
  printf '# For a worker. The token is valid until %s UTC.\nrole = "worker"\nserver = "%s:6443"\ntoken = "%s"\nca-cert-hash = "%s"\n' \
    "$(date -u -d "@$(($(date +%s) + 86400))" '+%F %R')" "${state[address]}" "$token" "$hash"
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
      forget_token
      show "worker ${state[hostname]} of ${node[server]}"
      return ;;
    joining)
      if joined; then
        finish_worker
        return
      fi
      ! cluster_data || give_up "/var/lib/etcd holds the data of a cluster, and a worker has none; it is left alone. $anew"
      say "the last start was interrupted while this machine was joining; it joins again"
      undo_node ;;
  esac
  [ -n "${node[token]-}" ] || give_up "node.toml: token: was removed after use, and this machine has not joined. \`/usr/libexec/k8simg-node token\` on the control plane makes one; write it into node.toml, and restart"
  need_images
  need_space /var/lib 100 "a new node"
  find_address
  wait_for_clock "$address"
  host=${node[server]%:*} port=${node[server]##*:}
  host=${host#[} host=${host%]}
  while :; do
    if ! reachable "$host" "$port"; then
      tell "waiting for the control plane: ${node[server]} (node.toml:${node_line[server]}) does not answer"
    elif take_time "${node[server]}"; join || joined; then
      finish_worker
      return
    else
      refusal
      undo_node
    fi
    sleep "$pause"
    pause=$((pause < 30 ? pause * 2 : 60))
  done
}

finish_worker() {
  save_state 'done'
  start_kubelet
  forget_token
  tell "worker ${state[hostname]} has joined the cluster of ${node[server]}"
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
    why="node.toml:${node_line[token]}: token: ${node[server]} does not know it, or it has expired. Make one with \`/usr/libexec/k8simg-node token\` there, write it into node.toml, and restart"
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
