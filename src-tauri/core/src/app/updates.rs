//! Whether there is a newer Holdfast: asked once a day, and never where that is switched off.

use std::time::Duration;

use super::harmless::harmless;
use super::{App, Notice, Page, Refusal, view};
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
    /// When to ask next; `None`: this Holdfast knows no place to ask.
    next: Option<Moment>,
    asking: bool,
    found: Option<view::Update>,
    /// The version that was told of.
    told: Option<String>,
}

impl Updates {
    /// Where it is known when somebody asked last, and a number that is this computer's own.
    pub(super) fn asked_last(&mut self, last: Option<Moment>, salt: u64, now: Moment) {
        let jitter = Duration::from_secs(salt % JITTER.as_secs());
        // What lies ahead was asked by a clock that was wrong.
        let due = last.filter(|last| *last <= now).map_or(now, |last| last + DAY + jitter);
        self.next = Some(due.max(now + AFTER_START));
    }

    pub(super) fn asking(&mut self) {
        (self.asking, self.next) = (true, None);
    }

    /// `newer` is the version that there is, where it is newer than this one.
    fn answered(&mut self, newer: Option<view::Update>, salt: u64, now: Moment) {
        self.asking = false;
        self.found = newer.map(|update| view::Update {
            version: harmless(&update.version, 40),
            page: harmless(&update.page, 300),
        });
        self.asked_last(Some(now), salt, now);
    }
}

impl App {
    /// How long the next question for a newer version can wait; `None`: nobody wants one.
    pub fn next_look_for_updates(&self, now: Moment) -> Option<Duration> {
        self.setup().filter(|setup| setup.settings.updates)?;
        Some(self.updates.next?.since(now))
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

    pub(super) fn answered_about_updates(&mut self, newer: Option<view::Update>, salt: u64, now: Moment) {
        self.updates.answered(newer, salt, now);
        let Some(found) = self.update().cloned() else { return };
        if self.updates.told.replace(found.version.clone()).as_ref() != Some(&found.version) && !self.window {
            self.tell(Notice {
                kind: NoticeKind::Update,
                title: format!("Holdfast {} is there", found.version),
                body: "A click leads to it.".to_owned(),
                page: Page::Settings,
            });
        }
    }
}
