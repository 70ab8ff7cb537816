# The machine below the node: what the console is told, the state file, name, clock, disk and addresses.
# shellcheck shell=bash disable=SC2154,SC2013,SC2015,SC2174

root=${K8SIMG_ROOT-}  # the tests' own file system; "" on a node
state_file=$root/var/lib/k8simg/node.state
declare -A state=()
spare=k8simg0  # a dummy interface that holds the node's address when no other does

# --- telling people ---

# say TEXT: to the journal and to every console, the screen as well as the serial line.
say() {
  printf '%s\n' "$1"
  console "$1"
}

# console TEXT: to the consoles alone.
console() {
  local tty
  for tty in $(cat "$root/sys/class/tty/console/active" 2>/dev/null); do
    # A serial line that nobody reads may block.
    printf '\r\nk8simg: %s\r\n' "$1" | timeout 2 tee -a -- "$root/dev/$tty" >/dev/null 2>&1
  done
  return 0
}

# show TEXT: what is the matter with the node, above the login prompt, until something else is.
show() {
  mkdir -p "$root/run/issue.d"
  printf 'k8simg: %s\n\n' "$1" >"$root/run/issue.d/k8simg.issue.new"
  mv -f "$root/run/issue.d/k8simg.issue.new" "$root/run/issue.d/k8simg.issue"
  agetty --reload 2>/dev/null
  return 0
}

told=''
# tell TEXT: says it once, and shows it.
tell() {
  [ "$told" != "$1" ] || return 0
  told=$1
  say "$1"
  show "$1"
}

give_up() {
  tell "$1"
  exit 1
}

# --- files ---

