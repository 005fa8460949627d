//! Drives the pure [`App`]: looks at AWS when it says so, carries out what the user asks for, and hands on what is to be
//! shown.
//!
//! Everything goes on in one task: whatever arrives becomes an event, and after each event the view is shown if it has
//! changed. Looks at the machine and at its sessions, previews and the one operation are futures beside each other; dropping
//! one ends it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use holdfast_core::app::view::Autostart;
use holdfast_core::app::{
    self, App, Command, Draft, Elsewhere, Event, JobEnd, Look, Notice, Operation, Page, PortalEvent,
    PortalStep, Proposal, Refusal, Setup, SystemSeen, Through, TypedCode, View, WayIn, decided, drafted,
    is_about_credentials,
};
use holdfast_core::cost::History;
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{Desired, Observed, Power, Snapshot};
use holdfast_core::names::{MachineName, SessionName, UserName};
use holdfast_core::plan::{Consent, Goal, Impact, Plan};
use holdfast_core::profile::{Chosen, Portal, profile_name};
use holdfast_core::sessions::ZellijSession;
use holdfast_core::time::Moment;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::aws::{Aws, Options, profile};
use crate::converge::{self, Report, Witness, converge};
use crate::net::{Change, Changes};
use crate::open::installed_words;
use crate::prices::{self, Worth};
use crate::problem::Problem;
use crate::remote::{Machine, NO_SYSTEM};
use crate::secrets::Vault;
use crate::space;
use crate::store::{self, Intent, Store};
use crate::{sandbox, signin, updates, world::World};

mod doctor;
mod log;
mod portal;
mod proposals;
mod sessions;
mod sign_in;
mod system;

/// The longest pause in which nobody looks at the clock: the timers stand still while the computer sleeps.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// By how much the clock may run ahead of the timers before the computer must have slept.
const SLEPT: Duration = Duration::from_secs(5);
/// How often settings that do not hold are read again.
const MENDING: Duration = Duration::from_secs(2);
/// So many panics within so long are too many to go on.
const MOST_FALLS: usize = 5;
const FALLS_WITHIN: Duration = Duration::from_secs(60);
/// For how long a look at everything will do when the window opens.
const FRESH: Duration = Duration::from_secs(60);

pub use log::LogRequest;

/// What the app shows itself in.
pub trait Shell {
    /// Shows this from now on.
    fn show(&self, view: &View);
    /// Tells the user something that is not in sight.
    fn notify(&self, notice: Notice);
    /// Opens a terminal on a session of the machine, or brings the one that is open to the front. Without a name it is
    /// the session that is meant when nobody names one.
    fn open_terminal(&self, session: Option<&SessionName>) -> impl Future<Output = Result<(), app::Problem>>;
    /// Shows the page of a portal in the user's browser, because the user has just asked for it.
    fn open_page(&self, page: &str);
    /// Whether the app starts with the desktop; `None`: it cannot, or nobody knows.
    fn autostart(&self) -> Option<bool>;
    /// Has it start so, or not.
    ///
    /// # Errors
    /// The system does not take it.
    fn set_autostart(&self, on: bool) -> Result<(), app::Problem>;
}

/// What arrives from outside.
#[derive(Debug)]
pub enum Input {
    /// The user asks for something; whether it is accepted is answered.
    Command(Command, oneshot::Sender<Result<(), Refusal>>),
    /// The window wants lines of a job's log.
    Log(LogRequest),
    /// Somebody looks at the window, which has opened or come to the front, or it has closed.
    Window(bool),
    /// The desktop shows the tray icon, or does not.
    Tray(bool),
}

/// Where the files and AWS are.
#[derive(Clone, Debug)]
pub struct Place {
    store: Store,
    sandbox: bool,
    options: Option<Options>,
    /// One for the process: what no keyring takes is in it.
    vault: Vault,
    clock: fn() -> SystemTime,
}

/// Runs the app until nobody is left who could ask it for anything. What panics in it is a problem that is shown, and the app
/// begins anew: what was under way is then what was interrupted.
///
/// # Panics
/// It panics again and again.
pub async fn run(place: &Place, shell: &impl Shell, mut inputs: mpsc::UnboundedReceiver<Input>) {
    let mut falls: Vec<Instant> = Vec::new();
    let mut kept = Kept::default();
    loop {
        let served = AssertUnwindSafe(serve(place, shell, &mut inputs, &mut kept, !falls.is_empty()));
        let Err(panic) = served.catch_unwind().await else { return };
        falls.retain(|fall| fall.elapsed() < FALLS_WITHIN);
        falls.push(Instant::now());
        if falls.len() > MOST_FALLS {
            resume_unwind(panic);
        }
    }
}

