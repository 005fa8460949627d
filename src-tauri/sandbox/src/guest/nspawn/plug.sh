# Runs as root with the eyes of the machine. Shows it a disk, or takes it out of its sight again, as udev does when one
# appears on a Nitro instance: the kernel's names, and links in /dev/disk/by-id. $1 is which, $2 the link of the whole
# disk; to show it, each further argument is a node, its numbers, and what its link has behind the disk's.
set -eu
how=$1 link=/dev/disk/by-id/$2
shift 2
for known in "$link" "$link"-part*; do
  if [ -L "$known" ]; then
    rm -f "$(readlink -f "$known")" "$known"
  fi
done
[ "$how" = show ] || exit 0
mkdir -p /dev/disk/by-id
for part; do
  IFS=:
  # shellcheck disable=SC2086 # it has four fields
  set -- $part
  mknod -m 660 "/dev/$1" b "$2" "$3"
  ln -s "../../$1" "$link${4:-}"
done
