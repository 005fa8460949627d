//! Snapshots by the clock: the calls to Data Lifecycle Manager.
//!
//! Source: <https://docs.aws.amazon.com/dlm/latest/APIReference/>

use std::collections::HashMap;

use aws_sdk_dlm::types::{
    CreateRule, GettablePolicyStateValues, IntervalUnitValues, LifecyclePolicy, PolicyDetails,
    PolicyTypeValues, ResourceTypeValues, RetainRule, Schedule as Times, SettablePolicyStateValues, Tag,
};
use futures_util::future::try_join_all;
use holdfast_core::machine::{
    Desired, Fact, Lifecycle, LifecycleRule, Observed, Schedule, TAG_MACHINE, Tags,
};
use holdfast_core::names::PolicyId;
use holdfast_core::plan::{self, Made};

use super::Aws;
use super::error::{dlm, garbled, iam};
use super::perform::{Trouble, iam_tags, made_tags, owned_tags};
use crate::problem::CallError;
use crate::world::Done;

/// What the one schedule of a policy is called.
const NAME: &str = "holdfast";

/// The policies with our tag. The service lists them all at once, without what they do.
pub(super) async fn list(aws: &Aws, desired: &Desired) -> Result<Vec<Lifecycle>, CallError> {
    let answer = aws.dlm.get_lifecycle_policies().send().await.map_err(dlm("GetLifecyclePolicies"))?;
    let key = desired.key();
    let ours = answer.policies().iter().filter(|policy| {
        policy.tags().is_some_and(|tags| tags.get(TAG_MACHINE).is_some_and(|machine| *machine == key))
    });
    let each = ours.filter_map(|policy| policy.policy_id()).map(|id| one(aws, id));
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}

/// `None` for one that went away meanwhile.
async fn one(aws: &Aws, id: &str) -> Result<Option<Lifecycle>, CallError> {
    match aws.dlm.get_lifecycle_policy().policy_id(id).send().await.map_err(dlm("GetLifecyclePolicy")) {
        Ok(answer) => {
            let policy = answer.policy().ok_or_else(|| "no policy".to_owned()).and_then(lifecycle);
            policy.map(Some).map_err(|error| garbled("dlm", "GetLifecyclePolicy", error))
        }
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

fn lifecycle(policy: &LifecyclePolicy) -> Result<Lifecycle, String> {
    let id = policy.policy_id().unwrap_or_default();
    let idle = match policy.state() {
        Some(GettablePolicyStateValues::Enabled) => None,
        Some(state) => Some(match policy.status_message().filter(|message| !message.is_empty()) {
            Some(message) => format!("{}: {message}", state.as_str()),
            None => state.as_str().to_owned(),
        }),
        None => return Err("no state".to_owned()),
    };
    Ok(Lifecycle {
        id: id.parse().map_err(|error| format!("{error}"))?,
        tags: policy.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        rule: rule(policy),
        idle,
    })
}

/// `None` for anything that [`details`] would not have said. When the first snapshot of a day is taken is the service's own choice.
fn rule(policy: &LifecyclePolicy) -> Option<LifecycleRule> {
    let details = policy.policy_details()?;
    let [times] = details.schedules() else { return None };
    let (create, retain) = (times.create_rule()?, times.retain_rule()?);
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let schedule = Schedule { every: number(create.interval())?, keep: number(retain.count())? };
    let of: Tags = details.target_tags().iter().filter_map(tag).collect();
    let tags: Tags = times.tags_to_add().iter().filter_map(tag).collect();
    let rule = LifecycleRule { schedule, role: policy.execution_role_arn()?.to_owned(), of, tags };
    let plain = create.interval_unit() == Some(&IntervalUnitValues::Hours)
        && create.cron_expression().is_none()
        && create.scripts().is_empty()
        && details.resource_types() == [ResourceTypeValues::Volume]
        && details.parameters().is_none_or(|parameters| {
            parameters.exclude_boot_volume() != Some(true) && parameters.exclude_data_volume_tags().is_empty()
        })
        && times.copy_tags() != Some(true)
        && times.fast_restore_rule().is_none()
        && times.archive_rule().is_none()
        && times.cross_region_copy_rules().is_empty()
        && times.share_rules().is_empty();
    plain.then_some(rule)
}

fn tag(tag: &Tag) -> Option<(String, String)> {
    Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))
}

