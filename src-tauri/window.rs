//! The window: made when it is asked for and destroyed when it is closed, so that nobody pays for it in between.

use std::sync::atomic::Ordering;

use holdfast::app::Input;
use holdfast_core::app::Page;
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder};
use tauri_specta::Event;

use crate::Desk;
use crate::bridge::OpenPage;

const LABEL: &str = "main";

/// Opens the window at a page, or takes the open one there.
pub(crate) fn open(app: &AppHandle, page: Page) -> tauri::Result<()> {
    app.state::<Desk>().leaving.store(false, Ordering::Relaxed);
    crate::look_for_tray(app, |_| {});
    if let Some(window) = app.get_webview_window(LABEL) {
        window.unminimize()?;
        window.show()?;
        window.set_focus()?;
        return OpenPage(page).emit(app);
    }
    let address = format!("index.html#{}", page.word());
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(address.into()))
        .title("Holdfast")
        .inner_size(920.0, 680.0)
        .min_inner_size(420.0, 420.0)
        .on_navigation(is_ours)
        .build()?;
    app.state::<Desk>().send(Input::Window(true));
    Ok(())
}

/// Opens the window from any thread; where it cannot be, the log says why.
pub(crate) fn open_or_complain(app: &AppHandle, page: Page) {
    let opening = app.clone();
    let opened = app.run_on_main_thread(move || {
        if let Err(error) = open(&opening, page) {
            tracing::error!(%error, "the window does not open");
        }
    });
    if let Err(error) = opened {
        tracing::error!(%error, "the window does not open");
    }
}

/// Whether the window is there.
pub(crate) fn is_open(app: &AppHandle) -> bool {
    app.get_webview_window(LABEL).is_some()
}

/// Whether an address is one of our pages: no other may ever be in the window that may ask for commands.
///
/// `tauri://localhost` on Linux and macOS, `http://tauri.localhost` on Windows.
/// Source: <https://v2.tauri.app/reference/config/#usehttpsscheme>
fn is_ours(address: &Url) -> bool {
    let (scheme, host) = (address.scheme(), address.host_str());
    let development =
        cfg!(dev) && scheme == "http" && host == Some("127.0.0.1") && address.port() == Some(5173);
    (scheme == "tauri" && host == Some("localhost"))
        || (scheme == "http" && host == Some("tauri.localhost"))
        || development
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_our_own_pages_may_be_in_the_window() {
        for (address, ours) in [
            ("tauri://localhost/index.html#stop", true),
            ("http://tauri.localhost/", true),
            ("https://example.com/", false),
            ("http://localhost/", false),
            ("tauri://example.com/", false),
            ("file:///etc/passwd", false),
            ("data:text/html,<script>1</script>", false),
            ("http://tauri.localhost.example.com/", false),
        ] {
            assert_eq!(super::is_ours(&address.parse().unwrap()), ours, "{address}");
        }
    }
}
