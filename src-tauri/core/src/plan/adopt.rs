//! Taking over a machine that Pulumi, Terraform or hands have made: by tags alone.
//!
//! What is adopted becomes an ordinary machine: from then on everything finds it by its tags. Only names of IAM cannot be found that
//! way, so a role and a profile with other names than Holdfast's are named by the setting `instance_profile`; there the tag tells an
//! adopted profile from one of the company's. What is not the machine's alone (a network with other things in it, a role with more
//! rights) is not taken: it is used as the company's are, and stays when the machine goes.
//!
//! It can be interrupted anywhere. The instance and all of EC2 that goes with it get their tags in one call, so there is never a network
//! of ours around an instance that is not. A profile that the settings name is tagged before they name it: without our tag it would be
//! the company's.

use std::collections::BTreeMap;

use super::{
    Desired, Goal, Observed, Plan, Planned, Power, SUBNET_CIDR, Step, TAG_NETWORK, TAG_OWNER, Tags, VPC_CIDR,
    plan, tags_for,
};
use crate::machine::{Card, Fact, Group, Identity, RouteTable, Site, TAG_MAKER};
use crate::names::{InstanceId, InstanceProfileName};
use crate::settings::MIN_VOLUME_SIZE;

mod alone;
mod forget;
mod refuse;

use alone::{Belongs, identity, network};
pub use forget::{Tool, forget};
pub use refuse::Refused;
use refuse::{foreign_claim, refusals};

/// What adopting an instance would do, and what it would leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The instance.
    pub instance: InstanceId,
    /// What forbids it. Nothing is done then.
    pub refused: Vec<Refused>,
    /// What becomes the machine's.
    pub takes: Vec<Taken>,
    /// What it uses and what stays whose it is.
    pub leaves: Vec<Left>,
    /// The settings that have to say something else from then on.
    pub settings: Vec<Setting>,
    /// What is other than Holdfast would have made it and stays so, each a sentence without its full stop.
    pub keeps: Vec<String>,
    /// The tags that others gave what is taken, and how many things have each.
    pub marks: Vec<((String, String), usize)>,
    /// What those tags say about who made it.
    pub tool: Option<Tool>,
    /// The steps before the settings are written.
    pub first: Vec<Planned>,
    /// The steps after that.
    pub then: Vec<Planned>,
    /// The settings as they are from then on.
    pub desired: Desired,
    /// The world as it would be seen then.
    pub world: Observed,
    /// What `apply` would do after that.
    pub afterwards: Plan,
}

/// Something that becomes the machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it is.
    pub what: &'static str,
    /// Its id, or its name in IAM.
    pub id: String,
    /// Its `Name` tag, where it has one.
    pub name: Option<String>,
}

/// Something that is used and not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its id or name.
    pub id: String,
    /// Why, as a part of a sentence.
    pub why: String,
}

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// What it is to say; `None` where it has to go.
    pub value: Option<String>,
    /// What it says now.
    pub was: Option<String>,
}

impl Adoption {
    /// Whether everything is the machine's already.
    pub fn is_done(&self) -> bool {
        self.first.is_empty() && self.then.is_empty() && self.settings.is_empty()
    }
}

/// The instance that is meant when nobody names one, among those that the look has found: the machine's own, which an interrupted
/// adoption may have left, or the one with our name.
///
/// # Errors
/// All that could be meant, when that is not one.
pub fn candidate(desired: &Desired, observed: &Observed) -> Result<InstanceId, Vec<InstanceId>> {
    if let Some(own) = observed.winners(desired).instance {
        return Ok(own.id.clone());
    }
    let name = desired.name("machine");
    let there = observed.instances.all().iter();
    let there = there.filter(|i| !matches!(i.power, Power::ShuttingDown | Power::Terminated));
    let named = there.filter(|instance| instance.tags.get("Name") == Some(&name));
    let named: Vec<InstanceId> = named.map(|instance| instance.id.clone()).collect();
    match &named[..] {
        [one] => Ok(one.clone()),
        [] | [_, ..] => Err(named),
    }
}

