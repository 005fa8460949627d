//! The sessions on the machine: what is shown of them, what may be done, and when they are looked at.

use std::fmt::Write;

use super::fixture::{app, at, looked, problem, reachable, seeing, setup, tray};
use crate::app::view::{Offer, View};
use crate::app::{App, Command, Event, Opening, Operation, Progress};
use crate::machine::{Fact, Observed, Power};
use crate::plan::tests::fixture::powered;
use crate::sessions::ZellijSession;

fn session(name: &str, live: bool, panes: Option<u32>) -> ZellijSession {
    let age = Some(if live { 7200 } else { 200_000 });
    ZellijSession { shown: name.to_owned(), name: name.parse().ok(), live, age, panes }
}

fn some() -> Vec<ZellijSession> {
    vec![
        session("main", true, Some(1)),
        session("my name", true, None),
        session("work", true, Some(3)),
        session("old", false, None),
    ]
}

fn connect(name: &str) -> Command {
    Command::Connect { session: name.parse().ok() }
}

fn end(name: &str) -> Command {
    Command::EndSession { name: name.parse().unwrap() }
}

/// An app that looked at these sessions at second 20.
fn listing(sessions: Vec<ZellijSession>) -> App {
    let mut app = seeing(reachable());
    app.on(Event::ListingSessions, at(18));
    app.on(Event::ListedSessions(Ok(sessions)), at(20));
    app
}

fn window(view: &View) -> String {
    let Some(sessions) = &view.sessions else { return "    nothing\n".to_owned() };
    let offer = |offer: &Option<Offer>| {
        let asks = |offer: &Offer| offer.asks.iter().map(|asks| format!(" ({asks})")).collect::<String>();
        offer.as_ref().map_or("-".to_owned(), |offer| format!("[{}{}]", offer.label, asks(offer)))
    };
    let mut text =
        format!("    seen {:?}, {:?}", sessions.seen.map(|seen| seen - 1_795_507_200), sessions.age);
    let _ = writeln!(text, "{}", if sessions.looking { ", looking" } else { "" });
    let _ = writeln!(text, "    {} {}", offer(&sessions.look), offer(&sessions.open));
    for what in sessions.problem.iter().map(|problem| &problem.what) {
        let _ = writeln!(text, "    problem: {what}");
    }
    for session in &sessions.list {
        let since = session.since.map(|since| i64::from(since) - 1_795_507_200);
        let (name, panes) = (session.name.is_some(), session.panes);
        let state = if session.live { "live" } else { "ended" };
        let (connect, end) = (offer(&session.connect), offer(&session.end));
        let note = session.note.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "    {}: {state} {since:?} {panes:?} named {name} {connect} {end} {note}",
            session.shown
        );
    }
    text
}

fn cases() -> Vec<(&'static str, App)> {
    let mut cases = vec![
        ("the machine is off", seeing(powered(Power::Stopped))),
        ("its agent is silent", seeing(Observed { agent: Fact::Absent, ..powered(Power::Running) })),
        ("nobody has looked", seeing(reachable())),
        ("a list", listing(some())),
        ("none", listing(Vec::new())),
        ("only the usual one", listing(vec![session("main", true, Some(2)), session("old", false, None)])),
        ("more than a menu takes", {
            listing((0..12).map(|number| session(&format!("s{number}"), true, None)).collect())
        }),
    ];
    let mut first = seeing(reachable());
    first.on(Event::ListingSessions, at(18));
    cases.push(("the first look", first));
    let mut again = listing(some());
    again.on(Event::ListingSessions, at(400));
    cases.push(("a later look", again));
    let mut failed = seeing(reachable());
    failed.on(Event::ListingSessions, at(18));
    failed.on(Event::ListedSessions(Err(problem("The machine has no zellij"))), at(20));
    cases.push(("the first look failed", failed));
    let mut failed = listing(some());
    failed.on(Event::ListingSessions, at(5000));
    failed.on(Event::ListedSessions(Err(problem("AWS cannot be reached"))), at(5002));
    cases.push(("a later look failed", failed));
    let mut ending = listing(some());
    ending.on(Event::EndingSession("work".parse().unwrap()), at(30));
    cases.push(("a session is being ended", ending));
    let mut stopping = listing(some());
    stopping.on(Event::Began(Operation::Stop), at(30));
    cases.push(("about to stop", stopping));
    let mut stopping = listing(some());
    stopping.on(looked(powered(Power::Stopping)), at(30));
    cases.push(("stopping", stopping));
    let mut blind = listing(some());
    blind.on(Event::Blind(problem("AWS cannot be reached")), at(90_000));
    cases.push(("the machine's state is not known any more", blind));
    let mut other = listing(some());
    other.on(setup("[machine.remote-dev]\nprofile = \"work\"\n"), at(30));
    other.on(looked(reachable()), at(40));
    cases.push(("another machine", other));
    cases
}

