//! Time as an argument.

use std::time::Duration;

/// A moment: the time since the Unix epoch, read once at the edge and monotonic from there on, so that one value
/// serves for timers and for time stamps in messages alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment `since_epoch` after 1970-01-01T00:00:00Z.
    pub const fn from_epoch(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Time since the Unix epoch.
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// How long ago `earlier` was; zero if it is not in the past.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

const DAY: u64 = 24 * 60 * 60;

/// The moment in a text of AWS's, in seconds since the Unix epoch: `2026-07-20T08:30:11.457Z`, or with words around it
/// `User initiated (2026-07-20 08:30:11 GMT)`.
pub fn find_moment(text: &str) -> Option<u64> {
    let dashes = text.match_indices('-').map(|(at, _)| at);
    dashes.filter_map(|at| text.get(at.checked_sub(4)?..at + 15)).find_map(parse)
}

/// `2026-07-20 08:30:11`, with a blank or a T.
fn parse(text: &str) -> Option<u64> {
    let shape = "0000-00-00_00:00:00";
    let fits = |(is, wanted): (u8, u8)| match wanted {
        b'0' => is.is_ascii_digit(),
        b'_' => is == b'T' || is == b' ',
        _ => is == wanted,
    };
    if text.len() != shape.len() || !text.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    Some(days.checked_sub(719_468)? * DAY + hour * 3600 + minute * 60 + second)
}

/// The day: `2026-07-20`.
pub fn day(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / DAY);
    format!("{year}-{month:02}-{day:02}")
}

/// The minute: `2026-07-20 08:30 UTC`.
pub fn minute(seconds: u64) -> String {
    let of_day = seconds % DAY;
    format!("{} {:02}:{:02} UTC", day(seconds), of_day / 3600, of_day / 60 % 60)
}

/// The month in UTC around a moment: when it began, and when the next one begins.
pub fn month(seconds: u64) -> std::ops::Range<u64> {
    let (year, month, day) = civil(seconds / DAY);
    let began = seconds / DAY + 1 - day;
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    began * DAY..(began + days) * DAY
}

/// Year, month and day of a number of days since 1970-01-01.
/// Source: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_of_utc() {
        let days = [0, 951_782_400, 951_868_800, 1_784_536_211, 4_102_444_799];
        assert_eq!(days.map(day), ["1970-01-01", "2000-02-29", "2000-03-01", "2026-07-20", "2099-12-31"]);
        assert_eq!(minute(1_784_536_211), "2026-07-20 08:30 UTC");
        for (within, began, days) in [
            ("2026-11-29T11:00:00Z", "2026-11-01T00:00:00Z", 30),
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", 31),
            ("2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", 31),
            ("2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", 29),
            ("2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z", 28),
            ("2000-02-28T12:00:00Z", "2000-02-01T00:00:00Z", 29),
        ] {
            let began = find_moment(began).unwrap();
            assert_eq!(month(find_moment(within).unwrap()), began..began + days * DAY, "{within}");
        }
    }

    #[test]
    fn moments_are_found_in_the_texts_of_aws() {
        for (text, moment) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59.999Z", Some(951_868_799)),
            ("2026-07-20T08:30:11.457Z", Some(1_784_536_211)),
            ("User initiated (2026-07-20 08:30:11 GMT)", Some(1_784_536_211)),
            ("Server.SpotInstanceTermination: spot-price (2026-07-20 08:30:11 GMT)", Some(1_784_536_211)),
            ("User initiated", None),
            ("2026-13-20T08:30:11Z", None),
            ("", None),
            ("é-ü", None),
        ] {
            assert_eq!(find_moment(text), moment, "{text}");
        }
    }
}
