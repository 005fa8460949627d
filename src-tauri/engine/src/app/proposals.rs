//! What the app finds out about what is proposed to it, and what it does about snapshots and the machine's place.

use std::slice;

use holdfast_core::app::{self, Event, Foreseen, Operation, Proposal, Setup, drafted};
use holdfast_core::machine::{Desired, Observed, Snapshot};
use holdfast_core::plan::{self, Goal, Plan, Swap};

use super::operation::Reporter;
use super::{Desk, Place, Shell};
use crate::aws::Aws;
use crate::converge::{self, Witness};
use crate::problem::Problem;
use crate::store::Store;
use crate::world::World;

/// Finds out what it would do.
pub(super) async fn foresee(place: &Place, setup: Setup, number: u32, of: Proposal) -> Option<Event> {
    let desired = match &of {
        Proposal::Settings { draft } => drafted(&setup, draft).ok()?.desired,
        Proposal::Replace
        | Proposal::GoOn
        | Proposal::TakeBack
        | Proposal::LetGo
        | Proposal::GoBack
        | Proposal::Restore { .. }
        | Proposal::DeleteSnapshot { .. } => of.wanted(&setup.desired),
    };
    let found = match look(place, &desired, &of).await {
        Ok((observed, plan)) => {
            let blocked = plan.blocked.first().map(|blocked| Problem::blocked(&desired, blocked).into());
            Ok(Box::new(Foreseen { desired, observed, plan, blocked }))
        }
        Err(problem) => Err(place.explain(&desired, problem)),
    };
    Some(Event::Previewed { number, found })
}

async fn look(place: &Place, desired: &Desired, of: &Proposal) -> Result<(Observed, Plan), Problem> {
    let aws = place.aws(desired).await?;
    if let Proposal::DeleteSnapshot { snapshot } = of {
        aws.may_forget(desired, slice::from_ref(snapshot)).await?;
        let observed = Observed::unknown("");
        let plan = plan::forgetting(desired, &observed, slice::from_ref(snapshot));
        return Ok((observed, plan));
    }
    let applied = place.store.applied(&desired.key())?;
    let seen = |observed| Observed { applied, ..observed };
    let (observed, goal) = match of.swap() {
        None => (seen(aws.observe(desired, Goal::Settings).await?), Goal::Settings),
        Some(asked) => {
            let observed = seen(aws.observe(desired, Goal::Replaced).await?);
            let goal = goal_in(desired, &observed, asked)?;
            (observed, goal)
        }
    };
    let plan = plan::plan(desired, &observed, goal);
    Ok((observed, plan))
}

/// The goal of what was agreed to about the machine's place, as it is now.
pub(super) async fn goal(aws: &Aws, desired: &Desired, reporter: &Reporter) -> Result<Goal, Problem> {
    match reporter.agreed.shown.as_ref().and_then(|(of, _)| of.swap()) {
        Some(asked) => {
            let look = || aws.observe(desired, Goal::Replaced);
            goal_in(desired, &converge::look(aws, desired, reporter, look).await?, asked)
        }
        None => Ok(Goal::Settings),
    }
}

fn goal_in(desired: &Desired, observed: &Observed, asked: Swap) -> Result<Goal, Problem> {
    plan::swap(desired, observed, asked).map_err(|why| Problem::no_swap(desired, &why))
}

/// The command that does the same.
pub(super) fn word(operation: Operation, desired: &Desired) -> String {
    match (operation, &desired.home_from) {
        (Operation::Restore, Some(snapshot)) => format!("{} {snapshot}", operation.word()),
        (_, Some(_) | None) => operation.word().to_owned(),
    }
}

/// Looks at the machine's snapshots: one call.
pub(super) async fn snapshots(place: &Place, desired: Desired) -> Result<Vec<Snapshot>, app::Problem> {
    let look = async { place.aws(&desired).await?.snapshots(&desired).await };
    match look.await {
        Ok(snapshots) => Ok(snapshots),
        Err(problem) => Err(place.explain(&desired, problem)),
    }
}

/// Takes one of the machine as it is.
pub(super) async fn take_snapshot(
    aws: &Aws,
    store: &Store,
    desired: &Desired,
    witness: &impl Witness,
) -> Result<(), Problem> {
    match converge::snapshot(aws, store, desired, witness).await? {
        Some(_) => Ok(()),
        None => Err(Problem::new("no_volume", "The machine has no volume that one could be taken of")),
    }
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn foresee_if_asked(&mut self) {
        let Some((number, of)) = self.app.to_foresee().filter(|(number, _)| *number != self.foreseen) else {
            return;
        };
        let Some(setup) = self.app.setup() else { return };
        self.errands.push(Box::pin(foresee(self.place, setup.clone(), number, of.clone())));
        self.foreseen = number;
    }

    pub(super) fn see_snapshots_if_due(&mut self) {
        if !self.app.awaits_snapshots() {
            self.seeing_snapshots = None;
        }
        if self.app.next_look_at_snapshots(self.place.now()).is_some_and(|pause| pause.is_zero()) {
            self.see_snapshots();
        }
    }

    pub(super) fn see_snapshots(&mut self) {
        let Some(setup) = self.app.setup() else { return };
        self.seeing_snapshots = Some(Box::pin(snapshots(self.place, setup.desired.clone())));
        self.on(Event::LookingAtSnapshots);
    }
}
