//! Every changing call of a replacement, met by every fault: afterwards there is one machine, with its home.

use holdfast::converge::Report;
use holdfast::problem::Problem;
use holdfast_core::machine::{TAG_CARRIED, TAG_COPY, TAG_FINAL, TAG_REPLACES, TAG_RETIRED};
use holdfast_core::plan::{self, Keep};
use holdfast_tests::HasItsHome;

use super::*;

async fn reach_it(laptop: &Laptop, goal: Goal) -> Result<Report, Problem> {
    let (world, witness) = (HasItsHome(&laptop.aws), Agreeing::default());
    Box::pin(converge(&world, &laptop.store, "replace", &laptop.desired, goal, &witness)).await
}

/// A machine that is on, and settings that want one of another architecture.
async fn to_be_replaced() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = whole().await;
    laptop.reach(Goal::Reachable).await.expect("it comes up");
    laptop.desired.instance_type = "m7i.xlarge".parse().expect("a type");
    // Or the same call is made until they are there.
    sandbox.set(|conditions| {
        (conditions.pace.volume, conditions.pace.attach) = (Duration::ZERO, Duration::ZERO)
    });
    sandbox.clear_calls();
    (sandbox, laptop)
}

/// What is wrong, unless the new machine is on with the home of the old one's last state, and the old one is kept, off.
fn not_replaced(sandbox: &Sandbox) -> Option<String> {
    let world = sandbox.world();
    let mut regions = world.accounts.values().flat_map(|account| account.regions.values());
    let region = regions.find(|region| !region.instances.is_empty())?;
    let alive: Vec<_> = region.instances.values().filter(|instance| instance.terminated.is_none()).collect();
    let new = alive.iter().find(|instance| instance.kind == "m7i.xlarge");
    let old = alive.iter().find(|instance| instance.kind == "m8g.xlarge");
    let text = || alive.iter().map(|i| format!("{} {:?} {:?}\n", i.id, i.state, i.tags)).collect::<String>();
    let (Some(new), Some(old), 2) = (new, old, alive.len()) else { return Some(text()) };
    let is = |tags: &holdfast_sandbox::Tags, tag: &str, id: &str| tags.get(tag).is_some_and(|is| is == id);
    let home = new.tags.get(TAG_CARRIED).and_then(|id| region.snapshots.get(id));
    let volume = region
        .volumes
        .values()
        .find(|volume| volume.attached.as_ref().is_some_and(|attached| attached.instance == old.id));
    let right = new.state == State::Running
        && old.state == State::Stopped
        && is(&new.tags, TAG_REPLACES, &old.id)
        && is(&old.tags, TAG_RETIRED, &new.id)
        && home.is_some_and(|home| {
            is(&home.tags, TAG_FINAL, &old.id) && Some(&home.volume) == volume.map(|v| &v.id)
        });
    let copies = region.volumes.values().filter(|volume| volume.tags.contains_key(TAG_COPY)).count();
    (!right || copies > 0).then(|| format!("{copies} copies\n{}", text()))
}

/// Whether the old one has lost its place.
fn is_swapped(sandbox: &Sandbox) -> bool {
    let world = sandbox.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let mut instances = regions.flat_map(|region| region.instances.values());
    instances.any(|instance| instance.tags.contains_key(TAG_RETIRED))
}

/// How many snapshots there are.
fn snapshots(sandbox: &Sandbox) -> usize {
    let world = sandbox.world();
    world.accounts.values().flat_map(|account| account.regions.values()).map(|r| r.snapshots.len()).sum()
}

#[tokio::test(start_paused = true)]
async fn every_step_of_a_replacement_meets_every_fault() {
    let (clean, laptop) = to_be_replaced().await;
    reach_it(&laptop, Goal::Replaced).await.expect("a plain replacement");
    assert_eq!(not_replaced(&clean), None);
    let steps = changes(&clean.calls());
    // Count, run, stop, snapshot, volume, attach, home, place, detach, delete.
    assert_eq!(steps.len(), 10, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("replace, {operation} #{nth}, {name}");
            let (sandbox, laptop) = to_be_replaced().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let first = reach_it(&laptop, Goal::Replaced).await;
            if is_off(&sandbox) && !is_swapped(&sandbox) {
                let problem = first.err().unwrap_or_else(|| panic!("{case}: it is off, and nobody says so"));
                assert!(problem.hints[0].contains("go on: holdfast replace"), "{case}: {problem:?}");
            }
            sandbox.clear_faults();
            reach_it(&laptop, Goal::Replaced).await.unwrap_or_else(|p| panic!("{case}: again: {p:?}"));
            assert_eq!(not_replaced(&sandbox), None, "{case}");
            sandbox.clear_calls();
            for goal in [Goal::Replaced, Goal::Settings] {
                reach_it(&laptop, goal).await.unwrap_or_else(|p| panic!("{case}: idle: {p:?}"));
            }
            let changed: Vec<Call> = sandbox.calls().into_iter().filter(Call::changes).collect();
            assert!(changed.is_empty(), "{case}: an idle run changes something: {changed:?}");
            reach_it(&laptop, Goal::Only(Keep::Machine)).await.expect("the old one goes");
            assert_eq!(census(&sandbox, &laptop.desired), WHOLE, "{case}");
            assert!((1..=2).contains(&snapshots(&sandbox)), "{case}");
            cases += 1;
        }
    }
    println!("{cases} cases: {} steps of a replacement, {} faults each", steps.len(), faults().len());
}

