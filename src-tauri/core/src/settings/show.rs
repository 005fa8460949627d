//! The settings in force, and where each comes from.

use std::fmt;

use serde::Serialize;

use super::{DEFAULT_TAGS, MACHINE_KEYS, Settings, dotted, terminal};
use crate::machine::{ConfigSource, Desired};
use crate::names::MachineName;

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The machine that it is about; `None` for a setting of all of them.
    pub machine: Option<MachineName>,
    /// The key as [`set`](super::set) takes it, e.g. `tags.team`.
    pub key: String,
    /// The value.
    pub value: ShownValue,
    /// Where the value comes from.
    pub origin: Origin,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShownValue {
    /// Text.
    Text(String),
    /// A number.
    Number(u32),
    /// There is none: an optional setting that is not used, or a default tag that is left out.
    Nothing,
}

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The settings file gives it.
    Set,
    /// Holdfast's default, or this computer's login name.
    Default,
}

impl fmt::Display for ShownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Nothing => f.write_str("(none)"),
        }
    }
}

/// Every setting in force: those of all machines, then machine by machine in the order of their names.
pub fn show(settings: &Settings) -> Vec<Shown> {
    let of_all = |key: &str, value: String| Shown {
        machine: None,
        key: key.to_owned(),
        value: if value.is_empty() { ShownValue::Nothing } else { ShownValue::Text(value) },
        origin: origin(settings, &[key]),
    };
    let mut all = vec![
        of_all("default", settings.default.to_string()),
        of_all("terminal", terminal::shown(&settings.terminal)),
        of_all("mute", muted(settings)),
        of_all("updates", settings.updates.to_string()),
    ];
    for desired in settings.machines.values() {
        for key in MACHINE_KEYS {
            for (path, value) in values(desired, key) {
                let full: Vec<&str> = ["machine", desired.machine.as_str()]
                    .into_iter()
                    .chain(path.iter().map(String::as_str))
                    .collect();
                all.push(Shown {
                    machine: Some(desired.machine.clone()),
                    key: path.join("."),
                    value,
                    origin: origin(settings, &full),
                });
            }
        }
    }
    all
}

/// What no notification is about, as [`set`](super::set) takes it.
pub fn muted(settings: &Settings) -> String {
    let words: Vec<&str> = settings.mute.iter().map(|kind| kind.word()).collect();
    words.join(", ")
}

/// The terminal, as [`set`](super::set) takes it.
pub fn terminal(settings: &Settings) -> String {
    terminal::shown(&settings.terminal)
}

fn origin(settings: &Settings, path: &[&str]) -> Origin {
    if settings.given.contains(&dotted(path)) { Origin::Set } else { Origin::Default }
}

/// The value in force of a machine's setting, e.g. `region` or `config.git`; nothing for a table.
pub fn value(desired: &Desired, key: &'static str) -> ShownValue {
    let first = key.split_once('.').map_or(key, |(first, _)| first);
    let all = values(desired, first).into_iter();
    all.filter(|(at, _)| at.join(".") == key).map(|(_, value)| value).next().unwrap_or(ShownValue::Nothing)
}

fn values(desired: &Desired, key: &'static str) -> Vec<(Vec<String>, ShownValue)> {
    let text = |text: &dyn ToString| ShownValue::Text(text.to_string());
    fn optional<T: ToString>(value: Option<&T>) -> ShownValue {
        value.map_or(ShownValue::Nothing, |value| ShownValue::Text(value.to_string()))
    }
    let value = match key {
        "profile" => optional(desired.profile.as_ref()),
        "region" => text(&desired.region),
        "zone" => optional(desired.zone.as_ref()),
        "instance_type" => text(&desired.instance_type),
        "alternates" if desired.alternates.is_empty() => ShownValue::Nothing,
        "alternates" => ShownValue::Text(
            desired.alternates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ),
        "volume_size" => ShownValue::Number(desired.volume_size),
        "volume_iops" => ShownValue::Number(desired.volume_iops),
        "volume_throughput" => ShownValue::Number(desired.volume_throughput),
        "user" => text(&desired.user),
        "off_at" => optional(desired.off_at.as_ref()),
        "off_when_idle" => desired.off_when_idle.map_or(ShownValue::Nothing, ShownValue::Number),
        "snapshot_every" => desired.snapshot_every.map_or(ShownValue::Nothing, ShownValue::Number),
        "snapshot_keep" => ShownValue::Number(desired.snapshot_keep),
        "subnet" => optional(desired.subnet.as_ref()),
        "instance_profile" => optional(desired.instance_profile.as_ref()),
        "permissions_boundary" => optional(desired.permissions_boundary.as_ref()),
        "kms_key" => optional(desired.kms_key.as_ref()),
        "config" => return config(&desired.config),
        _ => return tags(desired),
    };
    vec![(vec![key.to_owned()], value)]
}

fn config(source: &ConfigSource) -> Vec<(Vec<String>, ShownValue)> {
    let part = |key: &str, value: &str| {
        (vec!["config".to_owned(), key.to_owned()], ShownValue::Text(value.to_owned()))
    };
    match source {
        ConfigSource::Embedded => vec![(vec!["config".to_owned()], ShownValue::Text("embedded".to_owned()))],
        ConfigSource::Git { url, branch, folder, attribute } => {
            let mut parts = vec![part("git", url)];
            parts.extend(branch.as_ref().map(|branch| part("branch", branch)));
            parts.extend([part("folder", folder), part("attribute", attribute)]);
            parts
        }
        ConfigSource::Directory { path, attribute } => {
            vec![part("directory", path), part("attribute", attribute)]
        }
    }
}

fn tags(desired: &Desired) -> Vec<(Vec<String>, ShownValue)> {
    let path = |key: &str| vec!["tags".to_owned(), key.to_owned()];
    let left_out = DEFAULT_TAGS.iter().filter(|(key, _)| desired.tags.keys().all(|tag| tag.as_str() != *key));
    let mut tags: Vec<_> = desired
        .tags
        .iter()
        .map(|(key, value)| (path(key.as_str()), ShownValue::Text(value.to_string())))
        .chain(left_out.map(|(key, _)| (path(key), ShownValue::Nothing)))
        .collect();
    tags.sort_by(|(left, _), (right, _)| left.cmp(right));
    tags
}
