//! How private texts look.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Found, Here, Kind, Part, placeholder};

/// Every look. Each says whether a private text begins exactly here.
pub(super) const RULES: [fn(Here<'_>) -> Option<Found>; 13] = [
    assigned,
    bearer,
    arn,
    url,
    query,
    mail,
    address,
    account,
    key_id,
    session_id,
    random,
    host_name,
    user_folder,
];

/// Words in the name of something whose value is a secret.
const SECRET_WORDS: [&str; 15] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "signature",
    "authorization",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "cookie",
    "external_id",
    "verifier",
];
/// Headers whose value is the rest of the line.
const HEADERS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token"];
/// The services that Holdfast calls, as their endpoints begin, and the pages of AWS.
const SERVICES: [&str; 16] = [
    "ec2",
    "ec2messages",
    "iam",
    "sts",
    "ssm",
    "ssmmessages",
    "kms",
    "dlm",
    "oidc",
    "portal",
    "sso",
    "servicequotas",
    "api",
    "pricing",
    "docs",
    "signin",
];
/// Hosts that everybody has or knows.
const PUBLIC: [&str; 8] = [
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "docs.aws.amazon.com",
    "cache.nixos.org",
    "channels.nixos.org",
    "nixos.org",
];
/// How names of hosts end that are nobody's but their owner's.
const OWN: [&str; 8] = [
    ".internal",
    ".local",
    ".lan",
    ".corp",
    ".intranet",
    ".localdomain",
    ".awsapps.com",
    ".compute.amazonaws.com",
];
/// What the resource of an ARN, and whoever calls, may be; names follow.
const TYPES: [&str; 20] = [
    "assumed-role",
    "alias",
    "capacity-reservation",
    "document",
    "federated-user",
    "image",
    "instance",
    "instance-profile",
    "internet-gateway",
    "key",
    "mfa",
    "network-interface",
    "policy",
    "role",
    "root",
    "security-group",
    "snapshot",
    "subnet",
    "user",
    "volume",
];
/// What the ids of principals and keys begin with.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes>
const KEY_PREFIXES: [&str; 12] =
    ["ABIA", "ACCA", "AGPA", "AIDA", "AIPA", "AKIA", "ANPA", "ANVA", "APKA", "AROA", "ASCA", "ASIA"];
/// What the ids of resources begin with, as far as Holdfast meets them.
const RESOURCES: [&str; 21] = [
    "acl",
    "ami",
    "cr",
    "dopt",
    "eipalloc",
    "eipassoc",
    "eni",
    "eni-attach",
    "i",
    "igw",
    "lt",
    "mi",
    "policy",
    "rtb",
    "rtbassoc",
    "sg",
    "sgr",
    "snap",
    "subnet",
    "vol",
    "vpc",
];
/// Units of systemd, which look like e-mail addresses (`user@1000.service`).
const UNITS: [&str; 8] = ["service", "socket", "timer", "target", "mount", "slice", "scope", "device"];

fn plain(text: &str) -> Part {
    Part::Plain(text.to_owned())
}

fn private(kind: Kind, text: &str) -> Part {
    Part::Private(kind, text.to_owned())
}

fn found(length: usize, parts: Vec<Part>) -> Option<Found> {
    Some(Found { length, parts })
}

/// The beginning of the text that has only such characters.
fn run(text: &str, of: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !of(c)).unwrap_or(text.len())]
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// What ends a value, an address or an ARN in a sentence, in JSON and in code.
fn is_inside(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\')
}

fn is_path(c: char) -> bool {
    is_inside(c) && !matches!(c, '?' | '#' | '(' | ')' | '[' | ']' | '{' | '}' | ';')
}

/// `secret_access_key = …`, `"accessToken": "…"`, `Authorization: …`.
fn assigned(here: Here<'_>) -> Option<Found> {
    if !here.begins(is_word) {
        return None;
    }
    let name = run(here.rest, is_word);
    let lower = name.to_ascii_lowercase().replace('-', "_");
    // The place of a file is none.
    if lower.ends_with("_file") || !SECRET_WORDS.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let (skipped, value) = value_after(name, &here.rest[name.len()..])?;
    whole(here.rest, name.len() + skipped, value)
}

