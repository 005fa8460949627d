//! Whatever happens in whatever order, what is shown is what may be done.

use proptest::prelude::*;

use super::fixture::{app, at, elsewhere, looked, overview, problem, setup, several, worlds};
use super::machines::of;
use crate::app::menu::{Action, Item, menu};
use crate::app::view::PortalStage;
use crate::app::{
    Addition, Command, Draft, Event, Look, Opening, Operation, Page, PortalEvent, PortalStep, Problem,
    Progress, Proposal, SigningIn, Then, Through, TypedCode, WayIn,
};
use crate::doctor::{Finding, Part, Report};
use crate::hints::naming;
use crate::jobs::{LogBuffer, Step};
use crate::machine::{LAST_HOME, SnapshotProgress, TAG_RETIRED};
use crate::names::MachineName;
use crate::plan::Waiting;
use crate::plan::tests::replace::{NEW, OLD, begun, carried, snapshot, the, with_snapshot};
use crate::profile::{Chosen, Portal};
use crate::sessions::ZellijSession;
use crate::status::State;
use crate::terminal::Known;

fn happening() -> impl Strategy<Value = Event> {
    let world = || (0..worlds().len()).prop_map(|index| worlds()[index].1.clone());
    let operation = prop::sample::select(vec![
        Operation::Connect,
        Operation::Start,
        Operation::Stop,
        Operation::Restart,
        Operation::Make,
        Operation::Apply,
        Operation::Replace,
        Operation::Restore,
        Operation::TakeBack,
        Operation::LetGo,
        Operation::GoBack,
        Operation::Snapshot,
        Operation::DeleteSnapshot,
    ]);
    prop_oneof![
        4 => world().prop_map(looked),
        1 => (world(), any::<bool>()).prop_map(|(world, other)| Event::Looked {
            observed: Box::new(world),
            elsewhere: other.then(|| elsewhere("up")),
            interrupted: (!other).then(|| elsewhere("up")),
        }),
        1 => Just(Event::Blind(problem("AWS cannot be reached"))),
        2 => operation.prop_map(Event::Began),
        1 => world().prop_map(|world| Event::Goes(Progress::Saw(Box::new(world)))),
        1 => Just(Event::Goes(Progress::Waiting(vec![Waiting::Agent]))),
        1 => Just(Event::Goes(Progress::SignedOut(problem("over")))),
        2 => any::<bool>().prop_map(|well| Event::Ended(Some(if well { Ok(()) } else { Err(problem("no")) }))),
        1 => Just(Event::Ended(None)),
        1 => Just(Event::Proposed(Box::new(Proposal::Settings { draft: Draft::default() }))),
        1 => Just(Event::Discarded),
        1 => Just(Event::Dismissed),
        1 => any::<bool>().prop_map(Event::Window),
        1 => Just(Event::NoTerminal(problem("no terminal"))),
        2 => opened(),
        2 => Just(Event::ListingSessions),
        2 => any::<bool>().prop_map(|well| Event::ListedSessions(if well { Ok(sessions()) } else { Err(problem("no")) })),
        1 => Just(Event::EndingSession("work".parse().unwrap())),
        1 => any::<bool>().prop_map(|well| Event::EndedSession {
            name: "work".parse().unwrap(),
            result: if well { Ok(()) } else { Err(problem("no")) },
        }),
        2 => job(),
        3 => signing_in(),
        3 => portal(),
        1 => pages(),
        2 => beside(),
        2 => others(),
        1 => Just(Event::Settings(Err(problem("broken")))),
        1 => Just(setup("")),
        1 => Just(setup("[machine.remote-dev]\nregion = \"eu-west-1\"\n")),
    ]
}

/// What comes of a terminal that is to open.
fn opened() -> impl Strategy<Value = Event> {
    let terminal = prop::sample::select(vec![None, Some(Known::Kitty), Some(Known::Xterm)]);
    (terminal, any::<bool>()).prop_map(|(terminal, well)| Event::Opened {
        opening: Opening { session: None, terminal, machine: None },
        result: if well { Ok(()) } else { Err(problem("it does not open")) },
    })
}

