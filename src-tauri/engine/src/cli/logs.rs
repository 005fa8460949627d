//! `holdfast logs`.

use std::time::Duration;

use holdfast_core::app::harmless::harmless;

use super::out;
use super::{Global, store};
use crate::log::{lines, readable};
use crate::problem::Problem;

/// How many lines are shown of themselves.
const FEW: usize = 200;
/// How often somebody who follows looks again.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(global: &Global, follow: bool, json: bool) -> Result<u8, Problem> {
    let path = store(global)?.log_file();
    let show = |line: &str| out::data(&if json { line.to_owned() } else { harmless(&readable(line), 2000) });
    let mut all = lines(&path);
    if all.is_empty() && !follow {
        out::talk("The log is empty.");
    }
    all.iter().skip(all.len().saturating_sub(FEW)).for_each(|line| show(line));
    if !follow {
        return Ok(0);
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = lines(&path);
        // Where the last one was seen; all of it when the file has made way meanwhile.
        let seen = all.last().and_then(|last| now.iter().rposition(|line| line == last));
        now.iter().skip(seen.map_or(0, |seen| seen + 1)).for_each(|line| show(line));
        all = now;
    }
}
