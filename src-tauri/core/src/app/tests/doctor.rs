//! The doctor and the history in the window: when they are looked at, and what is shown of them.

use std::fmt::Write;

use super::fixture::{app, at, problem, reachable, seeing, setup};
use crate::app::{App, Command, Event, Operation, Page};
use crate::doctor::{Finding, Part, Report};
use crate::history::{Deed, Outcome};

fn report(findings: Vec<Finding>) -> Report {
    Report::of(findings)
}

fn mixed() -> Report {
    report(vec![
        Finding::ok(Part::Settings, "remote-dev of ada in us-west-2"),
        Finding::ok(Part::Network, "ec2, iam and ssm answer within 80 ms"),
        Finding::failed(Part::Machine, "its agent does not answer SSM", "restart it: holdfast restart"),
        Finding::warning(Part::Desktop, "the keyring is locked", "unlock it"),
        Finding::ok(Part::Desktop, "terminals open in xterm"),
    ])
}

fn shown(app: &App) -> String {
    let doctor = app.view().doctor;
    let mut text = format!(
        "{} looking {} seen {:?} failed {} warnings {} well {} offer {:?}\n",
        doctor.headline.as_deref().unwrap_or("-"),
        doctor.looking,
        doctor.seen,
        doctor.failed,
        doctor.warnings,
        doctor.well,
        doctor.look.map(|look| look.label),
    );
    for found in doctor.pressing {
        let (area, todo) = (found.area.word(), found.todo.unwrap_or_default());
        let _ = writeln!(text, "  {:?}: {area}: {} | {todo}", found.mark, found.what);
    }
    for area in doctor.areas {
        let _ = writeln!(text, "  {}", area.area.word());
        for what in area.findings {
            let _ = writeln!(text, "    {what}");
        }
    }
    text
}

#[test]
fn the_doctor_in_every_state() {
    let mut text = String::new();
    let mut say = |name: &str, app: &App| {
        let _ = writeln!(text, "# {name}\n{}", shown(app));
    };
    let mut app = seeing(reachable());
    say("nobody has asked", &app);
    app.on(Event::Window(true), at(20));
    app.on(Event::Showing(Page::Doctor), at(20));
    say("about to look", &app);
    app.on(Event::Examining, at(20));
    say("looking", &app);
    app.on(Event::Examined(mixed()), at(22));
    say("found", &app);
    app.on(Event::DoctorAsked, at(30));
    app.on(Event::Examining, at(30));
    say("looking again", &app);
    app.on(Event::Examined(report(vec![Finding::ok(Part::Network, "all of it")])), at(31));
    say("all is well", &app);
    app.on(Event::DoctorAsked, at(32));
    app.on(Event::Examining, at(32));
    let warned = Finding::warning(Part::Machine, "remote-dev is off", "switch it on: holdfast start");
    app.on(Event::Examined(report(vec![warned])), at(33));
    say("one is worth a look", &app);
    insta::assert_snapshot!(text);
}

#[test]
fn he_looks_when_his_page_is_opened_or_somebody_asks_and_never_by_himself() {
    let mut app = seeing(reachable());
    app.on(Event::Window(true), at(10));
    app.on(Event::Showing(Page::Machine), at(10));
    assert!(!app.wants_doctor());
    app.on(Event::Showing(Page::Doctor), at(20));
    assert!(app.wants_doctor());
    app.on(Event::Examining, at(20));
    assert!(!app.wants_doctor() && app.awaits_doctor());
    assert!(app.may(&Command::Examine).is_err(), "once at a time");
    app.on(Event::Examined(mixed()), at(21));
    app.on(Event::Showing(Page::Machine), at(30));
    app.on(Event::Showing(Page::Doctor), at(100));
    assert!(!app.wants_doctor(), "what he said a minute ago will do");
    app.on(Event::Showing(Page::Doctor), at(4000));
    assert!(!app.wants_doctor(), "the page was open all the time");
    app.on(Event::Showing(Page::Machine), at(4001));
    app.on(Event::Showing(Page::Doctor), at(4002));
    assert!(app.wants_doctor());
    app.on(Event::Examining, at(4002));
    app.on(Event::Examined(mixed()), at(4003));
    assert!(app.may(&Command::Examine).is_ok());
    app.on(Event::Window(false), at(4004));
    app.on(Event::Window(true), at(4005));
    assert!(!app.wants_doctor() && app.notices().count() == 0);
}

#[test]
fn he_looks_again_when_somebody_has_signed_in() {
    let missing = || report(vec![Finding::failed(Part::Credentials, "there are none", "sign in")]);
    let mut app = seeing(reachable());
    app.on(Event::Window(true), at(20));
    app.on(Event::Showing(Page::Doctor), at(20));
    for (found, again) in [(missing(), true), (mixed(), false)] {
        app.on(Event::DoctorAsked, at(21));
        app.on(Event::Examining, at(21));
        app.on(Event::Examined(found), at(22));
        app.on(Event::SignedIn(Ok(true)), at(23));
        assert_eq!(app.wants_doctor(), again);
    }
}

