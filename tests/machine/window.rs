//! The app, as its window has it, on a machine with systemd: what a person sees of the machine's system, and does about it.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use holdfast::app::{Input, LogRequest, Place, Shell, run};
use holdfast::aws::Options;
use holdfast::store::Store;
use holdfast_core::app::view::System;
use holdfast_core::app::{Command, Notice, Opening, Page, Problem, View};
use holdfast_sandbox::{ACCESS_KEY, SECRET_KEY};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::stage::Stage;

/// The last view.
#[derive(Default)]
struct Screen(RefCell<Option<View>>);

impl Shell for Screen {
    fn show(&self, view: &View) {
        *self.0.borrow_mut() = Some(view.clone());
    }

    fn notify(&self, _: Notice) {}

    fn autostart(&self) -> Option<bool> {
        None
    }

    fn set_autostart(&self, _: bool) -> Result<(), Problem> {
        Ok(())
    }

    fn open_window(&self, page: Page) {
        panic!("it is open: {page:?}");
    }

    fn open_page(&self, page: &str) {
        panic!("nobody signs in: {page}");
    }

    async fn open_terminal(&self, _: &Opening) -> Result<(), Problem> {
        Ok(())
    }
}

/// Somebody at the window.
pub(crate) struct Person<'a> {
    inputs: mpsc::UnboundedSender<Input>,
    screen: &'a Screen,
}

impl Person<'_> {
    /// Asks for something that must be accepted.
    pub(crate) async fn asks(&self, command: Command) {
        let (answer, answered) = oneshot::channel();
        self.inputs.send(Input::Command(command, answer)).unwrap();
        answered.await.unwrap().unwrap();
    }

    /// All lines that a log has by now, as the window asks for them.
    pub(crate) async fn reads_log(&self, number: u32) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let from = u32::try_from(lines.len()).unwrap();
            let (answer, answered) = oneshot::channel();
            self.inputs.send(Input::Log(LogRequest { number, from, answer })).unwrap();
            match timeout(Duration::from_secs(1), answered).await {
                Ok(chunk) => lines.extend(chunk.unwrap().unwrap().lines),
                Err(_) => return lines,
            }
        }
    }

    /// Waits until the machine's system is shown like this.
    pub(crate) async fn waits_for(&self, what: &str, seen: impl Fn(&System) -> bool) -> System {
        self.waits_to_see(what, |view| view.system.clone().filter(&seen)).await
    }

    /// Waits until this is to be seen.
    pub(crate) async fn waits_to_see<T>(&self, what: &str, seen: impl Fn(&View) -> Option<T>) -> T {
        let look = async {
            loop {
                let found = self.screen.0.borrow().as_ref().and_then(&seen);
                match found {
                    Some(found) => return found,
                    None => sleep(Duration::from_millis(50)).await,
                }
            }
        };
        let found = timeout(Duration::from_secs(120), look).await;
        found.unwrap_or_else(|_| panic!("no view with {what}: {:#?}", self.screen.0.borrow()))
    }
}

impl Stage {
    /// Runs the app on the computer, with its window open, as long as somebody does something with it.
    pub(crate) fn with_window(&self, person: impl AsyncFnOnce(&Person<'_>)) {
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let options = Options {
            endpoint: Some(self.endpoint().to_owned()),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            ..Options::default()
        };
        let store = Store::at(self.home().join("config"), self.home().join("state"));
        // Who runs the tests may have another name than who ran the command.
        store.write_settings("[machine.remote-dev]\nuser = \"ada\"\n").unwrap();
        let place = Place::at(store, options, SystemTime::now);
        let (inputs, received) = mpsc::unbounded_channel();
        let screen = Screen::default();
        inputs.send(Input::Window(true)).unwrap();
        let somebody = Person { inputs, screen: &screen };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = Box::pin(run(&place, &screen, received)) => panic!("the app has ended by itself"),
                () = Box::pin(person(&somebody)) => {}
            }
        });
    }
}