#[tokio::test(start_paused = true)]
async fn letting_go_and_taking_back_meet_every_fault() {
    let mut cases = 0;
    for (goal, swapped) in [(Keep::Machine, true), (Keep::Former, true), (Keep::Incumbent, false)] {
        let stage = || async {
            let (sandbox, laptop) = to_be_replaced().await;
            if !swapped {
                // The last call before the swap.
                let code = "UnauthorizedOperation".to_owned();
                let fault = Fault::Error { code, status: 403 };
                sandbox.fault(Rule::on(Service::Ec2, "AttachVolume", When::Every, fault));
            }
            let reached = reach_it(&laptop, Goal::Replaced).await;
            assert_eq!(reached.is_ok(), swapped);
            sandbox.clear_faults();
            sandbox.clear_calls();
            (sandbox, laptop)
        };
        let (clean, laptop) = stage().await;
        reach_it(&laptop, Goal::Only(goal)).await.expect("a plain run");
        let steps = changes(&clean.calls());
        assert!(steps.len() >= 2, "{steps:?}");
        for (service, operation, nth) in &steps {
            for (name, when, fault) in faults() {
                let case = format!("{goal:?}, swapped {swapped}, {operation} #{nth}, {name}");
                let (sandbox, laptop) = stage().await;
                for when in from_nth(when, *nth) {
                    sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
                }
                let _ = reach_it(&laptop, Goal::Only(goal)).await;
                sandbox.clear_faults();
                reach_it(&laptop, Goal::Only(goal)).await.unwrap_or_else(|p| panic!("{case}: {p:?}"));
                assert_eq!(census(&sandbox, &laptop.desired), WHOLE, "{case}");
                let world = sandbox.world();
                let regions = world.accounts.values().flat_map(|account| account.regions.values());
                let mut alive = regions.flat_map(|r| r.instances.values()).filter(|i| i.terminated.is_none());
                let kind = if swapped && goal == Keep::Machine { "m7i.xlarge" } else { "m8g.xlarge" };
                assert_eq!(alive.next().unwrap().kind, kind, "{case}");
                cases += 1;
            }
        }
    }
    println!("{cases} cases of letting go, going back and taking back");
}

/// A machine of which there is an older state, and that is to have it.
async fn to_be_restored() -> (Sandbox, Laptop) {
    let (sandbox, mut laptop) = to_be_replaced().await;
    laptop.desired.instance_type = "m8g.xlarge".parse().expect("a type");
    let agreeing = Agreeing::default();
    let made = snapshot(&laptop.aws, &laptop.store, &laptop.desired, &agreeing);
    laptop.desired.home_from = made.await.expect("it is taken");
    sandbox.clear_calls();
    (sandbox, laptop)
}

/// What is wrong, unless the machine is on with the home of that state, and the one before it is kept, off.
fn not_restored(sandbox: &Sandbox, laptop: &Laptop) -> Option<String> {
    let world = sandbox.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let instances = regions.flat_map(|region| region.instances.values());
    let alive: Vec<_> = instances.filter(|instance| instance.terminated.is_none()).collect();
    let home = laptop.desired.home_from.as_ref().map(ToString::to_string);
    let new: Vec<_> = alive.iter().filter(|i| i.tags.get(TAG_CARRIED) == home.as_ref()).collect();
    let old: Vec<_> = alive.iter().filter(|i| i.tags.contains_key(TAG_RETIRED)).collect();
    let right = alive.len() == 2
        && matches!(new[..], [new] if new.state == State::Running)
        && matches!(old[..], [old] if old.state == State::Stopped);
    let text = || alive.iter().map(|i| format!("{} {:?} {:?}\n", i.id, i.state, i.tags)).collect::<String>();
    if right { None } else { Some(text()) }
}

