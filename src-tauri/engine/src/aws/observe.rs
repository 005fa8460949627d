//! Looking: everything that matters for a goal, in two rounds of calls at most.
//!
//! Each kind of thing is a chain of its own, and all chains run at the same time: a list finds what has our tag or our
//! name, and what only an id can ask for comes second.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use aws_sdk_ec2::types::{Filter, InstanceAttributeName, InstanceTypeInfo, LocationType, VpcAttributeName};
use futures_util::future::try_join_all;
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{
    Arch, Desired, Fact, Gateway, Group, Image, Instance, Lifecycle, Modification, Observed, Offer, Power,
    Profile, Reservation, Role, RouteTable, Rule, Snapshot, Subnet, TAG_MACHINE, Tags, Volume, Vpc, WayOut,
    Why,
};
use holdfast_core::names::{GroupId, InstanceId, InstanceType, VolumeId, VpcId};
use holdfast_core::plan::{self, BACKUP_POLICY, DENY_POLICY, Goal};
use tokio::{join, try_join};

use super::clients::Aws;
use super::error::{call_error, ec2, garbled, iam, seen};
use super::image::{self, Candidate};
use super::parse::{self, Garbled};
use super::{leeway, lifecycle};
use crate::problem::{CallError, CallErrorKind};

mod export;
mod site;

pub(super) use export::rules;
pub(super) use site::{Found, in_named_vpc, site};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Looks at everything that matters for `goal`.
pub(super) async fn observe(aws: &Aws, desired: &Desired, goal: Goal) -> Result<Observed, CallError> {
    let look = Look { aws, desired, goal };
    // While a machine that is there is waited for, nothing but its instance matters.
    let waits = goal == Goal::Reachable && aws.met_instance.load(Ordering::Relaxed);
    let all = !waits && goal != Goal::Stopped;
    let makes = all && matches!(goal, Goal::Settings | Goal::Replaced | Goal::Reachable);
    let snapshots = match goal {
        Goal::Replaced => true,
        Goal::Settings => desired.home_from.is_some(),
        Goal::Gone(leave) => leave.snapshot,
        Goal::Reachable | Goal::Stopped | Goal::Only(_) => false,
    };

    let mut observed = aws.unseen();
    (
        observed.caller,
        (observed.instances, observed.volumes, observed.agent),
        Network {
            vpcs: observed.vpcs,
            subnets: observed.subnets,
            gateways: observed.gateways,
            route_tables: observed.route_tables,
            groups: observed.groups,
        },
        (observed.role, observed.profile),
        (observed.offer, observed.alternates, observed.image),
        observed.snapshots,
        observed.reservations,
        (observed.lifecycles, observed.backup_role),
    ) = try_join!(
        when(true, aws.caller()),
        look.machine(all),
        look.network(all, makes),
        look.identity(all),
        look.market(makes),
        when(snapshots, look.snapshots()),
        besides(all && goal != Goal::Reachable, look.reservations()),
        look.schedule(),
    )?;
    if goal == Goal::Settings && plan::resize_is_due(desired, &observed) {
        observed.leeway = Fact::Present(Box::pin(leeway::leeway(aws, desired, &observed)).await?);
    }
    if matches!(goal, Goal::Settings | Goal::Replaced) {
        Box::pin(look.newcomer(&mut observed)).await?;
    }

    let there = observed.winners(desired).instance.is_some();
    aws.met_instance.store(there, Ordering::Relaxed);
    if waits && !there {
        return Box::pin(observe(aws, desired, goal)).await;
    }
    Ok(observed)
}

/// Whether the machine is on and can be reached, in one call, or two when it is on: for whoever looks again and again.
///
/// Only what carries our tag is seen, and only instances. An instance that AWS has forgotten is no longer in the list.
pub(super) async fn glance(aws: &Aws, desired: &Desired) -> Result<Observed, CallError> {
    let look = Look { aws, desired, goal: Goal::Reachable };
    let instances = seen(look.list_instances(look.ours()).await)?;
    let glanced = Observed { instances, ..aws.unseen() };
    let running = glanced.winners(desired).instance.filter(|instance| instance.power == Power::Running);
    let agent = look.agent(running.map(|instance| instance.id.clone())).await?;
    Ok(Observed { agent, ..glanced })
}

/// Whether the instances with our tag are on, in one call.
pub(super) async fn power(aws: &Aws, desired: &Desired) -> Result<Observed, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    let instances = Fact::Present(look.list_instances(look.ours()).await?);
    Ok(Observed { instances, ..aws.unseen() })
}

/// What decides whether an instance may be made now: the VPCs and instances with our tag, and the profile's claim.
pub(super) async fn rivals(aws: &Aws, desired: &Desired) -> Result<Observed, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    let (vpcs, instances, profile) = try_join!(
        look.list_vpcs(look.ours()),
        look.list_instances(look.ours()),
        when(desired.instance_profile.is_none(), look.profile(desired.own_profile_name(), false)),
    )?;
    let (vpcs, instances) = (Fact::Present(vpcs), Fact::Present(instances));
    Ok(Observed { vpcs, instances, profile, ..Observed::unknown(&aws.maker) })
}

/// The last change of a volume, and what it is to lead to.
pub(super) struct LastModification {
    pub(super) modification: Modification,
    /// The size in GiB that it leads to.
    pub(super) target: u32,
    began: Option<SystemTime>,
}

