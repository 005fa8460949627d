//! What commands print, to the letter, where no machine is needed.

use insta::assert_snapshot;

use super::Home;
#[cfg(unix)]
use super::shape;

#[test]
fn help_shows_the_commands_and_how_to_begin() {
    let home = Home::new();
    let help = home.run("--help").well();
    assert_snapshot!(help.all(), @"
    out:
    One always-on NixOS machine in your own AWS account

    Usage: holdfast [OPTIONS] <COMMAND>

    Commands:
      plan         Show what would be made or changed, and what it costs
      apply        Make AWS match the settings
      up           Make AWS match the settings, and go on to a machine that can be reached and runs its
                   configuration
      destroy      Remove the machine and everything that holds it up
      start        Switch the machine on
      stop         Switch the machine off. Everything on it ends, the volume stays
      restart      Restart the machine where it is
      resize       Make the machine another type, or its volume larger or faster
      types        List the instance types that the machine can become where it is
      replace      Put a new instance in the machine's place, with its home
      snapshot     Take, list, restore and delete snapshots of the machine's volume
      cost         Show what the machine costs: a month if it is on, a month while it is off, and this
                   month so far
      adopt        Take over a machine that Pulumi, Terraform or hands have made, or another AWS
                   identity
      export       Print what Pulumi or Terraform need to take the machine over
      status       Show the machine's state and cost
      connect      Open a shell on the machine
      open         Open a terminal window with a shell on the machine, or raise the one that is open
      exec         Run one command on the machine; its output and exit code are this command's
      sessions     List the zellij sessions on the machine, or end one
      upload       Put a file on the machine, whole or not at all
      power        Show when the machine switches itself off (settings off_at and off_when_idle), or
                   keep it on
      rebuild      Have the machine build its configuration and run it; it goes on without this computer
      jobs         List the machine's last jobs
      job          Follow or end a job of the machine's
      generations  List the generations of the machine's system
      rollback     Have the machine go to a generation that is there; to the last good one if left out
      config       Edit the machine's NixOS configuration, and see what of it runs
      profiles     List the profiles of the AWS configuration: what they are, and whether somebody has
                   to sign in
      logs         Show the last lines of the log
      history      Show what this computer has changed, in AWS and on the machine: when, as whom, and
                   with which result
      doctor       Look at everything that Holdfast needs, and say what is wrong and how to mend it. It
                   changes nothing
      diagnostics  Gather what a bug report needs into one archive, without what is private, and show it
                   before it is saved
      policy       Print the least that your AWS identity must be allowed, as an IAM policy for these
                   settings
      login        Sign in with a profile: at its portal, with the code of its MFA device, or both
      logout       Forget a sign-in, and make it worthless
      settings     Show and change the settings
      sandbox      The sandbox: a local AWS to try Holdfast without an account
      completions  Print a completion script for a shell
      man          Write the manual pages into a folder: one for this command and one for each of its
                   own
      help         Print this message or the help of the given subcommand(s)

    Options:
      -m, --machine <NAME>  The machine; the default one of the settings if left out [env:
                            HOLDFAST_MACHINE]
          --sandbox         Use a sandbox on this computer instead of AWS [env: HOLDFAST_SANDBOX]
      -v, --verbose...      Show every call to AWS; twice for more
      -h, --help            Print help
      -V, --version         Print version

    Examples:
      holdfast plan                          what would be made or changed, and what it costs
      holdfast up                            make the machine and have it run its configuration
      holdfast connect                       a shell on it
      holdfast exec -- uname -a              one command on it
      holdfast rebuild                       have it run what you changed: holdfast config edit
      holdfast stop                          switch it off; the volume stays
      holdfast resize --type m8g.2xlarge     another instance type
      holdfast --sandbox up                  all of it on this computer, with no AWS account

    Exit codes: 0 done, 1 problem, 2 wrong use, 3 consent missing or blocked. connect and exec end with
    the command's own.
    exit 0
    ");
    let short = home.run("");
    assert_eq!((short.code, short.out.as_str()), (Some(2), ""));
    assert_eq!(short.err.split("Options:").next(), help.out.split("Options:").next());
    assert_snapshot!(home.run("exec -h").well().out, @"
    Run one command on the machine; its output and exit code are this command's

    Usage: holdfast exec [OPTIONS] <CMD>...

    Arguments:
      <CMD>...  The command

    Options:
      -m, --machine <NAME>  The machine; the default one of the settings if left out [env:
                            HOLDFAST_MACHINE]
          --sandbox         Use a sandbox on this computer instead of AWS [env: HOLDFAST_SANDBOX]
      -v, --verbose...      Show every call to AWS; twice for more
      -h, --help            Print help (see more with '--help')

    Examples:
      holdfast exec -- ls -l '/home/ada/my files'
      holdfast exec -- 'cd src && cargo test | tail'
    ");
    assert_eq!(home.run("--version").well().out, format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
#[cfg(unix)]
fn a_plan_on_an_empty_account_says_it_all_and_changes_nothing() {
    let home = Home::new();
    let plan = home.run("--sandbox plan").well();
    assert_snapshot!(home.masked(&plan.all()), @"
    out:
    remote-dev in us-west-2, for ada: 16 steps

    Network
      + Internet gateway                                 the way out
      + Private network (VPC)                            the machine's own network
      ~ Turn on DNS names in the new network             AWS gives the machine a name
      ~ Attach the new gateway to the new network        the way out
      + Subnet in us-west-2b                             the machine is to be in this zone
      + Route table                                      the subnet's own routes
      + Security group, nothing inbound                  nobody reaches the machine from outside
      ~ Give public addresses in the new subnet          the machine reaches AWS by itself
      + Route 0.0.0.0/0 to the new gateway               the way out
      ~ Use the new route table in the new subnet        the subnet's own routes

    Identity
      + Role for EC2                                     lets the machine's agent talk to SSM
      + Policy AmazonSSMManagedInstanceCore              all that the agent needs
      + Policy that denies ssm:GetParameter*             the other policy lets the machine read every parameter of the account
      + Instance profile                                 hands the role to the machine
      ~ Put the role into the instance profile

    Machine
      + Instance m8g.xlarge with 100 GiB gp3, encrypted  the machine itself  +$142.70 a month

    $142.70 a month if it is on all the time: m8g.xlarge $131.05, volume $8.00, public address $3.65. Prices of 2026-07-20, without tax and traffic.
    err:
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.

    Nothing was changed.
    → holdfast apply  does it
    → holdfast up     does it, and waits until the machine can be reached
    exit 0
    ");
    assert_eq!(home.run("--sandbox plan").well().out, plan.out);

    let json = home.run("--sandbox plan --json").well();
    assert_eq!(json.err.lines().count(), 1, "{}", json.err);
    let json = json.json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(16));
    assert_snapshot!(shape(&json), @r#"{"blocked":[],"drift":[],"goal":"text","machine":"text","notes":[],"region":"text","steps":[{"impact":{"costs":"bool","interrupts":"bool","loses_data":"bool","revokes":"bool"},"monthly":null,"round":"number","step":"text","words":{"area":"text","change":"text","what":"text","why":"text"}}],"version":"number","waiting":[]}"#);
    assert_snapshot!(home.masked(&json["steps"][15].to_string()), @r#"{"group":"(new)","image":"ami-ID","impact":{"costs":true,"interrupts":false,"loses_data":false,"revokes":false},"instance_type":"m8g.xlarge","monthly":{"more":142699600},"public_address":true,"root_device":"/dev/xvda","round":3,"step":"run_instance","subnet":"(new)","token":"holdfast-5397f1c23d25479ed4183243b4738b7958095286cf703f26","volume_iops":3000,"volume_size":100,"volume_throughput":125,"vpc":"(new)","words":{"area":"machine","change":"add","what":"Instance m8g.xlarge with 100 GiB gp3, encrypted","why":"the machine itself"},"zone":"us-west-2b"}"#);

    let status = home.run("--sandbox status").well();
    assert_snapshot!(status.all(), @"
    out:
    remote-dev is not made yet
      region      us-west-2
      would cost  $142.70 a month if it is on all the time
    err:
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.
    → holdfast up  makes the machine
    exit 0
    ");
    assert_snapshot!(shape(&home.run("--sandbox status --json").well().json()), @r#"{"instance":null,"interrupted":null,"machine":"text","monthly":{"address":"number","instance":"number","volume":"number"},"monthly_now":{"address":"number","instance":"number","volume":"number"},"prices_of":"text","reachable":"bool","region":"text","state":"text","user":"text","version":"number","working":null}"#);
}

#[test]
fn settings_are_shown_set_and_taken_back() {
    let home = Home::with("# mine\n[machine.remote-dev]\nvolume_size = 50 # small\n");
    assert_snapshot!(home.run("settings show").well().out, @"
    default               remote-dev  default
    terminal              default     default
    mute                  (none)      default
    updates               true        default

    remote-dev
    profile               (none)      default
    region                us-west-2   default
    zone                  (none)      default
    instance_type         m8g.xlarge  default
    alternates            (none)      default
    volume_size           50
    volume_iops           3000        default
    volume_throughput     125         default
    user                  ada         default
    config                embedded    default
    off_at                (none)      default
    off_when_idle         (none)      default
    snapshot_every        (none)      default
    snapshot_keep         7           default
    tags.do-not-nuke      true        default
    subnet                (none)      default
    instance_profile      (none)      default
    permissions_boundary  (none)      default
    kms_key               (none)      default
    ");
    let json = home.run("settings show --json").well().json();
    assert_eq!((&json["version"], &json["settings"][1]["key"]), (&1.into(), &"terminal".into()));

    home.run("settings set volume_size 200").well();
    home.run("settings set tags.team platform").well();
    let text = std::fs::read_to_string(home.settings()).unwrap();
    assert_snapshot!(text, @r#"
    # mine
    [machine.remote-dev]
    volume_size = 200 # small
    tags.team = "platform"
    "#);
    assert_eq!(home.run("settings set volume_size 200").well().err, "It is so already.\n");
    home.run("settings unset tags.team").well();
    assert!(!std::fs::read_to_string(home.settings()).unwrap().contains("team"));
    assert_eq!(home.run("settings path").well().out, format!("{}\n", home.settings().display()));
}
