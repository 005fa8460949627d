//! What a machine costs: a month if it is on all the time, a month while it is off, and this month so far.
//!
//! Every figure is a list price on demand. What cannot be known is a range or not known, and never nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Range as Time};

use serde::{Deserialize, Serialize};

use crate::machine::{Desired, Fact, Observed, Snapshot, Volume};
use crate::names::{InstanceType, SnapshotId, VolumeId};
use crate::plan::gets_public_address;
use crate::price::{HOURS_PER_MONTH, Money, Prices};
use crate::status::{State, Status};
use crate::time::{self, find_moment};

mod history;
#[cfg(test)]
mod tests;

pub use history::{Disk, History, Run, Stretch};

/// What every figure is.
pub const WHAT: &str = "on demand, in US dollars, without tax, credits, discounts and data transfer";

/// The least that AWS bills of a run and of an address, in seconds.
/// Source: <https://aws.amazon.com/ec2/pricing/on-demand/> (per second, with a minimum of 60 seconds)
const SHORTEST: u64 = 60;
const HOUR: u64 = 3600;
/// By how much AWS's clock may be ahead of this one.
const AHEAD: u64 = 60;
const GIB: u64 = 1 << 30;

/// An amount that is at least one, at most the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// It is not less, in micro-dollars.
    pub least: Money,
    /// It is not more, in micro-dollars.
    pub most: Money,
}

impl Range {
    /// An amount that is known.
    pub const fn exactly(money: Money) -> Self {
        Self { least: money, most: money }
    }
}

impl Add for Range {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }
}

/// `$8.00`, `$80.10 to $97.10`, or `at most $3.00`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.least.to_string(), self.most.to_string());
        f.pad(&match (least == most, self.least == Money::ZERO) {
            (true, _) => most,
            (false, true) => format!("at most {most}"),
            (false, false) => format!("{least} to {most}"),
        })
    }
}

/// What a part of the cost is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The instance.
    Instance,
    /// The volume's storage.
    Volume,
    /// What of the volume's speed is paid for.
    VolumeSpeed,
    /// The public IPv4 address.
    Address,
    /// The snapshots.
    Snapshots,
}

/// A part of the cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// What it is for.
    pub part: Part,
    /// Of what, as in `m8g.xlarge`.
    pub what: String,
    /// How much; null: not known.
    pub amount: Option<Range>,
    /// How that comes about, as in `730 h at $0.17952`; what forbids knowing it, where it is not known.
    pub basis: String,
}

/// Parts and what they are together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The parts.
    pub parts: Vec<Component>,
    /// All of them that are known; null where more than snapshots is not known.
    pub total: Option<Range>,
    /// What the total leaves out, since it is not known.
    pub leaves_out: Vec<Part>,
}

impl Sum {
    fn of(parts: Vec<Component>) -> Self {
        let leaves_out: Vec<Part> =
            parts.iter().filter(|part| part.amount.is_none()).map(|part| part.part).collect();
        let known = leaves_out.iter().all(|part| *part == Part::Snapshots);
        let total = parts.iter().filter_map(|part| part.amount).fold(Range::default(), Add::add);
        Self { parts, total: known.then_some(total), leaves_out }
    }
}

/// This month so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoFar {
    /// When the month began in UTC, as AWS bills it, in seconds since the Unix epoch.
    pub from: u64,
    /// Until when this counts.
    pub until: u64,
    /// The parts and what they are together.
    #[serde(flatten)]
    pub sum: Sum,
    /// From when on it is known when the machine was on; null: nobody knows even now.
    pub known_from: Option<u64>,
    /// What is taken to be so, as sentences without their full stops.
    pub assumes: Vec<String>,
}

/// A snapshot and its size. It is not what is billed: AWS bills the blocks that changed since the snapshot before, and does
/// not tell how many those are.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html> (`fullSnapshotSizeInBytes`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: SnapshotId,
    /// The volume that it is of.
    pub volume: Option<VolumeId>,
    /// When it was begun, in seconds since the Unix epoch.
    pub taken: u64,
    /// All blocks that were written on the volume, in bytes; the volume's whole size where AWS does not tell.
    pub bytes: u64,
    /// Whether AWS told that.
    pub told: bool,
}

impl Stored {
    /// What is known of a snapshot's size.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            id: snapshot.id.clone(),
            volume: snapshot.volume.clone(),
            taken: snapshot.taken.as_deref().and_then(find_moment).unwrap_or_default(),
            bytes: snapshot.bytes.unwrap_or(u64::from(snapshot.size) * GIB),
            told: snapshot.bytes.is_some(),
        }
    }
}

