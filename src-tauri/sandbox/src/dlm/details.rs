//! What a lifecycle policy is to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{invalid, known};
use crate::clock::At;
use crate::wire::Fail;
use crate::world::Tags;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Custom EBS snapshot policies
/// (docs.aws.amazon.com/dlm/latest/APIReference/API_PolicyDetails.html); the sandbox has no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Details {
    pub target: Target,
    /// A resource with any of them is meant.
    pub tags: Vec<(String, String)>,
    pub schedules: Vec<Schedule>,
}

/// What the target tags are looked for on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// On volumes.
    Volume,
    /// On instances, all of whose volumes are meant.
    Instance,
}

/// When a policy makes snapshots, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Schedule {
    pub name: String,
    pub copy_tags: bool,
    pub add: Tags,
    pub variable: Tags,
    pub hours: u32,
    /// `hh:mm`, in UTC.
    pub time: Option<String>,
    pub count: u32,
    /// The next time.
    pub next: At,
}

impl Target {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Volume => "VOLUME",
            Self::Instance => "INSTANCE",
        }
    }
}

/// A list of `Key` and `Value`.
fn tags(value: Option<&Value>) -> Result<Vec<(String, String)>, Fail> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.map(|tag| {
        known(tag, "a tag", &["Key", "Value"])?;
        let text = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
        let key = text("Key").ok_or_else(|| invalid("A tag needs a Key."))?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys starting with 'aws:' are reserved for internal use."));
        }
        Ok((key, text("Value").unwrap_or_default()))
    })
    .collect()
}

fn tags_json<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    tags.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

impl Details {
    pub(super) fn read(value: &Value, now: At) -> Result<Self, Fail> {
        known(
            value,
            "PolicyDetails",
            &[
                "PolicyLanguage",
                "PolicyType",
                "ResourceLocations",
                "ResourceTypes",
                "Schedules",
                "TargetTags",
            ],
        )?;
        for (name, only) in [("PolicyType", "EBS_SNAPSHOT_MANAGEMENT"), ("PolicyLanguage", "STANDARD")] {
            if let Some(other) = value.get(name).and_then(Value::as_str).filter(|other| *other != only) {
                return Err(invalid(format!("The sandbox has no lifecycle policies with {name} {other}.")));
            }
        }
        let list = |name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        match list("ResourceLocations").as_slice() {
            [] => {}
            [place] if place == "CLOUD" => {}
            _ => return Err(invalid("ResourceLocations must be CLOUD.")),
        }
        let target = match list("ResourceTypes").as_slice() {
            [target] if target == "VOLUME" => Target::Volume,
            [target] if target == "INSTANCE" => Target::Instance,
            _ => return Err(invalid("ResourceTypes must be one of VOLUME and INSTANCE.")),
        };
        let tags = tags(value.get("TargetTags"))?;
        if !(1..=45).contains(&tags.len()) {
            return Err(invalid("TargetTags must have 1 to 45 tags."));
        }
        let schedules: Vec<Schedule> = list("Schedules")
            .iter()
            .map(|schedule| Schedule::read(schedule, target, now))
            .collect::<Result<_, Fail>>()?;
        if !(1..=4).contains(&schedules.len()) {
            return Err(invalid("A policy must have 1 to 4 schedules."));
        }
        let named = |name: &str| schedules.iter().filter(|schedule| schedule.name == name).count();
        if schedules.iter().any(|schedule| named(&schedule.name) > 1) {
            return Err(invalid("Schedule names must be unique."));
        }
        Ok(Self { target, tags, schedules })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
            "PolicyLanguage": "STANDARD",
            "ResourceTypes": [self.target.name()],
            "ResourceLocations": ["CLOUD"],
            "TargetTags": tags_json(self.tags.iter().map(|(key, value)| (key, value))),
            "Schedules": self.schedules.iter().map(Schedule::json).collect::<Value>(),
        })
    }
}

