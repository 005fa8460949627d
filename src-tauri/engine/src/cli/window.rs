//! `holdfast open`.

use holdfast_core::names::SessionName;

use super::{Global, desired, load, store};
use crate::open::{self, Wanted};
use crate::problem::Problem;

pub(super) async fn open(global: &Global, session: SessionName) -> Result<(), Problem> {
    let store = store(global)?;
    let settings = load(global, &store)?;
    let desired = desired(global, &settings)?;
    let machine = desired.machine;
    open::open(&store, &Wanted { machine, session, sandbox: global.sandbox, terminal: settings.terminal })
        .await
}
