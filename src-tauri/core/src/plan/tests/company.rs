//! Where the company provides the subnet, the instance profile, or both.

use super::fixture::*;
use crate::machine::{Desired, Fact, Observed, WayOut, Why};
use crate::plan::{Goal, Step, plan};

fn account(way_out: Fact<WayOut>) -> Observed {
    Observed { subnets: Fact::Present(vec![company_subnet(way_out)]), ..empty() }
}

fn with_profile(change: impl FnOnce(&mut crate::machine::Profile)) -> Observed {
    let mut given = company_profile(&wanted_with_company_profile());
    change(&mut given);
    Observed { profile: Fact::Present(given), ..empty() }
}

#[test]
fn a_subnet_of_the_company_s() {
    let cases = vec![
        ("a way out through a gateway", account(Fact::Present(WayOut::Gateway))),
        ("a way out through something else: no public address", account(Fact::Present(WayOut::Other))),
        (
            "the way out cannot be seen",
            account(Fact::Unknown(Why::Denied("ec2:DescribeRouteTables".to_owned()))),
        ),
        ("no way out", account(Fact::Absent)),
        ("no such subnet", empty()),
        ("not in its zone", {
            let mut world = account(Fact::Present(WayOut::Gateway));
            there(&mut world.offer).zones = ["us-west-2a".to_owned()].into();
            world
        }),
        ("a group of our name that is not ours", {
            let mut world = account(Fact::Present(WayOut::Gateway));
            let mut stranger = twin_group("sg-99999999", "vpc-cccccccc", OTHER);
            stranger.tags = [("Name".to_owned(), "ada-remote-dev-group".to_owned())].into();
            there(&mut world.groups).push(stranger);
            world
        }),
    ];
    insta::assert_snapshot!(show_cases(&wanted_in_company_subnet(), Goal::Settings, cases), @r#"
    # a way out through a gateway
    0 + Security group, nothing inbound
    0 + Role for EC2
    0 + Instance profile
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # a way out through something else: no public address
    0 + Security group, nothing inbound
    0 + Role for EC2
    0 + Instance profile
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$139.05] costs

    # the way out cannot be seen
    0 + Security group, nothing inbound
    0 + Role for EC2
    0 + Instance profile
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # no way out
    blocked: NoWayOut { subnet: "subnet-cccccccc" }

    # no such subnet
    blocked: NoSubnet { subnet: "subnet-cccccccc" }

    # not in its zone
    blocked: TypeNotInZone { zone: "us-west-2b" }

    # a group of our name that is not ours
    blocked: Foreign { what: "security group", resource: "sg-99999999", name: "ada-remote-dev-group" }
    "#);
}

#[test]
fn a_public_address_only_where_it_leads_out() {
    for (way_out, public) in [(WayOut::Gateway, true), (WayOut::Other, false)] {
        let plan = plan(&wanted_in_company_subnet(), &account(Fact::Present(way_out)), Goal::Settings);
        let address = plan.steps.iter().find_map(|planned| {
            if let Step::RunInstance(run) = &planned.step { Some(run.public_address) } else { None }
        });
        assert_eq!(address, Some(public));
    }
}

#[test]
fn a_quick_look_does_not_forget_the_way_out() {
    let mut world = account(Fact::Present(WayOut::Other));
    let mut quick = Observed::unknown(ME);
    quick.subnets = Fact::Present(vec![company_subnet(Fact::NOT_LOOKED)]);
    world.learn(quick);
    assert_eq!(world.subnets.all()[0].way_out, Fact::Present(WayOut::Other));
}

