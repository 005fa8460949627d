//! Another type, and a larger or faster volume.

use super::fixture::*;
use crate::machine::{
    Desired, Fact, Leeway, Modification, ModificationState, Observed, Offer, Power, Quota, Reservation,
    TAG_RESIZE, Why,
};
use crate::plan::{Goal, Step, decide, plan};

/// A machine that is `m8g.large` while the settings want `m8g.xlarge`.
fn smaller(change: impl FnOnce(&mut Observed)) -> Observed {
    but(|world| {
        let it = instance(world);
        it.instance_type = id("m8g.large");
        it.vcpus = 2;
        world.leeway = Fact::Present(Leeway { may_reserve: true, ..Leeway::default() });
        change(world);
    })
}

/// The same, begun and then off.
fn begun(change: impl FnOnce(&mut Observed)) -> Observed {
    smaller(|world| {
        world.leeway = Fact::NOT_LOOKED;
        world.agent = Fact::Absent;
        let it = instance(world);
        it.power = Power::Stopped;
        it.tags.insert(TAG_RESIZE.to_owned(), "m8g.large".to_owned());
        change(world);
    })
}

fn held(instance_type: &str) -> Fact<Vec<Reservation>> {
    let (instance_type, zone) = (id(instance_type), "us-west-2a".to_owned());
    Fact::Present(vec![Reservation { id: id("cr-00000009"), instance_type, zone, active: true, free: true }])
}

fn alternate(name: &str, zone: &str) -> Offer {
    Offer {
        instance_type: id(name),
        architecture: "arm64".to_owned(),
        vcpus: 4,
        memory_mib: 16384,
        zones: [zone.to_owned()].into(),
    }
}

fn with_quota(limit: u32, used: u32) -> Fact<Leeway> {
    let quota = Some(Quota { limit, used });
    Fact::Present(Leeway { may_reserve: true, quota, ..Leeway::default() })
}

#[test]
fn another_type() {
    let cases = vec![
        ("running", smaller(|_| {})),
        ("nothing may be held", smaller(|w| there(&mut w.leeway).may_reserve = false)),
        (
            "what is held cannot be seen",
            smaller(|w| w.reservations = Fact::Unknown(Why::Denied("it".to_owned()))),
        ),
        ("held already", smaller(|w| w.reservations = held("m8g.xlarge"))),
        ("something else is held", smaller(|w| w.reservations = held("m8g.2xlarge"))),
        ("the quota has no room for both at once", smaller(|w| w.leeway = with_quota(5, 2))),
        ("just starting", smaller(|w| instance(w).power = Power::Pending)),
        ("off", smaller(|w| instance(w).power = Power::Stopped)),
        ("on its way off", smaller(|w| instance(w).power = Power::Stopping)),
        ("AWS has none free", smaller(|w| _ = w.short.insert(id("m8g.xlarge")))),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # running
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 + Hold one m8g.xlarge in us-west-2a [$0.17952 an hour] costs
    2 ~ Mark i-00000001 as changing
    3 ~ Stop i-00000001 [-$69.17] interrupts
    5 ~ Make i-00000001 an m8g.xlarge costs
    6 ~ Start i-00000001 [+$134.70] costs
    8 - Held capacity (new)
    8 ~ Take the mark off i-00000001

    # nothing may be held
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$69.17] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 ~ Take the mark off i-00000001

    # what is held cannot be seen
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$69.17] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 ~ Take the mark off i-00000001

    # held already
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$69.17] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 - Held capacity cr-00000009
    6 ~ Take the mark off i-00000001

    # something else is held
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 - Held capacity cr-00000009
    1 + Hold one m8g.xlarge in us-west-2a [$0.17952 an hour] costs
    3 ~ Mark i-00000001 as changing
    4 ~ Stop i-00000001 [-$69.17] interrupts
    6 ~ Make i-00000001 an m8g.xlarge costs
    7 ~ Start i-00000001 [+$134.70] costs
    9 - Held capacity (new)
    9 ~ Take the mark off i-00000001

    # the quota has no room for both at once
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$69.17] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 ~ Take the mark off i-00000001

    # just starting
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    waits for the machine to start
    1 + Hold one m8g.xlarge in us-west-2a [$0.17952 an hour] costs
    3 ~ Mark i-00000001 as changing
    4 ~ Stop i-00000001 [-$69.17] interrupts
    6 ~ Make i-00000001 an m8g.xlarge costs
    7 ~ Start i-00000001 [+$134.70] costs
    9 - Held capacity (new)
    9 ~ Take the mark off i-00000001

    # off
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Make i-00000001 an m8g.xlarge costs

    # on its way off
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    waits for the machine to stop
    1 ~ Make i-00000001 an m8g.xlarge costs

    # AWS has none free
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    note: NoCapacity { is: "m8g.large" }
    "#);
}

