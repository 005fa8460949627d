//! The `process` guest: a folder that serves as the machine's disk, and programs of this computer with that folder as
//! their home.
//!
//! There is no isolation and it does not pretend to any: programs run as the computer's user and reach all that the user
//! reaches. What makes it a machine of its own: homes, an environment made from nothing, and stand-ins for the few
//! programs that would show or switch the computer underneath.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use holdfast_core::names::UserName;
use tokio::process::Command;

const PRELUDE: &str = include_str!("bin/prelude.sh");
const REFUSE: &str = include_str!("bin/refuse.sh");
const STAND_INS: [(&str, &str); 15] = [
    ("getent", include_str!("bin/getent.sh")),
    ("halt", REFUSE),
    ("hostname", include_str!("bin/hostname.sh")),
    ("id", include_str!("bin/id.sh")),
    ("loginctl", REFUSE),
    ("machinectl", REFUSE),
    ("nixos-rebuild", REFUSE),
    ("nixos-version", include_str!("bin/nixos-version.sh")),
    ("poweroff", REFUSE),
    ("reboot", REFUSE),
    ("shutdown", REFUSE),
    ("sudo", include_str!("bin/sudo.sh")),
    ("systemctl", REFUSE),
    ("systemd-run", REFUSE),
    ("whoami", include_str!("bin/whoami.sh")),
];
const PROFILE: &str = include_str!("profile.sh");
/// The user that the agent opens sessions as.
const AGENT_USER: &str = "ssm-user";

/// One machine's folder.
#[derive(Clone, Debug)]
pub(super) struct ProcessGuest {
    root: PathBuf,
    host_path: String,
}

impl ProcessGuest {
    /// Makes the folder if it is new, and writes anew all in it that is ours rather than the user's.
    pub(super) fn boot(root: PathBuf, instance_id: &str) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        let root = root.canonicalize()?;
        for folder in ["bin", "etc"] {
            fs::create_dir_all(root.join(folder))?;
        }
        let host_path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let guest = Self { root, host_path };
        let profile = guest.root.join("etc/profile");
        let variables = format!(
            "guest={}\ninstance={}\nhost_path={}\nlogin_shell={}\nquoted_profile={}\n",
            quote(&text(&guest.root)?),
            quote(instance_id),
            quote(&guest.host_path),
            quote(&guest.login_shell()),
            quote(&quote(&text(&profile)?)),
        );
        for (name, body) in STAND_INS {
            let script = guest.root.join("bin").join(name);
            fs::write(&script, format!("#!/bin/sh\n{variables}\n{PRELUDE}\n{body}"))?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(&profile, format!("{variables}\n{PROFILE}"))?;
        let home = guest.home();
        fs::create_dir_all(&home)?;
        if !home.join(".profile").exists() {
            fs::write(home.join(".profile"), format!(". {}\n", quote(&text(&profile)?)))?;
        }
        Ok(guest)
    }

    /// The user that the machine's configuration declares; none on a stock image.
    pub(super) fn set_user(&self, user: Option<&UserName>) -> io::Result<()> {
        fs::write(self.root.join("etc/users"), user.map(|name| format!("{name}\n")).unwrap_or_default())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn home(&self) -> PathBuf {
        self.root.join("home").join(AGENT_USER)
    }

    fn login_shell(&self) -> String {
        std::env::split_paths(&self.host_path)
            .map(|folder| folder.join("bash"))
            .find(|bash| bash.is_file())
            .and_then(|bash| bash.into_os_string().into_string().ok())
            .unwrap_or_else(|| "/bin/sh".to_owned())
    }

    /// A command with the machine's environment, as the agent's user, in its home (the real agent starts programs in
    /// its own working directory, which here would be the root of the user's computer).
    pub(super) fn command(&self, program: &str, arguments: &[String]) -> Command {
        let path = format!("{}/bin:{}", self.root.display(), self.host_path);
        // Looked up by hand: the standard library would search the sandbox's own PATH.
        let resolved = if program.contains('/') {
            PathBuf::from(program)
        } else {
            std::env::split_paths(&path)
                .map(|folder| folder.join(program))
                .find(|file| is_executable(file))
                .unwrap_or_else(|| PathBuf::from(program))
        };
        let mut command = Command::new(resolved);
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("USER", AGENT_USER)
            .env("LOGNAME", AGENT_USER)
            .env("SHELL", "/bin/sh")
            .env("PATH", path)
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .env("ENV", self.root.join("etc/profile"))
            // What would change a system must not take this computer's for one.
            .env("HOLDFAST_GUEST", "process")
            .kill_on_drop(true);
        command
    }
}

pub(super) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

fn text(path: &Path) -> io::Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not UTF-8", path.display()))
    })
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
