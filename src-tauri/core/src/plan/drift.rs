//! What differs from the settings though nobody changed those: somebody was at work in AWS.
//!
//! The plan mends what it can; here it is said as a finding, with who is right. What makes the machine less safe comes first.

use serde::{Deserialize, Serialize};

use super::winners::is_ours;
use super::{
    BACKUP_POLICY, DENY_POLICY, Desired, Observed, Power, Tags, Winners, deny_parameters, schedule, step,
};
use crate::machine::{Instance, Schedule, Volume};
use crate::names::InstanceType;

/// Something that somebody changed outside of Holdfast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// What is so now, as a sentence without its full stop.
    pub what: String,
    /// Who is right.
    pub right: Right,
    /// What is done about it, or can be.
    pub mend: &'static str,
    /// It makes the machine less safe.
    pub security: bool,
}

/// Who is right about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// The settings: the plan makes AWS so again.
    Settings,
    /// AWS: it cannot be made otherwise, so the settings should say the same.
    Aws,
    /// The person who reads it.
    You,
}

/// What this computer last made of a machine, where it has a record of that: what differs from it, and not from the settings, was changed
/// outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its type.
    pub instance_type: InstanceType,
    /// Size of its volume in GiB.
    pub volume_size: u32,
    /// Operations a second of its volume.
    pub volume_iops: u32,
    /// Throughput of its volume in MiB a second.
    pub volume_throughput: u32,
    /// When snapshots were to be taken.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The tags of the settings.
    pub tags: Tags,
    /// Whether it was left on.
    pub on: bool,
}

impl Applied {
    /// What the settings ask for, and a machine that was left on or off.
    pub fn of(desired: &Desired, on: bool) -> Self {
        Self {
            instance_type: desired.instance_type.clone(),
            volume_size: desired.volume_size,
            volume_iops: desired.volume_iops,
            volume_throughput: desired.volume_throughput,
            schedule: desired.schedule(),
            tags: desired.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            on,
        }
    }
}

/// Everything that somebody changed outside, the most dangerous first. Of a machine that is not there nothing has drifted.
pub(super) fn drift(desired: &Desired, observed: &Observed, winners: &Winners<'_>) -> Vec<Drift> {
    let Some(instance) = winners.instance.filter(|instance| instance.power != Power::ShuttingDown) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    doors(winners, &mut found);
    rights(desired, observed, &mut found);
    guards(instance, &mut found);
    // What the user has changed in the settings since is no drift, and without a record nobody can tell the two apart.
    let applied = observed.applied.as_ref();
    if let Some(applied) = applied {
        kind(desired, applied, instance, &mut found);
        // A machine that is being replaced is off for that.
        if winners.successor.is_none() {
            power(applied, instance, &mut found);
        }
    }
    if let Some(volume) = winners.volume {
        disk(desired, applied, volume, &mut found);
    }
    snapshots(desired, observed, applied, &mut found);
    tags(desired, observed, applied, winners, &mut found);
    found.sort_by_key(|drift| !drift.security);
    found
}

fn unsafe_(what: String, mend: &'static str) -> Drift {
    Drift { what, right: Right::Settings, mend, security: true }
}

fn mended(what: String) -> Drift {
    Drift { what, right: Right::Settings, mend: "apply mends it", security: false }
}

fn doors(winners: &Winners<'_>, found: &mut Vec<Drift>) {
    let Some(group) = winners.group else { return };
    let opened = |rule: &crate::machine::Rule| {
        unsafe_(format!("{} lets in {}", group.id, rule.text), "apply takes the rule away")
    };
    found.extend(group.inbound.iter().map(opened));
    if !group.outbound {
        found.push(mended(format!("{} does not let everything out", group.id)));
    }
}

fn rights(desired: &Desired, observed: &Observed, found: &mut Vec<Drift>) {
    let Some(role) = observed.role.present().filter(|_| super::owns_identity(desired, observed)) else {
        return;
    };
    if !is_ours(&desired.key(), &role.tags) {
        return;
    }
    let name = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
    let extra =
        role.managed.iter().filter(|policy| **policy != desired.managed_policy()).map(|arn| name(arn));
    let extra = extra.chain(role.inline.keys().filter(|name| *name != DENY_POLICY).cloned());
    found.extend(extra.map(|policy| {
        unsafe_(
            format!("the machine's role has the policy {policy}, which Holdfast did not give it"),
            "apply takes the policy away",
        )
    }));
    if role.inline.get(DENY_POLICY) != Some(&deny_parameters()) {
        found.push(unsafe_(
            "the machine may read the account's SSM parameters: its role lacks the policy that denies it"
                .to_owned(),
            "apply gives the policy back",
        ));
    }
    if !role.managed.contains(&desired.managed_policy()) {
        found.push(mended(
            "the machine's role lacks AmazonSSMManagedInstanceCore, so nobody can reach it".to_owned(),
        ));
    }
}

fn guards(instance: &Instance, found: &mut Vec<Drift>) {
    let id = &instance.id;
    if !instance.metadata_guarded {
        found.push(unsafe_(
            format!("the metadata service of {id} answers without a token, or to containers"),
            "apply guards it again",
        ));
    }
    if step::is(&instance.protected, false) {
        found.push(mended(format!("{id} is not protected from termination")));
    }
    if step::is(&instance.stops_on_shutdown, false) {
        found.push(mended(format!("powering off inside would end {id} for ever")));
    }
}

