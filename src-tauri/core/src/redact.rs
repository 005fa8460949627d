//! What of a text says who somebody is, where their things are, or opens something: taken out of what a person shows to others.
//!
//! Each private text gets a placeholder with a number, as in `<account 1>`, the same one wherever it is mentioned again. What is
//! private is told by what this computer knows (names of profiles, users, hosts) and by its look (account ids, ARNs, keys,
//! addresses, whatever is as random as a secret).
//!
//! Ids of resources (`i-…`, `vpc-…`), UUIDs of requests, regions, zones and types stay: they open nothing and name nobody outside of
//! the account, whose number goes; and without them nobody could follow one thing through a log, nor ask AWS about a call.

use std::collections::BTreeMap;
use std::fmt;

mod names;
mod rules;
#[cfg(test)]
mod tests;

pub use names::{of_aws_config, of_machine_key, of_settings};

/// What a private text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An account's twelve digits.
    Account,
    /// An address of IP or of a network card.
    Address,
    /// An e-mail address.
    Email,
    /// The folder of a user.
    Home,
    /// The name of a computer or a machine.
    Host,
    /// The id of a key or a principal, as in `AKIA…`.
    Key,
    /// Any other name that somebody chose.
    Name,
    /// A portal of IAM Identity Center.
    Portal,
    /// A profile of the AWS configuration.
    Profile,
    /// A role.
    Role,
    /// What opens something, or looks like it.
    Secret,
    /// The login name of a user.
    User,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Account,
        Self::Address,
        Self::Email,
        Self::Home,
        Self::Host,
        Self::Key,
        Self::Name,
        Self::Portal,
        Self::Profile,
        Self::Role,
        Self::Secret,
        Self::User,
    ];

    /// As a placeholder has it.
    fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Address => "address",
            Self::Email => "e-mail",
            Self::Home => "home",
            Self::Host => "host",
            Self::Key => "key id",
            Self::Name => "name",
            Self::Portal => "portal",
            Self::Profile => "profile",
            Self::Role => "role",
            Self::Secret => "secret",
            Self::User => "user",
        }
    }
}

/// Names that so many have that they say nothing of anybody; without them, reports would have holes where nobody expects them.
const COMMON: [&str; 32] = [
    "admin",
    "administrator",
    "aws",
    "config",
    "default",
    "dev",
    "embedded",
    "false",
    "holdfast",
    "home",
    "host",
    "instance",
    "localhost",
    "machine",
    "main",
    "name",
    "nixos",
    "none",
    "prod",
    "production",
    "profile",
    "remote-dev",
    "role",
    "root",
    "sandbox",
    "sso",
    "staging",
    "test",
    "true",
    "user",
    "work",
    "unknown",
];

/// Whether a name says anything of anybody.
fn says_something(name: &str) -> bool {
    name.chars().count() > 1
        && !name.chars().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation() || c.is_whitespace())
        && !COMMON.iter().any(|common| common.eq_ignore_ascii_case(name))
}

/// Takes out what is private, and remembers what it has taken out.
pub struct Redactor {
    /// The longest first.
    known: Vec<Known>,
    /// What has a number, by its kind; the first one has 1.
    seen: BTreeMap<Kind, Vec<String>>,
}

/// A name that is private, whatever it looks like.
struct Known {
    /// As it may be written, in small letters.
    written: String,
    /// What is written so.
    name: String,
    kind: Kind,
}

/// A piece of what takes the place of a private text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// This, as it is.
    Plain(String),
    /// A placeholder.
    Private(Kind, String),
}

/// A private text from here on: so many bytes, and what takes their place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    length: usize,
    parts: Vec<Part>,
}

/// A place in a text.
#[derive(Clone, Copy)]
struct Here<'a> {
    before: &'a str,
    rest: &'a str,
}

