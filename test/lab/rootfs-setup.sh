#!/bin/sh
# What a lab host has beyond its packages. Called by mmdebstrap with the new root as the first argument.
set -eu
root=$1
in_root() { chroot "$root" "$@"; }

# Three people; root is the fourth. Numbers are fixed because the lab writes their authorized_keys from outside.
in_root useradd --create-home --shell /bin/bash --uid 2001 plain
in_root useradd --create-home --shell /bin/bash --uid 2002 --groups sudo careful
in_root useradd --create-home --shell /bin/bash --uid 2003 nosudo
printf 'careful:%s\n' "$LAB_CAREFUL_PASSWORD" | in_root chpasswd
printf 'plain ALL=(ALL:ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/plain"
chmod 0440 "$root/etc/sudoers.d/plain"

# Nothing that starts by itself later and disturbs a measurement; no log-in on a console nobody sees.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
	dpkg-db-backup.timer man-db.timer console-getty.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Host keys and machine-id belong to a host, not to the image.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"
mkdir -p "$root/etc/ssh/sshd_config.d"
printf 'UseDNS no\n' >"$root/etc/ssh/sshd_config.d/lab.conf"
# OpenSSH 9.8 and newer shut out an address after a few failed log-ins; here all tests come from one address.
if in_root /usr/sbin/sshd -t -o PerSourcePenalties=no -h /dev/null 2>&1 | grep -q 'PerSourcePenalties'; then :; else
	printf 'PerSourcePenalties no\n' >>"$root/etc/ssh/sshd_config.d/lab.conf"
fi

# The hosts reach no archive: nothing of the machine's apt stays in them.
rm -rf "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* \
	"$root"/etc/apt/auth.conf.d/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
