//! What AWS answers, as the core's types. Pure.
//!
//! An id or a state that makes no sense is an error and never left out: what is left out would be made once more.

use std::collections::BTreeSet;
use std::str::FromStr;

use aws_sdk_ec2::types as ec2;
use aws_smithy_types::date_time::Format;
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{
    Arch, Card, Fact, Gateway, Group, Image, Instance, Modification, ModificationState, Offer, Power,
    Reservation, RootVolume, RouteTable, Rule, Snapshot, SnapshotProgress, Subnet, Tags, Volume, Vpc, WayOut,
};
use holdfast_core::names::{GatewayId, GroupId, InstanceType, NotAllowed, Region, RuleId};

use super::image::Candidate;

/// What makes no sense in an answer.
pub(super) type Garbled = String;

pub(super) fn required<T: FromStr<Err = NotAllowed>>(text: Option<&str>, what: &str) -> Result<T, Garbled> {
    text.unwrap_or_default().parse().map_err(|error| format!("{what}: {error}"))
}

fn optional<T: FromStr<Err = NotAllowed>>(text: Option<&str>, what: &str) -> Result<Option<T>, Garbled> {
    text.filter(|text| !text.is_empty()).map(|text| required(Some(text), what)).transpose()
}

fn tags(tags: &[ec2::Tag]) -> Tags {
    let pair = |tag: &ec2::Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}

