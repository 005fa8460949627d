//! Profiles of the AWS configuration: what they say about where credentials come from.
//!
//! What is read, and what a profile means, follows botocore, which the AWS CLI and most tools use.
//! Source: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>,
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>, botocore's `credentials.py`

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use specta::Type;

mod add;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use add::{Chosen, PORTAL_REGION, Unfit, profile_name, sections_for};
pub use parse::{File, Malformed, config, sections};
pub use write::{Section, Written, written};

/// What a section says: its keys in small letters.
pub type Properties = BTreeMap<String, String>;

/// The configuration files, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The profiles by their names.
    pub profiles: BTreeMap<String, Properties>,
    /// The `sso-session` sections by their names.
    pub sessions: BTreeMap<String, Properties>,
    /// The profiles whose keys stand in the credentials file: these count for more than a program.
    pub in_credentials: BTreeSet<String>,
}

/// Where the credentials of a profile come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The profile that the first ones are from.
    pub profile: String,
    /// The first ones.
    pub base: Base,
    /// The roles that are assumed with them, one after the other.
    pub roles: Vec<Role>,
}

/// Credentials that need no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Base {
    /// Keys that stand in a file.
    Keys,
    /// A program prints them.
    Process {
        /// Its command line.
        command: String,
    },
    /// A role that IAM Identity Center gives whoever has signed in to its portal.
    Sso {
        /// The portal.
        portal: Portal,
        /// The account, twelve digits.
        account: String,
        /// The permission set.
        role: String,
    },
    /// A session of the AWS console, which `aws login` keeps.
    Login,
    /// A role for whoever has a token of another identity provider.
    WebIdentity {
        /// The role's ARN.
        role: String,
    },
    /// What `credential_source` names: `Environment`, `Ec2InstanceMetadata` or `EcsContainer`.
    Named {
        /// Its name.
        source: String,
    },
}

/// A portal of IAM Identity Center.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Portal {
    /// The `sso-session` section that it is from; `None` where the profile itself says it.
    pub session: Option<String>,
    /// Where people sign in.
    pub start_url: String,
    /// Its region, which is not that of the machine.
    pub region: String,
    /// What a registration asks for; only with a session, and then tokens can be refreshed.
    pub scopes: Vec<String>,
}

/// A role that is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    /// The profile that says so.
    pub profile: String,
    /// Its ARN.
    pub arn: String,
    /// The name of its session, else one is made up.
    pub session_name: Option<String>,
    /// What the role's owner has asked for.
    pub external_id: Option<String>,
    /// The device whose codes it wants.
    pub mfa_serial: Option<String>,
    /// For how many seconds it is assumed.
    pub duration: Option<u32>,
}

/// Why a profile gives no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Faulty {
    /// It is not there.
    #[error("there is no profile {profile}{}", .of.as_ref().map(|of| format!(", which {of} names")).unwrap_or_default())]
    Missing {
        /// The profile.
        profile: String,
        /// The profile that names it.
        of: Option<String>,
    },
    /// Profiles that take their credentials from each other.
    #[error("the profiles {} take their credentials from each other", .profiles.join(", "))]
    Circle {
        /// The profiles.
        profiles: Vec<String>,
    },
    /// A key is missing.
    #[error("{section} lacks {key}")]
    Incomplete {
        /// The section, as `profile work`.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("{section} says both {one} and {other}")]
    Contradiction {
        /// The section.
        section: String,
        /// A key.
        one: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// A value that cannot be.
    #[error("{key} of {section} is {value:?}, which is not {allowed}")]
    Value {
        /// The section.
        section: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What could be, as the end of a sentence.
        allowed: &'static str,
    },
    /// The `sso-session` is not there.
    #[error("profile {profile} names the sso-session {session}, which is not there")]
    NoSession {
        /// The profile.
        profile: String,
        /// The session.
        session: String,
    },
    /// Profile and `sso-session` say different things.
    #[error("profile {profile} has another {key} than its sso-session {session}")]
    OtherThanSession {
        /// The profile.
        profile: String,
        /// The session.
        session: String,
        /// The key.
        key: &'static str,
    },
    /// It says nothing about credentials.
    #[error("profile {profile} says nothing about credentials")]
    Nothing {
        /// The profile.
        profile: String,
    },
}

/// A profile as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Where its credentials come from.
    pub kind: String,
    /// The account.
    pub account: Option<String>,
    /// The role, or whoever it is else.
    pub role: Option<String>,
    /// The region that it names.
    pub region: Option<String>,
    /// Whether it gives credentials now.
    pub state: Validity,
    /// Until when, in seconds since the Unix epoch; `None`: for ever, or nobody knows.
    pub until: Option<u64>,
    /// Why it gives no credentials, or why nobody knows, or how to sign in.
    pub note: Option<String>,
}

