//! Settings that are typed, previewed and applied.

use super::fixture::{at, problem, reachable, seeing, setup};
use crate::app::view::Key;
use crate::app::{App, Command, Draft, Event, Foreseen, Operation, drafted};
use crate::machine::Observed;
use crate::plan::tests::fixture::empty;
use crate::plan::{Goal, plan};

fn draft() -> Draft {
    Draft {
        profile: String::new(),
        region: "us-west-2".to_owned(),
        instance_type: "m8g.xlarge".to_owned(),
        volume_size: "100".to_owned(),
        user: "ada".to_owned(),
    }
}

/// Asks for a preview and answers it from this world.
fn preview(app: &mut App, draft: Draft, observed: Observed) -> u32 {
    app.on(Event::Drafted(Box::new(draft.clone())), at(20));
    let number = app.view().preview.unwrap().number;
    let desired = drafted(app.setup().unwrap(), &draft).unwrap().desired;
    let plan = plan(&desired, &observed, Goal::Settings);
    let found = Ok(Box::new(Foreseen { desired, observed, plan, blocked: None }));
    app.on(Event::Previewed { number, found }, at(21));
    number
}

#[test]
fn a_first_machine_is_previewed_then_made() {
    let mut app = seeing(empty());
    app.on(Event::Drafted(Box::new(draft())), at(20));
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
    let wrong = Draft {
        region: "Oregon".to_owned(),
        instance_type: "huge".to_owned(),
        volume_size: "-1".to_owned(),
        user: "root; rm -rf /".to_owned(),
        ..draft()
    };
    app.on(Event::Drafted(Box::new(wrong.clone())), at(20));
    let shown = app.view().preview.unwrap();
    let keys: Vec<Key> = shown.errors.iter().map(|error| error.key).collect();
    assert_eq!(keys, [Key::Region, Key::InstanceType, Key::VolumeSize, Key::User]);
    assert!(shown.errors.iter().all(|error| !error.text.is_empty()));
    assert!(!shown.looking && app.to_foresee().is_none(), "nothing is asked of AWS");
    assert_eq!(shown.draft, wrong);
}

#[test]
fn only_what_changes_is_written_and_an_empty_value_takes_the_default_back() {
    let mut app = seeing(empty());
    app.on(setup("# mine\n[machine.remote-dev]\nprofile = \"work\" # keep\nvolume_size = 200\n"), at(5));
    let typed =
        Draft { profile: "work".to_owned(), volume_size: String::new(), user: "bob".to_owned(), ..draft() };
    let drafted = drafted(app.setup().unwrap(), &typed).unwrap();
    assert_eq!(drafted.text, "# mine\n[machine.remote-dev]\nprofile = \"work\" # keep\nuser = \"bob\"\n");
    assert_eq!(drafted.desired.volume_size, 100);
}

#[test]
fn a_machine_that_exists_keeps_what_cannot_be_changed() {
    let app = seeing(reachable());
    let fixed = app.view().settings.fields;
    let keys: Vec<Key> = fixed.iter().filter(|field| field.fixed.is_some()).map(|field| field.key).collect();
    assert_eq!(keys, [Key::Region, Key::User]);
    let mut app = seeing(reachable());
    let smaller = Draft { volume_size: "50".to_owned(), ..draft() };
    app.on(Event::Drafted(Box::new(smaller)), at(20));
    let errors = app.view().preview.unwrap().errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].key, errors[0].text.as_str()),
        (Key::VolumeSize, "The volume has 100 GiB. A volume grows and never shrinks.")
    );
    let mut app = seeing(reachable());
    let other = Draft { profile: "work".to_owned(), region: "eu-central-1".to_owned(), ..draft() };
    app.on(Event::Drafted(Box::new(other)), at(20));
    let errors = app.view().preview.unwrap().errors;
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].key, errors[0].text.as_str()), (Key::Region, "The machine stays in its region."));
}

#[test]
fn settings_alone_are_saved() {
    let mut app = seeing(reachable());
    let number = preview(&mut app, Draft { profile: "work".to_owned(), ..draft() }, reachable());
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
    app.on(Event::Drafted(Box::new(draft())), at(20));
    let number = app.view().preview.unwrap().number;
    app.on(Event::Previewed { number, found: Err(problem("AWS cannot be reached")) }, at(21));
    let view = app.view();
    assert_eq!(view.preview.unwrap().problem.unwrap().what, "AWS cannot be reached");
    assert_eq!(view.commands.apply, None);

    app.on(Event::Drafted(Box::new(draft())), at(22));
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
    app.on(Event::Drafted(Box::new(draft())), at(30));
    app.on(Event::Previewed { number, found: Err(problem("late")) }, at(31));
    assert!(app.view().preview.unwrap().looking);
    app.on(setup("# somebody has edited the file\n"), at(32));
    assert_eq!(app.view().preview, None);
}
