//! Subnets.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::select::Select;
use super::vpc::{cidr, dependency};
use super::{Kind, ok, row, tags, zones};
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// A subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Subnet {
    pub id: String,
    pub vpc: String,
    pub cidr: Cidr,
    pub zone: String,
    /// `MapPublicIpOnLaunch`
    pub public_addresses: bool,
    pub is_default: bool,
    pub tags: Tags,
}

row!(Subnet);

impl Subnet {
    /// Addresses that interfaces can still get: AWS keeps the first four and the last one
    /// (docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
    fn free(&self, region: &Region) -> u64 {
        let used = region.interfaces.values().filter(|interface| interface.subnet == self.id).count();
        (self.cidr.size() - 5).saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
    }

    /// The lowest free private address.
    pub(crate) fn next_address(&self, region: &Region) -> Option<Ipv4Addr> {
        let interfaces = region.interfaces.values().filter(|interface| interface.subnet == self.id);
        let used: BTreeSet<Ipv4Addr> = interfaces.map(|interface| interface.private_address).collect();
        let last = u32::try_from(self.cidr.size() - 2).ok()?;
        (4..=last).map(|number| self.cidr.address(number)).find(|address| !used.contains(address))
    }

    fn xml(&self, xml: &mut Xml, region: &Region, region_name: &str, owner: &str) {
        xml.text("subnetId", &self.id)
            .text("subnetArn", format!("arn:aws:ec2:{region_name}:{owner}:subnet/{}", self.id))
            .text("state", "available")
            .text("ownerId", owner)
            .text("vpcId", &self.vpc)
            .text("cidrBlock", self.cidr)
            .text("availableIpAddressCount", self.free(region))
            .text("availabilityZone", &self.zone)
            .maybe("availabilityZoneId", zones::zone(region_name, &self.zone).map(|zone| zone.id))
            .text("defaultForAz", self.is_default)
            .text("mapPublicIpOnLaunch", self.public_addresses)
            .text("assignIpv6AddressOnCreation", false)
            .text("ipv6Native", false)
            .text("enableDns64", false);
        tags::xml(xml, &self.tags);
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let vpc_id = form.need("VpcId")?;
    Kind::Vpc.check(vpc_id)?;
    let text = form.need("CidrBlock")?;
    let zones = zones::zones_of(ctx.region);
    let names = || zones.iter().map(|zone| zone.name.clone()).collect::<Vec<_>>().join(", ");
    let by_id = form.text("AvailabilityZoneId").and_then(|id| zones.iter().find(|zone| zone.id == id));
    let zone = match (form.text("AvailabilityZone"), by_id) {
        (Some(name), _) => zones.iter().find(|zone| zone.name == name).ok_or_else(|| {
            let why = format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                names()
            );
            form.invalid("AvailabilityZone", name, &why)
        })?,
        (None, Some(zone)) => zone,
        // AWS chooses; so that nobody relies on which, so does the sandbox.
        (None, None) => {
            let count = u64::try_from(zones.len()).unwrap_or(1).max(1);
            let chosen = usize::try_from(ctx.ids.number() % count).unwrap_or(0);
            zones.get(chosen).ok_or_else(|| form.missing("AvailabilityZone"))?
        }
    };
    let tags = tags::given(ctx, form, Kind::Subnet)?;
    let id = ctx.ids.resource("subnet");
    let (region_name, owner) = (ctx.region, ctx.owner());
    let region = ctx.here();
    let vpc = region.vpcs.get(vpc_id).ok_or_else(|| Kind::Vpc.not_found(vpc_id))?;
    let cidr = cidr(form, text, "InvalidSubnet.Range")?;
    if !vpc.cidr.contains(cidr) {
        return Err(Fail::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    if region.subnets.values().any(|other| other.vpc == vpc_id && other.cidr.overlaps(cidr)) {
        return Err(Fail::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        ));
    }
    let subnet = Subnet {
        id,
        vpc: vpc_id.to_owned(),
        cidr,
        zone: zone.name.clone(),
        public_addresses: false,
        is_default: false,
        tags,
    };
    let mut xml = Xml::new();
    xml.node("subnet", |xml| subnet.xml(xml, region, region_name, owner));
    region.subnets.insert(subnet.id.clone(), subnet);
    Ok(xml)
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner) = (ctx.region, ctx.owner());
    let region = &*ctx.here();
    let select = Select {
        ids: Some((Kind::Subnet, "SubnetId")),
        filters: &[
            "availability-zone",
            "availabilityZone",
            "availability-zone-id",
            "cidr-block",
            "cidr",
            "default-for-az",
            "map-public-ip-on-launch",
            "owner-id",
            "state",
            "subnet-id",
            "vpc-id",
        ],
        page: None,
    };
    let selection = select.from(form, region.subnets.values(), |subnet, name| {
        vec![match name {
            "availability-zone" | "availabilityZone" => subnet.zone.clone(),
            "availability-zone-id" => {
                zones::zone(region_name, &subnet.zone).map(|zone| zone.id).unwrap_or_default()
            }
            "cidr-block" | "cidr" => subnet.cidr.to_string(),
            "default-for-az" => subnet.is_default.to_string(),
            "map-public-ip-on-launch" => subnet.public_addresses.to_string(),
            "owner-id" => owner.to_owned(),
            "state" => "available".to_owned(),
            "vpc-id" => subnet.vpc.clone(),
            _ => subnet.id.clone(),
        }]
    })?;
    Ok(selection.xml("subnetSet", |xml, subnet| subnet.xml(xml, region, region_name, owner)))
}

fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Subnet, Fail> {
    let id = form.need("SubnetId")?;
    Kind::Subnet.check(id)?;
    region.subnets.get_mut(id).ok_or_else(|| Kind::Subnet.not_found(id))
}

pub(crate) fn modify(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let on = form.at("MapPublicIpOnLaunch").flag("Value")?;
    let subnet = find(ctx.here(), form)?;
    subnet.public_addresses = on.ok_or_else(|| form.missing("MapPublicIpOnLaunch"))?;
    Ok(ok())
}

/// The association with a route table goes with the subnet.
pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.here();
    let id = find(region, form)?.id.clone();
    if region.interfaces.values().any(|interface| interface.subnet == id) {
        return Err(dependency("subnet", &id));
    }
    for table in region.route_tables.values_mut() {
        table.associations.retain(|association| association.subnet.as_ref() != Some(&id));
    }
    region.subnets.remove(&id);
    Ok(ok())
}
