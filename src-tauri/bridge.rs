//! The bridge to the window: three commands, two events, all of them typed on both sides.

use holdfast::app::{Input, LogRequest};
use holdfast_core::app::{Command, Page, Refusal, View};
use holdfast_core::jobs::LogChunk;
use serde::{Deserialize, Serialize};
use tauri::State;
use tauri_specta::{Builder, ErrorHandlingMode, collect_commands, collect_events};
use tokio::sync::oneshot;

use crate::Desk;

/// There is something new to show.
#[derive(Clone, Debug, Serialize, specta::Type, tauri_specta::Event)]
pub struct ViewChanged(pub View);

/// The window is to go to this page.
#[derive(Clone, Debug, Serialize, Deserialize, specta::Type, tauri_specta::Event)]
pub struct OpenPage(pub Page);

/// What is shown now.
#[tauri::command]
#[specta::specta]
async fn view(desk: State<'_, Desk>) -> Result<View, Refusal> {
    let mut views = desk.view.subscribe();
    // The window may be quicker than the first view.
    let view = views.wait_for(Option::is_some).await.ok().and_then(|view| view.clone());
    view.ok_or_else(about_to_end)
}

/// Asks for something.
#[tauri::command]
#[specta::specta]
async fn act(desk: State<'_, Desk>, command: Command) -> Result<(), Refusal> {
    let (answer, answered) = oneshot::channel();
    desk.send(Input::Command(command, answer));
    answered.await.unwrap_or_else(|_| Err(about_to_end()))
}

/// The next lines of the job's log with this number, from one on: as soon as there are any, and at most a chunk.
#[tauri::command]
#[specta::specta]
async fn log(desk: State<'_, Desk>, number: u32, from: u32) -> Result<LogChunk, Refusal> {
    let (answer, answered) = oneshot::channel();
    desk.send(Input::Log(LogRequest { number, from, answer }));
    answered.await.unwrap_or_else(|_| Err(about_to_end()))
}

fn about_to_end() -> Refusal {
    Refusal { why: "Holdfast is about to end".to_owned() }
}

/// The commands and events, and the types in them. A test writes them to `ui/src/bindings.ts`.
pub fn bindings() -> Builder<tauri::Wry> {
    Builder::new()
        .error_handling(ErrorHandlingMode::Throw)
        .disable_serde_phases()
        .commands(collect_commands![view, act, log])
        .events(collect_events![ViewChanged, OpenPage])
}

#[cfg(test)]
mod tests {
    use specta_typescript::Typescript;

    const BINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/src/bindings.ts");

    /// With UPDATE_BINDINGS=1 it writes the file instead.
    #[test]
    fn the_bindings_are_those_of_the_types() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bindings.ts");
        super::bindings().export(Typescript::default(), &file).unwrap();
        let fresh = std::fs::read_to_string(file).unwrap();
        if std::env::var_os("UPDATE_BINDINGS").is_some() {
            return std::fs::write(BINDINGS, fresh).unwrap();
        }
        let committed = std::fs::read_to_string(BINDINGS).unwrap();
        assert!(
            committed == fresh,
            "stale: UPDATE_BINDINGS=1 cargo nextest run -p holdfast-desktop bindings"
        );
    }
}
