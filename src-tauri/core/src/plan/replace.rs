//! Another instance in the place of the one that is there, with its home: another image, another architecture, an older state.
//!
//! The new instance stands beside the old one. Only when it runs and its agent answers is the old one stopped, and only when all
//! of the home is on it, checked, one tag on the old one ([`TAG_RETIRED`]) makes it the machine. Up to there the old one is the machine, and from there on
//! it is kept, off, until the user lets it go. All of it is on AWS, so whoever looks next goes on where this was interrupted.
//!
//! A home comes from a snapshot: a volume is made of it, in the new instance's zone, and attached.

use super::winners::is_ours;
use super::{
    Blocked, Desired, Fact, Goal, Keep, Next, Observed, Power, Step, Waiting, Winners, remove, step,
};
use crate::machine::{
    Instance, LAST_HOME, Snapshot, SnapshotProgress, TAG_CARRIED, TAG_COPY, TAG_FINAL, TAG_HOME, TAG_MACHINE,
    TAG_REPLACES, TAG_RESIZE, TAG_RETIRED, Tags, Volume,
};
use crate::names::{InstanceId, SnapshotId};
use crate::plan::Leave;

/// Whether AWS has it, and it is not about to go.
pub(super) fn is_here(instance: &Instance) -> bool {
    !matches!(instance.power, Power::ShuttingDown | Power::Terminated)
}

fn named<'a>(observed: &'a Observed, instance: &Instance, tag: &str) -> Option<&'a Instance> {
    let id = instance.tags.get(tag)?;
    observed.instances.all().iter().find(|other| other.id.as_str() == id && is_here(other))
}

/// Whether another instance has its place.
pub(super) fn is_retired(observed: &Observed, instance: &Instance) -> bool {
    named(observed, instance, TAG_RETIRED).is_some()
}

/// Whether it is only on its way into the place of another.
pub(super) fn is_successor(observed: &Observed, instance: &Instance) -> bool {
    named(observed, instance, TAG_REPLACES).is_some_and(|old| !is_retired(observed, old))
}

pub(super) fn succeeds(instance: &Instance, old: &Instance) -> bool {
    instance.tags.get(TAG_REPLACES).is_some_and(|id| id == old.id.as_str())
}

/// Whether an instance was to be given a home, and nobody has said yet that it is there.
pub fn awaits_home(instance: &Instance) -> bool {
    instance.tags.contains_key(TAG_HOME) && !instance.tags.contains_key(TAG_CARRIED)
}

/// The instances of the machine whose place another has taken, and that are kept.
pub fn kept<'a>(desired: &Desired, observed: &'a Observed) -> impl Iterator<Item = &'a Instance> {
    let key = desired.key();
    let all = observed.instances.all().iter();
    all.filter(move |i| is_ours(&key, &i.tags) && is_here(i) && is_retired(observed, i))
}

/// The instance that is on its way into the machine's place, or is in it and waits for its home.
pub fn on_its_way<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a Instance> {
    newcomer(observed, &observed.winners(desired))
}

/// What a person may ask for where another instance is to take the machine's place, or has taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Another one takes the place; what was begun goes on.
    Replace,
    /// What was begun goes on, and nothing is begun.
    GoOn,
    /// What was begun and is not over is taken back.
    TakeBack,
    /// The one that was replaced goes.
    LetGo,
    /// It is the machine again.
    GoBack,
}

impl Swap {
    /// Its goal, whatever there is.
    pub fn goal(self) -> Goal {
        match self {
            Self::Replace | Self::GoOn => Goal::Replaced,
            Self::TakeBack => Goal::Only(Keep::Incumbent),
            Self::LetGo => Goal::Only(Keep::Machine),
            Self::GoBack => Goal::Only(Keep::Former),
        }
    }
}

/// Why that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSwap {
    /// There is no machine.
    NoMachine,
    /// An instance is kept since the last time.
    StillKept {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance is on its way, with another home than is asked for.
    OtherHome {
        /// The instance.
        instance: InstanceId,
    },
    /// Nothing was begun, or it is over.
    NotBegun,
    /// No instance is kept.
    NoneKept,
}

