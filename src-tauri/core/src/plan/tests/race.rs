//! Several laptops at once in one account.
//!
//! Each looks, decides, and performs, one call at a time and in random order among all laptops; one may sleep between any
//! two calls for as long as it takes the others to finish. What a laptop makes, the others do not see until its maker has
//! looked at it. EC2 and IAM refuse what they refuse in earnest.

use std::collections::BTreeMap;

use super::fixture::*;
use super::worlds::{Dice, account};
use crate::machine::{Desired, Fact, Observed, Power, TAG_MACHINE, Tags};
use crate::plan::{Goal, Made, Step, decide};

/// The account as it is, and who has not yet been shown what.
struct Account {
    truth: Observed,
    /// What only its maker knows of: id or name, and maker.
    hidden: BTreeMap<String, String>,
}

impl Account {
    /// What `maker` sees.
    fn look(&mut self, maker: &str) -> Observed {
        self.hidden.retain(|_, other| other != maker);
        let mut seen = Observed { maker: maker.to_owned(), ..self.truth.clone() };
        let visible = |id: &str| !self.hidden.contains_key(id);
        there(&mut seen.vpcs).retain(|r| visible(r.id.as_str()));
        there(&mut seen.subnets).retain(|r| visible(r.id.as_str()));
        there(&mut seen.gateways).retain(|r| visible(r.id.as_str()));
        there(&mut seen.route_tables).retain(|r| visible(r.id.as_str()));
        there(&mut seen.groups).retain(|r| visible(r.id.as_str()));
        there(&mut seen.instances).retain(|r| visible(r.id.as_str()));
        there(&mut seen.lifecycles).retain(|r| visible(r.id.as_str()));
        if !visible("backup") {
            seen.backup_role = Fact::Absent;
        }
        if !visible("role") {
            seen.role = Fact::Absent;
        }
        if !visible("profile") {
            seen.profile = Fact::Absent;
        }
        seen
    }

    /// Performs a step, or refuses since the world is not as the laptop thinks.
    fn perform(
        &mut self,
        desired: &Desired,
        maker: &str,
        step: &Step,
        dice: &mut Dice,
    ) -> Result<Option<Made>, ()> {
        let truth = &self.truth;
        if let Step::RunInstance(run) = step
            && let Some(known) = truth.instances.all().iter().find(|i| i.token.as_ref() == Some(&run.token))
        {
            // IdempotentParameterMismatch, or the same answer once more.
            let same = known.image.as_ref() == Some(&run.image);
            return if same { Ok(Some(Made::Instance(known.id.clone()))) } else { Err(()) };
        }
        if !allowed(truth, desired, step) {
            return Err(());
        }
        let made = made(step, dice);
        let mut world = Observed { maker: maker.to_owned(), ..truth.clone() };
        world = world.after(desired, step, made.as_ref());
        if let Step::DeleteSubnet { subnet } = step {
            there(&mut world.route_tables)
                .iter_mut()
                .for_each(|t| t.associations.retain(|(_, s)| s != subnet));
        }
        self.truth = world;
        let name = match (&made, step) {
            (_, Step::CreateRole) => Some("role".to_owned()),
            (_, Step::CreateProfile { .. }) => Some("profile".to_owned()),
            (_, Step::CreateBackupRole) => Some("backup".to_owned()),
            (Some(Made::Lifecycle(id)), _) => Some(id.to_string()),
            (Some(Made::Vpc(id)), _) => Some(id.to_string()),
            (Some(Made::Subnet(id)), _) => Some(id.to_string()),
            (Some(Made::Gateway(id)), _) => Some(id.to_string()),
            (Some(Made::RouteTable(id)), _) => Some(id.to_string()),
            (Some(Made::Group(id)), _) => Some(id.to_string()),
            (Some(Made::Instance(id)), _) => Some(id.to_string()),
            (
                Some(Made::Association(_) | Made::Snapshot(_) | Made::Reservation(_) | Made::Volume(_))
                | None,
                _,
            ) => None,
        };
        self.hidden.extend(name.map(|name| (name, maker.to_owned())));
        Ok(made)
    }
}

