//! This computer's own terminal in raw mode.

use std::io::{IsTerminal, Read, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
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
        sequences(true);
        Ok(Self(()))
    }
}

/// There is no terminal.
pub fn none() -> Problem {
    Problem::new("no_terminal", "connect needs a terminal")
        .hint("to run one command: holdfast exec -- COMMAND")
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Ends what a program on the machine may have switched on in this terminal and could not switch off: the alternate
/// screen (without moving the cursor, as 1049 does), reports of mouse, focus and keys, bracketed paste, the keypad's
/// and the cursor keys' other codes, a hidden cursor, colours.
/// Source: <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>, <https://sw.kovidgoyal.net/kitty/keyboard-protocol/>
pub const UNDO: &[u8] = b"\x1b[?1047l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[>4;0m\x1b[?1l\x1b>\x1b[?25h\x1b[0m";
/// How long a terminal may take to read that.
const PATIENCE: Duration = Duration::from_millis(500);

/// A terminal speaks in sequences by itself.
#[cfg(not(windows))]
fn sequences(_: bool) {}

/// Has the console give keys as the sequences that terminals send (`ENABLE_VIRTUAL_TERMINAL_INPUT`), and read those that the
/// machine writes: an older console does neither unasked.
/// Source: <https://learn.microsoft.com/windows/console/setconsolemode>
#[cfg(windows)]
fn sequences(on: bool) {
    use crossterm_winapi::{ConsoleMode, Handle};
    const VIRTUAL_TERMINAL_INPUT: u32 = 0x0200;
    let set = || {
        let console = ConsoleMode::from(Handle::current_in_handle()?);
        let mode = console.mode()?;
        let input = if on { mode | VIRTUAL_TERMINAL_INPUT } else { mode & !VIRTUAL_TERMINAL_INPUT };
        console.set_mode(input)
    };
    if let Err(error) = set() {
        tracing::debug!(%error, "the console gives no sequences");
    }
    // Asking switches it on.
    crossterm::ansi_support::supports_ansi();
}

fn restore() {
    sequences(false);
    if disable_raw_mode().is_ok() {
        // A window that hangs, or output that does, must not hold this process.
        let (written, done) = std::sync::mpsc::channel();
        let write = move || {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(UNDO).and_then(|()| out.flush());
            let _ = written.send(());
        };
        if std::thread::Builder::new().spawn(write).is_ok() {
            let _ = done.recv_timeout(PATIENCE);
        }
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

/// How the terminal shows what is typed; when this is dropped it does so again, also where a hidden question was left by Ctrl-C
/// while its thread still waits for an answer.
#[derive(Debug)]
pub struct Echo(#[cfg(unix)] Option<rustix::termios::Termios>);

impl Echo {
    /// Keeps how it is now.
    pub fn keep() -> Self {
        Self(
            #[cfg(unix)]
            rustix::termios::tcgetattr(std::io::stdin()).ok(),
        )
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.0 {
            let _ =
                rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

/// Columns and rows, asked of the terminal alone: where there is none, the other way to ask would run `tput`, with all of our
/// environment.
#[cfg(unix)]
fn size() -> std::io::Result<(u16, u16)> {
    crossterm::terminal::window_size().map(|size| (size.columns, size.rows))
}

#[cfg(not(unix))]
use crossterm::terminal::size;

/// Columns and rows of the terminal; the default ones where it does not say.
pub fn columns_and_rows() -> (u16, u16) {
    size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
}

/// Whether a thread has begun to read the keyboard. It goes on until the next key, since a read cannot be interrupted.
static READING: AtomicBool = AtomicBool::new(false);

/// Waits for Enter, also where the line is still read for a session that has ended.
pub fn wait_for_enter() {
    if READING.load(Ordering::Relaxed) {
        drop(std::io::stdin().lock());
    } else {
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// Reads the keyboard until it ends or nobody listens any more. For a thread of its own: a read cannot be interrupted.
pub fn read_keys(to: &mpsc::Sender<Input>) {
    let mut keyboard = std::io::stdin().lock();
    READING.store(true, Ordering::Relaxed);
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
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = columns_and_rows();
        if now != known {
            known = now;
            if to.send(Input::Size(now.0, now.1)).await.is_err() {
                return;
            }
        }
    }
}

/// The signals that ask this process to end while the terminal is raw, when a Ctrl-C comes as a byte.
#[cfg(unix)]
#[derive(Debug)]
pub struct Asked([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Asked {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> Result<Self, Problem> {
        use tokio::signal::unix::{SignalKind, signal};
        let refused = |error: std::io::Error| {
            Problem::new("system", "Signals cannot be had").because(error.to_string())
        };
        let listen = |kind| signal(kind).map_err(refused);
        Ok(Self([
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::quit())?,
        ]))
    }

    /// Waits for one, and gives its number.
    pub async fn come(&mut self) -> u8 {
        let [term, hup, quit] = &mut self.0;
        tokio::select! {
            _ = term.recv() => 15,
            _ = hup.recv() => 1,
            _ = quit.recv() => 3,
        }
    }
}

/// The signals that ask this process to end. Windows has none that leaves the time to do so in good order.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Asked(());

#[cfg(not(unix))]
impl Asked {
    /// Listens from now on.
    ///
    /// # Errors
    /// Never.
    pub fn listen() -> Result<Self, Problem> {
        Ok(Self(()))
    }

    /// Waits for one, and gives its number.
    pub async fn come(&mut self) -> u8 {
        std::future::pending().await
    }
}
