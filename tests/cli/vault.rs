//! What is kept for a sign-in, in a real keyring. Each look at it is a process of its own, as another command would be.

use std::path::PathBuf;
use std::process::Command;

use holdfast::keyring;
use holdfast::secrets::Vault;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::keyring::Keyring;

/// What the child is to do with the vault.
const TASK: &str = "VAULT_TASK";
/// Where the processes wait for each other.
const LOCK: &str = "VAULT_LOCK";

/// A value that no keyring takes in one piece everywhere, and that is easily told from another.
fn long(seed: u8, length: usize) -> String {
    (0..length).map(|n| char::from(b'a' + u8::try_from((n * 7 + usize::from(seed)) % 26).unwrap())).collect()
}

/// Does a task in a process that has this keyring.
fn child(keyring: &Keyring, task: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "vault::a_long_value_is_kept_whole_or_not_at_all", "--nocapture"]);
    command.env(TASK, task).env("DBUS_SESSION_BUS_ADDRESS", keyring.address());
    command.env(LOCK, keyring.folder().join("lock"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| line.split_once("said: ").map(|(_, said)| said.to_owned()));
    said.unwrap_or_else(|| panic!("{task}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// How long a value of the vault is.
pub(super) fn length(keyring: &Keyring, name: &str) -> String {
    child(keyring, &format!("length {name}"))
}

/// Writes something else over an entry.
pub(super) fn spoil(keyring: &Keyring, entry: &str) {
    assert_eq!(child(keyring, &format!("spoil {entry}")), "spoilt");
}

/// The child's part.
fn act(task: &str) -> String {
    let vault = Vault::new(PathBuf::from(std::env::var_os(LOCK).unwrap()));
    let (what, rest) = task.split_once(' ').unwrap_or((task, ""));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said = runtime.block_on(async {
        match what {
            "set" => {
                let mut words = rest.split(' ').map(|word| word.parse::<usize>().unwrap());
                let (seed, length) = (words.next().unwrap(), words.next().unwrap());
                let value = long(u8::try_from(seed).unwrap(), length);
                vault.set("sso test", value.into()).await.map(|kept| format!("kept {kept}"))
            }
            "get" => vault.get("sso test").await.map(|value| match value {
                None => "nothing".to_owned(),
                Some(value) => {
                    let value = value.expose_secret();
                    let seed = (0..26).find(|seed| long(*seed, value.len()) == *value);
                    format!("{seed:?} of {}", value.len())
                }
            }),
            "length" => {
                let value = vault.read(rest).await;
                value.map(|value| {
                    value.map_or_else(String::new, |value| value.expose_secret().len().to_string())
                })
            }
            "overwrite" => {
                let seed = rest.parse::<u8>().unwrap();
                for round in 0..8 {
                    vault.set("sso test", long(seed, 3000 + round * 700).into()).await.unwrap();
                }
                Ok("written".to_owned())
            }
            "watch" => {
                for _ in 0..24 {
                    let value = vault.look("sso test").await.unwrap().unwrap();
                    let value = value.expose_secret();
                    assert!([8, 9].iter().any(|seed| long(*seed, value.len()) == *value), "{value}");
                }
                Ok("whole each time".to_owned())
            }
            "spoil" => {
                let other: SecretSlice<u8> = b"of another program".to_vec().into();
                keyring::set_bytes(rest.to_owned(), other).await.map(|()| "spoilt".to_owned())
            }
            "count" => {
                let mut count = usize::from(entry("sso test").await);
                for place in ["one", "other"] {
                    for number in 0..12 {
                        count += usize::from(entry(&format!("sso test {place} {number}")).await);
                    }
                }
                Ok(count.to_string())
            }
            "forget" => vault.forget("sso test").await.map(|()| "gone".to_owned()),
            other => panic!("{other}"),
        }
    });
    said.unwrap_or_else(|problem| problem.code.to_owned())
}

/// Whether the keyring has such an entry.
async fn entry(name: &str) -> bool {
    keyring::get_bytes(name.to_owned()).await.unwrap().is_some()
}

#[test]
fn a_long_value_is_kept_whole_or_not_at_all() {
    if let Ok(task) = std::env::var(TASK) {
        return println!("said: {}", act(&task));
    }
    let keyring = Keyring::unlocked();
    assert_eq!(child(&keyring, "get"), "nothing");
    for (seed, length) in [(1, 8192), (2, 10), (3, 0), (4, 2048), (5, 2049), (6, 20_000)] {
        assert_eq!(child(&keyring, &format!("set {seed} {length}")), "kept true");
        let seed = if length == 0 { 0 } else { seed };
        assert_eq!(child(&keyring, "get"), format!("Some({seed}) of {length}"));
    }
    // What went before is not left there: a head, and ten parts of the last one.
    assert_eq!(child(&keyring, "count"), "11");

    // A part that is gone, or that another program has written to, makes it nonsense, and it can be written anew.
    for place in ["one", "other"] {
        spoil(&keyring, &format!("sso test {place} 1"));
    }
    assert_eq!(child(&keyring, "get"), "keyring_garbled");
    assert_eq!(child(&keyring, "set 7 8192"), "kept true");
    assert_eq!(child(&keyring, "get"), "Some(7) of 8192");
    // Two that write and one that reads.
    assert_eq!(child(&keyring, "set 8 3000"), "kept true");
    std::thread::scope(|all| {
        let tasks = ["overwrite 8", "overwrite 9", "watch"];
        let done = tasks.map(|task| all.spawn(|| child(&keyring, task)));
        let said = done.map(|done| done.join().unwrap());
        assert_eq!(said, ["written", "written", "whole each time"]);
    });
    assert_eq!(child(&keyring, "forget"), "gone");
    assert_eq!(child(&keyring, "get"), "nothing");

    let locked = Keyring::locked();
    assert_eq!(child(&locked, "set 1 10"), "keyring_locked");
    assert_eq!(child(&Keyring::denied(), "set 1 10"), "keyring_denied");
    // Without a keyring it is kept for as long as the process lives, which is no error.
    let absent = Keyring::absent();
    assert_eq!(child(&absent, "set 1 10"), "kept false");
    assert_eq!(child(&absent, "get"), "nothing");
}
