//! `apply`: from nothing, with nothing to do, and with one thing missing.

use super::fixture::*;
use crate::machine::{Fact, TAG_NETWORK};
use crate::plan::{Consent, Goal, Impact, Step, client_token, decide, plan};

#[test]
fn an_empty_account_gets_everything() {
    insta::assert_snapshot!(show(&wanted(), &empty(), Goal::Settings), @"
    0 + Internet gateway
    0 + Private network (VPC)
    0 + Role for EC2
    1 ~ Turn on DNS names in the new network
    1 ~ Attach the new gateway to the new network
    1 + Subnet in us-west-2a
    1 + Route table
    1 + Security group, nothing inbound
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 + Instance profile
    2 ~ Give public addresses in the new subnet
    2 + Route 0.0.0.0/0 to the new gateway
    2 ~ Use the new route table in the new subnet
    2 ~ Put the role into the instance profile
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn a_whole_machine_needs_nothing() {
    for goal in [Goal::Settings, Goal::Reachable] {
        let plan = plan(&wanted(), &whole(), goal);
        assert!(plan.is_done(), "{}", show_plan(&plan));
        assert_eq!(plan.notes, []);
    }
}

#[test]
fn what_is_missing_is_made() {
    let cases = vec![
        (
            "the network, with the machine in it: there is nothing to be done for it",
            but(|w| {
                w.vpcs = Fact::Present(vec![]);
            }),
        ),
        ("the subnet's tags", but(|w| w.subnets = Fact::Present(vec![]))),
        (
            "the gateway",
            but(|w| {
                w.gateways = Fact::Present(vec![]);
                table(w).default_gateway = None;
            }),
        ),
        ("the route table", but(|w| w.route_tables = Fact::Present(vec![]))),
        ("the group", but(|w| w.groups = Fact::Present(vec![]))),
        (
            "the role",
            but(|w| {
                w.role = Fact::Absent;
                profile(w).role = None;
            }),
        ),
        ("the instance profile", but(|w| w.profile = Fact::Absent)),
        (
            "the instance",
            but(|w| {
                w.instances = Fact::Present(vec![]);
                w.volumes = Fact::Present(vec![]);
            }),
        ),
        ("EC2, but not IAM", {
            let mut world = empty();
            (world.role, world.profile) = (whole().role, whole().profile);
            world
        }),
        (
            "IAM and the instance",
            but(|w| {
                (w.role, w.profile) = (Fact::Absent, Fact::Absent);
                w.instances = Fact::Present(vec![]);
                w.volumes = Fact::Present(vec![]);
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # the network, with the machine in it: there is nothing to be done for it
    note: NetworkDiffers { is: "vpc-00000001" }
    note: GatewayElsewhere { gateway: "igw-00000001", network: "vpc-00000001" }

    # the subnet's tags
    0 + Subnet in us-west-2a
    1 ~ Give public addresses in the new subnet
    1 ~ Use rtb-00000001 in the new subnet

    # the gateway
    0 + Internet gateway
    1 ~ Attach the new gateway to vpc-00000001
    2 + Route 0.0.0.0/0 to the new gateway

    # the route table
    0 + Route table
    1 + Route 0.0.0.0/0 to igw-00000001
    2 ~ Use the new route table in subnet-00000001

    # the group
    0 + Security group, nothing inbound

    # the role
    0 + Role for EC2
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile

    # the instance profile
    0 + Instance profile
    1 ~ Put the role into the instance profile

    # the instance
    0 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # EC2, but not IAM
    0 + Internet gateway
    0 + Private network (VPC)
    0 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    1 ~ Turn on DNS names in the new network
    1 ~ Attach the new gateway to the new network
    1 + Subnet in us-west-2a
    1 + Route table
    1 + Security group, nothing inbound
    1 - Instance profile
    2 ~ Give public addresses in the new subnet
    2 + Route 0.0.0.0/0 to the new gateway
    2 ~ Use the new route table in the new subnet
    2 + Instance profile
    3 ~ Put the role into the instance profile
    4 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # IAM and the instance
    0 + Role for EC2
    0 + Instance profile
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    "#);
}

#[test]
fn the_instance_comes_last() {
    let plan = plan(&wanted(), &empty(), Goal::Reachable);
    let run = plan.steps.iter().find(|planned| matches!(planned.step, Step::RunInstance(_))).unwrap();
    assert!(
        plan.steps.iter().all(|other| other.step == run.step || other.round < run.round),
        "{}",
        show_plan(&plan)
    );
    assert_eq!(run.round, 3, "the longest chain: VPC, profile, role in it, instance");
}

#[test]
fn the_instance_gets_what_it_needs() {
    let world = but(|w| w.instances = Fact::Present(vec![]));
    let [Step::RunInstance(run)] = &decide(&wanted(), &world, Goal::Settings).ready[..] else { panic!() };
    insta::assert_snapshot!(serde_json::to_string_pretty(&run).unwrap(), @r#"
    {
      "token": "holdfast-3488273d374679626ef6497227025911af9d7b4ae894307d",
      "image": "ami-0123456789abcdef0",
      "root_device": "/dev/xvda",
      "instance_type": "m8g.xlarge",
      "volume_size": 100,
      "volume_iops": 3000,
      "volume_throughput": 125,
      "vpc": "vpc-00000001",
      "subnet": "subnet-00000001",
      "zone": "us-west-2a",
      "group": "sg-00000001",
      "public_address": true
    }
    "#);
}

#[test]
fn tokens_differ_by_machine_network_and_generation() {
    let world = whole();
    let network = |w: &crate::machine::Observed| w.winners(&wanted()).generation(&wanted()).unwrap();
    let (vpc, generation) = network(&world);
    assert_eq!(generation, 0);
    let token = client_token(&wanted(), &vpc, 0);
    assert!(token.len() <= 64 && token.is_ascii(), "{token}");
    assert_eq!(token, client_token(&wanted(), &vpc, 0));
    assert_ne!(token, client_token(&wanted(), &vpc, 1));
    let other = crate::plan::NetworkId::Vpc(id("vpc-99999999"));
    assert_ne!(token, client_token(&wanted(), &other, 0));
    let machine = crate::machine::Desired { machine: id("other"), ..wanted() };
    assert_ne!(token, client_token(&machine, &vpc, 0));
}

#[test]
fn the_profile_claims_the_network() {
    let mut done = whole();
    assert_eq!(profile(&mut done).tags.get(TAG_NETWORK).map(String::as_str), Some("vpc-00000001"));
    let gone = |w: &mut crate::machine::Observed| w.instances = Fact::Present(vec![]);
    let cases = vec![
        (
            "a claim on a VPC that is gone is given up",
            but(|w| {
                gone(w);
                claim(w, Some("vpc-99999999"));
            }),
        ),
        (
            "no claim",
            but(|w| {
                gone(w);
                claim(w, None);
            }),
        ),
        ("a claim does not matter once the machine is there", but(|w| claim(w, Some("vpc-99999999")))),
        (
            "the claimed VPC counts, not the lowest",
            but(|w| {
                gone(w);
                there(&mut w.vpcs).push(twin_vpc("vpc-00000000", OTHER));
            }),
        ),
        (
            "no instance in a VPC that is not claimed",
            but(|w| {
                gone(w);
                w.profile = Fact::Absent;
                there(&mut w.vpcs).push(twin_vpc("vpc-99999999", OTHER));
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # a claim on a VPC that is gone is given up
    0 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    1 - Instance profile
    2 + Instance profile
    3 ~ Put the role into the instance profile
    4 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # no claim
    0 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    1 - Instance profile
    2 + Instance profile
    3 ~ Put the role into the instance profile
    4 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # a claim does not matter once the machine is there
    nothing to do

    # the claimed VPC counts, not the lowest
    note: Duplicate { resource: "vpc-00000000" }
    0 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # no instance in a VPC that is not claimed
    note: Duplicate { resource: "vpc-99999999" }
    0 + Instance profile
    1 ~ Put the role into the instance profile
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    "#);
}

#[test]
fn the_company_s_key_and_boundary_change_no_step() {
    let company = crate::machine::Desired {
        kms_key: Some(id("alias/company")),
        permissions_boundary: Some(id("arn:aws:iam::123456789012:policy/boundary")),
        ..wanted()
    };
    assert_eq!(show(&company, &empty(), Goal::Settings), show(&wanted(), &empty(), Goal::Settings));
    assert!(plan(&company, &whole(), Goal::Settings).is_done());
}

#[test]
fn an_instance_costs_what_the_price_list_says() {
    let plan = plan(&wanted(), &empty(), Goal::Settings);
    let costs: Vec<String> =
        plan.steps.iter().filter_map(|s| s.monthly).map(|cost| format!("{cost:?}")).collect();
    // m8g.xlarge 131.05, 100 GiB gp3 8.00, public IPv4 3.65.
    assert_eq!(costs, ["More(Money(142699600))"]);
    let elsewhere = crate::machine::Desired { region: id("xx-nowhere-1"), ..wanted() };
    assert!(
        crate::plan::plan(&elsewhere, &empty(), Goal::Settings).steps.iter().all(|s| s.monthly.is_none())
    );
}

#[test]
fn consent_covers_no_more_than_was_agreed() {
    let [costs, interrupts, loses_data] = [
        Impact { costs: true, ..Impact::NONE },
        Impact { interrupts: true, ..Impact::NONE },
        Impact { loses_data: true, ..Impact::NONE },
    ];
    assert!(Consent::NONE.covers(Impact::NONE));
    for impact in [costs, interrupts, loses_data] {
        assert!(!Consent::NONE.covers(impact));
        assert!(Consent::to(impact).covers(impact));
        assert!(Consent::to(impact).covers(Impact::NONE));
        assert!(Consent::to(costs.and(interrupts).and(loses_data)).covers(impact));
        let others = [costs, interrupts, loses_data].into_iter().filter(|other| *other != impact);
        assert!(!Consent::to(others.fold(Impact::NONE, Impact::and)).covers(impact));
    }
    // What is agreed to for the plan covers each of its steps.
    let plan = plan(&wanted(), &empty(), Goal::Settings);
    assert_eq!(plan.impact(), costs);
    assert!(plan.steps.iter().all(|planned| Consent::to(plan.impact()).covers(planned.impact)));
    assert!(plan.steps.iter().any(|planned| !Consent::NONE.covers(planned.impact)));
}
