//! The machines of the settings. One of them is shown; the others are looked at seldom, as far as a menu needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sessions::coarse;
use super::show::{sentence, while_on};
use super::view::{Offer, cents};
use super::{App, Command, Operation, Problem, Refusal, Setup, Then, view};
use crate::machine::{Desired, Observed};
use crate::names::MachineName;
use crate::price::Prices;
use crate::status::{State, Status};
use crate::time::Moment;

/// How long after a look at one of the others the next one is looked at, however many there are: one call each time, which the
/// looks at the machine that is shown leave of 60 calls an hour.
const PAUSE: Duration = Duration::from_secs(600);
/// For how long what was seen will do when somebody comes to the window.
const FRESH: Duration = Duration::from_secs(60);

/// What was seen of the machines that are not shown.
#[derive(Debug, Default)]
pub(super) struct Others {
    seen: BTreeMap<MachineName, Seen>,
    /// When one of them was last looked at.
    last: Option<Moment>,
}

/// What was seen of a machine.
#[derive(Debug)]
struct Seen {
    /// What was wanted of it then.
    desired: Desired,
    at: Moment,
    /// [`State::Unknown`] if the look failed. Then it is not looked at again until somebody comes: what stands in the way may
    /// be a question that its credentials ask on the screen.
    state: State,
    /// It is to be looked at next.
    due: bool,
}

impl Others {
    /// Somebody looks at the window.
    pub(super) fn watched(&mut self, now: Moment) {
        for seen in self.seen.values_mut() {
            seen.due |= now.since(seen.at) > FRESH;
        }
    }

    /// These are the settings now; `left` was the machine that was shown, and how it was seen last.
    pub(super) fn settled(&mut self, setup: &Setup, left: Option<(Desired, State, Moment)>) {
        if let Some((desired, state, at)) = left {
            self.seen.insert(desired.machine.clone(), Seen { desired, at, state, due: false });
        }
        // What was seen of another machine, or with other eyes, is not known of this one.
        let whose = |desired: &Desired| (desired.key(), desired.profile.clone());
        self.seen.retain(|name, seen| {
            let wanted = setup.settings.machines.get(name);
            name != &setup.desired.machine && wanted.is_some_and(|it| whose(it) == whose(&seen.desired))
        });
    }

    /// Somebody has signed in, which looks may have lacked.
    pub(super) fn signed_in(&mut self) {
        for seen in self.seen.values_mut() {
            seen.due |= seen.state == State::Unknown;
        }
    }

    fn state(&self, name: &MachineName) -> State {
        self.seen.get(name).map_or(State::Unknown, |seen| seen.state)
    }
}

impl App {
    pub(super) fn may_choose(&self, setup: &Setup, machine: &MachineName) -> Result<(), Refusal> {
        if machine == &setup.desired.machine {
            return Err(Refusal { why: format!("{machine} is shown already") });
        }
        if !setup.settings.machines.contains_key(machine) {
            return Err(Refusal { why: format!("The settings have no machine {machine}") });
        }
        self.may_leave()
    }

    /// Whether another machine may take the place of the one that is shown.
    fn may_leave(&self) -> Result<(), Refusal> {
        if let Some(running) = &self.running {
            return Err(Refusal { why: format!("{} is under way", running.title) });
        }
        // It would begin unseen, or end untold.
        match self.system.job_words() {
            Some(words) => Err(Refusal { why: format!("{words} is under way") }),
            None => Ok(()),
        }
    }

    /// What comes of it on a machine that is not shown depends on what is seen of it then.
    pub(super) fn may_on(&self, setup: &Setup, machine: &MachineName, then: Then) -> Result<(), Refusal> {
        if machine != &setup.desired.machine {
            return self.may_choose(setup, machine);
        }
        then.on_shown().map_or(Ok(()), |(command, _)| self.may(&command))
    }

    /// A command that was asked for before the machine was seen is refused now that it was.
    pub(super) fn not_begun(&mut self, operation: Operation, problem: Problem, now: Moment) {
        let Some(name) = self.setup().map(|setup| setup.desired.machine.to_string()) else { return };
        let state = self.state();
        if operation == Operation::Start && matches!(state, State::On | State::Starting) {
            // It is as it was to be.
            let title = format!("{name} is {}", state.word());
            self.tell_outcome(title, String::new());
        } else {
            self.fail(self.shown(), operation.title(&name), problem, now);
        }
    }

