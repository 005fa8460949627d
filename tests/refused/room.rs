//! Quotas and capacity: only the call itself tells. What was made until then is ours, and the next run goes on from there.

use holdfast_core::plan::Goal;
use holdfast_sandbox::{ACCESS_KEY, Sandbox};
use holdfast_tests::{Laptop, census, sandbox};

use crate::{ACCOUNT, REGION, comes_whole, everything, goes, laptop, same, whole};

/// An apply is refused with `code`, no instance is made, and one more with room for it is whole; and had the user
/// given up instead, nothing would have been left.
async fn refused_for_want_of_room(code: &str, shut: impl Fn(&Sandbox), open: impl Fn(&Sandbox), says: &str) {
    let sandbox = sandbox(1);
    sandbox.set(|conditions| conditions.default_vpc = false);
    let before = everything(&sandbox);
    shut(&sandbox);
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    for round in 0..2 {
        let problem = ada.reach(Goal::Settings).await.expect_err(code);
        assert_eq!(problem.code, code, "{round}: {problem:?}");
        assert!(problem.hints.iter().any(|hint| hint.contains(says)), "{problem:?}");
        let machines = census(&sandbox, &ada.desired);
        assert!(machines.contains(&("instance", 0)) && machines.contains(&("volume", 0)), "{machines:?}");
    }
    let halfway = sandbox.world();
    goes(&sandbox, &ada, code).await;
    same(&before, &everything(&sandbox), code);
    sandbox.meddle(|world| *world = halfway);
    open(&sandbox);
    comes_whole(&sandbox, &ada, code).await;
}

#[tokio::test(start_paused = true)]
async fn no_room_for_another_vpc() {
    let set = |vpcs| move |sandbox: &Sandbox| sandbox.set(|conditions| conditions.quotas.vpcs = vpcs);
    refused_for_want_of_room("vpc_quota", set(0), set(5), "holdfast settings set subnet").await;
}

#[tokio::test(start_paused = true)]
async fn too_few_processors() {
    let set = |vcpus| move |sandbox: &Sandbox| sandbox.set(|conditions| conditions.quotas.vcpus = vcpus);
    refused_for_want_of_room("vcpu_quota", set(2), set(32), "holdfast settings set instance_type").await;
}

#[tokio::test(start_paused = true)]
async fn no_capacity_for_a_new_machine() {
    let full = || vec![("*".to_owned(), "m8g.*".to_owned())];
    let shut = |sandbox: &Sandbox| sandbox.set(|conditions| conditions.no_capacity = full());
    let open = |sandbox: &Sandbox| sandbox.set(|conditions| conditions.no_capacity.clear());
    refused_for_want_of_room("capacity", shut, open, "try again").await;
}

fn disk(sandbox: &Sandbox) -> String {
    let world = sandbox.world();
    let region = world.region(ACCOUNT, REGION).expect("the region");
    let disks: Vec<_> = region.volumes.values().collect();
    serde_json::to_string_pretty(&disks).expect("volumes as JSON")
}

async fn stopped() -> (Sandbox, Laptop, String) {
    let (sandbox, ada) = whole().await;
    ada.reach(Goal::Stopped).await.expect("a stop");
    let disk = disk(&sandbox);
    (sandbox, ada, disk)
}

#[tokio::test(start_paused = true)]
async fn no_capacity_at_a_start_leaves_machine_and_disk_as_they_are() {
    let (sandbox, ada, before) = stopped().await;
    sandbox.set(|conditions| conditions.no_capacity.push(("*".to_owned(), "m8g.*".to_owned())));
    for _ in 0..2 {
        let problem = crate::refused(&sandbox, &ada, Goal::Reachable, "no capacity").await;
        assert_eq!(problem.code, "capacity", "{problem:?}");
        assert!(problem.hints.iter().any(|hint| hint.contains("disk")), "{problem:?}");
        same(&before, &disk(&sandbox), "the disk");
    }
    // Whoever waits for capacity can still apply, look and destroy.
    let settings = ada.reach(Goal::Settings).await.expect("an apply of a machine that is off");
    assert_eq!(settings.performed, 0);
    sandbox.set(|conditions| conditions.no_capacity.clear());
    ada.reach(Goal::Reachable).await.expect("a start");
    same(&before, &disk(&sandbox), "the disk");
}

#[tokio::test(start_paused = true)]
async fn too_few_processors_at_a_start_leave_machine_and_disk_as_they_are() {
    let (sandbox, ada, before) = stopped().await;
    sandbox.set(|conditions| conditions.quotas.vcpus = 2);
    let problem = crate::refused(&sandbox, &ada, Goal::Reachable, "no processors").await;
    assert_eq!(problem.code, "vcpu_quota", "{problem:?}");
    same(&before, &disk(&sandbox), "the disk");
    sandbox.set(|conditions| conditions.quotas.vcpus = 32);
    ada.reach(Goal::Reachable).await.expect("a start");
}
