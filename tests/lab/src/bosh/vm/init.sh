#!/bin/sh
# The first process of one VM of the lab, in network, mount, UTS, IPC and PID namespaces of its own: makes the VM's
# root, then keeps sshd, monit and what else a stemcell runs going, as its init system would. Whatever this process
# leaves running dies with it.
set -eu

# 1. A root of the VM's own. It sees of the world outside: /usr (changes stay in the VM) and a few devices.
mount --make-rprivate /
mount --bind "$LAB_ROOT" "$LAB_ROOT"
cd "$LAB_ROOT"
mount -t tmpfs -o mode=700 tmpfs .usr
mkdir .usr/changed .usr/work
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$LAB_ROOT/.usr/changed,workdir=$LAB_ROOT/.usr/work" usr
for folder in bin sbin lib lib64; do
  # Where these are no links into /usr, they are directories that nothing in the VM should change.
  if [ -d "/$folder" ] && [ ! -L "/$folder" ]; then
    mkdir -p "$folder" && mount --bind "/$folder" "$folder" && mount -o remount,bind,ro "$folder"
  fi
done
for program in $LAB_PROGRAMS; do
  mkdir -p ".${program%/*}" && : >".$program" && mount --bind "$LAB_PROGRAM" ".$program"
done
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device" && mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=755 tmpfs run
# The disk that jobs write to; small, so that it can be filled.
mount -t tmpfs -o mode=755,size=24m tmpfs var/vcap/data
mkdir -p var/vcap/data/sys/run var/vcap/data/sys/log var/vcap/data/tmp
chmod 1777 var/vcap/data/tmp
mount --bind var/vcap/data/tmp tmp
pivot_root . .outside
cd /
umount -l /.outside
hostname "$LAB_VM"

# 2. The network: the lab puts eth0 into this namespace as soon as it exists.
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "$LAB_ADDRESS/24" dev eth0
ip link set eth0 up

# 3. Programs. Each is started again when it ends, as an init system would do it, unless the lab wants it down.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
# Whoever started the lab may need a proxy for the world outside; here there is none to reach.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
mkdir -p /run/lab /run/sshd
keep() {
  while :; do
    if [ -e "/var/vcap/lab/down/$1" ]; then
      sleep 0.2
      continue
    fi
    "$1" >>"/var/log/$1.log" 2>&1 &
    echo $! >"/run/lab/$1.pid"
    wait $! || true
    rm -f "/run/lab/$1.pid"
    sleep 0.1
  done
}
sshd() { exec /usr/sbin/sshd -D -e; }
monit() { exec $LAB_MONIT; }
docker() { exec /usr/local/bin/docker-proxy 1000000; }
[ -e /etc/ssh/ssh_host_rsa_key ] || ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f /etc/ssh/ssh_host_rsa_key
keep sshd &
if [ -n "$LAB_MONIT" ]; then
  keep docker &
  # As if monit had just restarted: it finds its jobs running, and need not look twice before it says so.
  for control in $LAB_CONTROLS; do setsid --fork "$control" start; done
  until [ -s "$LAB_PIDFILE" ]; do sleep 0.02; done
  keep monit &
fi
wait
