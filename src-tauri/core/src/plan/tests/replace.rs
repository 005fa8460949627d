//! Another instance in the place of the one that is there.

use std::fmt::Write;

use super::fixture::*;
use crate::machine::{
    Desired, Fact, Instance, LAST_HOME, Observed, Power, Snapshot, SnapshotProgress, TAG_CARRIED, TAG_COPY,
    TAG_FINAL, TAG_HOME, TAG_REPLACES, TAG_RESIZE, TAG_RETIRED, Tags, Volume,
};
use crate::names::SnapshotId;
use crate::plan::{Goal, Keep, Step, Swap, begins_at, decide, is_done, needs_one_of, plan, swap};

pub(crate) const OLD: &str = "i-00000001";
pub(crate) const NEW: &str = "i-00000002";

/// A machine whose successor is there: on, with an agent.
pub(crate) fn begun(home: &str, change: impl FnOnce(&mut Observed)) -> Observed {
    but(|world| {
        let old = instance(world).clone();
        let mut tags = old.tags.clone();
        tags.insert(TAG_REPLACES.to_owned(), OLD.to_owned());
        tags.insert(TAG_HOME.to_owned(), home.to_owned());
        let mut root = old.root.clone().unwrap();
        root.id = id("vol-00000002");
        let disk = there(&mut world.volumes)[0].clone();
        there(&mut world.volumes).push(Volume { id: root.id.clone(), attached: Some(id(NEW)), ..disk });
        there(&mut world.instances).push(Instance {
            id: id(NEW),
            token: Some("another".to_owned()),
            root: Some(root),
            tags,
            ..old
        });
        world.newcomer = Fact::Present(());
        change(world);
    })
}

/// The same, with the old one off and its last state kept.
pub(crate) fn with_snapshot(progress: SnapshotProgress, change: impl FnOnce(&mut Observed)) -> Observed {
    begun(LAST_HOME, |world| {
        the(world, OLD).power = Power::Stopped;
        there(&mut world.snapshots).push(snapshot("snap-00000001", progress));
        change(world);
    })
}

fn with_copy(attached: Option<&str>, change: impl FnOnce(&mut Observed)) -> Observed {
    with_snapshot(SnapshotProgress::Complete, |world| {
        there(&mut world.volumes).push(copy("snap-00000001", attached));
        change(world);
    })
}

pub(crate) fn snapshot(name: &str, progress: SnapshotProgress) -> Snapshot {
    Snapshot {
        id: id(name),
        volume: Some(id("vol-00000001")),
        size: 100,
        bytes: None,
        taken: Some("2026-11-03T10:00:00Z".to_owned()),
        progress,
        tags: Tags::from([
            (TAG_FINAL.to_owned(), OLD.to_owned()),
            ("holdfast:machine".to_owned(), wanted().key()),
        ]),
    }
}

fn copy(of: &str, attached: Option<&str>) -> Volume {
    let world = whole();
    Volume {
        id: id("vol-00000003"),
        of: Some(id(of)),
        attached: attached.map(id),
        tags: [
            (TAG_COPY.to_owned(), NEW.to_owned()),
            ("holdfast:machine".to_owned(), wanted().key()),
            ("holdfast:owner".to_owned(), me().to_string()),
        ]
        .into(),
        ..world.volumes.all()[0].clone()
    }
}

pub(crate) fn the<'a>(world: &'a mut Observed, name: &str) -> &'a mut Instance {
    there(&mut world.instances).iter_mut().find(|i| i.id.as_str() == name).unwrap()
}

pub(crate) fn carried(world: &mut Observed) {
    the(world, NEW).tags.insert(TAG_CARRIED.to_owned(), "snap-00000001".to_owned());
}

