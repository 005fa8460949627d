//! The window: made when it is asked for and destroyed when it is closed, so that nobody pays for it in between.

use holdfast::app::Input;
use holdfast_core::app::Page;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};
use tauri_specta::Event;

use crate::Desk;
use crate::bridge::OpenPage;

const LABEL: &str = "main";

/// Opens the window at a page, or takes the open one there.
pub(crate) fn open(app: &AppHandle, page: Page) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        window.unminimize()?;
        window.show()?;
        window.set_focus()?;
        return OpenPage(page).emit(app);
    }
    let address = format!("index.html#{}", word(page));
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(address.into()))
        .title("Holdfast")
        .inner_size(920.0, 680.0)
        .min_inner_size(420.0, 420.0)
        .build()?;
    app.state::<Desk>().send(Input::Window(true));
    Ok(())
}

/// Opens the window; where it cannot be, the log says why.
pub(crate) fn open_or_complain(app: &AppHandle, page: Page) {
    if let Err(error) = open(app, page) {
        tracing::error!(%error, "the window does not open");
    }
}

fn word(page: Page) -> &'static str {
    match page {
        Page::Machine => "machine",
        Page::Stop => "stop",
        Page::Settings => "settings",
    }
}
