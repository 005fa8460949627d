//! The app and its driver on the sandbox, under virtual time, with a person and a screen that a test plays.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::app::{Input, Place, Shell, run};
use holdfast::store::{Intent, Store};
use holdfast_core::app::view::{Key, Progress, Sessions};
use holdfast_core::app::{Command, Draft, Notice, Opening, Page, Problem, Proposal, Refusal, View};
use holdfast_core::names::SessionName;
use holdfast_core::plan::{Goal, Leave};
use holdfast_core::status::State;
use holdfast_core::terminal::Known;
use holdfast_sandbox::{Fault, Rule, Sandbox, Service, When};
use holdfast_tests::{Laptop, WHOLE, aws_options, census, sandbox};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

#[path = "app/beside.rs"]
mod beside;
#[path = "app/looks.rs"]
mod looks;
#[path = "app/portal.rs"]
mod portal;
#[path = "app/set_up.rs"]
mod set_up;
#[path = "app/several.rs"]
mod several;
#[path = "app/sign_in.rs"]
mod sign_in;

const SETTINGS: &str = "[machine.remote-dev]\nuser = \"ada\"\n";

thread_local! {
    static BEGAN: (SystemTime, Instant) = (SystemTime::now(), Instant::now());
    /// How often the clock was read.
    static READ: Cell<u32> = const { Cell::new(0) };
    static SLEPT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A clock that goes with the test's time, and on while the computer sleeps.
fn clock() -> SystemTime {
    READ.set(READ.get() + 1);
    BEGAN.with(|(system, timer)| *system + timer.elapsed() + SLEPT.get())
}

/// What the app has shown.
#[derive(Clone, Default)]
struct Screen {
    views: Rc<RefCell<Vec<View>>>,
    notices: Rc<RefCell<Vec<String>>>,
    terminals: Rc<Cell<u32>>,
    /// The last one.
    opening: Rc<RefCell<Opening>>,
    no_terminal: Rc<Cell<bool>>,
    /// Opening a terminal falls over a fault of its own.
    falls: Rc<Cell<bool>>,
    /// The pages that the window was opened at.
    opened: Rc<RefCell<Vec<Page>>>,
    /// The pages that a browser was to show.
    pages: Rc<RefCell<Vec<String>>>,
}

impl Shell for Screen {
    fn show(&self, view: &View) {
        self.views.borrow_mut().push(view.clone());
    }

    fn notify(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice.title);
    }

    fn autostart(&self) -> Option<bool> {
        None
    }

    fn set_autostart(&self, _: bool) -> Result<(), Problem> {
        Ok(())
    }

    fn open_window(&self, page: Page) {
        self.opened.borrow_mut().push(page);
    }

    fn open_page(&self, page: &str) {
        self.pages.borrow_mut().push(page.to_owned());
    }

    async fn open_terminal(&self, opening: &Opening) -> Result<(), Problem> {
        assert!(!self.falls.get(), "a fault of its own");
        if self.no_terminal.get() {
            let what = "No terminal could be opened".to_owned();
            return Err(Problem { code: "no_terminal_window".to_owned(), what, cause: None, hints: vec![] });
        }
        self.terminals.set(self.terminals.get() + 1);
        // As long as a person takes for a second click.
        sleep(Duration::from_millis(100)).await;
        *self.opening.borrow_mut() = opening.clone();
        Ok(())
    }
}

/// The person, with the screen in sight.
struct Person {
    inputs: mpsc::UnboundedSender<Input>,
    screen: Screen,
    store: Store,
    /// How long anything may take.
    patience: Duration,
}

impl Person {
    async fn asks(&self, command: Command) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.inputs.send(Input::Command(command, answer)).expect("the app runs");
        answered.await.expect("an answer")
    }

    fn window(&self, open: bool) {
        self.inputs.send(Input::Window(open)).expect("the app runs");
    }

    fn sees(&self) -> View {
        self.screen.views.borrow().last().cloned().expect("a view")
    }

    async fn waits_for(&self, what: &str, seen: impl Fn(&View) -> bool) -> View {
        let look = async {
            while !self.screen.views.borrow().last().is_some_and(&seen) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let found = timeout(self.patience, look).await;
        assert!(
            found.is_ok(),
            "no view with {what}; the last one is {:#?}",
            self.screen.views.borrow().last()
        );
        self.sees()
    }

    async fn waits_for_state(&self, state: State) -> View {
        self.waits_for(&format!("{state:?}"), |view| view.machine.state == state && view.operation.is_none())
            .await
    }

    fn told(&self) -> Vec<String> {
        self.screen.notices.take()
    }
}

