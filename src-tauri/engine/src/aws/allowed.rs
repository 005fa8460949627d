//! Which calls the account allows, asked with dry runs: nothing is changed by one.
//!
//! Only EC2 has dry runs. What a call that names nothing real would meet first, the permission or the missing thing, AWS does
//! not say; so only `DryRunOperation` counts as allowed and only a denial as denied. A call of another service is made where
//! it only looks; what else it needs, only the call itself tells.
//! Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html> (`DryRun`)

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_ec2::types::{
    AttributeValue, CapacityReservationInstancePlatform, IpPermission, ResourceType, Tag, TagSpecification,
    VolumeType, VpcAttributeName,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use futures_util::{StreamExt as _, stream};
use holdfast_core::doctor::Asked;
use holdfast_core::machine::{Desired, Observed};

use super::clients::Aws;
use super::error::{dlm, ec2, iam};
use super::{error, leeway, pricing};
use crate::problem::CallError;

/// How many calls are under way at once: EC2's rates are met by many more than there are here, one by one.
/// Source: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
const AT_ONCE: usize = 24;

/// An instance that nobody has.
const NO_INSTANCE: &str = "i-00000000000000000";

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'a>>;
type Call<'a> = (&'static str, Answer<'a>);

/// What a service answered.
#[derive(Debug)]
pub struct Answered {
    /// What was called, as IAM names it: `ec2:DescribeVpcs`.
    pub action: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What it said, good or bad.
    pub result: Result<(), CallError>,
}

impl Answered {
    /// The service, as in `ec2`.
    pub fn service(&self) -> &'static str {
        self.action.split(':').next().unwrap_or_default()
    }
}

/// One call of each service that only looks, to see whether it can be reached.
pub(super) async fn services(aws: &Aws, desired: &Desired) -> (Vec<Answered>, Option<i64>) {
    let (role, clock) = (desired.role_name(), Clock::default());
    let vpcs = async {
        let call = aws.ec2.describe_vpcs().max_results(5).customize().interceptor(clock.clone());
        call.send().await.map(drop).map_err(ec2("DescribeVpcs"))
    };
    let connection = async {
        let call = aws.ssm.get_connection_status().target(NO_INSTANCE);
        call.send().await.map(drop).map_err(|error| error::call_error("ssm", "GetConnectionStatus", &error))
    };
    let role = async { aws.iam.get_role().role_name(&role).send().await.map(drop).map_err(iam("GetRole")) };
    let policies = async {
        let call = aws.dlm.get_lifecycle_policies();
        call.send().await.map(drop).map_err(dlm("GetLifecyclePolicies"))
    };
    let calls: Vec<Call<'_>> = vec![
        ("ec2:DescribeVpcs", Box::pin(vpcs)),
        ("ssm:GetConnectionStatus", Box::pin(connection)),
        ("iam:GetRole", Box::pin(role)),
        ("dlm:GetLifecyclePolicies", Box::pin(policies)),
        ("servicequotas:GetServiceQuota", Box::pin(leeway::may_see_quota(aws))),
        ("pricing:GetProducts", Box::pin(pricing::may_ask(aws))),
    ];
    let answers = stream::iter(calls).map(timed).buffered(AT_ONCE).collect().await;
    let ahead = *clock.0.lock().unwrap_or_else(PoisonError::into_inner);
    (answers, ahead)
}

async fn timed((action, call): Call<'_>) -> Answered {
    let began = Instant::now();
    let result = call.await;
    Answered { action, took: began.elapsed(), result }
}

/// By how many seconds the clock of whoever answers is ahead of ours.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<Option<i64>>>);

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let ours = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|now| i64::try_from(now.as_secs()).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            date.zip(ours).map(|(date, ours)| date.secs() - ours);
        Ok(())
    }
}

/// Asks for every EC2 action of the least policy, of what there is of the machine or else of nothing real.
pub(super) async fn allowed(aws: &Aws, desired: &Desired, observed: &Observed) -> Asked {
    let asked = stream::iter(calls(aws, desired, observed))
        .map(async |(operation, call)| (operation, call.await))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut result = Asked::default();
    for (operation, answer) in asked {
        let action = format!("ec2:{operation}");
        match answer {
            Err(error) if error.is_denied() => result.denied.insert(action),
            Err(error) if error.code() == "DryRunOperation" => result.allowed.insert(action),
            // A call that has no dry run of its own, and was let through.
            Ok(()) => result.allowed.insert(action),
            Err(_) => false,
        };
    }
    result
}

