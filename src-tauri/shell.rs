//! The desktop as the app sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast::app::Shell;
use holdfast::open::{Refused, program};
use holdfast_core::app::{Notice, Opening, Page, Problem, View};
use holdfast_core::names::SessionName;
use tauri::{AppHandle, Manager};
use tauri_plugin_autostart::ManagerExt as _;
use tauri_plugin_shell::ShellExt;
use tauri_specta::Event;

use crate::bridge::ViewChanged;
use crate::tray::Tray;
use crate::{Desk, notify, window};

/// Tray, window and notifications of this process.
pub(crate) struct Desktop {
    app: AppHandle,
    tray: Arc<Tray>,
    /// The icon of notifications.
    icon: String,
    sandbox: bool,
}

impl Desktop {
    pub(crate) fn new(app: AppHandle, tray: Tray, icon: String, sandbox: bool) -> Self {
        Self { app, tray: Arc::new(tray), icon, sandbox }
    }
}

impl Shell for Desktop {
    fn show(&self, view: &View) {
        let desk = self.app.state::<Desk>();
        desk.view.send_replace(Some(view.clone()));
        if desk.leaving.load(Ordering::Relaxed) && view.commands.cancel.is_none() {
            self.app.exit(0);
        }
        self.tray.show(&self.app, view);
        if let Err(error) = ViewChanged(view.clone()).emit(&self.app) {
            tracing::warn!(%error, "the window was not told");
        }
    }

    fn notify(&self, notice: Notice) {
        notify::show(&self.app, &self.icon, notice);
    }

    /// The sandbox's app does not: it is there to be tried.
    fn autostart(&self) -> Option<bool> {
        if self.sandbox { None } else { self.app.autolaunch().is_enabled().ok() }
    }

    fn set_autostart(&self, on: bool) -> Result<(), Problem> {
        let manager = self.app.autolaunch();
        let done = if on { manager.enable() } else { manager.disable() };
        done.map_err(|error| Problem {
            code: "autostart".to_owned(),
            what: "The system does not take it".to_owned(),
            cause: Some(error.to_string()),
            hints: vec![
                "add or remove Holdfast in the system's own list of what starts at sign-in".to_owned(),
            ],
        })
    }

    fn open_window(&self, page: Page) {
        window::open_or_complain(&self.app, page);
    }

    fn open_page(&self, page: &str) {
        holdfast::signin::open_page(page);
    }

    /// Runs `holdfast open` and waits for its end. The terminal is not our child, so it outlives us.
    async fn open_terminal(&self, Opening { session, terminal, machine }: &Opening) -> Result<(), Problem> {
        let by_hand =
            session.as_ref().map_or("holdfast connect".to_owned(), |name| format!("holdfast connect {name}"));
        let failed = |cause: String| Problem {
            code: "no_terminal_window".to_owned(),
            what: "No terminal could be opened".to_owned(),
            cause: Some(cause),
            hints: vec![format!("in a terminal of your own, run: {by_hand}")],
        };
        let program = program().map_err(|error| failed(error.to_string()))?;
        let command = self.app.shell().command(program).args(["open", "--json"]);
        let command = command.env_clear().envs(holdfast::surroundings::variables());
        let command = command.args(session.as_ref().map(SessionName::as_str));
        let command = command.args(terminal.map(|known| format!("--terminal={}", known.word())));
        // Whatever the environment says.
        let command = command.args(machine.as_ref().map(|name| format!("--machine={name}")));
        let command = command.args(self.sandbox.then_some("--sandbox"));
        let output = command.output().await.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let refused = serde_json::from_slice::<Refused>(&output.stdout).map(|refused| refused.problem);
        Err(refused.unwrap_or_else(|_| failed(String::from_utf8_lossy(&output.stderr).into_owned())))
    }
}