/// Runs the app on a new computer with these settings, for as long as the person does something with it.
async fn with_app(sandbox: &Sandbox, settings: &str, person: impl AsyncFnOnce(&Person)) {
    let folder = tempfile::tempdir().expect("a folder for tests");
    let store = Store::at(folder.path().join("config"), folder.path().join("state"));
    on_computer(sandbox, &store, settings, person).await;
}

async fn on_computer(sandbox: &Sandbox, store: &Store, settings: &str, person: impl AsyncFnOnce(&Person)) {
    clock();
    store.write_settings(settings).expect("settings");
    let http = SharedHttpClient::new(sandbox.http_client().with_latency(Duration::from_millis(50)));
    in_place(&Place::at(store.clone(), aws_options(http), clock), Duration::from_secs(3600), person).await;
}

async fn in_place(place: &Place, patience: Duration, person: impl AsyncFnOnce(&Person)) {
    let (inputs, received) = mpsc::unbounded_channel();
    let screen = Screen::default();
    let someone = Person { inputs, screen: screen.clone(), store: place.store().clone(), patience };
    tokio::select! {
        () = Box::pin(run(place, &screen, received)) => panic!("the app has ended by itself"),
        () = Box::pin(person(&someone)) => {}
    }
}

/// A sandbox in which another computer of the same person has made the machine.
async fn with_machine() -> (Sandbox, Laptop) {
    let sandbox = sandbox(1);
    let other = Laptop::new(&sandbox, Duration::ZERO).await;
    other.reach(Goal::Settings).await.expect("a machine");
    other.reach(Goal::Reachable).await.expect("a machine that is on");
    (sandbox, other)
}

fn draft() -> Draft {
    let typed = [
        (Key::Profile, ""),
        (Key::Region, "us-west-2"),
        (Key::InstanceType, "m8g.xlarge"),
        (Key::VolumeSize, "100"),
        (Key::User, "ada"),
    ];
    typed.into_iter().fold(Draft::default(), |draft, (key, value)| draft.with(key, value))
}

async fn preview(person: &Person, draft: Draft) -> u32 {
    preview_of(person, Proposal::Settings { draft }).await.preview.expect("a preview").number
}

async fn preview_of(person: &Person, of: Proposal) -> View {
    person.asks(Command::Preview { of: of.clone() }).await.expect("accepted");
    let ready = |view: &View| view.preview.as_ref().is_some_and(|shown| shown.of == of && !shown.looking);
    person.waits_for("a preview", ready).await
}

