//! What is known of the sessions on the machine, and when to look at them.
//!
//! A look costs a session through SSM: calls, a line, a program on the machine, and an entry in the account's records. So
//! there are none in the background: only when somebody looks at the window, asks for it, or has just opened a terminal.

use std::time::Duration;

use super::harmless::harmless;
use super::show::{name, seconds, sentence};
use super::system::NO_SYSTEM;
use super::view::{self, Offer};
use super::{App, Command, Problem, Refusal, is_about_credentials};
use crate::names::SessionName;
use crate::sessions::{ZellijSession, age_in_words};
use crate::status::State;
use crate::time::Moment;

/// For how long an answer will do when somebody looks at the window again.
const FRESH: Duration = Duration::from_secs(60);
/// How long a session may take to be there once its terminal has opened: the line, zellij's server, its first pane.
const SETTLING: Duration = Duration::from_secs(5);
/// Below an hour the tray tells an age in steps of so many seconds, so that its menu seldom changes under the mouse.
const STEP: u64 = 300;

/// The sessions on a machine that is on.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    list: Option<(Vec<ZellijSession>, Moment)>,
    /// Why the last look brought no list, and when.
    problem: Option<(Problem, Moment)>,
    looking: bool,
    /// When to look next.
    due: Option<Moment>,
    /// The session that is being ended.
    ending: Option<SessionName>,
}

impl Sessions {
    /// Those of a machine that is off. That it never has any still holds when it is on again.
    pub(super) fn off(&mut self) -> Self {
        Self {
            problem: self.problem.take().filter(|(problem, _)| problem.code == NO_SYSTEM),
            ..Self::default()
        }
    }

    /// Somebody looks at the window.
    pub(super) fn watched(&mut self, now: Moment) {
        let listed = self.list.as_ref().map(|(_, at)| *at);
        let last = listed.max(self.problem.as_ref().map(|(_, at)| *at));
        if last.is_some_and(|last| now.since(last) > FRESH) {
            self.due.get_or_insert(now);
        }
    }

    /// A terminal has opened, and its session will be there soon.
    pub(super) fn connected(&mut self, now: Moment) {
        self.due = Some(now + SETTLING);
    }

    /// Somebody has signed in, which a look may have lacked.
    pub(super) fn signed_in(&mut self, now: Moment) {
        if self.problem.as_ref().is_some_and(|(problem, _)| is_about_credentials(&problem.code)) {
            self.due = Some(now);
        }
    }

    pub(super) fn listing(&mut self) {
        (self.looking, self.due) = (true, None);
    }

    /// The answer of a look, unless something has made it stale meanwhile.
    pub(super) fn listed(&mut self, result: Result<Vec<ZellijSession>, Problem>, now: Moment) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        match result {
            Ok(list) => (self.list, self.problem) = (Some((list, now)), None),
            Err(problem) => self.problem = Some((problem.harmless(), now)),
        }
    }

    pub(super) fn end(&mut self, name: SessionName, now: Moment) {
        // A look that has begun may still see it.
        if std::mem::take(&mut self.looking) {
            self.due = Some(now);
        }
        self.ending = Some(name);
    }

    /// The session is gone, or is not; whether anybody still waits for that.
    pub(super) fn ended(&mut self, name: &SessionName, gone: bool) -> bool {
        if self.ending.as_ref() != Some(name) {
            return false;
        }
        self.ending = None;
        if let Some((list, _)) = self.list.as_mut().filter(|_| gone) {
            list.retain(|session| session.name.as_ref() != Some(name));
        }
        true
    }

    /// Those that are live, as far as anybody has looked.
    fn live(&self) -> impl Iterator<Item = &ZellijSession> {
        self.list.iter().flat_map(|(list, _)| list).filter(|session| session.live)
    }

    fn has(&self, name: &SessionName) -> bool {
        self.list.iter().flat_map(|(list, _)| list).any(|session| session.name.as_ref() == Some(name))
    }
}

impl App {
    /// How long the next look at the sessions can wait; `None` where nobody wants one, or it cannot be had now.
    pub fn next_look_at_sessions(&self, now: Moment) -> Option<Duration> {
        let sessions = &self.sessions;
        self.may_look_at_sessions().ok()?;
        if self.window && sessions.list.is_none() && sessions.problem.is_none() {
            return Some(Duration::ZERO);
        }
        let pause = sessions.due?.since(now);
        // One that is farther away was wanted before the clock was set back.
        Some(if pause > SETTLING { Duration::ZERO } else { pause })
    }

    /// What ends when the machine goes off: its live sessions and its job, as far as anybody has looked.
    pub(super) fn ends(&self) -> String {
        let name = name(self);
        let mut all: Vec<String> = self
            .sessions
            .live()
            .take(8)
            .map(|session| format!("session {}", harmless(&session.shown, 40)))
            .collect();
        all.extend(self.system.job_words().map(ToOwned::to_owned));
        match all.split_last() {
            None => format!("Everything that runs on {name} ends."),
            Some((last, [])) => format!("Everything that runs on {name} ends: {last}."),
            Some((last, rest)) => {
                format!("Everything that runs on {name} ends: {} and {last}.", rest.join(", "))
            }
        }
    }

