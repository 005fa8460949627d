//! Looking at what an instance stands in that Holdfast did not make, to adopt it: the instance first, then all the rest at the same time.

use aws_sdk_ec2::types as ec2_types;
use holdfast_core::machine::{
    Desired, Fact, Identity, Instance, NamedGroup, Power, Profile, Role, Rule, Site, TAG_MACHINE, Table,
};
use holdfast_core::names::{GroupId, InstanceId, VpcId};
use holdfast_core::plan::{DENY_POLICY, Goal};
use tokio::try_join;

use super::{Look, VpcAttributeName, filter, understand, when};
use crate::aws::clients::Aws;
use crate::aws::error::{ec2, garbled, iam, seen};
use crate::aws::parse::{self, Garbled};
use crate::problem::CallError;

/// What there is of an instance.
#[derive(Debug)]
pub(in crate::aws) enum Found {
    /// It is gone, or going.
    Ended(Power),
    /// It, and what it stands in.
    There(Box<Site>),
}

/// The instance, and everything that may belong to it; `None` when the account has no such instance in this region.
pub(in crate::aws) async fn site(
    aws: &Aws,
    desired: &Desired,
    id: &InstanceId,
) -> Result<Option<Found>, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    // A filter finds nothing where an id that is not there would be an error.
    let found = look.raw_instances(filter("instance-id", [id.to_string()])).await?;
    let Some(raw) = found.first() else { return Ok(None) };
    let mut instance = understand("DescribeInstances", std::iter::once(parse::instance(raw)))?.remove(0);
    if matches!(instance.power, Power::ShuttingDown | Power::Terminated) {
        return Ok(Some(Found::Ended(instance.power)));
    }
    let Some(vpc) = instance.vpc.clone() else {
        return Err(garbled("ec2", "DescribeInstances", "an instance without a VPC"));
    };
    let of_instance = filter("attachment.instance-id", [id.to_string()]);
    let (network, volumes, identity, protected, stops) = try_join!(
        Box::pin(look.surroundings(&vpc)),
        look.list_volumes(of_instance),
        Box::pin(look.identity_of(&instance)),
        when(true, look.protected(id)),
        when(true, look.stops_on_shutdown(id)),
    )?;
    (instance.protected, instance.stops_on_shutdown) = (protected, stops);
    let site = network.around(instance, raw, volumes, identity);
    Ok(Some(Found::There(Box::new(site.map_err(|error| garbled("ec2", "DescribeVpcs", error))?))))
}

/// The instances in the VPCs that have our name and not our tag.
pub(in crate::aws) async fn in_named_vpc(aws: &Aws, desired: &Desired) -> Result<Vec<InstanceId>, CallError> {
    let look = Look { aws, desired, goal: Goal::Settings };
    let named = look.list_vpcs(look.named("vpc")).await?;
    let foreign = named.into_iter().filter(|vpc| !vpc.tags.contains_key(TAG_MACHINE));
    let vpcs: Vec<String> = foreign.map(|vpc| vpc.id.to_string()).collect();
    if vpcs.is_empty() {
        return Ok(Vec::new());
    }
    let instances = look.list_instances(filter("vpc-id", vpcs)).await?;
    Ok(instances.into_iter().filter(super::is_alive).map(|instance| instance.id).collect())
}

/// All that is in a VPC, as EC2 tells it.
struct Surroundings {
    vpc: ec2_types::Vpc,
    dns: (Fact<bool>, Fact<bool>),
    subnets: Vec<ec2_types::Subnet>,
    gateways: Vec<holdfast_core::machine::Gateway>,
    tables: Vec<ec2_types::RouteTable>,
    groups: Vec<ec2_types::SecurityGroup>,
    inbound: Vec<(GroupId, Rule)>,
    cards: Vec<ec2_types::NetworkInterface>,
}

