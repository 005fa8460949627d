//! Of several things that carry our tag, the one that counts.

use super::{
    Desired, Instance, InstanceId, NetworkId, Observed, Power, SubnetId, TAG_GENERATION, TAG_MACHINE,
    TAG_NETWORK, Tags, VpcId, replace,
};
use crate::machine::{Gateway, Group, Profile, RouteTable, Subnet, Volume, Vpc};

/// The things that make up the machine.
///
/// Every laptop chooses alike: first what an instance is in or what is already in use, then the lowest id. Of VPCs the
/// one that the instance profile names comes before the lowest id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Winners<'a> {
    /// Our VPC.
    pub vpc: Option<&'a Vpc>,
    /// Our subnet, the one that the instance is in, or the company's.
    pub subnet: Option<&'a Subnet>,
    /// The subnet that a new instance would be made in.
    pub landing: Option<&'a Subnet>,
    /// Our gateway.
    pub gateway: Option<&'a Gateway>,
    /// Our route table.
    pub route_table: Option<&'a RouteTable>,
    /// Our security group.
    pub group: Option<&'a Group>,
    /// Our instance, unless it has terminated.
    pub instance: Option<&'a Instance>,
    /// The one that is to take its place.
    pub successor: Option<&'a Instance>,
    /// Its root volume.
    pub volume: Option<&'a Volume>,
    /// Whether an instance may be made in the VPC that counts: the instance profile claims it, or nothing can claim it
    /// since the subnet or the profile is the company's.
    pub claimed: bool,
}

impl Observed {
    /// Of several things with our tag, the ones that count.
    pub fn winners<'a>(&'a self, desired: &Desired) -> Winners<'a> {
        let key = desired.key();
        let ours = |tags: &Tags| is_ours(&key, tags);
        let alive = || self.instances.all().iter().filter(|i| ours(&i.tags) && i.power != Power::Terminated);
        let in_place = alive().filter(|i| !replace::is_retired(self, i) && !replace::is_successor(self, i));
        let instance = in_place.min_by_key(|i| (i.power == Power::ShuttingDown, &i.id));
        let successors = alive().filter(|i| instance.is_some_and(|old| replace::succeeds(i, old)));
        let successor = successors.filter(|i| replace::is_here(i)).min_by_key(|i| &i.id);
        let vacant = |vpc: &VpcId| !alive().any(|i| i.vpc.as_ref() == Some(vpc));
        let own_profile =
            self.profile.present().filter(|p| desired.instance_profile.is_none() && ours(&p.tags));
        let claim = own_profile.and_then(|profile| profile.tags.get(TAG_NETWORK));
        let unclaimed = |vpc: &VpcId| claim.is_none_or(|claimed| claimed != vpc.as_str());

        let own_vpcs = self.vpcs.all().iter().filter(|vpc| ours(&vpc.tags) && desired.subnet.is_none());
        let vpc = own_vpcs.min_by_key(|vpc| (vacant(&vpc.id), unclaimed(&vpc.id), &vpc.id));
        let subnet = match &desired.subnet {
            Some(given) => self.subnets.all().iter().find(|subnet| &subnet.id == given),
            None => {
                let own =
                    self.subnets.all().iter().filter(|s| ours(&s.tags) && vpc.is_some_and(|v| v.id == s.vpc));
                own.min_by_key(|subnet| {
                    let elsewhere = instance.is_some_and(|instance| instance.zone != subnet.zone);
                    let other = desired.zone.as_ref().is_some_and(|zone| zone.as_str() != subnet.zone);
                    (elsewhere, other, &subnet.id)
                })
            }
        };
        let network = vpc.map(|vpc| &vpc.id).or_else(|| subnet.map(|subnet| &subnet.vpc));
        let here = |id: &VpcId| network == Some(id);
        let gateways = self.gateways.all().iter().filter(|g| ours(&g.tags) && desired.subnet.is_none());
        let free = gateways.filter(|g| g.vpc.as_ref().is_none_or(here));
        let gateway = free.min_by_key(|gateway| (gateway.vpc.is_none(), &gateway.id));
        let tables = self.route_tables.all().iter().filter(|t| ours(&t.tags) && here(&t.vpc));
        let serves = |table: &RouteTable| subnet.is_some_and(|subnet| table.serves(&subnet.id));
        let route_table =
            tables.min_by_key(|table| (!serves(table), table.associations.is_empty(), &table.id));
        let groups = self.groups.all().iter().filter(|g| ours(&g.tags) && here(&g.vpc));
        let group = groups.min_by_key(|group| &group.id);
        let root = instance.and_then(|i| i.root.as_ref());
        let volume = self.volumes.all().iter().find(|v| root.is_some_and(|root| root.id == v.id));
        let needs_claim = desired.subnet.is_none() && desired.instance_profile.is_none();
        let claimed = !needs_claim || vpc.is_some_and(|vpc| !unclaimed(&vpc.id));
        let landing = subnet.filter(|_| desired.subnet.is_some());
        let mut winners = Winners {
            vpc,
            subnet,
            landing,
            gateway,
            route_table,
            group,
            instance,
            successor,
            volume,
            claimed,
        };
        if let (Some(vpc), Some(zone)) = (vpc, winners.landing_zone(desired, self)) {
            let own = self.subnets.all().iter().filter(|s| ours(&s.tags) && s.vpc == vpc.id);
            winners.landing = own.filter(|subnet| subnet.zone == zone).min_by_key(|subnet| &subnet.id);
        }
        winners
    }
}

