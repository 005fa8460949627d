use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use super::*;
use crate::{Fault, Rule, When};

const VPC: &[(&str, &str)] = &[("CidrBlock", "10.0.0.0/24")];

fn vpcs(sandbox: &Sandbox) -> usize {
    sandbox.world().region(ACCOUNT, REGION).map_or(0, |region| region.vpcs.len())
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let error = |after: bool| {
        let (code, status) = ("InternalError".to_owned(), 500);
        if after { Fault::ErrorAfterCommit { code, status } } else { Fault::Error { code, status } }
    };
    for (fault, made, answer) in [
        (error(false), 0, Ok(("InternalError", 500))),
        (error(true), 1, Ok(("InternalError", 500))),
        (Fault::Throttle, 0, Ok(("RequestLimitExceeded", 503))),
        (Fault::DropBefore, 0, Err(Dropped)),
        (Fault::DropAfterCommit, 1, Err(Dropped)),
        (Fault::NotFoundYet, 1, Ok(("", 200))),
    ] {
        let sandbox = sandbox();
        let client = Client::new(&sandbox);
        sandbox.fault(Rule::on(Service::Ec2, "CreateVpc", When::Nth(1), fault.clone()));
        let got = client.try_form(Service::Ec2, "CreateVpc", VPC).await;
        let got = got.map(|answer| (answer.code(), answer.status));
        assert_eq!(got, answer.map(|(code, status)| (code.to_owned(), status)), "{fault:?}");
        assert_eq!(vpcs(&sandbox), made, "{fault:?}");
        let call = sandbox.calls().pop().unwrap();
        assert_eq!((call.took_effect, call.dropped), (made == 1, answer.is_err()), "{fault:?}");
        client.make("CreateVpc", VPC).await;
    }
}

#[tokio::test]
async fn a_rule_counts_the_calls_it_matches() {
    let sandbox = sandbox();
    let client = Client::new(&sandbox);
    let codes = |client: Client| async move {
        let mut codes = Vec::new();
        for _ in 0..4 {
            client.make("DescribeSubnets", &[]).await;
            codes.push(client.ec2("DescribeVpcs", &[]).await.code().is_empty());
        }
        codes
    };
    for (when, expected) in [
        (When::Nth(2), [true, false, true, true]),
        (When::First(2), [false, false, true, true]),
        (When::Every, [false; 4]),
    ] {
        sandbox.clear_faults();
        sandbox.fault(Rule::on(Service::Ec2, "DescribeVpcs", when, Fault::Throttle));
        assert_eq!(codes(client.clone()).await, expected, "{when:?}");
    }
    let text = serde_json::to_string(&sandbox.faults()).unwrap();
    assert_eq!(text, r#"[{"service":"ec2","operation":"DescribeVpcs","when":"every","fault":"throttle"}]"#);
}

#[tokio::test]
async fn not_found_yet_uses_the_code_of_what_is_named() {
    let sandbox = sandbox();
    let client = Client::new(&sandbox);
    let net = client.network().await;
    let launch = client.launch(&net).await;
    sandbox.fault(Rule { service: None, operation: None, when: When::Every, fault: Fault::NotFoundYet });
    for (operation, fields, code) in [
        ("CreateSubnet", vec![("VpcId", &*net.vpc), ("CidrBlock", "10.0.1.0/24")], "InvalidVpcID.NotFound"),
        (
            "CreateTags",
            vec![("ResourceId.1", &*net.gateway), ("Tag.1.Key", "k")],
            "InvalidInternetGatewayID.NotFound",
        ),
        ("DescribeRouteTables", vec![("RouteTableId.1", &*net.table)], "InvalidRouteTableID.NotFound"),
        ("DescribeRouteTables", vec![], ""),
    ] {
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{operation}");
    }
    assert_eq!(client.run(&launch).await.code(), "InvalidGroup.NotFound");
    let role = [("RoleName", "role"), ("AssumeRolePolicyDocument", TRUST)];
    assert_eq!(client.iam("CreateRole", &role).await.code(), "");
    assert_eq!(client.iam("GetRole", &role[..1]).await.code(), "NoSuchEntity");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_comes_after_the_effect() {
    let sandbox = sandbox();
    let client = Client::new(&sandbox);
    let delay = Fault::Delay(Duration::from_secs(60));
    sandbox.fault(Rule::on(Service::Ec2, "CreateVpc", When::Every, delay));
    let call = tokio::time::timeout(Duration::from_secs(30), client.ec2("CreateVpc", VPC));
    assert!(call.await.is_err(), "the client does not wait that long");
    assert_eq!(vpcs(&sandbox), 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_knows_how_deep_a_chain_of_calls_is() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let sandbox = sandbox_with(|options| {
        options.on_call = Some(Arc::new(move |call| told.lock().unwrap().push(call.operation.clone())));
    });
    let client = Client::new(&sandbox);
    let slow = async |operation: &'static str| {
        let body = format!("Action={operation}&Version=1");
        sandbox.handle_after(client.request(Service::Ec2, operation, body), Duration::from_millis(100)).await
    };
    let begin = tokio::time::Instant::now();
    slow("DescribeVpcs").await.unwrap();
    let (a, b) = tokio::join!(slow("DescribeSubnets"), slow("DescribeInstances"));
    a.unwrap();
    b.unwrap();
    slow("DescribeTags").await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
    let depths: Vec<u32> = sandbox.calls().iter().map(|call| call.depth).collect();
    assert_eq!(depths, [1, 2, 2, 3]);
    assert_eq!(heard.lock().unwrap().len(), 4);
    sandbox.clear_calls();
    slow("DescribeTags").await.unwrap();
    assert_eq!(sandbox.calls()[0].depth, 1);
}

#[tokio::test]
async fn the_sdks_client_sees_answers_and_broken_connections() {
    let sandbox = sandbox();
    let client = Client::new(&sandbox);
    let request = || {
        let request = client.request(Service::Ec2, "DescribeVpcs", "Action=DescribeVpcs".to_owned());
        HttpRequest::try_from(request.map(|body| SdkBody::from(body.to_vec()))).unwrap()
    };
    let answer = sandbox.http_client().call(request()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.body().bytes().unwrap().starts_with(b"<?xml"));
    sandbox.fault(Rule::on(Service::Ec2, "DescribeVpcs", When::Every, Fault::DropBefore));
    let error = sandbox.http_client().call(request()).await.unwrap_err();
    assert!(error.is_io());
}
