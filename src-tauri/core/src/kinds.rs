//! The instance types that a machine can be, with what they cost.

use serde::Serialize;

use crate::names::{InstanceType, Region};
use crate::price::{HOURS_PER_MONTH, Money, Prices};

/// An instance type, as EC2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub instance_type: InstanceType,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The speed of its network in EC2's words, e.g. `Up to 12.5 Gigabit`.
    pub network: Option<String>,
}

/// One that a machine can be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Its name.
    pub instance_type: InstanceType,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The speed of its network in EC2's words.
    pub network: Option<String>,
    /// What it costs in a month if it is on all the time, in micro-dollars, without volume and address; null: not known.
    pub monthly: Option<Money>,
    /// By how much that is more than what the machine is, in micro-dollars; null: not known.
    pub difference: Option<i64>,
    /// The machine is this one.
    pub current: bool,
}

/// The types with their prices, the cheapest first, and those without a price last.
pub fn choices(prices: &Prices, region: &Region, is: &InstanceType, kinds: Vec<Kind>) -> Vec<Choice> {
    let monthly = |name: &InstanceType| {
        prices.hourly(region.as_str(), name.as_str()).map(|hour| hour.times(HOURS_PER_MONTH))
    };
    let signed = |money: Money| i64::try_from(money.micros()).ok();
    let today = monthly(is).and_then(signed);
    let mut all: Vec<Choice> = kinds
        .into_iter()
        .map(|Kind { instance_type, vcpus, memory_mib, network }| {
            let monthly = monthly(&instance_type);
            let difference = monthly.and_then(signed).zip(today).map(|(then, today)| then - today);
            let current = &instance_type == is;
            Choice { instance_type, vcpus, memory_mib, network, monthly, difference, current }
        })
        .collect();
    all.sort_by(|a, b| {
        let key = |choice: &Choice| (choice.monthly.is_none(), choice.monthly, choice.vcpus);
        key(a).cmp(&key(b)).then_with(|| a.instance_type.cmp(&b.instance_type))
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_come_first_and_the_unknown_last() {
        let kind = |name: &str, vcpus| Kind {
            instance_type: name.parse().unwrap(),
            vcpus,
            memory_mib: 4096,
            network: None,
        };
        let kinds =
            vec![kind("x9z.large", 2), kind("m8g.xlarge", 4), kind("m8g.2xlarge", 8), kind("m8g.large", 2)];
        let (region, is) = ("us-west-2".parse().unwrap(), "m8g.xlarge".parse().unwrap());
        let choices = choices(&Prices::default(), &region, &is, kinds);
        let shown: Vec<_> = choices
            .iter()
            .map(|choice| (choice.instance_type.as_str(), choice.difference, choice.current))
            .collect();
        assert_eq!(
            shown,
            [
                ("m8g.large", Some(-65_524_800), false),
                ("m8g.xlarge", Some(0), true),
                ("m8g.2xlarge", Some(131_049_600), false),
                ("x9z.large", None, false),
            ]
        );
    }
}
