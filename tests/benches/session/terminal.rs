//! A pseudo terminal with one program on it, and what that program alone has used.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Child;
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pts, Pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What is searched for a text at most, in bytes; older output is forgotten.
const KEPT: usize = 1 << 20;

pub(crate) struct Terminal {
    child: Child,
    pty: Pty,
    /// Kept open, so that the terminal outlives the program.
    _pts: Pts,
    seen: Vec<u8>,
}

impl Terminal {
    /// A terminal of 80 columns and 24 rows in which this runs.
    pub(crate) fn run(mut command: Command) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a pseudo terminal");
        pty.resize(pty_process::Size::new(24, 80)).expect("a size");
        let child = command.spawn_borrowed(&pts).expect("the program starts");
        Self { child, pty, _pts: pts, seen: Vec::new() }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.paste(keys.as_bytes());
    }

    pub(crate) fn paste(&mut self, bytes: &[u8]) {
        self.pty.write_all(bytes).expect("the terminal takes it");
    }

    /// When the terminal showed `text`, behind all that was waited for before; `None` if it did not.
    pub(crate) fn shows(&mut self, text: &str, patience: Duration) -> Option<Instant> {
        let until = Instant::now() + patience;
        let mut searched = 0;
        let mut buffer = [0; 64 << 10];
        loop {
            if let Some(at) = find(&self.seen[searched..], text.as_bytes()) {
                self.seen.drain(..searched + at + text.len());
                return Some(Instant::now());
            }
            searched = self.seen.len().saturating_sub(text.len() - 1);
            if self.seen.len() > KEPT {
                self.seen.drain(..searched);
                searched = 0;
            }
            let left = until.checked_duration_since(Instant::now())?;
            if self.has_output(left) {
                let count = self.pty.read(&mut buffer).expect("the terminal's output");
                self.seen.extend_from_slice(&buffer[..count]);
            }
        }
    }

    /// The same, where anything else would be a fault of the benchmark.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> Instant {
        match self.shows(text, Duration::from_secs(120)) {
            Some(at) => at,
            None => panic!("no {text:?}: {:?}", String::from_utf8_lossy(&self.seen)),
        }
    }

    /// Forgets what is shown, until nothing more comes for so long.
    pub(crate) fn settle(&mut self, quiet: Duration) {
        let mut buffer = [0; 64 << 10];
        while self.has_output(quiet) {
            let _ = self.pty.read(&mut buffer).expect("the terminal's output");
        }
        self.seen.clear();
    }

    fn has_output(&self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).expect("a time that is not long");
        poll(&mut [PollFd::new(&self.pty, PollFlags::IN)], Some(&patience)).expect("poll") > 0
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let Some(first) = wanted.first() else { return Some(0) };
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// What a process has used since it began, without its children.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Exact to a hundredth of a second.
    pub(crate) cpu: Duration,
    /// Exact, of the threads that still live.
    pub(crate) cpu_of_threads: Duration,
    /// Voluntary context switches of the threads that still live.
    pub(crate) wakes: u64,
    /// The most that was ever resident, and how it is made up now: what the program took, and the pages of its file that it touched.
    pub(crate) peak_kib: u64,
    pub(crate) own_kib: u64,
    pub(crate) file_kib: u64,
}

impl Usage {
    fn of(pid: u32) -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
        let (mut nanos, mut wakes) = (0, 0);
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            nanos += read("schedstat").split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            wakes += field(&read("status"), "voluntary_ctxt_switches:");
        }
        Self {
            cpu: Duration::from_millis(10) * u32::try_from(ticks).unwrap_or(u32::MAX),
            cpu_of_threads: Duration::from_nanos(nanos),
            wakes,
            peak_kib: field(&status, "VmHWM:"),
            own_kib: field(&status, "RssAnon:"),
            file_kib: field(&status, "RssFile:"),
        }
    }
}

fn field(text: &str, name: &str) -> u64 {
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0)
}
