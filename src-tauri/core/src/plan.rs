//! The plan: which steps lead from what was observed to a goal.
//!
//! [`decide`] is one look at the world: what can be done right now. [`plan`] repeats it on the predicted world until
//! there is nothing left, so that all of it can be shown before anything happens. Both are pure and total.
//!
//! EC2 has no client token for networks: two laptops may make the same thing at the same moment. So of several things
//! with our tag one wins, by rules that every laptop applies alike (see [`Observed::winners`]), and each laptop takes
//! away only what it made itself.
//!
//! Looking is not enough, since a laptop may sleep between a look and a step: whoever wakes up with RunInstances for a VPC
//! that has lost meanwhile would make a second machine. So the instance profile, of which IAM makes only one, names the
//! VPC ([`TAG_NETWORK`]), and an instance is made in that VPC or not at all. Where the company provides the profile, or
//! the subnet, there is no such claim. In a company's subnet none is needed: EC2 makes only one group of a name in a
//! VPC, and the client token follows from the group.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::machine::{
    Arch, Desired, Fact, Instance, Observed, Owner, Power, Profile, SnapshotProgress, Subnet, TAG_GENERATION,
    TAG_MACHINE, TAG_MAKER, TAG_NETWORK, TAG_OWNER, TAG_RESIZE, Tags, Vpc, WayOut, Why,
};
use crate::names::{InstanceId, SnapshotId, SubnetId, VpcId};

mod addresses;
mod adopt;
mod drift;
mod guard;
mod remove;
mod replace;
mod resize;
mod schedule;
mod step;
#[cfg(test)]
pub(crate) mod tests;
mod winners;
use winners::is_ours;

pub use adopt::{Adoption, Left, Refused, Setting, Taken, Tool, adoption, candidate, forget};
pub use drift::{Applied, Drift, Right};
pub use guard::{Blocked, Note};
pub use replace::{
    NoSwap, Swap, awaits_home, begins_at, has_lost_home, has_place, is_done, kept as kept_instances,
    last_state, needs_one_of, on_its_way, retired, swap,
};
pub use resize::{is_due as resize_is_due, type_of};
pub use schedule::{BACKUP_POLICY, allow_snapshots, trust_lifecycles};
pub(crate) use step::gets_public_address;
pub use step::{Area, Change, Consent, CostChange, Impact, Made, NetworkId, Run, Step, Words};
pub use winners::Winners;

/// The name of the inline policy that denies reading SSM parameters.
pub const DENY_POLICY: &str = "holdfast-deny-parameters";
/// The addresses of the VPC.
pub const VPC_CIDR: &str = "10.0.0.0/16";
/// The addresses of its one subnet.
pub const SUBNET_CIDR: &str = "10.0.0.0/20";

/// Where a plan leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// AWS matches the settings. A machine that is off stays off.
    Settings,
    /// The machine is on and its agent answers. A machine that exists is not changed otherwise.
    Reachable,
    /// The machine is off.
    Stopped,
    /// Another instance has taken the place of the one that is there, with its home; then as [`Self::Settings`].
    Replaced,
    /// Of the instances that carry the machine's tag only this one is left.
    Only(Keep),
    /// Nothing of the machine is left but what is asked for.
    Gone(Leave),
}

impl Goal {
    /// The goal in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Reachable => "reachable",
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::Only(_) => "only",
            Self::Gone(_) => "gone",
        }
    }
}

/// Which of two instances is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// What is in its place: an instance that is on its way there goes, one that was replaced stays.
    Incumbent,
    /// The machine: an instance that was replaced goes, one that is on its way stays.
    Machine,
    /// The one that was replaced: it is the machine again, as it was.
    Former,
}

/// What `destroy` leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Leave {
    /// The root volume.
    pub volume: bool,
    /// A snapshot of it, taken last.
    pub snapshot: bool,
}

