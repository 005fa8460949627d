//! A machine that is on, the way to it, and who sits down at a terminal to use it.

use std::net::SocketAddr;
use std::path::PathBuf;
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
    Plugin(PathBuf),
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
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = Arc::new(Gateway::new(Arc::new(Guests::new(folder.path().join("machines")))));
        let sandbox = Sandbox::new(Options { backend: Arc::clone(&gateway) as _, ..Options::default() });
        sandbox.set(|conditions| conditions.pace = Pace::instant());
        let served = serve(&runtime, &sandbox, "127.0.0.1:0".parse().expect("an address"));
        let proxy = Proxy::new(runtime.handle(), served);
        let mut up = holdfast(folder.path(), "up --yes");
        let up = up.envs(account(&format!("http://{}", proxy.address))).output().expect("the program starts");
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Self { runtime, sandbox, gateway, proxy, folder }
    }

    /// The client at a terminal, with a shell on the machine.
    pub(crate) fn sit_down(&self, client: &Client) -> Terminal {
        let mut terminal = Terminal::run(self.client(client));
        terminal.expect("$ ");
        terminal
    }

    /// What starts the client. The plugin is started by the AWS command line, which opens the session first; that
    /// is not part of what is measured.
    pub(crate) fn client(&self, client: &Client) -> Command {
        // Stream URLs, too, are to lead through the proxy.
        self.gateway.listening(self.proxy.address);
        let endpoint = format!("http://{}", self.proxy.address);
        let command = match client {
            Client::Holdfast => Command::new(PROGRAM).arg("connect"),
            Client::Plugin(path) => {
                let (region, instance) = self.instance();
                let request = json!({ "Target": instance }).to_string();
                let answer = self.start_session(&region, &request);
                let arguments = [&answer, &region, "StartSession", "", &request, &endpoint];
                Command::new(path).args(arguments)
            }
        };
        self.at_home(command, &endpoint)
    }

    fn at_home(&self, command: Command, endpoint: &str) -> Command {
        command.env_clear().envs(environment(self.folder.path())).envs(account(endpoint))
    }

    /// The region and id of the machine.
    fn instance(&self) -> (String, String) {
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

    /// Holdfast in a network of its own, at the other end of a cable.
    pub(crate) fn sit_down_behind(&self, _: &Cable) -> Terminal {
        let address = serve(&self.runtime, &self.sandbox, SocketAddr::new(ADDRESS, 0));
        self.gateway.listening(address);
        let [program, inside @ ..] = Cable::inside();
        let command = Command::new(program).args(inside).arg(PROGRAM).arg("connect");
        let mut terminal = Terminal::run(self.at_home(command, &format!("http://{address}")));
        terminal.expect("$ ");
        terminal
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

fn account(endpoint: &str) -> [(&'static str, String); 3] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
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
