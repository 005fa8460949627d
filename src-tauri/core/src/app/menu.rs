//! The tray's icon and menu, as functions of the view.

use super::sessions::connect_to;
use super::show::sentence;
use super::view::{MachineChoice, Offer, Session, Sessions, SignIn, SigningIn, System, View};
use super::{Command, Page, Then};
use crate::names::SessionName;
use crate::price::Money;
use crate::status::State;

/// The shape of the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A hollow ring: there is no machine, or it is off.
    Off,
    /// A ring with an arc: something changes.
    Changing,
    /// A disc.
    On,
    /// A disc in a ring that is closing: a job is under way on the machine.
    Busy,
    /// A disc with a notch and a dot: somebody is waited for.
    NeedsYou,
    /// A dashed ring: not known.
    Unknown,
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Something to read.
    Line(String),
    /// A rule.
    Rule,
    /// A menu of its own.
    Menu {
        /// What it says.
        label: String,
        /// Its lines.
        items: Vec<Item>,
    },
    /// Something to do.
    Act {
        /// What it says.
        label: String,
        /// What it does.
        action: Action,
    },
}

impl Item {
    /// The same as something to read.
    fn read_only(self) -> Self {
        match self {
            Self::Act { label, .. } => Self::Line(label),
            Self::Line(_) | Self::Rule | Self::Menu { .. } => self,
        }
    }
}

/// What an item does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command.
    Do(Command),
    /// Opens the window.
    Open(Page),
    /// Begins to sign in, and opens the window, which shows how far that is.
    SignIn,
    /// Ends the app, and nothing else.
    Quit,
}

impl Action {
    /// A name for the action that is the same in every menu.
    pub fn id(&self) -> String {
        match self {
            Self::Do(Command::Connect { session: Some(name) }) => return format!("{TO_SESSION}{name}"),
            Self::Do(Command::Choose { machine }) => return format!("{SHOW_MACHINE}{machine}"),
            Self::Do(Command::On { machine, then }) => {
                let verb = ON_MACHINE.iter().find(|(_, known)| known == then);
                return verb.map_or_else(String::new, |(verb, _)| format!("{verb}{machine}"));
            }
            Self::Do(_) | Self::Open(_) | Self::SignIn | Self::Quit => {}
        }
        ACTIONS.iter().find(|(_, action)| action == self).map_or("", |(id, _)| id).to_owned()
    }

    /// The action with this name.
    pub fn from_id(id: &str) -> Option<Self> {
        if let Some(name) = id.strip_prefix(TO_SESSION) {
            return name.parse().ok().map(|name| Self::Do(connect_to(&name)));
        }
        let on = ON_MACHINE.iter().find_map(|(verb, then)| Some((id.strip_prefix(verb)?, *then)));
        if let Some((name, then)) = on {
            return name.parse().ok().map(|machine| Self::Do(Command::On { machine, then }));
        }
        if let Some(name) = id.strip_prefix(SHOW_MACHINE) {
            return name.parse().ok().map(|machine| Self::Do(Command::Choose { machine }));
        }
        ACTIONS.iter().find(|(known, _)| *known == id).map(|(_, action)| action.clone())
    }
}

/// What the name of an action begins with that opens a session.
const TO_SESSION: &str = "connect:";
/// What the names of actions begin with that are about another machine.
const SHOW_MACHINE: &str = "show:";
const ON_MACHINE: [(&str, Then); 3] =
    [("connect-to:", Then::Connect), ("start-on:", Then::Start), ("stop-on:", Then::Open(Page::Stop))];
/// Sessions in the menu at most: more are a list, and lists are for the window.
const MOST_SESSIONS: usize = 8;

/// Every other action that a menu can have.
const ACTIONS: [(&str, Action); 15] = [
    ("look", Action::Do(Command::Look)),
    ("connect", Action::Do(Command::Connect { session: None })),
    ("start", Action::Do(Command::Start)),
    ("stop", Action::Open(Page::Stop)),
    ("restart", Action::Open(Page::Restart)),
    ("sessions", Action::Open(Page::Sessions)),
    ("rebuild", Action::Do(Command::Rebuild)),
    ("cancel-job", Action::Do(Command::CancelJob)),
    ("open", Action::Open(Page::Machine)),
    ("replacement", Action::Open(Page::Replacement)),
    ("settings", Action::Open(Page::Settings)),
    ("doctor", Action::Open(Page::Doctor)),
    ("sign-in", Action::SignIn),
    ("cancel-sign-in", Action::Do(Command::CancelSignIn)),
    ("quit", Action::Quit),
];

