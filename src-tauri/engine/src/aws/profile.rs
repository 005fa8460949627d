//! The profiles of the AWS configuration, and how a person signs in with one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use holdfast_core::machine::Desired;
use holdfast_core::names::ProfileName;
use holdfast_core::profile::{Base, Config, File};

use crate::problem::Problem;

/// The configuration files, read.
///
/// # Errors
/// A file that cannot be read, or makes no sense: with its line.
pub fn config() -> Result<Config, Problem> {
    let (config, credentials) =
        (path("AWS_CONFIG_FILE", "config"), path("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    holdfast_core::profile::config(&read(config.as_deref())?, &read(credentials.as_deref())?).map_err(
        |(file, malformed)| {
            let path = match file {
                File::Config => config,
                File::Credentials => credentials,
            };
            let path = path.map(|path| path.display().to_string()).unwrap_or_default();
            Problem::new("aws_config", "The AWS configuration makes no sense")
                .because(format!("{path}, {malformed}"))
                .hint("mend that line; nothing else of it was read")
        },
    )
}

/// Where a file of the AWS configuration is.
pub fn path(variable: &str, name: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(named) => Some(expanded(&named)),
        None => etcetera::home_dir().ok().map(|home| home.join(".aws").join(name)),
    }
}

/// As botocore reads it: `~` is the user's folder, `$NAME` and `${NAME}` what the environment says.
fn expanded(path: &OsStr) -> PathBuf {
    let Some(text) = path.to_str() else { return PathBuf::from(path) };
    let home = || etcetera::home_dir().ok().map(|home| home.display().to_string());
    PathBuf::from(expand(text, home, |name| std::env::var(name).ok()))
}

fn expand(
    text: &str,
    home: impl Fn() -> Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        done += before;
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => {
                done += &value;
                rest = behind;
            }
            None => {
                done.push('$');
                rest = after;
            }
        }
    }
    done += rest;
    match done.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with(['/', '\\'])) {
        Some(rest) => home().map(|home| home + rest).unwrap_or(done),
        None => done,
    }
}

/// One that is not there says nothing.
fn read(path: Option<&Path>) -> Result<String, Problem> {
    let Some(path) = path else { return Ok(String::new()) };
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = good.filter(|byte| **byte == b'\n').count() + 1;
            Problem::new("aws_config", "The AWS configuration makes no sense")
                .because(format!("{}, line {line}: it is not UTF-8", path.display()))
                .hint("save the file as UTF-8; nothing of it was read")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Problem::new("aws_config", "The AWS configuration cannot be read")
            .because(format!("{}: {error}", path.display()))),
    }
}

/// The profile that counts when the settings name none.
pub fn usual() -> String {
    of_environment().unwrap_or_else(|| "default".to_owned())
}

/// The profile that the environment names, in botocore's order.
/// Source: botocore's `configprovider.py`
pub fn of_environment() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|profile| !profile.is_empty());
    named("AWS_DEFAULT_PROFILE").or_else(|| named("AWS_PROFILE"))
}

/// The certificates to trust instead of the system's: `AWS_CA_BUNDLE`, or what the profile says.
pub fn bundle(profile: Option<&ProfileName>) -> Option<PathBuf> {
    bundle_of(&config().unwrap_or_default(), &profile.map_or_else(usual, ToString::to_string))
}

/// The same, by a configuration that is read already.
pub fn bundle_of(config: &Config, profile: &str) -> Option<PathBuf> {
    let named = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let said = || config.profiles.get(profile)?.get("ca_bundle").map(PathBuf::from);
    named.or_else(said)
}

/// Whether there are keys in the environment.
fn has_environment_keys() -> bool {
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .iter()
        .all(|name| std::env::var(name).is_ok_and(|value| !value.is_empty()))
}

/// Whether keys in the environment are the ones that count: a profile that the settings name comes before them, as one that is named
/// to the AWS CLI does.
fn environment_counts(profile: Option<&ProfileName>) -> bool {
    profile.is_none() && has_environment_keys()
}

/// The command that signs in again, as far as the AWS configuration tells; `None` for static keys and the like.
pub fn sign_in_command(desired: &Desired) -> Option<String> {
    command_for(desired.profile.as_ref())
}

/// The same for a profile, or the usual one.
pub fn command_for(profile: Option<&ProfileName>) -> Option<String> {
    command(&config().ok()?, &counting(profile)?)
}

