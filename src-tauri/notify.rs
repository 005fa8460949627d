//! Notifications, and what a click on one opens.

use std::path::Path;

use holdfast::app::Input;
use holdfast_core::app::{Command, Notice, Page, Then};
use holdfast_core::names::MachineName;
use notify_rust::{Notification, NotificationResponse};
use tauri::{AppHandle, Manager};
use tokio::sync::oneshot;

use crate::{Desk, window};

/// The action that servers take for a click on the notification itself.
/// Source: <https://specifications.freedesktop.org/notification-spec/latest/basic-design.html>
const DEFAULT: &str = "default";
/// The action of one whose reason stands in a log.
const LOG: &str = "log";

/// The icon of notifications: a file in `folder`, since the name of one is known only where a package of Holdfast is installed.
/// Source: <https://specifications.freedesktop.org/notification-spec/latest/icons-and-images.html>
pub(crate) fn icon(folder: &Path) -> String {
    let file = folder.join("notification.png");
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, include_bytes!("../icons/128x128.png")));
    match (kept, file.to_str()) {
        (Ok(()), Some(file)) => file.to_owned(),
        (Ok(()) | Err(_), _) => "holdfast-desktop".to_owned(),
    }
}

/// Shows a notification. A thread of its own waits for what becomes of it, which may take as long as the user likes.
pub(crate) fn show(app: &AppHandle, icon: &str, notice: Notice) {
    let (app, icon) = (app.clone(), icon.to_owned());
    let wait = move || {
        let mut notification = Notification::new();
        notification.appname("Holdfast").summary(&notice.title).body(&body(&notice.body));
        notification.icon(&icon).action(DEFAULT, "Open");
        if notice.page == Page::Activity {
            notification.action(LOG, "Show log");
        }
        on_screen::take_place_of_last(&mut notification, notice.kind);
        // Else it would come from the Finder. Once is enough, and a second time is refused.
        #[cfg(target_os = "macos")]
        let _ = notify_rust::set_application("dev.holdfast.desktop");
        // Else the toast would say that it comes from PowerShell.
        #[cfg(windows)]
        notification.app_id("dev.holdfast.desktop");
        let shown = notification.show();
        let handle = match shown {
            Ok(handle) => handle,
            Err(error) => return tracing::warn!(%error, "the desktop shows no notifications"),
        };
        let shown = on_screen::remember(&handle, notice.kind);
        let mut clicked = false;
        let answered = handle.wait_for_response(|response: &NotificationResponse| {
            clicked = match response {
                NotificationResponse::Default => true,
                NotificationResponse::Action(action) => action == DEFAULT || action == LOG,
                NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => false,
            };
        });
        if let Err(error) = answered {
            tracing::debug!(%error, "nobody knows what became of a notification");
        }
        // One whose place was taken hears what happens to the other. Not while it is told: nothing may wait there.
        if clicked && on_screen::is_last(notice.kind, shown) {
            lead_to(&app, notice.machine, notice.page);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("notification".to_owned()).spawn(wait) {
        tracing::warn!(%error, "no notification was shown");
    }
}

/// Opens the window at a page of the machine that it is about. Where another one cannot be left now, that is what is shown.
fn lead_to(app: &AppHandle, machine: Option<MachineName>, page: Page) {
    let Some(machine) = machine else { return window::open_or_complain(app, page) };
    let (answer, answered) = oneshot::channel();
    app.state::<Desk>().send(Input::Command(Command::On { machine, then: Then::Open(page) }, answer));
    if !matches!(answered.blocking_recv(), Ok(Ok(()))) {
        window::open_or_complain(app, Page::Machine);
    }
}

/// A notification takes the place of the last one of its kind, so that they do not pile up while nobody is there.
#[cfg(all(unix, not(target_os = "macos")))]
mod on_screen {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    use holdfast_core::notices::NoticeKind;
    use notify_rust::{Notification, NotificationHandle};

    /// The ids that the server gave them, and how many there were of the kind.
    static LAST: Mutex<BTreeMap<NoticeKind, (u32, u64)>> = Mutex::new(BTreeMap::new());

    pub(super) fn take_place_of_last(notification: &mut Notification, kind: NoticeKind) {
        if let Some((id, _)) = LAST.lock().unwrap_or_else(PoisonError::into_inner).get(&kind) {
            notification.id(*id);
        }
    }

    /// Which of its kind it is.
    pub(super) fn remember(handle: &NotificationHandle, kind: NoticeKind) -> u64 {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let count = last.get(&kind).map_or(0, |(_, count)| *count) + 1;
        last.insert(kind, (handle.id(), count));
        count
    }

    pub(super) fn is_last(kind: NoticeKind, count: u64) -> bool {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(&kind).is_some_and(|(_, newest)| *newest == count)
    }
}

/// These systems gather what one app tells by themselves.
#[cfg(not(all(unix, not(target_os = "macos"))))]
mod on_screen {
    use holdfast_core::notices::NoticeKind;
    use notify_rust::{Notification, NotificationHandle};

    pub(super) fn take_place_of_last(_: &mut Notification, _: NoticeKind) {}

    pub(super) fn remember(_: &NotificationHandle, _: NoticeKind) -> u64 {
        0
    }

    pub(super) fn is_last(_: NoticeKind, _: u64) -> bool {
        true
    }
}

/// The text of a notification as the server will show it: some take it for markup, and say so.
#[cfg(all(unix, not(target_os = "macos")))]
fn body(text: &str) -> String {
    let markup = notify_rust::get_capabilities()
        .is_ok_and(|capabilities| capabilities.iter().any(|capability| capability == "body-markup"));
    if markup {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        text.to_owned()
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn body(text: &str) -> String {
    text.to_owned()
}
