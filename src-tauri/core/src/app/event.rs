//! What happened, as the app is told of it.

use super::{Draft, Look, Opening, Operation, Page, PortalEvent, Problem, Proposal, SigningIn, WayIn, view};
use crate::doctor::Report;
use crate::history::Deed;
use crate::jobs::{Declared, Job, JobId, LogBuffer, Overview, Step as JobStep};
use crate::kinds::Kind;
use crate::machine::{Desired, Observed, Snapshot};
use crate::names::{SessionName, UserName};
use crate::plan::{Plan, Step, Waiting};
use crate::profile::Profile;
use crate::sessions::ZellijSession;
use crate::settings::Settings;
use crate::terminal::Known;
use crate::time::Moment;

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
    /// It makes the volume larger, so that in the end the machine has to take the space.
    pub grows: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The settings were read.
    Settings(Result<Box<Setup>, Problem>),
    /// A settings file that did not hold was put aside, and is here now.
    SettingsAside(String),
    /// Whether the app starts with the desktop; `None`: it cannot.
    Autostart(Option<view::Autostart>),
    /// These terminals are installed.
    Terminals(Vec<Known>),
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
    /// It goes on.
    Goes(Progress),
    /// The operation has ended; `None`: the user gave it up.
    Ended(Option<Result<(), Problem>>),
    /// A terminal has opened, or has not.
    Opened {
        /// Which was to.
        opening: Opening,
        /// Why it has not.
        result: Result<(), Problem>,
    },
    /// A terminal was to open, and it came to nothing before that was tried.
    NoTerminal(Problem),
    /// What was asked for before the machine was seen was not begun.
    NotBegun(Operation, Problem),
    /// A look at a machine that is not shown has ended; `None`: it failed.
    LookedAtOther(Box<Desired>, Option<Box<Observed>>),
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
    /// Somebody asks for the log of a job that is over.
    LogAsked(JobId),
    /// Lines of the log with this number are there.
    LogRead {
        /// The log.
        number: u32,
        /// The next lines.
        lines: LogBuffer,
    },
    /// There are no more of them.
    LogOver {
        /// The log.
        number: u32,
        /// Why it is not all there.
        result: Result<(), Problem>,
    },
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
    /// The preview is put aside, and what was wrong with what was typed.
    Discarded,
    /// These settings were not kept, since something in them does not hold.
    NotKept(Draft),
    /// What was interrupted is over: nothing of it is left.
    Reached,
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

/// How the operation under way goes on.
#[derive(Clone, Debug)]
pub enum Progress {
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
