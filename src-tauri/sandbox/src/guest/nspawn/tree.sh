#!/bin/sh
# Makes the folder $1 a Debian machine, with the zellij in the file $2: what Holdfast's image has that matters to its
# tests, and nothing that only takes time to boot or space to copy. $3 is the release, $4 the mirror, $5 its components.
set -eu
tree=$1 zellij=$2

debootstrap --variant=minbase --components="$5" --include=systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,\
libnss-myhostname,sudo,zsh,git,procps,iproute2,ca-certificates,ncurses-term,fdisk,e2fsprogs,attr,acl "$3" "$tree" "$4"

# The agent's service is like that of NixOS: what its sessions started outlives it.
cp "$tree/bin/sleep" "$tree/usr/bin/amazon-ssm-agent"
cat >"$tree/etc/systemd/system/amazon-ssm-agent.service" <<'END'
[Unit]
Description=Stand-in for the agent of AWS Systems Manager

[Service]
ExecStart=/usr/bin/amazon-ssm-agent infinity
KillMode=process
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
END
ln -s ../amazon-ssm-agent.service "$tree/etc/systemd/system/multi-user.target.wants/"
chroot "$tree" useradd --create-home --shell /bin/sh ssm-user
echo 'ssm-user ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/ssm-agent-users"
# As on NixOS `sudo -i` is no login of its own for logind: what it starts stays in the agent's service.
cp "$tree/etc/pam.d/sudo" "$tree/etc/pam.d/sudo-i"

install -m 755 "$zellij" "$tree/usr/local/bin/zellij"
# In the home: zellij looks for its first run there, whatever /etc holds.
mkdir -p "$tree/etc/skel/.config/zellij"
cat >"$tree/etc/skel/.config/zellij/config.kdl" <<'END'
show_startup_tips false
show_release_notes false
END
# Without one zsh asks a new user what it shall be.
echo '# Begins empty.' >"$tree/etc/skel/.zshrc"

# No logins but through the agent, no network, nothing to do by the clock. The journal outlives a stop.
for unit in console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-networkd.service \
  systemd-resolved.service systemd-timesyncd.service systemd-firstboot.service; do
  ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
mkdir -p "$tree/var/log/journal"
# Each machine makes up its own.
: >"$tree/etc/machine-id"
rm -f "$tree/etc/hostname" "$tree/var/lib/dbus/machine-id"

rm -rf "$tree"/usr/share/doc/* "$tree"/usr/share/man/* "$tree"/usr/share/info/* "$tree"/usr/share/locale/* \
  "$tree"/var/lib/apt/lists/* "$tree"/var/cache/* "$tree"/var/log/*.log
