//! EC2.

mod attachment;
mod attribute;
mod capacity;
mod cidr;
mod gateway;
mod group;
mod image;
mod instance;
mod interface;
mod kind;
mod modification;
mod permission;
mod power;
mod route;
mod run;
mod select;
mod snapshot;
mod subnet;
mod tags;
mod types;
mod volume;
mod volume_create;
mod vpc;
mod zones;

pub use attachment::Attached;
pub use capacity::CapacityReservation;
pub use cidr::{Cidr, NotACidr};
pub use gateway::Gateway;
pub use group::Group;
pub use image::{Arch, Image, NIXOS_OWNER};
pub use instance::{Instance, Metadata, State};
pub use interface::Interface;
pub use modification::{Modification, Shape};
pub use permission::{GroupRule, Peer};
pub use route::{Association, Route, RouteTable, Target};
pub use run::Launch;
pub(crate) use select::matches;
pub use snapshot::Snapshot;
pub(crate) use snapshot::Taker;
pub use subnet::Subnet;
pub use volume::Volume;
pub use vpc::Vpc;

pub(crate) use attachment::attached;
pub(crate) use kind::Kind;
pub(crate) use power::{power_off_inside, settle};
pub(crate) use route::leads_out;
pub(crate) use volume::settle as settle_volumes;
pub(crate) use vpc::default_vpc;
pub(crate) use zones::has_region;

use crate::wire::{Fail, Form, Xml};
use crate::world::Ctx;

/// A resource with an id and tags of its own.
macro_rules! row {
    ($type:ty) => {
        impl $crate::ec2::select::Row for $type {
            fn id(&self) -> &str {
                &self.id
            }
            fn tags(&self) -> &$crate::world::Tags {
                &self.tags
            }
        }
    };
}
use row;

type Run = fn(&mut Ctx<'_>, &Form<'_>) -> Result<Xml, Fail>;