# write_file PATH TEXT [MODE]: in one step and to the disk; true when that changed something.
write_file() {
  local path=$root$1
  if [ -f "$path" ] && [ "$(cat -- "$path"; echo .)" = "$2"$'\n.' ]; then return 1; fi
  mkdir -p -- "${path%/*}"
  (umask 077 && printf '%s\n' "$2" >"$path.new") && chmod "${3-644}" "$path.new" && sync "$path.new" && mv -f -- "$path.new" "$path" && sync "${path%/*}" ||
    give_up "$1 cannot be written: $(df_line "${path%/*}")"
}

df_line() { df --human-readable --output=target,size,avail -- "$1" 2>/dev/null | awk 'NR == 2 { print $1 " has " $3 " free of " $2 }'; }

load_state() {
  local key value
  state=()
  [ -f "$state_file" ] || return 0
  while IFS='=' read -r key value; do
    [[ $key =~ ^(role|phase|hostname|address)$ ]] && state[$key]=$value
  done <"$state_file"
  # A file that says nothing is no state.
  [[ ${state[phase]-} =~ ^(initialising|initialised|joining|done|resetting)$ && ${state[role]-} =~ ^(single|control-plane|worker|standalone)$ ]] || state=()
  return 0
}

# save_state PHASE: everything else that is not on the disk yet goes there first, or a power cut would leave a state that is ahead of its files.
save_state() {
  local text key
  state[phase]=$1
  sync
  for key in role phase hostname address; do text+="$key=${state[$key]-}"$'\n'; done
  write_file /var/lib/k8simg/node.state "${text%$'\n'}"
  return 0
}

# --- what the machine is ---

memory_mib() { awk '/^MemTotal:/ { print int($2 / 1024) }' "$root/proc/meminfo"; }

node_name() {
  local name
  name=$(cat "$root/etc/hostname" 2>/dev/null)
  printf '%s' "${name:-node}"
}

# Names, keys and time servers follow node.toml; a name that a cluster knows stays.
apply_settings() {
  local name=${node[hostname]-} id
  if [ -z "$name" ] && [ "${node[role]}" = worker ]; then
    # Many cards are written from one image, and two nodes of one name are one node.
    name=$(node_name) id=$(cut -c 1-6 "$root/etc/machine-id")
    [[ $name == *-$id ]] || name=$name-$id
  fi
  case ${state[phase]-} in
    done | initialised)
      if [ -n "${node[hostname]-}" ] && [ "$name" != "${state[hostname]}" ] && [ "${state[role]}" != standalone ]; then
        say "node.toml:${node_line[hostname]}: hostname: this node is ${state[hostname]} in its cluster and keeps that name; write it back"
      fi
      [ "${state[role]}" = standalone ] || name=${state[hostname]} ;;
  esac
  if [ -n "$name" ]; then
    write_file /etc/hostname "$name"
    printf '%s' "$name" >"$root/proc/sys/kernel/hostname"
  fi

  local servers=$root/etc/systemd/timesyncd.conf.d/50-node.conf
  if [ -n "${node[ntp]-}" ]; then
    write_file /etc/systemd/timesyncd.conf.d/50-node.conf "# From node.toml.
[Time]
NTP=${node[ntp]}" && systemctl --no-block try-restart systemd-timesyncd.service
  elif [ -e "$servers" ]; then
    rm -f "$servers"
    systemctl --no-block try-restart systemd-timesyncd.service
  fi

  # sshd reads a second file besides authorized_keys, which is the image's and the administrator's.
  if [ -n "${node[ssh-key]-}" ]; then
    [ -d "$root/root/.ssh" ] || mkdir -pm 700 "$root/root/.ssh"
    write_file /root/.ssh/authorized_keys2 "# From node.toml, which replaces it at every start.
${node[ssh-key]}" 600
  elif grep -qs '^# From node.toml' "$root/root/.ssh/authorized_keys2"; then
    rm -f "$root/root/.ssh/authorized_keys2"
  fi
  return 0
}

# --- room and time ---

# need_space FOLDER MIB WHAT
need_space() {
  local free
  free=$(df --output=avail -BM -- "$root$1" 2>/dev/null | awk 'NR == 2 { print int($1) }')
  [ -z "$free" ] || [ "$free" -ge "$2" ] || give_up "the disk is full: $(df_line "$root$1"), and $3 takes $2 MB. Delete what is not needed, or write the image to a larger card."
}

# Certificates are valid from the time that they are made at: a clock in 1970 makes a cluster that nobody believes later. systemd has begun at the
# image's date or at the time of the last shutdown (systemd-timesyncd.service(8)), whichever is later; here that is made sure.
wait_for_clock() {
  local oldest now waited=0
  oldest=$(stat -c %Y "$root/usr/lib/clock-epoch" 2>/dev/null) || oldest=0
  now=$(date +%s)
  if [ "$now" -lt "$oldest" ]; then
    say "the clock says $(date -u -d "@$now" +%F), before this image was made; it is set to $(date -u -d "@$oldest" +%F). Has the machine no battery-backed clock, and no time server?"
    date -u --set="@$oldest" >/dev/null || give_up "the clock cannot be set, and certificates made now would never be valid"
  fi
  # Without a clock of its own, the machine had better ask; without a network, it cannot.
  [ ! -e "$root/dev/rtc0" ] && [ "${1-}" != "$(private_address)" ] || return 0
  while [ ! -e "$root/run/systemd/timesync/synchronized" ] && [ "$waited" -lt 30 ]; do
    sleep 2
    waited=$((waited + 2))
  done
}

# take_time SERVER: a machine without a clock of its own that no time server has answered takes the time of its control plane, as the head of any answer
# says it: whatever certificates it is shown would be of the future else. Only forward, and nobody vouches for it, as for a time server's; who the server is,
# ca-cert-hash says later.
take_time() {
  local said theirs now oldest
  [ ! -e "$root/dev/rtc0" ] && [ ! -e "$root/run/systemd/timesync/synchronized" ] || return 0
  said=$(timeout 120 kubectl --kubeconfig /dev/null --server "https://$1" --insecure-skip-tls-verify --token none --request-timeout 60s -v 8 get --raw /version 2>&1 | sed -n 's/.*Date: *\([A-Z][a-z][a-z], [^"]* GMT\).*/\1/p' | head -n 1)
  theirs=$(date -u -d "${said:-nothing}" +%s 2>/dev/null) || return 0
  now=$(date +%s)
  [ "$theirs" -gt "$now" ] || return 0
  # A clock that is far ahead makes every certificate expire, and would stay so after a restart.
  oldest=$(stat -c %Y "$root/usr/lib/clock-epoch" 2>/dev/null) || oldest=0
  if [ "$theirs" -gt $((oldest + 15 * 31557600)) ]; then
    say "$1 says that it is $(date -u -d "@$theirs" +%F), more than 15 years after this image was made, and is not believed"
    return 0
  fi
  say "no time server has answered: the clock is set from $(date -u -d "@$now" '+%F %R') to $(date -u -d "@$theirs" '+%F %R') UTC, the time of $1"
  date -u --set="@$theirs" >/dev/null || say "the clock cannot be set"
}

# --- addresses ---

private_address() {
  local candidate
  for candidate in 172.31.255.1 192.168.255.1 10.255.255.1; do
    overlaps "${node[pod-network]:-10.244.0.0/16}" "$candidate/32" || overlaps "${node[service-network]:-10.96.0.0/12}" "$candidate/32" || break
  done
  echo "$candidate"
}

has_address() { ip -4 -oneline address show 2>/dev/null | awk -v wanted="$1" '{ split($4, part, "/"); if (part[1] == wanted) found = 1 } END { exit !found }'; }

default_device() { ip -4 -oneline route show default 2>/dev/null | awk '{ for (i = 1; i < NF; i++) if ($i == "dev") { print $(i + 1); exit } }' | grep .; }

# The interface of a card that has an address, on standard output.
addressed_card() {
  local card
  for card in "$root"/sys/class/net/*; do
    [ -e "$card/device" ] || continue
    if ip -4 -oneline address show dev "${card##*/}" scope global 2>/dev/null | grep -q .; then
      echo "${card##*/}"
      return
    fi
  done
  return 1
}

