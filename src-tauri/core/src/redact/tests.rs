use proptest::prelude::*;

use super::{Kind, Redactor, of_aws_config, of_settings};

fn redactor() -> Redactor {
    let names = [
        (Kind::User, "ada"),
        (Kind::Home, "/home/ada"),
        (Kind::Host, "adas-laptop"),
        (Kind::Host, "gpu-box"),
        (Kind::Profile, "team/Admin"),
        (Kind::Profile, "default"),
        (Kind::Portal, "https://acme.awsapps.com/start"),
        (Kind::Role, "AdministratorAccess"),
        (Kind::Secret, "hunter2"),
    ];
    Redactor::knowing(names.map(|(kind, name)| (kind, name.to_owned())))
}

#[test]
fn what_is_private_goes() {
    for (text, shown) in [
        // Names that are known, however they are written, and not the words that they are in.
        ("ada, Ada and adapters", "<user 1>, <user 1> and adapters"),
        ("ada/gpu-box/us-west-2", "<user 1>/<host 1>/us-west-2"),
        ("ada+gpu-box+us-west-2.json", "<user 1>+<host 1>+us-west-2.json"),
        ("/home/ada/.aws/config", "<home 1>/.aws/config"),
        (
            "/home/bob/x, /Users/carol, C:\\Users\\dan\\x",
            "/home/<user 1>/x, /Users/<user 2>, C:\\Users\\<user 3>\\x",
        ),
        ("/home/.snapshots, /home/dev", "/home/.snapshots, /home/dev"),
        ("holdfast login team/Admin", "holdfast login <profile 1>"),
        ("profile=team%2FAdmin", "profile=<profile 1>"),
        ("the profile default", "the profile default"),
        ("signed in to https://acme.awsapps.com/start any more", "signed in to <portal 1> any more"),
        ("from other.awsapps.com", "from <portal 1>"),
        ("ADAS-LAPTOP.", "<host 1>."),
        // Accounts, whoever calls, ARNs.
        ("123456789012 111122223333 123456789012", "<account 1> <account 2> <account 1>"),
        ("1234-5678-9012 is 123456789012", "<account 1> is <account 1>"),
        (
            "123456789012/assumed-role/AdministratorAccess/ada@example.com",
            "<account 1>/assumed-role/<role 1>/<e-mail 1>",
        ),
        ("123456789012/user/bob.", "<account 1>/user/<name 1>."),
        (
            "arn:aws:iam::123456789012:role/path/Dev, and",
            "arn:aws:iam::<account 1>:role/<role 1>/<name 1>, and",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/Dev/ada",
            "arn:aws:sts::<account 1>:assumed-role/<role 1>/<user 1>",
        ),
        (
            "(arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-0123456789abcdef0)",
            "(arn:aws-cn:ec2:cn-north-1:<account 1>:instance/i-0123456789abcdef0)",
        ),
        (
            "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
        ),
        ("logs123456789012", "logs<account 1>"),
        // Keys and secrets.
        ("AKIAIOSFODNN7EXAMPLE,ASIAIOSFODNN7EXAMPLE", "<key id 1>,<key id 2>"),
        ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.", "key <secret 1>."),
        ("aws_secret_access_key = short", "aws_secret_access_key = <secret 1>"),
        (r#"{"accessToken": "a\"b", "x": 1}"#, r#"{"accessToken": "<secret 1>", "x": 1}"#),
        (r#"{"message":"{\"refreshToken\":\"abc\"}"}"#, r#"{"message":"{\"refreshToken\":\"<secret 1>\"}"}"#),
        ("Authorization: AWS4-HMAC-SHA256 Credential=x, Signature=y", "Authorization: <secret 1>"),
        ("said Bearer abcdefghijklmnopqrst", "said Bearer <secret 1>"),
        ("ghp_0123456789abcdefghijklmnopqrstuvwxyz", "<secret 1>"),
        ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0", "<secret 1>.<secret 2>"),
        ("IQoJb3JpZ2luX2VjEJ//////////wEaCXVzLXdlc3QtMiJHMEUCIQ==", "<secret 1>"),
        ("token_code=123456 hunter2", "token_code=<secret 1> <secret 2>"),
        (
            "AROAIOSFODNN7EXAMPLE:bob and AROAIOSFODNN7EXAMPLE:ada@example.com.",
            "<key id 1>:<name 1> and <key id 1>:<e-mail 1>.",
        ),
        // Sessions, which begin with whoever has them.
        ("ada@example.com-022dd98e9d7a8bafc", "<e-mail 1>-022dd98e9d7a8bafc"),
        (
            "\"bob-022dd98e9d7a8bafc\", bob-abcdefghijklmnopqrstuvwxy7",
            "\"<name 1>-022dd98e9d7a8bafc\", <name 1>-abcdefghijklmnopqrstuvwxy7",
        ),
        // Addresses.
        ("10.0.1.2, 10.0.1.2:22 and 10.0.0.0/16", "<address 1>, <address 1>:22 and <address 2>/16"),
        ("fe80::1ff:fe23:4567:890a and 0a:1b:2c:3d:4e:5f", "<address 1> and <address 2>"),
        ("127.0.0.1:8080 ::1 169.254.169.254", "127.0.0.1:8080 ::1 169.254.169.254"),
        ("ip-10-0-1-2.us-west-2.compute.internal is ip-10-0-1-2", "<host 1> is <host 2>"),
        ("nas.local", "<host 1>"),
        ("mail ada@example.com or user@1000.service", "mail <e-mail 1> or user@1000.service"),
        ("git@git.example.com:ada/machine.git", "<e-mail 1>:…"),
        ("http://me:secret@proxy.corp.example:3128/", "http://<secret 1>@<host 1>:3128/"),
        ("me:secret@proxy:3128", "<secret 1>@<host 1>:3128"),
        ("https://git.example.com/ada/machine.git?x=y", "https://<host 1>/…?<secret 1>"),
        (
            "https://ec2.us-west-2.amazonaws.com/ and http://127.0.0.1:40000",
            "https://ec2.us-west-2.amazonaws.com/ and http://127.0.0.1:40000",
        ),
        ("https://mine.s3.us-west-2.amazonaws.com/x", "https://<host 1>/…"),
        ("http://127.0.0.1:1/oauth/callback?code=c&state=s", "http://127.0.0.1:1/oauth/callback?<secret 1>"),
    ] {
        let mut redactor = redactor();
        assert_eq!(redactor.redact(text), shown, "{text}");
        assert_eq!(redactor.redact(shown), shown, "again");
    }
}

#[test]
fn what_helps_stays() {
    for text in [
        "2026-11-29T10:00:00.123456Z INFO holdfast::problem: a call failed code=UnauthorizedOperation",
        "i-0123456789abcdef0 vpc-0fedcba9876543210 m8g.xlarge us-west-2b 100 GiB",
        "request 0b7a1c52-6f0e-4d3c-9a54-1b2c3d4e5f60",
        "/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-glibc-2.40",
        "holdfast 0.1.0 on linux aarch64; kernel 6.12.1; std::net::Ipv6Addr",
        "AWS_SHARED_CREDENTIALS_FILE=/etc/aws/credentials",
        "ec2, ssm, iam answer within 120 ms; 71 of 84 actions are allowed",
        "embedded 1a2b3c4d5e6f; 1764410000 seconds; 1764410000123 ms",
        "at src/main.rs:12:34, 10:00:00, a::b::c",
    ] {
        assert_eq!(redactor().redact(text), text);
    }
}

#[test]
fn two_mentions_of_one_thing_stay_one() {
    let mut redactor = redactor();
    assert_eq!(redactor.redact("111122223333 123456789012"), "<account 1> <account 2>");
    assert_eq!(redactor.redact("arn:aws:iam::123456789012:root"), "arn:aws:iam::<account 2>:root");
    // What stands for something else in the text is left to mean that.
    assert_eq!(redactor.redact("<account 1> <nothing 1> <account x>"), "<account 1> <nothing 1> <account x>");
}

#[test]
fn names_are_found_in_files_whatever_is_wrong_with_them() {
    let config = "[default]\nregion = us-west-2\n[profile \"team/Admin\"\nsso_session=acme\nsso_account_id = 123456789012\n\
                  granted_sso_role_name = Dev\n[sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nnonsense\n\
                  [profile x]\nrole_arn = arn:aws:iam::123456789012:role/Ops\nmfa_serial = arn:aws:iam::123456789012:mfa/ada-phone\n\
                  aws_secret_access_key = abc";
    let names = of_aws_config(config);
    for (kind, name) in [
        (Kind::Profile, "team/Admin"),
        (Kind::Portal, "acme"),
        (Kind::Role, "Dev"),
        (Kind::Role, "Ops"),
        (Kind::Name, "ada-phone"),
        (Kind::Portal, "https://acme.awsapps.com/start"),
        (Kind::Secret, "abc"),
    ] {
        assert!(names.contains(&(kind, name.to_owned())), "{name}: {names:?}");
    }
    let settings = "default = \"gpu-box\"\n[machine.gpu-box]\nuser = \"ada\"\nprofile='team/Admin'\n# profile = \"old\"\n\
                    config = { git = \"https://ada@git.acme.example:8443/bob/x.git\", branch = \"next\" }\ntags = { team = \"compilers\", do-not-nuke = \"true\" }\n\
                    [machine.other.tags]\nowner = \"ada l\"\nbroken = \"";
    let names = of_settings(settings);
    for (kind, name) in [
        (Kind::Host, "gpu-box"),
        (Kind::Host, "other"),
        (Kind::User, "ada"),
        (Kind::Profile, "team/Admin"),
        (Kind::Host, "git.acme.example"),
        (Kind::Name, "bob/x"),
        (Kind::Name, "next"),
        (Kind::Name, "compilers"),
        (Kind::Name, "ada l"),
    ] {
        assert!(names.contains(&(kind, name.to_owned())), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|(_, name)| name == "old"), "{names:?}");
}

/// What stands around a private text.
fn around() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just("\"".to_owned()),
        Just("=".to_owned()),
        Just(": ".to_owned()),
        Just("/".to_owned()),
        Just("<account 1>".to_owned()),
        Just("password=".to_owned()),
        Just("https://".to_owned()),
        Just("arn:aws:".to_owned()),
        Just("token\": \"".to_owned()),
        "[a-z]{1,6}",
        ".{1,3}",
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

/// What nobody may see, with what it would be found by.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{12}",
        "(AKIA|ASIA)[A-Z0-9]{16}",
        "arn:aws:iam::[0-9]{12}:(role|user)/[A-Z][a-z]{4,9}Q[0-9]",
        Just("ada".to_owned()),
        Just("team/Admin".to_owned()),
        Just("adas-laptop".to_owned()),
        Just("hunter2".to_owned()),
        "[0-9a-f]{64}"
            .prop_filter("a digest of digits alone", |text| text.bytes().any(|b| b.is_ascii_alphabetic())),
        "ip-10-0-[0-9]{1,2}-[0-9]{1,2}\\.us-west-2\\.compute\\.internal",
        "10\\.20\\.[0-9]{1,2}\\.[0-9]{1,2}",
    ]
}