/// The icon.
pub fn icon(view: &View) -> Icon {
    let signed_out = view.sign_in.as_ref().is_some_and(|sign_in| sign_in.why.is_some());
    if signed_out || view.failed.is_some() || view.interrupted.is_some() {
        return Icon::NeedsYou;
    }
    if view.operation.is_some() {
        return Icon::Changing;
    }
    let busy = view.system.as_ref().is_some_and(|system| system.job.is_some());
    match view.machine.state {
        State::On if busy => Icon::Busy,
        State::Absent | State::Off => Icon::Off,
        State::Starting | State::Stopping | State::Ending => Icon::Changing,
        State::On => Icon::On,
        State::Unknown => Icon::Unknown,
    }
}

/// The sentence that says how things are: the first line of the menu, and the icon's tooltip.
pub fn line(view: &View) -> String {
    let machine = &view.machine;
    let mut line = match &view.operation {
        Some(operation) => operation.title.clone(),
        None => machine.headline.clone(),
    };
    if view.operation.is_none() && matches!(machine.state, State::On | State::Off) {
        line += &machine.cost.now.map(|cents| format!(", {} a month", money(cents))).unwrap_or_default();
    }
    if view.sandbox { format!("{line} (sandbox)") } else { line }
}

/// The menu.
pub fn menu(view: &View) -> Vec<Item> {
    let mut items = vec![Item::Line(line(view))];
    let problem = view.machine.problem.as_ref().map(|problem| sentence(&problem.what));
    let detail = view.machine.detail.clone().or(problem);
    items.extend(detail.filter(|_| view.operation.is_none()).map(Item::Line));
    let waiting = view.operation.as_ref().and_then(|operation| operation.waiting.as_ref());
    items.extend(waiting.map(|waiting| Item::Line(format!("Waiting for {waiting}"))));
    items.extend(view.sign_in.iter().flat_map(|it| sign_in(it, view.set_up.is_some())));
    items.extend(view.failed.as_ref().map(|failed| Item::Act {
        label: format!("{}: it did not work…", failed.title),
        action: Action::Open(Page::Machine),
    }));
    items.extend(view.interrupted.as_ref().map(|interrupted| Item::Act {
        label: format!("{}…", interrupted.title),
        action: Action::Open(Page::Machine),
    }));
    items.extend(view.replacement.as_ref().map(|replacement| Item::Act {
        label: format!("{}…", replacement.title),
        action: Action::Open(Page::Replacement),
    }));

    let commands = &view.commands;
    let mut acts = Vec::new();
    if let Some(connect) = &commands.connect {
        acts.push(act(with_note(connect), Action::Do(Command::Connect { session: None })));
    }
    acts.extend(view.sessions.iter().flat_map(sessions));
    let open = view.sessions.as_ref().and_then(|sessions| sessions.open.as_ref());
    acts.extend(open.map(|_| act("New session…".to_owned(), Action::Open(Page::Sessions))));
    if let Some(start) = &commands.start {
        acts.push(act(with_note(start), Action::Do(Command::Start)));
    }
    // It asks before it ends anything, and a menu cannot ask.
    acts.extend(commands.stop.as_ref().map(|stop| act(format!("{}…", stop.label), Action::Open(Page::Stop))));
    let restart = commands.restart.as_ref();
    acts.extend(restart.map(|restart| act(format!("{}…", restart.label), Action::Open(Page::Restart))));
    acts.extend(view.system.iter().flat_map(system));
    acts.extend(commands.look.as_ref().map(|look| act(look.label.clone(), Action::Do(Command::Look))));
    if view.set_up.is_some() {
        acts.push(act(format!("Set up {}…", view.machine.name), Action::Open(Page::Machine)));
    }
    if !acts.is_empty() {
        items.push(Item::Rule);
        items.extend(acts);
    }
    let others = others(&view.machines);
    if !others.is_empty() {
        items.push(Item::Rule);
        items.extend(others);
    }
    items.push(Item::Rule);
    items.push(act("Open Holdfast".to_owned(), Action::Open(Page::Machine)));
    items.push(act("Settings…".to_owned(), Action::Open(Page::Settings)));
    items.push(act("Doctor".to_owned(), Action::Open(Page::Doctor)));
    items.push(Item::Rule);
    items.push(act(quit(view), Action::Quit));
    items
}

