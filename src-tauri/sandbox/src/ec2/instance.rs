//! Instances: what they are and how they are described.

use serde::{Deserialize, Serialize};

use super::image::Arch;
use super::interface::private_name;
use super::select::{Select, Selection};
use super::{Interface, Kind, attachment, row, tags, types, zones};
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// The state reason of an instance that was shut down from inside.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>
pub(super) const SHUT_DOWN_INSIDE: &str = "Client.InstanceInitiatedShutdown";

/// An instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Instance {
    pub id: String,
    pub reservation: String,
    pub image: String,
    /// The instance type.
    pub kind: String,
    pub arch: Arch,
    pub state: State,
    /// When the state moves on by itself.
    pub due: Option<At>,
    pub launched: At,
    /// When the agent registers, once it runs.
    pub online: At,
    pub terminated: Option<At>,
    /// Why it is not running: code and message.
    pub reason: Option<(String, String)>,
    /// It will never run: the code and the message it terminates with.
    pub doomed: Option<(String, String)>,
    pub vpc: String,
    pub subnet: String,
    pub zone: String,
    pub private_address: std::net::Ipv4Addr,
    /// The profile's ARN and id.
    pub profile: Option<(String, String)>,
    pub token: Option<String>,
    pub root_device: String,
    pub protected: bool,
    /// Powering off inside terminates it instead of stopping it.
    pub shutdown_terminates: bool,
    pub metadata: Metadata,
    /// The capacity reservation that it runs in.
    #[serde(default)]
    pub capacity_reservation: Option<String>,
    pub tags: Tags,
}

row!(Instance);

/// The metadata service's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Metadata {
    pub tokens_required: bool,
    pub hop_limit: u32,
    pub enabled: bool,
    pub ipv6: bool,
    pub tags: bool,
}

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    /// As EC2 says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    pub(crate) fn xml(self, xml: &mut Xml, name: &str) {
        xml.node(name, |xml| {
            xml.text("code", self.code()).text("name", self.name());
        });
    }
}

