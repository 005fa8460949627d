//! Bringing the world to a goal.
//!
//! There is no undo and no saved state: an interrupted run is healed by the next look.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use holdfast_core::machine::{Desired, Fact, Instance, Observed, Power, TAG_RESIZE};
use holdfast_core::names::{InstanceId, InstanceType, ReservationId, SnapshotId};
use holdfast_core::plan::{
    self, Applied, Consent, Goal, Keep, Made, Next, Note, Plan, Planned, Step, Waiting,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::history::Recorded;
use crate::problem::Problem;
use crate::store::{Intent, Store};
use crate::world::{Done, Failure, World};

/// How long AWS may not know what it was told a moment ago: instance profiles take up to two minutes.
const PROPAGATION: Duration = Duration::from_secs(150);
/// How long a look may show the world as it was before a step that AWS has confirmed.
const SETTLING: Duration = Duration::from_secs(30);
/// How often the world may turn out other than planned before we stop.
const MAX_SURPRISES: u32 = 20;
/// After a pause longer than this the world is looked at again, even if only one step waits for its time.
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// How long a machine that was told to restart may take to go down.
const GOING_DOWN: Duration = Duration::from_secs(60);
/// The first and the longest pause before AWS is asked again for a machine that it had none of.
const CROWDED: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));
/// How often a look is taken at an instance that goes off and on between two types, at first and later: every moment that nobody
/// sees it is off is one longer off.
const WATCHFUL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
/// The first and the longest pause between two looks at whether somebody has signed in again.
const SIGNED_OUT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// The first and the longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Who watches an operation, and agrees to it.
pub trait Witness {
    /// Asks for consent to a plan. What is not agreed to is not done.
    fn consent(&self, observed: &Observed, plan: &Plan) -> impl Future<Output = Consent>;
    /// Something happened.
    fn event(&self, event: Event<'_>);
    /// Whether somebody may sign in again when the credentials end in the middle of it.
    fn waits_for_sign_in(&self) -> bool {
        false
    }
    /// Waits until somebody has signed in here: whoever waits for that by looking now and then need not wait longer.
    fn signed_in(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

/// What happens in an operation.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins.
    Started(&'a Step),
    /// A step has its effect.
    Finished(&'a Step),
    /// AWS does not know yet what was just made.
    Postponed(&'a Step, &'a Problem),
    /// Somebody else changed the world; it is looked at again.
    Surprised(&'a Step, &'a Problem),
    /// Nothing can be done but wait.
    Waiting(&'a [Waiting]),
    /// The world was looked at.
    Saw(&'a Observed),
    /// The credentials have ended; it goes on by itself when there are new ones.
    SignedOut(&'a Problem),
}

/// The end of an operation that reached its goal.
#[derive(Debug)]
pub struct Report {
    /// The world as it is now.
    pub observed: Observed,
    /// How many steps had their effect.
    pub performed: usize,
    /// A volume was made larger here, or by a run before this one that did not come to its end.
    pub grown: bool,
    /// What AWS had none of, where the machine had to become something else than the settings say.
    pub shortage: Option<Problem>,
}

/// Brings a machine to a goal: takes its lock, looks, plans, asks once, performs at the same time every step that is
/// ready, and looks again, until the goal is reached.
///
/// `operation` names the command for whoever finds the machine locked, or the operation interrupted. Dropping the future stops it anywhere; running it again goes on from what is there.
///
/// # Errors
/// A machine that is locked, what blocks the plan, a consent that is missing, the first step that AWS refuses, or a wait that is too long. Steps
/// that were under way by then have ended.
pub async fn converge<W: World>(
    world: &W,
    store: &Store,
    operation: &str,
    desired: &Desired,
    goal: Goal,
    witness: &impl Witness,
) -> Result<Report, Problem> {
    let _lock = store.lock(&desired.key(), operation)?;
    let world = &Recorded::new(world, store, operation);
    let intent = store.intent(&desired.key());
    let earlier = intent.read()?;
    // What an earlier run did not come to.
    let mut grown = goal == Goal::Settings && earlier.as_ref().is_some_and(|intent| intent.grows);
    let applied = store.applied(&desired.key())?;
    let seen = look(world, desired, witness, || world.observe(desired, goal)).await?;
    let mut observed = Observed { applied, ..seen };
    witness.event(Event::Saw(&observed));
    let first = plan::plan(desired, &observed, goal);
    if let Some(blocked) = first.blocked.first() {
        return Err(Problem::blocked(desired, blocked));
    }
    let mut consent = Consent::NONE;
    let mut journal = Journal::default();
    let mut patience = Patience::default();
    let there = observed.winners(desired).instance;
    let had_machine = there.is_some_and(|instance| instance.power != Power::ShuttingDown);
    let began_at = there.map(|instance| instance.id.clone());

    if !first.steps.is_empty() {
        consent = witness.consent(&observed, &first).await;
        if !consent.covers(first.impact()) {
            return Err(Problem::no_consent(goal));
        }
        grown |= first.steps.iter().any(|planned| matches!(planned.step, Step::GrowVolume { .. }));
        let grows = grown || earlier.as_ref().is_some_and(|intent| intent.grows);
        // What goes on began where it was begun, and not where it was interrupted.
        let machine = match &earlier {
            Some(earlier) if earlier.operation == operation => earlier.machine.clone(),
            Some(_) | None => plan::begins_at(desired, &observed).map(|id| id.to_string()),
        };
        intent.write(&Intent::now(operation, goal.word()).growing(grows).at(machine))?;
    }
    let drive = async {
        let mut in_flight = FuturesUnordered::new();
        let mut flying: Vec<Step> = Vec::new();
        let mut fresh = true;
        loop {
            let machine = observed.winners(desired).instance;
            let lost = began_at.as_ref().is_some_and(|it| plan::has_lost_home(desired, &observed, it));
            if (had_machine && machine.is_none() || lost) && !matches!(goal, Goal::Gone(_)) {
                // To make another one in its place is not what anybody has agreed to, nor is one that has nothing to take over.
                journal.refuse(Problem::machine_gone(desired));
            }
            if let Some(instance) = machine.filter(|instance| journal.has_fallen(instance)) {
                let short = instance.instance_type.clone();
                journal.shortage.get_or_insert_with(|| Problem::no_capacity(desired, short.as_str()));
                observed.short.insert(short);
            }
            let placed = began_at.as_ref().is_some_and(|it| plan::has_place(desired, &observed, it));
            // The old one may be gone by then, and the new one is not to be replaced in its turn.
            let aim = if goal == Goal::Replaced && placed { Goal::Only(Keep::Incumbent) } else { goal };
            let next = plan::decide(desired, &observed, aim);
            if let Some(blocked) = next.blocked.first() {
                let problem = journal.shortage.clone().unwrap_or_else(|| Problem::blocked(desired, blocked));
                journal.refuse(problem);
            }
            if journal.may_go_on() {
                let idle: Vec<Step> =
                    next.ready.iter().filter(|step| !flying.contains(step)).cloned().collect();
                for step in idle {
                    if !journal.may_perform(&step) {
                        continue;
                    }
                    if !consent.covers(step.impact()) {
                        consent = witness.consent(&observed, &plan::plan(desired, &observed, aim)).await;
                        if !consent.covers(step.impact()) {
                            journal.refuse(Problem::no_consent(goal));
                            break;
                        }
                    }
                    witness.event(Event::Started(&step));
                    flying.push(step.clone());
                    in_flight.push(async move {
                        let result = world.perform(desired, &step).await;
                        (step, result)
                    });
                }
            }

            if let Some((step, result)) = in_flight.next().await {
                flying.retain(|other| other != &step);
                fresh = false;
                match result {
                    Ok(Done { made, saw }) => {
                        witness.event(Event::Finished(&step));
                        observed = observed.clone().after(desired, &step, made.as_ref());
                        if let Some(saw) = saw {
                            observed.learn(saw);
                        }
                        match (made, &step) {
                            (Some(Made::Instance(instance)), _) => journal.machines.push(instance),
                            (Some(Made::Reservation(held)), _) => journal.held.push(held),
                            (_, Step::Release { reservation }) => {
                                journal.held.retain(|held| held != reservation)
                            }
                            (_, Step::Stop { instance }) => {
                                let all = observed.instances.all().iter();
                                let mut it = all.filter(|known| &known.id == instance);
                                let marked = it.any(|known| known.tags.contains_key(TAG_RESIZE));
                                observed.stopped_here = goal == Goal::Settings && marked;
                            }
                            (Some(_) | None, _) => {}
                        }
                        journal.performed(step);
                    }
                    Err(Failure::NotYet(problem)) => {
                        witness.event(Event::Postponed(&step, &problem));
                        journal.postpone(step, problem);
                    }
                    Err(Failure::Changed(problem)) => {
                        witness.event(Event::Surprised(&step, &problem));
                        journal.surprise(problem, is_off(desired, &observed));
                    }
                    Err(Failure::Short(problem)) => match plan::type_of(&observed, &step) {
                        Some(short) => {
                            witness.event(Event::Surprised(&step, &problem));
                            journal.postponed.retain(|postponed| postponed.step != step);
                            observed.short.insert(short.clone());
                            if journal.shortage.is_none() || short == desired.instance_type {
                                journal.shortage = Some(problem);
                            }
                        }
                        None => journal.refuse(problem),
                    },
                    Err(Failure::Refused(problem)) if problem.is_about_credentials() => {
                        journal.signed_out.get_or_insert(problem);
                    }
                    Err(Failure::Refused(problem)) => {
                        let off = is_off(desired, &observed);
                        if matches!(step, Step::Reserve { .. }) {
                            // It can be done without.
                            witness.event(Event::Surprised(&step, &problem));
                            observed.cannot_hold = true;
                        } else if matches!(step, Step::Release { .. }) {
                            // It ends by itself.
                            witness.event(Event::Surprised(&step, &problem));
                            journal.keeps_held = true;
                            observed.reservations = Fact::Absent;
                        } else if off && matches!(step, Step::SetType { .. } | Step::Start { .. }) {
                            // Another type may do, and a machine that was on is not left off for this one.
                            witness.event(Event::Surprised(&step, &problem));
                            let short = plan::type_of(&observed, &step);
                            journal.hopeless.extend(short.clone());
                            observed.short.extend(short);
                            journal.shortage.get_or_insert(problem);
                        } else {
                            journal.refuse(problem);
                        }
                    }
                }
                continue;
            }
            if let Some(problem) = journal.refused.take() {
                return Err(problem);
            }
            if let Some(problem) = journal.signed_out.take() {
                wait_for_sign_in(world, desired, witness, problem).await?;
                // Whatever is known is from before, and who signed in may be somebody else.
                (journal.stale, fresh) = (true, false);
                // Nor did anything take too long meanwhile.
                journal.postponed.clear();
                patience = Patience::default();
            }
            if let Some(pause) = journal.pause() {
                sleep_until(pause.until).await;
                if !pause.look {
                    continue;
                }
            } else if is_changing(desired, &observed, &next) {
                witness.event(Event::Waiting(&next.waiting));
                patience.watch(&next.waiting).await?;
                match world.glance(desired).await {
                    Ok(seen) => observed.learn(seen),
                    Err(problem) if problem.is_about_credentials() => journal.signed_out = Some(problem),
                    Err(problem) => journal.blind(problem, true).await?,
                }
                witness.event(Event::Saw(&observed));
                fresh = false;
                continue;
            } else if fresh {
                if next.ready.is_empty() && next.waiting.is_empty() {
                    return Ok(());
                }
                witness.event(Event::Waiting(&next.waiting));
                patience.wait(&next.waiting).await?;
                if next.waiting.contains(&Waiting::Capacity) {
                    observed.short.clone_from(&journal.hopeless);
                    let in_vain = plan::decide(desired, &observed, goal).waiting.contains(&Waiting::Capacity);
                    if let Some(problem) = journal.shortage.take_if(|_| in_vain) {
                        return Err(problem);
                    }
                    // What was tried in vain is not what "AWS confirms and nothing changes" means.
                    journal.performed.clear();
                }
            }
            match world.observe(desired, goal).await {
                Ok(seen) => observed = seen.remembering(&observed),
                Err(problem) if problem.is_about_credentials() => {
                    journal.signed_out = Some(problem);
                    fresh = false;
                    continue;
                }
                Err(problem) => {
                    journal.blind(problem, is_off(desired, &observed)).await?;
                    fresh = false;
                    continue;
                }
            }
            if journal.keeps_held {
                observed.reservations = Fact::Absent;
            }
            witness.event(Event::Saw(&observed));
            if let Some(instance) = journal.ended(&observed) {
                // The next one would end alike, and so would all after it.
                return Err(Problem::launch_failed(instance));
            }
            journal.stale = false;
            fresh = true;
        }
    };
    // It is a large future, and lives where its size does not matter.
    let driven: Result<(), Problem> = Box::pin(drive).await;
    // It is off for a while in the middle of a resize and of a replacement.
    let stops = |observed: &Observed| {
        let winners = observed.winners(desired);
        let resized = winners.instance.is_some_and(|instance| instance.tags.contains_key(TAG_RESIZE));
        resized || winners.successor.is_some()
    };
    if driven.is_err()
        && stops(&observed)
        // A stop that AWS has refused in one breath may have had its effect in another.
        && let Ok(seen) = world.glance(desired).await
    {
        observed.learn(seen);
    }
    let off = is_off(desired, &observed);
    if let Err(problem) = driven {
        // What was held in vain is not left to its end.
        for reservation in journal.held.drain(..).filter(|_| !off) {
            let release = Step::Release { reservation };
            if let Err(failure) = world.perform(desired, &release).await {
                tracing::debug!(?failure, "what is held ends by itself");
            }
        }
        let go_on =
            "the machine is off in the middle of this; go on, or put the settings back first: holdfast apply";
        let winners = observed.winners(desired);
        let stopped = winners.instance.is_some_and(|i| matches!(i.power, Power::Stopping | Power::Stopped));
        let replacing = winners.successor.map(|_| {
            if stopped {
                "the old machine is off, its data as it was; go on: holdfast replace; or take it back and switch it on: holdfast replace --cancel, holdfast start"
            } else {
                "the old machine is on and as it was; go on: holdfast replace; or take it back: holdfast replace --cancel"
            }
        });
        return Err(problem.hint_first(off.then_some(go_on).or(replacing).map(ToOwned::to_owned)));
    }
    store.keep_applied(&desired.key(), left(desired, &observed, goal).as_ref())?;
    match earlier.filter(|intent| intent.goal == Goal::Settings.word()) {
        // Only switching it did not bring that to its end.
        Some(earlier) if matches!(goal, Goal::Reachable | Goal::Stopped) => intent.write(&earlier)?,
        // The machine has yet to take the space; whoever sees to that clears it.
        Some(_) | None if grown => {}
        Some(_) | None => intent.clear()?,
    }
    let notes = plan::decide(desired, &observed, goal).notes;
    let differs = notes.iter().any(|note| matches!(note, Note::NoCapacity { .. }));
    let shortage = journal.shortage.filter(|_| differs);
    Ok(Report { observed, performed: journal.count, grown, shortage })
}

/// Looks at something; where the credentials are over, once more as soon as somebody has signed in.
///
/// # Errors
/// What the look fails with, and credentials that are over where no sign-in is waited for.
pub(crate) async fn look<W: World, T>(
    world: &W,
    desired: &Desired,
    witness: &impl Witness,
    seeing: impl AsyncFn() -> Result<T, Problem>,
) -> Result<T, Problem> {
    loop {
        match seeing().await {
            Err(problem) if problem.is_about_credentials() => {
                wait_for_sign_in(world, desired, witness, problem).await?;
            }
            seen => return seen,
        }
    }
}

/// Waits until somebody has signed in again: each pause is a tenth of the time that it has lasted.
///
/// # Errors
/// The problem, where nobody can, or where it would change nothing.
async fn wait_for_sign_in<W: World>(
    world: &W,
    desired: &Desired,
    witness: &impl Witness,
    mut problem: Problem,
) -> Result<(), Problem> {
    if !witness.waits_for_sign_in() || !world.takes_new_credentials() {
        return Err(problem);
    }
    let (least, most) = SIGNED_OUT;
    let since = Instant::now();
    let command = crate::aws::profile::sign_in_command(desired);
    let way = command.map(|command| format!("sign in: {command}"));
    loop {
        witness.event(Event::SignedOut(&problem.clone().hint_first(way.clone())));
        tokio::select! {
            () = sleep((since.elapsed() / 10).clamp(least, most)) => {}
            () = witness.signed_in() => {}
        }
        match world.glance(desired).await {
            Err(again) if again.is_about_credentials() => problem = again,
            Ok(_) | Err(_) => return Ok(()),
        }
    }
}

/// What is on record from now on of what this computer made of the machine. Whoever only switched it has made nothing else of it.
fn left(desired: &Desired, observed: &Observed, goal: Goal) -> Option<Applied> {
    let instance = observed.winners(desired).instance?;
    let on = matches!(instance.power, Power::Pending | Power::Running);
    match goal {
        Goal::Settings | Goal::Replaced | Goal::Only(_) => {
            Some(Applied { instance_type: instance.instance_type.clone(), ..Applied::of(desired, on) })
        }
        Goal::Reachable | Goal::Stopped => Some(Applied { on, ..observed.applied.clone()? }),
        Goal::Gone(_) => None,
    }
}

/// Whether the machine is off in the middle of a change of its type.
fn is_off(desired: &Desired, observed: &Observed) -> bool {
    observed.winners(desired).instance.is_some_and(|instance| {
        let begun = instance.tags.contains_key(TAG_RESIZE) || observed.stopped_here;
        begun && matches!(instance.power, Power::Stopping | Power::Stopped)
    })
}

/// Whether nothing is waited for but that the instance is off, or on again, between two types.
fn is_changing(desired: &Desired, observed: &Observed, next: &Next) -> bool {
    let instance = observed.winners(desired).instance;
    let marked = instance.is_some_and(|instance| instance.tags.contains_key(TAG_RESIZE));
    let power =
        |waiting: &Waiting| matches!(waiting, Waiting::Power { now: Power::Stopping | Power::Pending });
    marked && next.ready.is_empty() && !next.waiting.is_empty() && next.waiting.iter().all(power)
}

/// Restarts a machine that is on, where it is, and waits until it can be reached again: no stop and start, which could
/// find no capacity and changes the address.
///
/// # Errors
/// As for [`converge`].
pub async fn restart<W: World>(
    world: &W,
    store: &Store,
    desired: &Desired,
    witness: &impl Witness,
) -> Result<Report, Problem> {
    let lock = store.lock(&desired.key(), "restart")?;
    let recorded = &Recorded::new(world, store, "restart");
    let observed = look(recorded, desired, witness, || recorded.observe(desired, Goal::Reachable)).await?;
    let plan = plan::reboot(desired, &observed);
    if let Some(blocked) = plan.blocked.first() {
        return Err(Problem::blocked(desired, blocked));
    }
    if !plan.steps.is_empty() {
        if !witness.consent(&observed, &plan).await.covers(plan.impact()) {
            return Err(Problem::no_consent(Goal::Stopped));
        }
        perform_all(recorded, desired, &plan.steps, witness).await?;
        // For a moment the line to the agent still stands, and would pass for the one after the restart.
        let gone = async {
            while world.observe(desired, Goal::Reachable).await?.agent.present().is_some() {
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<(), Problem>(())
        };
        timeout(GOING_DOWN, gone).await.unwrap_or(Ok(()))?;
    }
    drop(lock);
    converge(world, store, "restart", desired, Goal::Reachable, witness).await
}

/// Takes a snapshot of the machine as it is; `None` where it has no volume.
///
/// # Errors
/// A machine that is locked or not there, a consent that is missing, and what AWS refuses.
pub async fn snapshot<W: World>(
    world: &W,
    store: &Store,
    desired: &Desired,
    witness: &impl Witness,
) -> Result<Option<SnapshotId>, Problem> {
    let _lock = store.lock(&desired.key(), "snapshot create")?;
    let world = &Recorded::new(world, store, "snapshot create");
    let observed = look(world, desired, witness, || world.observe(desired, Goal::Stopped)).await?;
    let plan = plan::snapshot(desired, &observed);
    if let Some(blocked) = plan.blocked.first() {
        return Err(Problem::blocked(desired, blocked));
    }
    if observed.winners(desired).instance.is_none() {
        return Err(Problem::no_machine(desired));
    }
    if !witness.consent(&observed, &plan).await.covers(plan.impact()) {
        return Err(Problem::no_consent(Goal::Settings));
    }
    let made = perform_all(world, desired, &plan.steps, witness).await?;
    let snapshot = |made| if let Made::Snapshot(id) = made { Some(id) } else { None };
    Ok(made.into_iter().find_map(snapshot))
}

/// Performs a plan that somebody has agreed to, step by step.
///
/// # Errors
/// A machine that is locked, and the first step that AWS refuses.
pub async fn carry_out<W: World>(
    world: &W,
    store: &Store,
    operation: &str,
    desired: &Desired,
    plan: &Plan,
    witness: &impl Witness,
) -> Result<(), Problem> {
    let _lock = store.lock(&desired.key(), operation)?;
    let world = &Recorded::new(world, store, operation);
    perform_all(world, desired, &plan.steps, witness).await.map(drop)
}

/// Performs steps of which none waits for another, one by one.
///
/// # Errors
/// The first that AWS refuses, or of which nobody knows.
pub(crate) async fn perform_all<W: World>(
    world: &W,
    desired: &Desired,
    steps: &[Planned],
    witness: &impl Witness,
) -> Result<Vec<Made>, Problem> {
    let mut made = Vec::new();
    for Planned { step, .. } in steps {
        witness.event(Event::Started(step));
        let perform = async || {
            world.perform(desired, step).await.map_err(
                |(Failure::NotYet(problem)
                 | Failure::Changed(problem)
                 | Failure::Short(problem)
                 | Failure::Refused(problem))| problem,
            )
        };
        made.extend(look(world, desired, witness, perform).await?.made);
        witness.event(Event::Finished(step));
    }
    Ok(made)
}

/// What was tried, and when.
#[derive(Default)]
struct Journal {
    performed: Vec<(Step, Instant)>,
    count: usize,
    postponed: Vec<Postponed>,
    surprises: u32,
    /// The world is known to be other than we think.
    stale: bool,
    look_again: Option<Instant>,
    refused: Option<Problem>,
    /// What AWS had none of.
    shortage: Option<Problem>,
    /// Types that were refused for another reason than capacity.
    hopeless: BTreeSet<InstanceType>,
    /// The capacity that is held for this.
    held: Vec<ReservationId>,
    /// What is held cannot be given up.
    keeps_held: bool,
    /// How many looks in a row showed nothing.
    blind: u32,
    /// The instances that were made.
    machines: Vec<InstanceId>,
    /// The credentials have ended.
    signed_out: Option<Problem>,
}

struct Postponed {
    step: Step,
    since: Instant,
    tries: u32,
    until: Instant,
    problem: Problem,
}

impl Journal {
    /// Whether it is time for the step. A look may show the world as it was before a step, and a second VPC is worse
    /// than a moment's patience.
    fn may_perform(&mut self, step: &Step) -> bool {
        let now = Instant::now();
        if let Some(postponed) = self.postponed.iter().find(|postponed| &postponed.step == step) {
            if now.duration_since(postponed.since) > PROPAGATION {
                let problem = postponed.problem.clone();
                self.refuse(problem);
                return false;
            }
            return now >= postponed.until;
        }
        let mut before = self.performed.iter().filter(|(other, _)| other == step);
        let Some((_, last)) = before.next_back() else { return true };
        if before.next().is_some() {
            let what = step.words().what;
            let stuck = Problem::new("stuck", format!("AWS confirms it, yet nothing changes: {what}"));
            self.refuse(stuck.hint("look at it in the AWS console; run the same command again to go on"));
            return false;
        }
        if now.duration_since(*last) < SETTLING {
            self.look_again = Some(now + PAUSES.0 * 2);
            return false;
        }
        true
    }

    fn performed(&mut self, step: Step) {
        self.postponed.retain(|postponed| postponed.step != step);
        self.performed.push((step, Instant::now()));
        self.count += 1;
        self.surprises = 0;
    }

    fn postpone(&mut self, step: Step, problem: Problem) {
        let now = Instant::now();
        let known = self.postponed.iter_mut().find(|postponed| postponed.step == step);
        match known {
            Some(postponed) => {
                postponed.tries += 1;
                postponed.until = now + pause(postponed.tries);
                postponed.problem = problem;
            }
            None => {
                self.postponed.push(Postponed { step, since: now, tries: 0, until: now + pause(0), problem })
            }
        }
    }

    /// A look that failed. While the machine is off for us (`must_go_on`) it is not left so for want of a network.
    async fn blind(&mut self, problem: Problem, must_go_on: bool) -> Result<(), Problem> {
        if !must_go_on || problem.is_about_credentials() || problem.is_denied() {
            return Err(problem);
        }
        tracing::debug!(%problem, "nothing is to be seen");
        self.blind += 1;
        sleep(pause(self.blind)).await;
        Ok(())
    }

    /// `must_go_on`: the machine is off for us.
    fn surprise(&mut self, problem: Problem, must_go_on: bool) {
        self.surprises += 1;
        self.stale = true;
        self.look_again = Some(Instant::now() + pause(self.surprises.min(4)));
        if self.surprises > MAX_SURPRISES && !must_go_on {
            self.refuse(problem);
        }
    }

    /// An instance that was made here and that has ended already. EC2 looks at the key of a volume, or at the quota of
    /// volumes, only after it has answered.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html>
    fn ended<'a>(&self, observed: &'a Observed) -> Option<&'a Instance> {
        let ended = |instance: &Instance| matches!(instance.power, Power::ShuttingDown | Power::Terminated);
        observed.instances.all().iter().find(|i| self.machines.contains(&i.id) && ended(i))
    }

    /// Whether it was started here, and went off again at once for want of capacity.
    fn has_fallen(&mut self, instance: &Instance) -> bool {
        let start = Step::Start { instance: instance.id.clone() };
        let started = self.performed.iter().any(|(step, _)| step == &start);
        let fallen = started && instance.fell_short && instance.power == Power::Stopped;
        if fallen {
            self.performed.retain(|(step, _)| step != &start);
        }
        fallen
    }

    fn refuse(&mut self, problem: Problem) {
        self.refused.get_or_insert(problem);
    }

    fn may_go_on(&self) -> bool {
        self.refused.is_none() && self.signed_out.is_none() && !self.stale
    }

    /// Until when there is nothing to do but let AWS catch up.
    fn pause(&mut self) -> Option<Pause> {
        let now = Instant::now();
        let postponed =
            self.postponed.iter().map(|postponed| postponed.until).filter(|until| *until > now).min();
        let look_again = self.look_again.take();
        let until = postponed.into_iter().chain(look_again).min()?;
        // A short pause is only for AWS to catch up; in a long one the world may have changed otherwise.
        let look = self.stale || look_again.is_some() || until.duration_since(now) > LONG_PAUSE;
        Some(Pause { until, look })
    }
}

struct Pause {
    until: Instant,
    /// Whether to look at the world after it.
    look: bool,
}

/// The pause before try number `tries + 1`, with jitter, so that two laptops do not keep step.
fn pause(tries: u32) -> Duration {
    let grown = PAUSES.0.saturating_mul(1 << tries.min(8)).min(PAUSES.1);
    let jitter = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    grown / 2 + grown * jitter / 510
}

/// How long was waited, and for what.
#[derive(Default)]
struct Patience {
    waiting: Vec<Waiting>,
    since: Option<Instant>,
    looks: u32,
    looked: Option<Instant>,
}

impl Patience {
    /// For how long this was waited for by now.
    fn waited(&mut self, waiting: &[Waiting]) -> Result<Duration, Problem> {
        let now = Instant::now();
        if self.waiting != waiting {
            *self = Self { waiting: waiting.to_vec(), since: Some(now), ..Self::default() };
        }
        let waited = now.duration_since(*self.since.get_or_insert(now));
        match waiting.iter().find(|waiting| waited > deadline(waiting)) {
            Some(waiting) => Err(waited_too_long(waiting)),
            None => Ok(waited),
        }
    }

    async fn wait(&mut self, waiting: &[Waiting]) -> Result<(), Problem> {
        self.waited(waiting)?;
        self.looks += 1;
        if waiting.contains(&Waiting::Capacity) {
            let grown = CROWDED.0.saturating_mul(1 << (self.looks - 1).min(8)).min(CROWDED.1);
            sleep(grown).await;
        } else if waiting == [Waiting::Snapshot] {
            // That takes minutes, or hours.
            sleep(pause(self.looks).saturating_mul(self.looks.div_ceil(4).min(6))).await;
        } else {
            sleep(pause(self.looks / 2)).await;
        }
        Ok(())
    }

    /// The same, but with an eye on it.
    async fn watch(&mut self, waiting: &[Waiting]) -> Result<(), Problem> {
        let pace = if self.waited(waiting)? < PAUSES.1 { WATCHFUL.0 } else { WATCHFUL.1 };
        if let Some(looked) = self.looked {
            sleep_until(looked + pace).await;
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}

fn deadline(waiting: &Waiting) -> Duration {
    match waiting {
        Waiting::Power { .. } | Waiting::Agent => Duration::from_secs(15 * 60),
        // AWS begins within seconds, or minutes on a large volume.
        Waiting::Volume => Duration::from_secs(30 * 60),
        // It may take five minutes until AWS says that it is there.
        // Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservations-using.html
        Waiting::Reservation => Duration::from_secs(15 * 60),
        // A machine that is off is not given up.
        Waiting::Capacity => Duration::MAX,
        // A first snapshot of a full volume can take hours.
        Waiting::Snapshot => Duration::from_secs(24 * 60 * 60),
    }
}

fn waited_too_long(waiting: &Waiting) -> Problem {
    let minutes = deadline(waiting).as_secs() / 60;
    let problem =
        Problem::new("waited_too_long", format!("Waited {minutes} minutes for {}, in vain", waiting.words()));
    match waiting {
        Waiting::Agent => problem
            .hint("the agent needs an instance profile with AmazonSSMManagedInstanceCore and a way out to port 443")
            .hint("restart the machine: holdfast restart"),
        Waiting::Power { .. }
        | Waiting::Snapshot
        | Waiting::Volume
        | Waiting::Reservation
        | Waiting::Capacity => problem.hint("run the same command again to go on waiting"),
    }
}
