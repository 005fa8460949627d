//! The machine as AWS knows it.

use serde::Serialize;
use specta::Type;

use super::{Offer, Problem};
use crate::cost;
use crate::names::SnapshotId;
use crate::price::Prices;
use crate::price::{Money, Monthly};
use crate::status::State;

/// The space on the machine's disk, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Disk {
    /// What is used.
    pub used: u32,
    /// Of how much.
    pub size: u32,
    /// It is nearly full.
    pub scarce: bool,
}

/// A machine as it was when somebody last looked.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Its region.
    pub region: String,
    /// Its state now; [`State::Unknown`] as soon as a look has failed.
    pub state: State,
    /// Its state as a sentence.
    pub headline: String,
    /// One more sentence: why the state is not known, or what it still lacks.
    pub detail: Option<String>,
    /// Since when it is on or off.
    pub since: Option<u32>,
    /// Whether SSM has a line to its agent; `None` when that is not known.
    pub reachable: Option<bool>,
    /// When all of this was last seen; `None` before the first look.
    pub seen: Option<u32>,
    /// The instance as it was last seen.
    pub instance: Option<Instance>,
    /// What it costs.
    pub cost: Cost,
    /// What it has cost this month; `None`: not known.
    pub so_far: Option<SoFar>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Why the last look failed, when it did.
    pub problem: Option<Problem>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its type.
    pub instance_type: String,
    /// Its zone.
    pub zone: String,
    /// Size of its root volume in GiB.
    pub volume_size: Option<u32>,
}

/// What a machine costs in a month, in US cents. `None`: the price is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Cost {
    /// In the present state.
    pub now: Option<u32>,
    /// If it is on all the time.
    pub always: Option<u32>,
    /// The instance's part of that.
    pub instance: Option<u32>,
    /// The volume's part.
    pub volume: Option<u32>,
    /// The public address's part.
    pub address: Option<u32>,
    /// The date of the prices.
    pub prices_of: String,
}

/// What a machine has cost this month without its snapshots, in US cents: at least one, at most the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SoFar {
    /// At least.
    pub least: u32,
    /// At most; the same where it is known.
    pub most: u32,
    /// When the month began, in UTC as AWS bills it.
    pub from: u32,
    /// Until when this counts.
    pub until: u32,
    /// What there is to know about it, as sentences.
    pub notes: Vec<String>,
}

impl SoFar {
    pub(in crate::app) fn of(so_far: &cost::SoFar) -> Option<Self> {
        let range = so_far.sum.total?;
        let seconds = |moment| u32::try_from(moment).unwrap_or(u32::MAX);
        let known = match so_far.known_from {
            Some(known) if known > so_far.from => {
                Some(format!("When it was on is known from {} on.", crate::time::minute(known)))
            }
            Some(_) => None,
            None => Some("When it was on is not known.".to_owned()),
        };
        let assumes = so_far.assumes.iter().map(|text| crate::app::show::sentence(text));
        Some(Self {
            least: cents(range.least),
            most: cents(range.most),
            from: seconds(so_far.from),
            until: seconds(so_far.until),
            notes: known.into_iter().chain(assumes).collect(),
        })
    }
}

impl Cost {
    pub(in crate::app) fn of(prices: &Prices, always: Monthly, now: Option<Monthly>) -> Self {
        Self {
            now: now.and_then(Monthly::total).map(cents),
            always: always.total().map(cents),
            instance: always.instance.map(cents),
            volume: always.volume.map(cents),
            address: always.address.map(cents),
            prices_of: prices.day(),
        }
    }
}

/// An instance beside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Replacement {
    /// Whether it is on its way into the machine's place, or is in it without its home; else it is kept.
    pub under_way: bool,
    /// What is so, as a title.
    pub title: String,
    /// That as sentences.
    pub text: String,
    /// What it costs a month as it is, in US cents, beside the machine; `None`: that is not known, or it is the machine.
    pub monthly: Option<u32>,
    /// Show what going on with it would do.
    pub go_on: Option<Offer>,
    /// Show what taking it back would do.
    pub take_back: Option<Offer>,
    /// Show what letting it go would do.
    pub let_go: Option<Offer>,
    /// Show what making it the machine again would do.
    pub go_back: Option<Offer>,
}

/// The machine's snapshots, as they were when somebody last looked. Nobody looks in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Snapshots {
    /// Whether somebody looks at them now.
    pub looking: bool,
    /// Why the last look brought no list.
    pub problem: Option<Problem>,
    /// When the list was made; `None`: there is none.
    pub seen: Option<u32>,
    /// The snapshots, the newest first.
    pub list: Vec<Snapshot>,
    /// What all of them cost a month; `None` where there are none.
    pub cost: Option<SoMuch>,
    /// When they are taken by the clock, as a sentence; `None`: they are not.
    pub schedule: Option<String>,
    /// What there is to know besides.
    pub note: Option<String>,
    /// Take one now.
    pub take: Option<Offer>,
    /// Look at them again.
    pub look: Option<Offer>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Snapshot {
    /// Its id.
    #[specta(type = String)]
    pub id: SnapshotId,
    /// When it was taken.
    pub taken: Option<u32>,
    /// The size of its volume in GiB; it takes less room than that itself.
    pub size: u32,
    /// Why it was taken.
    pub why: String,
    /// How far it is, where it is not whole.
    pub state: Option<String>,
    /// It holds nothing.
    pub failed: bool,
    /// Show what a machine with the home that it holds would take.
    pub restore: Option<Offer>,
    /// Show what deleting it would do.
    pub delete: Option<Offer>,
}

/// An amount in US cents that is at least one, at most the other. `None`: not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SoMuch {
    /// At least.
    pub least: Option<u32>,
    /// At most; the same where it is known.
    pub most: Option<u32>,
    /// How that comes about, as a sentence; what forbids knowing it, where it is not known.
    pub basis: String,
}

/// How far the volume of the machine can grow, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Growth {
    /// The least that it can be, in GiB: what it is.
    pub least: u32,
    /// The most that a volume of its kind can be, in GiB.
    pub most: u32,
    /// What one GiB more costs in a month, in thousandths of a US cent; `None`: not known.
    pub per_gib: Option<u32>,
    /// What there is to know before it grows, as sentences.
    pub notes: Vec<String>,
}

/// US cents, rounded; the largest that fits, of more.
pub(in crate::app) fn cents(money: Money) -> u32 {
    u32::try_from((money.micros() + 5_000) / 10_000).unwrap_or(u32::MAX)
}