/// An operation: its name, the parameters it takes besides `DryRun`, and what it does. A parameter that is not listed
/// is refused, as EC2 refuses unknown ones; so a `ClientToken` is accepted exactly where EC2's API model has one, and
/// nothing that the sandbox does not act on is taken in silence.
const OPERATIONS: &[(&str, &[&str], Run)] = &[
    ("AssociateRouteTable", &["RouteTableId", "SubnetId"], route::associate),
    ("AttachInternetGateway", &["InternetGatewayId", "VpcId"], gateway::attach),
    ("AttachVolume", &["Device", "InstanceId", "VolumeId"], attachment::attach),
    ("AuthorizeSecurityGroupEgress", GRANT_OUT, permission::authorize_egress),
    ("AuthorizeSecurityGroupIngress", GRANT, permission::authorize_ingress),
    ("CancelCapacityReservation", &["CapacityReservationId"], capacity::cancel),
    (
        "CreateCapacityReservation",
        &[
            "AvailabilityZone",
            "AvailabilityZoneId",
            "ClientToken",
            "EbsOptimized",
            "EndDate",
            "EndDateType",
            "EphemeralStorage",
            "InstanceCount",
            "InstanceMatchCriteria",
            "InstancePlatform",
            "InstanceType",
            "TagSpecifications",
            "Tenancy",
        ],
        capacity::create,
    ),
    ("CreateInternetGateway", &["TagSpecification"], gateway::create),
    ("CreateRoute", &["DestinationCidrBlock", "GatewayId", "RouteTableId"], route::create_route),
    ("CreateRouteTable", &["ClientToken", "TagSpecification", "VpcId"], route::create),
    ("CreateSecurityGroup", &["GroupDescription", "GroupName", "TagSpecification", "VpcId"], group::create),
    ("CreateSnapshot", &["Description", "TagSpecification", "VolumeId"], snapshot::create),
    (
        "CreateSubnet",
        &["AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "TagSpecification", "VpcId"],
        subnet::create,
    ),
    ("CreateTags", &["ResourceId", "Tag"], tags::create),
    (
        "CreateVolume",
        &[
            "AvailabilityZone",
            "AvailabilityZoneId",
            "ClientToken",
            "Encrypted",
            "Iops",
            "KmsKeyId",
            "Size",
            "SnapshotId",
            "TagSpecification",
            "Throughput",
            "VolumeType",
        ],
        volume_create::create,
    ),
    ("CreateVpc", &["CidrBlock", "TagSpecification"], vpc::create),
    ("DeleteInternetGateway", &["InternetGatewayId"], gateway::delete),
    ("DeleteRoute", &["DestinationCidrBlock", "RouteTableId"], route::delete_route),
    ("DeleteRouteTable", &["RouteTableId"], route::delete),
    ("DeleteSecurityGroup", &["GroupId", "GroupName"], group::delete),
    ("DeleteSnapshot", &["SnapshotId"], snapshot::delete),
    ("DeleteSubnet", &["SubnetId"], subnet::delete),
    ("DeleteTags", &["ResourceId", "Tag"], tags::delete),
    ("DeleteVolume", &["VolumeId"], volume::delete),
    ("DeleteVpc", &["VpcId"], vpc::delete),
    (
        "DescribeAvailabilityZones",
        &["AllAvailabilityZones", "Filter", "ZoneId", "ZoneName"],
        zones::describe_zones,
    ),
    (
        "DescribeCapacityReservations",
        &["CapacityReservationId", "Filter", "MaxResults", "NextToken"],
        capacity::describe,
    ),
    (
        "DescribeImages",
        &["Filter", "ImageId", "IncludeDeprecated", "MaxResults", "NextToken", "Owner"],
        image::describe,
    ),
    ("DescribeInstanceAttribute", &["Attribute", "InstanceId"], attribute::describe),
    (
        "DescribeInstanceStatus",
        &["Filter", "IncludeAllInstances", "InstanceId", "MaxResults", "NextToken"],
        instance::describe_status,
    ),
    (
        "DescribeInstanceTypeOfferings",
        &["Filter", "LocationType", "MaxResults", "NextToken"],
        types::describe_offerings,
    ),
    ("DescribeInstanceTypes", &["Filter", "InstanceType", "MaxResults", "NextToken"], types::describe),
    ("DescribeInstances", &["Filter", "InstanceId", "MaxResults", "NextToken"], instance::describe),
    (
        "DescribeInternetGateways",
        &["Filter", "InternetGatewayId", "MaxResults", "NextToken"],
        gateway::describe,
    ),
    (
        "DescribeNetworkInterfaces",
        &["Filter", "MaxResults", "NetworkInterfaceId", "NextToken"],
        interface::describe,
    ),
    ("DescribeRegions", &["AllRegions", "Filter", "RegionName"], zones::describe_regions),
    ("DescribeRouteTables", &["Filter", "MaxResults", "NextToken", "RouteTableId"], route::describe),
    (
        "DescribeSecurityGroupRules",
        &["Filter", "MaxResults", "NextToken", "SecurityGroupRuleId"],
        group::describe_rules,
    ),
    (
        "DescribeSecurityGroups",
        &["Filter", "GroupId", "GroupName", "MaxResults", "NextToken"],
        group::describe,
    ),
    ("DescribeSnapshots", &["Filter", "MaxResults", "NextToken", "Owner", "SnapshotId"], snapshot::describe),
    ("DescribeSubnets", &["Filter", "MaxResults", "NextToken", "SubnetId"], subnet::describe),
    ("DescribeTags", &["Filter", "MaxResults", "NextToken"], tags::describe),
    ("DescribeVolumes", &["Filter", "MaxResults", "NextToken", "VolumeId"], volume::describe),
    (
        "DescribeVolumesModifications",
        &["Filter", "MaxResults", "NextToken", "VolumeId"],
        modification::describe,
    ),
    ("DescribeVpcAttribute", &["Attribute", "VpcId"], vpc::describe_attribute),
    ("DescribeVpcs", &["Filter", "MaxResults", "NextToken", "VpcId"], vpc::describe),
    ("DetachInternetGateway", &["InternetGatewayId", "VpcId"], gateway::detach),
    ("DetachVolume", &["Device", "Force", "InstanceId", "VolumeId"], attachment::detach),
    ("DisassociateRouteTable", &["AssociationId"], route::disassociate),
    (
        "ModifyInstanceAttribute",
        &[
            "Attribute",
            "BlockDeviceMapping",
            "DisableApiTermination",
            "GroupId",
            "InstanceId",
            "InstanceInitiatedShutdownBehavior",
            "InstanceType",
            "Value",
        ],
        attribute::modify,
    ),
    (
        "ModifyInstanceMetadataOptions",
        &[
            "HttpEndpoint",
            "HttpProtocolIpv6",
            "HttpPutResponseHopLimit",
            "HttpTokens",
            "InstanceId",
            "InstanceMetadataTags",
        ],
        attribute::modify_metadata,
    ),
    ("ModifySubnetAttribute", &["MapPublicIpOnLaunch", "SubnetId"], subnet::modify),
    ("ModifyVolume", &["Iops", "Size", "Throughput", "VolumeId", "VolumeType"], modification::modify),
    ("ModifyVpcAttribute", &["EnableDnsHostnames", "EnableDnsSupport", "VpcId"], vpc::modify),
    ("RebootInstances", &["InstanceId"], power::reboot),
    ("ReplaceRoute", &["DestinationCidrBlock", "GatewayId", "RouteTableId"], route::replace_route),
    ("RevokeSecurityGroupEgress", REVOKE_OUT, permission::revoke_egress),
    ("RevokeSecurityGroupIngress", REVOKE, permission::revoke_ingress),
    (
        "RunInstances",
        &[
            "BlockDeviceMapping",
            "ClientToken",
            "DisableApiTermination",
            "IamInstanceProfile",
            "ImageId",
            "InstanceInitiatedShutdownBehavior",
            "InstanceType",
            "MaxCount",
            "MetadataOptions",
            "MinCount",
            "NetworkInterface",
            "SecurityGroupId",
            "SubnetId",
            "TagSpecification",
        ],
        run::run,
    ),
    ("StartInstances", &["InstanceId"], power::start),
    ("StopInstances", &["Force", "InstanceId"], power::stop),
    ("TerminateInstances", &["InstanceId"], power::terminate),
];

const GRANT: &[&str] = &[
    "CidrIp",
    "FromPort",
    "GroupId",
    "GroupName",
    "IpPermissions",
    "IpProtocol",
    "TagSpecification",
    "ToPort",
];
const GRANT_OUT: &[&str] =
    &["CidrIp", "FromPort", "GroupId", "IpPermissions", "IpProtocol", "TagSpecification", "ToPort"];
const REVOKE: &[&str] = &[
    "CidrIp",
    "FromPort",
    "GroupId",
    "GroupName",
    "IpPermissions",
    "IpProtocol",
    "SecurityGroupRuleId",
    "ToPort",
];
const REVOKE_OUT: &[&str] =
    &["CidrIp", "FromPort", "GroupId", "IpPermissions", "IpProtocol", "SecurityGroupRuleId", "ToPort"];

/// Does one call.
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, form: &Form<'_>) -> Result<Xml, Fail> {
    let Some((_, parameters, run)) = OPERATIONS.iter().find(|(name, ..)| *name == operation) else {
        return Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in EC2."),
        ));
    };
    for field in form.fields().keys() {
        let name = field.split('.').next().unwrap_or(field);
        if name != "DryRun" && !parameters.contains(&name) {
            return Err(Fail::new("UnknownParameter", format!("The parameter {name} is not recognized")));
        }
    }
    run(ctx, form)
}

/// The answer to a dry run whose real run would end so: a caller who names what is not there or leaves something out
/// hears of that; everything else (quotas, states, dependencies) is not looked at
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html).
pub(crate) fn dry_run(outcome: Result<Xml, Fail>) -> Fail {
    match outcome {
        Err(fail)
            if fail.status == 403
                || fail.code.contains("NotFound")
                || fail.code.contains("Malformed")
                || fail.code.contains("Parameter")
                || fail.code == "UnsupportedOperation" =>
        {
            fail
        }
        Ok(_) | Err(_) => {
            Fail::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
        }
    }
}

/// `<return>true</return>`
fn ok() -> Xml {
    let mut xml = Xml::new();
    xml.text("return", true);
    xml
}

/// What makes two requests the same to a client token.
fn fingerprint(form: &Form<'_>) -> String {
    let fields = form.fields().iter().filter(|(name, _)| *name != "ClientToken" && *name != "DryRun");
    let text: String = fields.map(|(name, value)| format!("{name}={value}\n")).collect();
    format!("{:016x}", crate::ids::hash(&text))
}

fn mismatch() -> Fail {
    Fail::new(
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )
}