/// Something that happens by itself, and must be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waiting {
    /// The instance is between two states.
    Power {
        /// The state that it is in.
        now: Power,
    },
    /// The machine's agent has not called yet.
    Agent,
    /// The final snapshot is being copied.
    Snapshot,
    /// The volume's new size is not there yet.
    Volume,
    /// Capacity is being held.
    Reservation,
    /// AWS has no machine free of any type that would do, and the machine is off for it.
    Capacity,
}

impl Waiting {
    /// What is waited for, as a part of a sentence.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Power { now: Power::Pending } => "the machine to start",
            Self::Power { now: Power::Stopping } => "the machine to stop",
            Self::Power { now: Power::ShuttingDown } => "the instance to end",
            Self::Power { now: Power::Running | Power::Stopped | Power::Terminated } => "the machine",
            Self::Agent => "the machine's agent to answer",
            Self::Snapshot => "the snapshot to be whole",
            Self::Volume => "the volume to grow",
            Self::Reservation => "AWS to hold the new type",
            Self::Capacity => "AWS to have a machine free; this one is off until then",
        }
    }
}

/// What can be done right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// The steps that nothing stands in the way of; they may be performed at the same time.
    pub ready: Vec<Step>,
    /// What is waited for.
    pub waiting: Vec<Waiting>,
    /// What forbids every step.
    pub blocked: Vec<Blocked>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// All that leads to a goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The goal.
    pub goal: Goal,
    /// The steps in an order in which they can be performed.
    pub steps: Vec<Planned>,
    /// What is waited for now.
    pub waiting: Vec<Waiting>,
    /// What forbids every step.
    pub blocked: Vec<Blocked>,
    /// What the user should know.
    pub notes: Vec<Note>,
    /// What somebody changed outside, the most dangerous first; said for [`Goal::Settings`].
    pub drift: Vec<Drift>,
}

/// A step in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// Steps of one round need only steps of earlier rounds.
    pub round: usize,
    /// What it costs, interrupts and destroys.
    pub impact: Impact,
    /// By how much it changes the cost of a month.
    pub monthly: Option<CostChange>,
    /// How it is shown.
    pub words: Words,
}

impl Plan {
    /// What all of it costs, interrupts and destroys.
    pub fn impact(&self) -> Impact {
        self.steps.iter().fold(Impact::NONE, |sum, planned| sum.and(planned.impact))
    }

    /// The world when all of it is done.
    pub fn outcome(&self, desired: &Desired, observed: &Observed) -> Observed {
        let steps = self.steps.iter().map(|planned| &planned.step);
        steps.fold(observed.clone(), |world, step| world.after(desired, step, None)).settled()
    }

    /// Whether the goal is reached.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_empty() && self.blocked.is_empty()
    }
}

impl Planned {
    fn new(desired: &Desired, world: &Observed, step: Step, round: usize) -> Self {
        let (impact, words) = (step.impact(), step.words());
        let monthly = step.monthly(desired.region.as_str(), world);
        Self { step, round, impact, monthly, words }
    }
}

/// The plan to restart a machine that is on: one step, which leaves everything as it is.
pub fn reboot(desired: &Desired, observed: &Observed) -> Plan {
    let Next { blocked, notes, .. } = decide(desired, observed, Goal::Stopped);
    let running =
        observed.winners(desired).instance.filter(|i| i.power == Power::Running && blocked.is_empty());
    let step = running.map(|instance| Step::Reboot { instance: instance.id.clone() });
    let steps = step.map(|step| Planned::new(desired, observed, step, 0)).into_iter().collect();
    Plan { goal: Goal::Reachable, steps, waiting: Vec::new(), blocked, notes, drift: Vec::new() }
}

