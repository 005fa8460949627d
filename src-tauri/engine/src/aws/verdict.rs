//! What a failed step means, by error code. A table, and pure.
//!
//! Sources: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> for EC2, the errors of each
//! operation in <https://docs.aws.amazon.com/IAM/latest/APIReference/> for IAM,
//! <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html> for what AWS does not know yet.

use crate::problem::{CallError, CallErrorKind};

/// What a failed step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What it was to do is so already.
    Done,
    /// The same step will do in a while.
    NotYet,
    /// The world is other than the plan thought, or nobody knows whether the step had its effect.
    Changed,
    /// AWS has nothing free of what the step asks for.
    Short,
    /// It will not do, however often.
    Refused,
}

pub(super) fn verdict(error: &CallError) -> Verdict {
    match &error.kind {
        CallErrorKind::Service { code, .. } => of_code(error.operation, code),
        CallErrorKind::Credentials(_) | CallErrorKind::Here(_) => Verdict::Refused,
        // The call may have had its effect before the answer was lost: only a look can tell.
        CallErrorKind::Timeout | CallErrorKind::Unreachable { .. } | CallErrorKind::Garbled(_) => {
            Verdict::Changed
        }
    }
}

fn of_code(operation: &str, code: &str) -> Verdict {
    use Verdict::{Changed, Done, NotYet, Refused, Short};
    let takes_away = ["Delete", "Detach", "Disassociate", "Remove", "Terminate", "Cancel"]
        .iter()
        .any(|verb| operation.starts_with(verb));
    match (operation, code) {
        ("AuthorizeSecurityGroupEgress", "InvalidPermission.Duplicate")
        | ("DetachInternetGateway", "Gateway.NotAttached") => Done,

        // An instance profile that EC2 has not heard of yet has no code of its own: "Invalid IAM Instance Profile name"
        // and "has no associated IAM Roles" are this one. Other wrong values have it too, an architecture that does not
        // match for example; the plan rules those out, and what remains is refused when the time for this is over.
        ("RunInstances", "InvalidParameterValue") => NotYet,
        // "route table and network gateway belong to different networks", until the attachment has got around.
        ("CreateRoute", "InvalidParameterValue" | "Gateway.NotAttached") => NotYet,
        // "Network vpc-… already has an internet gateway attached".
        ("AttachInternetGateway", "InvalidParameterValue") => Changed,

        // What cannot be started as this type may be started as another; nor is anything stopped that could not come up again.
        (
            "StartInstances",
            "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "Unsupported"
            | "VcpuLimitExceeded"
            | "InstanceLimitExceeded",
        )
        | ("CreateCapacityReservation", "InsufficientInstanceCapacity") => Short,
        // Held capacity that has ended meanwhile, or is not whole yet; a look tells which.
        ("CancelCapacityReservation", "IncorrectState") => Changed,

        // The image is chosen by a look; the rule's ids too.
        ("RunInstances", "InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable") => Changed,
        (
            "RevokeSecurityGroupIngress",
            "InvalidSecurityGroupRuleId.NotFound" | "InvalidPermission.NotFound",
        ) => Changed,
        ("ReplaceRoute", "InvalidRoute.NotFound") => Changed,
        // There is a role in the profile already: IAM counts that as a quota of one.
        ("AddRoleToInstanceProfile", "LimitExceeded") => Changed,
        // Somebody has switched termination protection on again.
        ("TerminateInstances", "OperationNotPermitted") => Changed,
        // The boundary's policy is not there. Nothing of ours is missing.
        ("CreateRole", "NoSuchEntity") => Refused,
        ("CreateSnapshot", "SnapshotCreationPerVolumeRateExceeded") => NotYet,

        // A role that has not got around yet has no code of its own, nor has one whose policy has not. What else is wrong with a
        // policy has it too; the plan rules that out.
        ("CreateLifecyclePolicy" | "UpdateLifecyclePolicy", "InvalidRequestException") => NotYet,
        ("UpdateLifecyclePolicy" | "TagResource", "ResourceNotFoundException") => Changed,
        ("DeleteLifecyclePolicy", "ResourceNotFoundException") => Done,

        (_, "NoSuchEntity") if takes_away => Done,
        (_, "NoSuchEntity") => NotYet,
        (_, code) if code.ends_with(".NotFound") && takes_away => Done,
        (_, code) if code.ends_with(".NotFound") => NotYet,
        ("CreateTags", "InvalidID") => NotYet,

        (
            _,
            "DependencyViolation"
            | "DeleteConflict"
            | "VolumeInUse"
            | "InvalidGroup.InUse"
            | "ConcurrentModification",
        ) => NotYet,
        (_, "IncorrectInstanceState" | "IncorrectState") => NotYet,
        (_, code) if THROTTLED.contains(&code) => NotYet,

        (_, "IdempotentParameterMismatch" | "IdempotentInstanceTerminated") => Changed,
        (_, "Resource.AlreadyAssociated" | "EntityAlreadyExists") => Changed,
        (_, "InvalidSubnet.Conflict" | "InvalidGroup.Duplicate" | "RouteAlreadyExists") => Changed,
        // The fault is AWS's own: it may have come after the effect.
        (
            _,
            "InternalError"
            | "InternalServerException"
            | "InternalFailure"
            | "ServiceFailure"
            | "ServiceUnavailable"
            | "Unavailable",
        ) => Changed,

        _ => Refused,
    }
}

