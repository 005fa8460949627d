//! Whether the machine runs the configuration that is on this computer.

use serde::{Deserialize, Serialize};

use super::Placed;

/// The configuration on this computer, as a rebuild would put it on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// What it is called, as in `embedded 1a2b3c4d5e6f`.
    pub revision: String,
    /// The number of all its files, counted as [`Placed::found`].
    pub hash: String,
}

/// How what the machine runs stands to the configuration on this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It runs what is here.
    UpToDate,
    /// It runs another one of Holdfast's.
    Behind,
    /// Somebody has changed the configuration on the machine, so that a rebuild would be refused.
    EditedThere,
    /// What it runs was not made by Holdfast, as what its image came with.
    NotHoldfasts,
    /// That cannot be said: the configuration is not on this computer, or cannot be read.
    Unknown,
}

impl Standing {
    /// Of a machine that `runs` this revision and has this of its configuration, to what is `here`, where that is known.
    pub fn of(runs: Option<&str>, placed: &Placed, here: Option<&Here>) -> Self {
        let Some(here) = here else { return Self::Unknown };
        // Who changed both sides alike has nothing to lose.
        if placed.is_edited() && placed.found.as_ref() != Some(&here.hash) {
            return Self::EditedThere;
        }
        match runs {
            None => Self::NotHoldfasts,
            Some(runs) if runs == here.revision => Self::UpToDate,
            Some(_) => Self::Behind,
        }
    }
}
