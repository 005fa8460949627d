//! What is known of the system that the machine runs, and the job that changes it.
//!
//! As with its sessions, a look costs a session through SSM, so there is none in the background. A job is followed to its end,
//! whether anybody looks or not.

use std::time::Duration;

use super::older::Older;
use super::show::{name, seconds, sentence};
use super::view::{self, Offer};
use super::{App, Command, JobEnd, Page, Problem, Refusal, SystemSeen, is_about_credentials};
use crate::jobs::{
    Action, Checkout, Declared, Disk, Generation, Job, JobId, LogBuffer, LogChunk, MachineState, Outcome,
    Overview, Standing, Step,
};
use crate::notices::NoticeKind;
use crate::status::State;
use crate::time::Moment;

/// For how long an answer will do when somebody looks at the window again.
const FRESH: Duration = Duration::from_secs(60);
/// When to look again at a machine that was just made, and whose system could not be looked at.
const AGAIN: Duration = Duration::from_secs(15);
/// How often a machine is asked for its disk with nobody looking, unless that would keep it from switching itself off: a
/// session on it counts as somebody who needs it.
const IN_BACKGROUND: Duration = Duration::from_secs(3600);
/// After how long on a machine is looked at for the first time with nobody watching.
const SETTLED: Duration = Duration::from_secs(300);
/// A disk with less than one part in so many free is nearly full.
const SCARCE: u64 = 10;
/// The problem that a machine is none of its own, as a machine of the sandbox.
pub(super) const NO_SYSTEM: &str = "no_system";

/// The system of a machine that is on.
#[derive(Debug, Default)]
pub(super) struct System {
    seen: Option<(SystemSeen, Moment)>,
    /// Why the last look brought nothing, and when.
    problem: Option<(Problem, Moment)>,
    looking: bool,
    /// When to look next.
    due: Option<Moment>,
    job: Option<Following>,
    last: Option<Last>,
    /// Of the job, or of the last one.
    log: LogBuffer,
    /// Its number.
    log_number: u32,
    /// How many logs were begun, which is the number of the last one.
    logs: u32,
    /// The log of a job before.
    pub(super) older: Option<Older>,
    /// The machine has just been made, and runs what its image came with as far as anybody knows.
    made: bool,
    /// It does, so that it is to run what is declared for it.
    brings_up: bool,
    /// It was told that the disk is nearly full.
    told_scarce: bool,
    /// Since when it is known to be on.
    on_since: Option<Moment>,
}

/// A job that is asked for or followed.
#[derive(Debug)]
struct Following {
    /// Its name, once the machine has begun it.
    id: Option<JobId>,
    since: Moment,
    step: Step,
    /// Somebody else asked for it.
    by: Option<String>,
    work: Work,
    cancelling: bool,
    /// Why it could not be cancelled.
    problem: Option<Problem>,
}

/// What a job does, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Rebuild,
    GoTo(Option<u32>),
}

/// How the last job ended.
#[derive(Debug)]
struct Last {
    text: String,
    at: Moment,
    problem: Option<Problem>,
}

