//! What the OIDC service refuses, and how faults meet it.

use super::*;
use crate::{Fault, Rule, When};

#[tokio::test]
async fn what_registering_refuses() {
    let lab = Lab::bare(|_| {});
    for (name, value, kind) in [
        ("clientName", Value::Null, "InvalidRequestException"),
        ("clientType", Value::Null, "InvalidRequestException"),
        ("clientType", json!("confidential"), "InvalidClientMetadataException"),
        ("scopes", json!(["sso:account:access", "admin"]), "InvalidScopeException"),
        ("grantTypes", json!(["password"]), "UnsupportedGrantTypeException"),
        ("redirectUris", json!(["https://example.com/callback"]), "InvalidRedirectUriException"),
        ("redirectUris", json!(["http://localhost/oauth/callback"]), "InvalidRedirectUriException"),
        ("redirectUris", json!([]), "InvalidRequestException"),
        ("issuerUrl", json!("https://other.awsapps.com/start"), "InvalidRequestException"),
        ("issuerUrl", json!("https://holdfast.awsapps.com/start/#/"), ""),
        (
            "entitledApplicationArn",
            json!("arn:aws:sso::123456789012:application/x"),
            "InvalidRequestException",
        ),
    ] {
        let mut request = registration();
        request[name] = value;
        let answer = lab.post("/client/register", &request).await;
        assert_eq!(answer.kind(), kind, "{request}");
        assert_eq!(answer.status, if kind.is_empty() { 200 } else { 400 });
        let error = match kind {
            "InvalidClientMetadataException" => "invalid_client_metadata",
            "InvalidScopeException" => "invalid_scope",
            "UnsupportedGrantTypeException" => "unsupported_grant_type",
            "InvalidRedirectUriException" => "invalid_redirect_uri",
            _ => "invalid_request",
        };
        assert!(kind.is_empty() || answer.json()["error"] == error, "{}", answer.body);
    }
}

#[tokio::test]
async fn what_starting_and_asking_refuse() {
    let lab = Lab::new().await;
    let code = lab.start().await.get("deviceCode");
    let other = lab.clone().registered(&registration()).await;
    let narrow = json!({ "clientName": "n", "clientType": "public", "grantTypes": [REFRESH] });
    let narrow = lab.clone().registered(&narrow).await;
    let device = |members: Value| {
        let mut request = lab.own(json!({ "grantType": DEVICE, "deviceCode": code }));
        for (name, value) in members.as_object().unwrap() {
            request[name] = value.clone();
        }
        ("/token", request)
    };
    let start = |lab: &Lab, url: &str| ("/device_authorization", lab.own(json!({ "startUrl": url })));
    let mut no_url = start(&lab, START);
    no_url.1.as_object_mut().unwrap().remove("startUrl");
    for ((path, request), kind, status) in [
        (start(&lab, "https://other.awsapps.com/start"), "InvalidRequestException", 400),
        (no_url, "InvalidRequestException", 400),
        (start(&narrow, START), "UnauthorizedClientException", 400),
        (device(json!({ "clientId": "nobody" })), "InvalidClientException", 401),
        (device(json!({ "clientSecret": "wrong" })), "InvalidClientException", 401),
        (device(json!({ "clientSecret": null })), "InvalidRequestException", 400),
        (
            device(json!({ "clientId": narrow.id, "clientSecret": narrow.secret })),
            "UnauthorizedClientException",
            400,
        ),
        (device(json!({ "clientId": other.id, "clientSecret": other.secret })), "InvalidGrantException", 400),
        (device(json!({ "deviceCode": "another" })), "InvalidGrantException", 400),
        (device(json!({ "deviceCode": null })), "InvalidRequestException", 400),
        (device(json!({ "grantType": "password" })), "UnsupportedGrantTypeException", 400),
        (device(json!({ "grantType": null })), "InvalidRequestException", 400),
        (device(json!({ "assertion": "x" })), "InvalidRequestException", 400),
        (device(json!({ "scope": ["sso:account:access"] })), "AuthorizationPendingException", 400),
    ] {
        let answer = lab.post(path, &request).await;
        assert_eq!((answer.kind(), answer.status), (kind, status), "{path} {request}");
        assert!(answer.json()["error_description"].is_string());
    }
    let token = lab.sign_in().await.get("refreshToken");
    assert_eq!(other.refresh(&token).await.kind(), "InvalidGrantException", "another client's");
    let iam = lab.post("/token?aws_iam=t", &json!({})).await;
    assert_eq!(iam.header("x-amzn-errortype").split(':').next(), Some("UnsupportedOperation"));
    let broken = lab.send(Method::POST, &format!("{OIDC}/token"), None, "{".to_owned()).await;
    assert_eq!(broken.kind(), "InvalidRequestException");
    assert_eq!(lab.get("/token").await.kind(), "UnknownOperationException");
}