/// The plan to take a snapshot of the machine as it is: one step.
pub fn snapshot(desired: &Desired, observed: &Observed) -> Plan {
    let Next { blocked, notes, .. } = decide(desired, observed, Goal::Stopped);
    let instance = observed.winners(desired).instance.filter(|_| blocked.is_empty());
    let root = instance.and_then(|instance| Some((instance.id.clone(), instance.root.as_ref()?.id.clone())));
    let step = root.map(|(instance, volume)| Step::Snapshot { instance, volume, last: false });
    let steps = step.map(|step| Planned::new(desired, observed, step, 0)).into_iter().collect();
    Plan { goal: Goal::Settings, steps, waiting: Vec::new(), blocked, notes, drift: Vec::new() }
}

/// The plan to delete snapshots.
pub fn forgetting(desired: &Desired, observed: &Observed, snapshots: &[SnapshotId]) -> Plan {
    let step = |snapshot: &SnapshotId| Step::DeleteSnapshot { snapshot: snapshot.clone() };
    let steps = snapshots.iter().map(|id| Planned::new(desired, observed, step(id), 0)).collect();
    let (waiting, blocked, notes, drift) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Plan { goal: Goal::Settings, steps, waiting, blocked, notes, drift }
}

/// The plan to make the caller the owner of everything that carries the machine's tag: tags, and nothing else. What
/// merely has our names is not touched.
pub fn taking_over(desired: &Desired, observed: &Observed) -> Plan {
    let steps = guard::take_over(desired, observed).into_iter();
    let steps = steps.map(|step| Planned::new(desired, observed, step, 0)).collect();
    Plan {
        goal: Goal::Settings,
        steps,
        waiting: Vec::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        drift: Vec::new(),
    }
}

/// A plan longer than this repeats itself, which the property tests rule out.
const MAX_ROUNDS: usize = 64;

/// The whole plan from `observed` to `goal`.
pub fn plan(desired: &Desired, observed: &Observed, goal: Goal) -> Plan {
    let Next { mut ready, waiting, blocked, notes } = decide(desired, observed, goal);
    let mut steps = Vec::new();
    let drift = match goal {
        Goal::Settings if blocked.is_empty() => drift::drift(desired, observed, &observed.winners(desired)),
        // What is blocked is not mended either.
        Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_) | Goal::Gone(_) => {
            Vec::new()
        }
    };
    if !blocked.is_empty() {
        return Plan { goal, steps, waiting, blocked, notes, drift };
    }
    let mut world = observed.clone();
    let mut awaited = waiting.clone();
    for round in 0..MAX_ROUNDS {
        if ready.is_empty() && awaited.is_empty() {
            break;
        }
        if ready.is_empty() {
            world = world.settled_after(&awaited);
        }
        for step in ready {
            let planned = Planned::new(desired, &world, step, round);
            world = world.after(desired, &planned.step, None);
            steps.push(planned);
        }
        Next { ready, waiting: awaited, .. } = decide(desired, &world, goal);
    }
    Plan { goal, steps, waiting, blocked, notes, drift }
}

/// What makes the machine less safe than Holdfast leaves it, as far as it was looked at.
pub fn dangers(desired: &Desired, observed: &Observed) -> Vec<Drift> {
    let mut found = drift::drift(desired, observed, &observed.winners(desired));
    found.retain(|drift| drift.security);
    found
}

/// What can be done right now to come nearer to `goal`.
pub fn decide(desired: &Desired, observed: &Observed, goal: Goal) -> Next {
    let winners = observed.winners(desired);
    let blocked = guard::blocked(desired, observed, &winners, goal);
    let notes = guard::notes(desired, observed, &winners, goal);
    let mut next = Next { blocked, notes, ..Next::default() };
    if next.blocked.is_empty() {
        match goal {
            Goal::Settings | Goal::Replaced => provide(desired, observed, &winners, goal, &mut next),
            Goal::Reachable if winners.instance.is_none() => {
                provide(desired, observed, &winners, goal, &mut next);
            }
            Goal::Reachable => power_on(observed, &winners, &mut next),
            Goal::Stopped => power_off(&winners, &mut next),
            Goal::Only(keep) => replace::leave_only(desired, observed, keep, &mut next),
            Goal::Gone(leave) => remove::everything(desired, observed, leave, &mut next),
        }
    }
    next
}