impl NoSwap {
    /// As a sentence without its full stop.
    pub fn words(&self, desired: &Desired) -> String {
        match self {
            Self::NoMachine => format!("There is no machine {} yet", desired.machine),
            Self::StillKept { instance } => format!("{instance} was replaced, and is still kept"),
            Self::OtherHome { instance } => {
                format!("{instance} is on its way already, with another home")
            }
            Self::NotBegun => "No replacement is under way".to_owned(),
            Self::NoneKept => "No instance is kept".to_owned(),
        }
    }
}

/// The goal of what is asked for.
///
/// # Errors
/// Why it cannot be done.
pub fn swap(desired: &Desired, observed: &Observed, asked: Swap) -> Result<Goal, NoSwap> {
    let winners = observed.winners(desired);
    if observed.instances.is_known() && winners.instance.is_none() {
        // Where there is no machine it is made with the home, and nothing is replaced.
        let makes = asked == Swap::Replace && desired.home_from.is_some();
        return if makes { Ok(Goal::Settings) } else { Err(NoSwap::NoMachine) };
    }
    let old = kept(desired, observed).next();
    match asked {
        Swap::Replace => {
            let home = desired.home_from.as_ref().map(ToString::to_string);
            let is_asked_for = |it: &Instance| home.is_none() || it.tags.get(TAG_HOME) == home.as_ref();
            match (newcomer(observed, &winners), old) {
                (Some(new), _) if !is_asked_for(new) => Err(NoSwap::OtherHome { instance: new.id.clone() }),
                (None, _) if is_untidy(desired, observed) && winners.instance.is_some_and(is_asked_for) => {
                    swap(desired, observed, Swap::GoOn)
                }
                (_, Some(old)) => Err(NoSwap::StillKept { instance: old.id.clone() }),
                (Some(_), None) => swap(desired, observed, Swap::GoOn),
                (None, None) => Ok(asked.goal()),
            }
        }
        Swap::GoOn if winners.successor.is_some() => Ok(asked.goal()),
        // The machine itself waits for its home, or has it: there is nothing to replace.
        Swap::GoOn if newcomer(observed, &winners).is_some() || is_untidy(desired, observed) => {
            Ok(Goal::Settings)
        }
        Swap::GoOn => Err(NoSwap::NotBegun),
        Swap::TakeBack if winners.successor.is_none() => Err(NoSwap::NotBegun),
        Swap::LetGo | Swap::GoBack if old.is_none() => Err(NoSwap::NoneKept),
        Swap::TakeBack | Swap::LetGo | Swap::GoBack => Ok(asked.goal()),
    }
}

/// Whether a home was brought, and what it came on is still to be put away.
fn is_untidy(desired: &Desired, observed: &Observed) -> bool {
    let key = desired.key();
    let copy = |volume: &Volume| volume.tags.contains_key(TAG_COPY) && is_ours(&key, &volume.tags);
    newcomer(observed, &observed.winners(desired)).is_none() && observed.volumes.all().iter().any(copy)
}

/// The machine that a run begins at: none where the one that is there is itself what an earlier run has begun.
pub fn begins_at(desired: &Desired, observed: &Observed) -> Option<InstanceId> {
    let winners = observed.winners(desired);
    let is_new = newcomer(observed, &winners).is_some() || is_untidy(desired, observed);
    winners.instance.filter(|_| !is_new || winners.successor.is_some()).map(|instance| instance.id.clone())
}

/// Whether what was begun at the machine `before` has come to its end, though nobody here has seen that: another instance has its
/// place, with the home that was asked for. `None` is where there was no machine.
pub fn is_done(desired: &Desired, observed: &Observed, before: Option<&str>) -> bool {
    let winners = observed.winners(desired);
    let (Some(now), None) = (winners.instance, newcomer(observed, &winners)) else { return false };
    if is_untidy(desired, observed) {
        return false;
    }
    let has = |home: &SnapshotId| now.tags.get(TAG_CARRIED).is_some_and(|carried| carried == home.as_str());
    let other = before.is_some_and(|before| now.id.as_str() != before);
    match &desired.home_from {
        Some(home) => has(home) && (other || before.is_none()),
        None => other,
    }
}

