//! What Holdfast keeps for its user: tokens of git hosts in the keyring, sign-ins there or in memory where there is none.
//!
//! A value may be longer than what a keyring takes at once: Windows has room for 2560 bytes. So each lies there in parts, and
//! a head of its own says which parts make it up. The parts of a new value are written beside those of the old one, and
//! the head comes last: whoever reads meanwhile, or after a crash, finds one of the two whole.
//! Source: <https://learn.microsoft.com/windows/win32/api/wincred/ns-wincred-credentialw> (`CredentialBlobSize`)

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use crate::keyring;
use crate::problem::Problem;

/// The longest part in bytes.
const PART: usize = 2048;
/// The most parts of a value, so that a head that makes no sense ends soon.
const MOST: usize = 64;

/// Held while a sign-in is renewed, since what it is renewed with is good for one time; and while something is written.
#[derive(Debug)]
pub struct Renewing {
    _file: Option<File>,
    _here: OwnedMutexGuard<()>,
}

/// Where values are kept; by default in this process alone.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    inner: Arc<Inner>,
    /// Nobody is asked for a password, and nothing is renewed.
    only_looks: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// What this process knows, whether or not it could be kept.
    memory: Mutex<BTreeMap<String, Known>>,
    /// The keyring is asked, too.
    keyring: bool,
    /// That there is no keyring was said.
    said: AtomicBool,
    renewing: Arc<tokio::sync::Mutex<()>>,
    writing: Arc<tokio::sync::Mutex<()>>,
    /// The file that other processes wait at.
    lock: Option<PathBuf>,
}

/// A value that this process remembers.
#[derive(Debug)]
struct Known {
    value: SecretString,
    /// The keyring has it as well.
    kept: bool,
}

/// The entry that says which parts make a value up.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Head {
    /// Which of the two places the parts lie in.
    place: Place,
    parts: usize,
    sha256: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    One,
    Other,
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Other => "other",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::One => Self::Other,
            Self::Other => Self::One,
        }
    }
}

impl Vault {
    /// Keeps values in the keyring. Processes that share `lock` renew one after the other.
    pub fn new(lock: PathBuf) -> Self {
        let inner = Inner { lock: Some(lock), keyring: true, ..Inner::default() };
        Self { inner: Arc::new(inner), only_looks: false }
    }