#[test]
fn what_is_shown_of_them() {
    let mut text = String::new();
    for (name, app) in cases() {
        let _ = writeln!(text, "# {name}\n{}", window(&app.view()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_tray_with_them() {
    let mut text = String::new();
    for (name, app) in cases() {
        let _ = writeln!(text, "# {name}\n{}", tray(&app.view()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_may_be_asked_for() {
    let commands = [
        ("look", Command::LookAtSessions),
        ("connect to work", connect("work")),
        ("open new", Command::OpenSession { name: "new".to_owned() }),
        ("end work", end("work")),
        ("end other", end("other")),
    ];
    let mut text = String::new();
    for (name, app) in cases() {
        let _ = writeln!(text, "# {name}");
        for (word, command) in &commands {
            let _ = match app.may(command) {
                Ok(()) => writeln!(text, "    {word}: yes"),
                Err(refusal) => writeln!(text, "    {word}: {}", refusal.why),
            };
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_typed_name_that_is_none_is_refused_with_what_would_be() {
    let app = seeing(reachable());
    let refused = |name: &str| app.may(&Command::OpenSession { name: name.to_owned() }).map_err(|it| it.why);
    assert_eq!(refused("work.2"), Ok(()));
    let rest = "is not a session name: 1 to 32 letters, digits and -_., a letter or digit first";
    assert_eq!(refused("my work"), Err(format!("\"my work\" {rest}")));
    assert_eq!(refused("--new"), Err(format!("\"--new\" {rest}")));
    assert_eq!(refused(""), Err(format!("\"\" {rest}")));
    let long = refused(&"\u{202e}\u{1b}[2J".repeat(1000)).unwrap_err();
    assert!(long.chars().count() < 250 && !long.contains(['\u{202e}', '\u{1b}']), "{long:?}");
}

#[test]
fn the_command_of_a_page_takes_no_name_that_is_none() {
    let read = |text: &str| serde_json::from_str::<Command>(text).ok();
    assert_eq!(read(r#"{"do":"connect"}"#), Some(Command::Connect { session: None }));
    assert_eq!(read(r#"{"do":"connect","session":"work"}"#), Some(connect("work")));
    for hostile in ["my work", "--new", "$(id)", "", "a\\u001b"] {
        assert_eq!(read(&format!(r#"{{"do":"connect","session":"{hostile}"}}"#)), None, "{hostile}");
        assert_eq!(read(&format!(r#"{{"do":"end_session","name":"{hostile}"}}"#)), None, "{hostile}");
    }
}

/// How long the next look can wait, in seconds.
fn next(app: &App, second: u64) -> Option<u64> {
    app.next_look_at_sessions(at(second)).map(|pause| pause.as_secs())
}

#[test]
fn nobody_looks_in_the_background() {
    let mut app = seeing(reachable());
    for second in (10..7200).step_by(150) {
        app.on(looked(reachable()), at(second));
        assert_eq!(next(&app, second), None);
    }
}

#[test]
fn who_opens_the_window_sees_them_once_the_machine_can_be_reached() {
    let mut app = seeing(powered(Power::Stopped));
    app.on(Event::Window(true), at(20));
    assert_eq!(next(&app, 20), None);
    app.on(looked(Observed { agent: Fact::Absent, ..powered(Power::Running) }), at(30));
    assert_eq!(next(&app, 30), None, "its agent has not called yet");
    app.on(looked(reachable()), at(60));
    assert_eq!(next(&app, 60), Some(0));
    app.on(Event::ListingSessions, at(60));
    assert_eq!(next(&app, 60), None);
    app.on(Event::ListedSessions(Ok(some())), at(62));
    assert_eq!(next(&app, 4000), None, "an open window alone is no reason to look again");
    app.on(Event::Window(true), at(100));
    assert_eq!(next(&app, 100), None, "what is a minute old will do");
    app.on(Event::Window(true), at(4000));
    assert_eq!(next(&app, 4000), Some(0));

    app.on(Event::ListingSessions, at(4000));
    app.on(Event::ListedSessions(Err(problem("AWS cannot be reached"))), at(4010));
    assert_eq!(next(&app, 4020), None, "what failed is not tried again by itself");
    app.on(Event::Window(true), at(4020));
    assert_eq!(next(&app, 4020), None);
    app.on(Event::Window(true), at(4100));
    assert_eq!(next(&app, 4100), Some(0));
}

#[test]
fn a_terminal_that_has_opened_brings_its_session_soon() {
    let mut app = listing(Vec::new());
    app.on(Event::Opened { opening: Opening::default(), result: Ok(()) }, at(100));
    assert_eq!((next(&app, 100), next(&app, 103), next(&app, 105)), (Some(5), Some(2), Some(0)));
    app.on(Event::Opened { opening: Opening::default(), result: Ok(()) }, at(104));
    assert_eq!(next(&app, 105), Some(4), "of several the last one counts");
    assert_eq!(next(&app, 0), Some(0), "the clock was set back");

    let mut app = seeing(powered(Power::Stopped));
    app.on(Event::Began(Operation::Connect), at(20));
    app.on(Event::Goes(Progress::Saw(Box::new(reachable()))), at(60));
    app.on(Event::Opened { opening: Opening::default(), result: Ok(()) }, at(61));
    app.on(Event::Ended(Some(Ok(()))), at(61));
    assert_eq!(next(&app, 61), Some(5));
    app.on(looked(powered(Power::Stopping)), at(62));
    app.on(looked(reachable()), at(200));
    assert_eq!(next(&app, 200), None, "that was before");
}

#[test]
fn an_answer_that_is_stale_is_dropped() {
    for stale in [looked(powered(Power::Stopped)), setup("[machine.remote-dev]\nprofile = \"work\"\n")] {
        let mut app = seeing(reachable());
        app.on(Event::ListingSessions, at(20));
        assert!(app.awaits_sessions());
        app.on(stale, at(21));
        assert!(!app.awaits_sessions());
        app.on(looked(reachable()), at(22));
        app.on(Event::ListedSessions(Ok(some())), at(23));
        assert_eq!(app.view().sessions.unwrap().seen, None);
    }
    let mut app = listing(some());
    app.on(Event::ListingSessions, at(30));
    app.on(Event::EndingSession("work".parse().unwrap()), at(31));
    assert!(!app.awaits_sessions(), "it may have seen the one that ends");
    assert_eq!(next(&app, 31), None);
    app.on(Event::EndedSession { name: "work".parse().unwrap(), result: Ok(()) }, at(33));
    assert_eq!(next(&app, 33), Some(0), "so it looks anew");
}

#[test]
fn a_session_that_was_ended_is_gone_and_one_that_was_not_is_told() {
    let mut app = listing(some());
    app.on(Event::EndingSession("work".parse().unwrap()), at(30));
    app.on(Event::EndedSession { name: "work".parse().unwrap(), result: Ok(()) }, at(33));
    let shown = |app: &App| -> Vec<String> {
        app.view().sessions.unwrap().list.into_iter().map(|session| session.shown).collect()
    };
    assert_eq!(shown(&app), ["main", "my name", "old"]);
    assert_eq!(next(&app, 40), None, "the machine has said so; that needs no look");

    app.on(Event::EndingSession("main".parse().unwrap()), at(50));
    let result = Err(problem("It is still there"));
    app.on(Event::EndedSession { name: "main".parse().unwrap(), result }, at(55));
    assert_eq!(shown(&app), ["main", "my name", "old"]);
    assert_eq!(app.view().failed.unwrap().title, "Ending the session main");
    assert_eq!(app.notices().count(), 1, "nobody watches");
}

#[test]
fn a_look_is_never_a_notification() {
    let mut app = app();
    app.on(looked(reachable()), at(1));
    app.on(Event::ListingSessions, at(2));
    app.on(Event::ListedSessions(Err(problem("AWS says no"))), at(3));
    app.on(Event::ListingSessions, at(4));
    app.on(Event::ListedSessions(Ok(some())), at(5));
    assert_eq!((app.notices().count(), app.view().failed), (0, None));
}

#[test]
fn whoever_stops_the_machine_is_told_what_ends() {
    let asks = |app: &App| app.view().commands.stop.and_then(|stop| stop.asks).unwrap();
    let of = |sessions| asks(&listing(sessions));
    insta::assert_snapshot!(of(vec![]), @"Everything that runs on remote-dev ends. Its volume stays and costs $8.00 a month.");
    insta::assert_snapshot!(of(vec![session("main", true, Some(1)), session("old", false, None)]), @"Everything that runs on remote-dev ends: session main. Its volume stays and costs $8.00 a month.");
    insta::assert_snapshot!(of(some()), @"Everything that runs on remote-dev ends: session main, session my name and session work. Its volume stays and costs $8.00 a month.");
    let mut app = listing(some());
    app.on(Event::JobAsked { to: None }, at(30));
    insta::assert_snapshot!(app.ends(), @"Everything that runs on remote-dev ends: session main, session my name, session work and a rebuild.");
}
