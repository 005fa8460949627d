//! What the doctor finds, on a computer that lacks this or that and in an AWS that denies this or that.

use std::process::Command;
use std::sync::Arc;

use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Call, Conditions, Options, Pace, SECRET_KEY, Sandbox, Service};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{Home, Ran};

/// A computer whose AWS is a sandbox in this process.
pub(super) struct Rig {
    pub(super) home: Home,
    pub(super) sandbox: Sandbox,
    pub(super) gateway: Arc<Gateway>,
    pub(super) endpoint: String,
    _runtime: Runtime,
}

impl Rig {
    pub(super) fn new() -> Self {
        let home = Home::new();
        let mut conditions = Conditions::of("123456789012");
        conditions.pace = Pace::instant();
        let backend = Arc::new(Gateway::new(Arc::new(Guests::new(home.folder.path().join("machines")))));
        let gateway = backend.clone();
        let sandbox = Sandbox::new(Options { conditions, backend, ..Options::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = sandbox.clone();
        runtime.spawn(async move { served.serve(listener).await });
        Self { home, sandbox, gateway, endpoint, _runtime: runtime }
    }

    fn run(&self, line: &str) -> Ran {
        super::ran(&mut self.command(line))
    }

    /// The command, not yet begun.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = self.home.command(line);
        command.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        // No bus, so that it is the same everywhere.
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        command
    }

    /// What is found in this area: mark, what, and what to do.
    fn findings(&self, area: &str) -> Vec<(String, String, String)> {
        of(&self.run("doctor --json").json(), area)
    }
}

pub(super) fn of(report: &Value, area: &str) -> Vec<(String, String, String)> {
    assert_eq!(report["version"], 1);
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["area"] == area);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|finding| (text(&finding["mark"]), text(&finding["what"]), text(&finding["todo"]))).collect()
}

pub(super) fn marks(findings: &[(String, String, String)]) -> Vec<&str> {
    findings.iter().map(|(mark, ..)| mark.as_str()).collect()
}

