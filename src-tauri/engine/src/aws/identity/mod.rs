//! Who we are to AWS, where the SDK's own chain does not do: a portal of IAM Identity Center with tokens of our own, and
//! roles that want a code of an MFA device (<https://github.com/awslabs/aws-sdk-rust/issues/527>).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::credential_process::CredentialProcessProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use holdfast_core::profile::{Base, Chain, Portal, Properties, Role};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::sts;
use crate::problem::{CallError, CallErrorKind, Problem};
use crate::repository::TOKEN;
use crate::secrets::Vault;
use crate::surroundings;
use oidc::Calls;
use token::Token;

pub mod oidc;
pub mod token;

/// What a person has to do before there are credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Needed {
    /// Sign in.
    #[error("nobody is signed in to {start_url} any more")]
    SignIn {
        /// The portal.
        start_url: String,
    },
    /// Nothing: whatever uses the sign-in next renews it.
    #[error("the sign-in to {start_url} is due to be renewed, which whatever uses it next does by itself")]
    Renewal {
        /// The portal.
        start_url: String,
    },
    /// Say the code that a device shows.
    #[error("the role {role} wants a code of the MFA device {serial}")]
    Code {
        /// The role's ARN.
        role: String,
        /// The device.
        serial: String,
    },
}

/// The credentials of a profile.
#[derive(Clone)]
pub struct Identity {
    /// The profile.
    pub profile: String,
    /// Where they come from.
    pub chain: Chain,
    /// What the first profile of the chain says.
    base: Properties,
    sdk: SdkConfig,
    endpoint: Option<String>,
    vault: Vault,
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Credentials for a while, as they are kept.
#[derive(Deserialize, Serialize)]
struct Kept {
    id: String,
    secret: String,
    session: String,
    /// Seconds since the Unix epoch.
    ends: u64,
}

/// How long a role's credentials must hold to be used once more.
const MARGIN: Duration = Duration::from_secs(5 * 60);

impl Identity {
    /// `sdk` has everything but credentials.
    pub fn new(
        profile: &str,
        chain: Chain,
        base: Properties,
        sdk: SdkConfig,
        endpoint: Option<String>,
        vault: Vault,
    ) -> Self {
        Self { profile: profile.to_owned(), chain, base, sdk, endpoint, vault }
    }

    /// Whether the SDK's own chain would not do: it knows no codes, has its own order of what counts, and keeps tokens in
    /// files alone. What it has besides is left to it.
    pub fn is_ours(chain: &Chain) -> bool {
        match &chain.base {
            Base::Sso { .. } | Base::Keys | Base::Process { .. } => true,
            Base::Login | Base::WebIdentity { .. } | Base::Named { .. } => chain.mfa_serial().is_some(),
        }
    }

    /// The portal, ready to be called.
    pub fn calls(&self, portal: &Portal) -> Calls {
        Calls::new(&self.sdk, portal, self.endpoint.as_deref())
    }

    /// Where sign-ins are kept.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn get(&self) -> Result<Credentials, CredentialsError> {
        if let Some(role) = self.wants_code().await.map_err(CredentialsError::provider_error)? {
            let (role, serial) = (role.arn.clone(), role.mfa_serial.clone().unwrap_or_default());
            return Err(CredentialsError::provider_error(Needed::Code { role, serial }));
        }
        self.up_to(self.chain.roles.len()).await
    }

    /// The nearest role to the end of these that wants a code and for which one was said, with its credentials. What comes before it
    /// is not needed.
    async fn kept(&self, roles: usize) -> Result<Option<(usize, Credentials)>, Problem> {
        let coded =
            self.chain.roles.iter().take(roles).enumerate().filter(|(_, role)| role.mfa_serial.is_some());
        for (at, _) in coded.rev() {
            if let Some(credentials) = self.kept_role(at).await? {
                return Ok(Some((at, credentials)));
            }
        }
        Ok(None)
    }

