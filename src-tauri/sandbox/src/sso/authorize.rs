//! A browser asks the user and brings the client a code (RFC 6749, section 4.1, with RFC 7636).

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::client::{self, CODE, Redirect};
use super::fail::invalid_request;
use super::pages::{self, Choice};
use super::portals::{Consent, Portal};
use super::state::{Client, Code};
use crate::wire::{Fail, Reply};
use crate::world::Everywhere;

type Fields = BTreeMap<String, String>;

/// The parameters of the page, which its form carries on.
const PARAMETERS: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge_method",
    "scopes",
    "code_challenge",
];

/// What a client wants.
struct Wish<'a> {
    id: &'a str,
    client: &'a Client,
    portal: &'a Portal,
    redirect: &'a str,
    state: &'a str,
    challenge: &'a str,
}

/// The page that asks.
pub(super) fn show(place: &mut Everywhere<'_>, fields: &Fields) -> Result<Reply, Fail> {
    let wish = wish(place, fields)?;
    let choice = match wish.portal.consent {
        Consent::Ask => None,
        Consent::Allow => Some(Choice::Allow),
        Consent::Deny => Some(Choice::Deny),
    };
    if let Some(choice) = choice {
        return decide(place, fields, choice).map(Reply::Redirect);
    }
    let text = format!("{} asks for access to {}.", wish.client.name, wish.portal.start_url);
    let known = PARAMETERS.iter().filter_map(|name| Some((*name, fields.get(*name)?.as_str())));
    let page = pages::ask(place.conditions, "/authorize", &text, &known.collect::<Vec<_>>());
    Ok(Reply::Page(page))
}

/// What the user said on the page.
pub(super) fn answer(place: &mut Everywhere<'_>, fields: &Fields) -> Result<Reply, Fail> {
    let choice = Choice::of(place.conditions, fields)?;
    decide(place, fields, choice).map(Reply::Redirect)
}

/// Answers for the user: where the browser goes then.
pub(super) fn decide(place: &mut Everywhere<'_>, fields: &Fields, choice: Choice) -> Result<String, Fail> {
    let wish = wish(place, fields)?;
    let state = utf8_percent_encode(wish.state, NON_ALPHANUMERIC).to_string();
    let redirect = wish.redirect.to_owned();
    if choice == Choice::Deny {
        return Ok(format!("{redirect}?error=access_denied&state={state}"));
    }
    let code = Code {
        client: wish.id.to_owned(),
        start_url: wish.portal.start_url.clone(),
        redirect: redirect.clone(),
        challenge: wish.challenge.to_owned(),
        ends: place.now.plus(wish.portal.lifetimes.authorization_code),
    };
    let name = place.conditions.secret("");
    place.world.sso.codes.insert(name.clone(), code);
    Ok(format!("{redirect}?code={name}&state={state}"))
}

/// Whoever is wrong about the client or the address is told so here and never sent on (RFC 6749, section 4.1.2.1); the sandbox
/// does so with every other mistake, too, so that it is seen.
fn wish<'a>(place: &'a Everywhere<'_>, fields: &'a Fields) -> Result<Wish<'a>, Fail> {
    let need = |name: &str| {
        let field = fields.get(name).filter(|text| !text.is_empty());
        field.map(String::as_str).ok_or_else(|| invalid_request(format!("Missing {name}")))
    };
    let id = need("client_id")?;
    let client = client::registered(place, id)?;
    let redirect = need("redirect_uri")?;
    let registered = client.redirects.iter().map(|uri| Redirect::of(uri));
    let wanted = Redirect::of(redirect);
    if wanted.is_none() || !registered.into_iter().any(|known| known == wanted) {
        return Err(Fail::new("InvalidRedirectUriException", "Invalid redirect URI provided"));
    }
    if !client.grants.iter().any(|grant| grant == CODE) {
        return Err(Fail::new("UnauthorizedClientException", "Client is not authorized for this grant type"));
    }
    if need("response_type")? != "code" || need("code_challenge_method")? != "S256" {
        return Err(invalid_request("Only response_type code with code_challenge_method S256 is supported"));
    }
    let challenge = need("code_challenge")?;
    if challenge.len() != 43 {
        return Err(invalid_request("Invalid code_challenge"));
    }
    let scopes = fields.get("scopes").map_or("", String::as_str);
    if scopes.split_whitespace().any(|scope| !client.scopes.iter().any(|known| known == scope)) {
        return Err(Fail::new("InvalidScopeException", "Invalid scope provided"));
    }
    let mut portals = place.conditions.portals.iter();
    let own = |portal: &&Portal| client.start_url.as_ref() == Some(&portal.start_url);
    let portal =
        portals.find(own).ok_or_else(|| invalid_request("The client has registered no issuer URL"))?;
    Ok(Wish { id, client, portal, redirect, state: need("state")?, challenge })
}
