//! A file that grows by lines, and makes way for a new one when it is long; the one before it is kept, too.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The one before it.
pub(crate) fn before(path: &Path) -> PathBuf {
    path.with_extension("before.jsonl")
}

/// The file, for lines to be added, private to this user. One that is longer than `longest` bytes makes way first: several processes may
/// find that at the same time, and only one of them moves it.
pub(crate) fn open(path: &Path, longest: u64) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let is_long = || fs::metadata(path).is_ok_and(|file| file.len() > longest);
    if is_long() {
        let gate = OpenOptions::new().create(true).append(true).open(path.with_extension("lock"))?;
        gate.lock()?;
        if is_long() {
            fs::rename(path, before(path))?;
        }
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn many_that_find_it_long_move_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        for _ in 0..20 {
            fs::write(&path, "old\n".repeat(100)).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| open(&path, 200).unwrap().write_all(b"new\n").unwrap());
                }
            });
            assert_eq!(fs::read_to_string(before(&path)).unwrap().matches("old").count(), 100);
            let all = fs::read_to_string(&path).unwrap() + &fs::read_to_string(before(&path)).unwrap();
            assert_eq!(all.matches("new").count(), 8, "{all}");
        }
    }
}
