//! Snapshots, and another instance in the machine's place, with a person at the app. The sandbox's machine is no NixOS that could take
//! its home from a volume, so whoever wants it there puts the mark on it that says so.

use holdfast::converge::converge;
use holdfast::world::World;
use holdfast_core::app::view::{Preview, Replacement, Snapshots};
use holdfast_core::machine::{LAST_HOME, TAG_CARRIED, TAG_FINAL, TAG_HOME, TAG_REPLACES, Tags};
use holdfast_core::names::SnapshotId;
use holdfast_core::plan::{Keep, Step};
use holdfast_tests::{Agreeing, HasItsHome, kept};

use super::*;

fn has_snapshots(view: &View, seen: impl Fn(&Snapshots) -> bool) -> bool {
    view.snapshots.as_ref().is_some_and(seen)
}

/// How many are shown.
fn shown(count: usize) -> impl Fn(&View) -> bool {
    move |view| has_snapshots(view, |it| it.seen.is_some() && !it.looking && it.list.len() == count)
}

fn has_beside(view: &View, seen: impl Fn(&Replacement) -> bool) -> bool {
    view.operation.is_none() && view.replacement.as_ref().is_some_and(seen)
}

fn steps(preview: &Preview) -> Vec<&str> {
    preview.groups.iter().flat_map(|group| &group.steps).map(|step| step.what.as_str()).collect()
}

/// Reads the preview and carries it out.
async fn carry_out(person: &Person, of: Proposal, label: &str) {
    let view = preview_of(person, of).await;
    let shown = view.preview.expect("a preview");
    assert_eq!(shown.problem, None);
    assert_eq!(view.commands.apply.expect("an offer").label, label);
    person.asks(Command::Apply { number: shown.number }).await.expect("accepted");
}

/// The machine cannot be entered, so a home does not get onto it.
fn locked(sandbox: &Sandbox) {
    let denied = Fault::Error { code: "AccessDeniedException".to_owned(), status: 400 };
    sandbox.fault(Rule::on(Service::Ssm, "StartSession", When::Every, denied));
}

/// The new instance has its home.
async fn home_arrives(sandbox: &Sandbox, other: &Laptop) {
    let world = sandbox.world();
    let regions = || world.accounts.values().flat_map(|account| account.regions.values());
    let waits =
        |tags: &holdfast_sandbox::Tags| tags.contains_key(TAG_HOME) && !tags.contains_key(TAG_CARRIED);
    let mut all = regions().flat_map(|region| region.instances.values());
    let new = all.find(|instance| instance.terminated.is_none() && waits(&instance.tags));
    let new = new.expect("an instance that waits for its home");
    let home = match new.tags.get(TAG_HOME).expect("a home") {
        last if last == LAST_HOME => {
            let mut all = regions().flat_map(|region| region.snapshots.values());
            let of_old = |tags: &holdfast_sandbox::Tags| tags.get(TAG_FINAL) == new.tags.get(TAG_REPLACES);
            all.find(|snapshot| of_old(&snapshot.tags)).expect("its last state").id.clone()
        }
        snapshot => snapshot.clone(),
    };
    let tags = Tags::from([(TAG_CARRIED.to_owned(), home)]);
    let tag = Step::Tag { resources: vec![new.id.clone()], tags };
    other.aws.perform(&other.desired, &tag).await.expect("a tag");
}

/// Another computer puts another instance in the machine's place.
async fn replaced_by(other: &Laptop) {
    let (world, witness) = (HasItsHome(&other.aws), Agreeing::default());
    let replace = converge(&world, &other.store, "replace", &other.desired, Goal::Replaced, &witness);
    Box::pin(replace).await.expect("another instance");
}

