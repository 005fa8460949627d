//! Moments as a person reads them.

use std::time::SystemTime;

pub(super) use holdfast_core::time::day;

const DAY: u64 = 24 * 60 * 60;

/// Now, in seconds since the Unix epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A length of time in its largest unit: `3 h`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}

/// The time of day: `08:30:11 UTC`.
pub(super) fn clock(seconds: u64) -> String {
    let of_day = seconds % DAY;
    format!("{:02}:{:02}:{:02} UTC", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let said: Vec<String> = [0, 119, 120, 7199, 7200, 200_000].into_iter().map(span).collect();
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        assert_eq!(clock(1_784_536_211), "08:30:11 UTC");
    }
}
