//! Of several things that carry our tag, the one that counts.

use super::{
    Desired, Instance, InstanceId, NetworkId, Observed, Power, SubnetId, TAG_GENERATION, TAG_MACHINE, Tags, VpcId,
};
use crate::machine::{Gateway, Group, RouteTable, Subnet, Volume, Vpc};

/// The things that make up the machine.
///
/// Every laptop chooses alike: first what an instance is in or what is already in use, then the lowest id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Winners<'a> {
    /// Our VPC.
    pub vpc: Option<&'a Vpc>,
    /// Our subnet, or the company's.
    pub subnet: Option<&'a Subnet>,
    /// Our gateway.
    pub gateway: Option<&'a Gateway>,
    /// Our route table.
    pub route_table: Option<&'a RouteTable>,
    /// Our security group.
    pub group: Option<&'a Group>,
    /// Our instance, unless it has terminated.
    pub instance: Option<&'a Instance>,
    /// Its root volume.
    pub volume: Option<&'a Volume>,
}

impl Observed {
    /// Of several things with our tag, the ones that count.
    pub fn winners<'a>(&'a self, desired: &Desired) -> Winners<'a> {
        let key = desired.key();
        let ours = |tags: &Tags| is_ours(&key, tags);
        let alive = || self.instances.all().iter().filter(|i| ours(&i.tags) && i.power != Power::Terminated);
        let instance = alive().min_by_key(|i| (i.power == Power::ShuttingDown, &i.id));
        let houses = |vpc: &VpcId| !alive().any(|i| i.vpc.as_ref() == Some(vpc));

        let own_vpcs = self.vpcs.all().iter().filter(|vpc| ours(&vpc.tags));
        let vpc = own_vpcs.min_by_key(|vpc| (houses(&vpc.id), &vpc.id)).filter(|_| desired.subnet.is_none());
        let subnet = match &desired.subnet {
            Some(given) => self.subnets.all().iter().find(|subnet| &subnet.id == given),
            None => {
                let own = self.subnets.all().iter().filter(|s| ours(&s.tags) && vpc.is_some_and(|v| v.id == s.vpc));
                own.min_by_key(|subnet| &subnet.id)
            }
        };
        let network = vpc.map(|vpc| &vpc.id).or_else(|| subnet.map(|subnet| &subnet.vpc));
        let here = |id: &VpcId| network == Some(id);
        let gateways = self.gateways.all().iter().filter(|g| ours(&g.tags) && desired.subnet.is_none());
        let free = gateways.filter(|g| g.vpc.as_ref().is_none_or(here));
        let gateway = free.min_by_key(|gateway| (gateway.vpc.is_none(), &gateway.id));
        let tables = self.route_tables.all().iter().filter(|t| ours(&t.tags) && here(&t.vpc));
        let route_table = tables.min_by_key(|table| (table.associations.is_empty(), &table.id));
        let groups = self.groups.all().iter().filter(|g| ours(&g.tags) && here(&g.vpc));
        let group = groups.min_by_key(|group| &group.id);
        let root = instance.and_then(|i| i.root.as_ref());
        let volume = self.volumes.all().iter().find(|v| root.is_some_and(|root| root.id == v.id));
        Winners { vpc, subnet, gateway, route_table, group, instance, volume }
    }
}

impl<'a> Winners<'a> {
    /// The VPC that the machine is in, ours or the company's.
    pub fn network(&self) -> Option<&'a VpcId> {
        self.vpc.map(|vpc| &vpc.id).or_else(|| self.subnet.map(|subnet| &subnet.vpc))
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
    pub(super) fn tagged(&self, observed: &'a Observed) -> Vec<(&'a str, &'a Tags, &'static str)> {
        let mut all = Vec::new();
        if let Some(vpc) = self.vpc {
            all.push((vpc.id.as_str(), &vpc.tags, "vpc"));
            all.extend(self.subnet.map(|subnet| (subnet.id.as_str(), &subnet.tags, "subnet")));
        }
        all.extend(self.gateway.map(|gateway| (gateway.id.as_str(), &gateway.tags, "gateway")));
        all.extend(self.route_table.map(|table| (table.id.as_str(), &table.tags, "routes")));
        all.extend(self.group.map(|group| (group.id.as_str(), &group.tags, "group")));
        if let Some(instance) = self.instance.filter(|instance| instance.power != Power::ShuttingDown) {
            all.push((instance.id.as_str(), &instance.tags, "machine"));
            let volumes = observed.volumes.all().iter().filter(|v| v.attached.as_ref() == Some(&instance.id));
            all.extend(volumes.map(|volume| (volume.id.as_str(), &volume.tags, "volume")));
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
