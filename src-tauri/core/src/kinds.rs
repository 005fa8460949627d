//! The instance types that a machine can be, with what they cost.

use serde::Serialize;

use crate::names::{InstanceType, Region};
use crate::price::{HOURS_PER_MONTH, Money, Prices};

/// An instance type, as EC2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub instance_type: InstanceType,
    /// The architectures of its processor that NixOS has images for, as EC2 names them; none: no machine can be this.
    pub architectures: Vec<String>,
    /// Whether the zone offers it that was asked about, or else the region.
    pub offered: bool,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The speed of its network in EC2's words, e.g. `Up to 12.5 Gigabit`.
    pub network: Option<String>,
}

impl Kind {
    /// Why a machine of this architecture in this zone cannot become it where it is; one that is to be made can be all
    /// that the region offers.
    pub fn hindrance(&self, machine: Option<(&str, &str)>) -> Option<String> {
        let another = "another instance takes that, with the home of this one: Replace";
        match machine {
            Some((architecture, _)) if self.architectures.iter().all(|known| known != architecture) => {
                let its = self.architectures.join(", ");
                Some(format!("Its processor is {its}, the machine's is {architecture}; {another}"))
            }
            Some((_, zone)) if !self.offered => Some(format!("{zone} has none of it; {another}")),
            None if !self.offered => Some("The region has none of it".to_owned()),
            Some(_) | None => None,
        }
    }
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
        .map(|Kind { instance_type, vcpus, memory_mib, network, .. }| {
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
            architectures: vec!["arm64".to_owned()],
            offered: true,
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

    #[test]
    fn what_a_machine_cannot_become_is_said() {
        let kind = |architecture: &str, offered| Kind {
            instance_type: "x9z.large".parse().unwrap(),
            architectures: vec![architecture.to_owned()],
            offered,
            vcpus: 2,
            memory_mib: 4096,
            network: None,
        };
        let machine = Some(("arm64", "us-west-2a"));
        let says = |kind: Kind, machine| kind.hindrance(machine).unwrap_or_default();
        assert_eq!(says(kind("arm64", true), machine), "");
        assert_eq!(says(kind("x86_64", true), None), "");
        assert!(says(kind("x86_64", true), machine).starts_with("Its processor is x86_64"));
        assert!(says(kind("arm64", false), machine).starts_with("us-west-2a has none of it"));
        assert_eq!(says(kind("arm64", false), None), "The region has none of it");
    }
}