    /// The first role that wants a code now.
    ///
    /// # Errors
    /// The keyring cannot be used.
    pub async fn wants_code(&self) -> Result<Option<&Role>, Problem> {
        if self.chain.mfa_serial().is_none() {
            return Ok(None);
        }
        let kept = self.kept(self.chain.roles.len()).await?;
        let rest = self.chain.roles.iter().skip(kept.map_or(0, |(at, _)| at + 1));
        Ok(rest.into_iter().find(|role| role.mfa_serial.is_some()))
    }

    /// The credentials of the last of the first roles, none of which wants a code any more.
    async fn up_to(&self, roles: usize) -> Result<Credentials, CredentialsError> {
        let kept = self.kept(roles).await.map_err(CredentialsError::provider_error)?;
        let (from, mut credentials) = match kept {
            Some((at, credentials)) => (at + 1, credentials),
            None => (0, self.base().await?),
        };
        for role in self.chain.roles.iter().take(roles).skip(from) {
            let assumed = self.assume_role(role, credentials, None).await;
            credentials = assumed.map_err(CredentialsError::provider_error)?;
        }
        Ok(credentials)
    }

    async fn base(&self) -> Result<Credentials, CredentialsError> {
        match &self.chain.base {
            Base::Sso { portal, account, role } => self.sso(portal, account, role).await,
            Base::Keys => {
                let get = |key: &str| self.base.get(key).cloned();
                let keys = get("aws_access_key_id").zip(get("aws_secret_access_key"));
                let (id, secret) = keys.ok_or_else(|| CredentialsError::not_loaded("no keys"))?;
                Ok(Credentials::new(id, secret, get("aws_session_token"), None, "ProfileFile"))
            }
            Base::Process { command } => {
                let path = surroundings::path_line().unwrap_or_default();
                let command = without_git_token(&format!("{path}{command}"));
                CredentialProcessProvider::new(command).provide_credentials().await
            }
            Base::Named { source } if source == "Environment" => {
                EnvironmentVariableCredentialsProvider::new().provide_credentials().await
            }
            // A role of its own comes last in these, so the SDK's chain up to it is the whole.
            Base::Login | Base::WebIdentity { .. } | Base::Named { .. } => {
                let provider = ProfileFileCredentialsProvider::builder().profile_name(&self.chain.profile);
                provider.build().provide_credentials().await
            }
        }
    }

    /// The credentials of a role of the portal, with the best sign-in that there is.
    async fn sso(&self, portal: &Portal, account: &str, role: &str) -> Result<Credentials, CredentialsError> {
        let calls = self.calls(portal);
        let (mut refused, mut hidden) = (None, None);
        for place in [Place::Vault, Place::CacheFile] {
            let token = match self.token(&calls, portal, place).await {
                Ok(Some(token)) => token,
                Ok(None) => continue,
                // What another tool has may do.
                Err(error) => {
                    hidden.get_or_insert(error);
                    continue;
                }
            };
            match calls.credentials(&token, account, role).await {
                Ok(credentials) => return Ok(credentials),
                // It was revoked: another one may hold.
                Err(error) if is_over(&error) => refused = Some(error),
                Err(error) => return Err(CredentialsError::provider_error(error)),
            }
        }
        if let Some(error) = hidden {
            return Err(error);
        }
        if let Some(error) = refused {
            tracing::debug!(?error, "a token is not taken any more");
            // What nobody takes is in the way of nothing, but it would be tried each time.
            if !self.vault.only_looks() {
                let _ = self.vault.forget(&token::name(portal)).await;
            }
        }
        Err(CredentialsError::provider_error(Needed::SignIn { start_url: portal.start_url.clone() }))
    }

