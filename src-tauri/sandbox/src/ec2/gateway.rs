//! Internet gateways.

use serde::{Deserialize, Serialize};

use super::select::Select;
use super::vpc::dependency;
use super::{Kind, ok, row, tags};
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// An internet gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Gateway {
    pub id: String,
    /// The VPC it is attached to.
    pub vpc: Option<String>,
    pub tags: Tags,
}

row!(Gateway);

impl Gateway {
    fn xml(&self, xml: &mut Xml, owner: &str) {
        xml.text("internetGatewayId", &self.id).text("ownerId", owner).list(
            "attachmentSet",
            &self.vpc,
            |xml, vpc| {
                // EC2 says "available" here, whatever the model's enumeration lists
                // (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInternetGateways.html, example).
                xml.text("state", "available").text("vpcId", vpc);
            },
        );
        tags::xml(xml, &self.tags);
    }
}

/// The quota goes with the one on VPCs
/// (docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let tags = tags::given(ctx, form, Kind::Gateway)?;
    if ctx.here().gateways.len() >= ctx.conditions.quotas.vpcs {
        let message = "The maximum number of internet gateways has been reached.";
        return Err(Fail::new("InternetGatewayLimitExceeded", message));
    }
    let owner = ctx.owner();
    let gateway = Gateway { id: ctx.ids.resource("igw"), vpc: None, tags };
    let mut xml = Xml::new();
    xml.node("internetGateway", |xml| gateway.xml(xml, owner));
    ctx.here().gateways.insert(gateway.id.clone(), gateway);
    Ok(xml)
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let owner = ctx.owner();
    let select = Select {
        ids: Some((Kind::Gateway, "InternetGatewayId")),
        filters: &["attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"],
        page: None,
    };
    let selection = select.from(form, ctx.here().gateways.values(), |gateway, name| match name {
        "attachment.state" => gateway.vpc.iter().map(|_| "available".to_owned()).collect(),
        "attachment.vpc-id" => gateway.vpc.iter().cloned().collect(),
        "owner-id" => vec![owner.to_owned()],
        _ => vec![gateway.id.clone()],
    })?;
    Ok(selection.xml("internetGatewaySet", |xml, gateway| gateway.xml(xml, owner)))
}

fn ids<'a>(form: &Form<'a>) -> Result<(&'a str, &'a str), Fail> {
    let (gateway, vpc) = (form.need("InternetGatewayId")?, form.need("VpcId")?);
    Kind::Gateway.check(gateway)?;
    Kind::Vpc.check(vpc)?;
    Ok((gateway, vpc))
}

/// A gateway that is attached already answers `Resource.AlreadyAssociated`, a VPC that has another gateway answers
/// `InvalidParameterValue` (as reported in cloudfoundry-incubator/kubo-deployment#167 and berlioz-the/berlioz#1).
pub(crate) fn attach(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (id, vpc) = ids(form)?;
    let region = ctx.here();
    if !region.vpcs.contains_key(vpc) {
        return Err(Kind::Vpc.not_found(vpc));
    }
    let other =
        region.gateways.values().any(|gateway| gateway.id != id && gateway.vpc.as_deref() == Some(vpc));
    let gateway = region.gateways.get_mut(id).ok_or_else(|| Kind::Gateway.not_found(id))?;
    if let Some(to) = &gateway.vpc {
        return Err(Fail::new(
            "Resource.AlreadyAssociated",
            format!("resource {id} is already attached to network {to}"),
        ));
    }
    if other {
        return Err(Fail::new(
            "InvalidParameterValue",
            format!("Network {vpc} already has an internet gateway attached"),
        ));
    }
    gateway.vpc = Some(vpc.to_owned());
    Ok(ok())
}

pub(crate) fn detach(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (id, vpc) = ids(form)?;
    let region = ctx.here();
    if !region.vpcs.contains_key(vpc) {
        return Err(Kind::Vpc.not_found(vpc));
    }
    let mapped = region.interfaces.values().any(|i| i.vpc == vpc && i.public_address.is_some());
    let gateway = region.gateways.get_mut(id).ok_or_else(|| Kind::Gateway.not_found(id))?;
    if gateway.vpc.as_deref() != Some(vpc) {
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(Fail::new("Gateway.NotAttached", message));
    }
    if mapped {
        return Err(Fail::new(
            "DependencyViolation",
            format!(
                "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before \
                 detaching the gateway."
            ),
        ));
    }
    gateway.vpc = None;
    Ok(ok())
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let id = form.need("InternetGatewayId")?;
    Kind::Gateway.check(id)?;
    let region = ctx.here();
    let gateway = region.gateways.get(id).ok_or_else(|| Kind::Gateway.not_found(id))?;
    if gateway.vpc.is_some() {
        return Err(dependency("internetGateway", id));
    }
    region.gateways.remove(id);
    Ok(ok())
}
