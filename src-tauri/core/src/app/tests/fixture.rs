//! Apps in every state, and what they show as text.

use std::fmt::Write;
use std::time::Duration;

use crate::app::menu::{Item, icon, line, menu};
use crate::app::view::{Offer, View};
use crate::app::{App, Elsewhere, Event, Problem, Setup, SystemSeen};
use crate::jobs::{Declared, Generation, Here, MachineState, Overview, Placed};
use crate::machine::{Fact, Observed, Power, Why};
use crate::plan::tests::fixture::{but, empty, instance, powered};
use crate::time::Moment;

/// When the tests begin: 2026-11-24T08:00:00Z.
const BEGIN: u64 = 1_795_507_200;

pub(super) fn at(seconds: u64) -> Moment {
    Moment::from_epoch(Duration::from_secs(BEGIN + seconds))
}

pub(super) fn setup(text: &str) -> Event {
    let login = "ada".parse().ok();
    Event::Settings(Ok(Box::new(Setup::read(text.to_owned(), login, None).unwrap())))
}

/// Settings with several machines, of which `shown` is shown and `remote-dev` is the default one.
pub(super) fn several(shown: &str) -> Setup {
    let text = "default = \"remote-dev\"\n[machine.remote-dev]\n[machine.spare]\nregion = \"eu-central-1\"\n\
                [machine.work]\nprofile = \"work\"\n";
    Setup::read(text.to_owned(), "ada".parse().ok(), Some(&shown.parse().unwrap())).unwrap()
}

/// An app that has read its settings.
pub(super) fn app() -> App {
    let mut app = App::new(false, "/home/ada/.config/holdfast/settings.toml".to_owned());
    app.on(setup(""), at(0));
    app
}

pub(super) fn looked(observed: Observed) -> Event {
    Event::Looked { observed: Box::new(observed), elsewhere: None, interrupted: None }
}

pub(super) fn elsewhere(what: &str) -> Elsewhere {
    Elsewhere { what: what.to_owned(), since: at(0), grows: false }
}

/// An app that sees this.
pub(super) fn seeing(observed: Observed) -> App {
    let mut app = app();
    app.on(looked(observed), at(10));
    app
}

pub(super) fn reachable() -> Observed {
    Observed { agent: Fact::Present(()), ..powered(Power::Running) }
}

pub(super) fn problem(what: &str) -> Problem {
    Problem {
        code: "unreachable".to_owned(),
        what: what.to_owned(),
        cause: None,
        hints: vec!["try again: holdfast up".to_owned()],
    }
}

/// A machine with these generations that runs one of them, which is what is here.
pub(super) fn overview(numbers: &[u32], runs: u32) -> SystemSeen {
    let revision = |number: u32| Some(format!("embedded {number}"));
    let generation = |&number: &u32| Generation {
        number,
        made: BEGIN - 86_400 * 30 + u64::from(number) * 86_400,
        version: None,
        revision: revision(number),
        kernel: Some("6.12.1".to_owned()),
        size: Some(3 << 30),
        current: number == runs,
        booted: number == runs,
        good: true,
        trial: false,
        refused: false,
    };
    let state = MachineState {
        now: 0,
        generation: Some(runs),
        revision: revision(runs),
        good: true,
        trial: None,
        off: None,
        disk: None,
        jobs: Vec::new(),
    };
    let hash = "h".repeat(64);
    let placed = Placed { placed: Some(hash.clone()), found: Some(hash.clone()), ..Placed::default() };
    let here = Here { revision: format!("embedded {runs}"), hash };
    SystemSeen {
        overview: Overview { state, generations: numbers.iter().map(generation).collect(), placed },
        declared: Ok(Declared::Here(here)),
    }
}

