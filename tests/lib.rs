//! What the suites share: a sandbox, a machine to bring up in it, and what must be there afterwards.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::adopt::{self, Looked};
use holdfast::aws::{Aws, Options as AwsOptions};
use holdfast::converge::{Event, Report, Witness, converge};
use holdfast::problem::Problem;
use holdfast::store::Store;
use holdfast::world::{Done, Failure, World};
use holdfast_core::machine::{Desired, Observed, TAG_CARRIED, TAG_MACHINE};
use holdfast_core::names::InstanceId;
use holdfast_core::plan::{Consent, Goal, Impact, Plan, Step};
use holdfast_core::settings::Settings;
use holdfast_sandbox::{ACCESS_KEY, Options, SECRET_KEY, Sandbox, Tags};

mod by_hand;

pub use by_hand::{ByHand, by_hand};

/// Agrees to everything and remembers what happened.
#[derive(Debug, Default)]
pub struct Agreeing {
    /// Everything that was told, as text.
    pub events: RefCell<Vec<String>>,
}

impl Witness for Agreeing {
    async fn consent(&self, _: &Observed, _: &Plan) -> Consent {
        Consent::to(Impact { costs: true, interrupts: true, loses_data: true, revokes: true })
    }

    fn event(&self, event: Event<'_>) {
        self.events.borrow_mut().push(format!("{event:?}"));
    }
}

/// AWS, and a machine that has its home at once: what happens there is tested on a real one.
#[derive(Debug)]
pub struct HasItsHome<'a>(pub &'a Aws);

impl World for HasItsHome<'_> {
    async fn observe(&self, desired: &Desired, goal: Goal) -> Result<Observed, Problem> {
        self.0.observe(desired, goal).await
    }

    async fn glance(&self, desired: &Desired) -> Result<Observed, Problem> {
        World::glance(self.0, desired).await
    }

    async fn perform(&self, desired: &Desired, step: &Step) -> Result<Done, Failure> {
        if let Step::Carry { instance, snapshot, .. } = step {
            let tags = holdfast_core::machine::Tags::from([(TAG_CARRIED.to_owned(), snapshot.to_string())]);
            let tag = Step::Tag { resources: vec![instance.to_string()], tags };
            return self.0.perform(desired, &tag).await;
        }
        self.0.perform(desired, step).await
    }
}

/// One computer with Holdfast on it, and its view of a sandbox.
#[derive(Debug)]
pub struct Laptop {
    /// What its settings say.
    pub desired: Desired,
    /// Its AWS.
    pub aws: Aws,
    /// Its files.
    pub store: Store,
    _folder: tempfile::TempDir,
}

impl Laptop {
    /// A computer whose every call to the sandbox takes `latency`.
    pub async fn new(sandbox: &Sandbox, latency: Duration) -> Self {
        Self::with(SharedHttpClient::new(sandbox.http_client().with_latency(latency)), "").await
    }

    /// A computer with this connection and these settings.
    pub async fn with(http: SharedHttpClient, settings: &str) -> Self {
        Self::on(aws_options(http), settings).await
    }

    /// A computer whose AWS is reached like this, and with these settings. It is an installation of Holdfast of its own.
    pub async fn on(options: AwsOptions, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for tests");
        let store = Store::at(folder.path().join("config"), folder.path().join("state"));
        let user = "ada".parse().expect("a user name");
        let settings = Settings::parse(settings, Some(&user)).expect("settings that hold");
        let desired = settings.machine(None).expect("a default machine").clone();
        let maker = store.maker().expect("a maker id");
        let aws = Aws::connect(&desired, AwsOptions { maker, ..options }).await;
        Self { desired, aws, store, _folder: folder }
    }

    /// Converges, agreeing to everything.
    ///
    /// # Errors
    /// Whatever stops it.
    pub async fn reach(&self, goal: Goal) -> Result<Report, Problem> {
        // A test's own future is on its thread's small stack.
        Box::pin(converge(&self.aws, &self.store, "test", &self.desired, goal, &Agreeing::default())).await
    }