async fn serve(
    place: &Place,
    shell: &impl Shell,
    inputs: &mut mpsc::UnboundedReceiver<Input>,
    kept: &mut Kept,
    has_fallen: bool,
) {
    let mut desk = Desk::new(place, shell, inputs, kept);
    if has_fallen {
        desk.get_up();
    }
    desk.on(Event::Profiles(profile::names()));
    loop {
        desk.look_if_due();
        desk.foresee_if_asked();
        desk.list_sessions_if_due();
        desk.see_system_if_due();
        desk.see_snapshots_if_due();
        desk.examine_if_asked();
        desk.look_at_profiles_if_wanted();
        desk.look_at_kinds_if_wanted();
        desk.look_for_updates_if_due();
        desk.end_sign_in_if_moot();
        desk.end_portal_if_moot();
        desk.read_history_if_wanted();
        desk.bring_up_if_new();
        desk.follow_if_there_is_a_job();
        desk.publish();
        desk.log.answer(&desk.app);
        match desk.next().await {
            Happened::Nobody => return,
            Happened::Input(Input::Window(open)) => {
                desk.on(Event::Window(open));
                desk.kept.window = open;
                if open {
                    desk.on(Event::Terminals(installed_words()));
                    desk.on(Event::Profiles(profile::names()));
                    desk.look_at_all |= desk.seen_all.is_none_or(|seen| seen.elapsed() > FRESH);
                    // Somebody who looks may have signed in meanwhile.
                    desk.look_now |= desk.app.is_blind();
                } else {
                    desk.log = log::Reader::default();
                }
            }
            Happened::Input(Input::Tray(there)) => {
                desk.kept.tray = Some(there);
                desk.on(Event::Tray(there));
            }
            Happened::Input(Input::Log(request)) => desk.log.asks(request),
            Happened::Input(Input::Command(command, answer)) => {
                desk.read_settings();
                let accepted = match desk.app.may(&command) {
                    Ok(()) => desk.carry_out(command),
                    refused => refused,
                };
                // Who is answered sees what came of it.
                desk.publish();
                // Whoever asked may be gone; what was asked for goes on.
                let _ = answer.send(accepted);
            }
            Happened::Errand(Some(event @ Event::Portal(PortalEvent::Ended(Ok(_))))) => {
                desk.has_added_portal(event);
            }
            Happened::Told(event) | Happened::Errand(Some(event)) => desk.on(event),
            Happened::Errand(None) => {}
            Happened::Ended(result) => desk.ended(result),
            Happened::Looked(looked) => desk.looked(*looked),
            Happened::Listed(result) => {
                desk.listing = None;
                desk.on(Event::ListedSessions(result));
            }
            Happened::Seen(result) => {
                desk.seeing = None;
                desk.on(Event::LookedAtSystem(result));
            }
            Happened::SeenSnapshots(result) => {
                desk.seeing_snapshots = None;
                desk.on(Event::LookedAtSnapshots(result));
            }
            Happened::Examined(report) => {
                desk.examining = None;
                desk.on(Event::Examined(report));
            }
            Happened::SeenKinds(result) => {
                desk.seeing_kinds = None;
                desk.on(Event::LookedAtKinds(result));
            }
            Happened::SignedIn(result) => desk.has_signed_in(result),
            Happened::JobEnded(result) => {
                desk.following = None;
                desk.on(Event::JobEnded(result));
            }
            Happened::Priced(new) => {
                desk.pricing = None;
                if new {
                    // The connection carries the prices of before.
                    desk.aws = None;
                    desk.look_now = true;
                }
            }
            // What could not be reached may be there again; what could be, still is.
            Happened::Changed(Change::Network) => desk.look_now |= desk.app.is_blind(),
            Happened::Paused { slept: true } | Happened::Changed(Change::Woke) => {
                // The connections of before are dead.
                desk.aws = None;
                desk.look_now = true;
            }
            Happened::Paused { slept: false } => {}
        }
    }
}

impl Place {
    /// The user's own place, or that of the sandbox on this computer.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn open(sandbox: bool) -> Result<Self, Problem> {
        let store = if sandbox { sandbox::store()? } else { Store::open()? };
        let vault = store.vault();
        Ok(Self { store, sandbox, options: None, vault, clock: SystemTime::now })
    }

    /// This store, this AWS and this clock.
    pub fn at(store: Store, options: Options, clock: fn() -> SystemTime) -> Self {
        let vault = options.vault.clone();
        Self { store, sandbox: false, options: Some(options), vault, clock }
    }

    /// Where the files are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn now(&self) -> Moment {
        let since = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        Moment::from_epoch(since.unwrap_or_default())
    }

    async fn aws(&self, desired: &Desired) -> Result<Aws, Problem> {
        let mut options = self.options().await?;
        options.maker = self.store.maker()?;
        options.prices = prices::known(&self.store, desired);
        Ok(Aws::connect(desired, options).await)
    }

    async fn options(&self) -> Result<Options, Problem> {
        let options = match &self.options {
            Some(options) => options.clone(),
            None if self.sandbox => sandbox::endpoint().await?,
            None => Options::default(),
        };
        self.vault.look_again();
        Ok(Options { vault: self.vault.clone(), ..options })
    }

    /// How a person signs in, unless the credentials are given.
    fn way_in(&self, desired: &Desired) -> Option<WayIn> {
        let given = self.options.as_ref().is_some_and(|options| options.credentials.is_some());
        if self.sandbox || given { None } else { signin::way(desired) }
    }

    fn read_settings(&self, chosen: Option<&MachineName>) -> Result<Box<Setup>, Problem> {
        let text = self.store.read_settings_text()?.unwrap_or_default();
        let setup = Setup::read(text, self.login(), chosen);
        let met = |setup: Setup| {
            let history = self.store.history(&setup.desired.key()).ok().flatten();
            let met = history.is_some_and(|history| history != History::default());
            Box::new(Setup { met, ..setup })
        };
        setup.map(met).map_err(|errors| Problem::settings(&self.store.settings_path(), &errors))
    }

    /// The user of a machine whose settings name none. In the sandbox it need not fit anything.
    fn login(&self) -> Option<UserName> {
        store::login().or_else(|| "dev".parse().ok().filter(|_| self.sandbox))
    }

    /// A problem as the app shows it, with the command that signs in where that may help and the app cannot do it itself.
    fn explain(&self, desired: &Desired, problem: Problem) -> app::Problem {
        if problem.is_about_credentials() && !self.sandbox && self.way_in(desired).is_none() {
            let command = profile::sign_in_command(desired);
            return problem.hint_first(command.map(|command| format!("sign in: {command}"))).into();
        }
        problem.into()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

type Listed = Result<Vec<ZellijSession>, app::Problem>;
type Seen = Result<Box<SystemSeen>, app::Problem>;
type SeenSnapshots = Result<Vec<Snapshot>, app::Problem>;
type SeenKinds = Result<Vec<Kind>, app::Problem>;
type Examined = holdfast_core::doctor::Report;
type SignedIn = Result<bool, app::Problem>;
type JobEnded = Result<Box<JobEnd>, app::Problem>;

/// The app, and all that is under way for it.
struct Desk<'a, S> {
    place: &'a Place,
    shell: &'a S,
    app: App,
    inputs: &'a mut mpsc::UnboundedReceiver<Input>,
    kept: &'a mut Kept,
    /// The network has changed, or the computer slept.
    changes: Changes,
    tell: mpsc::UnboundedSender<Event>,
    told: mpsc::UnboundedReceiver<Event>,
    operation: Option<Boxed<'a, Result<(), app::Problem>>>,
    looking: Option<Boxed<'a, Looked>>,
    /// A look at the sessions on the machine.
    listing: Option<Boxed<'a, Listed>>,
    /// A look at the system that the machine runs.
    seeing: Option<Boxed<'a, Seen>>,
    /// A look at the machine's snapshots.
    seeing_snapshots: Option<Boxed<'a, SeenSnapshots>>,
    /// A look at the instance types.
    seeing_kinds: Option<Boxed<'a, SeenKinds>>,
    /// The doctor looks.
    examining: Option<Boxed<'a, Examined>>,
    /// Somebody signs in.
    signing_in: Option<Boxed<'a, SignedIn>>,
    /// Where the codes of the MFA device go.
    codes: Option<mpsc::UnboundedSender<String>>,
    /// Where it goes what is asked for a portal that is being added.
    portal: Option<mpsc::UnboundedSender<portal::Step>>,
    /// Whoever waits for a sign-in hears of it.
    signed_in: Arc<Notify>,
    /// The machine's job.
    following: Option<Boxed<'a, JobEnded>>,
    /// Whoever reads its log.
    log: log::Reader,
    /// AWS's price list is being asked; whether that brings anything new.
    pricing: Option<Boxed<'a, bool>>,
    errands: FuturesUnordered<Boxed<'a, Option<Event>>>,
    /// The connection that the last look used.
    aws: Option<Aws>,
    look_now: bool,
    /// The next look is at everything.
    look_at_all: bool,
    /// When everything was last seen.
    seen_all: Option<Instant>,
    /// A terminal is to be opened on it as soon as it was seen.
    connects_then: bool,
    /// The machine and the settings file as it was last read, or why it was not.
    read: Option<String>,
    /// The last preview that was looked into.
    foreseen: u32,
    shown: Option<View>,
    /// When this process began, in seconds since the Unix epoch.
    began: u64,
}