impl Here<'_> {
    fn last(self) -> Option<char> {
        self.before.chars().next_back()
    }

    /// Whether what stands before fits none of these characters.
    fn begins(self, of: impl Fn(char) -> bool) -> bool {
        !self.last().is_some_and(of)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Redactor").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Redactor {
    /// One that knows these names besides what looks private. Those that say nothing of anybody are left out.
    pub fn knowing(names: impl IntoIterator<Item = (Kind, String)>) -> Self {
        let mut known: Vec<Known> = Vec::new();
        for (kind, name) in names {
            let name = name.trim();
            if !says_something(name) {
                continue;
            }
            for written in spellings(name) {
                if !known.iter().any(|known| known.written == written) {
                    known.push(Known { written, name: name.to_owned(), kind });
                }
            }
        }
        known.sort_by_key(|known| std::cmp::Reverse(known.written.len()));
        Self { known, seen: BTreeMap::new() }
    }

    /// The text with a placeholder for whatever is private. A text that has been through it comes back as it is.
    pub fn redact(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        loop {
            // What was hidden in a longer word may stand alone now.
            let next = self.pass(&text);
            if next == text {
                return next;
            }
            text = next;
        }
    }

    fn pass(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let here = Here { before: &text[..at], rest: &text[at..] };
            if let Some(length) = placeholder(here.rest) {
                out.push_str(&here.rest[..length]);
                at += length;
            } else if let Some(found) = self.found(here) {
                at += found.length;
                for part in found.parts {
                    match part {
                        Part::Plain(text) => out.push_str(&text),
                        Part::Private(kind, text) => out.push_str(&self.placeholder(kind, &text)),
                    }
                }
            } else {
                out.push(c);
                at += c.len_utf8();
            }
        }
        out
    }

    /// The longest private text that begins here.
    fn found(&self, here: Here<'_>) -> Option<Found> {
        let known = self.known_at(here);
        let looks = rules::RULES.iter().filter_map(|rule| rule(here));
        looks.chain(known).max_by_key(|found| found.length)
    }

    fn known_at(&self, here: Here<'_>) -> Option<Found> {
        let after_word = !here.begins(char::is_alphanumeric);
        let fits = |known: &&Known| {
            let Some(text) = here.rest.get(..known.written.len()) else { return false };
            let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            text.eq_ignore_ascii_case(&known.written)
                && !(after_word && is_word(text.chars().next()))
                && !(is_word(here.rest[text.len()..].chars().next()) && is_word(text.chars().next_back()))
        };
        let known = self.known.iter().find(fits)?;
        let parts = vec![Part::Private(known.kind, known.name.clone())];
        Some(Found { length: known.written.len(), parts })
    }

    fn placeholder(&mut self, kind: Kind, text: &str) -> String {
        let known = self.known.iter().find(|known| known.written.eq_ignore_ascii_case(text));
        let (kind, text) = known.map_or((kind, text), |known| (known.kind, &known.name));
        // Only in a secret the case counts.
        let text = if kind == Kind::Secret { text.to_owned() } else { text.to_lowercase() };
        let seen = self.seen.entry(kind).or_default();
        let number = seen.iter().position(|seen| *seen == text).unwrap_or_else(|| {
            seen.push(text);
            seen.len() - 1
        });
        format!("<{} {}>", kind.word(), number + 1)
    }
}

/// How a name may be written: as it is, in an address, in JSON, and as part of the name of a file.
fn spellings(name: &str) -> Vec<String> {
    let plain = name.to_ascii_lowercase();
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let encoded: String = plain.bytes().map(encoded).collect();
    let (in_json, in_file) = (plain.replace('\\', "\\\\"), plain.replace('/', "+"));
    let mut all = vec![plain];
    for other in [encoded, in_json, in_file] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// The length of the placeholder that the text begins with.
fn placeholder(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    Kind::ALL.iter().find_map(|kind| {
        let number = inside.strip_prefix(kind.word())?.strip_prefix(' ')?;
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let whole = (1..=6).contains(&digits) && number[digits..].starts_with('>');
        whole.then(|| 1 + kind.word().len() + 1 + digits + 1)
    })
}