#[test]
fn another_type_that_cannot_be() {
    let offer = |w: &mut Observed, change: &dyn Fn(&mut Offer)| change(there(&mut w.offer));
    let cases = vec![
        ("of another architecture", smaller(|w| offer(w, &|o| o.architecture = "x86_64".to_owned()))),
        ("not in the zone", smaller(|w| offer(w, &|o| o.zones = ["us-west-2c".to_owned()].into()))),
        ("not in the region", smaller(|w| w.offer = Fact::Absent)),
        (
            "not seen",
            smaller(|w| w.offer = Fact::Unknown(Why::Denied("ec2:DescribeInstanceTypes".to_owned()))),
        ),
        ("not permitted", smaller(|w| there(&mut w.leeway).denied = vec!["ec2:StopInstances".to_owned()])),
        ("beyond the quota", smaller(|w| w.leeway = with_quota(3, 2))),
        (
            "of another architecture, and begun",
            begun(|w| offer(w, &|o| o.architecture = "x86_64".to_owned())),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @r#"
    # of another architecture
    blocked: OtherArchitecture { is: "arm64", wanted: "x86_64" }

    # not in the zone
    blocked: TypeNotInZone { zone: "us-west-2a" }

    # not in the region
    blocked: NoSuchType

    # not seen
    blocked: CannotSee { what: "instance types", why: Denied("ec2:DescribeInstanceTypes") }

    # not permitted
    blocked: MayNotResize { actions: ["ec2:StopInstances"] }

    # beyond the quota
    blocked: Quota { limit: 3, used: 2, more: 2 }

    # of another architecture, and begun
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Start i-00000001 [+$69.17] costs
    2 ~ Take the mark off i-00000001
    "#);
}

#[test]
fn an_interrupted_change_goes_on() {
    let on = |w: &mut Observed| instance(w).power = Power::Running;
    let cases = vec![
        ("marked, and on", begun(on)),
        ("on its way off", begun(|w| instance(w).power = Power::Stopping)),
        ("off", begun(|_| {})),
        ("off, and held", begun(|w| w.reservations = held("m8g.xlarge"))),
        ("off, and changed", begun(|w| instance(w).instance_type = id("m8g.xlarge"))),
        (
            "on again",
            begun(|w| {
                on(w);
                instance(w).instance_type = id("m8g.xlarge");
                w.reservations = held("m8g.xlarge");
            }),
        ),
        ("on again, and no longer marked", but(|w| w.reservations = held("m8g.xlarge"))),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @"
    # marked, and on
    0 ~ Stop i-00000001 [-$69.17] interrupts
    2 ~ Make i-00000001 an m8g.xlarge costs
    3 ~ Start i-00000001 [+$134.70] costs
    5 ~ Take the mark off i-00000001

    # on its way off
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    waits for the machine to stop
    1 ~ Make i-00000001 an m8g.xlarge costs
    2 ~ Start i-00000001 [+$134.70] costs
    4 ~ Take the mark off i-00000001

    # off
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Make i-00000001 an m8g.xlarge costs
    1 ~ Start i-00000001 [+$134.70] costs
    3 ~ Take the mark off i-00000001

    # off, and held
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Make i-00000001 an m8g.xlarge costs
    1 ~ Start i-00000001 [+$134.70] costs
    3 - Held capacity cr-00000009
    3 ~ Take the mark off i-00000001

    # off, and changed
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Start i-00000001 [+$134.70] costs
    2 ~ Take the mark off i-00000001

    # on again
    0 - Held capacity cr-00000009
    0 ~ Take the mark off i-00000001

    # on again, and no longer marked
    0 - Held capacity cr-00000009
    ");
}

#[test]
fn without_capacity_something_else_starts() {
    let desired =
        Desired { alternates: vec![id("m7g.xlarge"), id("c8g.xlarge"), id("m6g.xlarge")], ..wanted() };
    let short = |types: &[&str]| {
        begun(|w| {
            let it = instance(w);
            it.instance_type = id("m8g.xlarge");
            w.short = types.iter().map(|name| id(name)).collect();
            // The second is in another zone, and the third not in the region.
            let (one, two) = (alternate("m7g.xlarge", "us-west-2a"), alternate("c8g.xlarge", "us-west-2b"));
            w.alternates = Fact::Present(vec![one, two]);
        })
    };
    let first = |world: &Observed| {
        let next = decide(&desired, world, Goal::Settings);
        assert!(next.blocked.is_empty());
        let ready: Vec<String> = next.ready.iter().map(|step| step.words().what).collect();
        let waiting: Vec<&str> = next.waiting.iter().map(|waiting| waiting.words()).collect();
        format!("{} {}", ready.join(", "), waiting.join(", "))
    };
    insta::assert_snapshot!(first(&short(&[])), @"Start i-00000001 ");
    insta::assert_snapshot!(first(&short(&["m8g.xlarge"])), @"Make i-00000001 an m7g.xlarge");
    insta::assert_snapshot!(first(&short(&["m8g.xlarge", "m7g.xlarge"])), @"Make i-00000001 an m8g.large");
    insta::assert_snapshot!(first(&short(&["m8g.xlarge", "m7g.xlarge", "m8g.large"])), @" AWS to have a machine free; this one is off until then");
    // It starts as what it is to be for now, and the note says so.
    let mut world = short(&["m8g.xlarge", "m7g.xlarge"]);
    for _ in 0..4 {
        let next = decide(&desired, &world, Goal::Settings);
        for step in &next.ready {
            world = world.after(&desired, step, None);
        }
        if next.ready.is_empty() {
            world = world.settled_after(&next.waiting);
        }
    }
    insta::assert_snapshot!(show(&desired, &world, Goal::Settings), @r#"
    drift: i-00000001 is m8g.large, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    note: NoCapacity { is: "m8g.large" }
    "#);
    assert_eq!(instance(&mut world).power, Power::Running);
    assert!(!instance(&mut world).tags.contains_key(TAG_RESIZE));
}

#[test]
fn whoever_connects_starts_what_there_is() {
    let ready = |world: &Observed| decide(&wanted(), world, Goal::Reachable).ready;
    let it = || id("i-00000001");
    let changed = |short: &[&str]| {
        begun(|w| {
            instance(w).instance_type = id("m8g.xlarge");
            w.short = short.iter().map(|name| id(name)).collect();
        })
    };
    assert_eq!(ready(&begun(|_| {})), [Step::Start { instance: it() }]);
    assert_eq!(ready(&changed(&[])), [Step::Start { instance: it() }]);
    assert_eq!(ready(&changed(&["m8g.xlarge"])), [Step::SetType { instance: it(), to: id("m8g.large") }]);
    let none = changed(&["m8g.xlarge", "m8g.large"]);
    insta::assert_snapshot!(show(&wanted(), &none, Goal::Reachable), @r#"blocked: NoCapacity { instance_type: "m8g.xlarge" }"#);
    let off = but(|w| {
        instance(w).power = Power::Stopped;
        w.short.insert(id("m8g.xlarge"));
    });
    insta::assert_snapshot!(show(&wanted(), &off, Goal::Reachable), @r#"blocked: NoCapacity { instance_type: "m8g.xlarge" }"#);
}

#[test]
fn volumes() {
    let modifying = |state| Fact::Present(Modification { state, began: None, progress: 0 });
    let larger = Desired { volume_size: 200, volume_iops: 6000, volume_throughput: 250, ..wanted() };
    let cases = vec![
        ("larger and faster", whole()),
        ("larger, being made so", but(|w| volume(w).modification = modifying(ModificationState::Modifying))),
        (
            "after a change that failed",
            but(|w| volume(w).modification = modifying(ModificationState::Failed)),
        ),
        (
            "as wanted",
            but(|w| {
                let volume = volume(w);
                (volume.size, volume.iops, volume.throughput) = (200, Some(6000), Some(250));
            }),
        ),
        ("larger than wanted", but(|w| volume(w).size = 300)),
        ("of a kind without speeds", but(|w| (volume(w).iops, volume(w).throughput) = (None, None))),
        ("of an instance that is off", but(|w| instance(w).power = Power::Stopped)),
    ];
    insta::assert_snapshot!(show_cases(&larger, Goal::Settings, cases), @"
    # larger and faster
    0 ~ Make vol-00000001 200 GiB, 6000 IOPS, 250 MiB/s [+$28.00] costs

    # larger, being made so
    waits for the volume to grow
    1 ~ Make vol-00000001 200 GiB, 6000 IOPS, 250 MiB/s [+$28.00] costs

    # after a change that failed
    0 ~ Make vol-00000001 200 GiB, 6000 IOPS, 250 MiB/s [+$28.00] costs

    # as wanted
    nothing to do

    # larger than wanted
    drift: vol-00000001 has 300 GiB, not 200 (Aws right: a volume never shrinks: set volume_size to what it has)
    0 ~ Make vol-00000001 300 GiB, 6000 IOPS, 250 MiB/s [+$20.00] costs

    # of a kind without speeds
    0 ~ Make vol-00000001 200 GiB costs

    # of an instance that is off
    drift: i-00000001 is off, and this computer did not stop it (You right: start switches it on)
    0 ~ Make vol-00000001 200 GiB, 6000 IOPS, 250 MiB/s [+$28.00] costs
    ");
}

#[test]
fn held_capacity_goes_with_the_machine() {
    let world = but(|w| w.reservations = held("m8g.xlarge"));
    let steps = plan(&wanted(), &world, GONE).steps;
    assert!(steps.iter().any(|planned| planned.step == Step::Release { reservation: id("cr-00000009") }));
}
