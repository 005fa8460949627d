#!/bin/sh
# Stands in for GRUB's program of that name: FILE set NAME=VALUE, FILE unset NAME.
set -eu
case $2 in
set) echo "$3" >"$1" ;;
unset) rm -f "$1" ;;
esac
