//! The app: what it knows, what may be done now, and what is shown of it.
//!
//! It is driven like the session: [`App::on`] takes in what happened, [`App::may`] says whether a command is accepted, and
//! [`App::view`], [`App::next_look`] and [`App::notices`] are what comes out. It never acts, and time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::{Desired, Fact, Observed, Why};
use crate::names::{InstanceId, MachineName};
use crate::plan::Waiting;
use crate::status::{State, Status};
use crate::terminal;
use crate::time::Moment;

mod command;
mod doctor;
mod draft;
mod event;
pub mod harmless;
mod hints;
mod history;
mod interrupted;
mod kinds;
mod machines;
pub mod menu;
mod notice;
mod older;
mod operation;
mod portal;
mod preview;
mod profiles;
mod replacement;
mod sessions;
mod set_up;
mod show;
mod sign_in;
mod snapshots;
mod system;
mod terminals;
#[cfg(test)]
mod tests;
mod updates;
pub mod view;
mod watch;

pub use command::{Command, Page, Refusal, Then};
pub use draft::{decided, drafted};
pub use event::{Elsewhere, Event, Foreseen, JobEnd, Progress, Setup, SystemSeen};
pub use notice::Notice;
pub use operation::Operation;
pub use portal::{Addition, PortalEvent, PortalStep};
pub use profiles::Look;
pub use sign_in::{Through, TypedCode, WayIn, is_about_credentials};
pub use terminals::Opening;
pub use view::{Draft, Problem, Proposal, SigningIn, View};

use doctor::Doctor;
use history::History;
use kinds::Kinds;
use machines::Others;
use operation::Running;
use portal::Adding;
use preview::Preview;
use profiles::Profiles;
use sessions::Sessions;
use sign_in::SignIn;
use snapshots::Snapshots;
use system::System;
use terminals::Unopened;
use updates::Updates;

/// The app.
#[derive(Debug)]
pub struct App {
    sandbox: bool,
    tray: bool,
    path: String,
    /// Where a settings file is that did not hold.
    aside: Option<String>,
    settings: Option<Result<Box<Setup>, Problem>>,
    profiles: Profiles,
    autostart: Option<view::Autostart>,
    /// The terminals that are installed.
    terminals: Vec<terminal::Known>,
    sign_in: SignIn,
    portal: Adding,
    known: Option<Known>,
    others: Others,
    blind: Option<Blind>,
    elsewhere: Option<Elsewhere>,
    interrupted: Option<Elsewhere>,
    running: Option<Running>,
    failed: Option<Failed>,
    preview: Option<Preview>,
    previews: u32,
    /// What is wrong with what was decided last.
    wrong: Vec<view::FieldError>,
    sessions: Sessions,
    system: System,
    snapshots: Snapshots,
    kinds: Kinds,
    updates: Updates,
    doctor: Doctor,
    history: History,
    /// There is no machine, as far as the last look could tell.
    no_machine: bool,
    /// AWS let the last look in.
    let_in: bool,
    window: bool,
    /// The page that the window shows.
    page: Option<Page>,
    /// The last state in which nothing changes by itself, as far as the user has been told.
    settled: Option<State>,
    /// Since when the machine is in a state that passes by itself.
    passing: Option<Moment>,
    notices: VecDeque<Notice>,
    /// When something last happened.
    now: Moment,
}

/// What did not reach its goal.
#[derive(Debug)]
struct Failed {
    title: String,
    at: Moment,
    problem: Problem,
    /// What it is about.
    machine: Option<MachineName>,
    /// It is a terminal that did not open.
    unopened: Option<Unopened>,
}

/// What was seen of AWS.
#[derive(Debug)]
struct Known {
    observed: Observed,
    status: Status,
    at: Moment,
}

/// Looks that failed, since the last one that did not.
#[derive(Debug)]
struct Blind {
    problem: Problem,
    tries: u32,
    /// The last of them.
    at: Moment,
}