/// Whether a profile gives credentials now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It does.
    Valid,
    /// Somebody has to sign in.
    SignIn,
    /// Only asking would tell: a program, keys in a file, a keyring that is locked.
    Unknown,
    /// It was asked for, and gives none.
    Refused,
    /// What it says makes no sense.
    Faulty,
}

/// What a portal asks for where its session does not say: access to accounts and roles.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html> (`sso_registration_scopes`)
pub const DEFAULT_SCOPE: &str = "sso:account:access";

impl Config {
    /// Where the credentials of a profile come from.
    ///
    /// # Errors
    /// It gives none.
    pub fn chain(&self, name: &str) -> Result<Chain, Faulty> {
        let (mut roles, mut seen): (Vec<Role>, Vec<&str>) = (Vec::new(), Vec::new());
        let mut profile = name;
        loop {
            let says = self.profile(profile, seen.last().copied())?;
            if seen.contains(&profile) {
                let profiles = seen.iter().map(ToString::to_string).collect();
                return Err(Faulty::Circle { profiles });
            }
            let first = seen.is_empty();
            seen.push(profile);
            // In the middle of a chain, keys that stand there count for more than a role, also one without the other.
            if !first && has_a_key(says) {
                break;
            }
            let Some(role) = role(profile, says) else { break };
            let section = || format!("profile {profile}");
            let (source, named) = (says.get("source_profile"), says.get("credential_source"));
            roles.push(role);
            match (source, named) {
                (Some(_), Some(_)) => {
                    return Err(Faulty::Contradiction {
                        section: section(),
                        one: "source_profile",
                        other: "credential_source",
                    });
                }
                (None, None) => {
                    return Err(Faulty::Incomplete { section: section(), key: "source_profile" });
                }
                (None, Some(_)) => break,
                // A profile that takes keys of its own to assume its role.
                (Some(source), None) if source == profile && has_a_key(says) => break,
                (Some(source), None) => profile = source,
            }
        }
        roles.reverse();
        let of_role = roles.first().is_some_and(|role| role.profile == profile);
        Ok(Chain { profile: profile.to_owned(), base: self.base(profile, of_role)?, roles })
    }

    fn profile(&self, name: &str, of: Option<&str>) -> Result<&Properties, Faulty> {
        let missing = || Faulty::Missing { profile: name.to_owned(), of: of.map(ToOwned::to_owned) };
        self.profiles.get(name).ok_or_else(missing)
    }

