//! Power on purpose: a machine that switches itself off, and what it says of that.
//!
//! The machine decides and does it, by `nixos/power.sh`; here is what its answers mean, and how they are told.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::app::harmless::harmless;
use crate::jobs::{Garbled, first_block};
use crate::machine::Desired;
use crate::names::OffAt;

/// Why a machine switches itself off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A time of day has come.
    OffAt,
    /// Nobody has needed it.
    OffWhenIdle,
}

impl Why {
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word {
            "off_at" => Some(Self::OffAt),
            "off_when_idle" => Some(Self::OffWhenIdle),
            _ => None,
        }
    }

    /// As the end of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::OffAt => "as off_at says",
            Self::OffWhenIdle => "since nobody has needed it",
        }
    }
}

/// What keeps an idle machine on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Busy {
    /// Somebody is attached to it.
    Attached,
    /// A job of Holdfast's.
    Job,
    /// A build of Nix's.
    Build,
    /// A job of cron's or at's.
    Cron,
    /// An agent that is at work.
    Agent,
    /// It computes.
    Computing,
}

impl Busy {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "attached" => Self::Attached,
            "job" => Self::Job,
            "build" => Self::Build,
            "cron" => Self::Cron,
            "agent" => Self::Agent,
            "computing" => Self::Computing,
            _ => return None,
        })
    }

    /// As a sentence without its full stop.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Attached => "somebody is attached",
            Self::Job => "a job runs",
            Self::Build => "a build runs",
            Self::Cron => "a job of cron's or at's runs",
            Self::Agent => "an agent is at work",
            Self::Computing => "it computes",
        }
    }
}

/// A moment at which a machine goes off, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Off {
    /// In seconds since the Unix epoch.
    pub at: u64,
    /// The same in the machine's own time zone.
    pub text: String,
    /// Why.
    pub why: Why,
}

/// What is in force on a machine that can switch itself off. All text in it is the machine's, made harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Power {
    /// The time of day, in its own time zone.
    pub off_at: Option<OffAt>,
    /// The idle minutes.
    pub off_when_idle: Option<u32>,
    /// Its time zone, as in `CET`.
    pub zone: String,
    /// When it goes off next, as far as that is known.
    pub next: Option<Off>,
    /// That was announced in its terminals.
    pub announced: bool,
    /// The time of day that was taken back.
    pub not_at: Option<String>,
    /// Until when it stays on in any case.
    pub kept_until: Option<String>,
    /// What kept it on when it last looked, within a minute.
    pub busy: Option<Busy>,
    /// For how many seconds nobody has needed it.
    pub quiet: Option<u64>,
    /// When it last went off by itself.
    pub went_off: Option<Off>,
}

impl Power {
    /// Reads the answer to `holdfast-power status`.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        let block = first_block(answer)?;
        let text = |key: &str| block.get(key).map(|text| harmless(text, 60)).filter(|text| !text.is_empty());
        fn number<T: FromStr>(text: Option<&String>) -> Option<T> {
            text?.parse().ok()
        }
        let off = |at: &str, words: &str, why: &str| {
            Some(Off { at: number(block.get(at))?, text: text(words)?, why: Why::read(block.get(why)?)? })
        };
        Ok(Self {
            off_at: number(block.get("off_at")),
            off_when_idle: number(block.get("off_when_idle")),
            zone: text("zone").ok_or(Garbled)?,
            next: off("off", "off_text", "off_why"),
            announced: block.contains_key("announced"),
            not_at: text("skip"),
            kept_until: text("keep"),
            busy: block.get("busy").and_then(|word| Busy::read(word)),
            quiet: number(block.get("quiet")),
            went_off: off("went_off", "went_off_text", "went_off_why"),
        })
    }

    /// Whether the machine has in force what the settings say.
    pub fn is_as(&self, desired: &Desired) -> bool {
        self.off_at == desired.off_at && self.off_when_idle == desired.off_when_idle
    }
}

