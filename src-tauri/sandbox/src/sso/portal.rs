//! The access portal: the accounts and roles of whoever signed in, and the roles' credentials.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fail::invalid_request;
use super::portals::{Portal, PortalAccount, PortalRole};
use super::token::current;
use crate::ids::hash;
use crate::temporary::{Origin, Temporary};
use crate::wire::{Fail, Incoming};
use crate::world::Everywhere;

/// The most items of a page, and what comes without a number.
const PAGE: usize = 100;

/// The portal that a request's token opens. The words: github.com/synfinatic/aws-sso-cli/issues/279.
fn opened<'a>(place: &Everywhere<'a>, incoming: &Incoming) -> Result<(&'a Portal, String), Fail> {
    let unauthorized =
        || Fail::new("UnauthorizedException", "Session token not found or invalid").with_status(401);
    let token = incoming.bearer.as_ref().ok_or_else(unauthorized)?;
    let (session, ends) = place.world.sso.access.get(token).ok_or_else(unauthorized)?;
    let (portal, _) = current(place, session).filter(|_| *ends > place.now).ok_or_else(unauthorized)?;
    Ok((portal, session.clone()))
}

/// docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_ListAccounts.html
pub(super) fn accounts(place: &Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    only(incoming, &["max_result", "next_token"])?;
    let (portal, _) = opened(place, incoming)?;
    let list = portal.accounts.iter().map(|account| {
        json!({ "accountId": account.id, "accountName": account.name, "emailAddress": account.email })
    });
    page(incoming, "accountList", list.collect())
}

/// docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_ListAccountRoles.html
pub(super) fn roles(place: &Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    only(incoming, &["account_id", "max_result", "next_token"])?;
    let id = need(&incoming.fields, "account_id")?;
    let (portal, _) = opened(place, incoming)?;
    let account = account(portal, id)?;
    let list = account.roles.iter().map(|role| json!({ "roleName": role.name, "accountId": account.id }));
    page(incoming, "roleList", list.collect())
}

/// docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
pub(super) fn credentials(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    only(incoming, &["account_id", "role_name"])?;
    let (id, name) = (need(&incoming.fields, "account_id")?, need(&incoming.fields, "role_name")?);
    let (portal, _) = opened(place, incoming)?;
    let account = account(portal, id)?;
    let role = account.roles.iter().find(|role| role.name == name).ok_or_else(forbidden)?;
    let session = Temporary::new(
        place.conditions,
        &account.id,
        (&reserved(account, role), &format!("AROA{:017X}", hash(&format!("{}/{name}", account.id)))),
        &portal.user,
        place.now.plus(portal.lifetimes.role_credentials),
        Origin::Portal { start_url: portal.start_url.clone(), role: role.name.clone() },
    );
    let given = place.world.credentials(place.conditions, session);
    Ok(json!({ "roleCredentials": {
        "accessKeyId": given.access_key,
        "secretAccessKey": given.secret_key,
        "sessionToken": given.session_token,
        "expiration": place.conditions.as_told(given.ends).millis(),
    } }))
}

/// docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_Logout.html: sessions of roles go on to their end.
pub(super) fn logout(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    only(incoming, &[])?;
    let (_, session) = opened(place, incoming)?;
    if let Some(sign_in) = place.world.sso.sign_ins.get_mut(&session) {
        sign_in.revoked = true;
    }
    Ok(json!({}))
}

/// The role's name in the account
/// (docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html).
fn reserved(account: &PortalAccount, role: &PortalRole) -> String {
    format!("AWSReservedSSO_{}_{:016x}", role.name, hash(&format!("{}/{}", account.id, role.name)))
}

/// What is not the user's is forbidden, whether it exists or not (github.com/aws/aws-sam-cli/issues/2129).
fn forbidden() -> Fail {
    Fail::new("ForbiddenException", "No access").with_status(403)
}

fn account<'a>(portal: &'a Portal, id: &str) -> Result<&'a PortalAccount, Fail> {
    if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid_request("Invalid account id"));
    }
    portal.accounts.iter().find(|account| account.id == id).ok_or_else(forbidden)
}

fn need<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Fail> {
    let field = fields.get(name).filter(|text| !text.is_empty());
    field.map(String::as_str).ok_or_else(|| invalid_request(format!("Missing {name}")))
}

/// Refuses parameters that the sandbox does not act on.
fn only(incoming: &Incoming, known: &[&str]) -> Result<(), Fail> {
    match incoming.fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid_request(format!("The sandbox does not act on {name}."))),
        None => Ok(()),
    }
}

fn page(incoming: &Incoming, name: &str, all: Vec<Value>) -> Result<Value, Fail> {
    let most = match incoming.fields.get("max_result") {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| (1..=PAGE).contains(most))
            .ok_or_else(|| invalid_request("max_result must be between 1 and 100"))?,
    };
    let from: usize = match incoming.fields.get("next_token") {
        None => 0,
        Some(token) => token.parse().map_err(|_| invalid_request("Invalid next token"))?,
    };
    let until = all.len().min(from.saturating_add(most));
    let next = (until < all.len()).then(|| until.to_string());
    Ok(json!({ name: all.get(from..until).unwrap_or_default(), "nextToken": next }))
}
