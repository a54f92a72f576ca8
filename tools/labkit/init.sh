#!/bin/sh
# The first process of a guest: makes a machine out of the bare kernel, runs the command, leaves
# its status in the folder of the run, and powers off. The guest's root is the machine's own,
# through hostfs: what must not be shared gets a filesystem of its own on top.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /

share() {
    mkdir -p "$1" && mount -n -t hostfs -o "$1" none "$1"
}

# Sets terminal and modules; defines mount_shares and become_command.
. "$LAB_FOLDER/job"

mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys
mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /dev/pts /dev/shm # the kernel mounted devtmpfs itself
mount -n -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -n -t tmpfs -o mode=1777 shm /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -n -t tmpfs -o mode=755 run /run
mount -n -t tmpfs -o mode=1777 tmp /tmp
mount -n -t tmpfs -o mode=755 lvm /etc/lvm
mount_shares
mkdir /run/lock /run/lvm /run/lab

# There is no udev in the guest, so nobody would answer LVM's waits for it.
cat >/etc/lvm/lvm.conf <<'EOF'
activation {
    udev_sync = 0
    udev_rules = 0
    monitoring = 0
}
devices {
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
    use_devicesfile = 0
}
global {
    use_aio = 0
    use_lvmpolld = 0
    event_activation = 0
}
EOF

[ -d /lib/modules ] || mkdir /lib/modules
mount -n --bind "$modules" /lib/modules
modprobe -a dm-mod loop dm-thin-pool dm-snapshot dm-raid dm-flakey dm-delay dm-log-writes \
    ext4 xfs btrfs
ip link set lo up
ulimit -Hn 524288 # as under systemd
cat /etc/hostname >/proc/sys/kernel/hostname
echo 1 >/proc/sys/vm/panic_on_oom    # a guest without memory is an error, not a slow mystery
echo 1 >/proc/sys/kernel/panic_on_oops # nor may it go on after a fault in the kernel

if [ -n "$terminal" ]; then
    exec 6<>/dev/tty1
    # shellcheck disable=SC2086 # several words on purpose
    stty sane $terminal <&6
    (become_command 6>&-) <>/dev/tty1 >&0 2>&1
    status=$?
    stty sane <&6 # waits for the output
else
    # The consoles are raw byte channels to the runner. They are held open here, and a process
    # copies from a pipe: the command sees no terminal, as under any other runner.
    exec 6<>/dev/tty1 7<>/dev/tty2
    stty raw -echo <&6
    stty raw -echo <&7
    mkfifo /run/lab/out /run/lab/err
    cat /run/lab/out >&6 &
    out=$!
    cat /run/lab/err >&7 &
    err=$!
    (become_command 6>&- 7>&-) </dev/null >/run/lab/out 2>/run/lab/err
    status=$?
    # A daemon left behind would hold the pipes open and the run would never end.
    for process in /proc/[0-9]*; do
        case ${process#/proc/} in
        1 | "$out" | "$err") ;;
        *) kill -9 "${process#/proc/}" 2>/dev/null ;;
        esac
    done
    wait "$out" "$err"
    stty raw <&6 # setting a terminal waits for its output to be written, and however long
    stty raw <&7
fi
echo $status >"$LAB_FOLDER/status"

# Only hostfs: a suspended device must not keep the guest from ending.
sync -f /
echo o >/proc/sysrq-trigger
exec sleep infinity
