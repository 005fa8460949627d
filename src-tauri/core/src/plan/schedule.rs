//! Snapshots by the clock: one lifecycle policy, and the role that it acts with.
//!
//! Data Lifecycle Manager has no client token, so two laptops may make two policies. The one with the lowest id counts, and
//! whoever made the other takes it away.

use serde_json::{Value, json};

use super::winners::is_ours;
use super::{Desired, Next, Observed, Step, TAG_MAKER, missing_tags, remove};
use crate::machine::{Fact, Lifecycle, LifecycleRule, Owner, Role, TAG_MACHINE};

/// The name of the inline policy that lets the role take snapshots.
pub const BACKUP_POLICY: &str = "holdfast-snapshots";

/// Lets Data Lifecycle Manager, acting for this account, and nobody else assume the role.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/service-role.html#custom-role>
pub fn trust_lifecycles(owner: &Owner) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "dlm.amazonaws.com" },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:SourceAccount": owner.account() } },
        }],
    })
}

/// Lets the role take snapshots of the machine's volumes, and delete those, and nothing else.
///
/// Which condition keys come with the tags that Data Lifecycle Manager gives a snapshot is not documented, so tags may be
/// given to every snapshot of the region.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/service-role.html#custom-role>
pub fn allow_snapshots(desired: &Desired) -> Value {
    let (partition, region) = (desired.region.partition(), &desired.region);
    let snapshots = format!("arn:{partition}:ec2:{region}::snapshot/*");
    let volumes = format!("arn:{partition}:ec2:{region}:*:volume/*");
    let of_machine = json!({ "StringEquals": { format!("aws:ResourceTag/{TAG_MACHINE}"): desired.key() } });
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"],
                "Resource": "*",
            },
            { "Effect": "Allow", "Action": "ec2:CreateSnapshot", "Resource": volumes, "Condition": of_machine },
            { "Effect": "Allow", "Action": ["ec2:CreateSnapshot", "ec2:CreateTags"], "Resource": snapshots },
            { "Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": snapshots, "Condition": of_machine },
        ],
    })
}

fn ours<'a>(desired: &Desired, observed: &'a Observed) -> impl Iterator<Item = &'a Lifecycle> + use<'a> {
    let key = desired.key();
    observed.lifecycles.all().iter().filter(move |policy| is_ours(&key, &policy.tags))
}

/// The policy that counts.
pub(super) fn winner<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a Lifecycle> {
    ours(desired, observed).min_by_key(|policy| &policy.id)
}

/// The policies that lost against it.
pub(super) fn losers<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Lifecycle> + use<'a> {
    let winner = winner(desired, observed).map(|policy| &policy.id);
    ours(desired, observed).filter(move |policy| Some(&policy.id) != winner)
}

/// The role that the policies act with, where it is the machine's.
pub(super) fn role<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a Role> {
    observed.backup_role.present().filter(|role| is_ours(&desired.key(), &role.tags))
}

/// Has snapshots taken as the settings say, or no longer.
pub(super) fn provide(desired: &Desired, observed: &Observed, next: &mut Next) {
    let rule = observed.caller.present().and_then(|owner| LifecycleRule::of(desired, owner));
    let (Some(rule), true) = (rule, observed.lifecycles.is_known()) else {
        if desired.snapshot_every.is_none() {
            remove(desired, observed, next);
        }
        return;
    };
    let mine = |policy: &&Lifecycle| policy.tags.get(TAG_MAKER) == Some(&observed.maker);
    let beaten = losers(desired, observed).filter(mine);
    next.ready.extend(beaten.map(|policy| Step::DeleteLifecycle { policy: policy.id.clone() }));
    if !provide_role(desired, observed, next) {
        return;
    }
    let Some(policy) = winner(desired, observed) else {
        next.ready.push(Step::CreateLifecycle { rule });
        return;
    };
    if policy.rule.as_ref() != Some(&rule) || policy.idle.is_some() {
        next.ready.push(Step::ChangeLifecycle { policy: policy.id.clone(), rule });
    }
    let tags = missing_tags(desired, observed, &policy.tags, "snapshots");
    let step = (!tags.is_empty()).then(|| Step::TagLifecycle { policy: policy.id.clone(), tags });
    next.ready.extend(step);
}

/// Whether a policy can act with the role by now.
fn provide_role(desired: &Desired, observed: &Observed, next: &mut Next) -> bool {
    let role = match &observed.backup_role {
        Fact::Unknown(_) => return false,
        Fact::Absent => {
            next.ready.push(Step::CreateBackupRole);
            return false;
        }
        Fact::Present(role) => role,
    };
    let name = || role.name.clone();
    let whole = role.inline.get(BACKUP_POLICY) == Some(&allow_snapshots(desired));
    if !whole {
        next.ready.push(Step::AllowSnapshots { role: name() });
    }
    let managed = |policy: &String| Step::DetachManagedPolicy { role: name(), policy: policy.clone() };
    next.ready.extend(role.managed.iter().map(managed));
    let inline = role.inline.keys().filter(|policy| *policy != BACKUP_POLICY);
    next.ready.extend(inline.map(|policy| Step::DeleteInlinePolicy { role: name(), policy: policy.clone() }));
    let tags = missing_tags(desired, observed, &role.tags, "backup");
    let step = (!tags.is_empty()).then(|| Step::TagRole { role: name(), tags });
    next.ready.extend(step);
    whole
}

/// Takes away whatever would take snapshots. Those that there are stay.
pub(super) fn remove(desired: &Desired, observed: &Observed, next: &mut Next) {
    let policies: Vec<&Lifecycle> = ours(desired, observed).collect();
    let gone = policies.iter().map(|policy| Step::DeleteLifecycle { policy: policy.id.clone() });
    next.ready.extend(gone);
    // Who could not see whether there is still a policy leaves it the role.
    if let (Some(role), true, true) =
        (role(desired, observed), policies.is_empty(), observed.lifecycles.is_known())
    {
        remove::role(role, false, next);
    }
}
