#!/bin/sh
# Stands in for install-grub.pl: the menu of all generations, with the system $1 as the default.
set -eu
mkdir -p /boot/grub
{
  echo "# default: $1"
  echo 'menuentry "NixOS - Default" --class nixos {'
  echo 'submenu "NixOS - All configurations" --class submenu {'
  for link in /nix/var/nix/profiles/system-*-link; do
    n=${link##*/system-}
    echo "menuentry \"NixOS - Configuration ${n%-link} (2026-04-01 - 26.05)\" --class nixos {"
  done
} >/boot/grub/grub.cfg.new
mv /boot/grub/grub.cfg.new /boot/grub/grub.cfg
