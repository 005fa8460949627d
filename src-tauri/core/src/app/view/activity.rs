//! What goes on, and what was done.

use serde::Serialize;
use specta::Type;

use super::{Offer, Problem};
use crate::history::Outcome;
use crate::jobs::JobId;
use crate::names::SessionName;
use crate::terminal::Known;

/// The log of a job, whose lines are asked for by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Log {
    /// Another log has another number, also that of the same job when it is followed anew.
    pub number: u32,
}

/// A job that the machine does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Job {
    /// What is done, as a title.
    pub title: String,
    /// Where it is, in words.
    pub step: String,
    /// When it began.
    pub since: u32,
    /// Who asked for it, where it was somebody else.
    pub by: Option<String>,
    /// End it.
    pub cancel: Option<Offer>,
    /// Why it could not be ended, when that was tried.
    pub problem: Option<Problem>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct LastJob {
    /// A sentence.
    pub text: String,
    /// When.
    pub at: u32,
    /// What went wrong.
    pub problem: Option<Problem>,
}

/// What this computer has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct History {
    /// The runs of commands, the newest first.
    pub runs: Vec<Run>,
    /// How many deeds came before these.
    pub before: u32,
    /// The log of one of these jobs, when somebody has asked for it.
    pub log: Option<OlderLog>,
}

/// The log of a job that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct OlderLog {
    /// Whose it is.
    #[specta(type = String)]
    pub job: JobId,
    /// It.
    pub log: Log,
    /// It is still being fetched.
    pub reading: bool,
    /// What is to be said of it.
    pub note: Option<String>,
    /// Why it is not all there.
    pub problem: Option<Problem>,
}

/// Where the log of a run is: the machine keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct RunLog {
    /// The job.
    #[specta(type = String)]
    pub job: JobId,
    /// Why it cannot be had now.
    pub refused: Option<String>,
}

/// What one run of a command has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Run {
    /// When it did the first thing.
    pub at: u32,
    /// When it did the last.
    pub until: u32,
    /// What was done, as a title.
    pub title: String,
    /// The command, as in `apply`.
    pub command: String,
    /// The machine, as `<user>/<name>/<region>`.
    pub machine: String,
    /// Who did it, where AWS said that.
    pub who: Option<String>,
    /// The worst that became of any of it.
    pub result: Outcome,
    /// The log of the machine's job, where it was one.
    pub log: Option<RunLog>,
    /// What it did, the first thing first.
    pub deeds: Vec<Deed>,
}

/// One thing that was changed, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Deed {
    /// When.
    pub at: u32,
    /// What.
    pub what: String,
    /// What became of it.
    pub result: Outcome,
    /// Why it is not done.
    pub why: Option<String>,
}

/// An operation that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Operation {
    /// What is done, as a title.
    pub title: String,
    /// When it began.
    pub since: u32,
    /// Its phases in their order.
    pub phases: Vec<Phase>,
    /// The steps under way.
    pub doing: Vec<String>,
    /// What is waited for.
    pub waiting: Option<String>,
    /// How many steps are done.
    pub done: u32,
    /// Of how many.
    pub of: u32,
}

/// A phase of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Over.
    Done,
    /// Under way.
    Now,
    /// To come.
    Next,
}

/// An operation that did not reach its goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Failed {
    /// What was done.
    pub title: String,
    /// When it ended.
    pub at: u32,
    /// Why.
    pub problem: Problem,
    /// It is a terminal that did not open, and something can be done about that here.
    pub unopened: Option<Unopened>,
}

/// A terminal that did not open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Unopened {
    /// The session that was to be in it.
    #[specta(type = Option<String>)]
    pub session: Option<SessionName>,
    /// The others that are installed, in each of which it can open.
    pub others: Vec<Terminal>,
    /// The one in which it has opened since, which can be chosen for good.
    pub opened: Option<Terminal>,
}

/// A terminal on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Terminal {
    /// Its name in the settings and in commands.
    pub terminal: Known,
    /// What a person calls it.
    pub name: String,
}

/// An operation that an earlier run did not bring to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Interrupted {
    /// What was.
    pub title: String,
    /// What that means.
    pub sentence: String,
    /// When it began.
    pub at: u32,
    /// What is left of it is what the plan of the settings says.
    pub is_planned: bool,
}
