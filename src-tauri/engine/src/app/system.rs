//! What the app does about the system that the machine runs: it looks, asks for a job, and follows one to its end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::time::Duration;

use holdfast_core::app::{self, Event, JobEnd, SystemSeen};
use holdfast_core::config::FLAKE;
use holdfast_core::jobs::{Action, Declared, Diagnosis, Entry, JobId, LogBuffer, Mark, Progress, Step};
use holdfast_core::machine::{ConfigSource, Desired};
use holdfast_core::names::InstanceId;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::sessions::on;
use super::{Boxed, Desk, Place, Shell};
use crate::config::{here, place as folder};
use crate::history::{job_ended, on_job};
use crate::jobs::{self, DENIED, Watcher, ended_badly};
use crate::problem::Problem;
use crate::rebuild::{Wish, rebuild, rollback, whoami};
use crate::remote::Machine;
use crate::repository::checkout;

type Ended = Result<Box<JobEnd>, app::Problem>;

/// How long what a job says is gathered before it is told: a build prints far more lines than anybody reads.
const GATHERING: Duration = Duration::from_millis(200);

/// Of a log that is fetched so many lines are told at once.
const AT_ONCE: u32 = 1000;

/// Looks at it, through one session of SSM, and at what is declared for it; a repository takes another session.
pub(super) async fn look(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
) -> Result<Box<SystemSeen>, app::Problem> {
    let look = async |machine: Machine<'_>| jobs::overview(machine, &folder(machine.desired), FLAKE).await;
    let overview = on(place, &desired, &instance, look).await?;
    let declared = match desired.config {
        ConfigSource::Git { .. } => on(place, &desired, &instance, async |machine| checkout(machine).await)
            .await
            .map(Declared::Repository),
        ConfigSource::Embedded | ConfigSource::Directory { .. } => {
            here(place.store(), &desired, &overview.placed).map(Declared::Here).map_err(app::Problem::from)
        }
    };
    Ok(Box::new(SystemSeen { overview, declared }))
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
    let keyring = RefCell::new(None);
    let begin = async |machine: Machine<'_>| {
        let begun = rebuild(machine, place.store(), &wish, async |_| false).await;
        let what = "Begin a rebuild of the machine's system".to_owned();
        let id = begun.as_ref().ok().map(|begun| &begun.id);
        on_job(place.store(), (machine.aws, machine.desired), "rebuild", id, what, &begun).await;
        let begun = begun?;
        keyring.replace(begun.keyring);
        Ok(begun.id)
    };
    let mut ended = begin_and_follow(place, tell, desired, instance, begin).await;
    if let (Ok(end), Some(keyring)) = (&mut ended, keyring.take())
        && let Some(problem) = end.problem.as_mut().filter(|problem| problem.code == DENIED)
    {
        problem.hints.insert(0, format!("the keyring: {keyring}"));
    }
    ended
}

/// Has the machine go to a generation, and follows that.
pub(super) async fn go_and_follow(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    desired: Desired,
    instance: InstanceId,
    generation: u32,
) -> Ended {
    let begin = async |machine: Machine<'_>| {
        let begun = rollback(machine, generation, &whoami()).await;
        let what = format!("Begin to go to generation {generation}");
        let id = begun.as_ref().ok();
        on_job(place.store(), (machine.aws, machine.desired), "rollback", id, what, &begun).await;
        begun
    };
    begin_and_follow(place, tell, desired, instance, begin).await
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
        let machine = Machine { aws: &aws, desired: &desired, instance: &instance };
        to_the_end(machine, &tell, &id).await.map(|(end, _)| end)
    };
    explained(place, &desired, Box::pin(work)).await
}

