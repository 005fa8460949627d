//! What is shown: plain data that the tray and the window render. Nobody decides anything from it.
//!
//! Amounts are US cents and moments are seconds since the Unix epoch, so that whoever renders them can follow the user's locale.
//! Every text that came from AWS is [`harmless`](super::harmless::harmless).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::cost;
use crate::doctor;
use crate::history::Outcome;
use crate::jobs::Standing;
use crate::names::{MachineName, SessionName, SnapshotId};
use crate::notices::NoticeKind;
use crate::plan::{Area, Change};
use crate::price::{Money, Monthly, Prices};
use crate::profile;
use crate::status::State;

/// All that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct View {
    /// Whether AWS is the sandbox.
    pub sandbox: bool,
    /// Whether this desktop shows the tray icon; without one the app ends with its window.
    pub tray: bool,
    /// The machine.
    pub machine: Machine,
    /// All machines of the settings, by their names.
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

/// What is left to decide before a machine is made. It is all in the settings file, so that it can be left and gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SetUp {
    /// The steps, in their order.
    pub steps: Vec<SetUpStep>,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SetUpStep {
    /// Which.
    pub step: Decision,
    /// Whether it is decided.
    pub done: bool,
    /// What is decided, or would be by default.
    pub says: String,
}

/// What has to be decided for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Whose account: the profile, with a sign-in that holds.
    Account,
    /// The region.
    Region,
    /// Instance type and size of the volume.
    Size,
    /// The user.
    User,
    /// Where the configuration comes from.
    Configuration,
    /// Whether it is made.
    Plan,
}

/// The instance types that the machine can be, and those that it cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Types {
    /// Whether they are being looked at.
    pub looking: bool,
    /// Why the last look brought nothing.
    pub problem: Option<Problem>,
    /// When they were last looked at; `None`: not yet.
    pub seen: Option<u32>,
    /// All of them, the cheapest first.
    pub list: Vec<TypeChoice>,
    /// Look at them again.
    pub look: Option<Offer>,
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct TypeChoice {
    /// Its name.
    pub name: String,
    /// The architecture of its processor.
    pub architecture: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// The speed of its network in EC2's words.
    pub network: Option<String>,
    /// What it costs in a month if it is on all the time, in US cents, without volume and address; `None`: not known.
    pub monthly: Option<u32>,
    /// By how many US cents that is more than what the machine is, or is to be.
    pub difference: Option<i32>,
    /// The machine is this one, or is to be.
    pub current: bool,
    /// Why the machine cannot become it.
    pub hindrance: Option<String>,
}

/// A newer Holdfast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Update {
    /// Its version.
    pub version: String,
    /// The page that it is on.
    pub page: String,
}

/// The space on the machine's disk, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Disk {
    /// What is used.
    pub used: u32,
    /// Of how much.
    pub size: u32,
    /// It is nearly full.
    pub scarce: bool,
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
    /// It can be shown in place of the other one now.
    pub can_be_shown: bool,
}

/// A machine as it was when somebody last looked.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Its region.
    pub region: String,
    /// Its state now; [`State::Unknown`] as soon as a look has failed.
    pub state: State,
    /// Its state as a sentence.
    pub headline: String,
    /// One more sentence: why the state is not known, or what it still lacks.
    pub detail: Option<String>,
    /// Since when it is on or off.
    pub since: Option<u32>,
    /// Whether SSM has a line to its agent; `None` when that is not known.
    pub reachable: Option<bool>,
    /// When all of this was last seen; `None` before the first look.
    pub seen: Option<u32>,
    /// The instance as it was last seen.
    pub instance: Option<Instance>,
    /// What it costs.
    pub cost: Cost,
    /// What it has cost this month; `None`: not known.
    pub so_far: Option<SoFar>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Why the last look failed, when it did.
    pub problem: Option<Problem>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its type.
    pub instance_type: String,
    /// Its zone.
    pub zone: String,
    /// Size of its root volume in GiB.
    pub volume_size: Option<u32>,
}

