//! What is on the machine: its sessions and its system.

use serde::Serialize;
use specta::Type;

use super::{Disk, Job, LastJob, Log, Offer, Problem};
use crate::jobs::Standing;
use crate::names::SessionName;

/// The zellij sessions on the machine, as they were when somebody last looked. Nobody looks in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Sessions {
    /// Whether somebody looks at them now.
    pub looking: bool,
    /// Why the last look brought no list.
    pub problem: Option<Problem>,
    /// When the list was made; `None`: there is none.
    pub seen: Option<u32>,
    /// How old it is, in words that change seldom.
    pub age: Option<String>,
    /// The sessions, the live ones first.
    pub list: Vec<Session>,
    /// Look at them again.
    pub look: Option<Offer>,
    /// Open one by its name, whether there is one or not.
    pub open: Option<Offer>,
}

/// A session on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Session {
    /// Its name to be read.
    pub shown: String,
    /// Its name for commands; `None`: they take no such name.
    #[specta(type = Option<String>)]
    pub name: Option<SessionName>,
    /// Whether programs run in it. Else it has ended, and can be opened again with the same layout.
    pub live: bool,
    /// When it was made, or ended.
    pub since: Option<u32>,
    /// Panes of programs in it, where the machine told.
    pub panes: Option<u32>,
    /// What is to be said of it besides.
    pub note: Option<String>,
    /// Open a terminal on it.
    pub connect: Option<Offer>,
    /// End it, or forget one that has ended.
    pub end: Option<Offer>,
}

/// What the machine runs, as it was when somebody last looked, and the job that changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct System {
    /// Whether somebody looks at it now.
    pub looking: bool,
    /// Why the last look brought nothing.
    pub problem: Option<Problem>,
    /// When it was last seen.
    pub seen: Option<u32>,
    /// What runs, as a sentence.
    pub runs: Option<String>,
    /// What there is to know about that besides.
    pub note: Option<String>,
    /// When it switches itself off next, when that was last seen.
    pub off: Option<GoesOff>,
    /// The space on its disk, when that was last seen.
    pub disk: Option<Disk>,
    /// How that stands to what is declared for it, when both were last seen.
    pub standing: Option<Measured>,
    /// The generations that it has, the newest first.
    pub generations: Vec<Generation>,
    /// The job that the machine does.
    pub job: Option<Job>,
    /// How the last one ended that was followed.
    pub last: Option<LastJob>,
    /// The log of the job, or of the last one; `None`: none was followed.
    pub log: Option<Log>,
    /// Have the machine build its configuration and run it.
    pub rebuild: Option<Offer>,
    /// Look at it again.
    pub look: Option<Offer>,
}

/// The machine is to switch itself off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct GoesOff {
    /// When.
    pub at: u32,
    /// Why, as the end of a sentence.
    pub why: String,
}

/// How what a machine runs stands to what is declared for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Measured {
    /// How.
    pub standing: Standing,
    /// That as a sentence.
    pub text: String,
    /// A rebuild is the next thing to do.
    pub rebuild_next: bool,
}

/// A generation of the machine's system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    /// When it was made.
    pub made: u32,
    /// The configuration that it was made of, or else the version of NixOS; `None`: neither is known.
    pub revision: Option<String>,
    /// The version of its kernel.
    pub kernel: Option<String>,
    /// All that it needs, most of which it shares with others, in MiB.
    pub size: Option<u32>,
    /// What is so about it.
    pub flags: Vec<Flag>,
    /// Have the machine run it.
    pub go: Option<Offer>,
}

/// What may be so about a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The machine runs it.
    Current,
    /// The machine booted it, and has gone over to another one since.
    Booted,
    /// A new session came in while it ran.
    Good,
    /// It is not yet good.
    Trial,
    /// The machine went back from it.
    Refused,
}
