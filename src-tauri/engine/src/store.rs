//! Where files are on this computer, and how they are written: whole or not at all.
//!
//! The settings file is the user's. The state folder is Holdfast's own and holds nothing that would be missed: locks,
//! notes of interrupted operations, the id of this installation, logs, when the machine was seen on, and prices. What AWS has is not kept.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy;
use holdfast_core::cost::History;
use holdfast_core::names::UserName;
use holdfast_core::plan::Applied;
use holdfast_core::settings::migrated;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::history::Deeds;
use crate::prices::Asked;
use crate::problem::Problem;
use crate::secrets::Vault;
use crate::updates::Last;

/// The environment variable that names the folder of the settings file instead of the platform's.
pub const CONFIG_DIR: &str = "HOLDFAST_CONFIG_DIR";
/// The environment variable that names the state folder instead of the platform's.
pub const STATE_DIR: &str = "HOLDFAST_STATE_DIR";

/// The folders of one user on one computer.
#[derive(Clone, Debug)]
pub struct Store {
    config: PathBuf,
    state: PathBuf,
}

/// A file that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing says where files belong.
    #[error("this computer has no home folder; name one in HOME, or set {CONFIG_DIR} and {STATE_DIR}")]
    NoHome,
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as in `write`.
        doing: &'static str,
        /// The file or folder, after all symbolic links.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
}

/// A machine's lock that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on the machine.
    #[error("another Holdfast works on this machine{}", .0.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default())]
    Held(Option<Holder>),
    /// The lock file cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Since when, in seconds since the Unix epoch.
    pub since: u64,
    /// What it does, as in `apply`.
    pub what: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, what, since } = self;
        match now().saturating_sub(*since) {
            seconds @ 0..120 => write!(f, "{what}, process {pid}, for {seconds} s"),
            seconds => write!(f, "{what}, process {pid}, for {} min", seconds / 60),
        }
    }
}

/// A machine's lock. It is given back when this is dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    holder: PathBuf,
}

/// What an operation was about to do. It says that the operation was interrupted, and nothing about the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The command, as in `apply`.
    pub operation: String,
    /// The goal it had.
    pub goal: String,
    /// When it began, in seconds since the Unix epoch.
    pub started: u64,
    /// It makes the volume larger, so that in the end the machine has to take the space.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grows: bool,
    /// The instance that was the machine when it began, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// The file that holds a machine's [`Intent`] while an operation runs.
#[derive(Clone, Debug)]
pub struct IntentFile(PathBuf);

impl Store {
    /// The folders of this user: [`CONFIG_DIR`] and [`STATE_DIR`] where they are set, else the platform's.
    ///
    /// That is `~/.config/holdfast` and `~/.local/state/holdfast` on Linux and macOS (or as the XDG variables say), and
    /// `holdfast` in the roaming and the local application data on Windows: an id of this installation must not roam.
    /// Nothing is made before it is needed.
    ///
    /// # Errors
    ///
    /// When there is no home folder and the variables do not make up for it, or no current folder for a relative one.
    pub fn open() -> Result<Self, StoreError> {
        Self::with_env(|name| std::env::var_os(name))
    }

    /// The store in these two folders.
    pub fn at(config: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { config: config.into(), state: state.into() }
    }

    fn with_env(env: impl Fn(&str) -> Option<OsString>) -> Result<Self, StoreError> {
        let folder = |variable, of_platform: fn(&Platform) -> PathBuf| match env(variable)
            .filter(|folder| !folder.is_empty())
        {
            Some(folder) => std::path::absolute(&folder).map_err(failed("find", Path::new(&folder))),
            None => {
                let platform = etcetera::choose_base_strategy().map_err(|_| StoreError::NoHome)?;
                Ok(of_platform(&platform).join("holdfast"))
            }
        };
        Ok(Self {
            config: folder(CONFIG_DIR, |platform| platform.config_dir())?,
            state: folder(STATE_DIR, |platform| {
                platform.state_dir().unwrap_or_else(|| platform.cache_dir())
            })?,
        })
    }

    /// The settings file, which need not be there.
    pub fn settings_path(&self) -> PathBuf {
        self.config.join("settings.toml")
    }

    /// The folder of what the user wrote.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// The folder of everything that Holdfast keeps for itself.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The text of the settings file as this version writes it, see [`migrated`]; `None` when there is none.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read, or that is not text in UTF-8.
    pub fn read_settings_text(&self) -> Result<Option<String>, StoreError> {
        Ok(read(&self.settings_path())?.map(|text| migrated(&text).unwrap_or(text)))
    }

