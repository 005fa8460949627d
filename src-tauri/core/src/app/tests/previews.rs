//! Settings that are typed, previewed and applied.

use super::fixture::{at, looked, problem, reachable, seeing, setup};
use crate::app::view::Key;
use crate::app::{App, Command, Draft, Event, Foreseen, Operation, Problem, Proposal, drafted};
use crate::machine::Observed;
use crate::plan::tests::fixture::empty;
use crate::plan::{Goal, plan};

fn draft() -> Draft {
    let typed = [
        (Key::Profile, ""),
        (Key::Region, "us-west-2"),
        (Key::InstanceType, "m8g.xlarge"),
        (Key::VolumeSize, "100"),
        (Key::User, "ada"),
    ];
    typed.into_iter().fold(Draft::default(), |draft, (key, value)| draft.with(key, value))
}

fn settings(draft: Draft) -> Proposal {
    Proposal::Settings { draft }
}

/// Asks for a preview and answers it from this world.
fn preview(app: &mut App, draft: Draft, observed: Observed) -> u32 {
    app.on(Event::Proposed(Box::new(settings(draft.clone()))), at(20));
    let number = app.view().preview.unwrap().number;
    let desired = drafted(app.setup().unwrap(), &draft).unwrap().desired;
    let plan = plan(&desired, &observed, Goal::Settings);
    let found = Ok(Box::new(Foreseen { desired, observed, plan, blocked: None }));
    app.on(Event::Previewed { number, found }, at(21));
    number
}

#[test]
fn what_failed_because_nobody_was_signed_in_is_looked_into_again() {
    let expired = || Problem { code: "expired".to_owned(), ..problem("Your AWS sign-in is over") };
    let mut app = seeing(empty());
    let fails_with = |app: &mut App, why: Problem| {
        app.on(Event::Proposed(Box::new(settings(draft()))), at(20));
        let number = app.view().preview.unwrap().number;
        app.on(Event::Previewed { number, found: Err(why) }, at(21));
        number
    };
    let number = fails_with(&mut app, expired());
    assert!(app.to_foresee().is_none());
    app.on(Event::SignedIn(Ok(true)), at(22));
    assert_eq!(app.to_foresee().map(|(again, _)| again), Some(number + 1));
    // Where somebody signs in elsewhere, a look tells.
    let number = fails_with(&mut app, expired());
    app.on(Event::Blind(expired()), at(23));
    app.on(looked(empty()), at(24));
    assert_eq!(app.to_foresee().map(|(again, _)| again), Some(number + 1));
    fails_with(&mut app, problem("AWS does not answer"));
    app.on(Event::SignedIn(Ok(true)), at(25));
    assert!(app.to_foresee().is_none(), "that was another matter");
}

#[test]
fn a_first_machine_is_previewed_then_made() {
    let mut app = seeing(empty());
    app.on(Event::Proposed(Box::new(settings(draft()))), at(20));
    let shown = app.view().preview.unwrap();
    assert!(shown.looking && shown.changes.is_empty());
    assert_eq!(app.to_foresee().map(|(number, _)| number), Some(shown.number));
    assert!(app.may(&Command::Apply { number: shown.number }).is_err(), "nobody has read it yet");

    let number = preview(&mut app, draft(), empty());
    let view = app.view();
    let shown = view.preview.unwrap();
    assert!(!shown.looking && app.to_foresee().is_none());
    let groups: Vec<(_, usize)> = shown.groups.iter().map(|group| (group.area, group.steps.len())).collect();
    insta::assert_debug_snapshot!(groups);
    assert_eq!(shown.cost.unwrap().always, Some(14270));
    let apply = view.commands.apply.unwrap();
    assert_eq!(apply.label, "Make remote-dev");
    assert_eq!(apply.note.as_deref(), Some("$142.70 a month while it is on"));
    assert_eq!(apply.asks, None);

    assert!(app.may(&Command::Apply { number: number + 1 }).is_err(), "it is not the one that was read");
    app.may(&Command::Apply { number }).unwrap();
    assert_eq!(app.foreseen(number).unwrap().0, Operation::Make);
    app.on(Event::Began(Operation::Make), at(30));
    assert_eq!(app.view().preview, None);
    let refusal = app.may(&Command::Start).unwrap_err();
    assert_eq!(refusal.why, "Making remote-dev is under way");
}

