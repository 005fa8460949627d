//! A machine that is on, its gateway, and somebody at a terminal.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::aws::Options as AwsOptions;
use holdfast::aws::session::Document;
use holdfast::connect::{End, Ends, Input, Program, connect};
use holdfast::problem::Problem;
use holdfast_core::names::{InstanceId, SessionName};
use holdfast_core::plan::Goal;
use holdfast_core::script;
use holdfast_core::session::Stream;
use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Call, Options, Pace, Principal, SECRET_KEY, Sandbox};
use holdfast_tests::Laptop;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const ACCOUNT: &str = "123456789012";
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A machine that is on and can be reached, and its gateway.
pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ada: Arc<Laptop>,
    pub(crate) machine: InstanceId,
    folder: tempfile::TempDir,
}

/// A session that has ended.
pub(crate) struct Over {
    pub(crate) end: Result<End, Problem>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

impl Over {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(crate) fn problem(self) -> Problem {
        self.end.expect_err("a problem")
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for tests");
        let gateway = Arc::new(Gateway::new(Arc::new(Guests::new(folder.path()))));
        let sandbox = Sandbox::new(Options { backend: Arc::clone(&gateway) as _, ..Options::default() });
        sandbox.set(|conditions| conditions.pace = Pace::instant());
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let options = AwsOptions {
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            http_client: Some(SharedHttpClient::new(sandbox.http_client())),
            ..AwsOptions::default()
        };
        let ada = Arc::new(Laptop::on(options, "").await);
        let report = ada.reach(Goal::Reachable).await.expect("a machine that can be reached");
        let machine = report.observed.winners(&ada.desired).instance.expect("a machine").id.clone();
        Self { sandbox, gateway, ada, machine, folder }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn deny(&self, action: &str) {
        let caller = Principal::user(ACCOUNT, "sandbox", ACCESS_KEY).denying(action);
        self.sandbox.set(|conditions| conditions.principals = vec![caller]);
    }

    pub(crate) fn command(&self, command: &str) -> Document {
        let script = script::run(&self.ada.desired.user, &[command.to_owned()]).expect("a script");
        Document::Command(script::without_shell(&script).expect("a command"))
    }

    /// Runs a session to its end: types `typed`, and does `meanwhile` when the output has come to `until`.
    pub(crate) async fn session(
        &self,
        document: &Document,
        typed: &str,
        until: &str,
        meanwhile: impl AsyncFnOnce(),
    ) -> Over {
        let (input, from_user) = mpsc::channel(64);
        let (to_user, mut output) = mpsc::channel(64);
        let ends = Ends { input: from_user, output: to_user, terminal: None, talks: false };
        let collect = async {
            let (mut out, mut err, mut meanwhile) = (Vec::new(), Vec::new(), Some(meanwhile));
            while let Some((stream, bytes)) = output.recv().await {
                match stream {
                    Stream::Out => out.extend(bytes),
                    Stream::Err => err.extend(bytes),
                }
                if !until.is_empty()
                    && String::from_utf8_lossy(&out).contains(until)
                    && let Some(meanwhile) = meanwhile.take()
                {
                    meanwhile().await;
                }
            }
            (out, err)
        };
        let typed = (!typed.is_empty()).then(|| typed.as_bytes().to_vec());
        let program = Program::Once { document: document.clone(), typed };
        let session = connect(&self.ada.aws, &self.ada.desired, &self.machine, program, ends);
        let both = async { tokio::join!(session, collect) };
        let (end, (out, err)) = timeout(SOON, both).await.expect("the session ends");
        drop(input);
        Over { end, out, err }
    }

    pub(crate) async fn run(&self, document: &Document) -> Over {
        self.session(document, "", "", async || {}).await
    }

