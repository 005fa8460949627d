//! Several machines: their menus, when those that are not shown are looked at, and what is told of which.

use std::fmt::Write;

use super::fixture::{app, at, items, looked, problem, reachable, several, tray, worlds};
use crate::app::menu::{Item, menu};
use crate::app::{App, Command, Draft, Event, Opening, Operation, Page, Problem, Then, drafted, view::Key};
use crate::doctor::{Finding, Part, Report};
use crate::machine::{Desired, Fact, Observed, Power, TAG_MACHINE};
use crate::plan::tests::fixture::{empty, powered};
use crate::terminal::Known;

fn shows(app: &mut App, name: &str, second: u64) {
    app.on(Event::Settings(Ok(Box::new(several(name)))), at(second));
}

/// An app that shows one of several machines, which is on.
fn showing(name: &str) -> App {
    let mut app = app();
    shows(&mut app, name, 1);
    app.on(looked(of(name, reachable())), at(10));
    app
}

fn other(name: &str) -> Desired {
    several("remote-dev").settings.machines[&name.parse().unwrap()].clone()
}

/// The same of this machine.
pub(super) fn of(name: &str, mut world: Observed) -> Observed {
    if let Fact::Present(instances) = &mut world.instances {
        for instance in instances {
            instance.tags.insert(TAG_MACHINE.to_owned(), other(name).key());
        }
    }
    world
}

fn sees(app: &mut App, name: &str, observed: Option<Observed>, second: u64) {
    let observed = observed.map(|observed| Box::new(of(name, observed)));
    app.on(Event::LookedAtOther(Box::new(other(name)), observed), at(second));
}

/// The menu of one of the other machines.
fn menu_of(app: &App, name: &str) -> String {
    let of = |item: Item| match item {
        Item::Menu { label, items: inner } if label.starts_with(name) => {
            Some(format!("{label}\n{}", items(&inner, "    ")))
        }
        Item::Menu { .. } | Item::Line(_) | Item::Rule | Item::Act { .. } => None,
    };
    menu(&app.view()).into_iter().find_map(of).unwrap_or_default()
}

/// What is to be looked at next, and in how many seconds.
fn next(app: &App, second: u64) -> Option<(u64, String)> {
    let next = app.next_look_at_others(at(second));
    next.map(|(pause, machine)| (pause.as_secs(), machine.machine.to_string()))
}

#[test]
fn the_menu_of_another_machine_in_every_state() {
    let mut text = String::new();
    let app = showing("remote-dev");
    let _ = writeln!(text, "# nobody has looked\n{}", menu_of(&app, "spare"));
    for (name, world) in worlds() {
        let mut app = showing("remote-dev");
        sees(&mut app, "spare", Some(world), 20);
        let _ = writeln!(text, "# {name}\n{}", menu_of(&app, "spare"));
    }
    let mut app = showing("remote-dev");
    sees(&mut app, "spare", None, 20);
    let _ = writeln!(text, "# the look failed\n{}", menu_of(&app, "spare"));
    let mut app = showing("remote-dev");
    sees(&mut app, "spare", Some(reachable()), 20);
    app.on(looked(reachable()), at(1000));
    let _ = writeln!(text, "# a while ago\n{}", menu_of(&app, "spare"));
    app.on(Event::Began(Operation::Stop), at(1010));
    let _ = writeln!(text, "# something is under way\n{}", menu_of(&app, "spare"));
    app.on(Event::Ended(None), at(1020));
    app.on(Event::JobAsked { to: None }, at(1030));
    let _ = writeln!(text, "# a job is under way\n{}", menu_of(&app, "spare"));
    let _ = writeln!(text, "# the default one\n{}", menu_of(&showing("spare"), "remote-dev"));
    insta::assert_snapshot!(text);
}

#[test]
fn the_machine_that_is_shown_has_the_menu_and_the_default_one_comes_first_of_the_others() {
    let labels = |shown: &str| -> Vec<String> {
        let label = |item| match item {
            Item::Menu { label, .. } => Some(label),
            Item::Line(_) | Item::Rule | Item::Act { .. } => None,
        };
        menu(&showing(shown).view()).into_iter().filter_map(label).collect()
    };
    assert_eq!(labels("remote-dev"), ["spare, eu-central-1", "work, us-west-2"]);
    assert_eq!(labels("work"), ["remote-dev (default), us-west-2", "spare, eu-central-1"]);
    let tray = tray(&showing("work").view());
    assert!(tray.starts_with("On: work is on") && tray.contains("\n    [Stop…] stop\n"), "{tray}");
}

