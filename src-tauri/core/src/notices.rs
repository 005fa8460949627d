//! What notifications are about.

use serde::{Deserialize, Serialize};
use specta::Type;

/// What a notification is about. Each kind can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A job of the machine's has ended.
    Rebuild,
    /// The machine is in another state, and nobody here has brought that about.
    State,
    /// An operation has ended while nobody was looking.
    Operation,
    /// Somebody has to sign in.
    SignIn,
    /// The machine's disk is nearly full.
    Disk,
    /// There is a newer Holdfast.
    Update,
}

impl NoticeKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Rebuild, Self::State, Self::Operation, Self::SignIn, Self::Disk, Self::Update];

    /// Its name in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::State => "state",
            Self::Operation => "operation",
            Self::SignIn => "sign_in",
            Self::Disk => "disk",
            Self::Update => "update",
        }
    }

    /// The kind of this name.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
