//! The keyring that this computer has for its user: Keychain, Credential Manager, or a Secret Service.

use holdfast_core::app::harmless::harmless;
use keyring::{Entry, Error};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::problem::Problem;

/// The program that the entries belong to.
const SERVICE: &str = "holdfast";

/// What the keyring holds under this name. It may ask its user to unlock it, and this waits for that.
///
/// # Errors
/// There is no keyring, it is locked, its user denies it, or what it holds makes no sense: `no_keyring`, `keyring_locked`,
/// `keyring_denied`, `keyring_garbled`.
pub async fn get(name: String) -> Result<Option<SecretString>, Problem> {
    match with_entry(name, |entry| entry.get_password()).await {
        Ok(secret) => Ok(Some(SecretString::from(secret))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(explain(&error).await),
    }
}

/// Has the keyring hold this under that name, and nothing else.
///
/// # Errors
/// As for [`get`].
pub async fn set(name: String, secret: SecretString) -> Result<(), Problem> {
    let set = move |entry: &Entry| entry.set_password(secret.expose_secret());
    match with_entry(name, set).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explain(&error).await),
    }
}

/// The same for bytes.
///
/// # Errors
/// As for [`get`].
pub async fn get_bytes(name: String) -> Result<Option<SecretSlice<u8>>, Problem> {
    match with_entry(name, |entry| entry.get_secret()).await {
        Ok(secret) => Ok(Some(secret.into())),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(explain(&error).await),
    }
}

/// The same for bytes.
///
/// # Errors
/// As for [`get`].
pub async fn set_bytes(name: String, secret: SecretSlice<u8>) -> Result<(), Problem> {
    let set = move |entry: &Entry| entry.set_secret(secret.expose_secret());
    match with_entry(name, set).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explain(&error).await),
    }
}

/// Has the keyring hold nothing under this name; gives whether it did.
///
/// # Errors
/// As for [`get`].
pub async fn forget(name: String) -> Result<bool, Problem> {
    match with_entry(name, |entry| entry.delete_credential()).await {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(explain(&error).await),
    }
}

/// Whether it is locked, as far as that can be seen without asking its user to unlock it.
///
/// # Errors
/// As for [`get`].
pub async fn is_locked() -> Result<bool, Problem> {
    if asking::is_locked().await {
        return Ok(true);
    }
    // What is not there needs no unlocking.
    get_bytes("doctor".to_owned()).await?;
    Ok(false)
}

/// On a thread of its own, since somebody may be asked for a password meanwhile.
async fn with_entry<T: Send + 'static>(
    name: String,
    act: impl Fn(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let work = move || {
        let entry = Entry::new(SERVICE, &name)?;
        for _ in 1..TRIES {
            match act(&entry) {
                Err(error) if has_vanished(&error) => {}
                done => return done,
            }
        }
        act(&entry)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::PlatformFailure(Box::new(error))))
}

/// How often an entry is looked for that others take away.
const TRIES: usize = 3;

/// Whether another process has removed the entry between the two calls that it takes: one finds it, the other reads it.
/// Source: <https://specifications.freedesktop.org/secret-service/latest/errors.html>, `UnknownObject` of D-Bus
fn has_vanished(error: &Error) -> bool {
    let Error::PlatformFailure(why) = error else { return false };
    let why = why.to_string();
    ["UnknownMethod", "UnknownObject", "NoSuchObject"].iter().any(|gone| why.contains(gone))
}

/// The keyring holds something that is not what was put there.
pub fn garbled() -> Problem {
    Problem::new("keyring_garbled", "What the keyring holds for Holdfast makes no sense")
        .hint("remove the entries of the program holdfast there, and give it the secret again")
}

/// The keyring has to be unlocked first.
pub fn locked() -> Problem {
    Problem::new("keyring_locked", "The keyring is locked")
        .hint("unlock it, as a sign-in on the desktop does, then run the same command again")
}

async fn explain(error: &Error) -> Problem {
    let asked = matches!(error, Error::NoStorageAccess(_)) && asking::somebody_is_asked().await;
    problem(error, asked)
}

