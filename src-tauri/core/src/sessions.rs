//! The zellij sessions on a machine, as it lists them. What it says of them is untrusted text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::harmless::harmless;
use crate::names::SessionName;

/// Characters of a name that are shown.
const LONGEST_SHOWN: usize = 60;
/// Sessions that are listed at most: more are no list for people.
const MOST: usize = 500;

/// One session on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct ZellijSession {
    /// Its name, fit to be shown.
    pub shown: String,
    /// Its name, if Holdfast can attach to it: zellij allows names that Holdfast does not.
    #[specta(type = Option<String>)]
    pub name: Option<SessionName>,
    /// Programs run in it. Else it has ended, and can be opened again with the same layout.
    pub live: bool,
    /// Seconds since it was made, or since it ended.
    #[specta(type = Option<u32>)]
    pub age: Option<u64>,
    /// Panes of programs in it, where the machine told.
    pub panes: Option<u32>,
}

/// The machine's answer makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine's list of sessions makes no sense")]
pub struct Garbled;

/// Reads what [`script::sessions`](crate::script::sessions) writes; the live ones first, and then by name.
///
/// # Errors
/// It is not whole.
pub fn parse(output: &[u8], nonce: &str) -> Result<Vec<ZellijSession>, Garbled> {
    let mut rest = output;
    let mut sessions = Vec::new();
    let mut named = None;
    loop {
        let (kind, body, after) = part(rest, nonce).ok_or(Garbled)?;
        rest = after;
        match kind {
            "list" => sessions = body.lines().filter_map(line).take(MOST).collect(),
            "name" => named = Some(body.to_owned()),
            "panes" => {
                let name = named.take().ok_or(Garbled)?;
                if let Some(session) = sessions.iter_mut().find(|(raw, _)| *raw == name) {
                    session.1.panes = panes(&body);
                }
            }
            "end" => break,
            _ => return Err(Garbled),
        }
    }
    let mut sessions: Vec<ZellijSession> = sessions.into_iter().map(|(_, session)| session).collect();
    sessions.sort_by(|a, b| b.live.cmp(&a.live).then_with(|| a.shown.cmp(&b.shown)));
    Ok(sessions)
}