    /// Whether the answer of a look at the sessions is still wanted.
    pub fn awaits_sessions(&self) -> bool {
        self.sessions.looking
    }

    pub(super) fn may_look_at_sessions(&self) -> Result<(), Refusal> {
        self.may_enter()?;
        match &self.sessions.ending {
            Some(name) => Err(being_ended(name)),
            None if self.sessions.looking => Err(refusal("The sessions are being looked at".to_owned())),
            None => Ok(()),
        }
    }

    /// Whether a terminal may be opened on a session: on one that is about to go it would only come back.
    pub(super) fn may_join(&self, name: Option<&SessionName>) -> Result<(), Refusal> {
        match (&self.sessions.ending, name) {
            (Some(ending), Some(name)) if ending == name => Err(being_ended(name)),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    pub(super) fn may_end_session(&self, name: &SessionName) -> Result<(), Refusal> {
        self.may_enter()?;
        match &self.sessions.ending {
            Some(other) => Err(being_ended(other)),
            None if !self.sessions.has(name) => Err(refusal(format!("No session {name} is known"))),
            None => Ok(()),
        }
    }

    /// Whether something can be run on the machine with nothing else to be done first.
    pub(super) fn may_enter(&self) -> Result<(), Refusal> {
        let stopping = self.running.as_ref().filter(|running| running.operation.ends_sessions());
        match stopping {
            Some(running) => Err(refusal(format!("{} is under way", running.title))),
            None if self.connects_at_once() => Ok(()),
            None => Err(refusal(format!("{} cannot be reached now", name(self)))),
        }
    }
}

fn being_ended(name: &SessionName) -> Refusal {
    refusal(format!("The session {name} is being ended"))
}

fn refusal(why: String) -> Refusal {
    Refusal { why }
}

/// What is shown of the sessions; `None` while nothing can be said of them.
pub(super) fn view(app: &App) -> Option<view::Sessions> {
    let sessions = &app.sessions;
    let told = sessions.list.is_some() || sessions.problem.is_some() || sessions.looking;
    let shown = match app.state() {
        State::On => told || app.may_enter().is_ok(),
        State::Unknown => sessions.list.is_some(),
        State::Absent | State::Starting | State::Stopping | State::Off | State::Ending => false,
    };
    let offer = |label: &str, command: Command| {
        app.may(&command).ok().map(|()| Offer { label: label.to_owned(), note: None, asks: None })
    };
    let (list, at) = sessions.list.as_ref().map_or((&[][..], None), |(list, at)| (list, Some(*at)));
    // Where there can be none, as far as is known, none is offered.
    let can_be = sessions.list.is_some() || sessions.problem.is_none();
    shown.then(|| view::Sessions {
        looking: sessions.looking,
        problem: sessions.problem.as_ref().map(|(problem, _)| problem.clone()),
        seen: at.map(seconds),
        age: at.map(|at| coarse(app.now.since(at))),
        list: list.iter().map(|one| session(app, one, at.unwrap_or(app.now))).collect(),
        look: offer("Refresh", Command::LookAtSessions),
        open: offer("Open", Command::Connect { session: None }).filter(|_| can_be),
    })
}

fn session(app: &App, session: &ZellijSession, at: Moment) -> view::Session {
    let ZellijSession { shown, name, live, age, panes } = session;
    let connect = name.as_ref().filter(|name| app.may(&connect_to(name)).is_ok());
    let end = name.as_ref().filter(|name| app.may_end_session(name).is_ok());
    let note = match name {
        Some(_) => (*name == app.sessions.ending).then(|| "being ended".to_owned()),
        None => Some("Holdfast takes no such name; zellij on the machine opens it".to_owned()),
    };
    let (connect_label, end_label, asks) = if *live {
        let panes =
            panes.map(|panes| if panes == 1 { ": 1 pane".to_owned() } else { format!(": {panes} panes") });
        let panes = panes.unwrap_or_default();
        ("Connect", "End", format!("Everything that runs in the session {shown} ends{panes}"))
    } else {
        ("Open again", "Forget", format!("The session {shown} can then not be opened again"))
    };
    view::Session {
        shown: shown.clone(),
        name: name.clone(),
        live: *live,
        since: age.and_then(|age| seconds(at).checked_sub(u32::try_from(age).ok()?)),
        panes: *panes,
        note,
        connect: connect.map(|_| Offer { label: connect_label.to_owned(), note: None, asks: None }),
        end: end.map(|_| Offer { label: end_label.to_owned(), note: None, asks: Some(sentence(&asks)) }),
    }
}

/// The command that opens this session.
pub(super) fn connect_to(name: &SessionName) -> Command {
    Command::Connect { session: Some(name.clone()) }
}

/// An age that changes seldom and claims no more than is so.
pub(super) fn coarse(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..STEP => format!("less than {} ago", age_in_words(STEP)),
        STEP..3600 => format!("over {} ago", age_in_words(seconds - seconds % STEP)),
        _ => format!("over {} ago", age_in_words(seconds)),
    }
}
