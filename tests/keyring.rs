//! A keyring of the test's own: a real gnome-keyring on a session bus that nobody else knows.

#![allow(dead_code, reason = "not every suite needs all of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A session bus, and what may be on it.
pub(crate) struct Keyring {
    folder: tempfile::TempDir,
    children: Vec<Child>,
    display: Option<String>,
}

impl Keyring {
    /// A bus without a keyring.
    pub(crate) fn absent() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut this = Self { folder, children: Vec::new(), display: None };
        // The system's own configuration of a session bus would start a keyring whenever somebody asks for one.
        let configuration = this.folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>{}</listen><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
            this.address()
        );
        std::fs::write(&configuration, text).unwrap();
        let file = format!("--config-file={}", configuration.display());
        this.spawn(Command::new("dbus-daemon").args(["--nofork", "--nopidfile", &file]), "");
        let socket = this.folder.path().join("bus");
        eventually("bus", || socket.exists());
        this
    }

    /// A keyring that lets its programs in.
    pub(crate) fn unlocked() -> Self {
        let mut this = Self::absent();
        this.start("secret");
        this
    }

    /// A keyring that is locked, on a desktop where nobody can be asked to unlock it.
    pub(crate) fn locked() -> Self {
        let mut this = Self::unlocked();
        let file = this.folder.path().join("data/keyrings/login.keyring");
        eventually("keyring on disk", || file.exists());
        let mut daemon = this.children.pop().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        eventually("end of the first keyring", || !this.is_there());
        let _ = std::fs::remove_file(this.folder.path().join("run/keyring/control"));
        let mut command = this.daemon();
        this.spawn(command.arg("--start"), "");
        this.wait_until_there();
        this
    }

    /// A keyring that is locked, and somebody who closes the window in which it asks for its password.
    pub(crate) fn denied() -> Self {
        let mut this = Self::locked();
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-noreset", "-screen", "0", "800x600x24", "-nolisten", "tcp"]);
        let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        this.children.push(server);
        this.display = Some(format!(":{}", number.trim()));
        // It gives the window the keyboard.
        this.spawn(&mut Command::new("openbox"), "");
        this.spawn(&mut Command::new("/usr/libexec/gcr-prompter"), "");
        eventually("prompter", || this.has("org.gnome.keyring.SystemPrompter"));
        let look = "until xdotool search --onlyvisible --name Unlock; do sleep 0.1; done; sleep 0.3; xdotool key Escape";
        this.spawn(Command::new("sh").args(["-c", look]), "");
        this
    }

    /// Whether somebody who denies it was asked for its password.
    pub(crate) fn has_asked(&mut self) -> bool {
        self.children.last_mut().is_some_and(|asked| asked.try_wait().unwrap().is_some())
    }

    /// What programs find it by.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }

    fn start(&mut self, password: &str) {
        let mut command = self.daemon();
        self.spawn(command.arg("--unlock"), password);
        self.wait_until_there();
    }

    fn daemon(&self) -> Command {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        command
    }

    fn wait_until_there(&self) {
        eventually("keyring", || self.is_there());
    }

    fn is_there(&self) -> bool {
        self.has("org.freedesktop.secrets")
    }

    fn has(&self, name: &str) -> bool {
        let name = format!("string:{name}");
        let arguments = [
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/",
            "org.freedesktop.DBus.NameHasOwner",
            &name,
        ];
        let mut ask = Command::new("dbus-send");
        let asked = ask.args(arguments).env("DBUS_SESSION_BUS_ADDRESS", self.address()).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).contains("boolean true")
    }

    fn spawn(&mut self, command: &mut Command, input: &str) {
        let home = |name: &str| {
            let path = self.folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let mut child = command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.display.as_ref().map(|display| ("DISPLAY", display)))
            .env("HOME", home("home"))
            .env("XDG_DATA_HOME", home("data"))
            .env("XDG_RUNTIME_DIR", home("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.children.push(child);
    }

    /// Everything that it keeps on disk.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn eventually(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(30), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
