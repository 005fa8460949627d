//! Whether the websocket still lives.

use std::time::Duration;

use crate::time::Moment;

/// Time between pings. The session-manager-plugin's five minutes let middleboxes forget the connection, and it never
/// misses a pong.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long a probe waits for any sign of life before the link counts as dead, where there is no reason to hurry.
pub const PROBE_DEADLINE: Duration = Duration::from_millis(2500);

/// Pings that may pass without anything heard.
const MAX_MISSED: u8 = 2;

/// A timer that fires this late means the computer slept, and the link probably did not survive it.
const SLEPT: Duration = Duration::from_secs(5);

pub(super) struct Link {
    alive: Option<Alive>,
    /// When the present link or the one before last gave a sign of life.
    heard: Option<Moment>,
}

struct Alive {
    heard_since_ping: bool,
    missed: u8,
    next_ping: Moment,
    probe_ends: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    Ping,
    Dead,
}

impl Link {
    pub(super) const fn new() -> Self {
        Self { alive: None, heard: None }
    }

    pub(super) const fn is_up(&self) -> bool {
        self.alive.is_some()
    }

    /// The first ping is the caller's to send, now.
    pub(super) fn up(&mut self, now: Moment) {
        self.heard = Some(now);
        self.alive = Some(Alive {
            heard_since_ping: false,
            missed: 0,
            next_ping: now + PING_INTERVAL,
            probe_ends: None,
        });
    }

    pub(super) fn down(&mut self) {
        self.alive = None;
    }

    /// Any inbound frame is life.
    pub(super) fn heard(&mut self, now: Moment) {
        if let Some(alive) = &mut self.alive {
            self.heard = Some(now);
            alive.heard_since_ping = true;
            alive.missed = 0;
            alive.probe_ends = None;
        }
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self, now: Moment) -> Duration {
        self.heard.filter(|_| self.is_up()).map_or(Duration::ZERO, |heard| now.since(heard))
    }

    /// When the last sign of life came.
    pub(super) const fn last_heard(&self) -> Option<Moment> {
        self.heard
    }

    /// Doubt: ping now and expect an answer within `patience`. False if there is no link, or if a probe that is under
    /// way ends no later.
    pub(super) fn probe(&mut self, now: Moment, patience: Duration) -> bool {
        let ends = now + patience;
        match &mut self.alive {
            Some(alive) if alive.probe_ends.is_none_or(|earlier| ends < earlier) => {
                alive.probe_ends = Some(ends);
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn timeout(&self) -> Option<Moment> {
        let alive = self.alive.as_ref()?;
        Some(alive.probe_ends.map_or(alive.next_ping, |ends| ends.min(alive.next_ping)))
    }

    pub(super) fn check(&mut self, now: Moment) -> Check {
        let Some(alive) = &mut self.alive else { return Check::Nothing };
        let due = alive.probe_ends.map_or(alive.next_ping, |ends| ends.min(alive.next_ping));
        if now < due {
            return Check::Nothing;
        }
        if now.since(due) > SLEPT {
            alive.next_ping = now + PING_INTERVAL;
            alive.probe_ends = Some(now + PROBE_DEADLINE);
            return Check::Ping;
        }
        if alive.probe_ends.is_some_and(|ends| ends <= now) {
            return Check::Dead;
        }
        alive.missed = if alive.heard_since_ping { 0 } else { alive.missed + 1 };
        if alive.missed >= MAX_MISSED {
            return Check::Dead;
        }
        alive.heard_since_ping = false;
        alive.next_ping = alive.next_ping + PING_INTERVAL;
        Check::Ping
    }
}
