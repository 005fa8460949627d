//! What whoever signed in may use.

use super::*;
use crate::{PortalRole, Principal};

#[tokio::test]
async fn accounts_and_roles_are_listed_in_pages() {
    let lab = Lab::new().await;
    let token = lab.sign_in().await.get("accessToken");
    let all = lab.ask("/assignment/accounts", &token).await.json();
    assert_eq!(
        all["accountList"][0],
        json!({ "accountId": ACCOUNT, "accountName": "Sandbox", "emailAddress": "sandbox@example.com" })
    );
    assert_eq!(all["accountList"].as_array().unwrap().len(), 2);
    assert!(all["nextToken"].is_null());
    let first = lab.ask("/assignment/accounts?max_result=1", &token).await.json();
    assert_eq!(first["accountList"], json!([all["accountList"][0]]));
    let next = first["nextToken"].as_str().unwrap();
    let second =
        lab.ask(&format!("/assignment/accounts?max_result=1&next_token={next}"), &token).await.json();
    assert_eq!(second["accountList"], json!([all["accountList"][1]]));
    assert!(second["nextToken"].is_null());

    let roles = lab.ask(&format!("/assignment/roles?account_id={ACCOUNT}"), &token).await.json();
    let names: Vec<&str> =
        roles["roleList"].as_array().unwrap().iter().map(|role| role["roleName"].as_str().unwrap()).collect();
    assert_eq!(names, ["AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess"]);
    assert_eq!(roles["roleList"][0]["accountId"], ACCOUNT);
    let path = format!("/assignment/roles?account_id={ACCOUNT}&max_result=2");
    assert_eq!(lab.ask(&path, &token).await.json()["nextToken"], "2");
}