pub(super) fn iam_tags(tags: &[aws_sdk_iam::types::Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

pub(super) fn vpc(vpc: &ec2::Vpc) -> Result<Vpc, Garbled> {
    Ok(Vpc {
        id: required(vpc.vpc_id(), "vpcId")?,
        addresses: vpc.cidr_block().unwrap_or_default().to_owned(),
        tags: tags(vpc.tags()),
        dns_support: Fact::NOT_LOOKED,
        dns_hostnames: Fact::NOT_LOOKED,
    })
}

pub(super) fn subnet(subnet: &ec2::Subnet) -> Result<Subnet, Garbled> {
    Ok(Subnet {
        id: required(subnet.subnet_id(), "subnetId")?,
        vpc: required(subnet.vpc_id(), "vpcId")?,
        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        addresses: subnet.cidr_block().unwrap_or_default().to_owned(),
        tags: tags(subnet.tags()),
        public_addresses: subnet.map_public_ip_on_launch().unwrap_or_default(),
        way_out: Fact::NOT_LOOKED,
    })
}

pub(super) fn gateway(gateway: &ec2::InternetGateway) -> Result<Gateway, Garbled> {
    let leaving = |attachment: &&ec2::InternetGatewayAttachment| {
        matches!(attachment.state().map(ec2::AttachmentStatus::as_str), Some("detaching" | "detached"))
    };
    let attachment = gateway.attachments().iter().find(|attachment| !leaving(attachment));
    Ok(Gateway {
        id: required(gateway.internet_gateway_id(), "internetGatewayId")?,
        vpc: optional(attachment.and_then(ec2::InternetGatewayAttachment::vpc_id), "vpcId")?,
        tags: tags(gateway.tags()),
    })
}

pub(super) fn route_table(table: &ec2::RouteTable) -> Result<RouteTable, Garbled> {
    let gone = |association: &&ec2::RouteTableAssociation| {
        let state = association.association_state().and_then(|state| state.state());
        matches!(state.map(ec2::RouteTableAssociationStateCode::as_str), Some("disassociated" | "failed"))
    };
    let mut associations = Vec::new();
    for association in table.associations().iter().filter(|association| !gone(association)) {
        // The association of a VPC's main table, and that of a gateway, have no subnet.
        if let Some(subnet) = optional(association.subnet_id(), "subnetId")? {
            associations.push((
                required(association.route_table_association_id(), "routeTableAssociationId")?,
                subnet,
            ));
        }
    }
    Ok(RouteTable {
        id: required(table.route_table_id(), "routeTableId")?,
        vpc: required(table.vpc_id(), "vpcId")?,
        default_gateway: default_route(table).and_then(internet_gateway),
        associations,
        tags: tags(table.tags()),
    })
}

/// How traffic leaves a subnet with this table; `None` when it does not.
pub(super) fn way_out(table: &ec2::RouteTable) -> Option<WayOut> {
    let route = default_route(table)?;
    let blackhole = route.state().map(ec2::RouteState::as_str) == Some("blackhole");
    let way = if internet_gateway(route).is_some() { WayOut::Gateway } else { WayOut::Other };
    (!blackhole).then_some(way)
}

fn default_route(table: &ec2::RouteTable) -> Option<&ec2::Route> {
    table.routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"))
}

/// A route's gateway may be a virtual private gateway too (`vgw-…`), or a Gateway Load Balancer's endpoint (`vpce-…`).
fn internet_gateway(route: &ec2::Route) -> Option<GatewayId> {
    route.gateway_id()?.parse().ok()
}

/// The group. When it lets anything in, it has one rule in place of them all: their ids are another call's to know.
pub(super) fn group(group: &ec2::SecurityGroup) -> Result<Group, Garbled> {
    let everything = |rule: &ec2::IpPermission| {
        rule.ip_protocol() == Some("-1")
            && rule.ip_ranges().iter().any(|range| range.cidr_ip() == Some("0.0.0.0/0"))
    };
    let unnamed = Rule { id: RuleId::planned(), text: String::new() };
    Ok(Group {
        id: required(group.group_id(), "groupId")?,
        vpc: required(group.vpc_id(), "vpcId")?,
        inbound: group.ip_permissions().first().map(|_| unnamed).into_iter().collect(),
        outbound: group.ip_permissions_egress().iter().any(everything),
        tags: tags(group.tags()),
    })
}

pub(super) fn rule(rule: &ec2::SecurityGroupRule) -> Result<(GroupId, Rule), Garbled> {
    let protocol = match rule.ip_protocol() {
        Some("-1") | None => "all traffic",
        Some(protocol) => protocol,
    };
    let ports = match (rule.from_port(), rule.to_port()) {
        (None | Some(-1), _) | (_, None | Some(-1)) => String::new(),
        (Some(from), Some(to)) if from == to => format!(" {from}"),
        (Some(from), Some(to)) => format!(" {from}-{to}"),
    };
    let group = rule.referenced_group_info().and_then(ec2::ReferencedSecurityGroup::group_id);
    let source =
        rule.cidr_ipv4().or(rule.cidr_ipv6()).or(rule.prefix_list_id()).or(group).unwrap_or("anywhere");
    let id = required(rule.security_group_rule_id(), "securityGroupRuleId")?;
    let text = format!("{protocol}{ports} from {source}");
    Ok((required(rule.group_id(), "groupId")?, Rule { id, text }))
}

/// A network interface. The address of a VPC's own pool belongs to `amazon`, an Elastic IP address to the account.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterfaceAssociation.html> (`ipOwnerId`)
pub(super) fn card(card: &ec2::NetworkInterface) -> Result<Card, Garbled> {
    let owner = card.association().and_then(|association| association.ip_owner_id());
    let attached = card.attachment().and_then(|attachment| attachment.instance_id());
    let groups = card.groups().iter().map(|group| required(group.group_id(), "groupId"));
    Ok(Card {
        id: required(card.network_interface_id(), "networkInterfaceId")?,
        instance: optional(attached, "instanceId")?,
        groups: groups.collect::<Result<_, _>>()?,
        description: card.description().unwrap_or_default().to_owned(),
        elastic: owner.is_some_and(|owner| owner.bytes().all(|b| b.is_ascii_digit())),
        tags: tags(card.tag_set()),
    })
}

pub(super) fn instance(instance: &ec2::Instance) -> Result<Instance, Garbled> {
    let state = instance.state().and_then(|state| state.name()).map(ec2::InstanceStateName::as_str);
    let metadata = instance.metadata_options();
    let tokens = metadata.and_then(|options| options.http_tokens()).map(ec2::HttpTokensState::as_str);
    let hops = metadata.and_then(ec2::InstanceMetadataOptionsResponse::http_put_response_hop_limit);
    let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
    Ok(Instance {
        id: required(instance.instance_id(), "instanceId")?,
        power: power(state.unwrap_or_default())?,
        instance_type: required(instance.instance_type().map(ec2::InstanceType::as_str), "instanceType")?,
        architecture: instance
            .architecture()
            .map(ec2::ArchitectureValues::as_str)
            .unwrap_or_default()
            .to_owned(),
        vcpus: vcpus(instance),
        zone: instance.placement().and_then(|place| place.availability_zone()).unwrap_or_default().to_owned(),
        vpc: optional(instance.vpc_id(), "vpcId")?,
        image: optional(instance.image_id(), "imageId")?,
        launched: instance.launch_time().and_then(|time| time.fmt(Format::DateTime).ok()),
        transition: transition(instance),
        fell_short: instance.state_reason().and_then(ec2::StateReason::code)
            == Some("Server.InsufficientInstanceCapacity"),
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
        stopped_itself: instance.state_reason().and_then(ec2::StateReason::code)
            == Some("Client.InstanceInitiatedShutdown"),
        root: root_volume(instance)?,
        public_address: instance.public_ip_address().is_some_and(|address| !address.is_empty()),
        profile: profile.and_then(|arn| arn.rsplit('/').next()).map(ToOwned::to_owned),
        token: instance.client_token().filter(|token| !token.is_empty()).map(ToOwned::to_owned),
        metadata_guarded: tokens == Some("required") && hops.is_some_and(|hops| hops <= 1),
        protected: Fact::NOT_LOOKED,
        stops_on_shutdown: Fact::NOT_LOOKED,
        tags: tags(instance.tags()),
    })
}

/// Zero where EC2 does not say, as of an instance that is gone.
pub(super) fn vcpus(instance: &ec2::Instance) -> u32 {
    let options = instance.cpu_options();
    let both = options.and_then(|options| Some((options.core_count()?, options.threads_per_core()?)));
    both.and_then(|(cores, threads)| u32::try_from(cores.checked_mul(threads)?).ok()).unwrap_or_default()
}

pub(super) fn power(state: &str) -> Result<Power, Garbled> {
    match state {
        "pending" => Ok(Power::Pending),
        "running" => Ok(Power::Running),
        "stopping" => Ok(Power::Stopping),
        "stopped" => Ok(Power::Stopped),
        "shutting-down" => Ok(Power::ShuttingDown),
        "terminated" => Ok(Power::Terminated),
        _ => Err(format!("{state:?} is not a state of an instance")),
    }
}

/// `User initiated (2026-11-23 07:00:00 GMT)`, or why EC2 has ended an instance itself.
fn transition(instance: &ec2::Instance) -> Option<String> {
    let reason = instance.state_reason();
    let text = reason.and_then(ec2::StateReason::message).filter(|text| !text.is_empty());
    let transition = instance.state_transition_reason().filter(|text| !text.is_empty());
    // Of a launch that failed the transition says no more than `Server.InternalError`.
    let by_user = |code: &str| code.ends_with("UserInitiatedShutdown");
    let own = reason.and_then(ec2::StateReason::code).is_some_and(by_user);
    let (first, second) = if own { (transition, text) } else { (text, transition) };
    first.or(second).map(ToOwned::to_owned)
}

fn root_volume(instance: &ec2::Instance) -> Result<Option<RootVolume>, Garbled> {
    let Some(device) = instance.root_device_name() else { return Ok(None) };
    let root = instance.block_device_mappings().iter().find(|mapping| mapping.device_name() == Some(device));
    let Some(ebs) = root.and_then(|mapping| mapping.ebs()) else { return Ok(None) };
    Ok(Some(RootVolume {
        id: required(ebs.volume_id(), "volumeId")?,
        device: device.to_owned(),
        goes_with_instance: ebs.delete_on_termination().unwrap_or_default(),
    }))
}

/// `None` for a volume that is going already.
pub(super) fn volume(volume: &ec2::Volume) -> Result<Option<Volume>, Garbled> {
    if matches!(volume.state().map(ec2::VolumeState::as_str), Some("deleting" | "deleted")) {
        return Ok(None);
    }
    let detached = |attachment: &&ec2::VolumeAttachment| {
        let state = attachment.state().map(ec2::VolumeAttachmentState::as_str);
        matches!(state, Some("detached" | "detaching"))
    };
    let attachment = volume.attachments().iter().find(|attachment| !detached(attachment));
    // Of the other kinds the speed follows from the size, or has other limits.
    let gp3 = volume.volume_type() == Some(&ec2::VolumeType::Gp3);
    Ok(Some(Volume {
        id: required(volume.volume_id(), "volumeId")?,
        size: number(volume.size(), "size")?,
        iops: volume.iops().filter(|_| gp3).and_then(|iops| u32::try_from(iops).ok()),
        throughput: volume.throughput().filter(|_| gp3).and_then(|mib| u32::try_from(mib).ok()),
        of: optional(volume.snapshot_id().filter(|id| !id.is_empty()), "snapshotId")?,
        created: volume.create_time().and_then(|time| time.fmt(Format::DateTime).ok()),
        modification: Fact::NOT_LOOKED,
        attached: optional(attachment.and_then(ec2::VolumeAttachment::instance_id), "instanceId")?,
        encrypted: volume.encrypted().unwrap_or_default(),
        tags: tags(volume.tags()),
    }))
}

pub(super) fn modification(modification: &ec2::VolumeModification) -> Result<Modification, Garbled> {
    let state = match modification.modification_state().map(ec2::VolumeModificationState::as_str) {
        Some("modifying") => ModificationState::Modifying,
        Some("optimizing") => ModificationState::Optimizing,
        Some("completed") => ModificationState::Completed,
        Some("failed") => ModificationState::Failed,
        other => return Err(format!("{other:?} is not a state of a modification")),
    };
    let progress = modification.progress().and_then(|percent| u32::try_from(percent).ok());
    Ok(Modification {
        state,
        began: modification.start_time().and_then(|time| time.fmt(Format::DateTime).ok()),
        progress: progress.unwrap_or_default().min(100),
    })
}

/// `None` for one that is over.
pub(super) fn reservation(held: &ec2::CapacityReservation) -> Result<Option<Reservation>, Garbled> {
    let active = match held.state().map(ec2::CapacityReservationState::as_str) {
        Some("active") => true,
        Some("pending") => false,
        _ => return Ok(None),
    };
    Ok(Some(Reservation {
        id: required(held.capacity_reservation_id(), "capacityReservationId")?,
        instance_type: required(held.instance_type(), "instanceType")?,
        zone: held.availability_zone().unwrap_or_default().to_owned(),
        active,
        free: held.available_instance_count().is_none_or(|count| count > 0),
    }))
}

pub(super) fn snapshot(snapshot: &ec2::Snapshot) -> Result<Snapshot, Garbled> {
    let progress = match snapshot.state().map(ec2::SnapshotState::as_str) {
        Some("completed") => SnapshotProgress::Complete,
        Some("error") => SnapshotProgress::Failed,
        Some(_) | None => SnapshotProgress::Pending,
    };
    Ok(Snapshot {
        id: required(snapshot.snapshot_id(), "snapshotId")?,
        volume: optional(snapshot.volume_id(), "volumeId")?,
        size: number(snapshot.volume_size(), "volumeSize")?,
        bytes: snapshot.full_snapshot_size_in_bytes().and_then(|bytes| u64::try_from(bytes).ok()),
        progress,
        taken: snapshot.start_time().and_then(|time| time.fmt(Format::DateTime).ok()),
        tags: tags(snapshot.tags()),
    })
}

/// `None` for an image that cannot be used: still being made, or without a root volume.
pub(super) fn image(image: &ec2::Image) -> Result<Option<Candidate>, Garbled> {
    let available = image.state().map(ec2::ImageState::as_str) == Some("available");
    let Some(device) = image.root_device_name().filter(|_| available) else { return Ok(None) };
    let root = image.block_device_mappings().iter().find(|mapping| mapping.device_name() == Some(device));
    let Some(ebs) = root.and_then(|mapping| mapping.ebs()) else { return Ok(None) };
    Ok(Some(Candidate {
        image: Image {
            id: required(image.image_id(), "imageId")?,
            name: image.name().unwrap_or_default().to_owned(),
            root_device: device.to_owned(),
            min_size: number(ebs.volume_size().or(Some(0)), "volumeSize")?,
        },
        architecture: image
            .architecture()
            .map(ec2::ArchitectureValues::as_str)
            .unwrap_or_default()
            .to_owned(),
        created: image.creation_date().unwrap_or_default().to_owned(),
    }))
}

pub(super) fn offer(
    instance_type: &InstanceType,
    info: &ec2::InstanceTypeInfo,
    zones: BTreeSet<String>,
) -> Result<Offer, Garbled> {
    let processor = info.processor_info().ok_or("no processorInfo")?;
    let names: Vec<&str> =
        processor.supported_architectures().iter().map(ec2::ArchitectureType::as_str).collect();
    let usable = names.iter().copied().find(|name| Arch::from_ec2(name).is_some());
    let memory = info.memory_info().and_then(|memory| memory.size_in_mib()).unwrap_or_default();
    Ok(Offer {
        instance_type: instance_type.clone(),
        architecture: usable.or(names.first().copied()).ok_or("no supportedArchitectures")?.to_owned(),
        vcpus: number(info.v_cpu_info().and_then(ec2::VCpuInfo::default_v_cpus), "defaultVCpus")?,
        memory_mib: u64::try_from(memory).map_err(|_| format!("sizeInMiB: {memory}"))?,
        zones,
    })
}

pub(super) fn kind(info: &ec2::InstanceTypeInfo, offered: bool) -> Result<Kind, Garbled> {
    let processor = info.processor_info();
    let names = processor.map_or(&[][..], ec2::ProcessorInfo::supported_architectures);
    let names = names.iter().map(ec2::ArchitectureType::as_str);
    let memory = info.memory_info().and_then(|memory| memory.size_in_mib()).unwrap_or_default();
    Ok(Kind {
        instance_type: required(info.instance_type().map(ec2::InstanceType::as_str), "instanceType")?,
        architectures: names.filter(|name| Arch::from_ec2(name).is_some()).map(ToOwned::to_owned).collect(),
        offered,
        vcpus: number(info.v_cpu_info().and_then(ec2::VCpuInfo::default_v_cpus), "defaultVCpus")?,
        memory_mib: u64::try_from(memory).map_err(|_| format!("sizeInMiB: {memory}"))?,
        network: info.network_info().and_then(|network| network.network_performance()).map(ToOwned::to_owned),
    })
}

/// Whether the zone is one that every account can use: the region and one letter. Local and Wavelength Zones
/// (`us-west-2-lax-1a`) are offered too, but must be switched on first.
/// Source: <https://docs.aws.amazon.com/local-zones/latest/ug/concepts-local-zones.html>
pub(super) fn is_plain_zone(region: &Region, zone: &str) -> bool {
    let rest = zone.strip_prefix(region.as_str()).unwrap_or_default();
    rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_lowercase())
}

/// A policy document, which IAM answers percent-encoded.
/// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>
pub(super) fn document(encoded: &str) -> Result<serde_json::Value, Garbled> {
    let text =
        percent_encoding::percent_decode_str(encoded).decode_utf8().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn number(number: Option<i32>, what: &str) -> Result<u32, Garbled> {
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| format!("{what}: {number:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_zones_are_the_region_and_a_letter() {
        let region: Region = "us-west-2".parse().unwrap();
        for (zone, plain) in [
            ("us-west-2a", true),
            ("us-west-2-lax-1a", false),
            ("us-west-2-wl1-las-wlz-1", false),
            ("us-west-2", false),
            ("us-east-1a", false),
        ] {
            assert_eq!(is_plain_zone(&region, zone), plain, "{zone}");
        }
    }

    #[test]
    fn the_default_route_says_how_traffic_leaves() {
        let table =
            |route: ec2::builders::RouteBuilder| ec2::RouteTable::builder().routes(route.build()).build();
        let default = || ec2::Route::builder().destination_cidr_block("0.0.0.0/0");
        let gateway = "igw-0123456789abcdef0";
        assert_eq!(way_out(&table(default().gateway_id(gateway))), Some(WayOut::Gateway));
        assert_eq!(way_out(&table(default().nat_gateway_id("nat-0123456789abcdef0"))), Some(WayOut::Other));
        assert_eq!(way_out(&table(default().gateway_id("vgw-0123456789abcdef0"))), Some(WayOut::Other));
        assert_eq!(way_out(&table(default().gateway_id(gateway).state(ec2::RouteState::Blackhole))), None);
        let local = ec2::Route::builder().destination_cidr_block("10.0.0.0/16").gateway_id("local");
        assert_eq!(way_out(&table(local)), None);
    }

    #[test]
    fn a_document_is_decoded_and_parsed() {
        assert_eq!(document("%7B%22a%22%3A%22x%2By%20z%22%7D").unwrap(), serde_json::json!({"a": "x+y z"}));
        assert!(document("%7B").is_err());
    }

    #[test]
    fn an_elastic_address_is_the_account_s() {
        for (owner, elastic) in [(None, false), (Some("amazon"), false), (Some("123456789012"), true)] {
            let address =
                ec2::NetworkInterfaceAssociation::builder().set_ip_owner_id(owner.map(str::to_owned));
            let raw = ec2::NetworkInterface::builder().network_interface_id("eni-0123456789abcdef0");
            let raw = raw.association(address.build()).build();
            assert_eq!(card(&raw).unwrap().elastic, elastic, "{owner:?}");
        }
        assert!(card(&ec2::NetworkInterface::builder().build()).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_an_error_and_not_left_out() {
        assert!(vpc(&ec2::Vpc::builder().vpc_id("vpc-$(id)").build()).is_err());
        assert!(vpc(&ec2::Vpc::builder().build()).is_err());
        assert!(power("hibernating").is_err());
    }
}
