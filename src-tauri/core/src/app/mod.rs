//! The app: what it knows, what may be done now, and what is shown of it.
//!
//! It is driven like the session: [`App::on`] takes in what happened, [`App::may`] says whether a command is accepted, and
//! [`App::view`], [`App::next_look`] and [`App::notices`] are what comes out. It never acts, and time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::doctor::Report;
use crate::history::Deed;
use crate::jobs::{Declared, Job, JobId, LogBuffer, Overview, Step as JobStep};
use crate::kinds::Kind;
use crate::machine::{Desired, Fact, Observed, Snapshot, Why};
use crate::names::{InstanceId, MachineName, SessionName, UserName};
use crate::plan::{Plan, Step, Waiting};
use crate::profile::Profile;
use crate::sessions::ZellijSession;
use crate::settings::Settings;
use crate::status::{State, Status};
use crate::time::Moment;

mod doctor;
mod draft;
pub mod harmless;
mod history;
mod kinds;
mod machines;
pub mod menu;
mod notice;
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
#[cfg(test)]
mod tests;
mod updates;
pub mod view;
mod watch;

pub use draft::{decided, drafted};
pub use notice::Notice;
pub use portal::{Addition, PortalEvent, PortalStep};
pub use profiles::Look;
pub use sign_in::{Through, TypedCode, WayIn, is_about_credentials};
pub use view::{Draft, Problem, Proposal, SigningIn, View};

use doctor::Doctor;
use history::History;
use kinds::Kinds;
use portal::Adding;
use preview::Preview;
use profiles::Profiles;
use sessions::Sessions;
use sign_in::SignIn;
use snapshots::Snapshots;
use system::System;
use updates::Updates;

/// What the user may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Have the app start with the desktop, or not.
    Autostart {
        /// Whether it is to.
        on: bool,
    },
    /// Open a terminal on the machine, which is started if it is off.
    Connect {
        /// The session in it; without a name the one that is meant when nobody names one.
        #[specta(type = Option<String>)]
        session: Option<SessionName>,
    },
    /// The same with a session whose name somebody typed.
    OpenSession {
        /// What was typed.
        name: String,
    },
    /// Look at the sessions on the machine now.
    LookAtSessions,
    /// End a session and everything that runs in it, or forget one that has ended.
    EndSession {
        /// Its name.
        #[specta(type = String)]
        name: SessionName,
    },
    /// Look at what the machine runs now.
    LookAtSystem,
    /// Have the machine build its configuration and run it.
    Rebuild,
    /// Have the machine run a generation that it has.
    GoTo {
        /// Its number.
        generation: u32,
    },
    /// End the machine's job.
    CancelJob,
    /// Look at the machine's snapshots now.
    LookAtSnapshots,
    /// Take one of the machine as it is.
    TakeSnapshot,
    /// Switch the machine on.
    Start,
    /// Switch it off.
    Stop,
    /// Restart it where it is.
    Restart,
    /// Give up the operation under way. What AWS has already done stays, and the next operation goes on from there.
    Cancel,
    /// Show another machine of the settings.
    Choose {
        /// Which.
        #[specta(type = String)]
        machine: MachineName,
    },
    /// Show it, and open a terminal on it as soon as it was seen; it is started if it is off.
    ConnectTo {
        /// Which.
        #[specta(type = String)]
        machine: MachineName,
    },
    /// Look at AWS now.
    Look,
    /// Show what this would do.
    Preview {
        /// What is proposed.
        of: Proposal,
    },
    /// Keep these settings without a plan: they are about this computer alone, or there is no machine yet. What is in force
    /// by default is written down, too.
    Keep {
        /// As somebody typed or chose them.
        draft: Draft,
    },
    /// Look at the instance types now.
    LookAtTypes,
    /// Show the page of the newer Holdfast.
    ShowUpdate,
    /// Put the preview aside.
    Discard,
    /// Do what the preview shows, and keep its settings where it is of settings.
    Apply {
        /// The preview that the user has read.
        number: u32,
    },
    /// Put the last failure aside.
    Dismiss,
    /// The window shows this page.
    ShowPage {
        /// Which.
        page: Page,
    },
    /// Look at everything that is needed, and say what is right and what is wrong.
    Examine,
    /// Ask AWS about each profile of its configuration.
    CheckProfiles,
    /// Sign in to what the settings name, as far as a person is needed for it; or go over to a code.
    SignIn {
        /// How, where there is a portal.
        through: Through,
    },
    /// Say the code that the MFA device shows.
    SayCode {
        /// What was typed.
        code: TypedCode,
    },
    /// Give up signing in.
    CancelSignIn,
    /// Add a profile for a portal that the AWS configuration does not know yet.
    Portal {
        /// What comes next for it.
        step: PortalStep,
    },
}