/// When a machine switches itself off, as the end of a sentence about it; `None`: it does not.
pub fn rule(off_at: Option<&OffAt>, idle: Option<u32>) -> Option<String> {
    let idle = idle.map(|minutes| format!("when nobody has needed it for {minutes} minutes"));
    match (off_at, idle) {
        (None, None) => None,
        (Some(at), None) => Some(format!("at {at}")),
        (None, Some(idle)) => Some(idle),
        (Some(at), Some(idle)) => Some(format!("at {at}, and {idle}")),
    }
}

/// Of a machine that is off since its own system was shut down: why, as far as the settings tell.
pub fn went_off(desired: &Desired) -> String {
    match rule(desired.off_at.as_ref(), desired.off_when_idle) {
        Some(rule) => format!("It switched itself off. The settings say: {rule}."),
        None => "It was powered off from inside.".to_owned(),
    }
}

/// For how long a machine is to stay on, as `holdfast-power keep` takes it: `45m`, `2h` or `1d`, a week at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span(String);

/// Not such a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number with m, h or d behind it, like 45m or 2h, and 7d at most")]
pub struct NotASpan;

impl FromStr for Span {
    type Err = NotASpan;
    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let unit = match text.bytes().last() {
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(b'd') => 86_400,
            Some(_) | None => return Err(NotASpan),
        };
        let digits = &text[..text.len() - 1];
        let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits.parse::<u64>().is_ok_and(|number| (1..=7 * 86_400).contains(&(number * unit)));
        // A shell may take a zero in front for a number of eight digits.
        if plain && fits && !digits.starts_with('0') { Ok(Self(text.to_owned())) } else { Err(NotASpan) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::fixture::wanted;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let answer = b"now=1784536211\noff_at=22:30\noff_when_idle=45\nzone=CEST\noff=1784579400\noff_text=22:30 on \x1bMonday\n\
            off_why=off_at\nannounced=1\nbusy=agent\nquiet=x\nkeep=23:00 on Monday\nwent_off=1784449800\n\
            went_off_text=22:30 on Sunday\nwent_off_why=off_when_idle\n\nend\n";
        let power = Power::parse(answer).unwrap();
        let next = power.next.clone().unwrap();
        assert_eq!((next.at, next.why), (1_784_579_400, Why::OffAt));
        assert!(!next.text.contains('\u{1b}'), "{}", next.text);
        assert_eq!((power.busy, power.quiet, power.announced), (Some(Busy::Agent), None, true));
        assert_eq!(power.went_off.as_ref().map(|off| off.why), Some(Why::OffWhenIdle));
        assert!(!power.is_as(&wanted()));
        let desired = Desired { off_at: "22:30".parse().ok(), off_when_idle: Some(45), ..wanted() };
        assert!(power.is_as(&desired));
        for torn in [&answer[..answer.len() - 5], b"", b"end\n", b"now=1\n\nend\n"] {
            assert_eq!(Power::parse(torn), Err(Garbled));
        }
    }

    #[test]
    fn why_it_is_off_is_told_from_the_settings() {
        let of = |at: Option<&str>, idle| {
            let off_at = at.map(|at| at.parse().unwrap());
            went_off(&Desired { off_at, off_when_idle: idle, ..wanted() })
        };
        assert_eq!(of(None, None), "It was powered off from inside.");
        assert_eq!(of(Some("22:30"), None), "It switched itself off. The settings say: at 22:30.");
        assert_eq!(
            of(Some("22:30"), Some(45)),
            "It switched itself off. The settings say: at 22:30, and when nobody has needed it for 45 minutes."
        );
    }

    #[test]
    fn spans() {
        for good in ["1m", "45m", "2h", "7d", "168h", "10080m"] {
            assert_eq!(good.parse::<Span>().map(|span| span.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "", "m", "0m", "05m", "8d", "169h", "10081m", "45", "1w", "-1h", "1.5h", "999999m", "1hé",
            "$(id)m",
        ] {
            assert_eq!(bad.parse::<Span>(), Err(NotASpan), "{bad}");
        }
    }
}
