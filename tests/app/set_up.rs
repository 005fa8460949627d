//! The first run, and what befalls the app itself.

use holdfast_core::app::view::{Decision, Key};
use holdfast_core::app::{Command, Draft, Page, View};
use holdfast_core::status::State;
use holdfast_sandbox::{Fault, Rule, Service, When};
use holdfast_tests::sandbox;
use tokio::time::{Duration, sleep};

use super::{SETTINGS, preview, with_app, with_machine};

/// The first thing that is not decided.
fn next(view: &View) -> Option<Decision> {
    let steps = &view.set_up.as_ref()?.steps;
    steps.iter().find(|step| !step.done).map(|step| step.step)
}

#[tokio::test(start_paused = true)]
async fn decisions_are_kept_one_by_one_until_the_machine_is_made() {
    let sandbox = sandbox(1);
    with_app(&sandbox, "", async |person| {
        let keep = async |draft: Draft| person.asks(Command::Keep { draft }).await;
        let draft = Draft::default;
        person.waits_for_state(State::Absent).await;
        person.window(true);
        person.asks(Command::ShowPage { page: Page::Machine }).await.expect("accepted");
        assert_eq!(next(&person.sees()), Some(Decision::Region));
        keep(draft().with(Key::Region, "eu-central-1")).await.expect("accepted");
        person.waits_for("the size", |view| next(view) == Some(Decision::Size)).await;
        // In the region that was just chosen.
        let types =
            person.waits_for("types", |view| view.types.as_ref().is_some_and(|t| t.seen.is_some())).await;
        let types = types.types.expect("types").list;
        assert!(types.iter().any(|one| one.name == "m8g.xlarge" && one.current && one.hindrance.is_none()));
        assert!(types.iter().any(|one| one.architecture == "x86_64" && one.hindrance.is_none()));
        assert!(types.iter().all(|one| one.vcpus > 0));
        keep(draft().with(Key::InstanceType, "m8g.large").with(Key::VolumeSize, "a lot"))
            .await
            .expect_err("no");
        keep(draft().with(Key::InstanceType, "m8g.large").with(Key::VolumeSize, "50"))
            .await
            .expect("accepted");
        keep(draft().with(Key::User, "bob")).await.expect("accepted");
        keep(draft().with(Key::Config, "embedded")).await.expect("accepted");
        person.waits_for("the plan", |view| next(view) == Some(Decision::Plan)).await;
        assert!(sandbox.calls().iter().all(|call| !call.operation.starts_with("Create")), "nothing is made");
        let number = preview(person, draft()).await;
        person.asks(Command::Apply { number }).await.expect("accepted");
        person.waits_for("the end of the set-up", |view| view.set_up.is_none()).await;
        let view = person.waits_for_state(State::On).await;
        assert_eq!((view.machine.user.as_str(), view.machine.region.as_str()), ("bob", "eu-central-1"));
        assert!(keep(draft().with(Key::VolumeSize, "60")).await.is_err(), "from now on a plan is read first");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn types_say_what_a_machine_cannot_become_and_a_look_that_fails_is_tried_on_request() {
    let (sandbox, _other) = with_machine().await;
    let fails = Fault::Error { code: "UnauthorizedOperation".to_owned(), status: 403 };
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        sandbox.fault(Rule::on(Service::Ec2, "DescribeInstanceTypeOfferings", When::Every, fails));
        person.window(true);
        person.asks(Command::ShowPage { page: Page::Settings }).await.expect("accepted");
        let failed = |view: &View| view.types.as_ref().is_some_and(|types| types.problem.is_some());
        person.waits_for("why there are none", failed).await;
        person.screen.views.borrow_mut().clear();
        sleep(Duration::from_secs(300)).await;
        let looking = |view: &View| view.types.as_ref().is_some_and(|types| types.looking);
        assert!(!person.screen.views.borrow().iter().any(looking), "not again by itself");
        sandbox.clear_faults();
        person.asks(Command::LookAtTypes).await.expect("accepted");
        let seen = |view: &View| view.types.as_ref().is_some_and(|types| types.seen.is_some());
        let types = person.waits_for("types", seen).await.types.expect("types").list;
        let other = types.iter().find(|one| one.architecture == "x86_64").expect("another processor");
        assert!(other.hindrance.as_deref().is_some_and(|why| why.contains("x86_64")), "{other:?}");
        assert!(types.iter().any(|one| one.hindrance.is_none() && !one.current));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_problem_on_screen_and_the_app_goes_on() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        person.asks(Command::ShowPage { page: Page::Settings }).await.expect("accepted");
        person.waits_for("types", |view| view.types.is_some()).await;
        person.screen.falls.set(true);
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        let view = person.waits_for("the problem", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("it").problem.code, "panic");
        person.screen.falls.set(false);
        person.waits_for("the page that the window shows", |view| view.types.is_some()).await;
        assert!(person.told().is_empty(), "the window is open");
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 1);
    })
    .await;
}