    /// The sign-in that is kept there, renewed where it ends.
    async fn token(
        &self,
        calls: &Calls,
        portal: &Portal,
        place: Place,
    ) -> Result<Option<Token>, CredentialsError> {
        let now = calls.now();
        let Some(token) = self.kept_token(portal, place, false).await? else { return Ok(None) };
        if !token.is_due(now) {
            return Ok(Some(token));
        }
        if self.vault.only_looks() {
            let start_url = portal.start_url.clone();
            return match (token.holds(now), token.renewal(now)) {
                (true, _) => Ok(Some(token)),
                (false, None) => Ok(None),
                (false, Some(_)) => Err(CredentialsError::provider_error(Needed::Renewal { start_url })),
            };
        }
        let _renewing = self.vault.renewing().await;
        // Another process may have renewed it; what it was renewed with is worth nothing any more.
        let Some(token) = self.kept_token(portal, place, true).await? else { return Ok(None) };
        let holds = token.holds(now).then(|| token.clone());
        if !token.is_due(now) {
            return Ok(Some(token));
        }
        let Some((client, refresh)) = token.renewal(now) else { return Ok(holds) };
        match calls.renew(client.clone(), refresh).await {
            Ok(new) => {
                let new = Token { others: token.others, ..new };
                self.keep(portal, place, &new).await;
                Ok(Some(new))
            }
            Err(error) if is_over(&error) => {
                // It would be refused each time.
                self.keep(portal, place, &Token { refresh: None, ..token }).await;
                Ok(holds)
            }
            // Nobody could be asked: what still holds will do.
            Err(error) => holds.map(Some).ok_or_else(|| CredentialsError::provider_error(error)),
        }
    }

    async fn kept_token(
        &self,
        portal: &Portal,
        place: Place,
        anew: bool,
    ) -> Result<Option<Token>, CredentialsError> {
        let text = match place {
            Place::Vault => {
                let name = token::name(portal);
                let kept = if anew { self.vault.look(&name).await } else { self.vault.get(&name).await };
                kept.map_err(CredentialsError::provider_error)?
            }
            Place::CacheFile => {
                let file = token::cache_file(portal).and_then(|file| std::fs::read_to_string(file).ok());
                file.map(SecretString::from)
            }
        };
        Ok(text.and_then(|text| Token::from_json(text.expose_secret())))
    }

    /// Where it cannot be kept it is still good for this process.
    async fn keep(&self, portal: &Portal, place: Place, token: &Token) {
        let json = token.to_json(portal);
        let kept = match place {
            Place::Vault => self.vault.set(&token::name(portal), json).await.map(|_| ()),
            Place::CacheFile => write_cache_file(portal, &json),
        };
        if let Err(problem) = kept {
            tracing::warn!(%problem, "a sign-in was renewed and cannot be kept");
        }
    }

    /// Assumes the first role that wants a code, and keeps what that gives for as long as it holds. AWS takes a code once, so each role
    /// wants one of its own. Gives whether it outlives this process.
    ///
    /// # Errors
    /// The code is wrong, or it cannot be kept.
    pub async fn say_code(&self, code: &str) -> Result<bool, Problem> {
        let Some(role) = self.wants_code().await? else { return Ok(true) };
        let at = self.chain.roles.iter().position(|other| other == role).unwrap_or_default();
        let with = self.up_to(at).await.map_err(|error| no_credentials(&error))?;
        let new = self.assume_role(role, with, Some(code)).await?;
        self.keep_role(at, &new).await
    }

    async fn assume_role(
        &self,
        role: &Role,
        with: Credentials,
        code: Option<&str>,
    ) -> Result<Credentials, CallError> {
        let sdk = self.sdk.to_builder().credentials_provider(SharedCredentialsProvider::new(with)).build();
        let name = role.session_name.clone().unwrap_or_else(|| "holdfast".to_owned());
        let call = aws_sdk_sts::Client::new(&sdk).assume_role().role_arn(&role.arn).role_session_name(name);
        let call = call.set_external_id(role.external_id.clone());
        let duration = role.duration.and_then(|seconds| i32::try_from(seconds).ok());
        let call = call.set_duration_seconds(duration);
        let call = match code {
            Some(code) => call.set_serial_number(role.mfa_serial.clone()).token_code(code),
            None => call,
        };
        let answer = call.send().await.map_err(sts("AssumeRole"))?;
        let given = answer.credentials();
        let given = given.ok_or_else(|| super::error::garbled("sts", "AssumeRole", "no credentials"))?;
        let ends = SystemTime::try_from(*given.expiration()).ok();
        let session = Some(given.session_token().to_owned());
        Ok(Credentials::new(given.access_key_id(), given.secret_access_key(), session, ends, "AssumeRole"))
    }

