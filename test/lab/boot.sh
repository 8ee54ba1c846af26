#!/bin/sh
# Becomes the container of one host. Runs in a mount namespace of its own (unshare --mount), so that nothing it mounts is
# seen outside or stays behind; what is unmounted outside goes away here too, and is not kept busy. Usage: boot.sh FOLDER CGROUP BASE_ROOT NETNS MACHINE HOST_NAME
set -eu
folder=$1 cgroup=$2 base=$3 netns=$4 machine=$5 name=$6
echo $$ >"$folder/pid"

# systemd 257 and newer boot on the plain cgroup v2 view only; a machine with the old layout shows something else here.
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
# A cgroup for each host: two hosts in one would share a payload group and mix.
mkdir -p "/sys/fs/cgroup/$cgroup"
echo $$ >"/sys/fs/cgroup/$cgroup/cgroup.procs"

mkdir -p "$folder/root"
mount -t overlay -o "lowerdir=$base,upperdir=$folder/disk,workdir=$folder/work" overlay "$folder/root"
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet -D "$folder/root" "--machine=$machine" "--hostname=$name" --boot \
	--register=no --keep-unit --resolv-conf=off --timezone=off --link-journal=no \
	"--network-namespace-path=/run/netns/$netns" --capability=CAP_NET_ADMIN
