//! Where a machine's NixOS configuration comes from.
//!
//! Addresses, branches, folders and attributes reach `git` and `nix` on the machine, as root; so each has a narrow
//! alphabet and cannot be taken for an option.

use std::str::FromStr;

use super::read::{Reader, Section};
use super::{DEFAULT_FOLDER, Wrong};
use crate::machine::ConfigSource;
use crate::names::{MachineName, NotAllowed};

pub(super) const ALLOWED: &str =
    "\"embedded\", { git = \"https://…\", branch, folder, attribute } or { directory = \"~/…\", attribute }";

pub(super) const GIT_KEYS: [&str; 3] = ["git", "branch", "folder"];
pub(super) const KEYS: [&str; 5] = ["git", "branch", "folder", "directory", "attribute"];

impl<'a> Reader<'a> {
    pub(super) fn config(
        &mut self,
        machine: &Section<'a>,
        name: Option<&MachineName>,
    ) -> Option<ConfigSource> {
        let Some(field) = self.field(machine, "config") else { return Some(ConfigSource::Embedded) };
        if let Some(text) = field.item().as_str() {
            if text == "embedded" {
                return Some(ConfigSource::Embedded);
            }
            self.refuse(&field, Wrong::Value { allowed: ALLOWED.to_owned() });
            return None;
        }
        let section = self.section(&field, ALLOWED)?;
        self.refuse_unknown(&section, &KEYS);
        let git = self.field(&section, "git");
        let directory = self.field(&section, "directory");
        let branch = self.field(&section, "branch");
        let folder = self.field(&section, "folder");
        let attribute = match self.field(&section, "attribute") {
            Some(field) => self.text(&field).map(|Attribute(text)| text),
            None => name.map(ToString::to_string),
        };
        match (git, directory) {
            (None, None) => {
                self.refuse(&field, Wrong::NoSource);
                None
            }
            (Some(git), directory) => {
                if let Some(directory) = directory {
                    self.refuse(&directory, Wrong::Excluded { by: "git" });
                }
                let url = self.text(&git).map(|GitUrl(text)| text);
                let branch = branch.and_then(|field| self.text(&field)).map(|Branch(text)| text);
                let folder = match folder {
                    Some(field) => self.text(&field).map(|Folder(text)| text),
                    None => Some(DEFAULT_FOLDER.to_owned()),
                };
                Some(ConfigSource::Git { url: url?, branch, folder: folder?, attribute: attribute? })
            }
            (None, Some(directory)) => {
                for field in [branch, folder].into_iter().flatten() {
                    self.refuse(&field, Wrong::Excluded { by: "directory" });
                }
                let path = self.text(&directory).map(|Directory(text)| text);
                Some(ConfigSource::Directory { path: path?, attribute: attribute? })
            }
        }
    }
}

macro_rules! part {
    ($name:ident, $allowed:literal, $check:expr) => {
        struct $name(String);

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAllowed { value: text.to_owned(), allowed: $allowed })
                }
            }
        }
    };
}

part!(
    GitUrl,
    "an address that git clones over an encrypted line: https://…, ssh://… or user@host:path, with letters, digits and \
     -._~:/@%+=, and without a password",
    |text| {
        let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("ssh://"));
        let host_starts_well = |host: &str| host.starts_with(|c: char| c.is_ascii_alphanumeric());
        text.len() <= 1024
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/@%+=,".contains(&b))
            && match address {
                Some(address) => {
                    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
                    let (login, host) = authority.rsplit_once('@').unwrap_or(("git", authority));
                    !path.is_empty()
                        && !login.contains(':')
                        && host_starts_well(login)
                        && host_starts_well(host)
                }
                None => {
                    !text.contains("://")
                        && text.split_once('@').is_some_and(|(login, rest)| {
                            let (host, path) = rest.split_once(':').unwrap_or((rest, ""));
                            !path.is_empty()
                                && !login.contains([':', '/'])
                                && host_starts_well(login)
                                && host_starts_well(host)
                        })
                }
            }
    }
);

part!(Branch, "the name of a branch: letters, digits and -._/+, as git allows them", |text| (1..=200)
    .contains(&text.len())
    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/+".contains(&b))
    && !text.starts_with('-')
    && !text.ends_with('.')
    && !text.contains("..")
    && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock")));

part!(
    Folder,
    "a folder inside the repository: letters, digits and -._+ between slashes, not .. and no slash first",
    |text| (1..=512).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/+".contains(&b))
        && !text.starts_with('-')
        && text.trim_end_matches('/').split('/').all(|part| !part.is_empty() && part != "..")
);

part!(
    Attribute,
    "the name of a NixOS configuration: 1 to 64 letters, digits, _ and -, a letter or _ first",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
);

part!(Directory, "the whole path of a folder on this computer, or one that begins with ~/", |text| {
    let drive = |text: &str| {
        let mut chars = text.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.next() == Some(':')
            && chars.next().is_some_and(|c| c == '\\' || c == '/')
    };
    (1..=4096).contains(&text.len())
        && !text.chars().any(char::is_control)
        && (text == "~"
            || text.starts_with("~/")
            || text.starts_with('/')
            || text.starts_with("\\\\")
            || drive(text))
});
