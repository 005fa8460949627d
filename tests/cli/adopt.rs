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
    assert_snapshot!(home.masked(&ran.err), @"
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.
    i-ID becomes remote-dev in us-west-2, for ada

    Taken over, by tags alone: nothing restarts, nothing is made anew
      ~ instance           i-ID      box-machine
      ~ volume             vol-ID    box-volume
      ~ network interface  eni-ID
      ~ security group     sg-ID     box-group
      ~ VPC                vpc-ID    box-vpc
      ~ subnet             subnet-ID box-subnet
      ~ internet gateway   igw-ID    box-gateway
      ~ route table        rtb-ID    box-routes
      ~ role               box-role
      ~ instance profile   box-profile

    The settings will say what is there
      ~ instance_type      m8g.large                (now m8g.xlarge)
      ~ volume_size        80                       (now 100)
      ~ instance_profile   box-profile

    Other than Holdfast would have made it, and stays so
      - the security group is called box-group, not ada-remote-dev-group
      - the role is called box-role, not ada-remote-dev-us-west-2-role
      - the instance profile is called box-profile, not ada-remote-dev-us-west-2-profile

    Tags that others gave it, and that stay
      managed-by = pulumi  on 1 thing

    After that holdfast apply would do:
    remote-dev in us-west-2, for ada: 3 steps

    Security
      ! the machine may read the account's SSM parameters: its role lacks the policy that denies it  the settings are right: apply gives the policy back
      ! the metadata service of i-ID answers without a token, or to containers  the settings are right: apply guards it again

    Changed outside Holdfast
      ! i-ID is not protected from termination  the settings are right: apply mends it

    Identity
      + Policy that denies ssm:GetParameter*          the other policy lets the machine read every parameter of the account

    Machine
      ~ Protect i-ID from termination  only destroy may end it
      ~ Guard the metadata service of i-ID (IMDSv2, one hop)  keeps containers away from the machine's credentials

    Problem: Nothing was changed: taking over somebody else's machine needs your word.
    → type the machine's name at the prompt, or add --yes
    ");
    assert_eq!(std::fs::read_to_string(&sandboxed).unwrap(), before);
    assert_eq!(home.run("--sandbox status --json").well().json()["state"], "absent");

    let mut terminal = Terminal::run(&home, &format!("--sandbox adopt {id}"));
    terminal.expect("Type remote-dev to go on: ");
    terminal.press("remote-dev\r");
    terminal.expect("is remote-dev from now on.");
    terminal.expect("pulumi state delete --yes");
    assert!(terminal.end().success());
    let after = std::fs::read_to_string(&sandboxed).unwrap();
    assert_snapshot!(after, @r#"
    # mine
    [machine.remote-dev] # the only one
    volume_size = 80 # plenty
    instance_type = "m8g.large"
    instance_profile = "box-profile"
    "#);
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
    assert_eq!(pulumi.json()["resources"].as_array().unwrap().len(), 13, "{}", pulumi.out);
    let terraform = home.run("--sandbox export --terraform").well();
    assert_eq!(terraform.out.matches("import {").count(), 13, "{}", terraform.out);
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