/// Why a command is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Refusal {
    /// A sentence without its full stop.
    pub why: String,
}

/// A page of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The machine.
    Machine,
    /// The machine, with the question whether to switch it off.
    Stop,
    /// The machine, with the question whether to restart it.
    Restart,
    /// The machine, at the instance that is on its way into its place, or is kept.
    Replacement,
    /// The sessions on the machine.
    Sessions,
    /// What goes on, and what was done.
    Activity,
    /// The settings.
    Settings,
    /// What works and what does not.
    Doctor,
}

impl Page {
    /// Its name, as it stands in the window's address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Replacement => "replacement",
            Self::Sessions => "sessions",
            Self::Activity => "activity",
            Self::Settings => "settings",
            Self::Doctor => "doctor",
        }
    }
}

/// What changes something, and goes on for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Switch on, then open a terminal.
    Connect,
    /// Switch on.
    Start,
    /// Switch off.
    Stop,
    /// Restart where it is.
    Restart,
    /// Make AWS match the settings, and switch on.
    Make,
    /// Make AWS match the settings.
    Apply,
    /// Bring another instance into the machine's place, with its home.
    Replace,
    /// The same with the home of a snapshot, where there is a machine; else make one.
    Restore,
    /// Take a replacement back.
    TakeBack,
    /// Let the instance go that was replaced.
    LetGo,
    /// Make it the machine again.
    GoBack,
    /// Take a snapshot.
    Snapshot,
    /// Delete one.
    DeleteSnapshot,
}

/// The settings, read.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The text of the file; empty when there is none.
    pub text: String,
    /// What is wanted of the machine.
    pub desired: Desired,
    /// All that stands in it.
    pub settings: Settings,
    /// The keys that the file itself gives.
    pub given: Vec<view::Key>,
    /// The user of a machine whose settings name none.
    pub login: Option<UserName>,
    /// This computer has seen the machine before, whether it can be seen now or not.
    pub met: bool,
}