    /// No session goes on without anybody.
    pub(crate) async fn assert_quiet(&self, case: &str) {
        let quiet = async {
            while !self.gateway.sessions().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let quiet = timeout(Duration::from_secs(10), quiet).await;
        assert!(quiet.is_ok(), "{case}: {:?}", self.gateway.sessions());
    }

    pub(crate) fn called(&self, operation: &str) -> Vec<Call> {
        self.sandbox.calls().into_iter().filter(|call| call.operation == operation).collect()
    }
}

/// What has changed something.
pub(crate) fn changing(sandbox: &Sandbox) -> Vec<Call> {
    sandbox.calls().into_iter().filter(|call| call.changes() && call.took_effect).collect()
}

/// Somebody at a terminal that is attached to the machine. Everything happens between two waits of theirs.
pub(crate) struct Seat {
    input: mpsc::Sender<Input>,
    output: mpsc::Receiver<(Stream, Vec<u8>)>,
    end: tokio::task::JoinHandle<Result<End, Problem>>,
    seen: Vec<u8>,
    /// How much of it was expected already.
    read: usize,
}

impl Seat {
    /// Sits down and waits for the shell.
    pub(crate) async fn at(rig: &Rig) -> Self {
        let mut seat = Self::before(rig, SessionName::default());
        seat.expect("$ ").await;
        seat
    }

    pub(crate) fn before(rig: &Rig, name: SessionName) -> Self {
        let (input, from_user) = mpsc::channel(64);
        let (to_user, output) = mpsc::channel(64);
        let ends = Ends { input: from_user, output: to_user, terminal: Some((80, 24)), talks: false };
        let (ada, machine) = (Arc::clone(&rig.ada), rig.machine.clone());
        let end = tokio::task::spawn_local(async move {
            connect(&ada.aws, &ada.desired, &machine, Program::Attach(name), ends).await
        });
        Self { input, output, end, seen: Vec::new(), read: 0 }
    }

    pub(crate) async fn press(&self, keys: &str) {
        self.input.send(Input::Bytes(keys.as_bytes().to_vec())).await.expect("a connection");
    }

    /// What the terminal shows from here on, when it holds `text`.
    pub(crate) async fn expect(&mut self, text: &str) -> String {
        self.expect_within(SOON, text).await
    }

    pub(crate) async fn expect_within(&mut self, patience: Duration, text: &str) -> String {
        let until = Instant::now() + patience;
        loop {
            let seen = &self.seen[self.read..];
            if let Some(at) = seen.windows(text.len()).position(|window| window == text.as_bytes()) {
                let shown = String::from_utf8_lossy(&seen[..at + text.len()]).into_owned();
                self.read += at + text.len();
                return shown;
            }
            match tokio::time::timeout_at(until, self.output.recv()).await {
                Ok(Some((_, bytes))) => self.seen.extend(bytes),
                Ok(None) => panic!("it ended, without {text:?}: {:?}", last(seen)),
                Err(_) => panic!("no {text:?} in {patience:?}: {:?}", last(seen)),
            }
        }
    }

    /// Takes whatever is shown for so long.
    pub(crate) async fn watch(&mut self, time: Duration) -> String {
        let until = Instant::now() + time;
        while let Ok(Some((_, bytes))) = tokio::time::timeout_at(until, self.output.recv()).await {
            self.seen.extend(bytes);
        }
        let shown = String::from_utf8_lossy(&self.seen[self.read..]).into_owned();
        self.read = self.seen.len();
        shown
    }

    /// The shell answers, and with what is expected of it and nothing from before.
    pub(crate) async fn prove(&mut self) {
        let nonce = uuid();
        self.press(&format!("echo al''ive {nonce}\r")).await;
        self.expect(&format!("alive {nonce}\r\n")).await;
    }

    pub(crate) async fn end(mut self) -> Result<End, Problem> {
        let over = async {
            while self.output.recv().await.is_some() {}
            self.end.await.expect("no panic")
        };
        timeout(SOON, over).await.expect("an end")
    }
}

fn last(seen: &[u8]) -> String {
    String::from_utf8_lossy(&seen[seen.len().saturating_sub(2000)..]).into_owned()
}

fn uuid() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("n{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
