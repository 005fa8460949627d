//! On-Demand Capacity Reservations for immediate use; those for a future date are left out.
//!
//! docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html

use serde::{Deserialize, Serialize};

use super::instance::{Instance, State};
use super::select::Select;
use super::{Kind, ok, row, run, tags, types, zones};
use crate::clock::At;
use crate::conditions::Pace;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// What every instance of the sandbox runs, and where.
const PLATFORM: &str = "Linux/UNIX";
const TENANCY: &str = "default";

/// docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html#capacity-reservations-platforms
const PLATFORMS: [&str; 18] = [
    PLATFORM,
    "Linux with SQL Server Enterprise",
    "Linux with SQL Server Standard",
    "Linux with SQL Server Web",
    "RHEL with HA",
    "RHEL with HA and SQL Server Enterprise",
    "RHEL with HA and SQL Server Standard",
    "RHEL with SQL Server Enterprise",
    "RHEL with SQL Server Standard",
    "RHEL with SQL Server Web",
    "Red Hat Enterprise Linux",
    "SUSE Linux",
    "Ubuntu Pro",
    "Windows",
    "Windows with SQL Server",
    "Windows with SQL Server Enterprise",
    "Windows with SQL Server Standard",
    "Windows with SQL Server Web",
];

/// Capacity for some instances of a type in a zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CapacityReservation {
    pub id: String,
    /// The instance type.
    pub kind: String,
    pub platform: String,
    pub tenancy: String,
    pub zone: String,
    pub count: u32,
    /// Takes every instance that matches; otherwise only those that name it, and no instance of the sandbox does.
    pub open: bool,
    pub ebs_optimized: bool,
    pub ephemeral_storage: bool,
    pub created: At,
    /// From `pending` to `active`.
    pub active: At,
    /// The end date of a limited one.
    pub ends: Option<At>,
    pub cancelled: Option<At>,
    pub tags: Tags,
}

row!(CapacityReservation);

impl CapacityReservation {
    fn state(&self, now: At) -> &'static str {
        if self.cancelled.is_some() {
            "cancelled"
        } else if self.ends.is_some_and(|ends| ends <= now) {
            "expired"
        } else if now < self.active {
            "pending"
        } else {
            "active"
        }
    }

    /// Since when nothing is reserved any more.
    fn over(&self, now: At) -> Option<At> {
        self.cancelled.or(self.ends.filter(|ends| *ends <= now))
    }

    /// Whether instances with these attributes run in it (API_CreateCapacityReservation.html, `InstanceMatchCriteria`).
    fn takes(&self, kind: &str, zone: &str, now: At) -> bool {
        self.open
            && self.state(now) == "active"
            && (self.kind.as_str(), self.zone.as_str()) == (kind, zone)
            && (self.platform.as_str(), self.tenancy.as_str()) == (PLATFORM, TENANCY)
    }

    fn used(&self, region: &Region) -> u32 {
        let mine = region.instances.values().filter(|i| i.capacity_reservation.as_ref() == Some(&self.id));
        u32::try_from(mine.count()).unwrap_or(u32::MAX)
    }

    fn available(&self, region: &Region, now: At) -> u32 {
        if self.state(now) == "active" { self.count.saturating_sub(self.used(region)) } else { 0 }
    }

    fn xml(&self, xml: &mut Xml, region: &Region, region_name: &str, owner: &str, now: At) {
        let used = self.used(region);
        xml.text("capacityReservationId", &self.id)
            .text("ownerId", owner)
            .text(
                "capacityReservationArn",
                format!("arn:aws:ec2:{region_name}:{owner}:capacity-reservation/{}", self.id),
            )
            .maybe("availabilityZoneId", zones::zone(region_name, &self.zone).map(|zone| zone.id))
            .text("instanceType", &self.kind)
            .text("instancePlatform", &self.platform)
            .text("availabilityZone", &self.zone)
            .text("tenancy", &self.tenancy)
            .text("totalInstanceCount", self.count)
            .text("availableInstanceCount", self.available(region, now))
            .text("ebsOptimized", self.ebs_optimized)
            .text("ephemeralStorage", self.ephemeral_storage)
            .text("state", self.state(now))
            .text("startDate", self.created.iso())
            .maybe("endDate", self.ends.map(At::iso))
            .text("endDateType", self.end_type())
            .text("instanceMatchCriteria", self.criteria())
            .text("createDate", self.created.iso());
        tags::xml(xml, &self.tags);
        xml.list("capacityAllocationSet", Some(used).filter(|used| *used > 0), |xml, used| {
            xml.text("allocationType", "used").text("count", used);
        });
        xml.text("reservationType", "default");
    }

    fn end_type(&self) -> &'static str {
        if self.ends.is_some() { "limited" } else { "unlimited" }
    }

    fn criteria(&self) -> &'static str {
        if self.open { "open" } else { "targeted" }
    }
}

