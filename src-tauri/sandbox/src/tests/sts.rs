//! Going over into roles, with devices and without.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::{MfaDevice, Principal};

const OTHER: &str = "210987654321";
const ROLE: &str = "arn:aws:iam::123456789012:role/dev";
const DEVICE: &str = "arn:aws:iam::123456789012:mfa/sandbox";

/// A role of the default caller's account, trusted as the statement's rest says, with a policy of AWS's.
async fn role(client: &Client, name: &str, rest: &str, policy: &str) {
    let trust = format!(r#"{{"Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",{rest}}}]}}"#);
    let policy = format!("arn:aws:iam::aws:policy/{policy}");
    for (operation, fields) in [
        ("CreateRole", vec![("RoleName", name), ("AssumeRolePolicyDocument", &*trust)]),
        ("AttachRolePolicy", vec![("RoleName", name), ("PolicyArn", &*policy)]),
    ] {
        let answer = client.iam(operation, &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

const ROOT: &str = r#""Principal":{"AWS":"arn:aws:iam::123456789012:root"}"#;

async fn assume(client: &Client, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("RoleArn", ROLE), ("RoleSessionName", "alice")];
    all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    all.extend(fields);
    client.try_form(Service::Sts, "AssumeRole", &all).await.unwrap()
}

/// The caller with the credentials of an answer.
fn with(client: &Client, answer: &Answer) -> Client {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let leak = |name: &str| -> &'static str { answer.get(name).leak() };
    Client { sandbox: client.sandbox.clone(), key: leak("AccessKeyId"), token: Some(leak("SessionToken")) }
}

async fn identity(client: &Client) -> Answer {
    client.try_form(Service::Sts, "GetCallerIdentity", &[]).await.unwrap()
}

#[tokio::test]
async fn a_role_session_is_a_caller_until_its_end() {
    let client = Client::new(&sandbox());
    role(&client, "dev", ROOT, "AdministratorAccess").await;
    let answer = assume(&client, &[("DurationSeconds", "900"), ("Policy", "")]).await;
    let alice = with(&client, &answer);
    assert!(alice.key.starts_with("ASIA"));
    assert_eq!(answer.get("Expiration"), "2026-01-15T12:15:00Z");
    assert_eq!(answer.get("Arn"), "arn:aws:sts::123456789012:assumed-role/dev/alice");
    let known = identity(&alice).await;
    assert_eq!(known.get("Arn"), answer.get("Arn"));
    assert_eq!(known.get("UserId"), answer.get("AssumedRoleId"));
    assert!(known.get("UserId").starts_with("AROA") && known.get("UserId").ends_with(":alice"));
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "");

    for wrong in [None, Some("another")] {
        let client = Client { token: wrong, ..alice.clone() };
        assert_eq!(client.ec2("DescribeVpcs", &[]).await.code(), "AuthFailure");
    }
    client.sandbox.advance(Duration::from_secs(900));
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "RequestExpired");
    assert_eq!(identity(&alice).await.code(), "ExpiredToken");
    let status = json!({ "Target": "i-0123456789abcdef0" });
    assert_eq!(alice.json(Service::Ssm, "GetConnectionStatus", status).await.code(), "ExpiredTokenException");
    assert!(
        client.sandbox.calls().iter().filter(|call| call.service == Service::Sts).all(|call| !call.changes())
    );
}

#[tokio::test]
async fn a_session_may_do_what_its_role_may_at_that_time() {
    let client = Client::new(&sandbox());
    role(&client, "dev", ROOT, "ReadOnlyAccess").await;
    let alice = with(&client, &assume(&client, &[]).await);
    let vpc = [("CidrBlock", "10.0.0.0/16")];
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "");
    assert_eq!(alice.ec2("CreateVpc", &vpc).await.code(), "UnauthorizedOperation");
    assert_eq!(assume(&alice, &[]).await.code(), "AccessDenied", "its policies know no AssumeRole");
    let power = [("RoleName", "dev"), ("PolicyArn", "arn:aws:iam::aws:policy/PowerUserAccess")];
    client.iam("AttachRolePolicy", &power).await;
    assert_eq!(alice.ec2("CreateVpc", &vpc).await.code(), "");
    let role = [("RoleName", "x"), ("AssumeRolePolicyDocument", TRUST)];
    assert_eq!(alice.iam("CreateRole", &role).await.code(), "AccessDenied");
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"ec2:CreateVpc","Resource":"*"}}"#;
    let inline = [("RoleName", "dev"), ("PolicyName", "no"), ("PolicyDocument", deny)];
    client.iam("PutRolePolicy", &inline).await;
    assert_eq!(alice.ec2("CreateVpc", &vpc).await.code(), "UnauthorizedOperation");
}

