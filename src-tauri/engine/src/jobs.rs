//! What a machine's own jobs are asked for and asked about: a rebuild, a way back, and their logs. The machine does the work,
//! whether anybody follows or not.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::Either;
use holdfast_core::app::harmless::{harmless, harmless_line};
use holdfast_core::jobs::{
    Entry, Garbled, Generation, Job, JobId, Journal, MachineState, Mark, Order, Outcome, Overview, Placed,
    Progress, Stage, generations,
};
use holdfast_core::script;
use holdfast_core::session::Stream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::connect::{End, Input};
use crate::problem::{Exit, Problem};
use crate::remote::{Answer, Machine, NO_SYSTEM};

/// Another job runs on the machine.
pub(crate) const BUSY: i32 = 3;
/// There is no such job.
const NO_JOB: i32 = 4;
/// It cannot be done at this moment.
const NOT_NOW: i32 = 5;
/// The job ended while it was followed: the rest of its log is to be asked for.
const ASK_AGAIN: i32 = 10;

/// How long the machine's check of itself may take, in seconds: an agent needs some for its first channel.
pub const PATIENCE: u32 = 120;
/// For how long a log that is read may say nothing before it is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// The code of the problem that AWS has no line to the machine's agent.
const NOT_CONNECTED: &str = "agent_offline";
/// The code of the problem that a repository's host does not let the machine in.
pub(crate) const DENIED: &str = "repository_denied";
/// Time between two tries to get back to a log.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Starts a job. Asked for twice it is started once.
///
/// # Errors
/// Another job runs on the machine, or the machine cannot be reached.
pub async fn start(machine: Machine<'_>, order: &Order) -> Result<(), Problem> {
    let words = order.words();
    let answer = machine.order(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    match answer.status {
        0 => Ok(()),
        BUSY => Err(busy(machine, Job::parse_other(&answer.out).as_ref())),
        _ => Err(failed("The machine did not begin the job", &answer)),
    }
}

/// What the machine runs, and its last jobs.
///
/// # Errors
/// The machine cannot be reached, or answers nonsense.
pub async fn state(machine: Machine<'_>) -> Result<MachineState, Problem> {
    let answer = good(machine.order(&["state", "20"]).await?, "The machine's state cannot be had")?;
    MachineState::parse(&answer.out).map_err(garbled)
}

/// Who would lose something if the machine went off now: its live sessions and its job, each in words.
///
/// # Errors
/// As for [`state`].
pub async fn at_work(machine: Machine<'_>) -> Result<Vec<String>, Problem> {
    let (state, sessions) = tokio::join!(state(machine), crate::sessions::list(machine));
    let state = match state {
        Err(problem) if problem.code == NO_SYSTEM => None,
        state => Some(state?),
    };
    let mut found = Vec::new();
    // A machine that never had its configuration has neither zellij nor user, so nobody is at work there.
    let sessions = match sessions {
        Err(problem) if ["no_zellij", "no_user", NO_SYSTEM].contains(&problem.code) => Vec::new(),
        sessions => sessions?,
    };
    for session in sessions.iter().filter(|session| session.live) {
        let panes = session
            .panes
            .map(|panes| if panes == 1 { ", 1 pane".to_owned() } else { format!(", {panes} panes") });
        found.push(format!("session {}{}", session.shown, panes.unwrap_or_default()));
    }
    found.extend(state.as_ref().and_then(MachineState::running).map(|job| {
        let what = if job.is_rollback { "a rollback" } else { "a rebuild" };
        format!("{what}, asked for by {}, since {}", job.by, moment(job.began))
    }));
    Ok(found)
}

/// One job.
///
/// # Errors
/// There is no such job, or as for [`state`].
pub async fn job(machine: Machine<'_>, id: &JobId) -> Result<Job, Problem> {
    let answer = machine.order(&["job", id.as_str()]).await?;
    if answer.status == NO_JOB {
        return Err(no_job(id));
    }
    Job::parse(&good(answer, "The job cannot be had")?.out).map_err(garbled)
}

/// The generations of the machine's system, the newest first.
///
/// # Errors
/// As for [`state`].
pub async fn all_generations(machine: Machine<'_>) -> Result<Vec<Generation>, Problem> {
    let answer = good(machine.order(&["generations"]).await?, "The machine's generations cannot be had")?;
    generations(&answer.out).map_err(garbled)
}

/// What the machine has of its configuration.
///
/// # Errors
/// As for [`state`].
pub async fn placed(machine: Machine<'_>, folder: &str, flake: &str) -> Result<Placed, Problem> {
    let words = ["config", folder, flake, machine.desired.user.as_str()];
    let answer = good(machine.order(&words).await?, "The machine's configuration cannot be had")?;
    Placed::parse(&answer.out).map_err(garbled)
}

/// What the machine runs, its generations and what it has of its configuration, in one session.
///
/// # Errors
/// As for [`state`].
pub async fn overview(machine: Machine<'_>, folder: &str, flake: &str) -> Result<Overview, Problem> {
    let words = ["overview", folder, flake, machine.desired.user.as_str()];
    let answer = good(machine.order(&words).await?, "The machine's state cannot be had")?;
    Overview::parse(&answer.out).map_err(garbled)
}

/// Ends a job. Between two systems it cannot be ended.
///
/// # Errors
/// There is no such job, or it is switching; or as for [`state`].
pub async fn cancel(machine: Machine<'_>, id: &JobId, by: &str) -> Result<(), Problem> {
    let answer = machine.order(&["cancel", id.as_str(), by]).await?;
    match answer.status {
        0 => Ok(()),
        NO_JOB => Err(no_job(id)),
        NOT_NOW => Err(Problem::new(
            "switching",
            "The machine is between two systems, so the job cannot be cancelled",
        )
        .hint("let it end, and then go back: holdfast rollback")),
        _ => Err(failed("The job cannot be cancelled", &answer)),
    }
}

/// Who follows a job.
pub trait Watcher {
    /// A line of its log.
    fn line(&mut self, entry: &Entry, progress: &Progress);
    /// The job said something itself.
    fn mark(&mut self, mark: &Mark, progress: &Progress);
    /// There is no way to the log at the moment.
    fn lost(&mut self, problem: &Problem);
    /// Whether somebody is there who can sign in again; else a sign-in that has ended ends the following, too.
    fn waits_for_sign_in(&self) -> bool;
}

/// Follows a job's log to its end, and gives how it ended. Lost sessions are opened again and go on behind the last line, so that
/// no line is lost and none comes twice. What the job switched to is marked good when a new session comes in, and refused when
/// none does.
///
/// # Errors
/// There is no such job; credentials are missing and nobody waits for them; or the machine is gone.
pub async fn follow(machine: Machine<'_>, id: &JobId, watcher: &mut impl Watcher) -> Result<Job, Problem> {
    // What it switched to has not been tried yet by coming in again.
    let mut untried = false;
    let nonce = persist(machine, watcher, async || job(machine, id).await).await?.nonce;
    let mut progress = Progress::new(&nonce);
    let mut cursor: Option<String> = None;
    let mut wait = RETRY.0;
    loop {
        let turn = uuid::Uuid::new_v4().simple().to_string();
        let script = script::follow(id, cursor.as_deref(), &turn).map_err(|error| {
            Problem::new("command", "The log cannot be asked for").because(error.to_string())
        })?;
        let from = cursor.clone();
        let talk = async |input: mpsc::Sender<Input>, mut output: mpsc::Receiver<(Stream, Vec<u8>)>| {
            let mut journal = Journal::new(&turn);
            let mut confirming: Option<Pin<Box<dyn Future<Output = Door> + '_>>> = None;
            loop {
                if untried && confirming.is_none() {
                    confirming = Some(Box::pin(try_the_door(machine)));
                }
                let bytes = tokio::select! {
                    bytes = output.recv() => bytes,
                    door = confirming.as_mut().map_or_else(|| Either::Left(pending()), Either::Right) => {
                        (confirming, untried) = (None, false);
                        // Over the line that is still open: the only way left.
                        let word: &[u8] = match door {
                            Door::Open => b"",
                            Door::Shut => b"refuse\n",
                            Door::Unknown => b"leave\n",
                        };
                        let _ = input.send(Input::Bytes(word.to_vec())).await;
                        continue;
                    }
                };
                let Some((_, bytes)) = bytes else { return journal.status() };
                for entry in journal.feed(&bytes) {
                    match progress.feed(&entry.text) {
                        Some(mark) => {
                            watcher.mark(&mark, &progress);
                            untried |= matches!(&mark, Mark::End(how) if how == "ok" || how == "partial");
                        }
                        None => watcher.line(&entry, &progress),
                    }
                    cursor = Some(entry.cursor);
                }
            }
        };
        let (end, status) = machine.converse(&script, talk).await;
        match (status, end) {
            (Some(0), _) => break,
            (Some(NO_JOB), _) => return Err(no_job(id)),
            (Some(ASK_AGAIN), _) => {}
            (Some(script::OTHER_MACHINE), _) => drop(machine.order(&["state", "1"]).await?),
            (_, Err(problem)) => {
                if !may_pass(&problem, machine, watcher) {
                    return Err(problem);
                }
                watcher.lost(&problem);
                sleep(wait).await;
            }
            (_, Ok(end)) => {
                if let End::Closed(why) = end {
                    watcher.lost(&Problem::session_closed(why));
                }
                sleep(wait).await;
            }
        }
        wait = if cursor == from { (wait * 2).min(RETRY.1) } else { RETRY.0 };
    }
    persist(machine, watcher, async || job(machine, id).await).await
}

/// Reads the log of a job that has ended, from its first line to its last one, in one session: nothing is judged by it again.
///
/// # Errors
/// There is no such job, or it goes on; or the session did not last to the end, as for [`state`].
pub async fn read(machine: Machine<'_>, id: &JobId, mut line: impl FnMut(&str)) -> Result<(), Problem> {
    let job = job(machine, id).await?;
    if job.outcome.is_none() {
        return Err(
            Problem::new("busy", "The job goes on").hint(format!("watch it: holdfast job follow {id}"))
        );
    }
    let mut progress = Progress::new(&job.nonce);
    let turn = uuid::Uuid::new_v4().simple().to_string();
    let script = script::follow(id, None, &turn)
        .map_err(|error| Problem::new("command", "The log cannot be asked for").because(error.to_string()))?;
    // Without its sender the machine would have nobody to listen to.
    let talk = async |_input: mpsc::Sender<Input>, mut output: mpsc::Receiver<(Stream, Vec<u8>)>| {
        let mut journal = Journal::new(&turn);
        while let Ok(Some((_, bytes))) = timeout(SILENCE, output.recv()).await {
            for entry in journal.feed(&bytes) {
                match progress.feed(&entry.text) {
                    None => line(&entry.text),
                    Some(Mark::Note(note)) => line(&format!("Note: {note}")),
                    Some(_) => {}
                }
            }
        }
        journal.status()
    };
    match machine.converse(&script, talk).await {
        (_, Some(0)) => Ok(()),
        (_, Some(NO_JOB)) => Err(no_job(id)),
        (Err(problem), _) => Err(problem),
        (Ok(End::Closed(why)), _) => Err(Problem::session_closed(why)),
        (Ok(_), status) => {
            Err(Problem::new("machine", "The log is not all there").because(status.map_or_else(
                || "the session ended before it".to_owned(),
                |status| format!("status {status}"),
            )))
        }
    }
}

/// What became of a try to come in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// The machine's user is there, and what runs is good.
    Open,
    /// The machine does not let anybody in.
    Shut,
    /// Something that says nothing about the machine was in the way: credentials, the network, AWS.
    Unknown,
}

