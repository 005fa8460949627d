//! A machine that plain calls have made is adopted: every call of that met by every fault, and by other people at the same moment.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::{BehaviorVersion, Region as Place};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::aws::Options;
use holdfast::problem::Exit;
use holdfast::world::World as _;
use holdfast_core::machine::{Desired, TAG_OWNER};
use holdfast_core::names::InstanceId;
use holdfast_core::plan::{self, Goal};
use holdfast_core::settings::Settings;
use holdfast_core::status::{State, Status};
use holdfast_sandbox::{ACCESS_KEY, Principal, Rule, SECRET_KEY, Sandbox, Tags};
use holdfast_tests::{ByHand, Laptop, WHOLE, by_hand, census, sandbox};

use super::{GONE, LATENCY, changes, faults, from_nth};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-west-2";
const BOB: &str = "AKIABOBBOBBOBBOBBOB0";

/// Plain clients, as other tools are.
fn plain(sandbox: &Sandbox) -> (aws_sdk_ec2::Client, aws_sdk_iam::Client) {
    let credentials = || Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let ec2 = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Place::new(REGION))
        .http_client(sandbox.http_client())
        .credentials_provider(credentials());
    let iam = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Place::new(REGION))
        .http_client(sandbox.http_client())
        .credentials_provider(credentials());
    (aws_sdk_ec2::Client::from_conf(ec2.build()), aws_sdk_iam::Client::from_conf(iam.build()))
}

async fn made(called: impl Fn(&str) -> String) -> (Sandbox, ByHand, Laptop) {
    let sandbox = sandbox(1);
    let (ec2, iam) = plain(&sandbox);
    let made = Box::pin(by_hand(&ec2, &iam, called)).await;
    sandbox.clear_calls();
    let laptop = Laptop::new(&sandbox, LATENCY).await;
    (sandbox, made, laptop)
}

/// With names that say nothing.
async fn made_by_others() -> (Sandbox, ByHand, Laptop) {
    made(|part| format!("box-{part}")).await
}

fn wanted() -> Desired {
    let settings = Settings::parse("", Some(&"ada".parse().expect("a user"))).expect("settings");
    settings.machine(None).expect("a machine").clone()
}

/// With the names that Holdfast would have given.
async fn made_to_the_letter() -> (Sandbox, ByHand, Laptop) {
    let wanted = wanted();
    made(move |part| match part {
        "role" => wanted.role_name(),
        "profile" => wanted.own_profile_name(),
        "group" => wanted.group_name(),
        part => wanted.name(part),
    })
    .await
}

/// What there is to do for the settings, in words.
async fn left_to_do(laptop: &Laptop) -> Vec<String> {
    let observed = laptop.aws.observe(&laptop.desired, Goal::Settings).await.expect("a look");
    let plan = plan::plan(&laptop.desired, &observed, Goal::Settings);
    assert_eq!(plan.blocked, []);
    plan.steps.into_iter().map(|planned| planned.words.what).collect()
}

/// It is an ordinary machine: once mended there is nothing to do, it goes off and on, and goes for ever.
async fn is_ordinary(sandbox: &Sandbox, made: &ByHand, laptop: &Laptop, case: &str) {
    laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
    assert_eq!(census(sandbox, &laptop.desired), WHOLE, "{case}");
    assert_eq!(left_to_do(laptop).await, [""; 0], "{case}");
    let observed = laptop.aws.observe(&laptop.desired, Goal::Reachable).await.expect("a look");
    let instance = observed.winners(&laptop.desired).instance.expect("an instance");
    assert_eq!(instance.id, made.instance, "{case}");
}

async fn goes(sandbox: &Sandbox, laptop: &Laptop, case: &str) {
    laptop.reach(GONE).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
    let counts = census(sandbox, &laptop.desired);
    assert!(counts.iter().all(|(_, count)| *count == 0), "{case}: {counts:?}");
    let world = sandbox.world();
    let account = &world.accounts[ACCOUNT];
    assert!(
        account.iam.roles.is_empty() && account.iam.profiles.is_empty(),
        "{case}: IAM has something left"
    );
    let networks = account.regions[REGION].vpcs.values().filter(|vpc| !vpc.is_default).count();
    assert_eq!(networks, 0, "{case}");
}