/// What a name is set to, and how far it begins after the name.
fn value_after<'a>(name: &str, after: &'a str) -> Option<(usize, &'a str)> {
    if let Some(skipped) = in_json(after) {
        let value = &after[skipped..];
        // Inside of another text the quotation marks have a backslash.
        let value = if after.starts_with('\\') { value.split("\\\"").next()? } else { quoted(value, '"') };
        return Some((skipped, value));
    }
    let blank = |text: &'a str| text.trim_start_matches([' ', '\t']);
    let sign = blank(after);
    let header = || HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header));
    if let Some(rest) = sign.strip_prefix(':').filter(|_| header()) {
        let value = blank(rest);
        return Some((after.len() - value.len(), run(value, |c| is_inside(c) || c == ' ').trim_end()));
    }
    let value = blank(sign.strip_prefix('=')?);
    let skipped = after.len() - value.len();
    match value.chars().next()? {
        quote @ ('"' | '\'') => Some((skipped + 1, quoted(&value[1..], quote))),
        _ => Some((skipped, run(value, is_inside))),
    }
}

/// With `value` at `at` taken out, if there is one.
fn whole(text: &str, at: usize, value: &str) -> Option<Found> {
    let open = value.is_empty() || placeholder(&text[at..]).is_some();
    if open {
        return None;
    }
    found(at + value.len(), vec![plain(&text[..at]), private(Kind::Secret, value)])
}

/// How far the text of a JSON member begins after its name: `": "`, also inside of another JSON text.
fn in_json(after: &str) -> Option<usize> {
    let rest = after.strip_prefix('\\').unwrap_or(after).strip_prefix('"')?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let rest = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix('"')?;
    Some(after.len() - rest.len())
}

/// What comes before the quotation mark that ends it, or before the end of the line.
fn quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return &text[..at],
            '\\' if !escaped => escaped = true,
            _ if c == quote && !escaped => return &text[..at],
            _ => escaped = false,
        }
    }
    text
}

/// `Bearer …`.
fn bearer(here: Here<'_>) -> Option<Found> {
    if !here.begins(is_word) {
        return None;
    }
    let scheme = ["Bearer ", "bearer ", "Basic ", "basic "]
        .into_iter()
        .find(|scheme| here.rest.starts_with(scheme))?;
    let of = |c: char| c.is_ascii_alphanumeric() || "+/=._~-".contains(c);
    let value = run(&here.rest[scheme.len()..], of);
    (value.len() >= 16).then(|| whole(here.rest, scheme.len(), value))?
}

/// `arn:aws:iam::123456789012:role/Admin`. Service and region stay, and what kind of thing it is.
fn arn(here: Here<'_>) -> Option<Found> {
    if !here.rest.starts_with("arn:aws") || !here.begins(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let of = |c: char| is_inside(c) && !matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ';');
    let arn = run(here.rest, of).trim_end_matches(['.', ',', ':']);
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, _, _, account, resource] = parts[..] else { return None };
    // What AWS itself has for everybody.
    if account == "aws" || resource.is_empty() {
        return None;
    }
    let head = arn.len() - resource.len() - account.len() - 1;
    let mut all = vec![plain(&arn[..head])];
    if !account.is_empty() {
        let kind = if is_account(account) { Kind::Account } else { Kind::Name };
        all.push(private(kind, account));
    }
    all.push(plain(":"));
    all.extend(named(resource));
    found(arn.len(), all)
}

/// A path of types and names, of which the names go.
fn named(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for piece in path.split_inclusive(['/', ':']) {
        let name = piece.trim_end_matches(['/', ':']);
        let kept = name.is_empty() || TYPES.contains(&name) || is_resource_id(name) || name == "*";
        let role = matches!(parts.last(), Some(Part::Plain(before)) if before == "role/" || before == "assumed-role/");
        if kept {
            parts.push(plain(piece));
            continue;
        }
        let kind = match name.contains('@') {
            true => Kind::Email,
            false if role => Kind::Role,
            false => Kind::Name,
        };
        parts.push(private(kind, name));
        parts.push(plain(&piece[name.len()..]));
    }
    parts
}

