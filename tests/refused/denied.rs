//! Each permission that a clean run uses is denied in turn: the problem names it, what only looks changes nothing, and
//! once it is allowed a plain run goes on to the end.

use std::collections::BTreeMap;

use holdfast_core::plan::{Goal, Leave};
use holdfast_sandbox::{ACCESS_KEY, Call, Principal, Sandbox, Service, World};
use holdfast_tests::{Laptop, sandbox};

use crate::{ACCOUNT, GONE, comes_whole, goes, laptop, refused};

const WITH_SNAPSHOT: Goal = Goal::Gone(Leave { volume: false, snapshot: true });

/// The actions of a log that a policy can deny, and whether by then nothing has been changed yet.
fn actions(calls: &[Call]) -> BTreeMap<String, bool> {
    let mut actions = BTreeMap::new();
    let mut untouched = true;
    for call in calls.iter().filter(|call| call.service != Service::Sts) {
        untouched &= !call.changes();
        actions.entry(format!("{}:{}", call.service.name(), call.operation)).or_insert(untouched);
    }
    actions
}

fn deny(sandbox: &Sandbox, action: Option<&str>) {
    let caller = Principal::user(ACCOUNT, "sandbox", ACCESS_KEY);
    let caller = action.iter().fold(caller, |caller, action| caller.denying(action));
    sandbox.set(|conditions| conditions.principals = vec![caller]);
}

/// Where the log of a clean run does not say it all.
#[derive(Clone, Copy, Default)]
struct Needed {
    /// Actions without a call of their own, or of calls that another run would make.
    besides: &'static [&'static str],
    /// Actions that can be done without.
    not: &'static [&'static str],
}

/// What is held for a moment ends by itself, so nobody needs to see it.
/// Settings that want no snapshots by the clock can do without knowing of any.
const SCHEDULES: &str = "dlm:GetLifecyclePolicies";
const HELD: &str = "ec2:DescribeCapacityReservations";

const BY_THE_LOG: Needed = Needed { besides: &[], not: &[] };

/// A machine that is there needs no more to be started.
const POWER_ONLY: Needed = Needed {
    besides: &[],
    not: &[
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVolumes",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcs",
        "iam:GetInstanceProfile",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
    ],
};

/// Leads from `before` to `goal` once per action that this needs; gives the number of cases.
async fn each_denied(sandbox: &Sandbox, before: &World, goal: Goal, needed: Needed) -> usize {
    let fresh = || async {
        deny(sandbox, None);
        sandbox.meddle(|world| world.clone_from(before));
        laptop(sandbox, ACCESS_KEY, "").await
    };
    let laptop = fresh().await;
    sandbox.clear_calls();
    laptop.reach(goal).await.expect("a clean run");
    let mut actions = actions(&sandbox.calls());
    actions.extend(needed.besides.iter().map(|action| ((*action).to_owned(), false)));
    for (action, untouched) in &actions {
        let laptop = fresh().await;
        deny(sandbox, Some(action));
        let case = format!("{} without {action}", goal.word());
        if needed.not.contains(&action.as_str()) {
            laptop.reach(goal).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
            deny(sandbox, None);
            after(sandbox, &laptop, goal, &case).await;
            continue;
        }
        let problem = if *untouched {
            refused(sandbox, &laptop, goal, &case).await
        } else {
            match laptop.reach(goal).await {
                Ok(report) => panic!("{case}: it is done, in {} steps", report.performed),
                Err(problem) => problem,
            }
        };
        assert_eq!(problem.code, "denied", "{case}: {problem:?}");
        assert!(problem.to_string().contains(action.as_str()), "{case}: {problem:?}");
        assert!(!problem.hints.is_empty(), "{case}: {problem:?}");
        deny(sandbox, None);
        after(sandbox, &laptop, goal, &case).await;
    }
    actions.len()
}

async fn after(sandbox: &Sandbox, laptop: &Laptop, goal: Goal, case: &str) {
    laptop.reach(goal).await.unwrap_or_else(|problem| panic!("{case}, then with it: {problem:?}"));
    match goal {
        Goal::Gone(_) => goes(sandbox, laptop, case).await,
        Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_) => {
            comes_whole(sandbox, laptop, case).await
        }
    }
}

/// A sandbox, and its world with nothing in it, with a machine that is on, and with one that is off.
async fn worlds() -> (Sandbox, [World; 3]) {
    let sandbox = sandbox(1);
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    let empty = sandbox.world();
    ada.reach(Goal::Reachable).await.expect("a plain run");
    let on = sandbox.world();
    ada.reach(Goal::Stopped).await.expect("a stop");
    let off = sandbox.world();
    (sandbox, [empty, on, off])
}

#[tokio::test(start_paused = true)]
async fn an_apply_names_what_is_denied() {
    let (sandbox, [empty, on, _]) = worlds().await;
    // No calls of their own: what EC2 asks for besides.
    let needed = Needed {
        besides: &["ec2:CreateTags", "iam:PassRole"],
        not: &[HELD, SCHEDULES, "ec2:DescribeVolumesModifications"],
    };
    let cases = each_denied(&sandbox, &empty, Goal::Settings, needed).await;
    // What the region offers matters to a new machine only.
    let needed = Needed {
        besides: &[],
        not: &[
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeVolumesModifications",
            HELD,
            SCHEDULES,
        ],
    };
    let idle = each_denied(&sandbox, &on, Goal::Settings, needed).await;
    println!("{cases} and {idle} cases");
    assert!(cases >= 35 && idle >= 17, "{cases} {idle}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_to_be_reached_names_what_is_denied() {
    let (sandbox, [empty, _, off]) = worlds().await;
    // A machine that can be reached has a network that will do.
    let needed = Needed { besides: &[], not: &["ec2:DescribeVpcAttribute"] };
    let cases = each_denied(&sandbox, &empty, Goal::Reachable, needed).await;
    let start = each_denied(&sandbox, &off, Goal::Reachable, POWER_ONLY).await;
    println!("{cases} and {start} cases");
    assert!(cases >= 33 && start >= 18, "{cases} {start}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_names_what_is_denied() {
    let (sandbox, [_, on, _]) = worlds().await;
    let cases = each_denied(&sandbox, &on, Goal::Stopped, BY_THE_LOG).await;
    println!("{cases} cases");
    assert_eq!(cases, 2);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_names_what_is_denied() {
    let (sandbox, [_, on, _]) = worlds().await;
    // Termination protection is lifted whether it is on or not.
    let not = &["ec2:DescribeInstanceAttribute", HELD, SCHEDULES];
    let needed = Needed { besides: &[], not };
    let cases = each_denied(&sandbox, &on, GONE, needed).await;
    let with_snapshot = each_denied(&sandbox, &on, WITH_SNAPSHOT, needed).await;
    println!("{cases} and {with_snapshot} cases");
    assert!(cases > 25 && with_snapshot > 28, "{cases} {with_snapshot}");
}
