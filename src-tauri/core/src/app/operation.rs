//! What changes something and goes on for a while, and the one that is under way.

use super::{Problem, Progress};
use crate::machine::Desired;
use crate::plan::{Step, Waiting};
use crate::time::Moment;

/// What changes something, and goes on for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Switch on, then open a terminal.
    Connect,
    /// Switch on.
    Start,
    /// Switch off.
    Stop,
    /// Restart where it is.
    Restart,
    /// Make AWS match the settings, and switch on.
    Make,
    /// Make AWS match the settings.
    Apply,
    /// Bring another instance into the machine's place, with its home.
    Replace,
    /// The same with the home of a snapshot, where there is a machine; else make one.
    Restore,
    /// Take a replacement back.
    TakeBack,
    /// Let the instance go that was replaced.
    LetGo,
    /// Make it the machine again.
    GoBack,
    /// Take a snapshot.
    Snapshot,
    /// Delete one.
    DeleteSnapshot,
}

impl Operation {
    /// What is done to the machine `name`, as a title.
    pub fn title(self, name: &str) -> String {
        match self {
            Self::Connect => format!("Connecting to {name}"),
            Self::Start => format!("Starting {name}"),
            Self::Stop => format!("Stopping {name}"),
            Self::Restart => format!("Restarting {name}"),
            Self::Make => format!("Making {name}"),
            Self::Apply => format!("Changing {name}"),
            Self::Replace => format!("Replacing {name}"),
            Self::Restore => format!("Restoring {name}"),
            Self::TakeBack => format!("Taking back the replacement of {name}"),
            Self::LetGo => format!("Ending the old instance of {name}"),
            Self::GoBack => format!("Going back to the old instance of {name}"),
            Self::Snapshot => format!("Taking a snapshot of {name}"),
            Self::DeleteSnapshot => format!("Deleting a snapshot of {name}"),
        }
    }

    /// Whether it ends whatever runs on the machine, and nothing else is to be begun there meanwhile.
    pub(super) fn ends_sessions(self) -> bool {
        matches!(self, Self::Stop | Self::Restart)
    }

    /// As the command line calls it, for whoever finds the machine locked.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect | Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Make => "up",
            Self::Apply => "apply",
            Self::Replace => "replace",
            Self::Restore => "snapshot restore",
            Self::TakeBack => "replace --cancel",
            Self::LetGo => "replace --let-go",
            Self::GoBack => "replace --back",
            Self::Snapshot => "snapshot create",
            Self::DeleteSnapshot => "snapshot delete",
        }
    }

    /// What the command line calls so.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let named = [
            Self::Start,
            Self::Stop,
            Self::Restart,
            Self::Make,
            Self::Apply,
            Self::Replace,
            Self::Restore,
            Self::TakeBack,
            Self::LetGo,
            Self::GoBack,
            Self::Snapshot,
            Self::DeleteSnapshot,
        ];
        if word == "resize" {
            // Of the settings, which it has changed.
            return Some(Self::Apply);
        }
        // A restore says from which snapshot, too.
        let is =
            |named: &Self| word == named.word() || *named == Self::Restore && word.starts_with(named.word());
        named.into_iter().find(is)
    }

    /// Whether its plan was shown before it.
    pub(super) fn is_previewed(self) -> bool {
        match self {
            Self::Connect | Self::Start | Self::Stop | Self::Restart | Self::Snapshot => false,
            Self::Make
            | Self::Apply
            | Self::Replace
            | Self::Restore
            | Self::TakeBack
            | Self::LetGo
            | Self::GoBack
            | Self::DeleteSnapshot => true,
        }
    }

    /// Whether what it has made may have to be brought to what is declared for it.
    pub(super) fn makes(self) -> bool {
        matches!(self, Self::Make | Self::Apply | Self::Replace | Self::Restore)
    }

    /// Whether there may be other snapshots after it.
    pub(super) fn touches_snapshots(self) -> bool {
        self.is_previewed() || self == Self::Snapshot
    }
}
/// The operation under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) operation: Operation,
    /// What is done, as a title.
    pub(super) title: String,
    /// The machine that it is about; the settings may come to mean another one meanwhile.
    pub(super) desired: Desired,
    pub(super) since: Moment,
    pub(super) planned: Vec<Step>,
    pub(super) done: Vec<Step>,
    pub(super) doing: Vec<Step>,
    pub(super) waiting: Vec<Waiting>,
    /// It was told that the machine is off for want of capacity.
    pub(super) told_off: bool,
    /// Nobody is signed in any more.
    pub(super) signed_out: Option<Problem>,
}

impl Running {
    pub(super) fn new(operation: Operation, desired: Desired, since: Moment) -> Self {
        Self {
            operation,
            title: operation.title(desired.machine.as_str()),
            desired,
            since,
            planned: Vec::new(),
            done: Vec::new(),
            doing: Vec::new(),
            waiting: Vec::new(),
            told_off: false,
            signed_out: None,
        }
    }

    /// It goes on.
    pub(super) fn on(&mut self, progress: &Progress) {
        self.signed_out = None;
        match progress {
            Progress::SignedOut(problem) => self.signed_out = Some(problem.clone().harmless()),
            Progress::Planned(plan) => {
                let steps = plan.steps.iter().map(|planned| planned.step.clone());
                self.planned = self.done.iter().cloned().chain(steps).collect();
            }
            Progress::Started(step) => {
                self.waiting.clear();
                self.doing.push(step.clone());
            }
            Progress::Finished(step) => {
                self.doing.retain(|other| other != step);
                self.done.push(step.clone());
            }
            Progress::Postponed(step) => self.doing.retain(|other| other != step),
            Progress::Waiting(waiting) => self.waiting.clone_from(waiting),
            Progress::Saw(_) => {}
        }
    }
}
