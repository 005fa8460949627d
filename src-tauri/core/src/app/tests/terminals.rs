//! A terminal that did not open: which others are offered, and what comes of it.

use super::fixture::{app, at, looked, problem, reachable, setup};
use crate::app::view::Unopened;
use crate::app::{App, Command, Event, Opening};
use crate::machine::Power;
use crate::plan::tests::fixture::powered;
use crate::terminal::Known;

/// An app whose settings say this, on a computer with these terminals.
fn with(terminal: &str, installed: &[Known]) -> App {
    let mut app = app();
    app.on(setup(&format!("terminal = {terminal}\n")), at(0));
    app.on(Event::Terminals(installed.to_vec()), at(1));
    app.on(looked(reachable()), at(10));
    app
}

fn opening(session: &str, terminal: Option<Known>) -> Opening {
    Opening { session: session.parse().ok(), terminal, machine: None }
}

fn fails(app: &mut App, opening: Opening) {
    app.on(Event::Opened { opening, result: Err(problem("it could not be opened")) }, at(20));
}

fn shown(app: &App) -> Option<Unopened> {
    app.view().failed.expect("a failure").unopened
}

fn others(app: &App) -> Vec<Known> {
    let shown = shown(app).map_or_else(Vec::new, |unopened| unopened.others);
    shown.into_iter().map(|other| other.terminal).collect()
}

#[test]
fn the_others_that_are_installed_are_offered() {
    let all = [Known::XfceTerminal, Known::Foot, Known::Xterm];
    for (terminal, expected) in [
        ("\"foot\"", vec![Known::XfceTerminal, Known::Xterm]),
        // One that is not there.
        ("\"kitty\"", all.to_vec()),
        ("[\"my-terminal\", \"{}\"]", all.to_vec()),
        // Holdfast has tried each of them.
        ("\"default\"", vec![]),
    ] {
        let mut app = with(terminal, &all);
        fails(&mut app, opening("work", None));
        assert_eq!(others(&app), expected, "{terminal}");
    }
    let mut app = with("\"foot\"", &all);
    fails(&mut app, opening("work", None));
    let unopened = shown(&app).unwrap();
    assert_eq!(unopened.session, "work".parse().ok());
    assert_eq!(unopened.others[0].name, "Xfce Terminal");
    fails(&mut app, opening("work", Some(Known::Xterm)));
    assert_eq!(others(&app), [Known::XfceTerminal], "neither of the two that did not open");
}

#[test]
fn only_what_is_installed_is_opened() {
    let app = with("\"foot\"", &[Known::Foot, Known::Xterm]);
    let may =
        |terminal| app.may(&Command::ConnectIn { terminal, session: None }).map_err(|refusal| refusal.why);
    assert_eq!(may(Known::Xterm), Ok(()));
    assert_eq!(may(Known::Kitty), Err("kitty is not installed".to_owned()));
    let mut off = with("\"foot\"", &[Known::Xterm]);
    off.on(looked(powered(Power::Stopped)), at(12));
    assert!(off.may(&Command::ConnectIn { terminal: Known::Xterm, session: None }).is_ok(), "it is started");
}

#[test]
fn nothing_but_a_known_terminal_is_a_command() {
    let command = |terminal: &str| {
        serde_json::from_str::<Command>(&format!(
            r#"{{"do": "connect_in", "terminal": {terminal}, "session": null}}"#
        ))
    };
    let expected = Command::ConnectIn { terminal: Known::XfceTerminal, session: None };
    assert_eq!(command("\"xfce4-terminal\"").unwrap(), expected);
    for hostile in [
        "\"/bin/sh\"",
        "\"default\"",
        "\"xterm -e sh\"",
        "\"Xterm\"",
        "\"\"",
        "[\"sh\", \"{}\"]",
        "{\"Custom\": [\"sh\"]}",
        "null",
        "10",
    ] {
        assert!(command(hostile).is_err(), "{hostile}");
    }
}

#[test]
fn one_that_has_opened_instead_can_be_chosen_for_good() {
    let mut app = with("\"foot\"", &[Known::Foot, Known::Kitty, Known::Xterm]);
    fails(&mut app, opening("work", None));
    let instead = opening("work", Some(Known::Xterm));
    app.on(Event::Opened { opening: instead, result: Ok(()) }, at(30));
    let unopened = shown(&app).unwrap();
    assert_eq!(unopened.opened.map(|opened| opened.terminal), Some(Known::Xterm));
    assert_eq!(unopened.others, [], "nobody needs another one");
    app.on(setup("terminal = \"xterm\"\n"), at(40));
    assert_eq!(app.view().failed, None, "it was about the terminal of before");
}

#[test]
fn a_failure_ends_when_the_terminal_opens_again() {
    let mut app = with("\"foot\"", &[Known::Foot]);
    fails(&mut app, opening("work", None));
    assert_eq!(shown(&app), None, "there is no other one");
    app.on(Event::Opened { opening: opening("work", None), result: Ok(()) }, at(30));
    assert_eq!(app.view().failed, None);

    app.on(Event::NoTerminal(problem("AWS cannot be reached")), at(40));
    app.on(Event::Opened { opening: opening("work", None), result: Ok(()) }, at(50));
    assert!(app.view().failed.is_some(), "that is no matter of terminals");
    app.on(setup("terminal = \"xterm\"\n"), at(60));
    assert!(app.view().failed.is_some());
}
