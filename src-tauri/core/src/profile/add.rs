//! A portal that the configuration does not know yet: what its sections say, and what stands in their way.

use thiserror::Error;

use super::{Config, DEFAULT_SCOPE, Portal, Section};
use crate::names::{NotAllowed, ProfileName, Region};

/// The region that a portal is looked for in when nobody names one.
pub const PORTAL_REGION: &str = "us-east-1";
/// The longest start URL. Those of AWS have less than a hundred characters.
const LONGEST: usize = 300;

/// Why a profile is not added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It cannot be the address of a portal.
    #[error("That is no start URL")]
    StartUrl,
    /// It cannot be a region.
    #[error(transparent)]
    Region(NotAllowed),
    /// It cannot be the name of a profile.
    #[error(transparent)]
    Name(NotAllowed),
    /// It could not be read by the AWS CLI, which gives quotes, brackets and backslashes a meaning.
    #[error("A profile of that name could not be read by the AWS CLI")]
    Unreadable,
    /// There is one of that name.
    #[error("There is a profile {0} already")]
    Taken(String),
    /// There is an `sso-session` of that name, of another portal.
    #[error("There is another sso-session {0} already")]
    OtherSession(String),
}

impl Unfit {
    /// What helps.
    pub fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::StartUrl => &["it begins with https://"],
            Self::Region(_) => &["the administrator of the portal knows its region"],
            Self::Name(_) => &[],
            Self::Unreadable => &["give it a name without quotes, brackets and backslashes"],
            Self::Taken(name) => {
                return vec![
                    format!("sign in with it: holdfast login {name}"),
                    "or give the new one another name".to_owned(),
                ];
            }
            Self::OtherSession(_) => &["take a profile of that one, or rename it in the AWS configuration"],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

/// A role of a portal, as a profile names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The account's id.
    pub account: String,
    /// The role's name.
    pub role: String,
}

impl Portal {
    /// A portal as somebody typed it. Its session is called like its company.
    ///
    /// # Errors
    /// Neither can be one.
    pub fn typed(start_url: &str, region: &str) -> Result<Self, Unfit> {
        let (start_url, region) = (start_url.trim(), region.trim());
        let begins = ["https://", "http://127.0.0.1"].iter().any(|begin| start_url.starts_with(begin));
        if !begins || start_url.len() > LONGEST || !start_url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Unfit::StartUrl);
        }
        let region = if region.is_empty() { PORTAL_REGION } else { region };
        let region: Region = region.parse().map_err(Unfit::Region)?;
        Ok(Self {
            session: Some(session_name(start_url)),
            start_url: start_url.to_owned(),
            region: region.to_string(),
            scopes: vec![DEFAULT_SCOPE.to_owned()],
        })
    }

    /// A name for the profile of a role.
    pub fn proposes(&self, role: &str) -> String {
        format!("{}/{role}", self.session.as_deref().unwrap_or("portal"))
    }
}

/// A name as somebody typed it.
///
/// # Errors
/// It can be none.
pub fn profile_name(typed: &str) -> Result<ProfileName, Unfit> {
    let name: ProfileName = typed.trim().parse().map_err(Unfit::Name)?;
    if name.as_str().contains(['\'', '"', '\\', '[', ']']) { Err(Unfit::Unreadable) } else { Ok(name) }
}

/// The sections that are to be added for a role of a portal: its profile, after the portal's session where that is not there yet.
///
/// # Errors
/// One of the two is there, and is something else.
pub fn sections_for(
    config: &Config,
    portal: &Portal,
    name: &ProfileName,
    chosen: &Chosen,
) -> Result<Vec<Section>, Unfit> {
    if config.profiles.contains_key(name.as_str()) {
        return Err(Unfit::Taken(name.to_string()));
    }
    let session = portal.session.clone().unwrap_or_else(|| session_name(&portal.start_url));
    let of_portal = vec![
        ("sso_start_url", portal.start_url.clone()),
        ("sso_region", portal.region.clone()),
        ("sso_registration_scopes", portal.scopes.join(",")),
    ];
    let profile = vec![
        ("sso_session", session.clone()),
        ("sso_account_id", chosen.account.clone()),
        ("sso_role_name", chosen.role.clone()),
    ];
    let profile = Section::profile(name.as_str(), profile);
    match config.sessions.get(&session) {
        None => Ok(vec![Section::session(&session, of_portal), profile]),
        Some(says)
            if says.get("sso_start_url") == Some(&portal.start_url)
                && says.get("sso_region") == Some(&portal.region) =>
        {
            Ok(vec![profile])
        }
        Some(_) => Err(Unfit::OtherSession(session)),
    }
}

