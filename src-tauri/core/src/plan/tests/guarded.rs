//! What blocks a plan, and what is only noted.

use super::fixture::*;
use crate::machine::{Desired, Fact, Observed, TAG_MACHINE, TAG_OWNER, Why};
use crate::plan::{Blocked, Goal, Leave, Plan, decide, plan};

fn denied<T>(action: &str) -> Fact<T> {
    Fact::Unknown(Why::Denied(action.to_owned()))
}

#[test]
fn nothing_is_made_of_what_cannot_be_seen() {
    type Blind = fn(&mut Observed);
    let blind: [(&str, Blind); 13] = [
        ("caller", |w| w.caller = denied("sts:GetCallerIdentity")),
        ("offer", |w| w.offer = denied("ec2:DescribeInstanceTypes")),
        ("image", |w| w.image = denied("ec2:DescribeImages")),
        ("vpcs", |w| w.vpcs = denied("ec2:DescribeVpcs")),
        ("subnets", |w| w.subnets = denied("ec2:DescribeSubnets")),
        ("gateways", |w| w.gateways = denied("ec2:DescribeInternetGateways")),
        ("tables", |w| w.route_tables = denied("ec2:DescribeRouteTables")),
        ("groups", |w| w.groups = denied("ec2:DescribeSecurityGroups")),
        ("role", |w| w.role = denied("iam:GetRole")),
        ("profile", |w| w.profile = denied("iam:GetInstanceProfile")),
        ("instances", |w| w.instances = denied("ec2:DescribeInstances")),
        ("volumes", |w| w.volumes = denied("ec2:DescribeVolumes")),
        ("snapshots", |w| w.snapshots = denied("ec2:DescribeSnapshots")),
    ];
    let mut text = String::new();
    for (name, blind) in blind {
        let (mut nothing, mut whole) = (empty(), whole());
        blind(&mut nothing);
        blind(&mut whole);
        for (which, world) in [("empty", nothing), ("whole", whole)] {
            let (blocked, open): (Vec<_>, Vec<_>) = GOALS[..4]
                .iter()
                .map(|goal| plan(&wanted(), &world, *goal))
                .partition(|p| !p.blocked.is_empty());
            assert!(blocked.iter().all(|plan| plan.steps.is_empty() && plan.waiting.is_empty()));
            let goals = |plans: &[Plan]| plans.iter().map(|p| format!("{:?} ", p.goal)).collect::<String>();
            let goals = |plans: &[Plan]| goals(plans).replace(" { volume: false, snapshot: false }", "");
            text += &format!("{name}, {which}: blocks {}lets {}\n", goals(&blocked), goals(&open));
            text += &blocked.first().map(show_plan).unwrap_or_default();
        }
    }
    let mut world = whole();
    world.snapshots = denied("ec2:DescribeSnapshots");
    let goals = |leave| decide(&wanted(), &world, Goal::Gone(leave)).blocked.len();
    assert_eq!(goals(Leave { volume: true, snapshot: false }), 0);
    assert_eq!(goals(Leave { volume: false, snapshot: true }), 1);
    insta::assert_snapshot!(text, @r#"
    caller, empty: blocks Settings Reachable Stopped Gone(Leave) lets 
    blocked: CannotSee { what: "who you are", why: Denied("sts:GetCallerIdentity") }
    caller, whole: blocks Settings Reachable Stopped Gone(Leave) lets 
    blocked: CannotSee { what: "who you are", why: Denied("sts:GetCallerIdentity") }
    offer, empty: blocks Settings Reachable lets Stopped Gone(Leave) 
    blocked: CannotSee { what: "instance types", why: Denied("ec2:DescribeInstanceTypes") }
    offer, whole: blocks lets Settings Reachable Stopped Gone(Leave) 
    image, empty: blocks Settings Reachable lets Stopped Gone(Leave) 
    blocked: CannotSee { what: "machine images", why: Denied("ec2:DescribeImages") }
    image, whole: blocks lets Settings Reachable Stopped Gone(Leave) 
    vpcs, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "VPCs", why: Denied("ec2:DescribeVpcs") }
    vpcs, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "VPCs", why: Denied("ec2:DescribeVpcs") }
    subnets, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "subnets", why: Denied("ec2:DescribeSubnets") }
    subnets, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "subnets", why: Denied("ec2:DescribeSubnets") }
    gateways, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "internet gateways", why: Denied("ec2:DescribeInternetGateways") }
    gateways, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "internet gateways", why: Denied("ec2:DescribeInternetGateways") }
    tables, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "route tables", why: Denied("ec2:DescribeRouteTables") }
    tables, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "route tables", why: Denied("ec2:DescribeRouteTables") }
    groups, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "security groups", why: Denied("ec2:DescribeSecurityGroups") }
    groups, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "security groups", why: Denied("ec2:DescribeSecurityGroups") }
    role, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "the role", why: Denied("iam:GetRole") }
    role, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "the role", why: Denied("iam:GetRole") }
    profile, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "the instance profile", why: Denied("iam:GetInstanceProfile") }
    profile, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "the instance profile", why: Denied("iam:GetInstanceProfile") }
    instances, empty: blocks Settings Reachable Stopped Gone(Leave) lets 
    blocked: CannotSee { what: "instances", why: Denied("ec2:DescribeInstances") }
    instances, whole: blocks Settings Reachable Stopped Gone(Leave) lets 
    blocked: CannotSee { what: "instances", why: Denied("ec2:DescribeInstances") }
    volumes, empty: blocks Settings Reachable Gone(Leave) lets Stopped 
    blocked: CannotSee { what: "volumes", why: Denied("ec2:DescribeVolumes") }
    volumes, whole: blocks Settings Gone(Leave) lets Reachable Stopped 
    blocked: CannotSee { what: "volumes", why: Denied("ec2:DescribeVolumes") }
    snapshots, empty: blocks lets Settings Reachable Stopped Gone(Leave) 
    snapshots, whole: blocks lets Settings Reachable Stopped Gone(Leave)
    "#);
}

