# What kubeadm and the kubelet are told: their configuration files, made from node.toml and the machine's memory.
# shellcheck shell=bash disable=SC2154,SC2059

kubernetes_version=v1.37.1

# preloaded: whether containerd has the images of this image, or the registries have to be asked.
preloaded() { [ -e "$root/var/lib/containerd/k8simg-images.sha256" ]; }
pull_policy() { if preloaded; then echo Never; else echo IfNotPresent; fi; }

# The memory limit is soft: above it Go's garbage collector works harder. A share of the machine's memory in percent, at least MIB.
memory_limit() {
  local share
  share=$(($(memory_mib) * $1 / 100))
  [ "$share" -ge "$2" ] || share=$2
  echo "${share}MiB"
}

# go_environment INDENT SHARE LEAST [NAME VALUE]: extraEnvs of a control-plane program; no limits on a machine with memory to spare.
go_environment() {
  local indent=$1 variables=()
  if [ "$(memory_mib)" -lt 3500 ]; then variables+=(GOGC 50 GOMEMLIMIT "$(memory_limit "$2" "$3")"); fi
  [ $# -lt 5 ] || variables+=("$4" "$5")
  [ ${#variables[@]} -gt 0 ] || return 0
  printf '%sextraEnvs:\n' "$indent"
  printf "$indent- {name: %s, value: \"%s\"}\n" "${variables[@]}"
}

node_registration() {
  # NumCPU, Mem: kubeadm asks for 2 processors and 1700 MB; a board has what it has, and runs. Swap: it is compressed memory, and no pod uses it.
  # Hostname: a node without a name server is still a node.
  cat <<EOF
nodeRegistration:
  name: "${state[hostname]}"
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: $(pull_policy)
  ignorePreflightErrors: [NumCPU, Mem, Swap, Hostname]
EOF
  [ -z "${node[address]-}" ] || printf '  kubeletExtraArgs:\n  - {name: node-ip, value: "%s"}\n' "${node[address]}"
  [ "${node[role]}" != single ] || echo '  taints: []  # pods run here too'
}

# new_token: a bootstrap token by chance, on standard output.
new_token() {
  local LC_ALL=C text
  text=$(tr -dc 'a-z0-9' </dev/urandom | head -c 22)
  printf '%s.%s' "${text:0:6}" "${text:6}"
}

# Patience for one slow core and an SD card.
timeouts() {
  cat <<'EOF'
timeouts:
  controlPlaneComponentHealthCheck: 20m
  kubeletHealthCheck: 10m
  kubernetesAPICall: 5m
  etcdAPICall: 5m
  tlsBootstrap: 10m
  discovery: 1m
EOF
}

# The part that is the same for every role. evictionHard names all four, for naming one takes the others' defaults away.
kubelet_configuration() {
  local memory=100Mi
  [ "$(memory_mib)" -ge 1500 ] || memory=50Mi
  cat <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
memorySwap:
  swapBehavior: NoSwap
# A pod that names no seccomp profile gets the runtime's instead of none.
seccompDefault: true
evictionHard:
  memory.available: $memory
  nodefs.available: 5%
  nodefs.inodesFree: 5%
  imagefs.available: 5%
EOF
}

# init_configuration ADDRESS
init_configuration() {
  # Who begins before the API server waits for it.
  local architecture='' api_ready=(HYPERKUBE_API_READY "https://$1:6443/readyz")
  # etcd runs on 32-bit ARM, but its authors do not vouch for it.
  case $(uname -m) in arm*) architecture=arm ;; esac
  cat <<EOF
# Written by k8simg-node from node.toml.
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: "$1"
  bindPort: 6443
EOF
  node_registration
  cat <<EOF
bootstrapTokens:
- token: "${node[token]:-$(new_token)}"
  description: of the first start
  ttl: 24h0m0s
  usages: [signing, authentication]
  groups: ["system:bootstrappers:kubeadm:default-node-token"]
EOF
  printf 'patches:\n  directory: %s\n' "$root/usr/share/k8simg/patches/${node[role]}"
  timeouts
  # Certificates: nobody renews them on an appliance, and a year without a clock or a network is no reason for a cluster to end. A key on an elliptic
  # curve is made in an instant, where one for RSA takes a slow core many seconds, a dozen times; and signing, once for each connection, is cheap.
  cat <<EOF
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $kubernetes_version
encryptionAlgorithm: ECDSA-P256
certificateValidityPeriod: 87600h
caCertificateValidityPeriod: 175200h
networking:
  podSubnet: "${node[pod-network]:-10.244.0.0/16}"
  serviceSubnet: "${node[service-network]:-10.96.0.0/12}"
etcd:
  local:
    dataDir: /var/lib/etcd
    extraArgs:
    # Fewer entries of the log in memory.
    - {name: snapshot-count, value: "2000"}
    # It is alone, and waits for this long before it elects itself.
    - {name: heartbeat-interval, value: "200"}
    - {name: election-timeout, value: "1000"}
    # SD cards pause for hundreds of milliseconds, which is no news.
    - {name: log-level, value: warn}
    - {name: warning-apply-duration, value: 2s}
    - {name: warning-unary-request-duration, value: 2s}
EOF
  go_environment '    ' 6 48 ${architecture:+ETCD_UNSUPPORTED_ARCH "$architecture"}
  cat <<EOF
apiServer:
  certSANs: ["${state[hostname]}", "${state[hostname]}.local", localhost, 127.0.0.1]
  extraArgs:
  - {name: profiling, value: "false"}
  - {name: max-requests-inflight, value: "100"}
  - {name: max-mutating-requests-inflight, value: "50"}
  - {name: event-ttl, value: 30m}
EOF
  # A queue for each kind of client keeps a client that asks in a loop from taking the places of the nodes. A single node spares itself the queues and
  # the objects that describe them.
  [ "${node[role]}" != single ] || echo '  - {name: enable-priority-and-fairness, value: "false"}'
  # The first objects are written into the database at once, not one after the other through the API server.
  go_environment '  ' 20 180 HYPERKUBE_FIRST_OBJECTS 1
  cat <<EOF
controllerManager:
  extraArgs:
  - {name: profiling, value: "false"}
  - {name: cluster-signing-duration, value: 87600h}
  # Its controllers begin one after the other, with some two hundred requests together, which upstream's limit of 20 a second makes ten seconds of.
  - {name: kube-api-qps, value: "100"}
  - {name: kube-api-burst, value: "200"}
EOF
  # There is one of each: an election is a write to the disk every other second.
  [ "${node[role]}" != single ] || echo '  - {name: leader-elect, value: "false"}'
  go_environment '  ' 8 64 "${api_ready[@]}"
  cat <<EOF
scheduler:
  extraArgs:
  - {name: profiling, value: "false"}
EOF
  [ "${node[role]}" != single ] || echo '  - {name: leader-elect, value: "false"}'
  go_environment '  ' 6 48 "${api_ready[@]}"
  echo ---
  kubelet_configuration
  cat <<EOF
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: "${node[pod-network]:-10.244.0.0/16}"
EOF
}

join_configuration() {
  cat <<EOF
# Written by k8simg-node from node.toml.
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "${node[server]}"
    token: "${node[token]}"
    caCertHashes: ["${node[ca-cert-hash]}"]
EOF
  node_registration
  timeouts
}

# A kubelet of its own: pods are files of /etc/kubernetes/manifests. It listens to nobody (enableServer); if somebody turns that on, nobody is let in.
standalone_configuration() {
  kubelet_configuration
  cat <<'EOF'
staticPodPath: /etc/kubernetes/manifests
resolvConf: /run/systemd/resolve/resolv.conf
enableServer: false
readOnlyPort: 0
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: false
authorization:
  mode: AlwaysAllow
EOF
}

# The pods' network of a node without a cluster: flanneld's, with one subnet and masquerading.
standalone_network() {
  local network=${node[pod-network]:-10.244.0.0/16}
  cat <<EOF
{
  "cniVersion": "1.0.0",
  "name": "cbr0",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "forceAddress": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni/networks",
        "ranges": [[{"subnet": "${network%/*}/24"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
EOF
}
