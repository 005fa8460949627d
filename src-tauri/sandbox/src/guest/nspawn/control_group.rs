//! A machine's control group, through which its processes are found from outside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// The agent's service, and the program of its main process.
const SERVICE: &str = "system.slice/amazon-ssm-agent.service";
const AGENT: &str = "/usr/bin/amazon-ssm-agent";
/// Where systemd keeps its groups: with version 2 alone, beside version 1, and beside version 1 for what is new.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"];
const PREFIX: &str = "holdfast-";
/// How long the kernel may take to end what was killed.
const END: Duration = Duration::from_secs(5);

/// The group's name, which also is that of the machine for `systemd-nspawn`.
#[derive(Clone, Debug)]
pub(super) struct ControlGroup {
    name: String,
}

impl ControlGroup {
    /// Begins with the process that owns it, so that what that could not remove is found.
    pub(super) fn new(instance: &str, number: u64) -> Self {
        Self { name: format!("{PREFIX}{}-{number}-{instance}", process::id()) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The machine's first process, while it is on.
    pub(super) fn first(&self) -> Option<Pid> {
        self.processes("init.scope").first().copied()
    }

    /// The main process of the agent's service. What its sessions run is in the same group.
    pub(super) fn agent(&self) -> Option<Pid> {
        self.processes(SERVICE).into_iter().find(|pid| {
            let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
            line.split(|byte| *byte == 0).next() == Some(AGENT.as_bytes())
        })
    }

    /// All of a group of the machine's own, as this computer numbers them.
    fn processes(&self, group: &str) -> Vec<Pid> {
        let list = HIERARCHIES
            .iter()
            // Started with --keep-unit, systemd-nspawn parts the group it is in.
            .map(|root| Path::new(root).join(&self.name).join("payload").join(group).join("cgroup.procs"))
            .find_map(|file| fs::read_to_string(file).ok())
            .unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect()
    }

    /// The group's folders where the kernel has such a file in them.
    pub(super) fn with(&self, file: &str) -> Option<PathBuf> {
        let folders = HIERARCHIES.iter().map(|root| Path::new(root).join(&self.name));
        folders.map(|folder| folder.join(file)).find(|file| file.exists())
    }

    /// Waits until the last process is gone, and removes the group.
    pub(super) fn remove(&self) {
        let until = Instant::now() + END;
        for folder in HIERARCHIES.iter().map(|root| Path::new(root).join(&self.name)) {
            while let Err(error) = remove_tree(&folder) {
                if until < Instant::now() {
                    tracing::warn!(folder = %folder.display(), %error, "control group");
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Removes the groups of machines whose owner was killed; the machines went with it.
pub(super) fn remove_orphans() {
    for folder in HIERARCHIES.iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten() {
        let name = folder.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists())
            && let Err(error) = remove_tree(&folder.path())
        {
            tracing::debug!(?folder, %error, "control group of another");
        }
    }
}

/// Its files belong to the kernel; only folders can, and need, be removed.
fn remove_tree(folder: &PathBuf) -> io::Result<()> {
    let inner = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        inner => inner?,
    };
    for entry in inner.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
