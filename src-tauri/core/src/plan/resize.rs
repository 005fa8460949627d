//! Another type for the instance, and a larger or faster volume.
//!
//! A type changes only while the instance is off: mark, stop, change, start, take the mark away. The mark
//! ([`TAG_RESIZE`]) is on AWS, so that whoever looks next goes on where this was interrupted, and the machine comes up again.
//! AWS may have none of the new type free, so capacity is held before anything is stopped, where that is allowed; and should a
//! start fail all the same, another type is started instead: the alternates in their order, then the one that it had.

use super::{Blocked, Desired, Fact, Next, Observed, Power, Step, Waiting, Winners};
use crate::machine::{Instance, ModificationState, Offer, Quota, Reservation, TAG_RESIZE, Volume};
use crate::names::InstanceType;

/// How the wanted type stands to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// There is nothing to change, nor anything to tidy up.
    None,
    /// The instance is on, and is to be another type.
    OfRunning,
    /// The instance is off and stays off.
    OfStopped,
    /// It was begun, and the instance is off and to come up again.
    Begun,
    /// It was begun, and the instance is on as what it is to be, or as near to that as it can come.
    Over,
}

fn change(desired: &Desired, observed: &Observed, instance: &Instance) -> Change {
    let marked = instance.tags.contains_key(TAG_RESIZE);
    let differs = instance.instance_type != desired.instance_type;
    match instance.power {
        Power::ShuttingDown | Power::Terminated => Change::None,
        Power::Running if marked && is_settled(desired, observed, instance) => Change::Over,
        // Whoever finds a machine on that was marked looks at everything again before it is stopped.
        Power::Running if differs => Change::OfRunning,
        Power::Pending if marked => Change::Begun,
        Power::Pending if differs => Change::OfRunning,
        Power::Pending | Power::Running => Change::None,
        // Somebody may have taken the mark away meanwhile.
        Power::Stopping | Power::Stopped if marked || observed.stopped_here => Change::Begun,
        Power::Stopping | Power::Stopped if differs => Change::OfStopped,
        Power::Stopping | Power::Stopped => Change::None,
    }
}

/// Whether the instance is off between two types, so that nothing else may come in between.
pub(super) fn is_under_way(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> bool {
    winners.instance.is_some_and(|instance| change(desired, observed, instance) == Change::Begun)
}

/// Whether a change of the type is due, so that what it needs is worth a look.
pub fn is_due(desired: &Desired, observed: &Observed) -> bool {
    let instance = observed.winners(desired).instance;
    instance.is_some_and(|instance| {
        change(desired, observed, instance) == Change::OfRunning
            && !observed.short.contains(&desired.instance_type)
    })
}

/// The type that a step is about, which something else may stand in for.
pub fn type_of(observed: &Observed, step: &Step) -> Option<InstanceType> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other step is about a type that can be chosen")]
    match step {
        Step::Reserve { instance_type, .. } => Some(instance_type.clone()),
        Step::SetType { to, .. } => Some(to.clone()),
        Step::Start { instance } => {
            let known = observed.instances.all().iter().find(|known| &known.id == instance)?;
            Some(known.instance_type.clone())
        }
        _ => None,
    }
}

