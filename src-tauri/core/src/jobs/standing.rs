//! Whether the machine runs the configuration that is declared for it.

use serde::{Deserialize, Serialize};

use super::{Checkout, Placed};

/// The configuration on this computer, as a rebuild would put it on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// What it is called, as in `embedded 1a2b3c4d5e6f`.
    pub revision: String,
    /// The number of all its files, counted as [`Placed::found`].
    pub hash: String,
}

/// Where the configuration that the machine should run is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// On this computer.
    Here(Here),
    /// In a repository, which the machine has a clone of.
    Repository(Checkout),
}

/// How what the machine runs stands to what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It runs that.
    UpToDate,
    /// It runs another one of Holdfast's.
    Behind,
    /// Something was changed on the machine alone, so that a rebuild would be refused, or might be.
    EditedThere,
    /// What it runs was not made by Holdfast, as what its image came with.
    NotHoldfasts,
    /// That cannot be said: what is declared cannot be read, or not be asked for.
    Unknown,
}

impl Standing {
    /// Of a machine that `runs` this revision and has this of its configuration, to what is declared.
    pub fn of(runs: Option<&str>, placed: &Placed, declared: &Declared) -> Self {
        match declared {
            Declared::Here(here) => Self::of_here(runs, placed, here),
            Declared::Repository(checkout) => Self::of_repository(runs, checkout),
        }
    }

    fn of_repository(runs: Option<&str>, checkout: &Checkout) -> Self {
        match runs {
            None => Self::NotHoldfasts,
            Some(_) if checkout.has_own() || checkout.is_other => Self::EditedThere,
            Some(runs) => match checkout.is_behind(runs) {
                Some(true) => Self::Behind,
                Some(false) => Self::UpToDate,
                None => Self::Unknown,
            },
        }
    }

    fn of_here(runs: Option<&str>, placed: &Placed, here: &Here) -> Self {
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
