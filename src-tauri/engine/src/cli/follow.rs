//! A job as the person at the terminal sees it: where it is and how long it has taken, and its log on Enter.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::rc::Rc;
use std::time::Duration;

use holdfast_core::app::harmless::harmless_line;
use holdfast_core::jobs::{
    Action, Diagnosis, Entry, Fate, Job, JobId, Mark, Outcome, Package, Progress, Stage,
};
use indicatif::ProgressBar;

use super::Context;
use super::ask;
use super::out::{self, Style};
use super::progress::new_spinner;
use crate::aws::profile::sign_in_command;
use crate::history::job_ended;
use crate::jobs::{Watcher, ended_badly, follow};
use crate::problem::Problem;
use crate::rebuild::take_lock;
use crate::remote::Machine;

/// Lines that Enter shows of what was before.
const KEPT: usize = 400;

pub(super) struct Live {
    log: bool,
    toggled: Rc<Cell<bool>>,
    live: bool,
    spinner: Option<ProgressBar>,
    told: Option<String>,
    kept: VecDeque<String>,
    diagnosis: Diagnosis,
    packages: Vec<Package>,
    /// What was said of a way that is lost: whether it was the sign-in.
    lost: Option<bool>,
    /// The command that signs in again.
    sign_in: Option<String>,
}

impl Live {
    fn new(log: bool, under_way: Duration, toggled: Rc<Cell<bool>>, sign_in: Option<String>) -> Self {
        let live = std::io::stderr().is_terminal();
        Self {
            log,
            toggled,
            live,
            spinner: live.then(|| new_spinner().with_elapsed(under_way)),
            told: None,
            kept: VecDeque::new(),
            diagnosis: Diagnosis::default(),
            packages: Vec::new(),
            lost: None,
            sign_in,
        }
    }

    fn say(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| out::talk(line)),
            None => out::talk(line),
        }
    }

    fn show(&mut self, progress: &Progress) {
        let words = progress.step().words();
        let stage = words.split(' ').next().unwrap_or_default().to_owned();
        if let Some(spinner) = &self.spinner {
            let hint = if self.log { "" } else { "  (Enter shows the log)" };
            spinner.set_message(format!("{words}{hint}"));
        }
        if !self.live && self.told.as_ref() != Some(&stage) {
            out::talk(&format!("  {words}"));
            self.told = Some(stage);
        }
    }
}

impl Watcher for Live {
    fn line(&mut self, entry: &Entry, progress: &Progress) {
        self.lost = None;
        self.diagnosis.line(&entry.text);
        if progress.stage() == Some(Stage::Compare) {
            self.packages.extend(Package::read(&entry.text));
        }
        let line = harmless_line(&entry.text);
        if self.toggled.take() {
            self.log = !self.log;
            for line in std::mem::take(&mut self.kept) {
                self.say(&line);
            }
        }
        if self.log {
            self.say(&line);
        } else {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(line);
        }
        self.show(progress);
    }

    fn mark(&mut self, mark: &Mark, progress: &Progress) {
        self.diagnosis.mark(mark);
        if let Mark::Note(note) = mark {
            self.say(&format!("{} {}", Style::stderr().yellow("Note:"), harmless_line(note)));
        }
        self.show(progress);
    }

    fn lost(&mut self, problem: &Problem) {
        tracing::debug!(%problem, "no way to the log");
        let signed_out = problem.is_about_credentials();
        if self.lost.replace(signed_out) == Some(signed_out) {
            return;
        }
        if signed_out {
            let way = self.sign_in.as_ref().map(|way| format!(" ({way})")).unwrap_or_default();
            let line =
                format!("  your AWS sign-in is over; the job goes on, and so does this after a new one{way}");
            self.say(&Style::stderr().yellow(&line));
        } else {
            self.say("  no way to the machine; the job goes on there, and so does this once there is one");
        }
    }

    fn waits_for_sign_in(&self) -> bool {
        self.live
    }
}

/// How a job is watched.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// Its log is shown.
    pub(super) log: bool,
    /// It was asked for here: its end is kept, and what it made of the inputs' lock comes back here.
    pub(super) ours: bool,
    /// For how long it has run.
    pub(super) under_way: Duration,
}

impl Watch {
    /// Of a job that has just been asked for here.
    pub(super) const fn ours(log: bool) -> Self {
        Self { log, ours: true, under_way: Duration::ZERO }
    }
}

/// Follows a job to its end, and says how that was.
pub(super) async fn to_the_end(
    context: &Context,
    machine: Machine<'_>,
    id: &JobId,
    Watch { log, ours, under_way }: Watch,
) -> Result<u8, Problem> {
    let toggled = Rc::new(Cell::new(false));
    let sign_in = sign_in_command(&context.desired);
    let mut live = Live::new(log, under_way, Rc::clone(&toggled), sign_in);
    let enter = async {
        loop {
            ask::enter().await;
            toggled.set(true);
        }
    };
    let job = tokio::select! {
        job = follow(machine, id, &mut live) => job?,
        never = enter => never,
    };
    if let Some(spinner) = live.spinner.take() {
        spinner.finish_and_clear();
    }
    if ours
        && job.updates
        && job.action != Action::Dry
        && job.outcome.is_some_and(Outcome::is_good)
        && take_lock(machine, &context.store, &job).await?
    {
        out::talk("The new flake.lock is here, too.");
    }
    if job.outcome == Some(Outcome::Built) {
        differences(&live.packages);
    }
    let problem = ended_badly(&job, &live.diagnosis);
    if ours {
        let whose = (&context.aws, &context.desired);
        job_ended(&context.store, whose, id, problem.as_ref()).await;
    }
    match problem {
        Some(problem) => Err(problem.hint(format!("see all of it: holdfast job follow {id}"))),
        None => {
            out::talk(&sentence(&job));
            Ok(0)
        }
    }
}

fn sentence(job: &Job) -> String {
    let generation = job.generation.map_or_else(String::new, |number| format!("generation {number}"));
    match job.outcome {
        Some(Outcome::Same) => "The machine runs that already; nothing was changed.".to_owned(),
        Some(Outcome::Boot) => format!("The machine takes {generation} at its next boot: holdfast restart"),
        Some(Outcome::Built) => "It builds. Nothing was changed on the machine.".to_owned(),
        Some(_) | None => format!("The machine runs {generation}."),
    }
}

fn differences(packages: &[Package]) {
    if packages.is_empty() {
        out::data("No package differs.");
    }
    let style = Style::stdout();
    for fate in [Fate::Added, Fate::Removed, Fate::Changed] {
        for package in packages.iter().filter(|package| package.fate == fate) {
            let mark = match fate {
                Fate::Added => style.green("+"),
                Fate::Removed => style.red("-"),
                Fate::Changed => style.yellow("~"),
            };
            let size =
                package.size.as_ref().map_or_else(String::new, |size| format!("  {}", style.soft(size)));
            out::data(&format!("{mark} {} {}{size}", package.name, package.versions));
        }
    }
}
