//! Somebody at a real terminal: a pseudo-terminal, a program on it, and eyes that see the screen.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pts, Pty};

use crate::{PATIENCE, eventually};

pub(crate) struct Seat {
    child: Child,
    pty: Arc<Pty>,
    /// Kept open, so that the terminal outlives the program.
    _pts: Pts,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Seat {
    /// A terminal of 80 columns and 24 rows in which this runs.
    pub(crate) fn at(mut command: Command) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let child = command.spawn_borrowed(&pts).unwrap();
        let (pty, screen) = (Arc::new(pty), Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0))));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = (&*from).read(&mut buffer) {
                to.lock().unwrap().process(&buffer[..count]);
            }
        });
        Self { child, pty, _pts: pts, screen }
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Prints the screen, for the README.
    pub(crate) fn show(&self, when: &str) {
        let text = self.text();
        let rows: Vec<&str> = text.lines().map(str::trim_end).filter(|row| !row.is_empty()).collect();
        println!("── {when}\n{}", rows.join("\n"));
    }

    pub(crate) fn row(&self, row: usize) -> String {
        let screen = self.screen.lock().unwrap();
        screen.screen().rows(0, 200).nth(row).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |seat| seat.text().contains(text));
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        eventually(what, || so(self), || self.text());
    }

    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.pty.resize(pty_process::Size::new(rows, columns)).unwrap();
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
    }

    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
