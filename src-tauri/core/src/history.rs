//! What a computer has changed: deeds, and the runs of commands that they belong to.

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::jobs::JobId;

/// What was done within so many seconds of each other by the same command belongs together, where nothing else tells.
const TOGETHER: u64 = 300;

/// One thing that was changed, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Deed {
    /// When, in seconds since the Unix epoch.
    pub at: u64,
    /// Who we were to AWS: account and user, or account, role and session; `None` where AWS did not say.
    pub who: Option<String>,
    /// The machine, as `<user>/<name>/<region>`.
    pub machine: String,
    /// The command, as in `apply`.
    pub operation: String,
    /// A name that all have that one run of it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The machine's job that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What, as a plan says it.
    pub what: String,
    /// What became of it.
    pub result: Outcome,
    /// Why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What became of something; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has its effect.
    Done,
    /// Nobody heard: it may have its effect.
    Unknown,
    /// It has none.
    Refused,
}

/// Deeds by the runs that they belong to, the newest run first, and in each the oldest deed first. `deeds` are in the order in
/// which they were done; several processes may have done them at a time.
pub fn runs(deeds: &[Deed]) -> Vec<Vec<&Deed>> {
    let mut runs: Vec<Vec<&Deed>> = Vec::new();
    for deed in deeds {
        // Only what was done last can go on, or a job.
        let open = runs.iter_mut().rev().take(if deed.job.is_some() { usize::MAX } else { 4 });
        let mut open = open.enumerate();
        let found = open.find(|(age, run)| run.last().is_some_and(|last| goes_on(last, deed, *age == 0)));
        match found {
            Some((_, run)) => run.push(deed),
            None => runs.push(vec![deed]),
        }
    }
    runs.reverse();
    runs
}

/// Whether `next` belongs to what `last` belongs to. `newest`: nothing else was done between them.
fn goes_on(last: &Deed, next: &Deed, newest: bool) -> bool {
    let near = next.at.saturating_sub(last.at) <= TOGETHER;
    last.machine == next.machine
        && match (&last.job, &next.job) {
            // What became of a job belongs to what began it.
            (Some(last), Some(next)) => last == next,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => {
                let same_run = last.run.is_some() && last.run == next.run;
                last.operation == next.operation && (newest && near || same_run)
            }
        }
}

/// A command as a title: what a person would say that it does.
pub fn title(operation: &str) -> String {
    let known = match operation.split(' ').collect::<Vec<_>>()[..] {
        ["up"] => "Make",
        ["start"] => "Start",
        ["stop"] => "Stop",
        ["restart"] => "Restart",
        ["apply"] => "Apply the settings",
        ["resize"] => "Resize",
        ["destroy"] => "Destroy",
        ["adopt"] => "Adopt",
        ["replace"] => "Replace",
        ["replace", "--cancel"] => "Take the replacement back",
        ["replace", "--let-go"] => "Let the old instance go",
        ["replace", "--back"] => "Go back to the old instance",
        ["snapshot", "create"] => "Take a snapshot",
        ["snapshot", "delete"] => "Delete snapshots",
        ["snapshot", "restore", ..] => "Restore from a snapshot",
        ["rebuild"] => "Rebuild",
        ["rollback"] => "Go to another generation",
        ["job"] => "End of a job",
        ["job", "cancel"] => "Cancel a job",
        ["sessions", "kill"] => "End a session",
        ["upload"] => "Put a file on the machine",
        _ => return format!("holdfast {operation}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(at: u64, operation: &str, run: Option<&str>) -> Deed {
        Deed {
            at,
            who: None,
            machine: "ada/remote-dev/us-west-2".to_owned(),
            operation: operation.to_owned(),
            run: run.map(ToOwned::to_owned),
            job: None,
            what: String::new(),
            result: Outcome::Done,
            why: None,
        }
    }

    fn grouped(deeds: &[Deed]) -> Vec<Vec<u64>> {
        runs(deeds).iter().map(|run| run.iter().map(|deed| deed.at).collect()).collect()
    }

    #[test]
    fn what_one_run_did_is_together_however_long_it_took_and_whatever_went_on_beside_it() {
        let deeds = [
            deed(0, "replace", Some("a")),
            deed(10, "start", Some("b")),
            deed(9000, "replace", Some("a")),
            deed(9010, "stop", None),
            deed(9020, "stop", None),
            deed(9900, "stop", None),
        ];
        assert_eq!(grouped(&deeds), [vec![9900], vec![9010, 9020], vec![10], vec![0, 9000]]);
    }

    #[test]
    fn two_parts_of_one_command_are_together_and_those_of_two_machines_are_not() {
        let other = Deed { machine: "ada/other/us-west-2".to_owned(), ..deed(30, "up", Some("c")) };
        let deeds = [deed(0, "up", Some("a")), deed(20, "up", Some("b")), other];
        assert_eq!(grouped(&deeds), [vec![30], vec![0, 20]]);
        assert_eq!(grouped(&[]), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn what_is_done_again_after_something_else_is_another_run() {
        let deeds = [
            deed(0, "stop", Some("a")),
            deed(20, "start", Some("b")),
            deed(40, "stop", Some("c")),
            deed(60, "start", Some("d")),
        ];
        assert_eq!(grouped(&deeds), [vec![60], vec![40], vec![20], vec![0]]);
    }

    #[test]
    fn what_a_job_did_is_together_from_its_begin_to_its_end() {
        let of = |job: &str, deed: Deed| Deed { job: job.parse().ok(), ..deed };
        let deeds = [
            of("1-a", deed(0, "rebuild", None)),
            deed(5, "sessions kill", None),
            of("1-a", deed(900, "job cancel", None)),
            of("1-a", deed(910, "job", None)),
            of("1-b", deed(920, "rebuild", None)),
            // It never began.
            deed(930, "rebuild", None),
        ];
        assert_eq!(grouped(&deeds), [vec![930], vec![920], vec![5], vec![0, 900, 910]]);
    }

    #[test]
    fn every_command_has_a_title() {
        assert_eq!(title("snapshot restore snap-1"), "Restore from a snapshot");
        assert_eq!(title("frobnicate"), "holdfast frobnicate");
        let old = r#"{"at":1,"who":null,"machine":"m","operation":"up","what":"w","result":"done"}"#;
        assert_eq!(serde_json::from_str::<Deed>(old).unwrap().run, None, "a line of an older version");
    }
}
