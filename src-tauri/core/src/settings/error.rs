//! What is wrong with settings.

use std::fmt;

use serde::Serialize;

use super::VERSION;
use crate::names::{MachineName, UserName};

/// One thing that is wrong with the settings. Its text names key, line, value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsError {
    /// The dotted path of the setting; empty when the text is not TOML at all.
    pub key: String,
    /// The line in the file, from 1; `None` for something that does not stand there.
    pub line: Option<usize>,
    /// The value as it was given, shortened; `None` for a table and for something that does not stand there.
    pub value: Option<String>,
    /// What is wrong, and what is allowed.
    pub wrong: Wrong,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// The text is not TOML; the parser's words.
    Syntax(String),
    /// There is no such setting.
    UnknownKey {
        /// What may have been meant.
        near: Option<String>,
        /// Every setting that this place has.
        known: Vec<&'static str>,
    },
    /// The key, which is a name of the user's choice, is not allowed.
    Key {
        /// What is allowed, as the end of a sentence.
        allowed: &'static str,
    },
    /// The value has another type.
    Type {
        /// The type that it has.
        found: &'static str,
        /// What is allowed.
        allowed: String,
    },
    /// The value is not allowed.
    Value {
        /// What is allowed.
        allowed: String,
    },
    /// A newer Holdfast wrote the file.
    Newer,
    /// No user is set, and the login name cannot serve.
    NoUser,
    /// There are several machines, and none of them is the default one.
    NoDefault {
        /// The machines.
        machines: Vec<MachineName>,
    },
    /// There is no machine of this name.
    NoMachine {
        /// What may have been meant.
        near: Option<String>,
        /// The machines that there are.
        machines: Vec<MachineName>,
    },
    /// User, machine and region make the name of a resource too long for AWS.
    NameTooLong {
        /// What would get the name.
        what: &'static str,
        /// The name.
        name: String,
        /// The user in it.
        user: UserName,
        /// The machine in it.
        machine: MachineName,
        /// How many characters AWS takes.
        max: usize,
    },
    /// There are more tags than a resource can carry.
    TooManyTags {
        /// How many there are, with the default ones.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Two tag keys differ in case only; IAM takes them for one.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>
    SameTag {
        /// The other key.
        other: String,
        /// Whether the other one is a default tag.
        default: bool,
    },
    /// A setting that does not go together with another.
    Excluded {
        /// The other.
        by: &'static str,
    },
    /// A setting that the machine's configuration, which is the user's own, has to say itself.
    OwnConfiguration {
        /// The NixOS option that is the same.
        option: &'static str,
    },
    /// A configuration source that does not say which.
    NoSource,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        let separator = if self.key.is_empty() || self.value.is_none() { "" } else { " = " };
        write!(f, "{}{separator}{}: {}", self.key, self.value.as_deref().unwrap_or_default(), self.wrong)
    }
}

impl std::error::Error for SettingsError {}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => write!(f, "not TOML: {what}"),
            Self::UnknownKey { near: Some(near), .. } => write!(f, "no such setting; did you mean {near}?"),
            Self::UnknownKey { near: None, known } => {
                write!(f, "no such setting; allowed: {}", known.join(", "))
            }
            Self::Key { allowed } => write!(f, "the key is not {allowed}"),
            Self::Type { found, allowed } => write!(f, "{found}, not {allowed}"),
            Self::Value { allowed } => write!(f, "not {allowed}"),
            Self::Newer => {
                write!(f, "written by a newer Holdfast; this one reads version {VERSION}, so update it")
            }
            Self::NoUser => write!(
                f,
                "not set, and the login name of this computer cannot serve; set it to {}",
                UserName::ALLOWED
            ),
            Self::NoDefault { machines } => {
                write!(f, "not set, and there are several machines; set it to one of: {}", list(machines))
            }
            Self::NoMachine { near: Some(near), .. } => write!(f, "no such machine; did you mean {near}?"),
            Self::NoMachine { near: None, machines } => {
                write!(f, "no such machine; allowed: {}", list(machines))
            }
            Self::NameTooLong { what, name, user, machine, max } => write!(
                f,
                "user {user} and machine {machine} make the name of the {what} too long: {name} has {} characters, \
                 at most {max} are allowed; choose a shorter user or machine name",
                name.len()
            ),
            Self::TooManyTags { count, max } => {
                write!(f, "{count} tags with the default ones, at most {max} are allowed")
            }
            Self::SameTag { other, default: false } => {
                write!(f, "the same tag as {other} to IAM, which ignores case; keep one of them")
            }
            Self::SameTag { other, default: true } => write!(
                f,
                "the same tag as the default one {other} to IAM, which ignores case; write {other} = false to leave \
                 that one out"
            ),
            Self::Excluded { by } => write!(f, "does not go together with {by}; keep one of them"),
            Self::OwnConfiguration { option } => {
                write!(f, "the machine's configuration is your own, so set {option} in it instead")
            }
            Self::NoSource => {
                write!(f, "says neither git nor directory; allowed is {}", super::source::ALLOWED)
            }
        }
    }
}

fn list(machines: &[MachineName]) -> String {
    machines.iter().map(MachineName::as_str).collect::<Vec<_>>().join(", ")
}
