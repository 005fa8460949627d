//! A disk that is a real one to the machine: an image on a loop device, with partitions and a file system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::succeeded;

/// How long the kernel may take to let go of the image of a machine that has ended: what was written has to go there first.
const DETACH: Duration = Duration::from_secs(30);

/// The end of the name of an image that is not whole yet.
pub(super) const NEW: &str = "new";

/// The disk of a machine, as it is when that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its size. Only what is written on it takes space.
    pub gib: u32,
    /// What is on it.
    pub layout: Layout,
    /// What the root is on.
    pub file_system: FileSystem,
}

/// What is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A small partition for the firmware and the root behind it, as in NixOS' images.
    Partitions,
    /// The same, and something behind the root.
    Behind,
    /// The root alone, without a partition table.
    Whole,
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// As in NixOS' images. To grow while it is mounted it wants CAP_SYS_RESOURCE, which containers often are without.
    Ext4,
    /// Grows with the rights that any machine here takes. This computer needs xfsprogs for it.
    Xfs,
}

impl Disk {
    /// As a machine of NixOS' image has it.
    pub fn new(gib: u32) -> Self {
        Self { gib, layout: Layout::Partitions, file_system: FileSystem::Ext4 }
    }

    /// For `boot.sh`.
    pub(super) fn environment(self) -> [(&'static str, String); 3] {
        let layout = match self.layout {
            Layout::Partitions => "partitions",
            Layout::Behind => "behind",
            Layout::Whole => "whole",
        };
        let file_system = match self.file_system {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
        };
        [
            ("gib", self.gib.to_string()),
            ("layout", layout.to_owned()),
            ("file_system", file_system.to_owned()),
        ]
    }
}

/// Where a machine's folder has it.
pub(super) fn image(folder: &Path) -> PathBuf {
    folder.join("disk.img")
}

/// Makes a disk larger, under a machine that runs too; it never shrinks. `false`: it does not exist yet.
pub(super) fn enlarge(image: &Path, gib: u32) -> io::Result<bool> {
    let file = match fs::OpenOptions::new().write(true).open(image) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let size = u64::from(gib) << 30;
    if file.metadata()?.len() < size {
        file.set_len(size)?;
    }
    // What is attached after this has the new size from the start.
    for device in devices(image) {
        succeeded(&Command::new("losetup").arg("--set-capacity").arg(device).output()?)?;
    }
    Ok(true)
}

/// Copies an image, of which what is empty takes no space. It is there whole or not at all.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = to.with_extension(NEW);
    let copy = ["--pdeathsig", "KILL", "cp", "--sparse=always", "--reflink=auto"];
    succeeded(&Command::new("setpriv").args(copy).arg(from).arg(&new).output()?)?;
    fs::rename(new, to)
}

/// Waits until the kernel has let go of a disk: another device on the same image would not see what this one holds back.
pub(super) fn wait_until_detached(folder: &Path) {
    let until = Instant::now() + DETACH;
    // The other one was still being made.
    let images = [image(folder), image(&folder.with_extension("new"))];
    while images.iter().any(|image| !devices(image).is_empty()) {
        if until < Instant::now() {
            tracing::warn!(disk = %folder.display(), "the disk of a machine that is off is still in use");
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The loop devices of an image.
pub(super) fn devices(image: &Path) -> Vec<PathBuf> {
    let Some(image) = image.to_str() else { return Vec::new() };
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let backing = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        let backing = backing.trim_end_matches('\n');
        backing.strip_suffix(" (deleted)").unwrap_or(backing) == image
    });
    ours.map(|entry| Path::new("/dev").join(entry.file_name())).collect()
}
