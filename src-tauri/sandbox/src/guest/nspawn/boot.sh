# Boots the machine $name from its $disk, which is made of the $tree if it is new. Runs as the first process of a PID name
# space and with mounts of its own, so that all there is of the machine ends with it.
set -eu
PATH=$PATH:/usr/sbin:/sbin

# A disk is there whole or not at all. It holds what differs from the tree, or all of it where the file system cannot
# lie over another.
overlay() { mount -t overlay overlay -o "lowerdir=${tree:?},upperdir=$1/changes,workdir=$1/work" "$1/root"; }
if [ ! -e "$disk" ]; then
  rm -rf "$disk.new"
  mkdir -p "$disk.new/root" "$disk.new/changes" "$disk.new/work"
  if ! overlay "$disk.new"; then
    rmdir "$disk.new/changes" "$disk.new/work"
    cp -a --reflink=auto "${tree:?}/." "$disk.new/root"
  fi
  # What is needed of NixOS to be rebuilt.
  if [ -n "${stand_in?}" ]; then
    cp -r "$stand_in" "$disk.new/root/usr/local/lib/stand-in"
    chroot "$disk.new/root" sh /usr/local/lib/stand-in/install
  fi
  [ ! -e "$disk.new/changes" ] || umount "$disk.new/root"
  mv "$disk.new" "$disk"
fi
[ ! -e "$disk/changes" ] || overlay "$disk"

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
  --register=no --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --private-network
