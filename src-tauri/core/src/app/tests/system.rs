//! What the machine runs, and its job: what is shown, what may be done, when it is looked at, what is told.

use super::fixture::{at, problem, reachable, seeing, tray};
use crate::app::{App, Command, Event, JobEnd};
use crate::jobs::{Action, Job, MachineState, Outcome, Step, Trial};

fn state(trial: Option<Trial>, jobs: Vec<Job>) -> MachineState {
    let revision = Some("embedded 1a2b3c4d5e6f".to_owned());
    MachineState { now: 0, generation: Some(7), revision, good: trial.is_none(), trial, jobs }
}

fn job(outcome: Option<Outcome>) -> Job {
    Job {
        id: "1-2".parse().unwrap(),
        is_rollback: false,
        nonce: String::new(),
        action: Action::Switch,
        by: "bob@other".to_owned(),
        began: 1_795_507_200,
        ended: None,
        stage: None,
        outcome,
        why: None,
        generation: Some(8),
        revision: None,
        updates: false,
    }
}

fn ended(outcome: Outcome, what: Option<&str>) -> Event {
    Event::JobEnded(Ok(Box::new(JobEnd { job: job(Some(outcome)), problem: what.map(problem) })))
}

/// An app that looked at second 20.
fn seen(state: MachineState) -> App {
    let mut app = seeing(reachable());
    app.on(Event::LookingAtSystem, at(18));
    app.on(Event::LookedAtSystem(Ok(state)), at(20));
    app
}

fn runs(app: &App) -> String {
    app.view().system.and_then(|system| system.runs).unwrap_or_default()
}

#[test]
fn a_rebuild_is_followed_and_told() {
    let mut app = seen(state(None, Vec::new()));
    assert_eq!(runs(&app), "Runs generation 7, embedded 1a2b3c4d5e6f");
    assert!(tray(&app.view()).contains("Rebuild"));
    assert!(app.may(&Command::Rebuild).is_ok() && app.may(&Command::CancelJob).is_err());

    app.on(Event::JobAsked, at(30));
    assert!(app.may(&Command::Rebuild).is_err(), "one at a time");
    assert!(app.may(&Command::CancelJob).is_err(), "it has no name yet");
    app.on(Event::JobBegun("1-2".parse().unwrap()), at(31));
    app.on(Event::JobAt(Step::Fetch { n: 3, of: 17 }), at(32));
    let shown = tray(&app.view());
    assert!(
        shown.contains("Rebuilding remote-dev: fetching 3 of 17") && shown.contains("Cancel the rebuild"),
        "{shown}"
    );
    app.on(Event::JobCancelling(true), at(33));
    assert!(app.may(&Command::CancelJob).is_err());
    app.on(Event::JobCancelling(false), at(34));
    app.on(Event::JobAt(Step::Activate), at(35));
    let refusal = app.may(&Command::CancelJob).unwrap_err();
    assert!(refusal.why.contains("between two systems"), "{}", refusal.why);

    assert_eq!(app.notices().count(), 0);
    app.on(ended(Outcome::Ok, None), at(60));
    let told: Vec<String> = app.notices().map(|notice| notice.title).collect();
    assert_eq!(told, ["remote-dev runs generation 8"]);
    assert_eq!(
        app.next_look_at_system(at(60)).map(|pause| pause.as_secs()),
        Some(0),
        "it runs another one now"
    );
}

#[test]
fn one_that_fails_is_told_with_its_reason_unless_somebody_watches() {
    let mut app = seen(state(None, Vec::new()));
    app.on(Event::JobAsked, at(30));
    app.on(ended(Outcome::RolledBack, Some("The machine went back")), at(60));
    let told: Vec<(String, String)> = app.notices().map(|notice| (notice.title, notice.body)).collect();
    assert_eq!(
        told,
        [("Rebuilding remote-dev: it did not work".to_owned(), "The machine went back.".to_owned())]
    );
    let last = app.view().system.unwrap().last.unwrap();
    assert_eq!(last.text, "remote-dev went back to what it ran before");
    assert!(last.problem.is_some());

    app.on(Event::Window(true), at(61));
    app.on(Event::JobAsked, at(62));
    app.on(Event::JobEnded(Err(problem("busy"))), at(63));
    assert_eq!(app.notices().count(), 0);
    assert!(app.may(&Command::Rebuild).is_ok());
}

#[test]
fn the_job_of_somebody_else_is_found_and_followed() {
    let app = seen(state(None, vec![job(None)]));
    assert_eq!(app.job().map(ToString::to_string), Some("1-2".to_owned()));
    let shown = app.view().system.unwrap().job.unwrap();
    assert_eq!(shown.by.as_deref(), Some("bob@other"));
    assert!(seen(state(None, vec![job(Some(Outcome::Ok))])).job().is_none());
}

#[test]
fn what_is_on_trial_is_said() {
    let trial =
        |waits_for_boot| Trial { number: 7, switching: false, waits_for_boot, previous: Some(6), job: None };
    let note = |waits| seen(state(Some(trial(waits)), Vec::new())).view().system.unwrap().note.unwrap();
    assert_eq!(note(false), "Generation 7 is on trial until somebody connects");
    assert!(note(true).contains("at the next boot"));
}

#[test]
fn a_machine_that_is_none_has_nothing_to_rebuild() {
    let mut app = seeing(reachable());
    app.on(Event::LookingAtSystem, at(18));
    app.on(
        Event::LookedAtSystem(Err(crate::app::Problem { code: "no_system".to_owned(), ..problem("none") })),
        at(20),
    );
    let system = app.view().system.unwrap();
    assert!(
        system.problem.is_none()
            && system.rebuild.is_none()
            && system.runs.unwrap().contains("shell on your computer")
    );
}

#[test]
fn nobody_looks_in_the_background_and_who_opens_the_window_sees_it() {
    let mut app = seeing(reachable());
    assert_eq!(app.next_look_at_system(at(500)), None);
    app.on(Event::Window(true), at(500));
    assert_eq!(app.next_look_at_system(at(500)).map(|pause| pause.as_secs()), Some(0));
    app.on(Event::LookingAtSystem, at(500));
    assert_eq!(app.next_look_at_system(at(501)), None);
    app.on(Event::LookedAtSystem(Ok(state(None, Vec::new()))), at(502));
    assert_eq!(app.next_look_at_system(at(503)), None);
    app.on(Event::Window(true), at(600));
    assert_eq!(app.next_look_at_system(at(600)).map(|pause| pause.as_secs()), Some(0), "after a while");
}
