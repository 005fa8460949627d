//! Adding a portal: what is shown at each step, what may be asked for there, and what is heard no more.

use std::fmt::Write;

use super::fixture::{app, at, looked, problem, reachable, seeing, setup};
use crate::app::view::PortalStage;
use crate::app::{
    Addition, App, Command, Event, Page, PortalEvent, PortalStep, Problem, SigningIn, Through, WayIn,
};
use crate::plan::tests::fixture::empty;
use crate::profile::{Chosen, Portal};

const ACCOUNT: &str = "111122223333";

fn portal() -> Portal {
    Portal::typed("https://example.awsapps.com/start", "us-west-2").unwrap()
}

fn on(app: &mut App, event: PortalEvent, second: u64) {
    app.on(Event::Portal(event), at(second));
}

fn step(step: PortalStep) -> Command {
    Command::Portal { step }
}

fn sign_in(through: Through) -> Command {
    let (start_url, region) = (portal().start_url, portal().region);
    step(PortalStep::SignIn { start_url, region, through })
}

fn choose(role: &str) -> Command {
    step(PortalStep::Choose { account: ACCOUNT.to_owned(), role: role.to_owned() })
}

fn name(name: &str) -> Command {
    step(PortalStep::Name { name: name.to_owned() })
}

fn browser() -> SigningIn {
    SigningIn::Browser { page: "https://oidc.us-west-2.amazonaws.com/authorize?x".to_owned() }
}

fn accounts() -> PortalEvent {
    let of = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    PortalEvent::Accounts(vec![
        of(ACCOUNT, "Team\u{202e}\u{1b}[2J"),
        of("444455556666", "Empty"),
        of("1\u{202e}2", "odd"),
    ])
}

fn roles() -> PortalEvent {
    let roles = ["Admin", "Read", "Ad\u{202e}min"].map(str::to_owned).into();
    PortalEvent::Roles(vec![(ACCOUNT.to_owned(), roles), ("444455556666".to_owned(), Vec::new())])
}

fn chosen() -> PortalEvent {
    PortalEvent::Chosen(Chosen { account: ACCOUNT.to_owned(), role: "Admin".to_owned() })
}

fn addition() -> PortalEvent {
    PortalEvent::Drafted(Ok(Addition {
        file: "/home/ada/.aws/config".to_owned(),
        text: "\n[profile work]\r\nsso_session = example\n".to_owned(),
    }))
}

/// What is shown, and which of these commands are accepted.
fn shown(app: &App) -> String {
    let it = app.view().portal;
    let mut text = format!("  {:?}\n", it.stage);
    if let Some(problem) = it.problem {
        let _ = writeln!(text, "  problem {}: {:?}", problem.what, problem.hints);
    }
    if let Some(added) = it.added {
        let _ = writeln!(text, "  added {added}");
    }
    let commands = [
        ("browser", sign_in(Through::Browser)),
        ("code", sign_in(Through::Code)),
        ("choose", choose("Admin")),
        ("back", step(PortalStep::Back)),
        ("name", name("work")),
        ("write", step(PortalStep::Write)),
        ("cancel", step(PortalStep::Cancel)),
    ];
    let may = commands.iter().filter(|(_, command)| app.may(command).is_ok()).map(|(name, _)| *name);
    let _ = writeln!(text, "  may {:?}", may.collect::<Vec<_>>());
    text
}

#[test]
fn each_step_of_adding_a_portal() {
    let mut text = String::new();
    let mut say = |name: &str, app: &App| {
        let _ = writeln!(text, "# {name}\n{}", shown(app));
    };
    let mut sandbox = App::new(true, "/settings.toml".to_owned());
    sandbox.on(setup(""), at(0));
    say("the sandbox", &sandbox);
    let mut app = app();
    say("nobody adds one", &app);
    on(&mut app, PortalEvent::Begins(portal()), 1);
    say("it begins", &app);
    on(&mut app, PortalEvent::SigningIn(browser()), 2);
    say("the browser", &app);
    on(&mut app, PortalEvent::Ended(Err(problem("The sign-in was denied"))), 3);
    say("denied", &app);
    on(&mut app, PortalEvent::Begins(portal()), 4);
    on(&mut app, PortalEvent::SigningIn(browser()), 4);
    let code =
        SigningIn::Code { page: "https://device.example.com".to_owned(), code: "WDJB-MJHT".to_owned() };
    on(&mut app, PortalEvent::SigningIn(code), 5);
    say("a code", &app);
    on(&mut app, accounts(), 6);
    say("accounts", &app);
    on(&mut app, roles(), 7);
    on(&mut app, PortalEvent::Listed, 8);
    say("roles", &app);
    on(&mut app, chosen(), 9);
    say("a role", &app);
    on(&mut app, PortalEvent::Named("work".to_owned()), 10);
    say("a name", &app);
    let taken = Problem { hints: vec!["give it another name".to_owned()], ..problem("It is taken") };
    on(&mut app, PortalEvent::Drafted(Err(taken)), 11);
    say("a name that is taken", &app);
    on(&mut app, PortalEvent::Named("work".to_owned()), 12);
    on(&mut app, addition(), 12);
    say("the text", &app);
    on(&mut app, PortalEvent::Writing, 13);
    say("it is written", &app);
    on(&mut app, PortalEvent::NotWritten(problem("It has changed meanwhile")), 14);
    say("it is not", &app);
    on(&mut app, PortalEvent::Named("work".to_owned()), 15);
    on(&mut app, addition(), 15);
    on(&mut app, PortalEvent::Writing, 15);
    on(&mut app, PortalEvent::Ended(Ok(("work".to_owned(), true))), 16);
    say("it is there", &app);
    insta::assert_snapshot!(text);
}

