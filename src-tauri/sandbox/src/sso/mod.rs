//! IAM Identity Center: signing in (the OIDC service with its pages) and what whoever signed in may use (the access portal).
//!
//! docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference, docs.aws.amazon.com/singlesignon/latest/PortalAPIReference

mod authorize;
mod client;
mod device;
mod fail;
mod helpers;
mod pages;
mod portal;
mod portals;
mod state;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use fail::shape;
pub(crate) use pages::refusal;
pub use portals::{Consent, Lifetimes, Portal, PortalAccount, PortalRole};
pub(crate) use state::Sso;

use crate::wire::{Fail, Incoming, Reply, Service};
use crate::world::Everywhere;

/// Methods and paths of both services. The pages are AWS's console's, which is documented for its users only; they take the
/// parameters that AWS's own clients give them (github.com/aws/aws-cli, `awscli/botocore/utils.py`).
const OPERATIONS: &[(Service, &str, &str, &str)] = &[
    (Service::SsoOidc, "POST", "/client/register", "RegisterClient"),
    (Service::SsoOidc, "POST", "/device_authorization", "StartDeviceAuthorization"),
    (Service::SsoOidc, "POST", "/token", "CreateToken"),
    (Service::SsoOidc, "GET", "/authorize", "ShowAuthorization"),
    (Service::SsoOidc, "POST", "/authorize", "AnswerAuthorization"),
    (Service::SsoOidc, "GET", "/device", "ShowDevice"),
    (Service::SsoOidc, "POST", "/device", "AnswerDevice"),
    (Service::Sso, "GET", "/assignment/accounts", "ListAccounts"),
    (Service::Sso, "GET", "/assignment/roles", "ListAccountRoles"),
    (Service::Sso, "GET", "/federation/credentials", "GetRoleCredentials"),
    (Service::Sso, "POST", "/logout", "Logout"),
];

/// The service that an unsigned request is for: by AWS's own host names, else by the path.
pub(crate) fn service(host: &str, path: &str) -> Option<Service> {
    if host.starts_with("oidc.") {
        return Some(Service::SsoOidc);
    }
    if host.starts_with("portal.sso.") {
        return Some(Service::Sso);
    }
    OPERATIONS.iter().find(|(_, _, known, _)| *known == path).map(|(service, ..)| *service)
}

/// The region in a host name of AWS's; empty when there is none, as on this computer.
pub(crate) fn region(host: &str) -> String {
    let rest = host.strip_prefix("oidc.").or_else(|| host.strip_prefix("portal.sso.")).unwrap_or_default();
    let region = rest.split('.').next().unwrap_or_default();
    if crate::ec2::has_region(region) { region.to_owned() } else { String::new() }
}

/// The operation that a request asks for.
pub(crate) fn operation(service: Service, method: &str, path: &str, with_iam: bool) -> Option<&'static str> {
    let found = OPERATIONS.iter().find(|(of, by, at, _)| *of == service && *by == method && *at == path);
    match found.map(|(.., operation)| *operation) {
        Some("CreateToken") if with_iam => Some("CreateTokenWithIAM"),
        found => found,
    }
}

/// Whether the operation is one for a browser.
pub(crate) fn is_page(operation: &str) -> bool {
    operation.starts_with("Show") || operation.starts_with("Answer")
}

/// Does one call. These services know the client by its secret and the user by a token, so there is no caller.
pub(crate) fn call(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Reply, Fail> {
    match incoming.operation.as_str() {
        "RegisterClient" => client::register(place, incoming).map(Reply::Json),
        "StartDeviceAuthorization" => device::start(place, incoming).map(Reply::Json),
        "CreateToken" => token::create(place, incoming).map(Reply::Json),
        "ShowAuthorization" => authorize::show(place, &incoming.fields),
        "AnswerAuthorization" => authorize::answer(place, &incoming.fields),
        "ShowDevice" => device::show(place, &incoming.fields),
        "AnswerDevice" => device::answer(place, &incoming.fields),
        "ListAccounts" => portal::accounts(place, incoming).map(Reply::Json),
        "ListAccountRoles" => portal::roles(place, incoming).map(Reply::Json),
        "GetRoleCredentials" => portal::credentials(place, incoming).map(Reply::Json),
        "Logout" => portal::logout(place, incoming).map(Reply::Json),
        other => {
            let message = format!("The sandbox has no operation {other} in IAM Identity Center.");
            Err(Fail::new("UnsupportedOperation", message))
        }
    }
}
