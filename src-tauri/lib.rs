//! The desktop shell: a tray icon, a window made on demand, notifications and the user's terminal. It decides nothing:
//! the app in `holdfast_core::app` does, and [`holdfast::app`] drives it on a thread of its own.

use std::ffi::OsStr;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use holdfast::app::{Input, Place};
use holdfast_core::app::{Page, View};
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tokio::sync::{mpsc, watch};

pub mod bridge;
mod notify;
mod shell;
mod tray;
mod window;

use shell::Desktop;

/// How long a panel may take to show a tray.
const PANEL: Duration = Duration::from_secs(2);

/// Holdfast in the tray.
#[derive(Debug, Parser)]
#[command(name = "holdfast-desktop", version)]
struct Arguments {
    /// Open the window at once.
    #[arg(long)]
    window: bool,
    /// Use a sandbox on this computer instead of AWS.
    #[arg(long, env = "HOLDFAST_SANDBOX", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    sandbox: bool,
}

/// What the main thread and the bridge know of the app.
#[derive(Debug)]
struct Desk {
    inputs: mpsc::UnboundedSender<Input>,
    view: watch::Sender<Option<View>>,
    /// The app ends as soon as nothing is under way.
    leaving: AtomicBool,
}

impl Desk {
    fn send(&self, input: Input) {
        // The app ends with the process, so somebody listens.
        let _ = self.inputs.send(input);
    }
}

/// Whether an AppImage, of which this program is the one that is started, was called as the command `holdfast`: by a link of that name,
/// or with one of its words. `name` is what it was called by, which only an AppImage says.
fn is_command(name: Option<&OsStr>, first: Option<&OsStr>) -> bool {
    name.is_some_and(|name| {
        Path::new(name).file_name() == Some(OsStr::new("holdfast"))
            || first.is_some_and(|first| !first.as_encoded_bytes().starts_with(b"-"))
    })
}

