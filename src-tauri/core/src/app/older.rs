//! The log of a job that is over. The machine keeps it, and it is fetched for whoever asks for it.

use super::harmless::harmless;
use super::show::{name, sentence};
use super::{App, Problem, Refusal, view};
use crate::jobs::{JobId, LogBuffer};

/// One that somebody has asked for.
#[derive(Debug)]
pub(super) struct Older {
    job: JobId,
    /// Its number among all logs.
    number: u32,
    log: LogBuffer,
    /// It is still being fetched.
    reading: bool,
    /// Why it is not all there.
    problem: Option<Problem>,
}

impl Older {
    pub(super) fn asked(job: JobId, number: u32) -> Self {
        Self { job, number, log: LogBuffer::default(), reading: true, problem: None }
    }

    /// It, where it has this number.
    pub(super) fn log(&self, number: u32) -> Option<&LogBuffer> {
        (self.number == number).then_some(&self.log)
    }

    fn view(&self) -> view::OlderLog {
        let is_empty = !self.reading && self.problem.is_none() && self.log.count() == 0;
        view::OlderLog {
            job: self.job.clone(),
            log: view::Log { number: self.number },
            reading: self.reading,
            note: is_empty.then(|| "The machine has no line of it any more.".to_owned()),
            problem: self.problem.clone(),
        }
    }
}

impl App {
    /// The number of the log of a job that is over, where somebody has asked for one.
    pub fn older_log(&self) -> Option<u32> {
        self.system.older.as_ref().map(|older| older.number)
    }

    /// Lines of such a log are there.
    pub(super) fn read_log(&mut self, number: u32, lines: LogBuffer) {
        if let Some(older) = self.system.older.as_mut().filter(|older| older.number == number) {
            older.log.append(lines);
        }
    }

    /// There are no more lines of it.
    pub(super) fn log_over(&mut self, number: u32, result: Result<(), Problem>) {
        if let Some(older) = self.system.older.as_mut().filter(|older| older.number == number) {
            (older.reading, older.problem) = (false, result.err().map(Problem::harmless));
        }
    }

    pub(super) fn may_show_log(&self, job: &JobId) -> Result<(), Refusal> {
        match self.history.machine_of(job) {
            Some(machine) => self.may_fetch_log(job, machine),
            None => Err(Refusal { why: format!("No job {job} is known") }),
        }
    }

    /// Whether the log of a job of this machine's can be had.
    fn may_fetch_log(&self, job: &JobId, machine: &str) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal { why });
        if self.setup().is_none_or(|setup| machine != harmless(&setup.desired.key(), 120)) {
            return refuse(format!("Its log is on the machine {machine}"));
        }
        if self.job() == Some(job) {
            return refuse("It goes on, and its log is with it".to_owned());
        }
        if self.system.older.as_ref().is_some_and(|older| older.reading && older.job == *job) {
            return refuse("It is being fetched".to_owned());
        }
        self.may_enter().map_err(|_| Refusal {
            why: format!("Its log is on {}, which cannot be reached now", name(self)),
        })
    }

    /// What the history shows, with what can be done about the logs of its jobs.
    pub(super) fn with_logs(&self, mut history: view::History) -> view::History {
        for run in &mut history.runs {
            let Some(log) = &mut run.log else { continue };
            let refused = self.may_fetch_log(&log.job, &run.machine).err();
            log.refused = refused.map(|refusal| sentence(&refusal.why));
        }
        history.log = self.system.older.as_ref().map(Older::view);
        history
    }
}