fn kind(desired: &Desired, applied: &Applied, instance: &Instance, found: &mut Vec<Drift>) {
    let changed_here = applied.instance_type != desired.instance_type;
    let begun = instance.tags.contains_key(crate::machine::TAG_RESIZE);
    if instance.instance_type != desired.instance_type && !changed_here && !begun {
        found.push(Drift {
            what: format!("{} is {}, not {}", instance.id, instance.instance_type, desired.instance_type),
            right: Right::Settings,
            mend: "apply changes it back; to keep it, set instance_type",
            security: false,
        });
    }
}

fn disk(desired: &Desired, applied: Option<&Applied>, volume: &Volume, found: &mut Vec<Drift>) {
    let is_new = |wanted: u32, of: fn(&Applied) -> u32| applied.is_none_or(|applied| of(applied) != wanted);
    if volume.size > desired.volume_size {
        found.push(Drift {
            what: format!("{} has {} GiB, not {}", volume.id, volume.size, desired.volume_size),
            right: Right::Aws,
            mend: "a volume never shrinks: set volume_size to what it has",
            security: false,
        });
    }
    if volume.size < desired.volume_size && !is_new(desired.volume_size, |applied| applied.volume_size) {
        found.push(mended(format!("{} has {} GiB, not {}", volume.id, volume.size, desired.volume_size)));
    }
    let speeds = [
        (
            "IOPS",
            volume.iops,
            desired.volume_iops,
            is_new(desired.volume_iops, |applied| applied.volume_iops),
        ),
        (
            "MiB/s",
            volume.throughput,
            desired.volume_throughput,
            is_new(desired.volume_throughput, |applied| applied.volume_throughput),
        ),
    ];
    for (unit, is, wanted, is_new) in speeds {
        if let Some(is) = is.filter(|is| *is != wanted && !is_new) {
            found.push(mended(format!("{} has {is} {unit}, not {wanted}", volume.id)));
        }
    }
}

fn snapshots(desired: &Desired, observed: &Observed, applied: Option<&Applied>, found: &mut Vec<Drift>) {
    if let Some(role) = schedule::role(desired, observed) {
        let managed = role.managed.iter().map(|arn| arn.rsplit('/').next().unwrap_or(arn));
        let inline = role.inline.keys().map(String::as_str).filter(|name| *name != BACKUP_POLICY);
        found.extend(managed.chain(inline).map(|policy| {
            unsafe_(
                format!("the role for snapshots has the policy {policy}, which Holdfast did not give it"),
                "apply takes the policy away",
            )
        }));
    }
    let Some(wanted) = desired.schedule().filter(|_| observed.lifecycles.is_known()) else { return };
    let policy = schedule::winner(desired, observed);
    let idle = policy.and_then(|policy| Some((&policy.id, policy.idle.as_ref()?)));
    found.extend(idle.map(|(id, why)| mended(format!("{id} takes no snapshots: {why}"))));
    let is = policy.and_then(|policy| policy.rule.as_ref()).map(|rule| rule.schedule);
    if applied.and_then(|applied| applied.schedule) == Some(wanted) && is != Some(wanted) {
        found.push(mended(match policy {
            None => "no snapshots are taken by the clock any more".to_owned(),
            Some(policy) => format!("{} takes snapshots otherwise than the settings say", policy.id),
        }));
    }
}

fn tags(
    desired: &Desired,
    observed: &Observed,
    applied: Option<&Applied>,
    winners: &Winners<'_>,
    found: &mut Vec<Drift>,
) {
    let is_new = |key: &str, value: &str| {
        let ours = desired.tags.keys().any(|tag| tag.as_str() == key);
        ours && applied.is_none_or(|applied| applied.tags.get(key).map(String::as_str) != Some(value))
    };
    let mut check = |what: &str, is: &Tags, part: &str| {
        for (key, value) in super::tags_for(desired, observed.caller.present(), None, part) {
            if is.get(&key) != Some(&value) && !is_new(&key, &value) {
                let now = is.get(&key).map_or_else(|| "is missing".to_owned(), |is| format!("is {is}"));
                found.push(mended(format!("the tag {key} of {what} {now}")));
            }
        }
    };
    for (id, is, part) in winners.tagged() {
        check(id, is, part);
    }
    if super::owns_identity(desired, observed) {
        for (what, is, part) in [
            ("the role", observed.role.present().map(|role| &role.tags), "role"),
            ("the instance profile", observed.profile.present().map(|profile| &profile.tags), "profile"),
        ] {
            if let Some(is) = is {
                check(what, is, part);
            }
        }
    }
}

fn power(applied: &Applied, instance: &Instance, found: &mut Vec<Drift>) {
    // A machine that switches itself off does what its settings or somebody on it asked for.
    let off = matches!(instance.power, Power::Stopping | Power::Stopped) && !instance.stopped_itself;
    if off && applied.on {
        let why = instance.transition.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        found.push(Drift {
            what: format!("{} is off, and this computer did not stop it{why}", instance.id),
            right: Right::You,
            mend: "start switches it on",
            security: false,
        });
    }
}
