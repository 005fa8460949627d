//! A process that dies. The real command, over real sockets, is killed with SIGKILL after each of its changing calls had
//! its effect and before it hears of it. Afterwards `status` knows of the interruption, a plain run ends with exactly
//! the resources that should be there, and one more changes nothing.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

mod program;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use holdfast_core::machine::{Desired, TAG_CARRIED, TAG_HOME, TAG_REPLACES};
use holdfast_core::settings::Settings;
use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Call, Conditions, OnCall, Options, Pace, SECRET_KEY, Sandbox, Service};
use holdfast_tests::{WHOLE, by_hand, census, kept};
use program::holdfast;
use tokio::net::TcpListener;

/// How many cases run at the same time: each mostly waits.
const AT_ONCE: usize = 4;

/// What a case begins with: the computer's files and the world.
const KEPT: [&str; 3] = ["config/settings.toml", "state/maker", "world/world.json"];

/// A command, and what becomes of it after it was killed.
#[derive(Clone, Copy)]
struct Story {
    line: &'static str,
    /// What the plain run is told, where it cannot come to its end.
    stops: Option<&'static str>,
    /// What ends it then.
    then: Option<&'static str>,
    /// What one more run is told, where there is nothing left for it to do.
    nothing: Option<&'static str>,
    /// How many machines there are in the end.
    machines: usize,
}

impl Story {
    /// The plain run comes to its end with one machine, and one more changes nothing.
    const fn plain(line: &'static str) -> Self {
        Self { line, stops: None, then: None, nothing: None, machines: 1 }
    }
}

/// Who dies, and after which of the changing calls.
#[derive(Default)]
struct Fate {
    after: usize,
    effects: usize,
    victim: Option<Child>,
}

/// A sandbox on a port of its own, and a computer that takes it for AWS.
struct Rig {
    sandbox: Sandbox,
    fate: Arc<Mutex<Fate>>,
    endpoint: String,
    home: tempfile::TempDir,
    desired: Desired,
}

impl Rig {
    /// Begins with what is in the folder `from`, if one is given: the computer's files and the world.
    async fn new(from: Option<&Path>) -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in KEPT {
            std::fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
            if let Some(file) = from.map(|from| from.join(name)).filter(|file| file.exists()) {
                std::fs::copy(file, home.path().join(name)).unwrap();
            }
        }
        let fate = Arc::new(Mutex::new(Fate::default()));
        let mut conditions = Conditions::of("123456789012");
        conditions.pace = Pace::instant();
        let machines = Arc::new(Gateway::new(Arc::new(Guests::new(home.path().join("machines")))));
        let options =
            Options { conditions, on_call: Some(strike(&fate)), backend: machines, ..Options::default() };
        let sandbox = Sandbox::open(home.path().join("world"), options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = sandbox.clone();
        tokio::spawn(async move { served.serve(listener).await });
        let settings = Settings::parse("", Some(&"ada".parse().unwrap())).unwrap();
        let desired = settings.machine(None).unwrap().clone();
        Self { sandbox, fate, endpoint, home, desired }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = holdfast(self.home.path(), line);
        command.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, line: &str) -> Output {
        let mut command = self.command(line);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs it until its `after`th changing call had its effect. False if it came to its end before.
    async fn killed(&self, line: &str, after: usize) -> bool {
        {
            // No call is counted before the victim is in its place.
            let mut fate = lock(&self.fate);
            let child = self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            *fate = Fate { after, effects: 0, victim: Some(child) };
        }
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut fate = lock(&self.fate);
            let Some(running) = fate.victim.as_mut() else { return true };
            if running.try_wait().unwrap().is_some() {
                fate.victim = None;
                return false;
            }
        }
    }

    fn changes(&self) -> usize {
        self.sandbox.calls().iter().filter(|call| changed(call)).count()
    }
}

/// A session changes nothing in AWS that stays.
fn changed(call: &Call) -> bool {
    call.changes() && call.took_effect && call.service != Service::Ssm
}

fn lock(fate: &Mutex<Fate>) -> std::sync::MutexGuard<'_, Fate> {
    fate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the victim, and sees it dead, before the answer to the fatal call goes out.
