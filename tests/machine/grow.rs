//! A disk grows under its machine, and the file system on it takes what is new while everything goes on.

use std::process::Output;
use std::time::Instant;

use holdfast_core::jobs::{NotGrown, Space};
use holdfast_core::script::MACHINE;
use holdfast_sandbox::Power;
use holdfast_sandbox::guest::{Disk, FileSystem, Guests, Layout, State};

use crate::eventually;
use crate::stage::Stage;

const GIB: u64 = 1 << 30;
/// What has to be the same after everything.
const MARKER: &str = "/home/ssm-user/marker";

/// The kinds of file systems that can be seen growing here. That of NixOS' images first.
fn file_systems() -> Vec<FileSystem> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let rights = u64::from_str_radix(rights.trim(), 16).unwrap();
    // CAP_SYS_RESOURCE: `ext4_ioctl` asks for it before it resizes (fs/ext4/ioctl.c of Linux).
    let mut all = Vec::new();
    if (rights >> 24) & 1 == 1 {
        all.push(FileSystem::Ext4);
    } else {
        println!("skipped: ext4 that grows. It needs CAP_SYS_RESOURCE, which this computer does not give");
    }
    if std::process::Command::new("mkfs.xfs").arg("-V").output().is_ok() {
        all.push(FileSystem::Xfs);
    } else {
        println!("skipped: xfs. It needs xfsprogs");
    }
    all
}

impl Stage {
    /// With a machine on a disk of its own, Holdfast's program, and a file to be kept.
    pub(crate) fn on_disk(disk: Disk) -> Option<Self> {
        let this = Self::with(|folder, tree| Guests::nixos_on_disk(folder, tree, disk))?;
        this.install();
        this.root(&format!("head -c 20M /dev/urandom >{MARKER}; sync"));
        Some(this)
    }

