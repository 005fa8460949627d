//! Taking away: everything for [`super::Goal::Gone`], or what lost against its twin.

use super::winners::is_ours;
use super::{
    Desired, Leave, Next, Observed, Power, SnapshotProgress, Step, TAG_MAKER, Tags, VpcId, Waiting, Winners,
    schedule, step,
};
use crate::machine::{Gateway, Group, Instance, Role, RouteTable, Subnet, TAG_COPY, Volume};

/// Takes away all that carries our tag.
pub(super) fn everything(desired: &Desired, observed: &Observed, leave: Leave, next: &mut Next) {
    let key = desired.key();
    let ours = |tags: &Tags| is_ours(&key, tags);
    let alive = observed.instances.all().iter().filter(|i| ours(&i.tags) && i.power != Power::Terminated);
    let alive: Vec<&Instance> = alive.collect();
    schedule::remove(desired, observed, next);
    let held = observed.reservations.all().iter();
    next.ready.extend(held.map(|held| Step::Release { reservation: held.id.clone() }));
    for instance in &alive {
        end(observed, instance, leave, next);
    }
    if !alive.is_empty() {
        return;
    }
    next.ready.extend(copies(observed, &key).map(|volume| Step::DeleteCopy { volume: volume.id.clone() }));
    // A volume that an earlier destroy has kept has no snapshot, so whoever asks for one does not mean to lose it either.
    if leave == Leave::default() {
        let copy = |volume: &Volume| volume.tags.contains_key(TAG_COPY);
        let kept = observed.volumes.all().iter();
        let kept = kept.filter(|v| ours(&v.tags) && v.attached.is_none() && !copy(v));
        next.ready.extend(kept.map(|volume| Step::DeleteVolume { volume: volume.id.clone() }));
    }
    let doomed = Doomed {
        vpcs: observed.vpcs.all().iter().filter(|v| ours(&v.tags)).map(|v| &v.id).collect(),
        subnets: observed.subnets.all().iter().filter(|s| ours(&s.tags)).collect(),
        gateways: (observed.gateways.all().iter())
            .filter(|g| ours(&g.tags) && serves_stranger(&key, observed, g).is_none())
            .collect(),
        tables: observed.route_tables.all().iter().filter(|t| ours(&t.tags)).collect(),
        groups: observed.groups.all().iter().filter(|g| ours(&g.tags)).collect(),
    };
    doomed.steps(next);
    identity(observed, ours, next);
}

/// The VPC of somebody else's that a gateway of ours was attached to. It is not taken away from there.
pub(super) fn serves_stranger<'a>(key: &str, observed: &Observed, gateway: &'a Gateway) -> Option<&'a VpcId> {
    let known = |id: &VpcId| observed.vpcs.all().iter().any(|vpc| &vpc.id == id && is_ours(key, &vpc.tags));
    gateway.vpc.as_ref().filter(|vpc| !known(vpc))
}

/// Brings one instance to its end, a final snapshot first when it is asked for.
pub(super) fn end(observed: &Observed, instance: &Instance, leave: Leave, next: &mut Next) {
    let id = || instance.id.clone();
    let wait = Waiting::Power { now: instance.power };
    if matches!(instance.power, Power::ShuttingDown | Power::Terminated) {
        next.waiting.push(wait);
        return;
    }
    if let (true, Some(root)) = (leave.snapshot, &instance.root) {
        // A snapshot of a machine that is off is consistent without asking its file system.
        match instance.power {
            Power::Running => return next.ready.push(Step::Stop { instance: id() }),
            Power::Pending | Power::Stopping => return next.waiting.push(wait),
            Power::Stopped | Power::ShuttingDown | Power::Terminated => {}
        }
        match step::final_snapshot(observed, instance).map(|snapshot| snapshot.progress) {
            Some(SnapshotProgress::Complete) => {}
            Some(SnapshotProgress::Pending) => return next.waiting.push(Waiting::Snapshot),
            Some(SnapshotProgress::Failed) | None => {
                let volume = root.id.clone();
                return next.ready.push(Step::Snapshot { instance: id(), volume, last: true });
            }
        }
    }
    if let Some(root) = instance.root.as_ref().filter(|root| root.goes_with_instance == leave.volume) {
        let device = root.device.clone();
        next.ready.push(if leave.volume {
            Step::KeepVolume { instance: id(), device }
        } else {
            Step::ReleaseVolume { instance: id(), device }
        });
        return;
    }
    if !step::is(&instance.protected, false) {
        return next.ready.push(Step::Unprotect { instance: id() });
    }
    let volume_goes = instance.root.as_ref().is_some_and(|root| root.goes_with_instance);
    next.ready.push(Step::Terminate { instance: id(), volume_goes });
}

