//! Looking at the machine, and what is kept of what was seen.

use std::time::Duration;

use holdfast_core::app::{self, Elsewhere, Event};
use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::Goal;
use holdfast_core::time::Moment;
use tokio::time::Instant;

use super::{Desk, OtherLooked, Place, Shell};
use crate::aws::Aws;
use crate::prices::{self, Worth};
use crate::problem::Problem;
use crate::store::{Holder, Intent};
use crate::world::World;

/// A look that has ended.
pub(super) struct Looked {
    desired: Desired,
    all: bool,
    result: Result<(Aws, Observed), app::Problem>,
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn look_if_due(&mut self) {
        let due = self.look_now || self.app.next_look(self.place.now()).is_zero();
        if !due || self.looking.is_some() || self.operation.is_some() {
            return;
        }
        self.read_settings();
        let Some(setup) = self.app.setup() else { return };
        let (place, desired) = (self.place, setup.desired.clone());
        let aws = self.aws.take().filter(|_| !self.look_at_all);
        self.looking = Some(Box::pin(look(place, desired, aws)));
        (self.look_now, self.look_at_all) = (false, false);
    }

    pub(super) fn looked(&mut self, looked: Looked) {
        self.looking = None;
        let Looked { desired, all, result } = looked;
        if self.app.setup().is_none_or(|setup| setup.desired != desired) {
            // It was about another machine, or seen with other eyes.
            (self.look_now, self.look_at_all) = (true, true);
            return;
        }
        match result {
            Ok((aws, observed)) => {
                self.aws = Some(aws);
                if all {
                    self.seen_all = Some(Instant::now());
                }
                self.ask_prices_if_due(desired.clone(), &observed);
                let (elsewhere, interrupted) = self.at_work(&desired);
                self.on(Event::Looked { observed: Box::new(observed), elsewhere, interrupted });
                if self.app.has_reached_what_was_interrupted() && self.forget_intent() {
                    self.on(Event::Reached);
                }
                self.do_then(None);
            }
            Err(problem) => {
                // The next one begins from scratch, with what has become of the sign-in meanwhile.
                self.look_at_all = true;
                self.on(Event::Blind(problem.clone()));
                self.do_then(Some(&problem));
            }
        }
    }

    /// How long the next look at a machine that is not shown can wait, and which it is; `None` while one goes on.
    pub(super) fn next_look_at_other(&self) -> Option<(Duration, &Desired)> {
        self.app.next_look_at_others(self.place.now()).filter(|_| self.looking_at_other.is_none())
    }

    pub(super) fn look_at_other_if_due(&mut self) {
        let due = self.next_look_at_other().filter(|(pause, _)| pause.is_zero());
        let Some(desired) = due.map(|(_, desired)| desired.clone()) else { return };
        let aws = self.others.remove(&desired.machine).filter(|(of, _)| *of == desired).map(|(_, aws)| aws);
        let place = self.place;
        self.looking_at_other = Some(Box::pin(async move {
            let look = async {
                let aws = match aws {
                    Some(aws) => aws,
                    None => place.aws(&desired).await?,
                };
                // One call, which says whether it is on.
                let observed = World::glance(&aws, &desired).await?;
                Ok::<_, Problem>((aws, observed))
            };
            let seen = look.await.inspect_err(|problem| {
                tracing::debug!(machine = %desired.machine, %problem, "it cannot be seen whether it is on");
            });
            (desired, seen.ok())
        }));
    }

    pub(super) fn looked_at_other(&mut self, (desired, seen): OtherLooked) {
        self.looking_at_other = None;
        let observed = seen.map(|(aws, observed)| {
            self.others.insert(desired.machine.clone(), (desired.clone(), aws));
            Box::new(observed)
        });
        self.on(Event::LookedAtOther(Box::new(desired), observed));
    }

    /// Who else works on the machine on this computer, and what was not brought to its end.
    pub(super) fn at_work(&self, desired: &Desired) -> (Option<Elsewhere>, Option<Elsewhere>) {
        let key = desired.key();
        let moment = |since| Moment::from_epoch(Duration::from_secs(since));
        // Files that cannot be read are told by whatever needs them.
        let working = self.place.store.working(&key).ok().flatten();
        // What this process gave up or failed at, the user has seen.
        let earlier = |intent: &Intent| intent.started < self.began && working.is_none();
        let intent = self.place.store.intent(&key).read().ok().flatten().filter(earlier);
        (
            working.map(|Holder { what, since, .. }| Elsewhere { what, since: moment(since), grows: false }),
            intent.map(|Intent { operation: what, started, grows, .. }| Elsewhere {
                what,
                since: moment(started),
                grows,
            }),
        )
    }

    /// Keeps when the machine was on. Whoever looks has come for something else, so a failure is no matter.
    pub(super) fn note(&self, observed: &mut Observed, worth: Worth) {
        let Some(setup) = self.app.setup() else { return };
        let now = self.place.now().since_epoch().as_secs();
        if let Err(error) = prices::note(&self.place.store, &setup.desired, observed, now, worth) {
            tracing::debug!(%error, "when the machine was on cannot be kept");
        }
    }

    /// Prices are for somebody who looks at them.
    pub(super) fn ask_prices_if_due(&mut self, desired: Desired, observed: &Observed) {
        let now = self.place.now().since_epoch().as_secs();
        let types = prices::types(&desired, observed);
        let due = self.app.is_watched() && self.pricing.is_none();
        if due && prices::is_due(&self.place.store, &desired, &types, now) {
            let place = self.place;
            self.pricing = Some(Box::pin(async move {
                let Ok(aws) = place.aws(&desired).await else { return false };
                prices::ask(&place.store, &aws, &desired, &types, now).await
            }));
        }
    }
}

/// Looks at whether the machine is on; at everything, without a connection of before.
async fn look(place: &Place, desired: Desired, aws: Option<Aws>) -> Looked {
    let all = aws.is_none();
    let look = async {
        match aws {
            Some(aws) => {
                let observed = aws.glance(&desired).await?;
                Ok((aws, observed))
            }
            None => {
                let aws = place.aws(&desired).await?;
                let observed = aws.observe(&desired, Goal::Reachable).await?;
                Ok((aws, observed))
            }
        }
    };
    let result = match look.await {
        Ok(seen) => Ok(seen),
        Err(problem) => Err(place.explain(&desired, problem)),
    };
    Looked { desired, all, result }
}
