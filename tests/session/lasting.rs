//! The session ends, and the terminal stays.

use std::time::Duration;

use holdfast::connect::End;
use holdfast_core::plan::Goal;
use holdfast_sandbox::gateway::WireFault;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::rig::{Rig, Seat};

const SECOND: Duration = Duration::from_secs(1);

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_session_that_is_ended_from_outside_is_replaced() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        seat.press("before=1\r").await;
        seat.prove().await;
        for session in rig.gateway.sessions() {
            use holdfast_sandbox::SessionBackend as _;
            rig.gateway.terminate(&session);
        }
        seat.expect("This is a sandbox machine").await;
        seat.expect("$ ").await;
        // It is another shell, and nothing was typed into it.
        seat.press("echo \"<$before>\"\r").await;
        seat.expect("<>\r\n").await;
        assert_eq!(rig.called("StartSession").len(), 2);
        seat.press("exit 4\r").await;
        assert_eq!(seat.end().await.unwrap(), End::Exited(Some(4)));
        rig.assert_quiet("an exit").await;
    })
    .await;
}

/// The old one is ended first, or its end on the machine would hold the screen at its old size. And what was typed into
/// nothing is not typed into a shell that may be anywhere.
#[tokio::test]
async fn what_was_typed_into_nothing_is_not_replayed() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        rig.sandbox.set(|conditions| {
            conditions.principals[0].denied.insert("ssm:ResumeSession".to_owned());
        });
        rig.gateway.refuse_dials(2 * SECOND);
        rig.gateway.inject(None, WireFault::Cut { reset: true });
        // Before it knows, a key may still arrive in the old shell, and rightly so.
        while rig.called("ResumeSession").is_empty() {
            sleep(SECOND / 100).await;
        }
        seat.press("touch never\r").await;
        sleep(SECOND).await;
        seat.press("touch never\r").await;
        rig.sandbox.set(|conditions| conditions.principals[0].denied.clear());
        seat.expect("what was typed meanwhile was not sent").await;
        seat.prove().await;
        seat.press("ls never; echo r''ight\r").await;
        let shown = seat.expect("right").await;
        assert!(shown.contains("No such file"), "{shown}");
        let calls: Vec<String> = rig.sandbox.calls().into_iter().map(|call| call.operation).collect();
        let first = |name: &str| calls.iter().position(|call| call == name).unwrap();
        let last = calls.iter().rposition(|call| call == "StartSession").unwrap();
        assert!(first("TerminateSession") < last, "{calls:?}");
        seat.press("~.").await;
        seat.press("\r~.").await;
        assert_eq!(seat.end().await.unwrap(), End::Left);
        rig.assert_quiet("a leave").await;
    })
    .await;
}

#[tokio::test]
async fn a_reboot_and_a_stop_are_waited_for() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        rig.ada.reach(Goal::Stopped).await.unwrap();
        seat.expect("out of reach for").await;
        seat.expect("it is off").await;
        rig.ada.reach(Goal::Reachable).await.unwrap();
        seat.expect("This is a sandbox machine").await;
        seat.prove().await;
        seat.press("exit\r").await;
        assert_eq!(seat.end().await.unwrap(), End::Exited(Some(0)));
    })
    .await;
}

#[tokio::test]
async fn credentials_that_end_are_waited_for() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        rig.sandbox.set(|conditions| conditions.principals[0].expired = true);
        rig.gateway.inject(None, WireFault::Bye);
        seat.press("echo st''ill the same\r").await;
        seat.expect("not signed in for").await;
        sleep(SECOND).await;
        rig.sandbox.set(|conditions| conditions.principals[0].expired = false);
        seat.expect("still the same").await;
        assert_eq!(rig.called("StartSession").len(), 1);
        seat.press("exit\r").await;
        assert_eq!(seat.end().await.unwrap(), End::Exited(Some(0)));
    })
    .await;
}

#[tokio::test]
async fn limits_of_the_account_end_a_session_and_not_the_terminal() {
    local(async {
        let rig = Rig::start().await;
        rig.gateway.configure(|settings| settings.max_duration = Some(6 * SECOND));
        let mut seat = Seat::at(&rig).await;
        seat.prove().await;
        rig.gateway.configure(|settings| settings.max_duration = None);
        seat.expect("This is a sandbox machine").await;
        seat.prove().await;
        assert_eq!(rig.called("StartSession").len(), 2);
        seat.press("~.").await;
        seat.press("\r~.").await;
        assert_eq!(seat.end().await.unwrap(), End::Left);
    })
    .await;
}

#[tokio::test]
async fn the_escapes_are_listed() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        seat.press("\r~?").await;
        seat.expect("~. leaves").await;
        seat.press("echo ~~/x\r").await;
        seat.press("~~ is a tilde\r").await;
        seat.expect("~ is").await;
        seat.press("~.").await;
        assert_eq!(seat.end().await.unwrap(), End::Left);
        rig.assert_quiet("a leave").await;
    })
    .await;
}

/// Where policy allows nothing but the account's own shell, what the session would run is typed into it, unseen.
#[tokio::test]
async fn where_commands_are_denied_the_wrapper_is_typed() {
    local(async {
        let rig = Rig::start().await;
        let denied = ["AWS-StartNonInteractiveCommand", "AWS-StartInteractiveCommand"].map(str::to_owned);
        rig.sandbox.set(|conditions| conditions.denied_documents = denied.into());
        let mut seat = Seat::before(&rig, "main".parse().unwrap());
        let shown = seat.expect("$ ").await;
        assert!(!shown.contains("exec sh -c"), "{shown:?}");
        seat.prove().await;
        rig.gateway.inject(None, WireFault::Cut { reset: true });
        seat.prove().await;
        seat.press("exit 9\r").await;
        assert_eq!(seat.end().await.unwrap(), End::Exited(Some(9)));
    })
    .await;
}
