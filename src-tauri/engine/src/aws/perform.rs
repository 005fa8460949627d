//! Changing: one call for each step.
//!
//! To perform a step twice does no harm. What AWS makes twice without a word (VPC, gateway) is looked for again once it is
//! made; should that look fail, the next one sees as much. What there is once in a VPC (the subnet's addresses, the
//! group's name, the table that a subnet uses) conflicts the second time.

use std::str::FromStr;
use std::time::Duration;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, BlockDeviceMapping, CapacityReservationInstancePlatform,
    EbsBlockDevice, EbsInstanceBlockDeviceSpecification, EndDateType, HttpTokensState,
    IamInstanceProfileSpecification, InstanceBlockDeviceMappingSpecification, InstanceMatchCriteria,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification,
    IpPermission, IpRange, ResourceType, ShutdownBehavior, TagSpecification, VolumeType,
};
use aws_smithy_types::retry::RetryConfig;
use holdfast_core::machine::{
    Desired, Fact, Instance, ModificationState, Observed, Power, TAG_FINAL, TAG_GENERATION, TAG_NETWORK,
    TAG_RESIZE, Tags,
};
use holdfast_core::names::{InstanceId, InstanceType, NotAllowed, VolumeId};
use holdfast_core::plan::{self, Made, Run, Step, VPC_CIDR};

use super::clients::Aws;
use super::error::{ec2, garbled, iam};
use super::verdict::{Verdict, verdict};
use super::{home, lifecycle, observe, parse};
use crate::problem::{CallError, Problem};
use crate::world::{Done, Failure};

/// How long capacity is held where nobody gives it up. AWS ends it within an hour after that.
const HELD_AT_MOST: Duration = Duration::from_secs(15 * 60);

/// Performs one step.
pub(super) async fn perform(aws: &Aws, desired: &Desired, step: &Step) -> Result<Done, Failure> {
    match Box::pin(call(aws, desired, step)).await {
        Ok(done) => Ok(done),
        Err(Trouble::Changed(problem)) => Err(Failure::Changed(problem)),
        Err(Trouble::Refused(problem)) => Err(Failure::Refused(problem)),
        Err(Trouble::Call(error)) => match verdict(&error) {
            Verdict::Done => Ok(Done::default()),
            Verdict::NotYet => Err(Failure::NotYet(error.into())),
            Verdict::Changed => Err(Failure::Changed(error.into())),
            Verdict::Short => Err(Failure::Short(error.into())),
            Verdict::Refused => Err(Failure::Refused(error.into())),
        },
    }
}