fn occupies(instance: &Instance) -> bool {
    matches!(instance.state, State::Pending | State::Running)
}

/// For how many instances of this type capacity is reserved and free.
pub(crate) fn free(region: &Region, kind: &str, zone: &str, now: At) -> u32 {
    let open = region.capacity_reservations.values().filter(|reservation| reservation.takes(kind, zone, now));
    open.map(|reservation| reservation.available(region, now)).sum()
}

/// The vCPUs that count toward the quota: of instances that run, and of capacity that is reserved, used or not; an
/// instance in reserved capacity counts once
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html#capacity-reservations-limits).
pub(crate) fn vcpus(region: &Region, now: At) -> u32 {
    let of = |kind: &str| types::named(kind).map_or(0, |kind| kind.vcpus);
    let alone = region
        .instances
        .values()
        .filter(|i| occupies(i) && i.capacity_reservation.is_none())
        .map(|i| of(&i.kind));
    let reserved = region
        .capacity_reservations
        .values()
        .filter(|reservation| reservation.over(now).is_none())
        .map(|reservation| of(&reservation.kind) * reservation.count);
    alone.chain(reserved).sum()
}

/// Instances that run and match move into open reservations, new ones and those that ran before
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservations-using.html).
pub(crate) fn fill(region: &mut Region, now: At) {
    let alone: Vec<(String, String, String)> = region
        .instances
        .values()
        .filter(|instance| occupies(instance) && instance.capacity_reservation.is_none())
        .map(|instance| (instance.id.clone(), instance.kind.clone(), instance.zone.clone()))
        .collect();
    for (id, kind, zone) in alone {
        let place = region
            .capacity_reservations
            .values()
            .find(|reservation| {
                reservation.takes(&kind, &zone, now) && reservation.available(region, now) > 0
            })
            .map(|reservation| reservation.id.clone());
        if let Some(instance) = region.instances.get_mut(&id) {
            instance.capacity_reservation = place;
        }
    }
}

/// A reservation that is over leaves its instances running, without it; an instance that stops leaves its place free.
/// How long AWS shows a reservation that is over is not documented: here as long as a terminated instance.
pub(crate) fn settle(region: &mut Region, now: At, pace: &Pace) {
    let Region { capacity_reservations, capacity_reservation_tokens, instances, .. } = region;
    capacity_reservations
        .retain(|_, reservation| reservation.over(now).is_none_or(|over| now.since(over) < pace.forget));
    capacity_reservation_tokens.retain(|_, (_, id)| capacity_reservations.contains_key(id));
    for instance in instances.values_mut() {
        let stays = occupies(instance);
        instance.capacity_reservation.take_if(|id| {
            !stays || capacity_reservations.get(id).is_none_or(|reservation| reservation.over(now).is_some())
        });
    }
    fill(region, now);
}

