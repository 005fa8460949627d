//! What is told by a notification: only what the user neither does at the moment nor watches.

use super::show::{sentence, way_in};
use super::{App, Operation, Page, Problem};
use crate::hints::naming;
use crate::names::MachineName;
use crate::notices::NoticeKind;
use crate::status::State;

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about. A later one of the same kind takes its place.
    pub kind: NoticeKind,
    /// The machine that it is about, whichever is shown by the time somebody clicks on it; `None`: it is about none.
    pub machine: Option<MachineName>,
    /// Its title.
    pub title: String,
    /// What it says; may be empty.
    pub body: String,
    /// What a click on it opens.
    pub page: Page,
}

impl App {
    /// Has this told of the machine that is worked on, or else shown, unless its kind is switched off. What is of the same kind
    /// and was not told yet is out of date.
    pub(super) fn tell(&mut self, kind: NoticeKind, title: String, body: String, page: Page) {
        let setup = self.setup();
        if setup.is_some_and(|setup| setup.settings.mute.contains(&kind)) {
            return;
        }
        let shown = setup.map(|setup| &setup.desired);
        let about = self.running.as_ref().map(|running| &running.desired).or(shown);
        let machine = about.filter(|_| kind != NoticeKind::Update).map(|about| about.machine.clone());
        let default = setup.map(|setup| &setup.settings.default);
        let body = match &machine {
            Some(machine) if Some(machine) != default => naming(&body, machine),
            Some(_) | None => body,
        };
        self.notices.retain(|other| other.kind != kind);
        self.notices.push_back(Notice { kind, machine, title, body, page });
    }

    /// Has it told how something ended that somebody has asked for, where no window shows it.
    pub(super) fn tell_outcome(&mut self, title: String, body: String) {
        if !self.window {
            self.tell(NoticeKind::Operation, title, body, Page::Machine);
        }
    }

    /// Tells of a machine that is in another state than the user was told, or brought about, last.
    ///
    /// Only states that last are told, so a machine that stops is told once. A first look is no change.
    pub(super) fn tell_change(&mut self, by_user: bool) {
        let Some(known) = &self.known else { return };
        let state = known.status.state;
        if !lasts(state) {
            return;
        }
        let before = self.settled.replace(state);
        // Whoever works on the machine on this computer knows.
        if before.is_none() || before == Some(state) || by_user || self.running.is_some() || self.window {
            return;
        }
        let status = &known.status;
        let name = &status.machine;
        let cost = |total: Option<crate::price::Money>| {
            total.map(|money| format!("{money} a month")).unwrap_or_default()
        };
        let instance = status.instance.as_ref();
        let why = instance.and_then(|instance| instance.went_off.as_deref().or(instance.stopped.as_deref()));
        let (title, body) = match state {
            State::On => (format!("{name} is on"), cost(status.monthly_now.total())),
            State::Off => (
                format!("{name} is off"),
                why.map_or_else(String::new, |why| super::harmless::harmless(why, 200)),
            ),
            State::Absent => (format!("{name} is gone"), String::new()),
            State::Starting | State::Stopping | State::Ending | State::Unknown => return,
        };
        self.tell(NoticeKind::State, title, body, Page::Machine);
    }

    /// Takes the present state for known to the user.
    pub(super) fn settle(&mut self) {
        if let Some(state) = self.known.as_ref().map(|known| known.status.state).filter(|state| lasts(*state))
        {
            self.settled = Some(state);
        }
    }

    pub(super) fn tell_success(&mut self, operation: Operation, name: &MachineName) {
        let title = match operation {
            // The terminal that opens says it.
            Operation::Connect => return,
            Operation::Start => format!("{name} is on and can be reached"),
            Operation::Stop => format!("{name} is off"),
            Operation::Restart => format!("{name} has restarted and can be reached"),
            Operation::Make => format!("{name} is ready"),
            Operation::Apply => format!("{name} matches the settings"),
            Operation::Replace => format!("{name} is another instance now, with its home"),
            Operation::Restore => format!("{name} has the home of the snapshot"),
            Operation::TakeBack => format!("{name} is what it was before"),
            Operation::LetGo => format!("The old instance of {name} is gone"),
            Operation::GoBack => format!("{name} is its old instance again"),
            Operation::Snapshot => format!("There is another snapshot of {name}"),
            Operation::DeleteSnapshot => format!("A snapshot of {name} is deleted"),
        };
        self.tell_outcome(title, String::new());
    }

    /// Told in any case: the machine was on, and nobody has asked for it to be off.
    pub(super) fn tell_off_for_want_of_capacity(&mut self) {
        let Some(name) = self.setup().map(|setup| setup.desired.machine.to_string()) else { return };
        let title = format!("{name} is off: AWS has none free");
        let body = "It is tried again until one is. Its disk is not touched.".to_owned();
        self.tell(NoticeKind::State, title, body, Page::Machine);
    }

    /// An operation waits for somebody.
    pub(super) fn tell_signed_out(&mut self) {
        let Some(running) = self.running.as_ref().filter(|_| !self.window) else { return };
        let Some(problem) = &running.signed_out else { return };
        let title = format!("{} waits for you", running.title);
        let way = if self.offers_sign_in() { "sign in to AWS again" } else { way_in(problem) };
        let body = sentence(way).trim_end_matches('.').to_owned();
        self.tell(NoticeKind::SignIn, title, body, Page::Machine);
    }

    pub(super) fn tell_failure(&mut self, title: &str, problem: &Problem) {
        self.tell_outcome(format!("{title}: it did not work"), sentence(&problem.what));
    }
}

/// Whether a state stays if nobody does anything.
fn lasts(state: State) -> bool {
    match state {
        State::Absent | State::On | State::Off => true,
        State::Starting | State::Stopping | State::Ending | State::Unknown => false,
    }
}