/// The volumes that homes are taken from, and that nothing holds any more.
fn copies<'a>(observed: &'a Observed, key: &'a str) -> impl Iterator<Item = &'a Volume> {
    let copies = observed.volumes.all().iter().filter(|volume| volume.tags.contains_key(TAG_COPY));
    copies.filter(move |volume| is_ours(key, &volume.tags) && volume.attached.is_none())
}

fn identity(observed: &Observed, ours: impl Fn(&Tags) -> bool, next: &mut Next) {
    let profile = observed.profile.present().filter(|profile| ours(&profile.tags));
    if let Some(profile) = profile {
        next.ready.push(match &profile.role {
            Some(role) => Step::RemoveRoleFromProfile { profile: profile.name.clone(), role: role.clone() },
            None => Step::DeleteProfile { profile: profile.name.clone() },
        });
    }
    let Some(of_machine) = observed.role.present().filter(|role| ours(&role.tags)) else { return };
    role(of_machine, profile.is_some_and(|profile| profile.role.is_some()), next);
}

/// Takes a role away, its policies first; not while an instance profile has it.
pub(super) fn role(role: &Role, in_use: bool, next: &mut Next) {
    let name = || role.name.clone();
    let policies = |policy: &String| Step::DetachManagedPolicy { role: name(), policy: policy.clone() };
    next.ready.extend(role.managed.iter().map(policies));
    let inline = |policy: &String| Step::DeleteInlinePolicy { role: name(), policy: policy.clone() };
    next.ready.extend(role.inline.keys().map(inline));
    if role.managed.is_empty() && role.inline.is_empty() && !in_use {
        next.ready.push(Step::DeleteRole { role: name() });
    }
}

/// Takes away what this installation made and what lost against its twin, or is not used any more.
pub(super) fn duplicates(desired: &Desired, observed: &Observed, winners: &Winners<'_>, next: &mut Next) {
    let key = desired.key();
    let mine = |tags: &Tags| is_ours(&key, tags) && tags.get(TAG_MAKER) == Some(&observed.maker);
    let Some(here) = winners.network() else { return };
    let houses = |vpc: &VpcId| {
        observed.instances.all().iter().any(|i| i.vpc.as_ref() == Some(vpc) && i.power != Power::Terminated)
    };
    let lost = |vpc: &VpcId| vpc != here && !houses(vpc);
    let my_network =
        |vpc: &VpcId| observed.vpcs.all().iter().any(|v| &v.id == vpc && mine(&v.tags) && lost(vpc));
    // What others have put into a network, they take out first; a gateway I can detach.
    let shared = |vpc: &VpcId| {
        observed.subnets.all().iter().any(|s| &s.vpc == vpc && !mine(&s.tags))
            || observed.gateways.all().iter().any(|g| g.vpc.as_ref() == Some(vpc) && !is_ours(&key, &g.tags))
            || observed.route_tables.all().iter().any(|t| &t.vpc == vpc && !mine(&t.tags))
            || observed.groups.all().iter().any(|g| &g.vpc == vpc && !mine(&g.tags))
    };
    let doomed = Doomed {
        vpcs: (observed.vpcs.all().iter())
            .filter(|v| mine(&v.tags) && lost(&v.id) && !shared(&v.id))
            .map(|v| &v.id)
            .collect(),
        subnets: observed.subnets.all().iter().filter(|s| mine(&s.tags) && lost(&s.vpc)).collect(),
        gateways: (observed.gateways.all().iter())
            .filter(|g| winners.gateway.is_none_or(|winner| winner.id != g.id))
            .filter(|g| match &g.vpc {
                None => mine(&g.tags),
                Some(vpc) if my_network(vpc) => is_ours(&key, &g.tags),
                Some(vpc) => mine(&g.tags) && lost(vpc) && serves_stranger(&key, observed, g).is_none(),
            })
            .collect(),
        tables: (observed.route_tables.all().iter())
            .filter(|t| mine(&t.tags))
            .filter(|t| {
                let beaten = winners.route_table.is_some_and(|winner| winner.id != t.id);
                lost(&t.vpc) || (&t.vpc == here && beaten && t.associations.is_empty())
            })
            .collect(),
        groups: observed.groups.all().iter().filter(|g| mine(&g.tags) && lost(&g.vpc)).collect(),
    };
    doomed.steps(next);
    idle_subnets(observed, winners, mine, next);
}

