//! What bad input gets: a clear problem, and nothing changed.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

mod company;
mod credentials;
mod denied;
mod offers;
mod room;
mod strangers;

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::{BehaviorVersion, Region as Place};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::aws::Options;
use holdfast::problem::Problem;
use holdfast_core::plan::{Goal, Leave};
use holdfast_sandbox::{ACCESS_KEY, Call, SECRET_KEY, Sandbox};
use holdfast_tests::{Laptop, WHOLE, census, sandbox};
use serde_json::Value;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-west-2";
const GONE: Goal = Goal::Gone(Leave { volume: false, snapshot: false });

/// A computer with Holdfast on it, whose user has this access key.
async fn laptop(sandbox: &Sandbox, key: &str, settings: &str) -> Laptop {
    let credentials = Credentials::new(key, SECRET_KEY, None, None, "test");
    laptop_with(sandbox, SharedCredentialsProvider::new(credentials), settings).await
}

async fn laptop_with(sandbox: &Sandbox, credentials: SharedCredentialsProvider, settings: &str) -> Laptop {
    let http_client = Some(SharedHttpClient::new(sandbox.http_client()));
    let options = Options { credentials: Some(credentials), http_client, ..Options::default() };
    Laptop::on(options, settings).await
}

/// A sandbox with a whole machine in it, that is on.
async fn whole() -> (Sandbox, Laptop) {
    let sandbox = sandbox(1);
    let laptop = laptop(&sandbox, ACCESS_KEY, "").await;
    laptop.reach(Goal::Reachable).await.expect("a plain run");
    (sandbox, laptop)
}

/// All that is in the world, as text.
fn everything(sandbox: &Sandbox) -> String {
    let mut accounts = serde_json::to_value(sandbox.world().accounts).expect("the world as JSON");
    prune(&mut accounts);
    serde_json::to_string_pretty(&accounts).expect("JSON as text")
}

/// Leaves out what is empty, and what AWS remembers whatever becomes of what it was for: client tokens, and that a
/// region was looked at.
fn prune(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|name, _| !["launches", "route_table_tokens", "settled"].contains(&name.as_str()));
        fields.values_mut().for_each(prune);
        fields.retain(|_, field| !field.as_object().is_some_and(serde_json::Map::is_empty));
    }
}

fn same(before: &str, after: &str, case: &str) {
    let only = |these: &str, those: &str| -> Vec<String> {
        let those: BTreeSet<&str> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(str::to_owned).collect()
    };
    let (gone, come) = (only(before, after), only(after, before));
    assert!(before == after, "{case}: the world is another; gone is {gone:#?}, and there is now {come:#?}");
}

/// What has changed something.
fn changing(sandbox: &Sandbox) -> Vec<Call> {
    sandbox.calls().into_iter().filter(|call| call.changes() && call.took_effect).collect()
}

/// The goal is not reached and nothing whatever is changed; gives the problem.
async fn refused(sandbox: &Sandbox, laptop: &Laptop, goal: Goal, case: &str) -> Problem {
    sandbox.clear_calls();
    let before = everything(sandbox);
    let problem = match laptop.reach(goal).await {
        Ok(report) => panic!("{case}: it is done, in {} steps", report.performed),
        Err(problem) => problem,
    };
    let changing = changing(sandbox);
    assert!(changing.is_empty(), "{case}: {changing:?}");
    same(&before, &everything(sandbox), case);
    assert!(!problem.what.is_empty() && !problem.what.ends_with('.'), "{case}: {problem:?}");
    problem
}

/// A plain run ends with all that should be there.
async fn comes_whole(sandbox: &Sandbox, laptop: &Laptop, case: &str) {
    laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
    assert_eq!(census(sandbox, &laptop.desired), WHOLE, "{case}");
}

/// A plain run leaves nothing of ours.
async fn goes(sandbox: &Sandbox, laptop: &Laptop, case: &str) {
    laptop.reach(GONE).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
    let counts = census(sandbox, &laptop.desired);
    assert!(counts.iter().all(|(_, count)| *count == 0), "{case}: {counts:?}");
}

/// A plain client for EC2, as the company's own tools are.
fn plain(sandbox: &Sandbox) -> aws_sdk_ec2::Client {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Place::new(REGION))
        .http_client(sandbox.http_client())
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"));
    aws_sdk_ec2::Client::from_conf(config.build())
}

/// The same for IAM.
fn plain_iam(sandbox: &Sandbox) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Place::new(REGION))
        .http_client(sandbox.http_client())
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"));
    aws_sdk_iam::Client::from_conf(config.build())
}
