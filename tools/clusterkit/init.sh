#!/bin/sh
# The first process of a node. The machine's root, read-only, is where it starts; it moves to the
# node's own disk, takes /usr along, and starts containerd and kubelet. It never ends: a node is
# switched off by ending its kernel.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DM_DISABLE_UDEV=1 # dmsetup makes no nodes otherwise
root=/mnt

mount -n -t proc proc /proc
# Sets name, address, gateway, port, cluster, node, pause, modules; defines add_routes.
. "$NODE_FOLDER/settings"

mount -n -t ext4 -o noatime /dev/ubda $root
cp -r "$NODE_FOLDER/etc/." $root/etc/
mount -n --bind /usr $root/usr
mount -n -o remount,bind,ro $root/usr
mount -n --bind "$modules" $root/usr/lib/modules
mount -n -t hostfs -o "$cluster" none $root/cluster
mount -n -t proc proc $root/proc
mount -n -t sysfs sysfs $root/sys
mount -n -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -n --move /dev $root/dev # the kernel mounted it
mount -n -t tmpfs -o mode=755 run $root/run
mkdir -p $root/dev/pts $root/dev/shm $root/dev/mqueue $root/run/lock $root/run/lvm
mount -n -t devpts -o mode=620,ptmxmode=666 devpts $root/dev/pts
mount -n -t tmpfs -o mode=1777 shm $root/dev/shm
ln -sf /proc/self/fd $root/dev/fd

cd $root || exit
pivot_root . oldroot
cd /
umount -l /oldroot
mount --make-rshared / # only now: pivot_root refuses shared mounts
export PATH=/cluster/bin:$PATH HOME=/root

logs=/cluster/state/logs
exec </dev/null >>"$logs/$name-init.log" 2>&1
set -x
hostname "$name"
ip link set lo up
ip link set vec0 up
ip address add "$address/24" dev vec0
ip route add default via "$gateway"
add_routes
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/kernel/panic_on_oops
ulimit -Hn 524288 # as under systemd
ulimit -Sn 524288
modprobe -a overlay bridge veth loop ext4 xfs btrfs \
    dm-mod dm-thin-pool dm-snapshot dm-raid dm-flakey dm-delay dm-log-writes

# Kubelet counts CPUs by fields that user-mode Linux does not show.
{
    sed '/^$/d' /proc/cpuinfo
    printf 'cpu MHz\t\t: 2000.000\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n\n'
} >/run/cpuinfo
mount -n --bind /run/cpuinfo /proc/cpuinfo

vgchange --quiet -ay # what a machine with systemd does at boot
python3 "$node/agent.py" "$address" "$port" &

import() {
    ctr --namespace k8s.io images import --local "$1"
}

containerd --config /etc/containerd.toml >>"$logs/$name-containerd.log" 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
[ -e /var/lib/imported ] || import /cluster/images/pause.tar
# As a service manager does it: a kubelet that ends is started again.
while :; do
    kubelet --config=/etc/kubelet.json --kubeconfig="/cluster/state/pki/$name.conf" \
        --hostname-override="$name" --node-ip="$address" >>"$logs/$name-kubelet.log" 2>&1
    sleep 1
done &
if [ ! -e /var/lib/imported ]; then
    for archive in /cluster/images/*.tar; do
        import "$archive"
    done
    sync # a node may be killed at any time
    touch /var/lib/imported
fi
touch /run/settled
wait
