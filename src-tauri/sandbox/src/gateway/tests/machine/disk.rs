//! Machines with disks of their own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::guest::{Disk, FileSystem, Layout};
use crate::{Source, Storage};

/// A machine with such a disk that has booted.
async fn rig_with(disk: Disk) -> Option<Rig> {
    let tree = tree()?;
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::of(Guests::nixos_on_disk(folder.path(), tree, disk), folder).await;
    until(&rig, State::Reachable).await;
    Some(rig)
}

/// The loop devices of images in a folder.
fn devices(folder: &Path) -> Vec<String> {
    let read = |path: PathBuf| std::fs::read_to_string(path.join("loop/backing_file")).unwrap_or_default();
    let images = std::fs::read_dir("/sys/block").unwrap().flatten().map(|entry| read(entry.path()));
    images.filter(|image| image.starts_with(folder.to_str().unwrap())).collect()
}

#[tokio::test]
async fn a_disk_is_a_real_one_to_its_machine_and_grows_under_it() {
    for (layout, partitions) in [(Layout::Partitions, 2), (Layout::Behind, 3), (Layout::Whole, 0)] {
        let disk = Disk { gib: 2, layout, file_system: FileSystem::Ext4 };
        let Some(rig) = rig_with(disk).await else { return };
        let source = root(&rig, "findmnt -no SOURCE /");
        let disk = source.strip_suffix("p2").unwrap_or(&source);
        assert_eq!(root(&rig, "findmnt -no FSTYPE,LABEL / 2>/dev/null | cut -d ' ' -f 1"), "ext4");
        let sectors = || root(&rig, &format!("blockdev --getsz {disk}"));
        assert_eq!(sectors(), (4 << 20).to_string());
        assert_eq!(root(&rig, &format!("ls {disk}p* 2>/dev/null | wc -l")), partitions.to_string());
        assert_eq!(devices(rig.folder.path()).len(), 1);

        rig.gateway.resize_disk(ID, 3);
        eventually(|| sectors() == (6 << 20).to_string(), sectors).await;
        // It never shrinks, and nothing is lost by a boot.
        rig.gateway.resize_disk(ID, 1);
        root(&rig, "echo kept >/home/ssm-user/file");
        rig.gateway.power(ID, Power::Reboot);
        until(&rig, State::Reachable).await;
        let now = root(&rig, "findmnt -no SOURCE /");
        let disk = now.strip_suffix("p2").unwrap_or(&now);
        assert_eq!(root(&rig, &format!("blockdev --getsz {disk}; cat /home/ssm-user/file")), "6291456\nkept");
        assert_eq!(devices(rig.folder.path()).len(), 1);

        rig.gateway.power(ID, Power::Off);
        eventually(|| devices(rig.folder.path()).is_empty(), || "detached".to_owned()).await;
        rig.gateway.power(ID, Power::On);
        until(&rig, State::Reachable).await;
        rig.gateway.power(ID, Power::Destroyed);
        let left = || std::fs::read_dir(rig.folder.path()).unwrap().count();
        eventually(|| left() == 0, || "gone".to_owned()).await;
        assert_eq!(devices(rig.folder.path()), [""; 0]);
    }
}

/// An order that comes before the disk is there waits for it.
#[tokio::test]
async fn a_disk_that_is_still_being_made_grows_too() {
    let Some(tree) = tree() else { return };
    let folder = tempfile::tempdir().unwrap();
    let guests = Guests::nixos_on_disk(folder.path(), tree, Disk::new(2));
    guests.power(ID, Power::On).unwrap();
    guests.resize_disk(ID, 4).unwrap();
    eventually(|| guests.state(ID) == State::Reachable, || "up".to_owned()).await;
    let size = "blockdev --getsz \"$(findmnt -no SOURCE / | sed 's/p2$//')\"";
    let size = guests.exec_root(ID, &["sh", "-c", size]).unwrap();
    assert_eq!(String::from_utf8(size.stdout).unwrap(), "8388608\n");
    // In the middle of a boot, and of a disk's making.
    guests.power("i-1", Power::On).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(guests);
    assert_eq!(devices(folder.path()), [""; 0]);
    assert_eq!(traces(folder.path()), [""; 0]);
}

