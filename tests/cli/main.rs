//! The command line as a person and a script meet it: the real program, as a child process.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

#[cfg(unix)]
mod adopt;
mod answers;
#[cfg(target_os = "linux")]
mod chromium;
mod cost;
#[cfg(target_os = "linux")]
mod diagnostics;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(unix)]
mod history;
#[cfg(target_os = "linux")]
#[path = "../keyring.rs"]
mod keyring;
#[cfg(target_os = "linux")]
mod login;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod profiles;
#[path = "../program.rs"]
mod program;
#[cfg(unix)]
mod pty;
mod refusals;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(unix)]
mod shells;
#[cfg(unix)]
mod terminal;
#[cfg(target_os = "linux")]
mod token;
#[cfg(target_os = "linux")]
mod vault;
#[cfg(target_os = "linux")]
mod web;
#[cfg(unix)]
mod windows;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use program::holdfast;

/// A computer of its own. A sandbox that runs on it ends with it.
struct Home {
    folder: tempfile::TempDir,
}

/// What became of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With this settings file.
    fn with(settings: &str) -> Self {
        let home = Self::new();
        let path = home.settings();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, settings).unwrap();
        home
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("config/settings.toml")
    }

    fn command(&self, line: &str) -> Command {
        let mut command = holdfast(self.folder.path(), line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Ran {
        ran(&mut self.command(line))
    }

    /// With further arguments, which may hold blanks.
    #[cfg(unix)]
    fn run_with(&self, line: &str, arguments: &[&str]) -> Ran {
        ran(self.command(line).args(arguments))
    }

    /// What a command said, with this computer's folder and all ids masked.
    fn masked(&self, text: &str) -> String {
        let text = text.replace(&self.folder.path().display().to_string(), "HOME").replace('\\', "/");
        let mut masked = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("-0") {
            let (before, id) = rest.split_at(at + 1);
            let digits = id.bytes().take_while(u8::is_ascii_hexdigit).count();
            masked += before;
            masked += if digits == 17 { "ID" } else { &id[..digits] };
            rest = &id[digits..];
        }
        masked + rest
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.folder.path().join("state/sandbox").exists() {
            self.run("sandbox reset");
        }
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Ran {
    /// Exit code, stdout and stderr in one text.
    fn all(&self) -> String {
        let part =
            |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("{name}:\n{text}") };
        format!("{}{}exit {}", part("out", &self.out), part("err", &self.err), self.code.unwrap_or(-1))
    }

    #[track_caller]
    fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.all());
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }
}

/// The shape of a JSON value: every leaf by its type, every list by its first element, enumerations by nothing.
fn shape(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(all) => all.first().map(shape).into_iter().collect(),
        Value::Null => Value::Null,
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
    }
}
