//! The machine's snapshots: when they are looked at, what is shown of them, and what may be done.

use std::fmt::Write;
use std::time::Duration;

use super::fixture::{app, at, looked, problem, reachable, seeing, setup, worlds};
use crate::app::view::{Offer, Snapshots};
use crate::app::{App, Command, Event, Foreseen, Operation, Proposal};
use crate::machine::{LAST_HOME, Observed, Snapshot, SnapshotProgress, TAG_FINAL};
use crate::plan::forgetting;
use crate::plan::tests::fixture::{empty, id, there};
use crate::plan::tests::replace::{begun, snapshot};

/// One by hand, one by the schedule, one last state, one that failed; not in their order.
fn several() -> Vec<Snapshot> {
    let of = |name: &str, day: &str, bytes: Option<u64>, progress| Snapshot {
        taken: Some(format!("2026-11-{day}T10:00:00Z")),
        bytes,
        tags: [].into(),
        ..snapshot(name, progress)
    };
    let mut last = of("snap-00000001", "01", Some(10 << 30), SnapshotProgress::Complete);
    last.tags.insert(TAG_FINAL.to_owned(), "i-00000009".to_owned());
    let mut scheduled = of("snap-00000003", "03", Some(20 << 30), SnapshotProgress::Complete);
    scheduled.tags.insert("aws:dlm:lifecycle-policy-id".to_owned(), "policy-1".to_owned());
    vec![
        last,
        of("snap-00000004", "04", None, SnapshotProgress::Pending),
        scheduled,
        of("snap-00000002", "02", None, SnapshotProgress::Failed),
    ]
}

fn knowing(mut app: App, list: Vec<Snapshot>) -> App {
    app.on(Event::LookingAtSnapshots, at(11));
    app.on(Event::LookedAtSnapshots(Ok(list)), at(11));
    app
}

fn shown(snapshots: Option<&Snapshots>) -> String {
    let Some(snapshots) = snapshots else { return "    nothing\n".to_owned() };
    let mut text = String::new();
    for one in &snapshots.list {
        let offer = |offer: &Option<Offer>| offer.as_ref().map_or("-", |_| "yes");
        let _ = writeln!(
            text,
            "    {} {:?} {} GiB, {}, {:?}{}; restore {}, delete {}",
            one.id,
            one.taken,
            one.size,
            one.why,
            one.state.as_deref().unwrap_or("whole"),
            if one.failed { " (holds nothing)" } else { "" },
            offer(&one.restore),
            offer(&one.delete)
        );
    }
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "    {name}: {value}");
        }
    };
    say("cost", snapshots.cost.as_ref().map(|c| format!("{:?} to {:?}: {}", c.least, c.most, c.basis)));
    say("schedule", snapshots.schedule.clone());
    say("note", snapshots.note.clone());
    say("problem", snapshots.problem.as_ref().map(|problem| problem.what.clone()));
    say("take", snapshots.take.as_ref().map(|take| format!("{} ({:?})", take.label, take.note)));
    say("look", snapshots.look.as_ref().map(|look| look.label.clone()));
    text
}

