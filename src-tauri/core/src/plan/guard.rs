//! What forbids a plan, and what the user should know about it.

use serde::Serialize;

use super::remove::serves_stranger;
use super::winners::is_ours;
use super::{
    Arch, Desired, Fact, Goal, Instance, Observed, Owner, Power, Step, TAG_MAKER, TAG_OWNER, Tags, VpcId,
    Why, Winners,
};
use super::{replace, resize, schedule};
use crate::machine::TAG_COPY;
use crate::names::PolicyId;

/// Something that forbids every step. Nothing has been changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the things that the variant names")]
pub enum Blocked {
    /// The account does not let us look at something that decides.
    CannotSee { what: &'static str, why: Why },
    /// Something of the machine belongs to somebody else.
    OtherOwner { resource: String, owner: Option<Owner>, caller: Owner },
    /// Something has our name but not our tag.
    Foreign { what: &'static str, resource: String, name: String },
    /// Several instances carry the machine's tag.
    SeveralInstances { instances: Vec<String> },
    /// The region does not offer the type.
    NoSuchType,
    /// No zone of the region offers the type.
    NoZone,
    /// There is no NixOS image for the type's architecture.
    NoImage { architecture: String },
    /// The volume cannot hold the image.
    VolumeTooSmall { least: u32 },
    /// The settings name a subnet that is not there.
    NoSubnet { subnet: String },
    /// Nothing leads out of the subnet, so the agent could not call SSM.
    NoWayOut { subnet: String },
    /// The subnet's zone does not offer the type.
    TypeNotInZone { zone: String },
    /// The wanted type has another architecture than the machine.
    OtherArchitecture { is: String, wanted: String },
    /// A dry run was refused for something that a change of the type needs.
    MayNotResize { actions: Vec<String> },
    /// The account's quota has no room for so many more vCPUs.
    Quota { limit: u32, used: u32, more: u32 },
    /// The machine has no such snapshot, or none that is whole.
    NoSnapshot { snapshot: String },
    /// AWS has no machine of the type free.
    NoCapacity { instance_type: String },
    /// No addresses of the network are free for a subnet in another zone.
    NoAddresses { vpc: String },
    /// The settings name an instance profile that is not there.
    NoProfile { profile: String },
    /// The instance profile has no role.
    ProfileWithoutRole { profile: String },
}

/// Something that the user should know; it forbids nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the things that the variant names")]
pub enum Note {
    /// The instance has another type than the settings say, and AWS has none of that one free.
    NoCapacity { is: String },
    /// Something that another installation of Holdfast made twice; that one will take it away.
    Duplicate { resource: String },
    /// The company's instance profile lacks the managed policy.
    ManagedPolicyMissing { profile: String },
    /// An instance that was replaced and is kept.
    KeptInstance { instance: String },
    /// A replacement was begun, and is not over.
    Replacing { instance: String, by: String },
    /// An instance was to be given the home of another, of which nothing is left.
    HomeLost { instance: String },
    /// A volume that was kept when its instance was destroyed.
    KeptVolume { volume: String, size: u32 },
    /// The instance lives in another network than the settings ask for, and stays there.
    NetworkDiffers { is: String },
    /// The instance has another instance profile than the settings say, or none: its agent may not reach SSM.
    ProfileDiffers { is: Option<String> },
    /// The machine is in another zone than the settings say, and stays there until it is replaced.
    ZoneDiffers { is: String },
    /// Nobody could see whether snapshots are taken by the clock.
    ScheduleUnseen,
    /// A gateway of ours that somebody attached to another network. It is left alone.
    GatewayElsewhere { gateway: String, network: String },
}

impl Note {
    /// The note as a text that goes on after a colon.
    pub fn words(&self, desired: &Desired) -> String {
        match self {
            Self::NoCapacity { is } => {
                format!("AWS has no {} free just now; the machine is {is}.", desired.instance_type)
            }
            Self::Duplicate { resource } => {
                format!("{resource} was made twice, by another computer; Holdfast there will remove it.")
            }
            Self::ManagedPolicyMissing { profile } => format!(
                "the instance profile {profile} lacks AmazonSSMManagedInstanceCore; unless another policy of it lets the \
                 agent talk to SSM, the machine cannot be reached."
            ),
            Self::KeptInstance { instance } => format!(
                "{instance} was replaced and is kept, off, with its volume, which costs on. Let it go: holdfast replace --let-go"
            ),
            Self::Replacing { instance, by } => format!(
                "{by} is to take the place of {instance}. Go on: holdfast replace; or take it back: holdfast replace --cancel"
            ),
            Self::HomeLost { instance } => {
                format!("{instance} was to be given the home of another instance, of which nothing is left.")
            }
            Self::KeptVolume { volume, size } => {
                format!("{volume} ({size} GiB) was kept when its instance went, and costs on.")
            }
            Self::NetworkDiffers { is } => {
                format!(
                    "the instance is in {is}, the settings ask for another network. It stays where it is."
                )
            }
            Self::ProfileDiffers { is } => format!(
                "the instance has {}, the settings say {}; its agent may not reach SSM.{}",
                is.as_ref().map_or_else(
                    || "no instance profile".to_owned(),
                    |is| format!("the instance profile {is}")
                ),
                desired.profile_name(),
                is.as_ref().map_or_else(String::new, |is| format!(
                    " If that is as it should be: holdfast settings set instance_profile {is}"
                ))
            ),
            Self::ZoneDiffers { is } => format!(
                "the machine is in {is}, the settings say {}. Move it: holdfast replace",
                desired.zone.as_ref().map(ToString::to_string).unwrap_or_default()
            ),
            Self::ScheduleUnseen => {
                "the account does not let us look whether snapshots are taken by the clock; if they are, that goes on."
                    .to_owned()
            }
            Self::GatewayElsewhere { gateway, network } => {
                format!(
                    "{gateway} is the machine's, but attached to {network}, which is not. It is left alone."
                )
            }
        }
    }
}

pub(super) fn blocked(
    desired: &Desired,
    observed: &Observed,
    winners: &Winners<'_>,
    goal: Goal,
) -> Vec<Blocked> {
    let mut blocked = unseen(desired, observed, winners, goal);
    if !blocked.is_empty() {
        return blocked;
    }
    blocked.extend(other_owner(desired, observed));
    let creates = match goal {
        Goal::Settings | Goal::Replaced => true,
        Goal::Reachable => winners.instance.is_none(),
        Goal::Stopped | Goal::Only(_) | Goal::Gone(_) => false,
    };
    if !matches!(goal, Goal::Gone(_)) {
        blocked.extend(several_instances(desired, observed));
    }
    if creates {
        blocked.extend(foreign(desired, observed, winners));
        blocked.extend(company(desired, observed));
        if winners.instance.is_none() || replace::is_to_begin(observed, winners, goal) {
            blocked.extend(offer(desired, observed, winners));
            let landing = winners.vpc.filter(|_| winners.landing.is_none());
            let full = landing.filter(|vpc| super::free_addresses(observed, vpc).is_none());
            blocked.extend(full.map(|vpc| Blocked::NoAddresses { vpc: vpc.id.to_string() }));
        }
        if !replace::is_due(observed, winners, goal) {
            blocked.extend(resize::blocked(desired, observed, winners));
        }
        blocked.extend(replace::blocked(desired, observed, winners, goal));
    }
    blocked
}

/// A fact that decides what is made must be known.
fn unseen(desired: &Desired, observed: &Observed, winners: &Winners<'_>, goal: Goal) -> Vec<Blocked> {
    fn see<T>(what: &'static str, fact: &Fact<T>) -> Option<Blocked> {
        if let Fact::Unknown(why) = fact { Some(Blocked::CannotSee { what, why: why.clone() }) } else { None }
    }
    let mut unseen: Vec<Blocked> = Vec::new();
    unseen.extend(see("who you are", &observed.caller));
    unseen.extend(see("instances", &observed.instances));
    let power_only = match goal {
        Goal::Stopped => true,
        Goal::Reachable => winners.instance.is_some(),
        Goal::Settings | Goal::Replaced | Goal::Only(_) | Goal::Gone(_) => false,
    };
    let on = winners.instance.is_some_and(|instance| instance.power == Power::Running);
    if let (Goal::Reachable, true, Fact::Unknown(why @ Why::Denied(_))) = (goal, on, &observed.agent) {
        // Waiting would not help.
        unseen.push(Blocked::CannotSee { what: "the machine's agent", why: why.clone() });
    }
    if !power_only {
        unseen.extend(see("VPCs", &observed.vpcs));
        unseen.extend(see("subnets", &observed.subnets));
        unseen.extend(see("internet gateways", &observed.gateways));
        unseen.extend(see("route tables", &observed.route_tables));
        unseen.extend(see("security groups", &observed.groups));
        unseen.extend(see("volumes", &observed.volumes));
        unseen.extend(see("the instance profile", &observed.profile));
        if desired.instance_profile.is_none() {
            unseen.extend(see("the role", &observed.role));
        }
    }
    if matches!(goal, Goal::Settings | Goal::Replaced) && desired.snapshot_every.is_some() {
        unseen.extend(see("the schedule of snapshots", &observed.lifecycles));
        unseen.extend(see("the role for snapshots", &observed.backup_role));
    }
    if let Goal::Gone(leave) = goal
        && leave.snapshot
    {
        unseen.extend(see("snapshots", &observed.snapshots));
    }
    if goal == Goal::Settings {
        unseen.extend(denied_details(winners));
    }
    unseen
}

/// What only a closer look tells, and must tell before anybody may say that all is as the settings want it.
fn denied_details(winners: &Winners<'_>) -> Option<Blocked> {
    let network = "the network's DNS";
    let vpc = winners.vpc.and_then(|v| denied(network, &v.dns_support).or(denied(network, &v.dns_hostnames)));
    vpc.or_else(|| {
        let instance = winners.instance?;
        denied("the instance's protection", &instance.protected)
            .or(denied("what powering off does", &instance.stops_on_shutdown))
    })
}

fn denied<T>(what: &'static str, fact: &Fact<T>) -> Option<Blocked> {
    match fact {
        Fact::Unknown(why @ Why::Denied(_)) => Some(Blocked::CannotSee { what, why: why.clone() }),
        Fact::Unknown(Why::NotLooked | Why::Failed(_)) | Fact::Absent | Fact::Present(_) => None,
    }
}

/// The first thing of the machine that somebody else made. One is enough: nothing is done then.
fn other_owner(desired: &Desired, observed: &Observed) -> Option<Blocked> {
    let caller = observed.caller.present()?;
    let (thing, tags) = strangers(desired, observed, caller).next()?;
    let resource = match thing {
        Thing::Ec2(id) => id.to_owned(),
        Thing::Role(name) | Thing::Profile(name) => name.to_owned(),
        Thing::Lifecycle(policy) => policy.to_string(),
    };
    Some(Blocked::OtherOwner { resource, owner: owner(tags), caller: caller.clone() })
}

/// Makes the caller the owner of everything that carries the machine's tag.
pub(super) fn take_over(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let Some(caller) = observed.caller.present() else { return Vec::new() };
    let tags = Tags::from([(TAG_OWNER.to_owned(), caller.to_string())]);
    let (mut resources, mut steps) = (Vec::new(), Vec::new());
    for (thing, _) in strangers(desired, observed, caller) {
        match thing {
            Thing::Ec2(id) => resources.push(id.to_owned()),
            Thing::Role(role) => steps.push(Step::TagRole { role: role.to_owned(), tags: tags.clone() }),
            Thing::Lifecycle(policy) => {
                steps.push(Step::TagLifecycle { policy: policy.clone(), tags: tags.clone() });
            }
            Thing::Profile(profile) => {
                steps.push(Step::TagProfile { profile: profile.to_owned(), tags: tags.clone() });
            }
        }
    }
    if !resources.is_empty() {
        steps.push(Step::Tag { resources, tags });
    }
    steps
}

/// Something that carries tags.
#[derive(Clone, Copy)]
enum Thing<'a> {
    Ec2(&'a str),
    Role(&'a str),
    Profile(&'a str),
    Lifecycle(&'a PolicyId),
}

fn owner(tags: &Tags) -> Option<Owner> {
    tags.get(TAG_OWNER).map(|tag| Owner::from_tag(tag))
}

/// Everything that carries the machine's tag and belongs to somebody else.
fn strangers<'a>(
    desired: &Desired,
    observed: &'a Observed,
    caller: &'a Owner,
) -> impl Iterator<Item = (Thing<'a>, &'a Tags)> {
    let key = desired.key();
    let alive = observed.instances.all().iter().filter(|i| i.power != Power::Terminated);
    let ec2 = (observed.vpcs.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(observed.subnets.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(observed.gateways.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(observed.route_tables.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(observed.groups.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(alive.map(|r| (r.id.as_str(), &r.tags)))
        .chain(observed.volumes.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .map(|(id, tags)| (Thing::Ec2(id), tags));
    let roles = observed.role.present().into_iter().chain(observed.backup_role.present());
    let roles = roles.map(|role| (Thing::Role(&role.name), &role.tags));
    let policies = observed.lifecycles.all().iter().map(|p| (Thing::Lifecycle(&p.id), &p.tags));
    let profile = observed.profile.present();
    let profile = profile.map(|profile| (Thing::Profile(&profile.name), &profile.tags));
    let all = ec2.chain(roles).chain(profile).chain(policies);
    all.filter(move |(_, tags)| is_ours(&key, tags) && owner(tags).as_ref() != Some(caller))
}

fn several_instances(desired: &Desired, observed: &Observed) -> Option<Blocked> {
    let key = desired.key();
    let going = |power| matches!(power, Power::ShuttingDown | Power::Terminated);
    let alive = observed.instances.all().iter().filter(|i| is_ours(&key, &i.tags) && !going(i.power));
    let alive = alive.filter(|i| !replace::is_retired(observed, i));
    // One may be on its way into the place of another.
    let (coming, here): (Vec<_>, Vec<_>) = alive.partition(|i| replace::is_successor(observed, i));
    let ids = |all: Vec<&Instance>| all.into_iter().map(|i| i.id.to_string()).collect::<Vec<_>>();
    let several = [ids(here), ids(coming)].into_iter().find(|instances| instances.len() > 1);
    several.map(|instances| Blocked::SeveralInstances { instances })
}

/// Things with our names that are not ours, where we would have to make our own beside them.
fn foreign(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> Vec<Blocked> {
    let key = desired.key();
    let named = |tags: &Tags, part: &str| {
        !is_ours(&key, tags) && tags.get("Name").is_some_and(|name| name == &desired.name(part))
    };
    let mut found = Vec::new();
    if winners.vpc.is_none() && desired.subnet.is_none() {
        found.extend(observed.vpcs.all().iter().filter(|v| named(&v.tags, "vpc")).map(|vpc| {
            Blocked::Foreign { what: "VPC", resource: vpc.id.to_string(), name: desired.name("vpc") }
        }));
    }
    if let Some(vpc) = winners.network() {
        // What would stand in the way of our own: EC2 takes neither a second group of a name, nor a second subnet with the
        // same addresses, nor a second gateway.
        let here = |id: &VpcId, tags: &Tags, part: &str| id == vpc && named(tags, part);
        if winners.group.is_none() {
            let groups = observed.groups.all().iter().filter(|g| here(&g.vpc, &g.tags, "group"));
            found.extend(groups.map(|group| Blocked::Foreign {
                what: "security group",
                resource: group.id.to_string(),
                name: desired.name("group"),
            }));
        }
        if winners.subnet.is_none() {
            let subnets = observed.subnets.all().iter().filter(|s| here(&s.vpc, &s.tags, "subnet"));
            found.extend(subnets.map(|subnet| Blocked::Foreign {
                what: "subnet",
                resource: subnet.id.to_string(),
                name: desired.name("subnet"),
            }));
        }
        if desired.subnet.is_none() {
            let gateways = observed.gateways.all().iter();
            let gateways = gateways.filter(|g| g.vpc.as_ref() == Some(vpc) && !is_ours(&key, &g.tags));
            found.extend(gateways.map(|gateway| Blocked::Foreign {
                what: "internet gateway",
                resource: gateway.id.to_string(),
                name: desired.name("gateway"),
            }));
        }
    }
    if winners.instance.is_none() {
        let alive = observed.instances.all().iter().filter(|i| i.power != Power::Terminated);
        found.extend(alive.filter(|i| named(&i.tags, "machine")).map(|instance| Blocked::Foreign {
            what: "instance",
            resource: instance.id.to_string(),
            name: desired.name("machine"),
        }));
    }
    if desired.instance_profile.is_none() {
        if observed.role.present().is_some_and(|role| !is_ours(&key, &role.tags)) {
            let name = desired.role_name();
            found.push(Blocked::Foreign { what: "role", resource: name.clone(), name });
        }
        if observed.profile.present().is_some_and(|profile| !is_ours(&key, &profile.tags)) {
            let name = desired.own_profile_name();
            found.push(Blocked::Foreign { what: "instance profile", resource: name.clone(), name });
        }
    }
    if desired.snapshot_every.is_some()
        && observed.backup_role.present().is_some_and(|role| !is_ours(&key, &role.tags))
    {
        let name = desired.backup_role_name();
        found.push(Blocked::Foreign { what: "role", resource: name.clone(), name });
    }
    found
}

/// What the company provides must be there and do.
fn company(desired: &Desired, observed: &Observed) -> Vec<Blocked> {
    let mut blocked = Vec::new();
    if let Some(given) = &desired.subnet {
        match observed.subnets.all().iter().find(|subnet| &subnet.id == given) {
            None => blocked.push(Blocked::NoSubnet { subnet: given.to_string() }),
            Some(subnet) if subnet.way_out == Fact::Absent => {
                blocked.push(Blocked::NoWayOut { subnet: given.to_string() });
            }
            Some(_) => {}
        }
    }
    if let Some(given) = &desired.instance_profile {
        match &observed.profile {
            Fact::Absent => blocked.push(Blocked::NoProfile { profile: given.to_string() }),
            Fact::Present(profile) if profile.role.is_none() => {
                blocked.push(Blocked::ProfileWithoutRole { profile: given.to_string() });
            }
            Fact::Present(_) | Fact::Unknown(_) => {}
        }
    }
    blocked
}

/// Whether an instance of the wanted type can be made here.
fn offer(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> Vec<Blocked> {
    let offer = match &observed.offer {
        Fact::Unknown(why) => return vec![Blocked::CannotSee { what: "instance types", why: why.clone() }],
        Fact::Absent => return vec![Blocked::NoSuchType],
        Fact::Present(offer) => offer,
    };
    let mut blocked = Vec::new();
    if let Some(zone) = winners.landing_zone(desired, observed).filter(|zone| !offer.zones.contains(zone)) {
        blocked.push(Blocked::TypeNotInZone { zone });
    } else if offer.zones.is_empty() {
        blocked.push(Blocked::NoZone);
    }
    match &observed.image {
        Fact::Unknown(why) => blocked.push(Blocked::CannotSee { what: "machine images", why: why.clone() }),
        Fact::Absent => blocked.push(Blocked::NoImage { architecture: offer.architecture.clone() }),
        Fact::Present(_) if Arch::from_ec2(&offer.architecture).is_none() => {
            blocked.push(Blocked::NoImage { architecture: offer.architecture.clone() });
        }
        Fact::Present(image) if desired.volume_size < image.min_size => {
            blocked.push(Blocked::VolumeTooSmall { least: image.min_size });
        }
        Fact::Present(_) => {}
    }
    blocked
}

pub(super) fn notes(desired: &Desired, observed: &Observed, winners: &Winners<'_>, goal: Goal) -> Vec<Note> {
    let key = desired.key();
    let mut notes = Vec::new();
    if let Some(instance) = winners.instance
        && instance.instance_type != desired.instance_type
        && observed.short.contains(&desired.instance_type)
    {
        notes.push(Note::NoCapacity { is: instance.instance_type.to_string() });
    }
    if desired.instance_profile.is_some()
        && let Some(managed) = observed.profile.present().and_then(|profile| profile.managed.present())
        && !managed.contains(&desired.managed_policy())
    {
        notes.push(Note::ManagedPolicyMissing { profile: desired.profile_name() });
    }
    notes.extend(twins(desired, &key, observed, winners).map(|resource| Note::Duplicate { resource }));
    notes.extend(replace::kept(desired, observed).map(|i| Note::KeptInstance { instance: i.id.to_string() }));
    if let (Some(instance), Some(by)) = (winners.instance, winners.successor) {
        notes.push(Note::Replacing { instance: instance.id.to_string(), by: by.id.to_string() });
    }
    notes.extend(replace::homeless(observed, winners).map(|i| Note::HomeLost { instance: i.id.to_string() }));
    if let (Goal::Gone(_), Fact::Unknown(Why::Denied(_))) = (goal, &observed.lifecycles) {
        notes.push(Note::ScheduleUnseen);
    }
    if let (Some(instance), Some(zone)) = (winners.instance, &desired.zone)
        && replace::is_here(instance)
        && winners.successor.is_none()
        && instance.zone != zone.as_str()
    {
        notes.push(Note::ZoneDiffers { is: instance.zone.clone() });
    }
    let kept = observed.volumes.all().iter();
    let kept = kept.filter(|v| is_ours(&key, &v.tags) && v.attached.is_none());
    let kept = kept.filter(|v| !v.tags.contains_key(TAG_COPY));
    notes.extend(kept.map(|v| Note::KeptVolume { volume: v.id.to_string(), size: v.size }));
    if observed.vpcs.is_known() && observed.subnets.is_known() {
        notes.extend(winners.elsewhere().map(|vpc| Note::NetworkDiffers { is: vpc.to_string() }));
    }
    if let Some(instance) = winners.instance.filter(|instance| instance.power != Power::ShuttingDown)
        && instance.profile.as_ref() != Some(&desired.profile_name())
    {
        notes.push(Note::ProfileDiffers { is: instance.profile.clone() });
    }
    if observed.vpcs.is_known() {
        let ours = observed.gateways.all().iter().filter(|gateway| is_ours(&key, &gateway.tags));
        notes.extend(ours.filter_map(|gateway| {
            let network = serves_stranger(&key, observed, gateway)?.to_string();
            Some(Note::GatewayElsewhere { gateway: gateway.id.to_string(), network })
        }));
    }
    notes
}

/// What is ours and has lost against its twin, where another installation made it.
fn twins<'a>(
    desired: &'a Desired,
    key: &'a str,
    observed: &'a Observed,
    winners: &'a Winners<'_>,
) -> impl Iterator<Item = String> + 'a {
    let others = |tags: &Tags| is_ours(key, tags) && tags.get(TAG_MAKER) != Some(&observed.maker);
    let here = winners.network();
    let vpcs =
        observed.vpcs.all().iter().filter(move |v| here.is_some_and(|here| &v.id != here) && others(&v.tags));
    // What stands in a VPC that has lost goes with it.
    let gateways = observed.gateways.all().iter().filter(move |g| {
        winners.gateway.is_some_and(|winner| winner.id != g.id) && g.vpc.is_none() && others(&g.tags)
    });
    let tables = observed.route_tables.all().iter().filter(move |t| {
        winners.route_table.is_some_and(|winner| winner.id != t.id) && Some(&t.vpc) == here && others(&t.tags)
    });
    (vpcs.map(|v| v.id.to_string()))
        .chain(gateways.map(|g| g.id.to_string()))
        .chain(tables.map(|t| t.id.to_string()))
        .chain(schedule::losers(desired, observed).filter(move |p| others(&p.tags)).map(|p| p.id.to_string()))
}