/// What AWS says to the step, by its documentation.
fn allowed(w: &Observed, desired: &Desired, step: &Step) -> bool {
    let vpc =
        |id: &crate::names::VpcId| id.as_str() == "vpc-cccccccc" || w.vpcs.all().iter().any(|v| &v.id == id);
    let gateway = |id: &crate::names::GatewayId| w.gateways.all().iter().find(|g| &g.id == id);
    let table = |id: &crate::names::RouteTableId| w.route_tables.all().iter().find(|t| &t.id == id);
    let subnet = |id: &crate::names::SubnetId| w.subnets.all().iter().find(|s| &s.id == id);
    let group = |id: &crate::names::GroupId| w.groups.all().iter().find(|g| &g.id == id);
    let lived_in = |id: &crate::names::VpcId| {
        w.instances.all().iter().any(|i| i.vpc.as_ref() == Some(id) && i.power != Power::Terminated)
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others do not happen here, or are always possible"
    )]
    match step {
        Step::EnableDnsSupport { vpc: id } | Step::EnableDnsHostnames { vpc: id } => vpc(id),
        // Only one has these addresses.
        Step::CreateSubnet { vpc: id, addresses, .. } => {
            vpc(id) && !w.subnets.all().iter().any(|s| &s.vpc == id && &s.addresses == addresses)
        }
        Step::EnablePublicAddresses { subnet: id } => subnet(id).is_some(),
        Step::AttachGateway { gateway: id, vpc: to } => {
            let taken = w.gateways.all().iter().any(|g| g.vpc.as_ref() == Some(to));
            vpc(to) && !taken && gateway(id).is_some_and(|g| g.vpc.is_none())
        }
        Step::CreateRouteTable { vpc: id } => vpc(id),
        Step::CreateDefaultRoute { table: id, gateway: to } => {
            table(id).is_some_and(|t| gateway(to).is_some_and(|g| g.vpc.as_ref() == Some(&t.vpc)))
        }
        Step::AssociateRouteTable { table: id, subnet: of } => {
            let in_one_vpc = table(id).is_some_and(|t| subnet(of).is_some_and(|s| s.vpc == t.vpc));
            in_one_vpc && !w.route_tables.all().iter().any(|t| t.serves(of))
        }
        // Only one has this name.
        Step::CreateGroup { vpc: id } => vpc(id) && !w.groups.all().iter().any(|g| &g.vpc == id),
        Step::CreateRole => w.role == Fact::Absent,
        Step::CreateBackupRole => w.backup_role == Fact::Absent,
        Step::AllowSnapshots { .. } | Step::CreateLifecycle { .. } => w.backup_role.present().is_some(),
        Step::ChangeLifecycle { policy, .. } => w.lifecycles.all().iter().any(|known| &known.id == policy),
        Step::AttachManagedPolicy { .. } | Step::DenyParameters { .. } => w.role.present().is_some(),
        Step::CreateProfile { .. } => w.profile == Fact::Absent,
        Step::AddRoleToProfile => {
            w.role.present().is_some() && w.profile.present().is_some_and(|p| p.role.is_none())
        }
        Step::RemoveRoleFromProfile { role, .. } => {
            w.profile.present().is_some_and(|p| p.role.as_ref() == Some(role))
        }
        Step::DeleteProfile { .. } => w.profile.present().is_some_and(|p| p.role.is_none()),
        Step::NextGeneration { network, .. } => {
            w.vpcs.all().iter().any(|v| v.id.as_str() == network.as_str())
                || w.groups.all().iter().any(|g| g.id.as_str() == network.as_str())
        }
        Step::RunInstance(run) => {
            subnet(&run.subnet).is_some_and(|s| group(&run.group).is_some_and(|g| g.vpc == s.vpc))
                && w.profile.present().is_some_and(|p| desired.instance_profile.is_some() || p.role.is_some())
        }
        Step::DisassociateRouteTable { association } => {
            w.route_tables.all().iter().any(|t| t.associations.iter().any(|(id, _)| id == association))
        }
        Step::DeleteRouteTable { table: id } => table(id).is_some_and(|t| t.associations.is_empty()),
        Step::DetachGateway { gateway: id, vpc: from } => {
            gateway(id).is_some_and(|g| g.vpc.as_ref() == Some(from)) && !lived_in(from)
        }
        Step::DeleteGateway { gateway: id } => gateway(id).is_some_and(|g| g.vpc.is_none()),
        Step::DeleteSubnet { subnet: id } => subnet(id).is_some_and(|s| {
            let in_zone = |i: &&crate::machine::Instance| i.vpc.as_ref() == Some(&s.vpc) && i.zone == s.zone;
            !w.instances.all().iter().filter(in_zone).any(|i| i.power != Power::Terminated)
        }),
        Step::DeleteGroup { group: id } => group(id).is_some_and(|g| !lived_in(&g.vpc)),
        Step::DeleteVpc { vpc: id } => {
            vpc(id)
                && !w.subnets.all().iter().any(|s| &s.vpc == id)
                && !w.route_tables.all().iter().any(|t| &t.vpc == id)
                && !w.groups.all().iter().any(|g| &g.vpc == id)
                && !w.gateways.all().iter().any(|g| g.vpc.as_ref() == Some(id))
        }
        _ => true,
    }
}

