use proptest::prelude::*;

use super::*;
use crate::machine::{Instance, Power};
use crate::plan::tests::fixture::{but, empty, id, instance, powered, volume, wanted};
use crate::price::{Quote, Rate};

fn at(text: &str) -> u64 {
    find_moment(text).unwrap()
}

/// A machine that was made and started in the middle of November 2026.
fn fresh() -> Observed {
    but(|world| {
        instance(world).launched = Some("2026-11-11T00:00:05Z".to_owned());
        volume(world).created = Some("2026-11-11T00:00:00Z".to_owned());
        volume(world).modification = Fact::Absent;
    })
}

fn restarted() -> Observed {
    let mut world = fresh();
    instance(&mut world).launched = Some("2026-11-21T00:00:00Z".to_owned());
    world
}

fn told(cost: &Cost) -> String {
    let line = |part: &Component| {
        let amount = part.amount.map_or_else(|| "not known".to_owned(), |range| range.to_string());
        format!("  {:?} {}: {amount}; {}\n", part.part, part.what, part.basis)
    };
    let sum = |sum: &Sum| {
        let total = sum.total.map_or_else(|| "not known".to_owned(), |range| range.to_string());
        format!("{}  {total}\n", sum.parts.iter().map(line).collect::<String>())
    };
    let mut text = format!("always\n{}off\n{}", sum(&cost.always), sum(&cost.off));
    match &cost.so_far {
        Some(so_far) => {
            let known = so_far.known_from.map_or_else(|| "never".to_owned(), time::minute);
            let span = format!("{} to {}", time::minute(so_far.from), time::minute(so_far.until));
            text += &format!("{span}, known from {known}\n{}", sum(&so_far.sum));
            text.extend(so_far.assumes.iter().map(|text| format!("  assumes {text}\n")));
        }
        None => text += cost.unknown.as_deref().unwrap(),
    }
    text
}

fn total(observed: &Observed, now: &str) -> String {
    so_far(&wanted(), observed, &Fact::Absent, at(now)).unwrap().sum.total.unwrap().to_string()
}

