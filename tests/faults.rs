//! Every changing call of an apply and of a destroy, met by every fault: afterwards a plain run ends with exactly the
//! resources that should be there, and one more changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast::converge::{Event, Witness, converge, restart, snapshot};
use holdfast_core::machine::{Observed, TAG_RESIZE};
use holdfast_core::plan::{Consent, Goal, Leave, Plan};
use holdfast_sandbox::{ACCESS_KEY, Call, Fault, Principal, Rule, Sandbox, Service, When, ec2::State};
use holdfast_tests::{Agreeing, Laptop, WHOLE, census, sandbox};

mod adopt;
#[path = "faults/replace.rs"]
mod replace;
#[path = "faults/schedule.rs"]
mod schedule;

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
        Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_) => {
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

/// A machine that is on, and a laptop whose settings want it larger.
async fn to_be_larger() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = whole().await;
    laptop.reach(Goal::Reachable).await.expect("it comes up");
    laptop.desired.instance_type = "m8g.2xlarge".parse().expect("a type");
    laptop.desired.volume_size = 200;
    sandbox.clear_calls();
    (sandbox, laptop)
}

/// What is wrong with the machine, if it is not on as `instance_type` with the volume that the settings want.
fn not_as_wanted(sandbox: &Sandbox, laptop: &Laptop, instance_type: &str) -> Option<String> {
    let world = sandbox.world();
    let mut regions = world.accounts.values().flat_map(|account| account.regions.values());
    let region = regions.find(|region| !region.instances.is_empty())?;
    let instance = region.instances.values().find(|instance| instance.terminated.is_none())?;
    let volume = region.volumes.values().find(|volume| volume.attached.is_some())?;
    let held = region.capacity_reservations.values().filter(|held| held.cancelled.is_none()).count();
    let right = instance.kind == instance_type
        && instance.state == State::Running
        && !instance.tags.contains_key(TAG_RESIZE)
        && volume.gib == laptop.desired.volume_size
        && held == 0;
    let (kind, state, gib) = (&instance.kind, instance.state, volume.gib);
    (!right).then(|| format!("{kind} is {state:?} with {gib} GiB, {held} held, tags {:?}", instance.tags))
}

#[tokio::test(start_paused = true)]
async fn every_step_of_a_resize_meets_every_fault() {
    let (clean, laptop) = to_be_larger().await;
    laptop.reach(Goal::Settings).await.expect("a plain resize");
    assert_eq!(not_as_wanted(&clean, &laptop, "m8g.2xlarge"), None);
    let steps = changes(&clean.calls());
    // Hold, mark, stop, change, start, take the mark away, give up; and the volume.
    assert_eq!(steps.len(), 8, "{steps:?}");
    let (mut cases, mut left_off) = (0, 0);
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("resize, {operation} #{nth}, {name}");
            let (sandbox, laptop) = to_be_larger().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let first = laptop.reach(Goal::Settings).await;
            if is_off(&sandbox) {
                let problem = first.err().unwrap_or_else(|| panic!("{case}: it is off, and nobody says so"));
                assert!(problem.hints[0].contains("the machine is off"), "{case}: {problem:?}");
                left_off += 1;
            }
            settle(&sandbox, &laptop, Goal::Settings, &case).await;
            let wrong = not_as_wanted(&sandbox, &laptop, "m8g.2xlarge");
            assert_eq!(wrong, None, "{case}");
            cases += 1;
        }
    }
    // A call that AWS refuses for good may end it, and it is told then.
    println!(
        "{cases} cases: {} steps of a resize, {} faults each; {left_off} left it off, and said so",
        steps.len(),
        faults().len()
    );
}

/// Whether the machine is off, or on its way there.
fn is_off(sandbox: &Sandbox) -> bool {
    let world = sandbox.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let mut instances = regions.flat_map(|region| region.instances.values());
    instances.any(|instance| matches!(instance.state, State::Stopping | State::Stopped))
}

#[tokio::test(start_paused = true)]
async fn while_the_machine_is_off_a_look_that_fails_is_taken_again() {
    let (sandbox, laptop) = to_be_larger().await;
    let goes_dark = async {
        while !is_off(&sandbox) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sandbox.fault(Rule::on(Service::Ec2, "DescribeInstances", When::Every, Fault::DropBefore));
        tokio::time::sleep(Duration::from_secs(600)).await;
        sandbox.clear_faults();
    };
    let (report, ()) = tokio::join!(laptop.reach(Goal::Settings), goes_dark);
    report.expect("it goes on when there is something to be seen again");
    assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.2xlarge"), None);
}

