//! The AWS configuration, understood as botocore understands it: nobody here wrote that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
            "[plugins]\ncli = x\n[services local]\nec2 =\n  endpoint_url = http://x\n[profile a]\nservices = local\n{KEYS}"
        )),
    ]
}

/// What botocore says of each profile: where its credentials come from, by its own providers in their own order, and what it
/// would ask for.
const BOTOCORE: &str = r#"
import json, os, sys
import botocore.session
from botocore.credentials import AssumeRoleProvider, AssumeRoleWithWebIdentityProvider, SSOProvider, SharedCredentialProvider, LoginProvider, ProcessProvider, ConfigProvider
from botocore.exceptions import BotoCoreError

def base(session, name, config):
    profile = config['profiles'].get(name, {})
    if 'role_arn' in profile and 'web_identity_token_file' in profile:
        return 'web identity'
    if SSOProvider(lambda: config, None, name)._load_sso_config():
        return 'SSO'
    if SharedCredentialProvider(os.environ['AWS_SHARED_CREDENTIALS_FILE'], name).load():
        return 'keys'
    if 'login_session' in profile:
        return 'aws login'
    if 'credential_process' in profile:
        return 'program ' + ProcessProvider(name, lambda: config)._credential_process.split()[0].strip('"').split('/')[-1]
    if ConfigProvider(os.environ['AWS_CONFIG_FILE'], name).load():
        return 'keys'
    return None

def chain(session, name, config):
    class Sourcer:
        def is_supported(self, source): return True
    class Builder:
        def providers(self, *args, **kwargs): return []
    provider = AssumeRoleProvider(lambda: config, None, {}, name, credential_sourcer=Sourcer(), profile_provider_builder=Builder())
    roles = []
    at = name
    provider._loaded_config = config
    while True:
        profile = config['profiles'][at]
        if roles and provider._has_static_credentials(profile):
            break
        if not provider._has_assume_role_config_vars(profile):
            break
        asks = provider._get_role_config(at)
        roles.append(asks)
        if asks['credential_source'] is not None:
            return roles, asks['credential_source']
        source = asks['source_profile']
        if source == at:
            break
        provider._visited_profiles.append(source)
        at = source
    return roles, base(session, at, config)

result = []
for config_file, credentials_file in json.load(sys.stdin):
    os.environ['AWS_CONFIG_FILE'], os.environ['AWS_SHARED_CREDENTIALS_FILE'] = config_file, credentials_file
    session = botocore.session.Session()
    profiles = {}
    config = session.full_config
    for name in session.available_profiles:
        says = config['profiles'][name]
        entry = {'region': says.get('region')}
        try:
            roles, kind = chain(session, name, config)
            if kind is None:
                entry['kind'] = None
            else:
                mfa = ' with MFA' if any(role['mfa_serial'] for role in roles) else ''
                if len(roles) == 1: kind = f'role{mfa}, from {kind}'
                elif roles: kind = f'{len(roles)} roles{mfa}, from {kind}'
                entry['kind'] = kind
        except BotoCoreError as error:
            entry['kind'] = None
        profiles[name] = entry
    result.append(profiles)
json.dump(result, sys.stdout)
"#;

fn python() -> Option<PathBuf> {
    let server = std::env::var_os("HOLDFAST_MOTO_SERVER")?;
    Some(Path::new(&server).parent()?.join("python"))
}

#[test]
fn profiles_are_what_botocore_takes_them_for() {
    let Some(python) = python() else { return println!("skipped: no HOLDFAST_MOTO_SERVER") };
    let (home, files) = (Home::new(), files());
    assert!(files.len() >= 40);
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
    let mut child = command.env_remove("AWS_PROFILE").spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &paths).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();

    let (mut profiles, mut wrong) = (0, String::new());
    for ((text, paths), theirs) in files.iter().zip(&paths).zip(&theirs) {
        let mut command = home.command("profiles --json");
        command.env("AWS_CONFIG_FILE", &paths.0).env("AWS_SHARED_CREDENTIALS_FILE", &paths.1);
        let output = command.output().unwrap();
        let ours: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let ours: serde_json::Map<String, Value> = ours["profiles"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|profile| {
                let faulty = profile["state"] == "faulty";
                let kind = if faulty { Value::Null } else { profile["kind"].clone() };
                let name = profile["name"].as_str().unwrap().to_owned();
                (name, json!({ "region": profile["region"], "kind": kind }))
            })
            .collect();
        profiles += ours.len();
        if &Value::Object(ours.clone()) != theirs {
            let err = String::from_utf8_lossy(&output.stderr);
            wrong += &format!("{text:?}\n  ours   {}\n  theirs {theirs}\n{err}\n", Value::Object(ours));
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
}
