//! A real terminal: a pseudo-terminal, a program on it, and fingers.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pts, Pty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};

use super::Home;
use super::program::{PROGRAM, environment};

/// No machine that is loaded may be taken for one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program on it.
pub(crate) struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    /// Kept open, so that the terminal outlives the program.
    pts: Pts,
    seen: Arc<Mutex<Vec<u8>>>,
    /// How much of it was expected already.
    read: usize,
    /// Its modes before the program began.
    pub(crate) before: String,
}

impl Terminal {
    /// A terminal of 80 columns and 24 rows in which this runs.
    pub(crate) fn run(home: &Home, line: &str) -> Self {
        let program = PathBuf::from(PROGRAM);
        let command = Command::new(program).args(line.split_whitespace());
        Self::spawn(command.env_clear().envs(environment(home.folder.path())))
    }

    /// With more in its environment.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_with(home: &Home, line: &str, more: &[(&'static str, String)]) -> Self {
        let program = PathBuf::from(PROGRAM);
        let command = Command::new(program).args(line.split_whitespace()).env_clear();
        let command = command.envs(environment(home.folder.path()));
        Self::spawn(command.envs(more.iter().map(|(name, value)| (*name, value.as_str()))))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let before = modes(&pts);
        let child = command.spawn_borrowed(&pts).unwrap();
        let (pty, seen) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = (&*from).read(&mut buffer) {
                to.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, pty, pts, seen, read: 0, before }
    }

    /// What the terminal shows from here on, when it holds `text`.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let since = Instant::now();
        loop {
            let seen = self.seen.lock().unwrap()[self.read..].to_vec();
            if let Some(at) = seen.windows(text.len()).position(|window| window == text.as_bytes()) {
                let end = at + text.len();
                self.read += end;
                return String::from_utf8_lossy(&seen[..end]).into_owned();
            }
            assert!(since.elapsed() < PATIENCE, "no {text:?} in {:?}", String::from_utf8_lossy(&seen));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All that it has shown.
    #[cfg(target_os = "linux")]
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.pty.resize(pty_process::Size::new(rows, columns)).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How the terminal is set: input, output and line modes and all control characters.
    pub(crate) fn modes(&self) -> String {
        modes(&self.pts)
    }

    /// Whether keys come one by one and are not shown.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.pts).unwrap().local_modes;
        !modes.intersects(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO)
    }

    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let seen = self.seen.lock().unwrap()[self.read..].to_vec();
            assert!(since.elapsed() < PATIENCE, "it does not end: {:?}", String::from_utf8_lossy(&seen));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn modes(pts: &Pts) -> String {
    let Termios { input_modes, output_modes, local_modes, special_codes, .. } = tcgetattr(pts).unwrap();
    format!("{input_modes:?} {output_modes:?} {local_modes:?} {special_codes:?}")
}