#[tokio::test]
async fn a_role_is_for_those_whom_it_trusts() {
    let sandbox = sandbox_with(|options| {
        let principals = &mut options.conditions.principals;
        principals.push(Principal::user(ACCOUNT, "poor", "AKIAPOOR").denying("sts:AssumeRole"));
        principals.push(Principal::user(OTHER, "bob", "AKIABOB"));
    });
    let client = Client::new(&sandbox);
    let [poor, bob] = ["AKIAPOOR", "AKIABOB"].map(|key| Client { key, ..client.clone() });
    let by = |principal: &str| format!(r#""Principal":{principal}"#);
    for (rest, who, trusted) in [
        (by(r#"{"AWS":"123456789012"}"#), &client, true),
        (by(r#"{"AWS":"arn:aws:iam::123456789012:user/sandbox"}"#), &client, true),
        (by(r#"{"AWS":"arn:aws:iam::123456789012:user/other"}"#), &client, false),
        (by(r#"{"Service":"ec2.amazonaws.com"}"#), &client, false),
        (by(r#"{"AWS":["arn:aws:iam::210987654321:root","123456789012"]}"#), &bob, true),
        (by(r#"{"AWS":"arn:aws:iam::123456789012:root"}"#), &bob, false),
        (by(r#""*""#), &bob, true),
        (by(r#"{"AWS":"arn:aws:iam::123456789012:user/poor"}"#), &poor, false),
    ] {
        role(&client, "dev", &rest, "ReadOnlyAccess").await;
        let answer = assume(who, &[]).await;
        assert_eq!(answer.code().is_empty(), trusted, "{rest} {}", answer.body);
        if !trusted {
            assert_eq!((answer.status, &*answer.code()), (403, "AccessDenied"));
            let message = answer.get("Message");
            assert!(
                message.contains("is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::")
            );
        }
        client.sandbox.meddle(|world| world.accounts.get_mut(ACCOUNT).unwrap().iam.roles.clear());
    }
    assert_eq!(assume(&client, &[]).await.code(), "AccessDenied", "no such role");
    let denied = r#"{"Statement":[{"Effect":"Allow","Action":"sts:*","Principal":"*"},
        {"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"123456789012"}}]}"#;
    client.iam("CreateRole", &[("RoleName", "dev"), ("AssumeRolePolicyDocument", denied)]).await;
    assert_eq!(assume(&client, &[]).await.code(), "AccessDenied");
    assert_eq!(assume(&bob, &[]).await.code(), "");
}

#[tokio::test]
async fn an_external_id_is_compared() {
    let client = Client::new(&sandbox());
    let rest = format!(r#"{ROOT},"Condition":{{"StringEquals":{{"sts:ExternalId":"abc"}}}}"#);
    role(&client, "dev", &rest, "ReadOnlyAccess").await;
    assert_eq!(assume(&client, &[]).await.code(), "AccessDenied");
    assert_eq!(assume(&client, &[("ExternalId", "abd")]).await.code(), "AccessDenied");
    assert_eq!(assume(&client, &[("ExternalId", "abc")]).await.code(), "");
}

#[tokio::test]
async fn a_code_of_a_device_works_once() {
    let sandbox = sandbox_with(|options| {
        let codes = ["111111", "222222", "333333"].map(str::to_owned);
        options.conditions.mfa_devices.push(MfaDevice {
            serial: DEVICE.to_owned(),
            user: "arn:aws:iam::123456789012:user/sandbox".to_owned(),
            codes: BTreeSet::from(codes),
        });
        options.conditions.principals.push(Principal::user(ACCOUNT, "eve", "AKIAEVE"));
    });
    let client = Client::new(&sandbox);
    let eve = Client { key: "AKIAEVE", ..client.clone() };
    let rest = format!(r#"{ROOT},"Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}"#);
    role(&client, "dev", &rest, "AdministratorAccess").await;
    let code = |code: &'static str| [("SerialNumber", DEVICE), ("TokenCode", code)];

    let without = assume(&client, &[]).await;
    assert!(without.get("Message").contains("not authorized to perform: sts:AssumeRole"));
    let half = assume(&client, &[("SerialNumber", DEVICE)]).await;
    assert!(half.get("Message").contains("must provide both MFA serial number and one time pass code."));
    let foreign = assume(&eve, &code("111111")).await;
    assert!(foreign.get("Message").contains("unable to validate MFA code.  Please verify your MFA serial"));
    let wrong = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let answer = assume(&client, &code("000000")).await;
    assert_eq!((answer.status, &*answer.code(), &*answer.get("Message")), (403, "AccessDenied", wrong));

    let alice = with(&client, &assume(&client, &code("111111")).await);
    assert_eq!(assume(&client, &code("111111")).await.get("Message"), wrong);
    // A code is used up, whatever becomes of the call.
    let nowhere = ("RoleArn", "arn:aws:iam::123456789012:role/nobody");
    let [serial, second] = code("222222");
    assert_eq!(assume(&client, &[serial, second, nowhere]).await.code(), "AccessDenied");
    assert_eq!(assume(&client, &code("222222")).await.get("Message"), wrong);
    assert_eq!(assume(&alice, &[]).await.code(), "AccessDenied", "a session has no device");
    assert_eq!(assume(&client, &code("333333")).await.code(), "");
    let log = format!("{:?}", sandbox.calls());
    assert!(!log.contains("333333") && !log.contains(alice.key));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let client = Client::new(&sandbox());
    role(&client, "dev", ROOT, "AdministratorAccess").await;
    for (field, code) in [
        (("RoleArn", ""), "ValidationError"),
        (("RoleArn", "dev"), "ValidationError"),
        (("RoleSessionName", "a"), "ValidationError"),
        (("RoleSessionName", "a b"), "ValidationError"),
        (("ExternalId", "a"), "ValidationError"),
        (("ExternalId", "a b"), "ValidationError"),
        (("DurationSeconds", "899"), "ValidationError"),
        (("DurationSeconds", "43201"), "ValidationError"),
        (("DurationSeconds", "3601"), "ValidationError"),
        (("Policy", "{}"), "UnsupportedOperation"),
        (("SourceIdentity", "alice"), "UnsupportedOperation"),
        (("Tags.member.1.Key", "k"), "UnsupportedOperation"),
    ] {
        let answer = assume(&client, &[field]).await;
        assert_eq!((&*answer.code(), answer.status), (code, 400), "{field:?}");
    }
    let code = [("SerialNumber", DEVICE), ("TokenCode", "12")];
    assert_eq!(assume(&client, &code).await.code(), "ValidationError");
    let long = assume(&client, &[("DurationSeconds", "3601")]).await;
    assert!(long.get("Message").contains("exceeds the MaxSessionDuration set for this role"));
    let long = [
        ("RoleName", "long"),
        ("MaxSessionDuration", "7200"),
        (
            "AssumeRolePolicyDocument",
            r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}"#,
        ),
    ];
    client.iam("CreateRole", &long).await;
    let two_hours = [("RoleArn", "arn:aws:iam::123456789012:role/long"), ("DurationSeconds", "7200")];
    assert_eq!(assume(&client, &two_hours).await.code(), "");
    let alice = with(&client, &assume(&client, &[]).await);
    let chained = assume(&alice, &two_hours).await;
    assert!(chained.get("Message").contains("1 hour session limit for roles assumed by role chaining"));
    let other = client.try_form(Service::Sts, "GetSessionToken", &[]).await.unwrap();
    assert_eq!(other.code(), "UnsupportedOperation");
}
