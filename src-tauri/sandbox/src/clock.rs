//! The clock that drives every state of the world.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};

/// How time passes in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// Time passes by itself, `scale` times as fast as outside. It reads tokio's clock, so a test with paused time
    /// moves it by sleeping.
    Real {
        /// 1.0 is real time.
        scale: f64,
    },
    /// Time stands still until [`crate::Sandbox::advance`]; it begins at 2026-01-15T12:00:00Z.
    Virtual,
}

impl Default for Clock {
    fn default() -> Self {
        Self::Real { scale: 1.0 }
    }
}

/// A moment in the sandbox: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(u64);

impl At {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Seconds since the Unix epoch, as the JSON services write time.
    pub fn epoch_seconds(self) -> f64 {
        Duration::from_millis(self.0).as_secs_f64()
    }

    /// The moment `by` later.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The moment `by` earlier.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`; zero when it is not in the past.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment that a request spells as `2026-01-15T12:00:00Z`, with or without a fraction of a second.
    pub(crate) fn from_iso(text: &str) -> Option<Self> {
        let millis = DateTime::from_str(text, Format::DateTime).ok()?.to_millis().ok()?;
        u64::try_from(millis).ok().map(Self)
    }

    /// The moment that a signature spells as `20260115T120000Z`.
    pub(crate) fn from_signature(text: &str) -> Option<Self> {
        let part = |range: std::ops::Range<usize>| text.get(range);
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        if date.len() != 8 || time.len() != 6 {
            return None;
        }
        let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
        let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
        Self::from_iso(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
    }

    /// As a signature writes time: `20260115T120000Z`.
    pub(crate) fn signature(self) -> String {
        self.iso_seconds().replace(['-', ':'], "")
    }

    /// As HTTP's `Date` writes time: `Thu, 15 Jan 2026 12:00:00 GMT`.
    pub(crate) fn http(self) -> String {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        DateTime::from_secs(seconds).fmt(Format::HttpDate).unwrap_or_default()
    }

    /// As EC2 writes time: `2026-01-15T12:00:00.000Z`.
    pub fn iso(self) -> String {
        let seconds = self.iso_seconds();
        format!("{}.{:03}Z", seconds.trim_end_matches('Z'), self.0 % 1000)
    }

    /// As IAM writes time: `2026-01-15T12:00:00Z`.
    pub fn iso_seconds(self) -> String {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_default()
    }

    /// As a state reason writes time: `2026-01-15 12:00:00 GMT`.
    pub fn gmt(self) -> String {
        format!("{} GMT", self.iso_seconds().replace('T', " ").trim_end_matches('Z'))
    }

    /// The year and the month (1 to 12).
    pub(crate) fn year_and_month(self) -> (u32, u32) {
        let iso = self.iso_seconds();
        let part =
            |range: std::ops::Range<usize>| iso.get(range).and_then(|text| text.parse().ok()).unwrap_or(0);
        (part(0..4), part(5..7))
    }
}

/// A running clock.
#[derive(Debug)]
pub(crate) struct Time {
    clock: Clock,
    base: At,
    started: tokio::time::Instant,
    advanced: AtomicU64,
}

impl Time {
    /// Starts the clock; never before `earliest`, the last moment of a world that was stored.
    pub(crate) fn start(clock: Clock, earliest: At) -> Self {
        let base = match clock {
            Clock::Real { .. } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                At::default().plus(now)
            }
            Clock::Virtual => At::from_millis(1_768_478_400_000),
        };
        Self {
            clock,
            base: base.max(earliest),
            started: tokio::time::Instant::now(),
            advanced: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> At {
        let passed = match self.clock {
            Clock::Real { scale } => self.started.elapsed().mul_f64(scale),
            Clock::Virtual => Duration::ZERO,
        };
        self.base.plus(passed).plus(Duration::from_millis(self.advanced.load(Ordering::Relaxed)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.advanced.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_each_service_does() {
        let at = At::from_millis(1_768_478_400_042);
        assert_eq!(at.iso(), "2026-01-15T12:00:00.042Z");
        assert_eq!(At::from_iso(&at.iso()), Some(at));
        assert_eq!(At::from_iso("tomorrow"), None);
        assert_eq!(at.signature(), "20260115T120000Z");
        assert_eq!(At::from_signature("20260115T120000Z"), Some(At::from_millis(1_768_478_400_000)));
        assert_eq!(At::from_signature("2026-01-15"), None);
        assert_eq!(at.http(), "Thu, 15 Jan 2026 12:00:00 GMT");
        assert_eq!(at.iso_seconds(), "2026-01-15T12:00:00Z");
        assert_eq!(at.gmt(), "2026-01-15 12:00:00 GMT");
        assert_eq!(at.year_and_month(), (2026, 1));
    }

    #[test]
    fn virtual_time_moves_by_hand_only() {
        let time = Time::start(Clock::Virtual, At::default());
        let before = time.now();
        time.advance(Duration::from_secs(90));
        assert_eq!(time.now().since(before), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn real_time_follows_a_paused_runtime_and_its_scale() {
        let time = Time::start(Clock::Real { scale: 10.0 }, At::default());
        let before = time.now();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(time.now().since(before), Duration::from_secs(30));
    }
}
