# root on a control-plane node reaches its own cluster.
if [ -r /etc/kubernetes/admin.conf ]; then
  export KUBECONFIG="${KUBECONFIG:-/etc/kubernetes/admin.conf}"
fi
