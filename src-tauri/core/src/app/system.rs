//! What is known of the system that the machine runs, and the job that changes it.
//!
//! As with its sessions, a look costs a session through SSM, so there is none in the background. A job is followed to its end,
//! whether anybody looks or not.

use std::time::Duration;

use super::show::{name, seconds, sentence};
use super::view::{self, Offer};
use super::{App, Command, JobEnd, Problem, Refusal};
use crate::app::Notice;
use crate::app::Page;
use crate::jobs::{Action, Job, JobId, MachineState, Outcome, Step};
use crate::status::State;
use crate::time::Moment;

/// For how long an answer will do when somebody looks at the window again.
const FRESH: Duration = Duration::from_secs(60);
/// The problem that a machine is none of its own, as a machine of the sandbox.
const NO_SYSTEM: &str = "no_system";

/// The system of a machine that is on.
#[derive(Debug, Default)]
pub(super) struct System {
    state: Option<(MachineState, Moment)>,
    /// Why the last look brought nothing, and when.
    problem: Option<(Problem, Moment)>,
    looking: bool,
    /// When to look next.
    due: Option<Moment>,
    job: Option<Following>,
    last: Option<Last>,
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
    is_rollback: bool,
    cancelling: bool,
}

/// How the last job ended.
#[derive(Debug)]
struct Last {
    text: String,
    at: Moment,
    problem: Option<Problem>,
}

impl System {
    /// Somebody looks at the window.
    pub(super) fn watched(&mut self, now: Moment) {
        let seen = self.state.as_ref().map(|(_, at)| *at).max(self.problem.as_ref().map(|(_, at)| *at));
        if seen.is_some_and(|seen| now.since(seen) > FRESH) {
            self.due.get_or_insert(now);
        }
    }

    pub(super) fn looking(&mut self) {
        (self.looking, self.due) = (true, None);
    }

    pub(super) fn looked(&mut self, result: Result<MachineState, Problem>, now: Moment) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        match result {
            Ok(state) => {
                if let (None, Some(job)) = (&self.job, state.running()) {
                    self.job = Some(Following::of(job, now));
                }
                (self.state, self.problem) = (Some((state, now)), None);
            }
            Err(problem) => self.problem = Some((problem.harmless(), now)),
        }
    }

    pub(super) fn asked(&mut self, now: Moment) {
        self.last = None;
        self.job = Some(Following {
            id: None,
            since: now,
            step: Step::Begin,
            by: None,
            is_rollback: false,
            cancelling: false,
        });
    }

    pub(super) fn begun(&mut self, id: JobId) {
        if let Some(job) = &mut self.job {
            job.id = Some(id);
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        if let Some(job) = &mut self.job {
            job.step = step;
        }
    }

    pub(super) fn cancelling(&mut self, is: bool) {
        if let Some(job) = &mut self.job {
            job.cancelling = is;
        }
    }
}

impl Following {
    fn of(job: &Job, now: Moment) -> Self {
        Self {
            id: Some(job.id.clone()),
            since: Moment::from_epoch(Duration::from_secs(job.began.min(now.since_epoch().as_secs()))),
            step: Step::Begin,
            by: Some(job.by.clone()),
            is_rollback: job.is_rollback,
            cancelling: false,
        }
    }

    fn title(&self, name: &str) -> String {
        if self.is_rollback { format!("Taking {name} back") } else { format!("Rebuilding {name}") }
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
        if self.window && system.state.is_none() && system.problem.is_none() {
            return Some(Duration::ZERO);
        }
        Some(system.due?.since(now))
    }

    /// Whether the answer of a look at the system is still wanted.
    pub fn awaits_system(&self) -> bool {
        self.system.looking
    }

    /// The job that is to be followed.
    pub fn job(&self) -> Option<&JobId> {
        self.system.job.as_ref()?.id.as_ref()
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

    pub(super) fn may_cancel_job(&self) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        match &self.system.job {
            None => refuse("The machine has no job"),
            Some(job) if job.cancelling => refuse("It is being cancelled"),
            Some(job) if !job.can_be_cancelled() => refuse("The machine is between two systems"),
            Some(_) => self.may_enter(),
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
            let (title, body) = match &problem {
                Some(problem) => (format!("{title}: it did not work"), sentence(&problem.what)),
                None => (text.clone(), String::new()),
            };
            self.notices.push_back(Notice { title, body, page: Page::Machine });
        }
        self.system.last = Some(Last { text, at: now, problem });
        // What it runs is another one now.
        self.system.due = Some(now);
    }
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
    let told = system.state.is_some() || system.problem.is_some() || system.looking || system.job.is_some();
    let shown = match app.state() {
        State::On => told || app.may_enter().is_ok(),
        State::Unknown => system.state.is_some() || system.job.is_some(),
        State::Absent | State::Starting | State::Stopping | State::Off | State::Ending => false,
    };
    if !shown {
        return None;
    }
    let offer = |label: &str, command: Command| {
        app.may(&command).ok().map(|()| Offer { label: label.to_owned(), note: None, asks: None })
    };
    let none = system.problem.as_ref().is_some_and(|(problem, _)| problem.code == NO_SYSTEM);
    Some(view::System {
        looking: system.looking,
        problem: system.problem.as_ref().filter(|_| !none).map(|(problem, _)| problem.clone()),
        seen: system.state.as_ref().map(|(_, at)| seconds(*at)),
        runs: if none {
            Some("This machine is a shell on your computer, with no system of its own to rebuild".to_owned())
        } else {
            system.state.as_ref().map(|(state, _)| runs(state))
        },
        note: system.state.as_ref().and_then(|(state, _)| on_trial(state)),
        job: system.job.as_ref().map(|job| view::Job {
            title: job.title(name(app)),
            step: if job.cancelling { "cancelling".to_owned() } else { job.step.words() },
            since: seconds(job.since),
            by: job.by.clone(),
            cancel: offer("Cancel", Command::CancelJob),
        }),
        last: system.last.as_ref().map(|last| view::LastJob {
            text: last.text.clone(),
            at: seconds(last.at),
            problem: last.problem.clone(),
        }),
        rebuild: offer("Rebuild", Command::Rebuild),
        look: offer("Refresh", Command::LookAtSystem).filter(|_| !none),
    })
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
