//! Route tables.

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::select::Select;
use super::vpc::dependency;
use super::{Kind, Vpc, ok, row, tags};
use crate::ids::Ids;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// A route table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RouteTable {
    pub id: String,
    pub vpc: String,
    pub routes: Vec<Route>,
    pub associations: Vec<Association>,
    pub tags: Tags,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Route {
    pub to: Cidr,
    pub via: Target,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Within the VPC.
    Local,
    /// Out through an internet gateway.
    Gateway(String),
}

/// A table's tie to a subnet, or to the whole VPC as its main table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Association {
    pub id: String,
    /// `None` for the main table.
    pub subnet: Option<String>,
}

row!(RouteTable);

impl RouteTable {
    pub(crate) fn new(ids: &mut Ids, vpc: &Vpc, main: bool, tags: Tags) -> Self {
        let id = ids.resource("rtb");
        let associations =
            if main { vec![Association { id: ids.resource("rtbassoc"), subnet: None }] } else { Vec::new() };
        Self {
            id,
            vpc: vpc.id.clone(),
            routes: vec![Route { to: vpc.cidr, via: Target::Local }],
            associations,
            tags,
        }
    }

    /// Whether it is the VPC's main table.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.subnet.is_none())
    }

    fn xml(&self, xml: &mut Xml, region: &Region, owner: &str) {
        xml.text("routeTableId", &self.id).text("vpcId", &self.vpc).text("ownerId", owner);
        xml.list("routeSet", &self.routes, |xml, route| {
            xml.text("destinationCidrBlock", route.to);
            let (gateway, origin) = match &route.via {
                Target::Local => ("local", "CreateRouteTable"),
                Target::Gateway(id) => (id.as_str(), "CreateRoute"),
            };
            xml.text("gatewayId", gateway)
                .text("state", self.state(region, &route.via))
                .text("origin", origin);
        });
        xml.list("associationSet", &self.associations, |xml, association| {
            xml.text("routeTableAssociationId", &association.id)
                .text("routeTableId", &self.id)
                .maybe("subnetId", association.subnet.as_ref())
                .text("main", association.subnet.is_none())
                .node("associationState", |xml| {
                    xml.text("state", "associated");
                });
        });
        xml.list("propagatingVgwSet", [(); 0], |_, ()| {});
        tags::xml(xml, &self.tags);
    }

    fn state(&self, region: &Region, via: &Target) -> &'static str {
        if self.leads(region, via) { "active" } else { "blackhole" }
    }

    fn leads(&self, region: &Region, via: &Target) -> bool {
        match via {
            Target::Local => true,
            Target::Gateway(id) => {
                region.gateways.get(id).is_some_and(|gateway| gateway.vpc.as_ref() == Some(&self.vpc))
            }
        }
    }
}

/// Whether a subnet's packets find the way to the internet: its table, or the VPC's main one, sends everything to a
/// gateway that is attached.
pub(crate) fn leads_out(region: &Region, subnet: &str, vpc: &str) -> bool {
    let own = region.route_tables.values().find(|table| {
        table.associations.iter().any(|association| association.subnet.as_deref() == Some(subnet))
    });
    let table =
        own.or_else(|| region.route_tables.values().find(|table| table.vpc == vpc && table.is_main()));
    table.is_some_and(|table| {
        let everywhere = table.routes.iter().find(|route| route.to.length() == 0);
        everywhere.is_some_and(|route| route.via != Target::Local && table.leads(region, &route.via))
    })
}

/// A client token, where CreateRouteTable has one, answers with the table it made.
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let vpc_id = form.need("VpcId")?;
    Kind::Vpc.check(vpc_id)?;
    let tags = tags::given(ctx, form, Kind::RouteTable)?;
    let owner = ctx.owner();
    let token = form.text("ClientToken").map(str::to_owned);
    let request = super::fingerprint(form);
    let region = ctx.account.regions.entry(ctx.region.to_owned()).or_default();
    let vpc = region.vpcs.get(vpc_id).ok_or_else(|| Kind::Vpc.not_found(vpc_id))?;
    let earlier = token.as_ref().and_then(|token| region.route_table_tokens.get(token));
    let table = match earlier {
        Some((made_by, _)) if *made_by != request => return Err(super::mismatch()),
        Some((_, id)) => {
            region.route_tables.get(id).cloned().ok_or_else(|| Kind::RouteTable.not_found(id))?
        }
        None => RouteTable::new(ctx.ids, vpc, false, tags),
    };
    let mut xml = Xml::new();
    xml.node("routeTable", |xml| table.xml(xml, region, owner)).maybe("clientToken", token.as_ref());
    if let Some(token) = token {
        region.route_table_tokens.insert(token, (request, table.id.clone()));
    }
    region.route_tables.insert(table.id.clone(), table);
    Ok(xml)
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let owner = ctx.owner();
    let region = &*ctx.here();
    let select = Select {
        ids: Some((Kind::RouteTable, "RouteTableId")),
        filters: &[
            "association.main",
            "association.route-table-association-id",
            "association.route-table-id",
            "association.subnet-id",
            "owner-id",
            "route-table-id",
            "route.destination-cidr-block",
            "route.gateway-id",
            "route.state",
            "vpc-id",
        ],
        page: None,
    };
    let selection = select.from(form, region.route_tables.values(), |table, name| {
        let associations = table.associations.iter();
        match name {
            "association.main" => associations.map(|a| a.subnet.is_none().to_string()).collect(),
            "association.route-table-association-id" => associations.map(|a| a.id.clone()).collect(),
            "association.route-table-id" => associations.map(|_| table.id.clone()).collect(),
            "association.subnet-id" => associations.filter_map(|a| a.subnet.clone()).collect(),
            "owner-id" => vec![owner.to_owned()],
            "route.destination-cidr-block" => table.routes.iter().map(|route| route.to.to_string()).collect(),
            "route.gateway-id" => table
                .routes
                .iter()
                .map(|route| match &route.via {
                    Target::Local => "local".to_owned(),
                    Target::Gateway(id) => id.clone(),
                })
                .collect(),
            "route.state" => {
                table.routes.iter().map(|route| table.state(region, &route.via).to_owned()).collect()
            }
            "vpc-id" => vec![table.vpc.clone()],
            _ => vec![table.id.clone()],
        }
    })?;
    Ok(selection.xml("routeTableSet", |xml, table| table.xml(xml, region, owner)))
}

fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut RouteTable, Fail> {
    let id = form.need("RouteTableId")?;
    Kind::RouteTable.check(id)?;
    region.route_tables.get_mut(id).ok_or_else(|| Kind::RouteTable.not_found(id))
}

fn destination(form: &Form<'_>) -> Result<Cidr, Fail> {
    let text = form.need("DestinationCidrBlock")?;
    text.parse().map_err(|_| form.invalid("DestinationCidrBlock", text, "This is not a valid CIDR block."))
}

/// The table of the request, and the gateway that it names, which must be attached to the same VPC.
fn table_and_gateway<'a>(
    region: &'a mut Region,
    form: &Form<'_>,
) -> Result<(&'a mut RouteTable, Target), Fail> {
    let gateway = form.need("GatewayId")?;
    Kind::Gateway.check(gateway)?;
    let attached_to =
        region.gateways.get(gateway).ok_or_else(|| Kind::Gateway.not_found(gateway))?.vpc.clone();
    let table = find(region, form)?;
    if attached_to.as_ref() != Some(&table.vpc) {
        return Err(Fail::new(
            "InvalidParameterValue",
            format!("route table {} and network gateway {gateway} belong to different networks", table.id),
        ));
    }
    Ok((table, Target::Gateway(gateway.to_owned())))
}

pub(crate) fn create_route(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let to = destination(form)?;
    let (table, via) = table_and_gateway(ctx.here(), form)?;
    if table.routes.iter().any(|route| route.to == to) {
        return Err(Fail::new("RouteAlreadyExists", format!("The route identified by {to} already exists.")));
    }
    table.routes.push(Route { to, via });
    Ok(ok())
}

pub(crate) fn replace_route(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let to = destination(form)?;
    let (table, via) = table_and_gateway(ctx.here(), form)?;
    let route = table.routes.iter_mut().find(|route| route.to == to && route.via != Target::Local);
    let route = route.ok_or_else(|| {
        Fail::new(
            "InvalidParameterValue",
            format!("There is no route defined for '{to}' in the route table. Use CreateRoute instead."),
        )
    })?;
    route.via = via;
    Ok(ok())
}

pub(crate) fn delete_route(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let to = destination(form)?;
    let table = find(ctx.here(), form)?;
    let Some(at) = table.routes.iter().position(|route| route.to == to) else {
        return Err(Fail::new(
            "InvalidRoute.NotFound",
            format!("no route with destination-cidr-block {to} in route table {}", table.id),
        ));
    };
    if table.routes.get(at).is_some_and(|route| route.via == Target::Local) {
        return Err(Fail::new(
            "InvalidParameterValue",
            format!("cannot remove local route {to} in route table {}", table.id),
        ));
    }
    table.routes.remove(at);
    Ok(ok())
}

/// A subnet that has a table of its own refuses another one, and the same one too
/// (hashicorp/terraform-provider-aws#38960).
pub(crate) fn associate(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let subnet_id = form.need("SubnetId")?;
    Kind::Subnet.check(subnet_id)?;
    let id = ctx.ids.resource("rtbassoc");
    let region = ctx.here();
    let subnet = region.subnets.get(subnet_id).ok_or_else(|| Kind::Subnet.not_found(subnet_id))?;
    let vpc = subnet.vpc.clone();
    let taken = region
        .route_tables
        .values()
        .flat_map(|table| &table.associations)
        .any(|association| association.subnet.as_deref() == Some(subnet_id));
    let table = find(region, form)?;
    if table.vpc != vpc {
        return Err(Fail::new(
            "InvalidParameterValue",
            format!("Route table {} and subnet {subnet_id} belong to different networks", table.id),
        ));
    }
    if taken {
        return Err(Fail::new(
            "Resource.AlreadyAssociated",
            format!(
                "the specified association for route table {} conflicts with an existing association",
                table.id
            ),
        ));
    }
    let mut xml = Xml::new();
    xml.text("associationId", &id).node("associationState", |xml| {
        xml.text("state", "associated");
    });
    table.associations.push(Association { id, subnet: Some(subnet_id.to_owned()) });
    Ok(xml)
}

pub(crate) fn disassociate(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let id = form.need("AssociationId")?;
    for table in ctx.here().route_tables.values_mut() {
        let Some(at) = table.associations.iter().position(|association| association.id == id) else {
            continue;
        };
        if table.associations.get(at).is_some_and(|association| association.subnet.is_none()) {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!("cannot disassociate the main route table association {id}"),
            ));
        }
        table.associations.remove(at);
        return Ok(ok());
    }
    Err(Kind::Association.not_found(id))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.here();
    let table = find(region, form)?;
    if !table.associations.is_empty() {
        return Err(dependency("routeTable", &table.id));
    }
    let id = table.id.clone();
    region.route_tables.remove(&id);
    Ok(ok())
}