/// Takes away what this installation made in a zone that the machine has left.
fn idle_subnets(observed: &Observed, winners: &Winners<'_>, mine: impl Fn(&Tags) -> bool, next: &mut Next) {
    let Some(vpc) = winners.vpc else { return };
    let houses = |subnet: &Subnet| {
        let alive = observed.instances.all().iter().filter(|i| i.power != Power::Terminated);
        alive.filter(|i| i.vpc.as_ref() == Some(&vpc.id)).any(|i| i.zone == subnet.zone)
    };
    let used = |subnet: &Subnet| {
        winners.is_subnet(&subnet.id) || winners.landing.is_some_and(|landing| landing.id == subnet.id)
    };
    let idle = observed.subnets.all().iter().filter(|s| s.vpc == vpc.id && mine(&s.tags));
    for subnet in idle.filter(|subnet| !used(subnet) && !houses(subnet)) {
        let tables = observed.route_tables.all().iter().flat_map(|table| &table.associations);
        let mut associations = tables.filter(|(_, served)| served == &subnet.id).peekable();
        if associations.peek().is_none() {
            next.ready.push(Step::DeleteSubnet { subnet: subnet.id.clone() });
        }
        let unused = |(association, _): &(_, _)| Step::DisassociateRouteTable {
            association: Clone::clone(association),
        };
        next.ready.extend(associations.map(unused));
    }
}

/// Parts of networks that are to go.
struct Doomed<'a> {
    vpcs: Vec<&'a VpcId>,
    subnets: Vec<&'a Subnet>,
    gateways: Vec<&'a Gateway>,
    tables: Vec<&'a RouteTable>,
    groups: Vec<&'a Group>,
}

impl Doomed<'_> {
    fn steps(&self, next: &mut Next) {
        for table in &self.tables {
            if table.associations.is_empty() {
                next.ready.push(Step::DeleteRouteTable { table: table.id.clone() });
            }
            for (association, _) in &table.associations {
                next.ready.push(Step::DisassociateRouteTable { association: association.clone() });
            }
        }
        for gateway in &self.gateways {
            let gateway_id = gateway.id.clone();
            next.ready.push(match &gateway.vpc {
                Some(vpc) => Step::DetachGateway { gateway: gateway_id, vpc: vpc.clone() },
                None => Step::DeleteGateway { gateway: gateway_id },
            });
        }
        for group in &self.groups {
            next.ready.push(Step::DeleteGroup { group: group.id.clone() });
        }
        for subnet in &self.subnets {
            next.ready.push(Step::DeleteSubnet { subnet: subnet.id.clone() });
        }
        for vpc in &self.vpcs {
            let empty = !self.tables.iter().any(|t| &t.vpc == *vpc)
                && !self.subnets.iter().any(|s| &s.vpc == *vpc)
                && !self.groups.iter().any(|g| &g.vpc == *vpc)
                && !self.gateways.iter().any(|g| g.vpc.as_ref() == Some(vpc));
            if empty {
                next.ready.push(Step::DeleteVpc { vpc: (*vpc).clone() });
            }
        }
    }
}
