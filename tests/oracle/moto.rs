//! A moto server of this process, and accounts in it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::aws::Options;
use holdfast_tests::Laptop;
use serde_json::json;

/// The account that publishes the official NixOS images.
const NIXOS: &str = "427812963091";
/// The region of the settings' default, which every test uses.
pub(crate) const REGION: &str = "us-west-2";
/// How long moto may take to start on a busy computer.
const START: Duration = Duration::from_secs(60);

/// Ends moto with its standard input: also a test that aborts leaves none behind.
const WATCHED: &str = r#"exec 3<&0; "$0" "$@" 3<&- & p=$!; { cat <&3 >/dev/null; kill $p; } & wait $p"#;

/// The images that moto offers: name, creation date and id. The newest stable ones are those of 25.11; what is newer is
/// a beta, of another owner, or no NixOS.
const IMAGES: &[(&str, &str, &str)] = &[
    ("nixos/25.05.813814.ac62194c3917-aarch64-linux", "2026-02-01T00:00:00.000Z", "ami-0a000000000000001"),
    ("nixos/25.05.813814.ac62194c3917-x86_64-linux", "2026-02-01T00:00:00.000Z", "ami-0a000000000000002"),
    ("nixos/25.11.5198.e576e3c9cf9b-aarch64-linux", "2026-02-03T00:00:00.000Z", NEWEST_ARM),
    ("nixos/25.11.5198.e576e3c9cf9b-x86_64-linux", "2026-02-03T00:00:00.000Z", NEWEST_X86),
    ("nixos/25.11.4000.0123456789ab-aarch64-linux", "2026-01-03T00:00:00.000Z", "ami-0a000000000000005"),
    ("nixos/26.05beta12.0123456789ab-aarch64-linux", "2026-03-03T00:00:00.000Z", "ami-0a000000000000006"),
];
/// The newest stable image for arm64.
pub(crate) const NEWEST_ARM: &str = "ami-0a000000000000003";
/// The newest stable image for x86_64.
pub(crate) const NEWEST_X86: &str = "ami-0a000000000000004";

/// A running moto. It ends with the last test that uses it.
#[derive(Debug)]
struct Server {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // An error means that it has ended already.
        let _ = self.process.wait();
    }
}

impl Server {
    fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *running = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let Some(program) = std::env::var_os("HOLDFAST_MOTO_SERVER") else {
            panic!(
                "HOLDFAST_MOTO_SERVER does not name a moto_server: `./dev setup` installs one and `./dev test` sets it"
            )
        };
        let folder = tempfile::tempdir().expect("a folder for tests");
        let images = folder.path().join("images.json");
        std::fs::write(&images, self::images()).expect("the images can be written");
        let began = Instant::now();
        for _ in 0..5 {
            // Somebody may take the port before moto does: then it ends, and the next try takes another.
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = free.expect("a free port").port();
            let mut process = Command::new("sh")
                .args(["-c", WATCHED])
                .arg(&program)
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
                .env("MOTO_AMIS_PATH", &images)
                .env_remove("MOTO_ACCOUNT_ID")
                .env_remove("MOTO_PORT")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
            while process.try_wait().expect("a process of ours").is_none() {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { process, endpoint: format!("http://127.0.0.1:{port}"), _folder: folder };
                }
                assert!(began.elapsed() < START, "{} does not listen", program.display());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("{} ends right after its start", program.display())
    }
}

/// As moto's `MOTO_AMIS_PATH` wants them.
fn images() -> String {
    let ours = IMAGES.iter().map(|(name, created, id)| (*name, *created, *id, NIXOS));
    // Anybody may name an image so.
    let name = "nixos/25.11.9999.0123456789ab-aarch64-linux";
    let strange = [(name, "2026-03-04T00:00:00.000Z", "ami-0bad0000000000001", "999999999999")];
    let image = |(name, created, id, owner): (&str, &str, &str, &str)| {
        let architecture = if name.contains("aarch64") { "arm64" } else { "x86_64" };
        json!({
            "ami_id": id, "name": name, "description": name, "owner_id": owner, "public": true,
            "virtualization_type": "hvm", "architecture": architecture, "state": "available",
            "image_type": "machine", "hypervisor": "xen", "root_device_name": "/dev/xvda",
            "root_device_type": "ebs", "creation_date": created,
        })
    };
    serde_json::Value::from_iter(ours.chain(strange).map(image)).to_string()
}

/// An account of a test's own, with plain clients to read it back.
#[derive(Debug)]
pub(crate) struct Account {
    server: Arc<Server>,
    number: String,
    credentials: Credentials,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) iam: aws_sdk_iam::Client,
}

impl Account {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(200_000_000_001);
        let server = tokio::task::spawn_blocking(Server::shared).await.expect("moto starts");
        Self::of(server, NEXT.fetch_add(1, Ordering::Relaxed).to_string(), "ada").await
    }

    /// The same account as somebody else sees it.
    pub(crate) async fn as_somebody(&self, name: &str) -> Self {
        Self::of(Arc::clone(&self.server), self.number.clone(), name).await
    }

    /// moto tells accounts apart by the credentials that a role of theirs gives, whether there is such a role or not.
    /// Source: <https://docs.getmoto.org/en/latest/docs/multi_account.html>
    async fn of(server: Arc<Server>, number: String, name: &str) -> Self {
        let anybody = Credentials::new("AKIAIOSFODNN7EXAMPLE", "no secret", None, None, "test");
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&server.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(anybody);
        let call = aws_sdk_sts::Client::from_conf(config.build()).assume_role();
        let call = call.role_arn(format!("arn:aws:iam::{number}:role/Developer")).role_session_name(name);
        let answer = call.send().await.expect("moto gives out credentials").credentials;
        let given = answer.expect("credentials");
        let (key, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        let credentials = Credentials::new(key, secret, Some(token), None, "moto");
        let ec2 = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&server.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(credentials.clone());
        let iam = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&server.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(credentials.clone());
        Self {
            ec2: aws_sdk_ec2::Client::from_conf(ec2.build()),
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            server,
            number,
            credentials,
        }
    }

    /// Who the caller is, as the tag `holdfast:owner` says it.
    pub(crate) fn owner(&self, name: &str) -> String {
        format!("{}/assumed-role/Developer/{name}", self.number)
    }

    /// One more computer with Holdfast on it.
    pub(crate) async fn laptop(&self, settings: &str) -> Laptop {
        self.laptop_over(None, settings).await
    }

    /// One more computer, with another connection than the SDK's own.
    pub(crate) async fn laptop_over(&self, http_client: Option<SharedHttpClient>, settings: &str) -> Laptop {
        let options = Options {
            endpoint: Some(self.server.endpoint.clone()),
            credentials: Some(SharedCredentialsProvider::new(self.credentials.clone())),
            http_client,
            ..Options::default()
        };
        Laptop::on(options, settings).await
    }
}