/// What outlives a fault of the app's own.
#[derive(Debug, Default)]
struct Kept {
    /// The machine that somebody has chosen; else it is the default one of the settings.
    chosen: Option<MachineName>,
    /// Whether the window is open, and at which page.
    window: bool,
    page: Option<Page>,
    /// Whether there is a tray, where that is known.
    tray: Option<bool>,
}

/// What happens next.
enum Happened {
    Nobody,
    Input(Input),
    Told(Event),
    Ended(Result<(), app::Problem>),
    Looked(Box<Looked>),
    Listed(Listed),
    Seen(Seen),
    SeenSnapshots(SeenSnapshots),
    Examined(Examined),
    SignedIn(SignedIn),
    JobEnded(JobEnded),
    Priced(bool),
    Errand(Option<Event>),
    SeenKinds(SeenKinds),
    Changed(Change),
    Paused { slept: bool },
}

/// A look that has ended.
struct Looked {
    desired: Desired,
    all: bool,
    result: Result<(Aws, Observed), app::Problem>,
}

impl<'a, S: Shell> Desk<'a, S> {
    fn new(
        place: &'a Place,
        shell: &'a S,
        inputs: &'a mut mpsc::UnboundedReceiver<Input>,
        kept: &'a mut Kept,
    ) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let path = place.store.settings_path().display().to_string();
        let mut desk = Self {
            place,
            shell,
            app: App::new(place.sandbox, path),
            inputs,
            kept,
            changes: Changes::listen(),
            tell,
            told,
            operation: None,
            looking: None,
            listing: None,
            seeing: None,
            seeing_snapshots: None,
            seeing_kinds: None,
            examining: None,
            signing_in: None,
            codes: None,
            portal: None,
            signed_in: Arc::default(),
            following: None,
            log: log::Reader::default(),
            pricing: None,
            errands: FuturesUnordered::new(),
            aws: None,
            look_now: true,
            look_at_all: true,
            seen_all: None,
            connects_then: false,
            read: None,
            foreseen: 0,
            shown: None,
            began: place.now().since_epoch().as_secs(),
        };
        desk.read_settings();
        if updates::place().is_some() && !place.sandbox {
            let (last, found) = updates::last(&place.store);
            desk.on(Event::AskedForUpdates { last, found, salt: updates::salt(&place.store) });
        }
        desk
    }

    fn on(&mut self, mut event: Event) {
        if let Event::Looked { observed, .. } = &mut event {
            self.note(observed, Worth::News);
        } else if let Event::Saw(observed) = &mut event {
            self.note(observed, Worth::All);
        } else if let Event::Blind(problem) | Event::SignedOut(problem) = &event
            && is_about_credentials(&problem.code)
        {
            let way = self.app.setup().and_then(|setup| self.place.way_in(&setup.desired));
            self.app.on(Event::WayIn(way), self.place.now());
        }
        self.app.on(event, self.place.now());
    }

    /// Keeps when the machine was on. Whoever looks has come for something else, so a failure is no matter.
    fn note(&self, observed: &mut Observed, worth: Worth) {
        let Some(setup) = self.app.setup() else { return };
        let now = self.place.now().since_epoch().as_secs();
        if let Err(error) = prices::note(&self.place.store, &setup.desired, observed, now, worth) {
            tracing::debug!(%error, "when the machine was on cannot be kept");
        }
    }

    /// Prices are for somebody who looks at them.
    fn ask_prices_if_due(&mut self, desired: Desired, observed: &Observed) {
        let now = self.place.now().since_epoch().as_secs();
        let types = prices::types(&desired, observed);
        let due = self.app.is_watched() && self.pricing.is_none();
        if due && prices::is_due(&self.place.store, &desired, &types, now) {
            let place = self.place;
            self.pricing = Some(Box::pin(async move {
                let Ok(aws) = place.aws(&desired).await else { return false };
                prices::ask(&place.store, &aws, &desired, &types, now).await
            }));
        }
    }

    fn read_settings(&mut self) {
        let settings = self.place.read_settings(self.kept.chosen.as_ref());
        let read = Some(match &settings {
            Ok(setup) => format!("{}\n{}", setup.desired.machine, setup.text),
            Err(problem) => problem.to_string(),
        });
        if read != self.read {
            self.read = read;
            self.on(Event::Settings(settings.map_err(app::Problem::from)));
            // It was made for another profile or region.
            (self.aws, self.seen_all) = (None, None);
            (self.look_now, self.look_at_all) = (true, true);
        }
    }

    fn publish(&mut self) {
        for notice in self.app.notices() {
            self.shell.notify(notice);
        }
        let view = self.app.view();
        if self.shown.as_ref() != Some(&view) {
            self.shell.show(&view);
            self.shown = Some(view);
        }
    }

    fn look_if_due(&mut self) {
        let due = self.look_now || self.app.next_look(self.place.now()).is_zero();
        if !due || self.looking.is_some() || self.operation.is_some() {
            return;
        }
        self.read_settings();
        let Some(setup) = self.app.setup() else { return };
        let (place, desired) = (self.place, setup.desired.clone());
        let aws = self.aws.take().filter(|_| !self.look_at_all);
        self.looking = Some(Box::pin(look(place, desired, aws)));
        (self.look_now, self.look_at_all) = (false, false);
    }

    fn foresee_if_asked(&mut self) {
        let Some((number, of)) = self.app.to_foresee().filter(|(number, _)| *number != self.foreseen) else {
            return;
        };
        let Some(setup) = self.app.setup() else { return };
        self.errands.push(Box::pin(proposals::foresee(self.place, setup.clone(), number, of.clone())));
        self.foreseen = number;
    }

    fn list_sessions_if_due(&mut self) {
        if !self.app.awaits_sessions() {
            // The machine went off meanwhile, or it is another one.
            self.listing = None;
        }
        if self.next_look_at_sessions().is_some_and(|pause| pause.is_zero()) {
            self.list_sessions();
        }
    }

    fn list_sessions(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        self.listing = Some(Box::pin(sessions::list(self.place, setup.desired.clone(), instance)));
        self.on(Event::ListingSessions);
    }

    /// How long the next look at the sessions can wait. It comes after a look at the machine, which may have gone off.
    fn next_look_at_sessions(&self) -> Option<Duration> {
        self.app.next_look_at_sessions(self.place.now()).filter(|_| self.looking.is_none())
    }

    fn see_system_if_due(&mut self) {
        if !self.app.awaits_system() {
            self.seeing = None;
        }
        if self.next_look_at_system().is_some_and(|pause| pause.is_zero()) {
            self.see_system();
        }
    }

    fn see_system(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        self.seeing = Some(Box::pin(system::look(self.place, setup.desired.clone(), instance)));
        self.on(Event::LookingAtSystem);
    }

    /// One session after the other: the sessions come first.
    fn next_look_at_system(&self) -> Option<Duration> {
        let first = self.looking.is_none() && self.listing.is_none();
        self.app.next_look_at_system(self.place.now()).filter(|_| first)
    }

    fn see_snapshots_if_due(&mut self) {
        if !self.app.awaits_snapshots() {
            self.seeing_snapshots = None;
        }
        if self.app.next_look_at_snapshots(self.place.now()).is_some_and(|pause| pause.is_zero()) {
            self.see_snapshots();
        }
    }

    fn see_snapshots(&mut self) {
        let Some(setup) = self.app.setup() else { return };
        self.seeing_snapshots = Some(Box::pin(proposals::snapshots(self.place, setup.desired.clone())));
        self.on(Event::LookingAtSnapshots);
    }

    fn examine_if_asked(&mut self) {
        if !self.app.awaits_doctor() {
            self.examining = None;
        }
        if self.app.wants_doctor() {
            self.examining = Some(Box::pin(doctor::examine(self.place, self.kept.chosen.clone())));
            self.on(Event::Examining);
        }
    }

    fn read_history_if_wanted(&mut self) {
        if self.app.wants_history() {
            let deeds = self.place.store.deeds();
            self.errands.push(Box::pin(async move {
                // Megabytes of it may have to be read.
                let read = tokio::task::spawn_blocking(move || deeds.all()).await;
                Some(Event::ReadHistory(read.unwrap_or_default()))
            }));
            self.on(Event::ReadingHistory);
        }
    }

    fn look_at_profiles_if_wanted(&mut self) {
        if self.app.wants_profiles() {
            self.look_at_profiles(Look::Read);
        }
    }

    fn look_at_profiles(&mut self, how: Look) {
        let desired = self.app.setup().map(|setup| setup.desired.clone());
        self.errands.push(Box::pin(sign_in::look_at_profiles(self.place, desired, how)));
        self.on(Event::LookingAtProfiles(how));
    }

    fn look_at_kinds_if_wanted(&mut self) {
        if !self.app.awaits_kinds() {
            self.seeing_kinds = None;
        }
        if let Some((desired, zone)) = self.app.wants_kinds() {
            let place = self.place;
            self.seeing_kinds = Some(Box::pin(async move {
                let look = async { place.aws(&desired).await?.kinds(None, zone.as_deref()).await };
                look.await.map_err(|problem| place.explain(&desired, problem))
            }));
            self.on(Event::LookingAtKinds);
        }
    }

    /// The sandbox's app does not: it is there to be tried.
    fn look_for_updates_if_due(&mut self) {
        let due = self.app.next_look_for_updates(self.place.now()).is_some_and(|pause| pause.is_zero());
        let Some(at) = updates::place().filter(|_| due) else { return };
        let store = &self.place.store;
        self.errands.push(Box::pin(async move {
            let newer = updates::ask(store, &at).await;
            Some(Event::Updates { newer, salt: updates::salt(store) })
        }));
        self.on(Event::AskingForUpdates);
    }

    /// Other settings name another way in.
    fn end_sign_in_if_moot(&mut self) {
        if !self.app.is_signing_in() {
            (self.signing_in, self.codes) = (None, None);
        }
    }

    fn sign_in(&mut self, through: Through) {
        let Some(setup) = self.app.setup() else { return };
        // One that waits for the browser holds the lock of this one.
        self.signing_in = None;
        let (codes, said) = mpsc::unbounded_channel();
        let (place, shell, tell, desired) =
            (self.place, self.shell, self.tell.clone(), setup.desired.clone());
        self.signing_in = Some(Box::pin(sign_in::sign_in(place, shell, tell, said, desired, through)));
        self.codes = Some(codes);
        self.on(Event::BeginsSignIn);
    }

    fn say_code(&self, code: &TypedCode) {
        if let (Some(codes), Some(digits)) = (&self.codes, code.digits()) {
            // Whoever is told is there as long as this is.
            let _ = codes.send(digits);
        }
    }

    fn has_signed_in(&mut self, result: SignedIn) {
        (self.signing_in, self.codes) = (None, None);
        while let Ok(event) = self.told.try_recv() {
            self.on(event);
        }
        if result.is_ok() {
            self.aws = None;
            (self.look_now, self.look_at_all) = (true, true);
            self.signed_in.notify_one();
        }
        self.on(Event::SignedIn(result));
    }

    /// It was given up, or has ended.
    fn end_portal_if_moot(&mut self) {
        if !self.app.is_adding_portal() {
            self.portal = None;
        }
    }

    fn portal(&mut self, step: PortalStep) {
        match step {
            PortalStep::SignIn { .. } if self.portal.is_some() => self.ask_portal(portal::Step::Code),
            PortalStep::SignIn { start_url, region, through } => {
                if let Ok(portal) = Portal::typed(&start_url, &region) {
                    self.begin_portal(portal, through);
                }
            }
            PortalStep::Choose { account, role } => {
                self.on(Event::Portal(PortalEvent::Chosen(Chosen { account, role })));
            }
            PortalStep::Name { name } => {
                if let (Ok(name), Some(chosen)) = (profile_name(&name), self.app.chosen_role().cloned()) {
                    self.on(Event::Portal(PortalEvent::Named(name.to_string())));
                    self.ask_portal(portal::Step::Draft(name, chosen));
                }
            }
            PortalStep::Write => {
                self.on(Event::Portal(PortalEvent::Writing));
                self.ask_portal(portal::Step::Write);
            }
            PortalStep::Back => self.on(Event::Portal(PortalEvent::Back)),
            PortalStep::Cancel => self.on(Event::Portal(PortalEvent::GivenUp)),
        }
    }

    fn begin_portal(&mut self, portal: Portal, through: Through) {
        let (ask, asked) = mpsc::unbounded_channel();
        let teller = portal::Teller(self.tell.clone(), ask.downgrade());
        self.on(Event::Portal(PortalEvent::Begins(portal.clone())));
        self.errands.push(Box::pin(portal::add(self.place, self.shell, teller, asked, portal, through)));
        self.portal = Some(ask);
    }

    fn ask_portal(&self, step: portal::Step) {
        if let Some(portal) = &self.portal {
            // Whoever is told is there as long as this is.
            let _ = portal.send(step);
        }
    }

    /// Whatever waits for a sign-in can go on, and the set-up with the new profile.
    fn has_added_portal(&mut self, event: Event) {
        self.on(event);
        self.on(Event::Profiles(profile::names()));
        self.aws = None;
        (self.look_now, self.look_at_all) = (true, true);
        self.signed_in.notify_one();
        if let Some(keep) = self.app.uses_added()
            && let Err(refusal) = self.carry_out(keep)
        {
            // It is in the list, where somebody can use it all the same.
            tracing::warn!(why = refusal.why, "the new profile was not put to use");
        }
    }

    fn bring_up_if_new(&mut self) {
        if self.app.brings_up() {
            self.rebuild();
        }
    }

    /// A job that a look has found, or none any more because the machine is another one.
    fn follow_if_there_is_a_job(&mut self) {
        if !self.app.has_job() {
            self.following = None;
        } else if let (None, Some(id)) = (&self.following, self.app.job()) {
            let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
            let (desired, id) = (setup.desired.clone(), id.clone());
            self.following =
                Some(Box::pin(system::follow(self.place, self.tell.clone(), desired, instance, id)));
        }
    }

    fn rebuild(&mut self) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        let rebuild = system::rebuild_and_follow(self.place, self.tell.clone(), desired, instance);
        self.following = Some(Box::pin(rebuild));
        self.on(Event::JobAsked { to: None });
    }

    fn go_to(&mut self, generation: u32) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        let go = system::go_and_follow(self.place, self.tell.clone(), desired, instance, generation);
        self.following = Some(Box::pin(go));
        self.on(Event::JobAsked { to: Some(generation) });
    }

    fn cancel_job(&mut self) {
        let (Some(setup), Some(instance), Some(id)) = (self.app.setup(), self.app.instance(), self.app.job())
        else {
            return;
        };
        self.errands.push(Box::pin(system::cancel(self.place, setup.desired.clone(), instance, id.clone())));
        self.on(Event::JobCancelling);
    }

    async fn next(&mut self) -> Happened {
        let pause = if self.operation.is_some() || self.looking.is_some() {
            // They end by themselves; an operation looks by itself, too.
            LONGEST_PAUSE
        } else if self.app.setup().is_none() {
            MENDING
        } else {
            self.app.next_look(self.place.now()).min(LONGEST_PAUSE)
        };
        let snapshots = self.app.next_look_at_snapshots(self.place.now());
        let updates = self.app.next_look_for_updates(self.place.now());
        let others = [self.next_look_at_sessions(), self.next_look_at_system(), snapshots, updates];
        let pause = others.into_iter().flatten().fold(pause, Duration::min);
        tokio::select! {
            biased; // what was told before comes before what ends
            Some(event) = self.told.recv() => Happened::Told(event),
            input = self.inputs.recv() => input.map_or(Happened::Nobody, Happened::Input),
            Some(result) = OptionFuture::from(self.operation.as_mut()) => Happened::Ended(result),
            Some(looked) = OptionFuture::from(self.looking.as_mut()) => Happened::Looked(Box::new(looked)),
            Some(listed) = OptionFuture::from(self.listing.as_mut()) => Happened::Listed(listed),
            Some(seen) = OptionFuture::from(self.seeing.as_mut()) => Happened::Seen(seen),
            Some(seen) = OptionFuture::from(self.seeing_snapshots.as_mut()) => Happened::SeenSnapshots(seen),
            Some(seen) = OptionFuture::from(self.seeing_kinds.as_mut()) => Happened::SeenKinds(seen),
            Some(report) = OptionFuture::from(self.examining.as_mut()) => Happened::Examined(report),
            Some(result) = OptionFuture::from(self.signing_in.as_mut()) => Happened::SignedIn(result),
            Some(ended) = OptionFuture::from(self.following.as_mut()) => Happened::JobEnded(ended),
            Some(new) = OptionFuture::from(self.pricing.as_mut()) => Happened::Priced(new),
            Some(event) = self.errands.next() => Happened::Errand(event),
            change = self.changes.next() => Happened::Changed(change),
            slept = sleep_awake(self.place, pause) => Happened::Paused { slept },
        }
    }

    /// Does what was accepted.
    ///
    /// # Errors
    /// It did not work at once; what goes on for a while tells that later.
    fn carry_out(&mut self, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Autostart { on } => {
                let problem = self.shell.set_autostart(on).err();
                self.see_autostart(problem);
            }
            Command::Choose { machine } => self.choose(machine, false),
            Command::ConnectTo { machine } => self.choose(machine, true),
            Command::Look => {
                self.aws = None;
                (self.look_now, self.look_at_all) = (true, true);
            }
            Command::Preview { of } => self.on(Event::Proposed(Box::new(of))),
            Command::Keep { draft } => return self.keep(&draft),
            Command::LookAtTypes => self.on(Event::KindsAsked),
            Command::ShowUpdate => {
                if let Some(update) = self.app.update() {
                    self.shell.open_page(&update.page);
                }
            }
            Command::Discard => self.on(Event::Discarded),
            Command::Dismiss => self.dismiss(),
            Command::Cancel => {
                self.operation = None;
                self.on(Event::Ended(None));
                (self.look_now, self.look_at_all) = (true, true);
            }
            Command::Connect { session } => self.connect(session),
            Command::OpenSession { name } => {
                if let Ok(name) = name.parse() {
                    self.connect(Some(name));
                }
            }
            Command::LookAtSessions => self.list_sessions(),
            Command::EndSession { name } => self.end_session(name),
            Command::LookAtSystem => self.see_system(),
            Command::Rebuild => self.rebuild(),
            Command::GoTo { generation } => self.go_to(generation),
            Command::CancelJob => self.cancel_job(),
            Command::ShowPage { page } => {
                self.kept.page = Some(page);
                if page == Page::Settings {
                    self.see_autostart(None);
                }
                self.on(Event::Showing(page));
            }
            Command::Examine => self.on(Event::DoctorAsked),
            Command::CheckProfiles => self.look_at_profiles(Look::Checked),
            Command::SignIn { through } => self.sign_in(through),
            Command::SayCode { code } => self.say_code(&code),
            Command::CancelSignIn => self.on(Event::SignInGivenUp),
            Command::Portal { step } => self.portal(step),
            Command::LookAtSnapshots => self.see_snapshots(),
            Command::TakeSnapshot => self.begin(Operation::Snapshot, Agreed::to(COSTS), None),
            Command::Start => self.begin(Operation::Start, Agreed::to(COSTS), None),
            Command::Stop => {
                self.begin(Operation::Stop, Agreed::to(Impact { interrupts: true, ..Impact::NONE }), None);
            }
            Command::Restart => {
                self.begin(Operation::Restart, Agreed::to(Impact { interrupts: true, ..Impact::NONE }), None);
            }
            Command::Apply { number } => self.apply(number),
        }
        Ok(())
    }

    /// Writes settings down that need no plan.
    fn keep(&mut self, draft: &Draft) -> Result<(), Refusal> {
        let decided = self.app.setup().and_then(|setup| decided(setup, draft).ok());
        let written = decided.map_or(Ok(()), |decided| self.place.store.write_settings(&decided.text));
        self.read_settings();
        written.map_err(|error| Refusal { why: error.to_string() })
    }

    fn see_autostart(&mut self, problem: Option<app::Problem>) {
        let now = self.shell.autostart();
        self.on(Event::Autostart(now.map(|on| Autostart { on, problem })));
    }

    /// Goes on where the app was when it fell.
    fn get_up(&mut self) {
        if let Some(tray) = self.kept.tray {
            self.on(Event::Tray(tray));
        }
        if self.kept.window {
            self.on(Event::Window(true));
            self.on(Event::Terminals(installed_words()));
            self.on(Event::Profiles(profile::names()));
            if let Some(page) = self.kept.page {
                self.on(Event::Showing(page));
            }
        }
        self.on(Event::Fell);
    }

    fn choose(&mut self, machine: MachineName, connects: bool) {
        (self.kept.chosen, self.connects_then) = (Some(machine), connects);
        // What is under way is about the other one.
        (self.looking, self.pricing) = (None, None);
        self.read_settings();
    }

    /// Somebody asked for a terminal on a machine that nobody had seen then.
    fn connect_if_chosen(&mut self) {
        if std::mem::take(&mut self.connects_then) {
            let connect = Command::Connect { session: None };
            match self.app.may(&connect) {
                Ok(()) => drop(self.carry_out(connect)),
                Err(refusal) => {
                    let problem = app::Problem {
                        code: "refused".to_owned(),
                        what: refusal.why,
                        cause: None,
                        hints: Vec::new(),
                    };
                    self.on(Event::NoTerminal(problem));
                }
            }
        }
    }

    fn connect(&mut self, session: Option<SessionName>) {
        if self.app.connects_at_once() {
            self.errands.push(Box::pin(connect(self.shell, session)));
        } else {
            self.begin(Operation::Connect, Agreed::to(COSTS), session);
        }
    }

    fn end_session(&mut self, name: SessionName) {
        let (Some(setup), Some(instance)) = (self.app.setup(), self.app.instance()) else { return };
        let desired = setup.desired.clone();
        self.errands.push(Box::pin(sessions::end(self.place, desired, instance, name.clone())));
        self.on(Event::EndingSession(name));
    }

    /// Begins an operation. `session` is what [`Operation::Connect`] opens in the end.
    fn begin(&mut self, operation: Operation, agreed: Agreed, session: Option<SessionName>) {
        let Some(setup) = self.app.setup() else { return };
        let desired = agreed.wanted(&setup.desired);
        self.on(Event::Began(operation));
        // What a look sees that began before is older than what the operation does.
        self.looking = None;
        let (place, shell, tell) = (self.place, self.shell, self.tell.clone());
        let signed_in = Arc::clone(&self.signed_in);
        self.operation = Some(Box::pin(async move {
            operate(place, tell, signed_in, operation, desired, agreed).await?;
            match operation {
                Operation::Connect => shell.open_terminal(session.as_ref()).await,
                Operation::Start
                | Operation::Stop
                | Operation::Restart
                | Operation::Make
                | Operation::Apply
                | Operation::Replace
                | Operation::Restore
                | Operation::TakeBack
                | Operation::LetGo
                | Operation::GoBack
                | Operation::Snapshot
                | Operation::DeleteSnapshot => Ok(()),
            }
        }));
    }

    /// Does what a preview showed. Its settings, where it is of settings, are kept first.
    fn apply(&mut self, number: u32) {
        let Some((operation, of, foreseen)) = self.app.foreseen(number) else { return };
        let (of, plan) = (of.clone(), foreseen.plan.clone());
        if let Proposal::Settings { draft } = &of {
            let drafted = self.app.setup().and_then(|setup| drafted(setup, draft).ok());
            let written = drafted.map_or(Ok(()), |drafted| self.place.store.write_settings(&drafted.text));
            if let Err(error) = written {
                self.on(Event::Began(operation));
                return self.on(Event::Ended(Some(Err(Problem::from(error).into()))));
            }
            self.read_settings();
        }
        let told = Box::new(plan.clone());
        self.begin(operation, Agreed { impact: plan.impact(), shown: Some((of, plan)) }, None);
        self.on(Event::Planned(told));
    }

    fn ended(&mut self, result: Result<(), app::Problem>) {
        self.operation = None;
        while let Ok(event) = self.told.try_recv() {
            self.on(event);
        }
        self.on(Event::Ended(Some(result)));
        (self.look_now, self.look_at_all) = (true, true);
    }

    fn looked(&mut self, looked: Looked) {
        self.looking = None;
        let Looked { desired, all, result } = looked;
        if self.app.setup().is_none_or(|setup| setup.desired != desired) {
            // It was about another machine, or seen with other eyes.
            (self.look_now, self.look_at_all) = (true, true);
            return;
        }
        match result {
            Ok((aws, observed)) => {
                self.aws = Some(aws);
                if all {
                    self.seen_all = Some(Instant::now());
                }
                self.ask_prices_if_due(desired.clone(), &observed);
                let (elsewhere, interrupted) = self.at_work(&desired);
                self.on(Event::Looked { observed: Box::new(observed), elsewhere, interrupted });
                self.connect_if_chosen();
            }
            Err(problem) => {
                // The next one begins from scratch, with what has become of the sign-in meanwhile.
                self.look_at_all = true;
                if std::mem::take(&mut self.connects_then) {
                    self.on(Event::NoTerminal(problem.clone()));
                }
                self.on(Event::Blind(problem));
            }
        }
    }

    /// Who else works on the machine on this computer, and what was not brought to its end.
    fn at_work(&self, desired: &Desired) -> (Option<Elsewhere>, Option<Elsewhere>) {
        let key = desired.key();
        let elsewhere =
            |what, since| Elsewhere { what, since: Moment::from_epoch(Duration::from_secs(since)) };
        // Files that cannot be read are told by whatever needs them.
        let working = self.place.store.working(&key).ok().flatten();
        // What this process gave up or failed at, the user has seen.
        let earlier = |intent: &Intent| intent.started < self.began && working.is_none();
        let intent = self.place.store.intent(&key).read().ok().flatten().filter(earlier);
        (
            working.map(|holder| elsewhere(holder.what, holder.since)),
            intent.map(|intent| elsewhere(intent.operation, intent.started)),
        )
    }

    /// Puts failures aside, and what was interrupted: for good, if nobody works on the machine.
    fn dismiss(&mut self) {
        self.on(Event::Dismissed);
        let Some(setup) = self.app.setup() else { return };
        let key = setup.desired.key();
        if let Ok(_lock) = self.place.store.lock(&key, "dismiss") {
            let _ = self.place.store.intent(&key).clear();
        }
    }
}

