//! What policies do by the clock.

use std::time::Duration;

use super::{Details, Policy, Schedule, State, Target};
use crate::backend::Storage;
use crate::clock::At;
use crate::conditions::Conditions;
use crate::ec2::{self, Taker, Volume};
use crate::iam::{self, Iam, Role, Wish};
use crate::ids::Ids;
use crate::world::{News, Region, Tags};

/// How far into the hour that the service has for it a schedule's snapshots are made
/// (docs.aws.amazon.com/dlm/latest/APIReference/API_CreateRule.html, `Times`).
const LATE: Duration = Duration::from_secs(600);
/// docs.aws.amazon.com/ebs/latest/userguide/monitor-dlm-cw-metrics.html: the cause of a policy's state `ERROR`.
const NOT_ENOUGH: &str = "Role provided does not have sufficient permissions";

const POLICY_ID: &str = "aws:dlm:lifecycle-policy-id";
const SCHEDULE: &str = "aws:dlm:lifecycle-schedule-name";

/// Where policies act.
pub(crate) struct Place<'a> {
    pub(crate) iam: &'a Iam,
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    pub(crate) region: &'a mut Region,
    pub(crate) ids: &'a mut Ids,
    pub(crate) conditions: &'a Conditions,
}

/// Does everything that is due, each at its own time.
pub(crate) fn settle(place: &mut Place<'_>, now: At, news: &mut Vec<News>) {
    let ids: Vec<String> = place.region.policies.keys().cloned().collect();
    for id in ids {
        while let Some((at, index)) = place.region.policies.get(&id).and_then(|policy| due(policy, now)) {
            let Some(policy) = place.region.policies.get_mut(&id) else { break };
            let Some(schedule) = policy.details.schedules.get_mut(index) else { break };
            schedule.next = schedule.next.plus(schedule.every());
            let schedule = schedule.clone();
            let policy = policy.clone();
            if act(place, &policy, &schedule, at, news).is_none()
                && let Some(policy) = place.region.policies.get_mut(&id)
            {
                (policy.state, policy.message) = (State::Error, Some(NOT_ENOUGH.to_owned()));
            }
        }
    }
}

/// The schedule that comes first among those that are due.
fn due(policy: &Policy, now: At) -> Option<(At, usize)> {
    let times = policy.details.schedules.iter().map(|schedule| schedule.next.plus(LATE)).zip(0..);
    times.filter(|(at, _)| policy.state == State::Enabled && *at <= now).min()
}

impl Schedule {
    /// What would have been before is left out.
    pub(super) fn skip_to(&mut self, now: At) {
        while self.next <= now {
            self.next = self.next.plus(self.every());
        }
    }
}

impl Details {
    /// The volumes that are meant, each with its instance.
    fn volumes(&self, region: &Region) -> Vec<(Volume, Option<String>)> {
        let meant = |tags: &Tags| self.tags.iter().any(|(key, value)| tags.get(key) == Some(value));
        let all = region.volumes.values().map(|volume| {
            (volume, volume.attached.as_ref().and_then(|attached| region.instances.get(&attached.instance)))
        });
        let meant = all.filter(|(volume, instance)| match self.target {
            Target::Volume => meant(&volume.tags),
            Target::Instance => instance.is_some_and(|i| !i.is_gone() && meant(&i.tags)),
        });
        meant.map(|(volume, instance)| (volume.clone(), instance.map(|i| i.id.clone()))).collect()
    }
}