/// The instance that is to have its home from one of these snapshots, and the snapshot.
pub fn needs_one_of<'a>(
    desired: &Desired,
    observed: &'a Observed,
    snapshots: &'a [SnapshotId],
) -> Option<(&'a Instance, &'a SnapshotId)> {
    let new = on_its_way(desired, observed)?;
    let home = new.tags.get(TAG_HOME)?;
    let last_of = |snapshot: &SnapshotId| {
        let known = observed.snapshots.all().iter().find(|known| known.id == *snapshot);
        home == LAST_HOME
            && known.is_some_and(|known| known.tags.get(TAG_FINAL) == new.tags.get(TAG_REPLACES))
    };
    let needed = snapshots.iter().find(|one| home == one.as_str() || last_of(one))?;
    Some((new, needed))
}

/// The last state that an instance has left as a snapshot.
pub fn last_state<'a>(observed: &'a Observed, instance: &InstanceId) -> Option<&'a Snapshot> {
    step::last_snapshot_of(observed, instance.as_str())
}

/// The tags of an instance whose place another takes.
pub fn retired(desired: &Desired, by: &InstanceId) -> Tags {
    [(TAG_RETIRED.to_owned(), by.to_string()), ("Name".to_owned(), desired.name("machine-old"))].into()
}

/// The instance that waits for its home, unless there is none left for it.
fn newcomer<'a>(observed: &'a Observed, winners: &Winners<'a>) -> Option<&'a Instance> {
    let lost = |new: &Instance| observed.snapshots.is_known() && source(observed, None, new).is_none();
    let waits = |instance: &&Instance| is_here(instance) && awaits_home(instance) && !lost(instance);
    winners.successor.or_else(|| winners.instance.filter(waits))
}

/// The machine, where it was to have a home of which nothing is left.
pub(super) fn homeless<'a>(observed: &'a Observed, winners: &Winners<'a>) -> Option<&'a Instance> {
    winners.instance.filter(|i| is_here(i) && awaits_home(i) && newcomer(observed, winners).is_none())
}

/// Whether the machine is another than the one that a run began at, and was to have that one's home, of which nothing is left.
pub fn has_lost_home(desired: &Desired, observed: &Observed, began_at: &InstanceId) -> bool {
    homeless(observed, &observed.winners(desired)).is_some_and(|instance| instance.id != *began_at)
}

/// Whether another one than the machine that a run began at has its place, with its home: what is left is to put away what that took.
pub fn has_place(desired: &Desired, observed: &Observed, began_at: &InstanceId) -> bool {
    let winners = observed.winners(desired);
    let other = winners.instance.is_some_and(|now| now.id != *began_at && !awaits_home(now));
    other && newcomer(observed, &winners).is_none()
}

/// Whether a replacement is to be begun, or was begun and is not over.
pub(super) fn is_due(observed: &Observed, winners: &Winners<'_>, goal: Goal) -> bool {
    let over = winners.instance.is_some_and(|instance| {
        named(observed, instance, TAG_REPLACES).is_some_and(|old| is_retired(observed, old))
    });
    newcomer(observed, winners).is_some() || (goal == Goal::Replaced && winners.instance.is_some() && !over)
}

/// Whether an instance is to be made beside the one that is there.
pub(super) fn is_to_begin(observed: &Observed, winners: &Winners<'_>, goal: Goal) -> bool {
    is_due(observed, winners, goal) && newcomer(observed, winners).is_none()
}

pub(super) fn instance(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    if let Some(old) = winners.instance.filter(|old| old.tags.contains_key(TAG_RESIZE)) {
        // Or it would be started again whenever it is off.
        return next.ready.push(Step::EndResize { instance: old.id.clone() });
    }
    let Some(new) = newcomer(observed, winners) else {
        let Some(old) = winners.instance else { return };
        if old.power == Power::ShuttingDown {
            next.waiting.push(Waiting::Power { now: old.power });
        } else if next.ready.is_empty() && super::identity_is_whole(desired, observed, winners) {
            let home = desired.home_from.as_ref().map_or_else(|| LAST_HOME.to_owned(), ToString::to_string);
            next.ready.extend(super::run(desired, observed, winners, Some(old.id.clone()), Some(home)));
        }
        return;
    };
    match new.power {
        Power::Running => go_on(observed, winners, new, next),
        Power::Stopped => next.ready.push(Step::Start { instance: new.id.clone() }),
        Power::Pending | Power::Stopping | Power::ShuttingDown | Power::Terminated => {
            next.waiting.push(Waiting::Power { now: new.power });
        }
    }
}