impl LastModification {
    /// When another change may be possible, in words.
    pub(super) fn possible_again(&self, now: SystemTime, too_often: bool) -> Option<String> {
        let began = self.began?;
        let since = now.duration_since(began).unwrap_or_default();
        let minutes = |span: Duration| span.as_secs().div_ceil(60);
        let words = |minutes: u64| match minutes {
            0..=89 => format!("{minutes} min"),
            _ => format!("{} h", minutes.div_ceil(60)),
        };
        if too_often {
            let left = DAY.saturating_sub(since);
            return Some(format!(
                "AWS counts 24 hours back; at the latest it is possible again in {}",
                words(minutes(left))
            ));
        }
        let percent = self.modification.progress;
        let ago = words(since.as_secs() / 60);
        Some(match u64::from(percent) {
            done @ 1..=99 => {
                let left = minutes(since).saturating_mul(100 - done) / done;
                format!(
                    "the last change began {ago} ago and is done to {done} %; at this pace it is over in {}",
                    words(left)
                )
            }
            _ => format!("the last change began {ago} ago; such a change can take up to 24 hours"),
        })
    }
}

/// The last change of this volume, if there was one.
pub(super) async fn last_modification(
    aws: &Aws,
    volume: &VolumeId,
) -> Result<Option<LastModification>, CallError> {
    let call = aws.ec2.describe_volumes_modifications().filters(filter("volume-id", [volume.to_string()]));
    let answer = call.send().await.map_err(ec2("DescribeVolumesModifications"))?;
    let Some(last) = answer.volumes_modifications().first() else { return Ok(None) };
    let modification = parse::modification(last);
    let modification = modification.map_err(|error| garbled("ec2", "DescribeVolumesModifications", error))?;
    let target = last.target_size().and_then(|size| u32::try_from(size).ok()).unwrap_or_default();
    let began = last.start_time().and_then(|time| SystemTime::try_from(*time).ok());
    Ok(Some(LastModification { modification, target, began }))
}

/// The types of this architecture, or of any, and which of them the zone offers, or the region.
pub(super) async fn kinds(
    aws: &Aws,
    architecture: Option<&str>,
    zone: Option<&str>,
) -> Result<Vec<Kind>, CallError> {
    let described = async {
        let call = aws.ec2.describe_instance_types();
        let call = match architecture {
            Some(one) => call.filters(filter("processor-info.supported-architecture", [one.to_owned()])),
            None => call,
        };
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstanceTypes"))
    };
    let offered = async {
        let kind = zone.map_or(LocationType::Region, |_| LocationType::AvailabilityZone);
        let location = zone.map_or_else(|| aws.region().to_string(), ToOwned::to_owned);
        let call = aws.ec2.describe_instance_type_offerings().location_type(kind);
        let pages = call.filters(filter("location", [location])).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstanceTypeOfferings"))
    };
    let (described, offered) = try_join!(described, offered)?;
    let offered: BTreeSet<&str> =
        offered.iter().filter_map(|offering| Some(offering.instance_type()?.as_str())).collect();
    let there =
        |info: &InstanceTypeInfo| info.instance_type().is_some_and(|name| offered.contains(name.as_str()));
    understand("DescribeInstanceTypes", described.iter().map(|info| parse::kind(info, there(info))))
}

/// The snapshots with our tag.
pub(super) async fn snapshots(aws: &Aws, desired: &Desired) -> Result<Vec<Snapshot>, CallError> {
    Look { aws, desired, goal: Goal::Settings }.snapshots().await
}

/// The VPCs with our tag.
pub(super) async fn own_vpcs(aws: &Aws, desired: &Desired) -> Result<Vec<Vpc>, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    look.list_vpcs(look.ours()).await
}

/// An instance profile of ours.
pub(super) async fn own_profile(
    aws: &Aws,
    desired: &Desired,
    name: &str,
) -> Result<Fact<Profile>, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    when(true, look.profile(name.to_owned(), false)).await
}

/// The gateways with our tag.
pub(super) async fn own_gateways(aws: &Aws, desired: &Desired) -> Result<Vec<Gateway>, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    look.list_gateways(vec![look.ours()]).await
}

/// A chain of calls on the heap: together they would be a very large future.
type Chain<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// Looks only when it matters.
fn when<'a, T: Send + 'a>(
    matters: bool,
    look: impl Future<Output = Result<T, CallError>> + Send + 'a,
) -> Chain<'a, Fact<T>> {
    if !matters {
        return Box::pin(async { Ok(Fact::NOT_LOOKED) });
    }
    Box::pin(async move { seen(look.await) })
}

/// The same for what is good to know and decides nothing that is made: what cannot be told is unknown, for whatever reason.
fn besides<'a, T: Send + 'a>(
    matters: bool,
    look: impl Future<Output = Result<T, CallError>> + Send + 'a,
) -> Chain<'a, Fact<T>> {
    Box::pin(async move {
        match when(matters, look).await {
            Err(error) if !matches!(error.kind, CallErrorKind::Credentials(_)) => {
                tracing::debug!(?error, "it cannot be told");
                Ok(Fact::Unknown(Why::Failed(error.code().to_owned())))
            }
            seen => seen,
        }
    })
}

