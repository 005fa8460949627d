//! Looking at what only an export names.

use holdfast_core::export::GroupRule;
use holdfast_core::names::GroupId;

use super::{filter, understand};
use crate::aws::clients::Aws;
use crate::aws::error::ec2;
use crate::aws::parse;
use crate::problem::CallError;

/// The rules of a security group.
pub(in crate::aws) async fn rules(aws: &Aws, group: &GroupId) -> Result<Vec<GroupRule>, CallError> {
    let call = aws.ec2.describe_security_group_rules().filters(filter("group-id", [group.to_string()]));
    let pages = call.into_paginator().items().send();
    let found = pages.collect::<Result<Vec<_>, _>>().await.map_err(ec2("DescribeSecurityGroupRules"))?;
    let rule = |rule: &aws_sdk_ec2::types::SecurityGroupRule| {
        let (_, parsed) = parse::rule(rule)?;
        Ok(GroupRule { id: parsed.id, outbound: rule.is_egress().unwrap_or_default() })
    };
    understand("DescribeSecurityGroupRules", found.iter().map(rule))
}