#[tokio::test(start_paused = true)]
async fn what_holding_capacity_needs_can_be_done_without() {
    // Both types at once are too much for the quota, which nobody may see; nor may anybody give up what is held.
    for denied in [
        &["servicequotas:GetServiceQuota"][..],
        &["ec2:CancelCapacityReservation"],
        &["ec2:DescribeCapacityReservations"],
    ] {
        let (sandbox, laptop) = to_be_larger().await;
        let caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
        let caller = denied.iter().fold(caller, |caller, action| caller.denying(action));
        sandbox.set(|conditions| {
            conditions.principals = vec![caller];
            if denied[0].starts_with("servicequotas") {
                conditions.quotas.vcpus = 8;
            }
        });
        let report =
            laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("{denied:?}: {problem:?}"));
        assert!(report.shortage.is_none(), "{denied:?}");
        assert!(!is_off(&sandbox), "{denied:?}");
        // Nothing is over that could not be given up.
        sandbox.meddle(|world| {
            for region in world.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
                region.capacity_reservations.clear();
            }
        });
        assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.2xlarge"), None, "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_still_changing_stops_nothing() {
    let (sandbox, mut laptop) = to_be_larger().await;
    sandbox.set(|conditions| conditions.pace.optimize = Duration::from_secs(6 * 3600));
    laptop.desired.instance_type = "m8g.xlarge".parse().expect("a type");
    laptop.desired.volume_size = 150;
    laptop.reach(Goal::Settings).await.expect("the volume grows");
    laptop.desired.instance_type = "m8g.2xlarge".parse().expect("a type");
    laptop.desired.volume_size = 200;
    let problem = laptop.reach(Goal::Settings).await.expect_err("AWS is still at work on the volume");
    assert_eq!(problem.code, "volume_busy");
    assert!(problem.hints.iter().any(|hint| hint.contains("the last change began")), "{problem:?}");
    let stops = |call: &Call| call.operation == "StopInstances" && call.took_effect;
    assert!(!sandbox.calls().iter().any(stops), "it was stopped");
    let world = sandbox.world();
    let mut regions = world.accounts.values().flat_map(|account| account.regions.values());
    assert!(regions.all(|region| region.capacity_reservations.is_empty()), "capacity was held in vain");
}

