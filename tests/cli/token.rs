//! The token of a private repository, with a real keyring.

use std::io::Write as _;
use std::process::Stdio;

use super::keyring::Keyring;
use super::{Home, Ran};

const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
const SETTINGS: &str =
    "[machine.remote-dev]\nconfig = { git = \"https://ada@git.example.com:8443/ada/machine.git\" }\n";

impl Home {
    fn token(&self, keyring: &Keyring, line: &str, typed: &str) -> Ran {
        let mut command = self.command(line);
        command.env("DBUS_SESSION_BUS_ADDRESS", keyring.address()).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[test]
fn a_token_is_kept_in_the_keyring_and_nowhere_else() {
    let (home, keyring) = (Home::with(SETTINGS), Keyring::unlocked());
    let kept = home.token(&keyring, "config token", &format!("{TOKEN}\n")).well();
    assert!(kept.err.contains("https://git.example.com:8443"), "{}", kept.all());
    let grep = |folder: &std::path::Path| {
        let found = std::process::Command::new("grep").args(["-rF", TOKEN]).arg(folder).output().unwrap();
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    assert_eq!(grep(home.folder.path()) + &grep(keyring.folder()), "");
    assert!(!kept.all().contains(TOKEN));
    // One that no keyring takes in one piece everywhere.
    let long = "x".repeat(2048);
    home.token(&keyring, "config token", &long).well();
    assert_eq!(super::vault::length(&keyring, "git https://git.example.com:8443"), "2048");
    // Another one takes its place, and it can be forgotten.
    home.token(&keyring, "config token", "other").well();
    assert!(home.token(&keyring, "config token --forget", "").well().err.contains("forgotten"));
    assert!(home.token(&keyring, "config token --forget", "").well().err.contains("none"));
}

#[test]
fn what_is_no_token_is_not_kept() {
    let (home, keyring) = (Home::with(SETTINGS), Keyring::unlocked());
    for text in ["", "two words", "a\nhost=evil.example"] {
        let refused = home.token(&keyring, "config token", text);
        assert!(refused.code == Some(2) && refused.err.contains("one word"), "{}", refused.all());
    }
    assert!(home.token(&keyring, "config token --forget", "").well().err.contains("none"));
    for settings in ["", "[machine.remote-dev]\nconfig = { git = \"git@git.example.com:ada/machine.git\" }\n"]
    {
        std::fs::write(home.settings(), settings).unwrap();
        let refused = home.token(&keyring, "config token", TOKEN);
        assert!(refused.code == Some(2) && refused.err.contains("config.git"), "{}", refused.all());
    }
}

#[test]
fn a_keyring_that_is_locked_or_missing_says_so() {
    let home = Home::with(SETTINGS);
    let locked = home.token(&Keyring::locked(), "config token", TOKEN);
    assert!(locked.code == Some(1) && locked.err.contains("The keyring is locked"), "{}", locked.all());
    let absent = home.token(&Keyring::absent(), "config token", TOKEN);
    assert!(absent.code == Some(1) && absent.err.contains("no keyring"), "{}", absent.all());
    assert!(absent.err.contains("HOLDFAST_GIT_TOKEN"), "{}", absent.all());
}
