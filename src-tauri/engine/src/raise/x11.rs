//! Windows under X.
//!
//! Sources: <https://specifications.freedesktop.org/wm-spec/latest/> (`_NET_CLIENT_LIST`, `_NET_ACTIVE_WINDOW`),
//! <https://www.x.org/releases/current/doc/resourceproto/resproto.txt> (which process made a window)

use std::error::Error;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use holdfast_core::terminal::on_screen::{OnScreen, window_of};
use x11rb::connection::Connection;
use x11rb::protocol::res::{ClientIdMask, ClientIdSpec, ConnectionExt as _};
use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, Window};
use x11rb::rust_connection::RustConnection;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        _NET_SUPPORTED,
        _NET_CLIENT_LIST,
        _NET_ACTIVE_WINDOW,
    }
}

/// How long the window manager may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Who asks to raise a window: somebody through a pager, whom a window manager does not suspect of stealing the keyboard.
const PAGER: u32 = 2;
/// The most parents of a process that are looked at.
const GENERATIONS: usize = 64;
/// More windows than anybody has.
const MOST: u32 = 4096;

/// A screen and its window manager.
struct Screen {
    server: RustConnection,
    root: Window,
    atoms: Atoms,
}

/// Brings the window of one of these processes to the front, the first that has one. With each comes what its terminal says
/// which window it is.
pub(super) fn raise_one_of(processes: &[(u32, Option<u32>)]) -> Result<bool, Box<dyn Error>> {
    let (server, number) = x11rb::connect(None)?;
    let root = server.setup().roots.get(number).ok_or("no such screen")?.root;
    let atoms = Atoms::new(&server)?.reply()?;
    let screen = Screen { server, root, atoms };
    if !screen.list(screen.atoms._NET_SUPPORTED)?.contains(&screen.atoms._NET_ACTIVE_WINDOW) {
        return Ok(false);
    }
    let windows = screen.windows()?;
    let found = processes.iter().find_map(|(process, told)| window_of(&windows, &parents(*process), *told));
    found.map_or(Ok(false), |window| screen.raise(window))
}

impl Screen {
    /// A property of the root window, which is where a window manager says something.
    fn list(&self, name: u32) -> Result<Vec<u32>, Box<dyn Error>> {
        let property = self.server.get_property(false, self.root, name, AtomEnum::ANY, 0, MOST)?.reply()?;
        Ok(property.value32().map(Iterator::collect).unwrap_or_default())
    }

    /// The windows that the window manager knows, and the processes that made them.
    fn windows(&self) -> Result<Vec<OnScreen>, Box<dyn Error>> {
        let windows = self.list(self.atoms._NET_CLIENT_LIST)?;
        let makers = windows.into_iter().map(|window| Ok(OnScreen { window, maker: self.maker(window)? }));
        makers.collect()
    }

    fn maker(&self, window: Window) -> Result<Option<u32>, Box<dyn Error>> {
        let spec = ClientIdSpec { client: window, mask: ClientIdMask::LOCAL_CLIENT_PID };
        let ids = self.server.res_query_client_ids(&[spec])?.reply()?.ids;
        Ok(ids.first().and_then(|id| id.value.first().copied()))
    }

    fn raise(&self, window: Window) -> Result<bool, Box<dyn Error>> {
        let active = self.atoms._NET_ACTIVE_WINDOW;
        let message = ClientMessageEvent::new(32, window, active, [PAGER, x11rb::CURRENT_TIME, 0, 0, 0]);
        let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.server.send_event(false, self.root, to, message)?.check()?;
        let began = Instant::now();
        // A window manager may merely let it blink.
        while began.elapsed() < PATIENCE {
            // Xfce writes two values, the second of which is nothing.
            if self.list(active)?.first() == Some(&window) {
                return Ok(true);
            }
            sleep(Duration::from_millis(20));
        }
        Ok(false)
    }
}

/// The parent of a process, that one's parent and so on.
fn parents(process: u32) -> Vec<u32> {
    let all = std::iter::successors(Some(process), |process| parent(*process));
    all.skip(1).take_while(|parent| *parent > 1).take(GENERATIONS).collect()
}

/// The fourth field of the file, behind the program's name, which may hold anything.
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_parents() {
        let us = std::process::id();
        assert_eq!(parents(us).first().copied(), Some(std::os::unix::process::parent_id()));
        assert!(!parents(us).contains(&us));
        assert!(parents(u32::MAX).is_empty());
    }
}
