//! What the app does about the sessions on the machine.

use std::time::Duration;

use holdfast_core::app::{self, Event};
use holdfast_core::machine::Desired;
use holdfast_core::names::{InstanceId, SessionName};
use holdfast_core::sessions::ZellijSession;
use tokio::time::timeout;

use super::{Boxed, Desk, Place, Shell};
use crate::history::on_machine;
use crate::problem::Problem;
use crate::remote::Machine;
use crate::sessions;

/// How long the machine may take: a line that is lost is resumed, and a person who waits wants to hear something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at them: one session through SSM.
pub(super) async fn list(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
) -> Result<Vec<ZellijSession>, app::Problem> {
    on(place, &desired, &instance, async |machine| sessions::list(machine).await).await
}

/// Ends one, and tells whether it is gone.
pub(super) async fn end(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
    name: SessionName,
) -> Option<Event> {
    let end = async |machine: Machine<'_>| {
        let ended = match sessions::end(machine, &name).await {
            // Somebody else was quicker.
            Err(problem) if problem.code == sessions::GONE => Ok(()),
            result => result,
        };
        let what = format!("End the session {name}");
        on_machine(place.store(), (machine.aws, machine.desired), "sessions kill", what, &ended).await;
        ended
    };
    let result = on(place, &desired, &instance, end).await;
    Some(Event::EndedSession { name, result })
}

/// Does something on the machine that ends soon or not at all.
pub(super) async fn on<T>(
    place: &Place,
    desired: &Desired,
    instance: &InstanceId,
    act: impl AsyncFnOnce(Machine<'_>) -> Result<T, Problem>,
) -> Result<T, app::Problem> {
    let work = async {
        let aws = place.aws(desired).await?;
        act(Machine { aws: &aws, desired, instance }).await
    };
    // The types of a whole connection in one another are too deep for the compiler.
    let work: Boxed<'_, _> = Box::pin(work);
    match timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(no_answer())) {
        Ok(done) => Ok(done),
        Err(problem) => Err(place.explain(desired, problem)),
    }
}

fn no_answer() -> Problem {
    Problem::new("no_answer", format!("The machine did not answer within {} s", PATIENCE.as_secs()))
        .hint("see whether it does anything at all: holdfast connect")
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn list_sessions_if_due(&mut self) {
        if !self.app.awaits_sessions() {
            // The machine went off meanwhile, or it is another one.
            self.listing = None;
        }
        if self.next_look_at_sessions().is_some_and(|pause| pause.is_zero()) {
            self.list_sessions();
        }
    }

    pub(super) fn list_sessions(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        self.listing = Some(Box::pin(list(self.place, setup.desired.clone(), instance)));
        self.on(Event::ListingSessions);
    }

    /// How long the next look at the sessions can wait. It comes after a look at the machine, which may have gone off.
    pub(super) fn next_look_at_sessions(&self) -> Option<Duration> {
        self.app.next_look_at_sessions(self.place.now()).filter(|_| self.looking.is_none())
    }

    pub(super) fn end_session(&mut self, name: SessionName) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        self.errands.push(Box::pin(end(self.place, desired, instance, name.clone())));
        self.on(Event::EndingSession(name));
    }
}