    /// Puts the settings file aside, beside itself and over nothing that is there, and says where it is now; `None` when there
    /// is none. Of a symbolic link it is the link.
    ///
    /// # Errors
    ///
    /// It cannot be moved.
    pub fn set_settings_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let path = self.settings_path();
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let aside = (1..).map(|number| path.with_extension(format!("toml.aside-{number}")));
        let Some(free) = aside.into_iter().find(|aside| aside.symlink_metadata().is_err()) else {
            return Ok(None);
        };
        fs::rename(&path, &free).map_err(failed("move", &path))?;
        Ok(Some(free))
    }

    /// Puts `text` into the settings file, whole or not at all. Folders are made, permissions kept, and a symbolic
    /// link is followed: people keep such files in a repository and link to them.
    ///
    /// # Errors
    ///
    /// Whatever stops the writing, also a file that is meant to be read only. The old text is still there then.
    pub fn write_settings(&self, text: &str) -> Result<(), StoreError> {
        let path = behind_links(&self.settings_path())?;
        make_folder(path.parent().unwrap_or(&self.config), Privacy::Shared)?;
        replace(&path, text.as_bytes(), Privacy::Shared)
    }

    /// The id of this installation: made once, the same ever after, whichever process asks first.
    ///
    /// # Errors
    ///
    /// When it can be neither read nor kept.
    pub fn maker(&self) -> Result<String, StoreError> {
        let path = self.state.join("maker");
        let kept =
            || Ok(read(&path)?.and_then(|text| Uuid::parse_str(text.trim()).ok()).map(|id| id.to_string()));
        if let Some(maker) = kept()? {
            return Ok(maker);
        }
        make_folder(&self.state, Privacy::Own)?;
        let lock_path = self.state.join("maker.lock");
        let lock = open_lock(&lock_path)?;
        lock.lock().map_err(failed("lock", &lock_path))?;
        if let Some(maker) = kept()? {
            return Ok(maker);
        }
        let maker = Uuid::new_v4().to_string();
        replace(&path, maker.as_bytes(), Privacy::Own)?;
        Ok(maker)
    }

    /// Takes the lock of the machine `key` (see `Desired::key`) for `what`, as in `apply`, without waiting.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] when another process, or another part of this one, has it.
    pub fn lock(&self, key: &str, what: &str) -> Result<Lock, LockError> {
        let folder = self.state.join("locks");
        make_folder(&folder, Privacy::Own)?;
        let path = folder.join(file_name(key, "lock"));
        // A file that is locked cannot be read on Windows, so who holds it stands in another.
        let holder = folder.join(file_name(key, "json"));
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(read_json(&holder).ok().flatten())),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error).into()),
        }
        let lock = Lock { file, holder };
        write_json(&lock.holder, &Holder { pid: std::process::id(), since: now(), what: what.to_owned() })?;
        Ok(lock)
    }

    /// Where the log is.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("log").join("holdfast.jsonl")
    }

    /// What this computer has changed.
    pub fn deeds(&self) -> Deeds {
        Deeds::at(self.state.join("history.jsonl"))
    }

    /// Where sign-ins are kept.
    pub fn vault(&self) -> Vault {
        Vault::new(self.state.join("locks").join("renewing"))
    }

    /// Makes sure that nobody else signs in on this computer.
    ///
    /// # Errors
    ///
    /// When somebody does, or the lock cannot be had.
    pub fn signing_in(&self) -> Result<Lock, Problem> {
        self.lock("sign-in", "login").map_err(|error| match error {
            LockError::Held(_) => Problem::new("signing_in", "Another sign-in is under way on this computer")
                .hint("finish that one, or end it"),
            LockError::Store(error) => error.into(),
        })
    }

    /// Who works on the machine `key` right now, if anybody does.
    ///
    /// # Errors
    ///
    /// When the lock is there and cannot be looked at.
    pub fn working(&self, key: &str) -> Result<Option<Holder>, StoreError> {
        let folder = self.state.join("locks");
        let path = folder.join(file_name(key, "lock"));
        if !path.exists() {
            return Ok(None);
        }
        // Shared, so that several may look at the same time.
        match open_lock(&path)?.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => read_json(&folder.join(file_name(key, "json"))),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Keeps `value` in the file `name` of the state folder, for this user alone.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn write_private(&self, name: &str, value: &impl Serialize) -> Result<PathBuf, StoreError> {
        let path = self.state.join(name);
        make_folder(path.parent().unwrap_or(&self.state), Privacy::Own)?;
        write_json(&path, value)?;
        Ok(path)
    }

    /// A folder in the state folder, for this user alone.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn private_folder(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.state.join(name);
        make_folder(&path, Privacy::Own)?;
        Ok(path)
    }

    /// The note that says what an operation on the machine `key` was about to do. Only the holder of the machine's lock
    /// may write or clear it.
    pub fn intent(&self, key: &str) -> IntentFile {
        IntentFile(self.state.join("intents").join(file_name(key, "json")))
    }
}