/// What befalls whoever has to sign in.
fn signing_in() -> impl Strategy<Value = Event> {
    let over = || Problem { code: "expired".to_owned(), ..problem("over") };
    let way = |portal: bool, browser, device: bool| {
        Event::WayIn(Some(WayIn {
            profile: "work".to_owned(),
            portal: portal.then(|| "https://example.com".to_owned()),
            browser,
            device: device.then(|| "mfa".to_owned()),
        }))
    };
    prop::sample::select(vec![
        way(true, true, false),
        way(true, false, true),
        way(false, false, true),
        Event::WayIn(None),
        Event::Blind(over()),
        Event::Goes(Progress::SignedOut(over())),
        Event::BeginsSignIn,
        Event::SigningIn(SigningIn::Browser { page: "https://example.com".to_owned() }),
        Event::SigningIn(SigningIn::Code { page: "https://example.com".to_owned(), code: "AB".to_owned() }),
        Event::SigningIn(SigningIn::Device),
        Event::CodeRefused(problem("no")),
        Event::SignedIn(Ok(true)),
        Event::SignedIn(Err(problem("no"))),
        Event::SignInGivenUp,
    ])
}

/// What befalls whoever adds a portal.
fn portal() -> impl Strategy<Value = Event> {
    let text = str::to_owned;
    let addition = Addition { file: text("config"), text: text("[profile work]") };
    let events = vec![
        PortalEvent::Begins(Portal::typed("https://example.com", "").unwrap()),
        PortalEvent::SigningIn(SigningIn::Browser { page: text("https://example.com") }),
        PortalEvent::SigningIn(SigningIn::Code { page: text("https://example.com"), code: text("AB") }),
        PortalEvent::Accounts(vec![(text("111122223333"), text("Team"))]),
        PortalEvent::Roles(vec![(text("111122223333"), vec![text("Admin")])]),
        PortalEvent::Listed,
        PortalEvent::Chosen(Chosen { account: text("111122223333"), role: text("Admin") }),
        PortalEvent::Back,
        PortalEvent::Named(text("work")),
        PortalEvent::Drafted(Ok(addition)),
        PortalEvent::Drafted(Err(problem("no"))),
        PortalEvent::Writing,
        PortalEvent::NotWritten(problem("no")),
        PortalEvent::Ended(Ok((text("work"), true))),
        PortalEvent::Ended(Err(problem("no"))),
        PortalEvent::GivenUp,
    ];
    prop::sample::select(events).prop_map(Event::Portal)
}

/// What befalls the pages that are looked at while they are open.
fn pages() -> impl Strategy<Value = Event> {
    prop::sample::select(vec![
        Event::Showing(Page::Machine),
        Event::Showing(Page::Doctor),
        Event::Showing(Page::Activity),
        Event::Showing(Page::Settings),
        Event::DoctorAsked,
        Event::Examining,
        Event::Examined(Report::of(vec![Finding::ok(Part::Network, "well")])),
        Event::Examined(Report::of(vec![Finding::warning(
            Part::Machine,
            "off",
            "switch it on: holdfast start",
        )])),
        Event::ReadingHistory,
        Event::ReadHistory(Vec::new()),
        Event::LookingAtProfiles(Look::Checked),
        Event::LookedAtProfiles(Ok(Vec::new())),
        Event::LookedAtProfiles(Err(problem("no"))),
    ])
}

/// What befalls the machine's system and its job.
fn job() -> impl Strategy<Value = Event> {
    let at = |step| {
        let mut log = LogBuffer::default();
        log.push("a line");
        Event::JobAt { step, log }
    };
    prop::sample::select(vec![
        Event::LookingAtSystem,
        Event::LookedAtSystem(Ok(Box::new(overview(&[3, 2, 1], 2)))),
        Event::LookedAtSystem(Err(problem("no"))),
        Event::JobAsked { to: None },
        Event::JobAsked { to: Some(1) },
        Event::JobBegun("1-2".parse().unwrap()),
        at(Step::Build { n: 1, of: 2 }),
        at(Step::Check),
        Event::JobCancelling,
        Event::JobNotCancelled("1-2".parse().unwrap(), problem("no")),
        Event::JobEnded(Err(problem("no"))),
    ])
}

