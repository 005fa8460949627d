//! The AWS configuration, understood as botocore understands it: nobody here wrote that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_core::profile::{Base, Config, Role};
use serde_json::{Value, json};

use super::Home;

const KEYS: &str = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n";
const SESSION: &str =
    "[sso-session team]\nsso_start_url = https://t.awsapps.com/start\nsso_region = eu-west-1\n";

/// A configuration file, and a credentials file.
fn files() -> Vec<(String, String)> {
    let of = |config: &str| (config.to_owned(), String::new());
    let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
    vec![
        of(""),
        of("[default]\nregion = us-west-2\n"),
        of(&format!("[default]\n{KEYS}region=eu-central-1\n")),
        of(&format!("[profile work]\n{KEYS}")),
        of(&format!("[profile dil-team-eevee/SandboxAdministratorAccess]\n{KEYS}")),
        of(&format!("[profile \"a b\"]\n{KEYS}")),
        of(&format!("[profile 'a b']\n{KEYS}")),
        of(&format!("[profile  spaced]\n{KEYS}")),
        of(&format!("[profile work]\n# a comment\n; another\n{KEYS}region = us-east-1\n")),
        of("[profile work]\nregion = us-east-1 # near\n"),
        of("[profile work]\nregion = us-east-1 ; near\n"),
        of("[profile work]\nregion=us-east-1#near\n"),
        of("[profile work]\nregion : us-east-1\n"),
        of(&format!("[profile work]\ncredential_process = /opt/keys --for work\n{KEYS}")),
        of("[profile work]\ncredential_process = \"/opt/my keys\" --for \"work\"\n"),
        of(
            "[profile g/Admin]\ngranted_sso_start_url = https://g.awsapps.com/start\ncredential_process = granted credential-process --profile g/Admin\n",
        ),
        (String::new(), format!("[work]\n{KEYS}")),
        ("[profile work]\nregion = us-east-1\n".to_owned(), format!("[work]\n{KEYS}")),
        ("[profile work]\ncredential_process = /opt/keys\n".to_owned(), format!("[work]\n{KEYS}")),
        ("[profile work]\nlogin_session = arn:aws:iam::1:user/a\n".to_owned(), format!("[work]\n{KEYS}")),
        (
            format!("[profile work]\n{KEYS}"),
            "[work]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n".to_owned(),
        ),
        (String::new(), format!("[default]\n{KEYS}aws_session_token = t\n")),
        of(&format!(
            "{SESSION}[profile sso]\nsso_session = team\nsso_account_id = 111122223333\nsso_role_name = Dev\n"
        )),
        of(&format!("{SESSION}[profile sso]\nsso_session = team\n")),
        of("[profile sso]\nsso_session = gone\nsso_account_id = 1\nsso_role_name = R\n"),
        of(&format!(
            "{SESSION}[profile sso]\nsso_session = team\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = R\n"
        )),
        of(&format!(
            "{SESSION}[profile sso]\nsso_session = team\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = R\n"
        )),
        of(&format!("{SESSION}[profile sso]\nsso_session = team\nsso_account_id = 1\n")),
        of(
            "[profile old]\nsso_start_url = https://o.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = R\n",
        ),
        of(
            "[profile old]\nsso_start_url = https://o.awsapps.com/start\nsso_account_id = 1\nsso_role_name = R\n",
        ),
        of("[profile old]\nsso_start_url = https://o.awsapps.com/start\nsso_region = us-east-1\n"),
        of(&format!(
            "[profile old]\nsso_start_url = https://o.awsapps.com/start\nsso_region = us-east-1\n{KEYS}"
        )),
        of(&format!(
            "[profile old]\nsso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = R\n{KEYS}"
        )),
        of(&format!("[profile web]\n{role}web_identity_token_file = /t\n")),
        of(&format!("[profile web]\n{role}web_identity_token_file = /t\n{KEYS}")),
        of(&format!("[profile base]\n{KEYS}[profile role]\n{role}source_profile = base\n")),
        of(&format!(
            "[profile base]\n{KEYS}[profile role]\n{role}source_profile = base\nmfa_serial = arn:aws:iam::1:mfa/a\nexternal_id = e\nduration_seconds = 3600\nrole_session_name = me\n"
        )),
        of(&format!("[profile own]\n{role}source_profile = own\n{KEYS}")),
        of(&format!(
            "[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = c\n[profile c]\n{KEYS}"
        )),
        of(&format!("[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = a\n")),
        of(&format!("[profile a]\n{role}source_profile = gone\n")),
        of(&format!("[profile a]\n{role}\n")),
        of(&format!("[profile a]\n{role}credential_source = Ec2InstanceMetadata\n")),
        of(&format!("[profile a]\n{role}credential_source = Environment\nsource_profile = a\n{KEYS}")),
        of(&format!(
            "{SESSION}[profile sso]\nsso_session = team\nsso_account_id = 1\nsso_role_name = R\n[profile role]\n{role}source_profile = sso\n"
        )),
        of(&format!("[profile a]\n{role}source_profile = b\n[profile b]\ncredential_process = /opt/keys\n")),
        of(&format!(
            "[profile base]\n{KEYS}[profile r]\n{role}source_profile = base\nduration_seconds = 1h\n"
        )),
        of(&format!("[profiles x]\n{KEYS}[profilex]\n{KEYS}")),
        of(&format!("[profile a]\n{role}source_profile = a\ncredential_process = /opt/keys\n")),
        of(&format!(
            "[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = c\naws_access_key_id = A\n[profile c]\n{KEYS}"
        )),
        of(&format!("[profile a]\n{KEYS}[profile A]\nregion = us-east-1\n")),
        of(&format!("[profile a]\r\nregion = us-east-1\r\n{KEYS}")),
        of(
            "[profile a]\nregion = us-east-1\ns3 =\n  max_concurrent_requests = 20\n  addressing_style = path\noutput = json\n",
        ),
        of(&format!(
            "[DEFAULT]\nregion = eu-west-3\n[profile a]\n{KEYS}[profile b]\nregion = us-east-1\n{KEYS}"
        )),
        of(&format!(
            "[profile a]\nregion = us-east-1\n[DEFAULT]\n{KEYS}[default]\n[DEFAULT]\noutput = json\n"
        )),
        (format!("[DEFAULT]\n{KEYS}[profile a]\n"), "[DEFAULT]\nregion = eu-west-3\n[b]\n".to_owned()),
        of(&format!(
            "{SESSION}[DEFAULT]\nsso_session = team\nsso_account_id = 1\n[profile a]\nsso_role_name = R\n[profile b]\n{KEYS}"
        )),
        of(&format!("[DEFAULT]\nmfa_serial = m\n[profile k]\n{KEYS}[profile a]\n{role}source_profile = k\n")),
        of(&format!(
            "[plugins]\ncli = x\n[services local]\nec2 =\n  endpoint_url = http://x\n[profile a]\nservices = local\n{KEYS}"
        )),
    ]
}