/// What a machine costs in a month, in US cents. `None`: the price is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Cost {
    /// In the present state.
    pub now: Option<u32>,
    /// If it is on all the time.
    pub always: Option<u32>,
    /// The instance's part of that.
    pub instance: Option<u32>,
    /// The volume's part.
    pub volume: Option<u32>,
    /// The public address's part.
    pub address: Option<u32>,
    /// The date of the prices.
    pub prices_of: String,
}

/// What a machine has cost this month without its snapshots, in US cents: at least one, at most the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SoFar {
    /// At least.
    pub least: u32,
    /// At most; the same where it is known.
    pub most: u32,
    /// When the month began, in UTC as AWS bills it.
    pub from: u32,
    /// Until when this counts.
    pub until: u32,
    /// What there is to know about it, as sentences.
    pub notes: Vec<String>,
}

impl SoFar {
    pub(super) fn of(so_far: &cost::SoFar) -> Option<Self> {
        let range = so_far.sum.total?;
        let seconds = |moment| u32::try_from(moment).unwrap_or(u32::MAX);
        let known = match so_far.known_from {
            Some(known) if known > so_far.from => {
                Some(format!("When it was on is known from {} on.", crate::time::minute(known)))
            }
            Some(_) => None,
            None => Some("When it was on is not known.".to_owned()),
        };
        let assumes = so_far.assumes.iter().map(|text| super::show::sentence(text));
        Some(Self {
            least: cents(range.least),
            most: cents(range.most),
            from: seconds(so_far.from),
            until: seconds(so_far.until),
            notes: known.into_iter().chain(assumes).collect(),
        })
    }
}

impl Cost {
    pub(super) fn of(prices: &Prices, always: Monthly, now: Option<Monthly>) -> Self {
        Self {
            now: now.and_then(Monthly::total).map(cents),
            always: always.total().map(cents),
            instance: always.instance.map(cents),
            volume: always.volume.map(cents),
            address: always.address.map(cents),
            prices_of: prices.day(),
        }
    }
}

/// US cents, rounded; the largest that fits, of more.
pub(super) fn cents(money: Money) -> u32 {
    u32::try_from((money.micros() + 5_000) / 10_000).unwrap_or(u32::MAX)
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

/// The zellij sessions on the machine, as they were when somebody last looked. Nobody looks in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Sessions {
    /// Whether somebody looks at them now.
    pub looking: bool,
    /// Why the last look brought no list.
    pub problem: Option<Problem>,
    /// When the list was made; `None`: there is none.
    pub seen: Option<u32>,
    /// How old it is, in words that change seldom.
    pub age: Option<String>,
    /// The sessions, the live ones first.
    pub list: Vec<Session>,
    /// Look at them again.
    pub look: Option<Offer>,
    /// Open one by its name, whether there is one or not.
    pub open: Option<Offer>,
}

/// A session on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Session {
    /// Its name to be read.
    pub shown: String,
    /// Its name for commands; `None`: they take no such name.
    #[specta(type = Option<String>)]
    pub name: Option<SessionName>,
    /// Whether programs run in it. Else it has ended, and can be opened again with the same layout.
    pub live: bool,
    /// When it was made, or ended.
    pub since: Option<u32>,
    /// Panes of programs in it, where the machine told.
    pub panes: Option<u32>,
    /// What is to be said of it besides.
    pub note: Option<String>,
    /// Open a terminal on it.
    pub connect: Option<Offer>,
    /// End it, or forget one that has ended.
    pub end: Option<Offer>,
}

