//! What is looked at only while its page is open: the doctor's findings, and what this computer has changed.

use std::time::Duration;

use holdfast_core::app::{Command, Page};
use holdfast_core::doctor::{Mark, Part};
use holdfast_core::history::Outcome;
use holdfast_core::status::State;
use holdfast_sandbox::{Fault, Rule, Service, When};
use tokio::time::sleep;

use super::{SETTINGS, with_app, with_machine};

#[tokio::test(start_paused = true)]
async fn the_doctor_looks_when_his_page_opens_and_when_somebody_asks() {
    let (sandbox, other) = with_machine().await;
    let denied = Fault::Error { code: "AccessDeniedException".to_owned(), status: 400 };
    sandbox.fault(Rule::on(Service::Ssm, "StartSession", When::Every, denied));
    let dry = || sandbox.calls().iter().filter(|call| call.operation == "ModifyVolume").count();
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        person.asks(Command::ShowPage { page: Page::Machine }).await.expect("accepted");
        sleep(Duration::from_secs(600)).await;
        assert_eq!((dry(), person.sees().doctor.seen), (0, None), "nobody has asked");

        person.asks(Command::ShowPage { page: Page::Doctor }).await.expect("accepted");
        person.waits_for("a look", |view| view.doctor.looking).await;
        assert!(person.asks(Command::Examine).await.is_err(), "once at a time");
        let view = person.waits_for("findings", |view| view.doctor.seen.is_some()).await;
        let found = |area, what: &str, view: &holdfast_core::app::View| {
            let mut areas = view.doctor.areas.iter().filter(|one| one.area == area);
            if areas.any(|one| one.findings.iter().any(|one| one.contains(what))) {
                return Some(Mark::Ok);
            }
            let mut pressing = view.doctor.pressing.iter().filter(|one| one.area == area);
            pressing.find(|one| one.what.contains(what)).map(|one| one.mark)
        };
        assert_eq!(found(Part::Settings, "remote-dev of ada in us-west-2", &view), Some(Mark::Ok));
        assert_eq!(found(Part::Machine, "remote-dev is on", &view), Some(Mark::Ok));
        assert_eq!(found(Part::Machine, "StartSession", &view), Some(Mark::Failed), "{:?}", view.doctor);
        assert!(
            view.doctor.headline.as_deref().is_some_and(|line| line.contains("not work")),
            "{:?}",
            view.doctor
        );

        let (looks, seen) = (dry(), view.doctor.seen);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!((dry(), person.sees().doctor.seen), (looks, seen), "an open page alone is no reason");
        other.reach(holdfast_core::plan::Goal::Stopped).await.expect("stopped");
        person.asks(Command::Examine).await.expect("accepted");
        let view = person.waits_for("new findings", |view| view.doctor.seen > seen).await;
        assert_eq!(found(Part::Machine, "remote-dev is off", &view), Some(Mark::Warning));
        assert!(person.told().is_empty(), "what he finds is no news");

        // Settings that do not hold are what he says then, since what he said is about those of before.
        person.store.write_settings("user = 7 [").expect("settings");
        person.asks(Command::Look).await.expect("accepted");
        let broken = |view: &holdfast_core::app::View| {
            found(Part::Settings, "settings", view) == Some(Mark::Failed) && !view.doctor.looking
        };
        person.waits_for("the settings", broken).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_is_there_after_each_operation() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        person.asks(Command::Stop).await.expect("accepted");
        person.waits_for_state(State::Off).await;
        assert_eq!(person.sees().history, None, "nobody looks");

        person.asks(Command::ShowPage { page: Page::Activity }).await.expect("accepted");
        let view = person.waits_for("the history", |view| view.history.is_some()).await;
        let runs = view.history.expect("a history").runs;
        let [run] = &runs[..] else { panic!("{runs:?}") };
        assert_eq!((run.title.as_str(), run.result, run.deeds.len()), ("Stop", Outcome::Done, 1));
        assert!(run.who.as_deref().is_some_and(|who| who.starts_with("123456789012/")), "{run:?}");

        let denied = Fault::Error { code: "UnauthorizedOperation".to_owned(), status: 403 };
        sandbox.fault(Rule::on(Service::Ec2, "StartInstances", When::Every, denied));
        person.asks(Command::Start).await.expect("accepted");
        let more = |view: &holdfast_core::app::View| {
            view.history.as_ref().is_some_and(|history| history.runs.len() == 2)
        };
        let view = person.waits_for("the refusal", more).await;
        let runs = view.history.expect("a history").runs;
        assert_eq!((runs[0].title.as_str(), runs[0].result), ("Start", Outcome::Refused));
        assert!(runs[0].deeds[0].why.is_some());

        person.asks(Command::ShowPage { page: Page::Machine }).await.expect("accepted");
        person.waits_for("no history", |view| view.history.is_none()).await;
    })
    .await;
}