    fn install(&self) {
        let put =
            ["sh", "-c", "mkdir -p /var/lib/holdfast/bin; printf %s \"$1\" >/var/lib/holdfast/bin/machine"];
        let put = [&put[..], &["sh", MACHINE]].concat();
        let output = self.guests().exec_root(&self.instance, &put).unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn run_grow(&self, mount: &str) -> Output {
        let words = ["sh", "/var/lib/holdfast/bin/machine", "grow", mount];
        self.guests().exec_root(&self.instance, &words).unwrap()
    }

    #[track_caller]
    fn grow(&self, mount: &str) -> Result<Space, NotGrown> {
        let output = self.run_grow(mount);
        assert!(output.status.success(), "{output:?}");
        let space = Space::parse(&output.stdout);
        assert!(!matches!(space, Err(NotGrown::Garbled(_))), "{output:?}");
        space
    }

    /// The disk of the machine's root.
    fn node(&self) -> String {
        let source = "source=$(findmnt -no SOURCE /); parent=$(lsblk -nro PKNAME \"$source\" | head -n 1)";
        self.root(&format!("{source}; echo \"/dev/${{parent:-${{source#/dev/}}}}\""))
    }

    /// Its bytes, as the machine's kernel knows it.
    fn disk(&self) -> u64 {
        self.root(&format!("blockdev --getsize64 {}", self.node())).parse().unwrap()
    }

    /// AWS has made the volume larger.
    fn enlarge(&self, gib: u32) {
        self.guests().resize_disk(&self.instance, gib).unwrap();
        let bytes = u64::from(gib) * GIB;
        eventually("larger disk", || self.disk() == bytes, || self.root("lsblk"));
    }

    fn size(&self) -> u64 {
        self.root("df --output=size -B1 / | tail -n 1").parse().unwrap()
    }

    fn marker(&self) -> String {
        self.root(&format!("sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum {MARKER}"))
    }

    /// The disk's partitions and what they are called, without what may change.
    fn table(&self) -> String {
        let plain = "sed 's/loop[0-9]*/loop/; s/size= *[0-9]*/size/; /^last-lba/d'";
        self.root(&format!("sfdisk --dump {} | {plain}", self.node()))
    }

    fn verify(&self) -> String {
        self.root(&format!("/usr/sbin/sfdisk --verify {} 2>&1", self.node()))
    }

    /// Which boot this is. A machine here has the kernel of this computer.
    fn boot(&self) -> String {
        self.root("systemctl show -p UserspaceTimestampMonotonic --value")
    }
}

/// All that is new is the file system's, but for what the table, the first partition and the file system itself take.
#[track_caller]
fn assert_takes(space: &Space, gib: u32) {
    assert_eq!(space.device, u64::from(gib) * GIB, "{space:?}");
    assert!(space.has_arrived(gib) && !space.has_arrived(gib + 1));
    assert!(space.size > space.device - space.device / 16 - GIB / 16, "{space:?}");
}

#[test]
fn a_resize_reaches_the_disk_and_what_is_on_it_stays() {
    let Some(file_system) = file_systems().into_iter().next() else { return };
    let Some(stage) = Stage::on_disk(Disk { file_system, ..Disk::new(3) }) else { return };
    let (marker, boot, before) = (stage.marker(), stage.boot(), stage.size());

    let (told, code) = stage.told("resize --volume 200 --yes");
    assert!(code == Some(0) && told.contains("Its file system has 1"), "{told}");
    assert_eq!(stage.disk(), 200 * GIB);
    let size = stage.size();
    assert!(size > 180 * GIB, "{size}");
    assert_eq!((stage.boot(), stage.marker()), (boot.clone(), marker.clone()));
    println!("df: {before} bytes before, {size} after, with no reboot");

    // Twice is as good as once.
    let (told, code) = stage.told("resize --volume 200 --yes");
    assert!(code == Some(0) && told.contains("It is so already"), "{told}");
    assert_eq!(stage.size(), size);

    stage.holdfast("resize --type m8g.2xlarge --yes");
    eventually(
        "machine that is on again",
        || stage.guests().state(&stage.instance) == State::Reachable,
        || stage.holdfast("status"),
    );
    assert_ne!(stage.boot(), boot);
    assert_eq!((stage.size(), stage.marker()), (size, marker));
}

#[test]
fn grow_takes_what_is_new_with_no_reboot() {
    let mut cases = 0;
    for file_system in file_systems() {
        let Some(stage) = Stage::on_disk(Disk { file_system, ..Disk::new(2) }) else { return };
        let (boot, marker, table) = (stage.boot(), stage.marker(), stage.table());
        let process = stage.process_inside();

        // Nothing is new.
        let space = stage.grow("/").unwrap();
        assert_eq!((space.size_before, space.size), (stage.size(), stage.size()));
        assert_takes(&space, 2);
        assert_eq!(stage.root("ls /run/holdfast"), "grow.lock", "nothing was written, so nothing is kept");

        // Full: that is when people want more.
        stage.root(
            "fallocate -l \"$(df --output=avail -B1 / | tail -n 1)\" /var/full; cat /dev/zero >/var/fuller",
        );
        let left: u64 = stage.root("df --output=avail -B1 / | tail -n 1").parse().unwrap();
        assert!(left < 1 << 20, "{left}");
        stage.enlarge(5);
        let before = stage.size();
        let began = Instant::now();
        let space = stage.grow("/").unwrap();
        println!("{file_system:?}: 2 to 5 GiB in {:.2} s: {space:?}", began.elapsed().as_secs_f32());
        assert_eq!((space.size_before, space.size), (before, stage.size()));
        assert!(space.size - space.size_before > 5 * GIB / 2, "{space:?}");
        assert_takes(&space, 5);
        stage.root("rm /var/full /var/fuller");
        assert!(stage.root("cat /run/holdfast/table-*").contains("label: gpt"), "the table before is kept");
        // Again it is the same.
        let again = stage.grow("/").unwrap();
        assert_eq!((again.size_before, again.size), (space.size, space.size));

        // Two at the same time, from the agent's session too, where nobody has the machine's user yet.
        stage.enlarge(6);
        let others = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| stage.grow("/"))).collect();
            runs.into_iter().map(|run| run.join().unwrap().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(others.iter().filter(|space| space.size > space.size_before).count(), 1, "{others:?}");
        others.iter().for_each(|space| assert_takes(space, 6));
        stage.enlarge(7);
        let answer = stage.holdfast("exec -- sudo -n sh /var/lib/holdfast/bin/machine grow");
        assert_takes(&Space::parse(answer.as_bytes()).unwrap(), 7);

        // What runs has gone on, and all is as it was.
        assert_eq!((stage.boot(), stage.marker(), stage.table()), (boot, marker.clone(), table.clone()));
        assert!(std::path::Path::new(&format!("/proc/{process}")).exists());
        assert!(stage.verify().contains("No errors detected"), "{}", stage.verify());

        // A stop, during which the disk grows, and a start.
        let size = stage.size();
        stage.guests().power(&stage.instance, Power::Off).unwrap();
        stage.guests().resize_disk(&stage.instance, 8).unwrap();
        stage.guests().power(&stage.instance, Power::On).unwrap();
        stage.wait_until_reachable();
        assert_eq!((stage.disk(), stage.size(), stage.marker()), (8 * GIB, size, marker));
        assert_takes(&stage.grow("/").unwrap(), 8);
        assert_eq!(stage.table(), table);
        cases += 6;
    }
    println!("cases: {cases}");
}

