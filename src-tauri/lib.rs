//! The desktop shell: a tray icon, a window made on demand, notifications and the user's terminal. It decides nothing:
//! the app in `holdfast_core::app` does, and [`holdfast::app`] drives it on a thread of its own.

use std::process::ExitCode;

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
}

impl Desk {
    fn send(&self, input: Input) {
        // The app ends with the process, so somebody listens.
        let _ = self.inputs.send(input);
    }
}

/// Runs the app of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(sentence) = can_show_windows() {
        return refuse(sentence);
    }
    let place = match Place::open(arguments.sandbox) {
        Ok(place) => place,
        Err(problem) => return refuse(&problem.to_string()),
    };
    // Somebody who has settled nothing yet is at the beginning, and wants to see more than an icon.
    let open_at_once = arguments.window || !place.store().settings_path().exists();
    let app = tauri::Builder::default()
        .plugin(single_instance(arguments.sandbox))
        .plugin(tauri_plugin_shell::init())
        .invoke_handler(bridge::bindings().invoke_handler())
        .setup(move |app| {
            bridge::bindings().mount_events(app);
            let handle = app.handle();
            let (inputs, received) = mpsc::unbounded_channel();
            app.manage(Desk { inputs, view: watch::Sender::new(None) });
            let tray = tray::build(handle)?;
            spawn_app(place, Desktop::new(handle.clone(), tray), received)?;
            if open_at_once || !look_for_tray(handle) {
                window::open(handle, Page::Machine)?;
            }
            Ok(())
        })
        .on_window_event(|window, event| {
            if matches!(event, WindowEvent::Destroyed) {
                window.state::<Desk>().send(Input::Window(false));
                if !look_for_tray(window.app_handle()) {
                    // Nothing would be left that leads back to it.
                    window.app_handle().exit(0);
                }
            }
        })
        .build(tauri::generate_context!());
    let app = match app {
        Ok(app) => app,
        Err(error) => return refuse(&format!("Holdfast cannot start: {error}")),
    };
    let code = app.run_return(|_, event| {
        // Without a code it is the last window that has closed, and the tray is still there.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Drives the app on a thread of its own: its futures need not be sent between threads, and a long look never holds up
/// a menu.
fn spawn_app(place: Place, desktop: Desktop, inputs: mpsc::UnboundedReceiver<Input>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("app".to_owned()).spawn(move || {
        runtime.block_on(holdfast::app::run(&place, &desktop, inputs));
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

/// Whether the desktop shows tray icons; the app is told.
fn look_for_tray(app: &AppHandle) -> bool {
    let there = tray::has_host();
    app.state::<Desk>().send(Input::Tray(there));
    there
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