/// Why the type cannot be changed.
pub(super) fn blocked(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> Option<Blocked> {
    let instance = winners.instance?;
    // What was begun must end, whatever the settings say by now.
    if !matches!(change(desired, observed, instance), Change::OfRunning | Change::OfStopped)
        || observed.short.contains(&desired.instance_type)
    {
        return None;
    }
    let offer = match &observed.offer {
        Fact::Unknown(why) => return Some(Blocked::CannotSee { what: "instance types", why: why.clone() }),
        Fact::Absent => return Some(Blocked::NoSuchType),
        Fact::Present(offer) => offer,
    };
    if offer.architecture != instance.architecture {
        return Some(Blocked::OtherArchitecture {
            is: instance.architecture.clone(),
            wanted: offer.architecture.clone(),
        });
    }
    if !offer.zones.contains(&instance.zone) {
        return Some(Blocked::TypeNotInZone { zone: instance.zone.clone() });
    }
    let leeway = observed.leeway.present()?;
    if !leeway.denied.is_empty() {
        return Some(Blocked::MayNotResize { actions: leeway.denied.clone() });
    }
    let more = offer.vcpus.saturating_sub(vcpus_in_use(instance));
    let Quota { limit, used } = leeway.quota.filter(|quota| !quota.has_room_for(more))?;
    Some(Blocked::Quota { limit, used, more })
}

fn vcpus_in_use(instance: &Instance) -> u32 {
    match instance.power {
        Power::Pending | Power::Running => instance.vcpus,
        Power::Stopping | Power::Stopped | Power::ShuttingDown | Power::Terminated => 0,
    }
}

pub(super) fn instance_type(desired: &Desired, observed: &Observed, instance: &Instance, next: &mut Next) {
    let id = || instance.id.clone();
    match change(desired, observed, instance) {
        Change::None => {}
        Change::Over => next.ready.push(Step::EndResize { instance: id() }),
        Change::OfStopped if instance.power == Power::Stopping => {
            next.waiting.push(Waiting::Power { now: instance.power });
        }
        Change::OfStopped => {
            next.ready.push(Step::SetType { instance: id(), to: desired.instance_type.clone() });
        }
        Change::OfRunning if observed.short.contains(&desired.instance_type) => {}
        // Whatever else may be refused is refused before anything is stopped.
        Change::OfRunning if !next.ready.is_empty() || !next.waiting.is_empty() => {}
        Change::OfRunning if instance.power == Power::Pending => {
            next.waiting.push(Waiting::Power { now: instance.power });
        }
        Change::OfRunning => {
            let held = observed.reservations.all().iter().filter(|held| serves(held, desired, instance));
            match held.max_by_key(|held| held.active) {
                Some(held) if !held.active => next.waiting.push(Waiting::Reservation),
                None if may_reserve(observed) => {
                    let (instance_type, zone) = (desired.instance_type.clone(), instance.zone.clone());
                    next.ready.push(Step::Reserve { instance_type, zone });
                }
                None | Some(_) if instance.tags.contains_key(TAG_RESIZE) => {
                    next.ready.push(Step::Stop { instance: id() });
                }
                None | Some(_) => next
                    .ready
                    .push(Step::BeginResize { instance: id(), from: instance.instance_type.clone() }),
            }
        }
        Change::Begun => go_on(desired, observed, instance, next),
    }
}

/// What the instance needs that is off between two types.
fn go_on(desired: &Desired, observed: &Observed, instance: &Instance, next: &mut Next) {
    let id = || instance.id.clone();
    match instance.power {
        Power::Stopped => match target(desired, observed, instance) {
            Some(to) if to == instance.instance_type => next.ready.push(Step::Start { instance: id() }),
            Some(to) => next.ready.push(Step::SetType { instance: id(), to }),
            None => next.waiting.push(Waiting::Capacity),
        },
        Power::Pending | Power::Running | Power::Stopping | Power::ShuttingDown | Power::Terminated => {
            next.waiting.push(Waiting::Power { now: instance.power });
        }
    }
}

/// Whether a running instance is as near to what is wanted as it can come now.
fn is_settled(desired: &Desired, observed: &Observed, instance: &Instance) -> bool {
    instance.instance_type == desired.instance_type
        || observed.short.contains(&desired.instance_type)
        || !observed.offer.present().is_some_and(|offer| fits(offer, instance))
}

/// Starting a machine that is off: as it is, or as it was where AWS has none of the type free that it was to become.
pub(super) fn start(observed: &Observed, instance: &Instance, next: &mut Next) {
    let id = || instance.id.clone();
    let free = |to: &InstanceType| !observed.short.contains(to);
    match before(instance).filter(|_| !free(&instance.instance_type)).filter(free) {
        Some(to) => next.ready.push(Step::SetType { instance: id(), to }),
        None if free(&instance.instance_type) => next.ready.push(Step::Start { instance: id() }),
        None => {
            next.blocked.push(Blocked::NoCapacity { instance_type: instance.instance_type.to_string() });
        }
    }
}

/// The best type of which AWS may have one free.
fn target(desired: &Desired, observed: &Observed, instance: &Instance) -> Option<InstanceType> {
    let offers = observed.offer.present().into_iter().chain(observed.alternates.all());
    let fitting = offers.filter(|offer| fits(offer, instance)).map(|offer| &offer.instance_type);
    let wanted = fitting.filter(|to| **to == desired.instance_type || desired.alternates.contains(to));
    wanted.cloned().chain(before(instance)).find(|to| !observed.short.contains(to))
}

/// The type that it had before the change.
fn before(instance: &Instance) -> Option<InstanceType> {
    instance.tags.get(TAG_RESIZE)?.parse().ok()
}

/// Whether the instance can become this type where it is.
fn fits(offer: &Offer, instance: &Instance) -> bool {
    offer.architecture == instance.architecture && offer.zones.contains(&instance.zone)
}

/// Whether what is held is what the instance is to become. What another instance of the account has taken holds nothing.
fn serves(held: &Reservation, desired: &Desired, instance: &Instance) -> bool {
    (held.free || !held.active) && held.instance_type == desired.instance_type && held.zone == instance.zone
}

/// Whether the new type may be held while the old one still runs: the quota must have room for both.
fn may_reserve(observed: &Observed) -> bool {
    let (Some(leeway), Some(offer)) = (observed.leeway.present(), observed.offer.present()) else {
        return false;
    };
    leeway.may_reserve
        && !observed.cannot_hold
        && observed.reservations.is_known()
        && leeway.quota.is_none_or(|quota| quota.has_room_for(offer.vcpus))
}

/// Gives up whatever is held and not needed, or not any more.
pub(super) fn release(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let needed = |held: &Reservation| {
        winners.instance.is_some_and(|instance| {
            let waits = match change(desired, observed, instance) {
                Change::None | Change::OfStopped | Change::Over => false,
                Change::OfRunning => !observed.short.contains(&desired.instance_type),
                Change::Begun => true,
            };
            waits && serves(held, desired, instance)
        })
    };
    let idle = observed.reservations.all().iter().filter(|held| !needed(held));
    next.ready.extend(idle.map(|held| Step::Release { reservation: held.id.clone() }));
}

pub(super) fn volume(desired: &Desired, volume: &Volume, next: &mut Next) {
    let state = volume.modification.present().map(|modification| modification.state);
    if state == Some(ModificationState::Modifying) {
        next.waiting.push(Waiting::Volume);
        return;
    }
    // What cannot be set cannot differ.
    let fast = |is: Option<u32>, wanted: u32| is.is_none_or(|is| is == wanted);
    let size = volume.size.max(desired.volume_size);
    let same = fast(volume.iops, desired.volume_iops) && fast(volume.throughput, desired.volume_throughput);
    if size != volume.size || !same {
        next.ready.push(Step::GrowVolume {
            volume: volume.id.clone(),
            size,
            iops: volume.iops.map(|_| desired.volume_iops),
            throughput: volume.throughput.map(|_| desired.volume_throughput),
        });
    }
}
