//! Signing in with a browser that comes back.

use super::*;
use crate::Consent;

/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const BACK: &str = "http://127.0.0.1:53682/oauth/callback";

/// The page's address with some parameters changed.
pub(super) fn page(lab: &Lab, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", lab.id.as_str()),
        ("redirect_uri", BACK),
        ("state", "a state/with+all=kinds&of"),
        ("code_challenge_method", "S256"),
        ("scopes", "sso:account:access"),
        ("code_challenge", CHALLENGE),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("/authorize?{query}")
}

/// A parameter of the address that the browser comes back to.
pub(super) fn parameter(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').unwrap();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn exchange(lab: &Lab, code: &str, changes: Value) -> Heard {
    let mut request = lab.own(json!({
        "grantType": CODE, "code": code, "redirectUri": BACK, "codeVerifier": VERIFIER,
    }));
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    lab.post("/token", &request).await
}

fn allowed(lab: &Lab) -> String {
    let back = lab.sandbox.allow_authorization(&page(lab, &[])).unwrap();
    assert!(back.starts_with(&format!("{BACK}?code=")), "{back}");
    assert_eq!(parameter(&back, "state"), "a state/with+all=kinds&of", "it comes back untouched");
    parameter(&back, "code")
}

#[tokio::test]
async fn a_code_becomes_tokens_once() {
    let lab = Lab::new().await;
    let code = allowed(&lab);
    let tokens = exchange(&lab, &code, json!({})).await;
    assert_eq!(tokens.json()["expiresIn"], 3600);
    assert_eq!(lab.ask("/assignment/accounts", &tokens.get("accessToken")).await.status, 200);
    assert_eq!(lab.refresh(&tokens.get("refreshToken")).await.status, 200);
    assert_eq!(exchange(&lab, &code, json!({})).await.kind(), "InvalidGrantException");
}

#[tokio::test]
async fn a_code_is_for_its_client_its_address_and_its_verifier() {
    let lab = Lab::new().await;
    let other = lab.clone().registered(&registration()).await;
    let code = allowed(&lab);
    let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl";
    for (changes, kind) in [
        (json!({ "codeVerifier": wrong }), "InvalidGrantException"),
        (json!({ "codeVerifier": CHALLENGE }), "InvalidGrantException"),
        (json!({ "codeVerifier": "short" }), "InvalidRequestException"),
        (json!({ "codeVerifier": null }), "InvalidRequestException"),
        (json!({ "redirectUri": "http://127.0.0.1:53683/oauth/callback" }), "InvalidGrantException"),
        (json!({ "redirectUri": null }), "InvalidRequestException"),
        (json!({ "code": "another" }), "InvalidGrantException"),
        (json!({ "code": null }), "InvalidRequestException"),
        (json!({ "clientId": other.id, "clientSecret": other.secret }), "InvalidGrantException"),
    ] {
        let answer = exchange(&lab, &code, changes.clone()).await;
        assert_eq!((answer.kind(), answer.status), (kind, 400), "{changes}");
    }
    assert_eq!(exchange(&lab, &code, json!({})).await.status, 200, "the code was not used by that");
    let late = allowed(&lab);
    lab.sandbox.advance(seconds(60));
    assert_eq!(exchange(&lab, &late, json!({})).await.kind(), "InvalidGrantException");
}

#[tokio::test]
async fn the_user_may_say_no() {
    let lab = Lab::new().await;
    let back = lab.sandbox.deny_authorization(&page(&lab, &[])).unwrap();
    assert_eq!(parameter(&back, "error"), "access_denied");
    assert_eq!(parameter(&back, "state"), "a state/with+all=kinds&of");
    for (consent, name) in [(Consent::Allow, "code"), (Consent::Deny, "error")] {
        lab.portal(|portal| portal.consent = consent);
        let answer = lab.get(&page(&lab, &[])).await;
        assert_eq!(answer.status, 302);
        assert!(!parameter(answer.header("location"), name).is_empty());
    }
}

#[tokio::test]
async fn the_page_sends_nobody_to_an_address_that_was_not_registered() {
    let lab = Lab::new().await;
    let other = lab.clone().registered(&json!({ "clientName": "old", "clientType": "public" })).await;
    for (name, value, kind, status) in [
        ("redirect_uri", "http://127.0.0.1/oauth/callback", "", 200),
        ("redirect_uri", "http://127.0.0.1:1/other", "InvalidRedirectUriException", 400),
        ("redirect_uri", "http://127.0.0.1:99999/oauth/callback", "InvalidRedirectUriException", 400),
        ("redirect_uri", "http://127.0.0.1:1/oauth/callback?x=1", "InvalidRedirectUriException", 400),
        ("redirect_uri", "http://127.0.0.1.example/oauth/callback", "InvalidRedirectUriException", 400),
        ("redirect_uri", "http://127.0.0.1@example.com/oauth/callback", "InvalidRedirectUriException", 400),
        ("redirect_uri", "https://127.0.0.1/oauth/callback", "InvalidRedirectUriException", 400),
        ("redirect_uri", "", "InvalidRequestException", 400),
        ("client_id", "nobody", "InvalidClientException", 401),
        ("client_id", &other.id, "InvalidRedirectUriException", 400),
        ("response_type", "token", "InvalidRequestException", 400),
        ("code_challenge_method", "plain", "InvalidRequestException", 400),
        ("code_challenge", "", "InvalidRequestException", 400),
        ("code_challenge", "short", "InvalidRequestException", 400),
        ("state", "", "InvalidRequestException", 400),
        ("scopes", "sso:account:access admin", "InvalidScopeException", 400),
        ("scopes", "", "", 200),
    ] {
        let answer = lab.get(&page(&lab, &[(name, value)])).await;
        assert_eq!((answer.kind(), answer.status), (kind, status), "{name}={value}");
        assert_eq!(answer.header("location"), "");
        let url = page(&lab, &[(name, value)]);
        assert_eq!(lab.sandbox.allow_authorization(&url).is_some(), status == 200, "{name}={value}");
    }
}
