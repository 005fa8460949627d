//! What the tray and the window show in every state.

use std::fmt::Write;

use super::fixture::{app, at, elsewhere, looked, problem, reachable, seeing, setup, tray, window, worlds};
use crate::app::{App, Command, Draft, Elsewhere, Event, Opening, Operation, Progress, Proposal};
use crate::machine::{Fact, Observed, Power, Why};
use crate::plan::tests::fixture::{empty, powered};
use crate::plan::{self, Goal, Waiting, plan};

fn table(cases: Vec<(&str, App)>, show: fn(&crate::app::View) -> String) -> String {
    let mut text = String::new();
    for (name, app) in cases {
        let _ = writeln!(text, "# {name}\n{}", show(&app.view()));
    }
    text
}

/// The app with every world, and in the situations that are about more than the machine.
fn cases() -> Vec<(&'static str, App)> {
    let mut cases = vec![("settings not read yet", App::new(false, "/settings.toml".to_owned()))];
    let mut broken = app();
    broken.on(Event::Settings(Err(problem("The settings do not hold"))), at(0));
    cases.push(("settings that do not hold", broken));
    cases.push(("not looked yet", app()));
    cases.extend(worlds().into_iter().map(|(name, world)| (name, seeing(world))));

    let mut blind = app();
    blind.on(Event::Blind(problem("AWS cannot be reached for ec2:DescribeInstances")), at(5));
    cases.push(("the first look failed", blind));
    let mut lost = seeing(reachable());
    lost.on(Event::Blind(problem("Your AWS sign-in is over")), at(60));
    cases.push(("a later look failed", lost));

    let mut denied = seeing(reachable());
    let why = || Why::Denied("ec2:DescribeInstances".to_owned());
    let nothing = Observed { instances: Fact::Unknown(why()), ..Observed::unknown("") };
    denied.on(looked(nothing), at(60));
    cases.push(("a later look was denied", denied));
    let mut deaf = seeing(reachable());
    let instances = reachable().instances;
    let agent = Fact::Unknown(Why::Failed("SSM is not to be reached".to_owned()));
    deaf.on(looked(Observed { instances, agent, ..Observed::unknown("") }), at(60));
    cases.push(("later SSM does not tell", deaf));

    let mut other = seeing(powered(Power::Stopped));
    let observed = Box::new(powered(Power::Pending));
    other.on(Event::Looked { observed, elsewhere: Some(elsewhere("start")), interrupted: None }, at(20));
    cases.push(("another process starts it", other));
    let mut interrupted = seeing(empty());
    let observed = Box::new(empty());
    interrupted.on(Event::Looked { observed, elsewhere: None, interrupted: Some(elsewhere("up")) }, at(20));
    cases.push(("something was interrupted", interrupted));

    let mut starting = seeing(powered(Power::Stopped));
    starting.on(Event::Began(Operation::Start), at(20));
    cases.push(("about to start", starting));
    let mut starting = seeing(powered(Power::Stopped));
    starting.on(Event::Began(Operation::Connect), at(20));
    starting.on(Event::Goes(Progress::Saw(Box::new(powered(Power::Running)))), at(50));
    starting.on(Event::Goes(Progress::Waiting(vec![Waiting::Agent])), at(50));
    cases.push(("starting, waiting for the agent", starting));
    let mut stopping = seeing(reachable());
    stopping.on(Event::Began(Operation::Stop), at(20));
    stopping.on(Event::Goes(Progress::Saw(Box::new(powered(Power::Stopping)))), at(22));
    cases.push(("stopping", stopping));
    let mut restarting = seeing(reachable());
    restarting.on(Event::Began(Operation::Restart), at(20));
    let reboot = plan::reboot(&restarting.setup().unwrap().desired, &reachable());
    restarting.on(Event::Goes(Progress::Planned(Box::new(reboot.clone()))), at(21));
    restarting.on(Event::Goes(Progress::Finished(reboot.steps[0].step.clone())), at(22));
    restarting.on(Event::Goes(Progress::Waiting(vec![Waiting::Agent])), at(40));
    cases.push(("restarting, waiting for the agent", restarting));

    let app = seeing(empty());
    let steps = plan(&app.setup().unwrap().desired, &empty(), Goal::Settings);
    for (name, done) in [("making, at its beginning", 0), ("making, half done", 8)] {
        let mut making = seeing(empty());
        making.on(Event::Began(Operation::Make), at(20));
        making.on(Event::Goes(Progress::Planned(Box::new(steps.clone()))), at(20));
        for planned in &steps.steps[..done] {
            making.on(Event::Goes(Progress::Started(planned.step.clone())), at(21));
            making.on(Event::Goes(Progress::Finished(planned.step.clone())), at(22));
        }
        making.on(Event::Goes(Progress::Started(steps.steps[done].step.clone())), at(23));
        cases.push((name, making));
    }
    let mut failed = seeing(powered(Power::Stopped));
    failed.on(Event::Began(Operation::Start), at(20));
    let capacity = problem("AWS has no free machine of this type in this zone right now");
    failed.on(Event::Ended(Some(Err(capacity))), at(30));
    cases.push(("starting failed", failed));
    let mut no_terminal = seeing(reachable());
    let unopened = Err(problem("No terminal could be opened"));
    no_terminal.on(Event::Opened { opening: Opening::default(), result: unopened }, at(30));
    cases.push(("no terminal", no_terminal));

    let mut sandbox = App::new(true, "/settings.toml".to_owned());
    sandbox.on(setup(""), at(0));
    sandbox.on(looked(reachable()), at(1));
    cases.push(("in the sandbox", sandbox));
    cases
}

