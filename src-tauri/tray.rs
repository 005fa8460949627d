//! The tray icon and its menu, rendered from the view and changed only when they differ.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast::app::Input;
use holdfast_core::app::menu::{Action, Icon, Item, icon, line, menu};
use holdfast_core::app::{Command, Page, Through, View};
use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuBuilder, MenuItem, PredefinedMenuItem, SubmenuBuilder};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, include_image};
use tokio::sync::oneshot;

use crate::{Desk, window};

/// The icon in the tray, and what it shows.
pub(crate) struct Tray {
    icon: TrayIcon,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    icon: Option<Icon>,
    line: String,
    menu: Vec<Item>,
    /// When the menu was changed last.
    changed: Option<Instant>,
    /// It is changed again after [`PAUSE`].
    due: bool,
}

/// How long a menu stays. A panel reads each one in several questions, and where another one took its place meanwhile, that of
/// Xfce 4.18 ended with "Unable to parse layout" from its libdbusmenu and an invalid free.
const PAUSE: Duration = Duration::from_millis(250);

/// A folder for the icon that nobody else may write to: in the state folder, or where that takes nothing, among the files of this
/// sign-in to the desktop.
/// Source: <https://specifications.freedesktop.org/basedir-spec/latest/> (`XDG_RUNTIME_DIR`)
pub(crate) fn folder(state: &Path) -> PathBuf {
    let own = state.join("tray");
    let probe = own.join("probe");
    let takes = std::fs::create_dir_all(&own).and_then(|()| std::fs::write(&probe, [])).is_ok();
    let _ = std::fs::remove_file(probe);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|_| !takes);
    runtime.map_or(own, |runtime| runtime.join("holdfast-tray"))
}

/// Puts the icon into the tray. On Linux the panel reads it from a file in `folder`, which nobody else may write to.
pub(crate) fn build(app: &AppHandle, folder: &Path) -> tauri::Result<Tray> {
    let builder = TrayIconBuilder::with_id("holdfast")
        .temp_dir_path(folder)
        .icon(image(Icon::Unknown))
        .icon_as_template(cfg!(target_os = "macos"))
        .menu(&Menu::new(app)?)
        // On Windows the left button opens what there is, on the others the menu is all there is.
        .show_menu_on_left_click(!cfg!(windows))
        .on_menu_event(|app, event| chosen(app, event.id().as_ref()));
    #[cfg(windows)]
    let builder = builder.on_tray_icon_event(|tray, event| {
        use tauri::tray::{MouseButton, MouseButtonState, TrayIconEvent};
        if let TrayIconEvent::Click {
            button: MouseButton::Left, button_state: MouseButtonState::Up, ..
        } = event
        {
            window::open_or_complain(tray.app_handle(), Page::Machine);
        }
    });
    Ok(Tray { icon: builder.build(app)?, shown: Mutex::default() })
}

impl Tray {
    /// Shows the view in the tray.
    pub(crate) fn show(self: &Arc<Self>, app: &AppHandle, view: &View) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.change_or_complain(app, &mut shown, view);
    }

    fn change_or_complain(self: &Arc<Self>, app: &AppHandle, shown: &mut Shown, view: &View) {
        if let Err(error) = self.change(app, shown, view) {
            tracing::warn!(%error, "the tray could not be changed");
        }
    }

    fn change(self: &Arc<Self>, app: &AppHandle, shown: &mut Shown, view: &View) -> tauri::Result<()> {
        let (icon, line, menu) = (icon(view), line(view), menu(view));
        if shown.icon != Some(icon) {
            self.icon.set_icon_with_as_template(Some(image(icon)), cfg!(target_os = "macos"))?;
            shown.icon = Some(icon);
        }
        if shown.line != line {
            self.icon.set_tooltip(Some(&line))?;
            shown.line = line;
        }
        if shown.menu == menu {
            return Ok(());
        }
        if shown.changed.is_some_and(|changed| changed.elapsed() < PAUSE) {
            if !std::mem::replace(&mut shown.due, true) {
                self.show_later(app.clone());
            }
            return Ok(());
        }
        self.icon.set_menu(Some(native(app, &menu)?))?;
        (shown.menu, shown.changed) = (menu, Some(Instant::now()));
        Ok(())
    }

    /// Shows after [`PAUSE`] what is there to be shown by then.
    fn show_later(self: &Arc<Self>, app: AppHandle) {
        let tray = Arc::clone(self);
        tauri::async_runtime::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            let mut shown = tray.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.due = false;
            // With the lock, so that nothing newer is shown before it.
            let view = app.state::<Desk>().view.borrow().clone();
            if let Some(view) = view {
                tray.change_or_complain(&app, &mut shown, &view);
            }
        });
    }
}

fn native(app: &AppHandle, items: &[Item]) -> tauri::Result<Menu<tauri::Wry>> {
    let mut native = MenuBuilder::new(app);
    for item in items {
        native = native.item(line_of(app, item)?.as_ref());
    }
    native.build()
}

