//! On and off, and instances in every state.

use super::fixture::*;
use crate::machine::{Fact, Observed, Owner, Power, Snapshot, SnapshotProgress, Why};
use crate::plan::{Blocked, Goal, Step, client_token, plan, reboot, taking_over};

const POWERS: [(&str, Power); 6] = [
    ("pending", Power::Pending),
    ("running", Power::Running),
    ("stopping", Power::Stopping),
    ("stopped", Power::Stopped),
    ("shutting down", Power::ShuttingDown),
    ("terminated", Power::Terminated),
];

fn states() -> Vec<(&'static str, Observed)> {
    POWERS.into_iter().map(|(name, power)| (name, powered(power))).collect()
}

#[test]
fn apply_leaves_the_power_alone() {
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, states()), @"
    # pending
    nothing to do

    # running
    nothing to do

    # stopping
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)

    # stopped
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)

    # shutting down
    waits for the instance to end
    1 ~ Count instance generation 1
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # terminated
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn on() {
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Reachable, states()), @"
    # pending
    waits for the machine to start

    # running
    nothing to do

    # stopping
    waits for the machine to stop
    1 ~ Start i-00000001 [+$134.70] costs

    # stopped
    0 ~ Start i-00000001 [+$134.70] costs

    # shutting down
    waits for the instance to end
    1 ~ Count instance generation 1
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs

    # terminated
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn off() {
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Stopped, states()), @"
    # pending
    waits for the machine to start
    1 ~ Stop i-00000001 [-$134.70] interrupts

    # running
    0 ~ Stop i-00000001 [-$134.70] interrupts

    # stopping
    waits for the machine to stop

    # stopped
    nothing to do

    # shutting down
    waits for the instance to end

    # terminated
    nothing to do
    ");
}

#[test]
fn gone() {
    insta::assert_snapshot!(show_cases(&wanted(), GONE, states()), @"
    # pending
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

    # running
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

    # stopping
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
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

    # stopped
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
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

    # shutting down
    waits for the instance to end
    1 - Use of a route table (rtbassoc-00000001)
    1 ~ Detach igw-00000001 from vpc-00000001
    1 - Security group sg-00000001
    1 - Subnet subnet-00000001
    1 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    1 - Policy AmazonSSMManagedInstanceCore
    1 - Policy holdfast-deny-parameters
    2 - Route table rtb-00000001
    2 - Internet gateway igw-00000001
    2 - Instance profile
    2 - Role
    3 - Private network vpc-00000001

    # terminated
    0 - Use of a route table (rtbassoc-00000001)
    0 ~ Detach igw-00000001 from vpc-00000001
    0 - Security group sg-00000001
    0 - Subnet subnet-00000001
    0 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    0 - Policy AmazonSSMManagedInstanceCore
    0 - Policy holdfast-deny-parameters
    1 - Route table rtb-00000001
    1 - Internet gateway igw-00000001
    1 - Instance profile
    1 - Role
    2 - Private network vpc-00000001
    ");
}

#[test]
fn the_agent_is_waited_for() {
    for agent in [Fact::Absent, Fact::NOT_LOOKED, Fact::Unknown(Why::Failed("no network".to_owned()))] {
        let world = but(|w| w.agent = agent);
        assert_eq!(show(&wanted(), &world, Goal::Reachable), "waits for the machine's agent to answer\n");
        assert_eq!(show(&wanted(), &world, Goal::Settings), "nothing to do\n");
    }
}

#[test]
fn an_agent_that_may_not_be_seen_is_not_waited_for() {
    let why = Why::Denied("ssm:GetConnectionStatus".to_owned());
    let world = but(|w| w.agent = Fact::Unknown(why.clone()));
    let blocked = plan(&wanted(), &world, Goal::Reachable).blocked;
    assert_eq!(blocked, [Blocked::CannotSee { what: "the machine's agent", why }]);
    assert_eq!(show(&wanted(), &world, Goal::Settings), "nothing to do\n");
}

#[test]
fn a_machine_that_is_on_restarts_where_it_is() {
    let steps =
        |world: &Observed| reboot(&wanted(), world).steps.into_iter().map(|p| p.step).collect::<Vec<_>>();
    let id = whole().winners(&wanted()).instance.map(|i| i.id.clone()).unwrap();
    assert_eq!(steps(&whole()), [Step::Reboot { instance: id }]);
    for power in [Power::Stopped, Power::Pending, Power::Stopping, Power::ShuttingDown, Power::Terminated] {
        assert_eq!(steps(&but(|w| instance(w).power = power)), []);
    }
}

#[test]
fn on_changes_nothing_else_of_a_machine_that_is_there() {
    let world = but(|w| {
        instance(w).metadata_guarded = false;
        vpc(w).tags.remove("do-not-nuke");
        subnet(w).public_addresses = false;
        w.role = Fact::Absent;
    });
    assert_eq!(show(&wanted(), &world, Goal::Reachable), "nothing to do\n");
}

#[test]
fn on_and_off_need_to_see_the_instance_only() {
    let mut world = Observed::unknown(ME);
    (world.caller, world.instances) = (empty().caller, whole().instances);
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Stopped, vec![("off", world.clone())]), @"
    # off
    0 ~ Stop i-00000001 [-$134.70] interrupts
    ");
    instance(&mut world).power = Power::Stopped;
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Reachable, vec![("on", world.clone())]), @"
    # on
    0 ~ Start i-00000001 [+$134.70] costs
    ");
    // One that is gone is no machine: then all must be seen before something is made.
    instance(&mut world).power = Power::Terminated;
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Reachable, vec![("gone", world)]), @r#"
    # gone
    blocked: CannotSee { what: "VPCs", why: NotLooked }
    blocked: CannotSee { what: "subnets", why: NotLooked }
    blocked: CannotSee { what: "internet gateways", why: NotLooked }
    blocked: CannotSee { what: "route tables", why: NotLooked }
    blocked: CannotSee { what: "security groups", why: NotLooked }
    blocked: CannotSee { what: "volumes", why: NotLooked }
    blocked: CannotSee { what: "the instance profile", why: NotLooked }
    blocked: CannotSee { what: "the role", why: NotLooked }
    "#);
}

