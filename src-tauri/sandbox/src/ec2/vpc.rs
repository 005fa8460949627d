//! VPCs.

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::select::Select;
use super::{Gateway, Group, Kind, Route, RouteTable, Subnet, Target, ok, row, tags, zones};
use crate::clock::At;
use crate::ids::Ids;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// A VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Vpc {
    pub id: String,
    pub cidr: Cidr,
    pub is_default: bool,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    pub available: At,
    pub tags: Tags,
}

row!(Vpc);

impl Vpc {
    fn xml(&self, xml: &mut Xml, owner: &str, now: At) {
        xml.text("vpcId", &self.id)
            .text("ownerId", owner)
            .text("state", if now < self.available { "pending" } else { "available" })
            .text("cidrBlock", self.cidr)
            .list("cidrBlockAssociationSet", [self.cidr], |xml, cidr| {
                xml.text("associationId", format!("vpc-cidr-assoc-{}", self.id.trim_start_matches("vpc-")))
                    .text("cidrBlock", cidr)
                    .node("cidrBlockState", |xml| {
                        xml.text("state", "associated");
                    });
            })
            .text("dhcpOptionsId", "dopt-0d0c0b0a090807060")
            .text("instanceTenancy", "default")
            .text("isDefault", self.is_default);
        tags::xml(xml, &self.tags);
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let Some(text) = form.text("CidrBlock") else {
        let message = "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.";
        return Err(Fail::new("MissingParameter", message));
    };
    let cidr = cidr(form, text, "InvalidVpc.Range")?;
    let tags = tags::given(ctx, form, Kind::Vpc)?;
    if ctx.here().vpcs.len() >= ctx.conditions.quotas.vpcs {
        return Err(Fail::new("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
    }
    let (owner, now) = (ctx.owner(), ctx.now);
    let available = now.plus(ctx.conditions.pace.vpc);
    let id = ctx.ids.resource("vpc");
    let vpc = Vpc { id, cidr, is_default: false, dns_support: true, dns_hostnames: false, available, tags };
    let mut xml = Xml::new();
    xml.node("vpc", |xml| vpc.xml(xml, owner, now));
    let region = ctx.account.regions.entry(ctx.region.to_owned()).or_default();
    furnish(region, ctx.ids, owner, &vpc);
    region.vpcs.insert(vpc.id.clone(), vpc);
    Ok(xml)
}

/// What comes with every VPC: the main route table and the default security group
/// (docs.aws.amazon.com/vpc/latest/userguide/create-vpc.html). Network ACLs are left out.
fn furnish(region: &mut Region, ids: &mut Ids, owner: &str, vpc: &Vpc) {
    let table = RouteTable::new(ids, vpc, true, Tags::new());
    region.route_tables.insert(table.id.clone(), table);
    let group = Group::default_of(ids, owner, &vpc.id);
    region.groups.insert(group.id.clone(), group);
}

/// The VPC that an account finds in each region (docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html).
pub(crate) fn default_vpc(region: &mut Region, ids: &mut Ids, name: &str, now: At) {
    let Ok(cidr) = "172.31.0.0/16".parse() else { return };
    let id = ids.resource("vpc");
    let vpc = Vpc {
        id,
        cidr,
        is_default: true,
        dns_support: true,
        dns_hostnames: true,
        available: now,
        tags: Tags::new(),
    };
    furnish(region, ids, "", &vpc);
    let gateway = Gateway { id: ids.resource("igw"), vpc: Some(vpc.id.clone()), tags: Tags::new() };
    for table in region.route_tables.values_mut().filter(|table| table.vpc == vpc.id) {
        if let Ok(everywhere) = "0.0.0.0/0".parse() {
            table.routes.push(Route { to: everywhere, via: Target::Gateway(gateway.id.clone()) });
        }
    }
    for (number, zone) in zones::zones_of(name).into_iter().enumerate() {
        if let Ok(cidr) = format!("172.31.{}.0/20", number * 16).parse() {
            let subnet = Subnet {
                id: ids.resource("subnet"),
                vpc: vpc.id.clone(),
                cidr,
                zone: zone.name,
                public_addresses: true,
                is_default: true,
                tags: Tags::new(),
            };
            region.subnets.insert(subnet.id.clone(), subnet);
        }
    }
    region.gateways.insert(gateway.id.clone(), gateway);
    region.vpcs.insert(vpc.id.clone(), vpc);
}

/// A block between /16 and /28; host bits are cut off
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html).
pub(crate) fn cidr(form: &Form<'_>, text: &str, out_of_range: &'static str) -> Result<Cidr, Fail> {
    let cidr: Cidr =
        text.parse().map_err(|_| form.invalid("CidrBlock", text, "This is not a valid CIDR block."))?;
    if !(16..=28).contains(&cidr.length()) {
        return Err(Fail::new(out_of_range, format!("The CIDR '{cidr}' is invalid.")));
    }
    Ok(cidr)
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (owner, now) = (ctx.owner(), ctx.now);
    let select = Select {
        ids: Some((Kind::Vpc, "VpcId")),
        filters: &[
            "cidr",
            "cidr-block-association.cidr-block",
            "dhcp-options-id",
            "is-default",
            "owner-id",
            "state",
            "vpc-id",
        ],
        page: None,
    };
    let selection = select.from(form, ctx.here().vpcs.values(), |vpc, name| {
        vec![match name {
            "cidr" | "cidr-block-association.cidr-block" => vpc.cidr.to_string(),
            "dhcp-options-id" => "dopt-0d0c0b0a090807060".to_owned(),
            "is-default" => vpc.is_default.to_string(),
            "owner-id" => owner.to_owned(),
            "state" => if now < vpc.available { "pending" } else { "available" }.to_owned(),
            _ => vpc.id.clone(),
        }]
    })?;
    Ok(selection.xml("vpcSet", |xml, vpc| vpc.xml(xml, owner, now)))
}

fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Vpc, Fail> {
    let id = form.need("VpcId")?;
    Kind::Vpc.check(id)?;
    region.vpcs.get_mut(id).ok_or_else(|| Kind::Vpc.not_found(id))
}

/// One attribute per call (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html: "You cannot
/// modify the DNS resolution and DNS hostnames attributes in the same request").
pub(crate) fn modify(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let support = form.at("EnableDnsSupport").flag("Value")?;
    let hostnames = form.at("EnableDnsHostnames").flag("Value")?;
    let vpc = find(ctx.here(), form)?;
    match (support, hostnames) {
        (Some(on), None) => vpc.dns_support = on,
        (None, Some(on)) => vpc.dns_hostnames = on,
        (Some(_), Some(_)) => {
            return Err(Fail::new(
                "InvalidParameterCombination",
                "Fields for multiple attribute types specified",
            ));
        }
        (None, None) => return Err(form.missing("EnableDnsSupport")),
    }
    Ok(ok())
}

pub(crate) fn describe_attribute(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let name = form.need("Attribute")?;
    let vpc = find(ctx.here(), form)?;
    let value = match name {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        "enableNetworkAddressUsageMetrics" => false,
        _ => return Err(form.invalid("Attribute", name, "Unknown attribute.")),
    };
    let mut xml = Xml::new();
    xml.text("vpcId", &vpc.id).node(name, |xml| {
        xml.text("value", value);
    });
    Ok(xml)
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.here();
    let id = find(region, form)?.id.clone();
    let used = region.subnets.values().any(|subnet| subnet.vpc == id)
        || region.gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(&id))
        || region.groups.values().any(|group| group.vpc == id && !group.is_default())
        || region.route_tables.values().any(|table| table.vpc == id && !table.is_main())
        || region.interfaces.values().any(|interface| interface.vpc == id);
    if used {
        return Err(dependency("vpc", &id));
    }
    region.route_tables.retain(|_, table| table.vpc != id);
    region.groups.retain(|_, group| group.vpc != id);
    region.vpcs.remove(&id);
    Ok(ok())
}

/// The refusal to delete what something else still uses.
pub(crate) fn dependency(noun: &str, id: &str) -> Fail {
    Fail::new("DependencyViolation", format!("The {noun} '{id}' has dependencies and cannot be deleted."))
}
