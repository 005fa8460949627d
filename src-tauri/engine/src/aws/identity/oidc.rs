//! The calls of a sign-in: to the portal's OpenID Connect service, and to the portal itself. None of them is signed.
//!
//! Source: <https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/>,
//! <https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/>

use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ssooidc::config::endpoint::{DefaultResolver, Params, ParamsBuilder, ResolveEndpoint as _};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_types::sdk_config::{SharedTimeSource, TimeSource};
use aws_types::service_config::ServiceConfigKey;
use holdfast_core::profile::Portal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Map;

use super::token::{Client, Token};
use crate::aws::error::{call_error, garbled};
use crate::problem::{CallError, Problem};

/// What the registration is called in the portal's own pages.
const CLIENT: &str = "holdfast";
const PUBLIC: &str = "public";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";

/// The path that the browser comes back to; the port does not count.
/// Source: <https://datatracker.ietf.org/doc/html/rfc8252#section-7.3>
pub const CALLBACK: &str = "/oauth/callback";

/// A portal, ready to be called.
#[derive(Clone, Debug)]
pub struct Calls {
    oidc: aws_sdk_ssooidc::Client,
    portal: aws_sdk_sso::Client,
    /// What [`DefaultResolver`] finds the OIDC service by.
    place: ParamsBuilder,
    time: Option<SharedTimeSource>,
}

/// A code that a person confirms somewhere else.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// What we ask with.
    code: SecretString,
    /// What the person compares.
    pub user_code: String,
    /// Where.
    pub page: String,
    /// How long there is.
    pub lasts: Duration,
    /// How often one may ask.
    pub interval: Duration,
}

/// An account of the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub email: String,
}

/// Source: <https://datatracker.ietf.org/doc/html/rfc8628#section-3.2>
const UNSAID: Duration = Duration::from_secs(5);

impl Calls {
    /// `sdk` has everything but credentials; `endpoint` is where every service is, whatever the region.
    pub fn new(sdk: &SdkConfig, portal: &Portal, endpoint: Option<&str>) -> Self {
        let sdk = sdk.to_builder().region(Region::new(portal.region.clone())).build();
        let of_service = |service: &str| {
            let key = ServiceConfigKey::builder().service_id(service);
            let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
            sdk.service_config()?.load_config(key)
        };
        // What is empty counts as not said.
        let endpoint = |service: &str| {
            let said = [
                endpoint.map(ToOwned::to_owned),
                of_service(service),
                sdk.endpoint_url().map(ToOwned::to_owned),
            ];
            said.into_iter().flatten().find(|url| !url.is_empty())
        };
        // In a `services` section it is `sso_oidc`, where the SDK, asked for its own name of the service, looks for `sso-oidc`.
        // Source: <https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>
        let oidc = endpoint("SSO_OIDC");
        let place = Params::builder().region(&portal.region).set_endpoint(oidc.clone());
        let place = place.set_use_fips(sdk.use_fips()).set_use_dual_stack(sdk.use_dual_stack());
        let mut calls = aws_sdk_ssooidc::config::Builder::from(&sdk);
        calls.set_endpoint_url(oidc);
        let mut of_portal = aws_sdk_sso::config::Builder::from(&sdk);
        of_portal.set_endpoint_url(endpoint("SSO"));
        Self {
            oidc: aws_sdk_ssooidc::Client::from_conf(calls.build()),
            portal: aws_sdk_sso::Client::from_conf(of_portal.build()),
            place,
            time: sdk.time_source(),
        }
    }

    /// The time: the test's own where a test lets it pass.
    pub fn now(&self) -> SystemTime {
        self.time.as_ref().map_or_else(SystemTime::now, TimeSource::now)
    }

    /// Makes us known to the portal. With a browser it has to know where the browser comes back to.
    pub async fn register(&self, portal: &Portal, browser: bool) -> Result<Client, CallError> {
        let call = self.oidc.register_client().client_name(CLIENT).client_type(PUBLIC);
        let scopes = Some(portal.scopes.clone()).filter(|scopes| !scopes.is_empty());
        let mut call = call.set_scopes(scopes);
        if browser {
            call = call.grant_types(CODE).redirect_uris(format!("http://127.0.0.1{CALLBACK}"));
            call = call.issuer_url(&portal.start_url);
        } else if portal.session.is_some() {
            call = call.grant_types(DEVICE);
        }
        if portal.session.is_some() {
            call = call.grant_types(REFRESH);
        }
        let answer = call.send().await.map_err(|error| oidc("RegisterClient", &error))?;
        let (id, secret) = (answer.client_id().map(ToOwned::to_owned), answer.client_secret());
        let secret = secret.map(|secret| SecretString::from(secret.to_owned()));
        let expires = u64::try_from(answer.client_secret_expires_at()).unwrap_or_default();
        let (id, secret) =
            id.zip(secret).ok_or_else(|| garbled("sso-oauth", "RegisterClient", "no client"))?;
        Ok(Client { id, secret, expires: SystemTime::UNIX_EPOCH + Duration::from_secs(expires) })
    }

