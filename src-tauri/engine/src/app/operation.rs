//! The operation under way: what the user agreed to, and how far it is carried out.

use std::sync::Arc;

use holdfast_core::app::{self, Event, Opening, Operation, Progress, Proposal, drafted};
use holdfast_core::machine::{Desired, Observed, Power};
use holdfast_core::plan::{Consent, Goal, Impact, Plan};
use tokio::sync::{Notify, mpsc};

use super::{Desk, Place, Shell, open, proposals};
use crate::aws::Aws;
use crate::converge::{self, Report, Witness, converge};
use crate::problem::Problem;
use crate::remote::{Machine, NO_SYSTEM};
use crate::space;

impl<S: Shell> Desk<'_, S> {
    /// Begins an operation.
    pub(super) fn begin(&mut self, operation: Operation, agreed: Agreed) {
        self.begin_before(operation, agreed, None);
    }

    /// Begins an operation after which a terminal opens.
    pub(super) fn begin_before(&mut self, operation: Operation, agreed: Agreed, opening: Option<Opening>) {
        let Some(setup) = self.app.setup() else { return };
        let desired = agreed.wanted(&setup.desired);
        self.on(Event::Began(operation));
        // What a look sees that began before is older than what the operation does.
        self.looking = None;
        let (place, shell, tell) = (self.place, self.shell, self.tell.clone());
        let signed_in = Arc::clone(&self.signed_in);
        self.operation = Some(Box::pin(async move {
            operate(place, tell.clone(), signed_in, operation, desired, agreed).await?;
            if let Some(opening) = opening {
                // Nobody listens any more when the app ends.
                let _ = tell.send(open(shell, opening).await);
            }
            Ok(())
        }));
    }

    /// Does what a preview showed. Its settings, where it is of settings, are kept first.
    pub(super) fn apply(&mut self, number: u32) {
        let Some((operation, of, foreseen)) = self.app.foreseen(number) else { return };
        let (of, plan) = (of.clone(), foreseen.plan.clone());
        if let Proposal::Settings { draft } = &of {
            let drafted = self.app.setup().and_then(|setup| drafted(setup, draft).ok());
            let written = drafted.map_or(Ok(()), |drafted| self.place.store.write_settings(&drafted.text));
            if let Err(error) = written {
                self.on(Event::Began(operation));
                return self.on(Event::Ended(Some(Err(Problem::from(error).into()))));
            }
            self.read_settings();
        }
        let told = Box::new(plan.clone());
        self.begin(operation, Agreed { impact: plan.impact(), shown: Some((of, plan)) });
        self.on(Event::Goes(Progress::Planned(told)));
    }

    pub(super) fn ended(&mut self, result: Result<(), app::Problem>) {
        self.operation = None;
        self.hear_what_was_told();
        self.on(Event::Ended(Some(result)));
        (self.look_now, self.look_at_all) = (true, true);
    }
}

/// What the user has agreed to.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) impact: Impact,
    /// What was proposed, and the plan that was shown for it.
    pub(super) shown: Option<(Proposal, Plan)>,
}

/// It costs, and nothing else.
pub(super) const COSTS: Impact = Impact { costs: true, ..Impact::NONE };
/// It ends what runs on the machine, and nothing else.
pub(super) const INTERRUPTS: Impact = Impact { interrupts: true, ..Impact::NONE };

impl Agreed {
    pub(super) fn to(impact: Impact) -> Self {
        Self { impact, shown: None }
    }

    /// What is wanted of the machine for it.
    fn wanted(&self, desired: &Desired) -> Desired {
        self.shown.as_ref().map_or_else(|| desired.clone(), |(of, _)| of.wanted(desired))
    }

    /// Whether every step of a plan that destroys something was shown.
    fn knows_all_losses(&self, plan: &Plan) -> bool {
        let shown = self.shown.iter().flat_map(|(_, shown)| &shown.steps);
        let shown: Vec<_> = shown.map(|planned| &planned.step).collect();
        let mut losses = plan.steps.iter().filter(|planned| planned.impact.loses_data);
        losses.all(|planned| shown.contains(&&planned.step))
    }
}

