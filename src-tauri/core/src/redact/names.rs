//! The private names that a user's own files give. Whatever is wrong with such a file, its names are found: it is shown to others
//! just because something is wrong.

use super::Kind;

/// The names in a file of the AWS configuration, of either kind.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>; `granted_…`:
/// <https://docs.commonfate.io/granted/usage/profile-registry>
pub fn of_aws_config(text: &str) -> Vec<(Kind, String)> {
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default().trim();
            let (kind, name) = match header.split_once(char::is_whitespace) {
                Some(("sso-session", name)) => (Kind::Portal, name),
                Some((_, name)) => (Kind::Profile, name),
                None => (Kind::Profile, header),
            };
            names.push((kind, name.trim().trim_matches(['"', '\'']).to_owned()));
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let key = key.strip_prefix("granted_").unwrap_or(&key);
            names.extend(kind_of(key).map(|kind| (kind, value.to_owned())));
            // The last word of an ARN is a name.
            if matches!(key, "role_arn" | "mfa_serial" | "login_session") {
                let kind = if key == "role_arn" { Kind::Role } else { Kind::Name };
                names.extend(value.rsplit(['/', ':']).next().map(|name| (kind, name.to_owned())));
            }
        }
    }
    names
}

fn kind_of(key: &str) -> Option<Kind> {
    Some(match key {
        "sso_start_url" | "sso_session" => Kind::Portal,
        "sso_role_name" => Kind::Role,
        "source_profile" => Kind::Profile,
        "sso_account_name" | "role_session_name" => Kind::Name,
        "aws_secret_access_key" | "aws_session_token" | "external_id" => Kind::Secret,
        _ => return None,
    })
}

/// The names in a settings file.
pub fn of_settings(text: &str) -> Vec<(Kind, String)> {
    let mut names = Vec::new();
    let mut in_tags = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            names.extend(machine_in(header));
            in_tags = header.ends_with("tags");
            continue;
        }
        let Some((path, _)) = line.split_once('=') else { continue };
        names.extend(machine_in(path.trim()));
        let tags = in_tags || path.contains("tags");
        for (key, value) in pairs(line) {
            let kind = match key {
                _ if tags => Kind::Name,
                "default" => Kind::Host,
                "user" => Kind::User,
                "profile" => Kind::Profile,
                "instance_profile" | "kms_key" | "attribute" | "branch" | "directory" => Kind::Name,
                _ => continue,
            };
            names.push((kind, value.to_owned()));
        }
        let repositories = pairs(line).into_iter().filter(|(key, _)| *key == "git");
        names.extend(repositories.flat_map(|(_, url)| of_repository(url)));
    }
    names
}

/// Host and path of a repository, `https://host/path` or `user@host:path`. Of hosts that everybody knows only the path is private.
fn of_repository(url: &str) -> Vec<(Kind, String)> {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let place = place.split_once('@').map_or(place, |(_, place)| place);
    let (host, path) = place.split_once(['/', ':']).unwrap_or((place, ""));
    let path = path.trim_start_matches(|c: char| c.is_ascii_digit() || c == '/');
    let host = (!matches!(host, "github.com" | "gitlab.com")).then(|| (Kind::Host, host.to_owned()));
    host.into_iter().chain([(Kind::Name, path.trim_end_matches(".git").to_owned())]).collect()
}

/// The machine that `machine.NAME` or `machine.NAME.key` is about.
fn machine_in(path: &str) -> Option<(Kind, String)> {
    let name = path.trim().strip_prefix("machine.")?.split('.').next()?;
    Some((Kind::Host, name.trim().trim_matches(['"', '\'']).to_owned()))
}

/// Every `key = "text"` of a line, those in `{ … }` as well: the last word of the key, and the text.
fn pairs(line: &str) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.rsplit([',', '{', '.']).next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            rest = after;
            continue;
        };
        let Some((value, after)) = after[1..].split_once(quote) else { break };
        pairs.push((key, value));
        rest = after;
    }
    pairs
}

/// The names in a machine's key, `<user>/<name>/<region>`.
pub fn of_machine_key(key: &str) -> Vec<(Kind, String)> {
    let kinds = [Kind::User, Kind::Host];
    kinds.into_iter().zip(key.split('/')).map(|(kind, name)| (kind, name.to_owned())).collect()
}
