//! A sign-in to a portal, as it is kept: in our own vault, or in the cache file that the AWS CLI and the SDKs share.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_core::profile::Portal;
use holdfast_core::time::Moment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

/// A token that ends this soon is renewed first.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// What signing in gave.
#[derive(Clone)]
pub struct Token {
    /// What the portal asks for.
    pub access: SecretString,
    /// Until when it holds.
    pub expires: SystemTime,
    /// What a new one can be had for without a person.
    pub refresh: Option<SecretString>,
    /// Who we are to the portal.
    pub client: Option<Client>,
    /// What other tools keep beside it, which stays as it is.
    pub others: Map<String, Value>,
}

/// A registration.
#[derive(Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// Until when it holds.
    pub expires: SystemTime,
}

impl Token {
    /// Whether it holds for a while.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.expires > now + Duration::from_secs(10)
    }

    /// Whether it is to be renewed.
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.expires <= now + MARGIN
    }

    /// What it can be renewed with.
    pub fn renewal(&self, now: SystemTime) -> Option<(&Client, &SecretString)> {
        self.client.as_ref().filter(|client| client.expires > now).zip(self.refresh.as_ref())
    }

    /// As it is kept.
    pub fn to_json(&self, portal: &Portal) -> SecretString {
        let text = |secret: &SecretString| secret.expose_secret().to_owned();
        let file = CacheFile {
            start_url: Some(portal.start_url.clone()),
            region: Some(portal.region.clone()),
            access_token: text(&self.access),
            expires_at: rfc3339(self.expires),
            client_id: self.client.as_ref().map(|client| client.id.clone()),
            client_secret: self.client.as_ref().map(|client| text(&client.secret)),
            registration_expires_at: self.client.as_ref().map(|client| rfc3339(client.expires)),
            refresh_token: self.refresh.as_ref().map(text),
            others: self.others.clone(),
        };
        serde_json::to_string(&file).unwrap_or_default().into()
    }

    /// From what was kept; `None` where that makes no sense.
    pub fn from_json(text: &str) -> Option<Self> {
        let file: CacheFile = serde_json::from_str(text).ok()?;
        let client = file.client_id.zip(file.client_secret).zip(file.registration_expires_at);
        let client = client.and_then(|((id, secret), expires)| {
            Some(Client { id, secret: secret.into(), expires: moment(&expires)? })
        });
        Some(Self {
            access: file.access_token.into(),
            expires: moment(&file.expires_at)?,
            refresh: file.refresh_token.map(SecretString::from),
            client,
            others: file.others,
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// The names are those of the AWS CLI's own file, so that one shape will do for both.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/understanding-sso.html>, botocore's `tokens.py`
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    access_token: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = Duration::from_secs(since.as_secs());
    aws_smithy_types::DateTime::from_secs(i64::try_from(whole.as_secs()).unwrap_or(i64::MAX))
        .fmt(aws_smithy_types::date_time::Format::DateTime)
        .unwrap_or_default()
}

/// Some write `UTC` where others write `Z`.
fn moment(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}Z"));
    let format = aws_smithy_types::date_time::Format::DateTimeWithOffset;
    let time = aws_smithy_types::DateTime::from_str(&text, format).ok()?;
    SystemTime::try_from(time).ok()
}

/// Under which name the vault keeps it.
pub fn name(portal: &Portal) -> String {
    format!("sso {}", hash(portal))
}

fn hash(portal: &Portal) -> String {
    let identifier = portal.session.as_ref().unwrap_or(&portal.start_url);
    Sha1::digest(identifier.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the AWS CLI keeps it.
pub fn cache_file(portal: &Portal) -> Option<PathBuf> {
    let home = etcetera::home_dir().ok()?;
    Some(home.join(".aws/sso/cache").join(format!("{}.json", hash(portal))))
}

/// When it ends, for people.
pub fn ends(token: &Token) -> Moment {
    Moment::from_epoch(token.expires.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(session: Option<&str>) -> Portal {
        Portal {
            session: session.map(ToOwned::to_owned),
            start_url: "https://d-123.awsapps.com/start".to_owned(),
            region: "us-west-2".to_owned(),
            scopes: Vec::new(),
        }
    }

    #[test]
    fn it_is_kept_as_the_aws_cli_keeps_it() {
        let kept = r#"{"startUrl": "https://d-123.awsapps.com/start", "region": "us-west-2",
            "accessToken": "an-access-token", "expiresAt": "2026-11-29T18:30:00Z", "clientId": "a-client",
            "clientSecret": "a-secret", "registrationExpiresAt": "2027-02-01T00:00:00Z", "refreshToken": "a-refresh", "scopes": ["a"], "x": {"y": 1}}"#;
        let token = Token::from_json(kept).unwrap();
        let again = token.to_json(&portal(None));
        let same = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(same(again.expose_secret()), same(kept));
        assert!(!format!("{token:?}").contains("token\""), "{token:?}");

        let before = moment("2026-11-29T18:00:00Z").unwrap();
        assert!(token.holds(before) && !token.is_due(before) && token.renewal(before).is_some());
        let at_the_end = moment("2026-11-29T18:29:55Z").unwrap();
        assert!(!token.holds(at_the_end) && token.is_due(at_the_end));
        assert!(token.renewal(moment("2027-03-01T00:00:00Z").unwrap()).is_none(), "nobody knows us any more");

        // The older ones have no more than this, and write the time in their own way.
        let old = r#"{"accessToken": "a", "expiresAt": "2020-06-17T10:02:08UTC"}"#;
        let old = Token::from_json(old).unwrap();
        assert_eq!(old.expires, moment("2020-06-17T10:02:08Z").unwrap());
        assert!(old.renewal(before).is_none());
        for nonsense in ["", "{}", r#"{"accessToken": "a", "expiresAt": "soon"}"#, "[]"] {
            assert!(Token::from_json(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn it_is_found_where_the_aws_cli_has_it() {
        // botocore: the digest of the session's name, or of the start URL where there is no session.
        for (session, hash) in [
            (Some("admin"), "d033e22ae348aeb5660fc2140aec35850c4da997"),
            (None, "2b829a45f04c9828cb45b7d092d8e4aa30818393"),
        ] {
            let file = cache_file(&portal(session)).unwrap();
            let file = file.file_stem().unwrap().to_str().unwrap().to_owned();
            assert_eq!(file, hash);
            assert_eq!(name(&portal(session)), format!("sso {file}"));
        }
    }
}
