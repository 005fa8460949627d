//! `adopt` and `export`, on a sandbox of this test's own in which plain calls have made a machine.

use aws_credential_types::Credentials;
use holdfast_tests::by_hand;
use insta::assert_snapshot;

use super::Home;
use super::pty::Terminal;

/// Clients of the sandbox that runs on this computer, as other tools would use it.
fn plain(home: &Home) -> (aws_sdk_ec2::Client, aws_sdk_iam::Client) {
    let running = std::fs::read(home.folder.path().join("state/sandbox/running.json")).unwrap();
    let running: serde_json::Value = serde_json::from_slice(&running).unwrap();
    let endpoint = format!("http://127.0.0.1:{}", running["port"]);
    let key = running["access_key"].as_str().unwrap();
    let credentials = || Credentials::new(key, holdfast_sandbox::SECRET_KEY, None, None, "test");
    let version = || aws_sdk_ec2::config::BehaviorVersion::v2026_01_12();
    let region = || aws_sdk_ec2::config::Region::new("us-west-2");
    let ec2 = aws_sdk_ec2::Config::builder().behavior_version(version()).region(region());
    let ec2 = ec2.endpoint_url(&endpoint).credentials_provider(credentials());
    let iam = aws_sdk_iam::Config::builder().behavior_version(version()).region(region());
    let iam = iam.endpoint_url(&endpoint).credentials_provider(credentials());
    (aws_sdk_ec2::Client::from_conf(ec2.build()), aws_sdk_iam::Client::from_conf(iam.build()))
}

#[test]
fn a_machine_of_others_is_shown_asked_for_and_taken_over() {
    let home = Home::with("# mine\n[machine.remote-dev] # the only one\nvolume_size = 100 # plenty\n");
    let sandboxed = home.folder.path().join("state/sandbox/config/settings.toml");
    std::fs::create_dir_all(sandboxed.parent().unwrap()).unwrap();
    std::fs::copy(home.settings(), &sandboxed).unwrap();
    for (line, code, told) in [
        ("adopt box", 2, "is not an id like i-0123456789abcdef0"),
        ("adopt vpc-0123456789abcdef0", 2, "is not an id like i-0123456789abcdef0"),
        ("adopt i-1 --yes", 2, "is not an id like i-0123456789abcdef0"),
        ("adopt i-0123456789abcdef0 --yes", 1, "There is no instance i-0123456789abcdef0 in us-west-2"),
        ("adopt --yes", 1, "No instance in us-west-2 is named ada-remote-dev-machine"),
        ("export --pulumi", 1, "There is no machine remote-dev in us-west-2"),
        ("export", 2, "required arguments were not provided"),
        ("export --pulumi --terraform", 2, "cannot be used with"),
    ] {
        let ran = home.run(&format!("--sandbox {line}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{line}: {}", ran.err);
        assert!(ran.err.contains(told), "{line}: {}", ran.err);
    }
    let (ec2, iam) = plain(&home);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = runtime.block_on(async {
        let called = |part: &str| format!("box-{part}");
        let made = Box::pin(by_hand(&ec2, &iam, called)).await;
        let tool = aws_sdk_ec2::types::Tag::builder().key("managed-by").value("pulumi").build();
        ec2.create_tags().resources(made.instance.as_str()).tags(tool).send().await.unwrap();
        made
    });
    let id = &made.instance;
    let before = std::fs::read_to_string(&sandboxed).unwrap();

    // Shown, and without a word nothing is done.
    let ran = home.run(&format!("--sandbox adopt {id}"));
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{}", ran.err);
    assert_snapshot!(home.masked(&ran.err), @"");
    assert_eq!(std::fs::read_to_string(&sandboxed).unwrap(), before);
    assert_eq!(home.run("--sandbox status --json").well().json()["state"], "absent");

    let mut terminal = Terminal::run(&home, &format!("--sandbox adopt {id}"));
    terminal.expect("Type remote-dev to go on: ");
    terminal.press("remote-dev\r");
    terminal.expect("is remote-dev from now on.");
    terminal.expect("pulumi state delete --yes");
    assert!(terminal.end().success());
    let after = std::fs::read_to_string(&sandboxed).unwrap();
    assert_snapshot!(after, @"");
    let status = home.run("--sandbox status --json").well().json();
    assert_eq!(status["instance"]["id"], id.as_str());
    assert_eq!(status["instance"]["instance_type"], "m8g.large");
    let again = home.run("--sandbox adopt --yes").well();
    assert!(again.err.contains("there is nothing to take over"), "{}", again.err);

    let plan = home.run("--sandbox plan --json").well().json();
    let steps: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["deny_parameters", "protect", "guard_metadata"]);
    home.run("--sandbox apply --yes").well();
    let connected = home.run_with("--sandbox exec --", &["echo connected"]).well();
    assert_eq!(connected.out, "connected\n");

    let pulumi = home.run("--sandbox export --pulumi").well();
    assert_eq!(pulumi.json()["resources"].as_array().unwrap().len(), 14, "{}", pulumi.out);
    let terraform = home.run("--sandbox export --terraform").well();
    assert_eq!(terraform.out.matches("import {").count(), 14, "{}", terraform.out);
    assert!(terraform.err.contains("aws ec2 delete-tags"), "{}", terraform.err);

    home.run("--sandbox stop --yes").well();
    home.run("--sandbox destroy --yes").well();
    let left = runtime.block_on(async {
        let roles = iam.get_role().role_name(&made.role).send().await;
        let vpcs = ec2.describe_vpcs().vpc_ids(&made.vpc).send().await;
        (roles.is_ok(), vpcs.is_ok())
    });
    assert_eq!(left, (false, false));
}