    pub(super) fn looked_at_other(&mut self, desired: &Desired, observed: Option<&Observed>, now: Moment) {
        self.others.last = Some(now);
        let wanted = |setup: &Setup| {
            let shown = setup.desired.machine == desired.machine;
            !shown && setup.settings.machines.get(&desired.machine) == Some(desired)
        };
        if self.setup().is_some_and(wanted) {
            let state = observed.map_or(State::Unknown, |observed| Status::of(desired, observed).state);
            let seen = Seen { desired: desired.clone(), at: now, state, due: false };
            self.others.seen.insert(desired.machine.clone(), seen);
        }
    }

    /// How long the next look at a machine that is not shown can wait, and which it is; `None` where there is none, or the one
    /// that is shown cannot be seen or is worked on.
    pub fn next_look_at_others(&self, now: Moment) -> Option<(Duration, &Desired)> {
        let setup = self.setup()?;
        if self.known.is_none() || self.is_blind() || self.running.is_some() {
            return None;
        }
        let others = || setup.settings.machines.values().filter(|it| it.machine != setup.desired.machine);
        let seen = |desired: &Desired| self.others.seen.get(&desired.machine);
        if let Some(due) = others().find(|it| seen(it).is_none_or(|seen| seen.due)) {
            return Some((Duration::ZERO, due));
        }
        let could_be_seen = others().filter_map(|it| Some((seen(it)?, it)));
        let could_be_seen = could_be_seen.filter(|(seen, _)| seen.state != State::Unknown);
        let (oldest, next) = could_be_seen.min_by_key(|(seen, _)| seen.at)?;
        let last = self.others.last.unwrap_or(oldest.at);
        // A clock that was set back does not put it off.
        let pause = if last > now { Duration::ZERO } else { PAUSE.saturating_sub(now.since(last)) };
        Some((pause, next))
    }
}

/// All of them, the default one first.
pub(super) fn view(app: &App) -> Vec<view::MachineChoice> {
    let Some(setup) = app.setup() else { return Vec::new() };
    let mut all: Vec<_> =
        setup.settings.machines.values().map(|desired| choice(app, setup, desired)).collect();
    all.sort_by_key(|one| !one.default);
    all
}

fn choice(app: &App, setup: &Setup, desired: &Desired) -> view::MachineChoice {
    let shown = desired.machine == setup.desired.machine;
    let state = if shown { app.state() } else { app.others.state(&desired.machine) };
    let offer = |label: &str, note: Option<String>| {
        (!shown).then(|| Offer { label: label.to_owned(), note, asks: None })
    };
    let always = Prices::default().monthly(
        desired.region.as_str(),
        desired.instance_type.as_str(),
        desired.volume_size,
    );
    let costs = always.total().map(|money| while_on(cents(money)));
    let (connect, start, stop) = match state {
        State::On => (offer("Connect", None), None, offer("Stop", None)),
        State::Starting => (offer("Connect", None), None, None),
        State::Off => (offer("Connect", Some("starts it first".to_owned())), offer("Start", costs), None),
        State::Stopping => (offer("Connect", Some("starts it first".to_owned())), None, None),
        // Start says so if it is on.
        State::Unknown => (
            offer("Connect", Some("starts it if it is off".to_owned())),
            offer("Start", Some("if it is off".to_owned())),
            None,
        ),
        State::Absent | State::Ending => (None, None, None),
    };
    let hindrance =
        if shown { None } else { app.may(&Command::Choose { machine: desired.machine.clone() }).err() };
    view::MachineChoice {
        name: desired.machine.clone(),
        region: desired.region.to_string(),
        shown,
        default: desired.machine == setup.settings.default,
        hindrance: hindrance.map(|refusal| sentence(&refusal.why)),
        seen: seen(app, desired, state),
        connect,
        start,
        stop,
    }
}

/// The state of a machine and the age of that, in words that change seldom.
fn seen(app: &App, desired: &Desired, state: State) -> String {
    let is = match state {
        State::Absent => "There is none yet".to_owned(),
        State::Unknown => return "Its state is not known".to_owned(),
        State::Starting | State::On | State::Stopping | State::Off | State::Ending => sentence(state.word()),
    };
    let is = is.trim_end_matches('.');
    let at = app.others.seen.get(&desired.machine).map(|seen| seen.at);
    at.map_or_else(|| is.to_owned(), |at| format!("{is}, seen {}", coarse(app.now.since(at))))
}