/// What else is at work on the machine on this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The command, as in `apply`.
    pub what: String,
    /// Since when.
    pub since: Moment,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The settings were read.
    Settings(Result<Box<Setup>, Problem>),
    /// Whether the app starts with the desktop; `None`: it cannot.
    Autostart(Option<view::Autostart>),
    /// These terminals are installed, by their names in the settings.
    Terminals(Vec<String>),
    /// These profiles are in the AWS configuration.
    Profiles(Vec<String>),
    /// They are being looked at.
    LookingAtProfiles(Look),
    /// This is what they are.
    LookedAtProfiles(Result<Vec<Profile>, Problem>),
    /// How a person signs in to what the settings name; `None`: Holdfast has no part in it.
    WayIn(Option<WayIn>),
    /// Somebody begins to sign in.
    BeginsSignIn,
    /// That is there now.
    SigningIn(SigningIn),
    /// The code of the MFA device was not taken; another one may be.
    CodeRefused(Problem),
    /// Somebody has signed in, and whether that outlives this process; or has not.
    SignedIn(Result<bool, Problem>),
    /// Signing in was given up.
    SignInGivenUp,
    /// Something of a portal that is being added.
    Portal(PortalEvent),
    /// Somebody looked at AWS, and at who works on the machine.
    Looked {
        /// What was seen.
        observed: Box<Observed>,
        /// Another process that works on the machine.
        elsewhere: Option<Elsewhere>,
        /// The operation that was not brought to its end, and when it began.
        interrupted: Option<Elsewhere>,
    },
    /// A look failed.
    Blind(Problem),
    /// An operation begins.
    Began(Operation),
    /// This is what it will do.
    Planned(Box<Plan>),
    /// It has looked.
    Saw(Box<Observed>),
    /// A step begins.
    Started(Step),
    /// A step has its effect.
    Finished(Step),
    /// A step has to be tried again later.
    Postponed(Step),
    /// Nothing can be done but wait.
    Waiting(Vec<Waiting>),
    /// The credentials have ended; it goes on by itself when somebody has signed in.
    SignedOut(Problem),
    /// The operation has ended; `None`: the user gave it up.
    Ended(Option<Result<(), Problem>>),
    /// A terminal has opened, beside any operation.
    Connected,
    /// A terminal did not open.
    NoTerminal(Problem),
    /// A look at the sessions on the machine begins.
    ListingSessions,
    /// It has ended.
    ListedSessions(Result<Vec<ZellijSession>, Problem>),
    /// A session is being ended.
    EndingSession(SessionName),
    /// It is gone, or is not.
    EndedSession {
        /// The session.
        name: SessionName,
        /// Why it is not.
        result: Result<(), Problem>,
    },
    /// A look at what the machine runs begins.
    LookingAtSystem,
    /// It has ended.
    LookedAtSystem(Result<Box<SystemSeen>, Problem>),
    /// A job is being asked for.
    JobAsked {
        /// The generation that the machine is to run; without one it is a rebuild.
        to: Option<u32>,
    },
    /// The machine has begun it.
    JobBegun(JobId),
    /// It is there now.
    JobAt {
        /// Where.
        step: JobStep,
        /// What its log said since this was told last.
        log: LogBuffer,
    },
    /// It is being cancelled.
    JobCancelling,
    /// It could not be cancelled, and goes on.
    JobNotCancelled(JobId, Problem),
    /// It has ended, or is lost from sight.
    JobEnded(Result<Box<JobEnd>, Problem>),
    /// A look at the machine's snapshots begins.
    LookingAtSnapshots,
    /// It has ended.
    LookedAtSnapshots(Result<Vec<Snapshot>, Problem>),
    /// This is to be previewed.
    Proposed(Box<Proposal>),
    /// What preview `number` would do.
    Previewed {
        /// The preview.
        number: u32,
        /// What was found.
        found: Result<Box<Foreseen>, Problem>,
    },
    /// The preview is put aside.
    Discarded,
    /// The last failure is put aside.
    Dismissed,
    /// Somebody looks at the window, or it has closed.
    Window(bool),
    /// The window shows this page.
    Showing(Page),
    /// Somebody asks the doctor.
    DoctorAsked,
    /// The doctor begins to look.
    Examining,
    /// This is what he has found.
    Examined(Report),
    /// The app fell over something that must not happen, and has begun anew.
    Fell,
    /// Somebody asks for the instance types anew.
    KindsAsked,
    /// The instance types are being looked at.
    LookingAtKinds,
    /// This is what they are.
    LookedAtKinds(Result<Vec<Kind>, Problem>),
    /// Somebody looked for a newer Holdfast last at this moment, as far as is known, and found this.
    AskedForUpdates {
        /// When.
        last: Option<Moment>,
        /// It, if there was one.
        found: Option<view::Update>,
        /// A number of this computer's own.
        salt: u64,
    },
    /// A newer Holdfast is being looked for.
    AskingForUpdates,
    /// This is the newer one, if there is one; an error: nobody could be asked.
    Updates {
        /// It.
        newer: Result<Option<view::Update>, ()>,
        /// A number of this computer's own.
        salt: u64,
    },
    /// What this computer has changed is being read.
    ReadingHistory,
    /// This is what it has changed, the oldest first.
    ReadHistory(Vec<Deed>),
    /// The desktop shows the tray icon, or does not.
    Tray(bool),
}

/// What a look at the machine's system found.
#[derive(Clone, Debug)]
pub struct SystemSeen {
    /// What the machine says.
    pub overview: Overview,
    /// The configuration that is declared at that moment, or why that cannot be had.
    pub declared: Result<Declared, Problem>,
}

/// How a job of the machine's ended.
#[derive(Clone, Debug)]
pub struct JobEnd {
    /// The job.
    pub job: Job,
    /// What there is to know of it, where it did not do what was asked for.
    pub problem: Option<Problem>,
}

/// What a preview found.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// What would be wanted.
    pub desired: Desired,
    /// What AWS says now.
    pub observed: Observed,
    /// What would be done.
    pub plan: Plan,
    /// What forbids it.
    pub blocked: Option<Problem>,
}