impl System {
    /// The job that runs, in words.
    pub(super) fn job_words(&self) -> Option<&'static str> {
        self.job.as_ref().map(|job| match job.work {
            Work::Rebuild => "a rebuild",
            Work::GoTo(_) => "the way to another generation",
        })
    }

    pub(super) fn is_on(&mut self, now: Moment) {
        self.on_since.get_or_insert(now);
    }

    /// Somebody looks at the window.
    pub(super) fn watched(&mut self, now: Moment) {
        let seen = self.seen.as_ref().map(|(_, at)| *at).max(self.problem.as_ref().map(|(_, at)| *at));
        if seen.is_some_and(|seen| now.since(seen) > FRESH) {
            self.due.get_or_insert(now);
        }
    }

    /// The machine is there and can be reached for the first time.
    pub(super) fn made(&mut self, now: Moment) {
        (self.made, self.due) = (true, Some(now));
    }

    /// Somebody has signed in, which a look may have lacked.
    pub(super) fn signed_in(&mut self, now: Moment) {
        if self.problem.as_ref().is_some_and(|(problem, _)| is_about_credentials(&problem.code)) {
            self.due = Some(now);
        }
    }

    pub(super) fn looking(&mut self) {
        (self.looking, self.due) = (true, None);
    }

    fn looked(&mut self, result: Result<Box<SystemSeen>, Problem>, now: Moment) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        match result {
            Ok(mut seen) => {
                let state = &seen.overview.state;
                let is_new = state.revision.is_none() && state.jobs.is_empty() && self.job.is_none();
                self.brings_up = std::mem::take(&mut self.made) && is_new;
                if let (None, Some(job)) = (&self.job, seen.overview.state.running()) {
                    self.job = Some(Following::of(job, now));
                    // It is followed from its beginning.
                    self.begin_log();
                }
                seen.declared = seen.declared.map_err(Problem::harmless);
                (self.seen, self.problem) = (Some((*seen, now)), None);
            }
            Err(problem) => {
                self.made &= problem.code != NO_SYSTEM;
                self.due = self.made.then(|| now + AGAIN);
                self.problem = Some((problem.harmless(), now));
            }
        }
    }

    pub(super) fn asked(&mut self, to: Option<u32>, now: Moment) {
        self.last = None;
        self.begin_log();
        (self.made, self.brings_up) = (false, false);
        let work = to.map_or(Work::Rebuild, |number| Work::GoTo(Some(number)));
        self.job = Some(Following::new(work, now));
    }

    pub(super) fn begun(&mut self, id: JobId) {
        if let Some(job) = &mut self.job {
            job.id = Some(id);
        }
    }

    pub(super) fn at(&mut self, step: Step, log: LogBuffer) {
        if let Some(job) = &mut self.job {
            job.step = step;
            self.log.append(log);
        }
    }

    pub(super) fn cancelling(&mut self) {
        if let Some(job) = &mut self.job {
            (job.cancelling, job.problem) = (true, None);
        }
    }

    fn begin_log(&mut self) {
        (self.log, self.log_number) = (LogBuffer::default(), self.next_log());
    }

    fn next_log(&mut self) -> u32 {
        self.logs = self.logs.wrapping_add(1);
        self.logs
    }

    pub(super) fn show_log(&mut self, job: JobId) {
        self.older = Some(Older::asked(job, self.next_log()));
    }

    /// Whether a job is followed, or the last one has said something.
    fn has_log(&self) -> bool {
        self.job.is_some() || self.log.count() > 0
    }

    /// That of another machine, of which nothing is known. The numbers of logs go on.
    pub(super) fn forgotten(&self) -> Self {
        Self { logs: self.logs, ..Self::default() }
    }

    /// That of a machine that is off. That it has none still holds when it is on again.
    pub(super) fn off(&mut self) -> Self {
        let none = self.problem.take().filter(|(problem, _)| problem.code == NO_SYSTEM);
        Self { problem: none, ..self.forgotten() }
    }

    fn overview(&self) -> Option<&Overview> {
        self.seen.as_ref().map(|(seen, _)| &seen.overview)
    }

    fn generation(&self, number: u32) -> Option<&Generation> {
        self.overview()?.generations.iter().find(|generation| generation.number == number)
    }
}

impl Following {
    fn new(work: Work, since: Moment) -> Self {
        Self { id: None, since, step: Step::Begin, by: None, work, cancelling: false, problem: None }
    }

    fn of(job: &Job, now: Moment) -> Self {
        let since = Moment::from_epoch(Duration::from_secs(job.began.min(now.since_epoch().as_secs())));
        let work = if job.is_rollback { Work::GoTo(job.generation) } else { Work::Rebuild };
        Self { id: Some(job.id.clone()), by: Some(job.by.clone()), ..Self::new(work, since) }
    }

    fn title(&self, name: &str) -> String {
        match self.work {
            Work::Rebuild => format!("Rebuilding {name}"),
            Work::GoTo(None) => format!("Taking {name} back"),
            Work::GoTo(Some(number)) => format!("Taking {name} to generation {number}"),
        }
    }

    /// Between two systems a job cannot be ended.
    const fn can_be_cancelled(&self) -> bool {
        let switching = matches!(self.step, Step::Activate | Step::Check | Step::Rollback);
        self.id.is_some() && !self.cancelling && !switching
    }
}

impl App {
    /// How long the next look at the machine's system can wait; `None` where nobody wants one, or it cannot be had now.
    pub fn next_look_at_system(&self, now: Moment) -> Option<Duration> {
        let system = &self.system;
        self.may_look_at_system().ok()?;
        if self.window && system.seen.is_none() && system.problem.is_none() {
            return Some(Duration::ZERO);
        }
        let due = system.due.into_iter().chain(self.in_background()).min()?;
        Some(due.since(now))
    }