#[test]
fn they_are_shown_with_what_they_cost_and_what_can_be_done() {
    let gone = knowing(seeing(empty()), several());
    let none = knowing(seeing(reachable()), vec![]);
    let mut scheduled = app();
    scheduled.on(setup("[machine.remote-dev]\nsnapshot_every = 6\n"), at(1));
    scheduled.on(looked(reachable()), at(10));
    let replacing = knowing(seeing(begun(LAST_HOME, |_| {})), several());
    let kept = {
        let world = begun(LAST_HOME, |world| {
            crate::plan::tests::replace::carried(world);
            let tags = &mut crate::plan::tests::replace::the(world, "i-00000001").tags;
            tags.insert("holdfast:retired".to_owned(), "i-00000002".to_owned());
        });
        knowing(seeing(world), several())
    };
    let mut failed = seeing(reachable());
    failed.on(Event::LookingAtSnapshots, at(11));
    failed.on(Event::LookedAtSnapshots(Err(problem("Your identity may not call DescribeSnapshots"))), at(11));
    let mut busy = knowing(seeing(reachable()), several());
    busy.on(Event::Began(Operation::Start), at(12));
    let mut text = String::new();
    for (name, app) in [
        ("a machine with some", knowing(seeing(reachable()), several())),
        ("a machine with none", none),
        ("a schedule, before the first look", knowing(scheduled, vec![])),
        ("no machine, and some", gone),
        ("no machine, and none", knowing(seeing(empty()), vec![])),
        ("a replacement is not over", replacing),
        ("an instance is kept", kept),
        ("they cannot be seen", failed),
        ("something is under way", busy),
    ] {
        let _ = writeln!(text, "# {name}");
        text += &shown(app.view().snapshots.as_ref());
    }
    insta::assert_snapshot!(text, @r#"
    # a machine with some
        snap-00000004 Some(1793786400) 100 GiB, by hand, "being copied"; restore yes, delete yes
        snap-00000003 Some(1793700000) 100 GiB, schedule, "whole"; restore yes, delete yes
        snap-00000002 Some(1793613600) 100 GiB, by hand, "failed" (holds nothing); restore -, delete yes
        snap-00000001 Some(1793527200) 100 GiB, last state of a volume, "whole"; restore yes, delete yes
        cost: Some(100) to Some(1150): $0.0500 a GiB; AWS bills changed blocks and does not tell how many.
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # a machine with none
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # a schedule, before the first look
        schedule: A snapshot every 6 hours; the newest 7 stay.
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # no machine, and some
        snap-00000004 Some(1793786400) 100 GiB, by hand, "being copied"; restore yes, delete yes
        snap-00000003 Some(1793700000) 100 GiB, schedule, "whole"; restore yes, delete yes
        snap-00000002 Some(1793613600) 100 GiB, by hand, "failed" (holds nothing); restore -, delete yes
        snap-00000001 Some(1793527200) 100 GiB, last state of a volume, "whole"; restore yes, delete yes
        cost: Some(100) to Some(1150): $0.0500 a GiB; AWS bills changed blocks and does not tell how many.
        look: Refresh
    # no machine, and none
        nothing
    # a replacement is not over
        snap-00000004 Some(1793786400) 100 GiB, by hand, "being copied"; restore -, delete -
        snap-00000003 Some(1793700000) 100 GiB, schedule, "whole"; restore -, delete -
        snap-00000002 Some(1793613600) 100 GiB, by hand, "failed" (holds nothing); restore -, delete -
        snap-00000001 Some(1793527200) 100 GiB, last state of a volume, "whole"; restore -, delete -
        cost: Some(100) to Some(1150): $0.0500 a GiB; AWS bills changed blocks and does not tell how many.
        note: None can be deleted, and no other restored, before the replacement is over.
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # an instance is kept
        snap-00000004 Some(1793786400) 100 GiB, by hand, "being copied"; restore -, delete yes
        snap-00000003 Some(1793700000) 100 GiB, schedule, "whole"; restore -, delete yes
        snap-00000002 Some(1793613600) 100 GiB, by hand, "failed" (holds nothing); restore -, delete yes
        snap-00000001 Some(1793527200) 100 GiB, last state of a volume, "whole"; restore -, delete yes
        cost: Some(100) to Some(1150): $0.0500 a GiB; AWS bills changed blocks and does not tell how many.
        note: None can be restored as long as i-00000001 is kept.
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # they cannot be seen
        problem: Your identity may not call DescribeSnapshots
        take: Take a snapshot (Some("it costs what has changed since the one before, at most $5.00 a month; nothing is interrupted"))
        look: Refresh
    # something is under way
        snap-00000004 Some(1793786400) 100 GiB, by hand, "being copied"; restore -, delete -
        snap-00000003 Some(1793700000) 100 GiB, schedule, "whole"; restore -, delete -
        snap-00000002 Some(1793613600) 100 GiB, by hand, "failed" (holds nothing); restore -, delete -
        snap-00000001 Some(1793527200) 100 GiB, last state of a volume, "whole"; restore -, delete -
        cost: Some(100) to Some(1150): $0.0500 a GiB; AWS bills changed blocks and does not tell how many.
        look: Refresh
    "#);
}

#[test]
fn one_is_taken_wherever_there_is_a_machine() {
    let mut text = String::new();
    for (name, world) in worlds() {
        let _ = match seeing(world).may(&Command::TakeSnapshot) {
            Ok(()) => writeln!(text, "{name}: yes"),
            Err(refusal) => writeln!(text, "{name}: {}", refusal.why),
        };
    }
    insta::assert_snapshot!(text, @"
    no machine: There is no machine remote-dev yet
    starting: yes
    on, agent silent: yes
    on, agent not to be seen: yes
    on: yes
    stopping: yes
    off: yes
    ending: There is no machine remote-dev yet
    gone: There is no machine remote-dev yet
    not to be seen: The state of remote-dev is not known
    ");
}

#[test]
fn they_are_looked_at_for_who_watches_and_again_while_one_is_copied() {
    let mut app = seeing(reachable());
    assert_eq!(app.next_look_at_snapshots(at(3600)), None, "nobody watches");
    app.on(Event::Window(true), at(20));
    assert_eq!(app.next_look_at_snapshots(at(20)), Some(Duration::ZERO));
    app.on(Event::LookingAtSnapshots, at(20));
    assert!(app.awaits_snapshots() && app.next_look_at_snapshots(at(20)).is_none());
    app.may(&Command::LookAtSnapshots).unwrap_err();
    let whole: Vec<Snapshot> =
        several().into_iter().filter(|one| one.progress == SnapshotProgress::Complete).collect();
    app.on(Event::LookedAtSnapshots(Ok(whole.clone())), at(21));
    assert_eq!(app.next_look_at_snapshots(at(3600)), None, "they do not change by themselves");
    app.on(Event::Window(true), at(40));
    assert_eq!(app.next_look_at_snapshots(at(40)), None, "that was a moment ago");
    app.on(Event::Window(false), at(50));
    app.on(Event::Window(true), at(4000));
    assert_eq!(app.next_look_at_snapshots(at(4000)), Some(Duration::ZERO));

    app.on(Event::LookingAtSnapshots, at(4000));
    app.on(Event::LookedAtSnapshots(Ok(several())), at(4000));
    assert_eq!(app.next_look_at_snapshots(at(4010)), Some(Duration::from_secs(20)), "one is being copied");
    app.on(Event::Window(false), at(4011));
    assert_eq!(app.next_look_at_snapshots(at(5000)), None);

    app.on(Event::Window(true), at(5000));
    app.on(Event::LookingAtSnapshots, at(5000));
    app.on(Event::Began(Operation::Snapshot), at(5001));
    app.on(Event::Ended(Some(Ok(()))), at(5002));
    app.on(Event::LookedAtSnapshots(Ok(whole)), at(5003));
    assert_eq!(app.next_look_at_snapshots(at(5003)), Some(Duration::ZERO), "that look may have missed it");
}

#[test]
fn a_look_that_fails_is_no_failure_of_the_machine_and_leaves_what_was_seen() {
    let mut app = knowing(seeing(reachable()), several());
    app.on(Event::Window(true), at(100));
    app.on(Event::LookingAtSnapshots, at(100));
    app.on(Event::LookedAtSnapshots(Err(problem("no\u{1b}[2J"))), at(101));
    let view = app.view();
    let snapshots = view.snapshots.unwrap();
    assert_eq!((snapshots.list.len(), view.failed), (4, None));
    assert!(!snapshots.problem.unwrap().what.contains('\u{1b}'));
    assert_eq!(app.next_look_at_snapshots(at(3600)), None, "it is not tried again and again");
    app.may(&Command::LookAtSnapshots).unwrap();
    app.on(Event::Blind(problem("AWS cannot be reached")), at(102));
    app.may(&Command::LookAtSnapshots).unwrap_err();
    assert_eq!(app.view().snapshots.unwrap().list.len(), 4);

    app.on(setup("[machine.remote-dev]\nregion = \"eu-central-1\"\n"), at(103));
    assert_eq!(app.view().snapshots, None, "they are another machine's");
    app.on(Event::LookedAtSnapshots(Ok(several())), at(104));
    assert_eq!(app.view().snapshots, None);
}

#[test]
fn one_is_deleted_after_a_preview() {
    let mut app = knowing(seeing(reachable()), several());
    let of = Proposal::DeleteSnapshot { snapshot: id("snap-00000003") };
    app.may(&Command::Preview { of: of.clone() }).unwrap();
    app.may(&Command::Preview { of: Proposal::DeleteSnapshot { snapshot: id("snap-0000000f") } })
        .unwrap_err();
    app.on(Event::Proposed(Box::new(of)), at(20));
    let (number, _) = app.to_foresee().unwrap();
    let (desired, observed) = (app.setup().unwrap().desired.clone(), Observed::unknown(""));
    let plan = forgetting(&desired, &observed, &[id("snap-00000003")]);
    let found = Ok(Box::new(Foreseen { desired, observed, plan, blocked: None }));
    app.on(Event::Previewed { number, found }, at(21));
    let view = app.view();
    let preview = view.preview.unwrap();
    assert_eq!(preview.groups[0].steps[0].what, "Snapshot snap-00000003");
    assert!(preview.groups[0].steps[0].loses_data && preview.cost.is_none() && preview.notes.is_empty());
    let apply = view.commands.apply.unwrap();
    assert_eq!((apply.label.as_str(), apply.note), ("Delete it", None));
    assert_eq!(apply.asks.as_deref(), Some("What it alone holds is lost for ever."));
    assert_eq!(app.foreseen(number).unwrap().0, Operation::DeleteSnapshot);

    // Somebody else works on the machine: it is shown, and cannot be carried out now.
    let elsewhere = Some(super::fixture::elsewhere("apply"));
    app.on(Event::Looked { observed: Box::new(reachable()), elsewhere, interrupted: None }, at(22));
    let view = app.view();
    assert_eq!(view.commands.apply, None);
    let refused = view.preview.unwrap().refused.unwrap();
    assert_eq!(refused, "Holdfast apply is working on remote-dev in another process.");
    assert!(view.snapshots.unwrap().list.iter().all(|one| one.delete.is_none() && one.restore.is_none()));
}

#[test]
fn what_is_no_snapshot_of_the_list_cannot_be_asked_for() {
    for text in ["snap-1", "../x", "snap-00000003 ", "vol-00000003"] {
        let asked = serde_json::json!({ "do": "preview", "of": { "is": "restore", "snapshot": text } });
        assert!(serde_json::from_value::<Command>(asked).is_err(), "{text}");
    }
    let mut world = reachable();
    there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
    let app = knowing(seeing(world), several());
    let of = Proposal::Restore { snapshot: id("snap-00000009") };
    assert_eq!(app.may(&Command::Preview { of }).unwrap_err().why, "No snapshot snap-00000009 is known");
}