/// What botocore finds for each profile, with its own providers in its own order: where the first credentials come from, and the roles
/// that it would assume with them.
const BOTOCORE: &str = r#"
import json, os, sys
import botocore.credentials, botocore.session
from botocore.credentials import Credentials, InstanceMetadataProvider, ContainerProvider, LoginCredentialFetcher
from botocore.exceptions import BotoCoreError

# Nobody is asked over the network, and nobody has signed in: only what the files say counts.
InstanceMetadataProvider.load = lambda self: Credentials('a', 's', method='Ec2InstanceMetadata')
ContainerProvider.load = lambda self: None
botocore.credentials.EC = botocore.credentials.EC or object()
LoginCredentialFetcher.load_cached_credentials = lambda self: {
    'access_key': 'a', 'secret_key': 's', 'token': 't', 'account_id': None, 'expiry_time': '2100-01-01T00:00:00Z'}
KINDS = {'sso': 'sso', 'shared-credentials-file': 'keys', 'config-file': 'keys', 'custom-process': 'process', 'login': 'login',
         'assume-role-with-web-identity': 'web_identity', 'env': 'named', 'Ec2InstanceMetadata': 'named'}

def fetcher(credentials):
    refresh = credentials._refresh_using
    # One that wants a code is called once at most.
    return getattr(refresh, '_refresh', refresh).__self__

def asked(role):
    keys = {'arn': 'RoleArn', 'session_name': 'RoleSessionName', 'external_id': 'ExternalId',
            'mfa_serial': 'SerialNumber', 'duration': 'DurationSeconds'}
    kwargs = role._assume_kwargs
    said = {name: kwargs.get(key) for name, key in keys.items()}
    if role._using_default_session_name:
        said['session_name'] = None
    return said

def chain(credentials):
    roles = []
    while credentials.method == 'assume-role':
        role = fetcher(credentials)
        roles.insert(0, asked(role))
        credentials = role._source_credentials
    base = {'kind': KINDS[credentials.method]}
    if credentials.method == 'sso':
        sso = fetcher(credentials)
        base |= {'account': sso._account_id, 'role': sso._role_name, 'start_url': sso._start_url, 'region': sso._sso_region}
    elif credentials.method == 'assume-role-with-web-identity':
        base['role'] = fetcher(credentials)._role_arn
    elif base['kind'] == 'keys':
        base['key'] = credentials.access_key
    elif base['kind'] == 'named':
        base['source'] = 'Environment' if credentials.method == 'env' else credentials.method
    return {'base': base, 'roles': roles}

