//! `machine.json`: what of a configuration differs from user to user. Holdfast writes it, a person can read it, and the flake
//! reads it.

use serde::{Deserialize, Serialize};

use crate::machine::Desired;
use crate::names::{InstanceType, OffAt};
use crate::settings::OFF_WHEN_IDLE;

/// The file's name.
pub const DATA: &str = "machine.json";
/// The version of its shape.
pub const DATA_VERSION: u32 = 1;

/// The id of a new machine's user. The image has one user of its own already, the agent's, and NixOS counts from 1000.
/// Source: `nixos/modules/config/update-users-groups.pl` and `nixos/modules/services/misc/amazon-ssm-agent.nix`.
const UID: u32 = 1001;
/// NixOS's release when the first of Holdfast's images was made. It stays with a machine for life.
/// Source: <https://nixos.org/manual/nixos/stable/options#opt-system.stateVersion>
const STATE_VERSION: &str = "26.05";

/// The values of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineData {
    /// The name of the configuration under `nixosConfigurations`.
    pub attribute: String,
    /// The machine's name in its own network.
    pub host_name: String,
    /// Its locale, as in `en_US.UTF-8`.
    pub locale: String,
    /// When it switches itself off each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_at: Option<OffAt>,
    /// After how many idle minutes it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_when_idle: Option<u32>,
    /// The release of NixOS that its state began with.
    pub state_version: String,
    /// What it can run, as Nix writes it: `aarch64-linux` or `x86_64-linux`.
    pub system: String,
    /// Its time zone, as in `Europe/Berlin`.
    pub time_zone: String,
    /// The id of its user.
    pub uid: u32,
    /// Its user.
    pub user: String,
    /// The version of the file's shape.
    pub version: u32,
}

/// A `machine.json` that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadData {
    /// It is no JSON of this shape.
    #[error("{DATA}: {0}")]
    Shape(String),
    /// A value that is not allowed.
    #[error("{DATA}: {key} is {value:?}, and has to be {allowed}")]
    Value {
        /// Whose.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
}

impl MachineData {
    /// The values of a new machine. `system` is what the machine can run.
    pub fn new(desired: &Desired, system: &str) -> Self {
        Self {
            attribute: desired.machine.to_string(),
            host_name: desired.name("machine"),
            locale: "en_US.UTF-8".to_owned(),
            off_at: desired.off_at.clone(),
            off_when_idle: desired.off_when_idle,
            state_version: STATE_VERSION.to_owned(),
            system: system.to_owned(),
            time_zone: "UTC".to_owned(),
            uid: UID,
            user: desired.user.to_string(),
            version: DATA_VERSION,
        }
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, BadData> {
        let data: Self = serde_json::from_slice(text).map_err(|error| BadData::Shape(error.to_string()))?;
        data.check()?;
        Ok(data)
    }

    /// This with the values that the user wrote over its own: a file with some of the keys.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn with(&self, text: &[u8]) -> Result<Self, BadData> {
        let shape = |error: serde_json::Error| BadData::Shape(error.to_string());
        let over: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(text).map_err(shape)?;
        let mut all = serde_json::to_value(self).map_err(shape)?;
        if let Some(values) = all.as_object_mut() {
            values.extend(over);
        }
        let data: Self = serde_json::from_value(all).map_err(shape)?;
        data.check()?;
        Ok(data)
    }

    /// This with what a machine keeps for life, as far as it is known: the state version and the user's id of the file that it
    /// has, and the id that the user has in fact.
    #[must_use]
    pub fn kept(mut self, on_machine: Option<&Self>, uid: Option<u32>) -> Self {
        if let Some(known) = on_machine {
            self.state_version.clone_from(&known.state_version);
            if known.user == self.user {
                self.uid = known.uid;
            }
        }
        self.uid = uid.filter(|uid| *uid >= 1000).unwrap_or(self.uid);
        self
    }

    /// As the file has it.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    fn check(&self) -> Result<(), BadData> {
        type Rule = (&'static str, fn(&MachineData) -> String, fn(&str) -> bool, &'static str);
        let (least, most) = OFF_WHEN_IDLE;
        if let Some(minutes) = self.off_when_idle.filter(|minutes| !(least..=most).contains(minutes)) {
            let (key, value) = ("offWhenIdle", minutes.to_string());
            return Err(BadData::Value { key, value, allowed: "minutes, from 10 to 1440" });
        }
        let rules: [Rule; 9] = [
            ("version", |data| data.version.to_string(), |text| text == "1", "1"),
            (
                "attribute",
                |data| data.attribute.clone(),
                |text| word(text, 64, "-_"),
                "letters, digits, - and _",
            ),
            (
                "hostName",
                |data| data.host_name.clone(),
                |text| word(text, 63, "-"),
                "a host name of letters, digits and -",
            ),
            (
                "locale",
                |data| data.locale.clone(),
                |text| word(text, 64, "_.@-"),
                "a locale as in en_US.UTF-8",
            ),
            ("stateVersion", |data| data.state_version.clone(), is_release, "a release as in 26.05"),
            (
                "system",
                |data| data.system.clone(),
                |text| SYSTEMS.contains(&text),
                "aarch64-linux or x86_64-linux",
            ),
            (
                "timeZone",
                |data| data.time_zone.clone(),
                |text| word(text, 64, "/_+-"),
                "a time zone as in Europe/Berlin",
            ),
            (
                "uid",
                |data| data.uid.to_string(),
                |text| text.parse().is_ok_and(|uid: u32| (1000..30_000).contains(&uid)),
                "from 1000 to 29999",
            ),
            (
                "user",
                |data| data.user.clone(),
                |text| text.parse::<crate::names::UserName>().is_ok(),
                crate::names::UserName::ALLOWED,
            ),
        ];
        for (key, value, allows, allowed) in rules {
            let value = value(self);
            if !allows(&value) {
                return Err(BadData::Value { key, value, allowed });
            }
        }
        Ok(())
    }
}

const SYSTEMS: [&str; 2] = ["aarch64-linux", "x86_64-linux"];

fn word(text: &str, longest: usize, others: &str) -> bool {
    (1..=longest).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_release(text: &str) -> bool {
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(year, month)| digits(year) && digits(month))
}

/// What machines of this type can run, by the type's name: that of a Graviton has a g behind its generation.
/// Source: <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>
pub fn guess_system(instance_type: &InstanceType) -> &'static str {
    let family = instance_type.as_str().split('.').next().unwrap_or_default();
    let options = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    if options.contains('g') { SYSTEMS[0] } else { SYSTEMS[1] }
}
