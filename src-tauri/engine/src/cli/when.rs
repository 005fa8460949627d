//! Moments as a person reads them.

use std::time::SystemTime;

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

/// The day: `2026-07-20`.
/// Source: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
pub(super) fn day(seconds: u64) -> String {
    let days = seconds / DAY + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let said: Vec<String> = [0, 119, 120, 7199, 7200, 200_000].into_iter().map(span).collect();
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        assert_eq!(clock(1_784_536_211), "08:30:11 UTC");
        let days = [0, 951_782_400, 951_868_800, 1_784_536_211, 4_102_444_799];
        assert_eq!(days.map(day), ["1970-01-01", "2000-02-29", "2000-03-01", "2026-07-20", "2099-12-31"]);
    }
}
