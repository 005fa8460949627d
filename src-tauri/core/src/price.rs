//! What a machine costs: list prices of EC2, embedded and dated.
//!
//! The figures and their sources are in `price.tsv`. They are on-demand prices in US dollars, without tax, discounts
//! and data transfer. A price that is not in the table is `None`, which means "not known", never "free".

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

mod quote;

pub use quote::{Prices, Quote, Rate};

/// The day of the newest source of the table; `price.tsv` says which regions are from older ones.
pub const AS_OF: &str = "2026-07-20";

/// The hours AWS counts in a month.
pub const HOURS_PER_MONTH: u32 = 730;

/// An amount in US dollars, kept in micro-dollars. Displays as `$131.05`, or with as many decimals as the precision
/// says (up to 6): `{:.5}` gives `$0.17952`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(u64);

impl Money {
    /// Nothing to pay.
    pub const ZERO: Self = Self(0);

    /// An amount of `micros` micro-dollars (a millionth of a US dollar).
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Micro-dollars.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// This many times `part` of `whole`, rounded half up: of a month's price what some seconds of it cost.
    #[must_use]
    pub fn part(self, part: u64, whole: u64) -> Self {
        let whole = u128::from(whole.max(1));
        let share = (u128::from(self.0) * u128::from(part) + whole / 2) / whole;
        Self(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// By how much it is more than the other; nothing where it is less.
    #[must_use]
    pub const fn above(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The price of `count` pieces.
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as u64))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2).min(6);
        let one = 10_u64.pow(u32::try_from(decimals).unwrap_or(6));
        let units = divide_half_up(self.0, 1_000_000 / one);
        let text = match decimals {
            0 => format!("${units}"),
            _ => format!("${}.{:0decimals$}", units / one, units % one),
        };
        // Not `pad`, which would cut the text at the precision.
        f.pad_integral(true, "", &text)
    }
}

/// The price of one hour of a running Linux instance, by region code and type (`us-west-2`, `m8g.xlarge`).
pub fn hourly(region: &str, instance_type: &str) -> Option<Money> {
    let (family, size) = instance_type.split_once('.')?;
    let row = TABLE.rows.iter().find(|row| row.family == family)?;
    if !row.sizes.split(',').any(|known| known == size) {
        return None;
    }
    let large = TABLE.cell(row, region)?;
    let step = 10_u64.pow(6_u32.checked_sub(row.decimals?)?);
    let steps = divide_half_up(large.saturating_mul(sixteenths_of_large(size)?), 16 * step);
    Some(Money(steps * step))
}

/// The codes of the regions whose prices are known.
pub fn regions() -> &'static [&'static str] {
    &TABLE.regions
}

/// The types whose prices are known in a region, with the price of one hour.
pub fn hourly_of_all(region: &str) -> impl Iterator<Item = (String, Money)> {
    let families = TABLE.rows.iter().filter(|row| row.decimals.is_some());
    let names =
        families.flat_map(|row| row.sizes.split(',').map(move |size| format!("{}.{size}", row.family)));
    names.filter_map(move |name| Some((name.clone(), hourly(region, &name)?)))
}

/// The price of one GiB of gp3 storage for a month, with the 3000 IOPS and 125 MiB/s that are included.
pub fn gp3_gib_month(region: &str) -> Option<Money> {
    storage("gp3", region)
}

/// The price of one IOPS and of one MiB/s of a gp3 volume for a month, beyond those that are included. What those cost is known where
/// a GiB costs $0.08, and their price follows the GiB's in other regions only roughly, so there it is not known.
/// Source: <https://aws.amazon.com/ebs/pricing/>
pub fn gp3_speed_month(region: &str) -> Option<(Money, Money)> {
    gp3_gib_month(region).filter(|gib| *gib == Money(80_000)).map(|_| (Money(5_000), Money(40_000)))
}

/// The price of one GiB of snapshots in the standard tier for a month.
pub fn snapshot_gib_month(region: &str) -> Option<Money> {
    storage("snapshot", region)
}

fn storage(kind: &str, region: &str) -> Option<Money> {
    let row = TABLE.rows.iter().find(|row| row.family == kind)?;
    TABLE.cell(row, region).map(Money)
}

/// The price of one hour of a public IPv4 address, in use or not, in every region (AWS, since 2024-02-01).
pub const fn public_ipv4_hour() -> Money {
    Money(5_000)
}

/// What a machine costs in a month of [`HOURS_PER_MONTH`] hours, in its three parts. `None`: price not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monthly {
    /// The instance.
    pub instance: Option<Money>,
    /// The gp3 volume.
    pub volume: Option<Money>,
    /// The public IPv4 address.
    pub address: Option<Money>,
}

impl Monthly {
    /// All three parts; `None` as soon as one of them is not known.
    pub fn total(self) -> Option<Money> {
        Some(self.instance? + self.volume? + self.address?)
    }

    /// The same machine when it is off for the whole month: only the volume is paid.
    pub fn stopped(self) -> Self {
        Self { instance: Some(Money::ZERO), address: Some(Money::ZERO), ..self }
    }
}

