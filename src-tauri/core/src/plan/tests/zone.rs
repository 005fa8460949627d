//! Zones: where a machine is made, and how it comes into another one.

use super::fixture::*;
use crate::machine::{Desired, Observed, Power, TAG_RETIRED};
use crate::plan::{Goal, Keep, decide, plan};

fn in_b() -> Desired {
    Desired { zone: Some(id("us-west-2b")), ..wanted() }
}

/// A machine in the first zone and all that a replacement in the second one needs, the replacement done.
fn moved() -> Observed {
    reach(&in_b(), whole(), Goal::Replaced, &mut Counter::after(8))
}

#[test]
fn where_a_machine_is_made() {
    let zone = |desired: &Desired, world: &Observed, goal| {
        let world = reach(desired, world.clone(), goal, &mut Counter::after(8));
        world.winners(desired).instance.unwrap().zone.clone()
    };
    assert_eq!(zone(&wanted(), &empty(), Goal::Settings), "us-west-2a", "the first that offers the type");
    assert_eq!(zone(&in_b(), &empty(), Goal::Settings), "us-west-2b");
    assert_eq!(zone(&in_b(), &empty(), Goal::Reachable), "us-west-2b");
    let network = powered(Power::Terminated);
    assert_eq!(zone(&wanted(), &network, Goal::Settings), "us-west-2a", "where its network is");
    assert_eq!(zone(&in_b(), &network, Goal::Settings), "us-west-2b");
    assert_eq!(zone(&in_b(), &whole(), Goal::Settings), "us-west-2a", "what is there is not moved");
    assert_eq!(zone(&in_b(), &whole(), Goal::Replaced), "us-west-2b");
    assert_eq!(zone(&wanted(), &whole(), Goal::Replaced), "us-west-2a");
    let mut elsewhere = whole();
    there(&mut elsewhere.offer).zones = ["us-west-2b".to_owned()].into();
    assert_eq!(zone(&wanted(), &elsewhere, Goal::Replaced), "us-west-2b", "where the type is offered");
}

#[test]
fn from_one_zone_to_another() {
    let mut text = show_cases(
        &in_b(),
        Goal::Settings,
        vec![("settings alone move nothing", whole()), ("moved", moved())],
    );
    text += "\n";
    text += &show_cases(
        &in_b(),
        Goal::Replaced,
        vec![
            ("replace", whole()),
            (
                "the type is not offered there",
                but(|world| there(&mut world.offer).zones = ["us-west-2a".to_owned()].into()),
            ),
            ("the network is full", but(|world| subnet(world).addresses = "10.0.0.0/16".to_owned())),
        ],
    );
    insta::assert_snapshot!(text, @r#"
    # settings alone move nothing
    note: ZoneDiffers { is: "us-west-2a" }

    # moved
    note: KeptInstance { instance: "i-00000001" }

    # replace
    note: ZoneDiffers { is: "us-west-2a" }
    0 + Subnet in us-west-2b
    1 ~ Give public addresses in the new subnet
    1 ~ Use rtb-00000001 in the new subnet
    2 ~ Count instance generation 1
    3 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    5 ~ Stop i-00000001 [-$134.70] interrupts
    7 + Final snapshot of vol-00000001 costs
    9 + Volume of the new snapshot in us-west-2b [+$8.00] costs
    10 ~ Attach it to the new instance
    11 ~ Put the home of the new snapshot on the new instance
    12 ~ Let the new instance take the place of i-00000001
    12 ~ Detach volume of the home
    13 - Volume of the home [-$8.00]

    # the type is not offered there
    blocked: TypeNotInZone { zone: "us-west-2b" }
    note: ZoneDiffers { is: "us-west-2a" }

    # the network is full
    blocked: NoAddresses { vpc: "vpc-00000001" }
    note: ZoneDiffers { is: "us-west-2a" }
    "#);
}

#[test]
fn the_zone_that_was_left_loses_its_subnet() {
    let let_go = reach(&in_b(), moved(), Goal::Only(Keep::Machine), &mut Counter::after(16));
    assert_eq!(let_go.subnets.all().len(), 2);
    let tidied = reach(&in_b(), let_go, Goal::Settings, &mut Counter::after(16));
    let zones: Vec<&str> = tidied.subnets.all().iter().map(|subnet| subnet.zone.as_str()).collect();
    assert_eq!(zones, ["us-west-2b"]);
    assert!(plan(&in_b(), &tidied, Goal::Settings).is_done());
}

#[test]
fn the_old_one_keeps_its_subnet_for_as_long_as_it_is_kept() {
    let world = moved();
    assert!(world.instances.all().iter().any(|i| i.tags.contains_key(TAG_RETIRED)));
    assert_eq!(world.subnets.all().len(), 2);
    let back = reach(&in_b(), world, Goal::Only(Keep::Former), &mut Counter::after(16));
    assert_eq!(back.winners(&in_b()).instance.unwrap().zone, "us-west-2a");
    assert!(decide(&in_b(), &back, Goal::Settings).blocked.is_empty());
    let gone = reach(&in_b(), back, GONE, &mut Counter::after(16));
    assert!(gone.subnets.all().is_empty());
}