/// `i-0123456789abcdef0`.
fn is_resource_id(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(kind, id)| {
        let hex = id.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        hex && matches!(id.len(), 8 | 17)
            && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    })
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `https://user:password@host/path`: whoever is named before the host, the host where it is not everybody's, and with it the path.
fn url(here: Here<'_>) -> Option<Found> {
    if !here.begins(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let scheme = run(here.rest, |c| c.is_ascii_alphanumeric() || c == '+');
    let rest = here.rest[scheme.len()..].strip_prefix("://").filter(|_| (2..=12).contains(&scheme.len()))?;
    let of = |c: char| is_inside(c) && !matches!(c, '/' | '?' | '#' | '(' | ')' | '{' | '}' | ',' | ';');
    let authority = run(rest, of).trim_end_matches('.');
    let (userinfo, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
    let host = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, _)) => inner,
        None => place.split(':').next().unwrap_or_default(),
    };
    let public = host.is_empty() || is_public(host);
    if public && userinfo.is_empty() {
        return None;
    }
    let mut parts = vec![plain(&here.rest[..scheme.len() + 3])];
    if !userinfo.is_empty() {
        parts.extend([private(Kind::Secret, userinfo), plain("@")]);
    }
    let mut length = scheme.len() + 3 + authority.len();
    if public {
        parts.push(plain(place));
        return found(length, parts);
    }
    let (before, after) = place.split_once(host).unwrap_or_default();
    parts.extend([plain(before), private(host_kind(host), host), plain(after)]);
    let path = run(&here.rest[length..], is_path);
    if path.len() > 1 && path.starts_with('/') {
        parts.push(plain("/…"));
        length += path.len();
    }
    found(length, parts)
}

fn is_public(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let of_aws =
        host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn") || host.ends_with(".api.aws");
    let service = host.split('.').next().is_some_and(|first| SERVICES.contains(&first));
    let loopback = host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    PUBLIC.contains(&host.as_str()) || (of_aws && service) || loopback
}

fn host_kind(host: &str) -> Kind {
    let is_address = host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok();
    if is_address {
        Kind::Address
    } else if host.ends_with(".awsapps.com") || host.ends_with(".app.aws") {
        Kind::Portal
    } else {
        Kind::Host
    }
}

/// `?code=…&state=…`: what an address is asked with may be anything.
fn query(here: Here<'_>) -> Option<Found> {
    let rest = here.rest.strip_prefix('?').filter(|_| here.last().is_some_and(|c| !c.is_whitespace()))?;
    let name = run(rest, |c| is_word(c) || c == '.');
    (!name.is_empty() && rest[name.len()..].starts_with('='))
        .then(|| whole(here.rest, 1, run(rest, is_inside)))?
}

/// `ada@example.com`, and `user:password@host` without a scheme.
fn mail(here: Here<'_>) -> Option<Found> {
    let of_local = |c: char| c.is_ascii_alphanumeric() || "._%+-~:!$&*".contains(c);
    if !here.begins(of_local) {
        return None;
    }
    let local = run(here.rest, of_local);
    let rest = here.rest[local.len()..].strip_prefix('@').filter(|_| !local.is_empty())?;
    let domain =
        run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).trim_end_matches(['.', '-']);
    // The id of a session goes on after the address of its person.
    let last = domain.rsplit('.').next().unwrap_or_default();
    let domain = &domain[..domain.len() - last.len() + last.split('-').next().unwrap_or_default().len()];
    let length = local.len() + 1 + domain.len();
    if domain.is_empty() {
        return None;
    }
    if local.contains(':') {
        return found(
            length,
            vec![private(Kind::Secret, local), plain("@"), private(host_kind(domain), domain)],
        );
    }
    let (_, last) = domain.rsplit_once('.')?;
    if last.len() < 2 || !last.bytes().all(|byte| byte.is_ascii_alphabetic()) || UNITS.contains(&last) {
        return None;
    }
    let mut parts = vec![private(Kind::Email, &here.rest[..length])];
    // As git writes it: user@host:path.
    let path = here.rest[length..].strip_prefix(':').map(|path| run(path, is_path)).unwrap_or_default();
    if path.is_empty() || path.starts_with(|c: char| !c.is_ascii_alphabetic() && !matches!(c, '~' | '/')) {
        return found(length, parts);
    }
    parts.push(plain(":…"));
    found(length + 1 + path.len(), parts)
}