    /// The page on which a person lets us in, and from which the browser comes back to `port`. It is where the service is called, by
    /// the SDK's own rules for partitions, FIPS and dual stack.
    ///
    /// # Errors
    /// There is no such place.
    pub async fn page(
        &self,
        portal: &Portal,
        client: &Client,
        port: u16,
        state: &str,
        challenge: &str,
    ) -> Result<String, Problem> {
        let nowhere = |error: BoxError| {
            let nowhere = format!("The portal's page is nowhere in {}", portal.region);
            Problem::new("sign_in_portal", nowhere)
                .because(error.to_string())
                .hint("see what the AWS configuration says of endpoints")
        };
        let place = self.place.clone().build().map_err(|error| nowhere(error.into()))?;
        let place = DefaultResolver::new().resolve_endpoint(&place).await.map_err(nowhere)?;
        let encode = |text: &str| -> String {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let redirect = format!("http://127.0.0.1:{port}{CALLBACK}");
        let parameters = [
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", &redirect),
            ("state", state),
            ("code_challenge_method", "S256"),
            // Not with commas: as the AWS CLI sends them.
            ("scopes", &portal.scopes.join(" ")),
            ("code_challenge", challenge),
        ];
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        Ok(format!("{}/authorize?{}", place.url().trim_end_matches('/'), query.join("&")))
    }

    /// What the code of a browser is worth.
    pub async fn of_code(
        &self,
        client: Client,
        port: u16,
        code: &str,
        verifier: &SecretString,
    ) -> Result<Token, CallError> {
        let call = self.oidc.create_token().grant_type(CODE).client_id(&client.id);
        let call = call.client_secret(client.secret.expose_secret()).code(code);
        let call = call.redirect_uri(format!("http://127.0.0.1:{port}{CALLBACK}"));
        let answer = call.code_verifier(verifier.expose_secret()).send().await;
        token(answer.map_err(|error| oidc("CreateToken", &error))?, client, None, self.now())
    }

    /// A code that a person confirms on another page, or another computer.
    pub async fn device_code(&self, portal: &Portal, client: &Client) -> Result<DeviceCode, CallError> {
        let call = self.oidc.start_device_authorization().client_id(&client.id);
        let call = call.client_secret(client.secret.expose_secret()).start_url(&portal.start_url);
        let answer = call.send().await.map_err(|error| oidc("StartDeviceAuthorization", &error))?;
        let nothing = || garbled("sso-oauth", "StartDeviceAuthorization", "no code");
        let seconds = |number: i32| Duration::from_secs(u64::try_from(number).unwrap_or_default());
        Ok(DeviceCode {
            code: answer.device_code().ok_or_else(nothing)?.to_owned().into(),
            user_code: answer.user_code().ok_or_else(nothing)?.to_owned(),
            page: (answer.verification_uri_complete().or(answer.verification_uri()))
                .ok_or_else(nothing)?
                .to_owned(),
            lasts: seconds(answer.expires_in()),
            // Where the service says nothing, RFC 8628 has five seconds.
            interval: Some(seconds(answer.interval())).filter(|said| !said.is_zero()).unwrap_or(UNSAID),
        })
    }

    /// What a confirmed code is worth; the service says so when nobody has confirmed it yet.
    pub async fn of_device(&self, client: Client, code: &DeviceCode) -> Result<Token, CallError> {
        let call = self.oidc.create_token().grant_type(DEVICE).client_id(&client.id);
        let call = call.client_secret(client.secret.expose_secret()).device_code(code.code.expose_secret());
        token(call.send().await.map_err(|error| oidc("CreateToken", &error))?, client, None, self.now())
    }

    /// A new token for one that ends.
    pub async fn renew(&self, client: Client, refresh: &SecretString) -> Result<Token, CallError> {
        let call = self.oidc.create_token().grant_type(REFRESH).client_id(&client.id);
        let call = call.client_secret(client.secret.expose_secret()).refresh_token(refresh.expose_secret());
        token(
            call.send().await.map_err(|error| oidc("CreateToken", &error))?,
            client,
            Some(refresh),
            self.now(),
        )
    }

    /// Makes a token worthless.
    pub async fn log_out(&self, token: &Token) -> Result<(), CallError> {
        let call = self.portal.logout().access_token(token.access.expose_secret());
        call.send().await.map_err(|error| call_error("sso", "Logout", &error)).map(|_| ())
    }

    /// The credentials of a role.
    pub async fn credentials(
        &self,
        token: &Token,
        account: &str,
        role: &str,
    ) -> Result<Credentials, CallError> {
        let call = self.portal.get_role_credentials().access_token(token.access.expose_secret());
        let answer = call.account_id(account).role_name(role).send().await;
        let answer = answer.map_err(|error| call_error("sso", "GetRoleCredentials", &error))?;
        let given = answer.role_credentials();
        let keys = given.and_then(|given| {
            let end = Duration::from_millis(u64::try_from(given.expiration()).ok()?);
            Some((given.access_key_id()?, given.secret_access_key()?, given.session_token()?, end))
        });
        let (id, secret, session, end) =
            keys.ok_or_else(|| garbled("sso", "GetRoleCredentials", "no credentials"))?;
        let ends = SystemTime::UNIX_EPOCH + end;
        Ok(Credentials::new(id, secret, Some(session.to_owned()), Some(ends), "Sso"))
    }

    /// The accounts that the person who has signed in may use.
    pub async fn accounts(&self, token: &Token) -> Result<Vec<Account>, CallError> {
        let call = self.portal.list_accounts().access_token(token.access.expose_secret());
        let pages = call.into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await;
        let found = found.map_err(|error| call_error("sso", "ListAccounts", &error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let account = |account: &aws_sdk_sso::types::AccountInfo| Account {
            id: text(account.account_id()),
            name: text(account.account_name()),
            email: text(account.email_address()),
        };
        Ok(found.iter().map(account).collect())
    }

    /// The roles of an account.
    pub async fn roles(&self, token: &Token, account: &str) -> Result<Vec<String>, CallError> {
        let call = self.portal.list_account_roles().access_token(token.access.expose_secret());
        let pages = call.account_id(account).into_paginator().items().send();
        let found = pages.collect::<Result<Vec<_>, _>>().await;
        let found = found.map_err(|error| call_error("sso", "ListAccountRoles", &error))?;
        Ok(found.into_iter().filter_map(|role| role.role_name).collect())
    }
}

fn oidc<E: crate::aws::error::Answer>(
    operation: &'static str,
    error: &aws_smithy_runtime_api::client::result::SdkError<
        E,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
) -> CallError {
    call_error("sso-oauth", operation, error)
}

/// `before` is the refresh token that was given for it: one that does not change is not sent again.
fn token(
    answer: aws_sdk_ssooidc::operation::create_token::CreateTokenOutput,
    client: Client,
    before: Option<&SecretString>,
    now: SystemTime,
) -> Result<Token, CallError> {
    let lasts = u64::try_from(answer.expires_in()).unwrap_or_default();
    let refresh = answer.refresh_token().map(|refresh| SecretString::from(refresh.to_owned()));
    let access =
        answer.access_token().ok_or_else(|| garbled("sso-oauth", "CreateToken", "no access token"))?;
    Ok(Token {
        access: access.to_owned().into(),
        expires: now + Duration::from_secs(lasts),
        refresh: refresh.or_else(|| before.cloned()),
        client: Some(client),
        others: Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_is_where_the_service_is() {
        let client =
            Client { id: "id".to_owned(), secret: String::new().into(), expires: SystemTime::UNIX_EPOCH };
        for (region, fips, dual, said, place) in [
            ("us-west-2", false, false, None, "https://oidc.us-west-2.amazonaws.com"),
            ("us-west-2", true, false, None, "https://oidc-fips.us-west-2.amazonaws.com"),
            ("us-west-2", false, true, None, "https://oidc.us-west-2.api.aws"),
            ("cn-north-1", false, false, None, "https://oidc.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", true, false, None, "https://oidc.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", false, false, None, "https://oidc.eusc-de-east-1.amazonaws.eu"),
            ("us-west-2", false, false, Some(""), "https://oidc.us-west-2.amazonaws.com"),
            ("us-west-2", false, false, Some("http://127.0.0.1:9/x/"), "http://127.0.0.1:9/x"),
        ] {
            let sdk = SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
                .use_fips(fips)
                .use_dual_stack(dual);
            let portal = Portal {
                session: Some("team".to_owned()),
                start_url: "https://t.awsapps.com/start".to_owned(),
                region: region.to_owned(),
                scopes: vec!["a".to_owned(), "b".to_owned()],
            };
            let page =
                Calls::new(&sdk.build(), &portal, said).page(&portal, &client, 1, "s", "c").await.unwrap();
            assert!(
                page.starts_with(&format!("{place}/authorize?response_type=code&client_id=id&")),
                "{page}"
            );
            assert!(page.contains("scopes=a%20b"), "{page}");
        }
    }
}