/// What befalls the machine's snapshots, and the instance beside it.
fn beside() -> impl Strategy<Value = Event> {
    let whole = || snapshot("snap-00000001", SnapshotProgress::Complete);
    let kept = with_snapshot(SnapshotProgress::Complete, |world| {
        carried(world);
        the(world, OLD).tags.insert(TAG_RETIRED.to_owned(), NEW.to_owned());
    });
    let proposed = |of| Event::Proposed(Box::new(of));
    prop::sample::select(vec![
        looked(begun(LAST_HOME, |_| {})),
        looked(kept),
        Event::LookingAtSnapshots,
        Event::LookedAtSnapshots(Ok(vec![whole()])),
        Event::LookedAtSnapshots(Ok(vec![snapshot("snap-00000001", SnapshotProgress::Pending)])),
        Event::LookedAtSnapshots(Err(problem("no"))),
        proposed(Proposal::Replace),
        proposed(Proposal::Restore { snapshot: whole().id }),
        proposed(Proposal::DeleteSnapshot { snapshot: whole().id }),
    ])
}

/// What befalls the machines that are not shown.
fn others() -> impl Strategy<Value = Event> {
    let seen = |name: &str, world: Option<usize>| {
        let setup = several("remote-dev");
        let desired = setup.settings.machines[&name.parse().unwrap()].clone();
        let world = world.map(|index| Box::new(of(name, worlds()[index].1.clone())));
        Event::LookedAtOther(Box::new(desired), world)
    };
    let seen = move || {
        let name = prop::sample::select(vec!["remote-dev", "spare", "work"]);
        (name, prop::option::of(0..worlds().len())).prop_map(move |(name, world)| seen(name, world))
    };
    let shown = || prop::sample::select(vec!["remote-dev", "spare"]);
    prop_oneof![
        2 => shown().prop_map(|name| Event::Settings(Ok(Box::new(several(name))))),
        2 => seen(),
        1 => Just(Event::NotBegun(Operation::Start, problem("no"))),
        1 => Just(Event::NotBegun(Operation::Connect, problem("no"))),
    ]
}