# ensure_route: a network without a gateway has no default route, which kubelet, flanneld and who calls a Service's address all look for, whether
# or not it leads anywhere. It gets one, the last of all.
ensure_route() {
  local device
  if default_device >/dev/null; then return; fi
  device=$(addressed_card) && ip -4 route replace default dev "$device" metric 2000000000
}

# The address of the default route's interface, on standard output.
own_address() {
  local device
  ensure_route
  device=$(default_device) || return
  ip -4 -oneline address show dev "$device" scope global 2>/dev/null | awk '{ split($4, part, "/"); print part[1]; exit }' | grep .
}

# Whether a network card is there; "carrier" asks whether a cable or a radio link is too.
has_card() {
  local card
  for card in "$root"/sys/class/net/*; do
    [ -e "$card/device" ] || continue
    [ "${1-}" != carrier ] || [ "$(cat "$card/carrier" 2>/dev/null)" = 1 ] || continue
    return 0
  done
  return 1
}

# hold_address ADDRESS: puts it on an interface of its own, with the last of all default routes.
hold_address() {
  ip link show dev "$spare" >/dev/null 2>&1 || ip link add "$spare" type dummy || return
  ip -4 address replace "$1/32" dev "$spare" && ip link set "$spare" up && ip -4 route replace default dev "$spare" metric 2000000000
}

# find_address: the address that the API is reached by, into `address`. A single node without a network makes one up, which stays its own.
find_address() {
  local wanted=${node[address]-} waited=0 patience
  while :; do
    if [ -n "$wanted" ]; then
      address=$wanted
      if has_address "$wanted"; then
        ensure_route
        return 0
      fi
    elif address=$(own_address); then
      return
    fi
    patience=20
    if has_card carrier; then patience=90; elif ! has_card; then patience=6; fi
    if [ "$waited" -ge "$patience" ] && { [ "${node[role]}" = single ] || ! has_card; }; then
      [ -n "$wanted" ] || address=$(private_address)
      tell "no network gave this machine an address; it goes on without one, as $address"
      hold_address "$address" || give_up "the address $address could not be set on the interface $spare"
      return
    fi
    if [ "$waited" -ge 6 ]; then
      if [ -n "$wanted" ]; then tell "waiting for the address $wanted (node.toml:${node_line[address]}), which is on no interface yet"
      elif has_card carrier; then tell "waiting for an address: the network has a link, but no DHCP server has answered yet"
      else tell "waiting for a network: is the cable in, or the Wi-Fi set up?"; fi
    fi
    sleep 2
    waited=$((waited + 2))
  done
}
