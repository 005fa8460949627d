//! What this computer has changed: in AWS and on the machine, when, as whom, and with which result. It stays on this computer.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

pub use holdfast_core::history::{Deed, Outcome};
use holdfast_core::jobs::JobId;
use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::{Goal, Step};
use uuid::Uuid;

use crate::aws::Aws;
use crate::problem::Problem;
use crate::rotate::{before, open};
use crate::store::Store;
use crate::world::{Done, Failure, World};

/// A file that is longer than this makes way for a new one; the one before it is kept, too.
const LONGEST: u64 = 1 << 20;

/// Where deeds are kept.
#[derive(Clone, Debug)]
pub struct Deeds(PathBuf);

impl Deeds {
    /// In this file, and one beside it.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Keeps a deed. One that cannot be kept stops nothing.
    pub fn record(&self, deed: &Deed) {
        if let Err(error) = self.append(deed) {
            tracing::warn!(%error, "what was done cannot be kept");
        }
    }

    fn append(&self, deed: &Deed) -> std::io::Result<()> {
        // In one piece: several processes may write at a time.
        let line = format!("{}\n", serde_json::to_string(deed)?);
        open(&self.0, LONGEST)?.write_all(line.as_bytes())
    }

    /// All that are kept, the oldest first. A line that makes no sense is left out.
    pub fn all(&self) -> Vec<Deed> {
        let texts =
            [before(&self.0), self.0.clone()].into_iter().filter_map(|path| fs::read_to_string(path).ok());
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

/// A world of which everything that changes it is kept.
pub struct Recorded<'a, W> {
    world: &'a W,
    deeds: Deeds,
    operation: &'a str,
    run: String,
    who: RefCell<Option<String>>,
}

impl<'a, W: World> Recorded<'a, W> {
    /// What `operation` changes is kept in the store.
    pub fn new(world: &'a W, store: &Store, operation: &'a str) -> Self {
        let run = Uuid::new_v4().simple().to_string();
        Self { world, deeds: store.deeds(), operation, run, who: RefCell::default() }
    }
}

impl<W> std::fmt::Debug for Recorded<'_, W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recorded").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl<W: World> World for Recorded<'_, W> {
    async fn observe(&self, desired: &Desired, goal: Goal) -> Result<Observed, Problem> {
        let observed = self.world.observe(desired, goal).await?;
        if let Some(caller) = observed.caller.present() {
            self.who.replace(Some(caller.to_string()));
        }
        Ok(observed)
    }

    async fn glance(&self, desired: &Desired) -> Result<Observed, Problem> {
        self.world.glance(desired).await
    }

    fn takes_new_credentials(&self) -> bool {
        self.world.takes_new_credentials()
    }

    async fn perform(&self, desired: &Desired, step: &Step) -> Result<Done, Failure> {
        let result = self.world.perform(desired, step).await;
        let (outcome, why) = match &result {
            Ok(_) => (Outcome::Done, None),
            // It is tried again in a moment.
            Err(Failure::NotYet(_)) => return result,
            Err(Failure::Changed(problem)) => (Outcome::Unknown, Some(problem)),
            Err(Failure::Short(problem) | Failure::Refused(problem)) => (Outcome::Refused, Some(problem)),
        };
        self.deeds.record(&Deed {
            at: now(),
            who: self.who.borrow().clone(),
            machine: desired.key(),
            operation: self.operation.to_owned(),
            run: Some(self.run.clone()),
            job: None,
            what: step.words().what,
            result: outcome,
            why: why.map(|problem| problem.what.clone()),
        });
        result
    }
}

/// Something on the machine itself, and what became of it.
pub async fn on_machine<T>(
    store: &Store,
    whose: (&Aws, &Desired),
    operation: &str,
    what: String,
    result: &Result<T, Problem>,
) {
    record(store, whose, operation, None, what, result.as_ref().err()).await;
}

/// The same with what is about a job of the machine's, as far as there is one.
pub async fn on_job<T>(
    store: &Store,
    whose: (&Aws, &Desired),
    operation: &str,
    job: Option<&JobId>,
    what: String,
    result: &Result<T, Problem>,
) {
    record(store, whose, operation, job, what, result.as_ref().err()).await;
}

/// How a job on the machine ended that was asked for here.
pub async fn job_ended(store: &Store, whose: (&Aws, &Desired), id: &JobId, problem: Option<&Problem>) {
    record(store, whose, "job", Some(id), format!("The job {id} has ended"), problem).await;
}

async fn record(
    store: &Store,
    (aws, desired): (&Aws, &Desired),
    operation: &str,
    job: Option<&JobId>,
    what: String,
    why: Option<&Problem>,
) {
    // The machine knows nobody by the name that AWS has for them.
    let who = aws.whoever().await;
    store.deeds().record(&Deed {
        at: now(),
        who: who.map(|who| who.to_string()),
        machine: desired.key(),
        operation: operation.to_owned(),
        run: None,
        job: job.cloned(),
        what,
        result: if why.is_none() { Outcome::Done } else { Outcome::Refused },
        why: why.map(|problem| problem.what.clone()),
    });
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(what: &str) -> Deed {
        Deed {
            at: 1_795_000_000,
            who: Some("123456789012/user/ada".to_owned()),
            machine: "ada/remote-dev/us-west-2".to_owned(),
            operation: "apply".to_owned(),
            run: None,
            job: None,
            what: what.to_owned(),
            result: Outcome::Done,
            why: None,
        }
    }

    #[test]
    fn the_oldest_make_way() {
        let folder = tempfile::tempdir().unwrap();
        let history = Deeds::at(folder.path().join("state/history.jsonl"));
        assert_eq!(history.all(), []);
        let long = "x".repeat(100_000);
        for number in 0..30 {
            history.record(&deed(&format!("{number} {long}")));
        }
        let kept = history.all();
        let first = kept.first().unwrap().what.split(' ').next().unwrap().to_owned();
        assert!(kept.len() > 10 && kept.len() < 25, "{}", kept.len());
        assert!(kept.last().unwrap().what.starts_with("29 ") && first != "0", "{first}");
        let size: u64 = fs::read_dir(folder.path().join("state"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size < 3 * LONGEST);
        fs::write(folder.path().join("state/history.jsonl"), "nonsense\n{}\n").unwrap();
        history.record(&deed("again"));
        assert_eq!(history.all().last(), Some(&deed("again")));
    }
}