impl App {
    /// An app that knows nothing yet. `path` is the settings file.
    pub fn new(sandbox: bool, path: String) -> Self {
        Self {
            sandbox,
            tray: true,
            path,
            aside: None,
            settings: None,
            profiles: Profiles::default(),
            autostart: None,
            terminals: Vec::new(),
            sign_in: SignIn::default(),
            portal: Adding::default(),
            known: None,
            others: Others::default(),
            blind: None,
            elsewhere: None,
            interrupted: None,
            running: None,
            failed: None,
            preview: None,
            previews: 0,
            wrong: Vec::new(),
            sessions: Sessions::default(),
            system: System::default(),
            snapshots: Snapshots::default(),
            kinds: Kinds::default(),
            updates: Updates::default(),
            doctor: Doctor::default(),
            history: History::default(),
            no_machine: false,
            let_in: false,
            window: false,
            page: None,
            settled: None,
            passing: None,
            notices: VecDeque::new(),
            now: Moment::from_epoch(Duration::ZERO),
        }
    }

    /// Something happened.
    pub fn on(&mut self, event: Event, now: Moment) {
        self.now = now;
        match event {
            Event::Settings(settings) => self.read(settings),
            Event::SettingsAside(path) => self.aside = Some(path),
            Event::Profiles(names) => self.profiles.names = names,
            Event::LookingAtProfiles(how) => self.profiles.looking(how),
            Event::LookedAtProfiles(result) => self.profiles.looked(result, now),
            Event::WayIn(way) => self.sign_in.know(way),
            Event::BeginsSignIn => self.sign_in.begins(),
            Event::SigningIn(stage) => self.sign_in.at(stage),
            Event::CodeRefused(problem) => self.sign_in.code_refused(problem),
            Event::SignedIn(result) => self.signed_in(result, now),
            Event::SignInGivenUp => self.sign_in.given_up(),
            Event::Portal(event) => self.on_portal(event, now),
            Event::Looked { observed, elsewhere, interrupted } => {
                if self.elsewhere.is_some() && elsewhere.is_none() {
                    self.history.changed();
                }
                // What came about while somebody else worked on it was brought about by him.
                let by_other = self.elsewhere.is_some() || elsewhere.is_some();
                (self.elsewhere, self.interrupted) = (elsewhere, interrupted);
                self.sign_in.works();
                let signed_out =
                    self.blind.as_ref().is_some_and(|blind| is_about_credentials(&blind.problem.code));
                self.saw(*observed, by_other, now);
                if signed_out {
                    // Somebody has signed in elsewhere, or a moment ago here.
                    self.repeat_in_vain();
                }
            }
            Event::Blind(problem) => {
                let tries = self.blind.as_ref().map_or(0, |blind| blind.tries) + 1;
                self.blind = Some(Blind { problem: problem.harmless(), tries, at: now });
                self.know_whether_there_is_a_machine();
                self.sign_in.in_vain();
                self.tell_sign_in();
            }
            Event::Began(operation) => {
                (self.failed, self.interrupted) = (None, None);
                if operation.is_previewed() {
                    self.preview = None;
                }
                let desired = self.setup().map(|setup| setup.desired.clone());
                self.running = desired.map(|desired| Running::new(operation, desired, now));
            }
            Event::Ended(result) => self.ended(result, now),
            Event::Goes(progress) => self.goes_on(progress, now),
            Event::Opened { opening, result } => self.opened(opening, result, now),
            Event::ListingSessions => self.sessions.listing(),
            Event::ListedSessions(result) => self.sessions.listed(result, now),
            Event::EndingSession(name) => self.sessions.end(name, now),
            Event::EndedSession { name, result } => {
                self.history.changed();
                let awaited = self.sessions.ended(&name, result.is_ok());
                if let Err(problem) = result
                    && awaited
                {
                    self.fail(self.shown(), format!("Ending the session {name}"), problem, now);
                }
            }
            Event::LookingAtSystem => self.system.looking(),
            Event::LookedAtSystem(result) => self.looked_at_system(result, now),
            Event::JobAsked { to } => self.system.asked(to, now),
            Event::JobBegun(id) => {
                self.history.changed();
                self.system.begun(id);
            }
            Event::JobAt { step, log } => self.system.at(step, log),
            Event::JobCancelling => self.system.cancelling(),
            Event::JobNotCancelled(id, problem) => self.job_not_cancelled(&id, problem),
            Event::JobEnded(result) => {
                self.history.changed();
                self.job_ended(result, now);
            }
            Event::NoTerminal(problem) => {
                self.fail(self.shown(), Operation::Connect.title(show::name(self)), problem, now);
            }
            Event::NotBegun(operation, problem) => self.not_begun(operation, problem, now),
            Event::LookedAtOther(desired, observed) => {
                self.looked_at_other(&desired, observed.as_deref(), now)
            }
            Event::LogAsked(job) => self.system.show_log(job),
            Event::LogRead { number, lines } => self.read_log(number, lines),
            Event::LogOver { number, result } => self.log_over(number, result),
            Event::LookingAtSnapshots => self.snapshots.looking(),
            Event::LookedAtSnapshots(result) => self.snapshots.looked(result, now),
            Event::Proposed(of) => {
                self.previews += 1;
                let refused = |key, setup: &Setup, wanted: &Desired| {
                    show::refused(key, setup, wanted, self.known.as_ref())
                };
                self.preview = Some(Preview::new(self.previews, *of, self.setup(), refused));
            }
            Event::Previewed { number, found } => {
                if let Some(preview) = self.preview.as_mut().filter(|preview| preview.number == number) {
                    preview.found = Some(found.map_err(Problem::harmless));
                }
            }
            Event::Discarded => (self.preview, self.wrong) = (None, Vec::new()),
            Event::NotKept(draft) => self.wrong = self.wrong_with(&draft),
            Event::Reached => self.interrupted = None,
            Event::Dismissed => (self.failed, self.interrupted) = (None, None),
            Event::Window(open) => {
                self.window = open;
                if open {
                    self.sessions.watched(now);
                    self.system.watched(now);
                    self.snapshots.watched(now);
                    self.others.watched(now);
                    if self.page == Some(Page::Settings) {
                        self.profiles.visited(now);
                        self.kinds.visited(now);
                    }
                } else {
                    self.page = None;
                    self.system.older = None;
                }
            }
            Event::Showing(page) => self.visited(page, now),
            Event::Terminals(terminals) => self.terminals = terminals,
            Event::Autostart(autostart) => self.autostart = autostart,
            Event::DoctorAsked => self.doctor.asked(),
            Event::Examining => self.doctor.looking(),
            Event::Examined(report) => self.doctor.found(report, now),
            Event::Fell => {
                let problem = Problem {
                    code: "panic".to_owned(),
                    what: "Holdfast fell over a fault of its own, and has begun anew".to_owned(),
                    cause: Some("Nothing is lost in AWS. Its log says where it was".to_owned()),
                    hints: vec![
                        "do it again; what was interrupted goes on from there".to_owned(),
                        "save what belongs in a report: holdfast diagnostics".to_owned(),
                    ],
                };
                self.fail(self.shown(), "What was going on".to_owned(), problem, now);
            }
            Event::KindsAsked => self.kinds.asked(),
            Event::LookingAtKinds => self.kinds.looking(),
            Event::LookedAtKinds(result) => self.kinds.looked(result, now),
            Event::AskedForUpdates { last, found, salt } => self.updates.asked_before(last, found, salt, now),
            Event::AskingForUpdates => self.updates.asking(),
            Event::Updates { newer, salt } => self.answered_about_updates(newer, salt, now),
            Event::ReadingHistory => self.history.reading(),
            Event::ReadHistory(deeds) => self.history.read(&deeds),
            Event::Tray(there) => self.tray = there,
        }
    }