#[test]
fn the_company_s_subnet_is_never_touched() {
    let desired = wanted_in_company_subnet();
    let there_ = whole_of(&desired, account(Fact::Present(WayOut::Gateway)));
    assert!(plan(&desired, &there_, Goal::Settings).is_done());
    insta::assert_snapshot!(show(&desired, &there_, GONE), @"
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Security group sg-00000001
    2 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    2 - Policy holdfast-deny-parameters
    3 - Instance profile
    3 - Role
    ");
    let left = reach(&desired, there_, GONE, &mut Counter::after(0x100));
    assert_eq!(left.subnets, account(Fact::Present(WayOut::Gateway)).subnets);
}

#[test]
fn the_generation_is_counted_on_the_group() {
    let desired = wanted_in_company_subnet();
    let mut world = whole_of(&desired, account(Fact::Present(WayOut::Gateway)));
    instance(&mut world).power = crate::machine::Power::Terminated;
    insta::assert_snapshot!(show(&desired, &world, Goal::Settings), @"
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn an_instance_profile_of_the_company_s() {
    let cases = vec![
        ("as it should be", with_profile(|_| {})),
        ("missing", empty()),
        ("without a role", with_profile(|p| p.role = None)),
        ("without the managed policy", with_profile(|p| p.managed = Fact::Present([].into()))),
        (
            "policies cannot be seen",
            with_profile(|p| {
                p.managed = Fact::Unknown(Why::Denied("iam:ListAttachedRolePolicies".to_owned()));
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted_with_company_profile(), Goal::Settings, cases), @r#"
    # as it should be
    0 + Internet gateway
    0 + Private network (VPC)
    1 ~ Turn on DNS names in the new network
    1 ~ Attach the new gateway to the new network
    1 + Subnet in us-west-2a
    1 + Route table
    1 + Security group, nothing inbound
    2 ~ Give public addresses in the new subnet
    2 + Route 0.0.0.0/0 to the new gateway
    2 ~ Use the new route table in the new subnet
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # missing
    blocked: NoProfile { profile: "company-ssm" }

    # without a role
    blocked: ProfileWithoutRole { profile: "company-ssm" }

    # without the managed policy
    note: ManagedPolicyMissing { profile: "company-ssm" }
    0 + Internet gateway
    0 + Private network (VPC)
    1 ~ Turn on DNS names in the new network
    1 ~ Attach the new gateway to the new network
    1 + Subnet in us-west-2a
    1 + Route table
    1 + Security group, nothing inbound
    2 ~ Give public addresses in the new subnet
    2 + Route 0.0.0.0/0 to the new gateway
    2 ~ Use the new route table in the new subnet
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # policies cannot be seen
    0 + Internet gateway
    0 + Private network (VPC)
    1 ~ Turn on DNS names in the new network
    1 ~ Attach the new gateway to the new network
    1 + Subnet in us-west-2a
    1 + Route table
    1 + Security group, nothing inbound
    2 ~ Give public addresses in the new subnet
    2 + Route 0.0.0.0/0 to the new gateway
    2 ~ Use the new route table in the new subnet
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    "#);
}

#[test]
fn the_company_s_profile_is_never_touched() {
    let desired = wanted_with_company_profile();
    let world = whole_of(&desired, with_profile(|_| {}));
    assert!(plan(&desired, &world, Goal::Settings).is_done());
    let left = reach(&desired, world, GONE, &mut Counter::after(0x100));
    assert_eq!(left.profile, with_profile(|_| {}).profile);
}

#[test]
fn both() {
    let desired = Desired { instance_profile: Some(id("company-ssm")), ..wanted_in_company_subnet() };
    let mut world = account(Fact::Present(WayOut::Other));
    world.profile = with_profile(|_| {}).profile;
    insta::assert_snapshot!(show(&desired, &world, Goal::Reachable), @"
    0 + Security group, nothing inbound
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$139.05] costs
    ");
}

#[test]
fn settings_that_move_the_machine_do_not_move_it() {
    let mut moved = whole();
    there(&mut moved.subnets).push(company_subnet(Fact::Present(WayOut::Gateway)));
    insta::assert_snapshot!(show(&wanted_in_company_subnet(), &moved, Goal::Settings), @r#"note: NetworkDiffers { is: "vpc-00000001" }"#);
    let back = whole_of(&wanted_in_company_subnet(), account(Fact::Present(WayOut::Gateway)));
    insta::assert_snapshot!(show(&wanted(), &back, Goal::Settings), @r#"note: NetworkDiffers { is: "vpc-cccccccc" }"#);
    // Without a machine in it the network of our own is given up for the company's.
    let mut vacant = moved;
    (vacant.instances, vacant.volumes) = (Fact::Present(vec![]), Fact::Present(vec![]));
    insta::assert_snapshot!(show(&wanted_in_company_subnet(), &vacant, Goal::Settings), @"
    0 + Security group, nothing inbound
    0 - Use of a route table (rtbassoc-00000001)
    0 ~ Detach igw-00000001 from vpc-00000001
    0 - Security group sg-00000001
    0 - Subnet subnet-00000001
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    1 - Route table rtb-00000001
    1 - Internet gateway igw-00000001
    2 - Private network vpc-00000001
    ");
}

#[test]
fn a_profile_of_our_own_goes_even_when_the_company_s_is_used_now() {
    // For `Gone` the one with our name is looked at.
    insta::assert_snapshot!(show(&wanted_with_company_profile(), &whole(), GONE), @r#"
    note: ProfileDiffers { is: Some("ada-remote-dev-us-west-2-profile") }
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Use of a route table (rtbassoc-00000001)
    2 ~ Detach igw-00000001 from vpc-00000001
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    2 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    2 - Policy holdfast-deny-parameters
    3 - Route table rtb-00000001
    3 - Internet gateway igw-00000001
    3 - Instance profile
    3 - Role
    4 - Private network vpc-00000001
    "#);
}
