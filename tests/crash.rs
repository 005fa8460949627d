//! A process that dies. The real command, over real sockets, is killed with SIGKILL after each of its changing calls had
//! its effect and before it hears of it. Afterwards `status` knows of the interruption, a plain run ends with exactly
//! the resources that should be there, and one more changes nothing.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

mod program;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_core::machine::Desired;
use holdfast_core::settings::Settings;
use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Call, Conditions, OnCall, Options, Pace, SECRET_KEY, Sandbox, Service};
use holdfast_tests::{WHOLE, census};
use program::holdfast;
use tokio::net::TcpListener;

/// How many cases run at the same time: each mostly waits.
const AT_ONCE: usize = 4;

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
        for name in ["state/maker", "world/world.json"] {
            std::fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
            if let Some(from) = from {
                std::fs::copy(from.join(name), home.path().join(name)).unwrap();
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
async fn case(line: &str, after: usize, from: Option<&Path>) {
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
    assert!(plain.status.success(), "{name}: the plain run: {}", text(&plain.stderr));
    let counts = census(&rig.sandbox, &rig.desired);
    if line.starts_with("destroy") {
        assert!(counts.iter().all(|(_, count)| *count == 0), "{name}: {counts:?}");
    } else {
        assert_eq!(counts, WHOLE, "{name}");
    }

    rig.sandbox.clear_calls();
    let idle = rig.run(line).await;
    assert!(idle.status.success(), "{name}: the idle run: {}", text(&idle.stderr));
    assert_eq!(rig.changes(), 0, "{name}: the idle run changes something");
    let told = text(&rig.run("status").await.stderr);
    assert!(!told.contains("did not come"), "{name}: {told}");
}

/// All cases of a command that makes `count` changing calls.
async fn every_case(line: &'static str, count: usize, from: Option<&'static Path>) {
    let next = Arc::new(Mutex::new(1..=count));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            loop {
                let Some(after) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
                case(line, after, from).await;
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
    every_case("apply --yes", count, None).await;
    println!("{count} cases: killed after each changing call of an apply");
}

/// Copies what a case begins with.
fn keep(rig: &Rig, to: &Path) {
    for name in ["state/maker", "world/world.json"] {
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
    every_case(RESIZE, count, Some(from)).await;
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
    every_case("destroy --yes", count, Some(from)).await;
    std::fs::remove_dir_all(from).unwrap();
    println!("{count} cases: killed after each changing call of a destroy");
}
