//! What is told by notifications, and what is not.

use super::fixture::{at, elsewhere, looked, problem, reachable, seeing};
use crate::app::menu::{Item, menu};
use crate::app::{App, Event, Notice, Operation, Problem, Progress};
use crate::machine::{Observed, Power};
use crate::plan::tests::fixture::{empty, instance, powered};

fn told(app: &mut App) -> Vec<String> {
    app.notices()
        .map(|Notice { kind: _, machine: _, title, body, page }| format!("{title} | {body} | {page:?}"))
        .collect()
}

fn off(why: &str) -> Observed {
    let mut world = powered(Power::Stopped);
    instance(&mut world).transition = Some(why.to_owned());
    world
}

#[test]
fn a_machine_that_changes_by_itself_is_told_once() {
    let mut app = seeing(reachable());
    assert!(told(&mut app).is_empty(), "the first look is no change");
    app.on(looked(powered(Power::Stopping)), at(20));
    assert!(told(&mut app).is_empty(), "a state that passes is not told");
    let why = "Server.ScheduledStop: Stopped due to scheduled retirement (2026-11-24 08:00:20 GMT)";
    app.on(looked(off(why)), at(40));
    assert_eq!(told(&mut app), [format!("remote-dev is off | {why} | Machine")]);
    app.on(looked(off(why)), at(60));
    assert!(told(&mut app).is_empty());
    app.on(looked(powered(Power::Pending)), at(80));
    app.on(looked(reachable()), at(100));
    assert_eq!(told(&mut app), ["remote-dev is on | $142.70 a month | Machine"]);
    app.on(looked(empty()), at(120));
    assert_eq!(told(&mut app), ["remote-dev is gone |  | Machine"]);
}

#[test]
fn each_kind_can_be_switched_off_and_the_last_of_a_kind_counts() {
    let mut app = seeing(reachable());
    app.on(super::fixture::setup("mute = [\"state\"]\n"), at(12));
    app.on(looked(off("x")), at(20));
    assert!(told(&mut app).is_empty());
    app.on(super::fixture::setup(""), at(22));
    app.on(looked(reachable()), at(30));
    app.on(looked(off("y")), at(40));
    assert_eq!(told(&mut app), ["remote-dev is off | y | Machine"], "nobody was told in between");
}

#[test]
fn a_machine_that_switched_itself_off_is_told_with_the_reason() {
    let mut app = seeing(reachable());
    let mut world = off("Client.InstanceInitiatedShutdown: Instance initiated shutdown");
    instance(&mut world).stopped_itself = true;
    app.on(looked(world), at(40));
    assert_eq!(told(&mut app), ["remote-dev is off | It was powered off from inside. | Machine"]);
    let view = app.view();
    assert_eq!(view.machine.detail.as_deref(), Some("It was powered off from inside."));
    assert_eq!(menu(&view)[1], Item::Line("It was powered off from inside.".to_owned()));
}

#[test]
fn a_look_that_fails_in_between_hides_no_change_and_makes_none() {
    let mut app = seeing(reachable());
    app.on(Event::Blind(problem("AWS cannot be reached")), at(20));
    app.on(looked(reachable()), at(40));
    assert!(told(&mut app).is_empty());
    app.on(Event::Blind(problem("AWS cannot be reached")), at(60));
    app.on(looked(off("User initiated")), at(80));
    assert_eq!(told(&mut app).len(), 1);
}

#[test]
fn what_the_user_sees_or_does_is_no_news() {
    let mut watching = seeing(reachable());
    watching.on(Event::Window(true), at(15));
    watching.on(looked(off("User initiated")), at(20));
    watching.on(Event::Window(false), at(25));
    watching.on(looked(off("User initiated")), at(30));
    assert!(told(&mut watching).is_empty());

    let mut elsewhere_ = seeing(reachable());
    let observed = Box::new(powered(Power::Stopping));
    elsewhere_.on(Event::Looked { observed, elsewhere: Some(elsewhere("stop")), interrupted: None }, at(20));
    let observed = Box::new(off("User initiated"));
    elsewhere_.on(Event::Looked { observed, elsewhere: None, interrupted: None }, at(22));
    assert!(told(&mut elsewhere_).is_empty(), "holdfast stop in a terminal of this computer");
}