/// What a machine costs, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The version of the JSON shape.
    pub version: u32,
    /// The machine's name.
    pub machine: String,
    /// Its region.
    pub region: String,
    /// Its state.
    pub state: State,
    /// What every figure is.
    pub what: &'static str,
    /// Where the prices are from, with their date.
    pub prices: String,
    /// A month of 730 hours in which it is on all the time.
    pub always: Sum,
    /// A month in which it is off all the time.
    pub off: Sum,
    /// This month so far; null: not known.
    pub so_far: Option<SoFar>,
    /// Why that is not known.
    pub unknown: Option<String>,
}

/// What the machine costs. `snapshots` are all that belong to it; `now` is in seconds since the Unix epoch.
pub fn cost(desired: &Desired, observed: &Observed, snapshots: &Fact<Vec<Stored>>, now: u64) -> Cost {
    let always = Sum::of(monthly(desired, observed, snapshots));
    let stays = |part: &&Component| matches!(part.part, Part::Volume | Part::VolumeSpeed | Part::Snapshots);
    let off = Sum::of(always.parts.iter().filter(stays).cloned().collect());
    let (so_far, unknown) = match so_far(desired, observed, snapshots, now) {
        Ok(so_far) => (Some(so_far), None),
        Err(why) => (None, Some(why)),
    };
    Cost {
        version: 1,
        machine: desired.machine.to_string(),
        region: desired.region.to_string(),
        state: Status::of(desired, observed).state,
        what: WHAT,
        prices: observed.prices.words(),
        always,
        off,
        so_far,
        unknown,
    }
}

fn not_listed(region: &str) -> String {
    format!("the price in {region} is not known here")
}

fn monthly(desired: &Desired, observed: &Observed, snapshots: &Fact<Vec<Stored>>) -> Vec<Component> {
    let (region, prices) = (desired.region.as_str(), &observed.prices);
    let winners = observed.winners(desired);
    let kind = winners.instance.map_or(&desired.instance_type, |instance| &instance.instance_type);
    let status = Status::of(desired, observed);
    let priced =
        |part, what: String, unit: Option<Money>, amount: Option<Money>, basis: &dyn Fn(Money) -> String| {
            Component {
                part,
                what,
                amount: amount.map(Range::exactly),
                basis: unit.map_or_else(|| not_listed(region), basis),
            }
        };
    let hour = prices.hourly(region, kind.as_str());
    let hours = |hour: Money| format!("{HOURS_PER_MONTH} h at {hour:.5}");
    let mut parts = vec![priced(Part::Instance, kind.to_string(), hour, status.monthly.instance, &hours)];
    let (gib, iops, throughput) = match winners.volume {
        Some(volume) => (volume.size, volume.iops, volume.throughput),
        None => (desired.volume_size, Some(desired.volume_iops), Some(desired.volume_throughput)),
    };
    let each = prices.gp3_gib_month(region);
    parts.push(priced(
        Part::Volume,
        format!("{gib} GiB gp3"),
        each,
        each.map(|each| each.times(gib)),
        &|each| format!("{gib} GiB at {each:.4}"),
    ));
    if let Some((iops, throughput)) = iops.zip(throughput)
        && (iops > 3000 || throughput > 125)
    {
        let what = format!("{iops} IOPS, {throughput} MiB/s");
        let more = prices.gp3_speed_month(region, iops, throughput);
        parts.push(priced(Part::VolumeSpeed, what, more, more, &|_| {
            "beyond 3000 IOPS and 125 MiB/s".to_owned()
        }));
    }
    if status.monthly.address != Some(Money::ZERO) {
        let hour = prices.address_hour(region);
        parts.push(priced(Part::Address, "public IPv4".to_owned(), hour, status.monthly.address, &hours));
    }
    parts.extend(stored(prices, region, snapshots, |_| (1, 1)));
    parts
}

/// What snapshots cost in a month; `None` where there are none.
pub fn snapshots(prices: &Prices, region: &str, all: &[Stored]) -> Option<Component> {
    stored(prices, region, &Fact::Present(all.to_vec()), |_| (1, 1))
}