/// What the machine runs, as it was when somebody last looked, and the job that changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct System {
    /// Whether somebody looks at it now.
    pub looking: bool,
    /// Why the last look brought nothing.
    pub problem: Option<Problem>,
    /// When it was last seen.
    pub seen: Option<u32>,
    /// What runs, as a sentence.
    pub runs: Option<String>,
    /// What there is to know about that besides.
    pub note: Option<String>,
    /// When it switches itself off next, when that was last seen.
    pub off: Option<GoesOff>,
    /// The space on its disk, when that was last seen.
    pub disk: Option<Disk>,
    /// How that stands to what is declared for it, when both were last seen.
    pub standing: Option<Measured>,
    /// The generations that it has, the newest first.
    pub generations: Vec<Generation>,
    /// The job that the machine does.
    pub job: Option<Job>,
    /// How the last one ended that was followed.
    pub last: Option<LastJob>,
    /// The log of the job, or of the last one; `None`: none was followed.
    pub log: Option<Log>,
    /// Have the machine build its configuration and run it.
    pub rebuild: Option<Offer>,
    /// Look at it again.
    pub look: Option<Offer>,
}

/// The machine is to switch itself off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct GoesOff {
    /// When.
    pub at: u32,
    /// Why, as the end of a sentence.
    pub why: String,
}

/// How what a machine runs stands to what is declared for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Measured {
    /// How.
    pub standing: Standing,
    /// That as a sentence.
    pub text: String,
    /// A rebuild is the next thing to do.
    pub rebuild_next: bool,
}

/// A generation of the machine's system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    /// When it was made.
    pub made: u32,
    /// The configuration that it was made of, or else the version of NixOS; `None`: neither is known.
    pub revision: Option<String>,
    /// The version of its kernel.
    pub kernel: Option<String>,
    /// All that it needs, most of which it shares with others, in MiB.
    pub size: Option<u32>,
    /// What is so about it.
    pub flags: Vec<Flag>,
    /// Have the machine run it.
    pub go: Option<Offer>,
}

/// What may be so about a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The machine runs it.
    Current,
    /// The machine booted it, and has gone over to another one since.
    Booted,
    /// A new session came in while it ran.
    Good,
    /// It is not yet good.
    Trial,
    /// The machine went back from it.
    Refused,
}

/// The log of a job, whose lines are asked for by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Log {
    /// Another log has another number, also that of the same job when it is followed anew.
    pub number: u32,
}

/// A job that the machine does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Job {
    /// What is done, as a title.
    pub title: String,
    /// Where it is, in words.
    pub step: String,
    /// When it began.
    pub since: u32,
    /// Who asked for it, where it was somebody else.
    pub by: Option<String>,
    /// End it.
    pub cancel: Option<Offer>,
    /// Why it could not be ended, when that was tried.
    pub problem: Option<Problem>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct LastJob {
    /// A sentence.
    pub text: String,
    /// When.
    pub at: u32,
    /// What went wrong.
    pub problem: Option<Problem>,
}

/// An instance beside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Replacement {
    /// Whether it is on its way into the machine's place, or is in it without its home; else it is kept.
    pub under_way: bool,
    /// What is so, as a title.
    pub title: String,
    /// That as sentences.
    pub text: String,
    /// What it costs a month as it is, in US cents, beside the machine; `None`: that is not known, or it is the machine.
    pub monthly: Option<u32>,
    /// Show what going on with it would do.
    pub go_on: Option<Offer>,
    /// Show what taking it back would do.
    pub take_back: Option<Offer>,
    /// Show what letting it go would do.
    pub let_go: Option<Offer>,
    /// Show what making it the machine again would do.
    pub go_back: Option<Offer>,
}

/// The machine's snapshots, as they were when somebody last looked. Nobody looks in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Snapshots {
    /// Whether somebody looks at them now.
    pub looking: bool,
    /// Why the last look brought no list.
    pub problem: Option<Problem>,
    /// When the list was made; `None`: there is none.
    pub seen: Option<u32>,
    /// The snapshots, the newest first.
    pub list: Vec<Snapshot>,
    /// What all of them cost a month; `None` where there are none.
    pub cost: Option<SoMuch>,
    /// When they are taken by the clock, as a sentence; `None`: they are not.
    pub schedule: Option<String>,
    /// What there is to know besides.
    pub note: Option<String>,
    /// Take one now.
    pub take: Option<Offer>,
    /// Look at them again.
    pub look: Option<Offer>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Snapshot {
    /// Its id.
    #[specta(type = String)]
    pub id: SnapshotId,
    /// When it was taken.
    pub taken: Option<u32>,
    /// The size of its volume in GiB; it takes less room than that itself.
    pub size: u32,
    /// Why it was taken.
    pub why: String,
    /// How far it is, where it is not whole.
    pub state: Option<String>,
    /// It holds nothing.
    pub failed: bool,
    /// Show what a machine with the home that it holds would take.
    pub restore: Option<Offer>,
    /// Show what deleting it would do.
    pub delete: Option<Offer>,
}