/// What an error means; `asked`: there is somebody whom the keyring asks before it refuses.
fn problem(error: &Error, asked: bool) -> Problem {
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
        Error::NoStorageAccess(why) => {
            let why = harmless(&why.to_string(), 300);
            // A dismissed prompt of the Secret Service, errSecUserCanceled and errSecAuthFailed of the Keychain.
            let refused =
                ["dismissed", "cancel", "authorization"].iter().any(|word| why.to_lowercase().contains(word));
            if asked && refused {
                Problem::new("keyring_denied", "The keyring's question was not answered with yes")
                    .because(why)
                    .hint("run the same command again, and let Holdfast in")
            } else {
                let what = "The keyring is locked, and nobody can be asked to unlock it".to_owned();
                Problem { what, ..locked() }.because(why)
            }
        }
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

/// What the other systems' keyrings do by themselves.
#[cfg(not(target_os = "linux"))]
mod asking {
    #[expect(clippy::unused_async, reason = "Linux has to ask others")]
    pub(super) async fn somebody_is_asked() -> bool {
        true
    }

    #[expect(clippy::unused_async, reason = "Linux has to ask others")]
    pub(super) async fn is_locked() -> bool {
        false
    }
}

/// Who asks for the password of a keyring.
#[cfg(target_os = "linux")]
mod asking {
    use std::time::Duration;

    use zbus::fdo::DBusProxy;
    use zbus::zvariant::OwnedObjectPath;
    use zbus::{Connection, Proxy};

    const PATIENCE: Duration = Duration::from_secs(1);
    const SERVICE: &str = "org.freedesktop.secrets";
    /// gnome-keyring has a program of its own ask, and says of a question that nobody could show that it was dismissed.
    const PROMPTER: &str = "org.gnome.keyring.SystemPrompter";

    /// Whether there is a program that asks: always, but for a gnome-keyring without one.
    pub(super) async fn somebody_is_asked() -> bool {
        let ask = async {
            let bus = Connection::session().await?;
            let names = DBusProxy::new(&bus).await?;
            if !names.name_has_owner("org.gnome.keyring".try_into()?).await? {
                return Ok(true);
            }
            Ok::<_, zbus::Error>(
                names.name_has_owner(PROMPTER.try_into()?).await?
                    || names.list_activatable_names().await?.iter().any(|name| name.as_str() == PROMPTER),
            )
        };
        matches!(tokio::time::timeout(PATIENCE, ask).await, Ok(Ok(true)))
    }

    /// Source: <https://specifications.freedesktop.org/secret-service/latest/ch03.html>
    pub(super) async fn is_locked() -> bool {
        let ask = async {
            let bus = Connection::session().await?;
            let service =
                Proxy::new(&bus, SERVICE, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service");
            let usual: OwnedObjectPath = service.await?.call("ReadAlias", &("default",)).await?;
            let usual = Proxy::new(&bus, SERVICE, usual, "org.freedesktop.Secret.Collection").await?;
            usual.get_property::<bool>("Locked").await
        };
        matches!(tokio::time::timeout(PATIENCE, ask).await, Ok(Ok(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_another_process_takes_away_is_told_from_other_failures() {
        let failure = |text: &str| Error::PlatformFailure(Box::new(std::io::Error::other(text.to_owned())));
        let gone = "zbus error: org.freedesktop.DBus.Error.UnknownMethod: Object does not exist at path /x";
        assert!(has_vanished(&failure(gone)));
        assert!(!has_vanished(&failure("zbus error: org.freedesktop.DBus.Error.NoReply: too late")));
        assert!(!has_vanished(&Error::NoEntry));
    }

    #[test]
    fn each_failure_is_a_problem_of_its_own_and_none_tells_the_secret() {
        let locked = || Box::new(std::io::Error::other("SS error: prompt dismissed"));
        for (error, code) in [
            (Error::NoDefaultStore, "no_keyring"),
            (Error::NoStorageAccess(locked()), "keyring_denied"),
            (Error::NoStorageAccess(Box::new(std::io::Error::other("object locked"))), "keyring_locked"),
            (Error::BadEncoding(b"s3cret\xff".to_vec()), "keyring_garbled"),
            (Error::BadDataFormat(b"s3cret".to_vec(), locked()), "keyring_garbled"),
            (Error::TooLong("password".into(), 2560), "keyring"),
        ] {
            let told = problem(&error, true);
            assert_eq!(told.code, code);
            assert!(!format!("{told:?}").contains("s3cret"), "{told:?}");
        }
        assert_eq!(problem(&Error::NoStorageAccess(locked()), false).code, "keyring_locked");
    }
}
