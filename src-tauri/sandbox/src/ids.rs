//! Ids as AWS makes them, from a seed.

use serde::{Deserialize, Serialize};

/// A seeded generator (splitmix64), kept with the world so that no id ever comes twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// `vpc-0123456789abcdef0`: the prefix, a dash and 17 hexadecimal digits, the first of them 0.
    pub(crate) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.number())
    }

    /// An IAM unique id such as `AROA` and 17 capitals and digits.
    pub(crate) fn principal(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut id = prefix.to_owned();
        let (mut high, mut low) = (self.number(), self.number());
        for _ in 0..17 {
            id.push(char::from(ALPHABET[usize::try_from(low % 32).unwrap_or(0)]));
            low = (low >> 5) | (high << 59);
            high >>= 5;
        }
        id
    }

    pub(crate) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.number()) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }
}

/// What opens something and nobody can guess, unlike an id: a served sandbox gives it to whoever asks rightly, and its machines
/// run programs as the user who serves it.
pub(crate) fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// A number that depends on nothing but the text.
pub(crate) fn hash(text: &str) -> u64 {
    mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    }))
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_of_aws_and_repeat_with_the_seed() {
        let mut ids = Ids::new(7);
        let id = ids.resource("vpc");
        assert_eq!(id.len(), "vpc-0123456789abcdef0".len());
        assert!(id.starts_with("vpc-0"));
        assert_eq!(Ids::new(7).resource("vpc"), id);
        assert_ne!(ids.resource("vpc"), id);
        assert_eq!(ids.principal("AROA").len(), 21);
    }
}