/// The app.
#[derive(Debug)]
pub struct App {
    sandbox: bool,
    tray: bool,
    path: String,
    settings: Option<Result<Box<Setup>, Problem>>,
    profiles: Profiles,
    autostart: Option<view::Autostart>,
    /// The terminals that are installed.
    terminals: Vec<String>,
    sign_in: SignIn,
    portal: Adding,
    known: Option<Known>,
    blind: Option<Blind>,
    elsewhere: Option<Elsewhere>,
    interrupted: Option<Elsewhere>,
    running: Option<Running>,
    failed: Option<(String, Moment, Problem)>,
    preview: Option<Preview>,
    previews: u32,
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

/// The operation under way.
#[derive(Debug)]
struct Running {
    operation: Operation,
    /// What is done, as a title.
    title: String,
    /// The machine that it is about; the settings may come to mean another one meanwhile.
    desired: Desired,
    since: Moment,
    planned: Vec<Step>,
    done: Vec<Step>,
    doing: Vec<Step>,
    waiting: Vec<Waiting>,
    /// It was told that the machine is off for want of capacity.
    told_off: bool,
    /// Nobody is signed in any more.
    signed_out: Option<Problem>,
}

impl App {
    /// An app that knows nothing yet. `path` is the settings file.
    pub fn new(sandbox: bool, path: String) -> Self {
        Self {
            sandbox,
            tray: true,
            path,
            settings: None,
            profiles: Profiles::default(),
            autostart: None,
            terminals: Vec::new(),
            sign_in: SignIn::default(),
            portal: Adding::default(),
            known: None,
            blind: None,
            elsewhere: None,
            interrupted: None,
            running: None,
            failed: None,
            preview: None,
            previews: 0,
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
            Event::SignedOut(_) => {
                let Some(running) = &mut self.running else { return };
                let known = running.signed_out.is_some();
                running.on(event);
                self.sign_in.in_vain();
                if !known {
                    self.tell_signed_out();
                }
            }
            Event::Saw(observed) => {
                let about = self.running.as_ref().map(|running| running.desired.key());
                if let Some(running) = &mut self.running {
                    running.signed_out = None;
                }
                self.sign_in.works();
                if about == self.setup().map(|setup| setup.desired.key()) {
                    self.saw(*observed, true, now);
                }
            }
            Event::Planned(_)
            | Event::Started(_)
            | Event::Finished(_)
            | Event::Postponed(_)
            | Event::Waiting(_) => {
                let Some(running) = &mut self.running else { return };
                running.on(event);
                if running.waiting.contains(&Waiting::Capacity) && !running.told_off {
                    running.told_off = true;
                    self.tell_off_for_want_of_capacity();
                }
            }
            Event::Connected => self.sessions.connected(now),
            Event::ListingSessions => self.sessions.listing(),
            Event::ListedSessions(result) => self.sessions.listed(result, now),
            Event::EndingSession(name) => self.sessions.end(name, now),
            Event::EndedSession { name, result } => {
                self.history.changed();
                let awaited = self.sessions.ended(&name, result.is_ok());
                if let Err(problem) = result
                    && awaited
                {
                    self.fail(format!("Ending the session {name}"), problem, now);
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
                let name = self.setup().map_or(String::new(), |setup| setup.desired.machine.to_string());
                self.fail(Operation::Connect.title(&name), problem, now);
            }
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
            Event::Discarded => self.preview = None,
            Event::Dismissed => (self.failed, self.interrupted) = (None, None),
            Event::Window(open) => {
                self.window = open;
                if open {
                    self.sessions.watched(now);
                    self.system.watched(now);
                    self.snapshots.watched(now);
                    if self.page == Some(Page::Settings) {
                        self.profiles.visited(now);
                        self.kinds.visited(now);
                    }
                } else {
                    self.page = None;
                }
            }
            Event::Showing(page) => self.visited(page, now),
            Event::Terminals(names) => self.terminals = names,
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
                self.fail("What was going on".to_owned(), problem, now);
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

    /// Whether a command is accepted now.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, command: &Command) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal { why });
        if matches!(command, Command::Cancel) {
            return if self.running.is_some() { Ok(()) } else { refuse("Nothing is under way".to_owned()) };
        }
        let Some(setup) = self.setup() else {
            return match command {
                Command::Look | Command::Dismiss | Command::Discard | Command::ShowPage { .. } => Ok(()),
                Command::Autostart { .. } => self.may_autostart(),
                Command::Examine => self.may_examine(),
                Command::CancelSignIn => self.may_cancel_sign_in(),
                Command::SayCode { code } => self.may_say_code(code),
                Command::Portal { step } => self.may_portal(step),
                Command::Connect { .. }
                | Command::OpenSession { .. }
                | Command::LookAtSessions
                | Command::EndSession { .. }
                | Command::LookAtSystem
                | Command::Rebuild
                | Command::GoTo { .. }
                | Command::CancelJob
                | Command::LookAtSnapshots
                | Command::TakeSnapshot
                | Command::Start
                | Command::Stop
                | Command::Restart
                | Command::Cancel
                | Command::Preview { .. }
                | Command::CheckProfiles
                | Command::SignIn { .. }
                | Command::Choose { .. }
                | Command::ConnectTo { .. }
                | Command::Keep { .. }
                | Command::LookAtTypes
                | Command::ShowUpdate
                | Command::Apply { .. } => refuse("The settings cannot be read".to_owned()),
            };
        };
        let name = &setup.desired.machine;
        match command {
            Command::Look
            | Command::Dismiss
            | Command::Discard
            | Command::Cancel
            | Command::ShowPage { .. } => return Ok(()),
            Command::Autostart { .. } => return self.may_autostart(),
            Command::Examine => return self.may_examine(),
            Command::Choose { machine } | Command::ConnectTo { machine } => {
                return self.may_choose(setup, machine);
            }
            Command::Keep { draft } => return self.may_keep(setup, draft),
            Command::LookAtTypes => return self.may_look_at_kinds(),
            Command::ShowUpdate => return self.may_show_update(),
            Command::CheckProfiles => return self.may_check_profiles(),
            Command::SignIn { through } => return self.may_sign_in(*through),
            Command::SayCode { code } => return self.may_say_code(code),
            Command::CancelSignIn => return self.may_cancel_sign_in(),
            Command::Portal { step } => return self.may_portal(step),
            Command::Preview { of } => return self.may_propose(of),
            Command::LookAtSnapshots => return self.may_look_at_snapshots(),
            Command::TakeSnapshot => return self.may_take_snapshot(),
            Command::LookAtSessions => return self.may_look_at_sessions(),
            Command::EndSession { name } => return self.may_end_session(name),
            Command::LookAtSystem => return self.may_look_at_system(),
            Command::Rebuild => return self.may_rebuild(),
            Command::GoTo { generation } => return self.may_go_to(*generation),
            Command::CancelJob => return self.may_cancel_job(),
            Command::OpenSession { name } => {
                return match name.parse::<SessionName>() {
                    Ok(name) => self.may(&sessions::connect_to(&name)),
                    Err(error) => refuse(harmless::harmless(&error.to_string(), 200)),
                };
            }
            Command::Connect { session } => self.may_join(session.as_ref())?,
            Command::Start | Command::Stop | Command::Restart | Command::Apply { .. } => {}
        }
        let ends = self.running.as_ref().is_some_and(|running| running.operation.ends_sessions());
        if matches!(command, Command::Connect { .. }) && self.connects_at_once() && !ends {
            return Ok(());
        }
        self.may_change()?;
        match (command, self.state()) {
            (Command::Apply { number }, _) => match &self.preview {
                Some(preview) if preview.number == *number && preview.can_be_applied() => Ok(()),
                Some(preview) if preview.number == *number => {
                    refuse("This preview cannot be applied".to_owned())
                }
                Some(_) | None => refuse("This is not the preview that is shown".to_owned()),
            },
            (Command::Connect { .. } | Command::Start | Command::Stop | Command::Restart, State::Unknown) => {
                refuse(format!("The state of {name} is not known"))
            }
            (
                Command::Connect { .. } | Command::Start | Command::Stop | Command::Restart,
                State::Absent | State::Ending,
            ) => refuse(format!("There is no machine {name} yet")),
            (Command::Connect { .. }, State::Off | State::Starting | State::Stopping | State::On)
            | (Command::Start, State::Off)
            | (Command::Stop | Command::Restart, State::On) => Ok(()),
            (Command::Start | Command::Stop | Command::Restart, state) => {
                refuse(format!("{name} is {}", state.word()))
            }
            (
                Command::Autostart { .. }
                | Command::Cancel
                | Command::Look
                | Command::OpenSession { .. }
                | Command::LookAtSessions
                | Command::EndSession { .. }
                | Command::LookAtSystem
                | Command::Rebuild
                | Command::GoTo { .. }
                | Command::CancelJob
                | Command::ShowPage { .. }
                | Command::Examine
                | Command::CheckProfiles
                | Command::SignIn { .. }
                | Command::SayCode { .. }
                | Command::CancelSignIn
                | Command::Portal { .. }
                | Command::LookAtSnapshots
                | Command::TakeSnapshot
                | Command::Preview { .. }
                | Command::Choose { .. }
                | Command::ConnectTo { .. }
                | Command::Keep { .. }
                | Command::LookAtTypes
                | Command::ShowUpdate
                | Command::Discard
                | Command::Dismiss,
                _,
            ) => Ok(()),
        }
    }

    /// Whether nothing else is at work on the machine.
    fn may_change(&self) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal { why });
        if let Some(running) = &self.running {
            return refuse(format!("{} is under way", running.title));
        }
        if let Some(other) = &self.elsewhere {
            let name = show::name(self);
            return refuse(format!("holdfast {} is working on {name} in another process", other.what));
        }
        Ok(())
    }

