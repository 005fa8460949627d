//! The environment of what an app starts that was itself started by a dock, a launcher or an AppImage: the programs of its user are
//! where the login shell looks for them, and what is inside of the AppImage is nobody else's.
//!
//! The variables of this process stay as they are; they are given to each child.

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;
use std::time::Duration;

/// How long the login shell may take; some read a lot when they begin.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(5);
/// Printed before and after the answer: a shell may say something of its own when it begins.
#[cfg(unix)]
const MARK: &str = "holdfast-path";
/// What an AppImage says of itself.
/// Source: <https://docs.appimage.org/packaging-guide/environment-variables.html>
const OF_APPIMAGE: [&str; 4] = ["APPIMAGE", "APPDIR", "ARGV0", "OWD"];

/// What the login shell has; not set while it has not answered.
static LOGIN: OnceLock<String> = OnceLock::new();

/// Has the login shell asked for its `PATH`, beside everything else. A shell that has started us has told it already.
pub fn begin() {
    #[cfg(unix)]
    if !below_shell(std::env::var_os("SHLVL").as_deref(), std::env::var_os("TERM").as_deref()) {
        let ask = || {
            if let Some(path) = ask(&shell()) {
                let _ = LOGIN.set(path);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("login shell".to_owned()).spawn(ask) {
            tracing::warn!(%error, "the login shell is not asked");
        }
    }
}

/// Where programs are looked for: by the login shell, then by this process.
pub fn path() -> OsString {
    merged(LOGIN.get().map(String::as_str), &std::env::var_os("PATH").unwrap_or_default())
}

/// The `PATH` of the login shell as a line of `sh`; none where it is that of this process.
pub fn path_line() -> Option<String> {
    LOGIN.get()?;
    let path = path().into_string().ok()?;
    Some(format!("PATH='{}'; export PATH; ", path.replace('\'', r"'\''")))
}

/// All variables that a child is to have.
pub fn variables() -> Vec<(OsString, OsString)> {
    let inside = std::env::var_os("APPDIR").filter(|folder| !folder.is_empty());
    let mut all = outside(std::env::vars_os(), inside.as_deref());
    if LOGIN.get().is_some() {
        all.retain(|(name, _)| name != "PATH");
        all.extend(outside([("PATH".into(), path())], inside.as_deref()));
    }
    all
}

/// Whether a shell at a terminal has started this process: a launcher has neither.
#[cfg(unix)]
fn below_shell(level: Option<&OsStr>, terminal: Option<&OsStr>) -> bool {
    let level = level.and_then(OsStr::to_str).and_then(|level| level.parse::<u32>().ok());
    level.is_some_and(|level| level > 0) && terminal.is_some_and(|terminal| terminal != "dumb")
}

/// The entries of the login shell's path, then those of ours that it lacks.
fn merged(login: Option<&str>, own: &OsStr) -> OsString {
    let Some(login) = login else { return own.to_owned() };
    let mut all: Vec<_> = std::env::split_paths(login).collect();
    for entry in std::env::split_paths(own) {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all.retain(|entry| !entry.as_os_str().is_empty());
    std::env::join_paths(all).unwrap_or_else(|_| own.to_owned())
}

/// These variables without what they say of the folder that an AppImage is mounted at.
fn outside(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    inside: Option<&OsStr>,
) -> Vec<(OsString, OsString)> {
    let Some(inside) = inside else { return variables.into_iter().collect() };
    let keep = |(name, value): (OsString, OsString)| {
        if OF_APPIMAGE.iter().any(|of| name == *of) {
            return None;
        }
        let entries: Vec<_> = std::env::split_paths(&value).collect();
        let left: Vec<_> = entries.iter().filter(|entry| !entry.starts_with(inside)).collect();
        match (left.len() == entries.len(), left.is_empty()) {
            (true, _) => Some((name, value)),
            (false, true) => None,
            (false, false) => Some((name, std::env::join_paths(left).ok()?)),
        }
    };
    variables.into_iter().filter_map(keep).collect()
}

/// The user's login shell.
#[cfg(unix)]
fn shell() -> OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// The `PATH` that this shell has when somebody opens a terminal: interactive too, for many set it only there.
#[cfg(unix)]
fn ask(shell: &OsStr) -> Option<String> {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    let mut command = Command::new(shell);
    command.args(["-l", "-i", "-c", &format!("printf %s {MARK}; printenv PATH; printf %s {MARK}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    crate::process::without_secrets(&mut command);
    // Whatever it does with a terminal it does not do with ours.
    crate::process::detach(&mut command);
    let mut child = command.spawn().inspect_err(|error| tracing::debug!(%error, "no login shell")).ok()?;
    let mut output = child.stdout.take()?;
    let (tell, told) = std::sync::mpsc::channel();
    // It may leave something behind that keeps its output open.
    std::thread::spawn(move || {
        let (mut said, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = output.read(&mut piece) {
            said.extend_from_slice(piece.get(..length).unwrap_or_default());
            if let Some(path) = answer(&String::from_utf8_lossy(&said)) {
                let _ = tell.send(path);
                return;
            }
        }
    });
    let path = told.recv_timeout(PATIENCE).ok();
    let _ = child.kill();
    let _ = child.wait();
    if path.is_none() {
        tracing::warn!("the login shell does not tell its PATH");
    }
    path
}

/// What stands between the marks.
#[cfg(unix)]
fn answer(said: &str) -> Option<String> {
    let (_, rest) = said.split_once(MARK)?;
    let (path, _) = rest.split_once(MARK)?;
    Some(path.trim_end_matches('\n').to_owned()).filter(|path| !path.is_empty())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn os(text: &str) -> OsString {
        text.into()
    }

    #[test]
    fn only_a_shell_at_a_terminal_is_one() {
        for (level, terminal, below) in [
            (Some("1"), Some("xterm-256color"), true),
            (Some("0"), Some("xterm-256color"), false),
            (Some("1"), Some("dumb"), false),
            (Some("1"), None, false),
            (Some("x"), Some("xterm"), false),
            (None, Some("xterm"), false),
        ] {
            let (level, terminal) = (level.map(OsStr::new), terminal.map(OsStr::new));
            assert_eq!(below_shell(level, terminal), below, "{level:?} {terminal:?}");
        }
    }

    #[test]
    fn the_login_shell_comes_first() {
        assert_eq!(merged(None, OsStr::new("/a:/b")), "/a:/b");
        assert_eq!(merged(Some("/c:/a::/d"), OsStr::new("/a:/b")), "/c:/a:/d:/b");
        assert_eq!(merged(Some("/c"), OsStr::new("")), "/c");
    }

    #[test]
    fn what_is_inside_of_an_appimage_is_left_out() {
        let all = || {
            [
                ("PATH", "/tmp/.mount_x/usr/bin:/usr/bin:/bin"),
                ("LD_LIBRARY_PATH", "/tmp/.mount_x/usr/lib/:/tmp/.mount_x/lib"),
                ("GIO_EXTRA_MODULES", "/tmp/.mount_x/usr/lib/gio"),
                ("APPIMAGE", "/home/ada/Holdfast.AppImage"),
                ("APPDIR", "/tmp/.mount_x"),
                ("ARGV0", "Holdfast.AppImage"),
                ("OWD", "/home/ada"),
                ("HOME", "/home/ada"),
                ("LIKE", "/tmp/.mount_xy/usr"),
                ("EMPTY", ""),
                ("URL", "https://example.com:8080/a"),
            ]
            .map(|(name, value)| (os(name), os(value)))
        };
        let kept = outside(all(), Some(OsStr::new("/tmp/.mount_x")));
        let expected = [
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/home/ada"),
            ("LIKE", "/tmp/.mount_xy/usr"),
            ("EMPTY", ""),
            ("URL", "https://example.com:8080/a"),
        ];
        assert_eq!(kept, expected.map(|(name, value)| (os(name), os(value))));
        assert_eq!(outside(all(), None), all());
    }

    #[test]
    fn a_shell_is_asked_whatever_else_it_says_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let shell = |name: &str, script: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.into_os_string()
        };
        // As a shell does with these arguments, after a greeting, with something left behind.
        let chatty = "echo welcome; export PATH=/opt/mine:$PATH; sleep 30 & eval \"$4\"; echo bye";
        let path = ask(&shell("chatty", chatty)).unwrap();
        assert!(path.starts_with("/opt/mine:") && !path.contains("welcome"), "{path}");
        assert_eq!(ask(&shell("mute", "exit 0")), None);
        let began = std::time::Instant::now();
        assert_eq!(ask(&shell("slow", "exec sleep 60")), None);
        assert!(began.elapsed() < PATIENCE * 3);
        assert_eq!(ask(OsStr::new("/nowhere/shell")), None);
        // A real one.
        assert!(ask(OsStr::new("/bin/bash")).is_some_and(|path| path.contains("/bin")));
    }
}
