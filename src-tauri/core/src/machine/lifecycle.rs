//! Snapshots by the clock: Data Lifecycle Manager takes them, so that no laptop has to be awake for it.

use serde::{Deserialize, Serialize};

use super::{Desired, Owner, TAG_MACHINE, Tags};
use crate::names::PolicyId;
use crate::plan;

/// How often a snapshot of the machine's volume is taken, and how many of them stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Hours from one to the next.
    pub every: u32,
    /// How many stay; the oldest goes when another one comes.
    pub keep: u32,
}

impl Schedule {
    /// In words, as a part of a sentence.
    pub fn words(self) -> String {
        let Self { every, keep } = self;
        let hours = if every == 1 { "hour".to_owned() } else { format!("{every} hours") };
        let newest =
            if keep == 1 { "the newest stays".to_owned() } else { format!("the newest {keep} stay") };
        format!("a snapshot every {hours}; {newest}")
    }
}

/// What a lifecycle policy is told.
/// Source: <https://docs.aws.amazon.com/dlm/latest/APIReference/API_PolicyDetails.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRule {
    /// When, and how many.
    pub schedule: Schedule,
    /// The ARN of the role that it acts with.
    pub role: String,
    /// Volumes with one of these tags are meant.
    pub of: Tags,
    /// The tags of the snapshots.
    pub tags: Tags,
}

impl LifecycleRule {
    /// What the settings ask for; `None` where they ask for nothing.
    pub fn of(desired: &Desired, owner: &Owner) -> Option<Self> {
        Some(Self {
            schedule: desired.schedule()?,
            role: desired.backup_role_arn(owner),
            of: Tags::from([(TAG_MACHINE.to_owned(), desired.key())]),
            tags: plan::tags_for(desired, Some(owner), None, "snapshot"),
        })
    }
}

/// A lifecycle policy of Data Lifecycle Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Its id.
    pub id: PolicyId,
    /// Its tags.
    pub tags: Tags,
    /// What it does; `None` where that is more, or other, than Holdfast ever asks for.
    pub rule: Option<LifecycleRule>,
    /// Why it does nothing, in AWS's own words.
    pub idle: Option<String>,
}