/// The test starts itself once more as the owner.
#[tokio::test]
async fn no_device_is_left_when_the_owner_is_killed() {
    const OWNER: &str = "HOLDFAST_TEST_OWNER";
    let is_owner = std::env::var_os(OWNER).is_some();
    if is_owner {
        let rig = rig_with(Disk::new(2)).await.unwrap();
        rig.gateway.storage(created("vol-01", None));
        rig.gateway.storage(attached("vol-01", ID, false));
        let both = || devices(rig.folder.path()).len() == 2;
        eventually(both, || "the volume".to_owned()).await;
        println!("folder={}", rig.folder.path().display());
        std::future::pending::<()>().await;
    }
    if tree().is_none() {
        return;
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(OWNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("folder=").map(str::to_owned))
        .unwrap();
    assert_eq!(devices(Path::new(&folder)).len(), 2);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let left = || [devices(Path::new(&folder)), traces(Path::new(&folder))].concat();
    eventually(|| left().is_empty(), || format!("gone: {:?}", left())).await;
    std::fs::remove_dir_all(folder).unwrap();
}

const BY_ID: &str = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";
const OTHER: &str = "i-0123456789abcdef1";

fn created(volume: &str, snapshot: Option<&str>) -> Storage {
    Storage::Created { volume: volume.to_owned(), gib: 3, snapshot: snapshot.map(str::to_owned) }
}

fn attached(volume: &str, instance: &str, root: bool) -> Storage {
    Storage::Attached { volume: volume.to_owned(), instance: instance.to_owned(), root }
}

fn detached(volume: &str, instance: &str, root: bool) -> Storage {
    Storage::Detached { volume: volume.to_owned(), instance: instance.to_owned(), root }
}

fn taken(snapshot: &str, of: Source) -> Storage {
    Storage::Taken { snapshot: snapshot.to_owned(), of }
}

fn on(rig: &Rig, instance: &str, line: &str) -> String {
    let output = rig.gateway.guests().exec_root(instance, &["sh", "-c", line]).unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn what_a_snapshot_kept_is_on_the_copy_that_another_machine_has() {
    let Some(rig) = rig_with(Disk::new(2)).await else { return };
    let gateway = &rig.gateway;
    gateway.power(OTHER, Power::On);
    root(&rig, "echo before >/home/ssm-user/marker");
    // Somebody writes all the time.
    root(&rig, "systemd-run --quiet sh -c 'while :; do date >>/var/tmp/busy; done'");
    gateway.storage(taken("snap-1", Source::Root(ID.to_owned())));
    gateway.storage(created("vol-01", Some("snap-1")));
    gateway.storage(attached("vol-01", OTHER, false));
    eventually(|| gateway.guests().state(OTHER) == State::Reachable, || "up".to_owned()).await;
    let node = format!("{BY_ID}vol01");
    let there = || on(&rig, OTHER, &format!("test -b {node}-part2 && echo yes || true")) == "yes";
    eventually(there, || "the disk of the volume".to_owned()).await;
    // What comes later is not on it, and the machine goes on.
    let busy = || root(&rig, "wc -l </var/tmp/busy").parse::<u64>().unwrap();
    let lines = busy();
    eventually(|| busy() > lines, || "going on".to_owned()).await;
    root(&rig, "echo after >/home/ssm-user/marker");

    let marker = format!(
        "mkdir -p /mnt/old; mount -o ro {node}-part2 /mnt/old; cat /mnt/old/home/ssm-user/marker; umount /mnt/old"
    );
    assert_eq!(on(&rig, OTHER, &marker), "before");
    assert_eq!(on(&rig, OTHER, &format!("blockdev --getsize64 {node}")), (3_u64 << 30).to_string());
    let label = |node: &str| on(&rig, OTHER, &format!("/sbin/blkid -s LABEL -o value {node}"));
    assert_eq!(
        (label(&format!("{node}-part2")), label("$(findmnt -no SOURCE /)")),
        ("nixos".into(), "nixos".into())
    );
    let uuid =
        |instance: &str, node: &str| on(&rig, instance, &format!("/sbin/blkid -s UUID -o value {node}"));
    assert_eq!(uuid(OTHER, &format!("{node}-part2")), uuid(ID, "$(findmnt -no SOURCE /)"), "the original's");

    // It is there after a boot, grows, and leaves with what was written on it.
    gateway.power(OTHER, Power::Reboot);
    eventually(|| gateway.guests().state(OTHER) == State::Reachable, || "up again".to_owned()).await;
    eventually(there, || "the disk after a boot".to_owned()).await;
    gateway.storage(Storage::Grown { volume: "vol-01".to_owned(), gib: 4 });
    let size = || on(&rig, OTHER, &format!("blockdev --getsize64 {node}"));
    eventually(|| size() == (4_u64 << 30).to_string(), size).await;
    on(&rig, OTHER, &format!("mkdir -p /mnt/old; mount {node}-part2 /mnt/old; echo new >/mnt/old/written"));
    gateway.storage(taken("snap-2", Source::Volume("vol-01".to_owned(), Some(OTHER.to_owned()))));
    gateway.storage(created("vol-02", Some("snap-2")));
    gateway.storage(attached("vol-02", ID, false));
    let second = format!("{BY_ID}vol02-part2");
    let there = || root(&rig, &format!("test -b {second} && echo yes || true")) == "yes";
    eventually(there, || "the second copy".to_owned()).await;
    let written =
        format!("mkdir -p /mnt/old; mount -o ro {second} /mnt/old; cat /mnt/old/written; umount /mnt/old");
    assert_eq!(root(&rig, &written), "new", "of what is mounted, too");
    on(&rig, OTHER, "umount /mnt/old");
    gateway.storage(detached("vol-01", OTHER, false));
    let left = || on(&rig, OTHER, &format!("ls {node}* 2>/dev/null || true"));
    eventually(|| left().is_empty(), left).await;
    eventually(|| devices(rig.folder.path()).len() == 3, || format!("{:?}", devices(rig.folder.path())))
        .await;

    for instance in [ID, OTHER] {
        gateway.power(instance, Power::Destroyed);
    }
    for volume in ["vol-01", "vol-02"] {
        gateway.storage(Storage::Deleted { volume: volume.to_owned() });
    }
    for snapshot in ["snap-1", "snap-2"] {
        gateway.storage(Storage::Forgotten { snapshot: snapshot.to_owned() });
    }
    let left = || std::fs::read_dir(rig.folder.path()).unwrap().flatten().collect::<Vec<_>>();
    eventually(|| left().is_empty(), || format!("gone: {:?}", left())).await;
    eventually(|| devices(rig.folder.path()).is_empty(), || "detached".to_owned()).await;
}

#[tokio::test]
async fn a_machine_boots_from_another_volume_and_a_root_volume_may_outlive_its_machine() {
    let Some(rig) = rig_with(Disk::new(2)).await else { return };
    let gateway = &rig.gateway;
    root(&rig, "echo first >/home/ssm-user/marker");
    gateway.storage(taken("snap-1", Source::Root(ID.to_owned())));
    root(&rig, "echo second >/home/ssm-user/marker");
    gateway.power(ID, Power::Off);
    gateway.storage(detached("vol-01", ID, true));
    gateway.storage(created("vol-02", Some("snap-1")));
    gateway.storage(attached("vol-02", ID, true));
    gateway.power(ID, Power::On);
    until(&rig, State::Reachable).await;
    assert_eq!(root(&rig, "cat /home/ssm-user/marker"), "first");
    gateway.storage(attached("vol-01", ID, false));
    let node = format!("{BY_ID}vol01-part2");
    let there = || root(&rig, &format!("test -b {node} && echo yes || true")) == "yes";
    eventually(there, || "the old root".to_owned()).await;
    let marker = format!("mkdir /mnt/old; mount -o ro {node} /mnt/old; cat /mnt/old/home/ssm-user/marker");
    assert_eq!(root(&rig, &marker), "second");

    // As a termination does with a root volume that is to stay.
    gateway.storage(detached("vol-02", ID, true));
    gateway.power(ID, Power::Destroyed);
    let images = || {
        let folder = rig.folder.path().join("volumes");
        std::fs::read_dir(folder).into_iter().flatten().flatten().count()
    };
    eventually(|| images() == 2 && devices(rig.folder.path()).is_empty(), || "kept".to_owned()).await;
    eventually(|| !rig.folder.path().join(ID).exists(), || "gone".to_owned()).await;
}

#[test]
fn half_an_image_goes_when_its_maker_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let volumes = folder.path().join("volumes");
    std::fs::create_dir(&volumes).unwrap();
    for name in ["vol-01.img", "vol-02.new"] {
        std::fs::write(volumes.join(name), name).unwrap();
    }
    drop(Guests::nixos_on_disk(folder.path(), "/nonexistent", Disk::new(2)));
    let left: Vec<_> = std::fs::read_dir(volumes).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["vol-01.img"]);
}