impl Look<'_> {
    async fn raw_instances(
        self,
        filter: aws_sdk_ec2::types::Filter,
    ) -> Result<Vec<ec2_types::Instance>, CallError> {
        let pages = self.aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstances"))?;
        Ok(found.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
    }

    async fn surroundings(self, id: &VpcId) -> Result<Surroundings, CallError> {
        let cloud = &self.aws.ec2;
        let here = |name: &str| filter(name, [id.to_string()]);
        let vpcs = async {
            let pages = cloud.describe_vpcs().filters(here("vpc-id")).into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeVpcs"))
        };
        let subnets = async {
            let pages = cloud.describe_subnets().filters(here("vpc-id")).into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSubnets"))
        };
        let tables = async {
            let pages = cloud.describe_route_tables().filters(here("vpc-id")).into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeRouteTables"))
        };
        let groups = async {
            let pages =
                cloud.describe_security_groups().filters(here("vpc-id")).into_paginator().items().send();
            let groups = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSecurityGroups"))?;
            let open = groups.iter().filter(|group| !group.ip_permissions().is_empty());
            let open: Vec<String> = open.filter_map(|group| group.group_id.clone()).collect();
            let inbound = if open.is_empty() {
                Vec::new()
            } else {
                self.list_inbound(filter("group-id", open)).await?
            };
            Ok((groups, inbound))
        };
        let cards = async {
            let call = cloud.describe_network_interfaces().filters(here("vpc-id"));
            let pages = call.into_paginator().items().send();
            pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeNetworkInterfaces"))
        };
        let (vpcs, support, names, subnets, gateways, tables, (groups, inbound), cards) = try_join!(
            vpcs,
            when(true, self.vpc_attribute(id, VpcAttributeName::EnableDnsSupport)),
            when(true, self.vpc_attribute(id, VpcAttributeName::EnableDnsHostnames)),
            subnets,
            self.list_gateways(vec![here("attachment.vpc-id")]),
            tables,
            groups,
            cards,
        )?;
        let vpc = vpcs.into_iter().next();
        let vpc = vpc.ok_or_else(|| garbled("ec2", "DescribeVpcs", "the instance's VPC is not there"))?;
        Ok(Surroundings { vpc, dns: (support, names), subnets, gateways, tables, groups, inbound, cards })
    }

    /// The instance's profile and role. What cannot be seen of it is unknown.
    async fn identity_of(self, instance: &Instance) -> Result<Fact<Identity>, CallError> {
        let Some(name) = &instance.profile else { return Ok(Fact::Absent) };
        seen(self.look_at_identity(instance, name).await)
    }

    async fn look_at_identity(self, instance: &Instance, name: &str) -> Result<Identity, CallError> {
        let profile: Profile = self.profile(name.to_owned(), false).await?;
        let role = async {
            let Some(role) = profile.role.clone() else { return Ok(None) };
            let call = self.aws.iam.list_instance_profiles_for_role().role_name(&role);
            let holders = async {
                let pages = call.into_paginator().items().send();
                let held = pages.collect::<Result<Vec<_>, _>>().await;
                held.map_err(iam("ListInstanceProfilesForRole"))
            };
            let ((role, trust), holders) = try_join!(self.role_with_trust(role, DENY_POLICY), holders)?;
            let trust = parse::document(&trust).map_err(|error| garbled("iam", "GetRole", error))?;
            Ok(Some((role, trust, holders)))
        };
        // Not every endpoint can look for a profile, so all that is there is looked through.
        let states = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
        let all = self.raw_instances(filter("instance-state-name", states));
        let (role, all) = try_join!(role, all)?;
        let has_it = |other: &&ec2_types::Instance| {
            let arn = other.iam_instance_profile().and_then(|profile| profile.arn());
            arn.and_then(|arn| arn.rsplit('/').next()) == Some(name)
                && other.instance_id() != Some(instance.id.as_str())
        };
        let users = all.iter().filter(has_it).filter_map(|other| other.instance_id.clone());
        let (role, trust, holders): (Option<Role>, _, _) = match role {
            Some((role, trust, holders)) => (Some(role), trust, holders),
            None => (None, serde_json::Value::Null, Vec::new()),
        };
        let others = holders.into_iter().map(|holder| holder.instance_profile_name);
        let shared_with = others.filter(|holder| holder != name).chain(users).collect();
        Ok(Identity { profile, role, trust, shared_with })
    }
}