/// What it would mean to adopt the instance of `site`.
pub fn adoption(desired: &Desired, observed: &Observed, site: &Site) -> Adoption {
    let network = network(desired, site);
    let identity = identity(desired, site);
    let (settings, wanted) = settings(desired, site, network.is_empty(), &identity);
    let parts = Parts::of(desired, site, network.is_empty());
    let mut refused = refusals(desired, observed, site);
    let (first, then) = if refused.is_empty() {
        steps(&wanted, observed, site, &parts, &identity)
    } else {
        (Vec::new(), Vec::new())
    };
    let world = first
        .iter()
        .chain(&then)
        .fold(merged(&wanted, observed, site), |world, step| world.after(&wanted, step, None));
    let afterwards = plan(&wanted, &world, Goal::Settings);
    if refused.is_empty() {
        refused.extend(afterwards.blocked.iter().cloned().map(|because| Refused::Blocked { because }));
    }
    let planned = |steps: Vec<Step>| {
        steps.into_iter().map(|step| Planned::new(&wanted, observed, step, 0)).collect::<Vec<_>>()
    };
    let marks = marks(&wanted, &parts, &identity);
    Adoption {
        instance: site.instance.id.clone(),
        takes: takes(&parts, &identity),
        leaves: leaves(site, network, &identity),
        keeps: keeps(&wanted, site, &parts, &identity),
        tool: forget::made_by(&marks),
        marks,
        first: planned(first),
        then: planned(then),
        refused,
        settings,
        desired: wanted,
        world,
        afterwards,
    }
}

/// The security groups that the instance has.
fn own_groups(site: &Site) -> impl Iterator<Item = &Group> {
    let has = |group: &&Group| own_cards(site).any(|card| card.groups.contains(&group.id));
    site.groups.iter().map(|named| &named.group).filter(has)
}

fn own_cards(site: &Site) -> impl Iterator<Item = &Card> {
    site.cards.iter().filter(|card| card.instance.as_ref() == Some(&site.instance.id))
}

/// The things in EC2 that become the machine's: what it is, its part of a name, its id and its tags.
struct Parts<'a> {
    all: Vec<(&'static str, &'static str, &'a str, &'a Tags)>,
    group: Option<&'a Group>,
    table: Option<&'a RouteTable>,
    owns_network: bool,
}

impl<'a> Parts<'a> {
    fn of(desired: &Desired, site: &'a Site, owns_network: bool) -> Self {
        let instance = &site.instance;
        let mut all = vec![("instance", "machine", instance.id.as_str(), &instance.tags)];
        let root = instance.root.as_ref().map(|root| &root.id);
        let root = site.volumes.iter().find(|volume| Some(&volume.id) == root);
        all.extend(root.map(|volume| ("volume", "volume", volume.id.as_str(), &volume.tags)));
        all.extend(
            own_cards(site).map(|card| ("network interface", "interface", card.id.as_str(), &card.tags)),
        );
        let group = own_groups(site).next();
        all.extend(group.map(|group| ("security group", "group", group.id.as_str(), &group.tags)));
        let mut table = None;
        if owns_network {
            all.push(("VPC", "vpc", site.vpc.id.as_str(), &site.vpc.tags));
            let subnet = site.subnets.iter().find(|subnet| subnet.id == site.subnet);
            all.extend(subnet.map(|subnet| ("subnet", "subnet", subnet.id.as_str(), &subnet.tags)));
            let gateway = site.gateways.first();
            all.extend(gateway.map(|g| ("internet gateway", "gateway", g.id.as_str(), &g.tags)));
            // The main one cannot be deleted; the machine gets one of its own.
            let tables = site.tables.iter().filter(|table| !table.main).map(|table| &table.table);
            table = tables.into_iter().find(|table| table.serves(&site.subnet));
            all.extend(table.map(|table| ("route table", "routes", table.id.as_str(), &table.tags)));
        }
        // What has another machine's tag is refused elsewhere.
        all.retain(|(_, _, _, tags)| foreign_claim(&desired.key(), tags).is_none());
        Self { all, group, table, owns_network }
    }
}

/// The settings that change, and what is wanted then.
fn settings(
    desired: &Desired,
    site: &Site,
    owns_network: bool,
    identity: &Belongs<'_>,
) -> (Vec<Setting>, Desired) {
    let mut wanted = desired.clone();
    let instance = &site.instance;
    wanted.instance_type = instance.instance_type.clone();
    let root = instance.root.as_ref().map(|root| &root.id);
    let root = site.volumes.iter().find(|volume| Some(&volume.id) == root);
    // A smaller one than the settings allow has to grow.
    if let Some(root) = root.filter(|root| root.size >= MIN_VOLUME_SIZE) {
        wanted.volume_size = root.size;
        wanted.volume_iops = root.iops.unwrap_or(desired.volume_iops);
        wanted.volume_throughput = root.throughput.unwrap_or(desired.volume_throughput);
    }
    wanted.subnet = (!owns_network).then(|| site.subnet.clone());
    let profile = identity.identity.filter(|_| !identity.has_our_names(desired));
    let profile = profile.and_then(|identity| identity.profile.name.parse::<InstanceProfileName>().ok());
    if identity.identity.is_some() {
        wanted.instance_profile = profile;
    }
    let text = |number: u32| Some(number.to_string());
    let pairs = [
        ("instance_type", Some(desired.instance_type.to_string()), Some(wanted.instance_type.to_string())),
        ("volume_size", text(desired.volume_size), text(wanted.volume_size)),
        ("volume_iops", text(desired.volume_iops), text(wanted.volume_iops)),
        ("volume_throughput", text(desired.volume_throughput), text(wanted.volume_throughput)),
        (
            "subnet",
            desired.subnet.as_ref().map(ToString::to_string),
            wanted.subnet.as_ref().map(ToString::to_string),
        ),
        (
            "instance_profile",
            desired.instance_profile.as_ref().map(ToString::to_string),
            wanted.instance_profile.as_ref().map(ToString::to_string),
        ),
    ];
    let changed = pairs.into_iter().filter(|(_, was, value)| was != value);
    (changed.map(|(key, was, value)| Setting { key, value, was }).collect(), wanted)
}

