//! Where a launch puts its network interface.

use std::net::Ipv4Addr;

use crate::ec2::{Group, Interface, Kind, Subnet, group};
use crate::wire::{Fail, Form};
use crate::world::{Ctx, Tags};

/// Where an instance goes.
pub(super) struct Network {
    pub(super) subnet: Subnet,
    groups: Vec<String>,
    wants_public: bool,
    description: String,
    delete_on_termination: bool,
}

pub(super) fn read(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Network, Fail> {
    let interfaces = form.items("NetworkInterface");
    let combined = |what: &str| {
        Err(Fail::new(
            "InvalidParameterCombination",
            format!(
                "Network interfaces and an instance-level {what} may not be specified on the same request"
            ),
        ))
    };
    let form = match interfaces.as_slice() {
        [] => form,
        [_] if form.has("SubnetId") => return combined("subnet ID"),
        [_] if form.has("SecurityGroupId") => return combined("security groups"),
        [one] => one,
        [..] => {
            return Err(Fail::new(
                "UnsupportedOperation",
                "The sandbox has no instances with several network interfaces.",
            ));
        }
    };
    let region = ctx.here();
    let subnet = match form.text("SubnetId") {
        Some(id) => {
            Kind::Subnet.check(id)?;
            region.subnets.get(id).ok_or_else(|| Kind::Subnet.not_found(id))?
        }
        None => {
            let vpc = group::default_vpc(region)?;
            let mut defaults =
                region.subnets.values().filter(|subnet| subnet.vpc == vpc && subnet.is_default);
            defaults.next().ok_or_else(|| {
                let message = "No subnets found for the default VPC. Please specify a subnet.";
                Fail::new("MissingInput", message)
            })?
        }
    };
    let mut groups = Vec::new();
    for id in form.texts("SecurityGroupId") {
        Kind::Group.check(id)?;
        let group = region.groups.get(id).ok_or_else(|| Kind::Group.not_found(id))?;
        if group.vpc != subnet.vpc {
            return Err(Fail::new(
                "InvalidParameter",
                format!("Security group {id} and subnet {} belong to different networks.", subnet.id),
            ));
        }
        groups.push(id.to_owned());
    }
    if groups.is_empty() {
        let own = |group: &&Group| group.vpc == subnet.vpc && group.is_default();
        groups.extend(region.groups.values().find(own).map(|group| group.id.clone()));
    }
    Ok(Network {
        groups,
        wants_public: form.flag("AssociatePublicIpAddress")?.unwrap_or(subnet.public_addresses),
        description: form.text("Description").unwrap_or_default().to_owned(),
        delete_on_termination: form.flag("DeleteOnTermination")?.unwrap_or(true),
        subnet: subnet.clone(),
    })
}

impl Network {
    pub(super) fn interface(
        &self,
        ctx: &mut Ctx<'_>,
        instance: &str,
        tags: &Tags,
    ) -> Result<Interface, Fail> {
        let (id, attachment) = (ctx.ids.resource("eni"), ctx.ids.resource("eni-attach"));
        let number = ctx.ids.number().to_be_bytes();
        let public_address = self.wants_public.then(|| public_address(ctx.ids.number()));
        let attached = ctx.now;
        let private_address = self.subnet.next_address(ctx.here()).ok_or_else(|| {
            Fail::new(
                "InsufficientFreeAddressesInSubnet",
                format!(
                    "Not enough free addresses in subnet {} to satisfy the requested number of instances.",
                    self.subnet.id
                ),
            )
        })?;
        let [a, b, c, d, e, ..] = number;
        Ok(Interface {
            id,
            vpc: self.subnet.vpc.clone(),
            subnet: self.subnet.id.clone(),
            zone: self.subnet.zone.clone(),
            private_address,
            public_address,
            wants_public: self.wants_public,
            groups: self.groups.clone(),
            mac: format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}"),
            description: self.description.clone(),
            attachment,
            instance: instance.to_owned(),
            attached,
            delete_on_termination: self.delete_on_termination,
            tags: tags.clone(),
        })
    }
}

/// An address of 198.18.0.0/15, the block for benchmarks: it never leads anywhere.
pub(crate) fn public_address(number: u64) -> Ipv4Addr {
    let [.., a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(198, 18 + (a & 1), b, c)
}