impl Instance {
    /// Whether it is in the state `running`.
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::ShuttingDown | State::Terminated)
    }

    pub(crate) fn interface<'a>(&self, region: &'a Region) -> Option<&'a Interface> {
        region.interfaces.values().find(|interface| interface.instance == self.id)
    }

    /// Of an instance that was shut down from inside EC2 says `User initiated` without a moment, and only the state reason tells
    /// (StateTransitionReason and StateReason in describe-instances answers that people have published).
    fn transition(&self) -> &str {
        match &self.reason {
            Some((code, _)) if code == SHUT_DOWN_INSIDE => "User initiated",
            Some((_, message)) => message,
            None => "",
        }
    }

    /// What a terminated instance no longer has is left out: its network, its disks.
    pub(crate) fn xml(&self, xml: &mut Xml, region: &Region, region_name: &str, owner: &str, now: At) {
        let terminated = self.state == State::Terminated;
        let interface = self.interface(region);
        let public = interface.and_then(|interface| interface.public_address);
        let private_dns =
            if terminated { String::new() } else { private_name(self.private_address, region_name) };
        let public_dns = interface.and_then(|i| i.public_name(region, region_name)).unwrap_or_default();
        xml.text("instanceId", &self.id).text("imageId", &self.image);
        self.state.xml(xml, "instanceState");
        xml.text("privateDnsName", private_dns)
            .text("dnsName", public_dns)
            .text("reason", self.transition())
            .text("amiLaunchIndex", 0)
            .list("productCodes", [(); 0], |_, ()| {})
            .text("instanceType", &self.kind)
            .text("launchTime", self.launched.iso());
        xml.node("placement", |xml| {
            xml.text("availabilityZone", &self.zone)
                .maybe("availabilityZoneId", zones::zone(region_name, &self.zone).map(|zone| zone.id))
                .text("groupName", "")
                .text("tenancy", "default");
        });
        xml.node("monitoring", |xml| {
            xml.text("state", "disabled");
        });
        if !terminated {
            xml.text("subnetId", &self.subnet)
                .text("vpcId", &self.vpc)
                .text("privateIpAddress", self.private_address)
                .maybe("ipAddress", public)
                .text("sourceDestCheck", true);
        }
        match interface {
            Some(interface) => interface.groups_xml(xml, region),
            None => drop(xml.list("groupSet", [(); 0], |_, ()| {})),
        }
        if let Some((code, message)) = &self.reason {
            xml.node("stateReason", |xml| {
                xml.text("code", code).text("message", format!("{code}: {message}"));
            });
        }
        xml.text("architecture", self.arch.name())
            .text("rootDeviceType", "ebs")
            .text("rootDeviceName", &self.root_device)
            .text("clientToken", self.token.as_deref().unwrap_or_default())
            .text("virtualizationType", "hvm")
            .text("hypervisor", "xen")
            .text("ebsOptimized", false)
            .text("enaSupport", true)
            .maybe("capacityReservationId", self.capacity_reservation.as_ref())
            .node("capacityReservationSpecification", |xml| {
                xml.text("capacityReservationPreference", "open");
            });
        self.disks_xml(xml, region, now);
        xml.list("networkInterfaceSet", interface, |xml, interface| {
            interface.common_xml(xml, region, region_name, owner);
        });
        if let Some((arn, id)) = &self.profile {
            xml.node("iamInstanceProfile", |xml| {
                xml.text("arn", arn).text("id", id);
            });
        }
        if let Some(kind) = types::named(&self.kind) {
            xml.node("cpuOptions", |xml| kind.cpu_options(xml));
        }
        xml.node("metadataOptions", |xml| self.metadata.xml(xml, "applied"))
            .text("bootMode", self.arch.boot_modes().last().copied().unwrap_or_default())
            .text("platformDetails", "Linux/UNIX")
            .text("usageOperation", "RunInstances");
        tags::xml(xml, &self.tags);
    }

    pub(crate) fn disks_xml(&self, xml: &mut Xml, region: &Region, now: At) {
        xml.list("blockDeviceMapping", attachment::disks(region, self), |xml, (volume, attached)| {
            xml.text("deviceName", &attached.device).node("ebs", |xml| {
                xml.text("volumeId", &volume.id)
                    .text("status", attached.state(now))
                    .text("attachTime", attached.at.iso())
                    .text("deleteOnTermination", attached.delete_on_termination);
            });
        });
    }

    fn facts(&self, region: &Region, owner: &str, region_name: &str, name: &str) -> Vec<String> {
        let interface = self.interface(region);
        let group_names = || {
            let ids = interface.iter().flat_map(|interface| &interface.groups);
            ids.filter_map(|id| region.groups.get(id)).map(|group| group.name.clone()).collect()
        };
        let here =
            |text: &String| if self.state == State::Terminated { Vec::new() } else { vec![text.clone()] };
        match name {
            "architecture" => vec![self.arch.name().to_owned()],
            "availability-zone" => vec![self.zone.clone()],
            "availability-zone-id" => {
                zones::zone(region_name, &self.zone).map(|zone| zone.id).into_iter().collect()
            }
            "block-device-mapping.volume-id" => {
                attachment::disks(region, self).map(|(volume, _)| volume.id.clone()).collect()
            }
            "capacity-reservation-id" => self.capacity_reservation.iter().cloned().collect(),
            "client-token" => self.token.iter().cloned().collect(),
            "iam-instance-profile.arn" => self.profile.iter().map(|(arn, _)| arn.clone()).collect(),
            "iam-instance-profile.id" => self.profile.iter().map(|(_, id)| id.clone()).collect(),
            "image-id" => vec![self.image.clone()],
            "instance-state-code" => vec![self.state.code().to_string()],
            "instance-state-name" => vec![self.state.name().to_owned()],
            "instance-type" => vec![self.kind.clone()],
            "instance.group-id" | "network-interface.group-id" => {
                interface.iter().flat_map(|interface| interface.groups.clone()).collect()
            }
            "instance.group-name" => group_names(),
            "ip-address" => {
                interface.iter().filter_map(|i| i.public_address).map(|address| address.to_string()).collect()
            }
            "launch-time" => vec![self.launched.iso()],
            "metadata-options.http-tokens" => {
                vec![if self.metadata.tokens_required { "required" } else { "optional" }.to_owned()]
            }
            "network-interface.network-interface-id" => interface.iter().map(|i| i.id.clone()).collect(),
            "owner-id" => vec![owner.to_owned()],
            "private-ip-address" => here(&self.private_address.to_string()),
            "reservation-id" => vec![self.reservation.clone()],
            "root-device-name" => vec![self.root_device.clone()],
            "subnet-id" => here(&self.subnet),
            "vpc-id" => here(&self.vpc),
            _ => vec![self.id.clone()],
        }
    }
}

impl Metadata {
    pub(crate) fn xml(&self, xml: &mut Xml, state: &str) {
        let switch = |on: bool| if on { "enabled" } else { "disabled" };
        xml.text("state", state)
            .text("httpTokens", if self.tokens_required { "required" } else { "optional" })
            .text("httpPutResponseHopLimit", self.hop_limit)
            .text("httpEndpoint", switch(self.enabled))
            .text("httpProtocolIpv6", switch(self.ipv6))
            .text("instanceMetadataTags", switch(self.tags));
    }