async fn taken(person: &Person) -> SnapshotId {
    let before = person.sees().snapshots.map_or(0, |snapshots| snapshots.list.len());
    person.asks(Command::TakeSnapshot).await.expect("accepted");
    let view = person.waits_for("another snapshot", shown(before + 1)).await;
    view.snapshots.expect("snapshots").list.first().expect("one").id.clone()
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_looked_at_for_who_watches_taken_and_deleted() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    let asked = || sandbox.calls().iter().filter(|call| call.operation == "DescribeSnapshots").count();
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(asked(), 0, "nobody watches");
        person.window(true);
        let view = person.waits_for("an empty list", shown(0)).await;
        let take = view.snapshots.and_then(|snapshots| snapshots.take).expect("an offer");
        assert!(take.note.is_some_and(|note| note.contains("at most $5.00 a month")));
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(asked(), 1, "an open window alone is no reason");

        let id = taken(person).await;
        assert_eq!(person.sees().machine.state, State::On, "nothing was interrupted");
        person.asks(Command::TakeSnapshot).await.expect("accepted");
        let view = person.waits_for("a failure", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("a failure").problem.code, "snapshot_limit", "AWS wants a pause");
        person.asks(Command::Dismiss).await.expect("accepted");
        let whole = |it: &Snapshots| it.list.iter().all(|one| one.state.is_none());
        let view = person.waits_for("a whole one", |view| has_snapshots(view, whole)).await;
        let cost = view.snapshots.and_then(|snapshots| snapshots.cost).expect("a cost");
        assert_eq!((cost.least, cost.most), (Some(0), Some(500)));
        assert_eq!(kept(&sandbox, &other.desired).snapshots, 1);

        let of = Proposal::DeleteSnapshot { snapshot: id.clone() };
        let view = preview_of(person, of.clone()).await;
        let preview = view.preview.expect("a preview");
        assert_eq!(steps(&preview), [format!("Snapshot {id}")]);
        assert_eq!(kept(&sandbox, &other.desired).snapshots, 1, "a preview changes nothing");
        carry_out(person, of.clone(), "Delete it").await;
        person.waits_for("none", shown(0)).await;
        assert_eq!(kept(&sandbox, &other.desired).snapshots, 0);
        person.asks(Command::Preview { of }).await.expect_err("it is gone");
        assert!(person.told().is_empty(), "the window was open");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_somebody_else_deleted_is_not_there_in_the_preview() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        person.waits_for("an empty list", shown(0)).await;
        let id = taken(person).await;
        let delete = Step::DeleteSnapshot { snapshot: id.clone() };
        other.aws.perform(&other.desired, &delete).await.expect("deleted");
        for of in
            [Proposal::DeleteSnapshot { snapshot: id.clone() }, Proposal::Restore { snapshot: id.clone() }]
        {
            let view = preview_of(person, of).await;
            let problem = view.preview.and_then(|preview| preview.problem).expect("a problem");
            assert_eq!((problem.code.as_str(), view.commands.apply), ("no_snapshot", None));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_stops_on_its_way_is_taken_back() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let old = person.sees().machine.instance.expect("an instance").id;
        let view = preview_of(person, Proposal::Replace).await;
        let preview = view.preview.expect("a preview");
        assert!(steps(&preview).iter().any(|step| step.starts_with("Final snapshot")), "{preview:?}");
        assert!(preview.notes.iter().any(|note| note.contains("$8.00 a month until you let it go")));
        assert_eq!(view.commands.apply.and_then(|apply| apply.asks).map(|asks| asks.len() > 10), Some(true));
        carry_out(person, Proposal::Replace, "Replace remote-dev").await;
        let begun = |view: &View| view.operation.as_ref().is_some_and(|it| it.phases.len() == 5);
        person.waits_for("its phases", begun).await;
        let view = person.waits_for("its end", |view| view.failed.is_some()).await;
        let failed = view.failed.expect("a failure");
        assert_eq!((failed.title.as_str(), failed.problem.code.as_str()), ("Replacing remote-dev", "denied"));
        assert!(
            failed.problem.hints.iter().any(|hint| hint.contains("the old machine is off")),
            "{failed:?}"
        );
        assert_eq!(person.told(), ["Replacing remote-dev: it did not work"]);
        let view = person.waits_for("a card", |view| has_beside(view, |it| it.under_way)).await;
        assert_eq!(view.machine.instance.expect("an instance").id, old, "the old one is the machine");
        assert_eq!(view.commands.replace, None, "it is gone on with instead");

        let view = preview_of(person, Proposal::TakeBack).await;
        let notes = view.preview.expect("a preview").notes;
        assert_eq!(notes, ["remote-dev is off then: start it when you want it."]);
        carry_out(person, Proposal::TakeBack, "Take it back").await;
        let gone = |view: &View| view.operation.is_none() && view.replacement.is_none();
        person.waits_for("no card", gone).await;
        person.waits_for_state(State::Off).await;
        assert_eq!(person.told(), ["remote-dev is what it was before"]);
        assert_eq!(person.sees().machine.instance.expect("an instance").id, old);
    })
    .await;
    assert_eq!(census(&sandbox, &other.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_gone_on_with_then_the_old_instance_is_let_go() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let old = person.sees().machine.instance.expect("an instance").id;
        carry_out(person, Proposal::Replace, "Replace remote-dev").await;
        person.waits_for("its end", |view| view.failed.is_some()).await;
        person.waits_for("a card", |view| has_beside(view, |it| it.go_on.is_some())).await;
        home_arrives(&sandbox, &other).await;
        person.told();
        carry_out(person, Proposal::GoOn, "Go on").await;
        let view = person.waits_for("a card", |view| has_beside(view, |it| !it.under_way)).await;
        assert_eq!(view.failed, None);
        let beside = view.replacement.expect("a card");
        assert!(beside.text.contains(&old) && beside.monthly == Some(800), "{beside:?}");
        let view = person.waits_for_state(State::On).await;
        assert_ne!(view.machine.instance.expect("an instance").id, old);
        assert_eq!(person.told(), ["remote-dev is another instance now, with its home"]);
        // It runs what its image came with, as far as anybody knows, so somebody looks.
        person
            .waits_for("a look at its system", |view| {
                view.system.as_ref().is_some_and(|it| it.problem.is_some())
            })
            .await;
        person.asks(Command::Preview { of: Proposal::Replace }).await.expect_err("one at a time");

        let view = preview_of(person, Proposal::LetGo).await;
        let asks = view.commands.apply.and_then(|apply| apply.asks).expect("a question");
        assert!(
            asks.starts_with(&format!("{old} ends, with its volume. Its last state stays in snap-")),
            "{asks}"
        );
        carry_out(person, Proposal::LetGo, "Let it go").await;
        person.waits_for("no card", |view| view.operation.is_none() && view.replacement.is_none()).await;
        assert_eq!(person.told(), ["The old instance of remote-dev is gone"]);
        person.window(true);
        let view = person.waits_for("its last state", shown(1)).await;
        assert_eq!(view.snapshots.expect("snapshots").list[0].why, "last state of a volume");
    })
    .await;
    assert_eq!(census(&sandbox, &other.desired), WHOLE);
    assert_eq!(kept(&sandbox, &other.desired).snapshots, 1);
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_replaced_is_the_machine_again() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let old = person.sees().machine.instance.expect("an instance").id;
        replaced_by(&other).await;
        person.asks(Command::Look).await.expect("accepted");
        let view = person.waits_for("a card", |view| has_beside(view, |it| it.go_back.is_some())).await;
        assert_ne!(view.machine.instance.expect("an instance").id, old);
        carry_out(person, Proposal::GoBack, "Go back").await;
        person.waits_for("no card", |view| view.operation.is_none() && view.replacement.is_none()).await;
        let view = person.waits_for_state(State::Off).await;
        assert_eq!(view.machine.instance.expect("an instance").id, old);
        person.asks(Command::Start).await.expect("accepted");
        person.waits_for_state(State::On).await;
    })
    .await;
    assert_eq!(census(&sandbox, &other.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn an_older_state_is_restored_beside_the_machine_and_where_there_is_none() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        person.waits_for("an empty list", shown(0)).await;
        let id = taken(person).await;
        let old = person.sees().machine.instance.expect("an instance").id;
        let restore = || Proposal::Restore { snapshot: id.clone() };
        carry_out(person, restore(), "Restore remote-dev").await;
        person.waits_for("its end", |view| view.failed.is_some()).await;
        let view = person.waits_for("a card", |view| has_beside(view, |it| it.under_way)).await;
        assert_eq!(view.machine.state, State::On, "the old one runs until the home is there");
        assert!(view.replacement.is_some_and(|it| it.text.contains(id.as_str())));
        let refused =
            person.asks(Command::Preview { of: Proposal::DeleteSnapshot { snapshot: id.clone() } }).await;
        refused.expect_err("the home comes from it");
        home_arrives(&sandbox, &other).await;
        carry_out(person, restore(), "Go on").await;
        let view = person.waits_for("a card", |view| has_beside(view, |it| !it.under_way)).await;
        let locked = |it: &Snapshots| it.note.is_some() && it.list.iter().all(|one| one.restore.is_none());
        assert!(has_snapshots(&view, locked));
        assert_ne!(view.machine.instance.expect("an instance").id, old);

        other.reach(Goal::Gone(Leave { volume: false, snapshot: false })).await.expect("gone");
        person.asks(Command::Look).await.expect("accepted");
        let view = person.waits_for_state(State::Absent).await;
        assert!(has_snapshots(&view, |it| it.list.len() == 1 && it.take.is_none()), "{view:#?}");
        carry_out(person, restore(), "Make remote-dev").await;
        person.waits_for("its end", |view| view.failed.is_some()).await;
        let view = person.waits_for("a card", |view| has_beside(view, |it| it.under_way)).await;
        assert_eq!(view.replacement.map(|it| it.title).as_deref(), Some("remote-dev waits for its home"));
        let view = preview_of(person, Proposal::GoOn).await;
        let preview = view.preview.expect("a preview");
        assert!(steps(&preview).iter().any(|step| step.starts_with("Put the home of")), "{preview:?}");
        assert!(!steps(&preview).iter().any(|step| step.starts_with("Instance ")), "{preview:?}");
        carry_out(person, Proposal::GoOn, "Go on").await;
        person.waits_for("its end", |view| view.failed.is_some()).await;

        // Another computer brings it there; what is done is not begun again.
        let (world, witness) = (HasItsHome(&other.aws), Agreeing::default());
        let settle = converge(&world, &other.store, "apply", &other.desired, Goal::Settings, &witness);
        Box::pin(settle).await.expect("a home");
        let view = preview_of(person, Proposal::GoOn).await;
        let problem = view.preview.and_then(|preview| preview.problem).expect("a problem");
        assert_eq!(problem.what, "No replacement is under way");
        person.asks(Command::Look).await.expect("accepted");
        person.waits_for("no card", |view| view.operation.is_none() && view.replacement.is_none()).await;
        person.waits_for_state(State::On).await;
    })
    .await;
    assert_eq!(census(&sandbox, &other.desired), WHOLE, "one machine, and nothing beside it");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_shown_is_not_destroyed() {
    let (sandbox, other) = with_machine().await;
    locked(&sandbox);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        replaced_by(&other).await;
        person.asks(Command::Look).await.expect("accepted");
        person.waits_for("a card", |view| has_beside(view, |it| it.let_go.is_some())).await;
        let view = preview_of(person, Proposal::LetGo).await;
        let number = view.preview.expect("a preview").number;
        // Somebody lets that one go, and replaces the machine once more: another one is kept now.
        other.reach(Goal::Only(Keep::Machine)).await.expect("gone");
        let machine = other.reach(Goal::Settings).await.expect("a machine").observed;
        let machine = machine.winners(&other.desired).instance.expect("an instance").id.clone();
        // Its mark would say that it has taken its place already.
        let tags = Tags::from([(TAG_REPLACES.to_owned(), "none".to_owned())]);
        let tag = Step::Tag { resources: vec![machine.to_string()], tags };
        other.aws.perform(&other.desired, &tag).await.expect("a tag");
        replaced_by(&other).await;
        let before = census(&sandbox, &other.desired);
        person.asks(Command::Apply { number }).await.expect("accepted");
        let view = person.waits_for("a failure", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("a failure").problem.code, "changed");
        assert_eq!(census(&sandbox, &other.desired), before);

        // And what is over cannot be taken back.
        person.asks(Command::Look).await.expect("accepted");
        let refusal = person.asks(Command::Preview { of: Proposal::TakeBack }).await.expect_err("refused");
        assert_eq!(refusal.why, "No replacement is under way");
    })
    .await;
}