    /// The operation under way goes on.
    fn goes_on(&mut self, progress: Progress, now: Moment) {
        let Some(running) = &mut self.running else { return };
        let was_signed_out = running.signed_out.is_some();
        let about = running.desired.key();
        running.on(&progress);
        match progress {
            Progress::SignedOut(_) => {
                self.sign_in.in_vain();
                if !was_signed_out {
                    self.tell_signed_out();
                }
            }
            Progress::Saw(observed) => {
                self.sign_in.works();
                if self.setup().is_some_and(|setup| setup.desired.key() == about) {
                    self.saw(*observed, true, now);
                }
            }
            Progress::Waiting(waiting) if waiting.contains(&Waiting::Capacity) && !running.told_off => {
                running.told_off = true;
                self.tell_off_for_want_of_capacity();
            }
            Progress::Planned(_)
            | Progress::Started(_)
            | Progress::Finished(_)
            | Progress::Postponed(_)
            | Progress::Waiting(_) => {}
        }
    }

    /// What is shown now.
    pub fn view(&self) -> View {
        show::view(self)
    }

    /// Whether the window is open at this page.
    fn shows(&self, page: Page) -> bool {
        self.window && self.page == Some(page)
    }

    /// Somebody has come to a page of the window.
    fn visited(&mut self, page: Page, now: Moment) {
        if self.page.replace(page) == Some(page) {
            return;
        }
        match page {
            Page::Activity => self.history.changed(),
            Page::Doctor => self.doctor.visited(now),
            Page::Settings => {
                self.profiles.visited(now);
                self.kinds.visited(now);
            }
            // It is where the machine is set up.
            Page::Machine => {
                self.profiles.visited(now);
                self.kinds.visited(now);
            }
            Page::Stop | Page::Restart | Page::Replacement | Page::Sessions => {}
        }
    }