/// Waits. Whether the computer has slept meanwhile: then more time has passed than was waited.
async fn sleep_awake(place: &Place, pause: Duration) -> bool {
    let (clock, timer) = (place.now(), Instant::now());
    sleep(pause).await;
    place.now().since(clock) > timer.elapsed() + SLEPT
}

/// Looks at whether the machine is on; at everything, without a connection of before.
async fn look(place: &Place, desired: Desired, aws: Option<Aws>) -> Looked {
    let all = aws.is_none();
    let look = async {
        match aws {
            Some(aws) => {
                let observed = aws.glance(&desired).await?;
                Ok((aws, observed))
            }
            None => {
                let aws = place.aws(&desired).await?;
                let observed = aws.observe(&desired, Goal::Reachable).await?;
                Ok((aws, observed))
            }
        }
    };
    let result = match look.await {
        Ok(seen) => Ok(seen),
        Err(problem) => Err(place.explain(&desired, problem)),
    };
    Looked { desired, all, result }
}

/// Opens a terminal on a machine that can be reached.
async fn connect(shell: &impl Shell, session: Option<SessionName>) -> Option<Event> {
    Some(match shell.open_terminal(session.as_ref()).await {
        Ok(()) => Event::Connected,
        Err(problem) => Event::NoTerminal(problem),
    })
}