/// The texts with a command that is about another machine than this one. Titles only say what goes on.
fn commands(value: &serde_json::Value, machine: &MachineName, found: &mut Vec<String>) {
    use serde_json::Value;
    match value {
        Value::String(text) if naming(text, machine) != *text => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| commands(one, machine, found)),
        Value::Object(all) => {
            let texts = all.iter().filter(|(key, _)| *key != "title" && *key != "refused");
            texts.for_each(|(_, one)| commands(one, machine, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The actions of a menu and of the menus in it.
fn actions(items: Vec<Item>) -> Vec<Action> {
    let inner = |item| match item {
        Item::Act { action, .. } => vec![action],
        Item::Menu { items, .. } => actions(items),
        Item::Line(_) | Item::Rule => Vec::new(),
    };
    items.into_iter().flat_map(inner).collect()
}

fn sessions() -> Vec<ZellijSession> {
    let session = |name: &str| ZellijSession {
        shown: name.to_owned(),
        name: name.parse().ok(),
        live: true,
        age: None,
        panes: None,
    };
    vec![session("main"), session("my name"), session("work")]
}

proptest! {
    #[test]
    fn what_is_offered_is_accepted_and_nothing_else(events in prop::collection::vec(happening(), 0..40)) {
        let mut app = app();
        let mut window = false;
        for (second, event) in events.into_iter().enumerate() {
            if let Event::Window(open) = event {
                window = open;
            }
            let now = at(second as u64);
            app.on(event, now);
            let told = app.notices().count();
            prop_assert!(told == 0 || !window, "a notification beside an open window");
            let view = app.view();
            for (offered, command) in [
                (view.commands.connect.is_some(), Command::Connect { session: None }),
                (view.commands.start.is_some(), Command::Start),
                (view.system.as_ref().is_some_and(|system| system.rebuild.is_some()), Command::Rebuild),
                (view.system.as_ref().is_some_and(|system| system.job.as_ref().is_some_and(|job| job.cancel.is_some())), Command::CancelJob),
                (view.commands.stop.is_some(), Command::Stop),
                (view.commands.restart.is_some(), Command::Restart),
                (view.commands.cancel.is_some(), Command::Cancel),
                (view.settings.autostart.is_some(), Command::Autostart { on: true }),
            ] {
                prop_assert_eq!(offered, app.may(&command).is_ok(), "{:?}", command);
            }
            let sign_in = |through| app.may(&Command::SignIn { through }).is_ok();
            let it = view.sign_in.as_ref();
            prop_assert_eq!(it.is_some_and(|it| it.begin.is_some()), sign_in(Through::Browser));
            prop_assert!(it.is_none_or(|it| it.code.is_none()) || sign_in(Through::Code));
            prop_assert_eq!(it.is_some_and(|it| it.cancel.is_some()), app.may(&Command::CancelSignIn).is_ok());
            prop_assert!(!app.is_signing_in() || it.is_some(), "what is under way is seen");
            let code = TypedCode::new("123456".to_owned());
            let asked = it.is_some_and(|it| it.stage == Some(SigningIn::Device));
            prop_assert_eq!(asked, app.may(&Command::SayCode { code }).is_ok());
            let it = &view.portal;
            let may = |step| app.may(&Command::Portal { step }).is_ok();
            let sign_in = |through| PortalStep::SignIn {
                start_url: "https://example.com".to_owned(),
                region: String::new(),
                through,
            };
            prop_assert_eq!(it.begin.is_some(), may(sign_in(Through::Browser)));
            prop_assert_eq!(it.code.is_some(), may(sign_in(Through::Code)));
            prop_assert_eq!(it.write.is_some(), may(PortalStep::Write));
            prop_assert_eq!(it.back.is_some(), may(PortalStep::Back));
            prop_assert_eq!(it.cancel.is_some(), may(PortalStep::Cancel));
            let accounts = match &it.stage {
                Some(PortalStage::Choosing { accounts, .. }) => &accounts[..],
                Some(PortalStage::SigningIn { .. } | PortalStage::Naming { .. }) | None => &[],
            };
            for (account, role) in accounts.iter().flat_map(|one| one.roles.iter().map(|role| (one.id.clone(), role.clone()))) {
                let taken = may(PortalStep::Choose { account, role });
                prop_assert!(taken);
            }
            let names = matches!(it.stage, Some(PortalStage::Naming { busy: false, .. }));
            let named = may(PortalStep::Name { name: "new".to_owned() });
            prop_assert_eq!(names, named);
            let read = matches!(it.stage, Some(PortalStage::Naming { addition: Some(_), .. }));
            prop_assert_eq!(read, it.write.is_some(), "only what is read is written");
            prop_assert_eq!(view.doctor.look.is_some(), app.may(&Command::Examine).is_ok());
            prop_assert!(!(app.wants_doctor() && app.awaits_doctor()));
            prop_assert!(window || (view.history.is_none() && !app.wants_history() && !app.wants_profiles()));
            for number in 0..5 {
                let offered = view.system.iter().flat_map(|system| &system.generations).any(|one| one.number == number && one.go.is_some());
                prop_assert_eq!(offered, app.may(&Command::GoTo { generation: number }).is_ok());
            }
            if let Some(system) = &view.system {
                prop_assert!(system.job.is_none() || system.log.is_some());
                let log = system.log.as_ref();
                prop_assert!(log.is_none_or(|log| app.log(log.number, 0).is_ok()));
                prop_assert!(log.is_none_or(|log| app.log(log.number.wrapping_add(1), 0).is_err()));
                for generation in &system.generations {
                    prop_assert!(generation.go.as_ref().is_none_or(|go| go.asks.is_some()), "it asks first");
                }
            }
            if let Some(sessions) = &view.sessions {
                prop_assert_eq!(sessions.look.is_some(), app.may(&Command::LookAtSessions).is_ok());
                prop_assert!(!sessions.list.is_empty() || view.machine.state == State::On);
                for session in &sessions.list {
                    let Some(name) = session.name.clone() else {
                        prop_assert!(session.connect.is_none() && session.end.is_none());
                        continue;
                    };
                    prop_assert_eq!(session.end.is_some(), app.may(&Command::EndSession { name: name.clone() }).is_ok());
                    let connect = Command::Connect { session: Some(name) };
                    prop_assert_eq!(session.connect.is_some(), app.may(&connect).is_ok());
                }
            }
            let preview = |of: Proposal| app.may(&Command::Preview { of }).is_ok();
            let beside = view.replacement.as_ref();
            for (offered, of) in [
                (beside.is_some_and(|it| it.take_back.is_some()), Proposal::TakeBack),
                (beside.is_some_and(|it| it.let_go.is_some()), Proposal::LetGo),
                (beside.is_some_and(|it| it.go_back.is_some()), Proposal::GoBack),
                (beside.is_some_and(|it| it.go_on.is_some()), Proposal::GoOn),
                (
                    view.commands.replace.is_some(),
                    Proposal::Replace,
                ),
            ] {
                let begun = of == Proposal::Replace && preview(Proposal::GoOn);
                prop_assert_eq!(offered, preview(of.clone()) && !begun, "{:?}", of);
            }
            for one in view.snapshots.iter().flat_map(|snapshots| &snapshots.list) {
                let snapshot = || one.id.clone();
                prop_assert_eq!(one.restore.is_some(), preview(Proposal::Restore { snapshot: snapshot() }));
                prop_assert_eq!(one.delete.is_some(), preview(Proposal::DeleteSnapshot { snapshot: snapshot() }));
            }
            if let Some(snapshots) = &view.snapshots {
                prop_assert_eq!(snapshots.take.is_some(), app.may(&Command::TakeSnapshot).is_ok());
                prop_assert_eq!(snapshots.look.is_some(), app.may(&Command::LookAtSnapshots).is_ok());
            }
            prop_assert!(window || app.next_look_at_snapshots(now).is_none());
            if app.next_look_at_sessions(now).is_some() {
                prop_assert!(app.connects_at_once() && !app.awaits_sessions());
            }
            prop_assert!(!(view.commands.start.is_some() && view.commands.stop.is_some()));
            for action in actions(menu(&view)) {
                prop_assert_eq!(Action::from_id(&action.id()), Some(action.clone()));
                if let Action::Do(command) = action {
                    prop_assert!(app.may(&command).is_ok(), "{:?}", command);
                }
            }
            let named = view.machines.iter().find(|one| one.shown && !one.default).map(|one| &one.name);
            if let Some(machine) = named {
                let mut unnamed = Vec::new();
                commands(&serde_json::to_value(&view).unwrap(), machine, &mut unnamed);
                prop_assert!(unnamed.is_empty(), "{:?}", unnamed);
            }
            for one in &view.machines {
                let on = |then| app.may(&Command::On { machine: one.name.clone(), then }).is_ok();
                let offers = [&one.connect, &one.start, &one.stop];
                prop_assert!(!(one.start.is_some() && one.stop.is_some()), "never both");
                prop_assert!(!one.shown || (one.hindrance.is_none() && offers.iter().all(|offer| offer.is_none())));
                prop_assert_eq!(one.hindrance.is_none(), on(Then::Open(Page::Machine)));
                for then in [Then::Connect, Then::Start].into_iter().filter(|_| !one.shown) {
                    prop_assert_eq!(one.hindrance.is_none(), on(then), "{:?}", then);
                }
            }
            prop_assert_eq!(view.machines.iter().filter(|one| one.shown).count(), usize::from(!view.machines.is_empty()));
            prop_assert!(view.machines.first().is_none_or(|one| one.default));
            if let Some((_, next)) = app.next_look_at_others(now) {
                prop_assert!(app.setup().is_some_and(|setup| setup.desired.machine != next.machine));
            }
            prop_assert!(app.next_look(now).as_secs() <= 180);
        }
    }
}