pub(super) enum Trouble {
    Call(CallError),
    Changed(Problem),
    Refused(Problem),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each step, read as a table")]
async fn call(aws: &Aws, desired: &Desired, step: &Step) -> Result<Done, Trouble> {
    let Aws { ec2: cloud, iam: identity, .. } = aws;
    match step {
        Step::CreateVpc => {
            let tags = tagged(ResourceType::Vpc, &made_tags(aws, desired, "vpc").await?);
            let call = cloud.create_vpc().cidr_block(VPC_CIDR).tag_specifications(tags);
            let answer = call.send().await.map_err(ec2("CreateVpc"))?;
            let vpc = understand("CreateVpc", answer.vpc(), parse::vpc)?;
            let made = Some(Made::Vpc(vpc.id.clone()));
            let vpcs = observe::own_vpcs(aws, desired).await.ok();
            let vpcs = vpcs.map(|vpcs| with(vpcs, vpc, |a, b| a.id == b.id));
            Ok(Done { made, saw: vpcs.map(|vpcs| Observed { vpcs: Fact::Present(vpcs), ..nothing(aws) }) })
        }
        Step::EnableDnsSupport { vpc } => {
            let call = cloud.modify_vpc_attribute().vpc_id(vpc.as_str()).enable_dns_support(boolean(true));
            call.send().await.map_err(ec2("ModifyVpcAttribute"))?;
            Ok(Done::default())
        }
        Step::EnableDnsHostnames { vpc } => {
            let call = cloud.modify_vpc_attribute().vpc_id(vpc.as_str()).enable_dns_hostnames(boolean(true));
            call.send().await.map_err(ec2("ModifyVpcAttribute"))?;
            Ok(Done::default())
        }
        Step::CreateSubnet { vpc, zone, addresses } => {
            let tags = tagged(ResourceType::Subnet, &made_tags(aws, desired, "subnet").await?);
            let call =
                cloud.create_subnet().vpc_id(vpc.as_str()).availability_zone(zone).cidr_block(addresses);
            let answer = call.tag_specifications(tags).send().await.map_err(ec2("CreateSubnet"))?;
            let subnet = understand("CreateSubnet", answer.subnet(), parse::subnet)?;
            Ok(made(Made::Subnet(subnet.id)))
        }
        Step::EnablePublicAddresses { subnet } => {
            let call = cloud.modify_subnet_attribute().subnet_id(subnet.as_str());
            let call = call.map_public_ip_on_launch(boolean(true));
            call.send().await.map_err(ec2("ModifySubnetAttribute"))?;
            Ok(Done::default())
        }
        Step::CreateGateway => {
            let tags = tagged(ResourceType::InternetGateway, &made_tags(aws, desired, "gateway").await?);
            let call = cloud.create_internet_gateway().tag_specifications(tags);
            let answer = call.send().await.map_err(ec2("CreateInternetGateway"))?;
            let gateway = understand("CreateInternetGateway", answer.internet_gateway(), parse::gateway)?;
            let made = Some(Made::Gateway(gateway.id.clone()));
            let gateways = observe::own_gateways(aws, desired).await.ok();
            let gateways = gateways.map(|gateways| with(gateways, gateway, |a, b| a.id == b.id));
            let saw = gateways.map(|gateways| Observed { gateways: Fact::Present(gateways), ..nothing(aws) });
            Ok(Done { made, saw })
        }
        Step::AttachGateway { gateway, vpc } => {
            let call =
                cloud.attach_internet_gateway().internet_gateway_id(gateway.as_str()).vpc_id(vpc.as_str());
            call.send().await.map_err(ec2("AttachInternetGateway"))?;
            Ok(Done::default())
        }
        Step::CreateRouteTable { vpc } => {
            let tags = tagged(ResourceType::RouteTable, &made_tags(aws, desired, "routes").await?);
            let call = cloud.create_route_table().vpc_id(vpc.as_str()).tag_specifications(tags);
            // The SDK gives each of these calls a client token of its own, so to send one again makes no second table.
            let answer = call.send().await.map_err(ec2("CreateRouteTable"))?;
            let table = understand("CreateRouteTable", answer.route_table(), parse::route_table)?;
            Ok(made(Made::RouteTable(table.id)))
        }
        Step::CreateDefaultRoute { table, gateway } => {
            let (table, gateway) = (table.as_str(), gateway.as_str());
            let call = cloud.create_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
            match call.gateway_id(gateway).send().await.map_err(ec2("CreateRoute")) {
                Ok(_) => {}
                Err(error) if error.code() == "RouteAlreadyExists" => {
                    let call =
                        cloud.replace_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
                    call.gateway_id(gateway).send().await.map_err(ec2("ReplaceRoute"))?;
                }
                Err(error) => return Err(error.into()),
            }
            Ok(Done::default())
        }
        Step::AssociateRouteTable { table, subnet } => {
            let call =
                cloud.associate_route_table().route_table_id(table.as_str()).subnet_id(subnet.as_str());
            let answer = call.send().await.map_err(ec2("AssociateRouteTable"))?;
            Ok(made(Made::Association(id("AssociateRouteTable", answer.association_id())?)))
        }
        Step::CreateGroup { vpc } => {
            let tags = tagged(ResourceType::SecurityGroup, &made_tags(aws, desired, "group").await?);
            let call = cloud.create_security_group().vpc_id(vpc.as_str()).group_name(desired.group_name());
            let call =
                call.description("Holdfast: nothing inbound, everything outbound").tag_specifications(tags);
            let answer = call.send().await.map_err(ec2("CreateSecurityGroup"))?;
            Ok(made(Made::Group(id("CreateSecurityGroup", answer.group_id())?)))
        }
        Step::RevokeInbound { group, rules } => {
            let rules = rules.iter().map(ToString::to_string).collect();
            let call = cloud.revoke_security_group_ingress().group_id(group.as_str());
            let call = call.set_security_group_rule_ids(Some(rules));
            call.send().await.map_err(ec2("RevokeSecurityGroupIngress"))?;
            Ok(Done::default())
        }
        Step::AllowOutbound { group } => {
            let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
            let everything = IpPermission::builder().ip_protocol("-1").ip_ranges(everywhere).build();
            let call =
                cloud.authorize_security_group_egress().group_id(group.as_str()).ip_permissions(everything);
            call.send().await.map_err(ec2("AuthorizeSecurityGroupEgress"))?;
            Ok(Done::default())
        }
        Step::CreateRole => {
            let tags = iam_tags("CreateRole", &owned_tags(aws, desired, "role").await?)?;
            let call = identity.create_role().role_name(desired.role_name()).set_tags(Some(tags));
            let call = call.assume_role_policy_document(plan::trust_ec2(desired).to_string());
            let boundary = desired.permissions_boundary.as_ref().map(ToString::to_string);
            call.set_permissions_boundary(boundary).send().await.map_err(iam("CreateRole"))?;
            Ok(Done::default())
        }
        Step::AttachManagedPolicy { role } => {
            let call = identity.attach_role_policy().role_name(role).policy_arn(desired.managed_policy());
            call.send().await.map_err(iam("AttachRolePolicy"))?;
            Ok(Done::default())
        }
        Step::DenyParameters { role } => {
            let call = identity.put_role_policy().role_name(role).policy_name(plan::DENY_POLICY);
            let call = call.policy_document(plan::deny_parameters().to_string());
            call.send().await.map_err(iam("PutRolePolicy"))?;
            Ok(Done::default())
        }
        Step::CreateProfile { network } => {
            let mut tags = owned_tags(aws, desired, "profile").await?;
            tags.extend(network.as_ref().map(|vpc| (TAG_NETWORK.to_owned(), vpc.to_string())));
            let tags = iam_tags("CreateInstanceProfile", &tags)?;
            let call = identity.create_instance_profile().instance_profile_name(desired.own_profile_name());
            call.set_tags(Some(tags)).send().await.map_err(iam("CreateInstanceProfile"))?;
            Ok(Done::default())
        }
        Step::AddRoleToProfile => {
            let call =
                identity.add_role_to_instance_profile().instance_profile_name(desired.own_profile_name());
            let call = call.role_name(desired.role_name());
            call.send().await.map_err(iam("AddRoleToInstanceProfile"))?;
            Ok(Done::default())
        }
        Step::NextGeneration { network, generation } => {
            let tags = Tags::from([(TAG_GENERATION.to_owned(), generation.to_string())]);
            let call = cloud.create_tags().resources(network.as_str()).set_tags(Some(ec2_tags(&tags)));
            call.send().await.map_err(ec2("CreateTags"))?;
            Ok(Done::default())
        }
        Step::RunInstance(run) => run_instance(aws, desired, run).await,
        Step::Protect { instance } => {
            let call = cloud.modify_instance_attribute().instance_id(instance.as_str());
            let call = call.disable_api_termination(boolean(true));
            call.send().await.map_err(ec2("ModifyInstanceAttribute"))?;
            Ok(Done::default())
        }
        Step::Unprotect { instance } => {
            let call = cloud.modify_instance_attribute().instance_id(instance.as_str());
            let call = call.disable_api_termination(boolean(false));
            call.send().await.map_err(ec2("ModifyInstanceAttribute"))?;
            Ok(Done::default())
        }
        Step::StopOnShutdown { instance } => {
            let stop = AttributeValue::builder().value(ShutdownBehavior::Stop.as_str()).build();
            let call = cloud.modify_instance_attribute().instance_id(instance.as_str());
            let call = call.instance_initiated_shutdown_behavior(stop);
            call.send().await.map_err(ec2("ModifyInstanceAttribute"))?;
            Ok(Done::default())
        }
        Step::GuardMetadata { instance } => {
            let call = cloud.modify_instance_metadata_options().instance_id(instance.as_str());
            let call = call.http_tokens(HttpTokensState::Required).http_put_response_hop_limit(1);
            let call = call.http_endpoint(InstanceMetadataEndpointState::Enabled);
            call.send().await.map_err(ec2("ModifyInstanceMetadataOptions"))?;
            Ok(Done::default())
        }
        Step::Tag { resources, tags } => {
            let call =
                cloud.create_tags().set_resources(Some(resources.clone())).set_tags(Some(ec2_tags(tags)));
            call.send().await.map_err(ec2("CreateTags"))?;
            Ok(Done::default())
        }
        Step::TagRole { role, tags } => {
            let call = identity.tag_role().role_name(role);
            call.set_tags(Some(iam_tags("TagRole", tags)?)).send().await.map_err(iam("TagRole"))?;
            Ok(Done::default())
        }
        Step::TagProfile { profile, tags } => {
            let call = identity.tag_instance_profile().instance_profile_name(profile);
            let tags = iam_tags("TagInstanceProfile", tags)?;
            call.set_tags(Some(tags)).send().await.map_err(iam("TagInstanceProfile"))?;
            Ok(Done::default())
        }
        Step::Start { instance } => {
            cloud
                .start_instances()
                .instance_ids(instance.as_str())
                .send()
                .await
                .map_err(ec2("StartInstances"))?;
            Ok(Done::default())
        }
        Step::Stop { instance } => {
            cloud
                .stop_instances()
                .instance_ids(instance.as_str())
                .send()
                .await
                .map_err(ec2("StopInstances"))?;
            Ok(Done::default())
        }
        Step::Reboot { instance } => {
            let call = cloud.reboot_instances().instance_ids(instance.as_str());
            call.send().await.map_err(ec2("RebootInstances"))?;
            Ok(Done::default())
        }
        Step::Reserve { instance_type, zone } => Box::pin(reserve(aws, desired, instance_type, zone)).await,
        Step::Release { reservation } => {
            let call = cloud.cancel_capacity_reservation().capacity_reservation_id(reservation.as_str());
            call.send().await.map_err(ec2("CancelCapacityReservation"))?;
            Ok(Done::default())
        }
        Step::BeginResize { instance, from } => {
            let tags = Tags::from([(TAG_RESIZE.to_owned(), from.to_string())]);
            let call = cloud.create_tags().resources(instance.as_str()).set_tags(Some(ec2_tags(&tags)));
            call.send().await.map_err(ec2("CreateTags"))?;
            Ok(Done::default())
        }
        Step::SetType { instance, to } => {
            let value = AttributeValue::builder().value(to.as_str()).build();
            let call = cloud.modify_instance_attribute().instance_id(instance.as_str()).instance_type(value);
            call.send().await.map_err(ec2("ModifyInstanceAttribute"))?;
            Ok(Done::default())
        }
        Step::EndResize { instance } => {
            // Without a value the tag goes whatever it says.
            let tag = aws_sdk_ec2::types::Tag::builder().key(TAG_RESIZE).build();
            cloud
                .delete_tags()
                .resources(instance.as_str())
                .tags(tag)
                .send()
                .await
                .map_err(ec2("DeleteTags"))?;
            Ok(Done::default())
        }
        Step::GrowVolume { volume, size, iops, throughput } => {
            let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
            let call = cloud.modify_volume().volume_id(volume.as_str()).size(number(*size));
            let call = call.set_iops(iops.map(number)).set_throughput(throughput.map(number));
            // Not sent again by itself: a second one counts among the few that a day allows.
            let once = aws_sdk_ec2::config::Config::builder().retry_config(RetryConfig::disabled());
            match call.customize().config_override(once).send().await.map_err(ec2("ModifyVolume")) {
                Ok(_) => Ok(Done::default()),
                Err(error) => Err(Box::pin(why_not_modified(aws, volume, *size, error)).await),
            }
        }
        Step::Snapshot { instance, volume, last } => {
            let mut tags = owned_tags(aws, desired, "snapshot").await?;
            tags.extend(last.then(|| (TAG_FINAL.to_owned(), instance.to_string())));
            let call = cloud.create_snapshot().volume_id(volume.as_str());
            let what = if *last { "The last state" } else { "A state" };
            let call = call.description(format!("{what} of {instance}, taken by Holdfast"));
            let call = call.tag_specifications(tagged(ResourceType::Snapshot, &tags));
            // There is no client token, and no second one is ever taken away: a lost answer asks for a look instead.
            let once = aws_sdk_ec2::config::Config::builder().retry_config(RetryConfig::disabled());
            let answer =
                call.customize().config_override(once).send().await.map_err(ec2("CreateSnapshot"))?;
            Ok(made(Made::Snapshot(id("CreateSnapshot", answer.snapshot_id())?)))
        }
        // Each is a future of its own, or this one would not fit on a thread's stack.
        Step::DeleteSnapshot { snapshot } => Box::pin(home::delete_snapshot(aws, snapshot)).await,
        Step::CreateCopy { snapshot, zone, instance } => {
            Box::pin(home::create_copy(aws, desired, snapshot, zone, instance)).await
        }
        Step::AttachCopy { volume, instance } => Box::pin(home::attach_copy(aws, volume, instance)).await,
        Step::Carry { instance, volume, snapshot } => {
            Box::pin(home::carry(aws, desired, instance, volume, snapshot)).await
        }
        Step::DetachCopy { volume } => Box::pin(home::detach_copy(aws, volume)).await,
        Step::DeleteCopy { volume } => Box::pin(home::delete_copy(aws, volume)).await,
        Step::Retire { instance, by } => Box::pin(home::retire(aws, desired, instance, by)).await,
        Step::KeepVolume { instance, device } => root_goes_with(aws, instance, device, false).await,
        Step::ReleaseVolume { instance, device } => root_goes_with(aws, instance, device, true).await,
        Step::Terminate { instance, volume_goes: _ } => {
            let call = cloud.terminate_instances().instance_ids(instance.as_str());
            call.send().await.map_err(ec2("TerminateInstances"))?;
            Ok(Done::default())
        }
        Step::DeleteVolume { volume } => {
            cloud.delete_volume().volume_id(volume.as_str()).send().await.map_err(ec2("DeleteVolume"))?;
            Ok(Done::default())
        }
        Step::DeleteGroup { group } => {
            let call = cloud.delete_security_group().group_id(group.as_str());
            call.send().await.map_err(ec2("DeleteSecurityGroup"))?;
            Ok(Done::default())
        }
        Step::DisassociateRouteTable { association } => {
            let call = cloud.disassociate_route_table().association_id(association.as_str());
            call.send().await.map_err(ec2("DisassociateRouteTable"))?;
            Ok(Done::default())
        }
        Step::DeleteRouteTable { table } => {
            cloud
                .delete_route_table()
                .route_table_id(table.as_str())
                .send()
                .await
                .map_err(ec2("DeleteRouteTable"))?;
            Ok(Done::default())
        }
        Step::DetachGateway { gateway, vpc } => {
            let call =
                cloud.detach_internet_gateway().internet_gateway_id(gateway.as_str()).vpc_id(vpc.as_str());
            call.send().await.map_err(ec2("DetachInternetGateway"))?;
            Ok(Done::default())
        }
        Step::DeleteGateway { gateway } => {
            let call = cloud.delete_internet_gateway().internet_gateway_id(gateway.as_str());
            call.send().await.map_err(ec2("DeleteInternetGateway"))?;
            Ok(Done::default())
        }
        Step::DeleteSubnet { subnet } => {
            cloud.delete_subnet().subnet_id(subnet.as_str()).send().await.map_err(ec2("DeleteSubnet"))?;
            Ok(Done::default())
        }
        Step::DeleteVpc { vpc } => {
            cloud.delete_vpc().vpc_id(vpc.as_str()).send().await.map_err(ec2("DeleteVpc"))?;
            Ok(Done::default())
        }
        Step::RemoveRoleFromProfile { profile, role } => {
            let call = identity.remove_role_from_instance_profile().role_name(role);
            let call = call.instance_profile_name(profile);
            call.send().await.map_err(iam("RemoveRoleFromInstanceProfile"))?;
            // Another laptop may have deleted the profile and made it anew by now, with a claim of its own.
            let saw = observe::own_profile(aws, desired, profile).await.ok();
            Ok(Done { made: None, saw: saw.map(|profile| Observed { profile, ..nothing(aws) }) })
        }
        Step::DeleteProfile { profile } => {
            let call = identity.delete_instance_profile().instance_profile_name(profile);
            call.send().await.map_err(iam("DeleteInstanceProfile"))?;
            Ok(Done::default())
        }
        Step::DetachManagedPolicy { role, policy } => {
            let call = identity.detach_role_policy().role_name(role).policy_arn(policy);
            call.send().await.map_err(iam("DetachRolePolicy"))?;
            Ok(Done::default())
        }
        Step::DeleteInlinePolicy { role, policy } => {
            let call = identity.delete_role_policy().role_name(role).policy_name(policy);
            call.send().await.map_err(iam("DeleteRolePolicy"))?;
            Ok(Done::default())
        }
        Step::DeleteRole { role } => {
            identity.delete_role().role_name(role).send().await.map_err(iam("DeleteRole"))?;
            Ok(Done::default())
        }
        Step::CreateBackupRole => Box::pin(lifecycle::create_role(aws, desired)).await,
        Step::AllowSnapshots { role } => Box::pin(lifecycle::allow(aws, desired, role)).await,
        Step::CreateLifecycle { rule } => Box::pin(lifecycle::create(aws, desired, rule)).await,
        Step::ChangeLifecycle { policy, rule } => Box::pin(lifecycle::change(aws, policy, rule)).await,
        Step::TagLifecycle { policy, tags } => {
            Box::pin(lifecycle::tag_policy(aws, desired, policy, tags)).await
        }
        Step::DeleteLifecycle { policy } => Box::pin(lifecycle::delete(aws, policy)).await,
    }
}

/// Holds capacity, with an end: should nobody be left to give it up, it ends by itself.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCapacityReservation.html> (`EndDate`)
async fn reserve(aws: &Aws, desired: &Desired, to: &InstanceType, zone: &str) -> Result<Done, Trouble> {
    let end = aws.now() + HELD_AT_MOST;
    let tags = owned_tags(aws, desired, "capacity").await?;
    let call = aws
        .ec2
        .create_capacity_reservation()
        .instance_type(to.as_str())
        .instance_platform(CapacityReservationInstancePlatform::LinuxUnix)
        .availability_zone(zone)
        .instance_count(1)
        .end_date_type(EndDateType::Limited)
        .end_date(end.into())
        // An instance of this type that starts in this zone finds it by itself.
        .instance_match_criteria(InstanceMatchCriteria::Open)
        .tag_specifications(tagged(ResourceType::CapacityReservation, &tags));
    let answer = call.send().await.map_err(ec2("CreateCapacityReservation"))?;
    let held = answer.capacity_reservation();
    let held = understand("CreateCapacityReservation", held, |held| {
        parse::reservation(held)?.ok_or_else(|| "it is over already".to_owned())
    })?;
    let id = held.id.clone();
    let saw = Observed { reservations: Fact::Present(vec![held]), ..nothing(aws) };
    Ok(Done { made: Some(Made::Reservation(id)), saw: Some(saw) })
}

/// A change of a volume that AWS refuses: another laptop may be at it with the same, or it is too early for another one. Then AWS's
/// own words are what is told, and when it may be possible again.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html>
async fn why_not_modified(aws: &Aws, volume: &VolumeId, size: u32, error: CallError) -> Trouble {
    let too_often = error.code() == "VolumeModificationRateExceeded";
    if !too_often && error.code() != "IncorrectModificationState" {
        return error.into();
    }
    let last = observe::last_modification(aws, volume).await.ok().flatten();
    let Some(last) = last else { return Trouble::Refused(error.into()) };
    let goes_on =
        matches!(last.modification.state, ModificationState::Modifying | ModificationState::Optimizing);
    let on_its_way = goes_on && last.target == size;
    if !too_often && on_its_way {
        return changed("The volume is being changed already".to_owned());
    }
    let problem = Problem::from(error);
    Trouble::Refused(match last.possible_again(aws.now(), too_often) {
        Some(again) => problem.hint(again),
        None => problem,
    })
}

/// Makes the instance, unless another laptop's VPC or instance has come to count by now.
async fn run_instance(aws: &Aws, desired: &Desired, run: &Run) -> Result<Done, Trouble> {
    let rivals = observe::rivals(aws, desired).await?;
    let winners = rivals.winners(desired);
    if let Some(vpc) = winners.vpc.filter(|vpc| vpc.id != run.vpc) {
        return Err(changed(format!("By now {} is the machine's network", vpc.id)));
    }
    let role = rivals.profile.present().and_then(|profile| profile.role.as_ref());
    let whole = desired.instance_profile.is_some() || role == Some(&desired.role_name());
    if !winners.claimed || !whole {
        return Err(changed(format!("By now no instance may be made in {}", run.vpc)));
    }
    let used = rivals.instances.all().iter().find(|old| old.token.as_ref() == Some(&run.token));
    // Beside the one whose place it is to take it may be the only one.
    let other = winners.instance.filter(|there| run.replaces.as_ref() != Some(&there.id));
    if run.replaces.is_some() && winners.instance.is_none() {
        return Err(changed("By now the instance is gone that this was to replace".to_owned()));
    }
    if let Some(instance) = other.or(winners.successor).or(used) {
        return Err(changed(format!("{} is there by now", instance.id)));
    }

    let mut of_machine = owned_tags(aws, desired, "machine").await?;
    of_machine.extend(run.tags());
    let of_volume = owned_tags(aws, desired, "volume").await?;
    let of_interface = owned_tags(aws, desired, "interface").await?;
    let disk = EbsBlockDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(run.volume_size).unwrap_or(i32::MAX))
        .iops(i32::try_from(run.volume_iops).unwrap_or(i32::MAX))
        .throughput(i32::try_from(run.volume_throughput).unwrap_or(i32::MAX))
        .encrypted(true)
        .set_kms_key_id(desired.kms_key.as_ref().map(ToString::to_string))
        .delete_on_termination(true)
        .build();
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(run.subnet.as_str())
        .groups(run.group.as_str())
        .associate_public_ip_address(run.public_address)
        .delete_on_termination(true)
        .build();
    // One hop: containers on the machine do not reach its credentials.
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .build();
    let answer = aws
        .ec2
        .run_instances()
        .client_token(&run.token)
        .min_count(1)
        .max_count(1)
        .image_id(run.image.as_str())
        .instance_type(run.instance_type.as_str().into())
        .block_device_mappings(BlockDeviceMapping::builder().device_name(&run.root_device).ebs(disk).build())
        .network_interfaces(interface)
        .metadata_options(metadata)
        .iam_instance_profile(IamInstanceProfileSpecification::builder().name(desired.profile_name()).build())
        .disable_api_termination(true)
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Stop)
        .tag_specifications(tagged(ResourceType::Instance, &of_machine))
        .tag_specifications(tagged(ResourceType::Volume, &of_volume))
        .tag_specifications(tagged(ResourceType::NetworkInterface, &of_interface))
        .send()
        .await
        .map_err(ec2("RunInstances"))
        .inspect_err(|error| {
            let terminated = error.code() == "IdempotentInstanceTerminated";
            let other =
                || error.code() == "IdempotentParameterMismatch" && aws.mismatches_in_vain(&run.token);
            if terminated || other() {
                aws.remember_spent(spent(run));
            }
        })?;

    // Until 2025 the token of an instance that is gone brought back that instance; elsewhere it still may.
    // Source: https://github.com/boto/boto3/issues/4406
    let instance = match answer.instances().first() {
        Some(instance) => understand("RunInstances", Some(instance), parse::instance)?,
        None => spent(run),
    };
    if matches!(instance.power, Power::ShuttingDown | Power::Terminated) {
        aws.remember_spent(spent(run));
        return Err(changed("The instance that was made for this has ended since".to_owned()));
    }
    Ok(made(Made::Instance(instance.id)))
}

