//! What a bug report needs to know of this computer, without what is private: gathered, to be shown to whoever is about to give it
//! away, and put into an archive. Nothing is changed, and what cannot be had is named in its place.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use holdfast_core::app::harmless::plain;
use holdfast_core::doctor::{Mark, Report};
use holdfast_core::plan::Applied;
use holdfast_core::redact::{Kind, Redactor, of_aws_config, of_machine_key, of_settings};
use holdfast_core::settings::{self, Settings, SettingsError};
use holdfast_core::time::minute;
use serde::Serialize;

use crate::aws::profile;
use crate::history::Outcome;
use crate::problem::Problem;
use crate::process::is_secret;
use crate::store::{Store, login};
use crate::{log, sandbox};

/// How many of the last lines of a log go along, and deeds.
const LINES: usize = 500;
/// How many characters of a line.
const LONGEST: usize = 4000;
/// How many bytes of the end of a file of the state.
const STATE: usize = 8192;

/// All that goes into a bug report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostics {
    /// What it is made of, in the order in which it is read.
    pub files: Vec<File>,
}

/// One part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// As it is called in the archive.
    pub name: String,
    /// What it says, line by line.
    pub text: String,
}

/// Where it comes from. What could not be had has a sentence in its place.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// This computer's files.
    pub store: Result<&'a Store, &'a str>,
    /// What the doctor found.
    pub report: Result<&'a Report, &'a str>,
    /// When it is, in seconds since the Unix epoch.
    pub now: u64,
}

type Had = Result<String, String>;

/// Gathers all of it, redacted.
pub fn gather(sources: Sources<'_>) -> Diagnostics {
    let Sources { store, report, now } = sources;
    let store = store.map_err(ToOwned::to_owned);
    let of_store = |look: fn(&Store) -> Had| store.clone().and_then(look);
    let parts: [(&str, Had); 9] = [
        ("about.txt", Ok(about(now))),
        ("doctor.txt", report.map(doctor).map_err(ToOwned::to_owned)),
        ("settings.txt", of_store(settings_in_force)),
        ("profiles.txt", profiles()),
        ("environment.txt", Ok(environment())),
        ("state.txt", of_store(state)),
        ("history.txt", of_store(history)),
        ("log.txt", of_store(|store| Ok(last(log::lines(&store.log_file()), log::readable)))),
        ("sandbox-log.txt", sandbox_log()),
    ];
    let mut redactor = Redactor::knowing(private_names(store.ok()));
    let file = |(name, text): (&str, Had)| {
        let text = text.unwrap_or_else(|why| format!("This could not be gathered: {why}\n"));
        File { name: name.to_owned(), text: redactor.redact(&shown(&text)) }
    };
    Diagnostics { files: parts.map(file).into() }
}

