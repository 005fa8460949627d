//! The keyring that this computer has for its user: Keychain, Credential Manager, or a Secret Service.

use holdfast_core::app::harmless::harmless;
use keyring::{Entry, Error};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::problem::Problem;

/// The program that the entries belong to.
const SERVICE: &str = "holdfast";

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// The token of a git host: what [`credential_scope`](holdfast_core::config::credential_scope) says.
    Git(String),
    /// A part of a longer value, see [`Vault`](crate::secrets::Vault).
    Part(String),
}

impl Name {
    fn user(&self) -> String {
        match self {
            Self::Git(scope) => format!("git {scope}"),
            Self::Part(name) => name.clone(),
        }
    }
}

/// What the keyring holds under this name. It may ask its user to unlock it, and this waits for that.
///
/// # Errors
/// There is no keyring, it stays locked, or what it holds makes no sense: `no_keyring`, `keyring_locked`, `keyring_garbled`.
pub async fn get(name: Name) -> Result<Option<SecretString>, Problem> {
    match with_entry(name, |entry| entry.get_password()).await {
        Ok(secret) => Ok(Some(SecretString::from(secret))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(problem(&error)),
    }
}

/// Has the keyring hold this under that name, and nothing else.
///
/// # Errors
/// As for [`get`].
pub async fn set(name: Name, secret: SecretString) -> Result<(), Problem> {
    let set = move |entry: &Entry| entry.set_password(secret.expose_secret());
    with_entry(name, set).await.map_err(|error| problem(&error))
}

/// The same for bytes.
///
/// # Errors
/// As for [`get`].
pub async fn get_bytes(name: Name) -> Result<Option<SecretSlice<u8>>, Problem> {
    match with_entry(name, |entry| entry.get_secret()).await {
        Ok(secret) => Ok(Some(secret.into())),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(problem(&error)),
    }
}

/// The same for bytes.
///
/// # Errors
/// As for [`get`].
pub async fn set_bytes(name: Name, secret: SecretSlice<u8>) -> Result<(), Problem> {
    let set = move |entry: &Entry| entry.set_secret(secret.expose_secret());
    with_entry(name, set).await.map_err(|error| problem(&error))
}

/// Has the keyring hold nothing under this name; gives whether it did.
///
/// # Errors
/// As for [`get`].
pub async fn forget(name: Name) -> Result<bool, Problem> {
    match with_entry(name, |entry| entry.delete_credential()).await {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(problem(&error)),
    }
}

/// On a thread of its own, since somebody may be asked for a password meanwhile.
async fn with_entry<T: Send + 'static>(
    name: Name,
    act: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let work = move || act(&Entry::new(SERVICE, &name.user())?);
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::PlatformFailure(Box::new(error))))
}

/// The keyring holds something that is not what was put there.
pub fn garbled() -> Problem {
    Problem::new("keyring_garbled", "What the keyring holds for Holdfast makes no sense")
        .hint("remove the entries of the program holdfast there, and give it the secret again")
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NoDefaultStore => {
            // The reason is kept there; the error has none.
            let why = Entry::store_status().as_ref().err().map(ToString::to_string).unwrap_or_default();
            Problem::new("no_keyring", "This computer has no keyring that can be used")
                .because(harmless(&why, 300))
                .hint_first(cfg!(target_os = "linux").then(|| {
                    "install one that speaks the Secret Service, as gnome-keyring, KWallet and KeePassXC do".to_owned()
                }))
        }
        Error::NoStorageAccess(why) => Problem::new("keyring_locked", "The keyring does not let Holdfast in")
            .because(harmless(&why.to_string(), 300))
            .hint("unlock it, and allow Holdfast what it asks for"),
        // What these hold may be the secret itself.
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) | Error::Ambiguous(_) => {
            garbled()
        }
        Error::PlatformFailure(_)
        | Error::NoEntry
        | Error::TooLong(..)
        | Error::Invalid(..)
        | Error::NotSupportedByStore(_)
        | _ => {
            Problem::new("keyring", "The keyring cannot be used").because(harmless(&error.to_string(), 300))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_a_problem_of_its_own_and_none_tells_the_secret() {
        let locked = || Box::new(std::io::Error::other("Prompt was dismissed"));
        for (error, code) in [
            (Error::NoDefaultStore, "no_keyring"),
            (Error::NoStorageAccess(locked()), "keyring_locked"),
            (Error::BadEncoding(b"s3cret\xff".to_vec()), "keyring_garbled"),
            (Error::BadDataFormat(b"s3cret".to_vec(), locked()), "keyring_garbled"),
            (Error::TooLong("password".into(), 2560), "keyring"),
        ] {
            let problem = problem(&error);
            assert_eq!(problem.code, code);
            assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
        }
    }
}
