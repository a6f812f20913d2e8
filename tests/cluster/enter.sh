#!/bin/sh
# Runs a command on a throw-away copy of a root file system. To be called in mount and process namespaces of its own:
#   unshare --mount --pid --fork --kill-child [--net] enter.sh ROOT SCRATCH NET SOURCE:TARGET[:ro]… -- COMMAND…
# SCRATCH is an empty folder; a tmpfs on it stores what the command writes outside of the mounted targets.
# NET: own or host, the network that the new /sys shows.
set -eu
root=$1 scratch=$2 net=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 cluster "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
new=$scratch/root
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" cluster "$new"
mount -t proc proc "$new/proc"
mount --rbind /dev "$new/dev"
if [ "$net" = own ]; then
    mount -t sysfs sysfs "$new/sys"
    mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"
else
    mount --rbind /sys "$new/sys"
fi
for folder in run tmp; do mount -t tmpfs -o mode=1777 cluster "$new/$folder"; done
while [ "$1" != -- ]; do
    source=${1%%:*} target=${1#*:} options=
    case $target in *:ro) target=${target%:ro} options=ro ;; esac
    if [ -d "$source" ]; then
        mkdir -p "$new$target"
    else
        mkdir -p "$new$(dirname "$target")"
        : >"$new$target"
    fi
    mount --bind "$source" "$new$target"
    [ -z "$options" ] || mount -o remount,bind,ro "$new$target"
    shift
done
shift
# The kubelet would set these for the whole machine. As they have the values it wants, it does not.
while read -r value name; do
    echo "$value" >"$new/run/sysctl-$value"
    mount --bind "$new/run/sysctl-$value" "$new/proc/sys/$name"
done <<'SYSCTLS'
1 vm/overcommit_memory
0 vm/panic_on_oom
10 kernel/panic
1 kernel/panic_on_oops
1000000 kernel/keys/root_maxkeys
25000000 kernel/keys/root_maxbytes
SYSCTLS
mkdir "$new/run/old"
cd "$new"
pivot_root . run/old
exec chroot . /bin/sh -c 'umount -l /run/old && rmdir /run/old && exec "$@"' sh "$@"