fn calls<'a>(aws: &'a Aws, desired: &Desired, observed: &Observed) -> Vec<Call<'a>> {
    let winners = observed.winners(desired);
    let id = |id: Option<String>, prefix: &str| id.unwrap_or_else(|| format!("{prefix}-00000000000000000"));
    let instance = id(winners.instance.map(|instance| instance.id.to_string()), "i");
    let volume = id(winners.volume.map(|volume| volume.id.to_string()), "vol");
    let vpc = id(winners.vpc.map(|vpc| vpc.id.to_string()), "vpc");
    let subnet = id(winners.subnet.map(|subnet| subnet.id.to_string()), "subnet");
    let gateway = id(winners.gateway.map(|gateway| gateway.id.to_string()), "igw");
    let table = id(winners.route_table.map(|table| table.id.to_string()), "rtb");
    let group = id(winners.group.map(|group| group.id.to_string()), "sg");
    let snapshot = id(observed.snapshots.all().first().map(|snapshot| snapshot.id.to_string()), "snap");
    let image = id(observed.image.present().map(|image| image.id.to_string()), "ami");
    let zone = winners.instance.map(|instance| instance.zone.clone());
    let zone = zone.unwrap_or_else(|| format!("{}a", desired.region));
    let kind = desired.instance_type.to_string();
    let tag = || Tag::builder().key("holdfast:doctor").value("x").build();
    let everything = || IpPermission::builder().ip_protocol("-1").build();
    let tagged = |what| TagSpecification::builder().resource_type(what).tags(tag()).build();
    let value = AttributeValue::builder().value(&kind).build();

    let mut all: Vec<Call<'a>> = Vec::new();
    macro_rules! ask {
        ($operation:literal, $call:expr) => {{
            let call = $call.dry_run(true);
            all.push((
                $operation,
                Box::pin(async move { call.send().await.map(drop).map_err(ec2($operation)) }),
            ));
        }};
    }
    let ec2_client = &aws.ec2;
    ask!("DescribeCapacityReservations", ec2_client.describe_capacity_reservations());
    ask!("DescribeImages", ec2_client.describe_images().image_ids(&image));
    ask!("DescribeInstanceAttribute", {
        let name = aws_sdk_ec2::types::InstanceAttributeName::DisableApiTermination;
        ec2_client.describe_instance_attribute().instance_id(&instance).attribute(name)
    });
    ask!("DescribeInstanceTypeOfferings", ec2_client.describe_instance_type_offerings());
    ask!("DescribeInstanceTypes", ec2_client.describe_instance_types());
    ask!("DescribeInstances", ec2_client.describe_instances());
    ask!("DescribeInternetGateways", ec2_client.describe_internet_gateways());
    ask!("DescribeNetworkInterfaces", ec2_client.describe_network_interfaces());
    ask!("DescribeRouteTables", ec2_client.describe_route_tables());
    ask!("DescribeSecurityGroupRules", ec2_client.describe_security_group_rules());
    ask!("DescribeSecurityGroups", ec2_client.describe_security_groups());
    ask!("DescribeSnapshots", ec2_client.describe_snapshots().owner_ids("self"));
    ask!("DescribeSubnets", ec2_client.describe_subnets());
    ask!("DescribeVolumes", ec2_client.describe_volumes());
    ask!("DescribeVolumesModifications", ec2_client.describe_volumes_modifications());
    ask!("DescribeVpcAttribute", {
        ec2_client.describe_vpc_attribute().vpc_id(&vpc).attribute(VpcAttributeName::EnableDnsSupport)
    });
    ask!("DescribeVpcs", ec2_client.describe_vpcs());

    ask!("AttachVolume", {
        ec2_client.attach_volume().instance_id(&instance).volume_id(&volume).device("/dev/sdf")
    });
    ask!("AuthorizeSecurityGroupEgress", {
        ec2_client.authorize_security_group_egress().group_id(&group).ip_permissions(everything())
    });
    ask!("CreateCapacityReservation", {
        let platform = CapacityReservationInstancePlatform::LinuxUnix;
        let call = ec2_client.create_capacity_reservation().instance_type(&kind).availability_zone(&zone);
        call.instance_platform(platform).instance_count(1)
    });
    ask!("CancelCapacityReservation", {
        ec2_client.cancel_capacity_reservation().capacity_reservation_id("cr-00000000000000000")
    });
    ask!("CreateSecurityGroup", {
        let call = ec2_client.create_security_group().vpc_id(&vpc).group_name("holdfast-doctor");
        call.description("Never made").tag_specifications(tagged(ResourceType::SecurityGroup))
    });
    ask!("CreateSnapshot", ec2_client.create_snapshot().volume_id(&volume));
    ask!("CreateTags", ec2_client.create_tags().resources(&instance).tags(tag()));
    ask!("CreateVolume", {
        ec2_client.create_volume().availability_zone(&zone).size(8).volume_type(VolumeType::Gp3)
    });
    ask!("DeleteSecurityGroup", ec2_client.delete_security_group().group_id(&group));
    ask!("DeleteSnapshot", ec2_client.delete_snapshot().snapshot_id(&snapshot));
    ask!("DeleteTags", ec2_client.delete_tags().resources(&instance).tags(tag()));
    ask!("DeleteVolume", ec2_client.delete_volume().volume_id(&volume));
    ask!("DetachVolume", ec2_client.detach_volume().volume_id(&volume));
    ask!("ModifyInstanceAttribute", {
        ec2_client.modify_instance_attribute().instance_id(&instance).instance_type(value)
    });
    ask!(
        "ModifyInstanceMetadataOptions",
        ec2_client.modify_instance_metadata_options().instance_id(&instance)
    );
    ask!("ModifyVolume", ec2_client.modify_volume().volume_id(&volume));
    ask!("RebootInstances", ec2_client.reboot_instances().instance_ids(&instance));
    ask!("RevokeSecurityGroupIngress", {
        ec2_client.revoke_security_group_ingress().group_id(&group).ip_permissions(everything())
    });
    ask!("RunInstances", {
        let call = ec2_client.run_instances().image_id(&image).min_count(1).max_count(1);
        call.instance_type(kind.as_str().into()).subnet_id(&subnet)
    });
    ask!("StartInstances", ec2_client.start_instances().instance_ids(&instance));
    ask!("StopInstances", ec2_client.stop_instances().instance_ids(&instance));
    ask!("TerminateInstances", ec2_client.terminate_instances().instance_ids(&instance));
    if desired.subnet.is_some() {
        return all;
    }
    ask!("AssociateRouteTable", ec2_client.associate_route_table().route_table_id(&table).subnet_id(&subnet));
    ask!("AttachInternetGateway", {
        ec2_client.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc)
    });
    ask!("CreateInternetGateway", ec2_client.create_internet_gateway());
    ask!("CreateRoute", {
        let call = ec2_client.create_route().route_table_id(&table).gateway_id(&gateway);
        call.destination_cidr_block("0.0.0.0/0")
    });
    ask!("CreateRouteTable", ec2_client.create_route_table().vpc_id(&vpc));
    ask!("CreateSubnet", ec2_client.create_subnet().vpc_id(&vpc).cidr_block("10.0.255.0/24"));
    ask!("CreateVpc", ec2_client.create_vpc().cidr_block("10.0.0.0/16"));
    ask!("DeleteInternetGateway", ec2_client.delete_internet_gateway().internet_gateway_id(&gateway));
    ask!("DeleteRouteTable", ec2_client.delete_route_table().route_table_id(&table));
    ask!("DeleteSubnet", ec2_client.delete_subnet().subnet_id(&subnet));
    ask!("DeleteVpc", ec2_client.delete_vpc().vpc_id(&vpc));
    ask!("DetachInternetGateway", {
        ec2_client.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc)
    });
    ask!("DisassociateRouteTable", {
        ec2_client.disassociate_route_table().association_id("rtbassoc-00000000000000000")
    });
    // Neither has a dry run: ModifySubnetAttribute and ModifyVpcAttribute are told by the calls themselves.
    ask!("ReplaceRoute", {
        let call = ec2_client.replace_route().route_table_id(&table).gateway_id(&gateway);
        call.destination_cidr_block("0.0.0.0/0")
    });
    all
}
