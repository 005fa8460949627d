//! What a seed stands for.

use std::time::Duration;

use crate::session::agent::SessionType;

/// Splitmix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    pub(crate) fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shell,
    /// Prints nothing before it has read something.
    SilentShell,
    Command,
    Port,
    SecretShell,
    SecretCommand,
}

impl Kind {
    pub(super) fn session_type(self) -> SessionType {
        match self {
            Self::Shell | Self::SecretShell => SessionType::StandardStream,
            Self::SilentShell => SessionType::InteractiveCommands,
            Self::Command | Self::SecretCommand => {
                SessionType::NonInteractiveCommands { separate_output: true }
            }
            Self::Port => SessionType::Port { port_number: "22".into(), kind: None, host: None },
        }
    }

    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::SecretShell | Self::SecretCommand)
    }

    pub(super) fn is_command(self) -> bool {
        matches!(self, Self::Command | Self::SecretCommand)
    }

    pub(super) fn has_handshake(self) -> bool {
        self.is_secret() || self.is_command() || self == Self::Port
    }
}

/// Chances are per mille, times in milliseconds.
pub(super) struct Weather {
    pub(super) lose: u64,
    pub(super) double: u64,
    pub(super) garble: u64,
    pub(super) junk: u64,
    pub(super) delay: (u64, u64),
    /// The gateway pauses the agent while the client is away.
    pub(super) pauses: bool,
    /// What is on its way to the agent survives a cut of the client's link, and arrives late.
    pub(super) lingers: bool,
    /// How often the client's owner finds no time for it.
    pub(super) lazy: u64,
}

impl Weather {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut chance = |most: u64| if rng.chance(400) { 0 } else { rng.below(most) };
        let (lose, double, garble, junk) = (chance(200), chance(200), chance(50), chance(20));
        let lazy = chance(400);
        let fastest = 1 + rng.below(300);
        let jitter = if rng.chance(500) { 1 } else { 1 + rng.below(200) };
        let (pauses, lingers) = (rng.chance(500), rng.chance(500));
        Self { lose, double, garble, junk, delay: (fastest, fastest + jitter), pauses, lingers, lazy }
    }
}
