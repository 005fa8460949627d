use super::*;

/// A configuration out of its text.
fn config(text: &str) -> Config {
    let text: String = text.lines().map(|line| format!("{}\n", line.trim())).collect();
    super::config(&text, "").unwrap()
}

const KEYS: &str = "aws_access_key_id = AKIA\naws_secret_access_key = s";

#[test]
fn what_stands_under_default_is_every_sections() {
    let text = "[a]\nx = 1\n[DEFAULT]\nx = 0\ny = 2\n  more\n[b]\n[DEFAULT]\nz = 3\n";
    let all = sections(text).unwrap();
    let told: Vec<String> = all.iter().map(|(name, says)| format!("{name} {says:?}")).collect();
    assert_eq!(
        told,
        [r#"a {"x": "1", "y": "2\nmore", "z": "3"}"#, r#"b {"x": "0", "y": "2\nmore", "z": "3"}"#,]
    );
    assert!(sections("[DEFAULT]\nx = 0\n[DEFAULT]\nx = 1\n").is_err(), "said twice");
    assert_eq!(sections("[DEFAULT]\nx = 0\n").unwrap(), []);
}

#[test]
fn each_kind_of_profile() {
    let all = config(&format!(
        "[profile keys]\n{KEYS}
        [profile granted/Admin]\ncredential_process = /usr/bin/granted credential-process --profile granted/Admin
        [sso-session team]\nsso_start_url = https://t.awsapps.com/start\nsso_region = eu-west-1\nsso_registration_scopes = sso:account:access, x
        [profile sso]\nsso_session = team\nsso_account_id = 111122223333\nsso_role_name = Dev\nregion = eu-central-1
        [profile old]\nsso_start_url = https://o.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = R
        [profile login]\nlogin_session = arn:aws:iam::1:user/a
        [profile web]\nrole_arn = arn:aws:iam::444455556666:role/ci\nweb_identity_token_file = /t
        [profile box]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = ec2instancemetadata
        [profile role]\nrole_arn = arn:aws:iam::777788889999:role/path/admin\nsource_profile = sso\nmfa_serial = arn:aws:iam::1:mfa/a\nexternal_id = e\nduration_seconds = 3600\nrole_session_name = me
        [profile far]\nrole_arn = arn:aws:iam::1:role/far\nsource_profile = role
        [profile own]\nrole_arn = arn:aws:iam::1:role/own\nsource_profile = own\n{KEYS}
        [profile middle]\nrole_arn = arn:aws:iam::1:role/m\nsource_profile = own"
    ));
    let mut text = String::new();
    for name in all.profiles.keys() {
        let chain = all.chain(name).unwrap();
        let (account, role) = chain.identity();
        let portal = chain.portal().map(|portal| portal.start_url.as_str()).unwrap_or("-");
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        text += &format!("{name}: {} | {} | {} | {portal}\n", chain.words(), or(account), or(role));
    }
    insta::assert_snapshot!(text, @"
    box: role, from Ec2InstanceMetadata | 1 | r | -
    far: 2 roles with MFA, from SSO | 1 | far | https://t.awsapps.com/start
    granted/Admin: program granted | - | - | -
    keys: keys | - | - | -
    login: aws login | - | - | -
    middle: role, from keys | 1 | m | -
    old: SSO | 1 | R | https://o.awsapps.com/start
    own: role, from keys | 1 | own | -
    role: role with MFA, from SSO | 777788889999 | path/admin | https://t.awsapps.com/start
    sso: SSO | 111122223333 | Dev | https://t.awsapps.com/start
    web: web identity | 444455556666 | ci | -
    ");
    insta::assert_debug_snapshot!(all.chain("far").unwrap().roles);
    assert_eq!(all.region("sso"), Some("eu-central-1"));
    let urls: Vec<String> = all.portals().into_iter().map(|portal| portal.start_url).collect();
    assert_eq!(urls, ["https://o.awsapps.com/start", "https://t.awsapps.com/start"]);
    assert_eq!(all.chain("sso").unwrap().portal().unwrap().scopes, ["sso:account:access", "x"]);
}

#[test]
fn profiles_that_give_none_say_why() {
    let all = config(
        "[profile empty]\nregion = us-west-2
        [profile a]\nrole_arn = r\nsource_profile = b
        [profile b]\nrole_arn = r\nsource_profile = a
        [profile nowhere]\nrole_arn = r\nsource_profile = gone
        [profile both]\nrole_arn = r\nsource_profile = a\ncredential_source = Environment
        [profile neither]\nrole_arn = r
        [profile odd]\nrole_arn = r\ncredential_source = Moon
        [profile unsaid]\nsso_session = gone\nsso_account_id = 1\nsso_role_name = R
        [sso-session half]\nsso_region = us-east-1
        [profile halved]\nsso_session = half\nsso_account_id = 1\nsso_role_name = R
        [profile old]\nsso_start_url = u\nsso_account_id = 1\nsso_role_name = R
        [profile roleless]\nsso_start_url = u\nsso_region = r\nsso_account_id = 1
        [profile half-keys]\naws_access_key_id = AKIA",
    );
    let names = all.profiles.keys().map(String::as_str).chain(["missing"]);
    let text: Vec<String> = names.map(|name| format!("{name}: {}", all.chain(name).unwrap_err())).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    a: the profiles a, b take their credentials from each other
    b: the profiles b, a take their credentials from each other
    both: profile both says both source_profile and credential_source
    empty: profile empty says nothing about credentials
    half-keys: profile half-keys says nothing about credentials
    halved: sso-session half lacks sso_start_url
    neither: profile neither lacks source_profile
    nowhere: there is no profile gone, which nowhere names
    odd: credential_source of profile odd is "Moon", which is not Environment, Ec2InstanceMetadata or EcsContainer
    old: profile old lacks sso_region
    roleless: profile roleless lacks sso_role_name
    unsaid: profile unsaid names the sso-session gone, which is not there
    missing: there is no profile missing
    "#);
}

#[test]
fn what_is_added_comes_at_the_end() {
    let session = Section::session("team", vec![("sso_start_url", "https://t.awsapps.com/start".to_owned())]);
    let profile = Section::profile("team/Dev", vec![("sso_session", "team".to_owned())]);
    let both = [session, profile];
    insta::assert_snapshot!(written("", &both).unwrap().text, @"
    [sso-session team]
    sso_start_url = https://t.awsapps.com/start

    [profile team/Dev]
    sso_session = team
    ");
    insta::assert_snapshot!(written("# mine\n[default]\nregion = us-west-2 # near", &both).unwrap().text, @"
    # mine
    [default]
    region = us-west-2 # near

    [sso-session team]
    sso_start_url = https://t.awsapps.com/start

    [profile team/Dev]
    sso_session = team
    ");
    let windows = written("[default]\r\nregion = x\r\n", &both[1..]).unwrap();
    assert_eq!(windows.added, "\r\n[profile team/Dev]\r\nsso_session = team\r\n");
    assert_eq!(Section::profile("default", vec![]).header, "default");
    assert_eq!(Section::profile("a b", vec![]).header, "profile \"a b\"");
    for bad in ["a\n[b", " a", "a\r"] {
        let section = Section::profile("x", vec![("region", bad.to_owned())]);
        assert!(written("", &[section]).is_err(), "{bad:?}");
    }
    assert!(written("", &[Section::profile("a]b", vec![])]).is_err());
}

proptest::proptest! {
    #[test]
    fn what_stands_there_stays_byte_for_byte(text: String, name in "[a-zA-Z0-9/_. -]{1,20}", value in "[!-~]{1,20}") {
        let section = Section::profile(name.trim(), vec![("region", value)]);
        let result = written(&text, &[section]).unwrap();
        proptest::prop_assert!(result.text.starts_with(&text));
        proptest::prop_assert_eq!(&result.text[text.len()..], result.added.as_str());
        let rest = result.text[text.len()..].lines().filter(|line| line.starts_with('[')).count();
        proptest::prop_assert_eq!(rest, 1);
        // And it is read again as what was written.
        if super::config(&text, "").is_ok_and(|before| !before.profiles.contains_key(name.trim())) && name.trim() != "default" {
            let read = super::config(&result.text, "");
            let same = |read: Config| read.profiles.contains_key(name.trim());
            proptest::prop_assert!(name.trim().is_empty() || read.is_ok_and(same));
        }
    }
}

#[test]
fn files_are_read_line_by_line() {
    let text = "# a comment\n; another\n[default]\nRegion=us-west-2\n\n[profile \"a b\"]\nregion : x # no comment\ns3 =\n  \
                max = 20\n  # not a part of it\n  style = path\noutput = json\r\n[profile 'c']\n[profilex y]\n[profile d e]\n[plugins]\n\
                [sso-session s]\nsso_region = r\n  [profile f]\n  region = y\n[profile g] tail\n[profile h\\ i]\n[profile \"j]\n";
    let read = super::config(text, "[default]\naws_access_key_id = A\n[k]\n").unwrap();
    let names: Vec<&str> = read.profiles.keys().map(String::as_str).collect();
    // botocore takes any first word that begins so.
    assert_eq!(names, ["a b", "c", "default", "g", "h i", "k", "y"]);
    assert_eq!(read.profiles["default"]["region"], "us-west-2");
    assert_eq!(read.profiles["a b"]["region"], "x # no comment");
    assert_eq!(read.profiles["a b"]["s3"], "\nmax = 20\nstyle = path");
    assert_eq!(read.profiles["a b"]["output"], "json");
    // What is indented belongs to the line before.
    assert_eq!(read.sessions["s"]["sso_region"], "r\n[profile f]\nregion = y");
    assert_eq!(read.in_credentials.iter().collect::<Vec<_>>(), ["default"]);
    for (text, told) in [
        ("region = x\n", "line 1: it comes before any [section]"),
        ("[a]\n\nnonsense\n", "line 3: it is no key = value"),
        ("[a]\n= x\n", "line 2: it is no key = value"),
        ("[a\nx = y\n", "line 1: it comes before any [section]"),
        ("[a]\nx = y\n[a]\n", "line 3: the section [a] was there before"),
        ("[a]\nx = y\nX = z\n", "line 3: x was there before in this section"),
    ] {
        assert_eq!(sections(text).unwrap_err().to_string(), told, "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_in_a_file_is_read_or_refused(text in "[\\[\\]a-c=: \"'\\\\#;\t\r\n]{0,60}") {
        let _ = super::config(&text, &text);
    }
}
