//! The clients, and how they are configured.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::retry::RetryPartition;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::sdk_config::TimeSource;
use holdfast_core::machine::{Desired, Instance, Observed, Owner};
use holdfast_core::names::{ProfileName, Region};
use holdfast_core::price::Prices;
use holdfast_core::profile::{Chain, Config};
use tokio::time::Instant;

use super::credentials::Kept;
use super::error::{garbled, sts};
use super::identity::Identity;
use super::profile;
use super::web::Web;
use crate::problem::CallError;
use crate::secrets::Vault;

const CONNECT: Duration = Duration::from_secs(5);
const ATTEMPT: Duration = Duration::from_secs(15);
const OPERATION: Duration = Duration::from_secs(60);
/// By when every list shows an instance that another laptop made.
const IN_SIGHT: Duration = Duration::from_secs(30);

/// What the settings do not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// This installation of Holdfast, as the tag `holdfast:maker` names it.
    pub maker: String,
    /// Where every service is, whatever the environment says: the sandbox.
    pub endpoint: Option<String>,
    /// The credentials, whatever the environment says: those of the sandbox.
    pub credentials: Option<SharedCredentialsProvider>,
    /// The prices that this computer has on record.
    pub prices: Prices,
    /// Where sign-ins are kept.
    pub vault: Vault,
    /// A client that needs no network, for tests. Time is tokio's then, so that a test may let it pass.
    pub http_client: Option<SharedHttpClient>,
}

/// AWS as one profile and region see it.
#[derive(Debug)]
pub struct Aws {
    pub(super) dlm: aws_sdk_dlm::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) ssm: aws_sdk_ssm::Client,
    pub(super) quotas: aws_sdk_servicequotas::Client,
    pub(super) maker: String,
    /// Whether an earlier look met an instance of ours. It saves calls, and decides nothing.
    pub(super) met_instance: AtomicBool,
    sts: aws_sdk_sts::Client,
    /// For the calls that keep a session alive.
    pub(super) line: Mutex<aws_sdk_ssm::Client>,
    config: SdkConfig,
    web: Web,
    profile: Option<ProfileName>,
    options: Options,
    region: Region,
    owner: Mutex<Option<Owner>>,
    spent: Mutex<Vec<Instance>>,
    mismatch: Mutex<Option<(String, Instant)>>,
}

impl Aws {
    /// Reads the configuration; calls nothing yet, so credentials may still turn out to be missing.
    ///
    /// The standard chain of the SDK: the profile of the settings, else `AWS_PROFILE`; SSO caches,
    /// `credential_process`, the environment. `AWS_ENDPOINT_URL_<SERVICE>`, then `AWS_ENDPOINT_URL`, then the same in
    /// the profile, are honoured alike for EC2, IAM, STS, SSM and KMS: each client reads its own key when it is made
    /// from the shared configuration.
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
    ///
    /// IAM is one for a whole partition: the SDK's endpoint rules send it to `iam.amazonaws.com` and sign for
    /// `us-east-1` (`cn-north-1`, `us-gov-west-1` …), whatever the region. With an endpoint of one's own there are no
    /// such rules, and calls are signed for the region of the settings.
    pub async fn connect(desired: &Desired, options: Options) -> Self {
        Self::open(desired.region.clone(), desired.profile.clone(), options).await
    }

    /// The same, read anew: there may be other credentials by now.
    pub async fn renew(&self) -> Self {
        Self::open(self.region.clone(), self.profile.clone(), self.options.clone()).await
    }

    /// The same for whoever changes nothing: see [`Vault::only_looking`].
    pub async fn only_looking(&self) -> Self {
        let options = Options { vault: self.options.vault.only_looking(), ..self.options.clone() };
        Self::open(self.region.clone(), self.profile.clone(), options).await
    }

    /// The same for a profile, whatever the settings say.
    pub async fn of_profile(region: Region, profile: ProfileName, options: Options) -> Self {
        Self::open(region, Some(profile), options).await
    }

