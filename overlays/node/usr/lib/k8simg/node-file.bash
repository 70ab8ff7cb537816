# Reads node.toml: the flat part of TOML that `k8simg node-config check` takes on the host, with the same verdicts (tests/data/node).
# shellcheck shell=bash

node_keys='role hostname server token ca-cert-hash pod-network service-network address ntp ssh-key'
declare -A node=() node_line=()  # key → value, key → line
node_mistakes=()                 # "node.toml:LINE: KEY: what is wrong and what to do"
node_joined=''                   # set by who knows that this machine is a worker already, which needs no token
readonly token_removed='# token: removed after use'  # how the line begins that forget_token leaves

mistake() { node_mistakes+=("node.toml:$1: $2"); }

# read_node_file FILE: fills node and node_line; false with node_mistakes when something is wrong.
read_node_file() {
  local LC_ALL=C file=$1 line count=0 bytes
  node=() node_line=() node_mistakes=() token_used=''
  bytes=$(stat -Lc %s -- "$file") || { mistake 1 "the file cannot be read"; return 1; }
  if [ "$bytes" -gt 65536 ]; then
    mistake 1 "the file has $bytes bytes, and more than 65536 are not read"
    return 1
  fi
  if [ "$(tr -d '\0' <"$file" | wc -c)" != "$bytes" ]; then
    mistake 1 'the file is no text; save it as "UTF-8" or "plain text"'
    return 1
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    count=$((count + 1))
    [ "$count" -gt 1 ] || line=${line#$'\xef\xbb\xbf'}
    line=${line%$'\r'}
    read_node_line "$count" "$line"
  done <"$file"
  check_role
  check_networks
  [ ${#node_mistakes[@]} -eq 0 ]
}

readonly form='a line here is KEY = "TEXT" or a comment: the key without quotes or dots, the text without backslashes'

read_node_line() {
  local count=$1 line=$2 key rest text wrong=''
  if [[ $line == *[$'\x01'-$'\x08\x0b'-$'\x1f\x7f']* ]]; then
    mistake "$count" "holds a control character; type the line anew"
    return
  fi
  if [[ $line == *[$'\x80'-$'\xff']* ]]; then
    # iconv takes what is above U+10FFFF, and the forms of five and six bytes.
    if [[ $line == *[$'\xf5'-$'\xff']* || $line == *$'\xf4'[$'\x90'-$'\xbf']* ]] || ! iconv -f UTF-8 -t UTF-8 <<<"$line" >/dev/null 2>&1; then
      mistake "$count" 'is no UTF-8 text; save the file as "UTF-8"'
      return
    fi
  fi
  [[ $line != "$token_removed"* ]] || token_used=yes
  [[ $line =~ ^[$' \t']*(#.*)?$ ]] && return
  if ! [[ $line =~ ^[$' \t']*([A-Za-z0-9_-]+)[$' \t']*=[$' \t']*(.*)$ ]]; then
    mistake "$count" "$form"
    return
  fi
  key=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]}
  if [[ $rest =~ ^\"([^\"\\]*)\"[$' \t']*(#.*)?$ ]] || [[ $rest =~ ^\'([^\']*)\'[$' \t']*(#.*)?$ ]]; then
    text=${BASH_REMATCH[1]}
  elif [[ $rest =~ ^(true|false|0|[-+]?[1-9][0-9]*)[$' \t']*(#.*)?$ ]]; then
    wrong="must be text in quotes: $key = \"${BASH_REMATCH[1]}\""
  else
    mistake "$count" "$key: $form"
    return
  fi
  if [ -n "${node_line[$key]-}" ]; then
    mistake "$count" "$key: is already set on line ${node_line[$key]}; remove one of them"
    return
  fi
  node_line[$key]=$count
  if [[ " $node_keys " != *" $key "* ]]; then mistake "$count" "$key: is no key that there is: ${node_keys// /, }"
  elif [ -n "$wrong" ]; then mistake "$count" "$key: $wrong"
  elif check_value "$count" "$key" "$text"; then node[$key]=$text; fi
}

is_ipv4() {
  local part
  [[ $1 =~ ^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$ ]] || return
  for part in "${BASH_REMATCH[@]:1}"; do
    [[ $part == 0 || $part != 0* ]] && [ "$part" -le 255 ] || return
  done
}
# ipv4_number ADDRESS: as one number, on standard output.
ipv4_number() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  echo $((a << 24 | b << 16 | c << 8 | d))
}
is_ipv6() {
  local LC_ALL=C text=$1 groups count=0 group tail
  [[ $text =~ ^[0-9a-fA-F:.]+$ && $text == *:* ]] || return
  if [[ $text == *.* ]]; then  # the last 32 bits as IPv4
    tail=${text##*:}
    is_ipv4 "$tail" || return
    text=${text%:*}:0:0
  fi
  [[ $text != *:::* && $text != *::*::* ]] || return
  [[ $text != :* || $text == ::* ]] && [[ $text != *: || $text == *:: ]] || return
  IFS=: read -ra groups <<<"$text"
  for group in "${groups[@]}"; do
    [ -n "$group" ] || continue
    [ ${#group} -le 4 ] || return
    count=$((count + 1))
  done
  if [[ $text == *::* ]]; then [ "$count" -le 7 ]; else [ "$count" -eq 8 ]; fi
}
is_domain_name() {
  local label labels
  [[ -n $1 && ${#1} -le 253 && $1 != .* && $1 != *. && $1 != *..* ]] || return
  IFS=. read -ra labels <<<"$1"
  for label in "${labels[@]}"; do
    [[ ${#label} -le 63 && $label =~ ^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$ ]] || return
  done
  [[ ! $label =~ ^[0-9]+$ ]]
}

# well_known_secret SECRET: the second half of a token that everybody can know: Kubernetes' documentation shows it, or it is of five characters or fewer.
well_known_secret() {
  local LC_ALL=C rest=$1 count=0
  case $1 in
    0123456789abcdef | 1234567890abcdef | f395accd246ae52d | c0izixklcxtmnze7 | 3f89s0fje9f38fhf | 9r9hcjoqgajrj4gi | d09sbcov8ph2amjw) return 0 ;;
  esac
  while [ -n "$rest" ]; do
    rest=${rest//"${rest:0:1}"/} count=$((count + 1))
  done
  [ "$count" -le 5 ]
}

# check_value LINE KEY TEXT
check_value() {
  local LC_ALL=C text=$3 wrong='' host port
  case $2 in
    role)
      case $text in
        single | control-plane | worker | standalone) ;;
        *) wrong='must be "single", "control-plane", "worker" or "standalone"' ;;
      esac ;;
    hostname)
      [[ ${#text} -le 63 && $text =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ && $text != localhost ]] ||
        wrong='must be a name of this machine'"'"'s own: up to 63 of a-z, 0-9 and -' ;;
    server)
      host=${text%:*} port=${text##*:}
      [[ $host =~ ^\[(.+)\]$ ]] && host=${BASH_REMATCH[1]}
      if [[ $text == *://* ]]; then wrong='must be ADDRESS:PORT without what stands before "//"'
      elif [[ $text != *:* || ! $port =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65535 ]; then wrong='must be ADDRESS:PORT such as "192.168.1.10:6443"'
      elif [[ $text == \[* ]]; then is_ipv6 "$host" || wrong='must be ADDRESS:PORT such as "[fd00::10]:6443"'
      else is_ipv4 "$host" || is_domain_name "$host" || wrong='must be ADDRESS:PORT such as "192.168.1.10:6443"'; fi ;;
    token)
      # A secret is not repeated.
      [[ $text =~ ^[a-z0-9]{6}\.[a-z0-9]{16}$ ]] || {
        mistake "$1" "$2: must be six and sixteen of a-z and 0-9 with a dot between; $new_token_from"
        return 1
      }
      if well_known_secret "${text#*.}"; then
        mistake "$1" "$2: is an example that everybody knows, and no secret; $new_token_from. A control plane needs none here"
        return 1
      fi ;;
    ca-cert-hash)
      if ! [[ $text =~ ^sha256:[0-9a-f]{64}$ ]]; then wrong='must be "sha256:" and 64 digits of 0-9 and a-f'
      elif text=${text#sha256:}; [ -z "${text//"${text:0:1}"/}" ] || [ "$text" = 8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78 ]; then
        wrong='must be the hash of your own cluster, which `cat /etc/kubernetes/k8simg-join` on the control plane shows'
        text=sha256:$text
      fi ;;
    pod-network)
      if ! check_network "$text" 8 24; then wrong='must be an IPv4 network from /8 to /24 that begins at its first address, such as "10.244.0.0/16"'
      elif special_network "$text"; then wrong="$no_network"; fi ;;
    service-network)
      if ! check_network "$text" 12 24; then wrong='must be an IPv4 network from /12 to /24 that begins at its first address, such as "10.96.0.0/12"'
      elif special_network "$text"; then wrong="$no_network"; fi ;;
    address)
      if is_ipv4 "$text"; then
        case ${text%%.*} in
          0 | 127 | 22[4-9] | 2[3-5]?) wrong='must be an address that other machines reach' ;;
        esac
      else
        wrong='must be an IPv4 address such as "192.168.1.10"'
      fi ;;
    ntp) is_ipv4 "$text" || is_ipv6 "$text" || is_domain_name "$text" || wrong='must be a host name or an address' ;;
    ssh-key)
      [[ $text =~ ^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)[$' \t']+(AAAA[A-Za-z0-9+/=]{36,})([$' \t'].*)?$ ]] ||
        wrong='must be the line of a public key file such as id_ed25519.pub: "ssh-ed25519 AAAA..."' ;;
  esac
  [ -z "$wrong" ] || { mistake "$1" "$2: $wrong, not \"$text\""; return 1; }
}

# check_network CIDR FEWEST MOST
check_network() {
  local address=${1%/*} bits=${1##*/}
  [[ $1 == */* && $bits =~ ^(0|[1-9][0-9]?)$ ]] && is_ipv4 "$address" && [ "$bits" -ge "$2" ] && [ "$bits" -le "$3" ] || return
  [ $(($(ipv4_number "$address") & (1 << (32 - bits)) - 1)) -eq 0 ]
}

readonly new_token_from='`/usr/libexec/k8simg-node token` on the control plane makes one'
readonly no_network='must not overlap 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16 or 224.0.0.0/3, whose addresses no machine can have'

# special_network CIDR: whether it overlaps what is this machine, this link, or a group of machines (RFC 6890, RFC 5771).
special_network() {
  local special
  for special in 0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3; do
    overlaps "$1" "$special" && return
  done
  return 1
}

# What a role needs, and what it has no use for: a key in the wrong file is a role in the wrong file. What is missing is told only when nothing else
# is wrong: it may stand in a line that was not understood.
check_role() {
  local role=${node[role]-} key
  if [ -z "${node_line[role]-}" ]; then
    [ ${#node_mistakes[@]} -gt 0 ] || mistake 1 'role: is missing; write role = "single", "control-plane", "worker" or "standalone"'
    return
  fi
  [ -n "$role" ] || return
  for key in server:worker token:worker,control-plane,single ca-cert-hash:worker pod-network:single,control-plane,standalone service-network:single,control-plane; do
    [ -z "${node_line[${key%%:*}]-}" ] || [[ ,${key#*:}, == *",$role,"* ]] ||
      mistake "${node_line[${key%%:*}]}" "${key%%:*}: has no meaning with role = \"$role\": it is for ${key#*:}; remove the line or change the role"
  done
  [ "$role" = worker ] && [ ${#node_mistakes[@]} -eq 0 ] || return 0
  for key in server token ca-cert-hash; do
    [ "$key" != token ] || [ -z "$node_joined$token_used" ] || continue
    [ -n "${node_line[$key]-}" ] || mistake "${node_line[role]}" "$key: is missing, which role = \"worker\" needs; \`/usr/libexec/k8simg-node token\` on the control plane shows it"
  done
}

overlaps() {
  local a=${1%/*} b=${2%/*} bits=${1#*/} mask
  [ "${2#*/}" -ge "$bits" ] || bits=${2#*/}
  mask=$((0xffffffff << (32 - bits) & 0xffffffff))
  [ $(($(ipv4_number "$a") & mask)) -eq $(($(ipv4_number "$b") & mask)) ]
}

check_networks() {
  local pods=${node[pod-network]:-10.244.0.0/16} services=${node[service-network]:-10.96.0.0/12} role=${node[role]-}
  if [ "$role" != standalone ]; then
    if [ -n "${node[service-network]-}" ] && overlaps "$pods" "$services"; then
      mistake "${node_line[service-network]}" "service-network: overlaps the network of the pods, $pods; choose another"
    elif [ -n "${node[pod-network]-}" ] && overlaps "$pods" "$services"; then
      mistake "${node_line[pod-network]}" "pod-network: overlaps the network of the services, $services; choose another"
    fi
  fi
  if [ "$role" = control-plane ] && [ "${pods#*/}" -gt 23 ]; then
    mistake "${node_line[pod-network]}" "pod-network: has room for one machine, for each takes a /24 of it, and workers join a control plane; choose a network from /8 to /23, not \"$pods\""
  fi
  [ -n "${node[address]-}" ] && [ "$role" != worker ] || return 0
  if overlaps "$pods" "${node[address]}/32"; then
    mistake "${node_line[address]}" "address: lies in the pod-network, $pods, which is for what runs inside the cluster"
  fi
  if [ "$role" != standalone ] && overlaps "$services" "${node[address]}/32"; then
    mistake "${node_line[address]}" "address: lies in the service-network, $services, which is for what runs inside the cluster"
  fi
}