/// Whether `text` still says it, as a word of its own.
fn says(text: &str, secret: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(secret).any(|(at, _)| {
        !inside(text[..at].chars().next_back()) && !inside(text[at + secret.len()..].chars().next())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_private_survives(parts in prop::collection::vec((around(), secret()), 1..4), end in around()) {
        let text: String = parts.iter().map(|(before, secret)| format!("{before} {secret} ")).collect::<String>() + &end;
        let mut redactor = redactor();
        let shown = redactor.redact(&text);
        for (_, secret) in &parts {
            prop_assert!(!says(&shown, secret), "{secret:?} of {text:?} in {shown:?}");
            let names = secret.strip_prefix("arn:aws:iam::");
            for name in names.into_iter().flat_map(|rest| [&rest[..12], rest.rsplit('/').next().unwrap_or_default()]) {
                prop_assert!(!shown.contains(name), "{name:?} of {text:?} in {shown:?}");
            }
        }
        prop_assert_eq!(redactor.redact(&shown), shown);
    }

    #[test]
    fn it_is_done_once(text in around(), more in ".{0,60}", secret in secret()) {
        let mut redactor = redactor();
        let shown = redactor.redact(&format!("{text}{secret}{more}"));
        prop_assert_eq!(redactor.redact(&shown), shown);
    }

    #[test]
    fn what_is_not_private_stays(words in prop::collection::vec("[b-z]{1,12}|[0-9]{1,6}|[,.;()]", 0..30)) {
        let text = words.join(" ");
        prop_assert_eq!(redactor().redact(&text), text);
    }
}