#[test]
fn an_operation_that_waits_for_a_sign_in_says_so_once_and_where() {
    let over = |what: &str| {
        let way = "sign in: holdfast login work".to_owned();
        Event::Goes(Progress::SignedOut(Problem {
            hints: vec!["name another".to_owned(), way],
            ..problem(what)
        }))
    };
    let mut app = seeing(powered(Power::Stopped));
    app.on(over("over"), at(15));
    assert!(told(&mut app).is_empty(), "nothing is under way");
    app.on(Event::Began(Operation::Start), at(20));
    app.on(over("over"), at(30));
    app.on(over("still over"), at(40));
    assert_eq!(
        told(&mut app),
        ["Starting remote-dev waits for you | Sign in: holdfast login work | Machine"]
    );
    let waiting = |app: &App| app.view().operation.unwrap().waiting;
    assert_eq!(waiting(&app).as_deref(), Some("you to sign in: holdfast login work"));
    let line = Item::Line("Waiting for you to sign in: holdfast login work".to_owned());
    assert!(menu(&app.view()).contains(&line));
    app.on(Event::Goes(Progress::Saw(Box::new(powered(Power::Pending)))), at(50));
    assert_eq!(waiting(&app), None);
    // It may end once more.
    app.on(over("over again"), at(60));
    assert_eq!(told(&mut app).len(), 1);
    let mut watched = seeing(powered(Power::Stopped));
    watched.on(Event::Window(true), at(15));
    watched.on(Event::Began(Operation::Start), at(20));
    watched.on(over("over"), at(30));
    assert!(told(&mut watched).is_empty(), "the window says it");
}

#[test]
fn an_operation_that_ends_is_told_when_nobody_watches() {
    for (operation, title) in [
        (Operation::Start, Some("remote-dev is on and can be reached")),
        (Operation::Connect, None),
        (Operation::Stop, Some("remote-dev is off")),
        (Operation::Restart, Some("remote-dev has restarted and can be reached")),
        (Operation::Make, Some("remote-dev is ready")),
        (Operation::Apply, Some("remote-dev matches the settings")),
        (Operation::Replace, Some("remote-dev is another instance now, with its home")),
        (Operation::Restore, Some("remote-dev has the home of the snapshot")),
        (Operation::TakeBack, Some("remote-dev is what it was before")),
        (Operation::LetGo, Some("The old instance of remote-dev is gone")),
        (Operation::GoBack, Some("remote-dev is its old instance again")),
        (Operation::Snapshot, Some("There is another snapshot of remote-dev")),
        (Operation::DeleteSnapshot, Some("A snapshot of remote-dev is deleted")),
    ] {
        for window in [false, true] {
            let mut app = seeing(powered(Power::Stopped));
            app.on(Event::Window(window), at(15));
            app.on(Event::Began(operation), at(20));
            app.on(Event::Goes(Progress::Saw(Box::new(reachable()))), at(60));
            app.on(Event::Ended(Some(Ok(()))), at(60));
            app.on(looked(reachable()), at(61));
            let wanted: Vec<String> =
                title.filter(|_| !window).map(|title| format!("{title} |  | Machine")).into_iter().collect();
            assert_eq!(told(&mut app), wanted, "{operation:?}, window {window}");
        }
    }
}

#[test]
fn a_failure_is_told_with_its_reason_and_a_cancel_is_not_told() {
    let mut app = seeing(powered(Power::Stopped));
    app.on(Event::Began(Operation::Connect), at(20));
    app.on(Event::Ended(Some(Err(problem("AWS has no free machine of this type")))), at(30));
    assert_eq!(
        told(&mut app),
        ["Connecting to remote-dev: it did not work | AWS has no free machine of this type. | Machine"]
    );
    app.on(Event::Began(Operation::Start), at(40));
    app.on(Event::Ended(None), at(50));
    assert!(told(&mut app).is_empty());
}

#[test]
fn settings_for_another_machine_are_no_change_of_this_one() {
    let mut app = seeing(reachable());
    app.on(super::fixture::setup("[machine.remote-dev]\nregion = \"eu-central-1\"\n"), at(20));
    app.on(looked(empty()), at(30));
    assert!(told(&mut app).is_empty());
}
