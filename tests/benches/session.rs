//! A session as a person meets it: `./dev bench session`.
//!
//! The real program in a pseudo terminal, and a machine of the sandbox at the other end. Where
//! `SESSION_MANAGER_PLUGIN=/path` names the official plugin, it is measured beside Holdfast, against the same gateway
//! and machine. `-- WORD…` measures only the rows whose names hold one of the words.

#![cfg_attr(target_os = "linux", expect(clippy::print_stdout, reason = "a benchmark prints its table"))]

#[cfg(target_os = "linux")]
#[path = "session/cable.rs"]
mod cable;
#[cfg(target_os = "linux")]
#[path = "session/place.rs"]
mod place;
#[cfg(target_os = "linux")]
#[path = "../program.rs"]
mod program;
#[cfg(target_os = "linux")]
#[path = "session/proxy.rs"]
mod proxy;
#[cfg(target_os = "linux")]
#[path = "session/terminal.rs"]
mod terminal;

#[cfg(target_os = "linux")]
#[path = "session/measures.rs"]
mod measures;

/// The figures come from /proc.
fn main() {
    #[cfg(target_os = "linux")]
    measures::main();
}
