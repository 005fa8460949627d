//! Things that two laptops have made at the same moment.

use super::fixture::*;
use crate::machine::{Fact, Observed};
use crate::plan::Goal;

fn without_machine(change: impl FnOnce(&mut Observed)) -> Observed {
    but(|w| {
        (w.instances, w.volumes) = (Fact::Present(vec![]), Fact::Present(vec![]));
        change(w);
    })
}

#[test]
fn one_network_wins() {
    let mine = |maker: &'static str, vpc_: &'static str| {
        move |w: &mut Observed| there(&mut w.vpcs).push(twin_vpc(vpc_, maker))
    };
    let furnished = |maker: &str, w: &mut Observed| {
        let vpc = "vpc-99999999";
        there(&mut w.vpcs).push(twin_vpc(vpc, maker));
        there(&mut w.subnets).push(twin_subnet("subnet-99999999", vpc, maker));
        there(&mut w.gateways).push(twin_gateway("igw-99999999", Some(vpc), maker));
        let mut table = twin_table("rtb-99999999", vpc, maker);
        table.associations.push((id("rtbassoc-99999999"), id("subnet-99999999")));
        there(&mut w.route_tables).push(table);
        there(&mut w.groups).push(twin_group("sg-99999999", vpc, maker));
    };
    let cases = vec![
        ("the one with the machine, though it is the higher; mine goes", but(mine(ME, "vpc-00000000"))),
        (
            "the one with the machine, though it is the higher; theirs is noted",
            but(mine(OTHER, "vpc-00000000")),
        ),
        ("nothing claimed: the lower one; mine goes", {
            let mut world = empty();
            there(&mut world.vpcs).extend([twin_vpc("vpc-00000002", ME), twin_vpc("vpc-00000001", OTHER)]);
            world
        }),
        ("nothing claimed: the lower one; theirs is noted", {
            let mut world = empty();
            there(&mut world.vpcs).extend([twin_vpc("vpc-00000002", OTHER), twin_vpc("vpc-00000001", ME)]);
            world
        }),
        ("all of mine goes, step by step", but(|w| furnished(ME, w))),
        ("nothing of theirs", but(|w| furnished(OTHER, w))),
        (
            "mine stays while something of theirs is in it",
            but(|w| {
                there(&mut w.vpcs).push(twin_vpc("vpc-99999999", ME));
                there(&mut w.subnets).push(twin_subnet("subnet-99999999", "vpc-99999999", OTHER));
            }),
        ),
        (
            "my subnet goes out of theirs",
            but(|w| {
                there(&mut w.vpcs).push(twin_vpc("vpc-99999999", OTHER));
                there(&mut w.subnets).push(twin_subnet("subnet-99999999", "vpc-99999999", ME));
            }),
        ),
        (
            "a machine of somebody else's lives in mine",
            but(|w| {
                there(&mut w.vpcs).push(twin_vpc("vpc-99999999", ME));
                let mut other = instance(w).clone();
                (other.id, other.vpc) = (id("i-99999999"), Some(id("vpc-99999999")));
                other.tags.clear();
                there(&mut w.instances).push(other);
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # the one with the machine, though it is the higher; mine goes
    0 - Private network vpc-00000000

    # the one with the machine, though it is the higher; theirs is noted
    note: Duplicate { resource: "vpc-00000000" }

    # nothing claimed: the lower one; mine goes
    0 + Internet gateway
    0 + Subnet in us-west-2a
    0 + Route table
    0 + Security group, nothing inbound
    0 + Role for EC2
    0 + Instance profile
    0 - Private network vpc-00000002
    1 ~ Attach the new gateway to vpc-00000001
    1 ~ Give public addresses in the new subnet
    1 ~ Use the new route table in the new subnet
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Route 0.0.0.0/0 to the new gateway
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # nothing claimed: the lower one; theirs is noted
    note: Duplicate { resource: "vpc-00000002" }
    0 + Internet gateway
    0 + Subnet in us-west-2a
    0 + Route table
    0 + Security group, nothing inbound
    0 + Role for EC2
    0 + Instance profile
    1 ~ Attach the new gateway to vpc-00000001
    1 ~ Give public addresses in the new subnet
    1 ~ Use the new route table in the new subnet
    1 + Policy AmazonSSMManagedInstanceCore
    1 + Policy that denies ssm:GetParameter*
    1 ~ Put the role into the instance profile
    2 + Route 0.0.0.0/0 to the new gateway
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # all of mine goes, step by step
    0 - Use of a route table (rtbassoc-99999999)
    0 ~ Detach igw-99999999 from vpc-99999999
    0 - Security group sg-99999999
    0 - Subnet subnet-99999999
    1 - Route table rtb-99999999
    1 - Internet gateway igw-99999999
    2 - Private network vpc-99999999

    # nothing of theirs
    note: Duplicate { resource: "vpc-99999999" }

    # mine stays while something of theirs is in it
    nothing to do

    # my subnet goes out of theirs
    note: Duplicate { resource: "vpc-99999999" }
    0 - Subnet subnet-99999999

    # a machine of somebody else's lives in mine
    nothing to do
    "#);
}

#[test]
fn one_gateway_wins() {
    let cases = vec![
        (
            "the attached one; mine goes",
            but(|w| {
                there(&mut w.gateways).push(twin_gateway("igw-00000000", None, ME));
            }),
        ),
        (
            "the attached one; theirs is noted",
            but(|w| {
                there(&mut w.gateways).push(twin_gateway("igw-00000000", None, OTHER));
            }),
        ),
        (
            "none attached: the lower one; mine goes",
            without_machine(|w| {
                w.gateways = Fact::Present(vec![
                    twin_gateway("igw-00000002", None, ME),
                    twin_gateway("igw-00000001", None, OTHER),
                ]);
                table(w).default_gateway = None;
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # the attached one; mine goes
    0 - Internet gateway igw-00000000

    # the attached one; theirs is noted
    note: Duplicate { resource: "igw-00000000" }

    # none attached: the lower one; mine goes
    0 ~ Attach igw-00000001 to vpc-00000001
    0 - Internet gateway igw-00000002
    1 + Route 0.0.0.0/0 to igw-00000001
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    "#);
}

#[test]
fn one_route_table_wins() {
    let cases = vec![
        (
            "the one in use; mine goes",
            but(|w| {
                there(&mut w.route_tables).push(twin_table("rtb-00000000", "vpc-00000001", ME));
            }),
        ),
        (
            "the one in use in our subnet, not in another",
            but(|w| {
                let mut other = twin_table("rtb-00000000", "vpc-00000001", ME);
                other.associations.push((id("rtbassoc-99999999"), id("subnet-99999999")));
                there(&mut w.route_tables).push(other);
            }),
        ),
        (
            "the one in use; theirs is noted",
            but(|w| {
                there(&mut w.route_tables).push(twin_table("rtb-00000000", "vpc-00000001", OTHER));
            }),
        ),
        (
            "none in use: the lower one",
            without_machine(|w| {
                table(w).associations.clear();
                there(&mut w.route_tables).push(twin_table("rtb-00000000", "vpc-00000001", ME));
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # the one in use; mine goes
    0 - Route table rtb-00000000

    # the one in use in our subnet, not in another
    nothing to do

    # the one in use; theirs is noted
    note: Duplicate { resource: "rtb-00000000" }

    # none in use: the lower one
    0 + Route 0.0.0.0/0 to igw-00000001
    0 ~ Use rtb-00000000 in subnet-00000001
    0 - Route table rtb-00000001
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    "#);
}

#[test]
fn what_is_not_looked_at_is_not_taken_away() {
    // `up` with a machine that is there does not tidy.
    let world = but(|w| there(&mut w.vpcs).push(twin_vpc("vpc-99999999", ME)));
    assert_eq!(show(&wanted(), &world, Goal::Reachable), "nothing to do\n");
}