    async fn open(region: Region, profile: Option<ProfileName>, options: Options) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        // A version by name: a newer SDK does not change how we behave before somebody has read what it changes.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::new(region.to_string()))
            .retry_config(RetryConfig::adaptive())
            .timeout_config(timeouts);
        if let Ok(name) = AppName::new(concat!("holdfast-", env!("CARGO_PKG_VERSION"))) {
            loader = loader.app_name(name);
        }
        if let Some(profile) = profile.as_ref().map(ToString::to_string).or_else(profile::of_environment) {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = options.endpoint.clone() {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = options.credentials.clone() {
            loader = loader.credentials_provider(credentials);
        } else if let Some(identity) = ours(profile.as_ref(), &region, &options).await {
            loader = loader.credentials_provider(identity);
        } else if let Some(profile) = &profile {
            // It gives none, and says why.
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile.as_str());
            loader = loader.credentials_provider(provider.build());
        }
        let web = Web::new(profile::bundle(profile.as_ref()), options.endpoint.is_some());
        let config = over(loader, &web, &options).load().await;
        let config = match config.credentials_provider() {
            Some(provider) => {
                let kept = SharedCredentialsProvider::new(Kept::new(provider));
                config.into_builder().credentials_provider(kept).build()
            }
            None => config,
        };
        // By default all clients of a service in a process slow down together, of whichever account.
        let apart = |service: &'static str| RetryPartition::custom(service).build();
        let ec2 = aws_sdk_ec2::config::Builder::from(&config).retry_partition(apart("ec2")).build();
        let dlm = aws_sdk_dlm::config::Builder::from(&config).retry_partition(apart("dlm")).build();
        let iam = aws_sdk_iam::config::Builder::from(&config).retry_partition(apart("iam")).build();
        let ssm = aws_sdk_ssm::config::Builder::from(&config).retry_partition(apart("ssm")).build();
        let sts = aws_sdk_sts::config::Builder::from(&config).retry_partition(apart("sts")).build();
        let quotas = aws_sdk_servicequotas::config::Builder::from(&config);
        let quotas = quotas.retry_partition(apart("servicequotas")).build();
        Self {
            dlm: aws_sdk_dlm::Client::from_conf(dlm),
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            iam: aws_sdk_iam::Client::from_conf(iam),
            ssm: aws_sdk_ssm::Client::from_conf(ssm),
            quotas: aws_sdk_servicequotas::Client::from_conf(quotas),
            sts: aws_sdk_sts::Client::from_conf(sts),
            line: Mutex::new(line(&config, &web, &options)),
            web,
            maker: options.maker.clone(),
            met_instance: AtomicBool::new(false),
            region,
            profile,
            options,
            owner: Mutex::new(None),
            spent: Mutex::new(Vec::new()),
            mismatch: Mutex::new(None),
            config,
        }
    }

    /// The client for SSM.
    pub fn ssm(&self) -> &aws_sdk_ssm::Client {
        &self.ssm
    }

    /// The client for the calls that keep a session alive.
    pub(super) fn line(&self) -> aws_sdk_ssm::Client {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the connections to AWS: after an outage nobody can tell which of them are still alive, and a call on a dead
    /// one waits in vain.
    pub fn drop_connections(&self) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) =
            line(&self.config, &self.web, &self.options);
    }

    /// A client for KMS, which few sessions need.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.config)
    }

    /// A client for AWS's price list, which few ask. There are three of it, and none is about its own region only.
    /// Source: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>
    pub(super) fn pricing(&self) -> aws_sdk_pricing::Client {
        let near = match self.region.as_str().split('-').next() {
            Some("eu" | "af" | "me" | "il") => "eu-central-1",
            Some("ap") => "ap-south-1",
            Some(_) | None => "us-east-1",
        };
        let config = aws_sdk_pricing::config::Builder::from(&self.config);
        let config = config.retry_partition(RetryPartition::custom("pricing").build());
        aws_sdk_pricing::Client::from_conf(config.region(aws_config::Region::new(near)).build())
    }

    /// Nothing looked at yet, with what this computer knows besides.
    pub(super) fn unseen(&self) -> Observed {
        Observed { prices: self.options.prices.clone(), ..Observed::unknown(&self.maker) }
    }

    /// Where the credentials come from; `None` when the standard chain is switched off. For signing what the SDK does
    /// not send.
    pub fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.config.credentials_provider()
    }

    /// Whether there may be other credentials after somebody has signed in, or has had a program do it. Whoever gave them may give
    /// others.
    pub(crate) fn takes_new_credentials(&self) -> bool {
        self.options.credentials.is_some() || profile::takes_new_credentials(self.profile.as_ref())
    }

    /// The time: the test's own where a test lets it pass.
    pub(super) fn now(&self) -> SystemTime {
        self.config.time_source().map_or_else(SystemTime::now, |source| source.now())
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The host and the port of the proxy before EC2, if there is one.
    pub fn proxy(&self) -> Option<String> {
        let usual = || format!("https://ec2.{}.amazonaws.com", self.region);
        self.web.proxy(&self.config.endpoint_url().map_or_else(usual, ToOwned::to_owned))
    }

    /// The variable of the environment that is to name a proxy, and does not.
    pub fn senseless_proxy(&self) -> Option<&'static str> {
        self.web.senseless_proxy()
    }

    /// Where sign-ins and tokens are kept.
    pub(crate) fn vault(&self) -> &Vault {
        &self.options.vault
    }

    /// The way to AWS.
    pub(super) fn web(&self) -> &Web {
        &self.web
    }

    /// Asks AWS who we are.
    pub(super) async fn caller(&self) -> Result<Owner, CallError> {
        let answer = self.sts.get_caller_identity().send().await.map_err(sts("GetCallerIdentity"))?;
        let owner = Owner::from_arn(answer.arn().unwrap_or_default())
            .ok_or_else(|| garbled("sts", "GetCallerIdentity", "no ARN of a user or role"))?;
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner.clone());
        Ok(owner)
    }

    /// Whom the last look found us to be: what is made belongs to whom the plan was checked for.
    pub(super) async fn owner(&self) -> Result<Owner, CallError> {
        let known = self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(owner) => Ok(owner),
            None => self.caller().await,
        }
    }

    /// Remembers an instance that is gone and that RunInstances spoke of: no list may show it any more, yet its client
    /// token is spent.
    pub(super) fn remember_spent(&self, instance: Instance) {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }

    /// The instances that were remembered so.
    pub(super) fn spent(&self) -> Vec<Instance> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether AWS has held other parameters against this token for so long that an instance made with them would
    /// have come in sight.
    ///
    /// A call that fails for want of capacity uses its token up too, so the next one with another type mismatches.
    /// Source: <https://github.com/ubicloud/ubicloud/pull/5898>
    pub(super) fn mismatches_in_vain(&self, token: &str) -> bool {
        let mut mismatch = self.mismatch.lock().unwrap_or_else(PoisonError::into_inner);
        match &*mismatch {
            Some((known, since)) if known == token => since.elapsed() > IN_SIGHT,
            Some(_) | None => {
                *mismatch = Some((token.to_owned(), Instant::now()));
                false
            }
        }
    }
}

