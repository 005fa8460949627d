//! What the network of each type does, in the words of AWS.
//!
//! As DescribeInstanceTypes itself answers; its answers are recorded in moto's `instance_types.json.gz`
//! (github.com/getmoto/moto/tree/master/moto/ec2/resources, version 5.2.5).

use super::InstanceType;
use crate::wire::Xml;

/// From this many vCPUs on: the performance; the largest first.
type Speeds = &'static [(u32, &'static str)];
/// From this many vCPUs on: network interfaces, and addresses of each; the largest first.
type Interfaces = &'static [(u32, u32, u32)];

const BURSTABLE: Speeds = &[(0, "Up to 5 Gigabit")];
const M5: Speeds = &[
    (96, "25 Gigabit"),
    (64, "20 Gigabit"),
    (48, "12 Gigabit"),
    (32, "10 Gigabit"),
    (0, "Up to 10 Gigabit"),
];
const GRAVITON_2: Speeds =
    &[(64, "25 Gigabit"), (48, "20 Gigabit"), (32, "12 Gigabit"), (0, "Up to 10 Gigabit")];
const GRAVITON_3_AND_4: Speeds = &[
    (192, "50 Gigabit"),
    (96, "40 Gigabit"),
    (64, "30 Gigabit"),
    (48, "22.5 Gigabit"),
    (32, "15 Gigabit"),
    (8, "Up to 15 Gigabit"),
    (0, "Up to 12.5 Gigabit"),
];
const SIXTH_AND_SEVENTH: Speeds = &[
    (128, "50 Gigabit"),
    (96, "37.5 Gigabit"),
    (64, "25 Gigabit"),
    (48, "18.75 Gigabit"),
    (32, "12.5 Gigabit"),
    (0, "Up to 12.5 Gigabit"),
];
const SEVENTH_FLEX: Speeds =
    &[(64, "Up to 25 Gigabit"), (48, "Up to 18.75 Gigabit"), (0, "Up to 12.5 Gigabit")];
const EIGHTH: Speeds = &[
    (384, "100 Gigabit"),
    (192, "75 Gigabit"),
    (128, "50 Gigabit"),
    (96, "40 Gigabit"),
    (64, "30 Gigabit"),
    (48, "22.5 Gigabit"),
    (32, "15 Gigabit"),
    (8, "Up to 15 Gigabit"),
    (0, "Up to 12.5 Gigabit"),
];
const EIGHTH_FLEX: Speeds = &[
    (64, "Up to 30 Gigabit"),
    (48, "Up to 22.5 Gigabit"),
    (8, "Up to 15 Gigabit"),
    (0, "Up to 12.5 Gigabit"),
];

const USUAL: Interfaces = &[(64, 15, 50), (16, 8, 30), (4, 4, 15), (2, 3, 10), (0, 2, 4)];
const M8A: Interfaces = &[
    (192, 24, 64),
    (64, 16, 64),
    (48, 12, 64),
    (32, 10, 40),
    (16, 8, 40),
    (8, 4, 40),
    (4, 4, 20),
    (2, 3, 20),
    (0, 2, 4),
];
const M8I: Interfaces =
    &[(128, 24, 64), (64, 16, 64), (48, 12, 50), (32, 10, 50), (16, 8, 50), (4, 4, 30), (0, 3, 20)];

fn speeds(family: &str) -> Speeds {
    match family {
        "t3" | "t3a" | "t4g" => BURSTABLE,
        "m5" => M5,
        "c6g" | "m6g" | "r6g" => GRAVITON_2,
        "c7g" | "c8g" | "m7g" | "m8g" | "r7g" | "r8g" => GRAVITON_3_AND_4,
        "c7i-flex" | "m7i-flex" => SEVENTH_FLEX,
        "m8a" | "m8i" => EIGHTH,
        "m8i-flex" => EIGHTH_FLEX,
        _ => SIXTH_AND_SEVENTH,
    }
}

/// Interfaces, and IPv4 addresses of each.
fn interfaces(family: &str, size: &str, vcpus: u32) -> (u32, u32) {
    let table = match (family, size) {
        (_, "nano" | "micro") => return (2, 2),
        ("t3a", "small") => return (2, 4),
        (_, "small") => return (3, 4),
        ("t3" | "t3a" | "t4g", "medium") => return (3, 6),
        ("t3" | "t3a" | "t4g", "large") => return (3, 12),
        ("m8a", _) => M8A,
        ("m8i" | "m8i-flex", _) => M8I,
        _ => USUAL,
    };
    table.iter().find(|(least, ..)| vcpus >= *least).map_or((2, 4), |(_, most, each)| (*most, *each))
}

impl InstanceType {
    pub(super) fn network_performance(&self) -> &'static str {
        let family = self.name.split('.').next().unwrap_or_default();
        speeds(family).iter().find(|(least, _)| self.vcpus >= *least).map_or("", |(_, speed)| speed)
    }

    pub(super) fn network_xml(&self, xml: &mut Xml) {
        let (family, size) = self.name.split_once('.').unwrap_or_default();
        let (most, addresses) = interfaces(family, size, self.vcpus);
        xml.text("networkPerformance", self.network_performance())
            .text("maximumNetworkInterfaces", most)
            .text("maximumNetworkCards", 1)
            .text("defaultNetworkCardIndex", 0)
            .text("ipv4AddressesPerInterface", addresses)
            .text("ipv6AddressesPerInterface", addresses)
            .text("ipv6Supported", true)
            .text("enaSupport", "required");
    }
}
