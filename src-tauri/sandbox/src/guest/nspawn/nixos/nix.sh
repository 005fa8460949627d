#!/bin/sh
# Stands in for nix and nix-env on the sandbox's machines.
set -eu
if [ "${0##*/}" = nix-env ]; then
  [ "$1" = --profile ] && [ "$3" = --set ] || exit 2
  n=0
  for link in "$2"-*-link; do
    m=${link##*/system-} m=${m%-link}
    case $m in *[!0-9]*) continue ;; esac
    [ "$m" -le "$n" ] || n=$m
  done
  [ "$(readlink -f "$2")" != "$4" ] || exit 0
  n=$((n + 1))
  ln -s "$4" "$2-$n-link"
  ln -sfn "${2##*/}-$n-link" "$2"
  exit 0
fi
while [ $# -gt 0 ]; do
  case $1 in
  --extra-experimental-features) shift 2 ;;
  flake | store | path-info) break ;;
  *) exit 2 ;;
  esac
done
case "$1 ${2-}" in
"flake update")
  folder=${4#path:}
  echo "warning: updating lock file '$folder/flake.lock':" >&2
  sed -i 's/"lastModified": *\([0-9]*\)/"lastModified": 1999999999/' "$folder/flake.lock"
  ;;
"store diff-closures")
  # Not from files as nix does it: the two versions of the kernel are all that can differ.
  old=$(readlink -f "$3/kernel") new=$(readlink -f "$4/kernel")
  [ "$old" = "$new" ] || echo "linux: ${old##*-} → ${new##*-}, +21.5 KiB"
  echo "ripgrep: ∅ → 14.1.1, +5800.3 KiB"
  ;;
"path-info --closure-size")
  shift 2
  for path in "$@"; do echo "$path	$((1700000000 + $(du -sk "$path" | cut -f1)))"; done
  ;;
*) exit 2 ;;
esac
