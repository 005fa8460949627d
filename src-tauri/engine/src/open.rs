//! `holdfast open`: the user's own terminal, with `holdfast connect` in it.
//!
//! A terminal may be a server that has neither our environment nor our folder, and what it was told to run can be read by
//! everybody on this computer. So it is told the name of a file, which holds the rest and which only this user can read.
//! Whoever runs in the new window removes the file, and that also says that the window is there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_core::app::{self, harmless::harmless};
use holdfast_core::names::{MachineName, SessionName};
use holdfast_core::terminal::{Choice, Known, Launch, Part, System, Window, alternatives, launches};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::problem::Problem;
use crate::process::{detach, without_secrets};
use crate::repository::TOKEN;
use crate::store::{Store, StoreError};
use crate::surroundings;

/// How long a terminal may take to open: the first window of a cold computer loads a lot.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one may take that may ask the user first.
const PATIENCE_WITH_A_QUESTION: Duration = Duration::from_secs(60);

/// After how long nobody takes an order any more.
const OLD: Duration = Duration::from_secs(600);
/// The folder of the orders in the state folder.
const ORDERS: &str = "windows";

/// What the new window runs.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// The arguments of `holdfast`.
    arguments: Vec<String>,
    /// What steers it in the environment, as text.
    environment: BTreeMap<String, String>,
}

/// What `holdfast open --json` prints when no terminal opens.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub problem: app::Problem,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem: problem.into() }
    }
}

/// The command `holdfast` itself: this program, or the one beside it that the app comes with. Both can be in an AppImage, whose folder
/// is there only while what was started from it runs: then it is the AppImage, which is the command, too.
///
/// # Errors
/// When this program's own path is not known.
pub fn program() -> std::io::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Ok(command(std::env::current_exe()?, variable("APPIMAGE"), variable("APPDIR")))
}

/// The command where this program lies here, and an AppImage says that it is this file and is mounted at that folder: another one may
/// have started us and handed on its variables.
fn command(this: PathBuf, image: Option<PathBuf>, mounted: Option<PathBuf>) -> PathBuf {
    let name = format!("holdfast{}", std::env::consts::EXE_SUFFIX);
    match image.zip(mounted) {
        Some((image, mounted)) if this.starts_with(&mounted) => image,
        _ if this.file_name() == Some(OsStr::new(&name)) => this,
        _ => this.with_file_name(name),
    }
}

/// A window that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The machine in it.
    pub machine: MachineName,
    /// The session on the machine.
    pub session: SessionName,
    /// Whether the machine is in the sandbox.
    pub sandbox: bool,
    /// The terminal that it is to open in.
    pub terminal: Choice,
    /// It is meant for this window alone, and is not the one of the settings.
    pub once: bool,
}

/// The arguments that connect to this session in a window of its own.
pub fn window_arguments(wanted: &Wanted) -> Vec<String> {
    let Wanted { machine, session, sandbox, .. } = wanted;
    let mut arguments =
        ["connect", session.as_str(), "--hold", "--machine", machine.as_str()].map(str::to_owned).to_vec();
    arguments.extend(sandbox.then(|| "--sandbox".to_owned()));
    arguments
}

/// Opens a terminal window in which `holdfast` connects to the session, and waits until it is there. The window outlives
/// this process.
///
/// # Errors
/// The terminal that the user chose is not installed or does not open, or none does; with those that are there instead.
pub async fn open(store: &Store, wanted: &Wanted) -> Result<(), Problem> {
    forget_old_orders(store);
    let order = Order { arguments: window_arguments(wanted), environment: steering() };
    let file = store.new_window(&order)?;
    let script = file.with_extension("command");
    let result = try_each(wanted, &file, &script).await;
    let _ = fs::remove_file(&file);
    let _ = fs::remove_file(&script);
    result
}

/// The names of the terminals that a window would be opened in, in the order in which they are tried.
pub fn installed(choice: &Choice) -> Vec<String> {
    let window = Window { title: "", command: &[String::new(), String::new(), String::new()], script: "" };
    launches(this_system(), choice, &window, is_installed).into_iter().map(|launch| launch.name).collect()
}

