//! Prices of AWS's price list, as the Price List Query API tells them.
//!
//! What of them is known comes before the embedded table; what is not comes from the table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HOURS_PER_MONTH, Money, Monthly};
use crate::time::day;

const DAY: u64 = 24 * 60 * 60;
/// For how long nobody asks again.
const FRESH: u64 = 7 * DAY;
/// IOPS and MiB/s that a gp3 volume has without paying for them.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html>
const INCLUDED: (u32, u32) = (3000, 125);

/// What the price list said of one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The region.
    pub region: String,
    /// When it was asked, in seconds since the Unix epoch.
    pub asked: u64,
    /// Whether it was asked for all types.
    pub whole: bool,
    /// An hour of each type that it was asked for; `None`: it does not list that one.
    pub hourly: BTreeMap<String, Option<Money>>,
    /// A month of what is not an instance.
    pub rates: BTreeMap<Rate, Money>,
}

/// What has a price beside instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// A GiB of gp3 storage for a month.
    Gp3Gib,
    /// An operation a second of gp3 for a month.
    Gp3Iops,
    /// A MiB a second of gp3 for a month.
    Gp3Mib,
    /// A GiB of snapshots in the standard tier for a month.
    SnapshotGib,
    /// An hour of a public IPv4 address in use.
    AddressHour,
}

impl Rate {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Gp3Gib, Self::Gp3Iops, Self::Gp3Mib, Self::SnapshotGib, Self::AddressHour];

    /// How its usage type ends; before that stands what AWS's bills call the region, as in `USW2-`.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/concepts-billing.html>
    pub const fn usage(self) -> &'static str {
        match self {
            Self::Gp3Gib => "EBS:VolumeUsage.gp3",
            Self::Gp3Iops => "EBS:VolumeP-IOPS.gp3",
            Self::Gp3Mib => "EBS:VolumeP-Throughput.gp3",
            Self::SnapshotGib => "EBS:SnapshotUsage",
            Self::AddressHour => "PublicIPv4:InUseAddress",
        }
    }

    /// How many of it AWS's unit holds: throughput is sold by the GiB/s.
    pub const fn in_a_unit(self) -> u64 {
        match self {
            Self::Gp3Mib => 1024,
            Self::Gp3Gib | Self::Gp3Iops | Self::SnapshotGib | Self::AddressHour => 1,
        }
    }
}

impl Quote {
    /// Whether it need not be asked again for these types. One from the future is of a clock that was wrong.
    pub fn is_fresh<'a>(&self, types: impl IntoIterator<Item = &'a str>, now: u64) -> bool {
        let age = now.checked_sub(self.asked);
        age.is_some_and(|age| age < FRESH)
            && types.into_iter().all(|name| self.whole || self.hourly.contains_key(name))
    }

    /// Takes in a product as GetProducts lists it, a text of JSON. What is no price in US dollars of something wanted
    /// says nothing.
    /// Source: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>
    pub fn take_in(&mut self, product: &str) {
        let Ok(product) = serde_json::from_str::<Value>(product) else { return };
        let attribute = |name: &str| product["product"]["attributes"][name].as_str().unwrap_or_default();
        if attribute("regionCode") != self.region || attribute("locationType") != "AWS Region" {
            return;
        }
        let usage = attribute("usagetype");
        let rate = |rate: &Rate| {
            let before = usage.strip_suffix(rate.usage());
            before.is_some_and(|before| before.is_empty() || before.ends_with('-'))
        };
        let Some(dollars) = on_demand(&product) else { return };
        if let Some(rate) = Rate::ALL.into_iter().find(rate) {
            self.rates.insert(rate, dollars.part(1, rate.in_a_unit()));
            return;
        }
        let wanted = [
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("capacitystatus", "Used"),
            ("preInstalledSw", "NA"),
        ];
        let name = attribute("instanceType");
        if !name.is_empty() && wanted.iter().all(|(field, value)| attribute(field) == *value) {
            self.hourly.insert(name.to_owned(), Some(dollars));
        }
    }
}

/// The price on demand of a unit beyond what is free; `None` where there is none in US dollars.
fn on_demand(product: &Value) -> Option<Money> {
    let offers = product["terms"]["OnDemand"].as_object()?.values();
    let dimensions =
        offers.filter_map(|offer| offer["priceDimensions"].as_object()).flat_map(|all| all.values());
    let prices = dimensions.filter_map(|dimension| dollars(dimension["pricePerUnit"]["USD"].as_str()?));
    prices.max().filter(|price| *price != Money::ZERO)
}

