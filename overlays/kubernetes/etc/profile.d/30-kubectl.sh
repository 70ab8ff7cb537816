# kubectl of root on a control-plane node uses its cluster.
if [ -r /etc/kubernetes/admin.conf ]; then
  export KUBECONFIG="${KUBECONFIG:-/etc/kubernetes/admin.conf}"
fi