#[test]
fn he_looks_where_the_settings_do_not_hold_and_anew_for_other_ones() {
    let mut app = app();
    app.on(Event::Settings(Err(problem("broken"))), at(1));
    assert!(app.may(&Command::Examine).is_ok());
    app.on(Event::Window(true), at(2));
    app.on(Event::Showing(Page::Doctor), at(2));
    app.on(Event::Examining, at(2));
    app.on(setup("[machine.remote-dev]\nregion = \"eu-west-1\"\n"), at(3));
    assert!(!app.awaits_doctor() && app.wants_doctor(), "it was about the settings of before");
    app.on(Event::Examined(mixed()), at(4));
    assert_eq!(app.view().doctor.seen, None);
}

#[test]
fn hostile_findings_and_deeds_are_shown_harmlessly() {
    let hostile = "\u{1b}[2J<b>\u{202e}evil\u{2066}\n".repeat(1000);
    let mut app = app();
    app.on(Event::Window(true), at(1));
    app.on(Event::Showing(Page::Doctor), at(1));
    app.on(Event::Examining, at(1));
    let finding = Finding::failed(Part::Machine, hostile.clone(), hostile.clone());
    app.on(Event::Examined(report(vec![finding; 1000])), at(2));
    let doctor = app.view().doctor;
    let found = &doctor.pressing;
    assert!(found.len() <= 200);
    app.on(Event::Showing(Page::Activity), at(3));
    let deed = Deed {
        at: u64::MAX,
        who: Some(hostile.clone()),
        machine: hostile.clone(),
        operation: hostile.clone(),
        run: None,
        job: None,
        what: hostile.clone(),
        result: Outcome::Refused,
        why: Some(hostile.clone()),
    };
    app.on(Event::ReadHistory(vec![deed; 2000]), at(3));
    let history = app.view().history.unwrap();
    assert_eq!((history.before, history.runs[0].deeds.len()), (1500, 500));
    let run = &history.runs[0];
    let texts =
        [&found[0].what, found[0].todo.as_ref().unwrap(), &run.title, &run.machine, &run.deeds[0].what];
    for text in texts.into_iter().chain(run.who.as_ref()).chain(run.deeds[0].why.as_ref()) {
        assert!(
            text.chars().count() < 700 && !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
    }
}

#[test]
fn what_was_changed_is_read_when_its_page_opens_and_after_each_operation() {
    let deed = |at: u64, operation: &str, what: &str, result| Deed {
        at,
        who: Some("123456789012/user/ada".to_owned()),
        machine: "ada/remote-dev/us-west-2".to_owned(),
        operation: operation.to_owned(),
        run: Some(operation.to_owned()),
        job: None,
        what: what.to_owned(),
        result,
        why: (result != Outcome::Done).then(|| "AWS says no".to_owned()),
    };
    let mut app = seeing(reachable());
    assert!(!app.wants_history());
    app.on(Event::Window(true), at(10));
    app.on(Event::Showing(Page::Activity), at(10));
    assert!(app.wants_history());
    app.on(Event::ReadingHistory, at(10));
    assert!(!app.wants_history() && app.view().history.is_none());
    let deeds = vec![
        deed(100, "up", "Private network (VPC)", Outcome::Done),
        deed(101, "up", "Instance m8g.xlarge", Outcome::Done),
        deed(9000, "stop", "Stop i-1", Outcome::Refused),
    ];
    app.on(Event::ReadHistory(deeds), at(11));
    let mut text = String::new();
    for run in app.view().history.unwrap().runs {
        let _ = writeln!(
            text,
            "{} ({}) {:?} {}-{} {:?}",
            run.title, run.command, run.result, run.at, run.until, run.who
        );
        for deed in run.deeds {
            let _ = writeln!(text, "  {} {:?} {:?}", deed.what, deed.result, deed.why);
        }
    }
    insta::assert_snapshot!(text, @r#"
    Stop (stop) Refused 9000-9000 Some("123456789012/user/ada")
      Stop i-1 Refused Some("AWS says no")
    Make (up) Done 100-101 Some("123456789012/user/ada")
      Private network (VPC) Done None
      Instance m8g.xlarge Done None
    "#);
    for (over, what) in [
        (Event::Ended(Some(Ok(()))), "an operation"),
        (Event::JobBegun("1-2".parse().unwrap()), "a job begun"),
        (Event::JobEnded(Err(problem("no"))), "a job"),
        (Event::EndedSession { name: "work".parse().unwrap(), result: Ok(()) }, "a session"),
    ] {
        assert!(!app.wants_history());
        app.on(Event::Began(Operation::Stop), at(12));
        app.on(over, at(13));
        assert!(app.wants_history(), "{what}");
        app.on(Event::ReadingHistory, at(13));
        app.on(Event::ReadHistory(Vec::new()), at(13));
        app.on(Event::Ended(None), at(14));
        app.on(Event::ReadingHistory, at(14));
        app.on(Event::ReadHistory(Vec::new()), at(14));
    }
    app.on(Event::Showing(Page::Machine), at(20));
    assert!(app.view().history.is_none(), "nobody looks");
    app.on(Event::Ended(None), at(21));
    assert!(!app.wants_history());
}