/// Whether somebody may bring a process that has begun other credentials with this profile, or the usual one.
pub fn takes_new_credentials(profile: Option<&ProfileName>) -> bool {
    let chain = |name: String| config().ok()?.chain(&name).ok();
    counting(profile).and_then(chain).is_some_and(|chain| chain.is_renewed())
}

/// The profile that counts; `None` where keys of the environment do.
pub fn counting(profile: Option<&ProfileName>) -> Option<String> {
    (!environment_counts(profile)).then(|| profile.map_or_else(usual, ToString::to_string))
}

/// The names of all profiles in the AWS configuration; none where it cannot be read.
pub fn names() -> Vec<String> {
    config().map(|config| config.profiles.into_keys().collect()).unwrap_or_default()
}

fn command(config: &Config, name: &str) -> Option<String> {
    let chain = config.chain(name).ok()?;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@".contains(c));
    let word = |text: &str| {
        if plain(text) { Some(text.to_owned()) } else { holdfast_core::script::quote(text).ok() }
    };
    let base = &chain.profile;
    let says = |key: &str| config.profiles.get(base).and_then(|says| says.get(key));
    match &chain.base {
        _ if chain.wants_person() => Some(format!("holdfast login {}", word(name)?)),
        Base::Login => Some(format!("aws login --profile {}", word(base)?)),
        Base::Process { command } if command.contains("granted") => Some(format!("assume {}", word(base)?)),
        Base::Process { .. } | Base::Keys if says("granted_sso_start_url").is_some() => {
            Some(format!("assume {}", word(base)?))
        }
        Base::Process { .. }
        | Base::Keys
        | Base::Sso { .. }
        | Base::WebIdentity { .. }
        | Base::Named { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_a_home_and_variables() {
        let variable = |name: &str| (name == "AWS").then(|| "/aws".to_owned());
        for (text, expected) in [
            ("~/x", "/home/ada/x"),
            ("~", "/home/ada"),
            ("~bob/x", "~bob/x"),
            ("$AWS/x", "/aws/x"),
            ("${AWS}x", "/awsx"),
            ("a$", "a$"),
            ("$NONE/x", "$NONE/x"),
            ("${AWS", "${AWS"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(expand(text, || Some("/home/ada".to_owned()), variable), expected, "{text}");
        }
    }

    #[test]
    fn each_kind_of_profile_has_its_command() {
        let mut config = Config::default();
        for (profile, key, value) in [
            ("sso", "sso_session", "work"),
            ("sso", "sso_account_id", "1"),
            ("sso", "sso_role_name", "R"),
            ("old", "sso_start_url", "https://example.awsapps.com/start"),
            ("old", "sso_region", "us-east-1"),
            ("old", "sso_account_id", "1"),
            ("old", "sso_role_name", "R"),
            ("team/Admin", "credential_process", "granted credential-process --profile team/Admin"),
            ("other", "credential_process", "/opt/keys"),
            ("role", "role_arn", "arn:aws:iam::1:role/r"),
            ("role", "source_profile", "sso"),
            ("coded", "role_arn", "arn:aws:iam::1:role/r"),
            ("coded", "source_profile", "keys"),
            ("coded", "mfa_serial", "arn:aws:iam::1:mfa/a"),
            ("circle", "role_arn", "r"),
            ("circle", "source_profile", "ring"),
            ("ring", "role_arn", "r"),
            ("ring", "source_profile", "circle"),
            ("keys", "aws_access_key_id", "AKIA"),
            ("keys", "aws_secret_access_key", "s"),
            ("a b", "login_session", "x"),
        ] {
            config.profiles.entry(profile.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        }
        let portal = [("sso_start_url", "https://w.awsapps.com/start"), ("sso_region", "us-east-1")];
        let portal = portal.map(|(key, value)| (key.to_owned(), value.to_owned()));
        config.sessions.insert("work".to_owned(), portal.into());
        let command = |name| command(&config, name);
        assert_eq!(command("sso").as_deref(), Some("holdfast login sso"));
        assert_eq!(command("old").as_deref(), Some("holdfast login old"));
        assert_eq!(command("team/Admin").as_deref(), Some("assume team/Admin"));
        assert_eq!(command("role").as_deref(), Some("holdfast login role"));
        assert_eq!(command("coded").as_deref(), Some("holdfast login coded"));
        assert_eq!(command("a b").as_deref(), Some("aws login --profile 'a b'"));
        for none in ["circle", "keys", "other", "missing"] {
            assert_eq!(command(none), None, "{none}");
        }
    }
}
