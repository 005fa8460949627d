//! Credentials that end: of a role, for whoever signed in to the access portal or went over into the role.
//!
//! docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html

use serde::{Deserialize, Serialize};

use crate::clock::At;
use crate::conditions::Conditions;
use crate::iam;
use crate::ids::secret;
use crate::principal::Principal;
use crate::world::World;

/// Temporary credentials, kept by their access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Temporary {
    pub(crate) session_token: String,
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) ends: At,
    pub(crate) origin: Origin,
}

/// Where a session comes from, which says what it may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// A role of an access portal: its start URL and the role's name there.
    Portal { start_url: String, role: String },
    /// A role of the account's IAM, by its name.
    Role(String),
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: String,
    pub(crate) ends: At,
}

impl Temporary {
    /// A session of a role: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub(crate) fn new(
        conditions: &Conditions,
        account: &str,
        role: (&str, &str),
        session: &str,
        ends: At,
        origin: Origin,
    ) -> Self {
        let (name, id) = role;
        Self {
            session_token: conditions.secret("IQoJ"),
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
            user_id: format!("{id}:{session}"),
            ends,
            origin,
        }
    }

    /// The caller, as it is now. What it may do is looked up at each call: a role that lost a policy, or is gone, has
    /// lost it for the sessions that run, too.
    pub(crate) fn principal(
        &self,
        access_key: &str,
        world: &World,
        conditions: &Conditions,
        now: At,
    ) -> Principal {
        let (policies, denied) = match &self.origin {
            Origin::Portal { start_url, role } => {
                let portals = conditions.portals.iter().filter(|portal| portal.start_url == *start_url);
                let mut accounts = portals.flat_map(|portal| &portal.accounts);
                let account = accounts.find(|account| account.id == self.account);
                let roles = account.into_iter().flat_map(|account| &account.roles);
                match roles.into_iter().find(|known| known.name == *role) {
                    Some(known) => (iam::texts_of(conditions, &known.policies), known.denied.clone()),
                    None => Default::default(),
                }
            }
            Origin::Role(name) => {
                let iam = world.accounts.get(&self.account).map(|account| &account.iam);
                let role = iam.and_then(|iam| iam.roles.get(name));
                (role.map(|role| iam::documents(conditions, role)).unwrap_or_default(), Default::default())
            }
        };
        Principal {
            access_key: access_key.to_owned(),
            account: self.account.clone(),
            arn: self.arn.clone(),
            user_id: self.user_id.clone(),
            expired: self.ends <= now,
            denied,
            policies: Some(policies),
        }
    }
}

impl World {
    /// Gives out a session's credentials.
    pub(crate) fn credentials(&mut self, conditions: &Conditions, session: Temporary) -> Credentials {
        let key = format!("ASIA{}", secret()).to_ascii_uppercase();
        let credentials = Credentials {
            access_key: key.get(..32).unwrap_or(&key).to_owned(),
            secret_key: conditions.secret(""),
            session_token: session.session_token.clone(),
            ends: session.ends,
        };
        self.temporary.insert(credentials.access_key.clone(), session);
        credentials
    }
}