#[test]
fn another_machine_is_shown_where_nothing_is_under_way() {
    let mut app = showing("remote-dev");
    let machine = |name: &str| name.parse().unwrap();
    let choose = |name: &str| Command::Choose { machine: machine(name) };
    let on = |name: &str, then| Command::On { machine: machine(name), then };
    assert_eq!(app.may(&choose("spare")), Ok(()));
    assert!(app.may(&choose("remote-dev")).is_err(), "it is shown");
    assert!(app.may(&choose("none")).is_err() && app.may(&on("none", Then::Start)).is_err(), "there is none");
    for then in [Then::Connect, Then::Start, Then::Open(Page::Stop)] {
        assert_eq!(app.may(&on("spare", then)), Ok(()));
    }
    // On the one that is shown it is what it is there.
    assert_eq!(app.may(&on("remote-dev", Then::Connect)), Ok(()));
    assert_eq!(app.may(&on("remote-dev", Then::Start)).unwrap_err().why, "remote-dev is on");
    app.on(Event::Began(Operation::Restart), at(20));
    let why = "Restarting remote-dev is under way";
    for command in [choose("spare"), on("spare", Then::Start), on("spare", Then::Open(Page::Machine))] {
        assert_eq!(app.may(&command).unwrap_err().why, why, "what is under way stays in sight");
    }
    assert_eq!(app.may(&on("remote-dev", Then::Open(Page::Activity))), Ok(()));
    shows(&mut app, "spare", 30);
    let text =
        drafted(app.setup().unwrap(), &Draft::default().with(Key::InstanceType, "m8g.large")).unwrap().text;
    let changed = "region = \"eu-central-1\"\ninstance_type = \"m8g.large\"\n[machine.work]\n";
    assert!(text.contains(changed), "{text}");
}

#[test]
fn others_are_looked_at_once_and_then_one_by_one() {
    let mut app = app();
    shows(&mut app, "remote-dev", 1);
    assert_eq!(next(&app, 1), None, "the one that is shown comes first");
    app.on(looked(reachable()), at(10));
    assert_eq!(next(&app, 10), Some((0, "spare".to_owned())));
    sees(&mut app, "spare", Some(reachable()), 11);
    assert_eq!(next(&app, 11), Some((0, "work".to_owned())));
    sees(&mut app, "work", Some(empty()), 12);
    assert_eq!(next(&app, 12), Some((600, "spare".to_owned())));
    assert_eq!(next(&app, 612), Some((0, "spare".to_owned())));
    sees(&mut app, "spare", Some(reachable()), 612);
    assert_eq!(next(&app, 612), Some((600, "work".to_owned())));
    // Credentials that ask something on the screen do not do so again and again.
    sees(&mut app, "work", None, 1212);
    sees(&mut app, "spare", Some(reachable()), 1213);
    assert_eq!(next(&app, 2000), Some((0, "spare".to_owned())));
    sees(&mut app, "spare", None, 2000);
    assert_eq!(next(&app, 9000), None);
    app.on(Event::Window(true), at(2030));
    assert_eq!(next(&app, 2030), Some((0, "work".to_owned())), "what was seen a moment ago will do");
    sees(&mut app, "work", Some(empty()), 2031);
    assert_eq!(next(&app, 2031), Some((600, "work".to_owned())));
    app.on(Event::SignedIn(Ok(true)), at(2040));
    assert_eq!(next(&app, 2040), Some((0, "spare".to_owned())));
    assert_eq!(next(&app, 5), next(&app, 2040), "a clock that was set back");
    app.on(Event::Began(Operation::Stop), at(2050));
    assert_eq!(next(&app, 2050), None, "nothing can be done with it now");
    app.on(Event::Ended(None), at(2060));
    app.on(Event::Blind(problem("AWS cannot be reached")), at(2070));
    assert_eq!(next(&app, 2070), None, "it would fail, too");
}

#[test]
fn what_was_seen_of_a_machine_stays_when_another_one_is_shown() {
    let mut app = showing("remote-dev");
    sees(&mut app, "work", Some(powered(Power::Stopped)), 12);
    shows(&mut app, "spare", 20);
    assert!(menu_of(&app, "remote-dev").contains("(On, seen less than 5 min ago)"));
    assert!(menu_of(&app, "work").contains("(Off, seen less than 5 min ago)"));
    // Another profile is other eyes.
    let with = |profile: &str| {
        let text = several("spare").text.replace("profile = \"work\"", profile);
        crate::app::Setup::read(text, "ada".parse().ok(), Some(&"spare".parse().unwrap())).unwrap()
    };
    app.on(Event::Settings(Ok(Box::new(with("profile = \"home\"")))), at(30));
    assert!(menu_of(&app, "work").contains("(Its state is not known)"));
    // An answer about settings of before says nothing.
    sees(&mut app, "work", Some(reachable()), 31);
    assert!(menu_of(&app, "work").contains("(Its state is not known)"));
    // Nothing is known of one that could not be seen.
    app.on(looked(of("spare", reachable())), at(40));
    app.on(Event::Blind(problem("no")), at(50));
    shows(&mut app, "remote-dev", 60);
    assert!(menu_of(&app, "spare").contains("(Its state is not known)"));
}