    /// When the machine is to be asked with nobody looking.
    fn in_background(&self) -> Option<Moment> {
        let seen = self.system.seen.as_ref().map(|(_, at)| *at + IN_BACKGROUND);
        let due = seen.or_else(|| self.system.on_since.map(|since| since + SETTLED))?;
        let desired = &self.setup()?.desired;
        let may = desired.off_when_idle.is_none() && self.system.problem.is_none();
        // A clock that was set back does not put it off.
        may.then(|| due.min(self.now + IN_BACKGROUND))
    }

    /// A look at the system has ended. A disk that is nearly full is told once.
    pub(super) fn looked_at_system(&mut self, result: Result<Box<SystemSeen>, Problem>, now: Moment) {
        self.system.looked(result, now);
        let Some(disk) = self.system.overview().and_then(|overview| overview.state.disk) else { return };
        let scarce = is_scarce(disk);
        let known = std::mem::replace(&mut self.system.told_scarce, scarce);
        if scarce && !known && !self.window {
            let title = format!("The disk of {} is nearly full", name(self));
            let body =
                format!("{} of {} are free. Make room, or make it larger.", gib(disk.free), gib(disk.size));
            self.tell(NoticeKind::Disk, title, body, Page::Settings);
        }
    }

    /// Whether the answer of a look at the system is still wanted.
    pub fn awaits_system(&self) -> bool {
        self.system.looking
    }

    /// The job that is to be followed.
    pub fn job(&self) -> Option<&JobId> {
        self.system.job.as_ref()?.id.as_ref()
    }

    /// Whether a machine that was just made is to be rebuilt, which is what making it was for.
    pub fn brings_up(&self) -> bool {
        self.system.brings_up && self.may_rebuild().is_ok()
    }

    /// The next lines of the log with this number, from one on; `None`: it has not said them yet.
    ///
    /// # Errors
    /// The log is not kept any more, or nobody can be waiting for that line of it.
    pub fn log(&self, number: u32, from: u32) -> Result<Option<LogChunk>, Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        let system = &self.system;
        let of_job = Some(&system.log).filter(|_| number == system.log_number && system.has_log());
        let older = || system.older.as_ref().and_then(|older| older.log(number));
        let Some(log) = of_job.or_else(older) else {
            return refuse("This log is not kept any more");
        };
        if from > log.count() {
            return refuse("The log has no such line");
        }
        Ok(log.chunk(from))
    }

    /// Whether a job is asked for or followed.
    pub fn has_job(&self) -> bool {
        self.system.job.is_some()
    }

    pub(super) fn may_look_at_system(&self) -> Result<(), Refusal> {
        self.may_enter()?;
        if self.system.looking {
            return Err(Refusal { why: "The machine is being looked at".to_owned() });
        }
        Ok(())
    }

    pub(super) fn may_rebuild(&self) -> Result<(), Refusal> {
        self.may_enter()?;
        let refuse = |why: String| Err(Refusal { why });
        match (&self.system.job, &self.system.problem) {
            (Some(job), _) => refuse(format!("{} is under way", job.title(name(self)))),
            (None, Some((problem, _))) if problem.code == NO_SYSTEM => {
                refuse("This machine has no system to rebuild".to_owned())
            }
            (None, Some(_) | None) => Ok(()),
        }
    }

    pub(super) fn may_go_to(&self, number: u32) -> Result<(), Refusal> {
        self.may_rebuild()?;
        let refuse = |why: String| Err(Refusal { why });
        match self.system.generation(number) {
            None => refuse(format!("No generation {number} is known")),
            Some(generation) if generation.current => {
                refuse(format!("{} runs generation {number} already", name(self)))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn may_cancel_job(&self) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        match &self.system.job {
            None => refuse("The machine has no job"),
            Some(job) if job.cancelling => refuse("It is being cancelled"),
            Some(job) if !job.can_be_cancelled() => refuse("The machine is between two systems"),
            Some(_) => self.may_enter(),
        }
    }

    /// It goes on. Who asked for its end in the tray is told there.
    pub(super) fn job_not_cancelled(&mut self, id: &JobId, problem: Problem) {
        let name = name(self).to_owned();
        let Some(job) = self.system.job.as_mut().filter(|job| job.id.as_ref() == Some(id)) else { return };
        let problem = problem.harmless();
        let title = format!("{}: it could not be cancelled", job.title(&name));
        let body = sentence(&problem.what);
        (job.cancelling, job.problem) = (false, Some(problem));
        if !self.window {
            self.tell(NoticeKind::Rebuild, title, body, Page::Activity);
        }
    }

    /// The job has ended, or is lost from sight.
    pub(super) fn job_ended(&mut self, result: Result<Box<JobEnd>, Problem>, now: Moment) {
        let Some(following) = self.system.job.take() else { return };
        let name = name(self).to_owned();
        let title = following.title(&name);
        let (text, problem) = match result {
            Ok(end) => (said(&end.job, &name), end.problem.map(Problem::harmless)),
            Err(problem) => (format!("{title} did not work"), Some(problem.harmless())),
        };
        if !self.window {
            // Where it failed stands in its log.
            let (title, body, page) = match &problem {
                Some(problem) => {
                    (format!("{title}: it did not work"), sentence(&problem.what), Page::Activity)
                }
                None => (text.clone(), String::new(), Page::Machine),
            };
            self.tell(NoticeKind::Rebuild, title, body, page);
        }
        self.system.last = Some(Last { text, at: now, problem });
        // What it runs is another one now.
        self.system.due = Some(now);
    }
}

fn mib(bytes: u64) -> u32 {
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX)
}

