//! Looking and changing against the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast_core::machine::{Desired, Fact, Observed, TAG_MACHINE, TAG_OWNER, WayOut, Why};
use holdfast_core::plan::{self, Blocked, Goal, Leave, Step};
use holdfast_core::settings::Settings;
use holdfast_sandbox::{
    ACCESS_KEY, Fault, Pace, Rule, SECRET_KEY, Sandbox, Service, TokenOfTerminated, When,
};

use super::{Aws, Options};
use crate::problem::Problem;
use crate::world::{Failure, World};

const GONE: Goal = Goal::Gone(Leave { volume: false, snapshot: false });
const GONE_WITH_SNAPSHOT: Goal = Goal::Gone(Leave { volume: false, snapshot: true });

struct Lab {
    sandbox: Sandbox,
    desired: Desired,
    aws: Aws,
}

impl Lab {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(settings: &str) -> Self {
        let sandbox = Sandbox::new(holdfast_sandbox::Options::default());
        sandbox.set(|conditions| conditions.pace = Pace::instant());
        Self::of(sandbox, settings).await
    }

    async fn of(sandbox: Sandbox, settings: &str) -> Self {
        let user = "ada".parse().unwrap();
        let desired = Settings::parse(settings, Some(&user)).unwrap().machine(None).unwrap().clone();
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let aws = connect(&sandbox, &desired, Some(SharedCredentialsProvider::new(credentials))).await;
        Self { sandbox, desired, aws }
    }

    async fn observe(&self, goal: Goal) -> Observed {
        self.aws.observe(&self.desired, goal).await.unwrap()
    }

