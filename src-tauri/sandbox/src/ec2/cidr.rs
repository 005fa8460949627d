//! IPv4 address ranges.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range such as `10.0.0.0/16`; the bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cidr {
    base: u32,
    length: u8,
}

impl Cidr {
    /// The number of bits in the prefix.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether all of `other` is in this range.
    pub const fn contains(self, other: Self) -> bool {
        self.length <= other.length && self.has(other.base)
    }

    /// Whether the two have an address in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    const fn has(self, address: u32) -> bool {
        address & Self::mask(self.length) == self.base
    }

    /// The address with this number in the range.
    pub fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.wrapping_add(number))
    }

    /// How many addresses the range has.
    pub const fn size(self) -> u64 {
        1 << (32 - self.length)
    }

    const fn mask(length: u8) -> u32 {
        match length {
            0 => 0,
            length => u32::MAX << (32 - length),
        }
    }
}

/// The text is not a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACidr;

impl fmt::Display for NotACidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a CIDR block")
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, length) = text.split_once('/').ok_or(NotACidr)?;
        let address: Ipv4Addr = address.parse().map_err(|_| NotACidr)?;
        let length: u8 = length.parse().ok().filter(|length| *length <= 32).ok_or(NotACidr)?;
        Ok(Self { base: u32::from(address) & Self::mask(length), length })
    }
}

impl TryFrom<String> for Cidr {
    type Error = NotACidr;
    fn try_from(text: String) -> Result<Self, NotACidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(0), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cidr = |text: &str| text.parse::<Cidr>().unwrap();
        assert_eq!(cidr("100.68.0.18/18").to_string(), "100.68.0.0/18");
        assert!(cidr("10.0.0.0/16").contains(cidr("10.0.255.0/24")));
        assert!(!cidr("10.0.0.0/16").contains(cidr("10.1.0.0/24")));
        assert!(cidr("10.0.0.0/24").overlaps(cidr("10.0.0.128/25")));
        assert!(cidr("0.0.0.0/0").contains(cidr("10.0.0.0/8")));
        assert_eq!(cidr("10.0.0.0/24").size(), 256);
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8"] {
            assert_eq!(text.parse::<Cidr>(), Err(NotACidr), "{text}");
        }
    }
}