fn is_scarce(disk: Disk) -> bool {
    disk.size > 0 && disk.free.saturating_mul(SCARCE) < disk.size
}

fn gib(bytes: u64) -> String {
    format!("{}.{} GiB", bytes >> 30, ((bytes & 0x3FFF_FFFF) * 10) >> 30)
}

fn said(job: &Job, name: &str) -> String {
    let generation =
        job.generation.map_or_else(|| "another system".to_owned(), |number| format!("generation {number}"));
    match job.outcome {
        Some(Outcome::Ok | Outcome::Partial) => format!("{name} runs {generation}"),
        Some(Outcome::Same) => format!("{name} runs what is declared already"),
        Some(Outcome::Boot) => format!("{name} takes {generation} at its next boot"),
        Some(Outcome::Built) => "It builds; nothing was changed".to_owned(),
        Some(Outcome::RolledBack) => format!("{name} went back to what it ran before"),
        Some(Outcome::Stuck) => format!("{name} is between two systems"),
        Some(_) | None if job.action == Action::Dry => "The trial build did not work".to_owned(),
        Some(_) | None => format!("{name} runs what it ran before"),
    }
}

/// What is shown of the system; `None` while nothing can be said of it.
pub(super) fn view(app: &App) -> Option<view::System> {
    let system = &app.system;
    let told = system.seen.is_some() || system.problem.is_some() || system.looking || system.job.is_some();
    let shown = match app.state() {
        State::On => told || app.may_enter().is_ok(),
        State::Unknown => system.seen.is_some() || system.job.is_some(),
        State::Absent | State::Starting | State::Stopping | State::Off | State::Ending => false,
    };
    if !shown {
        return None;
    }
    let offer = |label: &str, command: Command| {
        app.may(&command).ok().map(|()| Offer { label: label.to_owned(), note: None, asks: None })
    };
    let none = system.problem.as_ref().is_some_and(|(problem, _)| problem.code == NO_SYSTEM);
    let overview = system.overview();
    let generations = overview.map_or(&[][..], |overview| &overview.generations);
    Some(view::System {
        looking: system.looking,
        problem: system.problem.as_ref().filter(|_| !none).map(|(problem, _)| problem.clone()),
        seen: system.seen.as_ref().map(|(_, at)| seconds(*at)),
        runs: if none {
            Some("This machine is a shell on your computer, with no system of its own to rebuild".to_owned())
        } else {
            overview.map(|overview| runs(&overview.state))
        },
        note: overview.and_then(|overview| on_trial(&overview.state)),
        off: overview.and_then(|overview| overview.state.off.as_ref()).map(|off| view::GoesOff {
            at: u32::try_from(off.at).unwrap_or(u32::MAX),
            why: off.why.words().to_owned(),
        }),
        disk: overview.and_then(|overview| overview.state.disk).map(|disk| view::Disk {
            used: mib(disk.size.saturating_sub(disk.free)),
            size: mib(disk.size),
            scarce: is_scarce(disk),
        }),
        standing: system.seen.as_ref().and_then(|(seen, _)| standing(seen)),
        generations: generations.iter().map(|one| generation(app, one)).collect(),
        job: system.job.as_ref().map(|job| view::Job {
            title: job.title(name(app)),
            step: if job.cancelling { "cancelling".to_owned() } else { job.step.words() },
            since: seconds(job.since),
            by: job.by.clone(),
            cancel: offer("Cancel", Command::CancelJob),
            problem: job.problem.clone(),
        }),
        last: system.last.as_ref().map(|last| view::LastJob {
            text: last.text.clone(),
            at: seconds(last.at),
            problem: last.problem.clone(),
        }),
        log: system.has_log().then_some(view::Log { number: system.log_number }),
        rebuild: offer("Rebuild", Command::Rebuild),
        look: offer("Refresh", Command::LookAtSystem).filter(|_| !none),
    })
}

