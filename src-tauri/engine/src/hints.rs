//! The machine that this process is about, which the commands that it tells people have to name.

use std::sync::OnceLock;

use holdfast_core::hints;
use holdfast_core::names::MachineName;

static NAMED: OnceLock<MachineName> = OnceLock::new();

/// From now on the commands that are told name this machine: another one is meant by those that name none.
pub(crate) fn name(machine: &MachineName) {
    NAMED.get_or_init(|| machine.clone());
}

/// The text with the machine named in the commands in it, where it has to be.
pub(crate) fn naming(text: &str) -> String {
    NAMED.get().map_or_else(|| text.to_owned(), |machine| hints::naming(text, machine))
}
