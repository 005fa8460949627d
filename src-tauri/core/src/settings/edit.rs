//! Changing one setting in the text of the file.

use toml_edit::{Document, TableLike, Value};

use super::read::syntax;
use super::splice::{add_table, cut, has_table, put};
use super::{
    DEFAULT_MACHINE, DEFAULT_TAGS, MACHINE_KEYS, OWN_KEYS, Settings, SettingsError, Wrong, dotted, nearest,
    source, terminal,
};
use crate::names::{MachineName, TagKey, UserName};

/// The text of the settings file with one setting changed or added; every other line stays as it is.
///
/// `key` is a key of the machine (`instance_type`, `tags.team`, `config.git`, …), whose table is added when it is
/// missing, or one of this computer (`default`, `terminal`, `mute`, `updates`), for which `machine` does not matter. The key decides the type of `value`. A
/// default tag is left out with the value `false`, `config` also takes a table in braces and `terminal` a list in
/// brackets. Naming one kind of configuration source (`config.git`, `config.directory`) drops the other. A second
/// machine never becomes the default one by being added: the text then says which one was.
///
/// # Errors
///
/// A key that does not exist, or everything that would be wrong with the changed settings. Nothing is changed then. A
/// machine that has no user yet is no error here, since the user, too, has to be set by and by.
pub fn set(
    text: &str,
    login: Option<&UserName>,
    machine: &MachineName,
    key: &str,
    value: &str,
) -> Result<String, Vec<SettingsError>> {
    let path = path(machine, key, false)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    checked(text, put_at(text, machine, &path, value)?, login, &dotted(&path))
}

/// The text with one setting changed, added, or taken out where the value is empty, whether it holds then or not: for several of
/// them that only hold together.
///
/// # Errors
///
/// A key that does not exist, and a text that is not TOML.
pub fn write(
    text: &str,
    machine: &MachineName,
    key: &str,
    value: &str,
) -> Result<String, Vec<SettingsError>> {
    let path = path(machine, key, value.is_empty())?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if value.is_empty() { cut_at(text, &path) } else { put_at(text, machine, &path, value) }
}

fn put_at(
    text: &str,
    machine: &MachineName,
    path: &[&str],
    value: &str,
) -> Result<String, Vec<SettingsError>> {
    let edited = || {
        let mut edited = text.to_owned();
        let in_machine = path.get(2..).unwrap_or_default();
        if !in_machine.is_empty() {
            edited = keep_default(&edited, machine)?;
        }
        let excluded: &[&str] = match in_machine {
            ["config", "directory"] => &source::GIT_KEYS,
            ["config", "git"] => &["directory"],
            _ => &[],
        };
        for other in excluded {
            edited = cut(&edited, &["machine", machine.as_str(), "config", other])?;
        }
        put(&edited, path, &literal(path, value))
    };
    edited().map_err(|error| vec![syntax(text, &error)])
}

/// The text of the settings file without one setting, so that its default is in force again; `config` and `tags` go
/// with all that is in them. The text stays as it is when the setting is not in it.
///
/// # Errors
///
/// As for [`set`].
pub fn unset(
    text: &str,
    login: Option<&UserName>,
    machine: &MachineName,
    key: &str,
) -> Result<String, Vec<SettingsError>> {
    let path = path(machine, key, true)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    checked(text, cut_at(text, &path)?, login, &dotted(&path))
}

fn cut_at(text: &str, path: &[&str]) -> Result<String, Vec<SettingsError>> {
    let edited = || {
        let edited = cut(text, path)?;
        // The last dotted key of a machine would take the machine along.
        match path.get(..2).filter(|machine| has_table(text, machine)) {
            Some(machine) => add_table(&edited, machine),
            None => Ok(edited),
        }
    };
    edited().map_err(|error| vec![syntax(text, &error)])
}

