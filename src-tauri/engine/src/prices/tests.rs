//! The price list against the sandbox, and what is kept of it.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast_core::price::Money;
use holdfast_core::settings::Settings;
use holdfast_sandbox::{ACCESS_KEY, Fault, Principal, Rule, SECRET_KEY, Sandbox, Service, When};

use super::*;
use crate::aws::Options;

const NOW: u64 = 1_795_950_000;
const DAY: u64 = 24 * 60 * 60;

struct Lab {
    _folder: tempfile::TempDir,
    store: Store,
    sandbox: Sandbox,
    desired: Desired,
    aws: Aws,
}

impl Lab {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("config"), folder.path().join("state"));
        let sandbox = Sandbox::new(holdfast_sandbox::Options::default());
        let user = "ada".parse().unwrap();
        let desired = Settings::parse(settings, Some(&user)).unwrap().machine(None).unwrap().clone();
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let options = Options {
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            http_client: Some(SharedHttpClient::new(sandbox.http_client())),
            ..Options::default()
        };
        let aws = Aws::connect(&desired, options).await;
        sandbox
            .set(|conditions| conditions.prices.insert("m8g.xlarge".to_owned(), Money::from_micros(200_000)));
        Self { _folder: folder, store, sandbox, desired, aws }
    }

    fn types(&self) -> BTreeSet<InstanceType> {
        types(&self.desired, &Observed::unknown(""))
    }

    fn is_due(&self, now: u64) -> bool {
        is_due(&self.store, &self.desired, &self.types(), now)
    }

    async fn ask(&self, now: u64) -> bool {
        ask(&self.store, &self.aws, &self.desired, &self.types(), now).await
    }

    fn hourly(&self, name: &str) -> Option<u64> {
        known(&self.store, &self.desired).hourly(self.desired.region.as_str(), name).map(Money::micros)
    }

    fn deny(&self) {
        let poor = Principal::user("123456789012", "poor", ACCESS_KEY).denying("pricing:GetProducts");
        self.sandbox.set(|conditions| conditions.principals = vec![poor]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_price_list_is_asked_once_a_week_for_what_the_machine_is_made_of() {
    let lab = Lab::with("[machine.remote-dev]\nalternates = [\"m7g.xlarge\"]").await;
    assert_eq!(lab.hourly("m8g.xlarge"), Some(179_520), "the table's");
    assert!(lab.is_due(NOW) && lab.ask(NOW).await);
    let calls = lab.sandbox.calls();
    assert_eq!(calls.len(), 5, "two types, the volume, snapshots, the address");
    assert!(calls.iter().all(|call| call.service == Service::Pricing && call.region == "us-east-1"));
    assert_eq!(lab.hourly("m8g.xlarge"), Some(200_000));
    assert_eq!(lab.hourly("m7g.xlarge"), Some(163_200));
    assert_eq!(lab.hourly("m8g.large"), Some(89_760), "nobody asked for that one");
    let snapshot = known(&lab.store, &lab.desired).snapshot_gib_month("us-west-2");
    assert_eq!(snapshot, Some(Money::from_micros(50_000)));
    assert!(!lab.is_due(NOW) && !lab.is_due(NOW + 7 * DAY - 1));
    assert!(lab.is_due(NOW + 7 * DAY));
    assert!(lab.is_due(NOW - DAY), "the clock was wrong then, or is now");
    let other = BTreeSet::from(["t4g.small".parse().unwrap()]);
    assert!(is_due(&lab.store, &lab.desired, &other, NOW));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_error_and_remembered_for_a_day() {
    let lab = Lab::new().await;
    lab.deny();
    assert!(!lab.ask(NOW).await);
    assert_eq!(lab.hourly("m8g.xlarge"), Some(179_520));
    assert!(!lab.is_due(NOW + DAY - 1));
    assert!(lab.is_due(NOW + DAY));
    assert!(lab.is_due(NOW - 2 * DAY), "a note from the future is none");
    let refused = refresh(&lab.store, &lab.aws, &lab.desired, NOW).await.unwrap_err();
    assert!(refused.is_denied() && refused.to_string().contains("pricing:GetProducts"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_answer_keeps_nobody_and_the_prices_of_before_stay() {
    let lab = Lab::new().await;
    assert!(lab.ask(NOW).await);
    let slow = Fault::Delay(Duration::from_secs(3600));
    lab.sandbox.fault(Rule::on(Service::Pricing, "GetProducts", When::Every, slow));
    let began = tokio::time::Instant::now();
    assert!(!lab.ask(NOW + 8 * DAY).await);
    assert_eq!(began.elapsed(), QUIET);
    assert_eq!(lab.hourly("m8g.xlarge"), Some(200_000));
    assert!(!lab.is_due(NOW + 8 * DAY + FAILED - 1));
    assert!(lab.is_due(NOW + 8 * DAY + FAILED));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_brings_the_whole_region_page_by_page() {
    let lab = Lab::new().await;
    let prices = refresh(&lab.store, &lab.aws, &lab.desired, NOW).await.unwrap();
    assert!(lab.sandbox.calls().len() > 4, "more than a page of types");
    assert_eq!(prices, known(&lab.store, &lab.desired));
    let all: Vec<_> = holdfast_core::price::hourly_of_all("us-west-2").collect();
    for (name, listed) in &all {
        let wanted = if name == "m8g.xlarge" { 200_000 } else { listed.micros() };
        assert_eq!(lab.hourly(name), Some(wanted), "{name}");
    }
    assert!(!is_due(&lab.store, &lab.desired, &["m8g.metal-24xl".parse().unwrap()].into(), NOW));
}

#[tokio::test(start_paused = true)]
async fn other_partitions_are_not_asked() {
    let lab = Lab::with("[machine.remote-dev]\nregion = \"us-gov-west-1\"").await;
    assert!(!lab.is_due(NOW));
    let problem = refresh(&lab.store, &lab.aws, &lab.desired, NOW).await.unwrap_err();
    assert_eq!(problem.code, "no_price_list");
    assert_eq!((lab.sandbox.calls(), lab.hourly("m8g.xlarge")), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn records_that_make_no_sense_are_none() {
    let lab = Lab::new().await;
    assert!(lab.ask(NOW).await);
    let mut observed = Observed::unknown("");
    lab.store.keep_history(&lab.desired.key(), &observed.history).unwrap();
    for folder in ["prices", "history"] {
        for file in std::fs::read_dir(lab.store.state_dir().join(folder)).unwrap() {
            std::fs::write(file.unwrap().path(), "{\"quote\": 7, \"runs\": \"").unwrap();
        }
    }
    assert_eq!(lab.hourly("m8g.xlarge"), Some(179_520));
    assert!(lab.is_due(NOW));
    note(&lab.store, &lab.desired, &mut observed, NOW, Worth::All).unwrap();
    assert_eq!(lab.store.history(&lab.desired.key()).unwrap(), None, "nothing new, nothing written");
}