/// Carries out an operation, as far as the user agreed to it.
async fn operate(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    signed_in: Arc<Notify>,
    operation: Operation,
    desired: Desired,
    agreed: Agreed,
) -> Result<(), app::Problem> {
    let work = async {
        let aws = place.aws(&desired).await?;
        let reporter = Reporter { tell, agreed, signed_in };
        let word = proposals::word(operation, &desired);
        let reach = |goal| converge(&aws, &place.store, &word, &desired, goal, &reporter);
        let report = match operation {
            // On as something else is on, too.
            Operation::Start | Operation::Connect => {
                Report { shortage: None, ..reach(Goal::Reachable).await? }
            }
            Operation::Stop => reach(Goal::Stopped).await?,
            Operation::Restart => converge::restart(&aws, &place.store, &desired, &reporter).await?,
            Operation::Apply => {
                let report = reach(Goal::Settings).await?;
                let power = report.observed.winners(&desired).instance.map(|instance| instance.power);
                if report.grown && power == Some(Power::Running) {
                    // It is on, so this only waits for its agent.
                    reach(Goal::Reachable).await?;
                }
                report
            }
            Operation::Make => {
                let settled = reach(Goal::Settings).await?;
                Report { grown: settled.grown, shortage: settled.shortage, ..reach(Goal::Reachable).await? }
            }
            Operation::Replace | Operation::Restore => {
                let settled = reach(proposals::goal(&aws, &desired, &reporter).await?).await?;
                Report { grown: settled.grown, shortage: settled.shortage, ..reach(Goal::Reachable).await? }
            }
            Operation::TakeBack | Operation::LetGo | Operation::GoBack => {
                reach(proposals::goal(&aws, &desired, &reporter).await?).await?
            }
            Operation::Snapshot => {
                return proposals::take_snapshot(&aws, &place.store, &desired, &reporter).await;
            }
            Operation::DeleteSnapshot => {
                let Some((of, plan)) = &reporter.agreed.shown else { return Ok(()) };
                if let Proposal::DeleteSnapshot { snapshot } = of {
                    let look = || aws.may_forget(&desired, std::slice::from_ref(snapshot));
                    converge::look(&aws, &desired, &reporter, look).await?;
                }
                return converge::carry_out(&aws, &place.store, &word, &desired, plan, &reporter).await;
            }
        };
        if report.grown {
            take_space(&aws, &desired, &report).await?;
            place.store.intent(&desired.key()).clear()?;
        }
        report.shortage.map_or(Ok(()), Err)
    };
    match work.await {
        Ok(()) => Ok(()),
        Err(Problem { code: "no_consent", .. }) => Err(changed_meanwhile().into()),
        Err(problem) => Err(place.explain(&desired, problem)),
    }
}

/// The machine's file system takes the space that the volume has; one that is off does so when it starts.
async fn take_space(aws: &Aws, desired: &Desired, report: &Report) -> Result<(), Problem> {
    let winners = report.observed.winners(desired);
    let (Some(instance), Some(volume)) = (winners.instance, winners.volume) else { return Ok(()) };
    if instance.power != Power::Running {
        return Ok(());
    }
    match space::grow(Machine { aws, desired, instance: &instance.id }, volume.size).await {
        Err(problem) if problem.code != NO_SYSTEM => Err(problem),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The world is not the one that the user agreed about.
fn changed_meanwhile() -> Problem {
    Problem::new("changed", "It was stopped before it did more than what was shown")
        .because("something has changed in AWS meanwhile")
        .hint("look at the plan again")
}

/// Tells the app how an operation goes on, and agrees to what the user agreed to.
pub(super) struct Reporter {
    pub(super) tell: mpsc::UnboundedSender<Event>,
    pub(super) agreed: Agreed,
    pub(super) signed_in: Arc<Notify>,
}

impl Witness for Reporter {
    async fn consent(&self, _: &Observed, plan: &Plan) -> Consent {
        let _ = self.tell.send(Event::Goes(Progress::Planned(Box::new(plan.clone()))));
        let loses_data = self.agreed.impact.loses_data && self.agreed.knows_all_losses(plan);
        Consent::to(Impact { loses_data, ..self.agreed.impact })
    }

    fn waits_for_sign_in(&self) -> bool {
        true
    }

    async fn signed_in(&self) {
        self.signed_in.notified().await;
    }

    fn event(&self, event: converge::Event<'_>) {
        let progress = match event {
            converge::Event::Started(step) => Progress::Started(step.clone()),
            converge::Event::Finished(step) => Progress::Finished(step.clone()),
            converge::Event::Postponed(step, problem) | converge::Event::Surprised(step, problem) => {
                tracing::debug!(?step, %problem, "a step has to wait");
                Progress::Postponed(step.clone())
            }
            converge::Event::Waiting(waiting) => Progress::Waiting(waiting.to_vec()),
            converge::Event::Saw(observed) => Progress::Saw(Box::new(observed.clone())),
            converge::Event::SignedOut(problem) => Progress::SignedOut(problem.clone().into()),
        };
        // Nobody listens any more when the app ends.
        let _ = self.tell.send(Event::Goes(progress));
    }
}