fn strike(fate: &Arc<Mutex<Fate>>) -> OnCall {
    let fate = Arc::clone(fate);
    Arc::new(move |call| {
        if !changed(call) {
            return;
        }
        let mut fate = lock(&fate);
        fate.effects += 1;
        if fate.effects == fate.after
            && let Some(mut victim) = fate.victim.take()
        {
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One case, from the crash to the idle run.
async fn case(story: Story, after: usize, from: Option<&Path>) {
    let line = story.line;
    let name = format!("{line}, killed after changing call {after}");
    let mut rig = Rig::new(from).await;
    let mut tries = 0;
    // Some runs need fewer calls: a subnet that goes first takes its use of the route table along.
    while !rig.killed(line, after).await {
        tries += 1;
        assert!(tries < 20, "{name}: it always comes to its end");
        rig = Rig::new(from).await;
    }

    let status = rig.run("status").await;
    let told = text(&status.stderr);
    assert!(status.status.success() && told.contains("did not come to its end"), "{name}: {told}");

    let plain = rig.run(line).await;
    match story.stops {
        None => assert!(plain.status.success(), "{name}: the plain run: {}", text(&plain.stderr)),
        Some(why) => assert!(text(&plain.stderr).contains(why), "{name}: {}", text(&plain.stderr)),
    }
    if let Some(then) = story.then {
        let output = rig.run(then).await;
        assert!(output.status.success(), "{name}: {then}: {}", text(&output.stderr));
    }
    let counts = census(&rig.sandbox, &rig.desired);
    let expected = |(kind, count): &(&'static str, usize)| {
        let with_machine = ["instance", "volume", "interface"].contains(kind);
        (*kind, if with_machine || story.machines == 0 { count * story.machines } else { *count })
    };
    assert_eq!(counts, WHOLE.iter().map(expected).collect::<Vec<_>>(), "{name}");
    let loose = kept(&rig.sandbox, &rig.desired).loose_volumes;
    assert_eq!(loose, 0, "{name}: a volume is left");

    rig.sandbox.clear_calls();
    let line = story.then.unwrap_or(line);
    let idle = rig.run(line).await;
    match story.nothing {
        None => assert!(idle.status.success(), "{name}: the idle run: {}", text(&idle.stderr)),
        Some(why) => assert!(text(&idle.stderr).contains(why), "{name}: {}", text(&idle.stderr)),
    }
    assert_eq!(rig.changes(), 0, "{name}: the idle run changes something");
    let told = text(&rig.run("status").await.stderr);
    assert!(!told.contains("did not come"), "{name}: {told}");
}

/// All cases of a command that makes `count` changing calls.
async fn every_case(story: Story, count: usize, from: Option<&'static Path>) {
    let next = Arc::new(Mutex::new(1..=count));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            loop {
                let Some(after) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
                case(story, after, from).await;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_killed_anywhere_is_healed_by_the_next() {
    let clean = Rig::new(None).await;
    let output = clean.run("apply --yes").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let count = clean.changes();
    assert!(count > 15, "{count}");
    every_case(Story::plain("apply --yes"), count, None).await;
    println!("{count} cases: killed after each changing call of an apply");
}

/// Copies what a case begins with.
fn keep(rig: &Rig, to: &Path) {
    for name in KEPT.iter().filter(|name| rig.home.path().join(name).is_file()) {
        std::fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
        std::fs::copy(rig.home.path().join(name), to.join(name)).unwrap();
    }
    rig.sandbox.clear_calls();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resize_that_is_killed_anywhere_is_healed_by_the_next() {
    const RESIZE: &str = "resize --type m8g.2xlarge --volume 200 --yes";
    let whole = Rig::new(None).await;
    let output = whole.run("apply --yes").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let from: &'static Path = Box::leak(Box::new(tempfile::tempdir().unwrap())).path();
    keep(&whole, from);
    let output = whole.run(RESIZE).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let count = whole.changes();
    assert_eq!(count, 8, "{:?}", whole.sandbox.calls());
    every_case(Story::plain(RESIZE), count, Some(from)).await;
    std::fs::remove_dir_all(from).unwrap();
    println!("{count} cases: killed after each changing call of a resize");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_that_is_killed_anywhere_is_healed_by_the_next() {
    let whole = Rig::new(None).await;
    let output = whole.run("apply --yes").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The process ends before the folder is needed no more.
    let from: &'static Path = Box::leak(Box::new(tempfile::tempdir().unwrap())).path();
    keep(&whole, from);
    let output = whole.run("destroy --yes").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let count = whole.changes();
    assert!(count > 12, "{count}");
    every_case(Story { machines: 0, ..Story::plain("destroy --yes") }, count, Some(from)).await;
    std::fs::remove_dir_all(from).unwrap();
    println!("{count} cases: killed after each changing call of a destroy");
}

/// A folder that is needed until the process ends.
fn folder() -> &'static Path {
    Box::leak(Box::new(tempfile::tempdir().unwrap())).path()
}

async fn well(rig: &Rig, line: &str) {
    let output = rig.run(line).await;
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
}

/// The machine of this sandbox is a shell, so it takes no home: up to there, and from there on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_is_killed_anywhere_is_healed_by_the_next() {
    const NO_HOME: &str = "This machine has no NixOS";
    let (before, with_home, done) = (folder(), folder(), folder());
    let rig = Rig::new(None).await;
    well(&rig, "up --yes").await;
    well(&rig, "settings set instance_type m7i.xlarge").await;
    keep(&rig, before);
    let output = rig.run("replace --yes").await;
    assert!(text(&output.stderr).contains(NO_HOME), "{}", text(&output.stderr));
    let first = rig.changes();
    assert_eq!(first, 6, "count, run, stop, snapshot, volume, attach: {:?}", rig.sandbox.calls());

    rig.sandbox.meddle(|world| {
        let regions = world.accounts.values_mut().flat_map(|account| account.regions.values_mut());
        for region in regions {
            let home = region.snapshots.keys().next().cloned();
            let new = region.instances.values_mut().find(|i| i.tags.contains_key(TAG_REPLACES));
            if let (Some(new), Some(home)) = (new, home) {
                new.tags.insert(TAG_CARRIED.to_owned(), home);
            }
        }
    });
    keep(&rig, with_home);
    well(&rig, "replace --yes").await;
    let second = rig.changes();
    assert_eq!(second, 3, "place, detach, delete: {:?}", rig.sandbox.calls());
    keep(&rig, done);
    well(&rig, "replace --let-go --yes").await;
    let third = rig.changes();
    assert!(third >= 2, "{:?}", rig.sandbox.calls());

    let nothing = Some("No replacement is under way");
    let cancelled = Some("replace --cancel --yes");
    let story = Story { stops: Some(NO_HOME), then: cancelled, nothing, ..Story::plain("replace --yes") };
    every_case(story, first, Some(before)).await;
    let story = Story { nothing: Some("is still kept"), machines: 2, ..Story::plain("replace --yes") };
    every_case(story, second, Some(with_home)).await;
    for line in ["replace --let-go --yes", "replace --back --yes"] {
        let story = Story { nothing: Some("No instance is kept"), ..Story::plain(line) };
        every_case(story, third, Some(done)).await;
    }
    for folder in [before, with_home, done] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    println!("{} cases: killed after each changing call of a replacement", first + second + 2 * third);
}

/// Gives what waits for it the home of this snapshot.
fn bring_home(rig: &Rig, snapshot: &str) {
    rig.sandbox.meddle(|world| {
        let regions = world.accounts.values_mut().flat_map(|account| account.regions.values_mut());
        for new in regions.flat_map(|region| region.instances.values_mut()) {
            if new.tags.get(TAG_HOME).is_some_and(|home| home == snapshot) {
                new.tags.insert(TAG_CARRIED.to_owned(), snapshot.to_owned());
            }
        }
    });
}

/// The command is given again as `status` says, and that is all: no second machine is made of the same state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_anywhere_is_healed_by_the_next() {
    let (with_machine, without) = (folder(), folder());
    let rig = Rig::new(None).await;
    well(&rig, "up --yes").await;
    let made = rig.run("snapshot create --yes").await;
    let snapshot = text(&made.stdout).trim().to_owned();
    let line: &'static str = Box::leak(format!("snapshot restore {snapshot} --yes").into_boxed_str());
    let no_home =
        |output: &Output| assert!(text(&output.stderr).contains("has no NixOS"), "{}", text(&output.stderr));
    no_home(&rig.run(line).await);
    bring_home(&rig, &snapshot);
    keep(&rig, with_machine);
    well(&rig, line).await;
    let first = rig.changes();
    assert_eq!(first, 4, "stop, place, detach, delete: {:?}", rig.sandbox.calls());
    well(&rig, "destroy --yes").await;
    no_home(&rig.run(line).await);
    bring_home(&rig, &snapshot);
    keep(&rig, without);
    well(&rig, line).await;
    let second = rig.changes();
    assert_eq!(second, 2, "detach, delete: {:?}", rig.sandbox.calls());

    let story = Story { nothing: Some("is still kept"), machines: 2, ..Story::plain(line) };
    every_case(story, first, Some(with_machine)).await;
    // Once more would be another restore, which nobody has asked for.
    let story = Story { then: Some("apply --yes"), ..Story::plain(line) };
    every_case(story, second, Some(without)).await;
    for folder in [with_machine, without] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    println!("{} cases: killed after each changing call of a restore", first + second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_goes_on_with_leaving_what_it_was_to_leave() {
    for (given, named) in [
        ("--keep-volume", "holdfast destroy --keep-volume"),
        ("--snapshot", "holdfast destroy --snapshot"),
        ("--snapshot --keep-volume", "holdfast destroy --snapshot --keep-volume"),
    ] {
        let rig = Rig::new(None).await;
        well(&rig, "apply --yes").await;
        assert!(rig.killed(&format!("destroy --yes {given}"), 3).await, "{given}: it comes to its end");
        let told = text(&rig.run("status").await.stderr);
        assert!(told.contains(&format!("To go on: {named}\n")), "{given}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_is_killed_anywhere_is_healed_by_the_next() {
    let (before, scheduled) = (folder(), folder());
    let rig = Rig::new(None).await;
    well(&rig, "apply --yes").await;
    well(&rig, "settings set snapshot_every 6").await;
    keep(&rig, before);
    well(&rig, "apply --yes").await;
    let first = rig.changes();
    well(&rig, "settings unset snapshot_every").await;
    keep(&rig, scheduled);
    well(&rig, "apply --yes").await;
    let second = rig.changes();
    // The role counts as one more until it is taken away again.
    let story = Story { then: Some("apply --yes"), ..Story::plain("apply --yes") };
    every_case(story, second, Some(scheduled)).await;
    let gone = Story { then: Some("destroy --yes"), machines: 0, ..Story::plain("apply --yes") };
    every_case(gone, first, Some(before)).await;
    for folder in [before, scheduled] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    println!("{} cases: killed after each changing call of a schedule", first + second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_that_is_killed_anywhere_is_healed_by_the_next() {
    let (before, rig) = (folder(), Rig::new(None).await);
    let (ec2, iam) = clients(&rig.endpoint);
    let made = by_hand(&ec2, &iam, |part| format!("box-{part}")).await;
    keep(&rig, before);
    let line: &'static str = Box::leak(format!("adopt {} --yes", made.instance).into_boxed_str());
    well(&rig, line).await;
    let count = rig.changes();
    assert!(count >= 3, "{:?}", rig.sandbox.calls());
    every_case(Story::plain(line), count, Some(before)).await;
    std::fs::remove_dir_all(before).unwrap();
    println!("{count} cases: killed after each changing call of an adoption");
}

/// Clients of the sandbox as other tools would use it.
fn clients(endpoint: &str) -> (aws_sdk_ec2::Client, aws_sdk_iam::Client) {
    let credentials = || Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let version = || aws_sdk_ec2::config::BehaviorVersion::v2026_01_12();
    let region = || aws_sdk_ec2::config::Region::new("us-west-2");
    let ec2 = aws_sdk_ec2::Config::builder().behavior_version(version()).region(region());
    let ec2 = ec2.endpoint_url(endpoint).credentials_provider(credentials());
    let iam = aws_sdk_iam::Config::builder().behavior_version(version()).region(region());
    let iam = iam.endpoint_url(endpoint).credentials_provider(credentials());
    (aws_sdk_ec2::Client::from_conf(ec2.build()), aws_sdk_iam::Client::from_conf(iam.build()))
}
