//! A tray: what a panel is to the app.
//!
//! Sources: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>, and for the menu the interface
//! `com.canonical.dbusmenu` as `libdbusmenu` describes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use crate::bus::serve;
use crate::desktop::{Desktop, eventually};

/// The icons that have come: the name of their connection, and their path in it.
type Items = Arc<Mutex<Vec<(String, String)>>>;

struct Watcher {
    items: Items,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) {
        let sender = header.sender().unwrap().to_string();
        let path = if service.starts_with('/') { service } else { "/StatusNotifierItem" };
        self.items.lock().unwrap().push((sender, path.to_owned()));
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.lock().unwrap().iter().map(|(sender, path)| format!("{sender}{path}")).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A panel with a tray in it.
pub(crate) struct Tray {
    bus: Connection,
    items: Items,
}

/// One line of a menu.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    id: i32,
    pub(crate) label: String,
    pub(crate) enabled: bool,
}

impl Tray {
    /// Puts a panel on the desktop.
    pub(crate) fn on(desktop: &Desktop) -> Self {
        let items = Items::default();
        let watcher = Watcher { items: Arc::clone(&items) };
        let name = "org.kde.StatusNotifierWatcher";
        Self { bus: serve(desktop.bus(), name, "/StatusNotifierWatcher", watcher), items }
    }

    /// The app's icon, as soon as it is there.
    fn item(&self) -> Proxy<'_> {
        let (sender, path) = eventually("an icon in the tray", || self.items.lock().unwrap().last().cloned());
        Proxy::new(&self.bus, sender, path, "org.kde.StatusNotifierItem").unwrap()
    }

    /// The file of the icon.
    pub(crate) fn icon(&self) -> Vec<u8> {
        let read = || {
            // Another one each time: it keeps what it was told, and the file may be another one by now.
            let item = self.item();
            let name: String = item.get_property("IconName").ok()?;
            let folder: String = item.get_property("IconThemePath").unwrap_or_default();
            let direct = std::path::PathBuf::from(&name);
            let file =
                if direct.is_absolute() { direct } else { std::path::Path::new(&folder).join(name + ".png") };
            std::fs::read(file).ok()
        };
        eventually("the file of the icon", read)
    }

    fn menu(&self) -> Option<Proxy<'_>> {
        let item = self.item();
        let path: OwnedObjectPath = item.get_property("Menu").ok()?;
        let sender = item.destination().to_string();
        Proxy::new(&self.bus, sender, path, "com.canonical.dbusmenu").ok()
    }

    /// The lines of the menu, without the rules. Those of a menu in it come after its own, as `its label > their label`.
    pub(crate) fn lines(&self) -> Vec<Line> {
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let read = || {
            let menu = self.menu()?;
            let (_, (_, _, children)): Layout =
                menu.call("GetLayout", &(0_i32, -1_i32, Vec::<String>::new())).ok()?;
            Some(children.iter().flat_map(lines).collect::<Vec<_>>())
        };
        read().unwrap_or_default()
    }

    /// The menu as text: what can be clicked stands in brackets.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines().into_iter();
        lines
            .map(
                |line| if line.enabled { format!("[{}]\n", line.label) } else { format!("{}\n", line.label) },
            )
            .collect()
    }

    /// Waits for a menu in which this stands.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        eventually(&format!("a menu with {text}"), || Some(self.text()).filter(|menu| menu.contains(text)))
    }

    /// Clicks the line with this label, or else the first whose label begins so.
    #[track_caller]
    pub(crate) fn click(&self, label: &str) {
        let wanted = |line: &Line| line.enabled && line.label.starts_with(label);
        let line = eventually(label, || {
            let mut lines: Vec<Line> = self.lines().into_iter().filter(wanted).collect();
            lines.sort_by_key(|line| line.label != label);
            lines.into_iter().next()
        });
        let arguments = (line.id, "clicked", Value::from(""), 0_u32);
        self.menu().unwrap().call_method("Event", &arguments).unwrap();
    }
}

type Child = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// A line and those of its menu, where it has one.
fn lines(child: &OwnedValue) -> Vec<Line> {
    let Some(line) = line(child) else { return Vec::new() };
    let inner = child.try_clone().ok().and_then(|child| Child::try_from(child).ok());
    let inner = inner.into_iter().flat_map(|(_, _, children)| children).collect::<Vec<_>>();
    let label = line.label.clone();
    let inner = inner.iter().flat_map(lines);
    let inner = inner.map(|one| Line { label: format!("{label} > {}", one.label), ..one });
    std::iter::once(line).chain(inner).collect()
}

fn line(child: &OwnedValue) -> Option<Line> {
    let (id, properties, _): Child = child.try_clone().ok()?.try_into().ok()?;
    let label: String = properties.get("label").and_then(|label| label.try_clone().ok()?.try_into().ok())?;
    let enabled = properties.get("enabled").and_then(|enabled| bool::try_from(enabled).ok()).unwrap_or(true);
    let rule = properties.contains_key("type");
    // GTK marks the letter that underlines with an underscore, and doubles one that is meant.
    (!rule).then(|| Line { id, label: label.replace("__", "_"), enabled })
}