/// The next thing for an instance that is on.
fn go_on(observed: &Observed, winners: &Winners<'_>, new: &Instance, next: &mut Next) {
    let old = winners.instance.filter(|old| old.id != new.id);
    // Before the old one is stopped the new one has shown that it can be reached.
    if observed.newcomer.present().is_none() && !has_home(observed, old, new) {
        next.waiting.push(Waiting::Agent);
        return;
    }
    if let Some(old) = old.filter(|_| new.tags.get(TAG_HOME).is_some_and(|home| home == LAST_HOME)) {
        match old.power {
            Power::Running => return next.ready.push(Step::Stop { instance: old.id.clone() }),
            Power::Pending | Power::Stopping | Power::ShuttingDown | Power::Terminated => {
                return next.waiting.push(Waiting::Power { now: old.power });
            }
            Power::Stopped => {}
        }
    }
    if has_home(observed, old, new) {
        if let Some(old) = old {
            change_places(old, new, next);
        }
        return;
    }
    let from = source(observed, old, new);
    match from.map_or(SnapshotProgress::Failed, |from| from.progress) {
        SnapshotProgress::Complete => from.into_iter().for_each(|from| carry(observed, new, from, next)),
        SnapshotProgress::Pending => next.waiting.push(Waiting::Snapshot),
        // One that was asked for and is not there is said before anything is done: [`blocked`].
        SnapshotProgress::Failed => {
            let last = old.and_then(|old| Some((old.id.clone(), old.root.as_ref()?.id.clone())));
            let step = |(instance, volume)| Step::Snapshot { instance, volume, last: true };
            next.ready.extend(last.map(step));
        }
    }
}

/// The old one is off before the new one takes its place: two machines would cost, and work, twice.
fn change_places(old: &Instance, new: &Instance, next: &mut Next) {
    match old.power {
        Power::Running => next.ready.push(Step::Stop { instance: old.id.clone() }),
        Power::Stopped => {
            next.ready.push(Step::Retire { instance: old.id.clone(), by: new.id.clone() });
        }
        Power::Pending | Power::Stopping | Power::ShuttingDown | Power::Terminated => {
            next.waiting.push(Waiting::Power { now: old.power });
        }
    }
}

/// The snapshot that the home is in. The last state of the old one is none that was taken before it ran again.
fn source<'a>(observed: &'a Observed, old: Option<&Instance>, new: &Instance) -> Option<&'a Snapshot> {
    let home = new.tags.get(TAG_HOME)?;
    let all = observed.snapshots.all();
    if home != LAST_HOME {
        let ours = |other: &Tags| other.get(TAG_MACHINE) == new.tags.get(TAG_MACHINE);
        return all.iter().find(|snapshot| snapshot.id.as_str() == home && ours(&snapshot.tags));
    }
    match old {
        Some(old) => step::final_snapshot(observed, old).filter(|_| old.power == Power::Stopped),
        // It was ended meanwhile: what it has left is its last state.
        None => {
            let gone = new.tags.get(TAG_REPLACES)?;
            step::last_snapshot_of(observed, gone)
        }
    }
}

fn has_home(observed: &Observed, old: Option<&Instance>, new: &Instance) -> bool {
    let carried = new.tags.get(TAG_CARRIED);
    source(observed, old, new).is_some_and(|from| carried.is_some_and(|id| id == from.id.as_str()))
}

fn carry(observed: &Observed, new: &Instance, from: &Snapshot, next: &mut Next) {
    let Some(copy) = copies_for(observed, &new.id).find(|copy| copy.of.as_ref() == Some(&from.id)) else {
        let (snapshot, zone) = (from.id.clone(), new.zone.clone());
        next.ready.push(Step::CreateCopy { snapshot, zone, instance: new.id.clone() });
        return;
    };
    let (volume, instance) = (copy.id.clone(), new.id.clone());
    next.ready.push(match &copy.attached {
        None => Step::AttachCopy { volume, instance },
        Some(_) => Step::Carry { instance, volume, snapshot: from.id.clone() },
    });
}