#[test]
fn nothing_to_turn_off() {
    assert_eq!(show(&wanted(), &empty(), Goal::Stopped), "nothing to do\n");
}

#[test]
fn every_spent_token_is_skipped_at_once() {
    let mut world = powered(Power::Terminated);
    let (network, generation) = world.winners(&wanted()).generation(&wanted()).unwrap();
    for spent in 1..4 {
        let mut old = instance(&mut world).clone();
        old.id = id(&format!("i-0000001{spent}"));
        old.token = Some(client_token(&wanted(), &network, generation + spent));
        there(&mut world.instances).push(old);
    }
    insta::assert_snapshot!(show(&wanted(), &world, Goal::Settings), @"
    0 ~ Count instance generation 4
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn what_settles_and_what_does_not() {
    let world = but(|w| {
        instance(w).power = Power::ShuttingDown;
        let of = |progress| Snapshot {
            id: id("snap-99999999"),
            size: 100,
            bytes: None,
            volume: None,
            taken: None,
            progress,
            tags: crate::machine::Tags::new(),
        };
        w.snapshots = Fact::Present(vec![of(SnapshotProgress::Pending), of(SnapshotProgress::Failed)]);
    });
    let settled = world.settled();
    assert_eq!(settled.instances.all()[0].power, Power::Terminated);
    assert_eq!(settled.instances.all()[0].vpc, None);
    assert_eq!(settled.volumes.all(), [], "the root volume goes with the instance");
    let progress: Vec<_> = settled.snapshots.all().iter().map(|snapshot| snapshot.progress).collect();
    assert_eq!(progress, [SnapshotProgress::Complete, SnapshotProgress::Failed]);
}

#[test]
fn a_quick_look_keeps_what_it_leaves_out() {
    let mut known = whole();
    let mut quick = Observed::unknown(ME);
    (quick.vpcs, quick.instances) = (known.vpcs.clone(), known.instances.clone());
    vpc(&mut quick).dns_support = Fact::NOT_LOOKED;
    vpc(&mut quick).dns_hostnames = Fact::NOT_LOOKED;
    instance(&mut quick).protected = Fact::NOT_LOOKED;
    instance(&mut quick).stops_on_shutdown = Fact::NOT_LOOKED;
    quick.groups = Fact::Unknown(Why::Denied("ec2:DescribeSecurityGroups".to_owned()));
    known.learn(quick);
    assert_eq!(known, whole());
    // A reason is better than none, and what is gone is gone.
    let mut blank = Observed::unknown(ME);
    let denied = Fact::Unknown(Why::Denied("ec2:DescribeVpcs".to_owned()));
    blank.learn(Observed { vpcs: denied.clone(), ..Observed::unknown(ME) });
    assert_eq!(blank.vpcs, denied);
    known.learn(Observed { role: Fact::Absent, ..Observed::unknown(ME) });
    assert_eq!(known.role, Fact::Absent);
}

#[test]
fn what_carries_our_tag_is_taken_over_and_nothing_else() {
    let mut world = whole();
    assert_eq!(taking_over(&wanted(), &world).steps, []);
    world.caller = Fact::Present(Owner::from_tag("123456789012/user/grace"));
    assert!(!plan(&wanted(), &world, Goal::Settings).blocked.is_empty());
    let adopted = taking_over(&wanted(), &world).steps;
    for planned in &adopted {
        assert!(matches!(planned.step, Step::Tag { .. } | Step::TagRole { .. } | Step::TagProfile { .. }));
        world = world.after(&wanted(), &planned.step, None);
    }
    assert_eq!(adopted.len(), 3);
    assert_eq!(show(&wanted(), &world, Goal::Settings), "nothing to do\n");
    assert_eq!(taking_over(&wanted(), &world).steps, []);
    let foreign = but(|w| {
        vpc(w).tags.remove(crate::machine::TAG_MACHINE);
        w.caller = Fact::Present(Owner::from_tag("123456789012/user/grace"));
    });
    let id = foreign.vpcs.all().first().map(|vpc| vpc.id.to_string()).unwrap();
    let steps = taking_over(&wanted(), &foreign).steps;
    let named = |step: &Step| matches!(step, Step::Tag { resources, .. } if resources.contains(&id));
    assert!(!steps.iter().any(|planned| named(&planned.step)));
}
