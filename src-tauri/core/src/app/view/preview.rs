//! What something would do.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Cost, Draft, Key, Problem};
use crate::names::SnapshotId;
use crate::plan::Area;
use crate::plan::Change;

/// What can be previewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposal {
    /// Other settings.
    Settings {
        /// As somebody typed them.
        draft: Draft,
    },
    /// Another instance in the machine's place; one that is on its way goes on.
    Replace,
    /// The rest of what brings one there that is on its way.
    GoOn,
    /// The end of one that is on its way.
    TakeBack,
    /// The end of the instance that was replaced.
    LetGo,
    /// That one as the machine again.
    GoBack,
    /// A machine with the home that a snapshot holds.
    Restore {
        /// The snapshot.
        #[specta(type = String)]
        snapshot: SnapshotId,
    },
    /// One snapshot less.
    DeleteSnapshot {
        /// The snapshot.
        #[specta(type = String)]
        snapshot: SnapshotId,
    },
}

/// What something would do.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Preview {
    /// Which preview this is: the one that is applied must be the one that was read.
    pub number: u32,
    /// What would be done.
    pub of: Proposal,
    /// Whether AWS is still being looked at.
    pub looking: bool,
    /// What is wrong with what was typed.
    pub errors: Vec<FieldError>,
    /// Why there is no plan.
    pub problem: Option<Problem>,
    /// The settings that change.
    pub changes: Vec<Changed>,
    /// The steps, grouped.
    pub groups: Vec<Group>,
    /// What the user should know besides.
    pub notes: Vec<String>,
    /// What the machine costs then; `None` where nothing of it changes.
    pub cost: Option<Cost>,
    /// Why it cannot be applied now, although nothing in it forbids that.
    pub refused: Option<String>,
}

/// Something typed that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct FieldError {
    /// The setting.
    pub key: Key,
    /// What is wrong.
    pub text: String,
}

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Changed {
    /// Which.
    pub key: Key,
    /// Its value now.
    pub from: String,
    /// Its value then.
    pub to: String,
}

/// Steps of one area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Group {
    /// The area.
    pub area: Area,
    /// Its steps.
    pub steps: Vec<StepView>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct StepView {
    /// Whether something comes, changes or goes.
    pub change: Change,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// By how many US cents a month it changes the cost.
    pub monthly: Option<i32>,
    /// Whether what runs on the machine ends.
    pub interrupts: bool,
    /// Whether data is gone for ever.
    pub loses_data: bool,
}