fn provide(desired: &Desired, observed: &Observed, winners: &Winners<'_>, goal: Goal, next: &mut Next) {
    if let Some(instance) = winners.instance.filter(|_| resize::is_under_way(desired, observed, winners)) {
        resize::instance_type(desired, observed, instance, next);
        return;
    }
    // A network for a machine that lives in another one would serve nobody.
    let replaces = replace::is_due(observed, winners, goal);
    if winners.elsewhere().is_none() || replaces {
        if desired.subnet.is_none() {
            network(desired, observed, winners, goal, next);
        }
        group(winners, next);
    }
    // And so would an identity for a machine that has another.
    let has_another = winners.instance.and_then(|instance| instance.profile.as_ref());
    let has_another = has_another.is_some_and(|profile| *profile != desired.profile_name());
    if owns_identity(desired, observed) && !(has_another && observed.profile == Fact::Absent) {
        identity(desired, observed, winners, next);
    }
    if replaces {
        replace::instance(desired, observed, winners, next);
    } else {
        instance(desired, observed, winners, next);
    }
    replace::tidy(desired, observed, winners, next);
    resize::release(desired, observed, winners, next);
    if goal != Goal::Reachable {
        schedule::provide(desired, observed, next);
    }
    tags(desired, observed, winners, next);
    remove::duplicates(desired, observed, winners, next);
    if replaces {
        return;
    }
    if let Some(instance) = winners.instance.filter(|instance| instance.power != Power::ShuttingDown) {
        resize::instance_type(desired, observed, instance, next);
    }
}

fn network(desired: &Desired, observed: &Observed, winners: &Winners<'_>, goal: Goal, next: &mut Next) {
    let gateway = winners.gateway;
    if gateway.is_none() {
        next.ready.push(Step::CreateGateway);
    }
    let Some(vpc) = winners.vpc else {
        next.ready.push(Step::CreateVpc);
        return;
    };
    let id = || vpc.id.clone();
    if step::is(&vpc.dns_support, false) {
        next.ready.push(Step::EnableDnsSupport { vpc: id() });
    }
    if matches!(vpc.dns_hostnames, Fact::Present(false) | Fact::NOT_LOOKED) {
        next.ready.push(Step::EnableDnsHostnames { vpc: id() });
    }
    let attached = gateway.filter(|gateway| gateway.vpc.as_ref() == Some(&vpc.id));
    if let (Some(gateway), None) = (gateway, attached) {
        next.ready.push(Step::AttachGateway { gateway: gateway.id.clone(), vpc: id() });
    }
    let lands = winners.successor.is_some() || replace::is_to_begin(observed, winners, goal);
    let (lives, lands) = (winners.instance.is_some(), lands || winners.instance.is_none());
    let missing = match winners.instance {
        _ if lands && winners.landing.is_none() => winners.landing_zone(desired, observed),
        Some(instance) if winners.subnet.is_none() => Some(instance.zone.clone()),
        Some(_) | None => None,
    };
    if let (Some(zone), Some(addresses)) = (missing, free_addresses(observed, vpc)) {
        next.ready.push(Step::CreateSubnet { vpc: id(), zone, addresses });
    }
    let mut used: Vec<&Subnet> = winners.subnet.filter(|_| lives).into_iter().collect();
    used.extend(winners.landing.filter(|landing| lands && !(lives && winners.is_subnet(&landing.id))));
    for subnet in &used {
        if !subnet.public_addresses {
            next.ready.push(Step::EnablePublicAddresses { subnet: subnet.id.clone() });
        }
    }
    let Some(table) = winners.route_table else {
        next.ready.push(Step::CreateRouteTable { vpc: id() });
        return;
    };
    if let Some(gateway) = attached
        && table.default_gateway.as_ref() != Some(&gateway.id)
    {
        next.ready.push(Step::CreateDefaultRoute { table: table.id.clone(), gateway: gateway.id.clone() });
    }
    // What runs in the subnet is not to lose its way out in between.
    let leads_out = winners.instance.is_none() || attached.is_none() || table.default_gateway.is_some();
    for subnet in used.iter().filter(|subnet| !table.serves(&subnet.id) && leads_out) {
        // A subnet has one table; our own would have won if it were in use.
        let of_subnet = observed.route_tables.all().iter().flat_map(|table| &table.associations);
        let other = of_subnet.into_iter().find(|(_, id)| id == &subnet.id);
        next.ready.push(match other {
            Some((association, _)) => Step::DisassociateRouteTable { association: association.clone() },
            None => Step::AssociateRouteTable { table: table.id.clone(), subnet: subnet.id.clone() },
        });
    }
}