/// The snapshots, each for so many parts of a month. Blocks that two snapshots of a volume share are billed once, so together they
/// cost at least what the largest of each volume does, and at most what all of them do.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/how_snapshots_work.html>
fn stored(
    prices: &Prices,
    region: &str,
    snapshots: &Fact<Vec<Stored>>,
    share: impl Fn(&Stored) -> (u64, u64),
) -> Option<Component> {
    let component =
        |what: String, amount, basis: String| Component { part: Part::Snapshots, what, amount, basis };
    let all = match snapshots {
        Fact::Unknown(_) => {
            return Some(component("snapshots".to_owned(), None, "they could not be looked at".to_owned()));
        }
        Fact::Absent => return None,
        Fact::Present(all) if all.is_empty() => return None,
        Fact::Present(all) => all,
    };
    let what = if all.len() == 1 { "1 snapshot".to_owned() } else { format!("{} snapshots", all.len()) };
    let Some(each) = prices.snapshot_gib_month(region) else {
        return Some(component(what, None, not_listed(region)));
    };
    let price = |stored: &Stored| {
        let (part, whole) = share(stored);
        each.part(stored.bytes, GIB).part(part, whole)
    };
    let mut largest: BTreeMap<Option<&VolumeId>, Money> = BTreeMap::new();
    for stored in all.iter().filter(|stored| stored.told) {
        let known = largest.entry(stored.volume.as_ref()).or_default();
        *known = (*known).max(price(stored));
    }
    let range = Range { least: largest.into_values().sum(), most: all.iter().map(price).sum() };
    let basis = format!("{each:.4} a GiB; AWS bills changed blocks and does not tell how many");
    Some(component(what, Some(range), basis))
}

/// This month so far.
///
/// # Errors
/// Why it is not known.
pub fn so_far(
    desired: &Desired,
    observed: &Observed,
    snapshots: &Fact<Vec<Stored>>,
    now: u64,
) -> Result<SoFar, String> {
    if !observed.instances.is_known() {
        return Err("whether there is a machine could not be seen".to_owned());
    }
    let ours =
        observed.instances.all().iter().filter_map(|instance| find_moment(instance.launched.as_deref()?));
    if ours.max().is_some_and(|started| started > now + AHEAD) {
        return Err("the clock of this computer is behind AWS's".to_owned());
    }
    let mut history = observed.history.clone();
    history.see(desired, observed, now);
    let month = time::month(now);
    let time = month.start..now;
    let mut assumes = Vec::new();
    let stretches = history.stretches(&time);
    let mut parts = vec![running(desired, observed, &stretches)];
    parts.extend(addresses(desired, observed, &stretches));
    parts.extend(disks(desired, observed, &history, &month, now, &mut assumes));
    let length = month.end - month.start;
    let share = |stored: &Stored| (now.saturating_sub(stored.taken.max(month.start)), length);
    parts.extend(stored(&observed.prices, desired.region.as_str(), snapshots, share));
    parts.sort_by_key(|part| part.part);
    let gaps = stretches.iter().filter(|stretch| !stretch.certain);
    let known_from = gaps.map(|gap| gap.time.end).max().unwrap_or(month.start);
    if known_from > month.start {
        assumes
            .push("where nobody saw it, it was off at the least and on all the time at the most".to_owned());
    }
    if stretches.is_empty() {
        assumes.push("a machine that this computer never saw is not in it".to_owned());
    }
    if parts.iter().any(|part| part.part == Part::Snapshots) {
        assumes.push("snapshots that were deleted this month are not in it".to_owned());
    }
    let known_from = (known_from < now || stretches.is_empty()).then_some(known_from);
    Ok(SoFar { from: month.start, until: now, sum: Sum::of(parts), known_from, assumes })
}

/// Seconds for sure, and seconds at most.
type Seconds = (u64, u64);

/// A run is billed for a minute at least; what is left of one that began last month is not looked at so closely.
fn seconds(stretch: &Stretch<'_>) -> Seconds {
    let long = stretch.time.end - stretch.time.start;
    match (stretch.certain, stretch.run.from == stretch.time.start) {
        (true, true) => (long.max(SHORTEST), long.max(SHORTEST)),
        (true, false) => (long, long),
        (false, _) => (0, long),
    }
}

