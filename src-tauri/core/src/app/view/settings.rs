//! The settings, and what somebody types for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Growth, Problem};
use crate::notices::NoticeKind;

/// The settings of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Settings {
    /// The file.
    pub path: String,
    /// What can be set here; empty when the file does not hold.
    pub fields: Vec<Field>,
    /// Why the file does not hold.
    pub problem: Option<Problem>,
    /// The file can be put aside, and the set-up begun without one.
    pub can_be_set_aside: bool,
    /// Where one was put aside, until the app ends.
    pub aside: Option<String>,
    /// The profiles of the AWS configuration.
    pub profiles: Vec<String>,
    /// The regions whose prices are known.
    pub regions: Vec<String>,
    /// Whether the app starts with the desktop; `None`: it cannot.
    pub autostart: Option<Autostart>,
    /// What notifications there are, and which are shown.
    pub notices: Vec<NoticeSwitch>,
    /// The terminals that can be chosen.
    pub terminals: Vec<String>,
    /// How far the volume can grow.
    pub growth: Growth,
}

/// A kind of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
pub struct NoticeSwitch {
    /// What they are about.
    pub kind: NoticeKind,
    /// Whether they are shown.
    pub on: bool,
}

/// Whether the app starts when its user signs in to the desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Autostart {
    /// Whether it does.
    pub on: bool,
    /// Why that could not be changed, when it was tried last.
    pub problem: Option<Problem>,
}

/// A setting that can be changed in the window: one whose value is one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the settings file has the same names")]
pub enum Key {
    Profile,
    Region,
    InstanceType,
    VolumeSize,
    User,
    VolumeIops,
    VolumeThroughput,
    Alternates,
    Zone,
    SnapshotEvery,
    SnapshotKeep,
    OffAt,
    OffWhenIdle,
    Subnet,
    InstanceProfile,
    PermissionsBoundary,
    KmsKey,
    Config,
    ConfigGit,
    ConfigBranch,
    ConfigFolder,
    ConfigDirectory,
    ConfigAttribute,
    Tags,
    Terminal,
    Mute,
    Updates,
}

/// What a setting is about; the form has a part for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// What everybody decides.
    Machine,
    /// How fast it is, where it stands.
    Hardware,
    /// Where its configuration comes from.
    Configuration,
    /// Snapshots by the clock.
    Snapshots,
    /// When it goes off by itself.
    Power,
    /// What the company provides.
    Company,
    /// This computer; no machine changes by it.
    App,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 27] = [
        Self::Profile,
        Self::Region,
        Self::InstanceType,
        Self::VolumeSize,
        Self::User,
        Self::VolumeIops,
        Self::VolumeThroughput,
        Self::Alternates,
        Self::Zone,
        Self::Config,
        Self::ConfigGit,
        Self::ConfigBranch,
        Self::ConfigFolder,
        Self::ConfigDirectory,
        Self::ConfigAttribute,
        Self::SnapshotEvery,
        Self::SnapshotKeep,
        Self::OffAt,
        Self::OffWhenIdle,
        Self::Subnet,
        Self::InstanceProfile,
        Self::PermissionsBoundary,
        Self::KmsKey,
        Self::Tags,
        Self::Terminal,
        Self::Mute,
        Self::Updates,
    ];

    /// The key in the settings file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Region => "region",
            Self::InstanceType => "instance_type",
            Self::VolumeSize => "volume_size",
            Self::User => "user",
            Self::VolumeIops => "volume_iops",
            Self::VolumeThroughput => "volume_throughput",
            Self::Alternates => "alternates",
            Self::Zone => "zone",
            Self::SnapshotEvery => "snapshot_every",
            Self::SnapshotKeep => "snapshot_keep",
            Self::OffAt => "off_at",
            Self::OffWhenIdle => "off_when_idle",
            Self::Subnet => "subnet",
            Self::InstanceProfile => "instance_profile",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::KmsKey => "kms_key",
            Self::Config => "config",
            Self::ConfigGit => "config.git",
            Self::ConfigBranch => "config.branch",
            Self::ConfigFolder => "config.folder",
            Self::ConfigDirectory => "config.directory",
            Self::ConfigAttribute => "config.attribute",
            Self::Tags => "tags",
            Self::Terminal => "terminal",
            Self::Mute => "mute",
            Self::Updates => "updates",
        }
    }

    /// Whether it is a part of [`Self::Config`].
    pub(in crate::app) fn is_part_of_config(self) -> bool {
        self != Self::Config && self.topic() == Topic::Configuration
    }

    /// What it is about.
    pub fn topic(self) -> Topic {
        match self {
            Self::Profile | Self::Region | Self::InstanceType | Self::VolumeSize | Self::User => {
                Topic::Machine
            }
            Self::VolumeIops | Self::VolumeThroughput | Self::Alternates | Self::Zone => Topic::Hardware,
            Self::SnapshotEvery | Self::SnapshotKeep => Topic::Snapshots,
            Self::OffAt | Self::OffWhenIdle => Topic::Power,
            Self::Config
            | Self::ConfigGit
            | Self::ConfigBranch
            | Self::ConfigFolder
            | Self::ConfigDirectory
            | Self::ConfigAttribute => Topic::Configuration,
            Self::Subnet | Self::InstanceProfile | Self::PermissionsBoundary | Self::KmsKey | Self::Tags => {
                Topic::Company
            }
            Self::Terminal | Self::Mute | Self::Updates => Topic::App,
        }
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Field {
    /// Which.
    pub key: Key,
    /// What it is about.
    pub topic: Topic,
    /// Its value; empty where there is none.
    pub value: String,
    /// Whether it is the default.
    pub default: bool,
    /// Why it cannot be changed now.
    pub fixed: Option<String>,
}

/// Settings as somebody typed them. An empty value takes the default, one that is missing stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct Draft(BTreeMap<Key, String>);

impl Draft {
    /// The value of one setting, where it was typed.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.0.get(&key).map(String::as_str)
    }

    /// The same with this setting.
    #[must_use]
    pub fn with(mut self, key: Key, value: &str) -> Self {
        self.0.insert(key, value.to_owned());
        self
    }
}