impl Store {
    /// What this computer last made of the machine `key`. A record that makes no sense is none.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn applied(&self, key: &str) -> Result<Option<Applied>, StoreError> {
        read_json(&self.applied_path(key))
    }

    /// Keeps what this computer made of the machine `key`; `None` when that is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_applied(&self, key: &str, applied: Option<&Applied>) -> Result<(), StoreError> {
        let path = self.applied_path(key);
        let Some(applied) = applied else { return IntentFile(path).clear() };
        if let Some(folder) = path.parent() {
            make_folder(folder, Privacy::Own)?;
        }
        write_json(&path, applied)
    }

    /// When this computer saw the machine `key` on and off. A record that makes no sense is none.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn history(&self, key: &str) -> Result<Option<History>, StoreError> {
        read_json(&self.state.join("history").join(file_name(key, "json")))
    }

    /// Keeps when this computer saw the machine `key` on and off.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_history(&self, key: &str, history: &History) -> Result<(), StoreError> {
        self.write_private(&format!("history/{}", file_name(key, "json")), history).map(drop)
    }

    /// What AWS's price list said when it was last asked, for one profile and region. A record that makes no sense is none.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn asked(&self, key: &str) -> Result<Option<Asked>, StoreError> {
        read_json(&self.state.join("prices").join(file_name(key, "json")))
    }

    /// Keeps what AWS's price list said.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_asked(&self, key: &str, asked: &Asked) -> Result<(), StoreError> {
        self.write_private(&format!("prices/{}", file_name(key, "json")), asked).map(drop)
    }

    /// When somebody looked for a newer Holdfast last.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn asked_for_updates(&self) -> Result<Option<Last>, StoreError> {
        read_json(&self.state.join("updates.json"))
    }

    /// Keeps that.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_asked_for_updates(&self, last: &Last) -> Result<(), StoreError> {
        self.write_private("updates.json", last).map(drop)
    }

    fn applied_path(&self, key: &str) -> PathBuf {
        self.state.join("applied").join(file_name(key, "json"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What is left behind when this fails is overwritten by the next holder.
        let _ = fs::remove_file(&self.holder);
        let _ = self.file.unlock();
    }
}

impl Intent {
    /// The intent to do `operation` for `goal`, from now on.
    pub fn now(operation: impl Into<String>, goal: impl Into<String>) -> Self {
        let (operation, goal) = (operation.into(), goal.into());
        Self { operation, goal, started: now(), grows: false, machine: None }
    }

    /// Begun at this instance, or where there was none.
    #[must_use]
    pub fn at(self, machine: Option<String>) -> Self {
        Self { machine, ..self }
    }

    /// With the volume made larger, or not.
    #[must_use]
    pub fn growing(self, grows: bool) -> Self {
        Self { grows, ..self }
    }
}

impl IntentFile {
    /// Keeps `intent` until it is cleared.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, intent: &Intent) -> Result<(), StoreError> {
        if let Some(folder) = self.0.parent() {
            make_folder(folder, Privacy::Own)?;
        }
        write_json(&self.0, intent)
    }

    /// The operation that did not come to its end; `None` when the last one did. A note that makes no sense is none.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn read(&self) -> Result<Option<Intent>, StoreError> {
        read_json(&self.0)
    }

    /// Says that the operation came to its end.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be removed.
    pub fn clear(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &self.0)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The login name of this computer as a user of the machine, where it can serve as one: `root` cannot.
pub fn login() -> Option<UserName> {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).find_map(|name| UserName::from_login(&name))
}

#[cfg(windows)]
type Platform = etcetera::base_strategy::Windows;
#[cfg(not(windows))]
type Platform = etcetera::base_strategy::Xdg;

/// Who else may look at a file that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    /// Whoever the user's umask lets.
    Shared,
    /// Nobody.
    Own,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A machine's key as a file name, another one for every key on every file system.
fn file_name(key: &str, extension: &str) -> String {
    let safe = key.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        b'/' => "+".to_owned(),
        _ => format!("%{byte:02x}"),
    });
    format!("{}.{extension}", safe.collect::<String>())
}

fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    Ok(read(path)?.and_then(|text| serde_json::from_str(&text).ok()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let json = serde_json::to_vec(value).map_err(|error| failed("write", path)(error.into()))?;
    replace(path, &json, Privacy::Own)
}

/// Replaces a file of the user's, whole or not at all, wherever links lead.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let path = behind_links(path)?;
    make_folder(path.parent().unwrap_or(&path), Privacy::Own)?;
    replace(&path, bytes, Privacy::Own)
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(failed("open", path))
}

fn make_folder(path: &Path, privacy: Privacy) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if privacy == Privacy::Own {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    #[cfg(not(unix))]
    let _ = privacy;
    builder.create(path).map_err(failed("make the folder", path))
}

/// The file that a path leads to, which need not be there.
fn behind_links(path: &Path) -> Result<PathBuf, StoreError> {
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(failed("follow the links of", &path)(io::Error::other("too many of them")))
}

/// Puts `bytes` into the file at `path`, which is no link: beside it first, so that a crash or a full disk leaves the
/// old text.
fn replace(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), StoreError> {
    let permissions = match OpenOptions::new().write(true).open(path) {
        Ok(old) => Some(old.metadata().map_err(failed("read", path))?.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Renaming would get past a file that is read only, which its owner will have meant.
        Err(error) => return Err(failed("write", path)(error)),
    };
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", Uuid::new_v4().simple()));
    let beside = path.with_file_name(name);
    let written = || {
        let mut options = OpenOptions::new();
        options.create_new(true).write(true);
        #[cfg(unix)]
        if privacy == Privacy::Own {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = privacy;
        let mut file = options.open(&beside)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed("write", path)(error)
    })?;
    // The rename itself survives a power cut only when the folder is written, which not every file system does.
    #[cfg(unix)]
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