    fn may_propose(&self, of: &Proposal) -> Result<(), Refusal> {
        match of {
            Proposal::Settings { .. } => Ok(()),
            Proposal::Restore { snapshot } => self.may_restore(of, snapshot),
            Proposal::DeleteSnapshot { snapshot } => self.may_delete_snapshot(snapshot),
            Proposal::Replace | Proposal::GoOn | Proposal::TakeBack | Proposal::LetGo | Proposal::GoBack => {
                self.may_swap(of)
            }
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

    fn may_autostart(&self) -> Result<(), Refusal> {
        match self.autostart {
            Some(_) => Ok(()),
            None => Err(Refusal { why: "This app cannot start with the desktop".to_owned() }),
        }
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
        let key =
            |setup: Option<&Setup>| setup.map(|setup| (setup.desired.key(), setup.desired.profile.clone()));
        let before = key(self.setup());
        let who = |setup: Option<&Setup>| {
            setup.map(|setup| (setup.desired.machine.clone(), setup.desired.profile.clone()))
        };
        let whose = who(self.setup());
        self.settings = Some(settings.map_err(Problem::harmless));
        // It was about other settings.
        self.preview = None;
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
        if another || !matches!(status.state, State::On | State::Unknown) {
            (self.sessions, self.system) = (Sessions::default(), self.system.forgotten());
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
        let Some(running) = self.running.take() else { return };
        // What the user has asked for is no news.
        self.settle();
        self.history.changed();
        if running.operation.touches_snapshots() {
            self.snapshots.changed(now);
        }
        match result {
            Some(Ok(())) => {
                if running.operation == Operation::Connect {
                    self.sessions.connected(now);
                }
                // Also the one that goes on where making it was interrupted.
                if running.operation.makes() {
                    self.system.made(now);
                }
                self.tell_success(running.operation, running.desired.machine.as_str());
            }
            Some(Err(problem)) => self.fail(running.title, problem, now),
            None => {}
        }
    }

    fn fail(&mut self, title: String, problem: Problem, now: Moment) {
        let problem = problem.harmless();
        self.tell_failure(&title, &problem);
        self.failed = Some((title, now, problem));
    }
}

impl Running {
    fn new(operation: Operation, desired: Desired, since: Moment) -> Self {
        Self {
            operation,
            title: operation.title(desired.machine.as_str()),
            desired,
            since,
            planned: Vec::new(),
            done: Vec::new(),
            doing: Vec::new(),
            waiting: Vec::new(),
            told_off: false,
            signed_out: None,
        }
    }

    fn on(&mut self, event: Event) {
        self.signed_out = None;
        match event {
            Event::SignedOut(problem) => self.signed_out = Some(problem.harmless()),
            Event::Planned(plan) => {
                let steps = plan.steps.into_iter().map(|planned| planned.step);
                self.planned = self.done.iter().cloned().chain(steps).collect();
            }
            Event::Started(step) => {
                self.waiting.clear();
                self.doing.push(step);
            }
            Event::Finished(step) => {
                self.doing.retain(|other| other != &step);
                self.done.push(step);
            }
            Event::Postponed(step) => self.doing.retain(|other| other != &step),
            Event::Waiting(waiting) => self.waiting = waiting,
            Event::Settings(_)
            | Event::Profiles(_)
            | Event::LookingAtProfiles(_)
            | Event::LookedAtProfiles(_)
            | Event::WayIn(_)
            | Event::BeginsSignIn
            | Event::SigningIn(_)
            | Event::CodeRefused(_)
            | Event::SignedIn(_)
            | Event::SignInGivenUp
            | Event::Portal(_)
            | Event::Looked { .. }
            | Event::Blind(_)
            | Event::Began(_)
            | Event::Saw(_)
            | Event::Ended(_)
            | Event::Connected
            | Event::NoTerminal(_)
            | Event::ListingSessions
            | Event::ListedSessions(_)
            | Event::EndingSession(_)
            | Event::EndedSession { .. }
            | Event::LookingAtSystem
            | Event::LookedAtSystem(_)
            | Event::JobAsked { .. }
            | Event::JobBegun(_)
            | Event::JobAt { .. }
            | Event::JobCancelling
            | Event::JobNotCancelled(..)
            | Event::JobEnded(_)
            | Event::LookingAtSnapshots
            | Event::LookedAtSnapshots(_)
            | Event::Proposed(_)
            | Event::Previewed { .. }
            | Event::Discarded
            | Event::Dismissed
            | Event::Window(_)
            | Event::Showing(_)
            | Event::Terminals(_)
            | Event::Autostart(_)
            | Event::DoctorAsked
            | Event::Examining
            | Event::Examined(_)
            | Event::Fell
            | Event::KindsAsked
            | Event::LookingAtKinds
            | Event::LookedAtKinds(_)
            | Event::AskedForUpdates { .. }
            | Event::AskingForUpdates
            | Event::Updates { .. }
            | Event::ReadingHistory
            | Event::ReadHistory(_)
            | Event::Tray(_) => {}
        }
    }
}

impl Operation {
    /// What is done to the machine `name`, as a title.
    pub fn title(self, name: &str) -> String {
        match self {
            Self::Connect => format!("Connecting to {name}"),
            Self::Start => format!("Starting {name}"),
            Self::Stop => format!("Stopping {name}"),
            Self::Restart => format!("Restarting {name}"),
            Self::Make => format!("Making {name}"),
            Self::Apply => format!("Changing {name}"),
            Self::Replace => format!("Replacing {name}"),
            Self::Restore => format!("Restoring {name}"),
            Self::TakeBack => format!("Taking back the replacement of {name}"),
            Self::LetGo => format!("Ending the old instance of {name}"),
            Self::GoBack => format!("Going back to the old instance of {name}"),
            Self::Snapshot => format!("Taking a snapshot of {name}"),
            Self::DeleteSnapshot => format!("Deleting a snapshot of {name}"),
        }
    }

    /// Whether it ends whatever runs on the machine, and nothing else is to be begun there meanwhile.
    pub(super) fn ends_sessions(self) -> bool {
        matches!(self, Self::Stop | Self::Restart)
    }

    /// As the command line calls it, for whoever finds the machine locked.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect | Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Make => "up",
            Self::Apply => "apply",
            Self::Replace => "replace",
            Self::Restore => "snapshot restore",
            Self::TakeBack => "replace --cancel",
            Self::LetGo => "replace --let-go",
            Self::GoBack => "replace --back",
            Self::Snapshot => "snapshot create",
            Self::DeleteSnapshot => "snapshot delete",
        }
    }

    /// Whether its plan was shown before it.
    fn is_previewed(self) -> bool {
        match self {
            Self::Connect | Self::Start | Self::Stop | Self::Restart | Self::Snapshot => false,
            Self::Make
            | Self::Apply
            | Self::Replace
            | Self::Restore
            | Self::TakeBack
            | Self::LetGo
            | Self::GoBack
            | Self::DeleteSnapshot => true,
        }
    }

    /// Whether what it has made may have to be brought to what is declared for it.
    fn makes(self) -> bool {
        matches!(self, Self::Make | Self::Apply | Self::Replace | Self::Restore)
    }

    /// Whether there may be other snapshots after it.
    fn touches_snapshots(self) -> bool {
        self.is_previewed() || self == Self::Snapshot
    }
}