/// An amount in US cents that is at least one, at most the other. `None`: not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SoMuch {
    /// At least.
    pub least: Option<u32>,
    /// At most; the same where it is known.
    pub most: Option<u32>,
    /// How that comes about, as a sentence; what forbids knowing it, where it is not known.
    pub basis: String,
}

/// A sign-in that a person is needed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct SignIn {
    /// Why; `None`: it is needed no more.
    pub why: Option<Problem>,
    /// The profile.
    pub profile: String,
    /// The MFA device whose code is wanted, where one is.
    pub device: Option<String>,
    /// What waits for it, as a title.
    pub waits: Option<String>,
    /// Where it is; `None`: nobody signs in now.
    pub stage: Option<SigningIn>,
    /// Why the last one did not succeed, or the last code.
    pub problem: Option<Problem>,
    /// Begin it.
    pub begin: Option<Offer>,
    /// Have a code to confirm in any browser, in place of the browser of this computer.
    pub code: Option<Offer>,
    /// Give it up.
    pub cancel: Option<Offer>,
}

/// Where a sign-in is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum SigningIn {
    /// The portal is being asked.
    Begins,
    /// A person allows it in the browser.
    Browser {
        /// The page that it was sent to.
        page: String,
    },
    /// A person confirms a code in any browser.
    Code {
        /// The page for it.
        page: String,
        /// The code.
        code: String,
    },
    /// A person reads a code from the MFA device.
    Device,
    /// AWS is being asked whether it holds.
    Checking,
}

/// A profile that is being added, for a portal that the AWS configuration does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Portal {
    /// Sign in to one.
    pub begin: Option<Offer>,
    /// Have a code to confirm in any browser, in place of the browser of this computer.
    pub code: Option<Offer>,
    /// Give it up.
    pub cancel: Option<Offer>,
    /// Choose another role.
    pub back: Option<Offer>,
    /// Write what was read.
    pub write: Option<Offer>,
    /// How far it is; `None`: nobody adds one.
    pub stage: Option<PortalStage>,
    /// Why the last step did not succeed.
    pub problem: Option<Problem>,
    /// The profile that was added last.
    pub added: Option<String>,
}

/// How far the adding of a portal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum PortalStage {
    /// Somebody signs in to it.
    SigningIn {
        /// Where that is.
        how: SigningIn,
    },
    /// Somebody chooses a role.
    Choosing {
        /// The accounts with their roles.
        accounts: Vec<PortalAccount>,
        /// Some roles are not known yet.
        listing: bool,
    },
    /// Somebody names the profile, and reads what is added for it.
    Naming {
        /// The id of the account that was chosen.
        account: String,
        /// The role that was chosen.
        role: String,
        /// The name that was typed last, or a proposal.
        name: String,
        /// What is added; `None`: nobody has asked yet.
        addition: Option<PortalAddition>,
        /// It is being looked at or written.
        busy: bool,
    },
}

/// An account of a portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct PortalAccount {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The roles in it.
    pub roles: Vec<String>,
}

/// What is to be added to the AWS configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct PortalAddition {
    /// The file.
    pub file: String,
    /// The text, line by line.
    pub text: String,
}