    /// Looks once and performs one step after the other until nothing is left or something does not work.
    async fn reach(&self, goal: Goal) -> Result<Observed, (Step, Failure)> {
        let (mut observed, mut changed) = (self.observe(goal).await, String::new());
        for _ in 0..100 {
            let next = plan::decide(&self.desired, &observed, goal);
            assert_eq!(next.blocked, []);
            let Some(step) = next.ready.into_iter().next() else {
                if next.waiting.is_empty() {
                    return Ok(self.observe(goal).await);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                observed = self.observe(goal).await;
                continue;
            };
            match self.aws.perform(&self.desired, &step).await {
                Ok(done) => {
                    observed = observed.after(&self.desired, &step, done.made.as_ref());
                    if let Some(saw) = done.saw {
                        observed.learn(saw);
                    }
                }
                Err(Failure::Changed(problem)) => {
                    changed = format!("{step:?}: {problem}");
                    observed = self.observe(goal).await;
                }
                Err(failure) => return Err((step, failure)),
            }
        }
        panic!("no end in sight: {changed}");
    }

    /// The calls since the last time: how many of each operation, and how deep.
    fn calls(&self) -> (BTreeMap<String, usize>, u32) {
        let calls = self.sandbox.calls();
        let first = calls.iter().map(|call| call.depth).min().unwrap_or_default();
        let depth = calls.iter().map(|call| call.depth).max().unwrap_or_default();
        let mut counts = BTreeMap::new();
        for call in calls {
            *counts.entry(call.operation).or_default() += 1;
        }
        self.sandbox.clear_calls();
        (counts, (depth + 1).saturating_sub(first))
    }

    fn fault(&self, service: Service, operation: &str, fault: Fault) {
        self.sandbox.fault(Rule::on(service, operation, When::Every, fault));
    }
}

async fn connect(
    sandbox: &Sandbox,
    desired: &Desired,
    credentials: Option<SharedCredentialsProvider>,
) -> Aws {
    let latency = Duration::from_millis(10);
    let http_client = Some(SharedHttpClient::new(sandbox.http_client().with_latency(latency)));
    let options = Options { maker: "maker-1".to_owned(), credentials, http_client, ..Options::default() };
    Aws::connect(desired, options).await
}

fn total(counts: &BTreeMap<String, usize>) -> usize {
    counts.values().sum()
}

#[tokio::test(start_paused = true)]
async fn a_look_is_one_call_deep_at_nothing_and_two_at_a_machine() {
    let lab = Lab::new().await;
    for (goal, expected) in [
        (Goal::Settings, 21),
        (Goal::Reachable, 18),
        (Goal::Stopped, 3),
        (GONE, 18),
        (GONE_WITH_SNAPSHOT, 19),
    ] {
        lab.observe(goal).await;
        let (counts, depth) = lab.calls();
        assert_eq!((total(&counts), depth), (expected, 1), "{goal:?} {counts:?}");
    }
    lab.reach(Goal::Settings).await.unwrap();
    lab.calls();
    for (goal, expected, deep) in [
        (Goal::Settings, 26, 2),
        (Goal::Stopped, 3, 1),
        (GONE, 19, 2),
        (GONE_WITH_SNAPSHOT, 20, 2),
        // What was seen with the same eyes before is not looked for again.
        (Goal::Reachable, 4, 2),
    ] {
        lab.observe(goal).await;
        let (counts, depth) = lab.calls();
        assert_eq!((total(&counts), depth), (expected, deep), "{goal:?} {counts:?}");
    }
    let lab = Lab::of(lab.sandbox, "").await;
    lab.observe(Goal::Reachable).await;
    let (counts, depth) = lab.calls();
    assert_eq!((total(&counts), depth), (21, 2), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_and_plan_call_no_ssm() {
    let lab = Lab::new().await;
    lab.reach(Goal::Settings).await.unwrap();
    lab.reach(GONE).await.unwrap();
    assert!(lab.sandbox.calls().iter().all(|call| !matches!(call.service, Service::Ssm | Service::Kms)));
}

#[tokio::test(start_paused = true)]
async fn a_machine_comes_as_it_is_wanted_and_goes_without_a_trace() {
    let lab = Lab::with("[machine.remote-dev]\ntags = { team = \"x\" }\n").await;
    let observed = lab.reach(Goal::Settings).await.unwrap();
    let winners = observed.winners(&lab.desired);
    let instance = winners.instance.unwrap();
    assert!(instance.metadata_guarded && instance.public_address);
    assert_eq!(
        (&instance.protected, &instance.stops_on_shutdown),
        (&Fact::Present(true), &Fact::Present(true))
    );
    assert_eq!(instance.profile.as_deref(), Some(lab.desired.own_profile_name().as_str()));
    assert!(instance.token.as_deref().is_some_and(|token| token.starts_with("holdfast-")));
    let root = instance.root.as_ref().unwrap();
    let volume = winners.volume.unwrap();
    assert_eq!((&root.id, root.goes_with_instance), (&volume.id, true));
    assert!(volume.encrypted && volume.size == 100);
    assert!(winners.group.is_some_and(|group| group.inbound.is_empty() && group.outbound));
    assert!(winners.subnet.is_some_and(|subnet| subnet.public_addresses));
    assert!(winners.vpc.is_some_and(|vpc| vpc.dns_hostnames == Fact::Present(true)));
    assert_eq!(
        winners.route_table.unwrap().default_gateway,
        winners.gateway.map(|gateway| gateway.id.clone())
    );
    for tags in
        [&instance.tags, &volume.tags, &winners.vpc.unwrap().tags, &observed.role.present().unwrap().tags]
    {
        assert_eq!(tags[TAG_MACHINE], "ada/remote-dev/us-west-2");
        assert_eq!(tags[TAG_OWNER], "123456789012/user/sandbox");
        assert_eq!(tags["team"], "x");
    }
    let role = observed.role.present().unwrap();
    assert_eq!(role.managed, [lab.desired.managed_policy()].into());
    assert_eq!(role.inline[plan::DENY_POLICY], plan::deny_parameters());

    // A second time there is nothing to do.
    lab.calls();
    lab.reach(Goal::Settings).await.unwrap();
    assert!(lab.sandbox.calls().iter().all(|call| !call.changes()));

    let observed = lab.reach(GONE_WITH_SNAPSHOT).await.unwrap();
    assert_eq!(observed.snapshots.all().len(), 1);
    assert_eq!((observed.role, observed.profile), (Fact::Absent, Fact::Absent));
    assert!(observed.vpcs.all().is_empty() && observed.volumes.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_step_may_be_performed_twice() {
    let lab = Lab::new().await;
    for goal in [Goal::Settings, Goal::Stopped, Goal::Reachable, GONE] {
        let mut observed = lab.observe(goal).await;
        for _ in 0..100 {
            let next = plan::decide(&lab.desired, &observed, goal);
            let Some(step) = next.ready.into_iter().next() else {
                if next.waiting.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                observed = lab.observe(goal).await;
                continue;
            };
            for _ in 0..2 {
                match lab.aws.perform(&lab.desired, &step).await {
                    Ok(_) | Err(Failure::Changed(_)) => {}
                    Err(failure) => panic!("{step:?}: {failure:?}"),
                }
            }
            observed = lab.observe(goal).await;
        }
        assert!(plan::decide(&lab.desired, &observed, goal).ready.is_empty());
    }
    let world = lab.sandbox.world();
    let region = world.region("123456789012", "us-west-2").unwrap();
    assert_eq!((region.vpcs.len(), region.gateways.len()), (1, 1), "the default VPC is all that is left");
    assert_eq!(region.instances.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_denied_read_is_an_unknown_fact() {
    let lab = Lab::new().await;
    for (service, operation, code) in [
        (Service::Ec2, "DescribeVolumes", "UnauthorizedOperation"),
        (Service::Iam, "ListRolePolicies", "AccessDenied"),
        (Service::Ec2, "DescribeImages", "UnauthorizedOperation"),
    ] {
        lab.fault(service, operation, Fault::Error { code: code.to_owned(), status: 403 });
    }
    let observed = lab.observe(Goal::Settings).await;
    let denied = |action: &str| Why::Denied(action.to_owned());
    assert_eq!(observed.volumes, Fact::Unknown(denied("ec2:DescribeVolumes")));
    assert_eq!(observed.image, Fact::Unknown(denied("ec2:DescribeImages")));
    assert_eq!(observed.role, Fact::Unknown(denied("iam:ListRolePolicies")));
    assert_eq!(observed.vpcs, Fact::Present(Vec::new()));
    assert_eq!(observed.profile, Fact::Absent);
}

#[tokio::test(start_paused = true)]
async fn no_credentials_and_expired_ones_fail_the_look() {
    let lab = Lab::new().await;
    #[derive(Debug)]
    struct Never;
    impl aws_credential_types::provider::ProvideCredentials for Never {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let error = aws_credential_types::provider::error::CredentialsError::provider_error(
                "the SSO session has expired",
            );
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
        }
    }
    let aws = connect(&lab.sandbox, &lab.desired, Some(SharedCredentialsProvider::new(Never))).await;
    let problem = aws.observe(&lab.desired, Goal::Stopped).await.unwrap_err();
    assert_eq!(problem.code, "no_credentials");
    assert_eq!(problem.cause.as_deref(), Some("the SSO session has expired"));

    lab.fault(
        Service::Ec2,
        "DescribeInstances",
        Fault::Error { code: "RequestExpired".to_owned(), status: 400 },
    );
    let problem = lab.aws.observe(&lab.desired, Goal::Settings).await.unwrap_err();
    assert_eq!(problem.code, "expired");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_gone_is_a_problem_and_a_lost_answer_a_changed_world() {
    let lab = Lab::new().await;
    lab.fault(Service::Ec2, "DescribeVpcs", Fault::DropBefore);
    let problem = lab.aws.observe(&lab.desired, Goal::Settings).await.unwrap_err();
    assert_eq!(problem.code, "unreachable", "{problem:?}");
    lab.sandbox.clear_faults();
    lab.fault(Service::Ec2, "DescribeVpcs", Fault::Delay(Duration::from_secs(3600)));
    let problem = lab.aws.observe(&lab.desired, Goal::Settings).await.unwrap_err();
    assert_eq!(problem.code, "timeout", "{problem:?}");
    lab.sandbox.clear_faults();
    lab.fault(Service::Ec2, "CreateVpc", Fault::DropAfterCommit);
    let failure = lab.aws.perform(&lab.desired, &Step::CreateVpc).await.unwrap_err();
    assert!(matches!(failure, Failure::Changed(Problem { code: "unreachable", .. })), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_ssm_leaves_the_agent_unknown() {
    let lab = Lab::new().await;
    lab.reach(Goal::Settings).await.unwrap();
    let unsupported = Fault::Error { code: "UnsupportedOperation".to_owned(), status: 400 };
    lab.fault(Service::Ssm, "GetConnectionStatus", unsupported);
    let observed = lab.observe(Goal::Reachable).await;
    assert!(
        matches!(&observed.agent, Fact::Unknown(Why::Failed(words)) if words.starts_with("UnsupportedOperation"))
    );
    lab.sandbox.clear_faults();
    lab.fault(
        Service::Ssm,
        "GetConnectionStatus",
        Fault::Error { code: "AccessDeniedException".to_owned(), status: 400 },
    );
    let observed = lab.observe(Goal::Reachable).await;
    assert_eq!(observed.agent, Fact::Unknown(Why::Denied("ssm:GetConnectionStatus".to_owned())));
    lab.sandbox.clear_faults();
    assert_eq!(lab.observe(Goal::Reachable).await.agent, Fact::Present(()));
}

#[tokio::test(start_paused = true)]
async fn what_vanishes_during_a_look_does_not_fail_it() {
    let lab = Lab::new().await;
    lab.reach(Goal::Settings).await.unwrap();
    lab.fault(Service::Ec2, "DescribeVpcAttribute", Fault::NotFoundYet);
    lab.fault(Service::Ec2, "DescribeInstanceAttribute", Fault::NotFoundYet);
    let observed = lab.observe(Goal::Settings).await;
    let winners = observed.winners(&lab.desired);
    assert_eq!(winners.vpc.unwrap().dns_hostnames, Fact::NOT_LOOKED);
    assert_eq!(winners.instance.unwrap().protected, Fact::NOT_LOOKED);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_yet_is_tried_again() {
    let lab = Lab::new().await;
    lab.fault(Service::Ec2, "CreateSubnet", Fault::NotFoundYet);
    let (step, failure) = lab.reach(Goal::Settings).await.unwrap_err();
    assert!(
        matches!((&step, &failure), (Step::CreateSubnet { .. }, Failure::NotYet(_))),
        "{step:?} {failure:?}"
    );
    lab.sandbox.clear_faults();
    lab.sandbox.set(|conditions| conditions.pace.iam = Duration::from_secs(20));
    let (step, failure) = lab.reach(Goal::Settings).await.unwrap_err();
    assert!(matches!((&step, &failure), (Step::RunInstance(_), Failure::NotYet(_))), "{step:?} {failure:?}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    lab.reach(Goal::Settings).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn quotas_and_missing_permissions_are_refusals() {
    let lab = Lab::new().await;
    lab.sandbox.set(|conditions| conditions.quotas.vpcs = 1);
    let failure = lab.aws.perform(&lab.desired, &Step::CreateVpc).await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(problem) if problem.code == "vpc_quota"), "{failure:?}");
    lab.sandbox.set(|conditions| {
        let denied: Vec<_> = conditions.principals.drain(..).map(|p| p.denying("iam:CreateRole")).collect();
        conditions.principals = denied;
    });
    let failure = lab.aws.perform(&lab.desired, &Step::CreateRole).await.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(problem) if problem.code == "denied"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_terminated_instance_counts_the_generation_up() {
    for answer in [TokenOfTerminated::Refuse, TokenOfTerminated::Answer] {
        let lab = Lab::new().await;
        lab.sandbox.set(|conditions| {
            conditions.token_of_terminated = answer;
            conditions.pace.forget = Duration::from_secs(60);
        });
        let first = lab.reach(Goal::Settings).await.unwrap();
        let first = first.winners(&lab.desired).instance.unwrap().id.clone();
        // A cleaner takes the instance, and AWS has forgotten it by the time that anybody looks.
        lab.aws.perform(&lab.desired, &Step::Unprotect { instance: first.clone() }).await.unwrap();
        let end = Step::Terminate { instance: first.clone(), volume_goes: true };
        lab.aws.perform(&lab.desired, &end).await.unwrap();
        tokio::time::sleep(Duration::from_secs(120)).await;
        let lab = Lab::of(lab.sandbox, "").await;
        assert!(lab.observe(Goal::Settings).await.instances.all().is_empty());
        let second = lab.reach(Goal::Settings).await.unwrap();
        assert_ne!(second.winners(&lab.desired).instance.unwrap().id, first, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_failed_try_used_up_is_given_up_in_time() {
    let lab = Lab::new().await;
    let mismatch = Fault::Error { code: "IdempotentParameterMismatch".to_owned(), status: 400 };
    lab.fault(Service::Ec2, "RunInstances", mismatch);
    let mut observed = lab.observe(Goal::Settings).await;
    let step = loop {
        let step = plan::decide(&lab.desired, &observed, Goal::Settings).ready.swap_remove(0);
        if matches!(step, Step::RunInstance(_)) {
            break step;
        }
        lab.aws.perform(&lab.desired, &step).await.unwrap();
        observed = lab.observe(Goal::Settings).await;
    };
    let again =
        |observed: &Observed| plan::decide(&lab.desired, observed, Goal::Settings).ready.swap_remove(0);
    assert!(matches!(lab.aws.perform(&lab.desired, &step).await, Err(Failure::Changed(_))));
    assert_eq!(again(&lab.observe(Goal::Settings).await), step);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(matches!(lab.aws.perform(&lab.desired, &step).await, Err(Failure::Changed(_))));
    assert!(matches!(again(&lab.observe(Goal::Settings).await), Step::NextGeneration { generation: 1, .. }));
}

#[tokio::test(start_paused = true)]
async fn run_looks_for_rivals_first() {
    let lab = Lab::new().await;
    let observed = lab.reach(Goal::Settings).await.unwrap();
    let run = {
        let mut observed = observed.clone();
        observed.instances = Fact::Present(Vec::new());
        plan::decide(&lab.desired, &observed, Goal::Settings).ready.swap_remove(0)
    };
    lab.calls();
    let failure = lab.aws.perform(&lab.desired, &run).await.unwrap_err();
    assert!(matches!(&failure, Failure::Changed(problem) if problem.code == "changed"), "{failure:?}");
    let (counts, depth) = lab.calls();
    assert_eq!((counts.get("RunInstances"), depth), (None, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_in_our_way_are_seen() {
    let lab = Lab::new().await;
    let ec2 = &lab.aws.ec2;
    lab.aws.perform(&lab.desired, &Step::CreateVpc).await.unwrap();
    let observed = lab.observe(Goal::Settings).await;
    let vpc = observed.winners(&lab.desired).vpc.unwrap().id.clone();
    let name = lab.desired.name("group");
    let group = ec2.create_security_group().vpc_id(vpc.as_str()).group_name(&name).description("x");
    let group = group.send().await.unwrap().group_id.unwrap();
    let tag = aws_sdk_ec2::types::Tag::builder().key("Name").value(&name).build();
    ec2.create_tags().resources(&group).tags(tag).send().await.unwrap();
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(vpc.as_str()).send().await.unwrap();
    ec2.create_vpc().cidr_block("10.9.0.0/16").send().await.unwrap();

    lab.calls();
    let observed = lab.observe(Goal::Settings).await;
    assert_eq!(lab.calls().1, 2);
    let blocked = plan::decide(&lab.desired, &observed, Goal::Settings).blocked;
    let foreign =
        |what: &str| blocked.iter().any(|b| matches!(b, Blocked::Foreign { what: is, .. } if *is == what));
    assert!(foreign("security group") && foreign("internet gateway"), "{blocked:?}");
    assert_eq!(observed.vpcs.all().len(), 1, "others' VPCs are none of our business");
}

#[tokio::test(start_paused = true)]
async fn inbound_rules_are_named_and_taken_away() {
    let lab = Lab::new().await;
    let observed = lab.reach(Goal::Settings).await.unwrap();
    let group = observed.winners(&lab.desired).group.unwrap().id.clone();
    let call = lab.aws.ec2.authorize_security_group_ingress().group_id(group.as_str());
    call.ip_protocol("tcp").from_port(22).to_port(22).cidr_ip("0.0.0.0/0").send().await.unwrap();
    lab.calls();
    let observed = lab.observe(Goal::Settings).await;
    assert_eq!(lab.calls().1, 2);
    assert_eq!(observed.winners(&lab.desired).group.unwrap().inbound[0].text, "tcp 22 from 0.0.0.0/0");
    let observed = lab.reach(Goal::Settings).await.unwrap();
    assert!(observed.winners(&lab.desired).group.unwrap().inbound.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_companys_subnet_and_profile_are_used_and_left_alone() {
    let lab = Lab::new().await;
    let (ec2, iam) = (&lab.aws.ec2, &lab.aws.iam);
    let vpc = ec2.create_vpc().cidr_block("10.7.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.7.0.0/24").availability_zone("us-west-2b");
    let subnet = subnet.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let trust = plan::trust_ec2(&lab.desired).to_string();
    iam.create_role().role_name("company").assume_role_policy_document(trust).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("company").send().await.unwrap();
    iam.add_role_to_instance_profile()
        .instance_profile_name("company")
        .role_name("company")
        .send()
        .await
        .unwrap();

    let settings = format!("[machine.remote-dev]\nsubnet = \"{subnet}\"\ninstance_profile = \"company\"\n");
    let lab = Lab::of(lab.sandbox, &settings).await;
    lab.calls();
    let observed = lab.observe(Goal::Settings).await;
    assert_eq!(lab.calls().1, 2);
    let blocked = plan::decide(&lab.desired, &observed, Goal::Settings).blocked;
    assert_eq!(blocked, [Blocked::NoWayOut { subnet: subnet.clone() }]);
    assert_eq!(observed.profile.present().unwrap().managed, Fact::Present([].into()));

    // A gateway, and a route in the VPC's main table.
    let ec2 = &lab.aws.ec2;
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    let tables = ec2.describe_route_tables().send().await.unwrap();
    let main = tables.route_tables().iter().find(|table| table.vpc_id() == Some(&vpc)).unwrap();
    let route = ec2.create_route().route_table_id(main.route_table_id().unwrap()).gateway_id(&gateway);
    route.destination_cidr_block("0.0.0.0/0").send().await.unwrap();

    let observed = lab.reach(Goal::Settings).await.unwrap();
    let winners = observed.winners(&lab.desired);
    assert_eq!(winners.subnet.unwrap().way_out, Fact::Present(WayOut::Gateway));
    assert_eq!(winners.instance.unwrap().profile.as_deref(), Some("company"));
    assert!(winners.subnet.unwrap().tags.is_empty() && winners.vpc.is_none());

    lab.reach(GONE).await.unwrap();
    let world = lab.sandbox.world();
    let region = world.region("123456789012", "us-west-2").unwrap();
    assert!(region.subnets.contains_key(&subnet));
    assert!(world.accounts["123456789012"].iam.roles.contains_key("company"));

    let missing = "[machine.remote-dev]\nsubnet = \"subnet-0123456789abcdef0\"\n";
    let lab = Lab::of(lab.sandbox, missing).await;
    let observed = lab.observe(Goal::Settings).await;
    assert!(
        plan::decide(&lab.desired, &observed, Goal::Settings)
            .blocked
            .contains(&Blocked::NoSubnet { subnet: "subnet-0123456789abcdef0".to_owned() })
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_absent_and_a_plain_zone_is_chosen() {
    let lab = Lab::with("[machine.remote-dev]\ninstance_type = \"m99z.huge\"\n").await;
    let observed = lab.observe(Goal::Settings).await;
    assert_eq!(observed.offer, Fact::Absent);
    let lab = Lab::new().await;
    let observed = lab.observe(Goal::Settings).await;
    let offer = observed.offer.present().unwrap();
    assert_eq!((offer.architecture.as_str(), offer.vcpus, offer.memory_mib), ("arm64", 4, 16384));
    assert!(offer.zones.iter().all(|zone| zone.len() == "us-west-2x".len()), "{:?}", offer.zones);
    assert!(observed.image.present().unwrap().name.ends_with("aarch64-linux"));
}

#[tokio::test(start_paused = true)]
async fn a_root_volume_that_lost_its_tags_is_found_by_its_id() {
    let lab = Lab::new().await;
    let observed = lab.reach(Goal::Settings).await.unwrap();
    let volume = observed.winners(&lab.desired).volume.unwrap().id.clone();
    lab.aws.ec2.delete_tags().resources(volume.as_str()).send().await.unwrap();
    lab.calls();
    let observed = lab.observe(Goal::Settings).await;
    assert_eq!(lab.calls().1, 2);
    assert!(observed.winners(&lab.desired).volume.unwrap().tags.is_empty());
    let observed = lab.reach(Goal::Settings).await.unwrap();
    assert_eq!(observed.winners(&lab.desired).volume.unwrap().tags[TAG_OWNER], "123456789012/user/sandbox");
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_counted_with_the_size_of_their_volume_where_aws_tells_no_other() {
    let lab = Lab::new().await;
    assert_eq!(lab.aws.stored(&lab.desired).await.unwrap(), Fact::Present(vec![]));
    lab.reach(Goal::Settings).await.unwrap();
    lab.reach(GONE_WITH_SNAPSHOT).await.unwrap();
    let stored = lab.aws.stored(&lab.desired).await.unwrap();
    let [snapshot] = stored.all() else { panic!("{stored:?}") };
    assert_eq!((snapshot.bytes, snapshot.told), (100 << 30, false));
    assert!(snapshot.volume.is_some() && snapshot.taken > 1_700_000_000, "{snapshot:?}");
    for code in ["UnauthorizedOperation", "InternalError"] {
        lab.sandbox.clear_faults();
        lab.fault(
            Service::Ec2,
            "DescribeSnapshots",
            Fault::Error { code: code.to_owned(), status: if code == "InternalError" { 500 } else { 403 } },
        );
        assert!(!lab.aws.stored(&lab.desired).await.unwrap().is_known(), "{code}");
    }
}