/// Who we are, where the SDK's own chain does not do. What is wrong with the configuration the SDK says.
async fn ours(profile: Option<&ProfileName>, region: &Region, options: &Options) -> Option<Identity> {
    let name = profile::counting(profile)?;
    let config = profile::config().ok()?;
    // The SDK's own chain would take keys of the environment first, whatever the settings name.
    let chain = config.chain(&name).ok().filter(|chain| profile.is_some() || Identity::is_ours(chain))?;
    Some(identity(&config, &name, chain, region, options).await)
}

/// The credentials of this profile.
pub(super) async fn identity(
    config: &Config,
    name: &str,
    chain: Chain,
    region: &Region,
    options: &Options,
) -> Identity {
    let own_region = config.region(name).map_or_else(|| region.to_string(), ToOwned::to_owned);
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .no_credentials()
        .profile_name(name)
        .region(aws_config::Region::new(own_region))
        .timeout_config(timeouts);
    if let Some(endpoint) = options.endpoint.clone() {
        loader = loader.endpoint_url(endpoint);
    }
    let web = Web::new(profile::bundle_of(config, name), options.endpoint.is_some());
    let base = config.profiles.get(&chain.profile).cloned().unwrap_or_default();
    let (endpoint, vault) = (options.endpoint.clone(), options.vault.clone());
    Identity::new(name, chain, base, over(loader, &web, options).load().await, endpoint, vault)
}

/// By way of a client for tests, with a time that is theirs, or else of the web.
fn over(loader: ConfigLoader, web: &Web, options: &Options) -> ConfigLoader {
    match options.http_client.clone() {
        Some(client) => loader.http_client(client).time_source(TokioTime::default()),
        None => loader.http_client(web.client()),
    }
}

/// With connections of its own, and without the SDK's retries: whoever keeps a session alive decides when to try again.
fn line(config: &SdkConfig, web: &Web, options: &Options) -> aws_sdk_ssm::Client {
    let client = options.http_client.clone().unwrap_or_else(|| web.client());
    let config = aws_sdk_ssm::config::Builder::from(config).retry_config(RetryConfig::disabled());
    aws_sdk_ssm::Client::from_conf(config.http_client(client).build())
}

/// The adaptive retries measure the time between calls; what they measure must be what passes while they wait.
#[derive(Debug)]
struct TokioTime {
    began: SystemTime,
    since: Instant,
}

impl Default for TokioTime {
    fn default() -> Self {
        Self { began: SystemTime::now(), since: Instant::now() }
    }
}

impl TimeSource for TokioTime {
    fn now(&self) -> SystemTime {
        self.began + self.since.elapsed()
    }
}