/// The sessions to connect to, where there are others than the one that [`Command::Connect`] means by itself.
fn sessions(sessions: &Sessions) -> Vec<Item> {
    let offered = |session: &&Session| session.live && session.connect.is_some();
    let names = sessions.list.iter().filter(offered).filter_map(|session| session.name.as_ref());
    let names: Vec<&SessionName> = names.take(MOST_SESSIONS).collect();
    if names.iter().all(|name| **name == SessionName::default()) {
        return Vec::new();
    }
    let head = sessions.age.iter().map(|age| Item::Line(format!("Sessions, seen {age}")));
    let acts = names.iter().map(|name| act(format!("Connect to {name}"), Action::Do(connect_to(name))));
    head.chain(acts).collect()
}

/// A menu for each machine that is not shown. What cannot be done now is there to be read, with the reason.
fn others(machines: &[MachineChoice]) -> Vec<Item> {
    machines.iter().filter(|machine| !machine.shown).map(other).collect()
}

fn other(one: &MachineChoice) -> Item {
    let on = |offer: &Offer, end: &str, then: Then| {
        act(format!("{}{end}", with_note(offer)), Action::Do(Command::On { machine: one.name.clone(), then }))
    };
    let mut acts: Vec<Item> = one.connect.iter().map(|connect| on(connect, "", Then::Connect)).collect();
    acts.extend(one.start.iter().map(|start| on(start, "", Then::Start)));
    acts.extend(one.stop.iter().map(|stop| on(stop, "…", Then::Open(Page::Stop))));
    acts.push(act("Show it here".to_owned(), Action::Do(Command::Choose { machine: one.name.clone() })));
    let mut items = vec![Item::Line(one.seen.clone())];
    if let Some(hindrance) = &one.hindrance {
        items.push(Item::Line(hindrance.clone()));
        acts = acts.into_iter().map(Item::read_only).collect();
    }
    items.extend(acts);
    let default = if one.default { " (default)" } else { "" };
    Item::Menu { label: format!("{}{default}, {}", one.name, one.region), items }
}

/// Why somebody has to sign in, and the way to it, or how far that is. `first` says that he never has, as far as is known.
fn sign_in(sign_in: &SignIn, first: bool) -> Vec<Item> {
    let why = sign_in.why.iter().map(|why| Item::Line(sentence(&why.what)));
    let at = sign_in.stage.as_ref().map(|stage| match stage {
        SigningIn::Begins | SigningIn::Checking => "Signing in…",
        SigningIn::Browser { .. } => "Waiting for the browser",
        SigningIn::Code { .. } => "Waiting for the code to be confirmed",
        SigningIn::Device => "Waiting for the code of the MFA device",
    });
    let at = at.map(|at| Item::Line(at.to_owned()));
    let label = if first { "Sign in…" } else { "Sign in again…" };
    let begin = sign_in.begin.iter().map(|_| act(label.to_owned(), Action::SignIn));
    let cancel = sign_in
        .cancel
        .iter()
        .map(|cancel| act(format!("{} the sign-in", cancel.label), Action::Do(Command::CancelSignIn)));
    why.chain(at).chain(begin).chain(cancel).collect()
}

/// The rebuild, or how far it is.
fn system(system: &System) -> Vec<Item> {
    let rebuild =
        system.rebuild.iter().map(|rebuild| act(rebuild.label.clone(), Action::Do(Command::Rebuild)));
    let job = system.job.iter().flat_map(|job| {
        let cancel = job
            .cancel
            .iter()
            .map(|cancel| act(format!("{} the job", cancel.label), Action::Do(Command::CancelJob)));
        std::iter::once(Item::Line(format!("{}: {}", job.title, job.step))).chain(cancel)
    });
    rebuild.chain(job).collect()
}

fn act(label: String, action: Action) -> Item {
    Item::Act { label, action }
}

fn with_note(offer: &Offer) -> String {
    match &offer.note {
        Some(note) => format!("{} ({note})", offer.label),
        None => offer.label.clone(),
    }
}

/// What goes on when the app has ended, and what that costs.
fn quit(view: &View) -> String {
    let name = &view.machine.name;
    let costs = view.machine.cost.now.map(|cents| format!(", {} a month", money(cents))).unwrap_or_default();
    let goes_on = match (&view.operation, view.machine.state) {
        (Some(operation), _) if view.commands.cancel.is_some() => {
            format!(" (gives up: {})", operation.title)
        }
        (_, State::On | State::Starting) => format!(" ({name} stays on{costs})"),
        (_, State::Off | State::Stopping) => format!(" ({name} stays off{costs})"),
        (_, State::Unknown) if view.machine.instance.is_some() => format!(" ({name} goes on as it is)"),
        (_, State::Absent | State::Ending | State::Unknown) => String::new(),
    };
    format!("Quit Holdfast{goes_on}")
}

fn money(cents: u32) -> Money {
    Money::from_micros(u64::from(cents) * 10_000)
}
