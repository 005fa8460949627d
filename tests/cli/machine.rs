//! From nothing to a shell and back, on a sandbox of this test's own.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use super::pty::Terminal;
use super::{Home, shape};

#[test]
fn from_nothing_to_a_shell_and_back() {
    let home = Home::new();
    refuses_without_a_word(&home);
    home.run("--sandbox up --yes").well();
    is_for_this_user_only(&home);
    tells_what_there_is(&home);
    runs_commands(&home);
    interrupts_commands(&home);
    opens_a_shell(&home);
    leaves_a_shell_when_told_to(&home);
    refuses_what_was_not_agreed_to(&home);
    goes_off_and_on(&home);
    is_destroyed_by_its_name(&home);
}

#[test]
fn a_machine_becomes_another_type() {
    let home = Home::new();
    home.run("--sandbox up --yes").well();

    let types = home.run("--sandbox types --json").well().json();
    assert_eq!((&types["version"], &types["architecture"]), (&1.into(), &"arm64".into()));
    let named =
        |name: &str| types["types"].as_array().unwrap().iter().find(|kind| kind["instance_type"] == name);
    assert_eq!(named("m8g.xlarge").map(|kind| &kind["current"]), Some(&true.into()));
    assert_eq!(named("m8g.large").map(|kind| &kind["difference"]), Some(&(-65_524_800).into()));
    assert_eq!(named("m7i.large"), None);
    assert!(home.run("--sandbox types").well().out.contains("16 GiB"), "a table");

    for (line, code, told) in [
        ("--type m7i.large --yes", 3, "m7i.large is for x86_64, and remote-dev is an arm64 machine"),
        ("--type m9z.large --yes", 3, "does not offer m9z.large"),
        ("--volume 50 --yes", 3, "lets a volume grow, never shrink"),
        ("--volume 99999 --yes", 1, "not a whole number of GiB from 8 to 65536"),
        ("--iops 60000 --yes", 1, "not a whole number of operations a second from 3000 to 50000"),
        ("--type large --yes", 2, "is not an EC2 instance type"),
        ("--volume ten --yes", 2, "invalid value 'ten'"),
        ("--yes", 2, "required arguments were not provided"),
        ("--type m8g.large", 3, "Nothing was changed"),
    ] {
        let ran = home.run(&format!("--sandbox resize {line}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{line}: {}", ran.err);
        assert!(ran.err.contains(told), "{line}: {}", ran.err);
    }
    let status = || home.run("--sandbox status --json").well().json();
    assert_eq!(status()["instance"]["instance_type"], "m8g.xlarge");
    assert!(!home.run("--sandbox settings show").well().out.contains("m8g.large"), "nothing was kept");

    home.run("--sandbox resize --type m8g.large --volume 120 --yes").well();
    let after = status();
    assert_eq!((&after["state"], &after["reachable"]), (&"on".into(), &true.into()));
    let instance = &after["instance"];
    assert_eq!((&instance["instance_type"], &instance["volume_size"]), (&"m8g.large".into(), &120.into()));
    assert_eq!((&instance["changing_from"], &after["interrupted"]), (&().into(), &().into()));
    let plan = home.run("--sandbox plan --json").well().json();
    assert_eq!((&plan["steps"], &plan["drift"]), (&serde_json::json!([]), &serde_json::json!([])));
    let again = home.run("--sandbox resize --type m8g.large --volume 120 --yes").well();
    assert!(again.err.contains("It is so already"), "{}", again.err);
}

fn refuses_without_a_word(home: &Home) {
    for line in ["--sandbox apply", "--sandbox up"] {
        let ran = home.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{line}: {}", ran.err);
        assert!(ran.err.contains("Problem: Nothing was changed: this costs money"), "{}", ran.err);
    }
    for line in ["--sandbox stop --yes", "--sandbox start --yes", "--sandbox exec -- true"] {
        let ran = home.run(line);
        assert_eq!(ran.code, Some(1), "{line}");
        assert!(ran.err.contains("Problem: There is no machine remote-dev in us-west-2."), "{}", ran.err);
    }
    assert_eq!(
        home.run("--sandbox destroy --yes").well().err.lines().last(),
        Some("There is nothing to remove.")
    );
    let steps = home.run("--sandbox plan --json").well().json();
    assert_eq!(steps["steps"].as_array().map(Vec::len), Some(16));
}

fn is_for_this_user_only(home: &Home) {
    let folder = home.folder.path().join("state/sandbox");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("running.json"))), (0o700, 0o600));
    let running: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("running.json")).unwrap()).unwrap();
    // The key that everybody knows is nobody's.
    let mut stranger = home.command("status");
    stranger.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", running["port"]));
    stranger.envs([("AWS_ACCESS_KEY_ID", holdfast_sandbox::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", "secret")]);
    let ran = super::ran(&mut stranger);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("Problem: AWS does not accept the credentials."), "{}", ran.err);
}

fn tells_what_there_is(home: &Home) {
    let status = home.run("--sandbox status").well();
    assert_eq!(status.err.lines().filter(|line| line.starts_with("Sandbox:")).count(), 1);
    assert_eq!(status.err.lines().last(), Some("→ holdfast connect  opens a shell on it"));
    let without_time: String =
        status.out.lines().filter(|line| !line.contains("since")).map(|line| format!("{line}\n")).collect();
    assert_snapshot!(home.masked(&without_time), @"
    remote-dev is on
      instance    i-ID, m8g.xlarge in us-west-2b
      volume      100 GiB
      reachable   yes, through SSM
      costs       $142.70 a month if it is on all the time
    ");
    let json = home.run("--sandbox status --json").well().json();
    assert_eq!(
        (&json["version"], &json["state"], &json["reachable"]),
        (&1.into(), &"on".into(), &true.into())
    );
    assert_snapshot!(shape(&json), @r#"{"instance":{"changing_from":null,"id":"text","instance_type":"text","started":"text","stopped":null,"volume_size":"number","went_off":null,"zone":"text"},"interrupted":null,"machine":"text","monthly":{"address":"number","instance":"number","volume":"number"},"monthly_now":{"address":"number","instance":"number","volume":"number"},"prices_of":"text","reachable":"bool","region":"text","state":"text","user":"text","version":"number","working":null}"#);

    let apply = home.run("--sandbox apply").well();
    assert!(apply.err.contains("AWS matches the settings; nothing was changed."), "{}", apply.err);
    let sandbox = home.run("sandbox status --json").well().json();
    assert_eq!((&sandbox["running"], &sandbox["instances"][0]["state"]), (&true.into(), &"running".into()));
}

fn runs_commands(home: &Home) {
    let ran = home.run_with("--sandbox exec --", &["echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(7), "out\n"));
    assert_eq!(ran.err.lines().last(), Some("err"));

    let words = ["a b", "$HOME", "it's", "\"quoted\"", "back\\slash", "", "*", "-n", "ü→", "two\nlines"];
    let ran = home.run_with("--sandbox exec -- printf %s|", &words).well();
    assert_eq!(ran.out, words.map(|word| format!("{word}|")).concat());

    // Output that is megabytes, and bytes that are no text.
    let ran = home.run_with("--sandbox exec --", &["seq 1 300000"]).well();
    assert_eq!(ran.out.lines().count(), 300_000);
    let mut raw = home.command("--sandbox exec --");
    // The agent keeps the last bytes to itself when they are no whole character, so there is a line end.
    assert_eq!(raw.args(["printf", "\\377\\000\\201 end\\n"]).output().unwrap().stdout, b"\xff\0\x81 end\n");

    // A reader that goes early ends it, quietly.
    let mut child = home.command("--sandbox exec -- yes").spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((first.as_str(), ended.status.code()), ("y\n", Some(141)));
    assert_eq!(String::from_utf8_lossy(&ended.stderr).lines().count(), 1);
}

fn interrupts_commands(home: &Home) {
    for (script, signals, code) in [
        // The first one is the command's, which may well go on.
        ("trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done", &[Signal::INT][..], 5),
        ("echo ready; exec sleep 60", &[Signal::INT], 130),
        ("trap '' INT; echo ready; sleep 60", &[Signal::INT, Signal::INT], 130),
        ("echo ready; sleep 60", &[Signal::TERM], 143),
    ] {
        let mut command = home.command("--sandbox exec --");
        let mut child = command.arg(script).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        for signal in signals {
            kill_process(Pid::from_child(&child), *signal).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
        line.clear();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, if code == 5 { "caught\n" } else { "" });
    }
}

fn opens_a_shell(home: &Home) {
    let mut terminal = Terminal::run(home, "--sandbox connect");
    let before = terminal.before.clone();
    terminal.expect("This is a sandbox machine");
    terminal.expect("$ ");
    assert!(terminal.is_raw());
    terminal.press("stty size; id -un\r");
    terminal.expect("24 80\r\n");
    terminal.expect("ssm-user\r\n");
    terminal.resize(132, 43);
    terminal.press("until [ \"$(stty size)\" = '43 132' ]; do sleep 0.1; done; echo re'sized'\r");
    terminal.expect("resized\r\n");
    terminal.press("sleep 1000; echo code $?\r");
    std::thread::sleep(Duration::from_millis(500));
    terminal.press("\x03");
    terminal.expect("^C");
    terminal.press("echo after $((6*7))\r");
    terminal.expect("after 42\r\n");
    terminal.press("exit 3\r");
    let status = terminal.end();
    assert_eq!((terminal.modes(), status.code()), (before, Some(3)));
}

fn leaves_a_shell_when_told_to(home: &Home) {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut terminal = Terminal::run(home, "--sandbox connect");
        let before = terminal.before.clone();
        terminal.expect("$ ");
        terminal.press("echo $$ >~/shell; echo re'ady'\r");
        terminal.expect("ready\r\n");
        terminal.signal(signal);
        assert_eq!(terminal.end().code(), Some(code));
        assert_eq!(terminal.modes(), before);
        // The session on the machine ended too.
        let wait = "while kill -0 $(cat ~/shell) 2>/dev/null; do sleep 0.1; done";
        home.run_with("--sandbox exec --", &[wait]).well();
    }
}

fn refuses_what_was_not_agreed_to(home: &Home) {
    for line in
        ["--sandbox stop", "--sandbox restart", "--sandbox destroy", "--sandbox destroy --keep-volume"]
    {
        let ran = home.run(line);
        assert_eq!(ran.code, Some(3), "{line}: {}", ran.err);
    }
    assert_snapshot!(home.masked(&home.run("--sandbox stop").all()), @"
    err:
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.
    remote-dev in us-west-2, for ada: 1 step

    Machine
      ~ Stop i-ID  -$134.70 a month  ends what runs on it

    No session and no job runs on it.
    Problem: Nothing was changed: stopping ends everything that runs on the machine.
    → say yes at the prompt, or add --yes
    exit 3
    ");
    assert_snapshot!(home.masked(&home.run("--sandbox destroy").all()), @"
    err:
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.
    remote-dev in us-west-2, for ada: 14 steps remove it

    Network
      - Use of a route table (rtbassoc-ID)               not needed any more
      ~ Detach igw-ID from vpc-ID
      - Security group sg-ID
      - Subnet subnet-ID
      - Route table rtb-ID
      - Internet gateway igw-ID
      - Private network vpc-ID

    Identity
      ~ Take ada-remote-dev-us-west-2-role out of the instance profile  not needed any more
      - Policy AmazonSSMManagedInstanceCore                             the machine does not need it
      - Policy holdfast-deny-parameters
      - Instance profile                                                not needed any more
      - Role

    Machine
      ~ Lift termination protection of i-ID              it is to go
      - Instance i-ID and its volume with all data                    -$142.70 a month  data is lost

    No session and no job runs on it.
    Problem: Nothing was changed: destroying needs your word.
    → say yes at the prompt, or add --yes
    exit 3
    ");
    let mut terminal = Terminal::run(home, "--sandbox stop");
    terminal.expect("Go on? [y/N] ");
    terminal.press("n\r");
    assert_eq!(terminal.end().code(), Some(3));
    let mut terminal = Terminal::run(home, "--sandbox stop");
    terminal.expect("Go on? [y/N] ");
    terminal.press("\x03");
    terminal.expect("Interrupted.");
    assert_eq!(terminal.end().code(), Some(130));
    assert_eq!(home.run("--sandbox status --json").well().json()["state"], "on");
}

fn goes_off_and_on(home: &Home) {
    let mut watched = home.command("--sandbox status --watch").spawn().unwrap();
    let mut shown = BufReader::new(watched.stdout.take().unwrap());
    let mut first = String::new();
    shown.read_line(&mut first).unwrap();
    assert_eq!(first, "remote-dev is on\n");
    let mut until = |end: &str| {
        let mut line = String::new();
        while !line.ends_with(&format!(" UTC  remote-dev is {end}\n")) {
            line.clear();
            assert_ne!(shown.read_line(&mut line).unwrap(), 0, "{end}");
        }
    };
    let ran = home.run("--sandbox stop --yes").well();
    assert!(ran.err.ends_with("remote-dev is off; its volume costs $8.00 a month.\n"), "{}", ran.err);
    until("off");
    let status = home.run("--sandbox status").well();
    assert!(
        status.out.starts_with("remote-dev is off\n") && status.err.contains("→ holdfast start"),
        "{}",
        status.all()
    );
    let ran = home.run("--sandbox exec -- true");
    assert_eq!(ran.code, Some(1));
    assert_snapshot!(ran.err, @"
    Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.
    Problem: remote-dev is off.
    → switch it on: holdfast start
    ");
    assert_eq!(home.run("--sandbox restart").code, Some(3), "what is off costs when it goes on");
    home.run("--sandbox start --yes").well();
    home.run("--sandbox exec -- true").well();

    until("on and can be reached");
    kill_process(Pid::from_child(&watched), Signal::INT).unwrap();
    let watched = watched.wait_with_output().unwrap();
    assert_eq!(watched.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&watched.stderr).lines().count(), 1);
}

fn is_destroyed_by_its_name(home: &Home) {
    for answer in ["y\r", "remote-de\r", "\r"] {
        let mut terminal = Terminal::run(home, "--sandbox destroy");
        terminal.expect("[y/N] ");
        terminal.press("\r");
        terminal.expect("Type remote-dev to go on: ");
        terminal.press(answer);
        assert_eq!(terminal.end().code(), Some(3), "{answer:?}");
    }
    assert_eq!(home.run("--sandbox status --json").well().json()["state"], "on");
    let mut terminal = Terminal::run(home, "--sandbox destroy");
    terminal.expect("Take a last snapshot of the volume (100 GiB)? It stays and costs on. [y/N] ");
    terminal.press("y\r");
    terminal.expect("Final snapshot of ");
    terminal.expect("Type remote-dev to go on: ");
    terminal.press("remote-dev\r");
    terminal.expect("remote-dev is gone.");
    terminal.expect("snap-");
    assert_eq!(terminal.end().code(), Some(0));
    assert_eq!(home.run("--sandbox status --json").well().json()["state"], "absent");
    assert_eq!(home.run("sandbox reset").well().err, "The sandbox is empty.\n");
    assert!(!home.folder.path().join("state/sandbox").exists());
}