#[test]
fn a_start_of_what_is_on_says_so_and_a_refusal_is_a_failure() {
    let told = |app: &mut App| -> Vec<String> { app.notices().map(|notice| notice.title).collect() };
    let refused = |operation| Event::NotBegun(operation, problem("spare is on"));
    let mut app = showing("spare");
    app.on(refused(Operation::Start), at(20));
    assert_eq!(told(&mut app), ["spare is on"]);
    assert_eq!(app.view().failed, None);
    app.on(refused(Operation::Connect), at(30));
    assert_eq!(told(&mut app), ["Connecting to spare: it did not work"]);
    let mut watched = showing("spare");
    watched.on(Event::Window(true), at(15));
    watched.on(refused(Operation::Start), at(20));
    assert!(told(&mut watched).is_empty(), "the window says it");
    let mut stopping = showing("spare");
    stopping.on(looked(of("spare", powered(Power::Stopping))), at(20));
    stopping.on(refused(Operation::Start), at(20));
    assert_eq!(told(&mut stopping), ["Starting spare: it did not work"]);
}

#[test]
fn a_notification_knows_its_machine() {
    let about = |app: &mut App| -> Vec<Option<String>> {
        app.notices().map(|notice| notice.machine.map(|machine| machine.to_string())).collect()
    };
    let spare = || [Some("spare".to_owned())];
    let mut app = showing("spare");
    app.on(looked(of("spare", powered(Power::Stopped))), at(20));
    assert_eq!(about(&mut app), spare());
    app.on(Event::Began(Operation::Start), at(30));
    // The settings come to mean another one meanwhile.
    shows(&mut app, "remote-dev", 40);
    app.on(Event::Ended(Some(Err(problem("no")))), at(50));
    assert_eq!(about(&mut app), spare());
    let found =
        crate::app::view::Update { version: "9.0.0".to_owned(), page: "https://example.com".to_owned() };
    app.on(Event::AskedForUpdates { last: None, found: None, salt: 1 }, at(60));
    app.on(Event::Updates { newer: Ok(Some(found)), salt: 1 }, at(60));
    assert_eq!(about(&mut app), [None], "this one is about Holdfast");
}

#[test]
fn commands_that_are_told_name_a_machine_that_is_not_the_default_one() {
    let hinted = |shown: &str| {
        let mut app = showing(shown);
        app.on(Event::Blind(problem("AWS cannot be reached")), at(20));
        app.on(Event::DoctorAsked, at(30));
        app.on(Event::Examining, at(30));
        let found = Finding::warning(Part::Machine, "off", "start it: holdfast start");
        app.on(Event::Examined(Report::of(vec![found])), at(30));
        let view = app.view();
        let todo = view.doctor.pressing[0].todo.clone().unwrap();
        (view.machine.problem.unwrap().hints[0].clone(), todo)
    };
    let pair = |hint: &str, todo: &str| (hint.to_owned(), todo.to_owned());
    assert_eq!(hinted("remote-dev"), pair("try again: holdfast up", "start it: holdfast start"));
    let named = pair("try again: holdfast --machine spare up", "start it: holdfast --machine spare start");
    assert_eq!(hinted("spare"), named);
}

#[test]
fn what_fails_on_a_machine_that_is_not_shown_any_more_names_it_and_offers_nothing() {
    let mut app = showing("remote-dev");
    app.on(Event::Terminals(vec![Known::Foot, Known::Xterm]), at(11));
    shows(&mut app, "spare", 12);
    app.on(looked(of("spare", reachable())), at(13));
    let opening = Opening { session: None, terminal: Some(Known::Foot), machine: "remote-dev".parse().ok() };
    let hints = vec!["run it yourself: holdfast connect".to_owned()];
    let failure = Problem { hints, ..problem("it could not be opened") };
    app.on(Event::Opened { opening, result: Err(failure) }, at(14));
    let failed = app.view().failed.unwrap();
    assert_eq!(failed.problem.hints, ["run it yourself: holdfast --machine remote-dev connect"]);
    assert_eq!((failed.title.as_str(), failed.unopened), ("Connecting to remote-dev", None));
    shows(&mut app, "spare", 15);
    assert_eq!(app.view().failed, None, "what can be done here would be done to another machine");

    app.on(Event::Began(Operation::Stop), at(20));
    shows(&mut app, "remote-dev", 21);
    app.on(Event::Ended(Some(Err(problem("AWS cannot be reached")))), at(22));
    assert_eq!(app.view().failed.unwrap().title, "Stopping spare");
    shows(&mut app, "remote-dev", 23);
    assert_eq!(app.view().failed, None);
}
