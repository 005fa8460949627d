//! What is left to decide before there is a machine.

use serde::Serialize;
use specta::Type;

use super::{FieldError, Offer, Problem};

/// What is left to decide before a machine is made. It is all in the settings file, so that it can be left and gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SetUp {
    /// The steps, in their order.
    pub steps: Vec<SetUpStep>,
    /// What is wrong with what was decided last, and was not kept.
    pub errors: Vec<FieldError>,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SetUpStep {
    /// Which.
    pub step: Decision,
    /// Whether it is decided.
    pub done: bool,
    /// What is decided, or would be by default.
    pub says: String,
}

/// What has to be decided for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Whose account: the profile, with a sign-in that holds.
    Account,
    /// The region.
    Region,
    /// Instance type and size of the volume.
    Size,
    /// The user.
    User,
    /// Where the configuration comes from.
    Configuration,
    /// Whether it is made.
    Plan,
}

/// The instance types that the machine can be, and those that it cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Types {
    /// Whether they are being looked at.
    pub looking: bool,
    /// Why the last look brought nothing.
    pub problem: Option<Problem>,
    /// When they were last looked at; `None`: not yet.
    pub seen: Option<u32>,
    /// All of them, the cheapest first.
    pub list: Vec<TypeChoice>,
    /// Look at them again.
    pub look: Option<Offer>,
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct TypeChoice {
    /// Its name.
    pub name: String,
    /// The architecture of its processor.
    pub architecture: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// The speed of its network in EC2's words.
    pub network: Option<String>,
    /// What it costs in a month if it is on all the time, in US cents, without volume and address; `None`: not known.
    pub monthly: Option<u32>,
    /// By how many US cents that is more than what the machine is, or is to be.
    pub difference: Option<i32>,
    /// The machine is this one, or is to be.
    pub current: bool,
    /// Why the machine cannot become it.
    pub hindrance: Option<String>,
}