impl Schedule {
    /// docs.aws.amazon.com/dlm/latest/APIReference/API_Schedule.html, API_CreateRule.html, API_RetainRule.html
    fn read(value: &Value, target: Target, now: At) -> Result<Self, Fail> {
        let members = ["CopyTags", "CreateRule", "Name", "RetainRule", "TagsToAdd", "VariableTags"];
        known(value, "Schedule", &members)?;
        let name = value.get("Name").and_then(Value::as_str).unwrap_or_default();
        if !(1..=120).contains(&name.len()) {
            return Err(invalid("A schedule needs a Name of at most 120 characters."));
        }
        let variable: Tags = tags(value.get("VariableTags"))?.into_iter().collect();
        if !variable.is_empty() && target == Target::Volume {
            return Err(invalid("VariableTags are only valid for policies that target instances."));
        }
        if let Some(other) =
            variable.values().find(|v| !matches!(v.as_str(), "$(instance-id)" | "$(timestamp)"))
        {
            return Err(invalid(format!("{other} is not a valid value of VariableTags.")));
        }
        let Some(create) = value.get("CreateRule") else {
            return Err(invalid("A schedule needs a CreateRule."));
        };
        known(create, "CreateRule", &["Interval", "IntervalUnit", "Location", "Times"])?;
        if create.get("Location").is_some_and(|place| place != "CLOUD") {
            return Err(invalid("Location must be CLOUD."));
        }
        let hours = create.get("Interval").and_then(Value::as_u64).unwrap_or_default();
        if ![1, 2, 3, 4, 6, 8, 12, 24].contains(&hours)
            || create.get("IntervalUnit").is_none_or(|u| u != "HOURS")
        {
            return Err(invalid("The interval must be 1, 2, 3, 4, 6, 8, 12 or 24 HOURS."));
        }
        let time = match create.get("Times").and_then(Value::as_array).map(Vec::as_slice) {
            None | Some([]) => None,
            Some([Value::String(time)]) if minutes(time).is_some() => Some(time.clone()),
            Some(_) => return Err(invalid("Times must be one time as hh:mm.")),
        };
        let Some(retain) = value.get("RetainRule") else {
            return Err(invalid("A schedule needs a RetainRule."));
        };
        known(retain, "RetainRule", &["Count"])?;
        let count = retain.get("Count").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        let count = count
            .filter(|count| (1..=1000).contains(count))
            .ok_or_else(|| invalid("The retention count must be between 1 and 1000."))?;
        let hours = u32::try_from(hours).unwrap_or(24);
        Ok(Self {
            name: name.to_owned(),
            copy_tags: value.get("CopyTags").and_then(Value::as_bool).unwrap_or(false),
            add: tags(value.get("TagsToAdd"))?.into_iter().collect(),
            variable,
            hours,
            next: first(time.as_deref(), hours, now),
            time,
            count,
        })
    }

    pub(super) fn every(&self) -> Duration {
        HOUR * self.hours
    }

    fn json(&self) -> Value {
        let mut create = json!({ "Interval": self.hours, "IntervalUnit": "HOURS", "Location": "CLOUD" });
        if let (Some(time), Some(create)) = (&self.time, create.as_object_mut()) {
            create.insert("Times".to_owned(), json!([time]));
        }
        json!({
            "Name": self.name,
            "CopyTags": self.copy_tags,
            "TagsToAdd": tags_json(&self.add),
            "VariableTags": tags_json(&self.variable),
            "CreateRule": create,
            "RetainRule": { "Count": self.count },
        })
    }
}

/// `hh:mm` as minutes of the day.
fn minutes(time: &str) -> Option<u64> {
    let (hours, minutes) = time.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// The first time after now; a policy without a time has one chosen within 24 hours, here after an hour.
fn first(time: Option<&str>, hours: u32, now: At) -> At {
    let Some(minutes) = time.and_then(minutes) else { return now.plus(HOUR) };
    let midnight =
        now.minus(Duration::from_millis(now.millis() % u64::try_from(DAY.as_millis()).unwrap_or(1)));
    // A day holds every interval a whole number of times.
    let mut first = midnight.minus(DAY).plus(Duration::from_secs(minutes * 60));
    while first <= now {
        first = first.plus(HOUR * hours);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_begins_with_the_next_of_its_times() {
        let noon = At::from_iso("2026-01-15T12:00:00Z").unwrap();
        for (time, hours, expected) in [
            (None, 24, "2026-01-15T13:00:00Z"),
            (Some("12:00"), 24, "2026-01-16T12:00:00Z"),
            (Some("12:30"), 24, "2026-01-15T12:30:00Z"),
            (Some("03:00"), 6, "2026-01-15T15:00:00Z"),
            (Some("23:59"), 1, "2026-01-15T12:59:00Z"),
        ] {
            assert_eq!(first(time, hours, noon).iso_seconds(), expected, "{time:?} every {hours}");
        }
        for wrong in ["24:00", "1:00", "12:60", "noon", "12:0x", ""] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }
}