struct Table {
    regions: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    family: &'static str,
    /// Of a dollar; `None`: it is no family of instances.
    decimals: Option<u32>,
    sizes: &'static str,
    /// Micro-dollars, one per region.
    cells: Vec<Option<u64>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("price.tsv")));

impl Table {
    /// A line that does not fit is left out: its prices are then not known. A test makes sure that there is none.
    fn parse(text: &'static str) -> Self {
        let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
        let regions = lines.next().into_iter().flatten().skip(3).collect();
        Self { regions, rows: lines.filter_map(Row::parse).collect() }
    }

    fn cell(&self, row: &Row, region: &str) -> Option<u64> {
        let column = self.regions.iter().position(|known| *known == region)?;
        row.cells.get(column).copied().flatten()
    }
}

impl Row {
    fn parse(mut fields: impl Iterator<Item = &'static str>) -> Option<Self> {
        Some(Self {
            family: fields.next()?,
            decimals: match fields.next()? {
                "-" => None,
                decimals => Some(decimals.parse().ok()?),
            },
            sizes: fields.next()?,
            cells: fields.map(|cell| cell.parse().ok()).collect(),
        })
    }
}

/// A size of an instance in sixteenths of `large`, so that each is a whole number.
fn sixteenths_of_large(size: &str) -> Option<u64> {
    match size {
        "nano" => Some(1),
        "micro" => Some(2),
        "small" => Some(4),
        "medium" => Some(8),
        "large" => Some(16),
        "xlarge" => Some(32),
        _ => size.strip_suffix("xlarge")?.parse::<u64>().ok()?.checked_mul(32),
    }
}

