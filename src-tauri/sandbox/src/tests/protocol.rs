use serde_json::json;

use super::*;
use crate::{Principal, SECRET_KEY};

#[tokio::test]
async fn each_service_has_its_own_shape_of_answer_and_error() {
    let client = Client::new(&sandbox());

    let answer = client.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
    assert!(
        answer
            .body
            .contains("<CreateVpcResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>")
    );
    let answer = client.ec2("DeleteVpc", &[("VpcId", "vpc-0123456789abcdef0")]).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("<RequestID>"));

    let answer = client.iam("GetRole", &[("RoleName", "nobody")]).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.body.starts_with(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code>"
        ),
        "{}",
        answer.body
    );
    let trust = [("RoleName", "role"), ("AssumeRolePolicyDocument", TRUST)];
    let answer = client.iam("CreateRole", &trust).await;
    assert!(answer.body.contains("<CreateRoleResult><Role><Path>/</Path>"), "{}", answer.body);
    assert!(answer.get("AssumeRolePolicyDocument").starts_with("%7B%22Version%22%3A"));
    let answer = client.iam("DeleteRole", &[("RoleName", "role")]).await;
    assert!(answer.body.contains("<ResponseMetadata><RequestId>") && !answer.body.contains("Result"));

    let answer = client.try_form(Service::Sts, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(answer.get("Arn"), "arn:aws:iam::123456789012:user/sandbox");

    let answer =
        client.json(Service::Ssm, "GetConnectionStatus", json!({ "Target": "i-0123456789abcdef0" })).await;
    assert_eq!(answer.json(), json!({ "Target": "i-0123456789abcdef0", "Status": "notconnected" }));
    let answer = client.json(Service::Ssm, "StartSession", json!({ "Target": "i-0123456789abcdef0" })).await;
    assert_eq!(answer.json()["__type"], "TargetNotConnected");
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn what_is_not_there_is_refused_and_never_ignored() {
    let client = Client::new(&sandbox());
    for (operation, fields, code) in [
        ("CreateKeyPair", vec![("KeyName", "k")], "UnsupportedOperation"),
        ("CreateVpc", vec![("CidrBlock", "10.0.0.0/16"), ("ClientToken", "t")], "UnknownParameter"),
        ("CreateSubnet", vec![("ClientToken", "t")], "UnknownParameter"),
        ("CreateInternetGateway", vec![("ClientToken", "t")], "UnknownParameter"),
        ("CreateSecurityGroup", vec![("ClientToken", "t")], "UnknownParameter"),
        (
            "DescribeVpcs",
            vec![("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
            "InvalidParameterValue",
        ),
        ("DescribeVpcs", vec![("MaxResults", "3")], "InvalidParameterValue"),
        ("DescribeVpcs", vec![("MaxResults", "many")], "InvalidParameterValue"),
        ("DescribeVpcs", vec![("NextToken", "!")], "InvalidNextToken"),
        ("DeleteVpc", vec![], "MissingParameter"),
        ("DeleteVpc", vec![("VpcId", "vpc 1")], "InvalidVpcID.Malformed"),
    ] {
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{operation}");
    }
    assert_eq!(client.iam("CreateUser", &[("UserName", "u")]).await.code(), "UnsupportedOperation");
    assert_eq!(client.json(Service::Ssm, "SendCommand", json!({})).await.code(), "UnsupportedOperation");
    assert!(!SECRET_KEY.is_empty());
}

#[tokio::test]
async fn credentials_are_refused_in_each_services_words() {
    let sandbox = sandbox_with(|options| {
        let principals = &mut options.conditions.principals;
        principals.push(Principal { expired: true, ..Principal::user(ACCOUNT, "old", "AKIAEXPIRED") });
        principals.push(Principal::assumed_role(ACCOUNT, "dev", "alice", "ASIAALICE"));
        principals.push(
            Principal::user(ACCOUNT, "poor", "AKIAPOOR")
                .denying("ec2:CreateVpc")
                .denying("ec2:CreateTags")
                .denying("iam:*")
                .denying("ssm:GetConnectionStatus"),
        );
    });
    let with = |key, token| Client { sandbox: sandbox.clone(), key, token };
    for (key, token, ec2, sts, ssm) in [
        ("AKIANOBODY", None, "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"),
        ("ASIAALICE", None, "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"),
        ("AKIAEXPIRED", None, "RequestExpired", "ExpiredToken", "ExpiredTokenException"),
        ("ASIAALICE", Some("token"), "", "", ""),
    ] {
        let client = with(key, token);
        assert_eq!(client.ec2("DescribeVpcs", &[]).await.code(), ec2);
        assert_eq!(client.try_form(Service::Sts, "GetCallerIdentity", &[]).await.unwrap().code(), sts);
        let status = json!({ "Target": "i-0123456789abcdef0" });
        assert_eq!(client.json(Service::Ssm, "GetConnectionStatus", status).await.code(), ssm);
    }
    let poor = with("AKIAPOOR", None);
    let vpc = [("CidrBlock", "10.0.0.0/16")];
    let answer = poor.ec2("CreateVpc", &vpc).await;
    assert_eq!((answer.status, &*answer.code()), (403, "UnauthorizedOperation"));
    assert!(answer.get("Message").contains("is not authorized to perform: ec2:CreateVpc"));
    let dry = poor.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("DryRun", "true")]).await;
    assert_eq!(dry.code(), "UnauthorizedOperation");
    let tagged = [
        ("TagSpecification.1.ResourceType", "internet-gateway"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("TagSpecification.1.Tag.1.Value", "v"),
    ];
    assert_eq!(poor.ec2("CreateInternetGateway", &[]).await.code(), "");
    assert_eq!(poor.ec2("CreateInternetGateway", &tagged).await.code(), "UnauthorizedOperation");
    assert_eq!(poor.iam("GetRole", &[("RoleName", "r")]).await.code(), "AccessDenied");
    let status = json!({ "Target": "i-0123456789abcdef0" });
    assert_eq!(poor.json(Service::Ssm, "GetConnectionStatus", status).await.code(), "AccessDeniedException");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let sandbox = sandbox();
    let client = Client::new(&sandbox);
    let before = serde_json::to_value(sandbox.world().region(ACCOUNT, REGION)).unwrap();
    for (operation, fields, code) in [
        ("CreateVpc", vec![("CidrBlock", "10.0.0.0/16")], "DryRunOperation"),
        ("CreateVpc", vec![], "MissingParameter"),
        ("DeleteVpc", vec![("VpcId", "vpc-0123456789abcdef0")], "InvalidVpcID.NotFound"),
        ("DescribeVpcs", vec![], "DryRunOperation"),
    ] {
        let fields: Vec<(&str, &str)> = fields.into_iter().chain([("DryRun", "true")]).collect();
        let answer = client.ec2(operation, &fields).await;
        assert_eq!(answer.code(), code, "{operation}");
        assert!(code != "DryRunOperation" || answer.status == 412);
    }
    let after = serde_json::to_value(sandbox.world().region(ACCOUNT, REGION)).unwrap();
    assert!(before.is_null() || before == after);
    assert!(sandbox.calls().iter().all(|call| call.dry_run && !call.changes() && !call.took_effect));
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let client = Client::new(&sandbox());
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let mut fields = vec![("MaxResults", "50")];
        if !token.is_empty() {
            fields.push(("NextToken", &token));
        }
        let page = client.make("DescribeInstanceTypes", &fields).await;
        assert!(page.all("instanceType").len() <= 50);
        seen.extend(page.all("instanceType"));
        token = page.get("nextToken");
        if token.is_empty() {
            break;
        }
    }
    let whole = client.make("DescribeInstanceTypes", &[]).await;
    assert_eq!(whole.all("instanceType").len(), 100, "a page of AWS's own size");
    assert!(seen.len() > 200 && seen.is_sorted(), "{}", seen.len());
    assert!(seen.contains(&"m8g.xlarge".to_owned()));
}

#[tokio::test]
async fn keys_open_only_under_the_context_they_were_made_in() {
    let client = Client::new(&sandbox());
    let context = json!({ "aws:ssm:SessionId": "s" });
    let made = json!({ "KeyId": "alias/aws/ssm", "NumberOfBytes": 64, "EncryptionContext": context });
    let made = client.json(Service::Kms, "GenerateDataKey", made).await.json();
    let blob = &made["CiphertextBlob"];
    let open = |context: Value| json!({ "CiphertextBlob": blob, "EncryptionContext": context });
    let opened = client.json(Service::Kms, "Decrypt", open(context.clone())).await.json();
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    assert_eq!(opened["KeyId"], made["KeyId"]);
    let other = client.json(Service::Kms, "Decrypt", open(json!({ "aws:ssm:SessionId": "t" }))).await;
    assert_eq!(other.code(), "InvalidCiphertextException");
    let missing = client.json(Service::Kms, "DescribeKey", json!({ "KeyId": "alias/none" })).await;
    assert_eq!(missing.code(), "NotFoundException");
}

#[tokio::test]
async fn the_quota_of_processors_is_what_the_conditions_say() {
    let sandbox = sandbox_with(|options| {
        let principals = &mut options.conditions.principals;
        principals
            .push(Principal::user(ACCOUNT, "poor", "AKIAPOOR").denying("servicequotas:GetServiceQuota"));
    });
    sandbox.set(|conditions| conditions.quotas.vcpus = 48);
    let client = Client::new(&sandbox);
    let standard = json!({ "ServiceCode": "ec2", "QuotaCode": "L-1216C47A" });
    for (operation, request, code, value) in [
        ("GetServiceQuota", standard.clone(), "", json!(48.0)),
        ("GetAWSDefaultServiceQuota", standard.clone(), "", json!(5.0)),
        (
            "GetServiceQuota",
            json!({ "ServiceCode": "ec2", "QuotaCode": "L-0263D0A3" }),
            "NoSuchResourceException",
            Value::Null,
        ),
        (
            "GetServiceQuota",
            json!({ "ServiceCode": "vpc", "QuotaCode": "L-1216C47A" }),
            "NoSuchResourceException",
            Value::Null,
        ),
        ("GetServiceQuota", json!({ "ServiceCode": "ec2" }), "ValidationException", Value::Null),
        ("ListServiceQuotas", json!({ "ServiceCode": "ec2" }), "UnsupportedOperation", Value::Null),
    ] {
        let answer = client.json(Service::ServiceQuotas, operation, request.clone()).await;
        assert_eq!(answer.code(), code, "{operation} {request}");
        assert_eq!(answer.json()["Quota"]["Value"], value, "{operation} {request}");
    }
    let quota = client.json(Service::ServiceQuotas, "GetServiceQuota", standard.clone()).await.json();
    assert_eq!(quota["Quota"]["QuotaArn"], "arn:aws:servicequotas:us-west-2:123456789012:ec2/L-1216C47A");
    let poor = Client { key: "AKIAPOOR", ..client.clone() };
    let answer = poor.json(Service::ServiceQuotas, "GetServiceQuota", standard.clone()).await;
    assert_eq!((answer.status, &*answer.code()), (400, "AccessDeniedException"));
    assert!(answer.json()["Message"].as_str().unwrap().contains("servicequotas:GetServiceQuota"));

    // Without a signature the target says which service is meant.
    let request = Request::post("https://servicequotas.us-west-2.amazonaws.com/")
        .header("x-amz-target", "ServiceQuotasV20190624.GetServiceQuota")
        .body(Bytes::from("{}"))
        .unwrap();
    let answer = read(sandbox.handle(request).await).unwrap();
    assert_eq!(answer.code(), "MissingAuthenticationTokenException");
    assert_eq!(sandbox.calls().last().unwrap().service, Service::ServiceQuotas);
}

#[tokio::test]
async fn types_tell_their_network_in_pages_of_at_most_a_hundred() {
    let client = Client::new(&sandbox());
    for (name, speed, interfaces) in [
        ("m8g.xlarge", "Up to 12.5 Gigabit", "4"),
        ("m8g.2xlarge", "Up to 15 Gigabit", "4"),
        ("m8g.8xlarge", "15 Gigabit", "8"),
        ("m8g.48xlarge", "50 Gigabit", "15"),
        ("m6g.4xlarge", "Up to 10 Gigabit", "8"),
        ("m7i.16xlarge", "25 Gigabit", "15"),
        ("m7i-flex.16xlarge", "Up to 25 Gigabit", "15"),
        ("m8i.96xlarge", "100 Gigabit", "24"),
        ("m8a.medium", "Up to 12.5 Gigabit", "2"),
        ("t4g.small", "Up to 5 Gigabit", "3"),
    ] {
        let answer = client.make("DescribeInstanceTypes", &[("InstanceType.1", name)]).await;
        assert_eq!(answer.get("networkPerformance"), speed, "{name}");
        assert_eq!(answer.get("maximumNetworkInterfaces"), interfaces, "{name}");
    }
    for (operation, most, code) in [
        ("DescribeInstanceTypes", "4", "InvalidParameterValue"),
        ("DescribeInstanceTypes", "100", ""),
        ("DescribeInstanceTypes", "101", "InvalidParameterValue"),
        ("DescribeInstanceTypeOfferings", "1000", ""),
        ("DescribeInstanceTypeOfferings", "1001", "InvalidParameterValue"),
    ] {
        let answer = client.ec2(operation, &[("MaxResults", most)]).await;
        assert_eq!(answer.code(), code, "{operation} {most}");
    }
}
