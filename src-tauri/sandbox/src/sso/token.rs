//! Tokens: for a device that is allowed, for a code, and for an older token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::{self, CODE, DEVICE, REFRESH, need, only};
use super::device;
use super::fail::{invalid_grant, invalid_request};
use super::portals::Portal;
use super::state::{Answer, Client, SignIn};
use crate::ids::secret;
use crate::wire::{Fail, Incoming, Json};
use crate::world::Everywhere;

/// docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html
pub(super) fn create(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    let json = Json(&incoming.json);
    // "scope" has no effect, as documented.
    only(
        json,
        &[
            "clientId",
            "clientSecret",
            "grantType",
            "deviceCode",
            "code",
            "refreshToken",
            "scope",
            "redirectUri",
            "codeVerifier",
        ],
    )?;
    let grant = need(json, "grantType")?;
    if ![DEVICE, CODE, REFRESH].contains(&grant) {
        return Err(client::unsupported_grant());
    }
    let (id, client) = client::named(place, json, grant)?;
    let client = client.clone();
    match grant {
        DEVICE => for_device(place, json, id, &client),
        CODE => for_code(place, json, id, &client),
        _ => refresh(place, json, id, &client),
    }
}

fn for_device(place: &mut Everywhere<'_>, json: Json<'_>, id: &str, client: &Client) -> Result<Value, Fail> {
    let code = need(json, "deviceCode")?;
    let device = device::ask(place, id, code)?;
    if let Some(device) = place.world.sso.devices.get_mut(code) {
        device.answer = Answer::Used;
    }
    sign_in(place, &device.start_url, id, client)
}

/// A code works once, for the client and the address that it was made for, and with the verifier of its challenge (RFC 6749,
/// section 5.2; RFC 7636, section 4.6).
fn for_code(place: &mut Everywhere<'_>, json: Json<'_>, id: &str, client: &Client) -> Result<Value, Fail> {
    let [name, redirect, verifier] = ["code", "redirectUri", "codeVerifier"].map(|member| need(json, member));
    let (name, redirect, verifier) = (name?, redirect?, verifier?);
    let is_verifier = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_verifier) {
        return Err(invalid_request("Invalid code verifier provided"));
    }
    let code = place.world.sso.codes.get(name).filter(|code| code.client == id && code.ends > place.now);
    let code = code.ok_or_else(|| invalid_grant("authorization code"))?.clone();
    if code.redirect != redirect {
        return Err(invalid_grant("redirect URI"));
    }
    if BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != code.challenge {
        return Err(invalid_grant("code verifier"));
    }
    place.world.sso.codes.remove(name);
    sign_in(place, &code.start_url, id, client)
}

/// A refresh token is over with the sign-in it comes from (github.com/aws/aws-cli/issues/8561), also when that was ended.
fn refresh(place: &mut Everywhere<'_>, json: Json<'_>, id: &str, client: &Client) -> Result<Value, Fail> {
    let token = need(json, "refreshToken")?;
    let fail = || invalid_grant("refresh token");
    let session = place.world.sso.refresh.get(token).ok_or_else(fail)?.clone();
    let portal = current(place, &session).filter(|(_, sign_in)| sign_in.client == id).ok_or_else(fail)?.0;
    if portal.refresh_once {
        place.world.sso.refresh.remove(token);
    }
    tokens(place, portal, session, client)
}

fn sign_in(place: &mut Everywhere<'_>, start_url: &str, id: &str, client: &Client) -> Result<Value, Fail> {
    let mut portals = place.conditions.portals.iter();
    let portal =
        portals.find(|portal| portal.start_url == start_url).ok_or_else(|| invalid_grant("grant"))?;
    let session = secret();
    let sign_in = SignIn {
        start_url: start_url.to_owned(),
        client: id.to_owned(),
        ends: place.now.plus(portal.lifetimes.refresh_token),
        revoked: false,
    };
    place.world.sso.sign_ins.insert(session.clone(), sign_in);
    tokens(place, portal, session, client)
}

/// A sign-in that is neither over nor ended, and its portal.
pub(super) fn current<'a>(place: &Everywhere<'a>, session: &str) -> Option<(&'a Portal, SignIn)> {
    let sign_in = place.world.sso.sign_ins.get(session)?;
    let mut portals = place.conditions.portals.iter();
    let portal = portals.find(|portal| portal.start_url == sign_in.start_url)?;
    let good = !sign_in.revoked && sign_in.ends > place.now && portal.answers_in(place.region);
    good.then(|| (portal, sign_in.clone()))
}

/// New tokens of a sign-in. A client without the scope gets an access token for all of its time instead of one to refresh
/// (docs.aws.amazon.com/cli/latest/userguide/sso-configure-profile-legacy.html).
fn tokens(
    place: &mut Everywhere<'_>,
    portal: &Portal,
    session: String,
    client: &Client,
) -> Result<Value, Fail> {
    let (_, sign_in) = current(place, &session).ok_or_else(|| invalid_grant("grant"))?;
    let (access, may_refresh) = (place.conditions.secret(""), client.may_refresh());
    let rest = sign_in.ends.since(place.now);
    let lasts = if may_refresh { portal.lifetimes.access_token.min(rest) } else { rest };
    let mut answer = json!({ "accessToken": access, "tokenType": "Bearer", "expiresIn": lasts.as_secs() });
    if may_refresh {
        let token = place.conditions.secret("");
        answer["refreshToken"] = json!(token);
        place.world.sso.refresh.insert(token, session.clone());
    }
    place.world.sso.access.insert(access, (session, place.now.plus(lasts)));
    Ok(answer)
}