/// What the user has agreed to.
#[derive(Clone, Debug)]
struct Agreed {
    impact: Impact,
    /// What was proposed, and the plan that was shown for it.
    shown: Option<(Proposal, Plan)>,
}

/// It costs, and nothing else.
const COSTS: Impact = Impact { costs: true, ..Impact::NONE };

impl Agreed {
    fn to(impact: Impact) -> Self {
        Self { impact, shown: None }
    }

    /// What is wanted of the machine for it.
    fn wanted(&self, desired: &Desired) -> Desired {
        self.shown.as_ref().map_or_else(|| desired.clone(), |(of, _)| of.wanted(desired))
    }

    /// Whether every step of a plan that destroys something was shown.
    fn knows_all_losses(&self, plan: &Plan) -> bool {
        let shown = self.shown.iter().flat_map(|(_, shown)| &shown.steps);
        let shown: Vec<_> = shown.map(|planned| &planned.step).collect();
        let mut losses = plan.steps.iter().filter(|planned| planned.impact.loses_data);
        losses.all(|planned| shown.contains(&&planned.step))
    }
}

/// Carries out an operation, as far as the user agreed to it.
async fn operate(
    place: &Place,
    tell: mpsc::UnboundedSender<Event>,
    signed_in: Arc<Notify>,
    operation: Operation,
    desired: Desired,
    agreed: Agreed,
) -> Result<(), app::Problem> {
    let work = async {
        let aws = place.aws(&desired).await?;
        let reporter = Reporter { tell, agreed, signed_in };
        let word = proposals::word(operation, &desired);
        let reach = |goal| converge(&aws, &place.store, &word, &desired, goal, &reporter);
        let report = match operation {
            // On as something else is on, too.
            Operation::Start | Operation::Connect => {
                Report { shortage: None, ..reach(Goal::Reachable).await? }
            }
            Operation::Stop => reach(Goal::Stopped).await?,
            Operation::Restart => converge::restart(&aws, &place.store, &desired, &reporter).await?,
            Operation::Apply => {
                let report = reach(Goal::Settings).await?;
                let power = report.observed.winners(&desired).instance.map(|instance| instance.power);
                if report.grown && power == Some(Power::Running) {
                    // It is on, so this only waits for its agent.
                    reach(Goal::Reachable).await?;
                }
                report
            }
            Operation::Make => {
                let settled = reach(Goal::Settings).await?;
                Report { grown: settled.grown, shortage: settled.shortage, ..reach(Goal::Reachable).await? }
            }
            Operation::Replace | Operation::Restore => {
                let settled = reach(proposals::goal(&aws, &desired, &reporter).await?).await?;
                Report { grown: settled.grown, shortage: settled.shortage, ..reach(Goal::Reachable).await? }
            }
            Operation::TakeBack | Operation::LetGo | Operation::GoBack => {
                reach(proposals::goal(&aws, &desired, &reporter).await?).await?
            }
            Operation::Snapshot => {
                return proposals::take_snapshot(&aws, &place.store, &desired, &reporter).await;
            }
            Operation::DeleteSnapshot => {
                let Some((of, plan)) = &reporter.agreed.shown else { return Ok(()) };
                if let Proposal::DeleteSnapshot { snapshot } = of {
                    let look = || aws.may_forget(&desired, std::slice::from_ref(snapshot));
                    converge::look(&aws, &desired, &reporter, look).await?;
                }
                return converge::carry_out(&aws, &place.store, &word, &desired, plan, &reporter).await;
            }
        };
        if report.grown {
            take_space(&aws, &desired, &report).await?;
            place.store.intent(&desired.key()).clear()?;
        }
        report.shortage.map_or(Ok(()), Err)
    };
    match work.await {
        Ok(()) => Ok(()),
        Err(Problem { code: "no_consent", .. }) => Err(changed_meanwhile().into()),
        Err(problem) => Err(place.explain(&desired, problem)),
    }
}

