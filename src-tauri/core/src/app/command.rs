//! What the user may ask for, and whether it is accepted now.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::harmless::harmless;
use super::{App, Draft, Operation, PortalStep, Proposal, Setup, Through, TypedCode, sessions, show};
use crate::jobs::JobId;
use crate::names::{MachineName, SessionName};
use crate::status::State;
use crate::terminal::Known;

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
    /// The same in a terminal other than the one of the settings, this once.
    ConnectIn {
        /// Which.
        terminal: Known,
        /// As for the one of the settings.
        #[specta(type = Option<String>)]
        session: Option<SessionName>,
    },
    /// Open a session whose name somebody typed.
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
    /// Fetch the log of a job that is over from the machine.
    ShowLog {
        /// Which.
        #[specta(type = String)]
        job: JobId,
    },
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
    /// Show it unless it is shown, and then do this.
    On {
        /// Which.
        #[specta(type = String)]
        machine: MachineName,
        /// What.
        then: Then,
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
    /// Put a settings file that does not hold aside, and begin without one.
    SetSettingsAside,
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

/// What is to be done with a machine of the settings that may not be the one that is shown. Nobody knows what is so there until
/// it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Open a terminal on it; it is started if it is off.
    Connect,
    /// Switch it on.
    Start,
    /// Open the window at this page.
    Open(Page),
}

impl Then {
    /// The command and the operation that it is on the machine that is shown; `None`: it is only looked at.
    pub fn on_shown(self) -> Option<(Command, Operation)> {
        match self {
            Self::Connect => Some((Command::Connect { session: None }, Operation::Connect)),
            Self::Start => Some((Command::Start, Operation::Start)),
            Self::Open(_) => None,
        }
    }
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

    /// Whether it asks something about the machine as it was last seen.
    pub fn asks(self) -> bool {
        matches!(self, Self::Stop | Self::Restart)
    }
}

impl App {
    /// Whether a command is accepted now.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, command: &Command) -> Result<(), Refusal> {
        let settled = || self.setup().ok_or_else(|| refuse("The settings cannot be read"));
        match command {
            Command::Look | Command::Dismiss | Command::Discard | Command::ShowPage { .. } => Ok(()),
            Command::Cancel => {
                self.running.as_ref().map(|_| ()).ok_or_else(|| refuse("Nothing is under way"))
            }
            Command::Autostart { .. } => self.may_autostart(),
            Command::Examine => self.may_examine(),
            Command::SayCode { code } => self.may_say_code(code),
            Command::CancelSignIn => self.may_cancel_sign_in(),
            Command::Portal { step } => self.may_portal(step),
            Command::Choose { machine } => self.may_choose(settled()?, machine),
            Command::On { machine, then } => self.may_on(settled()?, machine, *then),
            Command::Keep { draft } => self.may_keep(settled()?, draft),
            Command::SetSettingsAside => match &self.settings {
                Some(Err(_)) => Ok(()),
                Some(Ok(_)) | None => Err(refuse("There is nothing to put aside: the settings hold")),
            },
            Command::LookAtTypes => settled().and_then(|_| self.may_look_at_kinds()),
            Command::ShowUpdate => settled().and_then(|_| self.may_show_update()),
            Command::CheckProfiles => settled().and_then(|_| self.may_check_profiles()),
            Command::SignIn { through } => settled().and_then(|_| self.may_sign_in(*through)),
            Command::Preview { of } => settled().and_then(|_| self.may_propose(of)),
            Command::Apply { number } => settled().and_then(|_| self.may_apply(*number)),
            Command::LookAtSnapshots => settled().and_then(|_| self.may_look_at_snapshots()),
            Command::TakeSnapshot => settled().and_then(|_| self.may_take_snapshot()),
            Command::LookAtSessions => settled().and_then(|_| self.may_look_at_sessions()),
            Command::EndSession { name } => settled().and_then(|_| self.may_end_session(name)),
            Command::LookAtSystem => settled().and_then(|_| self.may_look_at_system()),
            Command::Rebuild => settled().and_then(|_| self.may_rebuild()),
            Command::GoTo { generation } => settled().and_then(|_| self.may_go_to(*generation)),
            Command::CancelJob => settled().and_then(|_| self.may_cancel_job()),
            Command::ShowLog { job } => self.may_show_log(job),
            Command::OpenSession { name } => match name.parse::<SessionName>() {
                Ok(name) => self.may(&sessions::connect_to(&name)),
                Err(error) => Err(refuse(&harmless(&error.to_string(), 200))),
            },
            Command::ConnectIn { terminal, session } => {
                self.may_connect_in(settled()?, *terminal, session.as_ref())
            }
            Command::Connect { session } => self.may_connect(settled()?, session.as_ref()),
            Command::Start => self.may_switch(settled()?, State::Off),
            Command::Stop | Command::Restart => self.may_switch(settled()?, State::On),
        }
    }

    pub(super) fn may_connect(&self, setup: &Setup, session: Option<&SessionName>) -> Result<(), Refusal> {
        self.may_join(session)?;
        let ends = self.running.as_ref().is_some_and(|running| running.operation.ends_sessions());
        if self.connects_at_once() && !ends {
            return Ok(());
        }
        self.may_change()?;
        self.machine_state(setup).map(|_| ())
    }

    /// Whether the machine may be switched over from this state.
    fn may_switch(&self, setup: &Setup, from: State) -> Result<(), Refusal> {
        self.may_change()?;
        match self.machine_state(setup)? {
            state if state == from => Ok(()),
            state => Err(refuse(&format!("{} is {}", setup.desired.machine, state.word()))),
        }
    }

    /// The state of a machine that there is.
    fn machine_state(&self, setup: &Setup) -> Result<State, Refusal> {
        let name = &setup.desired.machine;
        match self.state() {
            State::Unknown => Err(refuse(&format!("The state of {name} is not known"))),
            State::Absent | State::Ending => Err(refuse(&format!("There is no machine {name} yet"))),
            state @ (State::Off | State::Starting | State::Stopping | State::On) => Ok(state),
        }
    }

    fn may_apply(&self, number: u32) -> Result<(), Refusal> {
        self.may_change()?;
        match &self.preview {
            Some(preview) if preview.number == number && preview.can_be_applied() => Ok(()),
            Some(preview) if preview.number == number => Err(refuse("This preview cannot be applied")),
            Some(_) | None => Err(refuse("This is not the preview that is shown")),
        }
    }

    /// Whether nothing else is at work on the machine.
    pub(super) fn may_change(&self) -> Result<(), Refusal> {
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

    pub(super) fn may_propose(&self, of: &Proposal) -> Result<(), Refusal> {
        match of {
            Proposal::Settings { .. } => Ok(()),
            Proposal::Restore { snapshot } => self.may_restore(of, snapshot),
            Proposal::DeleteSnapshot { snapshot } => self.may_delete_snapshot(snapshot),
            Proposal::Replace | Proposal::GoOn | Proposal::TakeBack | Proposal::LetGo | Proposal::GoBack => {
                self.may_swap(of)
            }
        }
    }

    pub(super) fn may_autostart(&self) -> Result<(), Refusal> {
        match self.autostart {
            Some(_) => Ok(()),
            None => Err(Refusal { why: "This app cannot start with the desktop".to_owned() }),
        }
    }
}

fn refuse(why: &str) -> Refusal {
    Refusal { why: why.to_owned() }
}