#[tokio::test(start_paused = true)]
async fn from_nothing_through_the_preview_to_a_machine_and_a_terminal() {
    let sandbox = sandbox(1);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::Absent).await;
        person.window(true);
        let number = preview(person, draft().with(Key::VolumeSize, "120")).await;
        assert!(
            !sandbox.calls().iter().any(|call| call.operation.starts_with("Create")),
            "a preview changes nothing"
        );
        assert!(person.asks(Command::Apply { number: number + 1 }).await.is_err());
        person.asks(Command::Apply { number }).await.expect("accepted");
        person.waits_for("the operation", |view| view.operation.is_some()).await;
        assert!(person.asks(Command::Apply { number }).await.is_err(), "once is enough");
        let view = person.waits_for_state(State::On).await;
        assert_eq!(view.machine.reachable, Some(true));
        assert_eq!(view.failed, None);
        assert_eq!(view.machine.instance.expect("an instance").volume_size, Some(120));
        let text = person.store.read_settings_text().expect("readable").expect("there");
        assert_eq!(text, "[machine.remote-dev]\nuser = \"ada\"\nvolume_size = 120\n");
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(person.screen.terminals.get(), 1);
        assert!(person.told().is_empty(), "the window was open all the time");

        // The phases only ever went forward.
        let mut before = 0;
        for view in person.screen.views.borrow().iter() {
            let Some(operation) = &view.operation else { continue };
            let done = operation.phases.iter().filter(|phase| phase.progress == Progress::Done).count();
            assert!(done >= before || operation.phases.is_empty(), "{operation:?}");
            before = done;
        }
    })
    .await;
    let laptop = Laptop::new(&sandbox, Duration::ZERO).await;
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn an_idle_hour_is_at_most_sixty_calls_and_sees_what_changes_by_itself() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(300)).await;
        sandbox.clear_calls();
        sleep(Duration::from_secs(3600)).await;
        let calls = sandbox.calls().len();
        println!("{calls} calls in an idle hour");
        assert!((40..=60).contains(&calls), "{calls}");
        assert!(person.told().is_empty());

        let id = person.sees().machine.instance.expect("an instance").id;
        sandbox.power_off_inside(&id);
        person.waits_for_state(State::Off).await;
        assert_eq!(person.told(), ["remote-dev is off"]);
        assert_eq!(person.sees().machine.detail.as_deref(), Some("It was powered off from inside."));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_another_computer_does_is_told_and_what_was_done_here_is_not() {
    let (sandbox, other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        other.reach(Goal::Stopped).await.expect("stopped");
        person.waits_for_state(State::Off).await;
        assert_eq!(person.told(), ["remote-dev is off"]);
        person.asks(Command::Start).await.expect("accepted");
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(600)).await;
        assert_eq!(person.told(), ["remote-dev is on and can be reached"]);
        other.reach(Goal::Gone(Leave { volume: false, snapshot: false })).await.expect("gone");
        person.waits_for_state(State::Absent).await;
        assert_eq!(person.told(), ["remote-dev is gone"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connect_starts_a_machine_that_is_off_and_says_when_no_terminal_opens() {
    let (sandbox, other) = with_machine().await;
    other.reach(Goal::Stopped).await.expect("stopped");
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::Off).await;
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        let view = person.waits_for_state(State::On).await;
        assert_eq!((view.failed, person.screen.terminals.get()), (None, 1));
        assert!(person.told().is_empty(), "the terminal says it");
        person.screen.no_terminal.set(true);
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        person.waits_for("the failure", |view| view.failed.is_some()).await;
        assert_eq!(person.told(), ["Connecting to remote-dev: it did not work"]);
        person.asks(Command::Dismiss).await.expect("accepted");
        person.waits_for("no failure", |view| view.failed.is_none()).await;

        // At the end of an operation as beside one.
        person.asks(Command::Stop).await.expect("accepted");
        person.waits_for_state(State::Off).await;
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        let over = |view: &View| view.failed.is_some() && view.operation.is_none();
        let view = person.waits_for("the failure", over).await;
        assert_eq!(view.failed.expect("a failure").problem.code, "no_terminal_window");
        person.waits_for_state(State::On).await;
        person.screen.no_terminal.set(false);
        person.asks(Command::Connect { session: None }).await.expect("accepted");
        person.waits_for("no failure", |view| view.failed.is_none()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_not_installed_is_not_opened() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        // It is one of another system.
        let terminal = if cfg!(windows) { Known::Xterm } else { Known::Conhost };
        let refusal = person.asks(Command::ConnectIn { terminal, session: None }).await.expect_err("refused");
        assert!(refusal.why.ends_with("is not installed"), "{refusal:?}");
        assert_eq!(person.screen.terminals.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_can_be_gone_on_with() {
    let sandbox = sandbox(1);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::Absent).await;
        let number = preview(person, draft()).await;
        person.asks(Command::Apply { number }).await.expect("accepted");
        person.waits_for("some steps", |view| view.operation.as_ref().is_some_and(|o| o.done > 4)).await;
        person.asks(Command::Cancel).await.expect("accepted");
        let view = person.waits_for("its end", |view| view.operation.is_none()).await;
        assert_eq!(view.failed, None);
        let view =
            person.waits_for("a look", |view| view.operation.is_none() && view.machine.seen.is_some()).await;
        assert_eq!(view.interrupted, None, "the user knows what he has given up");
        let number = preview(person, draft()).await;
        person.asks(Command::Apply { number }).await.expect("accepted");
        let view = person.waits_for_state(State::On).await;
        assert_eq!((view.failed, view.interrupted), (None, None));
    })
    .await;
    let laptop = Laptop::new(&sandbox, Duration::ZERO).await;
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_did_not_bring_to_its_end_is_shown_until_it_is_put_aside() {
    let sandbox = sandbox(1);
    clock();
    let folder = tempfile::tempdir().expect("a folder for tests");
    let store = Store::at(folder.path().join("config"), folder.path().join("state"));
    let long_ago = Intent { started: 1_700_000_000, ..Intent::now("up", "settings") };
    store.intent("ada/remote-dev/us-west-2").write(&long_ago).expect("a note");
    on_computer(&sandbox, &store, SETTINGS, async |person| {
        let view = person.waits_for("the note", |view| view.interrupted.is_some()).await;
        assert_eq!(view.interrupted.expect("a note").title, "Making remote-dev was interrupted");
        person.asks(Command::Dismiss).await.expect("accepted");
        person.asks(Command::Look).await.expect("accepted");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(person.sees().interrupted, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_came_to_its_end_after_all_is_forgotten() {
    let (sandbox, other) = with_machine().await;
    other.reach(Goal::Stopped).await.expect("stopped");
    for (operation, left) in [("stop", false), ("start", true)] {
        let folder = tempfile::tempdir().expect("a folder for tests");
        let store = Store::at(folder.path().join("config"), folder.path().join("state"));
        let intent = store.intent("ada/remote-dev/us-west-2");
        let long_ago = Intent { started: 1_700_000_000, ..Intent::now(operation, "-") };
        intent.write(&long_ago).expect("a note");
        on_computer(&sandbox, &store, SETTINGS, async |person| {
            let view = person.waits_for_state(State::Off).await;
            assert_eq!(view.interrupted.is_some(), left, "{operation}");
        })
        .await;
        assert_eq!(intent.read().expect("a note").is_some(), left, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_for_another_region_are_looked_at_there() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let elsewhere = format!("{SETTINGS}region = \"eu-central-1\"\n");
        person.store.write_settings(&elsewhere).expect("settings");
        person.window(true);
        let view = person
            .waits_for("another region", |view| {
                view.machine.region == "eu-central-1" && view.machine.seen.is_some()
            })
            .await;
        assert_eq!(view.machine.state, State::Absent);
        person.window(false);
        person.store.write_settings(SETTINGS).expect("settings");
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(600)).await;
        assert!(person.told().is_empty(), "nothing has happened to any machine");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_has_no_credentials_yet_is_told_how_to_sign_in_and_may_look_again() {
    let (sandbox, _other) = with_machine().await;
    let denied = Fault::Error { code: "AuthFailure".to_owned(), status: 401 };
    sandbox.fault(Rule::on(Service::Ec2, "DescribeInstances", When::Every, denied));
    with_app(&sandbox, SETTINGS, async |person| {
        let view = person.waits_for("a problem", |view| view.machine.problem.is_some()).await;
        let problem = view.machine.problem.expect("a problem");
        assert!(!problem.hints.is_empty(), "{problem:?}");
        assert!(view.commands.look.is_some() && view.machine.seen.is_none());
        sandbox.clear_faults();
        person.asks(Command::Look).await.expect("accepted");
        person.waits_for_state(State::On).await;
        assert_eq!(person.sees().machine.problem, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_waits_for_whoever_has_to_sign_in() {
    let sandbox = sandbox(1);
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::Absent).await;
        person.window(true);
        let number = preview(person, draft()).await;
        person.asks(Command::Apply { number }).await.expect("accepted");
        let begun = |view: &View| view.operation.as_ref().is_some_and(|operation| operation.done > 2);
        person.waits_for("some steps", begun).await;
        person.window(false);
        sandbox.set(|conditions| conditions.principals[0].expired = true);
        let asks = |view: &View| {
            let waiting = view.operation.as_ref().and_then(|operation| operation.waiting.as_deref());
            waiting.is_some_and(|waiting| waiting.starts_with("you to sign in"))
        };
        person.waits_for("somebody to sign in", asks).await;
        sleep(Duration::from_secs(8 * 3600)).await;
        assert!(asks(&person.sees()), "{:?}", person.sees().operation);
        assert_eq!(person.told(), ["Making remote-dev waits for you"]);
        sandbox.set(|conditions| conditions.principals[0].expired = false);
        let view = person.waits_for_state(State::On).await;
        assert_eq!(view.failed, None);
    })
    .await;
    let laptop = Laptop::new(&sandbox, Duration::ZERO).await;
    assert_eq!(census(&sandbox, &laptop.desired), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn a_long_first_look_of_an_operation_keeps_the_app_quiet() {
    let (sandbox, other) = with_machine().await;
    other.reach(Goal::Stopped).await.expect("stopped");
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::Off).await;
        sleep(Duration::from_secs(149)).await;
        let slow = Fault::Delay(Duration::from_secs(12));
        sandbox.fault(Rule::on(Service::Ec2, "DescribeInstances", When::Every, slow));
        person.asks(Command::Start).await.expect("accepted");
        sleep(Duration::from_secs(5)).await;
        let before = READ.get();
        sleep(Duration::from_secs(4)).await;
        assert!(READ.get() - before < 100, "it does not spin");
        sandbox.clear_faults();
        person.waits_for_state(State::On).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn more_than_was_shown_is_not_done() {
    let (sandbox, other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        // Only the settings would change; then the machine goes, and the same would make another one.
        let number = preview(person, draft().with(Key::Profile, "work")).await;
        assert_eq!(person.sees().commands.apply.expect("an offer").label, "Save");
        other.reach(Goal::Gone(Leave { volume: false, snapshot: false })).await.expect("gone");
        sandbox.clear_calls();
        person.asks(Command::Apply { number }).await.expect("accepted");
        let view = person.waits_for("a failure", |view| view.failed.is_some()).await;
        assert_eq!(view.failed.expect("a failure").problem.code, "changed");
        assert!(!sandbox.calls().iter().any(|call| call.operation == "RunInstances"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_looks_unknown_and_comes_back() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let broken = Fault::Error { code: "InternalError".to_owned(), status: 500 };
        sandbox.fault(Rule::on(Service::Ec2, "DescribeInstances", When::Every, broken));
        let view = person.waits_for_state(State::Unknown).await;
        assert_eq!(view.machine.headline, "The state of remote-dev is not known");
        assert!(
            view.machine.problem.is_some() && view.machine.instance.is_some() && view.machine.seen.is_some()
        );
        assert!(person.asks(Command::Start).await.is_err());
        sandbox.clear_faults();
        person.waits_for_state(State::On).await;
        assert!(person.told().is_empty(), "nothing has happened to the machine");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_computer_that_wakes_up_looks_at_once() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(5)).await;
        sandbox.clear_calls();
        SLEPT.set(Duration::from_secs(8 * 3600));
        // The timers still have to run out, which takes half a minute at most.
        sleep(Duration::from_secs(31)).await;
        assert!(!sandbox.calls().is_empty());
        let seen = person.sees().machine.seen.expect("a look");
        let now = clock().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        assert!(now - u64::from(seen) < 40, "its age counts the night");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_edited_by_hand_counts_and_drops_the_preview() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let number = preview(person, draft().with(Key::Profile, "work")).await;
        person.store.write_settings("[machine.remote-dev]\nuser = \"bob\"\n").expect("settings");
        assert!(person.asks(Command::Apply { number }).await.is_err());
        let view = person.waits_for_state(State::Absent).await;
        assert_eq!((view.machine.user.as_str(), view.preview), ("bob", None));
        person.store.write_settings("user = 7 [").expect("settings");
        person.window(true);
        person.waits_for("a problem", |view| view.settings.problem.is_some()).await;
        person.store.write_settings(SETTINGS).expect("settings");
        person.waits_for_state(State::On).await;
        assert!(person.told().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_process_at_work_is_shown_and_not_disturbed() {
    let (sandbox, _other) = with_machine().await;
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        let lock = person.store.lock("ada/remote-dev/us-west-2", "resize").expect("a lock");
        person.asks(Command::Look).await.expect("accepted");
        let view = person.waits_for("the other", |view| view.operation.is_some()).await;
        assert_eq!(
            view.operation.expect("an operation").title,
            "holdfast resize is at work in another process"
        );
        assert!(view.commands.stop.is_none() && view.commands.connect.is_some());
        let refusal = person.asks(Command::Stop).await.expect_err("refused");
        assert!(refusal.why.contains("resize"), "{}", refusal.why);
        drop(lock);
        person.waits_for("its end", |view| view.operation.is_none()).await;
    })
    .await;
}

fn has_sessions(view: &View, seen: impl Fn(&Sessions) -> bool) -> bool {
    view.sessions.as_ref().is_some_and(seen)
}

#[tokio::test(start_paused = true)]
async fn sessions_are_looked_at_for_a_person_and_never_in_the_background() {
    let (sandbox, _other) = with_machine().await;
    let denied = Fault::Error { code: "AccessDeniedException".to_owned(), status: 400 };
    sandbox.fault(Rule::on(Service::Ssm, "StartSession", When::Every, denied));
    let asked = || sandbox.calls().iter().filter(|call| call.operation == "StartSession").count();
    // A machine that switches itself off is not asked for its disk.
    let settings = format!("{SETTINGS}off_when_idle = 60\n");
    with_app(&sandbox, &settings, async |person| {
        person.waits_for_state(State::On).await;
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(asked(), 0, "nobody looks");

        person.window(true);
        person.waits_for("a look", |view| has_sessions(view, |sessions| sessions.looking)).await;
        let failed = |view: &View| has_sessions(view, |it| it.problem.is_some() && !it.looking);
        let view = person.waits_for("why there is no list", failed).await;
        let problem = view.sessions.and_then(|sessions| sessions.problem).expect("a problem");
        assert!(problem.what.contains("StartSession"), "{problem:?}");
        assert_eq!((view.failed, view.machine.state), (None, State::On), "it is no failure of the machine");
        let unseen = |view: &View| view.system.as_ref().is_some_and(|it| it.problem.is_some() && !it.looking);
        person.waits_for("why the system is not known", unseen).await;
        // A look at the sessions, and one at the system.
        let (first, one) = (asked(), asked() / 2);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(asked(), first, "an open window alone is no reason");
        person.window(true);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(asked(), 2 * first, "who comes back to it sees what is so now");
        person.asks(Command::LookAtSessions).await.expect("accepted");
        person.waits_for("why there is no list", failed).await;
        assert_eq!(asked(), 2 * first + one);
        let name: SessionName = "work".parse().expect("a name");
        person.asks(Command::EndSession { name }).await.expect_err("nobody knows it");

        person.window(false);
        person.asks(Command::OpenSession { name: "my work".to_owned() }).await.expect_err("no name");
        person.asks(Command::OpenSession { name: "work".to_owned() }).await.expect("accepted");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(person.screen.opening.borrow().session, "work".parse().ok());
        assert_eq!(asked(), 2 * first + one, "its session needs a moment");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(asked(), 2 * first + 2 * one);
        assert!(person.told().is_empty(), "a look is no news");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_does_not_answer_is_waited_for_only_so_long_and_one_that_went_off_not_at_all() {
    let (sandbox, other) = with_machine().await;
    let silent = Fault::Delay(Duration::from_secs(3600));
    sandbox.fault(Rule::on(Service::Ssm, "StartSession", When::Every, silent));
    with_app(&sandbox, SETTINGS, async |person| {
        person.waits_for_state(State::On).await;
        person.window(true);
        let began = Instant::now();
        let failed = |view: &View| has_sessions(view, |sessions| sessions.problem.is_some());
        person.waits_for("why there is no list", failed).await;
        assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());

        person.asks(Command::LookAtSessions).await.expect("accepted");
        person.waits_for("a look", |view| has_sessions(view, |sessions| sessions.looking)).await;
        other.reach(Goal::Stopped).await.expect("stopped");
        let view = person.waits_for_state(State::Off).await;
        assert_eq!(view.sessions, None, "what ran on it is over");
        person.asks(Command::Start).await.expect("accepted");
        person.waits_for_state(State::On).await;
        person.waits_for("a look", |view| has_sessions(view, |sessions| sessions.looking)).await;
    })
    .await;
}