/// Every state that the machine can be in.
pub(super) fn worlds() -> Vec<(&'static str, Observed)> {
    let off = |reason: &str| {
        let reason = reason.to_owned();
        let mut world = powered(Power::Stopped);
        instance(&mut world).transition = Some(reason);
        world
    };
    vec![
        ("no machine", empty()),
        ("starting", powered(Power::Pending)),
        ("on, agent silent", Observed { agent: Fact::Absent, ..powered(Power::Running) }),
        (
            "on, agent not to be seen",
            Observed {
                agent: Fact::Unknown(Why::Denied("ssm:GetConnectionStatus".to_owned())),
                ..powered(Power::Running)
            },
        ),
        ("on", reachable()),
        ("stopping", powered(Power::Stopping)),
        ("off", off("User initiated (2026-11-24 07:30:00 GMT)")),
        ("ending", powered(Power::ShuttingDown)),
        ("gone", powered(Power::Terminated)),
        (
            "not to be seen",
            but(|world| world.instances = Fact::Unknown(Why::Denied("ec2:DescribeInstances".to_owned()))),
        ),
    ]
}

/// What the tray shows.
pub(super) fn tray(view: &View) -> String {
    format!("{:?}: {}\n{}", icon(view), line(view), items(&menu(view), "    "))
}

/// The items of a menu.
pub(super) fn items(menu: &[Item], indent: &str) -> String {
    let mut text = String::new();
    for item in menu {
        let _ = match item {
            Item::Line(line) => writeln!(text, "{indent}({line})"),
            Item::Rule => writeln!(text, "{indent}---"),
            Item::Menu { label, items: inner } => {
                writeln!(text, "{indent}[{label} >]\n{}", items(inner, &format!("{indent}    ")).trim_end())
            }
            Item::Act { label, action } => writeln!(text, "{indent}[{label}] {}", action.id()),
        };
    }
    text
}

/// What the window shows of the machine.
pub(super) fn window(view: &View) -> String {
    let machine = &view.machine;
    let mut text = format!("{:?}: {}\n", machine.state, machine.headline);
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "    {name}: {value}");
        }
    };
    say("detail", machine.detail.clone());
    say("problem", machine.problem.as_ref().map(|problem| problem.what.clone()));
    say("since", machine.since.map(|since| since.to_string()));
    say("reachable", machine.reachable.map(|reachable| reachable.to_string()));
    say("seen", machine.seen.map(|seen| seen.to_string()));
    say(
        "instance",
        machine
            .instance
            .as_ref()
            .map(|i| format!("{} {} in {}, {:?} GiB", i.id, i.instance_type, i.zone, i.volume_size)),
    );
    say("cost", Some(format!("now {:?}, always {:?}", machine.cost.now, machine.cost.always)));
    for note in &machine.notes {
        say("note", Some(note.clone()));
    }
    let offer = |offer: &Option<Offer>| {
        offer.as_ref().map(|o| {
            format!(
                "{} | {} | {}",
                o.label,
                o.note.as_deref().unwrap_or("-"),
                o.asks.as_deref().unwrap_or("-")
            )
        })
    };
    let commands = &view.commands;
    say("connect", offer(&commands.connect));
    say("start", offer(&commands.start));
    say("stop", offer(&commands.stop));
    say("restart", offer(&commands.restart));
    say("cancel", offer(&commands.cancel));
    say("apply", offer(&commands.apply));
    say(
        "operation",
        view.operation.as_ref().map(|operation| {
            let phases: Vec<String> =
                operation.phases.iter().map(|phase| format!("{} {:?}", phase.name, phase.progress)).collect();
            format!(
                "{} since {}: {}; {} of {}; {:?}; waits {:?}",
                operation.title,
                operation.since,
                phases.join(", "),
                operation.done,
                operation.of,
                operation.doing,
                operation.waiting
            )
        }),
    );
    say("failed", view.failed.as_ref().map(|failed| format!("{}: {}", failed.title, failed.problem.what)));
    say(
        "interrupted",
        view.interrupted
            .as_ref()
            .map(|interrupted| format!("{}: {}", interrupted.title, interrupted.sentence)),
    );
    text
}
