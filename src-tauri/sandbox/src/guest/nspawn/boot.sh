# Boots the machine $name from its $disk, which is made of the $tree if it is new. Runs as the first process of a PID name
# space and with mounts of its own, so that all there is of the machine ends with it. With a number in $gib the folder
# holds an image of that size, which is a real disk to the machine.
set -eu
PATH=$PATH:/usr/sbin:/sbin

# A disk is there whole or not at all. It holds what differs from the tree, or all of it where the file system cannot
# lie over another.
overlay() { mount -t overlay overlay -o "lowerdir=${tree:?},upperdir=$1/changes,workdir=$1/work" "$1/root"; }
# The image as the device $loop, with the root on $node. It is detached when nothing uses it any more, whoever is killed:
# from here on 7 holds it, and then what is mounted.
attach() {
  loop=$(losetup --find --show --partscan "$1/disk.img")
  exec 7<"$loop"
  losetup --detach "$loop"
  case ${layout:?} in
  whole) node=$loop ;;
  # Not every kernel reads partition tables itself.
  *) partx --update "$loop" && node=${loop}p2 ;;
  esac
}
if [ ! -e "$disk" ]; then
  rm -rf "$disk.new"
  mkdir -p "$disk.new/root"
  if [ -n "${gib?}" ]; then
    truncate --size="${gib}G" "$disk.new/disk.img"
    first='label: gpt
      start=8MiB, size=16MiB, type=uefi, name=ESP'
    case ${layout:?} in
    partitions) printf '%s\n' "$first" 'name=primary' ;;
    behind) printf '%s\n' "$first" "size=$((gib * 1024 - 100))MiB, name=primary" 'type=swap, name=behind' ;;
    whole) : ;;
    esac >"$disk.new/table"
    [ ! -s "$disk.new/table" ] || sfdisk --quiet "$disk.new/disk.img" <"$disk.new/table"
    attach "$disk.new"
    "mkfs.${file_system:?}" -q -L nixos "$node"
    mount "$node" "$disk.new/root"
    exec 7<&-
    cp -a "${tree:?}/." "$disk.new/root"
    # The tree has only what NixOS' images have.
    if [ "$file_system" = xfs ]; then
      program=$(command -v xfs_growfs)
      for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
        [ -e "$disk.new/root$file" ] || install -D "$file" "$disk.new/root$file"
      done
    fi
  else
    mkdir "$disk.new/changes" "$disk.new/work"
    if ! overlay "$disk.new"; then
      rmdir "$disk.new/changes" "$disk.new/work"
      cp -a --reflink=auto "${tree:?}/." "$disk.new/root"
    fi
  fi
  # What is needed of NixOS to be rebuilt.
  if [ -n "${stand_in?}" ]; then
    cp -r "$stand_in" "$disk.new/root/usr/local/lib/stand-in"
    chroot "$disk.new/root" sh /usr/local/lib/stand-in/install
  fi
  if [ -e "$disk.new/changes" ] || [ -n "$gib" ]; then umount "$disk.new/root"; fi
  mv "$disk.new" "$disk"
fi
[ ! -e "$disk/changes" ] || overlay "$disk"
set --
if [ -n "${gib?}" ]; then
  attach "$disk"
  mount "$node" "$disk/root"
  exec 7<&-
  for part in "$loop" "$loop"p*; do
    [ ! -b "$part" ] || set -- "$@" --bind="$part"
  done
fi

# The machine's systemd takes the whole control group it is started in for its own.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ -w "$hierarchy/cgroup.procs" ]; then
    mkdir "$hierarchy/$name"
    echo 0 >"$hierarchy/$name/cgroup.procs"
  fi
done

# Where systemd-nspawn leaves locks and folders behind.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
exec systemd-nspawn --quiet --directory="$disk/root" --boot --machine="$name" --hostname="$instance" \
  --register=no --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --private-network "$@"
