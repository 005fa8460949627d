//! What is not ours: things with our names, and somebody else's machine.

use holdfast::adopt::take_over;
use holdfast::problem::Exit;
use holdfast::world::World as _;
use holdfast_core::machine::TAG_MACHINE;
use holdfast_core::plan::Goal;
use holdfast_core::status::{State, Status};
use holdfast_sandbox::{ACCESS_KEY, Principal, Region, Sandbox, Tags, World};
use holdfast_tests::{Agreeing, sandbox};

use crate::{ACCOUNT, GONE, REGION, laptop, refused, whole};

const BOB: &str = "AKIABOBBOBBOBBOBBOB0";

fn here(world: &mut World) -> &mut Region {
    world.accounts.get_mut(ACCOUNT).unwrap().regions.get_mut(REGION).unwrap()
}

/// The things with our tag of one kind: their tags.
type Find = fn(&mut World) -> Vec<&mut Tags>;

/// Each kind, and what the problem calls it.
const KINDS: &[(&str, Find)] = &[
    ("VPC", |world| here(world).vpcs.values_mut().map(|r| &mut r.tags).collect()),
    ("subnet", |world| here(world).subnets.values_mut().map(|r| &mut r.tags).collect()),
    ("internet gateway", |world| here(world).gateways.values_mut().map(|r| &mut r.tags).collect()),
    ("security group", |world| here(world).groups.values_mut().map(|r| &mut r.tags).collect()),
    ("instance", |world| here(world).instances.values_mut().map(|r| &mut r.tags).collect()),
    ("role", |world| {
        world.accounts.get_mut(ACCOUNT).unwrap().iam.roles.values_mut().map(|r| &mut r.tags).collect()
    }),
    ("instance profile", |world| {
        world.accounts.get_mut(ACCOUNT).unwrap().iam.profiles.values_mut().map(|r| &mut r.tags).collect()
    }),
];

/// Takes the tag that makes a thing ours off the only thing of the kind; gives that kind's things without it, as text.
fn disown(sandbox: &Sandbox, find: Find) {
    let disowned =
        sandbox.meddle(|world| find(world).into_iter().filter_map(|tags| tags.remove(TAG_MACHINE)).count());
    assert_eq!(disowned, 1);
}