    /// Takes what the request says over.
    pub(crate) fn change(&mut self, form: &Form<'_>) -> Result<(), Fail> {
        let choice = |name: &str, yes: &str, no: &str| match form.text(name) {
            None => Ok(None),
            Some(text) if text == yes => Ok(Some(true)),
            Some(text) if text == no => Ok(Some(false)),
            Some(text) => Err(form.invalid(name, text, &format!("Valid values are {yes} and {no}."))),
        };
        self.tokens_required = choice("HttpTokens", "required", "optional")?.unwrap_or(self.tokens_required);
        self.enabled = choice("HttpEndpoint", "enabled", "disabled")?.unwrap_or(self.enabled);
        self.ipv6 = choice("HttpProtocolIpv6", "enabled", "disabled")?.unwrap_or(self.ipv6);
        self.tags = choice("InstanceMetadataTags", "enabled", "disabled")?.unwrap_or(self.tags);
        if let Some(hops) = form.number("HttpPutResponseHopLimit")? {
            if !(1..=64).contains(&hops) {
                let why = "The hop limit is between 1 and 64.";
                return Err(form.invalid("HttpPutResponseHopLimit", &hops.to_string(), why));
            }
            self.hop_limit = hops;
        }
        Ok(())
    }
}

const FILTERS: &[&str] = &[
    "architecture",
    "availability-zone",
    "availability-zone-id",
    "block-device-mapping.volume-id",
    "capacity-reservation-id",
    "client-token",
    "iam-instance-profile.arn",
    "iam-instance-profile.id",
    "image-id",
    "instance-id",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "instance.group-name",
    "ip-address",
    "launch-time",
    "metadata-options.http-tokens",
    "network-interface.group-id",
    "network-interface.network-interface-id",
    "owner-id",
    "private-ip-address",
    "reservation-id",
    "root-device-name",
    "subnet-id",
    "vpc-id",
];

fn select<'r>(
    form: &Form<'_>,
    region: &'r Region,
    rows: impl Iterator<Item = &'r Instance>,
    region_name: &str,
    owner: &str,
) -> Result<Selection<&'r Instance>, Fail> {
    let select = Select { ids: Some((Kind::Instance, "InstanceId")), filters: FILTERS, page: None };
    select.from(form, rows, |instance, name| instance.facts(region, owner, region_name, name))
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner, now) = (ctx.region, ctx.owner(), ctx.now);
    let region = &*ctx.here();
    let selection = select(form, region, region.instances.values(), region_name, owner)?;
    let next = selection.next().map(str::to_owned);
    let mut reservations: Vec<(&str, Vec<&Instance>)> = Vec::new();
    for instance in selection.rows {
        match reservations.iter_mut().find(|(id, _)| *id == instance.reservation) {
            Some((_, instances)) => instances.push(instance),
            None => reservations.push((&instance.reservation, vec![instance])),
        }
    }
    let mut xml = Xml::new();
    xml.list("reservationSet", &reservations, |xml, (id, instances)| {
        reservation_xml(xml, id, instances, region, region_name, owner, now);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(crate) fn reservation_xml(
    xml: &mut Xml,
    id: &str,
    instances: &[&Instance],
    region: &Region,
    region_name: &str,
    owner: &str,
    now: At,
) {
    xml.text("reservationId", id).text("ownerId", owner).list("groupSet", [(); 0], |_, ()| {}).list(
        "instancesSet",
        instances,
        |xml, instance| instance.xml(xml, region, region_name, owner, now),
    );
}

/// Running instances only, unless `IncludeAllInstances` says otherwise
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html).
pub(crate) fn describe_status(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner, now) = (ctx.region, ctx.owner(), ctx.now);
    let every = form.flag("IncludeAllInstances")?.unwrap_or(false);
    let region = &*ctx.here();
    let mut selection = select(form, region, region.instances.values(), region_name, owner)?;
    selection.rows.retain(|instance| every || instance.is_running());
    Ok(selection.xml("instanceStatusSet", |xml, instance| {
        let (status, check) = match instance.state {
            State::Running if now < instance.online => ("initializing", "initializing"),
            State::Running => ("ok", "passed"),
            State::Pending | State::ShuttingDown | State::Terminated | State::Stopping | State::Stopped => {
                ("not-applicable", "insufficient-data")
            }
        };
        xml.text("instanceId", &instance.id).text("availabilityZone", &instance.zone);
        instance.state.xml(xml, "instanceState");
        for name in ["systemStatus", "instanceStatus"] {
            xml.node(name, |xml| {
                xml.text("status", status).list("details", [check], |xml, check| {
                    xml.text("name", "reachability").text("status", check);
                });
            });
        }
    }))
}