/// Opens a new session, and sees whether the machine's user is there; that marks what runs as good.
async fn try_the_door(machine: Machine<'_>) -> Door {
    let mut last = Door::Unknown;
    for pause in [0, 2, 5, 10] {
        sleep(Duration::from_secs(pause)).await;
        last = match machine.run(&script::enters(&machine.desired.user)).await {
            Ok(Answer { status: 0, .. }) => door(&machine.order(&["good"]).await),
            answer => door(&answer),
        };
        if last == Door::Open {
            break;
        }
    }
    last
}

fn door(answer: &Result<Answer, Problem>) -> Door {
    match answer {
        Ok(answer) if answer.status == 0 => Door::Open,
        Ok(_) => Door::Shut,
        Err(problem) if problem.code == NOT_CONNECTED => Door::Shut,
        Err(_) => Door::Unknown,
    }
}

async fn persist<T>(
    machine: Machine<'_>,
    watcher: &mut impl Watcher,
    ask: impl AsyncFn() -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut wait = RETRY.0;
    loop {
        match ask().await {
            Err(problem) if may_pass(&problem, machine, watcher) => {
                watcher.lost(&problem);
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
            answer => return answer,
        }
    }
}

/// Whether waiting may help: a line that is down, a machine that is just booting, a person who signs in again.
fn may_pass(problem: &Problem, machine: Machine<'_>, watcher: &impl Watcher) -> bool {
    let signed_in_again = || watcher.waits_for_sign_in() && machine.aws.takes_new_credentials();
    !problem.is_denied()
        && (!problem.is_about_credentials() || signed_in_again())
        && !matches!(
            problem.code,
            "no_job" | "no_machine" | "garbled" | "command" | "machine_program" | "upload"
        )
}

/// What a job that did not do what it was asked for says.
pub fn ended_badly(job: &Job, diagnosis: &holdfast_core::jobs::Diagnosis) -> Option<Problem> {
    use holdfast_core::jobs::Ailment;
    let outcome = job.outcome?;
    let why = job.why.clone().unwrap_or_default();
    // A revision of ours says where it is from; a commit does not.
    let in_repository = job.revision.as_ref().is_some_and(|revision| !revision.contains(' '));
    let mend = if in_repository {
        "mend it in the repository, and rebuild"
    } else {
        "mend it: holdfast config edit"
    };
    let lines = || diagnosis.lines().iter().map(|line| harmless_line(line)).collect::<Vec<_>>().join("\n");
    Some(match outcome {
        Outcome::Ok | Outcome::Same | Outcome::Boot | Outcome::Built => return None,
        Outcome::Partial => Problem::new("partial", "The machine runs the new system, but not all of it is well")
            .because(why)
            .hint("look at one: holdfast exec -- systemctl status UNIT")
            .hint("or go back: holdfast rollback"),
        Outcome::Failed if why == "diverged" => {
            Problem::new("diverged", "The branch on the machine and the one in the repository have gone different ways")
                .because("nothing was changed; what is only on the machine is still there")
                .hint("put yours on top of theirs: holdfast exec -- git -C remote-dev pull --rebase")
                .hint("or build what is there: holdfast rebuild --local")
        }
        Outcome::Failed if job.stage == Some(Stage::Pull) && diagnosis.ailment() == Ailment::Access => {
            Problem::new(DENIED, "The repository's host does not let the machine in")
                .because(lines())
                .hint("give a token that may read it: holdfast config token")
                .hint("see whether the address is right: holdfast settings show")
        }
        Outcome::Failed if job.stage == Some(Stage::Pull) => {
            Problem::new("repository", "The machine cannot bring its clone of the repository up to date")
                .because(format!("{why}\n{}", lines()).trim().to_owned())
                .hint("look at what is there: holdfast exec -- ls -la remote-dev")
                .hint("see whether the address is right: holdfast settings show")
        }
        Outcome::Failed if !why.is_empty() && job.stage != Some(Stage::Activate) => {
            Problem::new("rebuild", "The job did not work").because(format!("{why}\n{}", lines()).trim_end().to_owned())
        }
        Outcome::Failed if !why.is_empty() => Problem::new("not_switched", "The machine did not go over to the new system")
            .because(format!("{why}\n{}", lines()).trim_end().to_owned())
            .hint("let it take the next boot: holdfast rebuild --boot"),
        Outcome::Failed => match diagnosis.ailment() {
            Ailment::Syntax => Problem::new("syntax", "The configuration is no Nix").because(lines()).hint(mend),
            Ailment::Evaluation => Problem::new("evaluation", "The configuration does not evaluate").because(lines()).hint(mend),
            Ailment::NoFlake => Problem::new("no_flake", "There is no flake where the settings say")
                .because(lines())
                .hint("name its folder in the repository: holdfast settings set config.folder FOLDER (. is the top)"),
            Ailment::Attribute => Problem::new("no_attribute", "The flake has no such configuration")
                .because(lines())
                .hint("name another: holdfast settings set config.attribute NAME"),
            Ailment::WrongSystem => Problem::new("wrong_system", "The configuration is for another processor than the machine's")
                .because(lines())
                .hint("say which it is for in machine.json (system), or choose another instance type"),
            Ailment::Space => {
                let room = diagnosis.room().map_or_else(String::new, |(free, all, kept)| {
                    format!("{} of {} GiB are free; {kept} generations are kept\n", gib(free), gib(all))
                });
                Problem::new("no_space", "The machine's disk is full")
                    .because(format!("{room}{}", lines()))
                    .hint("remove what nothing needs any more: holdfast exec -- sudo nix-collect-garbage --delete-older-than 7d")
                    .hint("or make the volume larger: holdfast settings set volume_size GIB")
            }
            Ailment::Fetch => Problem::new("fetch", "Something could not be fetched").because(lines()).hint("try again: holdfast rebuild"),
            Ailment::Access => Problem::new("input_denied", "The host of an input does not let the machine in")
                .because(lines())
                .hint("name an input that everybody may read, or give Nix a token on the machine (access-tokens)"),
            Ailment::Memory => Problem::new("builder_killed", "A build was killed, most likely for want of memory")
                .because(lines())
                .hint("build fewer things at the same time (nix.settings.max-jobs), or choose a larger instance type"),
            Ailment::Ownership => Problem::new("ownership", "git does not trust the folder of the configuration").because(lines()),
            Ailment::Build => Problem::new("build", "A build failed").because(lines()),
            Ailment::Other => Problem::new("rebuild", "The rebuild failed").because(lines()),
        },
        Outcome::Cancelled => Problem::new("cancelled", "The job was cancelled; the machine runs what it ran before"),
        Outcome::RolledBack => Problem::new("rolled_back", "The machine went back to what it ran before")
            .because(format!("{why}\n{}", lines()).trim_end().to_owned())
            .hint("it is not tried again unless asked: holdfast rebuild --again"),
        Outcome::Stuck => Problem::new("stuck", "The machine could neither be switched nor switched back")
            .because(format!("{why}\n{}", lines()).trim_end().to_owned())
            .hint("see what it runs: holdfast generations")
            .hint("reboot it into the generation that it boots by default: holdfast restart"),
        Outcome::Refused => Problem::new("refused", "The machine went back from this configuration once before")
            .because(why)
            .hint("change it, or try it all the same: holdfast rebuild --again"),
        Outcome::Lost => Problem::new("lost", "The machine was rebooted before the job had ended")
            .hint("it runs what it ran before; try again: holdfast rebuild"),
        Outcome::Killed => Problem::new("killed", "The job was killed").because(why).hint("try again: holdfast rebuild"),
        Outcome::Memory => Problem::new("memory", "The job was killed for want of memory")
            .hint("choose a larger instance type: holdfast settings set instance_type TYPE"),
    })
}

fn gib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 30))
}