    /// How long the next look can wait.
    pub fn next_look(&self, now: Moment) -> Duration {
        watch::next_look(self, now)
    }

    /// The machine's instance as it was last seen.
    pub fn instance(&self) -> Option<InstanceId> {
        let (known, setup) = (self.known.as_ref()?, self.setup()?);
        known.observed.winners(&setup.desired).instance.map(|instance| instance.id.clone())
    }

    /// Whether somebody looks at the window.
    pub fn is_watched(&self) -> bool {
        self.window
    }

    /// Whether the last look has failed.
    pub fn is_blind(&self) -> bool {
        self.blind.is_some()
    }

    /// What is to be told outside the window; each once.
    pub fn notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// What is wanted of the machine; `None` as long as the settings do not hold.
    pub fn setup(&self) -> Option<&Setup> {
        self.settings.as_ref()?.as_ref().ok().map(Box::as_ref)
    }

    /// The operation that a preview asks for, with its plan.
    pub fn foreseen(&self, number: u32) -> Option<(Operation, &Proposal, &Foreseen)> {
        let preview = self.preview.as_ref().filter(|preview| preview.number == number)?;
        let foreseen = preview.found.as_ref()?.as_ref().ok()?;
        let there = foreseen.observed.winners(&foreseen.desired).instance.is_some();
        Some((preview.of.operation(there), &preview.of, foreseen))
    }

    /// The preview that is still to be looked at.
    pub fn to_foresee(&self) -> Option<(u32, &Proposal)> {
        let preview =
            self.preview.as_ref().filter(|preview| preview.found.is_none() && preview.errors.is_empty())?;
        Some((preview.number, &preview.of))
    }

    /// The machine's state now: unknown as soon as a look has failed.
    fn state(&self) -> State {
        match (&self.known, &self.blind) {
            (Some(known), None) => known.status.state,
            (Some(_) | None, _) => State::Unknown,
        }
    }

    /// Whether a terminal can be opened with nothing else to be done first.
    pub fn connects_at_once(&self) -> bool {
        let reachable = self.known.as_ref().is_some_and(|known| known.status.reachable == Some(true));
        reachable && self.state() == State::On
    }

