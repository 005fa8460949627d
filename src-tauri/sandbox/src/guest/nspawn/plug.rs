//! Disks that a machine has besides its own: images on loop devices, shown to it while it runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

use super::{disk, inside, succeeded};

const PLUG: &str = include_str!("plug.sh");

/// A disk that a machine is to have.
#[derive(Debug)]
pub(super) struct Plug {
    volume: String,
    image: PathBuf,
    /// Holds the loop device, which goes with the last who uses it, whoever is killed.
    held: Option<File>,
}

impl Plug {
    pub(super) fn new(volume: String, image: PathBuf) -> Self {
        Self { volume, image, held: None }
    }

    pub(super) fn volume(&self) -> &str {
        &self.volume
    }

    /// Whether the machine has it.
    pub(super) fn is_in(&self) -> bool {
        self.held.is_some()
    }

    /// Shows the disk to the machine with this first process, once no other machine uses it any more.
    pub(super) fn show(&mut self, first: Pid) -> io::Result<()> {
        if !disk::devices(&self.image).is_empty() {
            return Ok(());
        }
        let losetup = ["--find", "--show", "--partscan"];
        let output = Command::new("losetup").args(losetup).arg(&self.image).output()?;
        succeeded(&output)?;
        let device = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let held = File::open(&device);
        // Whoever holds it keeps it.
        succeeded(&Command::new("losetup").arg("--detach").arg(&device).output()?)?;
        let held = held?;
        // Not every kernel reads partition tables itself. A disk may also have none.
        Command::new("partx").arg("--update").arg(&device).output()?;
        let nodes = nodes(&device)?;
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        self.run(first, "show", &nodes)?;
        self.held = Some(held);
        Ok(())
    }

    /// Takes it out of the sight of the machine. A file system of it that is mounted there keeps the device until it is
    /// no longer.
    pub(super) fn hide(&mut self, first: Option<Pid>) -> io::Result<()> {
        let was_in = self.held.take().is_some();
        match first.filter(|_| was_in) {
            Some(first) => self.run(first, "hide", &[]),
            None => Ok(()),
        }
    }

    /// The machine it was shown to is no more.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    fn run(&self, first: Pid, how: &str, nodes: &[&str]) -> io::Result<()> {
        let link = format!("nvme-Amazon_Elastic_Block_Store_{}", self.volume.replace('-', ""));
        let words = [&["sh", "-c", PLUG, "sh", how, &link][..], nodes].concat();
        succeeded(&inside::run(first, &words)?)
    }
}

/// The device and its partitions, each as `NAME:MAJOR:MINOR:SUFFIX`.
fn nodes(device: &Path) -> io::Result<Vec<String>> {
    let name = device.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = Path::new("/sys/block").join(name);
    let numbers = |folder: &Path| fs::read_to_string(folder.join("dev"));
    let mut nodes = vec![format!("{name}:{}:", numbers(&folder)?.trim())];
    for entry in fs::read_dir(&folder)?.flatten() {
        let Ok(part) = entry.file_name().into_string() else { continue };
        if let Some(number) = part.strip_prefix(name).and_then(|rest| rest.strip_prefix('p')) {
            nodes.push(format!("{part}:{}:-part{number}", numbers(&entry.path())?.trim()));
        }
    }
    Ok(nodes)
}