/// Capacity for immediate use. Refused, with the codes of errors-overview.html: `InstanceLimitExceeded` when the quota
/// does not allow it beside what runs, `InsufficientInstanceCapacity` when there is none, `Unsupported` when the zone
/// does not offer the type. A client token answers with the reservation it made, whatever became of that
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCapacityReservation.html).
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let token = run::client_token(form)?;
    let request = super::fingerprint(form);
    let (now, region_name, owner) = (ctx.now, ctx.region, ctx.owner());
    let made = |xml: &mut Xml, region: &Region, reservation: &CapacityReservation| {
        xml.node("capacityReservation", |xml| reservation.xml(xml, region, region_name, owner, now));
    };
    let mut xml = Xml::new();
    if let Some((made_by, id)) =
        token.as_ref().and_then(|token| ctx.here().capacity_reservation_tokens.get(token).cloned())
    {
        if made_by != request {
            return Err(super::mismatch());
        }
        let region = &*ctx.here();
        let reservation =
            region.capacity_reservations.get(&id).ok_or_else(|| Kind::CapacityReservation.not_found(&id))?;
        made(&mut xml, region, reservation);
        return Ok(xml);
    }
    let mut reservation = read(ctx, form)?;
    let vcpus_each = types::named(&reservation.kind).map_or(0, |kind| kind.vcpus);
    let quota = ctx.conditions.quotas.vcpus;
    if vcpus(ctx.here(), now) + vcpus_each * reservation.count > quota {
        return Err(Fail::new(
            "InstanceLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the \
                 instance bucket that the specified instance type belongs to."
            ),
        ));
    }
    if run::is_full(ctx.conditions, &reservation.zone, &reservation.kind) {
        return Err(Fail::new("InsufficientInstanceCapacity", "Insufficient capacity."));
    }
    reservation.id = ctx.ids.resource(Kind::CapacityReservation.prefix());
    let region = ctx.here();
    let id = reservation.id.clone();
    region.capacity_reservations.insert(id.clone(), reservation);
    fill(region, now);
    if let Some(reservation) = region.capacity_reservations.get(&id) {
        made(&mut xml, region, reservation);
    }
    if let Some(token) = token {
        region.capacity_reservation_tokens.insert(token, (request, id));
    }
    Ok(xml)
}

/// The reservation that a request spells out, without an id.
fn read(ctx: &Ctx<'_>, form: &Form<'_>) -> Result<CapacityReservation, Fail> {
    let (now, pace) = (ctx.now, ctx.conditions.pace);
    let name = form.need("InstanceType")?;
    let kind = types::named(name)
        .filter(|kind| types::offered_in(ctx.conditions, ctx.region, &kind.name))
        .ok_or_else(|| {
            Fail::new("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType."))
        })?;
    let one_of = |name: &'static str, value: &'static str, known: &[&str]| {
        let value = form.text(name).unwrap_or(value);
        if known.contains(&value) {
            return Ok(value.to_owned());
        }
        Err(form.invalid(name, value, &format!("Valid values are {}.", known.join(", "))))
    };
    form.need("InstancePlatform")?;
    let count = form.number("InstanceCount")?.ok_or_else(|| form.missing("InstanceCount"))?;
    if !(1..=1000).contains(&count) {
        // The message is EC2's own (github.com/boto/boto3/issues/2962).
        return Err(Fail::new(
            "InvalidParameterValue",
            format!(
                "{count} is an invalid value for InstanceCount. InstanceCount must be between 1 and 1000."
            ),
        ));
    }
    let zone = zone(ctx.region, form)?;
    if !types::offered(ctx.conditions, &zone, &kind.name) {
        return Err(run::not_offered(ctx, &kind.name, &zone));
    }
    Ok(CapacityReservation {
        id: String::new(),
        kind: kind.name,
        platform: one_of("InstancePlatform", PLATFORM, &PLATFORMS)?,
        tenancy: one_of("Tenancy", TENANCY, &[TENANCY, "dedicated"])?,
        zone,
        count,
        open: one_of("InstanceMatchCriteria", "open", &["open", "targeted"])? == "open",
        ebs_optimized: form.flag("EbsOptimized")?.unwrap_or(false),
        ephemeral_storage: form.flag("EphemeralStorage")?.unwrap_or(false),
        created: now,
        active: now.plus(pace.reserve),
        ends: end(form, now)?,
        cancelled: None,
        tags: tags::given_as(ctx, form, "TagSpecifications", &[Kind::CapacityReservation])?
            .into_iter()
            .next()
            .unwrap_or_default(),
    })
}

