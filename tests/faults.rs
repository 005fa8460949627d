//! Every changing call of an apply and of a destroy, met by every fault: afterwards a plain run ends with exactly the
//! resources that should be there, and one more changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_core::plan::{Goal, Leave};
use holdfast_sandbox::{Call, Fault, Rule, Sandbox, Service, When};
use holdfast_tests::{Laptop, WHOLE, census, sandbox};

const LATENCY: Duration = Duration::from_millis(40);
const GONE: Goal = Goal::Gone(Leave { volume: false, snapshot: false });

fn faults() -> Vec<(&'static str, When, Fault)> {
    // Nothing recovers from this code by itself, so the run ends here.
    let code = || "UnauthorizedOperation".to_owned();
    vec![
        ("refused", When::Nth(1), Fault::Error { code: code(), status: 403 }),
        ("refused after its effect", When::Nth(1), Fault::ErrorAfterCommit { code: code(), status: 403 }),
        (
            "server error, three times",
            When::First(3),
            Fault::Error { code: "InternalError".into(), status: 500 },
        ),
        ("throttled", When::First(2), Fault::Throttle),
        ("not found yet", When::First(2), Fault::NotFoundYet),
        ("lost before its effect", When::First(3), Fault::DropBefore),
        ("answer lost", When::Nth(1), Fault::DropAfterCommit),
        ("answer lost, three times", When::First(3), Fault::DropAfterCommit),
        ("slow", When::Nth(1), Fault::Delay(Duration::from_secs(4))),
    ]
}

/// Each changing call that had an effect: service, operation, and which of its kind it was.
fn changes(calls: &[Call]) -> Vec<(Service, String, u32)> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let changing = calls.iter().filter(|call| call.changes());
    changing
        .map(|call| {
            let count = counts.entry(call.operation.clone()).or_default();
            *count += 1;
            (call.service, call.operation.clone(), *count)
        })
        .collect()
}

/// The same fault, but only from the `nth` call of its operation on.
fn from_nth(when: When, nth: u32) -> Vec<When> {
    match when {
        When::Nth(first) => vec![When::Nth(first + nth - 1)],
        When::First(count) => (nth..nth + count).map(When::Nth).collect(),
        When::Every => vec![When::Every],
    }
}

async fn whole() -> (Sandbox, Laptop) {
    let sandbox = sandbox(1);
    let laptop = Laptop::new(&sandbox, LATENCY).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    (sandbox, laptop)
}

async fn settle(sandbox: &Sandbox, laptop: &Laptop, goal: Goal, case: &str) {
    sandbox.clear_faults();
    laptop.reach(goal).await.unwrap_or_else(|problem| panic!("{case}: the plain run fails: {problem:?}"));
    let counts = census(sandbox, &laptop.desired);
    match goal {
        Goal::Gone(_) => assert!(counts.iter().all(|(_, count)| *count == 0), "{case}: {counts:?}"),
        Goal::Settings | Goal::Reachable | Goal::Stopped => {
            assert_eq!(counts, WHOLE, "{case}");
        }
    }
    sandbox.clear_calls();
    laptop.reach(goal).await.unwrap_or_else(|problem| panic!("{case}: the idle run fails: {problem:?}"));
    let changed: Vec<Call> = sandbox.calls().into_iter().filter(Call::changes).collect();
    assert!(changed.is_empty(), "{case}: an idle run changes something: {changed:?}");
}

#[tokio::test(start_paused = true)]
async fn every_step_of_an_apply_meets_every_fault() {
    let (clean, _) = whole().await;
    let steps = changes(&clean.calls());
    assert!(steps.len() > 15, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("apply, {operation} #{nth}, {name}");
            let sandbox = sandbox(1);
            let laptop = Laptop::new(&sandbox, LATENCY).await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            // Whether this run comes through is not the question here.
            let _ = laptop.reach(Goal::Settings).await;
            settle(&sandbox, &laptop, Goal::Settings, &case).await;
            cases += 1;
        }
    }
    println!("{cases} cases: {} steps of an apply, {} faults each", steps.len(), faults().len());
}

#[tokio::test(start_paused = true)]
async fn every_step_of_a_destroy_meets_every_fault() {
    let (clean, laptop) = whole().await;
    clean.clear_calls();
    laptop.reach(GONE).await.expect("a plain destroy");
    let steps = changes(&clean.calls());
    assert!(steps.len() > 12, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("destroy, {operation} #{nth}, {name}");
            let (sandbox, laptop) = whole().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let _ = laptop.reach(GONE).await;
            settle(&sandbox, &laptop, GONE, &case).await;
            cases += 1;
        }
    }
    println!("{cases} cases: {} steps of a destroy, {} faults each", steps.len(), faults().len());
}
