//! `holdfast open`.

use holdfast_core::names::SessionName;
use holdfast_core::terminal::{Choice, Known};

use super::{Global, desired, load, out, store};
use crate::open::{self, Wanted};
use crate::problem::Problem;
use crate::raise::raise;

pub(super) async fn open(
    global: &Global,
    session: SessionName,
    terminal: Option<Known>,
    new: bool,
) -> Result<(), Problem> {
    let store = store(global)?;
    let settings = load(global, &store)?;
    let desired = desired(global, &settings)?;
    if !new && raise(&store, &desired.key(), &session).await {
        out::talk("It is open already, and its window is in front now. Another one: holdfast open --new");
        return Ok(());
    }
    let (machine, once) = (desired.machine, terminal.is_some());
    let terminal = terminal.map_or(settings.terminal, Choice::Known);
    open::open(&store, &Wanted { machine, session, sandbox: global.sandbox, terminal, once }).await
}