impl Diagnostics {
    /// As a compressed archive, whose files are in the folder `name` and were made at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// A name that is too long for one.
    pub fn archive(&self, name: &str, now: u64) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for file in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.text.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(now);
            archive.append_data(&mut header, format!("{name}/{}", file.name), file.text.as_bytes())?;
        }
        archive.into_inner()?.finish()
    }

    /// Puts the archive into a new file that only this user can read, whole or not at all.
    ///
    /// # Errors
    /// There is such a file already, or it cannot be written.
    pub fn save(&self, path: &Path, now: u64) -> Result<(), Problem> {
        let failed = |error: io::Error| {
            Problem::new("diagnostics", format!("{} cannot be written", path.display()))
                .because(error.to_string())
                .hint("name another file: holdfast diagnostics --output FILE")
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.split('.').find(|part| !part.is_empty()).unwrap_or("diagnostics");
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let bytes = self.archive(name, now).map_err(failed)?;
        let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        beside.write_all(&bytes).and_then(|()| beside.as_file().sync_all()).map_err(failed)?;
        beside.persist_noclobber(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// The text as it may be shown: nothing in it acts on a screen, and no line has no end.
fn shown(text: &str) -> String {
    let line = |line: &str| {
        let line: String =
            plain(line).chars().filter(|c| !c.is_control() || *c == '\t').take(LONGEST).collect();
        format!("{}\n", line.trim_end())
    };
    text.lines().map(line).collect()
}

/// The end of many lines.
fn last(lines: Vec<String>, show: impl Fn(&str) -> String) -> String {
    let skipped = lines.len().saturating_sub(LINES);
    let head = (skipped > 0).then(|| format!("({skipped} lines before these)"));
    let lines = lines.iter().skip(skipped).map(|line| show(line));
    head.into_iter().chain(lines).map(|line| line + "\n").collect()
}

fn about(now: u64) -> String {
    let mut lines = vec![
        format!("holdfast {}", env!("CARGO_PKG_VERSION")),
        format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
    ];
    lines.extend(system());
    lines.push(format!("gathered {}", minute(now)));
    lines.push(String::new());
    lines.push("What is private has a placeholder, as in <account 1>: the same number is the same thing in every file.".to_owned());
    lines.push(
        "Ids of resources (i-…, vpc-…), regions and the ids of requests to AWS are left as they are."
            .to_owned(),
    );
    lines.join("\n")
}

/// What the operating system calls itself.
#[cfg(unix)]
pub(crate) fn system() -> Vec<String> {
    let uname = rustix::system::uname();
    let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    let kernel = format!("{} {}", word(uname.sysname()), word(uname.release()));
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    pretty.map(|name| name.trim_matches('"').to_owned()).into_iter().chain([kernel]).collect()
}

#[cfg(not(unix))]
pub(crate) fn system() -> Vec<String> {
    Vec::new()
}

/// The name of this computer.
#[cfg(unix)]
fn computer() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(ToOwned::to_owned)
}

#[cfg(not(unix))]
fn computer() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

fn doctor(report: &Report) -> String {
    let mut lines = Vec::new();
    for finding in &report.findings {
        let mark = match finding.mark {
            Mark::Ok => "ok",
            Mark::Warning => "warning",
            Mark::Failed => "failed",
        };
        lines.push(format!("{:<13}  {mark:<7}  {}", finding.area.word(), finding.what));
        lines.extend(finding.todo.iter().map(|todo| format!("{:24} → {todo}", "")));
    }
    lines.join("\n")
}

/// The settings; where they do not hold, what is wrong and the file itself, without its comments.
fn settings_in_force(store: &Store) -> Had {
    let text = store.read_settings_text().map_err(|error| error.to_string())?;
    let there = if text.is_some() { "" } else { "There is no settings file.\n" };
    let text = text.unwrap_or_default();
    match Settings::parse(&text, login().as_ref()) {
        Ok(settings) => {
            let of = |shown: settings::Shown| {
                let machine = shown.machine.map(|machine| format!("machine.{machine}.")).unwrap_or_default();
                format!("{machine}{} = {}\n", shown.key, shown.value)
            };
            Ok(settings::show(&settings).into_iter().map(of).fold(there.to_owned(), |all, line| all + &line))
        }
        Err(errors) => {
            let wrong = errors.iter().map(SettingsError::to_string).collect::<Vec<_>>().join("\n");
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
            let lines: Vec<String> = lines.map(|(at, line)| format!("{:>4}  {line}", at + 1)).collect();
            Ok(format!("{there}These settings do not hold:\n{wrong}\n\n{}", lines.join("\n")))
        }
    }
}

/// What kinds of profiles there are.
fn profiles() -> Had {
    let config = profile::config().map_err(|problem| problem.to_string())?;
    let line = |name: &String| match config.chain(name) {
        Ok(chain) => {
            format!("{name}: {}, region {}\n", chain.words(), config.region(name).unwrap_or("not named"))
        }
        Err(faulty) => format!("{name}: {faulty}\n"),
    };
    Ok(config.profiles.keys().map(line).collect())
}

/// Environment variables of which the value helps, besides those of [`relevant`].
const TOLD: [&str; 21] = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_MAX_ATTEMPTS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_RETRY_MODE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "HOLDFAST_CONFIG_DIR",
    "HOLDFAST_MACHINE",
    "HOLDFAST_SANDBOX",
    "HOLDFAST_STATE_DIR",
    "LANG",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "WAYLAND_DISPLAY",
];
/// That these are set is enough to know.
const RELEVANT: [&str; 7] =
    ["BROWSER", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "EDITOR", "NO_COLOR", "PAGER", "VISUAL"];

/// Whether a variable has a say in what Holdfast does.
fn relevant(name: &str) -> bool {
    let begins = ["AWS_", "HOLDFAST_", "XDG_"].iter().any(|prefix| name.starts_with(prefix));
    begins || is_proxy(name) || TOLD.contains(&name) || RELEVANT.contains(&name)
}

fn is_proxy(name: &str) -> bool {
    name.to_ascii_uppercase().ends_with("_PROXY")
}

fn environment() -> String {
    let told = |name: &str| {
        let endpoint = name.starts_with("AWS_ENDPOINT_URL") || name.starts_with("XDG_");
        !is_secret(name) && (endpoint || is_proxy(name) || TOLD.contains(&name))
    };
    let line = |(name, value): (String, String)| match () {
        () if value.is_empty() => format!("{name} is empty\n"),
        () if told(&name) && is_proxy(&name) => format!("{name}={}\n", without_user(&value)),
        () if told(&name) => format!("{name}={value}\n"),
        () => format!("{name} is set\n"),
    };
    let mut all: Vec<(String, String)> = variables().filter(|(name, _)| relevant(name)).collect();
    all.sort();
    all.into_iter().map(line).collect()
}

fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// The folders of the state whose files say how things stand; others hold what opens something, or are large.
const TELLING: [&str; 4] = ["applied", "intents", "locks", "history"];

/// What lies in the state folder, and what Holdfast knows by it of its machines.
fn state(store: &Store) -> Had {
    let top = store.state_dir();
    let mut lines = Vec::new();
    list(top, "", 2, &mut lines).map_err(|error| format!("{}: {error}", top.display()))?;
    let mut text = lines.join("\n") + "\n";
    for folder in TELLING {
        for file in files_in(&top.join(folder)) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let says = fs::read_to_string(&file).unwrap_or_else(|error| format!("cannot be read: {error}"));
            if name.ends_with(".json") {
                text += &format!("\n{folder}/{name}\n{}\n", end(&says, STATE));
            }
        }
    }
    Ok(text)
}