/// What an endpoint tells that may not know the service at all.
async fn if_spoken<T>(look: Chain<'_, Fact<T>>) -> Result<Fact<T>, CallError> {
    match look.await {
        Err(CallError { kind: CallErrorKind::Garbled(words), .. }) => Ok(Fact::Unknown(Why::Failed(words))),
        seen => seen,
    }
}

/// The parts of a network.
struct Network {
    vpcs: Fact<Vec<Vpc>>,
    subnets: Fact<Vec<Subnet>>,
    gateways: Fact<Vec<Gateway>>,
    route_tables: Fact<Vec<RouteTable>>,
    groups: Fact<Vec<Group>>,
}

#[derive(Clone, Copy)]
struct Look<'a> {
    aws: &'a Aws,
    desired: &'a Desired,
    goal: Goal,
}

impl<'a> Look<'a> {
    /// What carries our tag.
    fn ours(self) -> Filter {
        filter(&format!("tag:{TAG_MACHINE}"), [self.desired.key()])
    }

    /// What merely has our name. Filters of one call must all match, so this is a call of its own.
    fn named(self, part: &str) -> Filter {
        filter("tag:Name", [self.desired.name(part)])
    }

    fn is_ours(self, tags: &Tags) -> bool {
        tags.get(TAG_MACHINE).is_some_and(|tag| tag == &self.desired.key())
    }

