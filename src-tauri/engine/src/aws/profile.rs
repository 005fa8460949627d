//! How a person signs in with the profile in use.

use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use holdfast_core::machine::Desired;

/// The command that signs in again, as far as the AWS configuration tells; `None` for static keys and the like.
pub async fn sign_in_command(desired: &Desired) -> Option<String> {
    let source = source::load(&Env::real(), &Fs::real(), &EnvConfigFiles::default()).await.ok()?;
    let sections = EnvConfigSections::parse(source).ok()?;
    let name =
        desired.profile.as_ref().map_or_else(|| sections.selected_profile(), |profile| profile.as_str());
    command(name, |profile, key| sections.get_profile(profile)?.get(key))
}

/// The names of all profiles in the AWS configuration; none where it cannot be read.
pub async fn names() -> Vec<String> {
    let source = source::load(&Env::real(), &Fs::real(), &EnvConfigFiles::default()).await;
    let sections = source.ok().and_then(|source| EnvConfigSections::parse(source).ok());
    let mut names: Vec<String> =
        sections.iter().flat_map(EnvConfigSections::profiles).map(str::to_owned).collect();
    names.sort();
    names
}

fn command<'a>(name: &'a str, get: impl Fn(&'a str, &str) -> Option<&'a str>) -> Option<String> {
    let mut profile = name;
    // A role's credentials come from another profile; a circle of those is somebody's mistake, not ours to follow.
    for _ in 0..8 {
        let quoted = holdfast_core::script::quote(profile).ok()?;
        let word = if profile.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@".contains(c)) {
            profile
        } else {
            &quoted
        };
        if get(profile, "sso_session").or_else(|| get(profile, "sso_start_url")).is_some() {
            return Some(format!("aws sso login --profile {word}"));
        }
        if get(profile, "login_session").is_some() {
            return Some(format!("aws login --profile {word}"));
        }
        if get(profile, "granted_sso_start_url").is_some()
            || get(profile, "credential_process").is_some_and(|program| program.contains("granted"))
        {
            return Some(format!("assume {word}"));
        }
        profile = get(profile, "source_profile")?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_profile_has_its_command() {
        let profiles = [
            ("sso", "sso_session", "work"),
            ("old", "sso_start_url", "https://example.awsapps.com/start"),
            ("team/Admin", "credential_process", "granted credential-process --profile team/Admin"),
            ("role", "source_profile", "sso"),
            ("circle", "source_profile", "circle"),
            ("keys", "aws_access_key_id", "AKIA"),
            ("a b", "login_session", "x"),
        ];
        let get = |profile: &str, key: &str| {
            profiles.iter().find(|(p, k, _)| *p == profile && *k == key).map(|(_, _, value)| *value)
        };
        let command = |name| command(name, get);
        assert_eq!(command("sso").as_deref(), Some("aws sso login --profile sso"));
        assert_eq!(command("old").as_deref(), Some("aws sso login --profile old"));
        assert_eq!(command("team/Admin").as_deref(), Some("assume team/Admin"));
        assert_eq!(command("role").as_deref(), Some("aws sso login --profile sso"));
        assert_eq!(command("a b").as_deref(), Some("aws login --profile 'a b'"));
        assert_eq!(command("circle"), None);
        assert_eq!(command("keys"), None);
        assert_eq!(command("missing"), None);
    }
}