fn copies_for<'a>(observed: &'a Observed, id: &'a InstanceId) -> impl Iterator<Item = &'a Volume> {
    let all = observed.volumes.all().iter();
    all.filter(move |volume| volume.tags.get(TAG_COPY).is_some_and(|of| of == id.as_str()))
}

/// Takes away the copies that no home is taken from any more.
pub(super) fn tidy(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let key = desired.key();
    let needed = newcomer(observed, winners).and_then(|new| {
        let old = winners.instance.filter(|old| old.id != new.id);
        let from = source(observed, old, new).filter(|_| !has_home(observed, old, new))?;
        copies_for(observed, &new.id).find(|copy| copy.of.as_ref() == Some(&from.id))
    });
    // While the old one is on its way off nobody knows yet which of its states is the last.
    let unsettled = newcomer(observed, winners).is_some_and(|new| {
        winners.instance.is_some_and(|old| old.id != new.id && old.power != Power::Stopped)
    });
    let copies = observed.volumes.all().iter().filter(|volume| volume.tags.contains_key(TAG_COPY));
    let idle = copies.filter(|volume| {
        is_ours(&key, &volume.tags) && needed.is_none_or(|needed| needed.id != volume.id) && !unsettled
    });
    next.ready.extend(idle.map(put_away));
}

fn put_away(volume: &Volume) -> Step {
    let id = volume.id.clone();
    if volume.attached.is_some() { Step::DetachCopy { volume: id } } else { Step::DeleteCopy { volume: id } }
}

/// Ends the instances of ours that are not to be left, and what was made for them.
pub(super) fn leave_only(desired: &Desired, observed: &Observed, keep: Keep, next: &mut Next) {
    let key = desired.key();
    let winners = observed.winners(desired);
    let goes = |instance: &Instance| match keep {
        // Somebody else may have brought to its end what is to be taken back: then there is nothing left to take.
        Keep::Incumbent => is_successor(observed, instance),
        Keep::Machine => is_retired(observed, instance),
        Keep::Former => {
            let kept = kept(desired, observed).next().or(winners.instance);
            kept.is_none_or(|kept| kept.id != instance.id)
        }
    };
    let ours = observed.instances.all().iter();
    let ours = ours.filter(|i| is_ours(&key, &i.tags) && i.power != Power::Terminated);
    for instance in ours.filter(|instance| goes(instance)) {
        remove::end(observed, instance, Leave::default(), next);
    }
    if keep == Keep::Machine {
        return tidy(desired, observed, &winners, next);
    }
    let copies = observed.volumes.all().iter().filter(|volume| volume.tags.contains_key(TAG_COPY));
    next.ready.extend(copies.filter(|volume| is_ours(&key, &volume.tags)).map(put_away));
}

/// Why an instance cannot have the home that it is to have.
pub(super) fn blocked(
    desired: &Desired,
    observed: &Observed,
    winners: &Winners<'_>,
    goal: Goal,
) -> Option<Blocked> {
    if let (true, Fact::Unknown(why)) = (is_due(observed, winners, goal), &observed.snapshots) {
        return Some(Blocked::CannotSee { what: "snapshots", why: why.clone() });
    }
    let key = desired.key();
    let wanted = match newcomer(observed, winners) {
        Some(new) => new.tags.get(TAG_HOME).filter(|home| *home != LAST_HOME).cloned(),
        None if is_to_begin(observed, winners, goal) || winners.instance.is_none() => {
            desired.home_from.as_ref().map(ToString::to_string)
        }
        None => None,
    };
    let snapshot = wanted?;
    match &observed.snapshots {
        Fact::Unknown(why) => Some(Blocked::CannotSee { what: "snapshots", why: why.clone() }),
        Fact::Absent | Fact::Present(_) => {
            let found = observed.snapshots.all().iter();
            let mut found = found.filter(|known| is_ours(&key, &known.tags));
            let found = found.find(|known| known.id.as_str() == snapshot);
            match found.map(|found| found.progress) {
                None | Some(SnapshotProgress::Failed) => Some(Blocked::NoSnapshot { snapshot }),
                Some(SnapshotProgress::Pending | SnapshotProgress::Complete) => None,
            }
        }
    }
}
