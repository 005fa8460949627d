//! What a change of the type needs, asked before anything is stopped.
//!
//! A dry run tells whether the account allows a call, and nothing else: not whether AWS has a machine free.
//! Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html> (`DryRun`)

use aws_sdk_ec2::types::{AttributeValue, CapacityReservationInstancePlatform, InstanceLifecycleType, Tag};
use holdfast_core::machine::{Desired, Leeway, Observed, Quota, TAG_RESIZE};
use holdfast_core::names::{InstanceId, InstanceType};
use tokio::try_join;

use super::clients::Aws;
use super::error::{call_error, ec2};
use super::observe::filter;
use super::parse;
use crate::problem::{CallError, CallErrorKind};

/// Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPUs.
/// Source: <https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html>
const STANDARD: &str = "L-1216C47A";

/// Asks for whatever a change of our instance to the wanted type needs.
pub(super) async fn leeway(aws: &Aws, desired: &Desired, observed: &Observed) -> Result<Leeway, CallError> {
    let Some(instance) = observed.winners(desired).instance else { return Ok(Leeway::default()) };
    let (id, to) = (&instance.id, &desired.instance_type);
    let (stop, start, modify, tag, untag, reserve, quota) = try_join!(
        Box::pin(may_stop(aws, id)),
        Box::pin(may_start(aws, id)),
        Box::pin(may_change(aws, id, to)),
        Box::pin(may_tag(aws, id)),
        Box::pin(may_untag(aws, id)),
        Box::pin(may_reserve(aws, to, &instance.zone)),
        Box::pin(quota(aws, to)),
    )?;
    let denied = [stop, start, modify, tag, untag].into_iter().flatten().collect();
    Ok(Leeway { denied, may_reserve: reserve.is_none(), quota })
}

/// The action that is denied; `None` when the call would be let through.
fn denied(error: Option<CallError>) -> Result<Option<String>, CallError> {
    match error {
        Some(error) if error.is_denied() => Ok(Some(error.action())),
        Some(error) if matches!(error.kind, CallErrorKind::Credentials(_)) => Err(error),
        // Allowed, or wrong in a way that the call itself will tell.
        Some(_) | None => Ok(None),
    }
}

async fn may_stop(aws: &Aws, id: &InstanceId) -> Result<Option<String>, CallError> {
    let call = aws.ec2.stop_instances().instance_ids(id.as_str()).dry_run(true);
    denied(call.send().await.map_err(ec2("StopInstances")).err())
}

async fn may_start(aws: &Aws, id: &InstanceId) -> Result<Option<String>, CallError> {
    let call = aws.ec2.start_instances().instance_ids(id.as_str()).dry_run(true);
    denied(call.send().await.map_err(ec2("StartInstances")).err())
}

async fn may_change(aws: &Aws, id: &InstanceId, to: &InstanceType) -> Result<Option<String>, CallError> {
    let value = AttributeValue::builder().value(to.as_str()).build();
    let call =
        aws.ec2.modify_instance_attribute().instance_id(id.as_str()).instance_type(value).dry_run(true);
    denied(call.send().await.map_err(ec2("ModifyInstanceAttribute")).err())
}

async fn may_tag(aws: &Aws, id: &InstanceId) -> Result<Option<String>, CallError> {
    let tag = Tag::builder().key(TAG_RESIZE).value("x").build();
    let call = aws.ec2.create_tags().resources(id.as_str()).tags(tag).dry_run(true);
    denied(call.send().await.map_err(ec2("CreateTags")).err())
}

async fn may_untag(aws: &Aws, id: &InstanceId) -> Result<Option<String>, CallError> {
    let tag = Tag::builder().key(TAG_RESIZE).build();
    let call = aws.ec2.delete_tags().resources(id.as_str()).tags(tag).dry_run(true);
    denied(call.send().await.map_err(ec2("DeleteTags")).err())
}

async fn may_reserve(aws: &Aws, to: &InstanceType, zone: &str) -> Result<Option<String>, CallError> {
    let call = aws.ec2.create_capacity_reservation().instance_type(to.as_str()).availability_zone(zone);
    let call = call.instance_platform(CapacityReservationInstancePlatform::LinuxUnix).instance_count(1);
    denied(call.dry_run(true).send().await.map_err(ec2("CreateCapacityReservation")).err())
}

/// The room for the standard families; `None` for another family, or where nobody may see it.
pub(super) async fn quota(aws: &Aws, to: &InstanceType) -> Result<Option<Quota>, CallError> {
    if !is_standard(to.as_str()) {
        return Ok(None);
    }
    let limit = async {
        let call = aws.quotas.get_service_quota().service_code("ec2").quota_code(STANDARD);
        call.send().await.map_err(|error| call_error("servicequotas", "GetServiceQuota", &error))
    };
    let on = ["pending".to_owned(), "running".to_owned()];
    let used = async {
        let call = aws.ec2.describe_instances().filters(filter("instance-state-name", on));
        let pages = call.into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeInstances"))
    };
    let (limit, used) = match try_join!(limit, used) {
        Ok(both) => both,
        Err(error) if matches!(error.kind, CallErrorKind::Credentials(_)) => return Err(error),
        // It is a courtesy: AWS itself refuses what is beyond it, if only after the stop.
        Err(error) => {
            tracing::debug!(?error, "the quota cannot be seen");
            return Ok(None);
        }
    };
    let Some(limit) = limit.quota().and_then(|quota| quota.value()) else { return Ok(None) };
    let instances = used.iter().flat_map(|reservation| reservation.instances());
    let counts = instances.filter(|instance| {
        instance.instance_lifecycle() != Some(&InstanceLifecycleType::Spot)
            && instance.instance_type().is_some_and(|kind| is_standard(kind.as_str()))
    });
    // The quota is a number of vCPUs with a fraction that is always zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is never negative"
    )]
    let limit = limit.max(0.0) as u32;
    Ok(Some(Quota { limit, used: counts.map(parse::vcpus).sum() }))
}

/// Whether the quota can be seen.
pub(super) async fn may_see_quota(aws: &Aws) -> Result<(), CallError> {
    let call = aws.quotas.get_service_quota().service_code("ec2").quota_code(STANDARD);
    call.send().await.map(drop).map_err(|error| call_error("servicequotas", "GetServiceQuota", &error))
}

/// Whether the quota of the standard families counts the type: `hpc7g` is none of the letter H, nor `inf2` of I, nor `trn1` of T.
fn is_standard(instance_type: &str) -> bool {
    let letters: String = instance_type.chars().take_while(char::is_ascii_lowercase).collect();
    matches!(letters.as_str(), "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_families() {
        for (name, standard) in [
            ("m8g.xlarge", true),
            ("c7i-flex.large", true),
            ("im4gn.large", true),
            ("t4g.micro", true),
            ("z1d.large", true),
            ("g5.xlarge", false),
            ("hpc7g.4xlarge", false),
            ("inf2.xlarge", false),
            ("trn1.2xlarge", false),
            ("x2gd.medium", false),
            ("u-6tb1.112xlarge", false),
            ("mac2.metal", false),
        ] {
            assert_eq!(is_standard(name), standard, "{name}");
        }
    }
}