impl Surroundings {
    fn around(
        self,
        instance: Instance,
        raw: &ec2_types::Instance,
        volumes: Vec<holdfast_core::machine::Volume>,
        identity: Fact<Identity>,
    ) -> Result<Site, Garbled> {
        let subnet_id = raw.subnet_id();
        let mut vpc = parse::vpc(&self.vpc)?;
        (vpc.dns_support, vpc.dns_hostnames) = self.dns;
        let mut subnets = self.subnets.iter().map(parse::subnet).collect::<Result<Vec<_>, _>>()?;
        let serves = |table: &&ec2_types::RouteTable| {
            table.associations().iter().any(|association| association.subnet_id() == subnet_id)
        };
        let table = self.tables.iter().find(serves).or_else(|| self.tables.iter().find(|t| is_main(t)));
        let way_out = table.and_then(parse::way_out);
        for subnet in subnets.iter_mut().filter(|subnet| Some(subnet.id.as_str()) == subnet_id) {
            subnet.way_out = Fact::from(way_out);
        }
        let own = self.subnets.iter().find(|subnet| subnet.subnet_id() == subnet_id);
        let root = instance.root.as_ref().map(|root| root.id.as_str());
        let disks = raw.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
        let along =
            disks.filter(|disk| disk.delete_on_termination() == Some(true) && disk.volume_id() != root);
        let along = along.map(|disk| parse::required(disk.volume_id(), "volumeId"));
        let going_along = along.collect::<Result<_, _>>()?;
        let tables = self.tables.iter().map(|table| {
            Ok(Table { table: parse::route_table(table)?, main: is_main(table), plain: is_plain(table) })
        });
        let groups = self.groups.iter().map(|group| {
            let mut parsed = parse::group(group)?;
            let inbound = self.inbound.iter().filter(|(id, _)| *id == parsed.id);
            parsed.inbound = inbound.map(|(_, rule)| rule.clone()).collect();
            Ok(NamedGroup { group: parsed, name: group.group_name().unwrap_or_default().to_owned() })
        });
        Ok(Site {
            market: raw.instance_lifecycle().map(|market| market.as_str().to_owned()),
            // Linux is said by leaving it out.
            windows: raw.platform().is_some(),
            default_vpc: self.vpc.is_default().unwrap_or_default(),
            addresses: self.vpc.cidr_block().unwrap_or_default().to_owned(),
            subnet: parse::required(subnet_id, "subnetId")?,
            subnet_addresses: own.and_then(|own| own.cidr_block()).unwrap_or_default().to_owned(),
            tables: tables.collect::<Result<_, Garbled>>()?,
            groups: groups.collect::<Result<_, Garbled>>()?,
            cards: self.cards.iter().map(parse::card).collect::<Result<_, _>>()?,
            gateways: self.gateways,
            going_along,
            instance,
            vpc,
            subnets,
            volumes,
            identity,
        })
    }
}

fn is_main(table: &ec2_types::RouteTable) -> bool {
    table.associations().iter().any(|association| association.main() == Some(true))
}

/// Whether it leads nowhere but within the VPC and to internet gateways.
fn is_plain(table: &ec2_types::RouteTable) -> bool {
    table.routes().iter().all(|route| {
        route.gateway_id().is_some_and(|gateway| gateway == "local" || gateway.starts_with("igw-"))
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Route, RouteTable};

    use super::is_plain;

    #[test]
    fn only_the_vpc_and_the_internet_are_plain() {
        let route = || Route::builder().destination_cidr_block("0.0.0.0/0");
        let local = Route::builder().destination_cidr_block("10.0.0.0/16").gateway_id("local").build();
        for (way, plain) in [
            (route().gateway_id("igw-0123456789abcdef0"), true),
            (route().gateway_id("vgw-0123456789abcdef0"), false),
            (route().gateway_id("vpce-0123456789abcdef0"), false),
            (route().nat_gateway_id("nat-0123456789abcdef0"), false),
            (route().transit_gateway_id("tgw-0123456789abcdef0"), false),
            (route().vpc_peering_connection_id("pcx-0123456789abcdef0"), false),
            (route().network_interface_id("eni-0123456789abcdef0"), false),
        ] {
            let way = way.build();
            let table = RouteTable::builder().routes(local.clone()).routes(way.clone()).build();
            assert_eq!(is_plain(&table), plain, "{way:?}");
        }
    }
}