    /// Takes over what Holdfast did not make, agreeing to everything, and keeps the settings that this writes; gives the number of steps.
    ///
    /// # Errors
    /// Whatever forbids or stops it.
    pub async fn adopt(&mut self, named: Option<&InstanceId>) -> Result<usize, Problem> {
        let looked = Box::pin(adopt::look(&self.aws, &self.desired, named)).await?;
        let adoption = match looked {
            Looked::Foreign(adoption) => adoption,
            Looked::OfOther(found) => {
                let witness = Agreeing::default();
                let count = adopt::take_over(&self.aws, &self.store, &self.desired, &witness).await?;
                let more = adopt::with_other_names(&self.desired, &found.0);
                return match more {
                    Some(id) => Ok(count + Box::pin(self.adopt(Some(&id))).await?),
                    None => Ok(count),
                };
            }
        };
        if !adoption.refused.is_empty() {
            return Err(Problem::not_adoptable(&adoption.desired, &adoption.instance, &adoption.refused));
        }
        let saved = Cell::new(false);
        let save = |_: &[holdfast_core::plan::Setting]| {
            saved.set(true);
            Ok(())
        };
        let witness = Agreeing::default();
        let adopting = adopt::adopt(&self.aws, &self.store, &self.desired, &adoption, save, &witness);
        let result = Box::pin(adopting).await;
        if saved.get() {
            self.desired = adoption.desired;
        }
        result
    }
}

/// The sandbox behind this connection, as its one user sees it.
pub fn aws_options(http: SharedHttpClient) -> AwsOptions {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    AwsOptions {
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        http_client: Some(http),
        ..AwsOptions::default()
    }
}

/// What must be there when the machine is up: each kind, how many of it carry our tag.
pub const WHOLE: &[(&str, usize)] = &[
    ("vpc", 1),
    ("subnet", 1),
    ("gateway", 1),
    ("route table", 1),
    ("group", 1),
    ("instance", 1),
    ("volume", 1),
    ("interface", 1),
    ("role", 1),
    ("profile", 1),
];

/// What outlives a machine: how many snapshots and lifecycle policies carry the machine's tag, and how many volumes that
/// no instance has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Completed or not.
    pub snapshots: usize,
    /// In whatever state.
    pub policies: usize,
    /// Of those that [`census`] counts, too.
    pub loose_volumes: usize,
}

/// What the sandbox holds of the machine besides what makes it up.
pub fn kept(sandbox: &Sandbox, desired: &Desired) -> Kept {
    let world = sandbox.world();
    let key = desired.key();
    let mine = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&key);
    let mut kept = Kept::default();
    for region in world.accounts.values().flat_map(|account| account.regions.values()) {
        kept.snapshots += region.snapshots.values().filter(|snapshot| mine(&snapshot.tags)).count();
        kept.policies += region.policies.values().filter(|policy| mine(&policy.tags)).count();
        let loose = region.volumes.values().filter(|volume| volume.attached.is_none() && mine(&volume.tags));
        kept.loose_volumes += loose.count();
    }
    kept
}

/// How many things of each kind in the sandbox carry the machine's tag; a terminated instance counts for nothing.
pub fn census(sandbox: &Sandbox, desired: &Desired) -> Vec<(&'static str, usize)> {
    let world = sandbox.world();
    let key = desired.key();
    let mine = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&key);
    let count = |tags: &mut dyn Iterator<Item = &Tags>| tags.filter(|tags| mine(tags)).count();
    let mut counts: Vec<(&str, usize)> = WHOLE.iter().map(|(kind, _)| (*kind, 0)).collect();
    let mut add = |kind: &str, more: usize| {
        counts.iter_mut().filter(|(known, _)| *known == kind).for_each(|(_, count)| *count += more);
    };
    for account in world.accounts.values() {
        for region in account.regions.values() {
            let alive = region.instances.values().filter(|i| i.terminated.is_none());
            for (kind, more) in [
                ("vpc", count(&mut region.vpcs.values().map(|r| &r.tags))),
                ("subnet", count(&mut region.subnets.values().map(|r| &r.tags))),
                ("gateway", count(&mut region.gateways.values().map(|r| &r.tags))),
                ("route table", count(&mut region.route_tables.values().map(|r| &r.tags))),
                ("group", count(&mut region.groups.values().map(|r| &r.tags))),
                ("instance", count(&mut alive.map(|r| &r.tags))),
                ("volume", count(&mut region.volumes.values().map(|r| &r.tags))),
                ("interface", count(&mut region.interfaces.values().map(|r| &r.tags))),
            ] {
                add(kind, more);
            }
        }
        add("role", count(&mut account.iam.roles.values().map(|r| &r.tags)));
        add("profile", count(&mut account.iam.profiles.values().map(|r| &r.tags)));
    }
    counts
}

/// A sandbox in which everything takes its time.
pub fn sandbox(seed: u64) -> Sandbox {
    Sandbox::new(Options { seed, ..Options::default() })
}