    /// The instances, their volumes, and whether the machine's agent answers.
    #[expect(clippy::type_complexity, reason = "three facts that one chain finds")]
    fn machine(self, all: bool) -> Chain<'a, (Fact<Vec<Instance>>, Fact<Vec<Volume>>, Fact<()>)> {
        Box::pin(async move {
            let (ours, named, mut volumes) = try_join!(
                when(true, self.list_instances(self.ours())),
                when(true, self.list_instances(self.named("machine"))),
                when(all, self.list_volumes(self.ours())),
            )?;
            let mut known = both(ours, named, |instance| instance.id.clone());
            add(&mut known, Fact::Present(self.aws.spent()));
            let mut seen = Observed { instances: known, ..Observed::unknown("") };
            let agent = match seen.winners(self.desired).instance {
                Some(instance) if instance.power == Power::Running => Some(instance.id.clone()),
                Some(_) | None => None,
            };
            let lost = self.lost_roots(&seen, &volumes);
            let roots = if matches!(self.goal, Goal::Settings | Goal::Replaced) {
                self.roots(&seen)
            } else {
                Vec::new()
            };
            let agent = async {
                if self.goal == Goal::Reachable { self.agent(agent).await } else { Ok(Fact::NOT_LOOKED) }
            };
            let (agent, (), lost, modifications) = try_join!(
                agent,
                self.instance_attributes(&mut seen.instances),
                when(!lost.is_empty(), self.list_volumes(filter("volume-id", lost.clone()))),
                besides(!roots.is_empty(), self.list_modifications(filter("volume-id", roots.clone()))),
            )?;
            if let (Fact::Present(volumes), Fact::Present(lost)) = (&mut volumes, lost) {
                volumes.extend(lost);
            }
            if let Fact::Present(volumes) = &mut volumes {
                for volume in volumes.iter_mut().filter(|volume| roots.contains(&volume.id.to_string())) {
                    volume.modification = match &modifications {
                        Fact::Present(all) => all.get(volume.id.as_str()).cloned().into(),
                        Fact::Absent => Fact::Absent,
                        Fact::Unknown(why) => Fact::Unknown(why.clone()),
                    };
                }
            }
            Ok((seen.instances, volumes, agent))
        })
    }

    async fn list_instances(self, filter: Filter) -> Result<Vec<Instance>, CallError> {
        let pages = self.aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstances"))?;
        let instances = found.iter().flat_map(|reservation| reservation.instances());
        understand("DescribeInstances", instances.map(parse::instance))
    }

    async fn list_volumes(self, filter: Filter) -> Result<Vec<Volume>, CallError> {
        let pages = self.aws.ec2.describe_volumes().filters(filter).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeVolumes"))?;
        understand("DescribeVolumes", found.iter().filter_map(|volume| parse::volume(volume).transpose()))
    }

    /// The last change of each volume that had one.
    async fn list_modifications(self, filter: Filter) -> Result<BTreeMap<String, Modification>, CallError> {
        let call = self.aws.ec2.describe_volumes_modifications().filters(filter);
        let pages = call.into_paginator().items().send();
        let found =
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeVolumesModifications"))?;
        let mut all = BTreeMap::new();
        for modification in &found {
            let parsed = parse::modification(modification);
            let parsed = parsed.map_err(|error| garbled("ec2", "DescribeVolumesModifications", error))?;
            all.extend(modification.volume_id().map(|id| (id.to_owned(), parsed)));
        }
        Ok(all)
    }

    /// Who takes snapshots by the clock: what the settings ask for, or would be left, decides; else it is good to know.
    fn schedule(self) -> Chain<'a, (Fact<Vec<Lifecycle>>, Fact<Role>)> {
        Box::pin(async move {
            let matters = matches!(self.goal, Goal::Settings | Goal::Replaced | Goal::Gone(_));
            let policies = lifecycle::list(self.aws, self.desired);
            let name = self.desired.backup_role_name();
            if self.desired.snapshot_every.is_some() {
                let role = self.role(name, BACKUP_POLICY);
                return try_join!(when(matters, policies), when(matters, role));
            }
            let role = self.role_if_there(name, BACKUP_POLICY);
            match self.goal {
                // An endpoint without this service makes no snapshots either.
                Goal::Gone(_) => try_join!(if_spoken(when(matters, policies)), when(matters, role)),
                Goal::Settings | Goal::Replaced | Goal::Reachable | Goal::Stopped | Goal::Only(_) => {
                    try_join!(besides(matters, policies), besides(matters, role))
                }
            }
        })
    }

    /// Capacity that is held for us.
    async fn reservations(self) -> Result<Vec<Reservation>, CallError> {
        let states = ["active".to_owned(), "pending".to_owned()];
        let call = self.aws.ec2.describe_capacity_reservations().filters(self.ours());
        let call = call.filters(filter("state", states));
        let pages = call.into_paginator().items().send();
        let found =
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeCapacityReservations"))?;
        let held = found.iter().filter_map(|held| parse::reservation(held).transpose());
        understand("DescribeCapacityReservations", held)
    }

    /// What decides how an instance gets its home that waits for one: whether its agent answers, and the snapshots.
    async fn newcomer(self, observed: &mut Observed) -> Result<(), CallError> {
        let winners = observed.winners(self.desired);
        let waits = winners.instance.filter(|instance| plan::awaits_home(instance));
        let Some(new) = winners.successor.or(waits) else {
            observed.newcomer = Fact::Absent;
            return Ok(());
        };
        let running = (new.power == Power::Running).then(|| new.id.clone());
        let known = observed.snapshots.is_known();
        let (agent, snapshots) = try_join!(self.agent(running), when(!known, self.snapshots()))?;
        observed.newcomer = agent;
        if !known {
            observed.snapshots = snapshots;
        }
        Ok(())
    }

    /// The root volumes of our instances.
    fn roots(self, seen: &Observed) -> Vec<String> {
        let ours =
            seen.instances.all().iter().filter(|instance| self.is_ours(&instance.tags) && is_alive(instance));
        ours.filter_map(|instance| instance.root.as_ref()).map(|root| root.id.to_string()).collect()
    }

    /// The root volumes of our instances that a list of what has our tag does not hold: they have lost their tags.
    fn lost_roots(self, seen: &Observed, volumes: &Fact<Vec<Volume>>) -> Vec<String> {
        let is_there = |id: &String| volumes.all().iter().any(|volume| volume.id.as_str() == id);
        self.roots(seen).into_iter().filter(|id| volumes.is_known() && !is_there(id)).collect()
    }

    async fn instance_attributes(self, instances: &mut Fact<Vec<Instance>>) -> Result<(), CallError> {
        let (protected, stops) = match self.goal {
            Goal::Settings | Goal::Replaced => (true, true),
            Goal::Only(_) | Goal::Gone(_) => (true, false),
            Goal::Reachable | Goal::Stopped => (false, false),
        };
        let Fact::Present(instances) = instances else { return Ok(()) };
        let ours = instances.iter_mut().filter(|instance| self.is_ours(&instance.tags) && is_alive(instance));
        let each = ours.map(|instance| async move {
            let id = &instance.id;
            (instance.protected, instance.stops_on_shutdown) =
                try_join!(when(protected, self.protected(id)), when(stops, self.stops_on_shutdown(id)))?;
            forget_missing(&mut instance.protected);
            forget_missing(&mut instance.stops_on_shutdown);
            Ok(())
        });
        try_join_all(each).await.map(|_| ())
    }

    async fn protected(self, id: &InstanceId) -> Result<bool, CallError> {
        let call = self.aws.ec2.describe_instance_attribute().instance_id(id.as_str());
        let call = call.attribute(InstanceAttributeName::DisableApiTermination);
        let answer = call.send().await.map_err(ec2("DescribeInstanceAttribute"))?;
        let value = answer.disable_api_termination().and_then(|attribute| attribute.value());
        value.ok_or_else(|| garbled("ec2", "DescribeInstanceAttribute", "no disableApiTermination"))
    }

    async fn stops_on_shutdown(self, id: &InstanceId) -> Result<bool, CallError> {
        let call = self.aws.ec2.describe_instance_attribute().instance_id(id.as_str());
        let call = call.attribute(InstanceAttributeName::InstanceInitiatedShutdownBehavior);
        let answer = call.send().await.map_err(ec2("DescribeInstanceAttribute"))?;
        let value = answer.instance_initiated_shutdown_behavior().and_then(|attribute| attribute.value());
        let value =
            value.ok_or_else(|| garbled("ec2", "DescribeInstanceAttribute", "no shutdown behaviour"))?;
        Ok(value == "stop")
    }

    /// Whether SSM has a line to the agent of an instance that is on. SSM may be missing from the endpoint: then nobody
    /// knows, and the look has not failed.
    async fn agent(self, running: Option<InstanceId>) -> Result<Fact<()>, CallError> {
        let Some(id) = running else { return Ok(Fact::Absent) };
        let error = match self.aws.ssm.get_connection_status().target(id.as_str()).send().await {
            Ok(answer) => {
                let connected = answer.status().is_some_and(|status| status.as_str() == "connected");
                return Ok(connected.then_some(()).into());
            }
            Err(error) => call_error("ssm", "GetConnectionStatus", &error),
        };
        tracing::debug!(?error, "SSM cannot tell about the agent");
        match &error.kind {
            CallErrorKind::Credentials(_) | CallErrorKind::Here(_) => Err(error),
            CallErrorKind::Service { .. } if error.is_denied() => {
                Ok(Fact::Unknown(Why::Denied(error.action())))
            }
            CallErrorKind::Service { code, message } => {
                Ok(Fact::Unknown(Why::Failed(format!("{code}: {message}"))))
            }
            CallErrorKind::Timeout => Ok(Fact::Unknown(Why::Failed("no answer in time".to_owned()))),
            CallErrorKind::Unreachable { why: words, .. } | CallErrorKind::Garbled(words) => {
                Ok(Fact::Unknown(Why::Failed(words.clone())))
            }
        }
    }

    /// The network: what is ours, the company's subnet, and what stands in our way.
    fn network(self, all: bool, makes: bool) -> Chain<'a, Network> {
        Box::pin(async move {
            let company = self.desired.subnet.as_ref().filter(|_| makes).map(ToString::to_string);
            // A filter finds nothing where an id that is not there would be an error.
            let of_company = |name: &str| vec![filter(name, company.clone())];
            let (ours, named, subnets, given, way_out, gateways, route_tables, groups) = try_join!(
                when(all, self.list_vpcs(self.ours())),
                when(all, self.list_vpcs(self.named("vpc"))),
                when(all, self.list_subnets(vec![self.ours()])),
                when(company.is_some(), self.list_subnets(of_company("subnet-id"))),
                when(company.is_some(), self.way_out(of_company("association.subnet-id"))),
                when(all, self.list_gateways(vec![self.ours()])),
                when(all, self.list_route_tables(vec![self.ours()])),
                when(all, self.list_groups(vec![self.ours()])),
            )?;
            let subnets =
                if company.is_some() { both(given, subnets, |subnet| subnet.id.clone()) } else { subnets };
            let vpcs = both(ours, named, |vpc| vpc.id.clone());
            let mut network = Network { vpcs, subnets, gateways, route_tables, groups };
            if makes {
                self.look_closer(&mut network, way_out).await?;
            }
            Ok(network)
        })
    }

    /// The second round: what only ids can ask for.
    async fn look_closer(
        self,
        network: &mut Network,
        way_out: Fact<Option<Fact<WayOut>>>,
    ) -> Result<(), CallError> {
        let open = network.groups.all().iter().filter(|group| !group.inbound.is_empty());
        let open: Vec<String> = open.map(|group| group.id.to_string()).collect();
        let given =
            network.subnets.all().iter().find(|subnet| Some(&subnet.id) == self.desired.subnet.as_ref());
        // A subnet without a route table of its own uses the main one of its VPC.
        // Source: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html
        let main = given.filter(|_| way_out == Fact::Present(None)).map(|subnet| subnet.vpc.to_string());
        let main_table =
            vec![filter("vpc-id", main.clone()), filter("association.main", ["true".to_owned()])];
        let strange = Strange::of(self, network);
        let named = |part: &str, vpcs: &[String]| vec![filter("vpc-id", vpcs.to_vec()), self.named(part)];
        let attached = vec![filter("attachment.vpc-id", strange.gateways.clone())];
        let used = vec![filter("association.subnet-id", strange.route_tables.clone())];

        let ((), inbound, main_way_out, subnets, gateways, route_tables, groups) = try_join!(
            self.vpc_attributes(&mut network.vpcs),
            when(!open.is_empty(), self.list_inbound(filter("group-id", open.clone()))),
            when(main.is_some(), self.way_out(main_table)),
            when(!strange.subnets.is_empty(), self.list_subnets(named("subnet", &strange.subnets))),
            when(!strange.gateways.is_empty(), self.list_gateways(attached)),
            when(!strange.route_tables.is_empty(), self.list_route_tables(used)),
            when(!strange.groups.is_empty(), self.list_groups(named("group", &strange.groups))),
        )?;
        if let Fact::Present(all) = &mut network.subnets {
            for subnet in all.iter_mut().filter(|subnet| Some(&subnet.id) == self.desired.subnet.as_ref()) {
                let known = if main.is_some() { &main_way_out } else { &way_out };
                subnet.way_out = match known {
                    Fact::Present(table) => table.clone().unwrap_or_default(),
                    Fact::Absent => Fact::Absent,
                    Fact::Unknown(why) => Fact::Unknown(why.clone()),
                };
            }
        }
        match (&mut network.groups, inbound) {
            (Fact::Present(all), Fact::Present(inbound)) => {
                for group in all {
                    let of_group = inbound.iter().filter(|(id, _)| id == &group.id);
                    group.inbound = of_group.map(|(_, rule)| rule.clone()).collect();
                }
            }
            (groups, Fact::Unknown(why)) if !open.is_empty() => *groups = Fact::Unknown(why),
            (Fact::Present(_) | Fact::Absent | Fact::Unknown(_), _) => {}
        }
        add(&mut network.subnets, subnets);
        add(&mut network.gateways, gateways);
        add(&mut network.route_tables, route_tables);
        add(&mut network.groups, groups);
        Ok(())
    }

    async fn list_vpcs(self, filter: Filter) -> Result<Vec<Vpc>, CallError> {
        let pages = self.aws.ec2.describe_vpcs().filters(filter).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeVpcs"))?;
        understand("DescribeVpcs", found.iter().map(parse::vpc))
    }

    async fn vpc_attributes(self, vpcs: &mut Fact<Vec<Vpc>>) -> Result<(), CallError> {
        let Fact::Present(vpcs) = vpcs else { return Ok(()) };
        let each = vpcs.iter_mut().filter(|vpc| self.is_ours(&vpc.tags)).map(|vpc| async move {
            (vpc.dns_support, vpc.dns_hostnames) = try_join!(
                when(true, self.vpc_attribute(&vpc.id, VpcAttributeName::EnableDnsSupport)),
                when(true, self.vpc_attribute(&vpc.id, VpcAttributeName::EnableDnsHostnames)),
            )?;
            forget_missing(&mut vpc.dns_support);
            forget_missing(&mut vpc.dns_hostnames);
            Ok(())
        });
        try_join_all(each).await.map(|_| ())
    }

    async fn vpc_attribute(self, id: &VpcId, name: VpcAttributeName) -> Result<bool, CallError> {
        let call = self.aws.ec2.describe_vpc_attribute().vpc_id(id.as_str()).attribute(name);
        let answer = call.send().await.map_err(ec2("DescribeVpcAttribute"))?;
        // An answer holds the attribute that was asked for, and no other.
        let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
        let value = value.and_then(|attribute| attribute.value());
        value.ok_or_else(|| garbled("ec2", "DescribeVpcAttribute", "no attribute"))
    }

    async fn list_subnets(self, filters: Vec<Filter>) -> Result<Vec<Subnet>, CallError> {
        let pages =
            self.aws.ec2.describe_subnets().set_filters(Some(filters)).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSubnets"))?;
        understand("DescribeSubnets", found.iter().map(parse::subnet))
    }

    async fn list_gateways(self, filters: Vec<Filter>) -> Result<Vec<Gateway>, CallError> {
        let call = self.aws.ec2.describe_internet_gateways().set_filters(Some(filters));
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInternetGateways"))?;
        understand("DescribeInternetGateways", found.iter().map(parse::gateway))
    }

    async fn list_route_tables(self, filters: Vec<Filter>) -> Result<Vec<RouteTable>, CallError> {
        let call = self.aws.ec2.describe_route_tables().set_filters(Some(filters));
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeRouteTables"))?;
        understand("DescribeRouteTables", found.iter().map(parse::route_table))
    }

    /// The way out that a route table gives; `None` when the filters find no table.
    async fn way_out(self, filters: Vec<Filter>) -> Result<Option<Fact<WayOut>>, CallError> {
        let call = self.aws.ec2.describe_route_tables().set_filters(Some(filters));
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeRouteTables"))?;
        Ok(found.first().map(|table| parse::way_out(table).into()))
    }

    /// Groups. One that lets something in has a rule without id: [`Self::list_inbound`] knows them all.
    async fn list_groups(self, filters: Vec<Filter>) -> Result<Vec<Group>, CallError> {
        let call = self.aws.ec2.describe_security_groups().set_filters(Some(filters));
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSecurityGroups"))?;
        understand("DescribeSecurityGroups", found.iter().map(parse::group))
    }

    async fn list_inbound(self, filter: Filter) -> Result<Vec<(GroupId, Rule)>, CallError> {
        let pages =
            self.aws.ec2.describe_security_group_rules().filters(filter).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSecurityGroupRules"))?;
        let inbound = found.iter().filter(|rule| rule.is_egress() == Some(false));
        understand("DescribeSecurityGroupRules", inbound.map(parse::rule))
    }

    /// Role and instance profile.
    fn identity(self, matters: bool) -> Chain<'a, (Fact<Role>, Fact<Profile>)> {
        Box::pin(async move {
            let own = || async {
                let role = when(matters, self.role(self.desired.role_name(), DENY_POLICY));
                let profile = when(matters, self.profile(self.desired.own_profile_name(), false));
                try_join!(role, profile)
            };
            let Some(given) = &self.desired.instance_profile else { return own().await };
            let profile = when(matters, self.profile(given.to_string(), true)).await?;
            let adopted = profile.present().filter(|profile| self.is_ours(&profile.tags));
            match (adopted.and_then(|profile| profile.role.clone()), self.goal) {
                (Some(role), _) => Ok((when(true, self.role(role, DENY_POLICY)).await?, profile)),
                // Nothing of the company's is ever taken away.
                (None, Goal::Gone(_)) => own().await,
                (None, Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_)) => {
                    Ok((Fact::NOT_LOOKED, profile))
                }
            }
        })
    }

    /// The role, with the document of its inline policy `own`.
    async fn role(self, name: String, own: &'static str) -> Result<Role, CallError> {
        Ok(self.role_with_trust(name, own).await?.0)
    }

    /// The same for one that is most likely not there: one call then.
    async fn role_if_there(self, name: String, own: &'static str) -> Result<Role, CallError> {
        self.aws.iam.get_role().role_name(&name).send().await.map_err(iam("GetRole"))?;
        self.role(name, own).await
    }

    /// The same, and its trust policy as IAM answers it.
    async fn role_with_trust(self, name: String, own: &'static str) -> Result<(Role, String), CallError> {
        let role = async { self.aws.iam.get_role().role_name(&name).send().await.map_err(iam("GetRole")) };
        let (role, managed, names, document) =
            join!(role, self.managed_policies(&name), self.inline_policies(&name), self.document(&name, own));
        // What could not be seen whole is not made anew: a denial counts for more than an absence.
        let errors =
            [role.as_ref().err(), managed.as_ref().err(), names.as_ref().err(), document.as_ref().err()];
        if let Some(error) = errors.into_iter().flatten().find(|error| !error.is_missing()) {
            return Err(error.clone());
        }
        let (role, managed, names, document) = (role?, managed?, names?, document?);
        // Of the other inline policies the name is all that anybody asks for.
        let mut inline: BTreeMap<String, serde_json::Value> =
            names.into_iter().map(|name| (name, serde_json::Value::Null)).collect();
        inline.extend(document.map(|document| (own.to_owned(), document)));
        let tags = role.role().map(|role| parse::iam_tags(role.tags())).unwrap_or_default();
        let trust = role.role().and_then(|role| role.assume_role_policy_document()).unwrap_or_default();
        Ok((Role { name, tags, managed, inline }, trust.to_owned()))
    }

    async fn managed_policies(self, role: &str) -> Result<BTreeSet<String>, CallError> {
        let pages =
            self.aws.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(iam("ListAttachedRolePolicies"))?;
        Ok(found.into_iter().filter_map(|policy| policy.policy_arn).collect())
    }

    async fn inline_policies(self, role: &str) -> Result<Vec<String>, CallError> {
        let pages = self.aws.iam.list_role_policies().role_name(role).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(iam("ListRolePolicies"))
    }

    /// The document of an inline policy, when the role has it.
    async fn document(self, role: &str, policy: &str) -> Result<Option<serde_json::Value>, CallError> {
        let call = self.aws.iam.get_role_policy().role_name(role).policy_name(policy);
        match call.send().await.map_err(iam("GetRolePolicy")) {
            Ok(answer) => {
                let document = parse::document(answer.policy_document());
                document.map(Some).map_err(|e| garbled("iam", "GetRolePolicy", e))
            }
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The instance profile; where it may be the company's, with the policies of its role.
    async fn profile(self, name: String, given: bool) -> Result<Profile, CallError> {
        let call = self.aws.iam.get_instance_profile().instance_profile_name(&name);
        let answer = call.send().await.map_err(iam("GetInstanceProfile"))?;
        let profile = answer.instance_profile();
        let profile = profile.ok_or_else(|| garbled("iam", "GetInstanceProfile", "no instance profile"))?;
        let role = profile.roles().first().map(|role| role.role_name().to_owned());
        let managed = match role.as_ref().filter(|_| given) {
            Some(role) => seen(self.managed_policies(role).await)?,
            None => Fact::NOT_LOOKED,
        };
        Ok(Profile { name, tags: parse::iam_tags(profile.tags()), role, managed })
    }

    async fn snapshots(self) -> Result<Vec<Snapshot>, CallError> {
        let call = self.aws.ec2.describe_snapshots().owner_ids("self").filters(self.ours());
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSnapshots"))?;
        understand("DescribeSnapshots", found.iter().map(parse::snapshot))
    }

    /// The instance type, its alternates, and the image for it.
    #[expect(clippy::type_complexity, reason = "three facts that one chain finds")]
    fn market(self, matters: bool) -> Chain<'a, (Fact<Offer>, Fact<Vec<Offer>>, Fact<Image>)> {
        Box::pin(async move {
            let alternates = matters && !self.desired.alternates.is_empty();
            let (offer, alternates, images) = try_join!(
                when(matters, self.offer(&self.desired.instance_type)),
                when(alternates, self.alternates()),
                when(matters, self.images()),
            )?;
            let offer = flat(offer);
            let image = match (&offer, images) {
                (Fact::Present(offer), Fact::Present(images)) => Arch::from_ec2(&offer.architecture)
                    .and_then(|arch| image::newest_stable(&images, arch))
                    .into(),
                (Fact::Unknown(_), Fact::Present(_)) => Fact::NOT_LOOKED,
                (Fact::Absent, Fact::Present(_)) | (_, Fact::Absent) => Fact::Absent,
                (_, Fact::Unknown(why)) => Fact::Unknown(why),
            };
            Ok((offer, alternates, image))
        })
    }

    /// Those of the alternates that the region has, in their order.
    async fn alternates(self) -> Result<Vec<Offer>, CallError> {
        let all = self.desired.alternates.iter().map(|alternate| self.offer(alternate));
        Ok(try_join_all(all).await?.into_iter().flatten().collect())
    }

    /// The instance type and the zones that offer it; `None` when the region does not have it.
    async fn offer(self, instance_type: &InstanceType) -> Result<Option<Offer>, CallError> {
        let (info, mut zones) = try_join!(self.instance_type(instance_type), self.zones(instance_type))?;
        if self.desired.subnet.is_none() {
            zones.retain(|zone| parse::is_plain_zone(&self.desired.region, zone));
        }
        let offer = info.map(|info| parse::offer(instance_type, &info, zones)).transpose();
        offer.map_err(|e| garbled("ec2", "DescribeInstanceTypes", e))
    }

    async fn instance_type(
        self,
        instance_type: &InstanceType,
    ) -> Result<Option<InstanceTypeInfo>, CallError> {
        let instance_type = instance_type.as_str().into();
        let pages = self
            .aws
            .ec2
            .describe_instance_types()
            .instance_types(instance_type)
            .into_paginator()
            .items()
            .send();
        match pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstanceTypes")) {
            Ok(mut found) => Ok(found.pop()),
            Err(error) if error.code() == "InvalidInstanceType" => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn zones(self, instance_type: &InstanceType) -> Result<BTreeSet<String>, CallError> {
        let call =
            self.aws.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
        let call = call.filters(filter("instance-type", [instance_type.to_string()]));
        let pages = call.into_paginator().items().send();
        let found =
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstanceTypeOfferings"))?;
        Ok(found.into_iter().filter_map(|offering| offering.location).collect())
    }

    /// The official NixOS images for both architectures: which one is needed, another call is finding out meanwhile.
    async fn images(self) -> Result<Vec<Candidate>, CallError> {
        let call = self
            .aws
            .ec2
            .describe_images()
            .owners(image::OWNER)
            .filters(filter("name", [image::NAMES.to_owned()]));
        let both = [Arch::Arm64, Arch::X86_64].map(|arch| arch.as_str().to_owned());
        let call = call.filters(filter("architecture", both));
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeImages"))?;
        understand("DescribeImages", found.iter().filter_map(|image| parse::image(image).transpose()))
    }
}

/// Where to look for what others have put in our way: EC2 takes neither a second subnet with the same addresses, nor a
/// second gateway, nor a second table for a subnet, nor a second group of a name. What is whole needs no such look.
struct Strange {
    /// VPCs without a subnet of ours.
    subnets: Vec<String>,
    /// Our VPCs without a gateway of ours.
    gateways: Vec<String>,
    /// Our subnets without a route table of ours.
    route_tables: Vec<String>,
    /// VPCs without a group of ours.
    groups: Vec<String>,
}

impl Strange {
    fn of(look: Look<'_>, network: &Network) -> Self {
        let own = network.vpcs.all().iter().filter(|vpc| look.is_ours(&vpc.tags)).map(|vpc| &vpc.id);
        let own: Vec<&VpcId> = own.filter(|_| look.desired.subnet.is_none()).collect();
        let subnets = || network.subnets.all().iter();
        let given =
            subnets().filter(|subnet| Some(&subnet.id) == look.desired.subnet.as_ref()).map(|s| &s.vpc);
        let groups = own.iter().copied().chain(given);
        let serves =
            |subnet: &&Subnet| network.route_tables.all().iter().any(|table| table.serves(&subnet.id));
        let lacks = |vpcs: &[&VpcId], has: &dyn Fn(&VpcId) -> bool| -> Vec<String> {
            vpcs.iter().filter(|vpc| !has(vpc)).map(ToString::to_string).collect()
        };
        Self {
            subnets: lacks(&own, &|vpc| subnets().any(|subnet| &subnet.vpc == vpc)),
            gateways: lacks(&own, &|vpc| network.gateways.all().iter().any(|g| g.vpc.as_ref() == Some(vpc))),
            route_tables: subnets()
                .filter(|subnet| look.is_ours(&subnet.tags) && !serves(subnet))
                .map(|subnet| subnet.id.to_string())
                .collect(),
            groups: lacks(&groups.collect::<Vec<_>>(), &|vpc| {
                network.groups.all().iter().any(|g| &g.vpc == vpc)
            }),
        }
    }
}

/// A filter matches any of its values.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>
pub(super) fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

fn understand<T>(
    operation: &'static str,
    things: impl Iterator<Item = Result<T, Garbled>>,
) -> Result<Vec<T>, CallError> {
    things.collect::<Result<_, _>>().map_err(|error| garbled("ec2", operation, error))
}

/// Two looks at the same kind of thing as one, without repetitions.
fn both<T, Id: Ord>(first: Fact<Vec<T>>, second: Fact<Vec<T>>, id: impl Fn(&T) -> Id) -> Fact<Vec<T>> {
    match (first, second) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why),
        (Fact::Present(first), Fact::Present(second)) => {
            let mut all = BTreeMap::new();
            for thing in first.into_iter().chain(second) {
                all.entry(id(&thing)).or_insert(thing);
            }
            Fact::Present(all.into_values().collect())
        }
        (Fact::Present(things), Fact::Absent) | (Fact::Absent, Fact::Present(things)) => {
            Fact::Present(things)
        }
        (Fact::Absent, Fact::Absent) => Fact::Absent,
    }
}

/// Adds what a further look at others' things found.
fn add<T: PartialEq>(known: &mut Fact<Vec<T>>, more: Fact<Vec<T>>) {
    if let (Fact::Present(known), Fact::Present(more)) = (known, more) {
        for thing in more {
            if !known.contains(&thing) {
                known.push(thing);
            }
        }
    }
}

fn is_alive(instance: &Instance) -> bool {
    !matches!(instance.power, Power::ShuttingDown | Power::Terminated)
}

/// What went away between the list and the question has no attribute to know.
fn forget_missing(attribute: &mut Fact<bool>) {
    if *attribute == Fact::Absent {
        *attribute = Fact::NOT_LOOKED;
    }
}

fn flat<T>(fact: Fact<Option<T>>) -> Fact<T> {
    match fact {
        Fact::Present(thing) => thing.into(),
        Fact::Absent => Fact::Absent,
        Fact::Unknown(why) => Fact::Unknown(why),
    }
}