fn generation(app: &App, generation: &Generation) -> view::Generation {
    let Generation { number, made, version, revision, kernel, size, current, booted, good, trial, refused } =
        generation;
    let flags = [
        (*current, view::Flag::Current),
        (*booted && !current, view::Flag::Booted),
        (*good, view::Flag::Good),
        (*trial, view::Flag::Trial),
        (*refused, view::Flag::Refused),
    ];
    let runs = app.system.overview().and_then(|overview| overview.state.generation);
    let go = app.may(&Command::GoTo { generation: *number }).ok().map(|()| {
        let label = if runs.is_some_and(|runs| *number < runs) { "Go back" } else { "Go to" };
        let before = if *refused { " It went back from it before." } else { "" };
        let asks = format!(
            "{} switches to generation {number} now, which may restart what runs on it, and switches back by itself if \
             nobody could come in then.{before}",
            name(app)
        );
        Offer { label: label.to_owned(), note: None, asks: Some(asks) }
    });
    view::Generation {
        number: *number,
        made: u32::try_from(*made).unwrap_or(u32::MAX),
        revision: revision.clone().or_else(|| version.as_ref().map(|version| format!("NixOS {version}"))),
        kernel: kernel.clone(),
        size: size.map(|bytes| u32::try_from(bytes >> 20).unwrap_or(u32::MAX)),
        flags: flags.into_iter().filter_map(|(is, flag)| is.then_some(flag)).collect(),
        go,
    }
}

/// What is said of what is declared for the machine.
fn standing(seen: &SystemSeen) -> Option<view::Measured> {
    let SystemSeen { overview, declared } = seen;
    let declared = match declared {
        Ok(declared) => declared,
        Err(problem) => {
            let text = format!("Whether that is what is declared cannot be said: {}", problem.what);
            return Some(view::Measured { standing: Standing::Unknown, text, rebuild_next: false });
        }
    };
    let standing = Standing::of(overview.state.revision.as_deref(), &overview.placed, declared);
    let (place, revision, edited) = match declared {
        Declared::Here(here) => (
            "on this computer",
            here.revision.as_str(),
            "Somebody changed the configuration on the machine; to bring that to this computer: holdfast config pull",
        ),
        Declared::Repository(Checkout { is_other: true, .. }) => (
            "in the repository",
            "another one",
            "The clone on the machine is of another repository; move it away there, and rebuild",
        ),
        Declared::Repository(checkout) => (
            "in the repository",
            checkout.remote.as_ref().map_or("another one", |commit| &commit[..12]),
            "In the clone on the machine is something that the repository does not have; to build that: holdfast rebuild --local",
        ),
    };
    let refused = went_back(overview, revision);
    let text = match standing {
        Standing::UpToDate => format!("That is what is {place}"),
        Standing::Behind if refused => {
            format!("The machine is behind: {place} is {revision}, which it went back from")
        }
        Standing::Behind => format!("The machine is behind: {place} is {revision}"),
        Standing::NotHoldfasts => format!("A rebuild has it run what is {place}, {revision}"),
        Standing::EditedThere => edited.to_owned(),
        Standing::Unknown => {
            "Whether that is what is declared cannot be said: the repository could not be asked".to_owned()
        }
    };
    let rebuild_next = matches!(standing, Standing::Behind | Standing::NotHoldfasts) && !refused;
    Some(view::Measured { standing, text, rebuild_next })
}

/// Whether the machine would refuse this revision.
fn went_back(overview: &Overview, revision: &str) -> bool {
    let same = |one: &&Generation| one.revision.as_deref() == Some(revision);
    overview.generations.iter().find(same).is_some_and(|one| one.refused)
}

fn runs(state: &MachineState) -> String {
    let generation = state.generation.map_or_else(String::new, |number| format!("generation {number}"));
    match &state.revision {
        Some(revision) => format!("Runs {generation}, {revision}"),
        None => format!("Runs {generation}, what its image came with"),
    }
}

fn on_trial(state: &MachineState) -> Option<String> {
    let trial = state.trial.as_ref()?;
    let previous = trial.previous.map_or_else(|| "the one before".to_owned(), |number| number.to_string());
    Some(if trial.waits_for_boot {
        format!(
            "Generation {} shows at the next boot whether it works; else the boot after that takes {previous}",
            trial.number
        )
    } else {
        format!("Generation {} is on trial until somebody connects", trial.number)
    })
}