#[test]
fn what_was_given_up_is_heard_no_more() {
    let mut app = app();
    on(&mut app, PortalEvent::Begins(portal()), 1);
    on(&mut app, PortalEvent::SigningIn(browser()), 2);
    assert!(app.is_adding_portal() && app.may(&step(PortalStep::Cancel)).is_ok());
    on(&mut app, PortalEvent::GivenUp, 3);
    for late in
        [PortalEvent::SigningIn(browser()), accounts(), roles(), PortalEvent::Ended(Err(problem("late")))]
    {
        on(&mut app, late, 4);
        assert!(!app.is_adding_portal());
        assert_eq!(app.view().portal.problem, None);
    }
    assert_eq!(app.may(&step(PortalStep::Cancel)).unwrap_err().why, "No portal is being added");
}

#[test]
fn what_is_typed_has_to_hold() {
    let mut app = app();
    let sign_in = |start_url: &str, region: &str| {
        let (start_url, region) = (start_url.to_owned(), region.to_owned());
        step(PortalStep::SignIn { start_url, region, through: Through::Browser })
    };
    let why = |app: &App, command: &Command| app.may(command).unwrap_err().why;
    assert_eq!(why(&app, &sign_in("example.com", "")), "That is no start URL; it begins with https://");
    assert!(why(&app, &sign_in("https://example.com", "Frankfurt")).contains("is not an AWS region"));
    assert!(app.may(&sign_in(" https://example.com ", " ")).is_ok());
    app.on(Event::Profiles(vec!["old".to_owned()]), at(1));
    on(&mut app, PortalEvent::Begins(portal()), 1);
    for event in [accounts(), roles(), chosen(), PortalEvent::Back] {
        on(&mut app, event, 2);
    }
    assert!(why(&app, &choose("Root")).contains("no such role"));
    assert!(app.may(&choose("Ad\u{202e}min")).is_err(), "it is another one than it looks");
    assert!(app.may(&choose("Read")).is_ok());
    on(&mut app, chosen(), 3);
    assert!(why(&app, &name("old")).starts_with("There is a profile old already"));
    assert!(why(&app, &name("it's")).contains("quotes"));
    assert!(app.may(&name("")).is_err() && app.may(&name("new")).is_ok());
    assert!(serde_json::from_str::<Command>(r#"{"do":"portal","step":{"is":"steal"}}"#).is_err());
}

#[test]
fn there_is_one_sign_in_at_a_time() {
    let mut app = seeing(reachable());
    app.on(
        Event::WayIn(Some(WayIn {
            profile: "work".to_owned(),
            portal: Some("https://example.com".to_owned()),
            browser: true,
            device: None,
        })),
        at(20),
    );
    app.on(Event::Blind(Problem { code: "expired".to_owned(), ..problem("over") }), at(20));
    let again = Command::SignIn { through: Through::Browser };
    assert!(app.may(&again).is_ok() && app.may(&sign_in(Through::Browser)).is_ok());
    on(&mut app, PortalEvent::Begins(portal()), 21);
    assert_eq!(app.may(&again).unwrap_err().why, "A sign-in is under way");
    on(&mut app, accounts(), 22);
    assert!(app.may(&again).is_ok(), "that one is over");
    on(&mut app, PortalEvent::GivenUp, 23);
    app.on(Event::BeginsSignIn, at(24));
    assert_eq!(app.may(&sign_in(Through::Browser)).unwrap_err().why, "A sign-in is under way");
    assert_eq!(app.view().portal.begin, None);
}

#[test]
fn a_new_profile_is_put_into_use_where_there_is_no_machine_yet() {
    let added = |mut app: App, page: Page| {
        app.on(Event::Window(true), at(20));
        app.on(Event::Showing(page), at(20));
        on(&mut app, PortalEvent::Begins(portal()), 21);
        for event in [accounts(), roles(), chosen(), PortalEvent::Named("work".to_owned()), addition()] {
            assert!(!matches!(app.view().portal.stage, Some(PortalStage::Naming { addition: Some(_), .. })));
            on(&mut app, event, 22);
        }
        on(&mut app, PortalEvent::Ended(Ok(("work".to_owned(), false))), 23);
        app
    };
    let kept = added(seeing(empty()), Page::Machine).uses_added();
    assert!(matches!(kept, Some(Command::Keep { .. })), "{kept:?}");
    assert_eq!(added(seeing(empty()), Page::Settings).uses_added(), None, "there it is put into the form");
    assert_eq!(added(seeing(reachable()), Page::Machine).uses_added(), None);
    let mut app = added(seeing(reachable()), Page::Settings);
    assert!(app.view().machine.notes.iter().any(|note| note.contains("no keyring")));
    app.on(looked(reachable()), at(24));
    assert_eq!(app.view().portal.added.as_deref(), Some("work"));
}