/// Removes the orders that nobody took and nobody removed, since whoever gave them was killed: they may hold credentials.
fn forget_old_orders(store: &Store) {
    for entry in fs::read_dir(store.state_dir().join(ORDERS)).into_iter().flatten().flatten() {
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

async fn try_each(wanted: &Wanted, file: &Path, script: &Path) -> Result<(), Problem> {
    let Wanted { machine, session, terminal, .. } = wanted;
    let system = |error: std::io::Error| {
        Problem::new("no_terminal_window", "No terminal can be opened").because(error.to_string())
    };
    let command =
        [program().map_err(system)?.display().to_string(), "window".to_owned(), file.display().to_string()];
    let (title, script_path) = (format!("{machine}: {session}"), script.display().to_string());
    let window = Window { title: &title, command: &command, script: &script_path };
    let mut causes = Vec::new();
    for launch in launches(this_system(), terminal, &window, is_installed) {
        match attempt(&launch, file, script).await {
            Ok(()) => return Ok(()),
            Err(cause) => causes.push((launch.name, cause)),
        }
    }
    Err(none_opened(wanted, &causes, &alternatives(this_system(), terminal, is_installed)))
}

/// The terminals that are installed.
pub fn installed_terminals() -> Vec<Known> {
    alternatives(this_system(), &Choice::Default, is_installed)
}

/// What is said when every terminal that was tried failed for its cause, and these are installed beside the chosen one.
fn none_opened(wanted: &Wanted, causes: &[(String, String)], others: &[Known]) -> Problem {
    let chosen = match &wanted.terminal {
        Choice::Default => None,
        Choice::Known(known) => Some(known.name()),
        Choice::Custom(template) => template.words().first().map(String::as_str),
    };
    let session = match &wanted.session {
        name if *name == SessionName::default() => String::new(),
        name => format!(" {name}"),
    };
    let problem = match (chosen, causes) {
        (None, causes) => {
            let causes: Vec<String> = causes.iter().map(|(name, cause)| format!("{name}: {cause}")).collect();
            let problem = Problem::new("no_terminal_window", "No terminal could be opened").hint(missing());
            if causes.is_empty() { problem } else { problem.because(causes.join("; ")) }
        }
        (Some(name), causes) => {
            let cause = causes.first().map_or("it is not installed", |(_, cause)| cause);
            let problem =
                Problem::new("no_terminal_window", format!("{name} could not be opened")).because(cause);
            let words: Vec<&str> = others.iter().map(|known| known.word()).collect();
            let problem = match words.split_first() {
                None => problem.hint(missing()),
                Some((first, _)) if wanted.once => problem.hint(format!(
                    "open it in one that is installed ({}): holdfast open{session} --terminal {first}",
                    words.join(", ")
                )),
                Some((first, _)) => problem.hint(format!(
                    "choose one that is installed ({}): holdfast settings set terminal {first}",
                    words.join(", ")
                )),
            };
            if wanted.once {
                problem
            } else {
                problem.hint("let Holdfast find one: holdfast settings unset terminal")
            }
        }
    };
    problem.hint(format!("in a terminal of your own, run: holdfast connect{session}"))
}

/// Starts one terminal and waits until the program in it has taken its order.
async fn attempt(launch: &Launch, file: &Path, script: &Path) -> Result<(), String> {
    if let Some(text) = &launch.script {
        write_script(script, text).map_err(|error| error.to_string())?;
    }
    // A pipe would end with this process, and so would the terminal when it writes to it.
    let mut said = tempfile::tempfile().map_err(|error| error.to_string())?;
    let mut child = spawn(launch, &said).map_err(|error| error.to_string())?;
    let began = Instant::now();
    let patience = if launch.script.is_some() { PATIENCE_WITH_A_QUESTION } else { PATIENCE };
    loop {
        if !file.exists() {
            return Ok(());
        }
        match child.try_wait() {
            // A terminal that hands over to a server of its own ends well before the window is there.
            Ok(Some(status)) if !status.success() => return Err(last_words(&mut said, &status.to_string())),
            Ok(_) if began.elapsed() > patience => return Err("it does not open a window".to_owned()),
            Ok(_) => sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Starts a terminal that says what it has to complain of to `said`.
fn spawn(launch: &Launch, said: &File) -> std::io::Result<Child> {
    let mut command = Command::new(&launch.program);
    command.args(&launch.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone()?);
    command.env_clear().envs(surroundings::variables());
    // What runs in the window has its order, and the terminal itself calls nobody.
    without_secrets(&mut command);
    detach(&mut command);
    command.spawn()
}

/// What a terminal said before it gave up.
fn last_words(said: &mut File, otherwise: &str) -> String {
    let mut bytes = Vec::new();
    let _ = said.rewind().and_then(|()| said.take(4096).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(|| otherwise.to_owned(), |line| harmless(line, 300))
}

/// Becomes what the file orders, in the new window.
///
/// # Errors
/// The file is not there, or makes no sense, or the program cannot be started.
pub fn enter(file: &Path) -> Result<u8, Problem> {
    let failed = |cause: String| Problem::new("window", "The window has nothing to run").because(cause);
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let order: Order = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    fs::remove_file(file).map_err(|error| failed(error.to_string()))?;
    let program = program().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    // A terminal that is a server has the environment of whenever it was started.
    let own = surroundings::variables().into_iter().filter(|(name, _)| !name.to_str().is_some_and(steers));
    command.env_clear().envs(own).envs(&order.environment).args(&order.arguments);
    become_it(&mut command).map_err(|error| failed(error.to_string()))
}

/// One process in the window, so that a signal to it reaches nobody in between.
#[cfg(unix)]
fn become_it(command: &mut Command) -> std::io::Result<u8> {
    Err(std::os::unix::process::CommandExt::exec(command))
}

/// Windows has no `exec`.
#[cfg(windows)]
fn become_it(command: &mut Command) -> std::io::Result<u8> {
    Ok(u8::try_from(command.status()?.code().unwrap_or(1)).unwrap_or(1))
}

/// The variables that steer a command in the new window, as this process has them.
fn steering() -> BTreeMap<String, String> {
    let texts = surroundings::variables().into_iter();
    let texts = texts.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| steers(name)).collect()
}

/// Whether a variable has a say in which machine of which account is meant, where our files are, and how AWS is reached. A window
/// has no repository to ask, so it needs no token for one.
fn steers(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "HOME",
        "PATH",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    (name.starts_with("AWS_") || name.starts_with("HOLDFAST_") || NAMES.contains(&name)) && name != TOKEN
}

/// Whether a program or an application is there: a program by its path or in one of the folders of `PATH`.
fn is_installed(part: Part<'_>) -> bool {
    // Not what is behind it: the aliases that Windows makes for programs of its store cannot be followed.
    let there = |path: PathBuf| path.symlink_metadata().is_ok();
    match part {
        Part::Program(program) => {
            let folders = surroundings::path();
            std::env::split_paths(&folders).any(|folder| there(folder.join(program)))
        }
        Part::Bundle(bundle) => applications().into_iter().any(|folder| there(folder.join(bundle))),
    }
}

/// The folders of the applications of macOS, its own, the user's, and those that Nix makes in them.
fn applications() -> Vec<PathBuf> {
    let home = std::env::home_dir().map(|home| home.join("Applications"));
    let all = ["/Applications", "/System/Applications"].map(PathBuf::from).into_iter().chain(home);
    let folders = ["", "Utilities", "Nix Apps", "Home Manager Apps"];
    all.flat_map(|all| folders.map(|folder| all.join(folder))).collect()
}

fn this_system() -> System {
    if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::Mac
    } else {
        System::Linux
    }
}

fn missing() -> &'static str {
    match this_system() {
        System::Linux => "install a terminal, for example: apt install xterm",
        System::Mac => "see whether Terminal opens by itself",
        System::Windows => "install Windows Terminal from the Microsoft Store",
    }
}

#[cfg(unix)]
fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o700).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)
}

impl Store {
    /// A new file for the order of a window, which only this user can read.
    fn new_window(&self, order: &Order) -> Result<PathBuf, StoreError> {
        self.write_private(&format!("{ORDERS}/{}.json", uuid::Uuid::new_v4().simple()), order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_this_program_the_one_beside_it_or_the_appimage() {
        let name = |stem: &str| format!("{stem}{}", std::env::consts::EXE_SUFFIX);
        let (app, beside) = (name("/opt/a/holdfast-desktop"), name("/opt/a/holdfast"));
        let (mounted, image) =
            (name("/tmp/.mount_a/usr/bin/holdfast-desktop"), "/home/ada/Holdfast.AppImage");
        for (this, appimage, appdir, expected) in [
            (&app, None, None, beside.as_str()),
            (&beside, None, None, &beside),
            (&mounted, Some(image), Some("/tmp/.mount_a"), image),
            // A terminal that is an AppImage itself.
            (&beside, Some("/home/ada/Terminal.AppImage"), Some("/tmp/.mount_b"), &beside),
            (&app, Some(image), None, &beside),
        ] {
            let path = |text: &str| PathBuf::from(text);
            assert_eq!(command(path(this), appimage.map(path), appdir.map(path)), path(expected), "{this}");
        }
    }
}