/// The end of a text, of at most so many bytes.
fn end(text: &str, most: usize) -> &str {
    let mut at = text.len().saturating_sub(most);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    &text[at..]
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Name, size and time of what is in a folder, so many levels deep.
fn list(folder: &Path, prefix: &str, depth: u32, lines: &mut Vec<String>) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            lines.push(format!("{name}/"));
            if depth > 1 {
                list(&entry.path(), &format!("{name}/"), depth - 1, lines)?;
            }
        } else {
            let at = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let at = at.map(|at| minute(at.as_secs())).unwrap_or_default();
            lines.push(format!("{name}  {} bytes  {at}", metadata.len()));
        }
    }
    Ok(())
}

fn history(store: &Store) -> Had {
    let lines = store.deeds().all().into_iter().map(|deed| {
        let result = match deed.result {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
        };
        let (at, who) = (minute(deed.at), deed.who.unwrap_or_default());
        let why = deed.why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{at}  {}  {}: {}: {result}{why}  {who}", deed.machine, deed.operation, deed.what)
    });
    Ok(last(lines.collect(), ToOwned::to_owned))
}

fn sandbox_log() -> Had {
    let path = sandbox::log_file().map_err(|problem| problem.to_string())?;
    match fs::read_to_string(path) {
        Ok(text) => Ok(last(text.lines().map(ToOwned::to_owned).collect(), ToOwned::to_owned)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// The private names that this computer knows.
fn private_names(store: Option<&Store>) -> Vec<(Kind, String)> {
    let mut names: Vec<(Kind, String)> =
        variables().flat_map(|(name, value)| in_variable(&name, &value)).collect();
    names.extend(std::env::home_dir().map(|home| (Kind::Home, home.display().to_string())));
    if let Some(host) = computer() {
        names.extend(host.split('.').next().map(|name| (Kind::Host, name.to_owned())));
        names.push((Kind::Host, host));
    }
    for (variable, name) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
        let text = profile::path(variable, name).and_then(|path| fs::read(path).ok()).unwrap_or_default();
        names.extend(of_aws_config(&String::from_utf8_lossy(&text)));
    }
    let Some(store) = store else { return names };
    let settings = fs::read(store.settings_path()).unwrap_or_default();
    names.extend(of_settings(&String::from_utf8_lossy(&settings)));
    names.extend(store.deeds().all().iter().flat_map(|deed| of_machine_key(&deed.machine)));
    for file in files_in(&store.state_dir().join("applied")) {
        let applied =
            fs::read_to_string(file).ok().and_then(|text| serde_json::from_str::<Applied>(&text).ok());
        let tags = applied.map(|applied| applied.tags).unwrap_or_default();
        names.extend(tags.into_values().map(|value| (Kind::Name, value)));
    }
    names
}

/// What a variable of the environment says that is private.
fn in_variable(name: &str, value: &str) -> Vec<(Kind, String)> {
    let kind = match name {
        "USER" | "LOGNAME" | "USERNAME" | "SUDO_USER" => Kind::User,
        "HOME" | "USERPROFILE" => Kind::Home,
        "HOSTNAME" | "COMPUTERNAME" | "HOLDFAST_MACHINE" => Kind::Host,
        "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" => Kind::Profile,
        "AWS_ROLE_SESSION_NAME" => Kind::Name,
        _ if is_secret(name) && !name.ends_with("_FILE") => Kind::Secret,
        _ if is_proxy(name) => return value.split(',').map(|place| (Kind::Host, host_of(place))).collect(),
        _ => return Vec::new(),
    };
    vec![(kind, value.to_owned())]
}

/// An address of a proxy without who asks it: a password may have any sign in it, also those that mean something in an address.
fn without_user(place: &str) -> String {
    let (scheme, rest) = place.split_once("://").map_or(("", place), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((_, rest)) if scheme.is_empty() => format!("<secret>@{rest}"),
        Some((_, rest)) => format!("{scheme}://<secret>@{rest}"),
        None => place.to_owned(),
    }
}

/// The host of `scheme://user:password@host:port/`, of which all but the host may be missing.
fn host_of(place: &str) -> String {
    let place = place.trim().split_once("://").map_or(place.trim(), |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, rest)| rest);
    let place = place.split('/').next().unwrap_or_default();
    place.split(':').next().unwrap_or_default().trim_start_matches(['*', '.']).to_owned()
}

#[cfg(test)]
mod tests;