/// The profiles of the AWS configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Profiles {
    /// Whether they are being looked at.
    pub looking: bool,
    /// Whether AWS is being asked about each.
    pub checking: bool,
    /// Why the last look brought nothing.
    pub problem: Option<Problem>,
    /// When they were last looked at; `None`: not yet.
    pub seen: Option<u32>,
    /// All of them.
    pub list: Vec<Profile>,
    /// Ask AWS about each.
    pub check: Option<Offer>,
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Whether the settings can name it.
    pub usable: bool,
    /// Where its credentials come from.
    pub kind: String,
    /// The account.
    pub account: Option<String>,
    /// The role, or whoever it is else.
    pub role: Option<String>,
    /// The region that it names.
    pub region: Option<String>,
    /// Whether it gives credentials now.
    pub state: profile::Validity,
    /// Until when; `None`: for ever, or nobody knows.
    pub until: Option<u32>,
    /// Why it gives no credentials, or how to sign in.
    pub note: Option<String>,
}

/// What is right and what is wrong with everything that is needed, as it was when somebody last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Doctor {
    /// Whether everything is being looked at now.
    pub looking: bool,
    /// When it was last looked at; `None`: nobody has asked yet.
    pub seen: Option<u32>,
    /// All of it in one sentence; `None`: nobody has asked yet.
    pub headline: Option<String>,
    /// How much does not work.
    pub failed: u32,
    /// How much works and is worth a look, or cannot be told.
    pub warnings: u32,
    /// How much is as it should be.
    pub well: u32,
    /// What does not work, then what is worth a look.
    pub pressing: Vec<doctor::Finding>,
    /// What is as it should be, area by area.
    pub areas: Vec<Examined>,
    /// Look at everything now.
    pub look: Option<Offer>,
}

/// What is as it should be in an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Examined {
    /// The area.
    pub area: doctor::Part,
    /// What was found in it, each as a sentence without its full stop.
    pub findings: Vec<String>,
}

/// What this computer has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct History {
    /// The runs of commands, the newest first.
    pub runs: Vec<Run>,
    /// How many deeds came before these.
    pub before: u32,
}

/// What one run of a command has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Run {
    /// When it did the first thing.
    pub at: u32,
    /// When it did the last.
    pub until: u32,
    /// What was done, as a title.
    pub title: String,
    /// The command, as in `apply`.
    pub command: String,
    /// The machine, as `<user>/<name>/<region>`.
    pub machine: String,
    /// Who did it, where AWS said that.
    pub who: Option<String>,
    /// The worst that became of any of it.
    pub result: Outcome,
    /// What it did, the first thing first.
    pub deeds: Vec<Deed>,
}

/// One thing that was changed, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Deed {
    /// When.
    pub at: u32,
    /// What.
    pub what: String,
    /// What became of it.
    pub result: Outcome,
    /// Why it is not done.
    pub why: Option<String>,
}

/// An operation that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Operation {
    /// What is done, as a title.
    pub title: String,
    /// When it began.
    pub since: u32,
    /// Its phases in their order.
    pub phases: Vec<Phase>,
    /// The steps under way.
    pub doing: Vec<String>,
    /// What is waited for.
    pub waiting: Option<String>,
    /// How many steps are done.
    pub done: u32,
    /// Of how many.
    pub of: u32,
}

/// A phase of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Over.
    Done,
    /// Under way.
    Now,
    /// To come.
    Next,
}

/// An operation that did not reach its goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Failed {
    /// What was done.
    pub title: String,
    /// When it ended.
    pub at: u32,
    /// Why.
    pub problem: Problem,
}

/// An operation that an earlier run did not bring to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Interrupted {
    /// What was.
    pub title: String,
    /// What that means.
    pub sentence: String,
    /// When it began.
    pub at: u32,
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

/// The settings of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Settings {
    /// The file.
    pub path: String,
    /// What can be set here; empty when the file does not hold.
    pub fields: Vec<Field>,
    /// Why the file does not hold.
    pub problem: Option<Problem>,
    /// The profiles of the AWS configuration.
    pub profiles: Vec<String>,
    /// The regions whose prices are known.
    pub regions: Vec<String>,
    /// Whether the app starts with the desktop; `None`: it cannot.
    pub autostart: Option<Autostart>,
    /// What notifications there are, and which are shown.
    pub notices: Vec<NoticeSwitch>,
    /// The terminals that can be chosen.
    pub terminals: Vec<String>,
    /// How far the volume can grow.
    pub growth: Growth,
}