/// Makes a schedule's snapshots and deletes those that are too many; `None` when the role may not do that.
fn act(
    place: &mut Place<'_>,
    policy: &Policy,
    schedule: &Schedule,
    at: At,
    news: &mut Vec<News>,
) -> Option<()> {
    let arn = policy.arn(place.name, place.owner);
    let facts = [("aws:SourceAccount", place.owner), ("aws:SourceArn", arn.as_str())];
    let role =
        iam::role(place.iam, &policy.role).filter(|role| iam::trusts(role, "dlm.amazonaws.com", &facts))?;
    let (look, make) = match policy.details.target {
        Target::Volume => ("ec2:DescribeVolumes", "ec2:CreateSnapshot"),
        Target::Instance => ("ec2:DescribeInstances", "ec2:CreateSnapshots"),
    };
    let conditions = place.conditions;
    let may = |wish: Wish<'_>| iam::allows(conditions, role, &wish).then_some(());
    for action in [look, "ec2:DescribeSnapshots"] {
        may(Wish { action, resource: "*", ..Wish::default() })?;
    }
    for (volume, instance) in policy.details.volumes(place.region) {
        let tags = tags(policy, schedule, &volume, instance.as_deref(), at);
        let given: Tags = tags.iter().filter(|(key, _)| !key.starts_with("aws:")).map(own).collect();
        let arn = format!("arn:aws:ec2:{}:{}:volume/{}", place.name, place.owner, volume.id);
        let snapshot = format!("arn:aws:ec2:{}::snapshot/*", place.name);
        let of = |action, resource| Wish { action, resource, request_tags: Some(&given), ..Wish::default() };
        may(Wish { resource_tags: Some(&volume.tags), ..of(make, &arn) })?;
        may(of(make, &snapshot))?;
        let facts = [("ec2:CreateAction", make.trim_start_matches("ec2:"))];
        may(Wish { facts: &facts, ..of("ec2:CreateTags", &snapshot) })?;
        let description = format!("Created for policy: {} schedule: {}", policy.id, schedule.name);
        let mut taker = Taker {
            region: &mut *place.region,
            ids: &mut *place.ids,
            conditions: place.conditions,
            now: at,
            news: &mut *news,
        };
        // A volume that has too many under way is left out, and its next turn comes.
        if taker.take(&volume, &description, tags).is_ok() {
            thin(place, role, policy, schedule, &volume.id, news)?;
        }
    }
    Some(())
}

fn own((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// docs.aws.amazon.com/ebs/latest/userguide/dlm-elements.html#dlm-tagging-snapshots; what the user has defined of a
/// volume is copied, what AWS has is not (API_Schedule.html).
fn tags(policy: &Policy, schedule: &Schedule, volume: &Volume, instance: Option<&str>, at: At) -> Tags {
    let copied =
        volume.tags.iter().filter(|(key, _)| schedule.copy_tags && !key.starts_with("aws:")).map(own);
    let variable = schedule.variable.iter().map(|(key, value)| {
        let value = match value.as_str() {
            "$(instance-id)" => instance.unwrap_or_default().to_owned(),
            _ => at.iso_seconds(),
        };
        (key.clone(), value)
    });
    let by_aws =
        [(POLICY_ID, policy.id.as_str()), (SCHEDULE, schedule.name.as_str()), ("dlm:managed", "true")];
    let by_aws = by_aws.map(|(key, value)| (key.to_owned(), value.to_owned()));
    copied.chain(schedule.add.iter().map(own)).chain(variable).chain(by_aws).collect()
}

/// Deletes the oldest of a volume's snapshots that the schedule has made, until there are no more than it keeps
/// (docs.aws.amazon.com/dlm/latest/APIReference/API_RetainRule.html).
fn thin(
    place: &mut Place<'_>,
    role: &Role,
    policy: &Policy,
    schedule: &Schedule,
    volume: &str,
    news: &mut Vec<News>,
) -> Option<()> {
    let mut made: Vec<&ec2::Snapshot> = place
        .region
        .snapshots
        .values()
        .filter(|snapshot| {
            snapshot.volume == volume
                && snapshot.tags.get(POLICY_ID) == Some(&policy.id)
                && snapshot.tags.get(SCHEDULE) == Some(&schedule.name)
        })
        .collect();
    made.sort_by_key(|snapshot| (snapshot.started, snapshot.id.clone()));
    let keep = usize::try_from(schedule.count).unwrap_or(usize::MAX);
    let old = made.len().saturating_sub(keep);
    let mut gone = Vec::new();
    for snapshot in made.into_iter().take(old) {
        let arn = format!("arn:aws:ec2:{}::snapshot/{}", place.name, snapshot.id);
        let tags = Some(&snapshot.tags);
        let wish =
            Wish { action: "ec2:DeleteSnapshot", resource: &arn, resource_tags: tags, ..Wish::default() };
        iam::allows(place.conditions, role, &wish).then_some(())?;
        gone.push(snapshot.id.clone());
    }
    for snapshot in gone {
        place.region.snapshots.remove(&snapshot);
        news.push(News::Storage(Storage::Forgotten { snapshot }));
    }
    Some(())
}
