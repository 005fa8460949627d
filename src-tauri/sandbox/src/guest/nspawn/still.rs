//! A machine that stands still for a moment, so that what is on its disks is of one moment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::control_group::ControlGroup;

/// How long its processes may take to stand still.
const FREEZE: Duration = Duration::from_secs(2);

/// Goes on when this is dropped, and dies like any other when it is killed meanwhile.
#[derive(Debug)]
pub(super) struct Still(PathBuf);

impl Still {
    /// Stops all processes of the machine, and has the kernel write what is not on its disks yet. `None` if they do not
    /// stop (docs.kernel.org/admin-guide/cgroup-v2.html, `cgroup.freeze`).
    pub(super) fn hold(group: &ControlGroup, first: Pid) -> Option<Self> {
        let (freeze, events) = (group.with("cgroup.freeze")?, group.with("cgroup.events")?);
        let still = Self(freeze);
        let held = fs::write(&still.0, "1").and_then(|()| wait(&events)).and_then(|()| sync(first));
        held.inspect_err(|error| tracing::warn!(%error, "a snapshot of a machine that goes on")).ok()?;
        Some(still)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // It fails when the machine is over.
        let _over = fs::write(&self.0, "0");
    }
}

fn wait(events: &Path) -> io::Result<()> {
    let until = Instant::now() + FREEZE;
    while !fs::read_to_string(events)?.lines().any(|line| line == "frozen 1") {
        if until < Instant::now() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Writes back what is mounted from disks.
fn sync(first: Pid) -> io::Result<()> {
    let process = Path::new("/proc").join(first.as_raw_pid().to_string());
    for line in fs::read_to_string(process.join("mounts"))?.lines() {
        let mut fields = line.split(' ');
        if let (Some(source), Some(point)) = (fields.next(), fields.next())
            && source.starts_with("/dev/loop")
        {
            let mounted = fs::File::open(process.join("root").join(point.trim_start_matches('/')))?;
            rustix::fs::syncfs(mounted)?;
        }
    }
    Ok(())
}
