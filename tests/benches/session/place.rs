//! A machine that is on, the way to it, and who sits down at a terminal to use it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Options, Pace, SECRET_KEY, Sandbox, SessionBackend as _};
use http::Request;
use pty_process::blocking::Command;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cable::{ADDRESS, Cable};
use crate::program::{PROGRAM, environment, holdfast};
use crate::proxy::Proxy;
use crate::terminal::Terminal;

/// What is measured.
#[derive(Clone)]
pub(crate) enum Client {
    Holdfast,
    /// The official session-manager-plugin.
    Plugin(String),
}

pub(crate) struct Place {
    runtime: Runtime,
    sandbox: Sandbox,
    gateway: Arc<Gateway>,
    pub(crate) proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Place {
    /// The sandbox is part of this process, so what the client uses is the client's alone.
    pub(crate) fn new() -> Self {
        Self::with(Guests::new)
    }

    /// With machines of this kind, whose files are in the folder that it is told.
    pub(crate) fn with(guests: impl FnOnce(PathBuf) -> Guests) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = Arc::new(Gateway::new(Arc::new(guests(folder.path().join("machines")))));
        let sandbox = Sandbox::new(Options { backend: Arc::clone(&gateway) as _, ..Options::default() });
        sandbox.set(|conditions| conditions.pace = Pace::instant());
        let served = serve(&runtime, &sandbox, "127.0.0.1:0".parse().expect("an address"));
        let proxy = Proxy::new(runtime.handle(), served);
        let this = Self { runtime, sandbox, gateway, proxy, folder };
        this.run("apply --yes");
        this
    }

    /// Runs `holdfast` to its end, which must be a good one.
    pub(crate) fn run(&self, line: &str) {
        let output = self.holdfast(line).output().expect("the program starts");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `holdfast` with these arguments, without a terminal.
    pub(crate) fn holdfast(&self, line: &str) -> std::process::Command {
        self.gateway.listening(self.proxy.address);
        let mut command = holdfast(self.folder.path(), line);
        command.envs(account(self.proxy.address));
        command
    }

    /// The client at a terminal, with a shell on the machine.
    pub(crate) fn sit_down(&self, client: &Client) -> Terminal {
        shell(self.client(client))
    }

    /// The same in a network of its own, at the other end of a cable.
    pub(crate) fn sit_down_behind(&self, _: &Cable, client: &Client) -> Terminal {
        let address = serve(&self.runtime, &self.sandbox, SocketAddr::new(ADDRESS, 0));
        let inside = Cable::inside().map(str::to_owned);
        shell(self.command(inside.into_iter().chain(self.words(client, address)), address))
    }

    /// What starts the client.
    pub(crate) fn client(&self, client: &Client) -> Command {
        self.command(self.words(client, self.proxy.address), self.proxy.address)
    }

    fn command(&self, mut words: impl Iterator<Item = String>, aws: SocketAddr) -> Command {
        let program = words.next().expect("a program");
        Command::new(program).args(words).env_clear().envs(environment(self.folder.path())).envs(account(aws))
    }

    /// The plugin is started by the AWS command line, which opens the session first; that is not part of what is
    /// measured.
    fn words(&self, client: &Client, aws: SocketAddr) -> std::vec::IntoIter<String> {
        // Stream URLs lead there, too.
        self.gateway.listening(aws);
        let words = match client {
            Client::Holdfast => vec![PROGRAM.to_owned(), "connect".to_owned()],
            Client::Plugin(path) => {
                let (region, instance) = self.instance();
                let request = json!({ "Target": instance }).to_string();
                let answer = self.start_session(&region, &request);
                let start = "StartSession".to_owned();
                vec![path.clone(), answer, region, start, String::new(), request, format!("http://{aws}")]
            }
        };
        words.into_iter()
    }

    /// The region and id of the machine.
    pub(crate) fn instance(&self) -> (String, String) {
        let world = self.sandbox.world();
        let mut regions = world.accounts.values().flat_map(|account| &account.regions);
        let found =
            regions.find_map(|(name, region)| Some((name.clone(), region.instances.keys().next()?.clone())));
        found.expect("a machine")
    }

    /// What ssm:StartSession answers, as the AWS command line hands it to the plugin.
    fn start_session(&self, region: &str, request: &str) -> String {
        let scope = format!("{ACCESS_KEY}/20261124/{region}/ssm/aws4_request");
        let request = Request::post(format!("https://ssm.{region}.amazonaws.com/"))
            .header("host", format!("ssm.{region}.amazonaws.com"))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
            )
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AmazonSSM.StartSession")
            .body(request.to_owned().into())
            .expect("a request");
        let answer = self.runtime.block_on(self.sandbox.handle(request)).expect("an answer");
        assert!(answer.status().is_success(), "{:?}", answer.body());
        String::from_utf8_lossy(answer.body()).into_owned()
    }

    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn guests(&self) -> &Guests {
        self.gateway.guests()
    }

    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The folder of the computer's files.
    #[allow(dead_code, reason = "not every benchmark needs it")]
    pub(crate) fn home(&self) -> &Path {
        self.folder.path()
    }

    /// Ends all sessions as their limits do: no client can bring them back.
    pub(crate) fn end_sessions(&self) {
        for session_id in self.gateway.sessions() {
            self.gateway.terminate(&session_id);
        }
        while !self.gateway.sessions().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn shell(command: Command) -> Terminal {
    let mut terminal = Terminal::run(command);
    terminal.expect("$ ");
    terminal
}

fn account(aws: SocketAddr) -> [(&'static str, String); 3] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{aws}")),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

fn serve(runtime: &Runtime, sandbox: &Sandbox, at: SocketAddr) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind(at)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let sandbox = sandbox.clone();
    runtime.spawn(async move { sandbox.serve(listener).await });
    address
}
