//! `holdfast history`.

use holdfast_core::app::harmless::harmless;
use serde::Serialize;

use super::out::{self, Style};
use super::{Global, store, when};
use crate::history::{Deed, Outcome};
use crate::problem::Problem;

/// How many are shown of themselves.
const FEW: usize = 50;

/// `holdfast history --json`, version 1: the oldest first, with the fields of [`Deed`].
#[derive(Serialize)]
struct HistoryJson<'a> {
    version: u32,
    deeds: &'a [Deed],
}

pub(super) fn run(global: &Global, json: bool, all: bool) -> Result<u8, Problem> {
    let deeds = store(global)?.deeds().all();
    if json {
        out::json(&HistoryJson { version: 1, deeds: &deeds })?;
        return Ok(0);
    }
    if deeds.is_empty() {
        out::talk("This computer has changed nothing yet.");
        return Ok(0);
    }
    let from = if all { 0 } else { deeds.len().saturating_sub(FEW) };
    for deed in deeds.iter().skip(from) {
        out::data(&line(deed));
    }
    if from > 0 {
        out::talk(&format!("{} {from} before these: holdfast history --all", Style::stderr().soft("→")));
    }
    Ok(0)
}

fn line(deed: &Deed) -> String {
    let plain = |text: &str| harmless(text, 300);
    let result = match (deed.result, deed.why.as_deref().map(plain)) {
        (Outcome::Done, _) => String::new(),
        (Outcome::Refused, Some(why)) => format!("  NOT DONE: {why}"),
        (Outcome::Refused, None) => "  NOT DONE".to_owned(),
        (Outcome::Unknown, Some(why)) => format!("  nobody heard: {why}"),
        (Outcome::Unknown, None) => "  nobody heard".to_owned(),
    };
    let who = deed.who.as_deref().map(|who| format!("  as {}", plain(who))).unwrap_or_default();
    let (machine, operation, what) = (plain(&deed.machine), plain(&deed.operation), plain(&deed.what));
    format!("{}  {machine}  {operation}: {what}{result}{who}", when::clock(deed.at))
}