/// Where the setting `key` stands in the file.
fn path(machine: &MachineName, key: &str, whole_tables: bool) -> Result<Vec<String>, Vec<SettingsError>> {
    let refused = |wrong: Wrong| vec![SettingsError { key: key.to_owned(), line: None, value: None, wrong }];
    let unknown = |known: Vec<&'static str>, prefix: &str, word: &str| {
        let near = nearest(word, known.iter().copied()).map(|near| format!("{prefix}{near}"));
        refused(Wrong::UnknownKey { near, known })
    };
    let in_machine = |parts: &[&str]| {
        let machine = ["machine", machine.as_str()];
        machine.iter().chain(parts).map(|part| (*part).to_owned()).collect()
    };
    match key.split_once('.') {
        None if OWN_KEYS.contains(&key) => Ok(vec![key.to_owned()]),
        None if key == "tags" && !whole_tables => {
            let near = Some("tags.NAME".to_owned());
            Err(refused(Wrong::UnknownKey { near, known: MACHINE_KEYS.to_vec() }))
        }
        None if MACHINE_KEYS.contains(&key) => Ok(in_machine(&[key])),
        Some(("config", part)) if source::KEYS.contains(&part) => Ok(in_machine(&["config", part])),
        Some(("config", part)) => Err(unknown(source::KEYS.to_vec(), "config.", part)),
        Some(("tags", tag)) => {
            let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
            match tag.parse::<TagKey>() {
                Ok(tag) => Ok(in_machine(&["tags", tag.as_str()])),
                Err(not) => Err(refused(Wrong::Key { allowed: not.allowed })),
            }
        }
        None | Some(_) => Err(unknown([&OWN_KEYS[..], &MACHINE_KEYS].concat(), "", key)),
    }
}

/// The value as TOML. What does not fit its key becomes text, for the parser to refuse.
fn literal(path: &[&str], value: &str) -> String {
    let value = match path {
        ["terminal"] => terminal::literal(value),
        ["updates"] => value.trim().parse::<bool>().map_or_else(|_| Value::from(value), Value::from),
        ["mute"] if !value.trim_start().starts_with('[') => list(value),
        ["mute"] => value.trim().parse().unwrap_or_else(|_| Value::from(value)),
        ["machine", _, "alternates"] if !value.trim_start().starts_with('[') => list(value),
        ["machine", _, "alternates"] => value.trim().parse().unwrap_or_else(|_| Value::from(value)),
        [
            "machine",
            _,
            "volume_size" | "volume_iops" | "volume_throughput" | "off_when_idle" | "snapshot_every"
            | "snapshot_keep",
        ] => value.trim().parse::<i64>().map_or_else(|_| Value::from(value), Value::from),
        ["machine", _, "tags", tag]
            if value == "false" && DEFAULT_TAGS.iter().any(|(default, _)| default == tag) =>
        {
            Value::from(false)
        }
        ["machine", _, "config"] if value.trim_start().starts_with('{') => {
            value.trim().parse().unwrap_or_else(|_| Value::from(value))
        }
        _ => Value::from(value),
    };
    value.decorated("", "").to_string()
}

/// Words between commas or spaces.
fn list(value: &str) -> Value {
    let words = value.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    Value::from(words.collect::<toml_edit::Array>())
}

/// The text with a `default` that names the machine which is the default one without saying so, when `added` would
/// come as another.
fn keep_default(text: &str, added: &MachineName) -> Result<String, toml_edit::TomlError> {
    let document = Document::parse(text)?;
    let top = document.as_table();
    let machines = top.get("machine").and_then(|machines| machines.as_table_like());
    let names: Vec<&str> = machines.into_iter().flat_map(TableLike::iter).map(|(name, _)| name).collect();
    let only = match names.as_slice() {
        [] => DEFAULT_MACHINE,
        [only] => only,
        _ => return Ok(text.to_owned()),
    };
    if only == added.as_str() || top.contains_key("default") && !names.is_empty() {
        return Ok(text.to_owned());
    }
    let mut text = text.to_owned();
    if !top.contains_key("default") {
        text = put(&text, &["default"], &Value::from(only).to_string())?;
    }
    add_table(&text, &["machine", only])
}

fn checked(
    before: &str,
    after: String,
    login: Option<&UserName>,
    changed: &str,
) -> Result<String, Vec<SettingsError>> {
    let Err(mut errors) = Settings::parse(&after, login) else { return Ok(after) };
    errors.retain(|error| error.wrong != Wrong::NoUser || error.key == changed);
    if errors.is_empty() {
        return Ok(after);
    }
    // A line number has to be one of the file that the user sees, not of the text that is thrown away.
    let old = Settings::parse(before, login).err().unwrap_or_default();
    for error in &mut errors {
        let same = old
            .iter()
            .find(|old| old.key == error.key && old.wrong == error.wrong && old.value == error.value);
        error.line = same.and_then(|old| old.line);
    }
    Err(errors)
}
