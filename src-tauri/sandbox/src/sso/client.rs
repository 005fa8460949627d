//! Clients: they register, and name themselves with a secret from then on.

use serde_json::{Value, json};

use super::fail::invalid_request;
use super::state::Client;
use crate::ids::secret;
use crate::wire::{Fail, Incoming, Json};
use crate::world::Everywhere;

/// The scopes that clients are known to ask for: the access portal, and what AWS's own tools take besides
/// (github.com/aws/aws-toolkit-vscode, `packages/core/src/auth/connection.ts`).
const SCOPES: &[&str] = &[
    ACCOUNT_ACCESS,
    "codewhisperer:analysis",
    "codewhisperer:completions",
    "codewhisperer:conversations",
    "codewhisperer:taskassist",
    "codewhisperer:transformations",
];

/// The scope of the access portal.
pub(super) const ACCOUNT_ACCESS: &str = "sso:account:access";
pub(super) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(super) const CODE: &str = "authorization_code";
pub(super) const REFRESH: &str = "refresh_token";

/// docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_RegisterClient.html
pub(super) fn register(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    let json = Json(&incoming.json);
    only(json, &["clientName", "clientType", "scopes", "grantTypes", "redirectUris", "issuerUrl"])?;
    let name = need(json, "clientName")?;
    if need(json, "clientType")? != "public" {
        return Err(Fail::new("InvalidClientMetadataException", "Invalid client type provided"));
    }
    let scopes = json.texts("scopes");
    if scopes.iter().any(|scope| !SCOPES.contains(scope)) {
        return Err(Fail::new("InvalidScopeException", "Invalid scope provided"));
    }
    let mut grants = json.texts("grantTypes");
    if grants.iter().any(|grant| ![DEVICE, CODE, REFRESH].contains(grant)) {
        return Err(unsupported_grant());
    }
    if grants.is_empty() {
        // The AWS CLI asks with a device and refreshes without having registered for it
        // (github.com/aws/aws-cli, `awscli/botocore/utils.py`, SSOTokenFetcher).
        grants = vec![DEVICE, REFRESH];
    }
    let redirects = json.texts("redirectUris");
    if redirects.iter().any(|uri| Redirect::of(uri).is_none()) {
        return Err(Fail::new("InvalidRedirectUriException", "Invalid redirect URI provided"));
    }
    if grants.contains(&CODE) && redirects.is_empty() {
        return Err(invalid_request("Missing redirect URI"));
    }
    let start_url = match json.text("issuerUrl") {
        None => None,
        Some(url) => {
            let mut portals = place.conditions.portals.iter();
            let portal = portals.find(|portal| portal.is_at(url) && portal.answers_in(place.region));
            Some(portal.ok_or_else(|| invalid_request("Invalid issuer URL provided"))?.start_url.clone())
        }
    };
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let client = Client {
        name: name.to_owned(),
        secret: place.conditions.secret(""),
        region: place.region.to_owned(),
        scopes: owned(scopes),
        grants: owned(grants),
        redirects: owned(redirects),
        start_url,
        ends: place.now.plus(place.conditions.client_registration),
    };
    let id = secret();
    let [issued, ends] =
        [place.now, client.ends].map(|moment| place.conditions.as_told(moment).millis() / 1000);
    let answer = json!({
        "clientId": id,
        "clientSecret": client.secret,
        "clientIdIssuedAt": issued,
        "clientSecretExpiresAt": ends,
        "authorizationEndpoint": format!("{}/authorize", incoming.origin),
        "tokenEndpoint": format!("{}/token", incoming.origin),
    });
    place.world.sso.clients.insert(id, client);
    Ok(answer)
}

/// The client that a request names, if it may have tokens this way.
pub(super) fn named<'p, 'j>(
    place: &'p Everywhere<'_>,
    json: Json<'j>,
    grant: &str,
) -> Result<(&'j str, &'p Client), Fail> {
    let (id, secret) = (need(json, "clientId")?, need(json, "clientSecret")?);
    let client = registered(place, id)?;
    if client.secret != secret {
        return Err(invalid_client());
    }
    if !client.grants.iter().any(|may| may == grant) {
        return Err(Fail::new("UnauthorizedClientException", "Client is not authorized for this grant type"));
    }
    Ok((id, client))
}

/// A client whose registration is not over, where it registered.
pub(super) fn registered<'a>(place: &'a Everywhere<'_>, id: &str) -> Result<&'a Client, Fail> {
    let client = place.world.sso.clients.get(id).filter(|client| client.ends > place.now);
    let here =
        |client: &&Client| [&client.region, place.region].contains(&"") || client.region == place.region;
    client.filter(here).ok_or_else(invalid_client)
}

/// The words: github.com/theurichde/go-aws-sso/issues/150.
fn invalid_client() -> Fail {
    Fail::new("InvalidClientException", "Invalid client provided").with_status(401)
}

pub(super) fn unsupported_grant() -> Fail {
    Fail::new("UnsupportedGrantTypeException", "Unsupported grant type provided")
}

pub(super) fn need<'a>(json: Json<'a>, name: &str) -> Result<&'a str, Fail> {
    json.text(name).ok_or_else(|| invalid_request(format!("Missing {name}")))
}

/// Refuses members that the sandbox does not act on.
pub(super) fn only(json: Json<'_>, known: &[&str]) -> Result<(), Fail> {
    let Some(members) = json.0.as_object() else { return Err(invalid_request("Invalid request")) };
    match members.iter().find(|(name, value)| !known.contains(&name.as_str()) && !value.is_null()) {
        Some((name, _)) => Err(invalid_request(format!("The sandbox does not act on {name}."))),
        None => Ok(()),
    }
}

/// Where a browser is sent back to: a program on this computer, which cannot say its port before it runs
/// (RFC 8252, section 7.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redirect<'a> {
    path: &'a str,
}

impl<'a> Redirect<'a> {
    /// `http://127.0.0.1/path`, with a port or without.
    pub(super) fn of(uri: &'a str) -> Option<Self> {
        let rest = uri.strip_prefix("http://127.0.0.1")?;
        let (port, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['#', '?', '\\']);
        ((port.is_empty() || is_port(port)) && plain).then_some(Self { path })
    }
}