/// Addresses of the network that no subnet has taken.
fn free_addresses(observed: &Observed, vpc: &Vpc) -> Option<String> {
    let there = observed.subnets.all().iter().filter(|subnet| subnet.vpc == vpc.id);
    addresses::free(&vpc.addresses, there.map(|subnet| subnet.addresses.as_str()))
}

fn group(winners: &Winners<'_>, next: &mut Next) {
    match (winners.group, winners.network()) {
        (None, Some(vpc)) => next.ready.push(Step::CreateGroup { vpc: vpc.clone() }),
        (None, None) => {}
        (Some(group), _) => {
            if !group.inbound.is_empty() {
                let rules = group.inbound.iter().map(|rule| rule.id.clone()).collect();
                next.ready.push(Step::RevokeInbound { group: group.id.clone(), rules });
            }
            if !group.outbound {
                next.ready.push(Step::AllowOutbound { group: group.id.clone() });
            }
        }
    }
}

fn identity(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    match &observed.role {
        Fact::Unknown(_) => {}
        Fact::Absent if desired.instance_profile.is_none() => next.ready.push(Step::CreateRole),
        Fact::Absent => {}
        Fact::Present(role) => {
            if !role.managed.contains(&desired.managed_policy()) {
                next.ready.push(Step::AttachManagedPolicy { role: role.name.clone() });
            }
            if role.inline.get(DENY_POLICY) != Some(&deny_parameters()) {
                next.ready.push(Step::DenyParameters { role: role.name.clone() });
            }
            // What is not ours is blocked elsewhere.
            let managed = role.managed.iter().filter(|policy| **policy != desired.managed_policy());
            let name = || role.name.clone();
            next.ready.extend(
                managed.map(|policy| Step::DetachManagedPolicy { role: name(), policy: policy.clone() }),
            );
            let inline = role.inline.keys().filter(|policy| *policy != DENY_POLICY);
            next.ready.extend(
                inline.map(|policy| Step::DeleteInlinePolicy { role: name(), policy: policy.clone() }),
            );
        }
    }
    if desired.instance_profile.is_some() {
        // What was adopted is mended, and not made anew under another's name.
        return;
    }
    let take_out = |profile: &Profile, role: &String| Step::RemoveRoleFromProfile {
        profile: profile.name.clone(),
        role: role.clone(),
    };
    match &observed.profile {
        Fact::Unknown(_) => {}
        Fact::Absent => match winners.vpc {
            Some(vpc) => next.ready.push(Step::CreateProfile { network: Some(vpc.id.clone()) }),
            // The VPC comes first.
            None if desired.subnet.is_none() && winners.elsewhere().is_none() => {}
            None => next.ready.push(Step::CreateProfile { network: None }),
        },
        Fact::Present(profile) => match &profile.role {
            // Two laptops could move a claim at the same moment, so it is given up and made anew.
            Some(role) if winners.claims_nothing(desired, profile) => {
                next.ready.push(take_out(profile, role));
            }
            None if winners.claims_nothing(desired, profile) => {
                next.ready.push(Step::DeleteProfile { profile: profile.name.clone() });
            }
            Some(role) if role != &desired.role_name() => {
                next.ready.push(take_out(profile, role));
            }
            None if observed.role.present().is_some() => next.ready.push(Step::AddRoleToProfile),
            None | Some(_) => {}
        },
    }
}

