//! What the machine runs, and its job: what is shown, what may be done, when it is looked at, what is told.

use std::time::Duration;

use super::fixture::{app, at, looked, overview, problem, reachable, seeing, setup, tray};
use crate::app::{App, Command, Event, JobEnd, Operation, Page, Problem, SystemSeen};
use crate::history::{self, Deed};
use crate::jobs::{Action, Checkout, Declared, Disk, Here, Job, LogBuffer, Outcome, Standing, Step, Trial};
use crate::machine::Power;
use crate::plan::tests::fixture::powered;

fn state(trial: Option<Trial>, jobs: Vec<Job>) -> SystemSeen {
    let mut seen = overview(&[9, 7, 6], 7);
    let state = &mut seen.overview.state;
    (state.good, state.trial, state.jobs) = (trial.is_none(), trial, jobs);
    seen
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
fn seen(seen: SystemSeen) -> App {
    let mut app = seeing(reachable());
    app.on(Event::LookingAtSystem, at(18));
    app.on(Event::LookedAtSystem(Ok(Box::new(seen))), at(20));
    app
}

/// The job is there, and has said this.
fn said(step: Step, lines: &[&str]) -> Event {
    let mut log = LogBuffer::default();
    lines.iter().for_each(|line| log.push(line));
    Event::JobAt { step, log }
}

fn runs(app: &App) -> String {
    app.view().system.and_then(|system| system.runs).unwrap_or_default()
}

#[test]
fn a_rebuild_is_followed_and_told() {
    let mut app = seen(state(None, Vec::new()));
    assert_eq!(runs(&app), "Runs generation 7, embedded 7");
    assert!(tray(&app.view()).contains("Rebuild"));
    assert!(app.may(&Command::Rebuild).is_ok() && app.may(&Command::CancelJob).is_err());

    app.on(Event::JobAsked { to: None }, at(30));
    assert!(app.may(&Command::Rebuild).is_err(), "one at a time");
    assert!(app.may(&Command::CancelJob).is_err(), "it has no name yet");
    app.on(Event::JobBegun("1-2".parse().unwrap()), at(31));
    app.on(said(Step::Fetch { n: 3, of: 17 }, &[]), at(32));
    let shown = tray(&app.view());
    assert!(
        shown.contains("Rebuilding remote-dev: fetching 3 of 17") && shown.contains("Cancel the job"),
        "{shown}"
    );
    app.on(Event::JobCancelling, at(33));
    assert!(app.may(&Command::CancelJob).is_err());
    app.on(Event::JobNotCancelled("1-2".parse().unwrap(), problem("no way")), at(34));
    let told: Vec<(String, String)> = app.notices().map(|notice| (notice.title, notice.body)).collect();
    assert_eq!(told, [("Rebuilding remote-dev: it could not be cancelled".to_owned(), "No way.".to_owned())]);
    app.on(said(Step::Activate, &[]), at(35));
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
    app.on(Event::JobAsked { to: None }, at(30));
    app.on(ended(Outcome::RolledBack, Some("The machine went back")), at(60));
    let told: Vec<_> = app.notices().map(|notice| (notice.title, notice.body, notice.page)).collect();
    let (title, body) = ("Rebuilding remote-dev: it did not work", "The machine went back.");
    assert_eq!(told, [(title.to_owned(), body.to_owned(), Page::Activity)], "its log is there");
    let last = app.view().system.unwrap().last.unwrap();
    assert_eq!(last.text, "remote-dev went back to what it ran before");
    assert!(last.problem.is_some());

    app.on(Event::Window(true), at(61));
    app.on(Event::JobAsked { to: None }, at(62));
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
    app.on(Event::LookedAtSystem(Err(Problem { code: "no_system".to_owned(), ..problem("none") })), at(20));
    let system = app.view().system.unwrap();
    assert!(
        system.problem.is_none()
            && system.rebuild.is_none()
            && system.runs.unwrap().contains("shell on your computer")
    );
    app.on(looked(powered(Power::Stopped)), at(30));
    app.on(looked(reachable()), at(40));
    assert!(app.view().system.unwrap().rebuild.is_none(), "it is the same one, off and on");
}

/// A machine with so many GiB of 100 free.
fn with_free(gib: u64) -> SystemSeen {
    let mut seen = state(None, Vec::new());
    seen.overview.state.disk = Some(Disk { size: 100 << 30, free: gib << 30 });
    seen
}

#[test]
fn a_disk_that_is_nearly_full_is_told_once() {
    let mut app = seen(with_free(40));
    assert_eq!(app.view().system.unwrap().disk.unwrap().used, 60 << 10);
    let mut told = |gib: u64, second: u64| {
        app.on(Event::LookingAtSystem, at(second));
        app.on(Event::LookedAtSystem(Ok(Box::new(with_free(gib)))), at(second));
        app.notices().map(|notice| format!("{}: {}", notice.title, notice.body)).collect::<Vec<_>>()
    };
    assert!(told(10, 30).is_empty());
    let text =
        "The disk of remote-dev is nearly full: 9.0 GiB of 100.0 GiB are free. Make room, or make it larger.";
    assert_eq!(told(9, 40), [text]);
    assert!(told(8, 50).is_empty(), "it is known");
    assert!(told(50, 60).is_empty());
    assert_eq!(told(9, 70).len(), 1, "again");
}

#[test]
fn a_machine_that_switches_itself_off_is_not_kept_on_by_looks_at_its_disk() {
    let mut app = app();
    app.on(setup("[machine.remote-dev]\noff_when_idle = 30\n"), at(0));
    app.on(looked(reachable()), at(10));
    app.on(Event::LookingAtSystem, at(18));
    app.on(Event::LookedAtSystem(Ok(Box::new(with_free(40)))), at(20));
    assert_eq!(app.next_look_at_system(at(9000)), None);
}

#[test]
fn who_opens_the_window_sees_it() {
    let mut app = seeing(reachable());
    assert_eq!(
        app.next_look_at_system(at(10)).map(|pause| pause.as_secs()),
        Some(300),
        "when all has settled"
    );
    app.on(Event::Window(true), at(500));
    assert_eq!(app.next_look_at_system(at(500)).map(|pause| pause.as_secs()), Some(0));
    app.on(Event::LookingAtSystem, at(500));
    assert_eq!(app.next_look_at_system(at(501)), None);
    app.on(Event::LookedAtSystem(Ok(Box::new(state(None, Vec::new())))), at(502));
    assert_eq!(
        app.next_look_at_system(at(503)).map(|pause| pause.as_secs()),
        Some(3599),
        "its disk, once an hour"
    );
    app.on(Event::Window(true), at(600));
    assert_eq!(app.next_look_at_system(at(600)).map(|pause| pause.as_secs()), Some(0), "after a while");
}

#[test]
fn each_generation_that_does_not_run_can_be_gone_to_once_that_is_agreed_to() {
    let mut seen_now = state(None, Vec::new());
    let newest = &mut seen_now.overview.generations[0];
    (newest.refused, newest.good, newest.revision) = (true, false, None);
    newest.version = Some("26.05".to_owned());
    seen_now.overview.generations[1].booted = false;
    seen_now.overview.generations[2].booted = true;
    let mut app = seen(seen_now);
    let shown = app.view().system.unwrap().generations;
    let told = shown.iter().map(|one| {
        let label = one.go.as_ref().map_or("-", |go| go.label.as_str());
        format!("{} {} {:?} {label}", one.number, one.revision.as_deref().unwrap_or_default(), one.flags)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "9 NixOS 26.05 [Refused] Go to",
            "7 embedded 7 [Current, Good] -",
            "6 embedded 6 [Booted, Good] Go back"
        ]
    );
    assert_eq!((shown[0].size, shown[0].kernel.as_deref()), (Some(3072), Some("6.12.1")));
    let asks = |index: usize| shown[index].go.clone().unwrap().asks.unwrap();
    assert!(asks(0).contains("went back from it before") && !asks(2).contains("went back"), "{}", asks(0));

    let refused = |app: &App, generation| app.may(&Command::GoTo { generation }).unwrap_err().why;
    assert_eq!(refused(&app, 8), "No generation 8 is known");
    assert_eq!(refused(&app, 7), "remote-dev runs generation 7 already");
    assert!(app.may(&Command::GoTo { generation: 6 }).is_ok());
    app.on(Event::JobAsked { to: Some(6) }, at(30));
    assert_eq!(refused(&app, 9), "Taking remote-dev to generation 6 is under way");
    assert!(app.view().system.unwrap().generations.iter().all(|one| one.go.is_none()));
    app.on(ended(Outcome::Ok, None), at(60));
    assert!(app.may(&Command::GoTo { generation: 6 }).is_ok());
}

#[test]
fn what_is_here_says_whether_a_rebuild_is_next() {
    let here =
        |revision: &str| Ok(Declared::Here(Here { revision: revision.to_owned(), hash: "x".repeat(64) }));
    let told = |change: &dyn Fn(&mut SystemSeen)| {
        let mut look = state(None, Vec::new());
        change(&mut look);
        let measured = seen(look).view().system.unwrap().standing;
        measured.map(|measured| (measured.standing, measured.text, measured.rebuild_next))
    };
    let owned = |text: &str| text.to_owned();
    assert_eq!(told(&|_| {}), Some((Standing::UpToDate, owned("That is what is on this computer"), false)));
    assert_eq!(
        told(&|look| look.declared = here("embedded 8")),
        Some((Standing::Behind, owned("The machine is behind: on this computer is embedded 8"), true))
    );
    // It would be refused.
    let (standing, text, next) = told(&|look| {
        look.declared = here("embedded 9");
        look.overview.generations[0].refused = true;
    })
    .unwrap();
    assert!(text.ends_with("embedded 9, which it went back from"), "{text}");
    assert_eq!((standing, next), (Standing::Behind, false));
    let (standing, text, next) = told(&|look| look.overview.placed.found = Some("e".repeat(64))).unwrap();
    assert!(text.contains("holdfast config pull"), "{text}");
    assert_eq!((standing, next), (Standing::EditedThere, false));
    assert_eq!(
        told(&|look| look.overview.state.revision = None),
        Some((
            Standing::NotHoldfasts,
            owned("A rebuild has it run what is on this computer, embedded 7"),
            true
        ))
    );
    let (standing, text, next) = told(&|look| {
        let commit = Some("8".repeat(40));
        look.declared = Ok(Declared::Repository(Checkout { remote: commit, ..Checkout::default() }));
    })
    .unwrap();
    assert_eq!((standing, next), (Standing::Behind, true));
    assert_eq!(text, "The machine is behind: in the repository is 888888888888");
    let (standing, text, next) =
        told(&|look| look.declared = Err(problem("There is nothing in \u{202e}/x"))).unwrap();
    assert!(text.ends_with("There is nothing in /x"), "{text}");
    assert_eq!((standing, next), (Standing::Unknown, false));
}

/// The lines that come next of the log that is shown.
fn next(app: &App, from: u32) -> Option<Vec<String>> {
    let number = app.view().system?.log?.number;
    app.log(number, from).unwrap().map(|chunk| chunk.lines)
}

#[test]
fn the_log_is_given_out_from_any_line_on_and_changes_nothing_of_what_is_shown() {
    let mut app = seen(state(None, Vec::new()));
    let log = |app: &App| app.view().system.unwrap().log.map(|log| log.number);
    assert_eq!(log(&app), None, "no job was followed");
    assert!(app.log(0, 0).is_err());
    app.on(Event::JobAsked { to: None }, at(30));
    assert_eq!((log(&app), next(&app, 0)), (Some(1), None), "it has said nothing");
    app.on(said(Step::Evaluate, &["\u{1b}[31mone\u{1b}[0m\u{1b}[2J"]), at(31));
    let before = app.view();
    app.on(said(Step::Evaluate, &["two", "three"]), at(32));
    assert_eq!(app.view(), before, "whoever wants to know asks");
    let lines = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(next(&app, 0), lines(&["\u{1b}[31mone\u{1b}[0m", "two", "three"]));
    assert_eq!((next(&app, 2), next(&app, 3)), (lines(&["three"]), None));
    for (number, from) in [(1, 4), (1, u32::MAX), (0, 0), (2, 0), (u32::MAX, u32::MAX)] {
        assert!(app.log(number, from).is_err(), "{number} {from}");
    }

    // It stays when the job has ended, and the next one begins another.
    app.on(ended(Outcome::Ok, None), at(60));
    assert_eq!((log(&app), next(&app, 2)), (Some(1), lines(&["three"])));
    app.on(Event::JobAsked { to: Some(6) }, at(61));
    assert_eq!((log(&app), next(&app, 0)), (Some(2), None));
    assert!(app.log(1, 0).is_err(), "it is no longer kept");
    // One that could not even be asked for has none.
    app.on(Event::JobEnded(Err(problem("busy"))), at(62));
    assert_eq!(log(&app), None);
    assert!(app.log(2, 0).is_err());
    // Of one that is found the log is told from its beginning.
    app.on(Event::JobAsked { to: None }, at(63));
    app.on(said(Step::Evaluate, &["once"]), at(64));
    app.on(Event::JobEnded(Err(problem("lost from sight"))), at(65));
    app.on(Event::LookingAtSystem, at(66));
    app.on(Event::LookedAtSystem(Ok(Box::new(state(None, vec![job(None)])))), at(67));
    app.on(said(Step::Evaluate, &["once", "more"]), at(68));
    assert_eq!((log(&app), next(&app, 0)), (Some(4), lines(&["once", "more"])));
    // The log of another machine has another number.
    app.on(looked(powered(Power::Stopped)), at(69));
    assert!(app.view().system.is_none() && app.log(4, 0).is_err());
    app.on(Event::JobAsked { to: None }, at(70));
    assert!(app.log(4, 0).is_err() && app.log(5, 0).is_ok());
}

#[test]
fn why_a_job_goes_on_that_was_to_be_cancelled_is_said_until_that_is_tried_again_or_it_ends() {
    let mut app = seen(state(None, vec![job(None)]));
    let shown = |app: &App| app.view().system.unwrap().job.unwrap().problem.map(|problem| problem.what);
    app.on(Event::JobCancelling, at(30));
    app.on(
        Event::JobNotCancelled("1-2".parse().unwrap(), problem("The machine is between\u{7} two systems")),
        at(31),
    );
    assert_eq!(shown(&app), Some("The machine is between two systems".to_owned()));
    app.on(said(Step::Check, &[]), at(32));
    assert!(shown(&app).is_some());
    app.on(Event::JobCancelling, at(33));
    assert_eq!(shown(&app), None);
    app.on(Event::JobNotCancelled("1-2".parse().unwrap(), problem("no")), at(34));
    app.on(ended(Outcome::Ok, None), at(35));
    let system = app.view().system.unwrap();
    assert!(system.job.is_none() && system.problem.is_none() && system.last.unwrap().problem.is_none());
}

#[test]
fn a_machine_that_was_just_made_is_brought_up_once() {
    let stock = || {
        let mut look = state(None, Vec::new());
        look.overview.state.revision = None;
        Box::new(look)
    };
    let mut app = seeing(reachable());
    app.on(Event::Began(Operation::Make), at(21));
    app.on(Event::Ended(Some(Ok(()))), at(22));
    assert_eq!(app.next_look_at_system(at(22)), Some(Duration::ZERO), "nobody has to look at the window");
    app.on(Event::LookingAtSystem, at(22));
    assert!(!app.brings_up());
    app.on(Event::LookedAtSystem(Ok(stock())), at(23));
    assert!(app.brings_up());
    app.on(Event::JobAsked { to: None }, at(23));
    assert!(!app.brings_up());
    app.on(Event::JobEnded(Err(problem("No"))), at(24));
    app.on(Event::LookingAtSystem, at(25));
    app.on(Event::LookedAtSystem(Ok(stock())), at(26));
    assert!(!app.brings_up(), "what failed once is for somebody to look at");

    // A look that fails says nothing; the next one may.
    let mut app = seeing(reachable());
    app.on(Event::Began(Operation::Apply), at(21));
    app.on(Event::Ended(Some(Ok(()))), at(22));
    app.on(Event::LookingAtSystem, at(22));
    app.on(Event::LookedAtSystem(Err(problem("no answer"))), at(23));
    assert_eq!(app.next_look_at_system(at(23)), Some(Duration::from_secs(15)));
    app.on(Event::LookingAtSystem, at(38));
    app.on(Event::LookedAtSystem(Ok(stock())), at(39));
    assert!(app.brings_up());

    // Somebody was quicker than the look.
    let mut app = seeing(reachable());
    app.on(Event::Began(Operation::Make), at(21));
    app.on(Event::Ended(Some(Ok(()))), at(22));
    app.on(Event::LookingAtSystem, at(22));
    app.on(Event::JobAsked { to: None }, at(23));
    app.on(Event::LookedAtSystem(Ok(stock())), at(24));
    app.on(Event::JobEnded(Err(problem("No"))), at(25));
    assert!(!app.brings_up());

    // One that runs a configuration already, one without a system, and one that nobody has just made.
    for (operation, look) in [
        (Operation::Make, Ok(Box::new(state(None, Vec::new())))),
        (Operation::Make, Err(Problem { code: "no_system".to_owned(), ..problem("no") })),
        (Operation::Start, Ok(stock())),
    ] {
        let mut app = seeing(reachable());
        app.on(Event::Began(operation), at(21));
        app.on(Event::Ended(Some(Ok(()))), at(22));
        app.on(Event::LookingAtSystem, at(22));
        app.on(Event::LookedAtSystem(look), at(23));
        assert!(!app.brings_up(), "{operation:?}");
    }
}

/// Somebody at the page of what was done, where the machine has done these jobs.
fn with_jobs(mut app: App, jobs: &[(&str, &str)]) -> App {
    let deed = |&(job, machine): &(&str, &str)| Deed {
        at: 100,
        who: None,
        machine: machine.to_owned(),
        operation: "rebuild".to_owned(),
        run: None,
        job: job.parse().ok(),
        what: "Begin a rebuild".to_owned(),
        result: history::Outcome::Done,
        why: None,
    };
    app.on(Event::Window(true), at(20));
    app.on(Event::Showing(Page::Activity), at(20));
    app.on(Event::ReadHistory(jobs.iter().map(deed).collect()), at(21));
    app
}

fn refused(app: &App) -> Vec<Option<String>> {
    let runs = app.view().history.expect("the history").runs;
    runs.into_iter().map(|run| run.log.expect("a log").refused).collect()
}

#[test]
fn the_log_of_a_job_that_is_over_is_fetched_for_whoever_asks() {
    let (ours, others) = ("ada/remote-dev/us-west-2", "ada/other/us-west-2");
    let mut app = with_jobs(seeing(reachable()), &[("1-a", ours), ("1-b", others)]);
    let show = |job: &str| Command::ShowLog { job: job.parse().unwrap() };
    assert_eq!(refused(&app), [Some("Its log is on the machine ada/other/us-west-2.".to_owned()), None]);
    assert_eq!(app.may(&show("1-c")).unwrap_err().why, "No job 1-c is known");

    app.on(Event::LogAsked("1-a".parse().unwrap()), at(30));
    let number = app.older_log().unwrap();
    assert_eq!(app.may(&show("1-a")).unwrap_err().why, "It is being fetched");
    let said = |line: &str| {
        let mut lines = LogBuffer::default();
        lines.push(line);
        lines
    };
    app.on(Event::LogRead { number, lines: said("one") }, at(31));
    app.on(Event::LogRead { number: number + 1, lines: said("of another") }, at(31));
    // A job that begins meanwhile has a log of its own.
    app.on(Event::JobAsked { to: None }, at(32));
    app.on(Event::JobAt { step: Step::Begin, log: said("of the job") }, at(32));
    app.on(Event::LogRead { number, lines: said("two") }, at(33));
    app.on(Event::LogOver { number, result: Ok(()) }, at(34));
    let lines = |number| app.log(number, 0).unwrap().unwrap().lines;
    assert_eq!(lines(number), ["one", "two"]);
    assert_eq!(lines(app.view().system.unwrap().log.unwrap().number), ["of the job"]);
    let log = app.view().history.unwrap().log.unwrap();
    assert_eq!((log.job.as_str(), log.reading, log.note, log.problem), ("1-a", false, None, None));
    assert!(app.may(&show("1-a")).is_ok(), "again");

    app.on(Event::JobBegun("1-a".parse().unwrap()), at(35));
    assert_eq!(app.may(&show("1-a")).unwrap_err().why, "It goes on, and its log is with it");
    app.on(Event::Window(false), at(40));
    assert_eq!(app.older_log(), None, "nobody reads it");
    assert!(app.log(number, 0).is_err());
}

#[test]
fn a_log_that_cannot_be_had_says_where_it_is() {
    let ours = "ada/remote-dev/us-west-2";
    let off = with_jobs(seeing(powered(Power::Stopped)), &[("1-a", ours)]);
    assert_eq!(refused(&off), [Some("Its log is on remote-dev, which cannot be reached now.".to_owned())]);

    let mut app = with_jobs(seeing(reachable()), &[("1-a", ours)]);
    app.on(Event::LogAsked("1-a".parse().unwrap()), at(30));
    let number = app.older_log().unwrap();
    app.on(Event::LogOver { number, result: Err(problem("There is no job 1-a")) }, at(31));
    let log = app.view().history.unwrap().log.unwrap();
    assert_eq!(log.problem.map(|problem| problem.what), Some("There is no job 1-a".to_owned()));

    app.on(Event::LogAsked("1-a".parse().unwrap()), at(32));
    let number = app.older_log().unwrap();
    app.on(Event::LogOver { number, result: Ok(()) }, at(33));
    let log = app.view().history.unwrap().log.unwrap();
    assert_eq!(log.note.as_deref(), Some("The machine has no line of it any more."));
    app.on(looked(powered(Power::Stopping)), at(40));
    assert_eq!(app.older_log(), None, "it was the machine's");
}