fn divide_half_up(amount: u64, by: u64) -> u64 {
    amount.saturating_add(by / 2) / by
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(region: &str, instance_type: &str) -> String {
        hourly(region, instance_type).map_or("-".to_owned(), |money| format!("{money:.5}"))
    }

    #[test]
    fn the_default_machine_in_oregon() {
        let month = Prices::default().monthly("us-west-2", "m8g.xlarge", 100);
        assert_eq!(price("us-west-2", "m8g.xlarge"), "$0.17952");
        assert_eq!(month.instance.unwrap().to_string(), "$131.05");
        assert_eq!(month.volume.unwrap().to_string(), "$8.00");
        assert_eq!(month.address.unwrap().to_string(), "$3.65");
        assert_eq!(month.total().unwrap().to_string(), "$142.70");
        assert_eq!(month.stopped().total().unwrap().to_string(), "$8.00");
    }

    /// Each of these was read in a source as it stands here, so the rule that derives sizes is checked against it.
    #[test]
    fn prices_as_aws_lists_them() {
        for (region, instance_type, listed) in [
            ("us-east-1", "m8g.medium", "$0.04488"),
            ("us-east-1", "m8g.48xlarge", "$8.61696"),
            ("us-west-2", "m7g.xlarge", "$0.16320"),
            ("us-east-1", "m8i.96xlarge", "$20.32128"),
            ("us-east-1", "t4g.nano", "$0.00420"),
            ("us-east-1", "t3.2xlarge", "$0.33280"),
            ("us-west-1", "t3a.nano", "$0.00560"),
            ("us-west-1", "t3a.2xlarge", "$0.35710"),
            ("eu-west-1", "m7g.xlarge", "$0.18190"),
            ("eu-west-1", "m7g.8xlarge", "$1.45520"),
            ("ca-central-1", "m7g.8xlarge", "$1.45540"),
            ("eu-west-2", "m7g.medium", "$0.04720"),
            ("eu-central-1", "m8g.12xlarge", "$2.58096"),
            ("eu-north-1", "m7i.xlarge", "$0.21420"),
            ("ap-northeast-1", "m7a.medium", "$0.07487"),
            ("ap-northeast-1", "m8a.8xlarge", "$2.51552"),
            ("ap-south-1", "m5a.large", "$0.05600"),
            ("ap-south-1", "m5a.24xlarge", "$2.66600"),
            ("ap-south-1", "m8i-flex.large", "$0.10579"),
            ("sa-east-1", "m6i.large", "$0.15300"),
        ] {
            assert_eq!(price(region, instance_type), listed, "{instance_type} in {region}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_known() {
        for (region, instance_type) in [
            ("mars-north-1", "m8g.xlarge"),
            ("us-west-2", "m8g.metal-24xl"),
            ("us-west-2", "m8g.3xlarge"),
            ("us-west-2", "m8g"),
            ("us-west-2", ""),
            ("us-west-2", "gp3.large"),
            ("us-west-2", "gp3.-"),
            ("us-west-2", "snapshot.-"),
            ("us-west-2", "c7g.large"),
            ("sa-east-1", "m8g.xlarge"),
            ("family", "m8g.xlarge"),
        ] {
            assert_eq!(hourly(region, instance_type), None, "{instance_type} in {region}");
        }
        assert_eq!(gp3_gib_month("mars-north-1"), None);
        let month = Prices::default().monthly("us-west-2", "c7g.large", 100);
        assert_eq!((month.instance, month.total()), (None, None));
        assert!(month.stopped().total().is_some());
    }

    #[test]
    fn every_line_of_the_table_is_complete() {
        let lines = include_str!("price.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(TABLE.rows.len(), lines - 1);
        assert_eq!(TABLE.regions.len(), 15);
        for row in &TABLE.rows {
            assert_eq!(row.cells.len(), TABLE.regions.len(), "{}", row.family);
            assert!(row.decimals.is_none_or(|decimals| (3..=6).contains(&decimals)));
            for cell in row.cells.iter().flatten() {
                assert!((10_000..1_000_000).contains(cell), "{} {cell}", row.family);
            }
            if row.decimals.is_some() {
                let sizes: Vec<_> = row.sizes.split(',').map(sixteenths_of_large).collect();
                assert!(sizes.iter().all(Option::is_some) && sizes.is_sorted(), "{}", row.family);
            }
        }
        for region in &TABLE.regions {
            assert!(gp3_gib_month(region).is_some());
            assert!(hourly(region, "t4g.large").is_some());
        }
    }

    /// AWS scales a line of processors by one factor per region, so a slip in one cell stands out.
    #[test]
    fn generations_of_one_line_keep_the_ratio_between_regions() {
        let cell = |family: &str, region: &str| {
            TABLE.cell(TABLE.rows.iter().find(|row| row.family == family).unwrap(), region)
        };
        let lines: [&[&str]; 3] =
            [&["m7g", "m8g"], &["m5", "m6i", "m7i", "m7i-flex", "m8i", "m8i-flex"], &["m6a", "m7a", "m8a"]];
        let mut compared = 0;
        for line in lines {
            for region in &TABLE.regions {
                let here = line.iter().filter_map(|family| Some((family, cell(family, region)?)));
                let ratios: Vec<_> = here
                    .map(|(family, price)| price * 1_000_000 / cell(family, "us-east-1").unwrap())
                    .collect();
                if let (Some(least), Some(most)) = (ratios.iter().min(), ratios.iter().max()) {
                    assert!(most - least < 300, "{line:?} in {region}: {ratios:?}");
                    compared += ratios.len() - 1;
                }
            }
        }
        assert!(compared > 70, "{compared}");
    }

    #[test]
    fn money_is_rounded_half_up_and_padded() {
        assert_eq!(Money::from_micros(4_999).to_string(), "$0.00");
        assert_eq!(Money::from_micros(5_000).to_string(), "$0.01");
        assert_eq!(Money::from_micros(999_995_000).to_string(), "$1000.00");
        assert_eq!(format!("{:.0}", Money::from_micros(1_500_000)), "$2");
        assert_eq!(format!("{:.9}", Money::from_micros(1)), "$0.000001");
        assert_eq!(format!("{:>8}|{:<8}|", Money::from_micros(8_000_000), Money::ZERO), "   $8.00|$0.00   |");
        assert_eq!(Money::from_micros(u64::MAX).times(2), Money::from_micros(u64::MAX));
        assert_eq!([Money(1), Money(2)].into_iter().sum::<Money>(), Money(3));
    }

    fn known() -> impl Strategy<Value = (&'static str, &'static Row, &'static str)> {
        let all: Vec<_> = TABLE
            .rows
            .iter()
            .filter(|row| row.decimals.is_some())
            .flat_map(|row| row.sizes.split(',').map(move |size| (row, size)))
            .flat_map(|(row, size)| TABLE.regions.iter().map(move |region| (*region, row, size)))
            .collect();
        prop::sample::select(all)
    }

    proptest! {
        #[test]
        fn a_price_is_proportional_to_the_size((region, row, size) in known()) {
            let large = hourly(region, &format!("{}.large", row.family)).map(Money::micros);
            let this = hourly(region, &format!("{}.{size}", row.family)).map(Money::micros);
            prop_assert_eq!(large.is_some(), this.is_some());
            if let (Some(large), Some(this)) = (large, this) {
                // Both are rounded to the decimals of the family, and the error of `large` grows with the size.
                let share = sixteenths_of_large(size).unwrap();
                let step = 10_u64.pow(6 - row.decimals.unwrap());
                prop_assert!((this * 16).abs_diff(large * share) <= step * (16 + share) / 2 + 1);
                prop_assert_eq!(this % step, 0);
            }
        }

        #[test]
        fn no_name_makes_it_panic(region in ".*", instance_type in ".*", gib in any::<u32>()) {
            let _ = Prices::default().monthly(&region, &instance_type, gib).total();
            let _ = hourly("us-west-2", &format!("m8g.{instance_type}"));
            let _ = hourly("us-west-2", "m8g.99999999999999999999xlarge");
        }

        #[test]
        fn money_shows_what_it_is(micros in any::<u64>()) {
            let text = format!("{:.6}", Money::from_micros(micros));
            prop_assert_eq!(text.replace(['$', '.'], "").parse::<u64>().unwrap(), micros);
        }
    }
}