async fn begin_and_follow(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    desired: Desired,
    instance: InstanceId,
    begin: impl AsyncFnOnce(Machine<'_>) -> Result<JobId, Problem>,
) -> Ended {
    let work = async {
        let aws = place.aws(&desired).await?;
        let machine = Machine { aws: &aws, desired: &desired, instance: &instance };
        let id = begin(machine).await?;
        // Whoever is told is there as long as this is.
        let _ = tell.send(Event::JobBegun(id.clone()));
        let (end, problem) = to_the_end(machine, &tell, &id).await?;
        job_ended(place.store(), (&aws, &desired), &id, problem.as_ref()).await;
        Ok(end)
    };
    explained(place, &desired, Box::pin(work)).await
}

async fn explained(place: &Place, desired: &Desired, work: Boxed<'_, Result<Box<JobEnd>, Problem>>) -> Ended {
    match work.await {
        Ok(end) => Ok(end),
        Err(problem) => Err(place.explain(desired, problem)),
    }
}

/// Cancels it; a job that cannot be cancelled goes on being followed.
pub(super) async fn cancel(
    place: &Place,
    desired: Desired,
    instance: InstanceId,
    id: JobId,
) -> Option<Event> {
    let cancelled = on(place, &desired, &instance, async |machine| {
        let cancelled = jobs::cancel(machine, &id, &whoami()).await;
        let what = format!("End the job {id}");
        let whose = (machine.aws, machine.desired);
        on_job(place.store(), whose, "job cancel", Some(&id), what, &cancelled).await;
        cancelled
    })
    .await;
    cancelled.err().map(|problem| Event::JobNotCancelled(id, problem))
}

/// Fetches the log of a job that is over, whose number is this, and tells it as it comes.
pub(super) async fn read_log(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    desired: Desired,
    instance: InstanceId,
    (id, number): (JobId, u32),
) -> Event {
    let mut lines = LogBuffer::default();
    let work = async {
        let aws = place.aws(&desired).await?;
        let machine = Machine { aws: &aws, desired: &desired, instance: &instance };
        let line = |line: &str| {
            lines.push(line);
            if lines.count() >= AT_ONCE {
                // Nobody listens any more when the app ends.
                let _ = tell.send(Event::LogRead { number, lines: std::mem::take(&mut lines) });
            }
        };
        jobs::read(machine, &id, line).await
    };
    let work: Boxed<'_, Result<(), Problem>> = Box::pin(work);
    let result = work.await.map_err(|problem| place.explain(&desired, problem));
    let _ = tell.send(Event::LogRead { number, lines });
    Event::LogOver { number, result }
}

async fn to_the_end(
    machine: Machine<'_>,
    tell: &mpsc::UnboundedSender<Event>,
    id: &JobId,
) -> Result<(Box<JobEnd>, Option<Problem>), Problem> {
    let heard = Heard::default();
    let mut listener = Listener { heard: &heard, diagnosis: Diagnosis::default() };
    let job = heard.told_while(tell, jobs::follow(machine, id, &mut listener)).await?;
    let problem = ended_badly(&job, &listener.diagnosis);
    let end = JobEnd { job, problem: problem.clone().map(app::Problem::from) };
    Ok((Box::new(end), problem))
}

/// What a job said since that was told last.
#[derive(Default)]
struct Heard {
    step: Cell<Option<Step>>,
    told: Cell<Option<Step>>,
    log: RefCell<LogBuffer>,
    news: Notify,
}

impl Heard {
    fn at(&self, progress: &Progress) {
        self.step.set(Some(progress.step()));
        self.news.notify_one();
    }

    /// Tells what is heard while this goes on: a first word at once, all others gathered, and in the end whatever is left.
    async fn told_while<T>(
        &self,
        tell: &mpsc::UnboundedSender<Event>,
        goes_on: impl Future<Output = T>,
    ) -> T {
        let done = tokio::select! {
            done = goes_on => done,
            never = self.pass_on(tell) => match never {},
        };
        self.tell(tell);
        done
    }

    async fn pass_on(&self, tell: &mpsc::UnboundedSender<Event>) -> Infallible {
        loop {
            self.news.notified().await;
            self.tell(tell);
            sleep(GATHERING).await;
        }
    }

    fn tell(&self, tell: &mpsc::UnboundedSender<Event>) {
        let log = self.log.take();
        let Some(step) = self.step.get().filter(|step| log.count() > 0 || self.told.get() != Some(*step))
        else {
            return;
        };
        self.told.set(Some(step));
        // Nobody listens any more when the app ends.
        let _ = tell.send(Event::JobAt { step, log });
    }
}

/// Hears what a job says.
struct Listener<'a> {
    heard: &'a Heard,
    diagnosis: Diagnosis,
}

