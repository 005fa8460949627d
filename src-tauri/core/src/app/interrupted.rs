//! What an earlier run did not bring to its end: what is left of it, and how it goes on.

use super::harmless::harmless;
use super::show::{name, seconds};
use super::view::Interrupted;
use super::{App, Operation};
use crate::plan::{Goal, plan};

impl App {
    /// Whether nothing is left to do of it.
    pub fn has_reached_what_was_interrupted(&self) -> bool {
        let Some(goal) = self.interrupted_operation().and_then(goal) else { return false };
        let seen = self.known.as_ref().zip(self.setup());
        seen.is_some_and(|(known, setup)| plan(&setup.desired, &known.observed, goal).is_done())
    }

    fn interrupted_operation(&self) -> Option<Operation> {
        self.interrupted.as_ref().and_then(|intent| Operation::of_word(&intent.what))
    }
}

/// What has to be so for an operation to be over; `None` where the looks of the app cannot tell.
fn goal(operation: Operation) -> Option<Goal> {
    match operation {
        Operation::Start | Operation::Connect => Some(Goal::Reachable),
        Operation::Stop => Some(Goal::Stopped),
        // Of what the settings are about, no look but that of a plan sees all.
        Operation::Apply
        | Operation::Make
        | Operation::Restart
        | Operation::Replace
        | Operation::Restore
        | Operation::TakeBack
        | Operation::LetGo
        | Operation::GoBack
        | Operation::Snapshot
        | Operation::DeleteSnapshot => None,
    }
}

pub(super) fn view(app: &App) -> Option<Interrupted> {
    let intent = app.interrupted.as_ref().filter(|_| app.running.is_none() && app.elsewhere.is_none())?;
    let operation = app.interrupted_operation();
    let what = operation
        .map_or_else(|| format!("holdfast {}", harmless(&intent.what, 40)), |known| known.title(name(app)));
    let is_planned = matches!(operation, Some(Operation::Apply | Operation::Make));
    let left = match operation {
        _ if is_planned && intent.grows => {
            "Nothing is lost. The plan shows what is left to do. If nothing is, the machine has yet to take its new space: \
             holdfast apply"
        }
        _ if is_planned => "Nothing is lost. The plan shows what is left to do.",
        Some(Operation::Start | Operation::Connect | Operation::Restart) => {
            "Nothing is lost. If it is off, Start goes on from there."
        }
        Some(Operation::Stop) => "Nothing is lost. If it is on, Stop goes on from there.",
        Some(_) | None => "Nothing is lost. Do the same again, and it goes on from what is there.",
    };
    Some(Interrupted {
        title: format!("{what} was interrupted"),
        sentence: left.to_owned(),
        at: seconds(intent.since),
        is_planned,
    })
}