/// `0.1795200000` as micro-dollars, half up.
fn dollars(text: &str) -> Option<Money> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{fraction:0<7}");
    let (micros, next) = (digits.get(..6)?.parse::<u64>().ok()?, digits.get(6..7)?);
    let dollars = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    Some(Money::from_micros(dollars.checked_add(micros)? + u64::from(next >= "5")))
}

/// The prices that this computer knows: what AWS's price list said last, then the embedded table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(Option<Box<Quote>>);

impl Prices {
    /// The prices with what the price list said, where that is newer than the table.
    pub fn new(quote: Option<Quote>) -> Self {
        Self(quote.filter(|quote| day(quote.asked).as_str() > super::AS_OF).map(Box::new))
    }

    fn quote(&self, region: &str) -> Option<&Quote> {
        self.0.as_deref().filter(|quote| quote.region == region)
    }

    fn rate(&self, region: &str, rate: Rate) -> Option<Money> {
        self.quote(region)?.rates.get(&rate).copied()
    }

    /// The price of one hour of a running Linux instance.
    pub fn hourly(&self, region: &str, instance_type: &str) -> Option<Money> {
        let listed = self.quote(region).and_then(|quote| quote.hourly.get(instance_type).copied().flatten());
        listed.or_else(|| super::hourly(region, instance_type))
    }

    /// The price of one GiB of gp3 storage for a month.
    pub fn gp3_gib_month(&self, region: &str) -> Option<Money> {
        self.rate(region, Rate::Gp3Gib).or_else(|| super::gp3_gib_month(region))
    }

    /// The price of a gp3 volume for a month, with its IOPS and MiB/s beyond those that are included.
    pub fn gp3_month(&self, region: &str, gib: u32, iops: u32, throughput: u32) -> Option<Money> {
        Some(self.gp3_gib_month(region)?.times(gib) + self.gp3_speed_month(region, iops, throughput)?)
    }

    /// The part of that for its speed.
    pub fn gp3_speed_month(&self, region: &str, iops: u32, throughput: u32) -> Option<Money> {
        let more = (iops.saturating_sub(INCLUDED.0), throughput.saturating_sub(INCLUDED.1));
        if more == (0, 0) {
            return Some(Money::ZERO);
        }
        let listed = self.rate(region, Rate::Gp3Iops).zip(self.rate(region, Rate::Gp3Mib));
        let (each_iops, each_mib) = listed.or_else(|| super::gp3_speed_month(region))?;
        Some(each_iops.times(more.0) + each_mib.times(more.1))
    }

    /// The price of one GiB of snapshots in the standard tier for a month.
    pub fn snapshot_gib_month(&self, region: &str) -> Option<Money> {
        self.rate(region, Rate::SnapshotGib).or_else(|| super::snapshot_gib_month(region))
    }

    /// The price of one hour of a public IPv4 address. Other partitions have other prices, and they are not known.
    pub fn address_hour(&self, region: &str) -> Option<Money> {
        let elsewhere = region.starts_with("cn-") || region.starts_with("us-gov-");
        let general = (!elsewhere).then(super::public_ipv4_hour);
        self.rate(region, Rate::AddressHour).or(general)
    }

    /// What a machine costs that is on for the whole month: the instance, `gib` GiB of gp3, one public address.
    pub fn monthly(&self, region: &str, instance_type: &str, gib: u32) -> Monthly {
        Monthly {
            instance: self.hourly(region, instance_type).map(|hour| hour.times(HOURS_PER_MONTH)),
            volume: self.gp3_gib_month(region).map(|each| each.times(gib)),
            address: self.address_hour(region).map(|hour| hour.times(HOURS_PER_MONTH)),
        }
    }

    /// The day of the newest of them.
    pub fn day(&self) -> String {
        self.0.as_ref().map_or_else(|| super::AS_OF.to_owned(), |quote| day(quote.asked))
    }

    /// Where they are from, as the end of a sentence: `list prices of AWS, 2026-07-20`.
    pub fn words(&self) -> String {
        match self.0.as_deref() {
            None => format!("list prices of AWS, {}", super::AS_OF),
            Some(quote) if quote.whole => format!("list prices of AWS, asked {}", day(quote.asked)),
            Some(quote) => {
                format!(
                    "list prices of AWS, asked {}; what was not asked for, {}",
                    day(quote.asked),
                    super::AS_OF
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