#[tokio::test(start_paused = true)]
async fn a_type_that_will_not_start_makes_way_for_the_old_one() {
    for operation in ["ModifyInstanceAttribute", "StartInstances"] {
        let (sandbox, laptop) = to_be_larger().await;
        let code = "UnsupportedOperation".to_owned();
        sandbox.fault(Rule::on(Service::Ec2, operation, When::Nth(1), Fault::Error { code, status: 400 }));
        let report = laptop.reach(Goal::Settings).await.expect("it ends");
        assert!(report.shortage.is_some(), "{operation}");
        assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.xlarge"), None, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_capacity_nothing_is_stopped_where_it_can_be_held() {
    let (sandbox, laptop) = to_be_larger().await;
    sandbox.set(|conditions| conditions.no_capacity.push(("*".to_owned(), "m8g.2xlarge".to_owned())));
    let report = laptop.reach(Goal::Settings).await.expect("it ends");
    assert_eq!(report.shortage.map(|problem| problem.code), Some("capacity"));
    let stops = |call: &Call| call.operation == "StopInstances" && call.took_effect;
    assert!(!sandbox.calls().iter().any(stops), "it was stopped");
    assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.xlarge"), None);
}

#[tokio::test(start_paused = true)]
async fn without_capacity_it_starts_as_something_else() {
    for (alternates, becomes) in [(&[][..], "m8g.xlarge"), (&["m7g.2xlarge", "m7g.xlarge"], "m7g.xlarge")] {
        let (sandbox, mut laptop) = to_be_larger().await;
        laptop.desired.alternates = alternates.iter().map(|name| name.parse().expect("a type")).collect();
        let caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
        let caller = caller.denying("ec2:CreateCapacityReservation");
        sandbox.set(|conditions| {
            conditions.principals = vec![caller];
            conditions.no_capacity.push(("*".to_owned(), "*.2xlarge".to_owned()));
        });
        let report = laptop.reach(Goal::Settings).await.expect("it ends");
        assert_eq!(report.shortage.map(|problem| problem.code), Some("capacity"));
        assert_eq!(not_as_wanted(&sandbox, &laptop, becomes), None);
    }
}

#[tokio::test(start_paused = true)]
async fn while_aws_has_nothing_it_is_tried_on_and_on() {
    let (sandbox, laptop) = to_be_larger().await;
    let caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
    let caller = caller.denying("ec2:CreateCapacityReservation");
    sandbox.set(|conditions| {
        conditions.principals = vec![caller];
        conditions.no_capacity.push(("*".to_owned(), "*".to_owned()));
    });
    let comes_back = async {
        tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
        sandbox.set(|conditions| conditions.no_capacity.clear());
    };
    let (report, ()) = tokio::join!(laptop.reach(Goal::Settings), comes_back);
    assert!(report.expect("it ends").shortage.is_none());
    assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.2xlarge"), None);
    let starts = sandbox.calls().iter().filter(|call| call.operation == "StartInstances").count();
    assert!((20..1000).contains(&starts), "{starts} tries in five hours");
}

#[tokio::test(start_paused = true)]
async fn two_laptops_resize_one_machine() {
    for head_start in (0..6000).step_by(400) {
        let (sandbox, one) = to_be_larger().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(one.reach(Goal::Settings), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            two.reach(Goal::Settings).await
        });
        for result in [first, second] {
            result.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        }
        assert_eq!(not_as_wanted(&sandbox, &one, "m8g.2xlarge"), None, "{head_start} ms");
        assert_eq!(census(&sandbox, &one.desired), WHOLE, "{head_start} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn two_laptops_remove_one_machine() {
    for head_start in (0..8000).step_by(400) {
        let (sandbox, one) = whole().await;
        one.reach(Goal::Reachable).await.expect("it comes up");
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(one.reach(GONE), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            two.reach(GONE).await
        });
        for result in [first, second] {
            result.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        }
        let left = census(&sandbox, &one.desired);
        assert!(left.iter().all(|(_, count)| *count == 0), "{head_start} ms: {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_somebody_ends_in_the_middle_is_not_made_anew() {
    let (sandbox, laptop) = to_be_larger().await;
    let end = async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        sandbox.meddle(|world| {
            for region in world.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
                region.instances.clear();
            }
        });
    };
    let (result, ()) = tokio::join!(laptop.reach(Goal::Settings), end);
    assert_eq!(result.expect_err("it is gone").code, "machine_gone");
    assert!(!sandbox.calls().iter().any(|call| call.operation == "RunInstances"));
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

/// Agrees to everything, and waits for whoever signs in again.
struct Patient(Agreeing);

impl Witness for Patient {
    async fn consent(&self, observed: &Observed, plan: &Plan) -> Consent {
        self.0.consent(observed, plan).await
    }

    fn event(&self, event: Event<'_>) {
        self.0.event(event);
    }

    fn waits_for_sign_in(&self) -> bool {
        true
    }
}

/// Credentials that are over from now on, or hold again.
fn expire(sandbox: &Sandbox, expired: bool) {
    let mut caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
    caller.expired = expired;
    sandbox.set(|conditions| conditions.principals = vec![caller]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_in_the_middle_are_waited_for() {
    let mut waited = 0;
    for moment in (0..6000).step_by(250) {
        let (sandbox, laptop) = to_be_larger().await;
        let witness = Patient(Agreeing::default());
        let run = converge(&laptop.aws, &laptop.store, "test", &laptop.desired, Goal::Settings, &witness);
        let night = async {
            tokio::time::sleep(Duration::from_millis(moment)).await;
            expire(&sandbox, true);
            tokio::time::sleep(Duration::from_secs(8 * 3600)).await;
            expire(&sandbox, false);
        };
        let (report, ()) = tokio::join!(Box::pin(run), night);
        let said = witness.0.events.borrow().iter().filter(|event| event.starts_with("SignedOut")).count();
        report.unwrap_or_else(|problem| panic!("{moment} ms: {problem:?}"));
        assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.2xlarge"), None, "{moment} ms");
        assert_eq!(census(&sandbox, &laptop.desired), WHOLE, "{moment} ms");
        waited += usize::from(said > 0);
        // A night is not a thousand questions.
        assert!(said < 700, "{moment} ms: {said}");
    }
    assert!(waited > 10, "{waited}");
    println!("{waited} nights of 8 hours in the middle of a resize");
}

#[tokio::test(start_paused = true)]
async fn what_begins_without_credentials_waits_for_them_too() {
    let (sandbox, laptop) = whole().await;
    let witness = Patient(Agreeing::default());
    let Laptop { aws, store, desired, .. } = &laptop;
    for restarts in [true, false] {
        expire(&sandbox, true);
        sandbox.clear_calls();
        let work = async {
            if restarts {
                restart(aws, store, desired, &witness).await.map(drop)
            } else {
                snapshot(aws, store, desired, &witness).await.map(drop)
            }
        };
        let night = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert!(!sandbox.calls().iter().any(|call| call.changes() && call.took_effect));
            expire(&sandbox, false);
        };
        let (done, ()) = tokio::join!(Box::pin(work), night);
        done.expect("it goes on by itself");
        let operation = if restarts { "RebootInstances" } else { "CreateSnapshot" };
        assert!(sandbox.calls().iter().any(|call| call.operation == operation && call.took_effect));
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_sign_in_it_ends_with_that() {
    let (sandbox, laptop) = to_be_larger().await;
    let ends = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        expire(&sandbox, true);
    };
    let (report, ()) = tokio::join!(laptop.reach(Goal::Settings), ends);
    assert!(report.expect_err("nobody signs in").is_about_credentials());
    expire(&sandbox, false);
    laptop.reach(Goal::Settings).await.expect("it goes on");
    assert_eq!(not_as_wanted(&sandbox, &laptop, "m8g.2xlarge"), None);
}