/// A kind of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
pub struct NoticeSwitch {
    /// What they are about.
    pub kind: NoticeKind,
    /// Whether they are shown.
    pub on: bool,
}

/// How far the volume of the machine can grow, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Growth {
    /// The least that it can be, in GiB: what it is.
    pub least: u32,
    /// The most that a volume of its kind can be, in GiB.
    pub most: u32,
    /// What one GiB more costs in a month, in thousandths of a US cent; `None`: not known.
    pub per_gib: Option<u32>,
    /// What there is to know before it grows, as sentences.
    pub notes: Vec<String>,
}

/// Whether the app starts when its user signs in to the desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Autostart {
    /// Whether it does.
    pub on: bool,
    /// Why that could not be changed, when it was tried last.
    pub problem: Option<Problem>,
}

/// A setting that can be changed in the window: one whose value is one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the settings file has the same names")]
pub enum Key {
    Profile,
    Region,
    InstanceType,
    VolumeSize,
    User,
    VolumeIops,
    VolumeThroughput,
    Alternates,
    Zone,
    SnapshotEvery,
    SnapshotKeep,
    OffAt,
    OffWhenIdle,
    Subnet,
    InstanceProfile,
    PermissionsBoundary,
    KmsKey,
    Config,
    ConfigGit,
    ConfigBranch,
    ConfigFolder,
    ConfigDirectory,
    ConfigAttribute,
    Tags,
    Terminal,
    Mute,
    Updates,
}

/// What a setting is about; the form has a part for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// What everybody decides.
    Machine,
    /// How fast it is, where it stands.
    Hardware,
    /// Where its configuration comes from.
    Configuration,
    /// Snapshots by the clock.
    Snapshots,
    /// When it goes off by itself.
    Power,
    /// What the company provides.
    Company,
    /// This computer; no machine changes by it.
    App,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 27] = [
        Self::Profile,
        Self::Region,
        Self::InstanceType,
        Self::VolumeSize,
        Self::User,
        Self::VolumeIops,
        Self::VolumeThroughput,
        Self::Alternates,
        Self::Zone,
        Self::Config,
        Self::ConfigGit,
        Self::ConfigBranch,
        Self::ConfigFolder,
        Self::ConfigDirectory,
        Self::ConfigAttribute,
        Self::SnapshotEvery,
        Self::SnapshotKeep,
        Self::OffAt,
        Self::OffWhenIdle,
        Self::Subnet,
        Self::InstanceProfile,
        Self::PermissionsBoundary,
        Self::KmsKey,
        Self::Tags,
        Self::Terminal,
        Self::Mute,
        Self::Updates,
    ];

    /// The key in the settings file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Region => "region",
            Self::InstanceType => "instance_type",
            Self::VolumeSize => "volume_size",
            Self::User => "user",
            Self::VolumeIops => "volume_iops",
            Self::VolumeThroughput => "volume_throughput",
            Self::Alternates => "alternates",
            Self::Zone => "zone",
            Self::SnapshotEvery => "snapshot_every",
            Self::SnapshotKeep => "snapshot_keep",
            Self::OffAt => "off_at",
            Self::OffWhenIdle => "off_when_idle",
            Self::Subnet => "subnet",
            Self::InstanceProfile => "instance_profile",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::KmsKey => "kms_key",
            Self::Config => "config",
            Self::ConfigGit => "config.git",
            Self::ConfigBranch => "config.branch",
            Self::ConfigFolder => "config.folder",
            Self::ConfigDirectory => "config.directory",
            Self::ConfigAttribute => "config.attribute",
            Self::Tags => "tags",
            Self::Terminal => "terminal",
            Self::Mute => "mute",
            Self::Updates => "updates",
        }
    }

    /// Whether it is a part of [`Self::Config`].
    pub(super) fn is_part_of_config(self) -> bool {
        self != Self::Config && self.topic() == Topic::Configuration
    }

    /// What it is about.
    pub fn topic(self) -> Topic {
        match self {
            Self::Profile | Self::Region | Self::InstanceType | Self::VolumeSize | Self::User => {
                Topic::Machine
            }
            Self::VolumeIops | Self::VolumeThroughput | Self::Alternates | Self::Zone => Topic::Hardware,
            Self::SnapshotEvery | Self::SnapshotKeep => Topic::Snapshots,
            Self::OffAt | Self::OffWhenIdle => Topic::Power,
            Self::Config
            | Self::ConfigGit
            | Self::ConfigBranch
            | Self::ConfigFolder
            | Self::ConfigDirectory
            | Self::ConfigAttribute => Topic::Configuration,
            Self::Subnet | Self::InstanceProfile | Self::PermissionsBoundary | Self::KmsKey | Self::Tags => {
                Topic::Company
            }
            Self::Terminal | Self::Mute | Self::Updates => Topic::App,
        }
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Field {
    /// Which.
    pub key: Key,
    /// What it is about.
    pub topic: Topic,
    /// Its value; empty where there is none.
    pub value: String,
    /// Whether it is the default.
    pub default: bool,
    /// Why it cannot be changed now.
    pub fixed: Option<String>,
}

/// Settings as somebody typed them. An empty value takes the default, one that is missing stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct Draft(BTreeMap<Key, String>);

impl Draft {
    /// The value of one setting, where it was typed.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.0.get(&key).map(String::as_str)
    }

    /// The same with this setting.
    #[must_use]
    pub fn with(mut self, key: Key, value: &str) -> Self {
        self.0.insert(key, value.to_owned());
        self
    }
}

