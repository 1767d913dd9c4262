# Starts the kubelet as kubeadm's unit for systemd does.
# kubeadm writes these; a kubelet without them could only fail.
[ -s /var/lib/kubelet/config.yaml ] || exit
[ -s /etc/kubernetes/kubelet.conf ] || [ -s /etc/kubernetes/bootstrap-kubelet.conf ] || exit
KUBELET_KUBEADM_ARGS=
if [ -s /var/lib/kubelet/kubeadm-flags.env ]; then . /var/lib/kubelet/kubeadm-flags.env; fi
# shellcheck disable=SC2086 # a list of arguments
exec /usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
  --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