/// The steps before the settings change, and those after.
fn steps(
    desired: &Desired,
    observed: &Observed,
    site: &Site,
    parts: &Parts<'_>,
    identity: &Belongs<'_>,
) -> (Vec<Step>, Vec<Step>) {
    let (mut first, mut then, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let owner = observed.caller.present();
    let missing = |wanted: &Tags, is: &Tags| -> Tags {
        wanted
            .iter()
            .filter(|(key, value)| is.get(*key) != Some(value))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    // One call for everything, whose effect is all of it or nothing.
    let mut common = tags_for(desired, owner, None, "");
    common.remove("Name");
    let bare = parts.all.iter().filter(|(_, _, _, tags)| !missing(&common, tags).is_empty());
    let resources: Vec<String> = bare.map(|(_, _, id, _)| (*id).to_owned()).collect();
    if !resources.is_empty() {
        then.push(Step::Tag { resources, tags: common });
    }
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, part, id, tags) in &parts.all {
        let name = desired.name(part);
        if tags.get("Name") != Some(&name) {
            names.entry(name).or_default().push((*id).to_owned());
        }
    }
    last.extend(
        names
            .into_iter()
            .map(|(name, resources)| Step::Tag { resources, tags: Tags::from([("Name".to_owned(), name)]) }),
    );
    if let Some((role, Identity { profile, .. })) = identity.taken() {
        let renamed = desired.instance_profile.is_some();
        let tags = missing(&tags_for(desired, owner, None, "role"), &role.tags);
        let of_role = (!tags.is_empty()).then(|| Step::TagRole { role: role.name.clone(), tags });
        let mut tags = tags_for(desired, owner, None, "profile");
        if !renamed && parts.owns_network {
            tags.insert(TAG_NETWORK.to_owned(), site.vpc.id.to_string());
        }
        let tags = missing(&tags, &profile.tags);
        let of_profile = (!tags.is_empty()).then(|| Step::TagProfile { profile: profile.name.clone(), tags });
        // Where the names are ours, a network that is not yet ours would have the profile give its role up.
        let when = if renamed { &mut first } else { &mut then };
        when.extend(of_role.into_iter().chain(of_profile));
    }
    then.extend(last);
    (first, then)
}

/// What was seen, with the site in it: all that an ordinary look would have seen if the tags were there.
fn merged(desired: &Desired, observed: &Observed, site: &Site) -> Observed {
    fn put<T: Clone>(all: &mut Fact<Vec<T>>, new: &[T], same: impl Fn(&T, &T) -> bool) {
        let mut things = all.all().to_vec();
        things.retain(|old| !new.iter().any(|new| same(old, new)));
        things.extend_from_slice(new);
        *all = Fact::Present(things);
    }
    let mut world = Observed { applied: None, ..observed.clone() };
    put(&mut world.instances, std::slice::from_ref(&site.instance), |a, b| a.id == b.id);
    put(&mut world.volumes, &site.volumes, |a, b| a.id == b.id);
    put(&mut world.vpcs, std::slice::from_ref(&site.vpc), |a, b| a.id == b.id);
    put(&mut world.subnets, &site.subnets, |a, b| a.id == b.id);
    put(&mut world.gateways, &site.gateways, |a, b| a.id == b.id);
    let tables: Vec<RouteTable> = site.tables.iter().map(|table| table.table.clone()).collect();
    put(&mut world.route_tables, &tables, |a, b| a.id == b.id);
    let groups: Vec<Group> = site.groups.iter().map(|named| named.group.clone()).collect();
    put(&mut world.groups, &groups, |a, b| a.id == b.id);
    if let Some(Identity { profile, role, .. }) = site.identity.present() {
        world.profile = Fact::Present(profile.clone());
        world.role = Fact::from(role.clone());
        let company = desired.instance_profile.is_some();
        if let (true, Fact::Present(profile), Some(role)) = (company, &mut world.profile, role) {
            profile.managed = Fact::Present(role.managed.clone());
        }
    }
    world
}

fn takes(parts: &Parts<'_>, identity: &Belongs<'_>) -> Vec<Taken> {
    let name = |tags: &Tags| tags.get("Name").cloned();
    let ec2 = parts.all.iter();
    let ec2 = ec2.map(|(what, _, id, tags)| Taken { what, id: (*id).to_owned(), name: name(tags) });
    let iam = identity.taken().into_iter().flat_map(|(role, identity)| {
        let taken = |what, id: &String| Taken { what, id: id.clone(), name: None };
        [taken("role", &role.name), taken("instance profile", &identity.profile.name)]
    });
    ec2.chain(iam).collect()
}

fn leaves(site: &Site, network: Vec<String>, identity: &Belongs<'_>) -> Vec<Left> {
    let mut left = Vec::new();
    if !network.is_empty() {
        left.push(Left { id: site.vpc.id.to_string(), why: network.join("; ") });
    }
    if let Some(belongs) = identity.identity.filter(|_| !identity.not.is_empty()) {
        left.push(Left { id: belongs.profile.name.clone(), why: identity.not.join("; ") });
    }
    let root = site.instance.root.as_ref().map(|root| &root.id);
    let others = site.volumes.iter().filter(|volume| Some(&volume.id) != root);
    let others = others.filter(|volume| !site.going_along.contains(&volume.id));
    left.extend(
        others.map(|volume| Left { id: volume.id.to_string(), why: "it is not the root volume".to_owned() }),
    );
    left
}

fn keeps(desired: &Desired, site: &Site, parts: &Parts<'_>, identity: &Belongs<'_>) -> Vec<String> {
    let mut keeps = Vec::new();
    if parts.owns_network {
        for (id, is, wanted) in [
            (site.vpc.id.as_str(), &site.addresses, VPC_CIDR),
            (site.subnet.as_str(), &site.subnet_addresses, SUBNET_CIDR),
        ] {
            if is != wanted {
                keeps.push(format!("{id} has the addresses {is}, not {wanted}"));
            }
        }
        if parts.table.is_none() {
            keeps.push(format!(
                "{} uses its network's main route table, which nobody can delete",
                site.subnet
            ));
        }
    }
    let named = site.groups.iter().find(|named| parts.group.is_some_and(|group| group.id == named.group.id));
    if let Some(NamedAs { is, wanted }) = named.map(|n| NamedAs { is: &n.name, wanted: desired.group_name() })
        && *is != wanted
    {
        keeps.push(format!("the security group is called {is}, not {wanted}"));
    }
    if let Some((role, Identity { profile, .. })) = identity.taken() {
        for (what, is, wanted) in [
            ("role", &role.name, desired.role_name()),
            ("instance profile", &profile.name, desired.own_profile_name()),
        ] {
            if *is != wanted {
                keeps.push(format!("the {what} is called {is}, not {wanted}"));
            }
        }
    }
    let root = site.instance.root.as_ref().map(|root| &root.id);
    if let Some(root) = site.volumes.iter().find(|volume| Some(&volume.id) == root) {
        if !root.encrypted {
            keeps.push(format!("{} is not encrypted, which cannot be changed where it is", root.id));
        }
        if root.iops.is_none() {
            keeps.push(format!("{} is not gp3", root.id));
        }
    }
    keeps.extend(site.going_along.iter().map(|volume| {
        format!(
            "{volume} is attached, too, and AWS deletes it with the instance, as whoever attached it has set"
        )
    }));
    if own_cards(site).any(|card| card.elastic) {
        keeps
            .push("it has an Elastic IP address, which stays when the machine goes, and costs on".to_owned());
    }
    if own_cards(site).count() > 1 {
        keeps.push("it has several network interfaces".to_owned());
    }
    keeps
}

struct NamedAs<'a> {
    is: &'a String,
    wanted: String,
}

/// The tags that neither AWS nor Holdfast nor the settings have given.
fn marks(desired: &Desired, parts: &Parts<'_>, identity: &Belongs<'_>) -> Vec<((String, String), usize)> {
    let ours = |key: &str| {
        key == "Name"
            || [super::TAG_MACHINE, TAG_OWNER, TAG_MAKER, TAG_NETWORK, super::TAG_GENERATION].contains(&key)
            || desired.tags.keys().any(|tag| tag.as_str() == key)
    };
    let ec2 = parts.all.iter().map(|(_, _, _, tags)| *tags);
    let iam = identity.taken();
    let iam = iam.into_iter().flat_map(|(role, identity)| [&role.tags, &identity.profile.tags]);
    let mut marks: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (key, value) in ec2.chain(iam).flatten().filter(|(key, _)| !ours(key)) {
        *marks.entry((key.clone(), value.clone())).or_default() += 1;
    }
    marks.into_iter().collect()
}
