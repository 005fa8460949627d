//! Another instance in the machine's place: previewed, begun, kept, let go and taken back.

use std::fmt::Write;

use super::fixture::{app, at, looked, problem, reachable, seeing, tray};
use crate::app::view::{Offer, Preview};
use crate::app::{App, Command, Event, Foreseen, JobEnd, Operation, Progress, Proposal};
use crate::machine::{Fact, LAST_HOME, Observed, Power, SnapshotProgress, TAG_REPLACES, TAG_RETIRED};
use crate::plan::tests::fixture::{empty, id, powered, there};
use crate::plan::tests::replace::{NEW, OLD, begun, carried, snapshot, the, with_snapshot};
use crate::plan::{Step, Waiting, plan, swap};

/// What was replaced is kept, and its last state, too.
fn replaced() -> Observed {
    with_snapshot(SnapshotProgress::Complete, |world| {
        carried(world);
        the(world, OLD).tags.insert(TAG_RETIRED.to_owned(), NEW.to_owned());
        world.agent = Fact::Present(());
    })
}

/// The machine has been made for a home that is not on it yet.
fn waiting() -> Observed {
    begun("snap-00000009", |world| {
        there(&mut world.instances).retain(|instance| instance.id.as_str() == NEW);
        the(world, NEW).tags.remove(TAG_REPLACES);
        there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
    })
}

/// Knows the snapshots of this world.
fn with_snapshots(mut app: App, world: &Observed) -> App {
    app.on(Event::LookingAtSnapshots, at(11));
    app.on(Event::LookedAtSnapshots(Ok(world.snapshots.all().to_vec())), at(11));
    app
}

/// Asks for a preview and answers it from this world, as whoever looks would.
fn preview(app: &mut App, of: Proposal, observed: Observed) -> u32 {
    app.may(&Command::Preview { of: of.clone() }).unwrap();
    app.on(Event::Proposed(Box::new(of.clone())), at(20));
    let (number, _) = app.to_foresee().unwrap();
    let desired = of.wanted(&app.setup().unwrap().desired);
    let plan = plan(&desired, &observed, swap(&desired, &observed, of.swap().unwrap()).unwrap());
    let found = Ok(Box::new(Foreseen { desired, observed, plan, blocked: None }));
    app.on(Event::Previewed { number, found }, at(21));
    number
}