#[tokio::test(start_paused = true)]
async fn every_step_of_a_restore_meets_every_fault() {
    let (clean, laptop) = to_be_restored().await;
    reach_it(&laptop, Goal::Replaced).await.expect("a plain restore");
    assert_eq!(not_restored(&clean, &laptop), None);
    let steps = changes(&clean.calls());
    // Count, run, volume, attach, home, stop, place, detach, delete.
    assert_eq!(steps.len(), 9, "{steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("restore, {operation} #{nth}, {name}");
            let (sandbox, laptop) = to_be_restored().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let first = reach_it(&laptop, Goal::Replaced).await;
            if is_off(&sandbox) && !is_swapped(&sandbox) {
                let problem = first.err().unwrap_or_else(|| panic!("{case}: it is off, and nobody says so"));
                assert!(problem.hints[0].contains("the old machine is off"), "{case}: {problem:?}");
            }
            sandbox.clear_faults();
            reach_it(&laptop, Goal::Replaced).await.unwrap_or_else(|p| panic!("{case}: again: {p:?}"));
            assert_eq!(not_restored(&sandbox, &laptop), None, "{case}");
            assert_eq!(snapshots(&sandbox), 1, "{case}");
            cases += 1;
        }
    }
    println!("{cases} cases: {} steps of a restore, {} faults each", steps.len(), faults().len());
}

#[tokio::test(start_paused = true)]
async fn two_laptops_restore_one_state() {
    for head_start in (0..24_000).step_by(3000) {
        let (sandbox, one) = to_be_restored().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(reach_it(&one, Goal::Replaced), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            reach_it(&two, Goal::Replaced).await
        });
        for result in [first, second] {
            result.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        }
        assert_eq!(not_restored(&sandbox, &one), None, "{head_start} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn two_laptops_let_one_instance_go() {
    for keep in [Keep::Machine, Keep::Former] {
        for head_start in (0..6000).step_by(500) {
            let (sandbox, one) = to_be_replaced().await;
            reach_it(&one, Goal::Replaced).await.expect("a plain replacement");
            let mut two = Laptop::new(&sandbox, LATENCY).await;
            two.desired = one.desired.clone();
            let (first, second) = tokio::join!(reach_it(&one, Goal::Only(keep)), async {
                tokio::time::sleep(Duration::from_millis(head_start)).await;
                reach_it(&two, Goal::Only(keep)).await
            });
            for result in [first, second] {
                result.unwrap_or_else(|problem| panic!("{keep:?}, {head_start} ms: {problem:?}"));
            }
            assert_eq!(census(&sandbox, &one.desired), WHOLE, "{keep:?}, {head_start} ms");
        }
    }
}

/// One takes back what the other brings to its end. Whoever comes too late takes nothing back, and the old machine is never lost.
#[tokio::test(start_paused = true)]
async fn one_laptop_takes_back_what_another_goes_on_with() {
    let (mut taken_back, mut replaced) = (0, 0);
    for head_start in (0..30_000).step_by(1500) {
        let (sandbox, one) = to_be_replaced().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(reach_it(&one, Goal::Replaced), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            reach_it(&two, Goal::Only(Keep::Incumbent)).await
        });
        second.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        let world = sandbox.world();
        let instances =
            world.accounts.values().flat_map(|a| a.regions.values()).flat_map(|r| r.instances.values());
        let alive: Vec<_> = instances.filter(|instance| instance.terminated.is_none()).collect();
        assert!(
            alive.iter().any(|instance| instance.kind == "m8g.xlarge"),
            "{head_start} ms: the old one is gone"
        );
        match first {
            Ok(_) if is_swapped(&sandbox) => replaced += 1,
            Ok(_) | Err(_) => taken_back += 1,
        }
        reach_it(&one, Goal::Replaced).await.unwrap_or_else(|p| panic!("{head_start} ms: once more: {p:?}"));
        assert_eq!(not_replaced(&sandbox), None, "{head_start} ms");
    }
    assert!(taken_back > 2 && replaced > 2, "{taken_back} taken back, {replaced} too late");
}