#[test]
fn the_tray_in_every_state() {
    insta::assert_snapshot!(table(cases(), tray));
}

#[test]
fn the_window_in_every_state() {
    insta::assert_snapshot!(table(cases(), window));
}

#[test]
fn what_may_be_asked_for_in_every_state() {
    let commands = [
        ("connect", Command::Connect { session: None }),
        ("start", Command::Start),
        ("stop", Command::Stop),
        ("cancel", Command::Cancel),
        ("look", Command::Look),
        ("preview", Command::Preview { of: Proposal::Settings { draft: Draft::default() } }),
        ("apply", Command::Apply { number: 0 }),
        ("replace", Command::Preview { of: Proposal::Replace }),
        ("take a snapshot", Command::TakeSnapshot),
        ("look at snapshots", Command::LookAtSnapshots),
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
fn hostile_words_of_aws_are_shown_harmlessly() {
    let hostile = "\u{1b}[2J<b>&\u{202e}evil\u{2066}\n".repeat(1000);
    let mut app = app();
    app.on(Event::Blind(problem(&hostile)), at(5));
    let shown = app.view().machine.problem.unwrap().what;
    assert!(shown.chars().count() < 500);
    assert!(!shown.chars().any(|c| c.is_control() || "\u{202e}\u{2066}".contains(c)), "{shown:?}");
    for item in crate::app::menu::menu(&app.view()) {
        if let crate::app::menu::Item::Line(line) = item {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn what_was_interrupted_has_the_name_of_what_was_done() {
    for (what, title) in [
        ("stop", "Stopping remote-dev was interrupted"),
        ("resize", "Changing remote-dev was interrupted"),
        ("replace", "Replacing remote-dev was interrupted"),
        ("replace --cancel", "Taking back the replacement of remote-dev was interrupted"),
        ("snapshot restore snap-00000001", "Restoring remote-dev was interrupted"),
        ("adopt i-00000001", "holdfast adopt i-00000001 was interrupted"),
    ] {
        let mut app = seeing(empty());
        let observed = Box::new(empty());
        app.on(Event::Looked { observed, elsewhere: None, interrupted: Some(elsewhere(what)) }, at(20));
        assert_eq!(app.view().interrupted.unwrap().title, title);
    }
}

#[test]
fn a_volume_that_has_grown_is_still_to_be_used() {
    for (grows, said) in [(true, "holdfast apply"), (false, "what is left to do.")] {
        let mut app = seeing(reachable());
        let interrupted = Some(Elsewhere { grows, ..elsewhere("resize") });
        app.on(Event::Looked { observed: Box::new(reachable()), elsewhere: None, interrupted }, at(20));
        let sentence = app.view().interrupted.unwrap().sentence;
        assert!(sentence.ends_with(said), "{sentence}");
    }
}

#[test]
fn what_has_reached_its_goal_since_is_over() {
    let off = || powered(Power::Stopped);
    for (what, world, over) in [
        ("stop", off(), true),
        ("stop", reachable(), false),
        ("start", reachable(), true),
        ("start", off(), false),
        // The plan that is shown on request tells.
        ("apply", off(), false),
        ("up", reachable(), false),
        // Nobody can see whether it was begun.
        ("restart", reachable(), false),
        ("adopt i-00000001", reachable(), false),
    ] {
        let mut app = app();
        let observed = Box::new(world);
        app.on(Event::Looked { observed, elsewhere: None, interrupted: Some(elsewhere(what)) }, at(20));
        assert_eq!(app.has_reached_what_was_interrupted(), over, "{what}");
        assert!(app.view().interrupted.is_some());
    }
    let mut app = seeing(reachable());
    assert!(!app.has_reached_what_was_interrupted(), "nothing was");
    app.on(
        Event::Looked { observed: Box::new(off()), elsewhere: None, interrupted: Some(elsewhere("stop")) },
        at(20),
    );
    app.on(Event::Reached, at(21));
    assert_eq!(app.view().interrupted, None);
}
