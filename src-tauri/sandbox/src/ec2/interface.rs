//! Network interfaces; here they live and die with their instance.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::select::Select;
use super::{Kind, row, tags};
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// A network interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Interface {
    pub id: String,
    pub vpc: String,
    pub subnet: String,
    pub zone: String,
    pub private_address: Ipv4Addr,
    pub public_address: Option<Ipv4Addr>,
    /// Whether it gets a public address whenever its instance starts.
    pub wants_public: bool,
    /// Ids of security groups.
    pub groups: Vec<String>,
    pub mac: String,
    pub description: String,
    pub attachment: String,
    pub instance: String,
    pub attached: At,
    pub delete_on_termination: bool,
    pub tags: Tags,
}

row!(Interface);

impl Interface {
    pub(crate) fn private_name(&self, region: &str) -> String {
        private_name(self.private_address, region)
    }

    /// The name of the public address, in a VPC with DNS host names.
    pub(crate) fn public_name(&self, region: &Region, region_name: &str) -> Option<String> {
        let named = region.vpcs.get(&self.vpc).is_some_and(|vpc| vpc.dns_hostnames);
        let dashed = self.public_address?.to_string().replace('.', "-");
        let zone = if region_name == "us-east-1" {
            "compute-1".to_owned()
        } else {
            format!("{region_name}.compute")
        };
        named.then(|| format!("ec2-{dashed}.{zone}.amazonaws.com"))
    }

    pub(crate) fn groups_xml(&self, xml: &mut Xml, region: &Region) {
        xml.list("groupSet", &self.groups, |xml, id| {
            xml.text("groupId", id)
                .maybe("groupName", region.groups.get(id).map(|group| group.name.as_str()));
        });
    }

    /// What DescribeNetworkInterfaces and DescribeInstances both say.
    pub(crate) fn common_xml(&self, xml: &mut Xml, region: &Region, region_name: &str, owner: &str) {
        xml.text("networkInterfaceId", &self.id)
            .text("subnetId", &self.subnet)
            .text("vpcId", &self.vpc)
            .text("description", &self.description)
            .text("ownerId", owner)
            .text("status", "in-use")
            .text("macAddress", &self.mac)
            .text("privateIpAddress", self.private_address)
            .text("privateDnsName", self.private_name(region_name))
            .text("sourceDestCheck", true)
            .text("interfaceType", "interface");
        self.groups_xml(xml, region);
        xml.node("attachment", |xml| {
            xml.text("attachmentId", &self.attachment)
                .text("instanceId", &self.instance)
                .text("instanceOwnerId", owner)
                .text("deviceIndex", 0)
                .text("networkCardIndex", 0)
                .text("status", "attached")
                .text("attachTime", self.attached.iso())
                .text("deleteOnTermination", self.delete_on_termination);
        });
        self.association_xml(xml, region, region_name);
        xml.list("privateIpAddressesSet", [self], |xml, interface| {
            xml.text("privateIpAddress", interface.private_address)
                .text("privateDnsName", interface.private_name(region_name))
                .text("primary", true);
            interface.association_xml(xml, region, region_name);
        });
    }

    fn association_xml(&self, xml: &mut Xml, region: &Region, region_name: &str) {
        if let Some(address) = self.public_address {
            xml.node("association", |xml| {
                xml.text("publicIp", address)
                    .text("publicDnsName", self.public_name(region, region_name).unwrap_or_default())
                    .text("ipOwnerId", "amazon");
            });
        }
    }
}

pub(crate) fn private_name(address: Ipv4Addr, region: &str) -> String {
    let dashed = address.to_string().replace('.', "-");
    let zone =
        if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
    format!("ip-{dashed}.{zone}")
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner) = (ctx.region, ctx.owner());
    let region = &*ctx.here();
    let select = Select {
        ids: Some((Kind::Interface, "NetworkInterfaceId")),
        filters: &[
            "addresses.private-ip-address",
            "association.public-ip",
            "attachment.instance-id",
            "attachment.status",
            "availability-zone",
            "description",
            "group-id",
            "network-interface-id",
            "owner-id",
            "private-ip-address",
            "status",
            "subnet-id",
            "vpc-id",
        ],
        page: None,
    };
    let selection = select.from(form, region.interfaces.values(), |interface, name| match name {
        "addresses.private-ip-address" | "private-ip-address" => vec![interface.private_address.to_string()],
        "association.public-ip" => interface.public_address.iter().map(Ipv4Addr::to_string).collect(),
        "attachment.instance-id" => vec![interface.instance.clone()],
        "attachment.status" => vec!["attached".to_owned()],
        "availability-zone" => vec![interface.zone.clone()],
        "description" => vec![interface.description.clone()],
        "group-id" => interface.groups.clone(),
        "owner-id" => vec![owner.to_owned()],
        "status" => vec!["in-use".to_owned()],
        "subnet-id" => vec![interface.subnet.clone()],
        "vpc-id" => vec![interface.vpc.clone()],
        _ => vec![interface.id.clone()],
    })?;
    Ok(selection.xml("networkInterfaceSet", |xml, interface| {
        interface.common_xml(xml, region, region_name, owner);
        xml.text("availabilityZone", &interface.zone).text("requesterManaged", false);
        tags::xml(xml, &interface.tags);
    }))
}
