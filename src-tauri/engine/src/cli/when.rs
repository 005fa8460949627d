//! Moments as a person reads them.

use std::time::SystemTime;

const DAY: u64 = 24 * 60 * 60;

/// Now, in seconds since the Unix epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The moment in a text of AWS's, in seconds since the Unix epoch: `2026-07-20T08:30:11.457Z`, or with words around it
/// `User initiated (2026-07-20 08:30:11 GMT)`.
pub(super) fn find(text: &str) -> Option<u64> {
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
            assert_eq!(find(text), moment, "{text}");
        }
    }

    #[test]
    fn spans_have_one_unit() {
        let said: Vec<String> = [0, 119, 120, 7199, 7200, 200_000].into_iter().map(span).collect();
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        assert_eq!(clock(1_784_536_211), "08:30:11 UTC");
    }
}
