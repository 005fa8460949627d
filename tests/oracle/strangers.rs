//! What is not ours, and who else is there.

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use holdfast::problem::Exit;
use holdfast_core::plan::Goal;

use crate::GONE;
use crate::everything::Everything;
use crate::moto::{Account, NEWEST_ARM, REGION};
use crate::race::Connection;
use crate::table::{SETTINGS, assert_whole, ours};

#[tokio::test]
async fn what_merely_has_our_names_stops_an_apply_and_is_left_alone() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let named = |kind: ResourceType, part: &str| {
        let name = Tag::builder().key("Name").value(laptop.desired.name(part)).build();
        TagSpecification::builder().resource_type(kind).tags(name).build()
    };
    let stopped = |what: &'static str| {
        let (account, laptop) = (&account, &laptop);
        async move {
            let before = Everything::of(account).await;
            let problem = laptop.reach(Goal::Settings).await.expect_err(what);
            assert_eq!((problem.code, problem.exit), ("foreign", Exit::Refused), "{what}: {problem:?}");
            assert!(problem.what.contains(what), "{what}: {problem}");
            Everything::of(account).await.assert_same_as(&before, what);
            laptop.reach(GONE).await.expect("a destroy, which has nothing to do");
            Everything::of(account).await.assert_same_as(&before, what);
        }
    };

    let vpc = account
        .ec2
        .create_vpc()
        .cidr_block("10.9.0.0/16")
        .tag_specifications(named(ResourceType::Vpc, "vpc"));
    let vpc = vpc.send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    stopped("VPC").await;
    account.ec2.delete_vpc().vpc_id(vpc).send().await.unwrap();

    let machine = account.ec2.run_instances().image_id(NEWEST_ARM).instance_type("m8g.large".into());
    let machine =
        machine.min_count(1).max_count(1).tag_specifications(named(ResourceType::Instance, "machine"));
    let machine = machine.send().await.unwrap().instances.unwrap().remove(0).instance_id.unwrap();
    stopped("instance").await;
    account.ec2.terminate_instances().instance_ids(machine).send().await.unwrap();

    let iam = &account.iam;
    let role = format!("ada-remote-dev-{REGION}-role");
    iam.create_role().role_name(&role).assume_role_policy_document("{}").send().await.unwrap();
    stopped("role").await;
    iam.delete_role().role_name(role).send().await.unwrap();
    let profile = format!("ada-remote-dev-{REGION}-profile");
    iam.create_instance_profile().instance_profile_name(&profile).send().await.unwrap();
    stopped("instance profile").await;
    iam.delete_instance_profile().instance_profile_name(profile).send().await.unwrap();

    laptop.reach(Goal::Settings).await.expect("an apply with nothing in the way");
    assert_whole(&account, &laptop.desired).await;
}

#[tokio::test]
async fn somebody_else_may_look_and_nothing_else() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    let before = Everything::of(&account).await;
    let bob = account.as_somebody("bob").await.laptop(SETTINGS).await;
    for goal in [Goal::Settings, Goal::Stopped, Goal::Reachable, GONE] {
        let problem = bob.reach(goal).await.expect_err("it is not bob's");
        assert_eq!((problem.code, problem.exit), ("other_owner", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains(&account.owner("ada")), "{problem}");
        Everything::of(&account).await.assert_same_as(&before, "bob");
    }
}

#[tokio::test]
async fn two_laptops_at_once_end_with_one_machine() {
    let account = Account::new().await;
    let connection = Connection::default();
    let (one, two) =
        (connection.laptop(&account, SETTINGS).await, connection.laptop(&account, SETTINGS).await);
    let (first, second) = tokio::join!(one.reach(Goal::Settings), two.reach(Goal::Settings));
    let reports = [first.expect("one"), second.expect("two")];
    println!("steps: {:?}", reports.map(|report| report.performed));
    // Whoever made a thing twice takes it away, the other one may have been there first.
    for laptop in [&one, &two] {
        laptop.reach(Goal::Settings).await.expect("a run afterwards");
    }
    assert_whole(&account, &one.desired).await;
    let volumes = account.ec2.describe_volumes().filters(ours(&one.desired)).send().await.expect("volumes");
    assert_eq!(volumes.volumes().len(), 1);
    for laptop in [&one, &two] {
        assert_eq!(laptop.reach(Goal::Settings).await.expect("an idle run").performed, 0);
    }
}