fn running(desired: &Desired, observed: &Observed, stretches: &[Stretch<'_>]) -> Component {
    let region = desired.region.as_str();
    let mut by_type: BTreeMap<&InstanceType, Seconds> = BTreeMap::new();
    for stretch in stretches {
        let known = by_type.entry(&stretch.run.instance_type).or_default();
        let (sure, most) = seconds(stretch);
        *known = (known.0 + sure, known.1 + most);
    }
    let price = |(kind, (sure, most)): (&&InstanceType, &Seconds)| {
        let hour = observed.prices.hourly(region, kind.as_str())?;
        Some(Range { least: hour.part(*sure, HOUR), most: hour.part(*most, HOUR) })
    };
    let amount = by_type.iter().map(price).try_fold(Range::default(), |sum, part| Some(sum + part?));
    let (sure, most) = by_type.values().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let names: Vec<&str> = by_type.keys().map(|kind| kind.as_str()).collect();
    Component {
        part: Part::Instance,
        what: if names.is_empty() { "no instance".to_owned() } else { names.join(", ") },
        basis: if amount.is_none() { not_listed(region) } else { format!("on for {}", span(sure, most)) },
        amount,
    }
}

/// `12.5 h`, or `12.5 to 20.0 h`.
fn span(sure: u64, most: u64) -> String {
    let hours = |seconds: u64| {
        let tenths = (seconds * 10 + HOUR / 2) / HOUR;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    if sure == most { format!("{} h", hours(sure)) } else { format!("{} to {} h", hours(sure), hours(most)) }
}

fn addresses(desired: &Desired, observed: &Observed, stretches: &[Stretch<'_>]) -> Option<Component> {
    let usual = gets_public_address(observed);
    let public = stretches.iter().filter(|stretch| stretch.run.public_address.unwrap_or(usual));
    let (sure, most) = public.map(seconds).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    if most == 0 {
        return None;
    }
    let region = desired.region.as_str();
    let hour = observed.prices.address_hour(region);
    Some(Component {
        part: Part::Address,
        what: "public IPv4".to_owned(),
        amount: hour.map(|hour| Range { least: hour.part(sure, HOUR), most: hour.part(most, HOUR) }),
        basis: hour.map_or_else(|| not_listed(region), |_| format!("in use for {}", span(sure, most))),
    })
}

/// What the volumes cost in the part of the month that has passed. AWS counts the seconds of a month by its own length.
/// Source: <https://aws.amazon.com/ebs/pricing/>
fn disks(
    desired: &Desired,
    observed: &Observed,
    history: &History,
    month: &Time<u64>,
    now: u64,
    assumes: &mut Vec<String>,
) -> Option<Component> {
    let region = desired.region.as_str();
    let length = month.end - month.start;
    let month_of = |disk: &Disk| observed.prices.gp3_month(region, disk.gib, disk.iops?, disk.throughput?);
    let mut amount = Some(Range::default());
    let mut sizes = Vec::new();
    let mut guessed = false;
    let all = history.disks();
    for (at, disk) in all.iter().enumerate() {
        let Some(price) = month_of(disk) else {
            amount = None;
            continue;
        };
        let mut add = |from: u64, until: u64, least: Money, most: Money| {
            let seconds = until.min(now).saturating_sub(from.max(month.start));
            let range = Range { least: least.part(seconds, length), most: most.part(seconds, length) };
            amount = amount.map(|sum| sum + range);
            seconds > 0
        };
        let mut counts = false;
        if !all[..at].iter().any(|other| other.volume == disk.volume) {
            let looked = |volume: &Volume| volume.id == disk.volume && volume.modification.is_known();
            let known = observed.volumes.all().iter().any(looked);
            let least = if known { Money::ZERO } else { price };
            let before = add(disk.made.unwrap_or(disk.from), disk.from, least, price);
            guessed |= before;
            counts |= before;
        }
        counts |= add(disk.from, disk.until, price, price);
        let next = all[at + 1..].iter().find(|other| other.volume == disk.volume);
        match (next, disk.gone) {
            (Some(next), _) => {
                let other = month_of(next).unwrap_or(price);
                counts |= add(disk.until, next.from, price.min(other), price.max(other));
            }
            (None, Some(gone)) => counts |= add(disk.until, gone, Money::ZERO, price),
            (None, None) => {
                add(disk.until, now, price, price);
                counts = true;
            }
        }
        if counts {
            sizes.push(format!("{} GiB", disk.gib));
        }
    }
    if guessed {
        assumes.push("how large the volume was before this computer first saw it is not known; at the most it was what it is".to_owned());
    }
    (!sizes.is_empty() || amount.is_none()).then(|| Component {
        part: Part::Volume,
        what: format!("{} gp3", if sizes.is_empty() { "volume".to_owned() } else { sizes.join(", then ") }),
        basis: match amount {
            Some(_) => format!("by the second of a month of {} days", length / (24 * HOUR)),
            None => "it is no gp3, or the price of its speed is not known here".to_owned(),
        },
        amount,
    })
}
