#!/bin/sh
# The first process of one machine of the lab, in network, mount, UTS, IPC, PID and cgroup namespaces of its
# own: makes the machine's root, then runs containerd and the kubelet and starts them again when they end, as
# an init system would. Whatever this process leaves running dies with it.
set -eu

# 1. A root of the machine's own. It sees of the world outside: /usr (its changes stay in the machine), /dev,
# and the lab's programs. The rest are plain directories, so that they can be read from outside too, and so
# that overlays of containers lie on a real file system.
mount --make-rprivate /
mount --bind "$LAB_ROOT" "$LAB_ROOT"
cd "$LAB_ROOT"
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$LAB_USR/changed,workdir=$LAB_USR/work" usr
for folder in bin sbin lib lib64; do
  # Where these are no links into /usr, they are directories that nothing in the machine should change.
  if [ -d "/$folder" ] && [ ! -L "/$folder" ]; then
    mkdir -p "$folder" && mount --bind "/$folder" "$folder" && mount -o remount,bind,ro "$folder"
  fi
done
mount --bind "$LAB_CURRENT" opt/lab/current
mount --bind "$LAB_NODE" opt/lab/node
mount --bind "$LAB_TOOLS" opt/lab/tools
mount --bind "$LAB_IMAGES" opt/lab/images
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
pivot_root . .outside
cd /
umount -l /.outside
hostname "$LAB_MACHINE"

# 2. Control groups, seen from the machine's own root of them.
if [ "$LAB_CGROUPS" = v2 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A group with processes of its own cannot give controllers to its children.
  mkdir -p /sys/fs/cgroup/init
  echo 1 >/sys/fs/cgroup/init/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
  done
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  # One mount for each hierarchy, whatever controllers the system put together in it (cpu,cpuacct).
  for hierarchy in $LAB_CGROUPS; do
    folder=/sys/fs/cgroup/${hierarchy#name=}
    mkdir -p "$folder"
    case $hierarchy in
      name=*) mount -t cgroup -o "none,$hierarchy" cgroup "$folder" || rmdir "$folder" ;;
      *,*)
        mount -t cgroup -o "$hierarchy" cgroup "$folder"
        for controller in $(echo "$hierarchy" | tr , ' '); do
          ln -s "$hierarchy" "/sys/fs/cgroup/$controller"
        done
        ;;
      *) mount -t cgroup -o "$hierarchy" cgroup "$folder" ;;
    esac
  done
fi

# 3. The kubelet writes settings of the whole system: it gets files of this machine to write to instead.
mkdir -p /run/settings
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  name=${setting%=*}
  file=/run/settings/$(echo "$name" | tr / .)
  echo "${setting#*=}" >"$file"
  if [ -e "/proc/sys/$name" ]; then mount --bind "$file" "/proc/sys/$name"; fi
done
mount --make-rshared /

# 4. The network: the lab puts eth0 into this namespace as soon as it exists.
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip -batch /etc/lab/network
for setting in net/ipv4/ip_forward=1 net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/default/rp_filter=0; do
  echo "${setting#*=}" >"/proc/sys/${setting%=*}"
done

# 5. Programs. Each is started again when it ends, as an init system would do it; to restart one is to end it.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
# Whoever started the lab may need a proxy for the world outside; here there is none to reach.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy KUBECONFIG
mkdir /run/lab
keep() {
  while :; do
    "$1" >>"/var/log/$1.log" 2>&1 &
    echo $! >"/run/lab/$1.pid"
    wait $! || true
    sleep 0.2
  done
}
containerd() {
  exec /usr/local/bin/containerd --config /etc/containerd/config.toml
}
kubelet() {
  exec sh /etc/lab/kubelet
}
supervisor() {
  exec /usr/bin/runsvdir -P /etc/service
}
sshd() {
  mkdir -p -m 755 /run/sshd
  exec /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config
}
keep sshd &
keep containerd &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.05; done
until ctr --namespace k8s.io images import --local /opt/lab/images >>/var/log/images.log 2>&1; do sleep 0.2; done
touch /var/lib/lab/ready
if [ -d /etc/service ]; then keep supervisor & else keep kubelet & fi
wait