#[test]
fn from_the_beginning_to_the_end() {
    let restored = Desired { home_from: Some(id("snap-00000009")), ..wanted() };
    let with_it = but(|world| {
        there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
    });
    let mut text = show_cases(
        &wanted(),
        Goal::Replaced,
        vec![
            ("on", whole()),
            ("off", but(|world| instance(world).power = Power::Stopped)),
            (
                "between two types",
                but(|world| {
                    instance(world).tags.insert(TAG_RESIZE.to_owned(), "m8g.large".to_owned());
                }),
            ),
        ],
    );
    text += &show_cases(
        &restored,
        Goal::Replaced,
        vec![("an older state", with_it.clone()), ("that is not there", whole())],
    );
    let mut gone = with_it;
    there(&mut gone.instances).clear();
    there(&mut gone.volumes).clear();
    text += &show_cases(&restored, Goal::Settings, vec![("of a machine that is gone", gone)]);
    insta::assert_snapshot!(text, @r#"
    # on
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    3 ~ Stop i-00000001 [-$134.70] interrupts
    5 + Final snapshot of vol-00000001 costs
    7 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    8 ~ Attach it to the new instance
    9 ~ Put the home of the new snapshot on the new instance
    10 ~ Let the new instance take the place of i-00000001
    10 ~ Detach volume of the home
    11 - Volume of the home [-$8.00]

    # off
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    3 + Final snapshot of vol-00000001 costs
    5 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    6 ~ Attach it to the new instance
    7 ~ Put the home of the new snapshot on the new instance
    8 ~ Let the new instance take the place of i-00000001
    8 ~ Detach volume of the home
    9 - Volume of the home [-$8.00]

    # between two types
    0 ~ Take the mark off i-00000001
    1 ~ Count instance generation 1
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    4 ~ Stop i-00000001 [-$134.70] interrupts
    6 + Final snapshot of vol-00000001 costs
    8 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    9 ~ Attach it to the new instance
    10 ~ Put the home of the new snapshot on the new instance
    11 ~ Let the new instance take the place of i-00000001
    11 ~ Detach volume of the home
    12 - Volume of the home [-$8.00]
    # an older state
    0 ~ Count instance generation 1
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    3 + Volume of snap-00000009 in us-west-2a [+$8.00] costs
    4 ~ Attach it to the new instance
    5 ~ Put the home of snap-00000009 on the new instance
    6 ~ Stop i-00000001 [-$134.70] interrupts
    8 ~ Let the new instance take the place of i-00000001
    8 ~ Detach volume of the home
    9 - Volume of the home [-$8.00]

    # that is not there
    blocked: NoSnapshot { snapshot: "snap-00000009" }
    # of a machine that is gone
    0 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    2 + Volume of snap-00000009 in us-west-2a [+$8.00] costs
    3 ~ Attach it to the new instance
    4 ~ Put the home of snap-00000009 on the new instance
    5 ~ Detach volume of the home
    6 - Volume of the home [-$8.00]
    "#);
}

#[test]
fn whoever_looks_goes_on_where_it_was_interrupted() {
    let cases = vec![
        ("the new one starts", begun(LAST_HOME, |w| the(w, NEW).power = Power::Pending)),
        ("its agent has not called", begun(LAST_HOME, |w| w.newcomer = Fact::Absent)),
        ("it is on", begun(LAST_HOME, |_| {})),
        ("somebody stopped it", begun(LAST_HOME, |w| the(w, NEW).power = Power::Stopped)),
        ("the old one goes off", begun(LAST_HOME, |w| the(w, OLD).power = Power::Stopping)),
        ("the old one is off", begun(LAST_HOME, |w| the(w, OLD).power = Power::Stopped)),
        ("the snapshot is being copied", with_snapshot(SnapshotProgress::Pending, |_| {})),
        ("the snapshot failed", with_snapshot(SnapshotProgress::Failed, |_| {})),
        ("the snapshot is whole", with_snapshot(SnapshotProgress::Complete, |_| {})),
        (
            "the old one was on again since",
            with_snapshot(SnapshotProgress::Complete, |w| {
                the(w, OLD).launched = Some("2026-11-04T10:00:00Z".to_owned());
            }),
        ),
        (
            "the old one is on again",
            with_copy(Some(NEW), |w| {
                carried(w);
                let old = the(w, OLD);
                (old.power, old.launched) = (Power::Running, Some("2026-11-04T10:00:00Z".to_owned()));
            }),
        ),
        (
            "and off again",
            with_copy(Some(NEW), |w| {
                carried(w);
                the(w, OLD).launched = Some("2026-11-04T10:00:00Z".to_owned());
            }),
        ),
        ("the copy is there", with_copy(None, |_| {})),
        ("the copy is attached", with_copy(Some(NEW), |_| {})),
        ("the home is over", with_copy(Some(NEW), carried)),
        ("the copy is detached", with_copy(None, carried)),
        ("the copy is gone", with_snapshot(SnapshotProgress::Complete, carried)),
        ("the old one is gone", with_copy(Some(NEW), |w| the(w, OLD).power = Power::Terminated)),
        (
            "the old one and its snapshot are gone",
            begun(LAST_HOME, |w| the(w, OLD).power = Power::Terminated),
        ),
        ("the new one is gone", begun(LAST_HOME, |w| the(w, NEW).power = Power::Terminated)),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # the new one starts
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    waits for the machine to start
    1 ~ Stop i-00000001 [-$134.70] interrupts
    3 + Final snapshot of vol-00000001 costs
    5 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    6 ~ Attach it to i-00000002
    7 ~ Put the home of the new snapshot on i-00000002
    8 ~ Let i-00000002 take the place of i-00000001
    8 ~ Detach volume of the home
    9 - Volume of the home [-$8.00]

    # its agent has not called
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    waits for the machine's agent to answer
    1 ~ Stop i-00000001 [-$134.70] interrupts
    3 + Final snapshot of vol-00000001 costs
    5 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    6 ~ Attach it to i-00000002
    7 ~ Put the home of the new snapshot on i-00000002
    8 ~ Let i-00000002 take the place of i-00000001
    8 ~ Detach volume of the home
    9 - Volume of the home [-$8.00]

    # it is on
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Stop i-00000001 [-$134.70] interrupts
    2 + Final snapshot of vol-00000001 costs
    4 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    5 ~ Attach it to i-00000002
    6 ~ Put the home of the new snapshot on i-00000002
    7 ~ Let i-00000002 take the place of i-00000001
    7 ~ Detach volume of the home
    8 - Volume of the home [-$8.00]

    # somebody stopped it
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Start i-00000002 [+$134.70] costs
    2 ~ Stop i-00000001 [-$134.70] interrupts
    4 + Final snapshot of vol-00000001 costs
    6 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    7 ~ Attach it to i-00000002
    8 ~ Put the home of the new snapshot on i-00000002
    9 ~ Let i-00000002 take the place of i-00000001
    9 ~ Detach volume of the home
    10 - Volume of the home [-$8.00]

    # the old one goes off
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    waits for the machine to stop
    1 + Final snapshot of vol-00000001 costs
    3 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    4 ~ Attach it to i-00000002
    5 ~ Put the home of the new snapshot on i-00000002
    6 ~ Let i-00000002 take the place of i-00000001
    6 ~ Detach volume of the home
    7 - Volume of the home [-$8.00]

    # the old one is off
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 + Final snapshot of vol-00000001 costs
    2 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    3 ~ Attach it to i-00000002
    4 ~ Put the home of the new snapshot on i-00000002
    5 ~ Let i-00000002 take the place of i-00000001
    5 ~ Detach volume of the home
    6 - Volume of the home [-$8.00]

    # the snapshot is being copied
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    waits for the snapshot to be whole
    1 + Volume of snap-00000001 in us-west-2a [+$8.00] costs
    2 ~ Attach it to i-00000002
    3 ~ Put the home of snap-00000001 on i-00000002
    4 ~ Let i-00000002 take the place of i-00000001
    4 ~ Detach volume of the home
    5 - Volume of the home [-$8.00]

    # the snapshot failed
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 + Final snapshot of vol-00000001 costs
    2 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    3 ~ Attach it to i-00000002
    4 ~ Put the home of the new snapshot on i-00000002
    5 ~ Let i-00000002 take the place of i-00000001
    5 ~ Detach volume of the home
    6 - Volume of the home [-$8.00]

    # the snapshot is whole
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 + Volume of snap-00000001 in us-west-2a [+$8.00] costs
    1 ~ Attach it to i-00000002
    2 ~ Put the home of snap-00000001 on i-00000002
    3 ~ Let i-00000002 take the place of i-00000001
    3 ~ Detach volume of the home
    4 - Volume of the home [-$8.00]

    # the old one was on again since
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 + Final snapshot of vol-00000001 costs
    2 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    3 ~ Attach it to i-00000002
    4 ~ Put the home of the new snapshot on i-00000002
    5 ~ Let i-00000002 take the place of i-00000001
    5 ~ Detach volume of the home
    6 - Volume of the home [-$8.00]

    # the old one is on again
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Stop i-00000001 [-$134.70] interrupts
    2 + Final snapshot of vol-00000001 costs
    2 ~ Detach volume vol-00000003
    3 - Volume vol-00000003 [-$8.00]
    5 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    6 ~ Attach it to i-00000002
    7 ~ Put the home of the new snapshot on i-00000002
    8 ~ Let i-00000002 take the place of i-00000001
    8 ~ Detach volume of the home
    9 - Volume of the home [-$8.00]

    # and off again
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 + Final snapshot of vol-00000001 costs
    0 ~ Detach volume vol-00000003
    1 - Volume vol-00000003 [-$8.00]
    3 + Volume of the new snapshot in us-west-2a [+$8.00] costs
    4 ~ Attach it to i-00000002
    5 ~ Put the home of the new snapshot on i-00000002
    6 ~ Let i-00000002 take the place of i-00000001
    6 ~ Detach volume of the home
    7 - Volume of the home [-$8.00]

    # the copy is there
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Attach it to i-00000002
    1 ~ Put the home of snap-00000001 on i-00000002
    2 ~ Let i-00000002 take the place of i-00000001
    2 ~ Detach volume vol-00000003
    3 - Volume vol-00000003 [-$8.00]

    # the copy is attached
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Put the home of snap-00000001 on i-00000002
    1 ~ Let i-00000002 take the place of i-00000001
    1 ~ Detach volume vol-00000003
    2 - Volume vol-00000003 [-$8.00]

    # the home is over
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Let i-00000002 take the place of i-00000001
    0 ~ Detach volume vol-00000003
    1 - Volume vol-00000003 [-$8.00]

    # the copy is detached
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Let i-00000002 take the place of i-00000001
    0 - Volume vol-00000003 [-$8.00]

    # the copy is gone
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Let i-00000002 take the place of i-00000001

    # the old one is gone
    0 ~ Put the home of snap-00000001 on i-00000002
    1 ~ Detach volume vol-00000003
    2 - Volume vol-00000003 [-$8.00]

    # the old one and its snapshot are gone
    note: HomeLost { instance: "i-00000002" }

    # the new one is gone
    nothing to do
    "#);
}

/// The world after the swap.
fn swapped(change: impl FnOnce(&mut Observed)) -> Observed {
    with_snapshot(SnapshotProgress::Complete, |world| {
        carried(world);
        the(world, OLD).tags.insert(TAG_RETIRED.to_owned(), NEW.to_owned());
        change(world);
    })
}

#[test]
fn after_the_swap() {
    let world = swapped(|_| {});
    assert_eq!(world.winners(&wanted()).instance.unwrap().id.as_str(), NEW);
    let mut text = show_cases(&wanted(), Goal::Replaced, vec![("nothing more is to do", swapped(|_| {}))]);
    for (name, goal) in [
        ("it is taken back too late", Goal::Only(Keep::Incumbent)),
        ("the old one is let go", Goal::Only(Keep::Machine)),
        ("back to the old one", Goal::Only(Keep::Former)),
        ("the machine is stopped", Goal::Stopped),
        ("all of it goes", GONE),
    ] {
        text += &show_cases(&wanted(), goal, vec![(name, swapped(|_| {}))]);
    }
    let back = show_cases(
        &wanted(),
        Goal::Reachable,
        vec![(
            "the new one was ended, so the old one is the machine",
            swapped(|w| the(w, NEW).power = Power::Terminated),
        )],
    );
    text += &back;
    let cancelled = show_cases(
        &wanted(),
        Goal::Only(Keep::Incumbent),
        vec![("before the swap it is taken back", with_copy(Some(NEW), |_| {}))],
    );
    insta::assert_snapshot!(text + &cancelled, @r#"
    # nothing more is to do
    note: KeptInstance { instance: "i-00000001" }
    # it is taken back too late
    note: KeptInstance { instance: "i-00000001" }
    # the old one is let go
    note: KeptInstance { instance: "i-00000001" }
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    # back to the old one
    note: KeptInstance { instance: "i-00000001" }
    0 ~ Lift termination protection of i-00000002
    1 - Instance i-00000002 and its volume with all data [-$142.70] interrupts loses data
    # the machine is stopped
    note: KeptInstance { instance: "i-00000001" }
    0 ~ Stop i-00000002 [-$134.70] interrupts
    # all of it goes
    note: KeptInstance { instance: "i-00000001" }
    0 ~ Lift termination protection of i-00000001
    0 ~ Lift termination protection of i-00000002
    1 - Instance i-00000001 and its volume with all data [-$8.00] interrupts loses data
    1 - Instance i-00000002 and its volume with all data [-$142.70] interrupts loses data
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
    # the new one was ended, so the old one is the machine
    0 ~ Start i-00000001 [+$134.70] costs
    # before the swap it is taken back
    note: Replacing { instance: "i-00000001", by: "i-00000002" }
    0 ~ Lift termination protection of i-00000002
    0 ~ Detach volume vol-00000003
    1 - Instance i-00000002 and its volume with all data [-$142.70] interrupts loses data
    1 - Volume vol-00000003 [-$8.00]
    "#);
}

/// Nobody here saw the end of what was begun here; somebody else brought it there, or this computer just before it was killed.
#[test]
fn what_was_begun_may_be_over() {
    let is_over = |world: &Observed, home: Option<&str>, before: Option<&str>| {
        is_done(&Desired { home_from: home.map(id), ..wanted() }, world, before)
    };
    let let_go = || swapped(|world| the(world, OLD).power = Power::Terminated);
    let from_snapshot = |from: &'static str| {
        but(|world| {
            instance(world).tags.insert(TAG_HOME.to_owned(), from.to_owned());
            instance(world).tags.insert(TAG_CARRIED.to_owned(), from.to_owned());
        })
    };
    for (name, over, is) in [
        ("another has its place", is_over(&let_go(), None, Some(OLD)), true),
        ("nothing has begun", is_over(&whole(), None, Some(OLD)), false),
        ("it is on its way", is_over(&with_copy(Some(NEW), |_| {}), None, Some(OLD)), false),
        (
            "a copy is left",
            is_over(&swapped(|w| there(&mut w.volumes).push(copy("snap-00000001", None))), None, Some(OLD)),
            false,
        ),
        (
            "there was none, and it has the home",
            is_over(&from_snapshot("snap-00000001"), Some("snap-00000001"), None),
            true,
        ),
        (
            "there was none, and it has another",
            is_over(&from_snapshot("snap-00000002"), Some("snap-00000001"), None),
            false,
        ),
        (
            "what was there has that home",
            is_over(&from_snapshot("snap-00000001"), Some("snap-00000001"), Some(OLD)),
            false,
        ),
        (
            "another has its place, with another home",
            is_over(&let_go(), Some("snap-0000000f"), Some(OLD)),
            false,
        ),
        ("there is none", is_over(&empty(), Some("snap-00000001"), None), false),
        ("there is none any more", is_over(&empty(), None, Some(OLD)), false),
        ("nobody knows where it began", is_over(&whole(), None, None), false),
    ] {
        assert_eq!(over, is, "{name}");
    }
}

#[test]
fn a_run_begins_at_the_machine_unless_that_is_what_was_begun() {
    let at = |world: &Observed| begins_at(&wanted(), world).map(|id| id.to_string());
    let waits = but(|world| {
        instance(world).tags.insert(TAG_HOME.to_owned(), "snap-00000001".to_owned());
        there(&mut world.snapshots).push(snapshot("snap-00000001", SnapshotProgress::Complete));
    });
    let untidy = swapped(|world| there(&mut world.volumes).push(copy("snap-00000001", None)));
    for (name, world, machine) in [
        ("a machine", whole(), Some(OLD)),
        ("none", empty(), None),
        ("another is on its way", with_copy(Some(NEW), |_| {}), Some(OLD)),
        ("it waits for its home", waits, None),
        ("it has just got it", untidy, None),
        ("all is over", swapped(|_| {}), Some(NEW)),
    ] {
        assert_eq!(at(&world).as_deref(), machine, "{name}");
    }
}

#[test]
fn a_snapshot_that_a_home_comes_from_is_needed() {
    let other: SnapshotId = id("snap-0000000f");
    let last = with_copy(Some(NEW), |_| {});
    let known = last.snapshots.all()[0].id.clone();
    let needs = |world: &Observed, ids: &[SnapshotId]| {
        needs_one_of(&wanted(), world, ids).map(|(new, one)| (new.id.to_string(), one.clone()))
    };
    let both = [other.clone(), known.clone()];
    assert_eq!(needs(&last, &both), Some((NEW.to_owned(), known.clone())));
    assert_eq!(needs(&last, std::slice::from_ref(&other)), None);
    let over = swapped(|_| {});
    assert_eq!(needs(&over, &both), None, "it is there");
    let named = with_copy(Some(NEW), |world| {
        the(world, NEW).tags.insert(TAG_HOME.to_owned(), other.to_string());
    });
    assert_eq!(needs(&named, &both), Some((NEW.to_owned(), other)));
    // There was no machine: the one that is there waits for it.
    let first = but(|world| {
        instance(world).tags.insert(TAG_HOME.to_owned(), known.to_string());
        world.snapshots = last.snapshots.clone();
    });
    assert_eq!(needs(&first, &both), Some((OLD.to_owned(), known)));
}

/// From every point of the way the goal is reached, and up to the swap the old one is whole.
#[test]
fn whatever_interrupts_it_nothing_is_lost() {
    let mut cases = 0;
    let preview = plan(&wanted(), &whole(), Goal::Replaced).steps.len();
    for stop in 0..=preview {
        let (back, let_go) = (Goal::Only(Keep::Incumbent), Goal::Only(Keep::Machine));
        for goal in [Goal::Replaced, Goal::Settings, back, let_go, Goal::Reachable] {
            let (mut world, mut ids) = (whole(), Counter::after(1));
            let mut done = 0;
            'way: for _ in 0..64 {
                let next = decide(&wanted(), &world, Goal::Replaced);
                if next.ready.is_empty() {
                    world = world.settled_after(&next.waiting);
                }
                for step in &next.ready {
                    if done == stop {
                        break 'way;
                    }
                    world = perform(&wanted(), world, step, &mut ids);
                    done += 1;
                }
            }
            let swapped = world.winners(&wanted()).instance.unwrap().id.as_str() != OLD;
            let end = reach(&wanted(), world, goal, &mut ids);
            let machine = end.winners(&wanted()).instance.unwrap();
            let old = end.instances.all().iter().find(|i| i.id.as_str() == OLD).unwrap();
            let gone = goal == let_go && swapped;
            assert_eq!(old.power == Power::Terminated, gone, "{goal:?} after {stop} steps");
            let home = |i: &Instance| i.tags.contains_key(TAG_CARRIED) || i.id.as_str() == OLD;
            assert!(home(machine), "{goal:?} after {stop} steps: {machine:?}");
            let copies = end.volumes.all().iter().filter(|v| v.tags.contains_key(TAG_COPY)).count();
            let new = end.instances.all().iter().find(|i| i.id.as_str() == NEW);
            let taken_back = new.is_none_or(|new| new.power == Power::Terminated);
            assert_eq!(taken_back, goal == back && !swapped || new.is_none(), "{goal:?} after {stop} steps");
            let leaves = goal == Goal::Reachable || (goal == let_go && !swapped);
            assert!(copies == 0 || leaves, "{goal:?} after {stop} steps: {copies} copies");
            cases += 1;
        }
    }
    println!("{cases} cases: {preview} steps of a replacement, left at each, five ways on");
}

#[test]
fn what_is_made_twice_is_one() {
    let run = |world: &Observed| {
        let next = decide(&wanted(), world, Goal::Replaced);
        let step = next.ready.into_iter().find(|step| matches!(step, Step::RunInstance(_)));
        match step {
            Some(Step::RunInstance(run)) => run.token,
            step => panic!("{step:?}"),
        }
    };
    let counted = reach_generation(whole());
    assert_eq!(run(&counted), run(&counted.clone()));
    assert_ne!(Some(run(&counted)), counted.instances.all()[0].token);
}

/// The old one's token is spent, so the generation is counted up first.
fn reach_generation(world: Observed) -> Observed {
    let next = decide(&wanted(), &world, Goal::Replaced);
    assert!(matches!(next.ready[..], [Step::NextGeneration { .. }]), "{next:?}");
    perform(&wanted(), world, &next.ready[0], &mut Counter::after(1))
}

#[test]
fn what_can_be_asked_for_about_the_place() {
    let replaced = |change: fn(&mut Observed)| {
        with_snapshot(SnapshotProgress::Complete, |world| {
            carried(world);
            the(world, OLD).tags.insert(TAG_RETIRED.to_owned(), NEW.to_owned());
            change(world);
        })
    };
    let alone = |home: &str| {
        begun(home, |world| {
            there(&mut world.instances).retain(|i| i.id.as_str() == NEW);
            there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
        })
    };
    let mut gone = whole();
    there(&mut gone.instances).clear();
    let mut unseen = whole();
    unseen.instances = Fact::NOT_LOOKED;
    let restored = Desired { home_from: Some(id("snap-00000009")), ..wanted() };
    let mut text = String::new();
    for (name, world) in [
        ("a machine", whole()),
        ("no machine", gone),
        ("instances not to be seen", unseen),
        ("a successor on its way", begun(LAST_HOME, |_| {})),
        ("one with the home of a snapshot", begun("snap-00000009", |_| {})),
        ("an instance that is kept", replaced(|_| {})),
        (
            "one that is kept, and a copy is left",
            replaced(|world| there(&mut world.volumes).push(copy("snap-00000001", None))),
        ),
        ("one that is kept and ends", replaced(|world| the(world, OLD).power = Power::ShuttingDown)),
        ("a machine that waits for the home of a snapshot", alone("snap-00000009")),
        ("a machine that waits for another home", alone(LAST_HOME)),
    ] {
        let _ = writeln!(text, "# {name}");
        for (word, desired, asked) in [
            ("replace", &wanted(), Swap::Replace),
            ("restore", &restored, Swap::Replace),
            ("go on", &wanted(), Swap::GoOn),
            ("take back", &wanted(), Swap::TakeBack),
            ("let go", &wanted(), Swap::LetGo),
            ("go back", &wanted(), Swap::GoBack),
        ] {
            let _ = match swap(desired, &world, asked) {
                Ok(goal) => writeln!(text, "{word}: {goal:?}"),
                Err(why) => writeln!(text, "{word}: {}", why.words(desired)),
            };
        }
    }
    insta::assert_snapshot!(text, @"
    # a machine
    replace: Replaced
    restore: Replaced
    go on: No replacement is under way
    take back: No replacement is under way
    let go: No instance is kept
    go back: No instance is kept
    # no machine
    replace: There is no machine remote-dev yet
    restore: Settings
    go on: There is no machine remote-dev yet
    take back: There is no machine remote-dev yet
    let go: There is no machine remote-dev yet
    go back: There is no machine remote-dev yet
    # instances not to be seen
    replace: Replaced
    restore: Replaced
    go on: No replacement is under way
    take back: No replacement is under way
    let go: No instance is kept
    go back: No instance is kept
    # a successor on its way
    replace: Replaced
    restore: i-00000002 is on its way already, with another home
    go on: Replaced
    take back: Only(Incumbent)
    let go: No instance is kept
    go back: No instance is kept
    # one with the home of a snapshot
    replace: Replaced
    restore: Replaced
    go on: Replaced
    take back: Only(Incumbent)
    let go: No instance is kept
    go back: No instance is kept
    # an instance that is kept
    replace: i-00000001 was replaced, and is still kept
    restore: i-00000001 was replaced, and is still kept
    go on: No replacement is under way
    take back: No replacement is under way
    let go: Only(Machine)
    go back: Only(Former)
    # one that is kept, and a copy is left
    replace: Settings
    restore: i-00000001 was replaced, and is still kept
    go on: Settings
    take back: No replacement is under way
    let go: Only(Machine)
    go back: Only(Former)
    # one that is kept and ends
    replace: Replaced
    restore: Replaced
    go on: No replacement is under way
    take back: No replacement is under way
    let go: No instance is kept
    go back: No instance is kept
    # a machine that waits for the home of a snapshot
    replace: Settings
    restore: Settings
    go on: Settings
    take back: No replacement is under way
    let go: No instance is kept
    go back: No instance is kept
    # a machine that waits for another home
    replace: Settings
    restore: i-00000002 is on its way already, with another home
    go on: Settings
    take back: No replacement is under way
    let go: No instance is kept
    go back: No instance is kept
    ");
}

#[test]
fn a_machine_that_waits_for_its_home_is_not_replaced_once_it_has_it() {
    let restored = Desired { home_from: Some(id("snap-00000009")), ..wanted() };
    let waiting = begun("snap-00000009", |world| {
        there(&mut world.instances).retain(|i| i.id.as_str() == NEW);
        there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
    });
    let goal = swap(&restored, &waiting, Swap::Replace).unwrap();
    let steps = plan(&restored, &waiting, goal).steps;
    assert!(steps.iter().any(|planned| matches!(planned.step, Step::Carry { .. })));
    assert!(!steps.iter().any(|planned| matches!(planned.step, Step::RunInstance(_))), "{steps:?}");
}
