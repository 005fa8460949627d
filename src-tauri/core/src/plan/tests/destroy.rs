//! Taking everything away.

use super::fixture::*;
use crate::machine::{Fact, Observed, Power, Snapshot, SnapshotProgress, TAG_FINAL, TAG_MACHINE};
use crate::plan::{Goal, Impact, Leave, Step, decide, plan};

const KEEP: Goal = Goal::Gone(Leave { volume: true, snapshot: false });
const SNAPSHOT: Goal = Goal::Gone(Leave { volume: false, snapshot: true });
const BOTH: Goal = Goal::Gone(Leave { volume: true, snapshot: true });

#[test]
fn nothing_is_left() {
    insta::assert_snapshot!(show(&wanted(), &whole(), GONE), @"
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
    ");
    let impact = plan(&wanted(), &whole(), GONE).impact();
    assert_eq!(impact, Impact { interrupts: true, loses_data: true, ..Impact::NONE });
    assert!(plan(&wanted(), &empty(), GONE).is_done());
}

#[test]
fn the_volume_is_kept() {
    insta::assert_snapshot!(show(&wanted(), &whole(), KEEP), @"
    0 ~ Keep volume /dev/xvda
    1 ~ Lift termination protection of i-00000001
    2 - Instance i-00000001, without its volume [-$134.70] interrupts
    3 - Use of a route table (rtbassoc-00000001)
    3 ~ Detach igw-00000001 from vpc-00000001
    3 - Security group sg-00000001
    3 - Subnet subnet-00000001
    3 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    3 - Policy AmazonSSMManagedInstanceCore
    3 - Policy holdfast-deny-parameters
    4 - Route table rtb-00000001
    4 - Internet gateway igw-00000001
    4 - Instance profile
    4 - Role
    5 - Private network vpc-00000001
    ");
    assert!(!plan(&wanted(), &whole(), KEEP).impact().loses_data);
    let kept = reach(&wanted(), whole(), KEEP, &mut Counter::after(0x100));
    let cases = |goal| show(&wanted(), &kept, goal);
    insta::assert_snapshot!(cases(KEEP), @r#"note: KeptVolume { volume: "vol-00000001", size: 100 }"#);
    insta::assert_snapshot!(cases(GONE), @r#"
    note: KeptVolume { volume: "vol-00000001", size: 100 }
    0 - Volume vol-00000001 with all data [-$8.00] loses data
    "#);
    // It has no snapshot, so it is not lost to somebody who asks for one.
    insta::assert_snapshot!(cases(SNAPSHOT), @r#"note: KeptVolume { volume: "vol-00000001", size: 100 }"#);
    assert_eq!(decide(&wanted(), &kept, Goal::Settings).blocked, []);
}

#[test]
fn a_snapshot_is_taken_of_a_machine_that_is_off() {
    insta::assert_snapshot!(show(&wanted(), &whole(), SNAPSHOT), @"
    0 ~ Stop i-00000001 [-$134.70] interrupts
    2 + Final snapshot of vol-00000001 costs
    4 ~ Lift termination protection of i-00000001
    5 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    6 - Use of a route table (rtbassoc-00000001)
    6 ~ Detach igw-00000001 from vpc-00000001
    6 - Security group sg-00000001
    6 - Subnet subnet-00000001
    6 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    6 - Policy AmazonSSMManagedInstanceCore
    6 - Policy holdfast-deny-parameters
    7 - Route table rtb-00000001
    7 - Internet gateway igw-00000001
    7 - Instance profile
    7 - Role
    8 - Private network vpc-00000001
    ");
    insta::assert_snapshot!(show(&wanted(), &whole(), BOTH), @"
    0 ~ Stop i-00000001 [-$134.70] interrupts
    2 + Final snapshot of vol-00000001 costs
    4 ~ Keep volume /dev/xvda
    5 ~ Lift termination protection of i-00000001
    6 - Instance i-00000001, without its volume interrupts
    7 - Use of a route table (rtbassoc-00000001)
    7 ~ Detach igw-00000001 from vpc-00000001
    7 - Security group sg-00000001
    7 - Subnet subnet-00000001
    7 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    7 - Policy AmazonSSMManagedInstanceCore
    7 - Policy holdfast-deny-parameters
    8 - Route table rtb-00000001
    8 - Internet gateway igw-00000001
    8 - Instance profile
    8 - Role
    9 - Private network vpc-00000001
    ");
}

fn snapshot(progress: SnapshotProgress, taken: &str) -> Snapshot {
    let mut tags = tags("snapshot", None);
    tags.insert(TAG_FINAL.to_owned(), "i-00000001".to_owned());
    let volume = Some(id("vol-00000001"));
    Snapshot {
        id: id("snap-99999999"),
        volume,
        size: 100,
        bytes: None,
        taken: Some(taken.to_owned()),
        progress,
        tags,
    }
}

#[test]
fn a_snapshot_must_be_whole_and_of_the_last_state() {
    let off = |snapshots: Vec<Snapshot>| {
        let mut world = powered(Power::Stopped);
        world.snapshots = Fact::Present(snapshots);
        world
    };
    let after = "2026-11-03T00:00:00Z";
    let cases = vec![
        ("whole", off(vec![snapshot(SnapshotProgress::Complete, after)])),
        ("under way", off(vec![snapshot(SnapshotProgress::Pending, after)])),
        ("failed", off(vec![snapshot(SnapshotProgress::Failed, after)])),
        (
            "failed, then whole",
            off(vec![snapshot(SnapshotProgress::Failed, after), snapshot(SnapshotProgress::Complete, after)]),
        ),
        (
            "older than the last start",
            off(vec![snapshot(SnapshotProgress::Complete, "2026-11-01T00:00:00Z")]),
        ),
        (
            "of an instance before this one",
            off(vec![{
                let mut old = snapshot(SnapshotProgress::Complete, after);
                old.tags.insert(TAG_FINAL.to_owned(), "i-99999999".to_owned());
                old
            }]),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), SNAPSHOT, cases), @"
    # whole
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

    # under way
    waits for the snapshot to be whole
    1 ~ Lift termination protection of i-00000001
    2 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    3 - Use of a route table (rtbassoc-00000001)
    3 ~ Detach igw-00000001 from vpc-00000001
    3 - Security group sg-00000001
    3 - Subnet subnet-00000001
    3 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    3 - Policy AmazonSSMManagedInstanceCore
    3 - Policy holdfast-deny-parameters
    4 - Route table rtb-00000001
    4 - Internet gateway igw-00000001
    4 - Instance profile
    4 - Role
    5 - Private network vpc-00000001

    # failed
    0 + Final snapshot of vol-00000001 costs
    2 ~ Lift termination protection of i-00000001
    3 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    4 - Use of a route table (rtbassoc-00000001)
    4 ~ Detach igw-00000001 from vpc-00000001
    4 - Security group sg-00000001
    4 - Subnet subnet-00000001
    4 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    4 - Policy AmazonSSMManagedInstanceCore
    4 - Policy holdfast-deny-parameters
    5 - Route table rtb-00000001
    5 - Internet gateway igw-00000001
    5 - Instance profile
    5 - Role
    6 - Private network vpc-00000001

    # failed, then whole
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

    # older than the last start
    0 + Final snapshot of vol-00000001 costs
    2 ~ Lift termination protection of i-00000001
    3 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    4 - Use of a route table (rtbassoc-00000001)
    4 ~ Detach igw-00000001 from vpc-00000001
    4 - Security group sg-00000001
    4 - Subnet subnet-00000001
    4 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    4 - Policy AmazonSSMManagedInstanceCore
    4 - Policy holdfast-deny-parameters
    5 - Route table rtb-00000001
    5 - Internet gateway igw-00000001
    5 - Instance profile
    5 - Role
    6 - Private network vpc-00000001

    # of an instance before this one
    0 + Final snapshot of vol-00000001 costs
    2 ~ Lift termination protection of i-00000001
    3 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    4 - Use of a route table (rtbassoc-00000001)
    4 ~ Detach igw-00000001 from vpc-00000001
    4 - Security group sg-00000001
    4 - Subnet subnet-00000001
    4 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    4 - Policy AmazonSSMManagedInstanceCore
    4 - Policy holdfast-deny-parameters
    5 - Route table rtb-00000001
    5 - Internet gateway igw-00000001
    5 - Instance profile
    5 - Role
    6 - Private network vpc-00000001
    ");
}

#[test]
fn an_interrupted_destroy_goes_on() {
    let mut cases = 0;
    for goal in [GONE, KEEP, SNAPSHOT, BOTH] {
        let steps = plan(&wanted(), &whole(), goal).steps;
        let mut end = None;
        for count in 0..=steps.len() {
            let mut world = whole();
            let mut ids = Counter::after(0x100);
            for planned in &steps[..count] {
                world = perform(&wanted(), world, &planned.step, &mut ids);
            }
            let done = reach(&wanted(), world, goal, &mut ids);
            assert!(!of_ours(&done, goal), "after {count} steps of {goal:?}");
            let done = done.settled();
            let end = end.get_or_insert_with(|| done.clone());
            assert_eq!(done, *end, "after {count} steps of {goal:?}");
            cases += 1;
        }
    }
    println!("{cases} interrupted runs of destroy");
}

fn of_ours(world: &Observed, goal: Goal) -> bool {
    let volumes = if matches!(goal, Goal::Gone(Leave { volume: true, .. })) { 1 } else { 0 };
    !world.vpcs.all().is_empty()
        || !world.subnets.all().is_empty()
        || !world.gateways.all().is_empty()
        || !world.route_tables.all().is_empty()
        || !world.groups.all().is_empty()
        || world.role.present().is_some()
        || world.profile.present().is_some()
        || world.instances.all().iter().any(|i| i.power != Power::Terminated)
        || world.volumes.all().len() != volumes
}

#[test]
fn after_a_half_destroy_apply_makes_it_whole_again() {
    let steps = plan(&wanted(), &whole(), GONE).steps;
    for count in 0..=steps.len() {
        let mut world = whole();
        for planned in &steps[..count] {
            world = perform(&wanted(), world, &planned.step, &mut Counter::after(0x100));
        }
        let again = reach(&wanted(), world, Goal::Settings, &mut Counter::after(0x200));
        super::table::check(&wanted(), &again).unwrap_or_else(|why| panic!("after {count} steps: {why}"));
    }
}

#[test]
fn strangers_things_stay() {
    let world = but(|w| {
        let mut stranger = twin_vpc("vpc-99999999", ME);
        stranger.tags.remove(TAG_MACHINE);
        there(&mut w.vpcs).push(stranger);
        let mut gateway = twin_gateway("igw-99999999", Some("vpc-99999999"), ME);
        gateway.tags.remove(TAG_MACHINE);
        there(&mut w.gateways).push(gateway);
        let mut machine = instance(w).clone();
        machine.id = id("i-99999999");
        machine.tags.insert(TAG_MACHINE.to_owned(), "bob/remote-dev/us-west-2".to_owned());
        there(&mut w.instances).push(machine);
        let mut disk = volume(w).clone();
        (disk.id, disk.attached) = (id("vol-99999999"), None);
        disk.tags.clear();
        there(&mut w.volumes).push(disk);
        role(w).tags.clear();
        profile(w).tags.clear();
    });
    insta::assert_snapshot!(show(&wanted(), &world, GONE), @"
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Use of a route table (rtbassoc-00000001)
    2 ~ Detach igw-00000001 from vpc-00000001
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    3 - Route table rtb-00000001
    3 - Internet gateway igw-00000001
    4 - Private network vpc-00000001
    ");
    let end = reach(&wanted(), world.clone(), GONE, &mut Counter::after(0x100));
    assert_eq!((end.role, end.profile), (world.role, world.profile));
    assert_eq!(end.vpcs.all().len(), 1);
    assert_eq!(end.volumes.all().len(), 1);
}

#[test]
fn a_gateway_in_a_stranger_s_network_is_left_there() {
    let world = but(|w| gateway(w).vpc = Some(id("vpc-99999999")));
    insta::assert_snapshot!(show(&wanted(), &world, GONE), @r#"
    note: GatewayElsewhere { gateway: "igw-00000001", network: "vpc-99999999" }
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Use of a route table (rtbassoc-00000001)
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    2 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    2 - Policy holdfast-deny-parameters
    3 - Route table rtb-00000001
    3 - Instance profile
    3 - Role
    4 - Private network vpc-00000001
    "#);
}

#[test]
fn all_of_several_machines_go_and_all_data_stays_if_asked() {
    let world = but(|w| {
        let mut second = instance(w).clone();
        second.id = id("i-00000000");
        let mut disk = volume(w).clone();
        (disk.id, disk.attached) = (id("vol-00000000"), Some(second.id.clone()));
        second.root.as_mut().unwrap().id = disk.id.clone();
        there(&mut w.instances).push(second);
        there(&mut w.volumes).push(disk);
    });
    for goal in [KEEP, SNAPSHOT, BOTH] {
        let end = reach(&wanted(), world.clone(), goal, &mut Counter::after(0x100));
        let Goal::Gone(leave) = goal else { panic!() };
        assert_eq!(end.volumes.all().len(), if leave.volume { 2 } else { 0 });
        assert_eq!(end.snapshots.all().len(), if leave.snapshot { 2 } else { 0 });
    }
}

#[test]
fn the_twins_go_too_whoever_made_them() {
    let world = but(|w| {
        there(&mut w.vpcs).push(twin_vpc("vpc-99999999", OTHER));
        there(&mut w.subnets).push(twin_subnet("subnet-99999999", "vpc-99999999", OTHER));
        there(&mut w.gateways).push(twin_gateway("igw-99999999", Some("vpc-99999999"), OTHER));
    });
    let end = reach(&wanted(), world, GONE, &mut Counter::after(0x100));
    assert!(!of_ours(&end, GONE));
}

#[test]
fn policies_of_others_go_with_our_role() {
    let world = but(|w| {
        role(w).managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
        role(w).inline.insert("mine".to_owned(), serde_json::json!({}));
    });
    let plan = plan(&wanted(), &world, GONE);
    let last = plan.steps.iter().rposition(|s| matches!(s.step, Step::DeleteRole { .. })).unwrap();
    let detached = plan.steps[..last]
        .iter()
        .filter(|s| matches!(s.step, Step::DetachManagedPolicy { .. } | Step::DeleteInlinePolicy { .. }));
    assert_eq!(detached.count(), 4);
}