/// Whether role and instance profile are the machine's own: made here, or adopted. The company's are used as they are.
fn owns_identity(desired: &Desired, observed: &Observed) -> bool {
    let key = desired.key();
    let adopted = || {
        observed.role.present().is_some_and(|role| is_ours(&key, &role.tags))
            && observed.profile.present().is_some_and(|profile| is_ours(&key, &profile.tags))
    };
    desired.instance_profile.is_none() || adopted()
}

/// Whether the instance profile gives the machine just what it needs, in the network that counts.
fn identity_is_whole(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> bool {
    if desired.instance_profile.is_some() {
        return observed.profile.present().is_some_and(|profile| profile.role.is_some());
    }
    let (Some(role), Some(profile)) = (observed.role.present(), observed.profile.present()) else {
        return false;
    };
    profile.role.as_ref() == Some(&desired.role_name())
        && role.managed.contains(&desired.managed_policy())
        && role.inline.get(DENY_POLICY) == Some(&deny_parameters())
        && winners.claimed
}

fn instance(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let Some(instance) = winners.instance else {
        // It comes last: whoever finds an instance may take it that what holds it up is whole.
        if next.ready.is_empty() && identity_is_whole(desired, observed, winners) {
            let home = desired.home_from.as_ref().map(ToString::to_string);
            next.ready.extend(run(desired, observed, winners, None, home));
        }
        return;
    };
    let id = || instance.id.clone();
    if instance.power == Power::ShuttingDown {
        next.waiting.push(Waiting::Power { now: instance.power });
        return;
    }
    if step::is(&instance.protected, false) {
        next.ready.push(Step::Protect { instance: id() });
    }
    if step::is(&instance.stops_on_shutdown, false) {
        next.ready.push(Step::StopOnShutdown { instance: id() });
    }
    if !instance.metadata_guarded {
        next.ready.push(Step::GuardMetadata { instance: id() });
    }
    if let Some(volume) = winners.volume {
        resize::volume(desired, volume, next);
    }
}

/// `home` is for [`TAG_HOME`], `replaces` the instance whose place it is to take.
fn run(
    desired: &Desired,
    observed: &Observed,
    winners: &Winners<'_>,
    replaces: Option<InstanceId>,
    home: Option<String>,
) -> Option<Step> {
    let (subnet, group) = (winners.landing?, winners.group?);
    let (image, offer) = (observed.image.present()?, observed.offer.present()?);
    let (network, generation) = winners.generation(desired)?;
    let spent = |token: &str| observed.instances.all().iter().any(|old| old.token.as_deref() == Some(token));
    let mut unspent = generation;
    let mut token = client_token(desired, &network, unspent);
    while spent(&token) {
        unspent = unspent.wrapping_add(1);
        token = client_token(desired, &network, unspent);
    }
    if unspent != generation {
        return Some(Step::NextGeneration { network, generation: unspent });
    }
    Some(Step::RunInstance(Run {
        token,
        image: image.id.clone(),
        root_device: image.root_device.clone(),
        instance_type: offer.instance_type.clone(),
        volume_size: desired.volume_size,
        volume_iops: desired.volume_iops,
        volume_throughput: desired.volume_throughput,
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        zone: subnet.zone.clone(),
        group: group.id.clone(),
        public_address: !matches!(subnet.way_out, Fact::Present(WayOut::Other)),
        replaces,
        home,
    }))
}

fn power_on(observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let Some(instance) = winners.instance else { return };
    match instance.power {
        Power::Stopped => resize::start(observed, instance, next),
        Power::Running if observed.agent.present().is_some() => {}
        Power::Running => next.waiting.push(Waiting::Agent),
        Power::Pending | Power::Stopping | Power::ShuttingDown | Power::Terminated => {
            next.waiting.push(Waiting::Power { now: instance.power });
        }
    }
}

fn power_off(winners: &Winners<'_>, next: &mut Next) {
    let Some(instance) = winners.instance else { return };
    if instance.tags.contains_key(TAG_RESIZE) {
        // Whoever wants it off does not want it to come up again.
        next.ready.push(Step::EndResize { instance: instance.id.clone() });
    }
    match instance.power {
        Power::Running => next.ready.push(Step::Stop { instance: instance.id.clone() }),
        Power::Stopped | Power::Terminated => {}
        Power::Pending | Power::Stopping | Power::ShuttingDown => {
            next.waiting.push(Waiting::Power { now: instance.power });
        }
    }
}

/// The tags that a thing with the name part `part` must carry; `maker` only for what AWS may make twice.
pub fn tags_for(desired: &Desired, owner: Option<&Owner>, maker: Option<&str>, part: &str) -> Tags {
    let mut tags: Tags =
        desired.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    tags.insert("Name".to_owned(), desired.name(part));
    tags.insert(TAG_MACHINE.to_owned(), desired.key());
    tags.extend(owner.map(|owner| (TAG_OWNER.to_owned(), owner.to_string())));
    tags.extend(maker.map(|maker| (TAG_MAKER.to_owned(), maker.to_owned())));
    tags
}

/// Those of the tags that a thing with the name part `part` must carry and does not.
fn missing_tags(desired: &Desired, observed: &Observed, is: &Tags, part: &str) -> Tags {
    // The owner is missing on a root volume that has lost all its tags, and nowhere else.
    let mut wanted = tags_for(desired, observed.caller.present(), None, part);
    wanted.retain(|key, value| is.get(key) != Some(value));
    wanted
}

fn tags(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let missing = |is: &Tags, part: &str| missing_tags(desired, observed, is, part);
    let mut by_tags: BTreeMap<Tags, Vec<String>> = BTreeMap::new();
    for (id, is, part) in winners.tagged() {
        by_tags.entry(missing(is, part)).or_default().push(id.to_owned());
    }
    by_tags.remove(&Tags::new());
    next.ready.extend(by_tags.into_iter().map(|(tags, resources)| Step::Tag { resources, tags }));
    if owns_identity(desired, observed) {
        if let Some(role) = observed.role.present() {
            let tags = missing(&role.tags, "role");
            let step = (!tags.is_empty()).then(|| Step::TagRole { role: role.name.clone(), tags });
            next.ready.extend(step);
        }
        if let Some(profile) = observed.profile.present() {
            let tags = missing(&profile.tags, "profile");
            let step = (!tags.is_empty()).then(|| Step::TagProfile { profile: profile.name.clone(), tags });
            next.ready.extend(step);
        }
    }
}

/// The inline policy that takes back what `AmazonSSMManagedInstanceCore` allows too much.
pub fn deny_parameters() -> serde_json::Value {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Deny", "Action": "ssm:GetParameter*", "Resource": "*" }],
    })
}

/// Lets EC2, and nobody else, assume the role.
pub fn trust_ec2(desired: &Desired) -> serde_json::Value {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": desired.region.ec2_principal() },
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The client token of the volume that an instance takes its home from.
pub fn copy_token(snapshot: &SnapshotId, instance: &InstanceId) -> String {
    let hash = Sha256::digest(format!("{snapshot}|{instance}"));
    let hash: String = hash.iter().take(24).map(|byte| format!("{byte:02x}")).collect();
    format!("holdfast-{hash}")
}

/// The client token of an instance: at most 64 ASCII characters, the same on every laptop.
/// Source: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
pub fn client_token(desired: &Desired, network: &NetworkId, generation: u32) -> String {
    let text = format!("{}|{}|{generation}", desired.key(), network.as_str());
    let hash: String = Sha256::digest(text).iter().take(24).map(|byte| format!("{byte:02x}")).collect();
    format!("holdfast-{hash}")
}