#[test]
fn others_things_are_theirs() {
    let theirs = |tags: &mut crate::machine::Tags| {
        tags.insert(TAG_OWNER.to_owned(), "123456789012/user/bob".to_owned());
    };
    let nobodys = |tags: &mut crate::machine::Tags| {
        tags.remove(TAG_OWNER);
    };
    let cases: Vec<(&str, Observed)> = vec![
        ("VPC", but(|w| theirs(&mut vpc(w).tags))),
        ("subnet", but(|w| theirs(&mut subnet(w).tags))),
        ("gateway", but(|w| theirs(&mut gateway(w).tags))),
        ("route table", but(|w| theirs(&mut table(w).tags))),
        ("group", but(|w| theirs(&mut group(w).tags))),
        ("instance", but(|w| theirs(&mut instance(w).tags))),
        ("volume", but(|w| theirs(&mut volume(w).tags))),
        ("role", but(|w| theirs(&mut role(w).tags))),
        ("profile", but(|w| theirs(&mut profile(w).tags))),
        ("VPC without an owner", but(|w| nobodys(&mut vpc(w).tags))),
    ];
    for (name, world) in &cases {
        for goal in GOALS {
            let plan = plan(&wanted(), world, goal);
            assert!(matches!(plan.blocked[..], [Blocked::OtherOwner { .. }]), "{name}: {}", show_plan(&plan));
            assert!(plan.steps.is_empty() && plan.waiting.is_empty(), "{name}");
        }
    }
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # VPC
    blocked: OtherOwner { resource: "vpc-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # subnet
    blocked: OtherOwner { resource: "subnet-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # gateway
    blocked: OtherOwner { resource: "igw-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # route table
    blocked: OtherOwner { resource: "rtb-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # group
    blocked: OtherOwner { resource: "sg-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # instance
    blocked: OtherOwner { resource: "i-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # volume
    blocked: OtherOwner { resource: "vol-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # role
    blocked: OtherOwner { resource: "ada-remote-dev-us-west-2-role", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # profile
    blocked: OtherOwner { resource: "ada-remote-dev-us-west-2-profile", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # VPC without an owner
    blocked: OtherOwner { resource: "vpc-00000001", owner: None, caller: Owner("123456789012/user/ada") }
    "#);
    // An instance of theirs that has ended is nobody's any more.
    let mut ended = powered(crate::machine::Power::Terminated);
    theirs(&mut instance(&mut ended).tags);
    assert!(decide(&wanted(), &ended, Goal::Settings).blocked.is_empty());
    // One that is about to end is still theirs.
    let mut ending = powered(crate::machine::Power::ShuttingDown);
    theirs(&mut instance(&mut ending).tags);
    assert_eq!(plan(&wanted(), &ending, Goal::Settings).steps, []);
}

fn stranger(tags: &mut crate::machine::Tags) {
    tags.remove(TAG_MACHINE);
    tags.remove(TAG_OWNER);
}

fn strangers() -> Vec<(&'static str, Observed)> {
    let gone = |w: &mut Observed| {
        w.instances = Fact::Present(vec![]);
        w.volumes = Fact::Present(vec![]);
    };
    vec![
        ("VPC", {
            let mut world = empty();
            let mut stranger_ = twin_vpc("vpc-99999999", ME);
            stranger(&mut stranger_.tags);
            there(&mut world.vpcs).push(stranger_);
            world
        }),
        ("instance", but(|w| stranger(&mut instance(w).tags))),
        ("role", but(|w| stranger(&mut role(w).tags))),
        ("instance profile", but(|w| stranger(&mut profile(w).tags))),
        (
            "group",
            but(|w| {
                gone(w);
                stranger(&mut group(w).tags);
            }),
        ),
        (
            "subnet",
            but(|w| {
                gone(w);
                stranger(&mut subnet(w).tags);
            }),
        ),
        ("gateway in our VPC", but(|w| stranger(&mut gateway(w).tags))),
        (
            "gateway elsewhere",
            but(|w| {
                let mut other = twin_gateway("igw-99999999", Some("vpc-99999999"), ME);
                stranger(&mut other.tags);
                there(&mut w.gateways).push(other);
            }),
        ),
        (
            "another user's machine",
            but(|w| {
                let mut other = instance(w).clone();
                other.id = id("i-99999999");
                other.tags.insert(TAG_MACHINE.to_owned(), "bob/remote-dev/us-west-2".to_owned());
                other.tags.insert("Name".to_owned(), "bob-remote-dev-machine".to_owned());
                there(&mut w.instances).push(other);
            }),
        ),
        (
            "a VPC beside ours",
            but(|w| {
                let mut stranger_ = twin_vpc("vpc-00000000", ME);
                stranger(&mut stranger_.tags);
                there(&mut w.vpcs).push(stranger_);
            }),
        ),
    ]
}

#[test]
fn what_only_has_our_name_is_not_taken() {
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, strangers()), @r#"
    # VPC
    blocked: Foreign { what: "VPC", resource: "vpc-99999999", name: "ada-remote-dev-vpc" }

    # instance
    blocked: Foreign { what: "instance", resource: "i-00000001", name: "ada-remote-dev-machine" }

    # role
    blocked: Foreign { what: "role", resource: "ada-remote-dev-us-west-2-role", name: "ada-remote-dev-us-west-2-role" }

    # instance profile
    blocked: Foreign { what: "instance profile", resource: "ada-remote-dev-us-west-2-profile", name: "ada-remote-dev-us-west-2-profile" }

    # group
    blocked: Foreign { what: "security group", resource: "sg-00000001", name: "ada-remote-dev-group" }

    # subnet
    blocked: Foreign { what: "subnet", resource: "subnet-00000001", name: "ada-remote-dev-subnet" }

    # gateway in our VPC
    blocked: Foreign { what: "internet gateway", resource: "igw-00000001", name: "ada-remote-dev-gateway" }

    # gateway elsewhere
    nothing to do

    # another user's machine
    nothing to do

    # a VPC beside ours
    nothing to do
    "#);
}

#[test]
fn several_machines_are_for_a_person_to_sort_out() {
    let world = but(|w| {
        let mut second = instance(w).clone();
        second.id = id("i-99999999");
        there(&mut w.instances).push(second);
    });
    let blocked = "blocked: SeveralInstances { instances: [\"i-00000001\", \"i-99999999\"] }\n";
    for goal in [Goal::Settings, Goal::Reachable, Goal::Stopped] {
        assert_eq!(show(&wanted(), &world, goal), blocked);
    }
    assert!(decide(&wanted(), &world, GONE).blocked.is_empty(), "destroy takes both");
    let one_ends = {
        let mut world = world;
        instance(&mut world).power = crate::machine::Power::ShuttingDown;
        world
    };
    assert!(decide(&wanted(), &one_ends, Goal::Reachable).blocked.is_empty());
}

#[test]
fn a_type_that_cannot_be_had_is_said_before_anything_is_made() {
    let offered = |change: fn(&mut crate::machine::Offer)| {
        let mut world = empty();
        change(there(&mut world.offer));
        world
    };
    let cases = vec![
        ("not in the region", Observed { offer: Fact::Absent, ..empty() }),
        ("in no zone", offered(|offer| offer.zones.clear())),
        ("no image", Observed { image: Fact::Absent, ..empty() }),
        ("an architecture of old", offered(|offer| "i386".clone_into(&mut offer.architecture))),
        (
            "not in the subnet's zone",
            but(|w| {
                w.instances = Fact::Present(vec![]);
                there(&mut w.offer).zones = ["us-west-2c".to_owned()].into();
            }),
        ),
        (
            "not asked when the machine is there",
            but(|w| {
                (w.offer, w.image) = (Fact::Absent, Fact::NOT_LOOKED);
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # not in the region
    blocked: NoSuchType

    # in no zone
    blocked: NoZone

    # no image
    blocked: NoImage { architecture: "arm64" }

    # an architecture of old
    blocked: NoImage { architecture: "i386" }

    # not in the subnet's zone
    blocked: TypeNotInZone { zone: "us-west-2a" }

    # not asked when the machine is there
    nothing to do
    "#);
    let small = Desired { volume_size: 3, ..wanted() };
    assert_eq!(show(&small, &empty(), Goal::Settings), "blocked: VolumeTooSmall { least: 4 }\n");
    let just = Desired { volume_size: 4, ..wanted() };
    assert!(decide(&just, &empty(), Goal::Settings).blocked.is_empty());
}
