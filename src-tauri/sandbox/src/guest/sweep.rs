//! Ending processes that a session or a machine leaves behind.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process_group};

/// Kills the process group of `leader` and, where the system tells, all other processes of its terminal session: an
/// interactive shell puts each of its jobs into a group of its own.
pub(super) fn kill_session(leader: Pid) {
    // It fails when nothing is left, which is what is wanted.
    let _gone = kill_process_group(leader, Signal::KILL);
    kill_all(|process| session_of(process) == Some(leader.as_raw_pid()));
}

/// Kills every process whose home is below `root`: all that a machine runs, daemons too.
pub(super) fn kill_machine(root: &Path) {
    let root = format!("HOME={}/", root.display());
    kill_all(|process| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(root.as_bytes()))
    });
}

/// Kills what `matches` says of a folder `/proc/PID`, again while new ones appear (a fork may win the race).
/// Systems without `/proc` have nothing more precise than the process group.
fn kill_all(matches: impl Fn(&Path) -> bool) {
    for _round in 0..8 {
        let mut found = false;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let Some(pid) = pid else { continue };
            if pid != rustix::process::getpid() && matches(&entry.path()) {
                found |= rustix::process::kill_process(pid, Signal::KILL).is_ok();
            }
        }
        if !found {
            return;
        }
    }
}

/// Field 6 of `/proc/PID/stat`, for processes that are not dead yet. The second field is the name in parentheses and may
/// hold anything.
fn session_of(process: &Path) -> Option<i32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(2)?.parse().ok(),
    }
}