/// The machine's file system takes the space that the volume has; one that is off does so when it starts.
async fn take_space(aws: &Aws, desired: &Desired, report: &Report) -> Result<(), Problem> {
    let winners = report.observed.winners(desired);
    let (Some(instance), Some(volume)) = (winners.instance, winners.volume) else { return Ok(()) };
    if instance.power != Power::Running {
        return Ok(());
    }
    match space::grow(Machine { aws, desired, instance: &instance.id }, volume.size).await {
        Err(problem) if problem.code != NO_SYSTEM => Err(problem),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The world is not the one that the user agreed about.
fn changed_meanwhile() -> Problem {
    Problem::new("changed", "It was stopped before it did more than what was shown")
        .because("something has changed in AWS meanwhile")
        .hint("look at the plan again")
}

/// Tells the app how an operation goes on, and agrees to what the user agreed to.
struct Reporter {
    tell: mpsc::UnboundedSender<Event>,
    agreed: Agreed,
    signed_in: Arc<Notify>,
}

impl Witness for Reporter {
    async fn consent(&self, _: &Observed, plan: &Plan) -> Consent {
        let _ = self.tell.send(Event::Planned(Box::new(plan.clone())));
        let loses_data = self.agreed.impact.loses_data && self.agreed.knows_all_losses(plan);
        Consent::to(Impact { loses_data, ..self.agreed.impact })
    }

    fn waits_for_sign_in(&self) -> bool {
        true
    }

    async fn signed_in(&self) {
        self.signed_in.notified().await;
    }

    fn event(&self, event: converge::Event<'_>) {
        let event = match event {
            converge::Event::Started(step) => Event::Started(step.clone()),
            converge::Event::Finished(step) => Event::Finished(step.clone()),
            converge::Event::Postponed(step, problem) | converge::Event::Surprised(step, problem) => {
                tracing::debug!(?step, %problem, "a step has to wait");
                Event::Postponed(step.clone())
            }
            converge::Event::Waiting(waiting) => Event::Waiting(waiting.to_vec()),
            converge::Event::Saw(observed) => Event::Saw(Box::new(observed.clone())),
            converge::Event::SignedOut(problem) => Event::SignedOut(problem.clone().into()),
        };
        // Nobody listens any more when the app ends.
        let _ = self.tell.send(event);
    }
}

impl From<Problem> for app::Problem {
    fn from(problem: Problem) -> Self {
        let Problem { code, what, cause, hints, .. } = problem;
        Self { code: code.to_owned(), what, cause, hints }
    }
}
