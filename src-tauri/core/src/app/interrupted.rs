//! What an earlier run did not bring to its end: what is left of it, and how it goes on.

use super::harmless::harmless;
use super::show::{name, seconds};
use super::view::Interrupted;
use super::{App, Operation};
use crate::plan::{Goal, plan};

impl App {
    /// Whether nothing is left to do of it, as far as was seen.
    pub fn has_reached_what_was_interrupted(&self) -> bool {
        let goals = self.interrupted_operation().map_or(&[][..], goals);
        let Some((known, setup)) = self.known.as_ref().zip(self.setup()) else { return false };
        let is_done = |goal: &Goal| plan(&setup.desired, &known.observed, *goal).is_done();
        !goals.is_empty() && goals.iter().all(is_done)
    }

    fn interrupted_operation(&self) -> Option<Operation> {
        self.interrupted.as_ref().and_then(|intent| Operation::of_word(&intent.what))
    }
}

/// What has to be so for an operation to be over; nothing, where that cannot be seen.
fn goals(operation: Operation) -> &'static [Goal] {
    match operation {
        Operation::Start | Operation::Connect => &[Goal::Reachable],
        Operation::Stop => &[Goal::Stopped],
        Operation::Apply => &[Goal::Settings],
        Operation::Make => &[Goal::Settings, Goal::Reachable],
        Operation::Restart
        | Operation::Replace
        | Operation::Restore
        | Operation::TakeBack
        | Operation::LetGo
        | Operation::GoBack
        | Operation::Snapshot
        | Operation::DeleteSnapshot => &[],
    }
}

pub(super) fn view(app: &App) -> Option<Interrupted> {
    let intent = app.interrupted.as_ref().filter(|_| app.running.is_none() && app.elsewhere.is_none())?;
    let operation = app.interrupted_operation();
    let what = operation
        .map_or_else(|| format!("holdfast {}", harmless(&intent.what, 40)), |known| known.title(name(app)));
    let is_planned = matches!(operation, Some(Operation::Apply | Operation::Make));
    let left = match operation {
        _ if is_planned => "Nothing is lost. The plan of the settings says what is left of it.",
        Some(Operation::Start | Operation::Connect | Operation::Restart) => {
            "Nothing is lost. Where it is off, Start goes on with it."
        }
        Some(Operation::Stop) => "Nothing is lost. Where it is on, Stop goes on with it.",
        Some(_) | None => "Nothing is lost. The same once more goes on from what is there.",
    };
    Some(Interrupted {
        title: format!("{what} was interrupted"),
        sentence: left.to_owned(),
        at: seconds(intent.since),
        is_planned,
    })
}
