//! The one line that says why nothing moves, and how it is drawn.

use std::time::Duration;

/// Why there is no line to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The line is lost; with what stands in the way of another.
    Line(Option<String>),
    /// The session was ended from outside, in the words of whoever did.
    Session(String),
    /// There are no valid credentials; in a few words, with what helps.
    Credentials(String),
    /// The machine cannot be reached through SSM; in a few words.
    Machine(String),
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is under way.
    Trying,
    /// Another try, so much later.
    Again(Duration),
}

/// What the user is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is no line.
    Away {
        /// For how long.
        lasts: Duration,
        /// Why.
        reason: Reason,
        /// What comes next.
        next: Next,
    },
    /// Something to be read once.
    Say(String),
}

impl Notice {
    /// One line of text, of whatever length; it changes once a second.
    pub fn words(&self, machine: &str) -> String {
        match self {
            Self::Say(text) => text.clone(),
            Self::Away { lasts, reason, next } => {
                let (what, why) = match reason {
                    Reason::Line(why) => ("no line", why.as_deref().unwrap_or_default()),
                    Reason::Session(why) => ("no session", why.as_str()),
                    Reason::Credentials(why) => ("not signed in", why.as_str()),
                    Reason::Machine(why) => ("out of reach", why.as_str()),
                };
                let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
                let next = match next {
                    Next::Trying => "trying".to_owned(),
                    Next::Again(wait) => format!("next try in {}", time(*wait)),
                };
                format!("{machine}: {what} for {}{why}; {next}", time(*lasts))
            }
        }
    }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{} s", seconds.max(1)),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Draws `text` on a terminal of so many columns.
///
/// Where a program has the alternate screen it draws all of it, so the line goes over the first row and the program
/// draws that again afterwards. Elsewhere nobody could: there the line goes into the row below the cursor, for which the
/// terminal scrolls if it must; `first` says that it is not there yet.
pub fn show(text: &str, columns: u16, alternate: bool, first: bool) -> Vec<u8> {
    let width = usize::from(columns).max(1);
    let visible: String = text.chars().filter(|c| !c.is_control()).take(width.saturating_sub(2)).collect();
    let place = match (alternate, first) {
        (true, _) => "\x1b7\x1b[1;1H",
        (false, true) => "\n\x1b[A\x1b7\x1b[B\r",
        (false, false) => "\x1b7\x1b[B\r",
    };
    format!("{place}\x1b[0;7m {visible} \x1b[0m\x1b[K\x1b8").into_bytes()
}

/// Takes the line away again. In the alternate screen only its program can.
pub fn hide(alternate: bool) -> Vec<u8> {
    if alternate { Vec::new() } else { b"\x1b7\x1b[B\r\x1b[2K\x1b8".to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_since_when_and_why_and_what_next() {
        let seconds = Duration::from_secs;
        let away = |lasts, reason, next| Notice::Away { lasts, reason, next }.words("remote-dev");
        let texts = [
            away(seconds(0), Reason::Line(None), Next::Trying),
            away(
                seconds(75),
                Reason::Line(Some("the network is unreachable".into())),
                Next::Again(seconds(7)),
            ),
            away(seconds(4000), Reason::Session("idle for too long".into()), Next::Trying),
            away(seconds(3), Reason::Session(String::new()), Next::Trying),
            away(seconds(30), Reason::Machine("it is off".into()), Next::Again(seconds(3))),
            away(seconds(9), Reason::Credentials("run: aws sso login".into()), Next::Again(seconds(2))),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        remote-dev: no line for 1 s; trying
        remote-dev: no line for 1 min (the network is unreachable); next try in 7 s
        remote-dev: no session for 1 h 6 min (idle for too long); trying
        remote-dev: no session for 3 s; trying
        remote-dev: out of reach for 30 s (it is off); next try in 3 s
        remote-dev: not signed in for 9 s (run: aws sso login); next try in 2 s
        ");
    }

    #[test]
    fn it_is_one_row_whatever_it_says() {
        let drawn = show("evil\x1b[2J\ntext that is too long for it", 20, true, true);
        assert_eq!(
            String::from_utf8(drawn).unwrap(),
            "\x1b7\x1b[1;1H\x1b[0;7m evil[2Jtext that i \x1b[0m\x1b[K\x1b8"
        );
        assert!(show("x", 0, false, true).starts_with(b"\n\x1b[A\x1b7"));
    }
}
