//! A notification server that keeps what it is asked to show, and a person who clicks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::blocking::Connection;
use zbus::zvariant::OwnedValue;

use crate::bus::serve;
use crate::desktop::{Desktop, eventually};

/// A notification that was shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) replaces: u32,
    pub(crate) app: String,
    pub(crate) icon: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
}

struct Server {
    shown: Arc<Mutex<Vec<Shown>>>,
}

/// Source: <https://specifications.freedesktop.org/notification-spec/latest/protocol.html>
#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: String,
        replaces: u32,
        icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        let mut shown = self.shown.lock().unwrap();
        // What takes another's place keeps its id.
        let id = if replaces == 0 { u32::try_from(shown.len()).unwrap() + 1 } else { replaces };
        shown.push(Shown { id, replaces, app: app_name, icon, title: summary, body, actions });
        id
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["body", "actions", "body-markup"].map(str::to_owned).to_vec()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        let text = |text: &str| text.to_owned();
        (text("recorder"), text("holdfast"), text("1"), text("1.2"))
    }

    fn close_notification(&self, _id: u32) {}

    #[zbus(signal)]
    async fn action_invoked(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        id: u32,
        action: &str,
    ) -> zbus::Result<()>;
}

/// The notifications of a desktop.
pub(crate) struct Notifications {
    bus: Connection,
    shown: Arc<Mutex<Vec<Shown>>>,
}

const PATH: &str = "/org/freedesktop/Notifications";

impl Notifications {
    pub(crate) fn on(desktop: &Desktop) -> Self {
        let shown = Arc::default();
        let server = Server { shown: Arc::clone(&shown) };
        Self { bus: serve(desktop.bus(), "org.freedesktop.Notifications", PATH, server), shown }
    }

    pub(crate) fn all(&self) -> Vec<Shown> {
        self.shown.lock().unwrap().clone()
    }

    /// The notification with this title, as soon as it is there.
    #[track_caller]
    pub(crate) fn wait_for(&self, title: &str) -> Shown {
        eventually(title, || self.all().into_iter().find(|shown| shown.title == title))
    }

    /// Clicks on a notification.
    #[track_caller]
    pub(crate) fn click_until<T>(&self, shown: &Shown, so: impl FnMut() -> Option<T>) -> T {
        self.press_until(shown, "default", so)
    }

    /// Presses one of its buttons. Again and again: the app begins to listen a moment after it is shown, sooner than any hand
    /// can be.
    #[track_caller]
    pub(crate) fn press_until<T>(&self, shown: &Shown, action: &str, mut so: impl FnMut() -> Option<T>) -> T {
        eventually(action, || {
            self.press(shown, action);
            so()
        })
    }

    fn press(&self, shown: &Shown, action: &str) {
        let signal = ("org.freedesktop.Notifications", "ActionInvoked");
        self.bus.emit_signal(None::<&str>, PATH, signal.0, signal.1, &(shown.id, action)).unwrap();
    }
}
