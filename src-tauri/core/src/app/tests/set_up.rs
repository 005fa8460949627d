//! The first run, step by step; the instance types; several machines; newer versions.

use super::fixture::{app, at, looked, problem, reachable, seeing, setup};
use crate::app::view::{Draft, Key, Update};
use crate::app::{App, Command, Event, Operation, Page, Problem, Progress, decided, drafted};
use crate::kinds::Kind;
use crate::machine::{ConfigSource, Fact, Modification, ModificationState, Power, Why};
use crate::plan::tests::fixture::{empty, powered};

/// The steps as a line: decided ones in brackets.
fn steps(app: &App) -> String {
    let set_up = app.view().set_up;
    let steps = set_up.iter().flat_map(|set_up| &set_up.steps);
    let words = steps.map(|step| {
        let name = format!("{:?}={}", step.step, step.says);
        if step.done { format!("[{name}]") } else { name }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Keeps a draft as the engine does.
fn keep(app: &mut App, draft: Draft) {
    assert_eq!(app.may(&Command::Keep { draft: draft.clone() }), Ok(()));
    let text = decided(app.setup().unwrap(), &draft).unwrap().text;
    app.on(setup(&text), at(20));
    app.on(looked(empty()), at(21));
}

#[test]
fn every_decision_is_in_the_file_as_soon_as_it_is_taken() {
    let mut app = seeing(empty());
    let draft = Draft::default;
    assert_eq!(
        steps(&app),
        "[Account=what AWS tools take by default] Region=us-west-2 Size=m8g.xlarge, 100 GiB User=ada \
         Configuration=what ships with Holdfast Plan="
    );
    keep(&mut app, draft().with(Key::Region, "us-west-2"));
    keep(&mut app, draft().with(Key::InstanceType, "m8g.large").with(Key::VolumeSize, "100"));
    keep(&mut app, draft().with(Key::User, "ada"));
    let git = "https://example.com/team/machines.git";
    keep(&mut app, draft().with(Key::Config, "git").with(Key::ConfigGit, git));
    assert_eq!(
        steps(&app),
        format!(
            "[Account=what AWS tools take by default] [Region=us-west-2] [Size=m8g.large, 100 GiB] [User=ada] \
             [Configuration={git}] Plan="
        )
    );
    insta::assert_snapshot!(app.setup().unwrap().text, @r#"
    [machine.remote-dev]
    region = "us-west-2"
    instance_type = "m8g.large"
    volume_size = 100
    user = "ada"
    config.git = "https://example.com/team/machines.git"
    "#);
}

#[test]
fn what_is_wrong_with_a_decision_stands_at_its_field() {
    let mut app = seeing(empty());
    let wrong = |app: &App| -> Vec<Key> {
        app.view().set_up.expect("a set-up").errors.into_iter().map(|error| error.key).collect()
    };
    let size =
        |size: &str| Draft::default().with(Key::InstanceType, "m8g.xlarge").with(Key::VolumeSize, size);
    assert!(app.may(&Command::Keep { draft: size("ten") }).is_err());
    app.on(Event::NotKept(size("ten")), at(20));
    assert_eq!(wrong(&app), [Key::VolumeSize]);
    app.on(Event::Discarded, at(21));
    assert_eq!(wrong(&app), [], "somebody types");
    app.on(Event::NotKept(size("0")), at(22));
    keep(&mut app, size("200"));
    assert_eq!(wrong(&app), [], "that holds");

    let mut app = seeing(reachable());
    app.on(Event::NotKept(Draft::default().with(Key::Terminal, "no-such")), at(20));
    app.on(looked(empty()), at(30));
    assert_eq!(wrong(&app), [], "that is none of its matters");
}

#[test]
fn it_is_there_only_as_long_as_there_is_no_machine() {
    let blind =
        || Event::Blind(Problem { code: "no_credentials".to_owned(), ..problem("Nobody is signed in") });
    let mut first = app();
    assert!(first.view().set_up.is_none(), "nobody has looked yet");
    first.on(Event::Blind(problem("AWS cannot be reached")), at(4));
    assert!(first.view().set_up.is_none(), "there may be a machine");
    first.on(blind(), at(5));
    assert!(steps(&first).starts_with("Account="), "{}", steps(&first));

    let Event::Settings(Ok(mut known)) = setup("") else { unreachable!() };
    known.met = true;
    let mut again = app();
    again.on(Event::Settings(Ok(known)), at(1));
    again.on(blind(), at(5));
    assert!(again.view().set_up.is_none(), "there is one, though nobody can see it");

    let mut app = seeing(empty());
    app.on(Event::Began(Operation::Make), at(30));
    assert!(app.view().set_up.is_none());
    app.on(Event::Goes(Progress::Saw(Box::new(powered(Power::Pending)))), at(31));
    app.on(Event::Ended(Some(Ok(()))), at(40));
    assert!(app.view().set_up.is_none());
}

#[test]
fn without_a_plan_a_machine_changes_in_nothing() {
    let keep = |key: Key, value: &str| Command::Keep { draft: Draft::default().with(key, value) };
    let (there, none) = (seeing(reachable()), seeing(empty()));
    assert!(there.may(&keep(Key::InstanceType, "m8g.large")).is_err());
    assert_eq!(there.may(&keep(Key::Mute, "state, disk")), Ok(()));
    assert_eq!(none.may(&keep(Key::InstanceType, "m8g.large")), Ok(()));
    let refused = none.may(&keep(Key::VolumeSize, "a lot")).unwrap_err();
    insta::assert_snapshot!(refused.why, @"Not a whole number of GiB from 8 to 65536.");
    assert!(there.may(&keep(Key::Mute, "everything")).is_err());
}

#[test]
fn a_source_of_the_configuration_is_typed_as_one_thing() {
    let app = seeing(empty());
    let setup = app.setup().unwrap();
    let draft = |pairs: &[(Key, &str)]| {
        pairs.iter().fold(Draft::default(), |draft, (key, value)| draft.with(*key, value))
    };
    let folder =
        drafted(setup, &draft(&[(Key::Config, "directory"), (Key::ConfigDirectory, "~/machines")])).unwrap();
    assert!(matches!(&folder.desired.config, ConfigSource::Directory { path, .. } if path == "~/machines"));
    let all = draft(&[
        (Key::Config, "git"),
        (Key::ConfigGit, "https://example.com/x.git"),
        (Key::ConfigBranch, "next"),
        (Key::ConfigFolder, "nixos"),
        (Key::ConfigAttribute, "big"),
        // It belongs to another kind, and somebody may have typed it before.
        (Key::ConfigDirectory, "~/machines"),
    ]);
    let git = drafted(&folder, &all).unwrap();
    assert!(
        matches!(&git.desired.config, ConfigSource::Git { branch: Some(branch), .. } if branch == "next")
    );
    assert!(!git.text.contains("directory"), "{}", git.text);
    assert_eq!(
        drafted(&git, &draft(&[(Key::Config, "git"), (Key::ConfigBranch, "")]))
            .unwrap()
            .value(Key::ConfigBranch),
        ""
    );
    let back =
        drafted(&git, &draft(&[(Key::Config, "embedded"), (Key::ConfigGit, "https://example.com/x.git")]))
            .unwrap();
    assert_eq!(back.desired.config, ConfigSource::Embedded);
    let nowhere = drafted(setup, &draft(&[(Key::Config, "git"), (Key::ConfigGit, "")])).unwrap_err();
    assert_eq!(nowhere.first().unwrap().key, Key::ConfigGit);
    let refused = drafted(setup, &draft(&[(Key::Config, "git"), (Key::ConfigGit, "http://example.com/x")]))
        .unwrap_err();
    assert_eq!(refused.first().unwrap().key, Key::ConfigGit);
    assert_eq!(
        drafted(setup, &draft(&[(Key::Config, "ftp")])).unwrap_err().first().unwrap().key,
        Key::Config
    );
}

#[test]
fn tags_are_one_line() {
    let app = seeing(empty());
    let setup = app.setup().unwrap();
    assert_eq!(setup.value(Key::Tags), "do-not-nuke=true");
    let tagged =
        |setup: &crate::app::Setup, text: &str| drafted(setup, &Draft::default().with(Key::Tags, text));
    let two = tagged(setup, "do-not-nuke=true, team=compilers").unwrap();
    assert_eq!(two.value(Key::Tags), "do-not-nuke=true, team=compilers");
    let one = tagged(&two, "team=tools").unwrap();
    assert_eq!(one.value(Key::Tags), "team=tools");
    assert_eq!(tagged(&one, "do-not-nuke=true").unwrap().value(Key::Tags), "do-not-nuke=true");
    assert_eq!(tagged(setup, "team").unwrap_err().first().unwrap().key, Key::Tags);
}

#[test]
fn when_the_volume_can_be_changed_again_is_said_as_far_as_it_is_known() {
    let note = |modification: Fact<Modification>| {
        let mut world = reachable();
        let Fact::Present(volumes) = &mut world.volumes else { panic!("no volume") };
        volumes.iter_mut().for_each(|volume| volume.modification = modification.clone());
        seeing(world).view().settings.growth.notes.pop().unwrap()
    };
    let change = |state, began: &str, progress| {
        note(Fact::Present(Modification { state, began: Some(began.to_owned()), progress }))
    };
    let rule = "AWS takes four changes of a volume in 24 hours, each after the one before is over, which may take hours.";
    assert_eq!(note(Fact::Absent), rule);
    assert_eq!(note(Fact::Unknown(Why::Denied("ec2:DescribeVolumesModifications".to_owned()))), rule);
    let again = |percent: u32| {
        format!("It can be changed again when AWS is through with the last change: {percent} % are done.")
    };
    assert_eq!(change(ModificationState::Modifying, "2026-11-24T07:00:00Z", 0), again(0));
    assert_eq!(change(ModificationState::Optimizing, "2026-11-24T07:00:00Z", 87), again(87));
    assert_eq!(
        change(ModificationState::Completed, "2026-11-23T09:00:00Z", 100),
        "It was changed within the last 24 hours, and that is over. AWS takes four changes of a volume in 24 hours, each \
         after the one before is over."
    );
    assert_eq!(change(ModificationState::Completed, "2026-11-23T07:00:00Z", 100), rule);
    assert_eq!(change(ModificationState::Failed, "2026-11-24T07:00:00Z", 3), rule);
}

fn kind(name: &str, architecture: &str, offered: bool) -> Kind {
    Kind {
        instance_type: name.parse().unwrap(),
        architectures: vec![architecture.to_owned()],
        offered,
        vcpus: 4,
        memory_mib: 16 << 10,
        network: Some("Up to 15 Gigabit".to_owned()),
    }
}

#[test]
fn types_are_looked_at_where_they_are_shown() {
    let mut app = seeing(reachable());
    assert_eq!(app.wants_kinds(), None);
    app.on(Event::Window(true), at(20));
    app.on(Event::Showing(Page::Settings), at(20));
    let (_, zone) = app.wants_kinds().unwrap();
    assert_eq!(zone.as_deref(), Some("us-west-2a"));
    app.on(Event::LookingAtKinds, at(20));
    assert_eq!(app.wants_kinds(), None);
    let mac = Kind { architectures: Vec::new(), ..kind("mac2.metal", "", true) };
    let kinds = vec![
        kind("m8g.2xlarge", "arm64", true),
        kind("m7i.xlarge", "x86_64", true),
        kind("m8g.xlarge", "arm64", true),
        kind("x8g.xlarge", "arm64", false),
        mac,
    ];
    app.on(Event::LookedAtKinds(Ok(kinds)), at(22));
    assert_eq!(app.wants_kinds(), None);
    let list = app.view().types.unwrap().list;
    let lines: Vec<String> = list
        .iter()
        .map(|t| {
            format!(
                "{} {:?} {:?} {} {}",
                t.name,
                t.monthly,
                t.difference,
                t.current,
                t.hindrance.as_deref().unwrap_or("")
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    m8g.xlarge Some(13105) Some(0) true 
    m7i.xlarge Some(14717) Some(1612) false Its processor is x86_64, the machine's is arm64; another instance takes that, with the home of this one: Replace
    m8g.2xlarge Some(26210) Some(13105) false 
    x8g.xlarge None None false us-west-2a has none of it; another instance takes that, with the home of this one: Replace
    ");
    app.on(Event::Showing(Page::Doctor), at(30));
    assert_eq!(app.view().types, None, "they are many");
    app.on(Event::Showing(Page::Settings), at(40));
    assert_eq!(app.wants_kinds(), None);
    app.on(Event::Showing(Page::Doctor), at(50));
    app.on(Event::Showing(Page::Settings), at(4000));
    assert!(app.wants_kinds().is_some());
}

#[test]
fn newer_versions_are_asked_for_once_a_day_and_told_once() {
    let mut app = seeing(reachable());
    let day = 24 * 3600;
    assert_eq!(app.next_look_for_updates(at(10)), None, "nobody knows where");
    assert!(app.view().settings.fields.iter().all(|field| field.key != Key::Updates), "nobody asks");
    app.on(Event::AskedForUpdates { last: None, found: None, salt: 5000 }, at(10));
    assert!(app.view().settings.fields.iter().any(|field| field.key == Key::Updates));
    assert_eq!(app.next_look_for_updates(at(10)).unwrap().as_secs(), 60, "not in the middle of the start");
    app.on(Event::AskingForUpdates, at(70));
    assert_eq!(app.next_look_for_updates(at(71)), None);
    let newer = || Ok(Some(Update { version: "9.0.0".to_owned(), page: "https://example.com/9".to_owned() }));
    assert!(app.may(&Command::ShowUpdate).is_err());
    app.on(Event::Updates { newer: newer(), salt: 5000 }, at(72));
    assert_eq!(app.next_look_for_updates(at(72)).unwrap().as_secs(), day + 5000);
    assert_eq!(app.notices().map(|notice| notice.title).collect::<Vec<_>>(), ["Holdfast 9.0.0 is available"]);
    assert_eq!(app.may(&Command::ShowUpdate), Ok(()));
    app.on(Event::Updates { newer: newer(), salt: 5000 }, at(72 + day + 5000));
    assert_eq!(app.notices().count(), 0);
    app.on(Event::Updates { newer: Err(()), salt: 5000 }, at(72 + 2 * (day + 5000)));
    assert!(app.view().update.is_some(), "a network that is away makes it no older");

    app.on(setup("updates = false\n"), at(80));
    assert_eq!((app.next_look_for_updates(at(900_000)), app.view().update), (None, None));
    assert!(app.may(&Command::ShowUpdate).is_err());
    app.on(setup(""), at(81));
    // A clock that was wrong then.
    app.on(Event::AskedForUpdates { last: Some(at(9_000_000)), found: None, salt: 1 }, at(82));
    assert_eq!(app.next_look_for_updates(at(82)).unwrap().as_secs(), 60);
    app.on(Event::AskedForUpdates { last: Some(at(80)), found: None, salt: 1 }, at(82));
    assert_eq!(app.next_look_for_updates(at(82)).unwrap().as_secs(), day - 1);
}

#[test]
fn what_only_holds_together_is_typed_together() {
    let app = seeing(empty());
    let fast = drafted(
        app.setup().unwrap(),
        &Draft::default().with(Key::VolumeIops, "8000").with(Key::VolumeThroughput, "1000"),
    )
    .unwrap();
    let slow = Draft::default().with(Key::VolumeIops, "3000").with(Key::VolumeThroughput, "125");
    let slow = drafted(&fast, &slow).unwrap();
    assert_eq!((slow.desired.volume_iops, slow.desired.volume_throughput), (3000, 125));
    let wrong = drafted(&fast, &Draft::default().with(Key::VolumeIops, "3000")).unwrap_err();
    assert_eq!(wrong.first().unwrap().key, Key::VolumeThroughput);
    let placed = drafted(&slow, &Draft::default().with(Key::Zone, "us-west-2b")).unwrap();
    let moved = Draft::default().with(Key::Region, "eu-central-1").with(Key::Zone, "eu-central-1a");
    assert_eq!(drafted(&placed, &moved).unwrap().value(Key::Region), "eu-central-1");
}

#[test]
fn a_program_to_run_is_no_matter_of_the_window() {
    let app = seeing(reachable());
    for terminal in ["[\"sh\", \"-c\", \"x {command}\"]", " [\"sh\", \"{}\"]", "sh", "/bin/sh"] {
        let draft = Draft::default().with(Key::Terminal, terminal);
        assert!(app.may(&Command::Keep { draft: draft.clone() }).is_err(), "{terminal}");
        assert!(drafted(app.setup().unwrap(), &draft).is_err(), "{terminal}");
    }
    assert_eq!(app.may(&Command::Keep { draft: Draft::default().with(Key::Terminal, "kitty") }), Ok(()));
}