    /// The same values for whoever changes nothing: a locked keyring stays so without a question, and no sign-in is renewed.
    #[must_use]
    pub fn only_looking(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), only_looks: true }
    }

    /// Whether nobody is to be asked for a password, and nothing to be renewed.
    pub fn only_looks(&self) -> bool {
        self.only_looks
    }

    /// The value of this name.
    ///
    /// # Errors
    /// The keyring is locked, or what it holds makes no sense. That there is none is no error.
    pub async fn get(&self, name: &str) -> Result<Option<SecretString>, Problem> {
        if let Some(known) = self.remembered(name) {
            return Ok(Some(known));
        }
        if !self.inner.keyring {
            return Ok(None);
        }
        match self.read(name).await {
            Err(problem) if problem.code == "no_keyring" => Ok(None),
            read => read,
        }
    }

    /// The same, past what this process remembers: another one may have changed it.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn look(&self, name: &str) -> Result<Option<SecretString>, Problem> {
        if !self.inner.keyring {
            return self.get(name).await;
        }
        match self.read(name).await {
            Err(problem) if problem.code == "no_keyring" => Ok(self.remembered(name)),
            Ok(None) => {
                self.memory(|memory| memory.remove(name));
                Ok(None)
            }
            Ok(Some(value)) => {
                self.remember(name, &value, true);
                Ok(Some(value))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Keeps a value. Gives whether it outlives this process.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn set(&self, name: &str, value: SecretString) -> Result<bool, Problem> {
        self.remember(name, &value, false);
        if !self.inner.keyring {
            return Ok(false);
        }
        match self.write(name, &value).await {
            Ok(()) => {
                self.remember(name, &value, true);
                Ok(true)
            }
            Err(problem) if problem.code == "no_keyring" => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Keeps nothing under this name any more.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn forget(&self, name: &str) -> Result<(), Problem> {
        self.memory(|memory| memory.remove(name));
        if !self.inner.keyring {
            return Ok(());
        }
        match self.remove(name).await {
            Err(problem) if problem.code == "no_keyring" => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Has the keyring keep this under that name, and nothing else will do.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn write(&self, name: &str, value: &SecretString) -> Result<(), Problem> {
        let _writing = self.writing().await;
        write(name, value).await
    }

    /// Has the keyring keep nothing under this name; gives whether it did.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn remove(&self, name: &str) -> Result<bool, Problem> {
        let _writing = self.writing().await;
        remove(name).await
    }

    /// Waits until nobody else renews a sign-in. A lock that cannot be had is no reason not to.
    pub async fn renewing(&self) -> Renewing {
        alone(&self.inner.renewing, self.inner.lock.clone()).await
    }

    /// Waits until nobody else writes: two that do would mix their parts.
    async fn writing(&self) -> Renewing {
        alone(&self.inner.writing, self.inner.lock.as_ref().map(|lock| lock.with_extension("writing"))).await
    }

    /// Whether this is the first time that somebody is told that there is no keyring.
    pub fn say_once(&self) -> bool {
        !self.inner.said.swap(true, Ordering::Relaxed)
    }

    /// Looks at the keyring again for what it has: another process may have changed it there. What it did not take stays remembered.
    pub fn look_again(&self) {
        self.memory(|memory| memory.retain(|_, known| !known.kept));
    }

    /// What the keyring has under this name, and nothing else will do.
    ///
    /// # Errors
    /// As for [`Self::get`], and there is no keyring.
    pub async fn read(&self, name: &str) -> Result<Option<SecretString>, Problem> {
        if !self.inner.keyring {
            return Ok(None);
        }
        if self.only_looks && keyring::is_locked().await? { Err(keyring::locked()) } else { read(name).await }
    }

    fn remembered(&self, name: &str) -> Option<SecretString> {
        self.memory(|memory| memory.get(name).map(|known| known.value.clone()))
    }

    fn remember(&self, name: &str, value: &SecretString, kept: bool) {
        let known = Known { value: value.clone(), kept };
        self.memory(|memory| memory.insert(name.to_owned(), known));
    }

    fn memory<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Known>) -> T) -> T {
        act(&mut self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whoever is here, and in whichever process, one after the other. A lock that cannot be had is no reason not to go on.
async fn alone(gate: &Arc<tokio::sync::Mutex<()>>, lock: Option<PathBuf>) -> Renewing {
    let here = Arc::clone(gate).lock_owned().await;
    let lock = move || {
        let path = lock?;
        fs::create_dir_all(path.parent()?).ok()?;
        let file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.lock().ok().map(|()| file)
    };
    let file = tokio::task::spawn_blocking(lock).await.ok().flatten();
    Renewing { _file: file, _here: here }
}

fn part(name: &str, place: Place, number: usize) -> String {
    format!("{name} {} {number}", place.word())
}

async fn head(name: &str) -> Result<Option<Head>, Problem> {
    let Some(text) = keyring::get(name.to_owned()).await? else { return Ok(None) };
    let head: Head = serde_json::from_str(text.expose_secret()).map_err(|_| keyring::garbled())?;
    if head.parts > MOST { Err(keyring::garbled()) } else { Ok(Some(head)) }
}

fn digest(value: &[u8]) -> String {
    Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value that is written anew meanwhile is read again; one that stays wrong makes no sense.
async fn read(name: &str) -> Result<Option<SecretString>, Problem> {
    let Some(mut known) = head(name).await? else { return Ok(None) };
    loop {
        match of_parts(name, &known).await {
            Err(problem) if problem.code == "keyring_garbled" => match head(name).await? {
                None => return Ok(None),
                Some(other) if other != known => known = other,
                Some(_) => return Err(problem),
            },
            read => return read.map(Some),
        }
    }
}

async fn of_parts(name: &str, head: &Head) -> Result<SecretString, Problem> {
    let mut whole: Vec<u8> = Vec::new();
    for number in 0..head.parts {
        let bytes = keyring::get_bytes(part(name, head.place, number)).await?;
        whole.extend(bytes.ok_or_else(keyring::garbled)?.expose_secret());
    }
    if digest(&whole) != head.sha256 {
        return Err(keyring::garbled());
    }
    let text = String::from_utf8(whole).map_err(|_| keyring::garbled())?;
    Ok(text.into())
}

async fn write(name: &str, value: &SecretString) -> Result<(), Problem> {
    // One that makes no sense is written over.
    let before = match head(name).await {
        Err(problem) if problem.code == "keyring_garbled" => None,
        before => before?,
    };
    let place = before.as_ref().map_or(Place::One, |head| head.place.next());
    let bytes = value.expose_secret().as_bytes();
    let chunks: Vec<&[u8]> = bytes.chunks(PART).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        keyring::set_bytes(part(name, place, number), SecretSlice::from(chunk.to_vec())).await?;
    }
    let head = Head { place, parts: chunks.len(), sha256: digest(bytes) };
    let text = serde_json::to_string(&head).unwrap_or_default();
    keyring::set(name.to_owned(), text.into()).await?;
    if let Some(before) = before {
        forget_parts(name, &before).await?;
    }
    Ok(())
}

async fn remove(name: &str) -> Result<bool, Problem> {
    let before = match head(name).await {
        Err(problem) if problem.code == "keyring_garbled" => None,
        before => before?,
    };
    let was_there = keyring::forget(name.to_owned()).await?;
    if let Some(before) = before {
        forget_parts(name, &before).await?;
    }
    Ok(was_there)
}

async fn forget_parts(name: &str, head: &Head) -> Result<(), Problem> {
    for number in 0..head.parts {
        keyring::forget(part(name, head.place, number)).await?;
    }
    Ok(())
}