#[tokio::test(start_paused = true)]
async fn an_older_state_comes_back() {
    let (sandbox, mut laptop) = to_be_replaced().await;
    laptop.desired.instance_type = "m8g.xlarge".parse().expect("a type");
    let agreeing = Agreeing::default();
    let made = snapshot(&laptop.aws, &laptop.store, &laptop.desired, &agreeing);
    let id = made.await.expect("it is taken").expect("there is a volume");
    laptop.desired.home_from = Some(id.clone());
    let old = sandbox
        .world()
        .accounts
        .values()
        .flat_map(|a| a.regions.values())
        .flat_map(|r| r.instances.keys())
        .next()
        .cloned();
    reach_it(&laptop, Goal::Replaced).await.expect("it is restored");
    let world = sandbox.world();
    let regions = || world.accounts.values().flat_map(|account| account.regions.values());
    let new = regions().flat_map(|r| r.instances.values()).find(|i| Some(&i.id) != old.as_ref()).unwrap();
    assert_eq!(new.tags.get(TAG_CARRIED).map(String::as_str), Some(id.as_str()));

    // And when there is no machine any more.
    reach_it(&laptop, Goal::Gone(Leave { volume: false, snapshot: false })).await.expect("it goes");
    laptop.desired.home_from = None;
    let before = snapshots(&sandbox);
    laptop.desired.home_from = Some(id.clone());
    reach_it(&laptop, Goal::Settings).await.expect("it is made with its home");
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
    assert_eq!(snapshots(&sandbox), before);

    laptop.desired.home_from = Some("snap-00000000000000000".parse().expect("an id"));
    let problem = reach_it(&laptop, Goal::Replaced).await.expect_err("it has no such snapshot");
    assert_eq!(problem.code, "no_snapshot");
}

#[tokio::test(start_paused = true)]
async fn two_laptops_replace_one_machine() {
    for head_start in (0..24_000).step_by(3000) {
        let (sandbox, one) = to_be_replaced().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        two.desired = one.desired.clone();
        let (first, second) = tokio::join!(reach_it(&one, Goal::Replaced), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            reach_it(&two, Goal::Replaced).await
        });
        for result in [first, second] {
            result.unwrap_or_else(|problem| panic!("{head_start} ms: {problem:?}"));
        }
        assert_eq!(not_replaced(&sandbox), None, "{head_start} ms");
    }
}

/// Somebody ends the machine while another is on its way into its place: what it has left is its home, or there is none, which is said.
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_ended_in_the_middle_is_replaced_or_said_to_be_lost() {
    let (mut replaced, mut told) = (0, 0);
    for after in (500..30_000).step_by(1500) {
        let (sandbox, laptop) = to_be_replaced().await;
        let end = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            sandbox.meddle(|world| {
                for region in world.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
                    region.instances.retain(|_, instance| instance.kind != "m8g.xlarge");
                }
            });
        };
        let (result, ()) = tokio::join!(reach_it(&laptop, Goal::Replaced), end);
        let world = sandbox.world();
        let instances =
            world.accounts.values().flat_map(|a| a.regions.values()).flat_map(|r| r.instances.values());
        let alive: Vec<_> = instances.filter(|instance| instance.terminated.is_none()).collect();
        assert!(alive.len() <= 1, "{after} ms: {alive:?}");
        let has_home = alive.iter().any(|instance| instance.tags.contains_key(TAG_CARRIED));
        match result {
            Ok(_) if has_home => replaced += 1,
            Ok(report) => {
                let notes = plan::decide(&laptop.desired, &report.observed, Goal::Settings).notes;
                assert!(!notes.is_empty(), "{after} ms: {alive:?}");
                told += 1;
            }
            Err(problem) => {
                assert!(!problem.what.is_empty(), "{after} ms");
                told += 1;
            }
        }
    }
    println!("{replaced} times with its home, {told} times said");
    assert!(replaced > 0 && told > 0, "{replaced} {told}");
}

