//! What is shown: plain data that the tray and the window render. Nobody decides anything from it.
//!
//! Amounts are US cents and moments are seconds since the Unix epoch, so that whoever renders them can follow the user's locale.
//! Every text that came from AWS is [`harmless`](super::harmless::harmless).

mod activity;
mod doctor;
mod machine;
mod on_it;
mod preview;
mod set_up;
mod settings;
mod sign_in;

pub use activity::{
    Deed, Failed, History, Interrupted, Job, LastJob, Log, OlderLog, Operation, Phase, Progress, Run, RunLog,
    Terminal, Unopened,
};
pub use doctor::{Doctor, Examined};
pub(super) use machine::cents;
pub use machine::{Cost, Disk, Growth, Instance, Machine, Replacement, Snapshot, Snapshots, SoFar, SoMuch};
pub use on_it::{Flag, Generation, GoesOff, Measured, Session, Sessions, System};
pub use preview::{Changed, FieldError, Group, Preview, Proposal, StepView};
pub use set_up::{Decision, SetUp, SetUpStep, TypeChoice, Types};
pub use settings::{Autostart, Draft, Field, Key, NoticeSwitch, Settings, Topic};
pub use sign_in::{Portal, PortalAccount, PortalAddition, PortalStage, Profile, Profiles, SignIn, SigningIn};

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::names::MachineName;

/// All that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct View {
    /// Whether AWS is the sandbox.
    pub sandbox: bool,
    /// Whether this desktop shows the tray icon; without one the app ends with its window.
    pub tray: bool,
    /// The machine.
    pub machine: Machine,
    /// All machines of the settings: the default one, then the others by their names.
    pub machines: Vec<MachineChoice>,
    /// What can be done now; what cannot is not there.
    pub commands: Commands,
    /// The sessions on the machine; `None` while nothing can be said of them.
    pub sessions: Option<Sessions>,
    /// What the machine runs; `None` while nothing can be said of it.
    pub system: Option<System>,
    /// An instance beside the machine, which is on its way into its place or is kept.
    pub replacement: Option<Replacement>,
    /// The machine's snapshots; `None` while nothing can be said of them.
    pub snapshots: Option<Snapshots>,
    /// What is going on.
    pub operation: Option<Operation>,
    /// The last operation, when it did not reach its goal and nobody has put that aside.
    pub failed: Option<Failed>,
    /// An operation that this computer did not bring to its end, in an earlier run.
    pub interrupted: Option<Interrupted>,
    /// The settings.
    pub settings: Settings,
    /// What something would do that somebody thinks of.
    pub preview: Option<Preview>,
    /// Somebody has to sign in, or does so now; `None`: nobody is needed, or Holdfast has no part in it.
    pub sign_in: Option<SignIn>,
    /// The profiles of the AWS configuration, as they were when somebody last looked.
    pub profiles: Profiles,
    /// A profile that is being added, for a portal that the AWS configuration does not know yet.
    pub portal: Portal,
    /// What the doctor has found.
    pub doctor: Doctor,
    /// What this computer has changed; `None` while nobody looks at it.
    pub history: Option<History>,
    /// The instance types; `None` on pages without them, and while nothing is known of the machine.
    pub types: Option<Types>,
    /// What is decided, and what is left to decide, before the machine is made; `None` where there is one.
    pub set_up: Option<SetUp>,
    /// A newer Holdfast, where one is known.
    pub update: Option<Update>,
}

/// A newer Holdfast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Update {
    /// Its version.
    pub version: String,
    /// The page that it is on.
    pub page: String,
}

/// A machine of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct MachineChoice {
    /// Its name.
    #[specta(type = String)]
    pub name: MachineName,
    /// Its region.
    pub region: String,
    /// It is the one that is shown.
    pub shown: bool,
    /// It is the one that is meant when nobody names one.
    pub default: bool,
    /// Why nothing can be done with it now but what is done already, as a sentence; `None` also of the one that is shown.
    pub hindrance: Option<String>,
    /// Its state as it was last seen, and when that was, as a sentence. The commands are those of that state.
    pub seen: String,
    /// Show it and open a terminal on it.
    pub connect: Option<Offer>,
    /// Show it and switch it on.
    pub start: Option<Offer>,
    /// Show it and ask whether to switch it off.
    pub stop: Option<Offer>,
}

/// What can be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Commands {
    /// Open a terminal on the machine.
    pub connect: Option<Offer>,
    /// Switch it on.
    pub start: Option<Offer>,
    /// Switch it off.
    pub stop: Option<Offer>,
    /// Restart it where it is.
    pub restart: Option<Offer>,
    /// Give up what is going on.
    pub cancel: Option<Offer>,
    /// Look again at what could not be seen.
    pub look: Option<Offer>,
    /// Carry out the preview.
    pub apply: Option<Offer>,
    /// Show what another instance in the machine's place would do.
    pub replace: Option<Offer>,
}

/// A command on offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Offer {
    /// What its button says.
    pub label: String,
    /// What it costs or does besides, to be said beside the button.
    pub note: Option<String>,
    /// What has to be agreed to first.
    pub asks: Option<String>,
}

/// An error as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Problem {
    /// A stable name.
    pub code: String,
    /// What does not work, as a sentence without its full stop.
    pub what: String,
    /// Why.
    pub cause: Option<String>,
    /// What the user can do, the most useful first.
    pub hints: Vec<String>,
}