#[test]
fn what_does_not_hold_is_said_by_its_field() {
    let mut app = seeing(empty());
    let wrong = draft()
        .with(Key::Region, "Oregon")
        .with(Key::InstanceType, "huge")
        .with(Key::VolumeSize, "-1")
        .with(Key::User, "root; rm -rf /");
    app.on(Event::Proposed(Box::new(settings(wrong.clone()))), at(20));
    let shown = app.view().preview.unwrap();
    let keys: Vec<Key> = shown.errors.iter().map(|error| error.key).collect();
    assert_eq!(keys, [Key::Region, Key::InstanceType, Key::VolumeSize, Key::User]);
    assert!(shown.errors.iter().all(|error| !error.text.is_empty()));
    assert!(!shown.looking && app.to_foresee().is_none(), "nothing is asked of AWS");
    assert_eq!(shown.of, settings(wrong));
}

#[test]
fn only_what_changes_is_written_and_an_empty_value_takes_the_default_back() {
    let mut app = seeing(empty());
    app.on(setup("# mine\n[machine.remote-dev]\nprofile = \"work\" # keep\nvolume_size = 200\n"), at(5));
    let typed = draft().with(Key::Profile, "work").with(Key::VolumeSize, "").with(Key::User, "bob");
    let drafted = drafted(app.setup().unwrap(), &typed).unwrap();
    assert_eq!(drafted.text, "# mine\n[machine.remote-dev]\nprofile = \"work\" # keep\nuser = \"bob\"\n");
    assert_eq!(drafted.desired.volume_size, 100);
}

#[test]
fn a_machine_that_exists_keeps_what_cannot_be_changed() {
    let app = seeing(reachable());
    let fixed = app.view().settings.fields;
    let keys: Vec<Key> = fixed.iter().filter(|field| field.fixed.is_some()).map(|field| field.key).collect();
    assert_eq!(keys, [Key::Region, Key::User, Key::Subnet]);
    let mut app = seeing(reachable());
    let smaller = draft().with(Key::VolumeSize, "50");
    app.on(Event::Proposed(Box::new(settings(smaller))), at(20));
    let errors = app.view().preview.unwrap().errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].key, errors[0].text.as_str()),
        (Key::VolumeSize, "The volume has 100 GiB. A volume grows and never shrinks.")
    );
    let mut app = seeing(reachable());
    let other = draft().with(Key::Profile, "work").with(Key::Region, "eu-central-1");
    app.on(Event::Proposed(Box::new(settings(other))), at(20));
    let errors = app.view().preview.unwrap().errors;
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].key, errors[0].text.as_str()), (Key::Region, "The machine stays in its region."));
}

#[test]
fn settings_alone_are_saved() {
    let mut app = seeing(reachable());
    let number = preview(&mut app, draft().with(Key::Profile, "work"), reachable());
    let view = app.view();
    assert_eq!(view.commands.apply.map(|apply| apply.label).as_deref(), Some("Save"));
    assert_eq!(view.preview.unwrap().changes.len(), 1);
    assert_eq!(app.foreseen(number).unwrap().0, Operation::Apply);

    preview(&mut app, draft(), reachable());
    let view = app.view();
    assert_eq!(view.commands.apply, None, "there is nothing to do");
    assert_eq!(view.preview.unwrap().refused, None);
}

