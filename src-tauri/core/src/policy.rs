//! The least that somebody's own AWS identity must be allowed, as an IAM policy.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::machine::Desired;

/// What every look needs.
pub const LOOK: &[&str] = &[
    "sts:GetCallerIdentity",
    "dlm:GetLifecyclePolicies",
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DescribeVolumesModifications",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
    "pricing:GetProducts",
    "servicequotas:GetServiceQuota",
    "ssm:GetConnectionStatus",
];

/// What changes the machine, its group and its disks.
pub const MACHINE: &[&str] = &[
    "ec2:AttachVolume",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:CancelCapacityReservation",
    "ec2:CreateCapacityReservation",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:CreateVolume",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSnapshot",
    "ec2:DeleteTags",
    "ec2:DeleteVolume",
    "ec2:DetachVolume",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyInstanceMetadataOptions",
    "ec2:ModifyVolume",
    "ec2:RebootInstances",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
];

/// What makes its network; not needed in a subnet of the company's.
pub const NETWORK: &[&str] = &[
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:CreateInternetGateway",
    "ec2:CreateRoute",
    "ec2:CreateRouteTable",
    "ec2:CreateSubnet",
    "ec2:CreateVpc",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSubnet",
    "ec2:DeleteVpc",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateRouteTable",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ReplaceRoute",
];

/// What looks at role and instance profile.
pub const LOOK_AT_IDENTITY: &[&str] = &[
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:ListRolePolicies",
];

/// What makes them; not needed where the company provides them.
pub const IDENTITY: &[&str] = &[
    "iam:AddRoleToInstanceProfile",
    "iam:AttachRolePolicy",
    "iam:CreateInstanceProfile",
    "iam:CreateRole",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:TagRole",
];

/// What has snapshots taken by the clock; needed only with `snapshot_every`.
pub const SCHEDULE: &[&str] = &[
    "dlm:CreateLifecyclePolicy",
    "dlm:DeleteLifecyclePolicy",
    "dlm:GetLifecyclePolicy",
    "dlm:TagResource",
    "dlm:UpdateLifecyclePolicy",
];

/// The policy for these settings.
pub fn least(desired: &Desired) -> Value {
    let partition = desired.region.partition();
    let (own_network, own_identity) = (desired.subnet.is_none(), desired.instance_profile.is_none());
    let scheduled = desired.snapshot_every.is_some();
    let named = |kind: &str, name: &str| format!("arn:{partition}:iam::*:{kind}/{name}");
    let own = format!("{}-*", desired.user);
    let given = desired.instance_profile.as_ref().map(ToString::to_string);

    let changes = MACHINE.iter().chain(NETWORK.iter().filter(|_| own_network));
    let identity = LOOK_AT_IDENTITY.iter().chain(IDENTITY.iter().filter(|_| own_identity || scheduled));
    let (mut roles, mut profiles) = (vec![named("role", &own)], vec![named("instance-profile", &own)]);
    if let Some(given) = given {
        // Which role is in it the settings do not say.
        roles = vec![named("role", "*")];
        profiles.push(named("instance-profile", &given));
    }
    let mut services = vec![if partition == "aws-cn" { "ec2.amazonaws.com.cn" } else { "ec2.amazonaws.com" }];
    services.extend(scheduled.then_some("dlm.amazonaws.com"));
    let mut statements = vec![
        allow("Look", LOOK.iter().collect(), json!("*")),
        allow("MachineAndNetwork", changes.collect(), json!("*")),
        allow("RoleAndProfile", identity.collect(), json!([&roles[..], &profiles].concat())),
    ];
    let mut pass = allow("HandTheRoleOn", vec![&"iam:PassRole"], json!(roles));
    pass["Condition"] = json!({ "StringEquals": { "iam:PassedToService": services } });
    statements.push(pass);
    if scheduled {
        statements.push(allow("SnapshotsByTheClock", SCHEDULE.iter().collect(), json!("*")));
    }
    statements.push(allow("Connect", vec![&"ssm:StartSession", &"ssmmessages:OpenDataChannel"], json!("*")));
    let sessions = format!("arn:{partition}:ssm:*:*:session/${{aws:userid}}-*");
    statements.push(allow(
        "OwnSessions",
        vec![&"ssm:ResumeSession", &"ssm:TerminateSession"],
        json!(sessions),
    ));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The actions that it lists.
pub fn actions(desired: &Desired) -> BTreeSet<String> {
    let policy = least(desired);
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let actions = statements.filter_map(|statement| statement["Action"].as_array()).flatten();
    actions.filter_map(|action| action.as_str().map(str::to_owned)).collect()
}

fn allow(sid: &str, mut actions: Vec<&&str>, resource: Value) -> Value {
    actions.sort_unstable();
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::fixture::{wanted, wanted_in_company_subnet, wanted_with_company_profile};

    fn listed(policy: &Value) -> Vec<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn nothing_is_allowed_twice_and_nothing_altogether() {
        let scheduled = Desired { snapshot_every: Some(6), ..wanted() };
        for desired in [wanted(), wanted_in_company_subnet(), wanted_with_company_profile(), scheduled] {
            let mut all = listed(&least(&desired));
            assert!(all.iter().all(|action| !action.contains('*')));
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn what_the_company_provides_needs_no_rights() {
        let has = |desired: &Desired, action: &str| actions(desired).contains(action);
        assert!(has(&wanted(), "ec2:CreateVpc") && !has(&wanted_in_company_subnet(), "ec2:CreateVpc"));
        assert!(has(&wanted(), "iam:CreateRole") && !has(&wanted_with_company_profile(), "iam:CreateRole"));
        assert!(!has(&wanted(), "dlm:CreateLifecyclePolicy"));
        let scheduled = Desired { snapshot_every: Some(6), ..wanted_with_company_profile() };
        assert!(has(&scheduled, "dlm:CreateLifecyclePolicy") && has(&scheduled, "iam:CreateRole"));
    }

    #[test]
    fn it_is_small_enough_for_aws_to_take() {
        // A managed policy has at most 6144 characters without white space.
        // Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        let scheduled = Desired { snapshot_every: Some(6), ..wanted() };
        assert!(least(&scheduled).to_string().len() < 6144);
    }

    #[test]
    fn the_readme_shows_it() {
        let readme = include_str!("../../../README.md");
        let shown = readme.split("```json\n").find(|part| part.trim_start().starts_with('{')).unwrap();
        let shown: Value = serde_json::from_str(shown.split("```").next().unwrap()).unwrap();
        assert_eq!(shown, least(&wanted()));
    }
}
