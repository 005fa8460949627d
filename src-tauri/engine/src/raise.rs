//! Raising a window that is open already.
//!
//! Whoever connects in a window of its own says so in a file, which it holds locked while it lives: the lock goes with the
//! process, however that ends. Which window on the screen is that process's is asked of the X server, never of the file.
//!
//! Only X can do it. Under Wayland no program may raise another one's window, and none may even know of it, so a second
//! one opens there unless the terminal is an X program; likewise on macOS, where only all windows of a terminal come to the
//! front at once, and on Windows.
//! Source: <https://wayland.app/protocols/xdg-activation-v1>

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_core::names::SessionName;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::store::Store;

#[cfg(target_os = "linux")]
mod x11;

/// The folder of the notes in the state folder.
const NOTES: &str = "windows/open";
/// How long a desktop may take to bring a window to the front, before a second one opens instead.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a process says of the window that it runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The key of the machine that it is connected to.
    machine: String,
    /// The session there.
    session: SessionName,
    /// The process.
    process: u32,
    /// What its terminal says which window it is, in `WINDOWID`.
    window: Option<u32>,
}

/// Says, as long as this lives, that a session is open in the window of this process.
#[derive(Debug)]
pub struct Here {
    /// The note and its lock; `None` where there can be none, which costs nothing but a second window.
    held: Option<(PathBuf, File)>,
}

impl Here {
    /// Says that the session of the machine `key` is open here.
    pub fn tell(store: &Store, key: &str, session: &SessionName) -> Self {
        let note = Note {
            machine: key.to_owned(),
            session: session.clone(),
            process: std::process::id(),
            window: std::env::var("WINDOWID").ok().and_then(|window| window.parse().ok()),
        };
        let held = write(store, &note);
        if let Err(error) = &held {
            tracing::debug!(%error, "nobody will find this window");
        }
        Self { held: held.ok() }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if let Some((path, _lock)) = &self.held {
            // What is left behind has no lock any more, and whoever looks next removes it.
            let _ = fs::remove_file(path);
        }
    }
}

fn write(store: &Store, note: &Note) -> std::io::Result<(PathBuf, File)> {
    let folder = store.private_folder(NOTES).map_err(std::io::Error::other)?;
    let path = folder.join(format!("{}.json", uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    // Before anything is in it: a file with a note and without a lock is a dead one.
    file.lock()?;
    file.write_all(&serde_json::to_vec(note)?)?;
    Ok((path, file))
}

/// Brings the window to the front in which this session of the machine `key` is open. Whether there was one and it is in
/// front now.
pub async fn raise(store: &Store, key: &str, session: &SessionName) -> bool {
    let processes: Vec<(u32, Option<u32>)> = living(&store.state_dir().join(NOTES))
        .into_iter()
        .filter(|note| note.machine == key && note.session == *session)
        .map(|note| (note.process, note.window))
        .collect();
    if processes.is_empty() {
        return false;
    }
    // The server may be slow, or hang.
    let raised = tokio::task::spawn_blocking(move || raise_one_of(&processes));
    matches!(timeout(PATIENCE, raised).await, Ok(Ok(true)))
}

/// The notes of processes that live, and an end to those of all others.
fn living(folder: &Path) -> Vec<Note> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter_map(|path| read(&path).ok().flatten()).collect()
}

fn read(path: &Path) -> std::io::Result<Option<Note>> {
    let mut file = File::open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(serde_json::from_str(&text).ok()),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) if text.is_empty() => Ok(None),
        Ok(()) => fs::remove_file(path).map(|()| None),
    }
}

#[cfg(target_os = "linux")]
fn raise_one_of(processes: &[(u32, Option<u32>)]) -> bool {
    match x11::raise_one_of(processes) {
        Ok(raised) => raised,
        Err(error) => {
            tracing::debug!(%error, "no window was raised");
            false
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn raise_one_of(_processes: &[(u32, Option<u32>)]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [SessionName; 2] {
        ["main", "work"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn a_note_lives_as_long_as_its_process_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path(), home.path());
        let folder = home.path().join(NOTES);
        let [main, work] = names();
        assert_eq!(living(&folder), []);

        let here = Here::tell(&store, "ada/remote-dev/us-west-2", &main);
        let there = Here::tell(&store, "ada/remote-dev/us-west-2", &work);
        let mut found: Vec<_> = living(&folder).into_iter().map(|note| note.session).collect();
        found.sort();
        assert_eq!(found, names());
        assert!(living(&folder).iter().all(|note| note.process == std::process::id()));
        drop(there);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

        // A process that is killed leaves its note and loses its lock.
        let (path, lock) = { here }.held.take().unwrap();
        drop(lock);
        assert!(path.exists());
        assert_eq!(living(&folder), []);
        assert!(!path.exists());
    }

    #[test]
    fn a_note_that_is_being_written_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new.json");
        File::create(&path).unwrap();
        assert_eq!(living(home.path()), []);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn nothing_is_raised_where_nothing_is_open() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::at(home.path(), home.path());
        let [main, work] = names();
        let _here = Here::tell(&store, "ada/remote-dev/us-west-2", &main);
        assert!(!raise(&store, "ada/remote-dev/us-west-2", &work).await);
        assert!(!raise(&store, "ada/other/us-west-2", &main).await);
    }
}