#[test]
fn what_forbids_the_plan_is_shown_instead_of_it() {
    let mut app = seeing(empty());
    app.on(Event::Proposed(Box::new(settings(draft()))), at(20));
    let number = app.view().preview.unwrap().number;
    app.on(Event::Previewed { number, found: Err(problem("AWS cannot be reached")) }, at(21));
    let view = app.view();
    assert_eq!(view.preview.unwrap().problem.unwrap().what, "AWS cannot be reached");
    assert_eq!(view.commands.apply, None);

    app.on(Event::Proposed(Box::new(settings(draft()))), at(22));
    let number = app.view().preview.unwrap().number;
    let desired = app.setup().unwrap().desired.clone();
    let plan = plan(&desired, &empty(), Goal::Settings);
    let blocked = Some(problem("A VPC of somebody else has the name"));
    let found = Ok(Box::new(Foreseen { desired, observed: empty(), plan, blocked }));
    app.on(Event::Previewed { number, found }, at(23));
    let preview = app.view().preview.unwrap();
    assert!(preview.groups.is_empty() && preview.problem.is_some());
    assert!(app.may(&Command::Apply { number }).is_err());
}

#[test]
fn an_answer_to_an_older_preview_is_dropped_and_new_settings_drop_all() {
    let mut app = seeing(empty());
    let number = preview(&mut app, draft(), empty());
    app.on(Event::Proposed(Box::new(settings(draft()))), at(30));
    app.on(Event::Previewed { number, found: Err(problem("late")) }, at(31));
    assert!(app.view().preview.unwrap().looking);
    app.on(setup("# somebody has edited the file\n"), at(32));
    assert_eq!(app.view().preview, None);
}

#[test]
fn every_setting_of_one_text_can_be_typed() {
    let values = [
        (Key::VolumeIops, "6000"),
        (Key::VolumeThroughput, "250"),
        (Key::Alternates, "m7g.xlarge, m8g.2xlarge"),
        (Key::Zone, "us-west-2b"),
        (Key::SnapshotEvery, "6"),
        (Key::SnapshotKeep, "20"),
        (Key::OffAt, "22:30"),
        (Key::OffWhenIdle, "45"),
        (Key::InstanceProfile, "company-ssm"),
        (Key::PermissionsBoundary, "arn:aws:iam::123456789012:policy/boundary"),
        (Key::KmsKey, "alias/company"),
    ];
    let app = seeing(empty());
    let typed = values.iter().fold(draft(), |draft, (key, value)| draft.with(*key, value));
    let drafted = drafted(app.setup().unwrap(), &typed).unwrap();
    insta::assert_snapshot!(drafted.text, @r#"
    [machine.remote-dev]
    volume_iops = 6000
    volume_throughput = 250
    alternates = ["m7g.xlarge", "m8g.2xlarge"]
    zone = "us-west-2b"
    snapshot_every = 6
    snapshot_keep = 20
    off_at = "22:30"
    off_when_idle = 45
    instance_profile = "company-ssm"
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    kms_key = "alias/company"
    "#);

    // And the form shows them, and takes each of them back.
    let mut app = seeing(empty());
    app.on(setup(&drafted.text), at(5));
    let fields = app.view().settings.fields;
    for (key, value) in values {
        let field = fields.iter().find(|field| field.key == key).unwrap();
        assert_eq!((field.value.as_str(), field.default), (value, false), "{key:?}");
    }
    let none = values.iter().fold(Draft::default(), |draft, (key, _)| draft.with(*key, ""));
    let back = crate::app::drafted(app.setup().unwrap(), &none).unwrap();
    assert_eq!(back.text.trim(), "[machine.remote-dev]");

    let wrong = Draft::default().with(Key::InstanceProfile, "not a name").with(Key::SnapshotEvery, "5");
    let errors = crate::app::drafted(app.setup().unwrap(), &wrong).unwrap_err();
    let keys: Vec<Key> = errors.iter().map(|error| error.key).collect();
    assert_eq!(keys, [Key::SnapshotEvery, Key::InstanceProfile]);
}

#[test]
fn what_is_of_the_system_says_that_it_takes_a_rebuild() {
    let mut app = seeing(reachable());
    preview(&mut app, draft().with(Key::OffAt, "22:30"), reachable());
    let notes = app.view().preview.unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("rebuild it then")), "{notes:?}");
    let mut app = seeing(empty());
    preview(&mut app, draft().with(Key::OffAt, "22:30"), empty());
    assert!(!app.view().preview.unwrap().notes.iter().any(|note| note.contains("rebuild")));
}
