//! What the app does about the system that the machine runs: it looks, asks for a rebuild, and follows a job to its end.

use holdfast_core::app::{self, Event, JobEnd};
use holdfast_core::jobs::{Action, Diagnosis, Entry, JobId, MachineState, Mark, Progress, Step};
use holdfast_core::machine::Desired;
use holdfast_core::names::InstanceId;
use tokio::sync::mpsc;

use super::sessions::on;
use super::{Boxed, Place};
use crate::jobs::{self, Watcher, ended_badly};
use crate::problem::Problem;
use crate::rebuild::{Wish, rebuild, whoami};
use crate::remote::Machine;

type Ended = Result<Box<JobEnd>, app::Problem>;

/// Looks at it: one session through SSM.
pub(super) async fn look(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
) -> Result<MachineState, app::Problem> {
    on(place, &desired, &instance, async |machine| jobs::state(machine).await).await
}

/// Has the machine rebuild itself, and follows that. What has to be agreed to is a problem that says where.
pub(super) async fn rebuild_and_follow(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    desired: Desired,
    instance: InstanceId,
) -> Ended {
    let wish =
        Wish { action: Action::Switch, again: false, update: None, over: false, local: false, by: whoami() };
    let work = async {
        let aws = place.aws(&desired).await?;
        let machine = Machine { aws: &aws, desired: &desired, instance: &instance };
        let begun = rebuild(machine, place.store(), &wish, async |_| false).await?;
        // Whoever told it is there as long as this is.
        let _ = tell.send(Event::JobBegun(begun.id.clone()));
        to_the_end(machine, &tell, &begun.id).await
    };
    explained(place, &desired, Box::pin(work)).await
}

/// Follows a job that somebody asked for.
pub(super) async fn follow(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    desired: Desired,
    instance: InstanceId,
    id: JobId,
) -> Ended {
    let work = async {
        let aws = place.aws(&desired).await?;
        to_the_end(Machine { aws: &aws, desired: &desired, instance: &instance }, &tell, &id).await
    };
    explained(place, &desired, Box::pin(work)).await
}

async fn explained(place: &Place, desired: &Desired, work: Boxed<'_, Result<Box<JobEnd>, Problem>>) -> Ended {
    match work.await {
        Ok(end) => Ok(end),
        Err(problem) => Err(place.explain(desired, problem).await),
    }
}

/// Cancels it; a job that cannot be cancelled goes on being followed.
pub(super) async fn cancel(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
    id: JobId,
) -> Option<Event> {
    let cancelled =
        on(place, &desired, &instance, async |machine| jobs::cancel(machine, &id, &whoami()).await).await;
    cancelled.is_err().then_some(Event::JobCancelling(false))
}

async fn to_the_end(
    machine: Machine<'_>,
    tell: &mpsc::UnboundedSender<Event>,
    id: &JobId,
) -> Result<Box<JobEnd>, Problem> {
    let mut teller = Teller { tell, told: Step::Begin, diagnosis: Diagnosis::default() };
    let job = jobs::follow(machine, id, &mut teller).await?;
    let problem = ended_badly(&job, &teller.diagnosis).map(app::Problem::from);
    Ok(Box::new(JobEnd { job, problem }))
}

/// Tells where the job is, whenever that is another place.
struct Teller<'a> {
    tell: &'a mpsc::UnboundedSender<Event>,
    told: Step,
    diagnosis: Diagnosis,
}

impl Teller<'_> {
    fn at(&mut self, progress: &Progress) {
        let step = progress.step();
        if step != self.told {
            self.told = step;
            let _ = self.tell.send(Event::JobAt(step));
        }
    }
}

impl Watcher for Teller<'_> {
    fn line(&mut self, entry: &Entry, progress: &Progress) {
        self.diagnosis.line(&entry.text);
        self.at(progress);
    }

    fn mark(&mut self, mark: &Mark, progress: &Progress) {
        self.diagnosis.mark(mark);
        self.at(progress);
    }

    fn lost(&mut self, problem: &Problem) {
        tracing::debug!(%problem, "no way to the log");
    }
}
