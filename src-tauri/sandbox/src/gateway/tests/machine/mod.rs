//! Machines with systemd. They need root and a tree that `./dev` makes; without, each test says that it is skipped.

mod disk;
mod life;
mod sessions;

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::guest::State;

/// What a machine on a busy computer may take to boot.
const BOOT: Duration = Duration::from_secs(60);

/// What machines are made of; `None` where they cannot be.
fn tree() -> Option<std::ffi::OsString> {
    let Some(tree) = std::env::var_os("HOLDFAST_MACHINE_TREE") else {
        println!("skipped: HOLDFAST_MACHINE_TREE is not set, as ./dev test does where it is root on Linux");
        return None;
    };
    if !rustix::process::geteuid().is_root() {
        println!("skipped: a machine with systemd needs root");
        return None;
    }
    Some(tree)
}

/// Machines, none of them on; `None` where they cannot be.
fn guests() -> Option<(Guests, TempDir)> {
    let tree = tree()?;
    let folder = tempfile::tempdir().unwrap();
    Some((Guests::nspawn(folder.path(), tree), folder))
}

/// A gateway with one machine that has booted.
async fn rig() -> Option<Rig> {
    let (guests, folder) = guests()?;
    let rig = Rig::of(guests, folder).await;
    let began = Instant::now();
    until(&rig, State::Reachable).await;
    println!("reachable after {:.1} s", began.elapsed().as_secs_f32());
    Some(rig)
}

async fn until(rig: &Rig, state: State) {
    let console = rig.folder.path().join(ID).with_extension("console");
    let console = || std::fs::read_to_string(&console).unwrap_or_default();
    eventually(|| rig.gateway.guests().state(ID) == state, || format!("{state:?}, but {}", console())).await;
}

async fn eventually(so: impl Fn() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + BOOT;
    while !so() {
        assert!(Instant::now() < deadline, "never {}", what());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a command line prints that root runs on the machine, which may fail.
fn root(rig: &Rig, line: &str) -> String {
    let output = rig.gateway.guests().exec_root(ID, &["sh", "-c", line]).unwrap();
    assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The processes of this computer that have the folder in their command line, and its mounts.
fn traces(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let read = |file: &Path| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    let processes =
        std::fs::read_dir("/proc").unwrap().flatten().map(|entry| read(&entry.path().join("cmdline")));
    let mounts = read(Path::new("/proc/self/mounts"));
    processes.chain(mounts.lines().map(str::to_owned)).filter(|line| line.contains(folder)).collect()
}

/// The control groups that this process made for machines.
fn control_groups(owner: u32) -> Vec<String> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&format!("holdfast-{owner}-")))
        .collect()
}