fn shown(preview: &Preview, apply: Option<&Offer>) -> String {
    let mut text = String::new();
    for group in &preview.groups {
        for step in &group.steps {
            let marks = [(step.interrupts, " interrupts"), (step.loses_data, " loses data")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            let _ = writeln!(text, "    {:?} {}{marks}", step.change, step.what);
        }
    }
    for note in &preview.notes {
        let _ = writeln!(text, "    ({note})");
    }
    if let Some(cost) = &preview.cost {
        let _ = writeln!(text, "    costs now {:?}, always {:?}", cost.now, cost.always);
    }
    if let Some(Offer { label, note, asks }) = apply {
        let _ = writeln!(text, "    [{label}] {note:?} asks {asks:?}");
    }
    text
}

#[test]
fn each_is_previewed_with_what_it_costs_ends_and_destroys() {
    let on_its_way = || begun(LAST_HOME, |world| world.agent = Fact::Present(()));
    let restorable = || {
        let mut world = reachable();
        there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
        world
    };
    let gone = || {
        let mut world = empty();
        there(&mut world.snapshots).push(snapshot("snap-00000009", SnapshotProgress::Complete));
        world
    };
    let restore = || Proposal::Restore { snapshot: id("snap-00000009") };
    let mut without_snapshot = replaced();
    there(&mut without_snapshot.snapshots).clear();
    let mut text = String::new();
    for (name, of, world, wanted) in [
        ("replace", Proposal::Replace, reachable(), Operation::Replace),
        ("replace one that is off", Proposal::Replace, powered(Power::Stopped), Operation::Replace),
        ("go on", Proposal::GoOn, on_its_way(), Operation::Replace),
        ("go on with a home alone", Proposal::GoOn, waiting(), Operation::Replace),
        ("take back", Proposal::TakeBack, on_its_way(), Operation::TakeBack),
        (
            "take back when the old one is off",
            Proposal::TakeBack,
            with_snapshot(SnapshotProgress::Pending, |_| {}),
            Operation::TakeBack,
        ),
        ("let go", Proposal::LetGo, replaced(), Operation::LetGo),
        ("let go without a last state", Proposal::LetGo, without_snapshot, Operation::LetGo),
        ("go back", Proposal::GoBack, replaced(), Operation::GoBack),
        ("restore", restore(), restorable(), Operation::Restore),
        ("restore where there is no machine", restore(), gone(), Operation::Restore),
    ] {
        let mut app = with_snapshots(seeing(world.clone()), &world);
        let number = preview(&mut app, of.clone(), world);
        let view = app.view();
        let _ = writeln!(text, "# {name}");
        text += &shown(&view.preview.unwrap(), view.commands.apply.as_ref());
        app.may(&Command::Apply { number }).unwrap();
        app.may(&Command::Apply { number: number + 1 }).unwrap_err();
        let (operation, proposed, _) = app.foreseen(number).unwrap();
        assert_eq!((operation, proposed), (wanted, &of), "{name}");
        app.on(Event::Began(operation), at(30));
        assert_eq!(app.view().preview, None, "{name}");
    }
    insta::assert_snapshot!(text, @r#"
    # replace
        Alter Count instance generation 1
        Add Instance m8g.xlarge with 100 GiB gp3, encrypted
        Alter Stop i-00000001 interrupts
        Add Final snapshot of vol-00000001
        Add Volume of the new snapshot in us-west-2a
        Alter Attach it to the new instance
        Alter Put the home of the new snapshot on the new instance
        Alter Let the new instance take the place of i-00000001
        Alter Detach volume of the home
        Remove Volume of the home
        (i-00000001 is kept then, off, and costs $8.00 a month until you let it go.)
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(14270), always Some(14270)
        [Replace remote-dev] Some("$142.70 a month while it is on") asks Some("Everything that runs on remote-dev ends.")
    # replace one that is off
        Alter Count instance generation 1
        Add Instance m8g.xlarge with 100 GiB gp3, encrypted
        Add Final snapshot of vol-00000001
        Add Volume of the new snapshot in us-west-2a
        Alter Attach it to the new instance
        Alter Put the home of the new snapshot on the new instance
        Alter Let the new instance take the place of i-00000001
        Alter Detach volume of the home
        Remove Volume of the home
        (i-00000001 is kept then, off, and costs $8.00 a month until you let it go.)
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(800), always Some(14270)
        [Replace remote-dev] Some("$142.70 a month while it is on") asks None
    # go on
        Alter Stop i-00000001 interrupts
        Add Final snapshot of vol-00000001
        Add Volume of the new snapshot in us-west-2a
        Alter Attach it to i-00000002
        Alter Put the home of the new snapshot on i-00000002
        Alter Let i-00000002 take the place of i-00000001
        Alter Detach volume of the home
        Remove Volume of the home
        (i-00000001 is kept then, off, and costs $8.00 a month until you let it go.)
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(14270), always Some(14270)
        [Go on] None asks Some("Everything that runs on remote-dev ends.")
    # go on with a home alone
        Add Volume of snap-00000009 in us-west-2a
        Alter Attach it to i-00000002
        Alter Put the home of snap-00000009 on i-00000002
        Alter Detach volume of the home
        Remove Volume of the home
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(14270), always Some(14270)
        [Go on] None asks None
    # take back
        Alter Lift termination protection of i-00000002
        Remove Instance i-00000002 and its volume with all data interrupts loses data
        [Take it back] None asks Some("i-00000002 ends, with its volume. What is on the machine stays as it is.")
    # take back when the old one is off
        Alter Lift termination protection of i-00000002
        Remove Instance i-00000002 and its volume with all data interrupts loses data
        (remote-dev is off then: start it when you want it.)
        [Take it back] None asks Some("i-00000002 ends, with its volume. What is on the machine stays as it is.")
    # let go
        Alter Lift termination protection of i-00000001
        Remove Instance i-00000001 and its volume with all data interrupts loses data
        [Let it go] None asks Some("i-00000001 ends, with its volume. Its last state stays in snap-00000001.")
    # let go without a last state
        Alter Lift termination protection of i-00000001
        Remove Instance i-00000001 and its volume with all data interrupts loses data
        [Let it go] None asks Some("i-00000001 ends, with its volume. What it alone holds is lost for ever.")
    # go back
        Alter Lift termination protection of i-00000002
        Remove Instance i-00000002 and its volume with all data interrupts loses data
        (remote-dev is off then: start it when you want it.)
        [Go back] None asks Some("i-00000002 ends, with its volume. What was done since it took the machine's place is lost for ever. Everything that runs on remote-dev ends.")
    # restore
        Alter Count instance generation 1
        Add Instance m8g.xlarge with 100 GiB gp3, encrypted
        Add Volume of snap-00000009 in us-west-2a
        Alter Attach it to the new instance
        Alter Put the home of snap-00000009 on the new instance
        Alter Stop i-00000001 interrupts
        Alter Let the new instance take the place of i-00000001
        Alter Detach volume of the home
        Remove Volume of the home
        (i-00000001 is kept then, off, and costs $8.00 a month until you let it go.)
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(14270), always Some(14270)
        [Restore remote-dev] Some("$142.70 a month while it is on") asks Some("Everything that runs on remote-dev ends.")
    # restore where there is no machine
        Add Internet gateway
        Add Private network (VPC)
        Alter Turn on DNS names in the new network
        Alter Attach the new gateway to the new network
        Add Subnet in us-west-2a
        Add Route table
        Add Security group, nothing inbound
        Alter Give public addresses in the new subnet
        Add Route 0.0.0.0/0 to the new gateway
        Alter Use the new route table in the new subnet
        Add Role for EC2
        Add Policy AmazonSSMManagedInstanceCore
        Add Policy that denies ssm:GetParameter*
        Add Instance profile
        Alter Put the role into the instance profile
        Add Instance m8g.xlarge with 100 GiB gp3, encrypted
        Add Volume of snap-00000009 in us-west-2a
        Alter Attach it to the new instance
        Alter Put the home of snap-00000009 on the new instance
        Alter Detach volume of the home
        Remove Volume of the home
        (Only what is in /home comes with it; its system is built from your configuration then.)
        costs now Some(0), always Some(14270)
        [Make remote-dev] Some("$142.70 a month while it is on") asks None
    "#);
}

#[test]
fn what_is_beside_the_machine_is_shown_with_what_can_be_done() {
    let restoring = begun("snap-00000009", |_| {});
    let old_off = begun(LAST_HOME, |world| the(world, OLD).power = Power::Stopped);
    let unpriced = {
        let mut world = replaced();
        world.volumes = Fact::NOT_LOOKED;
        world
    };
    let mut text = String::new();
    for (name, world) in [
        ("a machine alone", reachable()),
        ("a successor", begun(LAST_HOME, |_| {})),
        ("a successor with another home", restoring),
        ("a successor of one that is off", old_off),
        ("one that is kept", replaced()),
        ("one whose volume was not looked at", unpriced),
        ("a machine that waits for its home", waiting()),
        ("no machine", empty()),
    ] {
        let app = seeing(world);
        let view = app.view();
        let _ = writeln!(text, "# {name}");
        if let Some(replacement) = &view.replacement {
            let _ = writeln!(text, "    {}: {}", replacement.title, replacement.text);
            let _ =
                writeln!(text, "    {:?} cents; under way: {}", replacement.monthly, replacement.under_way);
        }
        let offers = [
            ("replace", view.commands.replace.as_ref()),
            ("go on", view.replacement.as_ref().and_then(|it| it.go_on.as_ref())),
            ("take back", view.replacement.as_ref().and_then(|it| it.take_back.as_ref())),
            ("let go", view.replacement.as_ref().and_then(|it| it.let_go.as_ref())),
            ("go back", view.replacement.as_ref().and_then(|it| it.go_back.as_ref())),
        ];
        for (word, offer) in offers {
            if let Some(offer) = offer {
                let _ = writeln!(text, "    [{}] {word}", offer.label);
            }
        }
        assert!(view.machine.notes.iter().all(|note| !note.contains("holdfast replace")), "{name}");
    }
    insta::assert_snapshot!(text, @"
    # a machine alone
        [Replace] replace
    # a successor
        A replacement is not over: i-00000002 is to take the place of i-00000001, with its home. Until then i-00000001 is remote-dev, and nothing on it is lost.
        Some(14270) cents; under way: true
        [Go on] go on
        [Take it back] take back
    # a successor with another home
        A replacement is not over: i-00000002 is to take the place of i-00000001, with the home of snap-00000009. Until then i-00000001 is remote-dev, and nothing on it is lost.
        Some(14270) cents; under way: true
        [Go on] go on
        [Take it back] take back
    # a successor of one that is off
        A replacement is not over: i-00000002 is to take the place of i-00000001, with its home. Until then i-00000001 is remote-dev, off for now, and nothing on it is lost.
        Some(14270) cents; under way: true
        [Go on] go on
        [Take it back] take back
    # one that is kept
        The old instance is kept: i-00000001 was replaced, and is kept, off, with its volume as it was. Let it go when all is well; or go back to it, and what was done since is lost.
        Some(800) cents; under way: false
        [Let it go] let go
        [Go back] go back
    # one whose volume was not looked at
        The old instance is kept: i-00000001 was replaced, and is kept, off, with its volume as it was. Let it go when all is well; or go back to it, and what was done since is lost.
        None cents; under way: false
        [Let it go] let go
        [Go back] go back
    # a machine that waits for its home
        remote-dev waits for its home: i-00000002 is to have the home of snap-00000009, which is not on it yet.
        None cents; under way: true
        [Go on] go on
    # no machine
    ");
}

#[test]
fn what_cannot_be_done_now_says_why() {
    let mut busy = seeing(replaced());
    busy.on(Event::Began(Operation::Start), at(12));
    let mut blind = seeing(reachable());
    blind.on(Event::Blind(problem("AWS cannot be reached")), at(12));
    let mut text = String::new();
    for (name, app) in [
        ("a machine alone", seeing(reachable())),
        ("a successor", seeing(begun(LAST_HOME, |_| {}))),
        ("one that is kept", seeing(replaced())),
        ("no machine", seeing(empty())),
        ("one that ends", seeing(powered(Power::ShuttingDown))),
        ("something under way", busy),
        ("nothing seen", app()),
        ("nothing to be seen", blind),
    ] {
        let _ = writeln!(text, "# {name}");
        for (word, of) in [
            ("replace", Proposal::Replace),
            ("go on", Proposal::GoOn),
            ("take back", Proposal::TakeBack),
            ("let go", Proposal::LetGo),
            ("go back", Proposal::GoBack),
            ("restore", Proposal::Restore { snapshot: id("snap-00000009") }),
            ("delete", Proposal::DeleteSnapshot { snapshot: id("snap-00000009") }),
        ] {
            let _ = match app.may(&Command::Preview { of }) {
                Ok(()) => writeln!(text, "    {word}: yes"),
                Err(refusal) => writeln!(text, "    {word}: {}", refusal.why),
            };
        }
    }
    insta::assert_snapshot!(text, @"
    # a machine alone
        replace: yes
        go on: No replacement is under way
        take back: No replacement is under way
        let go: No instance is kept
        go back: No instance is kept
        restore: No snapshot snap-00000009 is known
        delete: No snapshot snap-00000009 is known
    # a successor
        replace: yes
        go on: yes
        take back: yes
        let go: No instance is kept
        go back: No instance is kept
        restore: i-00000002 is on its way already, with another home
        delete: No snapshot snap-00000009 is known
    # one that is kept
        replace: i-00000001 was replaced, and is still kept
        go on: No replacement is under way
        take back: No replacement is under way
        let go: yes
        go back: yes
        restore: i-00000001 was replaced, and is still kept
        delete: No snapshot snap-00000009 is known
    # no machine
        replace: There is no machine remote-dev yet
        go on: There is no machine remote-dev yet
        take back: There is no machine remote-dev yet
        let go: There is no machine remote-dev yet
        go back: There is no machine remote-dev yet
        restore: No snapshot snap-00000009 is known
        delete: No snapshot snap-00000009 is known
    # one that ends
        replace: remote-dev is ending
        go on: remote-dev is ending
        take back: remote-dev is ending
        let go: remote-dev is ending
        go back: remote-dev is ending
        restore: remote-dev is ending
        delete: No snapshot snap-00000009 is known
    # something under way
        replace: Starting remote-dev is under way
        go on: Starting remote-dev is under way
        take back: Starting remote-dev is under way
        let go: Starting remote-dev is under way
        go back: Starting remote-dev is under way
        restore: Starting remote-dev is under way
        delete: Starting remote-dev is under way
    # nothing seen
        replace: The state of remote-dev is not known
        go on: The state of remote-dev is not known
        take back: The state of remote-dev is not known
        let go: The state of remote-dev is not known
        go back: The state of remote-dev is not known
        restore: The state of remote-dev is not known
        delete: No snapshot snap-00000009 is known
    # nothing to be seen
        replace: The state of remote-dev is not known
        go on: The state of remote-dev is not known
        take back: The state of remote-dev is not known
        let go: The state of remote-dev is not known
        go back: The state of remote-dev is not known
        restore: The state of remote-dev is not known
        delete: No snapshot snap-00000009 is known
    ");
}

#[test]
fn the_tray_leads_to_it_and_does_nothing_itself() {
    for (world, line) in [
        (begun(LAST_HOME, |_| {}), "[A replacement is not over…] replacement"),
        (replaced(), "[The old instance is kept…] replacement"),
    ] {
        let menu = tray(&seeing(world).view());
        assert!(menu.contains(line), "{menu}");
    }
    let menu = tray(&seeing(reachable()).view());
    assert!(!menu.contains("replacement"), "{menu}");
    let mut working = seeing(begun(LAST_HOME, |_| {}));
    working.on(Event::Began(Operation::Replace), at(12));
    let menu = tray(&working.view());
    assert!(menu.contains("Replacing remote-dev") && !menu.contains("not over"), "{menu}");
}

#[test]
fn the_phases_of_a_replacement_are_those_that_a_person_follows() {
    let phases = |app: &App| {
        let view = app.view();
        let phases = view.operation.unwrap().phases;
        phases
            .iter()
            .map(|phase| format!("{} {:?}", phase.name, phase.progress))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut app = seeing(reachable());
    let number = preview(&mut app, Proposal::Replace, reachable());
    let plan = app.foreseen(number).unwrap().2.plan.clone();
    app.on(Event::Began(Operation::Replace), at(30));
    app.on(Event::Goes(Progress::Planned(Box::new(plan.clone()))), at(30));
    let mut text = vec![phases(&app)];
    for planned in &plan.steps {
        app.on(Event::Goes(Progress::Started(planned.step.clone())), at(31));
        if matches!(planned.step, Step::Carry { .. }) {
            text.push(phases(&app));
        }
        app.on(Event::Goes(Progress::Finished(planned.step.clone())), at(32));
        if matches!(planned.step, Step::RunInstance(_) | Step::Snapshot { .. }) {
            text.push(phases(&app));
        }
    }
    app.on(Event::Goes(Progress::Waiting(vec![Waiting::Agent])), at(33));
    text.push(phases(&app));
    insta::assert_snapshot!(text.join("\n"), @"
    New instance Now, Last state Next, Home Next, Its place Next, Way in Next
    New instance Done, Last state Now, Home Next, Its place Next, Way in Next
    New instance Done, Last state Done, Home Now, Its place Next, Way in Next
    New instance Done, Last state Done, Home Now, Its place Next, Way in Next
    New instance Done, Last state Done, Home Done, Its place Done, Way in Now
    ");
}

#[test]
fn another_instance_is_brought_to_what_is_declared_and_forgets_what_was_known_of_the_old_one() {
    for operation in [Operation::Replace, Operation::Restore, Operation::GoBack, Operation::TakeBack] {
        let mut app = seeing(reachable());
        app.on(Event::LookingAtSystem, at(12));
        app.on(Event::LookedAtSystem(Ok(Box::new(super::fixture::overview(&[2, 1], 2)))), at(12));
        assert!(app.view().system.unwrap().seen.is_some());
        app.on(Event::Began(operation), at(20));
        app.on(Event::Goes(Progress::Saw(Box::new(replaced()))), at(50));
        assert!(app.view().system.unwrap().seen.is_none(), "that was the old one's");
        app.on(Event::Ended(Some(Ok(()))), at(60));
        let due = app.next_look_at_system(at(60));
        let brings = matches!(operation, Operation::Replace | Operation::Restore);
        assert_eq!(due.is_some_and(|pause| pause.is_zero()), brings, "{operation:?}");
        if brings {
            let mut seen = super::fixture::overview(&[1], 1);
            seen.overview.state.revision = None;
            app.on(Event::LookingAtSystem, at(61));
            app.on(Event::LookedAtSystem(Ok(Box::new(seen))), at(62));
            assert!(app.brings_up(), "{operation:?}");
        }
    }
}

#[test]
fn a_job_of_the_old_instance_is_none_of_the_new_one() {
    let mut app = seeing(reachable());
    app.on(Event::JobAsked { to: None }, at(12));
    assert!(app.has_job());
    app.on(looked(replaced()), at(50));
    assert!(!app.has_job());
    let ended: Result<Box<JobEnd>, _> = Err(problem("lost"));
    app.on(Event::JobEnded(ended), at(51));
    assert_eq!(app.notices().count(), 0);
}
