//! This computer's own terminal in raw mode.

use std::io::{IsTerminal, Read, Write};
use std::sync::Once;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use tokio::sync::mpsc;

use crate::connect::Input;
use crate::problem::Problem;

/// Bytes read from the keyboard at once.
const READ: usize = 4096;

/// The terminal in raw mode; when this is dropped, and when the process panics, it is as it was.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Puts the terminal into raw mode.
    ///
    /// # Errors
    /// Input or output is no terminal, or it refuses.
    pub fn enter() -> Result<Self, Problem> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(none());
        }
        restore_on_panic();
        enable_raw_mode().map_err(|error| {
            Problem::new("terminal", "The terminal cannot be put into raw mode").because(error.to_string())
        })?;
        Ok(Self(()))
    }
}

/// There is no terminal.
pub fn none() -> Problem {
    Problem::new("no_terminal", "connect needs a terminal").hint("to run one command: holdfast exec -- COMMAND")
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Ends what a program on the machine may have switched on in this terminal and could not switch off: the alternate
/// screen, mouse reports, bracketed paste, a hidden cursor.
const UNDO: &[u8] = b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\x1b>";

fn restore() {
    if disable_raw_mode().is_ok() {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(UNDO).and_then(|()| out.flush());
    }
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

/// Columns and rows of the terminal; the default ones where it does not say.
pub fn columns_and_rows() -> (u16, u16) {
    size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
}

/// Reads the keyboard until it ends or nobody listens any more. For a thread of its own: a read cannot be interrupted.
pub fn read_keys(to: &mpsc::Sender<Input>) {
    let mut keyboard = std::io::stdin().lock();
    let mut buffer = [0; READ];
    loop {
        match keyboard.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if to.blocking_send(Input::Bytes(buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Tells every new size of the window, until nobody listens any more.
#[cfg(unix)]
pub async fn watch_size(to: mpsc::Sender<Input>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut changed) = signal(SignalKind::window_change()) else { return };
    while changed.recv().await.is_some() {
        let (columns, rows) = columns_and_rows();
        if to.send(Input::Size(columns, rows)).await.is_err() {
            return;
        }
    }
}

/// Tells every new size of the window, until nobody listens any more. Windows has no signal for it.
#[cfg(not(unix))]
pub async fn watch_size(to: mpsc::Sender<Input>) {
    let mut known = columns_and_rows();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        let now = columns_and_rows();
        if now != known {
            known = now;
            if to.send(Input::Size(now.0, now.1)).await.is_err() {
                return;
            }
        }
    }
}

/// Waits for a signal that asks this process to end, and gives its number.
#[cfg(unix)]
pub async fn asked_to_end() -> i32 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut hup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => 15,
        _ = hup.recv() => 1,
    }
}

/// Waits for a signal that asks this process to end, and gives its number.
#[cfg(not(unix))]
pub async fn asked_to_end() -> i32 {
    std::future::pending().await
}