/// An instance of which nothing is known but that it has used the token up.
fn spent(run: &Run) -> Instance {
    Instance {
        id: InstanceId::planned(),
        power: Power::Terminated,
        instance_type: run.instance_type.clone(),
        architecture: String::new(),
        vcpus: 0,
        zone: run.zone.clone(),
        vpc: None,
        image: None,
        launched: None,
        transition: None,
        fell_short: false,
        stopped_itself: false,
        root: None,
        public_address: false,
        profile: None,
        token: Some(run.token.clone()),
        metadata_guarded: true,
        protected: Fact::NOT_LOOKED,
        stops_on_shutdown: Fact::NOT_LOOKED,
        tags: Tags::new(),
    }
}

async fn root_goes_with(aws: &Aws, instance: &InstanceId, device: &str, goes: bool) -> Result<Done, Trouble> {
    let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(goes).build();
    let mapping = InstanceBlockDeviceMappingSpecification::builder().device_name(device).ebs(ebs).build();
    let call =
        aws.ec2.modify_instance_attribute().instance_id(instance.as_str()).block_device_mappings(mapping);
    call.send().await.map_err(ec2("ModifyInstanceAttribute"))?;
    Ok(Done::default())
}

/// The tags of what AWS may make twice.
pub(super) async fn made_tags(aws: &Aws, desired: &Desired, part: &str) -> Result<Tags, CallError> {
    Ok(plan::tags_for(desired, Some(&aws.owner().await?), Some(&aws.maker), part))
}

