//! Addresses for a subnet beside those that are there.

use ipnet::Ipv4Net;

/// The bits that are the same in all addresses of a subnet: as we like it, and at most.
const PREFIX: (u8, u8) = (20, 28);

/// The first block of the network's that no subnet has taken, as `10.0.16.0/20`; a smaller one where there is none of that size.
/// `None` when all are taken, or the network's addresses are none.
///
/// Source: <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
pub(super) fn free<'a>(network: &str, taken: impl Iterator<Item = &'a str>) -> Option<String> {
    let network: Ipv4Net = network.parse().ok()?;
    let taken: Vec<Ipv4Net> = taken.filter_map(|block| block.parse().ok()).collect();
    let is_free = |block: &Ipv4Net| !taken.iter().any(|other| other.contains(block) || block.contains(other));
    let (liked, most) = PREFIX;
    let mut sizes = liked.max(network.prefix_len())..=most;
    sizes.find_map(|prefix| network.subnets(prefix).ok()?.find(is_free)).map(|block| block.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_that_nobody_has() {
        for (network, taken, expected) in [
            ("10.0.0.0/16", vec![], Some("10.0.0.0/20")),
            ("10.0.0.0/16", vec!["10.0.0.0/20"], Some("10.0.16.0/20")),
            ("10.0.0.0/16", vec!["10.0.16.0/20", "10.0.0.0/20"], Some("10.0.32.0/20")),
            ("10.0.0.0/16", vec!["10.0.5.0/24", "10.0.31.240/28"], Some("10.0.32.0/20")),
            ("10.0.0.0/16", vec!["10.0.0.0/17"], Some("10.0.128.0/20")),
            ("10.0.0.0/16", vec!["10.0.0.0/16"], None),
            ("10.0.0.0/16", vec!["172.31.0.0/20", "nonsense"], Some("10.0.0.0/20")),
            ("10.1.2.0/24", vec![], Some("10.1.2.0/24")),
            ("10.1.2.0/24", vec!["10.1.2.0/25"], Some("10.1.2.128/25")),
            ("10.1.2.0/28", vec!["10.1.2.0/28"], None),
            ("", vec![], None),
        ] {
            assert_eq!(free(network, taken.iter().copied()).as_deref(), expected, "{network} {taken:?}");
        }
    }
}
