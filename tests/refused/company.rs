//! What a company provides is used as it is, never tagged, never deleted; what is wrong with it is said before anything
//! is made.

use holdfast::problem::Exit;
use holdfast_core::machine::{Desired, TAG_MACHINE};
use holdfast_core::plan::{self, Goal, Note};
use holdfast_sandbox::{ACCESS_KEY, Key, Sandbox};
use holdfast_tests::{Laptop, sandbox};

use crate::{ACCOUNT, GONE, REGION, changing, everything, goes, laptop, plain, plain_iam, refused, same};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const MANAGED: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// A VPC with a subnet that leads out, a profile with a role, a boundary, a key.
struct Company {
    sandbox: Sandbox,
    vpc: String,
    subnet: String,
    key: String,
}

impl Company {
    async fn new() -> Self {
        let sandbox = sandbox(1);
        let key = Key::new("alias/company");
        sandbox.set(|conditions| {
            conditions.keys.push(key.clone());
            conditions.policies.insert(BOUNDARY.to_owned(), TRUST.to_owned());
        });
        let ec2 = plain(&sandbox);
        let vpc =
            ec2.create_vpc().cidr_block("10.7.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
        let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.7.0.0/24");
        let subnet =
            subnet.availability_zone("us-west-2b").send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
        let iam = plain_iam(&sandbox);
        iam.create_role().role_name("company").assume_role_policy_document(TRUST).send().await.unwrap();
        iam.create_instance_profile().instance_profile_name("company").send().await.unwrap();
        let company = Self { sandbox, vpc, subnet, key: key.arn(ACCOUNT, REGION) };
        company.put_role_in().await;
        company
    }

    async fn put_role_in(&self) {
        let call = plain_iam(&self.sandbox).add_role_to_instance_profile();
        call.instance_profile_name("company").role_name("company").send().await.unwrap();
    }

    async fn attach_policy(&self) {
        let call = plain_iam(&self.sandbox).attach_role_policy();
        call.role_name("company").policy_arn(MANAGED).send().await.unwrap();
    }

    /// A gateway, and a route to it in the VPC's main table.
    async fn lead_out(&self) {
        let ec2 = plain(&self.sandbox);
        let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
        let gateway = gateway.internet_gateway_id.unwrap();
        ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&self.vpc).send().await.unwrap();
        let tables = ec2.describe_route_tables().send().await.unwrap();
        let main = tables.route_tables().iter().find(|table| table.vpc_id() == Some(&self.vpc)).unwrap();
        let route = ec2.create_route().route_table_id(main.route_table_id().unwrap()).gateway_id(&gateway);
        route.destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    }

    async fn laptop(&self, settings: &[(&str, &str)]) -> Laptop {
        let lines: String = settings.iter().map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
        laptop(&self.sandbox, ACCESS_KEY, &format!("[machine.remote-dev]\n{lines}")).await
    }
}

