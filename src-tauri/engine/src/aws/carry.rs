//! The machine takes its home from a volume: it does that by itself, and this asks it how far it is.

use std::time::Duration;

use holdfast_core::jobs::Carrying;
use holdfast_core::machine::Desired;
use holdfast_core::names::{InstanceId, SnapshotId, VolumeId};
use tokio::time::{Instant, sleep};

use super::Aws;
use super::perform::Trouble;
use crate::jobs::{BUSY, failed, garbled};
use crate::problem::Problem;
use crate::remote::Machine;

/// The first and the longest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How long the machine may not answer at all.
const SILENCE: Duration = Duration::from_secs(600);

/// Has the machine take all homes that are on the volume, which is a copy of `snapshot`, and waits until every file is there and
/// checked. Whoever asks for the same while it goes on, or when it is done, only waits, or learns that.
pub(super) async fn carry(
    aws: &Aws,
    desired: &Desired,
    instance: &InstanceId,
    volume: &VolumeId,
    snapshot: &SnapshotId,
) -> Result<(), Trouble> {
    let machine = Machine { aws, desired, instance };
    let start = ["carry", "start", volume.as_str(), snapshot.as_str()];
    let mut words: &[&str] = &start;
    let (mut pause, mut heard) = (PAUSES.0, Instant::now());
    loop {
        match machine.order(words).await {
            Ok(answer) if answer.status == BUSY => {
                return Err(Trouble::Refused(not_carried("another job runs on the new machine")));
            }
            Ok(answer) if answer.status != 0 => {
                return Err(Trouble::Refused(failed("The machine did not begin to take its home", &answer)));
            }
            Ok(answer) => {
                heard = Instant::now();
                words = &["carry", "state"];
                match Carrying::parse(&answer.out, snapshot) {
                    Ok(Carrying::Done { files, bytes }) => {
                        tracing::info!(files, bytes, "the home is there");
                        return Ok(());
                    }
                    Ok(Carrying::Running { phase }) => tracing::debug!(phase, "the home is on its way"),
                    Ok(Carrying::Failed { why }) => return Err(Trouble::Refused(not_carried(&why))),
                    Err(error) => return Err(Trouble::Refused(garbled(error))),
                }
            }
            Err(problem) if problem.is_about_credentials() || problem.is_denied() => {
                return Err(Trouble::Refused(problem));
            }
            // It goes on without us.
            Err(problem) if heard.elapsed() > SILENCE => return Err(Trouble::Refused(problem)),
            Err(problem) => tracing::debug!(%problem, "the machine does not answer"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn not_carried(why: &str) -> Problem {
    Problem::new("not_carried", "The home is not on the new machine")
        .because(why)
        .hint("the old machine is as it was; try again: holdfast replace")
}