/// A program of the machine in front of the one that does the work: it ends or kills whoever called it, before or after
/// the work is done.
const SHIM: &str = r#"#!/bin/sh
name=${0##*/}
for folder in /usr/sbin /usr/bin; do [ ! -x "$folder/$name" ] || program=$folder/$name; done
case "$name $*" in
"sfdisk --dump"*) if [ -e /run/written ]; then name=verify; else name=dump; fi ;;
sfdisk*) : >/run/written ;;
esac
[ ! -e /run/fault ] || read -r at how </run/fault
[ "$name" = "${at-}" ] || exec "$program" "$@"
rm -f /run/fault
case $how in *after) "$program" "$@" ;; esac
case $how in kill*) kill -9 "$PPID" ;; esac
exit 1
"#;

#[test]
fn grow_goes_on_after_whatever_interrupted_it() {
    let mut cases = 0;
    for file_system in file_systems() {
        let Some(stage) = Stage::on_disk(Disk { file_system, ..Disk::new(2) }) else { return };
        let (boot, marker, table) = (stage.boot(), stage.marker(), stage.table());
        let enlarges = match file_system {
            FileSystem::Ext4 => "resize2fs",
            FileSystem::Xfs => "xfs_growfs",
        };
        for name in ["sfdisk", "partx", enlarges] {
            let file = format!("/usr/local/sbin/{name}");
            stage.root(&format!("cat >{file} <<'EOF'\n{SHIM}EOF\nchmod 755 {file}"));
        }
        let mut gib = 2;
        let mut comes_to_its_end = |what: &str| {
            let (before, again) = (stage.size(), stage.grow("/"));
            let space = again.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_takes(&space, gib);
            assert_eq!(space.size, stage.size(), "{what}");
            assert!(space.size_before >= before, "{what}");
            let twice = stage.grow("/").unwrap();
            assert_eq!((twice.size_before, twice.size), (space.size, space.size), "{what}");
            assert!(stage.verify().contains("No errors detected"), "{what}: {}", stage.verify());
            assert_eq!((stage.marker(), stage.table()), (marker.clone(), table.clone()), "{what}");
            gib += 1;
            cases += 1;
            gib
        };
        let mut next = comes_to_its_end("nothing");

        for at in ["dump", "sfdisk", "verify", "partx", enlarges] {
            for how in ["fail_before", "fail_after", "kill_before", "kill_after"] {
                stage.enlarge(next);
                stage.root(&format!("rm -f /run/written; echo {at} {how} >/run/fault"));
                let answer = Space::parse(&stage.run_grow("/").stdout);
                // What it read is the same, whatever befell the program afterwards.
                let unharmed = at == "verify" && how.ends_with("after");
                assert_eq!(answer.is_ok(), unharmed, "{at} {how}: {answer:?}");
                assert_eq!(stage.root("ls /run/fault 2>/dev/null"), "", "{at} {how} was not met");
                next = comes_to_its_end(&format!("{at} {how}"));
            }
        }

        // The power fails in the middle of the table: its halves are written one after another, the second one first.
        // What was there of the first is 34 sectors: the MBR, the header, the partitions.
        let disk = stage.node();
        for (torn, back) in [
            ("only the second half is new", "dd if=/run/half of=$d bs=512 count=34"),
            ("the header is the old one", "dd if=/run/half of=$d bs=512 count=2"),
            ("the header is gone", "dd if=/dev/zero of=$d bs=512 seek=1 count=1"),
            ("the partitions are gone", "dd if=/dev/zero of=$d bs=512 seek=2 count=32"),
        ] {
            stage.enlarge(next);
            stage.root(&format!("rm -f /run/written; dd if={disk} of=/run/half bs=512 count=34 2>/dev/null"));
            stage.root("echo sfdisk kill_after >/run/fault");
            stage.run_grow("/");
            stage.root(&format!("d={disk}; {back} conv=notrunc,fsync 2>/dev/null"));
            next = comes_to_its_end(torn);
        }
        // The second half is lost later, when nothing is to be grown.
        stage.enlarge(next);
        stage.grow("/").unwrap();
        stage.root(&format!(
            "dd if=/dev/zero of={disk} bs=512 seek=$(($(blockdev --getsz {disk}) - 1)) count=1 2>/dev/null; sync"
        ));
        comes_to_its_end("the second half is gone");

        assert_eq!(stage.boot(), boot);
        stage.guests().power(&stage.instance, Power::Reboot).unwrap();
        stage.wait_until_reachable();
        assert_eq!(stage.marker(), marker, "after a boot");
    }
    println!("cases: {cases}");
}