    /// The first credentials of a chain; `of_role` where the profile has a role as well, for which they are.
    fn base(&self, name: &str, of_role: bool) -> Result<Base, Faulty> {
        let says = self.profile(name, None)?;
        if let Some(source) = says.get("credential_source").filter(|_| of_role) {
            const SOURCES: [&str; 3] = ["Environment", "Ec2InstanceMetadata", "EcsContainer"];
            return match SOURCES.into_iter().find(|known| known.eq_ignore_ascii_case(source)) {
                Some(source) => Ok(Base::Named { source: source.to_owned() }),
                None => Err(Faulty::Value {
                    section: format!("profile {name}"),
                    key: "credential_source",
                    value: source.clone(),
                    allowed: "Environment, Ec2InstanceMetadata or EcsContainer",
                }),
            };
        }
        if let (Some(role), Some(_)) = (says.get("role_arn"), says.get("web_identity_token_file")) {
            return Ok(Base::WebIdentity { role: role.clone() });
        }
        if let Some(sso) = self.sso(name, says)? {
            return Ok(sso);
        }
        if has_keys(says) && self.in_credentials.contains(name) {
            return Ok(Base::Keys);
        }
        if says.contains_key("login_session") {
            return Ok(Base::Login);
        }
        if let Some(command) = says.get("credential_process") {
            return Ok(Base::Process { command: command.clone() });
        }
        if has_keys(says) {
            return Ok(Base::Keys);
        }
        Err(Faulty::Nothing { profile: name.to_owned() })
    }

    fn sso(&self, name: &str, says: &Properties) -> Result<Option<Base>, Faulty> {
        // Account and role are what makes it one; a session alone is for tokens.
        if !says.contains_key("sso_account_id") && !says.contains_key("sso_role_name") {
            return Ok(None);
        }
        let Some(portal) = self.portal(name, says)? else { return Ok(None) };
        let section = || format!("profile {name}");
        let need = |key: &'static str| {
            says.get(key).cloned().ok_or_else(|| Faulty::Incomplete { section: section(), key })
        };
        Ok(Some(Base::Sso { portal, account: need("sso_account_id")?, role: need("sso_role_name")? }))
    }

    /// The portal of a profile, whether or not the profile says for which role; `None` where it has none.
    fn portal(&self, name: &str, says: &Properties) -> Result<Option<Portal>, Faulty> {
        if let Some(session) = says.get("sso_session") {
            return match self.sessions.get(session) {
                Some(of_session) => {
                    for key in ["sso_start_url", "sso_region"] {
                        let both = says.get(key).zip(of_session.get(key));
                        if both.is_some_and(|(own, of_session)| own != of_session) {
                            let (profile, session) = (name.to_owned(), session.clone());
                            return Err(Faulty::OtherThanSession { profile, session, key });
                        }
                    }
                    portal(Some(session), of_session, format!("sso-session {session}")).map(Some)
                }
                None => Err(Faulty::NoSession { profile: name.to_owned(), session: session.clone() }),
            };
        }
        let of_portal = ["sso_start_url", "sso_account_id", "sso_role_name"];
        if !of_portal.iter().any(|key| says.contains_key(*key)) {
            return Ok(None);
        }
        portal(None, says, format!("profile {name}")).map(Some)
    }

    /// The portals that somebody can sign in to, each once.
    pub fn portals(&self) -> Vec<Portal> {
        let of_sessions =
            self.sessions.iter().filter_map(|(name, says)| portal(Some(name), says, String::new()).ok());
        let of_profiles =
            self.profiles.iter().filter_map(|(name, says)| self.portal(name, says).ok().flatten());
        let all: BTreeSet<Portal> = of_sessions.chain(of_profiles).collect();
        all.into_iter().collect()
    }

    /// The region that a profile names.
    pub fn region(&self, name: &str) -> Option<&str> {
        self.profiles.get(name)?.get("region").map(String::as_str)
    }
}

fn portal(session: Option<&String>, says: &Properties, section: String) -> Result<Portal, Faulty> {
    let need = |key: &'static str| {
        says.get(key).cloned().ok_or_else(|| Faulty::Incomplete { section: section.clone(), key })
    };
    let scopes = says.get("sso_registration_scopes").map_or(DEFAULT_SCOPE, String::as_str);
    let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(ToOwned::to_owned);
    Ok(Portal {
        session: session.cloned(),
        start_url: need("sso_start_url")?,
        region: need("sso_region")?,
        scopes: if session.is_some() { scopes.collect() } else { Vec::new() },
    })
}

