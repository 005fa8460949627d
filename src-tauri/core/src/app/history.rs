//! What this computer has changed, for whoever looks at it. It is read when its page is opened and after whatever may have
//! added to it, and the view carries it only while its page is open.

use super::harmless::harmless;
use super::view;
use super::{App, Page};
use crate::history::{Deed, Outcome, runs, title};
use crate::jobs::JobId;

/// The view carries so many deeds at most; `holdfast history --all` has the rest.
const MOST: usize = 500;

/// The deeds that are known.
#[derive(Debug, Default)]
pub(super) struct History {
    shown: Option<view::History>,
    reading: bool,
    due: bool,
}

impl History {
    /// There may be more now.
    pub(super) fn changed(&mut self) {
        self.due = true;
    }

    pub(super) fn reading(&mut self) {
        (self.reading, self.due) = (true, false);
    }

    pub(super) fn read(&mut self, deeds: &[Deed]) {
        self.reading = false;
        self.shown = Some(shown(deeds));
    }

    /// The machine of a job.
    pub(super) fn machine_of(&self, job: &JobId) -> Option<&str> {
        let is = |run: &&view::Run| run.log.as_ref().is_some_and(|log| log.job == *job);
        self.shown.as_ref()?.runs.iter().find(is).map(|run| run.machine.as_str())
    }
}

impl App {
    /// Whether what was changed is to be read now.
    pub fn wants_history(&self) -> bool {
        self.history.due && !self.history.reading && self.shows(Page::Activity)
    }
}

fn shown(deeds: &[Deed]) -> view::History {
    let before = deeds.len().saturating_sub(MOST);
    let runs = runs(deeds.get(before..).unwrap_or_default()).into_iter().filter_map(|run| {
        let (first, last) = (*run.first()?, *run.last()?);
        Some(view::Run {
            at: moment(first.at),
            until: moment(last.at),
            title: harmless(&title(&first.operation), 80),
            command: harmless(&first.operation, 80),
            machine: harmless(&first.machine, 120),
            who: run.iter().rev().find_map(|deed| deed.who.as_deref()).map(|who| harmless(who, 200)),
            result: result(&run),
            log: run.iter().find_map(|deed| deed.job.clone()).map(|job| view::RunLog { job, refused: None }),
            deeds: run.into_iter().map(deed).collect(),
        })
    });
    view::History { runs: runs.collect(), before: u32::try_from(before).unwrap_or(u32::MAX), log: None }
}

/// How it went: of a job what became of it, whoever tried to cancel it in vain; else the worst of all.
fn result(run: &[&Deed]) -> Outcome {
    let end = run.iter().rev().find(|deed| deed.operation == "job");
    end.map(|deed| deed.result).or(run.iter().map(|deed| deed.result).max()).unwrap_or(Outcome::Done)
}

fn deed(deed: &Deed) -> view::Deed {
    view::Deed {
        at: moment(deed.at),
        what: harmless(&deed.what, 300),
        result: deed.result,
        why: deed.why.as_deref().map(|why| harmless(why, 300)),
    }
}

fn moment(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What is shown of it; `None` while nobody wants to see it.
pub(super) fn view(app: &App) -> Option<view::History> {
    app.history.shown.clone().filter(|_| app.shows(Page::Activity)).map(|history| app.with_logs(history))
}