result = []
for config_file, credentials_file in json.load(sys.stdin):
    os.environ['AWS_CONFIG_FILE'], os.environ['AWS_SHARED_CREDENTIALS_FILE'] = config_file, credentials_file
    profiles = {}
    for name in botocore.session.Session().available_profiles:
        session = botocore.session.Session(profile=name)
        try:
            found = chain(session.get_credentials())
            if not found['roles'] and found['base'].get('source'):
                # That is what there is without any profile.
                found = None
        except BotoCoreError:
            found = None
        profiles[name] = {'region': session.get_scoped_config().get('region'), 'chain': found}
    result.append(profiles)
json.dump(result, sys.stdout)
"#;

/// The Python that moto, and with it botocore, is installed for.
fn python() -> Option<PathBuf> {
    let server = std::env::var_os("HOLDFAST_MOTO_SERVER")?;
    Some(Path::new(&server).parent()?.join("python"))
}

/// A folder of programs that print credentials, as the profiles name them.
fn programs(home: &Home) -> PathBuf {
    let folder = home.folder.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    for name in ["keys", "my keys", "granted"] {
        let program = folder.join(name);
        let print = r#"{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s"}"#;
        std::fs::write(&program, format!("#!/bin/sh\necho '{print}'\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

/// What we find for a profile, in the words of [`BOTOCORE`].
fn ours(config: &Config, name: &str) -> Value {
    let Ok(chain) = config.chain(name) else { return Value::Null };
    let base = match &chain.base {
        Base::Sso { portal, account, role } => {
            let (start_url, region) = (&portal.start_url, &portal.region);
            json!({ "kind": "sso", "account": account, "role": role, "start_url": start_url, "region": region })
        }
        Base::Keys => json!({ "kind": "keys", "key": config.profiles[&chain.profile]["aws_access_key_id"] }),
        Base::Process { .. } => json!({ "kind": "process" }),
        Base::Login => json!({ "kind": "login" }),
        Base::WebIdentity { role } => json!({ "kind": "web_identity", "role": role }),
        Base::Named { source } => json!({ "kind": "named", "source": source }),
    };
    let role = |role: &Role| {
        let Role { profile: _, arn, session_name, external_id, mfa_serial, duration } = role;
        json!({
            "arn": arn, "session_name": session_name, "external_id": external_id, "mfa_serial": mfa_serial,
            "duration": duration,
        })
    };
    json!({ "base": base, "roles": chain.roles.iter().map(role).collect::<Vec<_>>() })
}

#[test]
fn profiles_are_what_botocore_takes_them_for() {
    let Some(python) = python() else {
        return println!("skipped: HOLDFAST_MOTO_SERVER names no moto, whose botocore would be asked");
    };
    let (home, mut files) = (Home::new(), files());
    assert!(files.len() >= 40);
    let programs = programs(&home);
    for (config, _) in &mut files {
        *config = config.replace("/opt", &programs.display().to_string());
    }
    let paths: Vec<(PathBuf, PathBuf)> = files
        .iter()
        .enumerate()
        .map(|(number, (config, credentials))| {
            let folder = home.folder.path().join(number.to_string());
            std::fs::create_dir(&folder).unwrap();
            let (one, other) = (folder.join("config"), folder.join("credentials"));
            std::fs::write(&one, config).unwrap();
            std::fs::write(&other, credentials).unwrap();
            (one, other)
        })
        .collect();
    let mut command = Command::new(python);
    command.args(["-c", BOTOCORE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(programs).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(path).unwrap());
    // For a role that is assumed with these.
    command.envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    for other in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"] {
        command.env_remove(other);
    }
    let mut child = command.spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &paths).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();

    let (mut profiles, mut wrong) = (0, String::new());
    for ((config, credentials), theirs) in files.iter().zip(&theirs) {
        let known = holdfast_core::profile::config(config, credentials).unwrap();
        let says = |name: &String| {
            (name.clone(), json!({ "region": known.region(name), "chain": ours(&known, name) }))
        };
        let ours = Value::Object(known.profiles.keys().map(says).collect());
        profiles += known.profiles.len();
        if &ours != theirs {
            wrong += &format!("{config:?} {credentials:?}\n  ours   {ours}\n  theirs {theirs}\n");
        }
    }
    println!("{profiles} profiles of {} configurations", files.len());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_named_with_its_line() {
    let home = Home::new();
    let file = home.folder.path().join("aws/config");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    for (text, told) in
        [("[profile a\nregion = x\n", "line 1"), ("[profile a]\nregion = x\nnonsense\n", "line 3")]
    {
        std::fs::write(&file, text).unwrap();
        let ran = home.run("profiles");
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.err.contains(told) && ran.err.contains("aws/config"), "{}", ran.err);
    }
    std::fs::write(&file, b"[profile a]\nregion = us-east-1\n# caf\xe9\n").unwrap();
    let ran = home.run("profiles");
    assert!(
        ran.err.contains("line 3: it is not UTF-8") && ran.err.contains("save the file as UTF-8"),
        "{}",
        ran.err
    );
}
