//! The sandbox: a local AWS in a process of its own, so that `up` and `connect` are separate commands.
//!
//! Its machines run programs as this user, so nobody else on this computer may use it: only who can read the file that
//! says where it runs knows its access key, which is another one each time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{Conditions, Principal, SECRET_KEY, Sandbox};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::aws::Options;
use crate::open::program;
use crate::problem::Problem;
use crate::process::{detach, without_secrets};
use crate::store::Store;

/// The account of the sandbox, and its one user.
const ACCOUNT: (&str, &str) = ("123456789012", "sandbox");
/// How long a sandbox may take to start.
const START: Duration = Duration::from_secs(60);

/// Where a running sandbox is, and the key to it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    access_key: String,
}

/// The sandbox's own settings and state.
/// # Errors
/// No home folder.
pub fn store() -> Result<Store, Problem> {
    let folder = folder()?;
    Ok(Store::at(folder.join("config"), folder.join("state")))
}

/// The running sandbox as an endpoint of AWS; starts it if need be.
///
/// # Errors
/// It does not start.
pub async fn endpoint() -> Result<Options, Problem> {
    let running = match running().await? {
        Some(running) => running,
        None => start().await?,
    };
    let credentials = Credentials::new(running.access_key, SECRET_KEY, None, None, "sandbox");
    Ok(Options {
        endpoint: Some(format!("http://127.0.0.1:{}", running.port)),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        ..Options::default()
    })
}

fn folder() -> Result<PathBuf, Problem> {
    Ok(Store::open()?.state_dir().join("sandbox"))
}

/// Where the sandbox's own process says what goes wrong.
///
/// # Errors
/// No home folder.
pub(crate) fn log_file() -> Result<PathBuf, Problem> {
    Ok(folder()?.join("log"))
}

fn running_file() -> Result<PathBuf, Problem> {
    Ok(folder()?.join("running.json"))
}

/// The sandbox that runs and answers, if one does.
pub(crate) async fn running() -> Result<Option<Running>, Problem> {
    let Ok(text) = fs::read_to_string(running_file()?) else { return Ok(None) };
    let Ok(running) = serde_json::from_str::<Running>(&text) else { return Ok(None) };
    Ok(admin(&running, "GET", "/_holdfast/status").await.map(|_| running))
}

/// Starts the sandbox as a process of its own that outlives this one.
async fn start() -> Result<Running, Problem> {
    let folder = folder()?;
    own_folder(&folder).map_err(|error| files(&error))?;
    let log =
        OpenOptions::new().create(true).append(true).open(log_file()?).map_err(|error| files(&error))?;
    let mut process = Command::new(program().map_err(|error| files(&error))?);
    process.args(["sandbox", "serve"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    without_secrets(&mut process);
    detach(&mut process);
    let mut child = process.spawn().map_err(|error| files(&error))?;
    let failed = |cause: String| {
        Problem::new("sandbox", "The sandbox does not start")
            .because(cause)
            .hint_first(log_file().ok().map(|log| format!("see {}", log.display())))
    };
    let answers = async {
        loop {
            if let Ok(Some(running)) = running().await {
                return Ok(running);
            }
            // Two commands may start it at the same moment; then one of the processes ends, and that is well.
            if let Ok(Some(status)) = child.try_wait()
                && !status.success()
            {
                return Err(failed(status.to_string()));
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(START, answers).await.unwrap_or_else(|_| Err(failed("it does not answer".to_owned())))
}

/// Runs the sandbox until somebody ends it.
pub(crate) async fn serve() -> Result<(), Problem> {
    let store = store()?;
    let folder = folder()?;
    own_folder(&folder).map_err(|error| files(&error))?;
    let Ok(_lock) = store.lock("sandbox", "serve") else { return Ok(()) };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| files(&error))?;
    let port = listener.local_addr().map_err(|error| files(&error))?.port();
    let running = Running { pid: std::process::id(), port, access_key: Principal::fresh_key() };
    let machines = Arc::new(Gateway::new(Arc::new(guests(folder.join("machines")))));
    let (account, user) = ACCOUNT;
    let principals = vec![Principal::user(account, user, &running.access_key)];
    let conditions = Conditions { principals, ..Conditions::of(account) };
    let options =
        holdfast_sandbox::Options { backend: machines, conditions, ..holdfast_sandbox::Options::default() };
    let sandbox = Sandbox::open(folder.join("world"), options).map_err(|error| files(&error))?;
    let file = running_file()?;
    write_own(&file, &serde_json::json!(running).to_string()).map_err(|error| files(&error))?;
    tokio::select! {
        served = sandbox.serve(listener) => served.map_err(|error| files(&error))?,
        () = removed(&file) => {}
    }
    let _ = fs::remove_file(file);
    Ok(())
}

/// The environment variable with the tree that machines with systemd begin as, which need root; a machine is a shell on this
/// computer otherwise. `./dev` makes the tree.
pub const MACHINE_TREE: &str = "HOLDFAST_MACHINE_TREE";

fn guests(folder: PathBuf) -> Guests {
    #[cfg(target_os = "linux")]
    if let Some(tree) = std::env::var_os(MACHINE_TREE)
        && rustix::process::geteuid().is_root()
    {
        return Guests::nixos(folder, tree);
    }
    Guests::new(folder)
}

/// Whoever removes the folder by hand leaves nobody who could end the process otherwise.
async fn removed(file: &Path) {
    while file.exists() {
        sleep(Duration::from_secs(5)).await;
    }
}

/// Makes a folder that is this user's alone, also if it is there already.
fn own_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Writes a file that only this user can read, at once.
fn write_own(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside)?.write_all(text.as_bytes())?;
    fs::rename(beside, path)
}

/// Removes everything in the sandbox, which does not run.
pub(crate) fn empty() -> Result<(), Problem> {
    match fs::remove_dir_all(folder()?) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(files(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Ends a running sandbox; what is in it stays.
pub(crate) async fn end(running: &Running) -> Result<(), Problem> {
    let gone = async {
        let _ = admin(running, "POST", "/_holdfast/shutdown").await;
        while admin(running, "GET", "/_holdfast/status").await.is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(START, gone).await.map_err(|_| {
        Problem::new("sandbox", "The sandbox does not end").hint(format!("end the process {}", running.pid))
    })
}

/// One call to the sandbox's own interface; `None` when nobody, or somebody else, answers.
pub(crate) async fn admin(running: &Running, method: &str, path: &str) -> Option<String> {
    let call = async {
        let Running { port, access_key, .. } = running;
        let mut socket = TcpStream::connect(("127.0.0.1", *port)).await.ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {access_key}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    };
    timeout(Duration::from_secs(2), call).await.ok().flatten()
}

fn files(error: &dyn std::error::Error) -> Problem {
    Problem::new("sandbox", "The sandbox cannot be used").because(error.to_string())
}
