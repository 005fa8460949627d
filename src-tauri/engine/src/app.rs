//! Drives the pure [`App`]: looks at AWS when it says so, carries out what the user asks for, and hands on what is to be
//! shown.
//!
//! Everything goes on in one task: whatever arrives becomes an event, and after each event the view is shown if it has
//! changed. Looks at the machine and at its sessions, previews and the one operation are futures beside each other; dropping
//! one ends it.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use holdfast_core::app::view::Autostart;
use holdfast_core::app::{
    self, App, Command, Draft, Event, JobEnd, Look, Notice, Opening, Operation, Page, PortalEvent, Progress,
    Refusal, SystemSeen, Then, View, decided, is_about_credentials,
};
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{Desired, Observed, Snapshot};
use holdfast_core::names::MachineName;
use holdfast_core::sessions::ZellijSession;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::aws::{Aws, profile};
use crate::net::{Change, Changes};
use crate::open::installed_terminals;
use crate::prices::Worth;
use crate::problem::Problem;
use crate::updates;

mod doctor;
mod log;
mod look;
mod operation;
mod place;
mod portal;
mod proposals;
mod sessions;
mod sign_in;
mod system;

/// The longest pause in which nobody looks at the clock: the timers stand still while the computer sleeps.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Two clicks within so much time are a double click.
const DOUBLE_CLICK: Duration = Duration::from_secs(2);
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
pub use place::Place;

use look::Looked;
use operation::{Agreed, COSTS, INTERRUPTS};

