//! Settings: what the user wrote, parsed once into [`Desired`].
//!
//! Pure text in, values out. [`Settings::parse`] reads the file and reports everything that is wrong with it at once;
//! [`set`] and [`unset`] edit its text without touching any other line; [`show`] lists what is in force and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Desired;
use crate::names::{MachineName, UserName};
use crate::notices::NoticeKind;
use crate::terminal::Choice;

mod edit;
mod error;
mod migrate;
#[cfg(test)]
mod properties;
mod read;
mod show;
mod source;
mod splice;
mod template;
mod terminal;
#[cfg(test)]
mod tests;

pub use edit::{set, unset, write};
pub use error::{SettingsError, Wrong};
pub use migrate::migrated;
pub use show::{Origin, Shown, ShownValue, muted, show, terminal as shown_terminal, value};
pub use template::template;

/// The version of the file's shape that this Holdfast reads and writes.
pub const VERSION: i64 = 1;
/// The machine that there is when the settings name none.
pub const DEFAULT_MACHINE: &str = "remote-dev";
/// The region of a machine whose settings name none.
pub const DEFAULT_REGION: &str = "us-west-2";
/// The instance type of a machine whose settings name none.
pub const DEFAULT_INSTANCE_TYPE: &str = "m8g.xlarge";
/// The size of the root volume in GiB when the settings name none.
pub const DEFAULT_VOLUME_SIZE: u32 = 100;
/// The operations a second of the root volume when the settings name none: what is included in the price of every gp3 volume.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp3-performance>
pub const DEFAULT_VOLUME_IOPS: u32 = 3000;
/// The throughput of the root volume in MiB a second when the settings name none. Source: as for [`DEFAULT_VOLUME_IOPS`].
pub const DEFAULT_VOLUME_THROUGHPUT: u32 = 125;
/// The folder of the flake in a repository when the settings name none.
pub const DEFAULT_FOLDER: &str = crate::config::FLAKE;
/// Tags that every machine gets unless its settings say `false` for one.
pub const DEFAULT_TAGS: [(&str, &str); 1] = [("do-not-nuke", "true")];

/// The least root volume in GiB: the NixOS image is 4, and a system that rebuilds itself needs room for two.
pub const MIN_VOLUME_SIZE: u32 = 8;
/// The largest gp3 volume in GiB (64 TiB).
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html> (`VolumeSize`)
pub const MAX_VOLUME_SIZE: u32 = 65_536;
/// The most operations a second of a gp3 volume, and the most of them for each GiB of it.
/// Source: as for [`DEFAULT_VOLUME_IOPS`].
pub const MAX_VOLUME_IOPS: (u32, u32) = (80_000, 500);
/// The most MiB a second of a gp3 volume, and the operations a second that each of them needs.
/// Source: as for [`DEFAULT_VOLUME_IOPS`].
pub const MAX_VOLUME_THROUGHPUT: (u32, u32) = (2_000, 4);
/// The least and the most minutes after which an idle machine switches itself off: half of the least is what the announcement
/// before it takes, and longer than a day is never.
pub const OFF_WHEN_IDLE: (u32, u32) = (10, 1440);
/// The hours that there may be between two snapshots.
/// Source: <https://docs.aws.amazon.com/dlm/latest/APIReference/API_CreateRule.html> (`Interval`)
pub const SNAPSHOT_EVERY: [u32; 8] = [1, 2, 3, 4, 6, 8, 12, 24];
/// How many snapshots stay when the settings do not say it.
pub const DEFAULT_SNAPSHOT_KEEP: u32 = 7;
/// How many snapshots may stay.
/// Source: <https://docs.aws.amazon.com/dlm/latest/APIReference/API_RetainRule.html> (`Count`)
pub const MAX_SNAPSHOT_KEEP: u32 = 1000;
/// Tags of one machine, the default ones included. AWS allows 50 on a resource; the rest is for Holdfast's own.
/// Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/reference.html>
pub const MAX_TAGS: usize = 40;
/// Characters in the name of an IAM role.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MAX_ROLE_NAME: usize = 64;
/// Characters in the name of an instance profile. Source: as for [`MAX_ROLE_NAME`].
pub const MAX_PROFILE_NAME: usize = 128;

/// The keys at the top of the file.
const TOP_KEYS: [&str; 6] = ["version", "default", "terminal", "mute", "updates", "machine"];

/// Those of them that [`set`] and [`unset`] take.
pub(crate) const OWN_KEYS: [&str; 4] = ["default", "terminal", "mute", "updates"];

/// The keys of a machine, in the order in which people read them.
const MACHINE_KEYS: [&str; 19] = [
    "profile",
    "region",
    "zone",
    "instance_type",
    "alternates",
    "volume_size",
    "volume_iops",
    "volume_throughput",
    "user",
    "config",
    "off_at",
    "off_when_idle",
    "snapshot_every",
    "snapshot_keep",
    "tags",
    "subnet",
    "instance_profile",
    "permissions_boundary",
    "kms_key",
];

/// All that the user has settled: complete, with no choices left. Only [`Settings::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The machine that is meant when a command names none; always one of [`Self::machines`].
    pub default: MachineName,
    /// The terminal that a window is opened in.
    pub terminal: Choice,
    /// What no notification is about.
    pub mute: BTreeSet<NoticeKind>,
    /// Whether the app looks for newer versions of itself.
    pub updates: bool,
    /// Every machine by its name; at least one.
    pub machines: BTreeMap<MachineName, Desired>,
    /// The dotted path of every setting that the file itself gives.
    given: BTreeSet<String>,
}

impl Settings {
    /// Reads the text of a settings file; an empty one gives the machine [`DEFAULT_MACHINE`] with all defaults.
    ///
    /// `login` is the user of a machine whose settings name none: the login name of this computer where it can
    /// serve, see [`UserName::from_login`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file; of text that is not TOML only the first mistake.
    pub fn parse(text: &str, login: Option<&UserName>) -> Result<Self, Vec<SettingsError>> {
        read::settings(text, login)
    }

    /// What is wanted of the default machine, or of the one called `name`; `None` when there is no such machine.
    pub fn machine(&self, name: Option<&MachineName>) -> Option<&Desired> {
        self.machines.get(name.unwrap_or(&self.default))
    }
}

/// The path of a setting as TOML writes it, with quotes where a part needs them.
pub(crate) fn dotted(parts: &[&str]) -> String {
    let parts: Vec<_> =
        parts.iter().map(|part| toml_edit::Key::new(*part).display_repr().into_owned()).collect();
    parts.join(".")
}

/// The one of `known` that somebody may have meant by `word`.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace(['-', ' '], "_");
    let distance = |candidate: &str| {
        let candidate = candidate.replace('-', "_");
        let typos = strsim::damerau_levenshtein(&word, &candidate);
        let part = word.len() >= 3 && (candidate.contains(&word) || word.contains(&candidate));
        // A handful of letters may be wrong in a long word, none in a word of two.
        if typos <= candidate.chars().count().min(word.chars().count()) / 3 {
            Some(typos)
        } else {
            part.then_some(usize::MAX)
        }
    };
    known
        .into_iter()
        .filter_map(|candidate| Some((distance(candidate)?, candidate)))
        .min()
        .map(|(_, near)| near)
}
