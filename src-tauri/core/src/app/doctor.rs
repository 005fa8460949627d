//! What the doctor has found, and when he is to look: when somebody opens his page or asks him, never by himself. A look is
//! a call of each service, dry runs, and a session on the machine.

use std::time::Duration;

use super::harmless::harmless;
use super::show::seconds;
use super::view::{self, Offer};
use super::{App, Command, Page, Refusal};
use crate::doctor::{Finding, Mark, Part, Report};
use crate::time::Moment;

/// For how long an answer will do when somebody comes back to the page.
const FRESH: Duration = Duration::from_secs(300);
/// More findings than there can be.
const MOST: usize = 200;

/// The doctor.
#[derive(Debug, Default)]
pub(super) struct Doctor {
    report: Option<(Report, Moment)>,
    looking: bool,
    due: bool,
}

impl Doctor {
    /// Somebody has come to his page.
    pub(super) fn visited(&mut self, now: Moment) {
        self.due |= self.report.as_ref().is_none_or(|(_, at)| now.since(*at) > FRESH);
    }

    pub(super) fn asked(&mut self) {
        self.due = true;
    }

    /// Whether he found that AWS takes nobody's credentials.
    pub(super) fn misses_credentials(&self) -> bool {
        let missing = |finding: &Finding| finding.area == Part::Credentials && finding.mark == Mark::Failed;
        self.report.as_ref().is_some_and(|(report, _)| report.findings.iter().any(missing))
    }

    pub(super) fn looking(&mut self) {
        (self.looking, self.due) = (true, false);
    }

    /// What he has found, unless it is about other settings by now.
    pub(super) fn found(&mut self, report: Report, now: Moment) {
        if std::mem::take(&mut self.looking) {
            self.report = Some((harmless_report(report), now));
        }
    }
}

impl App {
    /// Whether the doctor is to look now.
    pub fn wants_doctor(&self) -> bool {
        self.window && self.doctor.due && !self.doctor.looking && self.settings.is_some()
    }

    /// Whether what the doctor finds is still wanted.
    pub fn awaits_doctor(&self) -> bool {
        self.doctor.looking
    }

    /// Other settings were read, and what was found is about those of before.
    pub(super) fn forget_findings(&mut self) {
        self.doctor = Doctor { due: self.shows(Page::Doctor), ..Doctor::default() };
    }

    pub(super) fn may_examine(&self) -> Result<(), Refusal> {
        if self.doctor.looking || self.wants_doctor() {
            return Err(Refusal { why: "Everything is being looked at".to_owned() });
        }
        Ok(())
    }
}

/// The machine and AWS have a word in what is found.
fn harmless_report(report: Report) -> Report {
    let harmless = |finding: Finding| Finding {
        what: harmless(&finding.what, 600),
        todo: finding.todo.map(|todo| harmless(&todo, 300)),
        ..finding
    };
    Report { findings: report.findings.into_iter().take(MOST).map(harmless).collect(), ..report }
}

/// What is shown of him.
pub(super) fn view(app: &App) -> view::Doctor {
    let doctor = &app.doctor;
    let report = doctor.report.as_ref().map(|(report, _)| report);
    let findings = report.map_or(&[][..], |report| &report.findings);
    let count = |mark| u32::try_from(findings.iter().filter(|f| f.mark == mark).count()).unwrap_or(u32::MAX);
    let (failed, warnings) = (count(Mark::Failed), count(Mark::Warning));
    let (pressing, well) = report.map(Report::by_urgency).unwrap_or_default();
    let mut areas: Vec<view::Examined> = Vec::new();
    for finding in well {
        if areas.last().is_none_or(|last| last.area != finding.area) {
            areas.push(view::Examined { area: finding.area, findings: Vec::new() });
        }
        if let Some(area) = areas.last_mut() {
            area.findings.push(finding.what.clone());
        }
    }
    view::Doctor {
        looking: doctor.looking || app.wants_doctor(),
        seen: doctor.report.as_ref().map(|(_, at)| seconds(*at)),
        headline: report.map(|_| headline(failed, warnings)),
        failed,
        warnings,
        well: count(Mark::Ok),
        pressing: pressing.into_iter().cloned().collect(),
        areas,
        look: app.may(&Command::Examine).ok().map(|()| Offer {
            label: if report.is_some() { "Examine again" } else { "Examine" }.to_owned(),
            note: None,
            asks: None,
        }),
    }
}

fn headline(failed: u32, warnings: u32) -> String {
    match (failed, warnings) {
        (0, 0) => "Everything works.".to_owned(),
        (0, 1) => "Everything works. 1 thing is worth a look.".to_owned(),
        (0, many) => format!("Everything works. {many} things are worth a look."),
        (1, _) => "1 thing does not work.".to_owned(),
        (many, _) => format!("{many} things do not work."),
    }
}