#[test]
fn the_design_s_figures_come_out_as_components() {
    let snapshots = Fact::Present(vec![
        Stored {
            id: id("snap-0000000000000000a"),
            volume: Some(id("vol-0000000000000000a")),
            taken: 0,
            bytes: 20 * GIB,
            told: true,
        },
        Stored {
            id: id("snap-0000000000000000b"),
            volume: Some(id("vol-0000000000000000a")),
            taken: 0,
            bytes: 30 * GIB,
            told: true,
        },
    ]);
    let cost = cost(&wanted(), &fresh(), &snapshots, at("2026-11-21T00:00:05Z"));
    insta::assert_snapshot!(told(&cost), @"
    always
      Instance m8g.xlarge: $131.05; 730 h at $0.17952
      Volume 100 GiB gp3: $8.00; 100 GiB at $0.0800
      Address public IPv4: $3.65; 730 h at $0.00500
      Snapshots 2 snapshots: $1.50 to $2.50; $0.0500 a GiB; AWS bills changed blocks and does not tell how many
      $144.20 to $145.20
    off
      Volume 100 GiB gp3: $8.00; 100 GiB at $0.0800
      Snapshots 2 snapshots: $1.50 to $2.50; $0.0500 a GiB; AWS bills changed blocks and does not tell how many
      $9.50 to $10.50
    2026-11-01 00:00 UTC to 2026-11-21 00:00 UTC, known from 2026-11-01 00:00 UTC
      Instance m8g.xlarge: $43.08; on for 240.0 h
      Volume 100 GiB gp3: $2.67; by the second of a month of 30 days
      Address public IPv4: $1.20; in use for 240.0 h
      Snapshots 2 snapshots: $1.00 to $1.67; $0.0500 a GiB; AWS bills changed blocks and does not tell how many
      $47.95 to $48.62
      assumes snapshots that were deleted this month are not in it
    ");
}

#[test]
fn what_nobody_saw_is_a_gap() {
    insta::assert_snapshot!(told(&cost(&wanted(), &restarted(), &Fact::Absent, at("2026-11-26T00:00:00Z"))), @"
    always
      Instance m8g.xlarge: $131.05; 730 h at $0.17952
      Volume 100 GiB gp3: $8.00; 100 GiB at $0.0800
      Address public IPv4: $3.65; 730 h at $0.00500
      $142.70
    off
      Volume 100 GiB gp3: $8.00; 100 GiB at $0.0800
      $8.00
    2026-11-01 00:00 UTC to 2026-11-26 00:00 UTC, known from 2026-11-21 00:00 UTC
      Instance m8g.xlarge: $21.54 to $64.63; on for 120.0 to 360.0 h
      Volume 100 GiB gp3: $4.00; by the second of a month of 30 days
      Address public IPv4: $0.60 to $1.80; in use for 120.0 to 360.0 h
      $26.14 to $70.43
      assumes where nobody saw it, it was off at the least and on all the time at the most
    ");
}

#[test]
fn a_record_of_this_computer_closes_gaps() {
    let mut history = History::default();
    history.see(&wanted(), &fresh(), at("2026-11-13T00:00:00Z"));
    let mut off = fresh();
    instance(&mut off).power = Power::Stopped;
    instance(&mut off).public_address = false;
    instance(&mut off).transition = Some("User initiated (2026-11-14 00:00:05 GMT)".to_owned());
    history.see(&wanted(), &off, at("2026-11-21T00:00:00Z"));
    let world = Observed { history, ..restarted() };
    // Three days on, then off, then five days on.
    let so_far = so_far(&wanted(), &world, &Fact::Absent, at("2026-11-26T00:00:00Z")).unwrap();
    assert_eq!(so_far.known_from, Some(so_far.from));
    assert_eq!(so_far.sum.parts[0].basis, "on for 192.0 h");
    assert_eq!(so_far.sum.parts[0].amount.unwrap(), Range::exactly(Money::from_micros(179_520 * 192)));
}

#[test]
fn a_stop_without_its_moment_is_a_gap_until_somebody_saw_it_off() {
    let mut history = History::default();
    history.see(&wanted(), &fresh(), at("2026-11-12T00:00:05Z"));
    let mut off = fresh();
    instance(&mut off).power = Power::Stopped;
    instance(&mut off).transition = Some("Server.SpotInstanceShutdown".to_owned());
    let world = Observed { history, ..off };
    let so_far = so_far(&wanted(), &world, &Fact::Absent, at("2026-11-13T00:00:05Z")).unwrap();
    assert_eq!(so_far.sum.parts[0].basis, "on for 24.0 to 48.0 h");
    assert_eq!(so_far.known_from, None);
}

/// The moment that a terminated instance tells is that of its end, and it may have been off for long.
#[test]
fn a_machine_that_was_removed_this_month_counts_as_far_as_it_was_seen() {
    let mut gone = powered(Power::Terminated);
    instance(&mut gone).launched = Some("2026-11-11T00:00:05Z".to_owned());
    instance(&mut gone).transition = Some("User initiated (2026-11-13 00:00:05 GMT)".to_owned());
    let mut history = History::default();
    history.see(&wanted(), &fresh(), at("2026-11-12T00:00:05Z"));
    history.see(&wanted(), &gone, at("2026-11-13T00:01:00Z"));
    let basis = |history: &History| {
        let world = Observed { history: history.clone(), instances: Fact::Present(vec![]), ..empty() };
        let so_far = so_far(&wanted(), &world, &Fact::Absent, at("2026-11-29T00:00:00Z")).unwrap();
        (so_far.sum.parts[0].basis.clone(), so_far.sum.total.unwrap().to_string())
    };
    let seen = basis(&history);
    assert_eq!(seen.0, "on for 24.0 to 48.0 h");
    assert_eq!(basis(&history), seen, "it costs no more as time goes on");
    // Nobody was there when it went: it may be gone since it was last seen, or since now.
    let mut history = History::default();
    history.see(&wanted(), &fresh(), at("2026-11-12T00:00:05Z"));
    assert_eq!(basis(&history).0, "on for 24.0 to 432.0 h");
}

#[test]
fn months_are_those_of_utc() {
    let mut world = fresh();
    instance(&mut world).launched = Some("2026-10-20T00:00:00Z".to_owned());
    volume(&mut world).created = Some("2026-10-19T23:59:58Z".to_owned());
    // A whole November: 720 hours of instance and address, one volume.
    assert_eq!(total(&world, "2026-11-30T23:59:59Z"), "$140.85");
    assert_eq!(total(&world, "2026-12-01T00:00:00Z"), "$0.00");
    assert_eq!(total(&world, "2026-12-01T01:00:00Z"), "$0.20");
}

#[test]
fn a_run_is_billed_for_a_minute_at_least() {
    let mut world = fresh();
    instance(&mut world).power = Power::Stopped;
    instance(&mut world).transition = Some("User initiated (2026-11-11 00:00:15 GMT)".to_owned());
    let so_far = so_far(&wanted(), &world, &Fact::Absent, at("2026-11-11T01:00:00Z")).unwrap();
    assert_eq!(so_far.sum.parts[0].amount, Some(Range::exactly(Money::from_micros(179_520).part(60, 3600))));
}

#[test]
fn a_volume_that_grew_costs_what_it_was_and_what_it_is() {
    let mut history = History::default();
    history.see(&wanted(), &fresh(), at("2026-11-16T00:00:00Z"));
    let mut grown = fresh();
    volume(&mut grown).size = 200;
    let disk = |history: &History, world: &Observed| {
        let world = Observed { history: history.clone(), ..world.clone() };
        let so_far = so_far(&wanted(), &world, &Fact::Absent, at("2026-11-26T00:00:00Z")).unwrap();
        let part = so_far.sum.parts.iter().find(|part| part.part == Part::Volume).unwrap();
        format!("{}: {}", part.what, part.amount.unwrap())
    };
    // 5 days of 100 GiB, then 10 days of one or the other.
    assert_eq!(disk(&history, &grown), "100 GiB, then 200 GiB gp3: $4.00 to $6.67");
    let change = |state| crate::machine::Modification {
        state,
        began: Some("2026-11-21T00:00:00Z".to_owned()),
        progress: 100,
    };
    volume(&mut grown).modification = Fact::Present(change(crate::machine::ModificationState::Completed));
    // It may have grown in two steps, of which AWS tells the last.
    assert_eq!(disk(&history, &grown), "100 GiB, then 200 GiB gp3: $5.33 to $6.67");
    // Nobody saw it before it grew: it was there, and at most as large as now.
    let world = so_far(&wanted(), &grown, &Fact::Absent, at("2026-11-26T00:00:00Z")).unwrap();
    assert!(
        world.assumes.iter().any(|text| text.contains("how large the volume was")),
        "{:?}",
        world.assumes
    );
    assert_eq!(disk(&History::default(), &grown), "200 GiB gp3: $2.67 to $8.00");
}

#[test]
fn what_is_not_known_is_never_nothing() {
    let mut unheard = fresh();
    instance(&mut unheard).instance_type = id("x9z.large");
    let cost_of = |world: &Observed| cost(&wanted(), world, &Fact::NOT_LOOKED, at("2026-11-21T00:00:00Z"));
    let cost = cost_of(&unheard);
    assert_eq!((cost.always.total, cost.always.parts[0].amount), (None, None));
    assert_eq!(cost.off.total.unwrap().to_string(), "$8.00");
    let so_far = cost.so_far.unwrap();
    assert_eq!((so_far.sum.total, so_far.sum.parts[0].amount), (None, None));
    assert_eq!(so_far.sum.leaves_out, [Part::Instance, Part::Snapshots]);

    let behind = super::cost(&wanted(), &fresh(), &Fact::Absent, at("2026-11-01T00:00:00Z"));
    assert_eq!(behind.unknown.as_deref(), Some("the clock of this computer is behind AWS's"));
    let unseen = Observed { instances: Fact::NOT_LOOKED, ..fresh() };
    assert_eq!(cost_of(&unseen).unknown.as_deref(), Some("whether there is a machine could not be seen"));
}

#[test]
fn an_absent_machine_has_cost_nothing_that_this_computer_knows_of() {
    let cost = cost(&wanted(), &empty(), &Fact::Absent, at("2026-11-21T00:00:00Z"));
    assert_eq!(cost.always.total.unwrap().to_string(), "$142.70");
    let so_far = cost.so_far.unwrap();
    assert_eq!(so_far.sum.total.unwrap().to_string(), "$0.00");
    assert_eq!(so_far.assumes, ["a machine that this computer never saw is not in it"]);
}

#[test]
fn a_price_list_of_aws_changes_every_figure() {
    let mut quote =
        Quote { region: "us-west-2".to_owned(), asked: at("2026-11-20T00:00:00Z"), ..Quote::default() };
    quote.hourly.insert("m8g.xlarge".to_owned(), Some(Money::from_micros(1_000_000)));
    quote.rates.insert(Rate::Gp3Gib, Money::from_micros(100_000));
    let world = Observed { prices: Prices::new(Some(quote)), ..fresh() };
    let cost = cost(&wanted(), &world, &Fact::Absent, at("2026-11-11T01:00:05Z"));
    assert_eq!(cost.always.total.unwrap().to_string(), "$743.65");
    assert_eq!(cost.prices, "list prices of AWS, asked 2026-11-20; what was not asked for, 2026-07-20");
    assert_eq!(cost.so_far.unwrap().sum.parts[0].amount.unwrap().to_string(), "$1.00");
}

/// What a computer sees of a machine that is started and stopped: each look after so many seconds, on or off.
fn story() -> impl Strategy<Value = Vec<(u64, bool, bool)>> {
    // How long it stays so, whether it is on, whether somebody looks in the end.
    prop::collection::vec((120_u64..200_000, any::<bool>(), any::<bool>()), 1..20)
}

struct Told {
    world: Observed,
    /// For how long it really was on this month, in seconds.
    on: u64,
    now: u64,
    made: u64,
}

fn live(story: &[(u64, bool, bool)]) -> Told {
    let made = at("2026-11-03T12:00:00Z");
    let (mut now, mut on, mut started, mut stopped) = (made, 0, made, None);
    let mut history = History::default();
    let month = time::month(made);
    let iso = |moment: u64| {
        time::minute(moment).replace(" UTC", &format!(":{:02}Z", moment % 60)).replace(' ', "T")
    };
    let see = |started: u64, stopped: Option<u64>| {
        let mut world = fresh();
        volume(&mut world).created = Some(iso(made));
        instance(&mut world).launched = Some(iso(started));
        if let Some(moment) = stopped {
            instance(&mut world).power = Power::Stopped;
            instance(&mut world).public_address = false;
            instance(&mut world).transition = Some(format!("User initiated ({})", iso(moment)));
        }
        world
    };
    for (long, is_on, looks) in story {
        if now + long >= month.end {
            break;
        }
        match (is_on, stopped) {
            (true, Some(_)) => (started, stopped) = (now, None),
            (false, None) if now > started => stopped = Some(now),
            (true, None) | (false, _) => {}
        }
        let until = now + long;
        if stopped.is_none() {
            on += until - now;
        }
        now = until;
        if *looks {
            history.see(&wanted(), &see(started, stopped), now);
        }
    }
    Told { world: Observed { history, ..see(started, stopped) }, on, now, made }
}

fn rough(a: Money, b: Money) -> bool {
    a.micros() <= b.micros() + 10
}

proptest! {
    #[test]
    fn the_truth_lies_within_the_range(story in story()) {
        let Told { world, on, now, made } = live(&story);
        let so_far = so_far(&wanted(), &world, &Fact::Absent, now).unwrap();
        let amount = so_far.sum.parts.iter().find(|part| part.part == Part::Instance).unwrap().amount.unwrap();
        let truth = Money::from_micros(179_520).part(on, HOUR);
        prop_assert!(rough(amount.least, truth) && rough(truth, amount.most), "{amount:?} {truth:?}");
        // It is never more than if it had been on all the time.
        let always = Money::from_micros(179_520 + 5_000).part((now - made).max(SHORTEST), HOUR)
            + Money::from_micros(8_000_000).part(now - made, 30 * 24 * HOUR);
        prop_assert!(rough(so_far.sum.total.unwrap().most, always));
    }

    #[test]
    fn it_grows_with_time_and_is_the_sum_of_its_parts(story in story(), later in 0_u64..2_000_000) {
        let Told { world, now, .. } = live(&story);
        let then = (now + later).min(time::month(now).end - 1);
        let both = [now, then].map(|now| so_far(&wanted(), &world, &Fact::Absent, now).unwrap().sum);
        let totals = both.each_ref().map(|sum| sum.total.unwrap());
        prop_assert!(totals[0].least <= totals[1].least && totals[0].most <= totals[1].most);
        for sum in both {
            prop_assert!(sum.total.unwrap().least <= sum.total.unwrap().most);
            let parts = sum.parts.iter().map(|part| part.amount.unwrap()).fold(Range::default(), Add::add);
            prop_assert_eq!(sum.total.unwrap(), parts);
        }
    }

    /// A record that went wrong somewhere says something wrong at most.
    #[test]
    fn no_record_makes_it_panic(moments in prop::collection::vec(any::<[u64; 4]>(), 0..6), now in 0..10_000_000_000_u64) {
        let from = fresh();
        let Instance { id, instance_type, .. } = from.instances.all()[0].clone();
        let runs: Vec<_> = moments.iter().map(|[from, on, off, until]| serde_json::json!({
            "instance": id, "instance_type": instance_type, "public_address": null, "made": from, "from": from,
            "on_until": on, "off_from": off, "off_until": until, "gone": false,
        })).collect();
        let disks: Vec<_> = moments.iter().map(|[from, until, made, gone]| serde_json::json!({
            "volume": "vol-0123456789abcdef0", "gib": 100, "iops": 3000, "throughput": 125, "made": made, "from": from,
            "until": until, "gone": gone,
        })).collect();
        let history = serde_json::from_value(serde_json::json!({ "runs": runs, "disks": disks })).unwrap();
        let world = Observed { history, ..from };
        let _ = cost(&wanted(), &world, &Fact::Absent, now);
    }
}
