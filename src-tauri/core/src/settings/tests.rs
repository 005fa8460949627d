use super::*;
use crate::machine::ConfigSource;
use crate::terminal::Known;

pub(super) fn ada() -> Option<UserName> {
    Some("ada".parse().unwrap())
}

pub(super) fn parse(text: &str) -> Settings {
    Settings::parse(text, ada().as_ref()).unwrap_or_else(|errors| panic!("{}\n{text}", lines(&errors)))
}

fn lines(errors: &[SettingsError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn errors(text: &str) -> String {
    lines(&Settings::parse(text, ada().as_ref()).unwrap_err())
}

/// Errors of settings that are these of one machine.
fn machine_errors(text: &str) -> String {
    errors(&format!("[machine.remote-dev]\n{text}"))
}

pub(super) fn name(text: &str) -> MachineName {
    text.parse().unwrap()
}

pub(super) fn put(text: &str, key: &str, value: &str) -> String {
    set(text, ada().as_ref(), &name("remote-dev"), key, value)
        .unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

fn put_errors(text: &str, key: &str, value: &str) -> String {
    lines(&set(text, ada().as_ref(), &name("remote-dev"), key, value).unwrap_err())
}

pub(super) fn drop_key(text: &str, key: &str) -> String {
    unset(text, ada().as_ref(), &name("remote-dev"), key)
        .unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

fn table(settings: &Settings) -> String {
    let line = |shown: &Shown| {
        let machine = shown.machine.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{machine}|{}|{}|{:?}", shown.key, shown.value, shown.origin)
    };
    show(settings).iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn in_force(text: &str, key: &str) -> ShownValue {
    let all = show(&parse(text));
    all.into_iter().find(|shown| shown.key == key).map_or(ShownValue::Nothing, |shown| shown.value)
}

const FULL: &str = r#"version = 1
default = "work"

[machine.remote-dev]

[machine.work]
profile = "team/Admin"
region = "eu-central-1"
instance_type = "m7i.large"
volume_size = 500
snapshot_every = 6
snapshot_keep = 20
user = "grace"
config = { git = "https://example.com/team/machines.git", branch = "main", folder = "nixos", attribute = "big" }
subnet = "subnet-0123456789abcdef0"
instance_profile = "company-ssm"
permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
kms_key = "alias/company"

[machine.work.tags]
do-not-nuke = false
"cost center" = "42"
team.a = "x"
"#;

#[test]
fn an_empty_file_is_one_machine_with_all_defaults() {
    insta::assert_snapshot!(table(&parse("")), @"
    |default|remote-dev|Default
    |terminal|default|Default
    |mute|(none)|Default
    |updates|true|Default
    remote-dev|profile|(none)|Default
    remote-dev|region|us-west-2|Default
    remote-dev|zone|(none)|Default
    remote-dev|instance_type|m8g.xlarge|Default
    remote-dev|alternates|(none)|Default
    remote-dev|volume_size|100|Default
    remote-dev|volume_iops|3000|Default
    remote-dev|volume_throughput|125|Default
    remote-dev|user|ada|Default
    remote-dev|config|embedded|Default
    remote-dev|off_at|(none)|Default
    remote-dev|off_when_idle|(none)|Default
    remote-dev|snapshot_every|(none)|Default
    remote-dev|snapshot_keep|7|Default
    remote-dev|tags.do-not-nuke|true|Default
    remote-dev|subnet|(none)|Default
    remote-dev|instance_profile|(none)|Default
    remote-dev|permissions_boundary|(none)|Default
    remote-dev|kms_key|(none)|Default
    ");
}

#[test]
fn everything_that_can_be_set_is_shown_as_set() {
    let text = FULL.replace("team.a", "\"team.a\"");
    insta::assert_snapshot!(table(&parse(&text)), @"
    |default|work|Set
    |terminal|default|Default
    |mute|(none)|Default
    |updates|true|Default
    remote-dev|profile|(none)|Default
    remote-dev|region|us-west-2|Default
    remote-dev|zone|(none)|Default
    remote-dev|instance_type|m8g.xlarge|Default
    remote-dev|alternates|(none)|Default
    remote-dev|volume_size|100|Default
    remote-dev|volume_iops|3000|Default
    remote-dev|volume_throughput|125|Default
    remote-dev|user|ada|Default
    remote-dev|config|embedded|Default
    remote-dev|off_at|(none)|Default
    remote-dev|off_when_idle|(none)|Default
    remote-dev|snapshot_every|(none)|Default
    remote-dev|snapshot_keep|7|Default
    remote-dev|tags.do-not-nuke|true|Default
    remote-dev|subnet|(none)|Default
    remote-dev|instance_profile|(none)|Default
    remote-dev|permissions_boundary|(none)|Default
    remote-dev|kms_key|(none)|Default
    work|profile|team/Admin|Set
    work|region|eu-central-1|Set
    work|zone|(none)|Default
    work|instance_type|m7i.large|Set
    work|alternates|(none)|Default
    work|volume_size|500|Set
    work|volume_iops|3000|Default
    work|volume_throughput|125|Default
    work|user|grace|Set
    work|config.git|https://example.com/team/machines.git|Set
    work|config.branch|main|Set
    work|config.folder|nixos|Set
    work|config.attribute|big|Set
    work|off_at|(none)|Default
    work|off_when_idle|(none)|Default
    work|snapshot_every|6|Set
    work|snapshot_keep|20|Set
    work|tags.cost center|42|Set
    work|tags.do-not-nuke|(none)|Set
    work|tags.team.a|x|Set
    work|subnet|subnet-0123456789abcdef0|Set
    work|instance_profile|company-ssm|Set
    work|permissions_boundary|arn:aws:iam::123456789012:policy/boundary|Set
    work|kms_key|alias/company|Set
    ");
    let work = parse(&text).machine(None).cloned().unwrap();
    assert_eq!(work.machine, name("work"));
    assert!(matches!(work.config, ConfigSource::Git { attribute, .. } if attribute == "big"));
}

#[test]
fn a_dotted_tag_needs_quotes() {
    insta::assert_snapshot!(errors(FULL), @r#"line 23: machine.work.tags.team: a table, not text; a key with a dot in it needs quotes: "a.b" = "…""#);
}

#[test]
fn shown_settings_are_plain_json() {
    let json = serde_json::to_string(&show(&parse("machine.a.volume_size = 50"))[7..9]).unwrap();
    insta::assert_snapshot!(json, @r#"[{"machine":"a","key":"instance_type","value":"m8g.xlarge","origin":"default"},{"machine":"a","key":"alternates","value":null,"origin":"default"}]"#);
}

#[test]
fn what_is_not_toml_is_named_by_its_line() {
    insta::assert_snapshot!(errors("version = 1\n[machine.a]\nregion = us-west-2\n"), @"line 3: region = us-west-2: not TOML: string values must be quoted, expected literal string");
    insta::assert_snapshot!(errors("[machine.a]\nregion = 'x'\nregion = 'y'\n"), @"line 3: region = 'y': not TOML: duplicate key");
    insta::assert_snapshot!(errors("[machine.a]\n\n[machine.a]\n"), @"line 3: [machine.a]: not TOML: duplicate key");
    insta::assert_snapshot!(errors("[machine.a]\nvolume_size = 99999999999999999999\n"), @"line 2: volume_size = 99999999999999999999: not TOML: integer number overflowed");
    insta::assert_snapshot!(errors("[machine.a]\nuser = \"\u{1b}[31m\"\n"), @r#"line 2: user = " [31m": not TOML: invalid basic string, expected non-double-quote visible characters, `\`"#);
    insta::assert_snapshot!(errors("= 1\n= 2"), @"line 1: = 1: not TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`");
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = r#"
defualt = "work"
region = "us-west-2"
[machine.Work]
regoin = "us-west-2"
volume_size = "100"
[machine.home]
instance_type = "m8g"
user = "root"
tags = { "aws:x" = "1", team = 7 }
config = { url = "https://example.com/x.git" }
[laptop]
"#;
    insta::assert_snapshot!(errors(text), @r#"
    line 2: defualt = "work": no such setting; did you mean default?
    line 3: region = "us-west-2": no such setting; did you mean machine.Work.region?
    line 4: machine.Work: the key is not a machine name: 1 to 24 small letters, digits and hyphens, a letter first, no hyphen last
    line 5: machine.Work.regoin = "us-west-2": no such setting; did you mean region?
    line 6: machine.Work.volume_size = "100": text, not a whole number of GiB from 8 to 65536
    line 8: machine.home.instance_type = "m8g": not an EC2 instance type like m8g.xlarge
    line 9: machine.home.user = "root": not a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root
    line 10: machine.home.tags."aws:x" = "1": the key is not a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or holdfast:
    line 10: machine.home.tags.team = 7: a whole number, not text in quotes: a tag value: at most 256 letters, digits, spaces and _.:/=+-@
    line 11: machine.home.config.url = "https://example.com/x.git": no such setting; allowed: git, branch, folder, directory, attribute
    line 11: machine.home.config = { url = "https://example.com/x.git" }: says neither git nor directory; allowed is "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }
    line 12: laptop: no such setting; did you mean machine.laptop?
    "#);
}

#[test]
fn the_top_of_the_file() {
    insta::assert_snapshot!(errors("version = 2\nnew_thing = 1"), @"line 1: version = 2: written by a newer Holdfast; this one reads version 1, so update it");
    insta::assert_snapshot!(errors("version = 0"), @"line 1: version = 0: not 1, the only version there is");
    insta::assert_snapshot!(errors("version = '1'"), @r#"line 1: version = "1": text, not the whole number 1"#);
    insta::assert_snapshot!(errors("default = 'work'"), @r#"line 1: default = "work": no such machine; allowed: remote-dev"#);
    insta::assert_snapshot!(errors("default = 1\n"), @"line 1: default = 1: a whole number, not text in quotes: a machine name: 1 to 24 small letters, digits and hyphens, a letter first, no hyphen last");
    insta::assert_snapshot!(errors("default = 'wrok'\n[machine.work]\n[machine.home]\n"), @r#"line 1: default = "wrok": no such machine; did you mean work?"#);
    insta::assert_snapshot!(errors("[machine.work]\n[machine.home]\n"), @"default: not set, and there are several machines; set it to one of: work, home");
    insta::assert_snapshot!(errors("machine = 'work'"), @r#"line 1: machine = "work": text, not tables like [machine.remote-dev]"#);
    insta::assert_snapshot!(errors("machine.work = 'x'"), @r#"line 1: machine.work = "x": text, not a table of settings"#);
    insta::assert_snapshot!(errors("[[machine]]\nregion = 'us-west-2'"), @"line 1: machine: a list of tables, not tables like [machine.remote-dev]");
    insta::assert_snapshot!(errors("whatever = 1979-05-27"), @"line 1: whatever = 1979-05-27: no such setting; allowed: version, default, terminal, mute, updates, machine");
}

#[test]
fn names_and_types() {
    insta::assert_snapshot!(machine_errors("region = 'us-west'"), @r#"line 2: machine.remote-dev.region = "us-west": not an AWS region like us-west-2"#);
    insta::assert_snapshot!(machine_errors("region = 5"), @"line 2: machine.remote-dev.region = 5: a whole number, not text in quotes: an AWS region like us-west-2");
    insta::assert_snapshot!(machine_errors("instance_type = ['m8g.xlarge']"), @"line 2: machine.remote-dev.instance_type = ['m8g.xlarge']: a list, not text in quotes: an EC2 instance type like m8g.xlarge");
    insta::assert_snapshot!(machine_errors("profile = ''"), @r#"line 2: machine.remote-dev.profile = "": not the name of an AWS profile: 1 to 128 printable characters without ] and line ends"#);
    insta::assert_snapshot!(machine_errors("user = 'Ada Lovelace'"), @r#"line 2: machine.remote-dev.user = "Ada Lovelace": not a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root"#);
    insta::assert_snapshot!(machine_errors("subnet = 'vpc-0123456789abcdef0'"), @r#"line 2: machine.remote-dev.subnet = "vpc-0123456789abcdef0": not an id like subnet-0123456789abcdef0"#);
    insta::assert_snapshot!(machine_errors("instance_profile = 'a b'"), @r#"line 2: machine.remote-dev.instance_profile = "a b": not the name of an instance profile: 1 to 128 letters, digits and _+=,.@-"#);
    insta::assert_snapshot!(machine_errors("permissions_boundary = 'boundary'"), @r#"line 2: machine.remote-dev.permissions_boundary = "boundary": not the ARN of a policy, like arn:aws:iam::123456789012:policy/boundary"#);
    insta::assert_snapshot!(machine_errors("kms_key = 'a b'"), @r#"line 2: machine.remote-dev.kms_key = "a b": not a KMS key id, alias/NAME or key ARN"#);
    insta::assert_snapshot!(machine_errors("size = 5"), @"line 2: machine.remote-dev.size = 5: no such setting; did you mean volume_size?");
    insta::assert_snapshot!(machine_errors("zzz = 5"), @"line 2: machine.remote-dev.zzz = 5: no such setting; allowed: profile, region, zone, instance_type, alternates, volume_size, volume_iops, volume_throughput, user, config, off_at, off_when_idle, snapshot_every, snapshot_keep, tags, subnet, instance_profile, permissions_boundary, kms_key");
}

#[test]
fn volume_sizes() {
    for (size, good) in
        [(7, false), (8, true), (65_536, true), (65_537, false), (-1, false), (1_i64 << 40, false)]
    {
        let parsed = Settings::parse(&format!("machine.a.volume_size = {size}"), ada().as_ref());
        assert_eq!(parsed.is_ok(), good, "{size}");
    }
    insta::assert_snapshot!(machine_errors("volume_size = 7"), @"line 2: machine.remote-dev.volume_size = 7: not a whole number of GiB from 8 to 65536");
    insta::assert_snapshot!(machine_errors("volume_size = '100'"), @r#"line 2: machine.remote-dev.volume_size = "100": text, not a whole number of GiB from 8 to 65536"#);
    insta::assert_snapshot!(machine_errors("volume_size = 100.0"), @"line 2: machine.remote-dev.volume_size = 100.0: a number with a fraction, not a whole number of GiB from 8 to 65536");
}

#[test]
fn how_fast_a_volume_may_be() {
    for (text, good) in [
        ("volume_iops = 2999", false),
        ("volume_iops = 3000", true),
        ("volume_iops = 50000", true),
        ("volume_iops = 50001", false),
        ("volume_iops = 50001\nvolume_size = 101", true),
        ("volume_iops = 80000\nvolume_size = 1000", true),
        ("volume_iops = 80001\nvolume_size = 1000", false),
        ("volume_iops = 3000\nvolume_size = 8", true),
        ("volume_throughput = 124", false),
        ("volume_throughput = 750", true),
        ("volume_throughput = 751", false),
        ("volume_throughput = 2000\nvolume_iops = 8000", true),
        ("volume_throughput = 2001\nvolume_iops = 80000\nvolume_size = 1000", false),
    ] {
        let parsed = Settings::parse(&format!("[machine.a]\n{text}"), ada().as_ref());
        assert_eq!(parsed.is_ok(), good, "{text}");
    }
    insta::assert_snapshot!(machine_errors("volume_throughput = 2000"), @"line 2: machine.remote-dev.volume_throughput = 2000: not a whole number of MiB a second from 125 to 750 (one for each 4 of volume_iops at most)");
    insta::assert_snapshot!(machine_errors("volume_iops = '3000'"), @r#"line 2: machine.remote-dev.volume_iops = "3000": text, not a whole number of operations a second from 3000 to 50000 (500 for each GiB at most)"#);
}

#[test]
fn alternates_are_a_list_of_types() {
    let of = |text: &str| {
        let settings = Settings::parse(&format!("machine.a.alternates = {text}"), ada().as_ref()).unwrap();
        settings.machine(None).unwrap().alternates.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of("[]"), Vec::<String>::new());
    assert_eq!(of("['m7g.xlarge', 'm8g.2xlarge']"), ["m7g.xlarge", "m8g.2xlarge"]);
    insta::assert_snapshot!(machine_errors("alternates = 'm7g.xlarge'"), @r#"line 2: machine.remote-dev.alternates = "m7g.xlarge": text, not a list of instance types, like ["m7g.xlarge", "m8g.2xlarge"]"#);
    insta::assert_snapshot!(machine_errors("alternates = ['m7g.xlarge', 'huge']"), @r#"line 2: machine.remote-dev.alternates = ['m7g.xlarge', 'huge']: not a list of instance types, like ["m7g.xlarge", "m8g.2xlarge"]"#);
    insta::assert_snapshot!(put("", "alternates", "m7g.xlarge, m8g.2xlarge"), @r#"
    [machine.remote-dev]
    alternates = ["m7g.xlarge", "m8g.2xlarge"]
    "#);
    insta::assert_snapshot!(put("", "alternates", "['m7g.xlarge']"), @"
    [machine.remote-dev]
    alternates = ['m7g.xlarge']
    ");
    insta::assert_snapshot!(put_errors("", "alternates", "huge"), @r#"machine.remote-dev.alternates = ["huge"]: not a list of instance types, like ["m7g.xlarge", "m8g.2xlarge"]"#);
}

#[test]
fn without_a_login_name_the_user_has_to_be_set() {
    insta::assert_snapshot!(lines(&Settings::parse("", None).unwrap_err()), @"machine.remote-dev.user: not set, and the login name of this computer cannot serve; set it to a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root");
    insta::assert_snapshot!(lines(&Settings::parse("\n[machine.a]", None).unwrap_err()), @"line 2: machine.a.user: not set, and the login name of this computer cannot serve; set it to a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root");
    let set = Settings::parse("machine.a.user = 'ada'", None).unwrap();
    assert_eq!(set.machine(None).unwrap().user.as_str(), "ada");
}

#[test]
fn names_that_aws_would_not_take() {
    let text = "user = 'a-very-long-user-name-indeed-ab'\nregion = 'ap-southeast-2'\n";
    let text = format!("[machine.a-machine-of-24-letters]\n{text}");
    insta::assert_snapshot!(errors(&text), @"line 2: machine.a-machine-of-24-letters: user a-very-long-user-name-indeed-ab and machine a-machine-of-24-letters make the name of the IAM role too long: a-very-long-user-name-indeed-ab-a-machine-of-24-letters-ap-southeast-2-role has 75 characters, at most 64 are allowed; choose a shorter user or machine name");
    parse(&format!("{text}instance_profile = 'company'\n"));
    assert_eq!(parse(&text.replace("-24-letters", "")).machine(None).unwrap().role_name().len(), 64);
}

#[test]
fn tags() {
    insta::assert_snapshot!(machine_errors("tags = 'a'"), @r#"line 2: machine.remote-dev.tags = "a": text, not a table of tags"#);
    insta::assert_snapshot!(machine_errors("tags.'a#b' = 'x'"), @r#"line 2: machine.remote-dev.tags."a#b" = "x": the key is not a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or holdfast:"#);
    insta::assert_snapshot!(machine_errors("tags.team = false"), @"line 2: machine.remote-dev.tags.team = false: a truth value, not text in quotes: a tag value: at most 256 letters, digits, spaces and _.:/=+-@");
    insta::assert_snapshot!(machine_errors("tags.do-not-nuke = true"), @"line 2: machine.remote-dev.tags.do-not-nuke = true: a truth value, not text in quotes: a tag value: at most 256 letters, digits, spaces and _.:/=+-@");
    insta::assert_snapshot!(machine_errors("tags.team = 'x'\ntags.Team = 'y'"), @r#"line 3: machine.remote-dev.tags.Team = "y": the same tag as team to IAM, which ignores case; keep one of them"#);
    insta::assert_snapshot!(machine_errors("tags.Do-Not-Nuke = 'x'"), @r#"line 2: machine.remote-dev.tags.Do-Not-Nuke = "x": the same tag as the default one do-not-nuke to IAM, which ignores case; write do-not-nuke = false to leave that one out"#);
    parse("[machine.a.tags]\ndo-not-nuke = false\nDo-Not-Nuke = 'x'");
    let many = |count: usize| (0..count).map(|n| format!("tags.t{n} = ''\n")).collect::<String>();
    parse(&format!("[machine.a]\n{}", many(39)));
    parse(&format!("[machine.a]\ntags.do-not-nuke = false\n{}", many(40)));
    insta::assert_snapshot!(machine_errors(&many(40)), @"line 2: machine.remote-dev.tags: 41 tags with the default ones, at most 40 are allowed");
}

#[test]
fn configuration_sources() {
    insta::assert_snapshot!(machine_errors("config = 'embeded'"), @r#"line 2: machine.remote-dev.config = "embeded": not "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(machine_errors("config = 1"), @r#"line 2: machine.remote-dev.config = 1: a whole number, not "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(machine_errors("config = {}"), @r#"line 2: machine.remote-dev.config = {}: says neither git nor directory; allowed is "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(machine_errors("config = { git = 'https://a.b/c', directory = '/x', barnch = 'y' }"), @r#"
    line 2: machine.remote-dev.config.barnch = "y": no such setting; did you mean branch?
    line 2: machine.remote-dev.config.directory = "/x": does not go together with git; keep one of them
    "#);
    insta::assert_snapshot!(machine_errors("config = { directory = 'x', branch = 'y', attribute = 'a b' }"), @r#"
    line 2: machine.remote-dev.config.attribute = "a b": not the name of a NixOS configuration: 1 to 64 letters, digits, _ and -, a letter or _ first
    line 2: machine.remote-dev.config.branch = "y": does not go together with directory; keep one of them
    line 2: machine.remote-dev.config.directory = "x": not the whole path of a folder on this computer, or one that begins with ~/
    "#);
    insta::assert_snapshot!(
        machine_errors("config = { git = 'http://a/b', branch = '-x', folder = '../x' }"), @r#"
        line 2: machine.remote-dev.config.git = "http://a/b": not an address that git clones over an encrypted line: https://…, ssh://… or user@host:path, with letters, digits and -._~:/@%+=, and without a password
        line 2: machine.remote-dev.config.branch = "-x": not the name of a branch: letters, digits and -._/+, as git allows them
        line 2: machine.remote-dev.config.folder = "../x": not a folder inside the repository: letters, digits and -._+ between slashes, not .. and no slash first
        "#);

    let directory =
        parse("[machine.work]\nconfig.directory = '~/nixos'").machine(None).unwrap().config.clone();
    assert_eq!(directory, ConfigSource::Directory { path: "~/nixos".into(), attribute: "work".into() });
    let git =
        parse("[machine.work.config]\ngit = 'git@example.com:a/b.git'").machine(None).unwrap().config.clone();
    let url = "git@example.com:a/b.git".into();
    assert_eq!(
        git,
        ConfigSource::Git { url, branch: None, folder: "nixos".into(), attribute: "work".into() }
    );
}

#[test]
fn addresses_that_git_may_be_given() {
    let good =
        |url: &str| Settings::parse(&format!("machine.a.config.git = '{url}'"), ada().as_ref()).is_ok();
    for url in [
        "https://github.com/a/b",
        "https://ada@example.com:8443/a/b.git",
        "ssh://git@example.com:22/a/b.git",
        "ssh://example.com/~ada/b",
        "git@github.com:a/b.git",
    ] {
        assert!(good(url), "{url}");
    }
    for url in [
        "",
        "http://example.com/a",
        "file:///etc",
        "ext::sh -c id",
        "ssh://-oProxyCommand=id/x",
        "-oProxyCommand=id@x:y",
        "git@-oProxyCommand=id:y",
        "https://ada:secret@example.com/a",
        "https://example.com",
        "https://example.com/$(id)",
        "https://example.com/a b",
        "example.com:a/b",
        "/srv/git",
        "git@example.com:",
    ] {
        assert!(!good(url), "{url}");
    }
}

#[test]
fn snapshots_by_the_clock() {
    let desired = |text: &str| parse(text).machine(None).cloned().unwrap();
    assert_eq!(desired("").schedule(), None, "off by default");
    assert_eq!(desired("[machine.remote-dev]\nsnapshot_keep = 3").schedule(), None);
    let schedule = |every, keep| Some(crate::machine::Schedule { every, keep });
    for every in [1, 2, 3, 4, 6, 8, 12, 24] {
        let text = format!("[machine.remote-dev]\nsnapshot_every = {every}");
        assert_eq!(desired(&text).schedule(), schedule(every, 7));
    }
    let both = desired("[machine.remote-dev]\nsnapshot_every = 1\nsnapshot_keep = 1000");
    assert_eq!(both.schedule(), schedule(1, 1000));
    insta::assert_snapshot!(machine_errors("snapshot_every = 5\nsnapshot_keep = 0"), @"
    line 2: machine.remote-dev.snapshot_every = 5: not a number of hours that a day holds: 1, 2, 3, 4, 6, 8, 12 or 24
    line 3: machine.remote-dev.snapshot_keep = 0: not a whole number of snapshots from 1 to 1000
    ");
    insta::assert_snapshot!(machine_errors("snapshot_every = '6'\nsnapshot_keep = 1001"), @r#"
    line 2: machine.remote-dev.snapshot_every = "6": text, not a number of hours that a day holds: 1, 2, 3, 4, 6, 8, 12 or 24
    line 3: machine.remote-dev.snapshot_keep = 1001: not a whole number of snapshots from 1 to 1000
    "#);
    let text = put(&put("", "snapshot_every", "6"), "snapshot_keep", "20");
    insta::assert_snapshot!(text, @"
    [machine.remote-dev]
    snapshot_every = 6
    snapshot_keep = 20
    ");
    assert_eq!(in_force(&drop_key(&text, "snapshot_every"), "snapshot_every").to_string(), "(none)");
    let long = format!("user = '{}'\nregion = 'ap-southeast-10'\n", "a".repeat(31));
    insta::assert_snapshot!(machine_errors(&format!("{long}snapshot_every = 1")), @"line 2: machine.remote-dev: user aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa and machine remote-dev make the name of the IAM role for snapshots too long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-remote-dev-ap-southeast-10-backup has 65 characters, at most 64 are allowed; choose a shorter user or machine name");
}

#[test]
fn zones() {
    let zone = |text: &str| parse(text).machine(None).unwrap().zone.as_ref().map(ToString::to_string);
    assert_eq!(zone(""), None);
    assert_eq!(zone("[machine.remote-dev]\nzone = 'us-west-2c'").as_deref(), Some("us-west-2c"));
    let eu = "[machine.remote-dev]\nzone = 'eu-west-1b'\nregion = 'eu-west-1'";
    assert_eq!(zone(eu).as_deref(), Some("eu-west-1b"));
    insta::assert_snapshot!(machine_errors("zone = 'eu-west-1b'"), @r#"line 2: machine.remote-dev.zone = "eu-west-1b": not a zone of us-west-2, like us-west-2a"#);
    insta::assert_snapshot!(machine_errors("zone = 'b'"), @r#"line 2: machine.remote-dev.zone = "b": not an availability zone like us-west-2a"#);
    insta::assert_snapshot!(machine_errors("zone = 'us-west-2b'\nsubnet = 'subnet-12345678'"), @r#"line 2: machine.remote-dev.zone = "us-west-2b": does not go together with subnet; keep one of them"#);
}

#[test]
fn power_on_purpose() {
    let desired = |text: &str| parse(text).machine(None).cloned().unwrap();
    let none = desired("");
    assert_eq!((none.off_at, none.off_when_idle), (None, None), "off by default");
    let both = desired("[machine.remote-dev]\noff_at = '22:30'\noff_when_idle = 45");
    assert_eq!((both.off_at.unwrap().as_str(), both.off_when_idle), ("22:30", Some(45)));
    insta::assert_snapshot!(machine_errors("off_at = '24:00'\noff_when_idle = 9"), @r#"
    line 2: machine.remote-dev.off_at = "24:00": not a time of day from 00:00 to 23:59, like 22:30
    line 3: machine.remote-dev.off_when_idle = 9: not a whole number of minutes from 10 to 1440
    "#);
    insta::assert_snapshot!(machine_errors("off_at = 22:30:00\noff_when_idle = '45'"), @r#"
    line 2: machine.remote-dev.off_at = 22:30:00: a date, not text in quotes: a time of day from 00:00 to 23:59, like 22:30
    line 3: machine.remote-dev.off_when_idle = "45": text, not a whole number of minutes from 10 to 1440
    "#);
    insta::assert_snapshot!(machine_errors("off_at = '9:30'\noff_when_idle = 1441\nconfig.directory = '/x'"), @r#"
    line 2: machine.remote-dev.off_at = "9:30": not a time of day from 00:00 to 23:59, like 22:30
    line 2: machine.remote-dev.off_at = "9:30": the machine's configuration is your own, so set holdfast.power.offAt in it instead
    line 3: machine.remote-dev.off_when_idle = 1441: not a whole number of minutes from 10 to 1440
    line 3: machine.remote-dev.off_when_idle = 1441: the machine's configuration is your own, so set holdfast.power.offWhenIdle in it instead
    "#);
    for good in ["00:00", "23:59", "09:05"] {
        assert!(good.parse::<crate::names::OffAt>().is_ok(), "{good}");
    }
    for bad in ["", "9:30", "22:60", "22:3", "22:30:00", "+1:30", "22.30", "22:30 ", "２２:30"] {
        assert!(bad.parse::<crate::names::OffAt>().is_err(), "{bad}");
    }
    let text = put(&put("", "off_at", "22:30"), "off_when_idle", "45");
    insta::assert_snapshot!(text, @r#"
    [machine.remote-dev]
    off_at = "22:30"
    off_when_idle = 45
    "#);
    assert_eq!(in_force(&text, "off_at").to_string(), "22:30");
    assert_eq!(in_force(&drop_key(&text, "off_when_idle"), "off_when_idle").to_string(), "(none)");
}

#[test]
fn terminals() {
    let terminal = |text: &str| parse(text).terminal;
    assert_eq!(terminal(""), Choice::Default);
    assert_eq!(terminal("terminal = 'default'"), Choice::Default);
    assert_eq!(terminal("terminal = 'kitty'"), Choice::Known(Known::Kitty));
    let Choice::Custom(foot) = terminal("terminal = [\n  'foot', # mine\n  '{}',\n]") else {
        panic!("a template")
    };
    assert_eq!(foot.words(), ["foot", "{}"]);
    insta::assert_snapshot!(errors("terminal = 'kity'"), @r#"line 1: terminal = "kity": not one of default, terminal, iterm2, gnome-terminal, konsole, xfce4-terminal, kitty, alacritty, wezterm, ghostty, foot, xterm, windows-terminal, conhost, or a list of words like ["foot", "--app-id", "work", "{}"] (did you mean kitty?)"#);
    insta::assert_snapshot!(errors("terminal = 'foot {}'"), @r#"line 1: terminal = "foot {}": not one of default, terminal, iterm2, gnome-terminal, konsole, xfce4-terminal, kitty, alacritty, wezterm, ghostty, foot, xterm, windows-terminal, conhost, or a list of words like ["foot", "--app-id", "work", "{}"] (did you mean foot?)"#);
    insta::assert_snapshot!(errors("terminal = true"), @r#"line 1: terminal = true: a truth value, not one of default, terminal, iterm2, gnome-terminal, konsole, xfce4-terminal, kitty, alacritty, wezterm, ghostty, foot, xterm, windows-terminal, conhost, or a list of words like ["foot", "--app-id", "work", "{}"]"#);
    insta::assert_snapshot!(errors("terminal = ['foot']\ndefualt = 'x'"), @r#"
    line 1: terminal = ['foot']: not a list of words, a program first, with one "{}" among them for the command's words or one {command} in them for the command as one word
    line 2: defualt = "x": no such setting; did you mean default?
    "#);
    insta::assert_snapshot!(errors("terminal = ['foot', 1, '{}']"), @r#"line 1: terminal = ['foot', 1, '{}']: not a list of words, a program first, with one "{}" among them for the command's words or one {command} in them for the command as one word"#);
    insta::assert_snapshot!(machine_errors("terminal = 'kitty'"), @r#"line 2: machine.remote-dev.terminal = "kitty": no such setting; allowed: profile, region, zone, instance_type, alternates, volume_size, volume_iops, volume_throughput, user, config, off_at, off_when_idle, snapshot_every, snapshot_keep, tags, subnet, instance_profile, permissions_boundary, kms_key"#);

    let text = "# mine\n\ndefault = 'work'\n\n[machine.work]\n";
    let kitty = put(text, "terminal", "kitty");
    insta::assert_snapshot!(kitty, @r#"
    # mine

    default = 'work'
    terminal = "kitty"

    [machine.work]
    "#);
    let foot = put(&kitty, "terminal", " [ 'foot', \"{}\" ] ");
    insta::assert_snapshot!(foot, @r#"
    # mine

    default = 'work'
    terminal = [ 'foot', "{}" ]

    [machine.work]
    "#);
    let shown = in_force(&foot, "terminal").to_string();
    assert_eq!(shown, r#"["foot", "{}"]"#);
    assert_eq!(in_force(&put(text, "terminal", &shown), "terminal").to_string(), shown);
    assert_eq!(drop_key(&foot, "terminal"), text);
    assert_eq!(drop_key("terminal = [\n  'foot', # mine\n  '{}',\n]\n# end\n", "terminal"), "# end\n");
    insta::assert_snapshot!(put_errors("", "terminal", "['foot', {}]"), @r#"terminal = ['foot', {}]: not a list of words, a program first, with one "{}" among them for the command's words or one {command} in them for the command as one word"#);
}

#[test]
fn set_writes_where_people_would() {
    insta::assert_snapshot!(put("", "region", "eu-west-1"), @r#"
    [machine.remote-dev]
    region = "eu-west-1"
    "#);
    insta::assert_snapshot!(put("# mine\n", "volume_size", "200"), @"
    # mine

    [machine.remote-dev]
    volume_size = 200
    ");
    insta::assert_snapshot!(put("[machine.remote-dev]\nregion = 'us-east-1' # near\n\n# end", "user", "eve"), @r#"
    [machine.remote-dev]
    region = 'us-east-1' # near
    user = "eve"

    # end
    "#);
    insta::assert_snapshot!(put("[machine.remote-dev] # dev\n[machine.remote-dev.tags]\na = 'b'", "user", "eve"), @r#"
    [machine.remote-dev] # dev
    user = "eve"
    [machine.remote-dev.tags]
    a = 'b'
    "#);
    insta::assert_snapshot!(put("[machine.remote-dev.tags]\na = 'b'", "user", "eve"), @r#"
    [machine.remote-dev.tags]
    a = 'b'

    [machine.remote-dev]
    user = "eve"
    "#);
    insta::assert_snapshot!(put("[machine.remote-dev.tags] # t\na = 'b'", "tags.c", "d e"), @r#"
    [machine.remote-dev.tags] # t
    a = 'b'
    c = "d e"
    "#);
    insta::assert_snapshot!(put("machine.remote-dev.user = 'eve'\n", "tags.a.b", "c"), @r#"
    machine.remote-dev.user = 'eve'
    machine.remote-dev.tags."a.b" = "c"
    "#);
    insta::assert_snapshot!(put("[machine]\nremote-dev.user = 'eve'\n", "region", "us-east-1"), @r#"
    [machine]
    remote-dev.user = 'eve'
    remote-dev.region = "us-east-1"
    "#);
    insta::assert_snapshot!(put("machine = { remote-dev = { user = 'eve' } } # x\n", "region", "us-east-1"), @r#"machine = { remote-dev = { user = 'eve', region = "us-east-1" } } # x"#);
    insta::assert_snapshot!(put("[machine]\nremote-dev = {}\n", "tags.x", "y"), @r#"
    [machine]
    remote-dev = { tags.x = "y" }
    "#);
    insta::assert_snapshot!(put("[machine.remote-dev]\nuser = 'eve'", "region", "us-east-1"), @r#"
    [machine.remote-dev]
    user = 'eve'
    region = "us-east-1"
    "#);
    insta::assert_snapshot!(put("# All of it.\n\n# Mine.\n[machine.remote-dev]\n", "default", "remote-dev"), @r#"
    # All of it.

    default = "remote-dev"

    # Mine.
    [machine.remote-dev]
    "#);
    insta::assert_snapshot!(put("# Mine.\n[machine.remote-dev]\n", "default", "remote-dev"), @r#"
    default = "remote-dev"

    # Mine.
    [machine.remote-dev]
    "#);
}

#[test]
fn set_replaces_in_place() {
    let text = "[machine.remote-dev]\n  region='us-east-1'   # near\ntags = { a = '1', b = '2' }\r\n";
    insta::assert_snapshot!(put(text, "region", "eu-west-1").replace('\r', "␍"), @r#"
    [machine.remote-dev]
      region="eu-west-1"   # near
    tags = { a = '1', b = '2' }␍
    "#);
    insta::assert_snapshot!(put(text, "tags.b", "3").replace('\r', "␍"), @r#"
    [machine.remote-dev]
      region='us-east-1'   # near
    tags = { a = '1', b = "3" }␍
    "#);
    insta::assert_snapshot!(put(text, "tags.c", "3").replace('\r', "␍"), @r#"
    [machine.remote-dev]
      region='us-east-1'   # near
    tags = { a = '1', b = '2', c = "3" }␍
    "#);
    insta::assert_snapshot!(put(text, "tags.do-not-nuke", "false").replace('\r', "␍"), @"
    [machine.remote-dev]
      region='us-east-1'   # near
    tags = { a = '1', b = '2', do-not-nuke = false }␍
    ");
}

#[test]
fn set_changes_the_kind_of_source() {
    let git = put("", "config.git", "https://example.com/a");
    insta::assert_snapshot!(git, @r#"
    [machine.remote-dev]
    config.git = "https://example.com/a"
    "#);
    insta::assert_snapshot!(put("machine.remote-dev.config = 'embedded'", "config.git", "https://example.com/a"), @r#"machine.remote-dev.config = { git = "https://example.com/a" }"#);
    let git = put(&put(&git, "config.branch", "main"), "config.attribute", "big");
    insta::assert_snapshot!(git, @r#"
    [machine.remote-dev]
    config.git = "https://example.com/a"
    config.branch = "main"
    config.attribute = "big"
    "#);
    insta::assert_snapshot!(put(&git, "config.directory", "~/x"), @r#"
    [machine.remote-dev]
    config.attribute = "big"
    config.directory = "~/x"
    "#);
    insta::assert_snapshot!(put(&git, "config", "embedded"), @r#"
    [machine.remote-dev]
    config = "embedded"
    "#);
    let table = "[machine.remote-dev.config]\n# c\ngit = 'https://example.com/a' # g\n\n[machine.work]\n";
    let table = format!("default = 'work'\n{table}");
    insta::assert_snapshot!(put(&table, "config", "embedded"), @r#"
    default = 'work'
    # c

    [machine.work]

    [machine.remote-dev]
    config = "embedded"
    "#);
    insta::assert_snapshot!(put(&table, "config", "{ directory = '/x' }"), @"
    default = 'work'
    # c

    [machine.work]

    [machine.remote-dev]
    config = { directory = '/x' }
    ");
    let inline = "machine = { remote-dev = { config.git = 'https://example.com/a', config.branch = 'b', user = 'u' } }";
    insta::assert_snapshot!(put(inline, "config", "embedded"), @r#"machine = { remote-dev = { user = 'u', config = "embedded" } }"#);
    insta::assert_snapshot!(put(inline, "config.directory", "/x"), @r#"machine = { remote-dev = { user = 'u', config.directory = "/x" } }"#);
}

#[test]
fn another_machine_does_not_change_which_is_the_default_one() {
    let work = |text: &str| set(text, ada().as_ref(), &name("work"), "volume_size", "50").unwrap();
    insta::assert_snapshot!(work(""), @r#"
    default = "remote-dev"

    [machine.remote-dev]

    [machine.work]
    volume_size = 50
    "#);
    insta::assert_snapshot!(work("# Mine\n[machine.home]\nuser = 'eve'\n"), @r#"
    default = "home"

    # Mine
    [machine.home]
    user = 'eve'

    [machine.work]
    volume_size = 50
    "#);
    insta::assert_snapshot!(work("[machine.work]\n"), @"
    [machine.work]
    volume_size = 50
    ");
    insta::assert_snapshot!(work("default = 'a'\n[machine.a]\n[machine.b]\n"), @"
    default = 'a'
    [machine.a]
    [machine.b]

    [machine.work]
    volume_size = 50
    ");
    insta::assert_snapshot!(work("default = 'remote-dev'\n"), @"
    default = 'remote-dev'

    [machine.remote-dev]

    [machine.work]
    volume_size = 50
    ");
}

#[test]
fn a_bad_set_is_refused() {
    insta::assert_snapshot!(put_errors("", "volume_size", "100 GiB"), @r#"machine.remote-dev.volume_size = "100 GiB": text, not a whole number of GiB from 8 to 65536"#);
    insta::assert_snapshot!(put_errors("", "volume_size", "4"), @"machine.remote-dev.volume_size = 4: not a whole number of GiB from 8 to 65536");
    insta::assert_snapshot!(put_errors("", "regoin", "us-west-2"), @"regoin: no such setting; did you mean region?");
    insta::assert_snapshot!(put_errors("", "machine.remote-dev.region", "us-west-2"), @"machine.remote-dev.region: no such setting; did you mean region?");
    insta::assert_snapshot!(put_errors("", "version", "1"), @"version: no such setting; allowed: default, terminal, mute, updates, profile, region, zone, instance_type, alternates, volume_size, volume_iops, volume_throughput, user, config, off_at, off_when_idle, snapshot_every, snapshot_keep, tags, subnet, instance_profile, permissions_boundary, kms_key");
    insta::assert_snapshot!(put_errors("", "tags", "a=b"), @"tags: no such setting; did you mean tags.NAME?");
    insta::assert_snapshot!(put_errors("", "tags.a#b", "c"), @"tags.a#b: the key is not a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or holdfast:");
    insta::assert_snapshot!(put_errors("", "config.ref", "main"), @"config.ref: no such setting; allowed: git, branch, folder, directory, attribute");
    insta::assert_snapshot!(put_errors("", "config.branch", "main"), @r#"machine.remote-dev.config: says neither git nor directory; allowed is "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(put_errors("", "config", "{ git = "), @r#"machine.remote-dev.config = "{ git = ": not "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(put_errors("", "default", "work"), @r#"default = "work": no such machine; allowed: remote-dev"#);
    insta::assert_snapshot!(put_errors("", "region", "us\nwest"), @r#"machine.remote-dev.region = "us\nwest": not an AWS region like us-west-2"#);
    insta::assert_snapshot!(put_errors("x = =", "region", "us-west-2"), @"line 1: x = =: not TOML: extra `=`, expected nothing");
    insta::assert_snapshot!(put_errors("\nzone = 'b'\n[machine.remote-dev]\nregion = 'x'", "user", "0"), @r#"
    line 2: zone = "b": no such setting; did you mean machine.remote-dev.zone?
    line 4: machine.remote-dev.region = "x": not an AWS region like us-west-2
    machine.remote-dev.user = "0": not a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root
    "#);
}

#[test]
fn a_user_can_be_set_by_and_by() {
    let (a, text) = (name("a"), "default = 'a'\n[machine.a]\n[machine.b]\n");
    let text = set(text, None, &a, "region", "eu-west-1").unwrap();
    let text = set(&text, None, &a, "user", "ada").unwrap();
    insta::assert_snapshot!(text, @r#"
    default = 'a'
    [machine.a]
    region = "eu-west-1"
    user = "ada"
    [machine.b]
    "#);
    insta::assert_snapshot!(lines(&Settings::parse(&text, None).unwrap_err()), @"line 5: machine.b.user: not set, and the login name of this computer cannot serve; set it to a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root");
    insta::assert_snapshot!(lines(&unset(&text, None, &a, "user").unwrap_err()), @"machine.a.user: not set, and the login name of this computer cannot serve; set it to a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root");
}

#[test]
fn unset_takes_the_line_and_leaves_comments() {
    let text = "\
# top
[machine.remote-dev]
# where
region = 'eu-west-1' # near
tags.a = '1'
tags.b = '2'
config = { git = 'https://example.com/a', branch = 'b', folder = 'c' }
# end
";
    insta::assert_snapshot!(drop_key(text, "region"), @"
    # top
    [machine.remote-dev]
    # where
    tags.a = '1'
    tags.b = '2'
    config = { git = 'https://example.com/a', branch = 'b', folder = 'c' }
    # end
    ");
    insta::assert_snapshot!(drop_key(text, "tags.b"), @"
    # top
    [machine.remote-dev]
    # where
    region = 'eu-west-1' # near
    tags.a = '1'
    config = { git = 'https://example.com/a', branch = 'b', folder = 'c' }
    # end
    ");
    insta::assert_snapshot!(drop_key(text, "tags"), @"
    # top
    [machine.remote-dev]
    # where
    region = 'eu-west-1' # near
    config = { git = 'https://example.com/a', branch = 'b', folder = 'c' }
    # end
    ");
    insta::assert_snapshot!(drop_key(text, "config"), @"
    # top
    [machine.remote-dev]
    # where
    region = 'eu-west-1' # near
    tags.a = '1'
    tags.b = '2'
    # end
    ");
    insta::assert_snapshot!(drop_key(text, "config.branch"), @"
    # top
    [machine.remote-dev]
    # where
    region = 'eu-west-1' # near
    tags.a = '1'
    tags.b = '2'
    config = { git = 'https://example.com/a', folder = 'c' }
    # end
    ");
    insta::assert_snapshot!(drop_key(text, "config.folder"), @"
    # top
    [machine.remote-dev]
    # where
    region = 'eu-west-1' # near
    tags.a = '1'
    tags.b = '2'
    config = { git = 'https://example.com/a', branch = 'b' }
    # end
    ");
    assert_eq!(drop_key(text, "user"), text);
    assert_eq!(drop_key(text, "default"), text);
    assert_eq!(drop_key("", "tags.x"), "");
    insta::assert_snapshot!(
        lines(&unset(text, ada().as_ref(), &name("remote-dev"), "config.git").unwrap_err()), @r#"machine.remote-dev.config = { branch = 'b', folder = 'c' }: says neither git nor directory; allowed is "embedded", { git = "https://…", branch, folder, attribute } or { directory = "~/…", attribute }"#);
    insta::assert_snapshot!(lines(&unset(text, ada().as_ref(), &name("remote-dev"), "galaxy").unwrap_err()), @"galaxy: no such setting; allowed: default, terminal, mute, updates, profile, region, zone, instance_type, alternates, volume_size, volume_iops, volume_throughput, user, config, off_at, off_when_idle, snapshot_every, snapshot_keep, tags, subnet, instance_profile, permissions_boundary, kms_key");
    let table =
        "[machine.remote-dev.tags] # t\na = '1'\n# c\n\"b.c\" = '2'\n[machine.remote-dev]\nuser = 'u'\n";
    insta::assert_snapshot!(drop_key(table, "tags"), @"
    # c
    [machine.remote-dev]
    user = 'u'
    ");
    insta::assert_snapshot!(drop_key(table, "tags.b.c"), @"
    [machine.remote-dev.tags] # t
    a = '1'
    # c
    [machine.remote-dev]
    user = 'u'
    ");
}

#[test]
fn the_template_says_what_is_so_without_it() {
    assert_eq!(parse(template()).machines, parse("").machines);
    assert_eq!(parse(template()).default, parse("").default);
    let wanted = show(&parse("")).into_iter().filter(|shown| shown.value != ShownValue::Nothing);
    for Shown { key, value, .. } in wanted.filter(|shown| shown.key != "user") {
        let value = match value {
            ShownValue::Number(number) => number.to_string(),
            ShownValue::Text(value) if key == "updates" => value,
            value @ (ShownValue::Text(_) | ShownValue::Nothing) => format!("\"{value}\""),
        };
        assert!(template().contains(&format!("{key} = {value}\n")), "{key}");
    }
    let mut keys: BTreeSet<&str> = TOP_KEYS.into_iter().chain(MACHINE_KEYS).collect();
    for line in template().lines().filter_map(|line| line.strip_prefix("# ")) {
        if let Some((key, _)) = line.split_once(" = ") {
            let header = if TOP_KEYS.contains(&key) { "" } else { "[machine.remote-dev]\n" };
            assert!(!parse(&format!("{header}{line}")).given.is_empty(), "{line}");
            keys.remove(key.split('.').next().unwrap());
        }
    }
    assert_eq!(keys, ["version", "default", "machine"].into());
}
