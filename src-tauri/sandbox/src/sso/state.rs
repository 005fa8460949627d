//! Who is signed in, and who is about to be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::At;

/// What both services remember; everything is kept by the secret that names it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sso {
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) sign_ins: BTreeMap<String, SignIn>,
    /// Access tokens: the sign-in and the end.
    pub(crate) access: BTreeMap<String, (String, At)>,
    /// Refresh tokens: the sign-in.
    pub(crate) refresh: BTreeMap<String, String>,
    /// How devices were asked after.
    pub(crate) polls: BTreeMap<String, Poll>,
}

/// A client that registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) secret: String,
    /// Where it is registered; empty where that was not said.
    pub(crate) region: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) grants: Vec<String>,
    pub(crate) redirects: Vec<String>,
    /// The portal that it is for.
    pub(crate) start_url: Option<String>,
    pub(crate) ends: At,
}

impl Client {
    /// The scope that a refresh token needs
    /// (docs.aws.amazon.com/cli/latest/userguide/cli-configure-sso.html, `sso_registration_scopes`).
    pub(crate) fn may_refresh(&self) -> bool {
        self.scopes.iter().any(|scope| scope == super::client::ACCOUNT_ACCESS)
            && self.grants.iter().any(|grant| grant == super::client::REFRESH)
    }
}

/// A device whose user is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) client: String,
    pub(crate) start_url: String,
    /// Whether it asked where its portal is; elsewhere nobody can allow it.
    pub(crate) in_region: bool,
    pub(crate) ends: At,
    pub(crate) interval: Duration,
    pub(crate) answer: Answer,
}

/// What the user said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Pending,
    Allowed,
    Denied,
    /// It was allowed, and the client has its tokens.
    Used,
}

/// The last time that a client asked after its device, and how long it is to wait.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Poll {
    pub(crate) at: At,
    pub(crate) interval: Duration,
}

/// A code that a redirect brought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) client: String,
    pub(crate) start_url: String,
    pub(crate) redirect: String,
    pub(crate) challenge: String,
    pub(crate) ends: At,
}

/// Somebody who signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) start_url: String,
    pub(crate) client: String,
    pub(crate) ends: At,
    pub(crate) revoked: bool,
}
