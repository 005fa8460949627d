//! Snapshots by the clock: every changing call met by every fault, and what Data Lifecycle Manager then does by itself.

use holdfast_core::machine::TAG_MACHINE;
use holdfast_sandbox::Tags;
use holdfast_tests::kept;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// What is wrong, unless there is one policy that does what the settings say, with a role that may do just that.
fn not_scheduled(sandbox: &Sandbox, laptop: &Laptop) -> Option<String> {
    let (counts, held) = (census(sandbox, &laptop.desired), kept(sandbox, &laptop.desired));
    let expected = usize::from(laptop.desired.snapshot_every.is_some());
    let whole: Vec<(&str, usize)> = WHOLE
        .iter()
        .map(|(kind, count)| (*kind, if *kind == "role" { count + expected } else { *count }))
        .collect();
    let world = sandbox.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let policies: Vec<_> = regions.flat_map(|region| region.policies.values()).collect();
    let right = policies.iter().all(|policy| {
        let times = &policy.details.schedules[0];
        let wanted = (laptop.desired.snapshot_every, laptop.desired.snapshot_keep);
        let enabled = policy.state == holdfast_sandbox::dlm::State::Enabled;
        enabled && (Some(times.hours), times.count) == wanted
    });
    (counts != whole || held.policies != expected || policies.len() != expected || !right)
        .then(|| format!("{counts:?}\n{held:?}\n{policies:#?}"))
}

/// A machine, and settings that want snapshots of it.
async fn to_be_scheduled() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = whole().await;
    laptop.desired.snapshot_every = Some(6);
    sandbox.clear_calls();
    (sandbox, laptop)
}

/// The same, done, and settings that want fewer.
async fn to_be_rescheduled() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = to_be_scheduled().await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    assert_eq!(not_scheduled(&sandbox, &laptop), None);
    laptop.desired.snapshot_keep = 3;
    laptop.desired.tags.insert("team".parse().expect("a key"), "eevee".parse().expect("a value"));
    sandbox.clear_calls();
    (sandbox, laptop)
}

/// The same, and settings that want none any more.
async fn to_be_left_alone() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = to_be_rescheduled().await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    laptop.desired.snapshot_every = None;
    sandbox.clear_calls();
    (sandbox, laptop)
}

async fn meets_every_fault<F: Future<Output = (Sandbox, Laptop)>>(
    what: &str,
    least: usize,
    stage: impl Fn() -> F,
) -> String {
    let (clean, laptop) = Box::pin(stage()).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    assert_eq!(not_scheduled(&clean, &laptop), None, "{what}");
    let steps = changes(&clean.calls());
    assert!(steps.len() >= least, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("{what}, {operation} #{nth}, {name}");
            let (sandbox, laptop) = Box::pin(stage()).await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let _ = laptop.reach(Goal::Settings).await;
            sandbox.clear_faults();
            laptop
                .reach(Goal::Settings)
                .await
                .unwrap_or_else(|p| panic!("{case}: the plain run fails: {p:?}"));
            assert_eq!(not_scheduled(&sandbox, &laptop), None, "{case}");
            sandbox.clear_calls();
            laptop
                .reach(Goal::Settings)
                .await
                .unwrap_or_else(|p| panic!("{case}: the idle run fails: {p:?}"));
            let changed: Vec<Call> = sandbox.calls().into_iter().filter(Call::changes).collect();
            assert!(changed.is_empty(), "{case}: an idle run changes something: {changed:?}");
            cases += 1;
        }
    }
    format!("{cases} cases: {} steps of {what}, {} faults each", steps.len(), faults().len())
}

#[tokio::test(start_paused = true)]
async fn every_step_to_a_schedule_meets_every_fault() {
    // Role, policy of the role, lifecycle policy.
    println!("{}", meets_every_fault("a schedule", 3, to_be_scheduled).await);
}

#[tokio::test(start_paused = true)]
async fn every_step_of_a_change_of_it_meets_every_fault() {
    println!("{}", meets_every_fault("another schedule", 3, to_be_rescheduled).await);
}

#[tokio::test(start_paused = true)]
async fn every_step_to_no_schedule_meets_every_fault() {
    println!("{}", meets_every_fault("no schedule", 3, to_be_left_alone).await);
}

#[tokio::test(start_paused = true)]
async fn every_such_step_of_a_destroy_meets_every_fault() {
    let stage = || async {
        let (sandbox, laptop) = to_be_scheduled().await;
        laptop.reach(Goal::Settings).await.expect("a plain apply");
        sandbox.clear_calls();
        (sandbox, laptop)
    };
    let (clean, laptop) = stage().await;
    laptop.reach(GONE).await.expect("a plain destroy");
    let steps = changes(&clean.calls());
    // Those of the machine itself meet them elsewhere.
    let steps: Vec<_> = steps.into_iter().filter(|(service, ..)| *service != Service::Ec2).collect();
    assert!(steps.len() >= 8, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("destroy, {operation} #{nth}, {name}");
            let (sandbox, laptop) = stage().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let _ = laptop.reach(GONE).await;
            settle(&sandbox, &laptop, GONE, &case).await;
            assert_eq!(kept(&sandbox, &laptop.desired).policies, 0, "{case}");
            cases += 1;
        }
    }
    println!(
        "{cases} cases: {} steps of a destroy with a schedule, {} faults each",
        steps.len(),
        faults().len()
    );
}