/// A name for a portal that nobody has named: that of its company.
fn session_name(start_url: &str) -> String {
    let host =
        start_url.split("://").nth(1).unwrap_or(start_url).split(['/', ':', '?']).next().unwrap_or_default();
    let name: String = host
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    if name.is_empty() { "portal".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_called_like_its_company() {
        for (url, name) in [
            ("https://example.awsapps.com/start", "example"),
            ("https://d-1234567890.awsapps.com/start#/", "d-1234567890"),
            ("https://ssoins-7223.portal.us-east-1.app.aws", "ssoins-7223"),
            ("http://127.0.0.1:4566", "127"),
            ("nonsense", "nonsense"),
            ("https:///", "portal"),
        ] {
            assert_eq!(session_name(url), name, "{url}");
        }
    }

    #[test]
    fn what_is_typed_has_to_be_a_portal_and_a_name() {
        let portal = Portal::typed(" https://example.awsapps.com/start ", "").unwrap();
        assert_eq!(
            (portal.region.as_str(), portal.proposes("Admin").as_str()),
            ("us-east-1", "example/Admin")
        );
        let long = format!("https://{}", "a".repeat(300));
        for bad in ["", "example.awsapps.com", "ftp://x", "https://a b", "https://a\nb", "https://ä", &long]
        {
            assert_eq!(Portal::typed(bad, "us-west-2"), Err(Unfit::StartUrl), "{bad:?}");
        }
        for bad in ["Frankfurt", "us-west-2a", "us west 2"] {
            let refused = Portal::typed("https://example.awsapps.com/start", bad).unwrap_err();
            assert!(matches!(refused, Unfit::Region(_)), "{bad:?}: {refused}");
        }
        assert_eq!(profile_name(" team/Admin ").unwrap().as_str(), "team/Admin");
        for (bad, unreadable) in [("it's", true), ("a[b", true), ("a\\b", true), ("a]b", false), ("", false)]
        {
            assert_eq!(profile_name(bad) == Err(Unfit::Unreadable), unreadable, "{bad:?}");
            assert!(profile_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_there_is_not_added_again_and_never_changed() {
        let portal = Portal::typed("https://example.awsapps.com/start", "us-west-2").unwrap();
        let chosen = Chosen { account: "111122223333".to_owned(), role: "Admin".to_owned() };
        let headers = |config: &Config, name: &str| {
            let sections = sections_for(config, &portal, &name.parse().unwrap(), &chosen)?;
            Ok::<_, Unfit>(sections.into_iter().map(|section| section.header).collect::<Vec<_>>())
        };
        let mut config = Config::default();
        assert_eq!(headers(&config, "work").unwrap(), ["sso-session example", "profile work"]);
        let says = |region: &str| {
            let url = "https://example.awsapps.com/start";
            [("sso_start_url", url), ("sso_region", region)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        config.sessions.insert("example".to_owned(), says("us-west-2").into());
        config.profiles.insert("old".to_owned(), super::super::Properties::default());
        assert_eq!(headers(&config, "work").unwrap(), ["profile work"]);
        assert_eq!(headers(&config, "old").unwrap_err(), Unfit::Taken("old".to_owned()));
        config.sessions.insert("example".to_owned(), says("eu-west-1").into());
        assert_eq!(headers(&config, "work").unwrap_err(), Unfit::OtherSession("example".to_owned()));
    }
}