#[test]
fn a_machine_that_is_well_is_found_so_and_nothing_is_changed() {
    let rig = Rig::new();
    rig.run("up --yes").well();
    rig.sandbox.clear_calls();
    let ran = rig.run("doctor");
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    for line in [
        "remote-dev of ada in us-west-2",
        "123456789012/user/sandbox",
        "ec2, ssm, iam, dlm, servicequotas, pricing answer within",
        "the clock agrees with AWS's",
        "m8g.xlarge is offered in us-west-2b",
        "vCPUs that the account may run are in use",
        "remote-dev is on, as i-",
        "its agent answers SSM",
        "a session on it opens",
        "disk: ",
        "memory: ",
        "nothing here shows tray icons",
        &format!("holdfast {}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert!(!ran.out.contains("failed "), "{}", ran.out);
    let changed = |call: &&Call| call.changes() && call.took_effect && call.service != Service::Ssm;
    let calls = rig.sandbox.calls();
    assert_eq!(calls.iter().filter(changed).count(), 0, "{calls:?}");
    let dry = calls.iter().filter(|call| call.dry_run).count();
    assert!(dry > 50, "{dry} dry runs");

    // Each call that the policy lists and EC2 can be asked about is asked about.
    let permissions = rig.findings("permissions");
    assert_eq!(marks(&permissions), ["ok"], "{permissions:?}");
    let asked: std::collections::BTreeSet<String> =
        calls.iter().filter(|call| call.dry_run).map(|call| format!("ec2:{}", call.operation)).collect();
    let policy = rig.run("policy").well().out;
    // These have no dry run.
    let none = ["ec2:ModifySubnetAttribute", "ec2:ModifyVpcAttribute"];
    let listed = policy.split('"').filter(|word| word.starts_with("ec2:") && !none.contains(word));
    for action in listed.filter(|action| *action != "ec2.amazonaws.com") {
        assert!(asked.contains(action), "nobody asks about {action}");
    }
}

#[test]
fn what_aws_denies_is_named() {
    let rig = Rig::new();
    rig.run("up --yes").well();
    let denied = ["ec2:StopInstances", "ec2:CreateVpc", "ec2:CreateCapacityReservation"];
    rig.sandbox.set(|all| all.principals[0].denied = denied.map(str::to_owned).into());
    let ran = rig.run("doctor");
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.out.contains("may not call ec2:CreateVpc, ec2:StopInstances\n"), "{}", ran.out);
    assert!(ran.out.contains("→ have it allowed what this prints: holdfast policy"), "{}", ran.out);
    assert!(ran.out.contains("better with ec2:CreateCapacityReservation"), "{}", ran.out);

    rig.sandbox.set(|all| all.principals[0].denied = ["ssm:StartSession".to_owned()].into());
    let machine = rig.findings("machine");
    let (_, what, _) = machine.iter().find(|(mark, ..)| mark == "failed").unwrap();
    assert!(what.contains("ssm:StartSession"), "{machine:?}");
}

#[test]
fn before_there_is_a_machine_what_it_needs_is_looked_at() {
    let rig = Rig::new();
    let machine = rig.findings("machine");
    assert_eq!(marks(&machine), ["warning"], "{machine:?}");
    assert_eq!(machine[0].2, "make it: holdfast up");
    assert_eq!(marks(&rig.findings("capacity")), ["ok", "ok"]);
    rig.sandbox.set(|all| all.quotas.vcpus = 2);
    let capacity = rig.findings("capacity");
    assert_eq!(marks(&capacity), ["ok", "failed"], "{capacity:?}");
    rig.run("settings set instance_type m8g.metal-96xl").well();
    let capacity = rig.findings("capacity");
    assert_eq!(capacity[0].0, "failed", "{capacity:?}");
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let rig = Rig::new();
    rig.sandbox.set(|all| all.clock_skew = Some(3600));
    let report = rig.run("doctor --json");
    assert_eq!(report.code, Some(1));
    // The SDK takes AWS's time from its first answer, and signs with that; other programs do not.
    let network = of(&report.json(), "network");
    let (mark, what, todo) = network.last().unwrap();
    assert!(mark == "failed" && what.contains("3600 seconds behind AWS's"), "{network:?}");
    assert_eq!(todo, "set this computer's clock, best by the network");
}

#[test]
fn without_a_network_it_says_so_soon() {
    let rig = Rig::new();
    let mut command = rig.home.command("doctor --json");
    command.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ran = super::ran(&mut command);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let network = of(&ran.json(), "network");
    assert_eq!(marks(&network), ["failed"; 6], "{network:?}");
    assert!(network[0].1.starts_with("ec2 cannot be reached"), "{network:?}");
}

#[test]
fn settings_that_do_not_hold_and_missing_credentials_are_found() {
    let home = Home::with("[machine.remote-dev]\nregio = \"x\"\n");
    let ran = home.run("doctor --json");
    assert_eq!(ran.code, Some(1));
    let settings = of(&ran.json(), "settings");
    assert!(settings[0].0 == "failed" && settings[0].1.contains("did you mean region?"), "{settings:?}");
    assert!(!of(&ran.json(), "desktop").is_empty() && !of(&ran.json(), "versions").is_empty());

    let ran = Home::new().run("doctor --json");
    assert_eq!(ran.code, Some(1));
    let credentials = of(&ran.json(), "credentials");
    assert!(credentials[0].1.contains("no valid AWS credentials"), "{credentials:?}");
    assert!(credentials[0].2.contains("holdfast settings set profile"), "{credentials:?}");
    assert_eq!(of(&ran.json(), "network"), [], "nobody was called");
    assert_eq!(of(&ran.json(), "machine"), [], "said once");

    // The way to AWS is looked at all the same, and what does not work comes first.
    let rig = Rig::new();
    std::fs::create_dir_all(rig.home.settings().parent().unwrap()).unwrap();
    std::fs::write(rig.home.settings(), "[machine.remote-dev]\nregio = \"x\"\n").unwrap();
    let report = rig.run("doctor --json").json();
    assert_eq!(marks(&of(&report, "credentials")), ["ok"], "{report}");
    assert_eq!(marks(&of(&report, "network")), ["ok", "ok"], "{report}");
    assert_eq!(of(&report, "machine"), []);
    let shown = rig.run("doctor").out;
    assert!(shown.starts_with("worth a look\n  failed   settings: "), "{shown}");
}
