//! Signing in, and the profiles of the AWS configuration.

use serde::Serialize;
use specta::Type;

use super::{Offer, Problem};
use crate::profile;

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