#[tokio::test]
async fn a_portal_answers_in_its_region_only() {
    let lab = Lab::bare(|_| {});
    let there = "https://oidc.eu-central-1.amazonaws.com";
    let post = async |path: &str, body: Value| {
        lab.send(Method::POST, &format!("{there}{path}"), None, body.to_string()).await
    };
    assert_eq!(post("/client/register", registration()).await.kind(), "InvalidRequestException");
    let client = post("/client/register", json!({ "clientName": "n", "clientType": "public" })).await;
    let lab = Lab { id: client.get("clientId"), secret: client.get("clientSecret"), ..lab.clone() };
    assert_eq!(lab.start().await.kind(), "InvalidClientException", "it registered elsewhere");
    let request = lab.own(json!({ "startUrl": START })).to_string();
    let url = format!("{there}/device_authorization");
    let device = lab.send(Method::POST, &url, None, request).await;
    assert_eq!(device.status, 200, "AWS does not notice it before the page: {}", device.body);
    let shown = lab.send(Method::GET, &device.get("verificationUriComplete"), None, String::new()).await;
    assert!(shown.status == 400 && shown.body.contains("Invalid grant provided"), "{}", shown.body);
    assert!(!lab.sandbox.allow_device(&device.get("userCode")));
}

#[tokio::test]
async fn faults_meet_these_services_too() {
    let lab = Lab::new().await;
    let device = lab.start().await;
    let token = lab.sign_in().await.get("accessToken");
    let every = |service, operation| Rule::on(service, operation, When::Nth(1), Fault::Throttle);
    lab.sandbox.fault(every(Service::SsoOidc, "CreateToken"));
    lab.sandbox.fault(every(Service::Sso, "ListAccounts"));
    let answer = lab.poll(&device.get("deviceCode")).await;
    assert_eq!((answer.kind(), answer.status), ("SlowDownException", 400));
    let answer = lab.ask("/assignment/accounts", &token).await;
    assert_eq!((answer.kind(), answer.status), ("TooManyRequestsException", 429));
    let code = "InternalServerException".to_owned();
    lab.sandbox.fault(Rule::on(
        Service::SsoOidc,
        "RegisterClient",
        When::Nth(1),
        Fault::Error { code, status: 500 },
    ));
    let answer = lab.post("/client/register", &registration()).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (500, Some("server_error")));

    // A lost answer has its effect: the code is used, and nobody has the tokens.
    lab.sandbox.allow_device(&device.get("userCode"));
    lab.sandbox.fault(Rule::on(Service::SsoOidc, "CreateToken", When::Nth(1), Fault::DropAfterCommit));
    let request = lab.own(json!({ "grantType": DEVICE, "deviceCode": device.get("deviceCode") })).to_string();
    let request = Request::post(format!("{OIDC}/token")).body(Bytes::from(request)).unwrap();
    assert!(lab.sandbox.handle(request).await.is_err());
    assert_eq!(lab.poll(&device.get("deviceCode")).await.kind(), "InvalidGrantException");
}
