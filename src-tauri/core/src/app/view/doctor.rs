//! What the doctor has found.

use serde::Serialize;
use specta::Type;

use super::Offer;
use crate::doctor;

/// What is right and what is wrong with everything that is needed, as it was when somebody last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Doctor {
    /// Whether everything is being looked at now.
    pub looking: bool,
    /// When it was last looked at; `None`: nobody has asked yet.
    pub seen: Option<u32>,
    /// All of it in one sentence; `None`: nobody has asked yet.
    pub headline: Option<String>,
    /// How much does not work.
    pub failed: u32,
    /// How much works and is worth a look, or cannot be told.
    pub warnings: u32,
    /// How much is as it should be.
    pub well: u32,
    /// What does not work, then what is worth a look.
    pub pressing: Vec<doctor::Finding>,
    /// What is as it should be, area by area.
    pub areas: Vec<Examined>,
    /// Look at everything now.
    pub look: Option<Offer>,
}

/// What is as it should be in an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Examined {
    /// The area.
    pub area: doctor::Part,
    /// What was found in it, each as a sentence without its full stop.
    pub findings: Vec<String>,
}