/// How well RunInstances is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// A laptop looks right before, but may sleep in between, and the others see the instance when its maker does.
    Before,
    /// It looks in the same moment, and the others see the instance at once. Nobody can promise that.
    AtOnce,
}

struct Laptop {
    maker: String,
    /// What it believes; `None` before a look.
    view: Option<Observed>,
    /// The view is a look that nothing was performed since.
    fresh: bool,
    /// The steps of this round that are still to be performed.
    todo: Vec<Step>,
    /// It has looked for this instance, and may now make it.
    looked: bool,
    blocked: Option<String>,
    done: bool,
}

impl Laptop {
    fn new(maker: String) -> Self {
        Self { maker, view: None, fresh: false, todo: Vec::new(), looked: false, blocked: None, done: false }
    }

    /// Makes one call, or thinks.
    fn go_on(&mut self, account: &mut Account, desired: &Desired, look: Look, dice: &mut Dice) {
        let Some(view) = &self.view else {
            self.view = Some(account.look(&self.maker));
            self.fresh = true;
            return;
        };
        let Some(step) = self.todo.last().cloned() else {
            let next = decide(desired, view, Goal::Settings);
            self.blocked = next.blocked.first().map(|blocked| format!("{blocked:?}"));
            if next.ready.is_empty() {
                // Only a look says that nothing is left to do.
                (self.done, self.view) = (self.fresh, if self.fresh { self.view.take() } else { None });
            }
            self.todo = next.ready;
            dice.shuffle(&mut self.todo);
            return;
        };
        if matches!(step, Step::RunInstance(_)) && !self.looked {
            let seen = account.look(&self.maker);
            let still = decide(desired, &seen, Goal::Settings).ready.contains(&step);
            (self.view, self.fresh) = (Some(seen), true);
            if !still {
                self.todo.clear();
                return;
            }
            self.looked = true;
            if look == Look::Before {
                return;
            }
        }
        self.todo.pop();
        (self.looked, self.fresh) = (false, false);
        match account.perform(desired, &self.maker, &step, dice) {
            Ok(made) => {
                if let (Some(Made::Instance(id)), Look::AtOnce) = (&made, look) {
                    account.hidden.remove(id.as_str());
                }
                self.view = self.view.take().map(|view| view.after(desired, &step, made.as_ref()));
                // The engine goes on with what has become ready, and looks again now and then.
                if dice.once_in(3) {
                    self.todo.clear();
                }
                if self.todo.is_empty() && dice.once_in(2) {
                    self.view = None;
                }
                // What was a claim when it was looked at may be another one's by now.
                if matches!(step, Step::RemoveRoleFromProfile { .. }) {
                    (self.view, self.todo) = (None, Vec::new());
                }
            }
            Err(()) => {
                (self.view, self.todo) = (None, Vec::new());
            }
        }
    }

    /// Killed, and started again.
    fn crash(&mut self) {
        *self = Self { done: self.done, ..Self::new(self.maker.clone()) };
    }
}

/// Lets `laptops` loose until each has come to its end, and then once more one after the other. What is there then, and
/// how many calls and thoughts it took.
fn run(
    desired: &Desired,
    start: Observed,
    laptops: usize,
    look: Look,
    dice: &mut Dice,
) -> Result<(Observed, usize), String> {
    let mut account = Account { truth: start, hidden: BTreeMap::new() };
    let mut laptops: Vec<Laptop> = (0..laptops).map(|n| Laptop::new(format!("laptop-{n}"))).collect();
    let mut awake = 0;
    let mut count = 0;
    // From taking turns to sleeping for minutes.
    let naps = 2 << dice.below(6);
    while laptops.iter().any(|laptop| !laptop.done) {
        if dice.once_in(naps) || laptops[awake].done {
            awake = dice.below(laptops.len());
            continue;
        }
        if dice.once_in(200) {
            laptops[awake].crash();
        }
        laptops[awake].go_on(&mut account, desired, look, dice);
        count += 1;
        if count > 20_000 {
            return Err("the laptops keep each other busy".to_owned());
        }
    }
    for laptop in &mut laptops {
        laptop.crash();
        laptop.done = false;
        while !laptop.done {
            laptop.go_on(&mut account, desired, look, dice);
            count += 1;
            if count > 22_000 {
                return Err(format!("{} finds no end", laptop.maker));
            }
        }
        if let Some(why) = &laptop.blocked {
            return Err(why.clone());
        }
    }
    Ok((account.truth, count))
}

