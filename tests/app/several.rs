//! Several machines: one is shown, and something is to be done with another one.

use std::time::Duration;

use holdfast_core::app::view::MachineChoice;
use holdfast_core::app::{Command, Page, Then, View};
use holdfast_core::plan::Goal;
use holdfast_core::status::State;
use holdfast_sandbox::{Fault, Rule, Service, When};
use tokio::time::sleep;

use super::{SETTINGS, with_app, with_machine};

const SEVERAL: &str =
    "default = \"spare\"\n[machine.spare]\nuser = \"ada\"\n[machine.remote-dev]\nuser = \"ada\"\n";

fn on(machine: &str, then: Then) -> Command {
    Command::On { machine: machine.parse().expect("a name"), then }
}

fn choice<'a>(view: &'a View, name: &str) -> &'a MachineChoice {
    view.machines.iter().find(|one| one.name.as_str() == name).expect("a machine")
}

#[tokio::test(start_paused = true)]
async fn another_machine_of_the_settings_is_shown_and_connected_to() {
    let (sandbox, other) = with_machine().await;
    other.reach(Goal::Stopped).await.expect("stopped");
    with_app(&sandbox, SEVERAL, async |person| {
        let view = person.waits_for_state(State::Absent).await;
        assert_eq!(view.machine.name, "spare");
        person.asks(on("remote-dev", Then::Connect)).await.expect("accepted");
        let view = person.waits_for_state(State::On).await;
        assert_eq!((view.machine.name.as_str(), view.failed), ("remote-dev", None));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 1, "started first, as it was off");
        let chosen: Vec<_> =
            view.machines.iter().map(|one| (one.name.as_str(), one.shown, one.default)).collect();
        assert_eq!(chosen, [("spare", false, true), ("remote-dev", true, false)]);
        // There is none to connect to, which is said.
        person.asks(on("spare", Then::Connect)).await.expect("accepted");
        let view = person.waits_for("why not", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("it").problem.what, "There is no machine spare yet");
        assert_eq!(person.screen.terminals.get(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_double_click_opens_one_terminal_and_a_later_one_another() {
    let (sandbox, _) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let connect = || Command::Connect { session: None };
        person.asks(connect()).await.expect("accepted");
        person.asks(connect()).await.expect("accepted");
        person.asks(Command::Connect { session: "work".parse().ok() }).await.expect("accepted");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 2, "of each session one");
        person.asks(connect()).await.expect("accepted");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_machine_is_started_from_its_menu_and_stopped_after_a_question() {
    let (sandbox, other) = with_machine().await;
    other.reach(Goal::Stopped).await.expect("stopped");
    with_app(&sandbox, SEVERAL, async |person| {
        let seen = |view: &View| choice(view, "remote-dev").seen.starts_with("Off");
        let view = person.waits_for("that it is off", seen).await;
        let one = choice(&view, "remote-dev");
        assert_eq!((one.seen.as_str(), &one.stop), ("Off, seen less than 5 min ago", &None));
        person.asks(on("remote-dev", Then::Start)).await.expect("accepted");
        person.waits_for("the start", |view| view.operation.is_some()).await;
        let view = person.sees();
        assert_eq!(view.machine.name, "remote-dev");
        assert_eq!(choice(&view, "spare").hindrance.as_deref(), Some("Starting remote-dev is under way."));
        assert!(person.asks(on("spare", Then::Open(Page::Machine))).await.is_err(), "it stays in sight");
        person.waits_for_state(State::On).await;
        assert_eq!(person.told(), ["remote-dev is on and can be reached"]);

        // What was seen of it last stays known when another one is shown.
        person.asks(on("spare", Then::Open(Page::Settings))).await.expect("accepted");
        assert_eq!(*person.screen.opened.borrow(), [Page::Settings], "at once");
        let view = person.sees();
        assert_eq!(
            (view.machine.name.as_str(), choice(&view, "remote-dev").start.is_some()),
            ("spare", false)
        );
        assert!(choice(&view, "remote-dev").stop.is_some());
        person.asks(on("remote-dev", Then::Open(Page::Stop))).await.expect("accepted");
        assert_eq!(person.screen.opened.borrow().len(), 1, "it cannot be asked yet");
        person.waits_for("the question", |_| person.screen.opened.borrow().len() == 2).await;
        assert_eq!(person.screen.opened.borrow().last(), Some(&Page::Stop));
        assert!(person.sees().commands.stop.is_some(), "the window finds what it is to ask");
        assert!(person.told().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_start_of_another_machine_that_is_on_says_so_and_one_that_cannot_be_seen_fails() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SEVERAL, async |person| {
        person.waits_for_state(State::Absent).await;
        person.asks(on("remote-dev", Then::Start)).await.expect("accepted");
        person.waits_for_state(State::On).await;
        assert_eq!(person.told(), ["remote-dev is on"]);
        assert_eq!(person.sees().failed, None);
        // On the one that is shown it is what it is there.
        assert!(person.asks(on("remote-dev", Then::Start)).await.is_err());
        person.asks(on("remote-dev", Then::Connect)).await.expect("accepted");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 1);

        person.asks(Command::Choose { machine: "spare".parse().expect("a name") }).await.expect("accepted");
        person.waits_for_state(State::Absent).await;
        let denied = Fault::Error { code: "UnauthorizedOperation".to_owned(), status: 403 };
        sandbox.fault(Rule::on(Service::Ec2, "DescribeInstances", When::Every, denied));
        person.asks(on("remote-dev", Then::Start)).await.expect("accepted");
        let view = person.waits_for("why not", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("it").title, "Starting remote-dev");
        person.asks(on("spare", Then::Open(Page::Stop))).await.expect("accepted");
        person.waits_for("the window", |_| person.screen.opened.borrow().len() == 1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_others_are_looked_at_within_the_budget_of_an_idle_hour() {
    let (sandbox, other) = with_machine().await;
    let settings = "default = \"remote-dev\"\n[machine.spare]\nuser = \"ada\"\n[machine.work]\nuser = \"ada\"\n\
                    [machine.remote-dev]\nuser = \"ada\"\n";
    with_app(&sandbox, settings, async |person| {
        person.waits_for_state(State::On).await;
        let all =
            |view: &View| view.machines.iter().all(|one| one.shown || one.seen.starts_with("There is none"));
        person.waits_for("all", all).await;
        sleep(Duration::from_secs(300)).await;
        sandbox.clear_calls();
        sleep(Duration::from_secs(3600)).await;
        let calls = sandbox.calls().len();
        println!("{calls} calls in an idle hour with three machines");
        assert!((50..=60).contains(&calls), "{calls}");

        // One that is not shown changes by itself.
        person.asks(Command::Choose { machine: "spare".parse().expect("a name") }).await.expect("accepted");
        person.waits_for_state(State::Absent).await;
        assert!(choice(&person.sees(), "remote-dev").stop.is_some());
        other.reach(Goal::Stopped).await.expect("stopped");
        person.waits_for("that it is off", |view| choice(view, "remote-dev").start.is_some()).await;
        assert!(person.told().is_empty(), "nobody follows it");
    })
    .await;
}
