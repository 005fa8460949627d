//! Which access portals there are, who is at home in them, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

/// An access portal of IAM Identity Center, with one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// Such as `https://d-0123456789.awsapps.com/start`.
    pub start_url: String,
    /// Where it is; its services answer for it nowhere else.
    pub region: String,
    /// Who signs in, and the name of the role sessions.
    pub user: String,
    /// The accounts that are assigned to the user.
    pub accounts: Vec<PortalAccount>,
    /// How long everything lasts.
    pub lifetimes: Lifetimes,
    /// Who answers when a client wants to act for the user.
    pub consent: Consent,
    /// Whether a refresh token works only once; the answer has a new one in any case. AWS does not document it, and clients take
    /// the new one where there is one.
    pub refresh_once: bool,
}

/// An account in an access portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PortalAccount {
    pub id: String,
    pub name: String,
    pub email: String,
    pub roles: Vec<PortalRole>,
}

/// A role (a permission set) in an access portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalRole {
    /// The role in the account is called `AWSReservedSSO_NAME_` and 16 hexadecimal digits.
    pub name: String,
    /// ARNs of the policies that say what it may do.
    pub policies: BTreeSet<String>,
    /// Actions that it is denied nevertheless: `ec2:CreateVpc`, `ssm:*`, `*`.
    pub denied: BTreeSet<String>,
}

impl PortalRole {
    /// A role with one of AWS's policies, such as `AdministratorAccess`, named like it.
    pub fn managed(policy: &str) -> Self {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        Self { name: policy.to_owned(), policies: BTreeSet::from([arn]), denied: BTreeSet::new() }
    }

    /// The same role with an action denied.
    #[must_use]
    pub fn denying(mut self, action: &str) -> Self {
        self.denied.insert(action.to_owned());
        self
    }
}

/// Who answers when a client wants to act for the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Whoever looks at the page, or the test.
    #[default]
    Ask,
    /// Everything is allowed at once.
    Allow,
    /// Everything is denied at once.
    Deny,
}

/// How long things of an access portal last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A sign-in, and with it its refresh tokens; also the access token of a client that has none
    /// (docs.aws.amazon.com/singlesignon/latest/userguide/configure-user-session.html).
    pub refresh_token: Duration,
    /// An access token of a client that may refresh it.
    pub access_token: Duration,
    /// The credentials of a role
    /// (docs.aws.amazon.com/singlesignon/latest/userguide/howtosessionduration.html).
    pub role_credentials: Duration,
    /// A code for a device.
    pub device_code: Duration,
    /// How long a client waits between two questions whether its device is allowed by now.
    pub interval: Duration,
    /// The code that a redirect brings.
    pub authorization_code: Duration,
}

impl Default for Lifetimes {
    /// AWS's own.
    fn default() -> Self {
        Self {
            refresh_token: Duration::from_secs(8 * 3600),
            access_token: Duration::from_secs(3600),
            role_credentials: Duration::from_secs(3600),
            device_code: Duration::from_secs(600),
            interval: Duration::from_secs(1),
            authorization_code: Duration::from_secs(60),
        }
    }
}

impl Portal {
    /// The portal of the demo: this account and another one, with roles that may do everything, most, and only look.
    pub fn of(account: &str) -> Self {
        let account_with = |id: &str, name: &str, roles: &[&str]| PortalAccount {
            id: id.to_owned(),
            name: name.to_owned(),
            email: format!("{}@example.com", name.to_ascii_lowercase()),
            roles: roles.iter().map(|role| PortalRole::managed(role)).collect(),
        };
        let roles = ["AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess"];
        Self {
            start_url: "https://holdfast.awsapps.com/start".to_owned(),
            region: "us-west-2".to_owned(),
            user: "alice".to_owned(),
            accounts: vec![
                account_with(account, "Sandbox", &roles),
                account_with("111122223333", "Production", &["ReadOnlyAccess"]),
            ],
            lifetimes: Lifetimes::default(),
            consent: Consent::Ask,
            refresh_once: true,
        }
    }

    /// Whether a client means this portal; people copy the address out of a browser that adds to it.
    pub(crate) fn is_at(&self, url: &str) -> bool {
        let plain = |url: &str| url.trim_end_matches(['/', '#']).to_ascii_lowercase();
        plain(&self.start_url) == plain(url)
    }

    /// Whether a request to this region reaches it.
    pub(crate) fn answers_in(&self, region: &str) -> bool {
        region.is_empty() || region == self.region
    }
}