/// What is not exactly once there.
fn wrong(desired: &Desired, end: &Observed) -> Option<String> {
    let key = desired.key();
    let ours = |tags: &&Tags| tags.get(TAG_MACHINE) == Some(&key);
    let alive = end.instances.all().iter().filter(|i| i.power != Power::Terminated).count();
    let network = usize::from(desired.subnet.is_none());
    let counts = [
        ("instances", alive, 1),
        ("groups", end.groups.all().iter().map(|r| &r.tags).filter(ours).count(), 1),
        ("VPCs", end.vpcs.all().iter().map(|r| &r.tags).filter(ours).count(), network),
        ("subnets", end.subnets.all().iter().map(|r| &r.tags).filter(ours).count(), network),
        ("gateways", end.gateways.all().iter().map(|r| &r.tags).filter(ours).count(), network),
        ("route tables", end.route_tables.all().iter().map(|r| &r.tags).filter(ours).count(), network),
    ];
    let found = counts.into_iter().find(|(_, is, wanted)| is != wanted);
    if let Some((what, is, _)) = found {
        return Some(format!("{is} {what}"));
    }
    super::table::check(desired, end).err()
}

/// Where the laptops begin.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Nothing is there.
    Empty,
    /// EC2 was cleaned, IAM was not.
    Cleaned,
    /// The instance was terminated by somebody.
    Terminated,
    /// An apply was interrupted.
    Half,
}

fn start(desired: &Desired, start: Start, dice: &mut Dice) -> Observed {
    let before = account(desired, dice);
    let mut whole = whole_of(desired, before.clone());
    match start {
        Start::Empty => before,
        Start::Cleaned => Observed { role: whole.role, profile: whole.profile, ..before },
        Start::Terminated => {
            let machine = instance(&mut whole);
            (machine.power, machine.vpc) = (Power::Terminated, None);
            whole.volumes = Fact::Present(vec![]);
            whole
        }
        Start::Half => {
            let mut world = before;
            world.maker = "laptop-0".to_owned();
            for _ in 0..dice.below(20) {
                let ready = decide(desired, &world, Goal::Settings).ready;
                if !ready.is_empty() {
                    world = perform(desired, world, dice.one_of(&ready), dice);
                }
            }
            world
        }
    }
}

fn race(name: &str, desired: &Desired, look: Look, seeds: u64) -> usize {
    let mut bad: BTreeMap<u64, String> = BTreeMap::new();
    let mut calls = 0;
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let from =
            *dice.one_of(&[Start::Empty, Start::Empty, Start::Cleaned, Start::Terminated, Start::Half]);
        let laptops = 2 + dice.below(2);
        let began = start(desired, from, &mut dice);
        let result = run(desired, began, laptops, look, &mut dice);
        let result = result.and_then(|(end, count)| wrong(desired, &end).map_or(Ok(count), Err));
        match result {
            Ok(count) => calls += count,
            Err(why) => _ = bad.insert(seed, format!("{laptops} laptops from {from:?}: {why}")),
        }
    }
    println!("{name}, look {look:?}: {seeds} seeds, {calls} calls and thoughts, {} went wrong", bad.len());
    for (seed, why) in bad.iter().take(10) {
        println!("  seed {seed}: {why}");
    }
    bad.len()
}

const SEEDS: u64 = 3_000;

#[test]
fn laptops_end_with_one_machine() {
    // The profile's claim settles it, however long a laptop sleeps between its look and its call.
    assert_eq!(race("a network of our own", &wanted(), Look::Before, SEEDS), 0);
}

#[test]
fn laptops_in_the_company_s_subnet_end_with_one_machine() {
    // The client token settles it, since the group is the same for all.
    assert_eq!(race("the company's subnet", &wanted_in_company_subnet(), Look::Before, SEEDS), 0);
    let both = Desired { instance_profile: Some(id("company-ssm")), ..wanted_in_company_subnet() };
    assert_eq!(race("the company's subnet and profile", &both, Look::Before, SEEDS), 0);
}

#[test]
fn laptops_with_the_company_s_profile_mostly_end_with_one_machine() {
    // There is no claim, so that only the look at the last moment guards against a second machine.
    assert_eq!(race("the company's profile", &wanted_with_company_profile(), Look::AtOnce, SEEDS), 0);
    let bad = race("the company's profile", &wanted_with_company_profile(), Look::Before, SEEDS);
    assert!(bad < 30, "{bad}");
}