#[tokio::test(start_paused = true)]
async fn a_named_machine_becomes_an_ordinary_one() {
    let (sandbox, made, mut laptop) = made_by_others().await;
    let before = sandbox.world();
    let problem = laptop.adopt(None).await.expect_err("nobody said which one");
    assert_eq!(problem.code, "nothing_to_adopt");
    let steps = laptop.adopt(Some(&made.instance)).await.expect("an adoption");
    let changing: Vec<_> = changes(&sandbox.calls()).into_iter().map(|(_, operation, _)| operation).collect();
    assert_eq!(changing.len(), steps, "{changing:?}");
    let tagging = ["CreateTags", "TagRole", "TagInstanceProfile"];
    assert!(changing.iter().all(|operation| tagging.contains(&operation.as_str())), "{changing:?}");

    // But for tags all is as it was; the settings have followed.
    let bare = |world: &holdfast_sandbox::World| {
        let mut world = world.clone();
        for account in world.accounts.values_mut() {
            let iam = &mut account.iam;
            iam.roles.values_mut().for_each(|role| role.tags.clear());
            iam.profiles.values_mut().for_each(|profile| profile.tags.clear());
            for region in account.regions.values_mut() {
                region.vpcs.values_mut().for_each(|r| r.tags.clear());
                region.subnets.values_mut().for_each(|r| r.tags.clear());
                region.gateways.values_mut().for_each(|r| r.tags.clear());
                region.route_tables.values_mut().for_each(|r| r.tags.clear());
                region.groups.values_mut().for_each(|r| r.tags.clear());
                region.interfaces.values_mut().for_each(|r| r.tags.clear());
                region.volumes.values_mut().for_each(|r| r.tags.clear());
                for instance in region.instances.values_mut() {
                    instance.tags.clear();
                    // It comes up meanwhile.
                    instance.state = holdfast_sandbox::ec2::State::Running;
                }
            }
        }
        serde_json::to_value(world.accounts).expect("JSON")
    };
    assert_eq!(bare(&before), bare(&sandbox.world()));
    let desired = &laptop.desired;
    assert_eq!((desired.instance_type.as_str(), desired.volume_size), ("m8g.large", 80));
    assert_eq!(desired.instance_profile.as_ref().map(ToString::to_string), Some(made.profile.clone()));
    assert_eq!(desired.subnet, None);
    assert_eq!(census(&sandbox, desired), WHOLE);
    assert_eq!(
        left_to_do(&laptop).await,
        [
            "Policy that denies ssm:GetParameter*".to_owned(),
            format!("Protect {} from termination", made.instance),
            format!("Guard the metadata service of {} (IMDSv2, one hop)", made.instance),
        ]
    );
    assert_eq!(laptop.adopt(Some(&made.instance)).await.expect("an idle adoption"), 0);
    assert_eq!(laptop.adopt(None).await.expect("an idle adoption"), 0);
    is_ordinary(&sandbox, &made, &laptop, "adopted").await;

    laptop.reach(Goal::Reachable).await.expect("it is reached");
    laptop.reach(Goal::Stopped).await.expect("a stop");
    let observed = laptop.aws.observe(&laptop.desired, Goal::Reachable).await.expect("a look");
    assert_eq!(Status::of(&laptop.desired, &observed).state, State::Off);
    goes(&sandbox, &laptop, "adopted").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_our_names_is_found_by_them() {
    let (sandbox, made, mut laptop) = made_to_the_letter().await;
    let problem = laptop.reach(Goal::Settings).await.expect_err("it is somebody else's so far");
    assert_eq!(problem.code, "foreign");
    assert!(problem.hints[0].contains("holdfast adopt"), "{problem:?}");
    laptop.adopt(None).await.expect("an adoption");
    assert_eq!(laptop.desired.instance_profile, None);
    is_ordinary(&sandbox, &made, &laptop, "by name").await;
    // A machine that is lost is made anew where it was, with the same role.
    sandbox.meddle(|world| {
        let region =
            world.accounts.get_mut(ACCOUNT).and_then(|a| a.regions.get_mut(REGION)).expect("a region");
        region.instances.values_mut().for_each(|instance| instance.protected = false);
    });
    let (ec2, _) = plain(&sandbox);
    ec2.terminate_instances().instance_ids(made.instance.as_str()).send().await.expect("an end");
    tokio::time::sleep(Duration::from_secs(300)).await;
    laptop.reach(Goal::Settings).await.expect("another one");
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
    goes(&sandbox, &laptop, "by name").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_in_a_vpc_of_our_name_is_found_by_that() {
    let name = wanted().name("vpc");
    let (sandbox, made, mut laptop) =
        made(move |part| if part == "vpc" { name.clone() } else { format!("box-{part}") }).await;
    laptop.adopt(None).await.expect("an adoption");
    is_ordinary(&sandbox, &made, &laptop, "by its VPC").await;
}

#[tokio::test(start_paused = true)]
async fn every_step_of_an_adoption_meets_every_fault() {
    let mut cases = 0;
    for to_the_letter in [false, true] {
        let fresh =
            || async { if to_the_letter { made_to_the_letter().await } else { made_by_others().await } };
        let (clean, made, mut laptop) = fresh().await;
        laptop.adopt(Some(&made.instance)).await.expect("a plain adoption");
        let steps = changes(&clean.calls());
        // All of EC2 in one, and role and profile; the rest are names.
        assert!(steps.len() >= 3, "{steps:?}");
        for (service, operation, nth) in &steps {
            for (name, when, fault) in faults() {
                let case = format!("adopt ({to_the_letter}), {operation} #{nth}, {name}");
                let (sandbox, made, mut laptop) = fresh().await;
                for when in from_nth(when, *nth) {
                    sandbox.fault(Rule::on(*service, operation, when, fault.clone()));
                }
                let first = laptop.adopt(Some(&made.instance)).await;
                sandbox.clear_faults();
                if first.is_err() {
                    let intent = laptop.store.intent(&laptop.desired.key()).read().expect("a note");
                    let operation = intent.map(|intent| intent.operation);
                    assert_eq!(operation, Some(format!("adopt {}", made.instance)), "{case}");
                }
                laptop
                    .adopt(Some(&made.instance))
                    .await
                    .unwrap_or_else(|problem| panic!("{case}: the plain run fails: {problem:?}"));
                assert_eq!(
                    laptop.store.intent(&laptop.desired.key()).read().expect("a note"),
                    None,
                    "{case}"
                );
                assert_eq!(left_to_do(&laptop).await.len(), 3, "{case}");
                is_ordinary(&sandbox, &made, &laptop, &case).await;
                cases += 1;
            }
        }
    }
    println!("{cases} cases: the steps of two adoptions, {} faults each", faults().len());
}

#[tokio::test(start_paused = true)]
async fn whoever_applies_in_the_middle_harms_nothing() {
    for to_the_letter in [false, true] {
        for operation in ["CreateTags", "TagRole", "TagInstanceProfile"] {
            let case = format!("{operation} ({to_the_letter})");
            let (sandbox, made, mut laptop) =
                if to_the_letter { made_to_the_letter().await } else { made_by_others().await };
            let fault = holdfast_sandbox::Fault::Error { code: "UnauthorizedOperation".into(), status: 403 };
            let service = if operation == "CreateTags" {
                holdfast_sandbox::Service::Ec2
            } else {
                holdfast_sandbox::Service::Iam
            };
            sandbox.fault(Rule::on(service, operation, holdfast_sandbox::When::Every, fault));
            laptop.adopt(Some(&made.instance)).await.expect_err("it is refused");
            sandbox.clear_faults();
            // It may be blocked, or make another machine beside; what runs stays as it is.
            let _ = laptop.reach(Goal::Settings).await;
            let world = sandbox.world();
            let region = &world.accounts[ACCOUNT].regions[REGION];
            let instance = &region.instances[made.instance.as_str()];
            assert!(matches!(instance.state.name(), "pending" | "running"), "{case}");
            let profile = &world.accounts[ACCOUNT].iam.profiles[&made.profile];
            assert!(profile.role.as_ref().is_some_and(|(role, _)| *role == made.role), "{case}");
            assert!(region.vpcs.contains_key(&made.vpc), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_laptops_adopt_one_machine() {
    for head_start in (0..1600).step_by(100) {
        let (sandbox, made, mut one) = made_by_others().await;
        let mut two = Laptop::new(&sandbox, LATENCY).await;
        let (first, second) = tokio::join!(one.adopt(Some(&made.instance)), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            two.adopt(Some(&made.instance)).await
        });
        for (laptop, result) in [(&mut one, first), (&mut two, second)] {
            if let Err(problem) = result {
                assert_eq!(problem.code, "changed", "{head_start} ms: {problem:?}");
                laptop.adopt(Some(&made.instance)).await.expect("a second try");
            }
        }
        assert_eq!(one.desired, two.desired, "{head_start} ms");
        is_ordinary(&sandbox, &made, &one, "two laptops").await;
        assert_eq!(left_to_do(&two).await, [""; 0], "{head_start} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn two_people_do_not_both_get_it() {
    let (mut told, mut cases) = (0, 0);
    for head_start in (0..2000).step_by(100) {
        let (sandbox, made, mut ada) = made_by_others().await;
        let caller = Principal::user(ACCOUNT, "sandbox", ACCESS_KEY);
        sandbox.set(|conditions| conditions.principals = vec![caller, Principal::user(ACCOUNT, "bob", BOB)]);
        let credentials = Credentials::new(BOB, SECRET_KEY, None, None, "test");
        let http = SharedHttpClient::new(sandbox.http_client().with_latency(LATENCY));
        let options = Options {
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            http_client: Some(http),
            ..Options::default()
        };
        // The same key of the machine, whoever calls.
        let mut bob = Laptop::on(options, "").await;
        let (first, second) = tokio::join!(ada.adopt(Some(&made.instance)), async {
            tokio::time::sleep(Duration::from_millis(head_start)).await;
            bob.adopt(Some(&made.instance)).await
        });
        let codes: Vec<_> =
            [&first, &second].iter().filter_map(|r| r.as_ref().err().map(|p| p.code)).collect();
        assert!(
            codes.iter().all(|code| ["other_owner", "not_adoptable", "changed"].contains(code)),
            "{codes:?}"
        );
        told += codes.len();
        cases += 1;
        // Somebody has the last word, and it is whole then.
        let wanted = ada.desired.clone();
        let owners = || owners(&sandbox, &wanted);
        if owners().len() > 1 {
            assert!(!codes.is_empty(), "{head_start} ms: it is nobody's, and nobody was told");
        }
        if let Err(problem) = &first
            && problem.code != "not_adoptable"
        {
            ada.adopt(None).await.expect("ada takes it over");
            assert_eq!(owners().len(), 1, "{head_start} ms");
        }
    }
    println!("{cases} cases of two people at once; {told} were told");
    assert!(told > 0);
}

/// Who owns what carries the machine's tag.
fn owners(sandbox: &Sandbox, desired: &Desired) -> Vec<String> {
    let world = sandbox.world();
    let account = &world.accounts[ACCOUNT];
    let region = &account.regions[REGION];
    let mut all: Vec<&Tags> = account.iam.roles.values().map(|r| &r.tags).collect();
    all.extend(account.iam.profiles.values().map(|r| &r.tags));
    all.extend(region.vpcs.values().map(|r| &r.tags));
    all.extend(region.instances.values().map(|r| &r.tags));
    all.extend(region.volumes.values().map(|r| &r.tags));
    let ours = all.into_iter().filter(|tags| tags.get("holdfast:machine") == Some(&desired.key()));
    let mut owners: Vec<String> = ours.filter_map(|tags| tags.get(TAG_OWNER).cloned()).collect();
    owners.sort();
    owners.dedup();
    owners
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_adopted_is_left_as_it_is() {
    let (sandbox, made, mut laptop) = made_by_others().await;
    let here = |world: &mut holdfast_sandbox::World, change: &dyn Fn(&mut holdfast_sandbox::Region)| {
        change(world.accounts.get_mut(ACCOUNT).and_then(|a| a.regions.get_mut(REGION)).expect("a region"));
    };
    let whole = sandbox.world();
    let stack = ("aws:cloudformation:stack-name".to_owned(), "base".to_owned());
    let unknown: InstanceId = "i-0123456789abcdef0".parse().expect("an id");

    let problem = laptop.adopt(Some(&unknown)).await.expect_err("there is none");
    assert_eq!(problem.code, "no_such_instance");
    assert!(problem.what.contains("us-west-2"), "{problem}");
    assert!(problem.cause.as_ref().is_some_and(|cause| cause.contains(ACCOUNT)), "{problem}");

    type Change = Box<dyn Fn(&mut holdfast_sandbox::Region)>;
    let id = made.instance.to_string();
    let of_instance = |change: fn(&mut holdfast_sandbox::ec2::Instance)| -> Change {
        let id = id.clone();
        Box::new(move |region| change(region.instances.get_mut(&id).expect("the instance")))
    };
    let cases: Vec<(&str, Change)> = vec![
        ("CloudFormation stack base", {
            let (id, stack) = (id.clone(), stack.clone());
            Box::new(move |region| {
                region.instances.get_mut(&id).expect("the instance").tags.extend([stack.clone()]);
            })
        }),
        ("another machine of Holdfast's: bob/x/us-west-2", {
            let id = id.clone();
            Box::new(move |region| {
                let tag = ("holdfast:machine".to_owned(), "bob/x/us-west-2".to_owned());
                region.instances.get_mut(&id).expect("the instance").tags.extend([tag]);
            })
        }),
        ("no instance profile", of_instance(|instance| instance.profile = None)),
        (
            "it is gone",
            of_instance(|instance| {
                instance.state = holdfast_sandbox::ec2::State::Terminated;
            }),
        ),
    ];
    for (words, change) in cases {
        sandbox.meddle(|world| {
            world.clone_from(&whole);
            here(world, &*change);
        });
        sandbox.clear_calls();
        let problem = laptop.adopt(Some(&made.instance)).await.expect_err(words);
        assert_eq!((problem.code, problem.exit), ("not_adoptable", Exit::Refused), "{words}: {problem:?}");
        assert!(problem.cause.as_ref().is_some_and(|cause| cause.contains(words)), "{words}: {problem:?}");
        assert_eq!(changes(&sandbox.calls()), [], "{words}");
    }

    // What the network is shared with stays, and the network with it.
    sandbox.meddle(|world| {
        world.clone_from(&whole);
        here(world, &|region| {
            region.vpcs.get_mut(&made.vpc).expect("the VPC").tags.extend([stack.clone()]);
        });
        let roles = &mut world.accounts.get_mut(ACCOUNT).expect("the account").iam.roles;
        let role = roles.get_mut(&made.role).expect("the role");
        role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned());
    });
    laptop.adopt(Some(&made.instance)).await.expect("the instance alone");
    assert_eq!(laptop.desired.subnet.as_ref().map(ToString::to_string), Some(made.subnet.clone()));
    laptop.reach(Goal::Settings).await.expect("an apply");
    laptop.reach(GONE).await.expect("an end");
    let world = sandbox.world();
    assert!(world.accounts[ACCOUNT].regions[REGION].vpcs.contains_key(&made.vpc));
    let role = &world.accounts[ACCOUNT].iam.roles[&made.role];
    assert!(role.tags.is_empty() && role.attached.len() == 2, "{role:?}");
    assert!(census(&sandbox, &laptop.desired).iter().all(|(_, count)| *count == 0));
}
