//! Signing in with a code on another screen, and what becomes of the tokens.

use super::*;
use crate::Consent;

#[tokio::test]
async fn a_client_registers_for_ninety_days() {
    let lab = Lab::bare(|_| {});
    let answer = lab.post("/client/register", &registration()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let json = answer.json();
    let issued = json["clientIdIssuedAt"].as_u64().unwrap();
    assert_eq!(issued, lab.sandbox.now().millis() / 1000);
    assert_eq!(json["clientSecretExpiresAt"].as_u64().unwrap() - issued, 90 * 24 * 3600);
    assert_eq!(json["authorizationEndpoint"], format!("{OIDC}/authorize"));
    assert_eq!(json["tokenEndpoint"], format!("{OIDC}/token"));

    let lab = lab.registered(&json!({ "clientName": "old", "clientType": "public" })).await;
    assert_eq!(lab.start().await.status, 200, "without grant types a client asks with a device");
}

#[tokio::test]
async fn a_device_waits_for_its_user_and_has_tokens_then() {
    let lab = Lab::new().await;
    let device = lab.start().await;
    let json = device.json();
    let (code, user) = (device.get("deviceCode"), device.get("userCode"));
    assert_eq!((json["expiresIn"].as_u64(), json["interval"].as_u64()), (Some(600), Some(1)));
    assert_eq!(json["verificationUri"], format!("{OIDC}/device"));
    assert_eq!(json["verificationUriComplete"], format!("{OIDC}/device?user_code={user}"));
    assert!(user.len() == 9 && user.as_bytes()[4] == b'-', "{user}");
    assert_eq!(lab.sandbox.pending_devices(), std::slice::from_ref(&user));

    let pending = lab.poll(&code).await;
    assert_eq!(pending.status, 400);
    assert_eq!(
        pending.header("x-amzn-errortype"),
        "AuthorizationPendingException:http://internal.amazon.com/coral/com.amazonaws.sso.oidc/"
    );
    assert_eq!(
        pending.json(),
        json!({ "error": "authorization_pending", "error_description": "Authorization is still pending" })
    );
    assert!(lab.sandbox.allow_device(&user));
    assert!(!lab.sandbox.allow_device(&user), "once is enough");
    let tokens = lab.poll(&code).await.json();
    assert_eq!((tokens["tokenType"].as_str(), tokens["expiresIn"].as_u64()), (Some("Bearer"), Some(3600)));
    assert!(tokens["refreshToken"].is_string());
    assert_eq!(lab.poll(&code).await.kind(), "InvalidGrantException", "the code is used");
    let log = format!("{:?}", lab.sandbox.calls());
    let secrets = [&code, &user, &lab.secret, tokens["accessToken"].as_str().unwrap()];
    assert!(secrets.iter().all(|secret| !log.contains(*secret)));
    assert!(lab.sandbox.calls().iter().all(|call| call.caller.is_none() && !call.changes()));
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits_five_seconds_longer() {
    let lab = Lab::new().await;
    let code = lab.start().await.get("deviceCode");
    for (after, kind) in [
        (0, "AuthorizationPendingException"),
        (1, "AuthorizationPendingException"),
        (0, "SlowDownException"),
        (5, "SlowDownException"),
        (11, "AuthorizationPendingException"),
        (10, "SlowDownException"),
    ] {
        lab.sandbox.advance(seconds(after));
        let answer = lab.poll(&code).await;
        assert_eq!((answer.kind(), answer.status), (kind, 400), "after {after} s");
        assert!(kind != "SlowDownException" || answer.json()["error"] == "slow_down");
    }
}

#[tokio::test]
async fn a_device_can_be_denied_and_forgotten() {
    let lab = Lab::new().await;
    let device = lab.start().await;
    assert!(lab.sandbox.deny_device(&device.get("userCode")));
    let answer = lab.poll(&device.get("deviceCode")).await;
    assert_eq!((answer.kind(), answer.status), ("AccessDeniedException", 400));
    assert_eq!(answer.json()["error"], "access_denied");

    let device = lab.start().await;
    lab.sandbox.advance(seconds(600));
    let answer = lab.poll(&device.get("deviceCode")).await;
    assert_eq!((answer.kind(), answer.status), ("ExpiredTokenException", 400));
    assert_eq!(answer.json()["error"], "expired_token");
    assert!(lab.sandbox.pending_devices().is_empty());
    assert!(!lab.sandbox.allow_device(&device.get("userCode")));

    for (consent, kind) in [(Consent::Allow, ""), (Consent::Deny, "AccessDeniedException")] {
        lab.portal(|portal| portal.consent = consent);
        let code = lab.start().await.get("deviceCode");
        assert_eq!(lab.poll(&code).await.kind(), kind);
    }
}

#[tokio::test]
async fn an_access_token_is_refreshed_until_the_sign_in_is_over() {
    let lab = Lab::new().await;
    let first = lab.sign_in().await;
    lab.sandbox.advance(seconds(3600));
    assert_eq!(
        lab.ask("/assignment/accounts", &first.get("accessToken")).await.kind(),
        "UnauthorizedException"
    );
    let second = lab.refresh(&first.get("refreshToken")).await;
    assert_eq!(lab.ask("/assignment/accounts", &second.get("accessToken")).await.status, 200);
    let again = lab.refresh(&first.get("refreshToken")).await;
    assert_eq!((again.kind(), again.status), ("InvalidGrantException", 400));
    assert_eq!(
        again.json(),
        json!({ "error": "invalid_grant", "error_description": "Invalid refresh token provided" })
    );
    lab.portal(|portal| portal.refresh_once = false);
    let third = lab.refresh(&second.get("refreshToken")).await;
    assert_eq!(lab.refresh(&second.get("refreshToken")).await.status, 200, "it may be used again here");

    // What is left of the sign-in is less than an access token's time.
    lab.sandbox.advance(seconds(6 * 3600 + 1800));
    let last = lab.refresh(&third.get("refreshToken")).await;
    assert_eq!(last.json()["expiresIn"], 1800);
    lab.sandbox.advance(seconds(1800));
    assert_eq!(lab.refresh(&last.get("refreshToken")).await.kind(), "InvalidGrantException");
}

#[tokio::test]
async fn a_client_without_the_scope_has_one_token_for_the_whole_time() {
    let lab = Lab::bare(|_| {}).registered(&json!({ "clientName": "old", "clientType": "public" })).await;
    let tokens = lab.sign_in().await;
    assert!(tokens.json().get("refreshToken").is_none());
    assert_eq!(tokens.json()["expiresIn"], 8 * 3600);
    lab.sandbox.advance(seconds(8 * 3600 - 1));
    assert_eq!(lab.ask("/assignment/accounts", &tokens.get("accessToken")).await.status, 200);
    lab.sandbox.advance(seconds(1));
    assert_eq!(lab.ask("/assignment/accounts", &tokens.get("accessToken")).await.status, 401);
}

#[tokio::test]
async fn lifetimes_can_be_set() {
    let lab = Lab::with(|conditions| {
        conditions.client_registration = seconds(100);
        let lifetimes = &mut conditions.portals[0].lifetimes;
        (lifetimes.device_code, lifetimes.interval) = (seconds(30), seconds(7));
        (lifetimes.access_token, lifetimes.refresh_token) = (seconds(20), seconds(60));
    })
    .await;
    let device = lab.start().await.json();
    assert_eq!((device["expiresIn"].as_u64(), device["interval"].as_u64()), (Some(30), Some(7)));
    assert_eq!(lab.sign_in().await.json()["expiresIn"], 20);
    lab.sandbox.advance(seconds(100));
    let answer = lab.start().await;
    assert_eq!((answer.kind(), answer.status), ("InvalidClientException", 401));
    assert_eq!(
        answer.json(),
        json!({ "error": "invalid_client", "error_description": "Invalid client provided" })
    );
}
