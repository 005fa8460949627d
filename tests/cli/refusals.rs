//! Bad input: a clear problem, the right exit code, and nothing changed.

use insta::assert_snapshot;

use super::Home;

#[test]
fn every_error_of_the_settings_is_told_at_once() {
    let home = Home::with(
        "defualt = \"a\"\n[machine.a]\nregio = \"us-west-2\"\nvolume_size = 2\ninstance_type = \"large\"\nuser = \"Ada\"\n\
         [machine.B]\n",
    );
    let ran = home.run("plan");
    assert_snapshot!(home.masked(&ran.all()), @r#"
    err:
    Problem: The settings in HOME/config/settings.toml do not hold.
      line 1: defualt = "a": no such setting; did you mean default?
      line 3: machine.a.regio = "us-west-2": no such setting; did you mean region?
      line 4: machine.a.volume_size = 2: not a whole number of GiB from 8 to 65536
      line 5: machine.a.instance_type = "large": not an EC2 instance type like m8g.xlarge
      line 6: machine.a.user = "Ada": not a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root
      line 7: machine.B: the key is not a machine name: 1 to 24 small letters, digits and hyphens, a letter first, no hyphen last
    → mend them: holdfast settings edit
    → or put them aside and begin anew: holdfast settings reset
    exit 1
    "#);
    assert_eq!(home.run("status").code, Some(1));
}

#[test]
fn settings_that_do_not_hold_can_be_put_aside() {
    let newer = "version = 2\nnew_thing = 1\n";
    let home = Home::with(newer);
    assert_snapshot!(home.masked(&home.run("plan").all()), @"
    err:
    Problem: The settings in HOME/config/settings.toml do not hold.
      line 1: version = 2: written by a newer Holdfast; this one reads version 1, so update it
    → mend them: holdfast settings edit
    → or put them aside and begin anew: holdfast settings reset
    exit 1
    ");
    assert_eq!(std::fs::read_to_string(home.settings()).unwrap(), newer);
    assert_snapshot!(home.masked(&home.run("settings reset").all()), @"
    err:
    What was set is in HOME/config/settings.toml.aside-1 now. All defaults are in force.
    exit 0
    ");
    assert_snapshot!(home.masked(&home.run("settings reset").all()), @"
    err:
    There are no settings: all defaults are in force.
    exit 0
    ");
    assert_eq!(home.run("settings show").code, Some(0));
    assert_eq!(std::fs::read_to_string(home.settings().with_extension("toml.aside-1")).unwrap(), newer);
}

#[test]
fn an_unknown_key_is_told_with_the_one_that_was_meant() {
    let home = Home::new();
    assert_snapshot!(home.run("settings set instance_typ m8g.large").all(), @"
    err:
    Problem: Nothing was changed, since that does not hold.
      instance_typ: no such setting; did you mean instance_type?
    → mend them: holdfast settings edit
    exit 1
    ");
    assert!(!home.settings().exists());
}

#[test]
fn what_is_to_be_typed_next_names_a_machine_that_is_not_the_default_one() {
    let home = Home::with("default = \"a\"\n[machine.a]\nuser = \"ada\"\n[machine.gpu]\nuser = \"ada\"\n");
    for (line, next) in [
        ("settings set volume_size 90", "holdfast plan"),
        ("--machine a settings set volume_size 80", "holdfast plan"),
        ("--machine gpu settings set volume_size 90", "holdfast --machine gpu plan"),
        ("--machine new settings set volume_size 90", "holdfast --machine new plan"),
    ] {
        let said = home.run(line).all();
        assert!(said.contains(&format!("Saved. What it changes in AWS: {next}\n")), "{line}: {said}");
    }
}

#[test]
fn a_machine_that_the_settings_do_not_know_is_wrong_use() {
    let home = Home::new();
    assert_snapshot!(home.run("--machine gpu plan").all(), @"
    err:
    Problem: The settings know no machine gpu.
      they know remote-dev
    → give it a setting of its own: holdfast --machine gpu settings set region REGION
    exit 2
    ");
    assert_snapshot!(home.run("--machine UPPER plan").all(), @r#"
    err:
    error: invalid value 'UPPER' for '--machine <NAME>': "UPPER" is not a machine name: 1 to 24 small letters, digits and hyphens, a letter first, no hyphen last

    For more information, try '--help'.
    exit 2
    "#);
}

#[test]
fn a_login_that_cannot_serve_asks_for_a_user() {
    let home = Home::new();
    let mut command = home.command("plan");
    command.env("USER", "root");
    let ran = super::ran(&mut command);
    assert_snapshot!(home.masked(&ran.all()), @"
    err:
    Problem: The settings in HOME/config/settings.toml do not hold.
      machine.remote-dev.user: not set, and the login name of this computer cannot serve; set it to a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root
    → name the user of the machine: holdfast settings set user NAME
    → mend them: holdfast settings edit
    exit 1
    ");
}

#[test]
fn without_credentials_nothing_is_asked_of_aws() {
    let home = Home::new();
    for command in ["plan", "apply --yes", "status", "exec -- true"] {
        let ran = home.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{command}");
        assert!(ran.err.starts_with("Problem: There are no valid AWS credentials.\n"), "{}", ran.err);
    }
    assert_snapshot!(home.run("plan").all(), @"
    err:
    Problem: There are no valid AWS credentials.
      neither the environment nor the AWS configuration of this computer gives any
    → name the profile to use: holdfast settings set profile NAME
    exit 1
    ");

    let home = Home::with("[machine.remote-dev]\nprofile = \"work\"\n");
    let aws = home.folder.path().join("aws");
    std::fs::create_dir_all(&aws).unwrap();
    let profile = "[profile work]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n\
                   [sso-session corp]\nsso_region = us-west-2\nsso_start_url = https://corp.example/start\n";
    std::fs::write(aws.join("config"), profile).unwrap();
    let ran = home.run("plan");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("→ sign in: holdfast login work\n"), "{}", ran.err);
}

#[test]
fn a_machine_that_somebody_works_on_is_left_alone() {
    let home = Home::new();
    let folder = home.folder.path();
    let store = holdfast::store::Store::at(folder.join("config"), folder.join("state"));
    let _lock = store.lock("ada/remote-dev/us-west-2", "up").unwrap();
    let mut command = home.command("apply --yes");
    command.envs([("AWS_ACCESS_KEY_ID", "AKIA0"), ("AWS_SECRET_ACCESS_KEY", "0")]);
    // Nobody is there, and nobody is asked.
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ran = super::ran(&mut command);
    let told = ran.all().replace(&std::process::id().to_string(), "PID").replace("for 1 s", "for 0 s");
    assert_snapshot!(told, @"
    err:
    Problem: Another Holdfast is working on this machine right now.
      up, process PID, for 0 s
    → wait for it to end, then run the same command again
    exit 3
    ");
}

#[test]
fn wrong_use_ends_with_two() {
    let home = Home::new();
    assert_snapshot!(home.run("plan --frob").all(), @"
    err:
    error: unexpected argument '--frob' found

    Usage: holdfast plan [OPTIONS]

    For more information, try '--help'.
    exit 2
    ");
    assert_snapshot!(home.run("destory").all(), @"
    err:
    error: unrecognized subcommand 'destory'

      tip: some similar subcommands exist: 'restart', 'stop', 'doctor', 'history', 'destroy'

    Usage: holdfast [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit 2
    ");
    for line in ["exec", "settings set", "apply now", "completions tcsh", "--verbos plan"] {
        let ran = home.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {}", ran.err);
    }
}

#[test]
fn connect_needs_a_terminal() {
    let ran = Home::new().run("connect");
    assert_eq!(ran.code, Some(1));
    assert_snapshot!(ran.err, @"
    Problem: connect needs a terminal.
    → to run one command: holdfast exec -- COMMAND
    ");
}