fn details(rule: &LifecycleRule) -> PolicyDetails {
    let tags = |tags: &Tags| {
        Some(tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect())
    };
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let create = CreateRule::builder().interval(number(rule.schedule.every));
    let times = Times::builder()
        .name(NAME)
        .copy_tags(false)
        .set_tags_to_add(tags(&rule.tags))
        .create_rule(create.interval_unit(IntervalUnitValues::Hours).build())
        .retain_rule(RetainRule::builder().count(number(rule.schedule.keep)).build())
        .build();
    PolicyDetails::builder()
        .policy_type(PolicyTypeValues::EbsSnapshotManagement)
        .resource_types(ResourceTypeValues::Volume)
        .set_target_tags(tags(&rule.of))
        .schedules(times)
        .build()
}

pub(super) async fn create_role(aws: &Aws, desired: &Desired) -> Result<Done, Trouble> {
    let tags = iam_tags("CreateRole", &owned_tags(aws, desired, "backup").await?)?;
    let call = aws.iam.create_role().role_name(desired.backup_role_name()).set_tags(Some(tags));
    let trust = plan::trust_lifecycles(&aws.owner().await?).to_string();
    let boundary = desired.permissions_boundary.as_ref().map(ToString::to_string);
    let call = call.assume_role_policy_document(trust).set_permissions_boundary(boundary);
    call.send().await.map_err(iam("CreateRole"))?;
    Ok(Done::default())
}

pub(super) async fn allow(aws: &Aws, desired: &Desired, role: &str) -> Result<Done, Trouble> {
    let call = aws.iam.put_role_policy().role_name(role).policy_name(plan::BACKUP_POLICY);
    let call = call.policy_document(plan::allow_snapshots(desired).to_string());
    call.send().await.map_err(iam("PutRolePolicy"))?;
    Ok(Done::default())
}

/// Makes a policy, and looks whether it is the only one: nothing keeps another laptop from making one as well.
pub(super) async fn create(aws: &Aws, desired: &Desired, rule: &LifecycleRule) -> Result<Done, Trouble> {
    let call = aws.dlm.create_lifecycle_policy().execution_role_arn(&rule.role);
    let call = call.description(format!("Snapshots of {}", desired.name("machine")));
    let call = call.state(SettablePolicyStateValues::Enabled).policy_details(details(rule));
    let tags: HashMap<String, String> = made_tags(aws, desired, "snapshots").await?.into_iter().collect();
    let answer = call.set_tags(Some(tags.clone())).send().await.map_err(dlm("CreateLifecyclePolicy"))?;
    let id = answer.policy_id().unwrap_or_default().parse::<PolicyId>();
    let id = id.map_err(|error| garbled("dlm", "CreateLifecyclePolicy", error.to_string()))?;
    let saw = list(aws, desired).await.ok().map(|mut all| {
        if !all.iter().any(|policy| policy.id == id) {
            let (tags, rule) = (tags.into_iter().collect(), Some(rule.clone()));
            all.push(Lifecycle { id: id.clone(), tags, rule, idle: None });
        }
        Observed { lifecycles: Fact::Present(all), ..Observed::unknown(&aws.maker) }
    });
    Ok(Done { made: Some(Made::Lifecycle(id)), saw })
}

pub(super) async fn change(aws: &Aws, policy: &PolicyId, rule: &LifecycleRule) -> Result<Done, Trouble> {
    let call = aws.dlm.update_lifecycle_policy().policy_id(policy.as_str()).execution_role_arn(&rule.role);
    // To enable it is what takes it out of an error, too.
    // Source: https://docs.aws.amazon.com/ebs/latest/userguide/modify.html
    let call = call.state(SettablePolicyStateValues::Enabled).policy_details(details(rule));
    call.send().await.map_err(dlm("UpdateLifecyclePolicy"))?;
    Ok(Done::default())
}

pub(super) async fn tag_policy(
    aws: &Aws,
    desired: &Desired,
    policy: &PolicyId,
    tags: &Tags,
) -> Result<Done, Trouble> {
    let owner = aws.owner().await?;
    let (partition, region, account) = (desired.region.partition(), &desired.region, owner.account());
    let call = aws.dlm.tag_resource();
    let call = call.resource_arn(format!("arn:{partition}:dlm:{region}:{account}:policy/{policy}"));
    let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    call.set_tags(Some(tags)).send().await.map_err(dlm("TagResource"))?;
    Ok(Done::default())
}

pub(super) async fn delete(aws: &Aws, policy: &PolicyId) -> Result<Done, Trouble> {
    let call = aws.dlm.delete_lifecycle_policy().policy_id(policy.as_str());
    call.send().await.map_err(dlm("DeleteLifecyclePolicy"))?;
    Ok(Done::default())
}