/// The tags of what is there once.
pub(super) async fn owned_tags(aws: &Aws, desired: &Desired, part: &str) -> Result<Tags, CallError> {
    Ok(plan::tags_for(desired, Some(&aws.owner().await?), None, part))
}

pub(super) fn tagged(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(ec2_tags(tags))).build()
}

pub(super) fn ec2_tags(tags: &Tags) -> Vec<aws_sdk_ec2::types::Tag> {
    tags.iter().map(|(key, value)| aws_sdk_ec2::types::Tag::builder().key(key).value(value).build()).collect()
}

pub(super) fn iam_tags(
    operation: &'static str,
    tags: &Tags,
) -> Result<Vec<aws_sdk_iam::types::Tag>, CallError> {
    let tag = |(key, value)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build();
    tags.iter()
        .map(tag)
        .collect::<Result<_, _>>()
        .map_err(|error| garbled("iam", operation, error.to_string()))
}

fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

fn understand<T, U>(
    operation: &'static str,
    thing: Option<&T>,
    parse: impl FnOnce(&T) -> Result<U, parse::Garbled>,
) -> Result<U, CallError> {
    let thing = thing.ok_or_else(|| "an empty answer".to_owned()).and_then(parse);
    thing.map_err(|error| garbled("ec2", operation, error))
}

pub(super) fn id<T: FromStr<Err = NotAllowed>>(
    operation: &'static str,
    text: Option<&str>,
) -> Result<T, CallError> {
    parse::required(text, "id").map_err(|error| garbled("ec2", operation, error))
}

pub(super) fn made(made: Made) -> Done {
    Done { made: Some(made), saw: None }
}

fn changed(what: String) -> Trouble {
    Trouble::Changed(Problem::new("changed", what).hint("run the same command again"))
}

fn nothing(aws: &Aws) -> Observed {
    Observed::unknown(&aws.maker)
}

/// A list right after a create may not show yet what was made.
fn with<T>(mut all: Vec<T>, made: T, same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    if !all.iter().any(|other| same(other, &made)) {
        all.push(made);
    }
    all
}