/// What the app shows itself in.
pub trait Shell {
    /// Shows this from now on.
    fn show(&self, view: &View);
    /// Tells the user something that is not in sight.
    fn notify(&self, notice: Notice);
    /// Opens a terminal on a session of the machine, or brings the one that is open to the front.
    fn open_terminal(&self, opening: &Opening) -> impl Future<Output = Result<(), app::Problem>>;
    /// Opens the window at a page, or takes the open one there.
    fn open_window(&self, page: Page);
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
        desk.look_at_other_if_due();
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
        desk.end_reading_if_moot();
        desk.publish();
        desk.log.answer(&desk.app);
        match desk.next().await {
            Happened::Nobody => return,
            Happened::Input(Input::Window(open)) => {
                desk.on(Event::Window(open));
                desk.kept.window = open;
                if open {
                    desk.on(Event::Terminals(installed_terminals()));
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
                    refused => {
                        if let Command::Keep { draft } = command {
                            desk.on(Event::NotKept(draft));
                        }
                        refused
                    }
                };
                // Who is answered sees what came of it.
                desk.publish();
                // Whoever asked may be gone; what was asked for goes on.
                let _ = answer.send(accepted);
            }
            Happened::Errand(Some(event @ Event::Portal(PortalEvent::Ended(Ok(_))))) => {
                desk.has_added_portal(event);
            }
            Happened::Told(event) => desk.on(event),
            Happened::Errand(Some(event)) => {
                if let Event::Opened { opening, .. } = &event {
                    desk.opening.retain(|(under_way, _)| under_way != opening);
                }
                desk.on(event);
            }
            Happened::Errand(None) => {}
            Happened::Ended(result) => desk.ended(result),
            Happened::Looked(looked) => desk.looked(*looked),
            Happened::LookedAtOther(looked) => desk.looked_at_other(*looked),
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
                desk.hear_what_was_told();
                desk.on(Event::JobEnded(result));
            }
            Happened::LogOver(event) => {
                desk.reading_log = None;
                desk.hear_what_was_told();
                desk.on(event);
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
                desk.others.clear();
                desk.look_now = true;
            }
            Happened::Paused { slept: false } => {}
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A look at a machine that is not shown, with the connection that it used unless it failed.
type OtherLooked = (Desired, Option<(Aws, Observed)>);
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
    /// A look at a machine that is not shown.
    looking_at_other: Option<Boxed<'a, OtherLooked>>,
    /// The connections for such looks.
    others: BTreeMap<MachineName, (Desired, Aws)>,
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
    /// The log of a job that is over is being fetched.
    reading_log: Option<Boxed<'a, Event>>,
    /// Whoever reads a log.
    log: log::Reader,
    /// AWS's price list is being asked; whether that brings anything new.
    pricing: Option<Boxed<'a, bool>>,
    errands: FuturesUnordered<Boxed<'a, Option<Event>>>,
    /// Terminals that are being opened: whoever clicks twice wants one.
    opening: Vec<(Opening, Instant)>,
    /// The connection that the last look used.
    aws: Option<Aws>,
    look_now: bool,
    /// The next look is at everything.
    look_at_all: bool,
    /// When everything was last seen.
    seen_all: Option<Instant>,
    /// This is to be done as soon as this machine was seen.
    then: Option<(MachineName, Then)>,
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
    LookedAtOther(Box<OtherLooked>),
    Listed(Listed),
    Seen(Seen),
    SeenSnapshots(SeenSnapshots),
    Examined(Examined),
    SignedIn(SignedIn),
    JobEnded(JobEnded),
    LogOver(Event),
    Priced(bool),
    Errand(Option<Event>),
    SeenKinds(SeenKinds),
    Changed(Change),
    Paused { slept: bool },
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
            reading_log: None,
            log: log::Reader::default(),
            pricing: None,
            errands: FuturesUnordered::new(),
            opening: Vec::new(),
            aws: None,
            look_now: true,
            look_at_all: true,
            seen_all: None,
            then: None,
            looking_at_other: None,
            others: BTreeMap::new(),
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
        } else if let Event::Goes(Progress::Saw(observed)) = &mut event {
            self.note(observed, Worth::All);
        } else if let Event::Blind(problem) | Event::Goes(Progress::SignedOut(problem)) = &event
            && is_about_credentials(&problem.code)
        {
            let way = self.app.setup().and_then(|setup| self.place.way_in(&setup.desired));
            self.app.on(Event::WayIn(way), self.place.now());
        }
        self.app.on(event, self.place.now());
    }

    /// What ends may have told things in the same breath, which come before its end.
    fn hear_what_was_told(&mut self) {
        while let Ok(event) = self.told.try_recv() {
            self.on(event);
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
        let other = self.next_look_at_other().map(|(pause, _)| pause);
        let all = [self.next_look_at_sessions(), self.next_look_at_system(), snapshots, updates, other];
        let pause = all.into_iter().flatten().fold(pause, Duration::min);
        tokio::select! {
            biased; // what was told before comes before what ends
            Some(event) = self.told.recv() => Happened::Told(event),
            input = self.inputs.recv() => input.map_or(Happened::Nobody, Happened::Input),
            Some(result) = OptionFuture::from(self.operation.as_mut()) => Happened::Ended(result),
            Some(looked) = OptionFuture::from(self.looking.as_mut()) => Happened::Looked(Box::new(looked)),
            Some(looked) = OptionFuture::from(self.looking_at_other.as_mut()) => Happened::LookedAtOther(Box::new(looked)),
            Some(listed) = OptionFuture::from(self.listing.as_mut()) => Happened::Listed(listed),
            Some(seen) = OptionFuture::from(self.seeing.as_mut()) => Happened::Seen(seen),
            Some(seen) = OptionFuture::from(self.seeing_snapshots.as_mut()) => Happened::SeenSnapshots(seen),
            Some(seen) = OptionFuture::from(self.seeing_kinds.as_mut()) => Happened::SeenKinds(seen),
            Some(report) = OptionFuture::from(self.examining.as_mut()) => Happened::Examined(report),
            Some(result) = OptionFuture::from(self.signing_in.as_mut()) => Happened::SignedIn(result),
            Some(ended) = OptionFuture::from(self.following.as_mut()) => Happened::JobEnded(ended),
            Some(over) = OptionFuture::from(self.reading_log.as_mut()) => Happened::LogOver(over),
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
            Command::Choose { machine } => self.choose(machine),
            Command::On { machine, then } => return self.on_machine(machine, then),
            Command::Look => {
                self.aws = None;
                (self.look_now, self.look_at_all) = (true, true);
            }
            Command::Preview { of } => self.on(Event::Proposed(Box::new(of))),
            Command::Keep { draft } => return self.keep(&draft),
            Command::SetSettingsAside => {
                let moved = self.place.store.set_settings_aside();
                self.read_settings();
                match moved {
                    Ok(Some(path)) => self.on(Event::SettingsAside(path.display().to_string())),
                    Ok(None) => return Err(Refusal { why: "There is no file".to_owned() }),
                    Err(error) => return Err(Refusal { why: format!("It was not put aside: {error}") }),
                }
            }
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
            Command::Connect { session } => self.connect(Opening { session, ..Opening::default() }),
            Command::ConnectIn { terminal, session } => {
                self.connect(Opening { session, terminal: Some(terminal), machine: None });
            }
            Command::OpenSession { name } => {
                if let Ok(name) = name.parse() {
                    self.connect(Opening { session: Some(name), ..Opening::default() });
                }
            }
            Command::LookAtSessions => self.list_sessions(),
            Command::EndSession { name } => self.end_session(name),
            Command::LookAtSystem => self.see_system(),
            Command::Rebuild => self.rebuild(),
            Command::GoTo { generation } => self.go_to(generation),
            Command::CancelJob => self.cancel_job(),
            Command::ShowLog { job } => self.show_log(job),
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
            Command::TakeSnapshot => self.begin(Operation::Snapshot, Agreed::to(COSTS)),
            Command::Start => self.begin(Operation::Start, Agreed::to(COSTS)),
            Command::Stop => self.begin(Operation::Stop, Agreed::to(INTERRUPTS)),
            Command::Restart => self.begin(Operation::Restart, Agreed::to(INTERRUPTS)),
            Command::Apply { number } => self.apply(number),
        }
        Ok(())
    }

    /// Writes settings down that need no plan.
    fn keep(&mut self, draft: &Draft) -> Result<(), Refusal> {
        let decided = self.app.setup().and_then(|setup| decided(setup, draft).ok());
        let written = decided.map_or(Ok(()), |decided| self.place.store.write_settings(&decided.text));
        self.read_settings();
        written.map_err(|error| Refusal { why: format!("That was not kept: {error}") })
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
            self.on(Event::Terminals(installed_terminals()));
            self.on(Event::Profiles(profile::names()));
            if let Some(page) = self.kept.page {
                self.on(Event::Showing(page));
            }
        }
        self.on(Event::Fell);
    }

    fn choose(&mut self, machine: MachineName) {
        (self.kept.chosen, self.then) = (Some(machine), None);
        // What is under way is about the other one.
        (self.looking, self.pricing) = (None, None);
        self.read_settings();
    }

    /// Does it at once on the machine that is shown, else as soon as that is the one, and was seen.
    fn on_machine(&mut self, machine: MachineName, then: Then) -> Result<(), Refusal> {
        let shown = self.app.setup().is_some_and(|setup| setup.desired.machine == machine);
        if !shown {
            self.choose(machine.clone());
        }
        if let Then::Open(page) = then
            && (shown || !page.asks())
        {
            self.open_window(page);
        } else if shown {
            return then.on_shown().map_or(Ok(()), |(command, _)| self.carry_out(command));
        } else {
            self.then = Some((machine, then));
        }
        Ok(())
    }

    /// The machine was seen, or cannot be: `blind` says why. What somebody asked for before that is done now.
    fn do_then(&mut self, blind: Option<&app::Problem>) {
        let shown = |name: &MachineName| self.app.setup().is_some_and(|setup| setup.desired.machine == *name);
        // Another one is shown by now if the settings have no such machine any more.
        match self.then.take().filter(|(machine, _)| shown(machine)).map(|(_, then)| then) {
            None => {}
            Some(Then::Open(page)) => self.open_window(page),
            Some(then @ (Then::Connect | Then::Start)) => {
                let Some((command, operation)) = then.on_shown() else { return };
                let refused = |refusal: Refusal| app::Problem {
                    code: "refused".to_owned(),
                    what: refusal.why,
                    cause: None,
                    hints: Vec::new(),
                };
                let may = blind.cloned().map_or_else(|| self.app.may(&command).map_err(refused), Err);
                match may {
                    Ok(()) => drop(self.carry_out(command)),
                    Err(problem) => self.on(Event::NotBegun(operation, problem)),
                }
            }
        }
    }

    /// Opens the window, which finds there what is known by now.
    fn open_window(&mut self, page: Page) {
        self.publish();
        self.shell.open_window(page);
    }

    fn connect(&mut self, opening: Opening) {
        let machine = self.app.setup().map(|setup| setup.desired.machine.clone());
        let opening = Opening { machine, ..opening };
        if self.app.connects_at_once() {
            let twice = |(under_way, since): &(Opening, Instant)| {
                *under_way == opening && since.elapsed() < DOUBLE_CLICK
            };
            if !self.opening.iter().any(twice) {
                self.opening.push((opening.clone(), Instant::now()));
                let open = open(self.shell, opening);
                self.errands.push(Box::pin(async { Some(open.await) }));
            }
        } else {
            self.begin_before(Operation::Connect, Agreed::to(COSTS), Some(opening));
        }
    }

    /// Puts failures aside, and what was interrupted: for good, if nobody works on the machine.
    fn dismiss(&mut self) {
        self.on(Event::Dismissed);
        self.forget_intent();
    }

    /// Forgets what was interrupted, if nobody works on the machine. Whether it is forgotten.
    fn forget_intent(&self) -> bool {
        let Some(setup) = self.app.setup() else { return false };
        let key = setup.desired.key();
        let Ok(_lock) = self.place.store.lock(&key, "dismiss") else { return false };
        self.place.store.intent(&key).clear().is_ok()
    }
}

/// Waits. Whether the computer has slept meanwhile: then more time has passed than was waited.
async fn sleep_awake(place: &Place, pause: Duration) -> bool {
    let (clock, timer) = (place.now(), Instant::now());
    sleep(pause).await;
    place.now().since(clock) > timer.elapsed() + SLEPT
}

/// Opens a terminal on a machine that can be reached.
async fn open(shell: &impl Shell, opening: Opening) -> Event {
    let result = shell.open_terminal(&opening).await;
    Event::Opened { opening, result }
}

impl From<Problem> for app::Problem {
    fn from(problem: Problem) -> Self {
        let Problem { code, what, cause, hints, .. } = problem;
        Self { code: code.to_owned(), what, cause, hints }
    }
}