    fn read(&mut self, settings: Result<Box<Setup>, Problem>) {
        let left = self.known.as_ref().filter(|_| self.blind.is_none()).zip(self.setup());
        let left = left.map(|(known, setup)| (setup.desired.clone(), known.status.state, known.at));
        let key =
            |setup: Option<&Setup>| setup.map(|setup| (setup.desired.key(), setup.desired.profile.clone()));
        let before = key(self.setup());
        let who = |setup: Option<&Setup>| {
            setup.map(|setup| (setup.desired.machine.clone(), setup.desired.profile.clone()))
        };
        let whose = who(self.setup());
        self.settings = Some(settings.map_err(Problem::harmless));
        if let Some(Ok(setup)) = &self.settings {
            self.others.settled(setup, left);
        }
        // It was about other settings.
        (self.preview, self.wrong) = (None, Vec::new());
        self.forget_unopened();
        let shown = self.shown();
        // Told, and in the history; what can be done about it here would be done to another machine.
        if shown.is_some() && self.failed.as_ref().is_some_and(|failed| failed.machine != shown) {
            self.failed = None;
        }
        let now_whose = who(self.setup());
        // A decision of the set-up makes no other machine of it.
        self.no_machine &= whose.as_ref().map(|(name, _)| name) == now_whose.as_ref().map(|(name, _)| name);
        if whose != now_whose {
            self.sign_in = SignIn::default();
            self.let_in = false;
        }
        if before != key(self.setup()) {
            // Another machine, or another view of it: nothing that is known is about it.
            (self.known, self.blind, self.settled, self.elsewhere, self.passing) =
                (None, None, None, None, None);
            (self.sessions, self.system) = (Sessions::default(), self.system.forgotten());
            self.snapshots = Snapshots::default();
            self.kinds = Kinds::default();
            if self.window {
                self.kinds.visited(self.now);
            }
            self.forget_findings();
            self.interrupted = None;
        } else if let (Some(known), Some(Ok(setup))) = (&mut self.known, &self.settings) {
            known.status = Status::of(&setup.desired, &known.observed);
        }
    }

    fn saw(&mut self, observed: Observed, by_user: bool, now: Moment) {
        let Some(setup) = self.setup() else { return };
        let desired = setup.desired.clone();
        let before = self.instance();
        let observed = match self.known.take() {
            Some(mut known) => {
                // What may not be seen any more is not known any more, whatever it was before.
                let (instances, agent) = (observed.instances.clone(), observed.agent.clone());
                known.observed.learn(observed);
                if matches!(instances, Fact::Unknown(ref why) if *why != Why::NotLooked) {
                    known.observed.instances = instances;
                }
                if agent != Fact::NOT_LOOKED {
                    known.observed.agent = agent;
                }
                known.observed
            }
            None => observed,
        };
        let status = Status::of(&desired, &observed);
        if watch::passes(status.state, status.reachable) {
            self.passing.get_or_insert(now);
        } else {
            self.passing = None;
        }
        let after = observed.winners(&desired).instance.map(|instance| &instance.id);
        let another = before.is_some() && after.is_some() && before.as_ref() != after;
        if another || status.state == State::Absent {
            (self.sessions, self.system) = (Sessions::default(), self.system.forgotten());
        } else if !matches!(status.state, State::On | State::Unknown) {
            (self.sessions, self.system) = (self.sessions.off(), self.system.off());
        }
        if before != after.cloned() {
            self.kinds.changed();
        }
        if status.state == State::On {
            self.system.is_on(now);
        }
        self.known = Some(Known { observed, status, at: now });
        self.blind = None;
        self.know_whether_there_is_a_machine();
        self.tell_change(by_user);
    }

    fn ended(&mut self, result: Option<Result<(), Problem>>, now: Moment) {
        let Some(running) = &self.running else { return };
        let (operation, title) = (running.operation, running.title.clone());
        let machine = running.desired.machine.clone();
        // What the user has asked for is no news.
        self.settle();
        self.history.changed();
        if operation.touches_snapshots() {
            self.snapshots.changed(now);
        }
        match result {
            Some(Ok(())) => {
                // Also the one that goes on where making it was interrupted.
                if operation.makes() {
                    self.system.made(now);
                }
                self.tell_success(operation, &machine);
            }
            Some(Err(problem)) => self.fail(Some(machine), title, problem, now),
            None => {}
        }
        self.running = None;
    }

    /// The machine that is shown.
    fn shown(&self) -> Option<MachineName> {
        self.setup().map(|setup| setup.desired.machine.clone())
    }

    fn fail(&mut self, machine: Option<MachineName>, title: String, problem: Problem, now: Moment) {
        let problem = problem.harmless();
        self.tell_failure(&title, &problem);
        self.failed = Some(Failed { title, at: now, problem, machine, unopened: None });
    }
}