/// All of it goes, also where the new one was to have a home that goes with the old one.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_under_way_goes_with_its_machine() {
    for denied in ["StopInstances", "CreateSnapshot", "CreateVolume", "AttachVolume"] {
        let (sandbox, laptop) = to_be_replaced().await;
        let fault = Fault::Error { code: "UnauthorizedOperation".to_owned(), status: 403 };
        sandbox.fault(Rule::on(Service::Ec2, denied, When::Every, fault));
        reach_it(&laptop, Goal::Replaced).await.expect_err("it stops there");
        sandbox.clear_faults();
        reach_it(&laptop, GONE).await.unwrap_or_else(|problem| panic!("{denied}: {problem:?}"));
        let left = census(&sandbox, &laptop.desired);
        assert!(left.iter().all(|(_, count)| *count == 0), "{denied}: {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_machine_that_aws_has_none_of_stops_nothing() {
    let (sandbox, laptop) = to_be_replaced().await;
    sandbox.set(|conditions| conditions.no_capacity.push(("*".to_owned(), "m7i.xlarge".to_owned())));
    reach_it(&laptop, Goal::Replaced).await.expect_err("there is none");
    assert!(!is_off(&sandbox));
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn every_step_into_another_zone_meets_every_fault() {
    let stage = || async {
        let (sandbox, mut laptop) = to_be_replaced().await;
        let here = zones(&sandbox);
        let other = if here == ["us-west-2a"] { "us-west-2b" } else { "us-west-2a" };
        laptop.desired.zone = Some(other.parse().expect("a zone"));
        (sandbox, laptop)
    };
    let (clean, laptop) = stage().await;
    reach_it(&laptop, Goal::Replaced).await.expect("a plain replacement");
    assert_eq!(not_replaced(&clean), None);
    let zone = laptop.desired.zone.as_ref().map(ToString::to_string).expect("a zone");
    let steps = changes(&clean.calls());
    // Of the others each meets every fault in a replacement that stays where it is.
    let begin = steps.iter().position(|(_, operation, _)| operation == "RunInstances").expect("it is made");
    let steps: Vec<_> = steps.into_iter().take(begin).filter(|(_, name, _)| name != "CreateTags").collect();
    assert_eq!(steps.len(), 3, "a subnet, its addresses, its routes: {steps:?}");
    let mut cases = 0;
    for (service, operation, nth) in &steps {
        for (name, when, fault) in faults() {
            let case = format!("another zone, {operation} #{nth}, {name}");
            let (sandbox, laptop) = stage().await;
            for when in from_nth(when, *nth) {
                sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
            }
            let _ = reach_it(&laptop, Goal::Replaced).await;
            sandbox.clear_faults();
            reach_it(&laptop, Goal::Replaced).await.unwrap_or_else(|p| panic!("{case}: again: {p:?}"));
            assert_eq!(not_replaced(&sandbox), None, "{case}");
            reach_it(&laptop, Goal::Only(Keep::Machine)).await.expect("the old one goes");
            // Its subnet goes with the next apply.
            reach_it(&laptop, Goal::Settings).await.unwrap_or_else(|p| panic!("{case}: tidy: {p:?}"));
            assert_eq!(census(&sandbox, &laptop.desired), WHOLE, "{case}");
            assert_eq!(zones(&sandbox), [zone.as_str()], "{case}");
            cases += 1;
        }
    }
    println!("{cases} cases: {} steps into another zone, {} faults each", steps.len(), faults().len());
}

/// The zones that subnets and instances are in.
fn zones(sandbox: &Sandbox) -> Vec<String> {
    let world = sandbox.world();
    let regions = || world.accounts.values().flat_map(|account| account.regions.values());
    let subnets =
        regions().flat_map(|r| r.subnets.values()).filter(|s| !s.tags.is_empty()).map(|s| s.zone.clone());
    let alive = regions().flat_map(|r| r.instances.values()).filter(|i| i.terminated.is_none());
    let zones: std::collections::BTreeSet<String> = subnets.chain(alive.map(|i| i.zone.clone())).collect();
    zones.into_iter().collect()
}

/// The whole life of a machine, and whether its owner needs more than what Holdfast says is the least.
#[tokio::test(start_paused = true)]
async fn the_least_policy_will_do() {
    let (sandbox, mut laptop) = to_be_replaced().await;
    laptop.desired.zone = Some("us-west-2a".parse().expect("a zone"));
    laptop.desired.snapshot_every = Some(24);
    for goal in [Goal::Replaced, Goal::Only(Keep::Machine), Goal::Settings, Goal::Reachable] {
        reach_it(&laptop, goal).await.unwrap_or_else(|problem| panic!("{goal:?}: {problem:?}"));
    }
    let agreeing = Agreeing::default();
    let made = snapshot(&laptop.aws, &laptop.store, &laptop.desired, &agreeing);
    made.await.expect("it is taken");
    laptop.desired.instance_type = "m7i.2xlarge".parse().expect("a type");
    laptop.desired.volume_size = 200;
    for goal in [Goal::Settings, Goal::Stopped, Goal::Gone(Leave { volume: false, snapshot: true })] {
        reach_it(&laptop, goal).await.unwrap_or_else(|problem| panic!("{goal:?}: {problem:?}"));
    }
    let policy = holdfast_core::policy::least(&laptop.desired).to_string();
    let calls: std::collections::BTreeSet<String> = sandbox
        .calls()
        .iter()
        .map(|call| format!("{}:{}", format!("{:?}", call.service).to_lowercase(), call.operation))
        .collect();
    assert!(calls.len() > 50, "{calls:?}");
    let more: Vec<&String> = calls.iter().filter(|call| !policy.contains(&format!("\"{call}\""))).collect();
    assert!(more.is_empty(), "{more:?}");
}