fn strangers(sandbox: &Sandbox, find: Find) -> Vec<Tags> {
    let mut world = sandbox.world();
    let tags = find(&mut world).into_iter().map(|tags| tags.clone());
    tags.filter(|tags| !tags.contains_key(TAG_MACHINE) && tags.contains_key("Name")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_our_name_and_not_our_tag_is_neither_taken_nor_deleted() {
    for (kind, find) in KINDS {
        let (sandbox, ada) = whole().await;
        disown(&sandbox, *find);
        let before = strangers(&sandbox, *find);
        assert_eq!(before.len(), 1, "{kind}");
        let problem = refused(&sandbox, &ada, Goal::Settings, kind).await;
        assert_eq!((problem.code, problem.exit), ("foreign", Exit::Refused), "{kind}: {problem:?}");
        assert!(problem.what.contains(kind), "{kind}: {problem}");
        assert!(problem.what.contains("ada-remote-dev"), "{kind}: {problem}");
        assert!(!problem.hints.is_empty(), "{kind}: {problem:?}");

        // A destroy may stop where the stranger is in its way, and leaves it as it is.
        match ada.reach(GONE).await {
            Ok(_) => println!("{kind}: destroyed around it"),
            Err(problem) => {
                println!("{kind}: {problem}");
                assert_eq!(problem.code, "in_use", "{kind}: {problem:?}");
            }
        }
        assert_eq!(strangers(&sandbox, *find), before, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_machine_may_be_looked_at_and_nothing_else() {
    let (sandbox, ada) = whole().await;
    sandbox.set(|conditions| conditions.principals.push(Principal::user(ACCOUNT, "bob", BOB)));
    let bob = laptop(&sandbox, BOB, "").await;
    for on in [true, false] {
        for goal in [Goal::Settings, Goal::Reachable, Goal::Stopped, GONE] {
            let problem = refused(&sandbox, &bob, goal, "bob").await;
            assert_eq!((problem.code, problem.exit), ("other_owner", Exit::Refused), "{problem:?}");
            assert!(problem.what.contains("123456789012/user/sandbox"), "{problem}");
            assert!(problem.cause.is_some_and(|cause| cause.contains("123456789012/user/bob")));
        }
        let observed = bob.aws.observe(&bob.desired, Goal::Reachable).await.expect("a look");
        let state = Status::of(&bob.desired, &observed).state;
        assert_eq!(state, if on { State::On } else { State::Off });
        ada.reach(Goal::Stopped).await.expect("a stop by its owner");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_over_belongs_to_its_new_owner() {
    let (sandbox, ada) = whole().await;
    sandbox.set(|conditions| conditions.principals.push(Principal::user(ACCOUNT, "bob", BOB)));
    let bob = laptop(&sandbox, BOB, "").await;
    let witness = Agreeing::default();
    assert_eq!(take_over(&bob.aws, &bob.store, &bob.desired, &witness).await.expect("an adoption"), 3);
    assert_eq!(take_over(&bob.aws, &bob.store, &bob.desired, &witness).await.expect("an idle one"), 0);
    assert_eq!(bob.reach(Goal::Settings).await.expect("an apply").performed, 0);
    assert_eq!(refused(&sandbox, &ada, Goal::Settings, "ada").await.code, "other_owner");
    bob.reach(GONE).await.expect("a destroy by the new owner");
}

/// One thing of somebody else's under our tag is enough, whichever it is.
#[tokio::test(start_paused = true)]
async fn one_thing_of_somebody_elses_stops_everything() {
    for (kind, find) in KINDS {
        let (sandbox, ada) = whole().await;
        sandbox.meddle(|world| {
            for tags in find(world).into_iter().filter(|tags| tags.contains_key(TAG_MACHINE)) {
                tags.insert("holdfast:owner".to_owned(), "123456789012/user/bob".to_owned());
            }
        });
        let mut goals = vec![Goal::Settings, GONE];
        if *kind == "instance" {
            goals.extend([Goal::Stopped, Goal::Reachable]);
        }
        for goal in goals {
            let problem = refused(&sandbox, &ada, goal, kind).await;
            assert_eq!((problem.code, problem.exit), ("other_owner", Exit::Refused), "{kind}: {problem:?}");
            assert!(problem.what.contains("123456789012/user/bob"), "{kind}: {problem}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_machines_with_one_name_are_named() {
    let (sandbox, ada) = whole().await;
    sandbox.meddle(|world| {
        let instances = &mut here(world).instances;
        let mut second = instances.values().next().unwrap().clone();
        second.id = "i-0fffffffffffffff0".to_owned();
        instances.insert(second.id.clone(), second);
    });
    for goal in [Goal::Settings, Goal::Reachable, Goal::Stopped] {
        let problem = refused(&sandbox, &ada, goal, "two instances").await;
        assert_eq!((problem.code, problem.exit), ("several_instances", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains("i-0fffffffffffffff0"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_users_of_one_account_have_a_machine_each() {
    let sandbox = sandbox(1);
    sandbox.set(|conditions| conditions.principals.push(Principal::user(ACCOUNT, "bob", BOB)));
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    let bob = laptop(&sandbox, BOB, "[machine.remote-dev]\nuser = \"bob\"\n").await;
    let (one, two) = tokio::join!(ada.reach(Goal::Settings), bob.reach(Goal::Settings));
    one.expect("ada's machine");
    two.expect("bob's machine");
    crate::goes(&sandbox, &ada, "ada's").await;
    crate::comes_whole(&sandbox, &bob, "bob's").await;
}