fn line_of(app: &AppHandle, item: &Item) -> tauri::Result<Box<dyn IsMenuItem<tauri::Wry>>> {
    Ok(match item {
        Item::Line(text) => Box::new(MenuItem::new(app, plain(text), false, None::<&str>)?),
        Item::Rule => Box::new(PredefinedMenuItem::separator(app)?),
        Item::Menu { label, items } => {
            let mut menu = SubmenuBuilder::new(app, plain(label));
            for item in items {
                menu = menu.item(line_of(app, item)?.as_ref());
            }
            Box::new(menu.build()?)
        }
        Item::Act { label, action } => {
            let keys = accelerator(action).filter(|_| cfg!(target_os = "macos"));
            Box::new(MenuItem::with_id(app, action.id(), plain(label), true, keys)?)
        }
    })
}

/// The keys that the menus of macOS show and take while they are open. Those of the other systems neither do nor say so.
fn accelerator(action: &Action) -> Option<&'static str> {
    match action {
        Action::Do(Command::Connect { session: None }) => Some("Cmd+Enter"),
        Action::Open(Page::Machine) => Some("Cmd+O"),
        Action::Open(Page::Settings) => Some("Cmd+,"),
        Action::Quit => Some("Cmd+Q"),
        Action::Do(_) | Action::Open(_) | Action::SignIn => None,
    }
}

/// A label as it is meant: an ampersand would underline the letter after it.
fn plain(label: &str) -> String {
    label.replace('&', "&&")
}

fn chosen(app: &AppHandle, id: &str) {
    match Action::from_id(id) {
        Some(Action::Do(command)) => ask(app, command),
        Some(Action::SignIn) => {
            ask(app, Command::SignIn { through: Through::Browser });
            window::open_or_complain(app, Page::Machine);
        }
        Some(Action::Open(page)) => window::open_or_complain(app, page),
        Some(Action::Quit) => app.exit(0),
        None => {}
    }
}

fn ask(app: &AppHandle, command: Command) {
    // What is refused changes nothing, and the menu that comes next no longer offers it.
    let (answer, _) = oneshot::channel();
    app.state::<Desk>().send(Input::Command(command, answer));
}

fn image(icon: Icon) -> Image<'static> {
    if cfg!(target_os = "macos") {
        match icon {
            Icon::Off => include_image!("icons/tray/off-template.png"),
            Icon::Changing => include_image!("icons/tray/changing-template.png"),
            Icon::On => include_image!("icons/tray/on-template.png"),
            Icon::Busy => include_image!("icons/tray/busy-template.png"),
            Icon::NeedsYou => include_image!("icons/tray/needs-you-template.png"),
            Icon::Unknown => include_image!("icons/tray/unknown-template.png"),
        }
    } else {
        match icon {
            Icon::Off => include_image!("icons/tray/off.png"),
            Icon::Changing => include_image!("icons/tray/changing.png"),
            Icon::On => include_image!("icons/tray/on.png"),
            Icon::Busy => include_image!("icons/tray/busy.png"),
            Icon::NeedsYou => include_image!("icons/tray/needs-you.png"),
            Icon::Unknown => include_image!("icons/tray/unknown.png"),
        }
    }
}

/// Whether the desktop shows tray icons. The menu bar of macOS and the notification area of Windows are always there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_host() -> bool {
    true
}

/// How long a panel may take to answer.
#[cfg(target_os = "linux")]
const ANSWER: Duration = Duration::from_secs(1);

/// Whether the desktop shows tray icons: bare GNOME does not.
/// Source: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/StatusNotifierWatcher/>
#[cfg(target_os = "linux")]
pub(crate) fn has_host() -> bool {
    let ask = || -> zbus::Result<bool> {
        let connection = zbus::blocking::connection::Builder::session()?.method_timeout(ANSWER).build()?;
        let watcher = "org.kde.StatusNotifierWatcher";
        let answer = connection.call_method(
            Some(watcher),
            "/StatusNotifierWatcher",
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(watcher, "IsStatusNotifierHostRegistered"),
        )?;
        let there: zbus::zvariant::OwnedValue = answer.body().deserialize()?;
        Ok(bool::try_from(there)?)
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tauri leaves one that makes no sense away without a word.
    #[test]
    fn accelerators_make_sense() {
        let actions = [
            Action::Do(Command::Connect { session: None }),
            Action::Open(Page::Machine),
            Action::Open(Page::Settings),
            Action::Quit,
        ];
        let mut ids = Vec::new();
        for action in actions {
            let keys: muda::accelerator::Accelerator = accelerator(&action).unwrap().parse().unwrap();
            assert!(!ids.contains(&keys.id()), "{action:?} has the keys of another");
            ids.push(keys.id());
        }
        assert_eq!(accelerator(&Action::Do(Command::Stop)), None);
    }
}