fn has_keys(says: &Properties) -> bool {
    says.contains_key("aws_access_key_id") && says.contains_key("aws_secret_access_key")
}

fn has_a_key(says: &Properties) -> bool {
    says.contains_key("aws_access_key_id") || says.contains_key("aws_secret_access_key")
}

/// The role of a profile; none where a token of another identity provider is for it.
fn role(profile: &str, says: &Properties) -> Option<Role> {
    if says.contains_key("web_identity_token_file") {
        return None;
    }
    let arn = says.get("role_arn").cloned()?;
    let text = |key: &str| says.get(key).cloned();
    Some(Role {
        profile: profile.to_owned(),
        arn,
        session_name: text("role_session_name"),
        external_id: text("external_id"),
        mfa_serial: text("mfa_serial"),
        // What is no number counts for nothing.
        duration: says.get("duration_seconds").and_then(|value| value.trim().parse().ok()),
    })
}

impl Chain {
    /// The portal that somebody has to have signed in to.
    pub fn portal(&self) -> Option<&Portal> {
        match &self.base {
            Base::Sso { portal, .. } => Some(portal),
            Base::Keys
            | Base::Process { .. }
            | Base::Login
            | Base::WebIdentity { .. }
            | Base::Named { .. } => None,
        }
    }

    /// Whether a person has to do something for it from time to time, which Holdfast can take.
    pub fn wants_person(&self) -> bool {
        self.portal().is_some() || self.mfa_serial().is_some()
    }

    /// Whether other credentials may come of it while a program runs, by what somebody does elsewhere.
    pub fn is_renewed(&self) -> bool {
        match self.base {
            Base::Sso { .. } | Base::Process { .. } | Base::Login => true,
            Base::Keys | Base::WebIdentity { .. } | Base::Named { .. } => self.mfa_serial().is_some(),
        }
    }

    /// The device whose codes it wants.
    pub fn mfa_serial(&self) -> Option<&str> {
        self.roles.iter().find_map(|role| role.mfa_serial.as_deref())
    }

    /// What it is, in a few words.
    pub fn words(&self) -> String {
        let base = match &self.base {
            Base::Keys => "keys".to_owned(),
            Base::Process { command } => {
                let program = command.split_whitespace().next().unwrap_or_default();
                let program = program.trim_matches('"').rsplit(['/', '\\']).next().unwrap_or_default();
                format!("program {program}")
            }
            Base::Sso { .. } => "SSO".to_owned(),
            Base::Login => "aws login".to_owned(),
            Base::WebIdentity { .. } => "web identity".to_owned(),
            Base::Named { source } => source.clone(),
        };
        let mfa = if self.mfa_serial().is_some() { " with MFA" } else { "" };
        match self.roles.len() {
            0 => base,
            1 => format!("role{mfa}, from {base}"),
            more => format!("{more} roles{mfa}, from {base}"),
        }
    }

    /// Account and role that it ends at, as far as the configuration tells.
    pub fn identity(&self) -> (Option<String>, Option<String>) {
        let arn = match (self.roles.last(), &self.base) {
            (Some(role), _) => &role.arn,
            (None, Base::WebIdentity { role }) => role,
            (None, Base::Sso { account, role, .. }) => return (Some(account.clone()), Some(role.clone())),
            (None, Base::Keys | Base::Process { .. } | Base::Login | Base::Named { .. }) => {
                return (None, None);
            }
        };
        let mut parts = arn.splitn(6, ':').skip(4);
        let account = parts.next().filter(|account| !account.is_empty()).map(ToOwned::to_owned);
        let role = parts.next().and_then(|rest| rest.strip_prefix("role/")).map(ToOwned::to_owned);
        (account, role)
    }
}