/// Takes one part off: its kind and its text. Anything a login shell says before it is passed over.
fn part<'a>(output: &'a [u8], nonce: &str) -> Option<(&'a str, String, &'a [u8])> {
    let head = format!("holdfast;{nonce};");
    let at = output.windows(head.len()).position(|window| window == head.as_bytes())?;
    let rest = output.get(at + head.len()..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (kind, length) =
        std::str::from_utf8(rest.get(..end)?).ok()?.trim_end_matches('\r').split_once(';')?;
    let (from, length) = (end + 1, length.parse::<usize>().ok()?);
    let body = rest.get(from..from.checked_add(length)?)?;
    Some((kind, String::from_utf8_lossy(body).into_owned(), rest.get(from + length..)?))
}

/// One line of `zellij list-sessions --no-formatting`: `NAME [Created 1m 2s ago] (EXITED - attach to resurrect)`. The name
/// may hold anything but a line end.
/// Source: zellij 0.45.1, `zellij-utils/src/sessions.rs`
fn line(line: &str) -> Option<(String, ZellijSession)> {
    let line = line.trim_end_matches('\r');
    let (raw, rest) = line.rsplit_once(" [Created ")?;
    let (age, state) = rest.split_once(" ago]")?;
    let session = ZellijSession {
        shown: harmless(raw, LONGEST_SHOWN),
        name: raw.parse().ok(),
        live: !state.contains("EXITED"),
        age: age_of(age).map(|age| age.as_secs()),
        panes: None,
    };
    Some((raw.to_owned(), session))
}

/// A time as the crate humantime writes it: `2days 3h 4m 5s`.
fn age_of(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    for word in text.split_whitespace() {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u64 = word.strip_suffix(unit)?.parse().ok()?;
        let one = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "day" | "days" => 86_400,
            "month" | "months" => 2_630_016,
            "year" | "years" => 31_557_600,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(one)?)?;
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// How many panes of `zellij action list-panes --json` hold programs of the user: zellij's own bars are plugins.
fn panes(json: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Pane {
        is_plugin: bool,
    }
    let panes: Vec<Pane> = serde_json::from_str(json).ok()?;
    u32::try_from(panes.iter().filter(|pane| !pane.is_plugin).count()).ok()
}

/// An age in two words at most: `5 s`, `3 min`, `2 h`, `4 days`.
pub fn age_in_words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(parts: &[(&str, &str)]) -> Vec<u8> {
        let text: String = parts
            .iter()
            .map(|(kind, body)| format!("holdfast;n0nce;{kind};{}\n{body}\n", body.len()))
            .collect();
        text.into_bytes()
    }

    #[test]
    fn a_list_is_read() {
        let list = "work [Created 1m 2s ago] \n\
                    old [Created 2days 3h ago] (EXITED - attach to resurrect)\n\
                    main [Created 3s ago] (current)\n\
                    my \u{1b}[31mname; rm -rf [Created 9h ago] \n\
                    no session at all";
        let panes = r#"[{"id":0,"is_plugin":true},{"id":1,"is_plugin":false},{"id":2,"is_plugin":false}]"#;
        let output = [
            b"Welcome!\n".as_slice(),
            &framed(&[
                ("list", list),
                ("name", "work"),
                ("panes", panes),
                ("name", "main"),
                ("panes", ""),
                ("end", ""),
            ]),
        ]
        .concat();
        let table: Vec<String> = parse(&output, "n0nce")
            .unwrap()
            .into_iter()
            .map(|s| {
                format!(
                    "{:?} {:?} {} {:?} {:?}",
                    s.shown,
                    s.name.map(|n| n.to_string()),
                    s.live,
                    s.age,
                    s.panes
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        "main" Some("main") true Some(3) None
        "my [31mname; rm -rf" None true Some(32400) None
        "work" Some("work") true Some(62) Some(2)
        "old" Some("old") false Some(183600) None
        "#);
    }

    #[test]
    fn what_is_not_whole_is_no_list() {
        let whole = framed(&[("list", "main [Created 3s ago] "), ("end", "")]);
        assert_eq!(parse(&whole, "n0nce").unwrap().len(), 1);
        for cut in 0..whole.len() - 2 {
            assert_eq!(parse(&whole[..cut], "n0nce"), Err(Garbled), "{cut}");
        }
        assert_eq!(parse(&whole, "other"), Err(Garbled));
        assert_eq!(parse(&framed(&[("panes", "[]"), ("end", "")]), "n0nce"), Err(Garbled));
        assert_eq!(parse(b"holdfast;n0nce;list;18446744073709551615\nx", "n0nce"), Err(Garbled));
        assert_eq!(parse(&framed(&[("list", ""), ("end", "")]), "n0nce"), Ok(Vec::new()));
    }

    #[test]
    fn ages_are_short() {
        let words: Vec<String> = [0, 59, 60, 7199, 7200, 86_400, 200_000].map(age_in_words).into();
        assert_eq!(words, ["0 s", "59 s", "1 min", "1 h", "2 h", "1 day", "2 days"]);
    }

    proptest! {
        #[test]
        fn no_answer_of_a_machine_does_harm(
            junk in prop::collection::vec(prop::sample::select(vec![
                "holdfast;n0nce;", "list;", "name;", "panes;", "end;", "3", "\n", "a [Created ", "1s", " ago]", "\u{202e}", "\u{1b}[2J", "[]",
            ]), 0..40),
        ) {
            if let Ok(sessions) = parse(junk.concat().as_bytes(), "n0nce") {
                for session in sessions {
                    let acts = session.shown.chars().any(|c| c.is_control() || c == '\u{202e}');
                    prop_assert!(!acts);
                }
            }
        }
    }
}
