#!/bin/sh
# What kubeadm made static pods of this machine become services of runit, told the same flags, and kube-proxy is one too:
# as on clusters that were set up without kubeadm. $1: the pods' addresses.
set -eu
service() {
  mkdir -p "/etc/sv/$1"
  ln -sfn "/opt/lab/current/$1" "/usr/local/bin/$1"
  {
    printf '#!/bin/sh\nexec >>/var/log/%s.log 2>&1\nexec /usr/local/bin/%s' "$1" "$1"
    # A shell would look for files where there is a star.
    sed "/[^][A-Za-z0-9_=,.:/-]/ s/.*/'&'/" | while read -r word; do printf ' \\\n  %s' "$word"; done
    echo
  } >"/etc/sv/$1/run"
  chmod 755 "/etc/sv/$1/run"
}
# kube-proxy calls it by these names, which are links in its image.
mkdir -p /usr/local/sbin
for name in iptables ip6tables; do
  for end in '' -save -restore; do ln -sfn /usr/sbin/xtables-nft-multi "/usr/local/sbin/$name$end"; done
done
service kube-proxy <<EOF
--kubeconfig=/etc/kubernetes/kube-proxy.conf
--hostname-override=$(hostname)
--cluster-cidr=$1
--proxy-mode=iptables
--conntrack-max-per-core=0
--conntrack-min=0
--conntrack-tcp-timeout-established=0
--conntrack-tcp-timeout-close-wait=0
--oom-score-adj=0
EOF
services=kube-proxy
for manifest in /etc/kubernetes/manifests/*.yaml; do
  [ -e "$manifest" ] || continue
  name=$(basename "$manifest" .yaml)
  # The command of the one container: its name, then flags.
  sed -n '/^  - command:$/,/^    [^ -]/ s/^    - \(-.*\)/\1/p' "$manifest" | service "$name"
  services="$services $name"
done
if [ "$services" != kube-proxy ]; then
  # Without the kubelet, which would start them again.
  sv -w 20 down kubelet >/dev/null
  mkdir -p /root/static-pods
  mv /etc/kubernetes/manifests/*.yaml /root/static-pods/
  pods=$(crictl pods -q --label tier=control-plane)
  # shellcheck disable=SC2086 # a list
  crictl stopp $pods >/dev/null && crictl rmp -f $pods >/dev/null
fi
for name in $services; do ln -sfn "/etc/sv/$name" "/etc/service/$name"; done
sv up kubelet >/dev/null
