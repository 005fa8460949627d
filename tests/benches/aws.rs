//! What the main job costs in calls and time: `./dev bench aws`.
//!
//! Every call to the sandbox takes 100 ms. The chain is the number of calls that had to follow one upon the other, as
//! the sandbox counts it: a call depends on each that was answered before it began.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::world::World;
use holdfast_core::plan::{self, Goal, Leave};
use holdfast_sandbox::{ACCESS_KEY, Conditions, Options, Pace, Principal, Sandbox};
use holdfast_tests::Laptop;

const LATENCY: Duration = Duration::from_millis(100);
const RUNS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("| operation | seconds (median of {RUNS}) | calls | chain |");
    println!("| --- | --- | --- | --- |");
    runtime.block_on(applies());
    println!(
        "\n| another type, its capacity held or not | seconds off | beyond AWS's own, round trips | seconds in all | calls |"
    );
    println!("| --- | --- | --- | --- | --- |");
    runtime.block_on(resizes());
    start();
}

struct Measured {
    seconds: f64,
    calls: usize,
    chain: u32,
}

async fn applies() {
    let (mut apply, mut run, mut idle, mut empty, mut destroy) = (vec![], vec![], vec![], vec![], vec![]);
    for seed in 0..RUNS as u64 {
        let sandbox = sandbox(seed, Pace::instant());
        let laptop = Laptop::new(&sandbox, LATENCY).await;
        apply.push(measure(&sandbox, laptop.reach(Goal::Settings)).await);
        let calls = sandbox.calls();
        let answered =
            calls.iter().find(|call| call.operation == "RunInstances").expect("an instance was run");
        run.push(Measured { seconds: 0.0, calls: 0, chain: answered.depth });
        idle.push(measure(&sandbox, laptop.reach(Goal::Settings)).await);
        let fresh = Laptop::new(&sandbox, LATENCY).await;
        empty.push(
            measure(&sandbox, async {
                let observed = fresh.aws.observe(&fresh.desired, Goal::Settings).await.expect("a look");
                plan::plan(&fresh.desired, &observed, Goal::Settings)
            })
            .await,
        );
        let gone = Goal::Gone(Leave { volume: false, snapshot: false });
        destroy.push(measure(&sandbox, laptop.reach(gone)).await);
    }
    row("apply to an empty account", &mut apply);
    let chain = run.iter().map(|run| run.chain).max().unwrap_or_default();
    println!("| … until RunInstances is answered | | | {chain} |");
    row("apply with nothing to do", &mut idle);
    row("plan with nothing to do", &mut empty);
    row("destroy", &mut destroy);

    let mut slow = vec![];
    for seed in 0..3 {
        let sandbox = sandbox(seed, Pace { iam: Duration::from_secs(8), ..Pace::instant() });
        let laptop = Laptop::new(&sandbox, LATENCY).await;
        slow.push(measure(&sandbox, laptop.reach(Goal::Settings)).await);
    }
    row("apply, where EC2 learns of a new instance profile after 8 s", &mut slow);
}

/// How long the machine is off while it becomes another type. What AWS itself takes is the stop and the boot of the sandbox.
async fn resizes() {
    let own = Pace::default();
    for (name, held) in [("held", true), ("not held", false)] {
        let mut runs = vec![];
        for seed in 0..RUNS as u64 {
            let sandbox = sandbox(seed, Pace { stop: own.stop, boot: own.boot, ..Pace::instant() });
            if !held {
                let caller = Principal::user("123456789012", "sandbox", ACCESS_KEY);
                let caller = caller.denying("ec2:CreateCapacityReservation");
                sandbox.set(|conditions| conditions.principals = vec![caller]);
            }
            let mut laptop = Laptop::new(&sandbox, LATENCY).await;
            laptop.reach(Goal::Settings).await.expect("a machine");
            laptop.reach(Goal::Reachable).await.expect("it is on");
            laptop.desired.instance_type = "m8g.2xlarge".parse().expect("a type");
            let Measured { seconds, calls, .. } = measure(&sandbox, laptop.reach(Goal::Settings)).await;
            let log = sandbox.calls();
            let at = |operation: &str| {
                let found = log.iter().find(|call| call.operation == operation && call.took_effect);
                found.expect("it was called").at
            };
            let off = at("StartInstances").since(at("StopInstances")) + own.boot;
            runs.push((off, seconds, calls));
        }
        runs.sort_by_key(|(off, ..)| *off);
        let (off, seconds, calls) = runs[RUNS / 2];
        let beyond = (off - own.stop - own.boot).as_secs_f64() / LATENCY.as_secs_f64();
        println!("| {name} | {:.2} | {beyond:.1} | {seconds:.2} | {calls} |", off.as_secs_f64());
    }
}

fn sandbox(seed: u64, pace: Pace) -> Sandbox {
    let mut conditions = Conditions::of("123456789012");
    conditions.pace = pace;
    Sandbox::new(Options { seed, conditions, ..Options::default() })
}

async fn measure<T>(sandbox: &Sandbox, work: impl Future<Output = T>) -> Measured {
    sandbox.clear_calls();
    let began = Instant::now();
    work.await;
    let seconds = began.elapsed().as_secs_f64();
    let calls = sandbox.calls();
    Measured {
        seconds,
        calls: calls.len(),
        chain: calls.iter().map(|call| call.depth).max().unwrap_or_default(),
    }
}

fn row(name: &str, runs: &mut [Measured]) {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let calls = runs.iter().map(|run| run.calls).max().unwrap_or_default();
    let chain = runs.iter().map(|run| run.chain).max().unwrap_or_default();
    println!("| {name} | {:.2} | {calls} | {chain} |", runs[runs.len() / 2].seconds);
}

/// How long `holdfast --version` takes from start to end.
fn start() {
    let here = std::env::current_exe().expect("the path of this program");
    let program = here.parent().and_then(Path::parent).expect("the target folder").join("holdfast");
    let mut times: Vec<f64> = (0..40)
        .map(|_| {
            let began = Instant::now();
            let status = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
            assert!(status.expect("the program starts").success());
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("\n`holdfast --version`: {:.1} ms (median of 40), at most {:.1} ms", times[20], times[38]);
}