/// Runs the app of this process.
pub fn run() -> ExitCode {
    if is_command(std::env::var_os("ARGV0").as_deref(), std::env::args_os().nth(1).as_deref()) {
        return holdfast::cli::run();
    }
    let arguments = Arguments::parse();
    let place = Place::open(arguments.sandbox);
    let log_file = place.as_ref().ok().map(|place| place.store().log_file());
    holdfast::log::begin(log_file, Some(("warn", false)));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the app begins");
    holdfast::surroundings::begin();
    if let Err(sentence) = can_show_windows() {
        return refuse(sentence);
    }
    let place = match place {
        Ok(place) => place,
        Err(problem) => return refuse(&problem.to_string()),
    };
    // Somebody who has settled nothing yet is at the beginning, and wants to see more than an icon.
    let open_at_once = arguments.window || !place.store().settings_path().exists();
    let app = tauri::Builder::default()
        .plugin(single_instance(arguments.sandbox))
        .plugin(tauri_plugin_autostart::Builder::new().app_name(holdfast::autostart::NAME).build())
        .plugin(tauri_plugin_shell::init())
        .invoke_handler(bridge::bindings().invoke_handler())
        .setup(move |app| {
            #[cfg(target_os = "macos")]
            app.set_activation_policy(tauri::ActivationPolicy::Accessory);
            bridge::bindings().mount_events(app);
            let handle = app.handle();
            let (inputs, received) = mpsc::unbounded_channel();
            app.manage(Desk { inputs, view: watch::Sender::new(None), leaving: AtomicBool::new(false) });
            let folder = tray::folder(place.store().state_dir());
            let tray = tray::build(handle, &folder)?;
            let desktop = Desktop::new(handle.clone(), tray, notify::icon(&folder), arguments.sandbox);
            spawn_app(handle.clone(), place, desktop, received)?;
            if open_at_once {
                window::open(handle, Page::Machine)?;
            } else {
                look_for_tray(handle, |app| window::open_or_complain(app, Page::Machine));
            }
            Ok(())
        })
        .on_window_event(|window, event| {
            if matches!(event, WindowEvent::Focused(true)) {
                window.state::<Desk>().send(Input::Window(true));
            } else if matches!(event, WindowEvent::Destroyed) {
                window.state::<Desk>().send(Input::Window(false));
                look_for_tray(window.app_handle(), leave);
            }
        })
        .build(tauri::generate_context!());
    let app = match app {
        Ok(app) => app,
        Err(error) => return refuse(&format!("Holdfast cannot start: {error}")),
    };
    let code = app.run_return(|_app, event| match event {
        // Without a code it is the last window that has closed, and the tray is still there.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        // The Dock, or a second start.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::open_or_complain(_app, Page::Machine),
        _ => {}
    });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// As much as a main thread has, where the command line does the same: the calls of an operation that does something on the
/// machine are too deep for any other.
const STACK: usize = 8 << 20;

/// Drives the app on a thread of its own: its futures need not be sent between threads, and a long look never holds up
/// a menu.
fn spawn_app(
    app: AppHandle,
    place: Place,
    desktop: Desktop,
    inputs: mpsc::UnboundedReceiver<Input>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("app".to_owned()).stack_size(STACK).spawn(move || {
        let run = AssertUnwindSafe(|| runtime.block_on(holdfast::app::run(&place, &desktop, inputs)));
        if std::panic::catch_unwind(run).is_err() {
            // An icon that shows what was, and does nothing, is worse than none.
            app.exit(1);
        }
    })?;
    Ok(())
}

/// One app for each user and world: a second start opens the window of the first.
fn single_instance(sandbox: bool) -> tauri::plugin::TauriPlugin<tauri::Wry> {
    let id = if sandbox { "dev.holdfast.desktop.sandbox" } else { "dev.holdfast.desktop" };
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(id)
        .callback(|app, _, _| window::open_or_complain(app, Page::Machine))
        .build()
}

/// Finds out whether the desktop shows tray icons, tells the app, and does `otherwise` if it does not. A panel may start
/// later than we do, or be about to come back.
fn look_for_tray(app: &AppHandle, otherwise: fn(&AppHandle)) {
    let app = app.clone();
    let look = move || {
        let began = Instant::now();
        let there = loop {
            if tray::has_host() {
                break true;
            }
            if began.elapsed() > PANEL {
                break false;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        app.state::<Desk>().send(Input::Tray(there));
        if !there {
            otherwise(&app);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tray".to_owned()).spawn(look) {
        tracing::error!(%error, "nobody knows whether there is a tray");
    }
}

/// Ends the app whose only window was closed where there is no tray: nothing would lead back to it. An operation under way
/// comes to its end first.
fn leave(app: &AppHandle) {
    if window::is_open(app) {
        return;
    }
    let desk = app.state::<Desk>();
    desk.leaving.store(true, Ordering::Relaxed);
    let busy = desk.view.borrow().as_ref().is_some_and(|view| view.commands.cancel.is_some());
    if !busy {
        app.exit(0);
    }
}

/// GTK panics where there is nothing to show a window on.
#[cfg(target_os = "linux")]
fn can_show_windows() -> Result<(), &'static str> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("DISPLAY") || set("WAYLAND_DISPLAY") {
        return Ok(());
    }
    Err(
        "Holdfast needs a desktop: neither DISPLAY nor WAYLAND_DISPLAY is set. The command holdfast does without.",
    )
}

#[cfg(not(target_os = "linux"))]
fn can_show_windows() -> Result<(), &'static str> {
    Ok(())
}

#[expect(clippy::print_stderr, reason = "there is no window to say it in")]
fn refuse(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appimage_is_the_command_by_its_name_or_its_words() {
        for (name, first, command) in [
            (None, None, false),
            (None, Some("connect"), false),
            (Some("Holdfast.AppImage"), None, false),
            (Some("Holdfast.AppImage"), Some("--window"), false),
            (Some("Holdfast.AppImage"), Some("connect"), true),
            (Some("/home/ada/bin/holdfast"), None, true),
            (Some("holdfast"), Some("--sandbox"), true),
        ] {
            assert_eq!(
                is_command(name.map(OsStr::new), first.map(OsStr::new)),
                command,
                "{name:?} {first:?}"
            );
        }
    }
}
