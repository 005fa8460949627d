//! Regions and availability zones.
//!
//! docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html

use super::select::{Row, Select};
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// Region, the prefix of its zone ids, its zones' letters, and whether one must opt in to it.
const REGIONS: [(&str, &str, &str, bool); 14] = [
    ("ap-northeast-1", "apne1", "acd", false),
    ("ap-south-1", "aps1", "abc", false),
    ("ap-southeast-1", "apse1", "abc", false),
    ("ap-southeast-2", "apse2", "abc", false),
    ("ca-central-1", "cac1", "abd", false),
    ("eu-central-1", "euc1", "abc", false),
    ("eu-north-1", "eun1", "abc", false),
    ("eu-south-2", "eus2", "abc", true),
    ("eu-west-1", "euw1", "abc", false),
    ("eu-west-2", "euw2", "abc", false),
    ("us-east-1", "use1", "abcdef", false),
    ("us-east-2", "use2", "abc", false),
    ("us-west-1", "usw1", "ac", false),
    ("us-west-2", "usw2", "abcd", false),
];

/// An availability zone.
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) id: String,
}

/// Whether the sandbox has the region.
pub(crate) fn has_region(region: &str) -> bool {
    REGIONS.iter().any(|(name, _, _, opt_in)| *name == region && !opt_in)
}

pub(crate) fn zones_of(region: &str) -> Vec<Zone> {
    let found = REGIONS.iter().find(|(name, ..)| *name == region);
    let (_, prefix, letters, _) = found.unwrap_or(&("", "", "", false));
    letters
        .chars()
        .zip(1..)
        .map(|(letter, number)| Zone {
            name: format!("{region}{letter}"),
            id: format!("{prefix}-az{number}"),
        })
        .collect()
}

pub(crate) fn zone(region: &str, name: &str) -> Option<Zone> {
    zones_of(region).into_iter().find(|zone| zone.name == name)
}

struct Place {
    name: String,
    zone_id: String,
    opted_in: bool,
    none: Tags,
}

impl Row for Place {
    fn id(&self) -> &str {
        &self.name
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}

pub(crate) fn describe_zones(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.region;
    let mut places: Vec<Place> = zones_of(region)
        .into_iter()
        .map(|zone| Place { name: zone.name, zone_id: zone.id, opted_in: true, none: Tags::new() })
        .collect();
    for (parameter, by_id) in [("ZoneName", false), ("ZoneId", true)] {
        let wanted = form.texts(parameter);
        let key = |place: &Place| if by_id { place.zone_id.clone() } else { place.name.clone() };
        if let Some(unknown) = wanted.iter().find(|name| !places.iter().any(|place| key(place) == **name)) {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!("Invalid availability zone: [{unknown}]"),
            ));
        }
        places.retain(|place| wanted.is_empty() || wanted.contains(&key(place).as_str()));
    }
    let select = Select {
        ids: None,
        filters: &[
            "group-name",
            "opt-in-status",
            "region-name",
            "state",
            "zone-id",
            "zone-name",
            "zone-type",
        ],
        page: None,
    };
    let selection = select.from(form, places.iter(), |place, name| {
        vec![match name {
            "group-name" => format!("{region}-zg-1"),
            "opt-in-status" => "opt-in-not-required".to_owned(),
            "region-name" => region.to_owned(),
            "state" => "available".to_owned(),
            "zone-id" => place.zone_id.clone(),
            "zone-type" => "availability-zone".to_owned(),
            _ => place.name.clone(),
        }]
    })?;
    Ok(selection.xml("availabilityZoneInfo", |xml, place| {
        xml.text("optInStatus", "opt-in-not-required")
            .list("messageSet", [(); 0], |_, ()| {})
            .text("regionName", region)
            .text("zoneName", &place.name)
            .text("zoneId", &place.zone_id)
            .text("groupName", format!("{region}-zg-1"))
            .text("networkBorderGroup", region)
            .text("zoneType", "availability-zone")
            .text("zoneState", "available");
    }))
}

pub(crate) fn describe_regions(_: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let wanted = form.texts("RegionName");
    let all = form.flag("AllRegions")?.unwrap_or(false);
    let places: Vec<Place> = REGIONS
        .iter()
        .map(|(name, id, _, opt_in)| Place {
            name: (*name).to_owned(),
            zone_id: (*id).to_owned(),
            opted_in: !opt_in,
            none: Tags::new(),
        })
        .filter(|place| place.opted_in || all)
        .collect();
    if let Some(unknown) = wanted.iter().find(|name| !places.iter().any(|place| place.name == **name)) {
        return Err(Fail::new("InvalidParameterValue", format!("Invalid region name: {unknown}")));
    }
    let status = |place: &Place| if place.opted_in { "opt-in-not-required" } else { "not-opted-in" };
    let endpoint = |place: &Place| format!("ec2.{}.amazonaws.com", place.name);
    let rows = places.iter().filter(|place| wanted.is_empty() || wanted.contains(&place.name.as_str()));
    let select = Select { ids: None, filters: &["endpoint", "opt-in-status", "region-name"], page: None };
    let selection = select.from(form, rows, |place, name| {
        vec![match name {
            "endpoint" => endpoint(place),
            "opt-in-status" => status(place).to_owned(),
            _ => place.name.clone(),
        }]
    })?;
    Ok(selection.xml("regionInfo", |xml, place| {
        xml.text("optInStatus", status(place))
            .text("regionName", &place.name)
            .text("regionEndpoint", endpoint(place));
    }))
}
