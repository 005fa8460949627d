//! Reading the configuration files, as botocore does: with the rules of Python's `configparser`, and its own for the names of
//! sections.
//!
//! Source: botocore's `configloader.py`, <https://docs.python.org/3/library/configparser.html#supported-ini-file-structure>

use std::collections::BTreeSet;

use super::{Config, Properties};

/// A line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// Its number.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// The section that all others inherit from. It may come more than once.
/// Source: <https://docs.python.org/3/library/configparser.html#configparser.DEFAULTSECT>
const DEFAULTS: &str = "DEFAULT";

/// The sections of a file, in their order, with what they inherit.
///
/// # Errors
/// The first line that makes no sense.
pub fn sections(text: &str) -> Result<Vec<(String, Properties)>, Malformed> {
    let mut all: Vec<(String, Properties)> = vec![(DEFAULTS.to_owned(), Properties::new())];
    let mut at = None;
    let (mut key, mut indent): (Option<String>, usize) = (None, 0);
    for (number, line) in text.lines().enumerate() {
        let malformed = |what: String| Malformed { line: number + 1, what };
        let value = line.trim();
        if value.is_empty() || value.starts_with(['#', ';']) {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        let section = at.and_then(|at: usize| all.get_mut(at));
        if let (Some(key), true, Some((_, properties))) = (&key, depth > indent, section) {
            // The value goes on.
            if let Some(known) = properties.get_mut(key) {
                known.push('\n');
                known.push_str(value);
            }
            continue;
        }
        indent = depth;
        if let Some(name) = header(value) {
            at = all.iter().position(|(known, _)| known == name);
            match at {
                Some(0) => {}
                Some(_) => return Err(malformed(format!("the section [{name}] was there before"))),
                None => {
                    at = Some(all.len());
                    all.push((name.to_owned(), Properties::new()));
                }
            }
            key = None;
            continue;
        }
        let Some((_, properties)) = at.and_then(|at| all.get_mut(at)) else {
            return Err(malformed("it comes before any [section]".to_owned()));
        };
        let Some((name, value)) = value.split_once(['=', ':']).filter(|(name, _)| !name.trim().is_empty())
        else {
            return Err(malformed("it is no key = value".to_owned()));
        };
        let name = name.trim().to_lowercase();
        if properties.insert(name.clone(), value.trim().to_owned()).is_some() {
            return Err(malformed(format!("{name} was there before in this section")));
        }
        key = Some(name);
    }
    let (_, defaults) = all.remove(0);
    for (_, properties) in &mut all {
        for (key, value) in &defaults {
            properties.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(all)
}

fn header(value: &str) -> Option<&str> {
    let inside = value.strip_prefix('[')?;
    let end = inside.rfind(']').filter(|end| *end > 0)?;
    inside.get(..end)
}

/// What a configuration file and a credentials file say together; the latter counts for more.
///
/// # Errors
/// The first line that makes no sense, and in which of the two it is.
pub fn config(config: &str, credentials: &str) -> Result<Config, (File, Malformed)> {
    let mut result = Config::default();
    for (name, properties) in sections(config).map_err(|error| (File::Config, error))? {
        if name == "default" {
            result.profiles.insert(name, properties);
        } else if let Some(session) = named("sso-session", &name) {
            result.sessions.insert(session, properties);
        } else if let Some(profile) = named("profile", &name) {
            result.profiles.insert(profile, properties);
        }
    }
    let credentials = sections(credentials).map_err(|error| (File::Credentials, error))?;
    let with_keys = credentials.iter().filter(|(_, says)| says.contains_key("aws_access_key_id"));
    result.in_credentials = with_keys.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    for (name, properties) in credentials {
        result.profiles.entry(name).or_default().extend(properties);
    }
    Ok(result)
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `~/.aws/config`
    Config,
    /// `~/.aws/credentials`
    Credentials,
}

/// The name in a header of two words, which may be quoted as for a shell.
fn named(kind: &str, header: &str) -> Option<String> {
    // The first word only has to begin so: `[profiles x]` is the profile x.
    header.strip_prefix(kind)?;
    match &words(header)?[..] {
        [_, name] => Some(name.clone()),
        _ => None,
    }
}

/// Splits as a shell does; `None` where a quote has no end.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut all, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (Some(_) | None, c) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    quote.is_none().then_some(all)
}