impl<'a> Winners<'a> {
    /// The VPC that the machine is in, ours or the company's.
    pub fn network(&self) -> Option<&'a VpcId> {
        self.vpc.map(|vpc| &vpc.id).or_else(|| self.subnet.map(|subnet| &subnet.vpc))
    }

    /// The zone that a new instance would be made in: that of one that is on its way; else the one of the settings; else where
    /// the machine is, or was; else the first that offers the type. One that does not offer the type is left for another only by
    /// a replacement.
    pub(super) fn landing_zone(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        if desired.subnet.is_some() {
            return self.subnet.map(|subnet| subnet.zone.clone());
        }
        if let Some(new) = self.successor {
            return Some(new.zone.clone());
        }
        if let Some(zone) = &desired.zone {
            return Some(zone.to_string());
        }
        let offered = observed.offer.present().map(|offer| &offer.zones);
        let first = || offered.and_then(|zones| zones.first());
        let zone = match (self.instance, self.subnet) {
            (Some(instance), _) => {
                let here = offered.is_none_or(|zones| zones.contains(&instance.zone));
                Some(&instance.zone).filter(|_| here).or_else(first)
            }
            (None, Some(subnet)) => Some(&subnet.zone),
            (None, None) => first(),
        };
        zone.cloned()
    }

    /// The VPC that our instance lives in, when that is not the one that the settings ask for.
    pub(super) fn elsewhere(&self) -> Option<&'a VpcId> {
        let lives_in = self.instance.filter(|i| i.power != Power::ShuttingDown)?.vpc.as_ref()?;
        (self.network() != Some(lives_in)).then_some(lives_in)
    }

    /// Whether our instance profile, which must name our VPC before an instance is made, names none that is there.
    pub(super) fn claims_nothing(&self, desired: &Desired, profile: &Profile) -> bool {
        let claim = profile.tags.get(TAG_NETWORK).map(String::as_str);
        // A VPC that is claimed and there is the one that counts, as long as there is no instance.
        let void = claim.is_none() || self.vpc.map(|vpc| vpc.id.as_str()) != claim;
        void && self.instance.is_none() && desired.subnet.is_none()
    }

    /// How many instances this network has had, and the resource whose tag counts them.
    pub(super) fn generation(&self, desired: &Desired) -> Option<(NetworkId, u32)> {
        let (id, tags) = if desired.subnet.is_none() {
            self.vpc.map(|vpc| (NetworkId::Vpc(vpc.id.clone()), &vpc.tags))?
        } else {
            self.group.map(|group| (NetworkId::Group(group.id.clone()), &group.tags))?
        };
        let count = tags.get(TAG_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some((id, count))
    }

    /// What carries tags of ours: id, tags and name part. The company's subnet does not.
    pub(crate) fn tagged(&self) -> Vec<(&'a str, &'a Tags, &'static str)> {
        let mut all = Vec::new();
        if let Some(vpc) = self.vpc {
            all.push((vpc.id.as_str(), &vpc.tags, "vpc"));
            let landing = self.landing.filter(|landing| !self.is_subnet(&landing.id));
            let subnets = self.subnet.into_iter().chain(landing);
            all.extend(subnets.map(|subnet| (subnet.id.as_str(), &subnet.tags, "subnet")));
        }
        all.extend(self.gateway.map(|gateway| (gateway.id.as_str(), &gateway.tags, "gateway")));
        all.extend(self.route_table.map(|table| (table.id.as_str(), &table.tags, "routes")));
        all.extend(self.group.map(|group| (group.id.as_str(), &group.tags, "group")));
        if let Some(instance) = self.instance.filter(|instance| instance.power != Power::ShuttingDown) {
            all.push((instance.id.as_str(), &instance.tags, "machine"));
            // Another volume that somebody attached is not ours, nor is a root disk that came from another machine.
            let machine = instance.tags.get(TAG_MACHINE);
            let root = self.volume.filter(|v| v.tags.get(TAG_MACHINE).is_none_or(|tag| Some(tag) == machine));
            all.extend(root.map(|volume| (volume.id.as_str(), &volume.tags, "volume")));
        }
        all
    }

    /// Whether the instance is this one.
    pub fn is_instance(&self, id: &InstanceId) -> bool {
        self.instance.is_some_and(|instance| &instance.id == id)
    }

    /// Whether the subnet is this one.
    pub fn is_subnet(&self, id: &SubnetId) -> bool {
        self.subnet.is_some_and(|subnet| &subnet.id == id)
    }
}

/// Whether the tags say that a thing belongs to the machine with this key.
pub(super) fn is_ours(key: &str, tags: &Tags) -> bool {
    tags.get(TAG_MACHINE).is_some_and(|tag| tag == key)
}