/// Addresses of IP, but for those that every computer has, and of network cards.
fn address(here: Here<'_>) -> Option<Found> {
    if !here.begins(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_')) {
        return None;
    }
    let whole = run(here.rest, |c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
    let text = if is_address(whole) { whole } else { whole.trim_end_matches(['.', ':']) };
    // A port may follow four numbers.
    let text = if is_address(text) { text } else { text.split(':').next().unwrap_or_default() };
    let next = here.rest[text.len()..].chars().next();
    let ends = !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    (ends && is_address(text)).then(|| found(text.len(), vec![private(Kind::Address, text)]))?
}

fn is_address(text: &str) -> bool {
    if let Some(four) = numbers(text) {
        let everywhere = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::new(169, 254, 169, 254)];
        return !four.is_loopback() && !everywhere.contains(&four);
    }
    if let Ok(six) = text.parse::<Ipv6Addr>() {
        return !six.is_loopback() && !six.is_unspecified();
    }
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 6
        && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The four numbers of an address, also with zeros before them.
fn numbers(text: &str) -> Option<Ipv4Addr> {
    let mut numbers = text.split('.').map(|number| number.parse::<u8>().ok().filter(|_| number.len() <= 3));
    let four = [numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then(|| four.into())
}

/// Twelve digits, also as the console shows them, and whoever follows them (`123456789012/user/ada`).
fn account(here: Here<'_>) -> Option<Found> {
    if !here.begins(|c| c.is_ascii_digit()) || !here.rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = run(here.rest, |c| c.is_ascii_digit());
    let dashed = here.begins(|c| c == '-').then(|| in_fours(here.rest)).flatten();
    if let Some(length) = dashed {
        let text = here.rest[..length].replace('-', "");
        return found(length, vec![Part::Private(Kind::Account, text)]);
    }
    if !is_account(digits) || is_in_hash(here, digits.len()) {
        return None;
    }
    let mut parts = vec![private(Kind::Account, digits)];
    let path = run(&here.rest[digits.len()..], |c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
    let path = path.trim_end_matches(['.', ',']);
    let first = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
    if !TYPES.contains(&first) {
        return found(digits.len(), parts);
    }
    parts.extend(named(path));
    found(digits.len() + path.len(), parts)
}

/// The length of `1234-5678-9012`.
fn in_fours(text: &str) -> Option<usize> {
    const SHAPE: &[u8] = b"0000-0000-0000";
    let head = text.as_bytes().get(..SHAPE.len())?;
    let fits = head
        .iter()
        .zip(SHAPE)
        .all(|(byte, shape)| if *shape == b'-' { *byte == b'-' } else { byte.is_ascii_digit() });
    let ends = || !text[SHAPE.len()..].starts_with(|c: char| c.is_ascii_digit() || c == '-');
    (fits && ends()).then_some(SHAPE.len())
}

/// Whether the digits are in the middle of the id of a resource, or of a digest.
fn is_in_hash(here: Here<'_>, length: usize) -> bool {
    let hex = |c: &char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    let before = here.before.chars().rev().take_while(hex).count();
    let after = here.rest[length..].chars().take_while(hex).count();
    before + after + length >= 17
}

/// `AKIA…`, and `AROA…:ada`, which is a role and the name of its session.
fn key_id(here: Here<'_>) -> Option<Found> {
    let prefix = here.rest.get(..4)?;
    let text = run(here.rest, |c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !KEY_PREFIXES.contains(&prefix) || text.len() < 16 {
        return None;
    }
    let mut parts = vec![private(Kind::Key, text)];
    let session = here.rest[text.len()..].strip_prefix(':').filter(|_| prefix == "AROA").unwrap_or_default();
    let session =
        run(session, |c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)).trim_end_matches(['.', ',']);
    if session.is_empty() {
        return found(text.len(), parts);
    }
    parts.push(plain(":"));
    parts.extend(named(session));
    found(text.len() + 1 + session.len(), parts)
}

/// `ada-0123456789abcdef0`, of the session of a person, which begins with a name. Source:
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html> (`SessionId`)
fn session_id(here: Here<'_>) -> Option<Found> {
    let of = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !here.begins(of) {
        return None;
    }
    let text = run(here.rest, of).trim_end_matches(['.', ',']);
    let (name, id) = text.rsplit_once('-')?;
    let hex = id.len() == 17 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let longer = id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let resource = name.is_empty() || RESOURCES.contains(&name);
    if !(hex || longer && count(id).1 > 0) || resource {
        return None;
    }
    let kind = if name.contains('@') { Kind::Email } else { Kind::Name };
    found(text.len(), vec![private(kind, name), plain("-"), plain(id)])
}

/// What is as long and as mixed as only secrets are. Digests are, too: their placeholders can still be compared.
fn random(here: Here<'_>) -> Option<Found> {
    base64(here).or_else(|| {
        if !here.begins(is_word) || here.before.ends_with("/nix/store/") {
            return None;
        }
        let text = run(here.rest, is_word);
        let looks = |piece: &str| {
            let (letters, digits) = count(piece);
            letters > 0 && (piece.len() >= 32 && digits >= 1 || piece.len() >= 20 && digits >= 3)
        };
        let secret =
            (text.split(['_', '-']).any(looks) || text.len() >= 32 && is_mixed(text)) && !is_uuid(text);
        secret.then(|| found(text.len(), vec![private(Kind::Secret, text)]))?
    })
}

/// What has the signs of base64 besides letters and digits, as secret keys (always 40 characters) and session tokens have.
fn base64(here: Here<'_>) -> Option<Found> {
    let of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    if !here.begins(of) || here.rest.starts_with('/') {
        return None;
    }
    let text = run(here.rest, of);
    let padding = run(&here.rest[text.len()..], |c| c == '=').len();
    let key = text.len() == 40 && text.contains(['+', '/']);
    let token = text.len() >= 40 && (text.contains('+') || text.contains("//") || padding > 0);
    let length = text.len() + padding;
    ((key || token) && is_mixed(text))
        .then(|| found(length, vec![private(Kind::Secret, &here.rest[..length])]))?
}

fn count(text: &str) -> (usize, usize) {
    let of = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    (of(u8::is_ascii_alphabetic), of(u8::is_ascii_digit))
}

fn is_mixed(text: &str) -> bool {
    let any = |is: fn(u8) -> bool| text.bytes().any(is);
    any(|b| b.is_ascii_uppercase()) && any(|b| b.is_ascii_lowercase()) && any(|b| b.is_ascii_digit())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// `ip-10-0-1-2.us-west-2.compute.internal`, and whatever else ends like a name in a network of one's own.
fn host_name(here: Here<'_>) -> Option<Found> {
    let of = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !here.begins(|c| of(c) || c == '_') {
        return None;
    }
    let text = run(here.rest, of).trim_end_matches(['.', '-']);
    let lower = text.to_ascii_lowercase();
    let own =
        OWN.iter().any(|end| lower.len() > end.len() && lower.ends_with(end) && !lower.starts_with('.'));
    let after = ["ip-", "ec2-"].iter().find_map(|prefix| lower.strip_prefix(prefix));
    let numbers = after.is_some_and(|rest| {
        let name = rest.split('.').next().unwrap_or_default();
        name.split('-').count() == 4 && name.split('-').all(|number| number.parse::<u8>().is_ok())
    });
    ((own && !is_public(&lower)) || numbers)
        .then(|| found(text.len(), vec![private(host_kind(&lower), text)]))?
}

/// `/home/ada`.
fn user_folder(here: Here<'_>) -> Option<Found> {
    let folders = ["/home/", "/Users/", "\\Users\\", "\\\\Users\\\\"];
    let folder = folders.into_iter().find(|folder| here.rest.starts_with(folder))?;
    let name = run(&here.rest[folder.len()..], |c| is_word(c) || c == '.');
    (super::says_something(name) && !name.starts_with('.'))
        .then(|| found(folder.len() + name.len(), vec![plain(folder), private(Kind::User, name)]))?
}