    /// Under which name the vault keeps the credentials of a role: they are for whoever comes by this way alone.
    fn role_name(&self, at: usize) -> String {
        let way = (&self.chain.profile, &self.chain.base, self.chain.roles.get(..=at));
        let way = Sha256::digest(serde_json::to_string(&way).unwrap_or_default());
        let way: String = way.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("role {} {way}", self.profile)
    }

    async fn kept_role(&self, at: usize) -> Result<Option<Credentials>, Problem> {
        let Some(text) = self.vault.get(&self.role_name(at)).await? else { return Ok(None) };
        let Ok(Kept { id, secret, session, ends }) = serde_json::from_str(text.expose_secret()) else {
            return Ok(None);
        };
        let ends = UNIX_EPOCH + Duration::from_secs(ends);
        let now = self.sdk.time_source().map_or_else(SystemTime::now, |source| source.now());
        let credentials = || Credentials::new(id, secret, Some(session), Some(ends), "AssumeRole");
        Ok((ends > now + MARGIN).then(credentials))
    }

    async fn keep_role(&self, at: usize, credentials: &Credentials) -> Result<bool, Problem> {
        let ends = credentials.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        let kept = Kept {
            id: credentials.access_key_id().to_owned(),
            secret: credentials.secret_access_key().to_owned(),
            session: credentials.session_token().unwrap_or_default().to_owned(),
            ends: ends.unwrap_or_default().as_secs(),
        };
        let text = serde_json::to_string(&kept).unwrap_or_default();
        self.vault.set(&self.role_name(at), text.into()).await
    }

    /// Forgets the credentials that codes were said for.
    ///
    /// # Errors
    /// The keyring cannot be used.
    pub async fn forget_codes(&self) -> Result<(), Problem> {
        for (at, role) in self.chain.roles.iter().enumerate() {
            if role.mfa_serial.is_some() {
                self.vault.forget(&self.role_name(at)).await?;
            }
        }
        Ok(())
    }
}

/// Where a sign-in may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Our own.
    Vault,
    /// The file that the AWS CLI and the SDKs share.
    CacheFile,
}

/// Keeps a sign-in where the AWS CLI keeps its own, so that nobody else reads it.
///
/// # Errors
/// The file cannot be written.
pub fn write_cache_file(portal: &Portal, json: &SecretString) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::new("sign_in_file", "The sign-in cannot be kept in a file").because(error.to_string())
    };
    let file = token::cache_file(portal)
        .ok_or_else(|| Problem::new("sign_in_file", "This computer has no home folder"))?;
    let folder = file.parent().unwrap_or(&file);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut new, json.expose_secret().as_bytes()).map_err(failed)?;
    new.persist(&file).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether a sign-in, or what it was renewed with, does not hold any more.
pub fn is_over(error: &CallError) -> bool {
    matches!(
        error.code(),
        "UnauthorizedException"
            | "ExpiredTokenException"
            | "InvalidGrantException"
            | "InvalidClientException"
            | "UnauthorizedClientException"
    )
}

fn no_credentials(error: &CredentialsError) -> Problem {
    let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    CallError {
        service: "sts",
        operation: "AssumeRole",
        kind: CallErrorKind::Credentials(why),
        request_id: None,
    }
    .into()
}

/// The command line of a program that gives credentials, which has its own use for what the environment says of AWS, and none for
/// the token of a repository. The SDK runs it in a shell.
fn without_git_token(command: &str) -> String {
    match std::env::var_os(TOKEN) {
        Some(_) if cfg!(windows) => format!("set {TOKEN}=& {command}"),
        Some(_) => format!("unset {TOKEN}; {command}"),
        None => command.to_owned(),
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}