/// What can be previewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposal {
    /// Other settings.
    Settings {
        /// As somebody typed them.
        draft: Draft,
    },
    /// Another instance in the machine's place; one that is on its way goes on.
    Replace,
    /// The rest of what brings one there that is on its way.
    GoOn,
    /// The end of one that is on its way.
    TakeBack,
    /// The end of the instance that was replaced.
    LetGo,
    /// That one as the machine again.
    GoBack,
    /// A machine with the home that a snapshot holds.
    Restore {
        /// The snapshot.
        #[specta(type = String)]
        snapshot: SnapshotId,
    },
    /// One snapshot less.
    DeleteSnapshot {
        /// The snapshot.
        #[specta(type = String)]
        snapshot: SnapshotId,
    },
}

/// What something would do.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Preview {
    /// Which preview this is: the one that is applied must be the one that was read.
    pub number: u32,
    /// What would be done.
    pub of: Proposal,
    /// Whether AWS is still being looked at.
    pub looking: bool,
    /// What is wrong with what was typed.
    pub errors: Vec<FieldError>,
    /// Why there is no plan.
    pub problem: Option<Problem>,
    /// The settings that change.
    pub changes: Vec<Changed>,
    /// The steps, grouped.
    pub groups: Vec<Group>,
    /// What the user should know besides.
    pub notes: Vec<String>,
    /// What the machine costs then; `None` where nothing of it changes.
    pub cost: Option<Cost>,
    /// Why it cannot be applied now, although nothing in it forbids that.
    pub refused: Option<String>,
}

/// Something typed that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct FieldError {
    /// The setting.
    pub key: Key,
    /// What is wrong.
    pub text: String,
}

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Changed {
    /// Which.
    pub key: Key,
    /// Its value now.
    pub from: String,
    /// Its value then.
    pub to: String,
}

/// Steps of one area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Group {
    /// The area.
    pub area: Area,
    /// Its steps.
    pub steps: Vec<StepView>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct StepView {
    /// Whether something comes, changes or goes.
    pub change: Change,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// By how many US cents a month it changes the cost.
    pub monthly: Option<i32>,
    /// Whether what runs on the machine ends.
    pub interrupts: bool,
    /// Whether data is gone for ever.
    pub loses_data: bool,
}