/// What the services say when they are called too often.
/// Source: the SDK's own list, `aws_runtime::retries::classifiers::THROTTLING_ERRORS`
const THROTTLED: &[&str] = &[
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "BandwidthLimitExceeded",
    "SlowDown",
];

#[cfg(test)]
mod tests {
    use super::Verdict::{Changed, Done, NotYet, Refused, Short};
    use super::*;
    use crate::problem::Obstacle;

    #[test]
    fn codes_mean_what_the_table_says() {
        for (operation, code, verdict) in [
            // Made a moment ago.
            ("ModifyVpcAttribute", "InvalidVpcID.NotFound", NotYet),
            ("CreateSubnet", "InvalidVpcID.NotFound", NotYet),
            ("ModifySubnetAttribute", "InvalidSubnetID.NotFound", NotYet),
            ("AttachInternetGateway", "InvalidInternetGatewayID.NotFound", NotYet),
            ("AttachInternetGateway", "InvalidVpcID.NotFound", NotYet),
            ("CreateRoute", "InvalidRouteTableID.NotFound", NotYet),
            ("CreateRoute", "InvalidGatewayID.NotFound", NotYet),
            ("AssociateRouteTable", "InvalidSubnetID.NotFound", NotYet),
            ("AuthorizeSecurityGroupEgress", "InvalidGroup.NotFound", NotYet),
            ("CreateTags", "InvalidInstanceID.NotFound", NotYet),
            ("RunInstances", "InvalidSubnetID.NotFound", NotYet),
            ("RunInstances", "InvalidGroup.NotFound", NotYet),
            ("RunInstances", "InvalidParameterValue", NotYet),
            ("ModifyInstanceAttribute", "InvalidInstanceID.NotFound", NotYet),
            ("AttachRolePolicy", "NoSuchEntity", NotYet),
            ("PutRolePolicy", "NoSuchEntity", NotYet),
            ("AddRoleToInstanceProfile", "NoSuchEntity", NotYet),
            ("TagRole", "NoSuchEntity", NotYet),
            // Between two states, or still in use.
            ("StartInstances", "IncorrectInstanceState", NotYet),
            ("CreateSnapshot", "IncorrectState", NotYet),
            ("DeleteVpc", "DependencyViolation", NotYet),
            ("DetachInternetGateway", "DependencyViolation", NotYet),
            ("DeleteVolume", "VolumeInUse", NotYet),
            ("DeleteRole", "DeleteConflict", NotYet),
            ("CreateVpc", "RequestLimitExceeded", NotYet),
            ("CreateRole", "Throttling", NotYet),
            // Somebody else was there.
            ("RunInstances", "IdempotentParameterMismatch", Changed),
            ("RunInstances", "IdempotentInstanceTerminated", Changed),
            ("RunInstances", "InvalidAMIID.NotFound", Changed),
            ("CreateSubnet", "InvalidSubnet.Conflict", Changed),
            ("CreateSecurityGroup", "InvalidGroup.Duplicate", Changed),
            ("AttachInternetGateway", "Resource.AlreadyAssociated", Changed),
            ("AttachInternetGateway", "InvalidParameterValue", Changed),
            ("AssociateRouteTable", "Resource.AlreadyAssociated", Changed),
            ("CreateRole", "EntityAlreadyExists", Changed),
            ("CreateInstanceProfile", "EntityAlreadyExists", Changed),
            ("AddRoleToInstanceProfile", "LimitExceeded", Changed),
            ("TerminateInstances", "OperationNotPermitted", Changed),
            ("CreateVpc", "InternalError", Changed),
            // So already.
            ("AuthorizeSecurityGroupEgress", "InvalidPermission.Duplicate", Done),
            ("DeleteVpc", "InvalidVpcID.NotFound", Done),
            ("DeleteVolume", "InvalidVolume.NotFound", Done),
            ("DisassociateRouteTable", "InvalidAssociationID.NotFound", Done),
            ("DetachInternetGateway", "Gateway.NotAttached", Done),
            ("TerminateInstances", "InvalidInstanceID.NotFound", Done),
            ("DeleteRole", "NoSuchEntity", Done),
            ("DeleteLifecyclePolicy", "ResourceNotFoundException", Done),
            ("CreateLifecyclePolicy", "InvalidRequestException", NotYet),
            ("CreateLifecyclePolicy", "LimitExceededException", Refused),
            ("CreateLifecyclePolicy", "AccessDeniedException", Refused),
            ("CreateLifecyclePolicy", "InternalServerException", Changed),
            ("UpdateLifecyclePolicy", "ResourceNotFoundException", Changed),
            ("RemoveRoleFromInstanceProfile", "NoSuchEntity", Done),
            // Never.
            ("CreateVpc", "VpcLimitExceeded", Refused),
            ("CreateVpc", "UnauthorizedOperation", Refused),
            ("CreateRole", "NoSuchEntity", Refused),
            ("CreateRole", "LimitExceeded", Refused),
            ("RunInstances", "VcpuLimitExceeded", Refused),
            ("RunInstances", "InsufficientInstanceCapacity", Refused),
            ("RunInstances", "Unsupported", Refused),
            ("StartInstances", "InsufficientInstanceCapacity", Short),
            ("StartInstances", "VcpuLimitExceeded", Short),
            ("StartInstances", "Unsupported", Short),
            ("CreateCapacityReservation", "InsufficientInstanceCapacity", Short),
            ("CancelCapacityReservation", "IncorrectState", Changed),
            ("CancelCapacityReservation", "InvalidCapacityReservationId.NotFound", Done),
            ("ModifyVolume", "IncorrectModificationState", Refused),
            ("ModifyVolume", "VolumeModificationRateExceeded", Refused),
            ("ModifyInstanceAttribute", "IncorrectInstanceState", NotYet),
            ("CreateSubnet", "InvalidParameterValue", Refused),
            ("DeleteRole", "AccessDenied", Refused),
            ("CreateVpc", "ExpiredToken", Refused),
            ("CreateVpc", "NeverHeardOf", Refused),
        ] {
            assert_eq!(of_code(operation, code), verdict, "{operation} {code}");
        }
    }

    #[test]
    fn a_lost_answer_asks_for_a_look() {
        for (kind, expected) in [
            (CallErrorKind::Timeout, Changed),
            (CallErrorKind::Unreachable { why: "reset".into(), obstacle: Obstacle::Network }, Changed),
            (CallErrorKind::Garbled("not XML".into()), Changed),
            (CallErrorKind::Credentials("expired".into()), Refused),
        ] {
            let error = CallError { service: "ec2", operation: "CreateVpc", kind, request_id: None };
            assert_eq!(verdict(&error), expected, "{error:?}");
        }
    }
}
