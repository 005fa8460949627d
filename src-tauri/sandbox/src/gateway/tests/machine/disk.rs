//! Machines with disks of their own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::guest::{Disk, FileSystem, Layout};

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
        let disk = if partitions == 0 { source.clone() } else { source.replace("p2", "") };
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
        let disk = if partitions == 0 { now.clone() } else { now.replace("p2", "") };
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
    assert_eq!(devices(Path::new(&folder)).len(), 1);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let left = || [devices(Path::new(&folder)), traces(Path::new(&folder))].concat();
    eventually(|| left().is_empty(), || format!("gone: {:?}", left())).await;
    std::fs::remove_dir_all(folder).unwrap();
}
