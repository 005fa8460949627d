//! Service Quotas: the one quota that a machine's size meets.

use serde_json::{Value, json};

use crate::wire::{Fail, Json};
use crate::world::Ctx;

/// How many vCPUs of running standard instances an account may have in a region
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-quotas.html).
const STANDARD_VCPUS: (&str, &str) =
    ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances");
/// What AWS gives to a new account (docs.aws.amazon.com/general/latest/gr/ec2-service.html).
const DEFAULT_VCPUS: u32 = 5;

/// Does one call. `GetServiceQuota` gives the applied value, `GetAWSDefaultServiceQuota` the one that knows of no
/// increase (docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetAWSDefaultServiceQuota.html).
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, json: Json<'_>) -> Result<Value, Fail> {
    match operation {
        "GetServiceQuota" => quota(ctx, json, ctx.owner(), ctx.conditions.quotas.vcpus),
        "GetAWSDefaultServiceQuota" => quota(ctx, json, "", DEFAULT_VCPUS),
        _ => Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in Service Quotas."),
        )),
    }
}

/// The value is a floating point number; a default belongs to no account, so there is none in its ARN
/// (docs.aws.amazon.com/cli/latest/reference/service-quotas/get-aws-default-service-quota.html).
fn quota(ctx: &Ctx<'_>, json: Json<'_>, owner: &str, value: u32) -> Result<Value, Fail> {
    let (service, code) = (json.need("ServiceCode")?, json.need("QuotaCode")?);
    let (known, name) = STANDARD_VCPUS;
    if (service, code) != ("ec2", known) {
        return Err(Fail::new(
            "NoSuchResourceException",
            format!("The request failed because the specified quota {code} of {service} does not exist."),
        ));
    }
    Ok(json!({
        "Quota": {
            "ServiceCode": service,
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": format!("arn:aws:servicequotas:{}:{owner}:{service}/{code}", ctx.region),
            "QuotaCode": code,
            "QuotaName": name,
            "Value": f64::from(value),
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
            "UsageMetric": {
                "MetricNamespace": "AWS/Usage",
                "MetricName": "ResourceCount",
                "MetricDimensions": {
                    "Class": "Standard/OnDemand",
                    "Resource": "vCPU",
                    "Service": "EC2",
                    "Type": "Resource",
                },
                "MetricStatisticRecommendation": "Maximum",
            },
            "QuotaAppliedAtLevel": "ACCOUNT",
        }
    }))
}
