#!/bin/sh
# Makes a machine of the sandbox what is needed of NixOS to be rebuilt: an honest stand-in, since nixpkgs is not here.
# It runs before the first boot. The files are in /usr/local/lib/stand-in. The generation 1 is the one that the image came with.
set -eu
lib=/usr/local/lib/stand-in
chmod 755 "$lib"/*
mv "$lib/agent" "$lib/agent.whole"
ln -s agent.whole "$lib/agent"
ln -sf "$lib/nixos-rebuild" "$lib/grub-editenv" "$lib/nix" /usr/local/bin/
ln -sf "$lib/nix" /usr/local/bin/nix-env
echo '127.0.0.1 ssmmessages.us-west-2.amazonaws.com' >>/etc/hosts

mkdir -p /nix/store/0stock/bin /nix/store/0stock/configuration /nix/store/kernel-6.12.1/lib/modules/6.12.1 \
  /nix/var/nix/profiles /etc/nixos
cp "$lib/switch-to-configuration" /nix/store/0stock/bin/
echo "26.05.20260301.stock" >/nix/store/0stock/nixos-version
for part in kernel initrd kernel-modules; do ln -s /nix/store/kernel-6.12.1 "/nix/store/0stock/$part"; done
ln -s /nix/store/0stock /nix/var/nix/profiles/system-1-link
ln -s system-1-link /nix/var/nix/profiles/system
"$lib/menu" /nix/store/0stock
cat >/etc/nixos/configuration.nix <<'END'
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/virtualisation/amazon-image.nix" ];
  ec2.efi = true;
}
END

cd /etc/systemd/system
cat >stand-in-gateway.socket <<'END'
[Socket]
ListenStream=127.0.0.1:443
Accept=yes
END
cat >stand-in-gateway@.service <<'END'
[Service]
ExecStart=-/bin/cat
StandardInput=socket
END
cat >stand-in-boot.service <<'END'
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/stand-in/boot
[Install]
WantedBy=sysinit.target
END
cat >holdfast-boot.service <<'END'
[Unit]
After=amazon-ssm-agent.service
ConditionPathExists=/var/lib/holdfast/bin/machine
[Service]
Type=oneshot
RemainAfterExit=yes
ExecCondition=/usr/bin/test /run/booted-system -ef /run/current-system
ExecStart=/bin/sh /var/lib/holdfast/bin/machine boot
[Install]
WantedBy=multi-user.target
END
mkdir -p amazon-ssm-agent.service.d
cat >amazon-ssm-agent.service.d/stand-in.conf <<'END'
[Unit]
Wants=stand-in-gateway.socket
After=stand-in-gateway.socket
StartLimitIntervalSec=0
[Service]
ExecStart=
ExecStart=/usr/local/lib/stand-in/agent
RestartSec=1
END
systemctl enable --quiet stand-in-boot.service holdfast-boot.service