#[tokio::test(start_paused = true)]
async fn two_laptops_make_one_schedule() {
    let (mut runs, mut made) = (0, 0);
    for head_start in (0..900).step_by(60) {
        let (sandbox, one) = to_be_scheduled().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(one.reach(Goal::Settings), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            two.reach(Goal::Settings).await
        });
        for result in [first, second] {
            result.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        }
        // Whoever was beaten after its last look tidies up when it looks again.
        for laptop in [&one, &two] {
            laptop.reach(Goal::Settings).await.unwrap_or_else(|p| panic!("{head_start} ms: again: {p:?}"));
        }
        assert_eq!(not_scheduled(&sandbox, &one), None, "{head_start} ms");
        runs += 1;
        made += sandbox.calls().iter().filter(|call| call.operation == "CreateLifecyclePolicy").count();
    }
    assert!(made > runs, "they never met: {made} policies in {runs} runs");
}

#[tokio::test(start_paused = true)]
async fn snapshots_come_and_go_by_themselves_and_outlive_the_machine() {
    let (sandbox, laptop) = to_be_scheduled().await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    let taken = || kept(&sandbox, &laptop.desired).snapshots;
    sandbox.advance(HOUR * 25);
    assert!((4..=5).contains(&taken()), "{}", taken());
    sandbox.advance(HOUR * 24 * 7);
    assert_eq!(taken(), 7, "the newest seven stay");

    // They are the machine's like those that a person has taken.
    let seen = laptop.aws.snapshots(&laptop.desired).await.expect("they can be listed");
    assert_eq!(seen.len(), 7);
    for snapshot in &seen {
        let tags: Tags = snapshot.tags.clone().into_iter().collect();
        assert_eq!(tags.get(TAG_MACHINE), Some(&laptop.desired.key()));
        assert_eq!(tags.get("do-not-nuke").map(String::as_str), Some("true"));
    }
    sandbox.clear_calls();
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    assert!(!sandbox.calls().iter().any(Call::changes), "its snapshots are nothing to change");

    laptop.reach(GONE).await.expect("a plain destroy");
    sandbox.advance(HOUR * 24 * 7);
    assert_eq!(taken(), 7, "nobody takes any more, and nobody takes them away");
    assert_eq!(kept(&sandbox, &laptop.desired).policies, 0);
}

#[tokio::test(start_paused = true)]
async fn its_role_takes_snapshots_of_nothing_else() {
    let (sandbox, laptop) = to_be_scheduled().await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    // Somebody turns the policy at everything that the company has.
    sandbox.meddle(|world| {
        for region in world.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
            for policy in region.policies.values_mut() {
                policy.details.tags = vec![("owner".to_owned(), "company".to_owned())];
            }
            for volume in region.volumes.values_mut() {
                volume.tags = Tags::from([("owner".to_owned(), "company".to_owned())]);
            }
        }
    });
    sandbox.advance(HOUR * 25);
    let world = sandbox.world();
    let regions = || world.accounts.values().flat_map(|account| account.regions.values());
    assert_eq!(regions().map(|region| region.snapshots.len()).sum::<usize>(), 0);
    let failed = |policy: &holdfast_sandbox::dlm::Policy| policy.state == holdfast_sandbox::dlm::State::Error;
    assert!(regions().flat_map(|region| region.policies.values()).all(failed));

    // And all of it is mended.
    laptop.reach(Goal::Settings).await.expect("it is mended");
    assert_eq!(not_scheduled(&sandbox, &laptop), None);
    sandbox.advance(HOUR * 25);
    assert!(kept(&sandbox, &laptop.desired).snapshots >= 4);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_use_it_is_told_so_and_has_all_the_rest() {
    let (sandbox, mut laptop) = to_be_scheduled().await;
    let caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
    sandbox.set(|conditions| conditions.principals = vec![caller.clone().denying("dlm:*")]);
    let problem = laptop.reach(Goal::Settings).await.expect_err("it cannot be seen");
    assert!(format!("{problem:?}").contains("dlm:GetLifecyclePolicies"), "{problem:?}");
    laptop.desired.snapshot_every = None;
    laptop.reach(Goal::Settings).await.expect("the rest needs no such right");
    laptop.reach(GONE).await.expect("nor does its end");
}
