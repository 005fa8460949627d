//! A desktop of one test's own.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The app, which cargo builds before this test.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_holdfast-desktop");

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home, an X server and a session bus. All that was started in it ends with it.
pub(crate) struct Desktop {
    home: tempfile::TempDir,
    display: String,
    bus: Option<String>,
    pub(crate) children: Vec<Child>,
    /// How many shells were proved.
    proofs: Cell<u8>,
    /// What else its programs find in their environment.
    variables: Vec<(String, String)>,
}

impl Desktop {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut desktop = Self {
            home,
            display: String::new(),
            bus: None,
            children: Vec::new(),
            proofs: Cell::new(0),
            variables: Vec::new(),
        };
        for folder in ["home", "run", "config", "bin"] {
            std::fs::create_dir(desktop.path(folder)).unwrap();
        }
        desktop.install("xdg-terminal-exec", "exec xterm -e \"$@\"");
        let mut server = Command::new("Xvfb");
        // Without -noreset it begins anew whenever the last client leaves, and whoever comes just then is sent away.
        server.args(["-displayfd", "1", "-noreset", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]);
        let number = desktop.first_line(&mut server);
        desktop.display = format!(":{number}");
        desktop
    }

    /// Makes a program, which comes before what this computer has of its name.
    pub(crate) fn install(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The same with a session bus that is there already.
    pub(crate) fn on_bus(address: String) -> Self {
        let mut desktop = Self::new();
        desktop.bus = Some(address);
        desktop
    }

    /// The same with a session bus.
    pub(crate) fn with_bus() -> Self {
        let mut desktop = Self::new();
        let mut bus = desktop.command("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1"]);
        desktop.bus = Some(desktop.first_line(&mut bus));
        desktop
    }

    /// The same with settings, so that it is not the first start.
    pub(crate) fn settled() -> Self {
        let desktop = Self::with_bus();
        std::fs::create_dir_all(desktop.path("state/sandbox/config")).unwrap();
        std::fs::write(desktop.path("state/sandbox/config/settings.toml"), "").unwrap();
        desktop
    }

    /// Has the programs that are started from now on find this in their environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts a server that prints where it is, and that line.
    fn first_line(&mut self, command: &mut Command) -> String {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.children.push(child);
        line.trim().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The address of the session bus.
    pub(crate) fn bus(&self) -> &str {
        self.bus.as_deref().unwrap()
    }

    /// A program on this desktop.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        for name in ["TMPDIR", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs([
            ("HOME", self.path("home")),
            ("XDG_RUNTIME_DIR", self.path("run")),
            ("HOLDFAST_CONFIG_DIR", self.path("config")),
            ("HOLDFAST_STATE_DIR", self.path("state")),
            ("AWS_CONFIG_FILE", self.path("aws-config")),
            ("AWS_SHARED_CREDENTIALS_FILE", self.path("aws-credentials")),
        ]);
        command.envs([
            ("USER", "ada"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("DISPLAY", &self.display),
            ("GDK_BACKEND", "x11"),
            ("NO_AT_BRIDGE", "1"),
            ("LIBGL_ALWAYS_SOFTWARE", "1"),
            ("HOLDFAST_SANDBOX", "1"),
            // Whatever is started here a shell at a terminal has started.
            ("SHLVL", "1"),
            ("TERM", "xterm"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // GTK would start a bus of its own where none is named.
        command.env("DBUS_SESSION_BUS_ADDRESS", self.bus.as_deref().unwrap_or("disabled:"));
        command
    }

    /// Runs `holdfast` with the words of `line`.
    #[track_caller]
    pub(crate) fn holdfast(&self, line: &str) -> String {
        let program = Path::new(APP).with_file_name("holdfast");
        well(self.command(program).args(line.split_whitespace()).stdin(Stdio::null()).output().unwrap())
    }

    /// The state of the machine, asked of the sandbox itself; `none` where there is none.
    pub(crate) fn machine(&self) -> String {
        let answer: serde_json::Value =
            serde_json::from_str(&self.holdfast("sandbox status --json")).unwrap();
        let alive = answer["instances"].as_array().unwrap().iter().find(|i| i["state"] != "terminated");
        alive.map_or("none".to_owned(), |instance| instance["state"].as_str().unwrap().to_owned())
    }

    /// Starts the app. It ends with the desktop.
    pub(crate) fn app(&mut self, arguments: &[&str]) -> usize {
        let log = std::fs::File::create(self.path("app.log")).unwrap();
        let mut app = self.command(APP);
        app.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.children.push(app.spawn().unwrap());
        self.children.len() - 1
    }

    /// Starts any other program that ends with the desktop.
    pub(crate) fn start(&mut self, command: &mut Command) {
        self.children.push(command.spawn().unwrap());
    }

    /// What the app has to complain of.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("app.log")).unwrap_or_default()
    }

    /// Whether a program has ended, and how.
    pub(crate) fn ended(&mut self, child: usize) -> Option<i32> {
        self.children[child].try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// The X windows with this name or class.
    pub(crate) fn windows(&self, kind: &str, pattern: &str) -> Vec<String> {
        let found =
            self.command("xdotool").args(["search", "--onlyvisible", kind, pattern]).output().unwrap();
        String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// A terminal, as soon as there is one: xterm is what this desktop takes for its terminal.
    #[track_caller]
    pub(crate) fn terminal(&self) -> String {
        self.window_of("xterm")
    }

    /// A window of this program, as soon as there is one. It gets the focus.
    #[track_caller]
    pub(crate) fn window_of(&self, class: &str) -> String {
        let found = eventually(class, || self.windows("--class", class).pop());
        well(self.command("xdotool").args(["windowfocus", "--sync", &found]).output().unwrap());
        found
    }

    /// Types a line with the keyboard, into the window that has the focus.
    #[track_caller]
    pub(crate) fn enter(&self, line: &str) {
        well(self.command("xdotool").args(["type", "--delay", "15", line]).output().unwrap());
        well(self.command("xdotool").args(["key", "Return"]).output().unwrap());
    }

    /// The text that stands in a terminal window: what the mouse selects there from the end to the beginning.
    pub(crate) fn text_in(&self, window: &str) -> String {
        let geometry =
            self.command("xdotool").args(["getwindowgeometry", "--shell", window]).output().unwrap();
        let geometry = well(geometry);
        let measure = |name: &str| -> u32 {
            geometry.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap()
        };
        let (right, bottom) = (measure("WIDTH=") * 4 / 5, measure("HEIGHT=") - 8);
        let to = |x: u32, y: u32| format!("mousemove --window {window} {x} {y} sleep 0.1");
        let drag = format!(
            "{} mousedown 1 sleep 0.1 {} {} mouseup 1 sleep 0.1",
            to(right, bottom),
            to(right / 2, bottom / 2),
            to(2, 2)
        );
        well(self.command("xdotool").args(drag.split_whitespace()).output().unwrap());
        let selected = self.command("xclip").args(["-selection", "primary", "-o"]).output().unwrap();
        String::from_utf8_lossy(&selected.stdout).into_owned()
    }

    /// The window that the window manager has in front.
    pub(crate) fn active(&self) -> String {
        let active = self.command("xdotool").arg("getactivewindow").output().unwrap();
        String::from_utf8_lossy(&active.stdout).trim().to_owned()
    }

    /// Keeps a picture of the whole screen, for people to look at.
    pub(crate) fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        well(self.command("import").args(["-window", "root"]).arg(file).output().unwrap());
    }

    /// Proves that the terminal in focus is a shell on the machine: what is typed there makes a file in a home on it, with
    /// the machine's own name in it.
    #[track_caller]
    pub(crate) fn prove_shell(&self) {
        let status: serde_json::Value = serde_json::from_str(&self.holdfast("status --json")).unwrap();
        let id = status["instance"]["id"].as_str().unwrap();
        let mut tries = 0;
        let proof = format!("proof-{}", self.proofs.replace(self.proofs.get() + 1));
        let said = eventually("a shell that does what is typed", || {
            if tries % 40 == 0 {
                self.enter(&format!("hostname > ~/{proof}"));
            }
            tries += 1;
            let said = std::fs::read_to_string(find(&self.path("state/sandbox/machines"), &proof)?).ok()?;
            (!said.trim().is_empty()).then_some(said)
        });
        assert_eq!(said.trim(), id);
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.picture(&format!("failed-{}", std::process::id()));
            for line in self.log().lines().take(40) {
                println!("app: {line}");
            }
        }
        if self.path("state/sandbox/running.json").exists() {
            let program = Path::new(APP).with_file_name("holdfast");
            let _ = self.command(program).args(["sandbox", "reset"]).output();
        }
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = self.log();
        assert!(std::thread::panicking() || !log.contains("panicked at"), "the app has panicked: {log}");
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a program printed that ended well.
#[track_caller]
pub(crate) fn well(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if entry.file_name() == name {
            return Some(path);
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(found) = find(&path, name)
        {
            return Some(found);
        }
    }
    None
}