fn settings(company: &Company) -> [(&'static str, &str); 4] {
    [
        ("subnet", &company.subnet),
        ("instance_profile", "company"),
        ("permissions_boundary", BOUNDARY),
        ("kms_key", &company.key),
    ]
}

fn notes(desired: &Desired, observed: &holdfast_core::machine::Observed) -> Vec<Note> {
    plan::plan(desired, observed, Goal::Settings).notes
}

#[tokio::test(start_paused = true)]
async fn what_the_company_provides_is_used_and_left_as_it_is() {
    let company = Company::new().await;
    company.lead_out().await;
    company.attach_policy().await;
    let before = everything(&company.sandbox);
    let ada = company.laptop(&settings(&company)).await;
    company.sandbox.clear_calls();
    let report = ada.reach(Goal::Reachable).await.expect("a machine that can be reached");
    let made: Vec<String> = changing(&company.sandbox).into_iter().map(|call| call.operation).collect();
    assert_eq!(made, ["CreateSecurityGroup", "RunInstances"]);
    assert_eq!(notes(&ada.desired, &report.observed), []);

    let world = company.sandbox.world();
    let region = world.region(ACCOUNT, REGION).unwrap();
    let instance = region.instances.values().next().unwrap();
    assert_eq!((&instance.subnet, &instance.vpc), (&company.subnet, &company.vpc));
    assert!(instance.profile.as_ref().unwrap().0.ends_with(":instance-profile/company"));
    let volume = region.volumes.values().next().unwrap();
    assert_eq!(volume.kms_key.as_ref(), Some(&company.key));
    assert!(volume.encrypted);
    let tagged = |tags: &holdfast_sandbox::Tags| tags.contains_key(TAG_MACHINE);
    let iam = &world.accounts[ACCOUNT].iam;
    assert!(!tagged(&region.subnets[&company.subnet].tags) && !tagged(&region.vpcs[&company.vpc].tags));
    assert!(!tagged(&iam.roles["company"].tags) && !tagged(&iam.profiles["company"].tags));
    assert_eq!(ada.reach(Goal::Settings).await.expect("an idle apply").performed, 0);

    goes(&company.sandbox, &ada, "the company's").await;
    company.sandbox.advance(std::time::Duration::from_secs(2 * 3600));
    same(&before, &everything(&company.sandbox), "an apply and a destroy");
}

#[tokio::test(start_paused = true)]
async fn a_role_of_ours_carries_the_boundary_and_a_missing_one_is_named() {
    let company = Company::new().await;
    let ada = company.laptop(&[("permissions_boundary", BOUNDARY)]).await;
    ada.reach(Goal::Settings).await.expect("a plain apply");
    let world = company.sandbox.world();
    assert_eq!(
        world.accounts[ACCOUNT].iam.roles[&ada.desired.role_name()].boundary.as_deref(),
        Some(BOUNDARY)
    );
    goes(&company.sandbox, &ada, "the boundary").await;

    company.sandbox.set(|conditions| conditions.policies.clear());
    let problem = ada.reach(Goal::Settings).await.expect_err("there is no such policy");
    assert_eq!(problem.code, "no_boundary", "{problem:?}");
    assert!(problem.to_string().contains(BOUNDARY), "{problem}");
    goes(&company.sandbox, &ada, "no boundary").await;
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_will_not_do_changes_nothing() {
    let company = Company::new().await;
    let ada = company.laptop(&[("subnet", &company.subnet)]).await;
    for goal in [Goal::Settings, Goal::Reachable] {
        let problem = refused(&company.sandbox, &ada, goal, "no way out").await;
        assert_eq!((problem.code, problem.exit), ("no_way_out", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains(&company.subnet), "{problem}");
    }
    company.lead_out().await;
    company.sandbox.set(|c| c.not_offered.push(("us-west-2b".to_owned(), "m8g.*".to_owned())));
    let problem = refused(&company.sandbox, &ada, Goal::Settings, "not in this zone").await;
    assert_eq!(problem.code, "type_not_in_zone", "{problem:?}");
    assert!(problem.what.contains("us-west-2b"), "{problem}");

    let ada = company.laptop(&[("subnet", "subnet-0123456789abcdef0")]).await;
    let problem = refused(&company.sandbox, &ada, Goal::Settings, "no such subnet").await;
    assert_eq!((problem.code, problem.exit), ("no_subnet", Exit::Refused), "{problem:?}");
    assert!(problem.what.contains("subnet-0123456789abcdef0"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_will_not_do_changes_nothing_and_a_weak_one_is_noted() {
    let company = Company::new().await;
    company.lead_out().await;
    let missing = company.laptop(&[("instance_profile", "nobodys")]).await;
    let problem = refused(&company.sandbox, &missing, Goal::Settings, "no such profile").await;
    assert_eq!((problem.code, problem.exit), ("no_profile", Exit::Refused), "{problem:?}");
    assert!(problem.what.contains("nobodys"), "{problem}");

    let ada = company.laptop(&[("instance_profile", "company"), ("subnet", &company.subnet)]).await;
    let take_out = plain_iam(&company.sandbox).remove_role_from_instance_profile();
    take_out.instance_profile_name("company").role_name("company").send().await.unwrap();
    let problem = refused(&company.sandbox, &ada, Goal::Settings, "a profile without a role").await;
    assert_eq!(problem.exit, Exit::Refused, "{problem:?}");
    assert!(problem.what.contains("company"), "{problem}");

    company.put_role_in().await;
    let report = ada.reach(Goal::Settings).await.expect("the policy may come by another way");
    let weak = Note::ManagedPolicyMissing { profile: "company".to_owned() };
    assert_eq!(notes(&ada.desired, &report.observed), [weak]);
    goes(&company.sandbox, &ada, "a weak profile").await;
}

/// EC2 takes any key, and ends the instance when it cannot be used.
#[tokio::test(start_paused = true)]
async fn a_key_that_will_not_do_is_named() {
    let company = Company::new().await;
    let missing = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-4000-8000-000000000000";
    let ada = company.laptop(&[("kms_key", missing)]).await;
    for _ in 0..2 {
        let problem = ada.reach(Goal::Reachable).await.expect_err("a key that nobody has");
        assert_eq!(problem.code, "launch_failed", "{problem:?}");
        assert!(problem.to_string().contains("KMS"), "{problem}");
    }
    ada.reach(GONE).await.expect("a destroy");
    let ada = company.laptop(&[("kms_key", &company.key)]).await;
    ada.reach(Goal::Reachable).await.expect("a machine with the right key");
}