impl Watcher for Listener<'_> {
    fn line(&mut self, entry: &Entry, progress: &Progress) {
        self.diagnosis.line(&entry.text);
        self.heard.log.borrow_mut().push(&entry.text);
        self.heard.at(progress);
    }

    fn mark(&mut self, mark: &Mark, progress: &Progress) {
        self.diagnosis.mark(mark);
        if let Mark::Note(note) = mark {
            self.heard.log.borrow_mut().push(&format!("Note: {note}"));
        }
        self.heard.at(progress);
    }

    fn lost(&mut self, problem: &Problem) {
        tracing::debug!(%problem, "no way to the log");
    }

    /// The looks at the machine say that a sign-in is over.
    fn waits_for_sign_in(&self) -> bool {
        true
    }
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn see_system_if_due(&mut self) {
        if !self.app.awaits_system() {
            self.seeing = None;
        }
        if self.next_look_at_system().is_some_and(|pause| pause.is_zero()) {
            self.see_system();
        }
    }

    pub(super) fn see_system(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        self.seeing = Some(Box::pin(look(self.place, setup.desired.clone(), instance)));
        self.on(Event::LookingAtSystem);
    }

    /// One session after the other: the sessions come first.
    pub(super) fn next_look_at_system(&self) -> Option<Duration> {
        let first = self.looking.is_none() && self.listing.is_none();
        self.app.next_look_at_system(self.place.now()).filter(|_| first)
    }

    pub(super) fn bring_up_if_new(&mut self) {
        if self.app.brings_up() {
            self.rebuild();
        }
    }

    /// A job that a look has found, or none any more because the machine is another one.
    pub(super) fn follow_if_there_is_a_job(&mut self) {
        if !self.app.has_job() {
            self.following = None;
        } else if let (None, Some(id)) = (&self.following, self.app.job()) {
            let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
            let (desired, id) = (setup.desired.clone(), id.clone());
            self.following = Some(Box::pin(follow(self.place, self.tell.clone(), desired, instance, id)));
        }
    }

    pub(super) fn rebuild(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        let rebuild = rebuild_and_follow(self.place, self.tell.clone(), desired, instance);
        self.following = Some(Box::pin(rebuild));
        self.on(Event::JobAsked { to: None });
    }

    pub(super) fn go_to(&mut self, generation: u32) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        let go = go_and_follow(self.place, self.tell.clone(), desired, instance, generation);
        self.following = Some(Box::pin(go));
        self.on(Event::JobAsked { to: Some(generation) });
    }

    pub(super) fn show_log(&mut self, id: JobId) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        self.on(Event::LogAsked(id.clone()));
        let Some(number) = self.app.older_log() else { return };
        let log = read_log(self.place, self.tell.clone(), desired, instance, (id, number));
        self.reading_log = Some(Box::pin(log));
    }

    /// Nobody reads it any more.
    pub(super) fn end_reading_if_moot(&mut self) {
        if self.app.older_log().is_none() {
            self.reading_log = None;
        }
    }

    pub(super) fn cancel_job(&mut self) {
        let (Some(setup), Some(instance), Some(id)) = (self.app.setup(), self.app.instance(), self.app.job())
        else {
            return;
        };
        self.errands.push(Box::pin(cancel(self.place, setup.desired.clone(), instance, id.clone())));
        self.on(Event::JobCancelling);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn entry(text: String) -> Entry {
        Entry { cursor: String::new(), at: 0, text }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loud_job_is_told_in_few_events_and_to_its_last_line() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let heard = Heard::default();
        let mut listener = Listener { heard: &heard, diagnosis: Diagnosis::default() };
        let mut progress = Progress::new("n");
        let began = Instant::now();
        let job = async {
            progress.feed("holdfast;n;phase;build");
            for n in 0..100_000_u32 {
                progress.feed("copying path '/nix/store/x' from 'https://cache.nixos.org'...");
                listener.line(&entry(n.to_string()), &progress);
                if n % 50 == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            progress.feed("holdfast;n;phase;activate");
            listener.mark(&Mark::Phase(holdfast_core::jobs::Stage::Activate), &progress);
        };
        heard.told_while(&tell, job).await;
        let took = began.elapsed();
        drop(tell);
        let (mut whole, mut events, mut last) = (LogBuffer::default(), 0, Step::Begin);
        while let Some(event) = told.recv().await {
            let Event::JobAt { step, log } = event else { panic!("{event:?}") };
            whole.append(log);
            (events, last) = (events + 1, step);
        }
        assert!(
            events >= 2 && events <= 2 + took.as_millis() / GATHERING.as_millis(),
            "{events} in {took:?}"
        );
        let lines: Vec<u32> = whole.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((lines, last), ((0..100_000).collect(), Step::Activate));
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_is_told_at_once_and_silence_is_not() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let heard = Heard::default();
        let mut listener = Listener { heard: &heard, diagnosis: Diagnosis::default() };
        let progress = Progress::new("n");
        let job = async {
            listener.line(&entry("one".to_owned()), &progress);
            // Whoever tells may be asked before or after this in one turn.
            sleep(GATHERING / 100).await;
            assert!(matches!(told.try_recv(), Ok(Event::JobAt { log, .. }) if log.count() == 1));
            // A mark that changes nothing of what is known.
            listener.mark(&Mark::End("ok".to_owned()), &progress);
            sleep(10 * GATHERING).await;
            assert!(told.try_recv().is_err(), "nothing new");
            listener.line(&entry("two".to_owned()), &progress);
            sleep(GATHERING).await;
            assert!(told.try_recv().is_ok(), "told while the job goes on");
        };
        heard.told_while(&tell, job).await;
    }
}
