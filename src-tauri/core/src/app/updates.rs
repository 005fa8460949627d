//! Whether there is a newer Holdfast: asked once a day, and never where that is switched off.

use std::time::Duration;

use super::harmless::harmless;
use super::{App, Page, Refusal, view};
use crate::notices::NoticeKind;
use crate::time::Moment;

/// How long after one question the next one comes, at least.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Spread over so long beyond that, so that not everybody asks at the same hour.
const JITTER: Duration = Duration::from_secs(4 * 3600);
/// The first question waits until the start is over.
const AFTER_START: Duration = Duration::from_secs(60);

/// What is known of newer versions.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// This Holdfast knows a place to ask.
    knows_where: bool,
    /// When to ask next; `None`: not by itself.
    next: Option<Moment>,
    found: Option<view::Update>,
    /// The version that was told of.
    told: Option<String>,
}

impl Updates {
    /// What somebody found who asked last; that was told then.
    pub(super) fn asked_before(
        &mut self,
        last: Option<Moment>,
        found: Option<view::Update>,
        salt: u64,
        now: Moment,
    ) {
        self.told = found.as_ref().map(|update| update.version.clone());
        self.found = found.map(harmless_update);
        self.knows_where = true;
        self.asked_last(last, salt, now);
    }

    /// Whether this Holdfast knows a place to ask.
    pub(super) fn knows_where(&self) -> bool {
        self.knows_where
    }

    /// Where it is known when somebody asked last, and a number that is this computer's own.
    fn asked_last(&mut self, last: Option<Moment>, salt: u64, now: Moment) {
        let jitter = Duration::from_secs(salt % JITTER.as_secs());
        // What lies ahead was asked by a clock that was wrong.
        let due = last.filter(|last| *last <= now).map_or(now, |last| last + DAY + jitter);
        self.next = Some(due.max(now + AFTER_START));
    }

    pub(super) fn asking(&mut self) {
        self.next = None;
    }

    /// `newer` is the version that there is, where it is newer than this one.
    fn answered(&mut self, newer: Result<Option<view::Update>, ()>, salt: u64, now: Moment) {
        if let Ok(newer) = newer {
            self.found = newer.map(harmless_update);
        }
        self.asked_last(Some(now), salt, now);
    }
}

fn harmless_update(update: view::Update) -> view::Update {
    view::Update { version: harmless(&update.version, 40), page: harmless(&update.page, 300) }
}

impl App {
    /// How long the next question for a newer version can wait; `None`: nobody wants one.
    pub fn next_look_for_updates(&self, now: Moment) -> Option<Duration> {
        self.setup().filter(|setup| setup.settings.updates)?;
        // A clock that was set back does not put it off.
        Some(self.updates.next?.since(now))
            .map(|pause| if pause > DAY + JITTER { Duration::ZERO } else { pause })
    }

    /// The page of the newer version.
    pub fn update(&self) -> Option<&view::Update> {
        self.setup().filter(|setup| setup.settings.updates)?;
        self.updates.found.as_ref()
    }

    pub(super) fn may_show_update(&self) -> Result<(), Refusal> {
        match self.update() {
            Some(_) => Ok(()),
            None => Err(Refusal { why: "No newer version is known".to_owned() }),
        }
    }

    pub(super) fn answered_about_updates(
        &mut self,
        newer: Result<Option<view::Update>, ()>,
        salt: u64,
        now: Moment,
    ) {
        self.updates.answered(newer, salt, now);
        let Some(found) = self.update().cloned() else { return };
        if self.updates.told.replace(found.version.clone()).as_ref() != Some(&found.version) && !self.window {
            let title = format!("Holdfast {} is available", found.version);
            self.tell(NoticeKind::Update, title, "Click to see where.".to_owned(), Page::Settings);
        }
    }
}