#[test]
fn grow_needs_no_partition_table() {
    for file_system in file_systems() {
        let disk = Disk { layout: Layout::Whole, file_system, ..Disk::new(2) };
        let Some(stage) = Stage::on_disk(disk) else { return };
        let marker = stage.marker();
        stage.enlarge(4);
        let space = stage.grow("/").unwrap();
        assert_takes(&space, 4);
        assert!(space.size - space.size_before > 3 * GIB / 2, "{space:?}");
        assert_eq!((stage.grow("/").unwrap().size_before, stage.marker()), (space.size, marker));
        assert_eq!(stage.root("ls /run/holdfast"), "grow.lock");
    }
}

/// ext4 here, even where it may not grow: nothing of this gets that far.
#[test]
fn grow_refuses_what_it_cannot_do_and_says_why() {
    let Some(stage) = Stage::on_disk(Disk { layout: Layout::Behind, ..Disk::new(2) }) else { return };
    let is_ext4_grown = file_systems().contains(&FileSystem::Ext4);
    let (marker, disk) = (stage.marker(), stage.node());
    let table = || stage.root(&format!("dd if={disk} bs=1M count=1 2>/dev/null | sha256sum"));
    stage.enlarge(4);
    let (before, size) = (table(), stage.size());
    let refused = |mount: &str| stage.grow(mount).unwrap_err();
    let name = disk.strip_prefix("/dev/").unwrap();
    assert_eq!(refused("/"), NotGrown::NotLast(format!("another partition lies behind it on {name}")));
    assert_eq!(refused("/home"), NotGrown::NoMount);
    assert_eq!(refused("/nowhere; touch /tmp/x $(touch /tmp/x)"), NotGrown::NoMount);
    assert_eq!(refused("--help"), NotGrown::NoMount);
    assert_eq!(stage.root("ls /tmp/x 2>/dev/null"), "");
    assert_eq!(refused("/run"), NotGrown::FileSystem("tmpfs".to_owned()));
    stage.root("mkdir -p /mnt/ro && mount --bind / /mnt/ro && mount -o remount,bind,ro /mnt/ro");
    assert_eq!(refused("/mnt/ro"), NotGrown::ReadOnly);
    for tool in ["resize2fs", "sfdisk", "partx"] {
        stage.root(&format!("p=$(command -v {tool}) && mv $p $p.away"));
        assert_eq!(refused("/"), NotGrown::NoTool(tool.to_owned()));
        stage.root(&format!(
            "for p in /usr/sbin/{tool} /usr/bin/{tool}; do [ ! -e $p.away ] || mv $p.away $p; done"
        ));
    }
    // Somebody holds the disk, as udev does while it reads it, or another run.
    stage.root(&format!("systemd-run --quiet --unit=holds flock {disk} sleep 300; sleep 1"));
    assert!(matches!(refused("/"), NotGrown::Busy(_)));
    stage.root("systemctl stop holds");
    assert_eq!((table(), stage.size()), (before, size), "nothing was touched");

    // Without what lies behind it is another matter.
    stage.root(&format!(
        "sfdisk --no-reread --no-tell-kernel --delete {disk} 3 && partx --delete --nr 3 {disk}"
    ));
    match stage.grow("/") {
        Ok(space) => assert_takes(&space, 4),
        // What was done before the step that fails stays done.
        Err(NotGrown::Failed(why)) if !is_ext4_grown => {
            assert!(why.starts_with("resize2fs: "), "{why}");
            let sectors: u64 = stage.root(&format!("cat /sys/class/block/{name}p2/size")).parse().unwrap();
            assert!(sectors * 512 > 4 * GIB - 64 * (1 << 20), "{sectors}");
        }
        Err(error) => panic!("{error}"),
    }
    assert_eq!(stage.marker(), marker);

    println!("cases: 12");
}