pub(crate) fn busy(machine: Machine<'_>, job: Option<&Job>) -> Problem {
    let problem =
        Problem::new("busy", format!("Another job runs on {}", machine.desired.machine)).exit(Exit::Refused);
    match job {
        Some(job) => problem
            .because(format!(
                "{}, asked for by {}, since {}",
                if job.is_rollback { "a rollback" } else { "a rebuild" },
                job.by,
                moment(job.began)
            ))
            .hint(format!("watch it: holdfast job follow {}", job.id))
            .hint(format!("or end it: holdfast job cancel {}", job.id)),
        None => problem.hint("see which: holdfast jobs"),
    }
}

/// A moment on this computer's clock, for a sentence.
pub fn moment(seconds: u64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    format!("{} ago", holdfast_core::sessions::age_in_words(now.saturating_sub(seconds)))
}

fn no_job(id: &JobId) -> Problem {
    Problem::new("no_job", format!("There is no job {id}")).hint("see which there are: holdfast jobs")
}

fn good(answer: Answer, what: &str) -> Result<Answer, Problem> {
    if answer.status == 0 { Ok(answer) } else { Err(failed(what, &answer)) }
}

pub(crate) fn failed(what: &str, answer: &Answer) -> Problem {
    Problem::new("machine", what).because(format!(
        "status {} {}",
        answer.status,
        harmless(&String::from_utf8_lossy(&answer.err), 300)
    ))
}

pub(crate) fn garbled(error: Garbled) -> Problem {
    Problem::new("garbled", error.to_string())
}