/// By name or by id. What AWS does when a request names no zone is not documented; here it is refused.
fn zone(region: &str, form: &Form<'_>) -> Result<String, Fail> {
    let zones = zones::zones_of(region);
    let find = |parameter: &str, wanted: &str, by_id: bool| {
        let found = zones.iter().find(|zone| if by_id { zone.id == wanted } else { zone.name == wanted });
        let unknown = || form.invalid(parameter, wanted, &format!("{region} has no such Availability Zone."));
        found.map(|zone| zone.name.clone()).ok_or_else(unknown)
    };
    match (form.text("AvailabilityZone"), form.text("AvailabilityZoneId")) {
        (Some(name), None) => find("AvailabilityZone", name, false),
        (None, Some(id)) => find("AvailabilityZoneId", id, true),
        (None, None) => Err(form.missing("AvailabilityZone")),
        (Some(_), Some(_)) => Err(Fail::new(
            "InvalidParameterCombination",
            "The parameter AvailabilityZone cannot be used with the parameter AvailabilityZoneId",
        )),
    }
}

/// `limited` needs an `EndDate`, `unlimited` has none (API_CreateCapacityReservation.html, which does not say what a
/// request without the type means; here it is `unlimited`). AWS ends it within an hour of that date, the sandbox at
/// once.
fn end(form: &Form<'_>, now: At) -> Result<Option<At>, Fail> {
    let combination = |message: &str| Err(Fail::new("InvalidParameterCombination", message));
    match (form.text("EndDateType").unwrap_or("unlimited"), form.text("EndDate")) {
        ("unlimited", None) => Ok(None),
        ("unlimited", Some(_)) => combination("EndDate cannot be specified if the EndDateType is unlimited."),
        ("limited", None) => combination("EndDate must be specified if the EndDateType is limited."),
        ("limited", Some(text)) => match At::from_iso(text) {
            None => Err(form.invalid("EndDate", text, "Expecting a date and time.")),
            Some(end) if end <= now => {
                Err(form.invalid("EndDate", text, "The end date must be in the future."))
            }
            Some(end) => Ok(Some(end)),
        },
        (other, _) => Err(form.invalid("EndDateType", other, "Valid values are unlimited and limited.")),
    }
}

/// A page has 1 to 1000 of them (API_DescribeCapacityReservations.html). Filters on tags are not in that list, but work
/// (github.com/aws/karpenter-provider-aws, pkg/providers/capacityreservation).
pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, region_name, owner) = (ctx.now, ctx.region, ctx.owner());
    let region = &*ctx.here();
    let select = Select {
        ids: Some((Kind::CapacityReservation, "CapacityReservationId")),
        filters: &[
            "availability-zone",
            "end-date",
            "end-date-type",
            "instance-match-criteria",
            "instance-platform",
            "instance-type",
            "owner-id",
            "start-date",
            "state",
            "tenancy",
        ],
        page: None,
    };
    let rows = region.capacity_reservations.values();
    let selection = select.paged(1..=1000, form, rows, |reservation, name| match name {
        "availability-zone" => vec![reservation.zone.clone()],
        "end-date" => reservation.ends.map(At::iso).into_iter().collect(),
        "end-date-type" => vec![reservation.end_type().to_owned()],
        "instance-match-criteria" => vec![reservation.criteria().to_owned()],
        "instance-platform" => vec![reservation.platform.clone()],
        "instance-type" => vec![reservation.kind.clone()],
        "owner-id" => vec![owner.to_owned()],
        "start-date" => vec![reservation.created.iso()],
        "state" => vec![reservation.state(now).to_owned()],
        _ => vec![reservation.tenancy.clone()],
    })?;
    Ok(selection.xml("capacityReservationSet", |xml, reservation| {
        reservation.xml(xml, region, region_name, owner, now);
    }))
}

/// Only an active one (or one of a future date) can be cancelled
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelCapacityReservation.html). That page names no code for the
/// others; `IncorrectState` is what EC2 has for a resource in the wrong state (errors-overview.html).
pub(crate) fn cancel(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let now = ctx.now;
    let id = form.need("CapacityReservationId")?;
    Kind::CapacityReservation.check(id)?;
    let reservation = ctx
        .here()
        .capacity_reservations
        .get_mut(id)
        .ok_or_else(|| Kind::CapacityReservation.not_found(id))?;
    match reservation.state(now) {
        "active" => reservation.cancelled = Some(now),
        state => {
            return Err(Fail::new(
                "IncorrectState",
                format!("The capacity reservation '{id}' is in the state '{state}' and cannot be cancelled."),
            ));
        }
    }
    Ok(ok())
}