#[tokio::test]
async fn credentials_are_a_callers_until_their_end() {
    let lab = Lab::new().await;
    let token = lab.sign_in().await.get("accessToken");
    let path = format!("/federation/credentials?role_name=AdministratorAccess&account_id={ACCOUNT}");
    let given = lab.ask(&path, &token).await.json()["roleCredentials"].clone();
    assert!(given["accessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(given["expiration"], lab.sandbox.now().plus(seconds(3600)).millis());
    lab.sandbox.set(|conditions| conditions.clock_skew = Some(60));
    let ahead = lab.ask(&path, &token).await.json();
    assert_eq!(ahead["roleCredentials"]["expiration"], lab.sandbox.now().plus(seconds(3660)).millis());
    lab.sandbox.set(|conditions| conditions.clock_skew = None);

    let alice = lab.role(ACCOUNT, "AdministratorAccess").await;
    let identity = async || alice.try_form(Service::Sts, "GetCallerIdentity", &[]).await.unwrap();
    let arn = identity().await.get("Arn");
    let (role, session) = arn.rsplit_once('/').unwrap();
    let role =
        role.strip_prefix("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_");
    assert_eq!((role.unwrap().len(), session), (16, "alice"), "{arn}");
    alice.make("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
    assert_eq!(lab.sandbox.calls().last().unwrap().caller.as_ref(), Some(&arn));
    let log = format!("{:?}", lab.sandbox.calls());
    assert!(!log.contains(alice.key) && !log.contains(alice.token.unwrap()));

    lab.sandbox.advance(seconds(3599));
    assert_eq!(identity().await.code(), "");
    lab.sandbox.advance(seconds(1));
    assert_eq!(identity().await.code(), "ExpiredToken");
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "RequestExpired");
    let fresh = lab.role(ACCOUNT, "AdministratorAccess").await;
    assert_eq!(fresh.ec2("DescribeVpcs", &[]).await.code(), "");
    lab.sandbox.end_credentials();
    assert_eq!(fresh.ec2("DescribeVpcs", &[]).await.code(), "RequestExpired");
}

#[tokio::test]
async fn a_role_may_what_its_policies_say() {
    let lab = Lab::new().await;
    let vpc = [("CidrBlock", "10.0.0.0/16")];
    let role = [("RoleName", "r")];
    for (name, create, get) in [
        ("AdministratorAccess", "", "NoSuchEntity"),
        ("PowerUserAccess", "", "AccessDenied"),
        ("ReadOnlyAccess", "UnauthorizedOperation", "NoSuchEntity"),
    ] {
        let caller = lab.role(ACCOUNT, name).await;
        assert_eq!(caller.ec2("CreateVpc", &vpc).await.code(), create, "{name}");
        assert_eq!(caller.iam("GetRole", &role).await.code(), get, "{name}");
    }
    let caller = lab.role(ACCOUNT, "AdministratorAccess").await;
    lab.portal(|portal| {
        portal.accounts[0].roles[0] = PortalRole::managed("AdministratorAccess").denying("ec2:CreateVpc");
    });
    let answer = caller.ec2("CreateVpc", &vpc).await;
    assert_eq!(answer.code(), "UnauthorizedOperation");
    assert!(answer.get("Message").contains("assumed-role/AWSReservedSSO_AdministratorAccess_"));
    lab.portal(|portal| portal.accounts[0].roles.clear());
    assert_eq!(caller.ec2("DescribeVpcs", &[]).await.code(), "UnauthorizedOperation", "the role is gone");
    let other = lab.role("111122223333", "ReadOnlyAccess").await;
    assert_eq!(other.ec2("DescribeVpcs", &[]).await.code(), "");
}

#[tokio::test]
async fn a_token_opens_nothing_when_it_is_over_revoked_or_from_elsewhere() {
    let lab = Lab::new().await;
    let accounts = "/assignment/accounts";
    let words = "Session token not found or invalid";
    let kind = "com.amazonaws.switchboard.portal#UnauthorizedException";
    let tokens = lab.sign_in().await;
    let (access, refresh) = (tokens.get("accessToken"), tokens.get("refreshToken"));
    for wrong in ["", "another", &refresh] {
        let answer = lab.ask(accounts, wrong).await;
        assert_eq!((answer.kind(), answer.status), ("UnauthorizedException", 401));
        assert_eq!(answer.json(), json!({ "message": words, "__type": kind }));
    }
    let elsewhere = "https://portal.sso.eu-central-1.amazonaws.com/assignment/accounts";
    assert_eq!(lab.send(Method::GET, elsewhere, Some(&access), String::new()).await.status, 401);

    let alice = lab.role(ACCOUNT, "AdministratorAccess").await;
    let logout = |token: String| {
        let lab = lab.clone();
        async move { lab.send(Method::POST, &format!("{PORTAL}/logout"), Some(&token), String::new()).await }
    };
    assert_eq!(logout(access.clone()).await.status, 200);
    assert_eq!(logout(access.clone()).await.kind(), "UnauthorizedException");
    assert_eq!(lab.ask(accounts, &access).await.status, 401);
    assert_eq!(lab.refresh(&refresh).await.kind(), "InvalidGrantException");
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "", "sessions of roles go on");

    let tokens = lab.sign_in().await;
    lab.sandbox.end_sign_ins();
    assert_eq!(lab.ask(accounts, &tokens.get("accessToken")).await.status, 401);
    assert_eq!(lab.refresh(&tokens.get("refreshToken")).await.kind(), "InvalidGrantException");
}

#[tokio::test]
async fn what_the_portal_refuses() {
    let lab = Lab::new().await;
    let token = lab.sign_in().await.get("accessToken");
    for (path, kind, status) in [
        ("/assignment/roles", "InvalidRequestException", 400),
        ("/assignment/roles?account_id=1", "InvalidRequestException", 400),
        ("/assignment/roles?account_id=999999999999", "ForbiddenException", 403),
        ("/assignment/accounts?max_result=0", "InvalidRequestException", 400),
        ("/assignment/accounts?max_result=101", "InvalidRequestException", 400),
        ("/assignment/accounts?next_token=x", "InvalidRequestException", 400),
        ("/assignment/accounts?colour=red", "InvalidRequestException", 400),
        ("/federation/credentials?account_id=123456789012", "InvalidRequestException", 400),
        ("/federation/credentials?account_id=123456789012&role_name=No", "ForbiddenException", 403),
        ("/federation/credentials?account_id=999999999999&role_name=No", "ForbiddenException", 403),
        ("/assignment", "UnknownOperationException", 404),
    ] {
        let answer = lab.ask(path, &token).await;
        assert_eq!((answer.kind(), answer.status), (kind, status), "{path}");
    }
    let answer = lab.ask("/federation/credentials?account_id=123456789012&role_name=No", &token).await.json();
    let kind = "com.amazonaws.switchboard.portal#ForbiddenException";
    assert_eq!(answer, json!({ "message": "No access", "__type": kind }));
}

#[tokio::test]
async fn a_role_of_the_portal_goes_over_into_another_one() {
    let lab = Lab::new().await;
    lab.sandbox.set(|conditions| conditions.principals.push(Principal::user(ACCOUNT, "sandbox", "AKIAX")));
    let alice = lab.role(ACCOUNT, "AdministratorAccess").await;
    let arn = alice.try_form(Service::Sts, "GetCallerIdentity", &[]).await.unwrap().get("Arn");
    let role = arn.split('/').nth(1).unwrap();
    let principal = format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/us-west-2/{role}");
    let trust = format!(
        r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{principal}"}}}}}}"#
    );
    alice.iam("CreateRole", &[("RoleName", "next"), ("AssumeRolePolicyDocument", &trust)]).await;
    let next = [("RoleArn", "arn:aws:iam::123456789012:role/next"), ("RoleSessionName", "alice")];
    assert_eq!(alice.try_form(Service::Sts, "AssumeRole", &next).await.unwrap().code(), "");
    let other = Client { key: "AKIAX", token: None, ..alice.clone() };
    assert_eq!(other.try_form(Service::Sts, "AssumeRole", &next).await.unwrap().code(), "AccessDenied");
}
