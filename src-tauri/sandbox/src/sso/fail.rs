//! How both services refuse.

use serde_json::{Value, json};

use crate::wire::{Fail, Service};

/// `x-amzn-errortype` and the body.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) kind: String,
    pub(crate) body: Value,
}

/// A refusal as it goes over the wire.
///
/// The OIDC service answers OAuth's members, of which `error` is documented with each exception
/// (docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html) and header and words are seen
/// (github.com/boto/boto3/issues/3891); the portal answers `message` and a type with a namespace
/// (github.com/synfinatic/aws-sso-cli/issues/279).
pub(crate) fn shape(service: Service, fail: &Fail) -> Shape {
    let (code, message) = (&fail.code, &fail.message);
    if service == Service::Sso {
        let namespace = "com.amazonaws.switchboard.portal";
        let kind = format!("{code}:http://internal.amazon.com/coral/{namespace}/");
        return Shape { kind, body: json!({ "message": message, "__type": format!("{namespace}#{code}") }) };
    }
    let error = match code.as_ref() {
        "AuthorizationPendingException" => "authorization_pending",
        "SlowDownException" => "slow_down",
        "ExpiredTokenException" => "expired_token",
        "AccessDeniedException" => "access_denied",
        "InvalidGrantException" => "invalid_grant",
        "InvalidClientException" => "invalid_client",
        "InvalidClientMetadataException" => "invalid_client_metadata",
        "InvalidRedirectUriException" => "invalid_redirect_uri",
        "InvalidScopeException" => "invalid_scope",
        "UnauthorizedClientException" => "unauthorized_client",
        "UnsupportedGrantTypeException" => "unsupported_grant_type",
        "InternalServerException" => "server_error",
        _ => "invalid_request",
    };
    let kind = format!("{code}:http://internal.amazon.com/coral/com.amazonaws.sso.oidc/");
    Shape { kind, body: json!({ "error": error, "error_description": message }) }
}

pub(super) fn invalid_request(message: impl Into<String>) -> Fail {
    Fail::new("InvalidRequestException", message)
}

/// The words: github.com/aws/aws-cli/issues/8561 (refreshing after the session's end), github.com/aws/aws-cli/issues/5058.
pub(super) fn invalid_grant(what: &str) -> Fail {
    Fail::new("InvalidGrantException", format!("Invalid {what} provided"))
}
